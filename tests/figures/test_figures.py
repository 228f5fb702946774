"""The figures: the same file each time, labels that do not overlap, curves that are those of the runs."""

import json
import os
import subprocess
import sys
from collections.abc import Sequence
from itertools import combinations
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from matplotlib.axis import Tick
from matplotlib.figure import Figure
from matplotlib.text import Text
from matplotlib.transforms import Bbox

from bench.analysis.ablations import ABLATIONS, ablation_names
from bench.analysis.cells import Cell
from bench.analysis.pareto import pareto_front
from bench.analysis.run_groups import RunGroup
from bench.analysis.sources import make_source
from bench.figures import curves, style
from bench.figures.__main__ import main
from bench.figures.accuracy import Drawings
from bench.figures.efficiency import step_corners
from bench.figures.intervals import cuts, view_limits
from bench.figures.labels import MARKER, around, place_labels
from bench.figures.registry import FIGURES
from bench.records import Row, read_runs
from bench.tables.targets import group_cells
from bench.util.cli import BAD_INPUT, OK, run_command
from tests.fake_runs import write_fake_run

EVALUATED = ("reliability_diagram", "superclass_confusion", "corruption_curves", "adversarial_accuracy")
COORDINATE = st.floats(0.01, 100)
POINTS = st.lists(st.tuples(COORDINATE, COORDINATE), min_size=1, max_size=25)


def draw(runs: Path, name: str) -> dict[str, Figure]:
    with style.styled():
        figures = dict(FIGURES[name](make_source(read_runs(runs), str(runs)).run_groups))
        for figure in figures.values():
            figure.draw_without_rendering()
    return figures


def words_of(figure: Figure) -> list[tuple[str, Bbox]]:
    """Return the texts that a figure shows and their boxes; of the ticks, only those that are drawn."""
    canvas: Any = figure.canvas
    renderer = canvas.get_renderer()
    kept = {id(label) for tick in figure.findobj(Tick) for label in (tick.label1, tick.label2)}
    axes: list[Any] = [axis for panel in figure.axes for axis in (panel.xaxis, panel.yaxis)]
    drawn = {id(label) for axis in axes for tick in axis._update_ticks() for label in (tick.label1, tick.label2)}
    return [
        (text.get_text(), Text.get_window_extent(text, renderer))
        for text in figure.findobj(Text)
        if isinstance(text, Text)
        and text.get_visible()
        and text.get_text().strip()
        and (id(text) in drawn or id(text) not in kept)
    ]


def test_a_time_that_only_some_runs_took_is_an_open_marker_at_its_lower_bound(tmp_path: Path) -> None:
    for seed, top1 in enumerate((66.0, 64.0)):
        write_fake_run(tmp_path, "resnet_20", seed, top1=top1)
    (figure,) = draw(tmp_path, "time_to_accuracy").values()
    (group,) = make_source(read_runs(tmp_path), str(tmp_path)).run_groups
    bound = group_cells(group, (65.0,))["seconds_to_65"].low
    drawn = [line for line in figure.axes[0].lines if line.get_markerfacecolor() == "white"]
    assert [time for line in drawn for time in np.asarray(line.get_xdata())] == [bound]
    assert any(words.startswith("65 %") for words, _ in words_of(figure))
    assert any("Open markers: a lower bound" in words for words, _ in words_of(figure))


@pytest.mark.parametrize("name", FIGURES)
def test_no_two_words_overlap_and_none_leaves_the_page(
    name: str, deck_runs: Path, ablation_runs: Path, evaluated_runs: Path
) -> None:
    figures = draw({"ablations": ablation_runs, **dict.fromkeys(EVALUATED, evaluated_runs)}.get(name, deck_runs), name)
    assert figures
    for file, figure in figures.items():
        boxes = words_of(figure)
        assert boxes
        page = Bbox.from_extents(0, 0, *(size * figure.dpi for size in figure.get_size_inches())).padded(1)
        for words, box in boxes:
            assert page.x0 <= box.x0 and box.x1 <= page.x1 and page.y0 <= box.y0 and box.y1 <= page.y1, (file, words)  # noqa: PT018
        for (first, one), (second, other) in combinations(boxes, 2):
            assert not one.padded(-1.5).overlaps(other.padded(-1.5)), (file, first, second)


def test_files_are_the_same_each_time_and_bear_their_origin_and_no_date(deck_runs: Path, tmp_path: Path) -> None:
    words = ["accuracy_comparison", "efficiency_analysis", "--runs", str(deck_runs), "--out", str(tmp_path)]
    contents = []
    for _ in range(2):
        assert main(words) == OK
        contents.append({path.name: path.read_bytes() for path in tmp_path.iterdir()})
    assert contents[0] == contents[1]
    assert len(contents[0]) >= 4
    for content in contents[0].values():
        assert b"python -m bench.figures accuracy_comparison" in content
        assert b"75 runs" in content
        assert b"<dc:date>" not in content
        assert b"matplotlib version" not in content.lower()


def test_every_run_and_figure_is_drawn_without_a_display(ablation_runs: Path, tmp_path: Path) -> None:
    command = [sys.executable, "-m", "bench.figures", "ablations", "--runs", str(ablation_runs), "--out", str(tmp_path)]
    environment = {key: value for key, value in os.environ.items() if key not in ("DISPLAY", "MPLBACKEND")}
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=True, timeout=300)
    drawn = {Path(line).stem for line in done.stdout.splitlines()}
    trained = {"algorithms", "eca_kernel", "eca_position", "ghost_ratio", "improved_resnet20_convnext", "stem"}
    assert drawn == {f"ablation_{name}" for name in trained}
    assert trained < set(ablation_names(ABLATIONS))


def test_a_curve_is_the_mean_and_range_of_the_runs() -> None:
    runs: list[list[Row]] = [
        [{"epoch": 1, "eval_top1": 10.0}, {"epoch": 2, "eval_top1": 30.0}, {"epoch": 3, "eval_top1": None}],
        [{"epoch": 1, "eval_top1": 20.0}, {"epoch": 1.5, "eval_top1": 35.0}, {"epoch": 2, "eval_top1": 50.0}],
    ]
    curve = curves.curve_of(runs, "eval_top1")
    assert curve == curves.Curve([1, 2], [15.0, 40.0], [10.0, 30.0], [20.0, 50.0])
    assert curves.curve_of(runs[1:], "eval_top1").epochs == [1, 1.5, 2]
    assert curves.curve_of(runs, "train_loss").epochs == []


def test_the_curve_ends_where_the_result_says(tmp_path: Path) -> None:
    write_fake_run(tmp_path, "resnet_20", top1=66.5)
    (run_group,) = make_source(read_runs(tmp_path), "").run_groups
    curve = curves.curve_of([record.epochs for record in run_group.records], "eval_top1")
    assert curve.mean[-1] == 66.5
    assert {"training_curves", "training_curves_resnet_20"} <= set(draw(tmp_path, "training_curves"))


def test_a_network_of_several_budgets_is_one_line_and_data_sets_are_apart(tmp_path: Path) -> None:
    for model, steps, top1 in (("resnet_20", 10, 50.0), ("resnet_20", 40, 60.0), ("resnet_56", 20, 65.0)):
        write_fake_run(tmp_path, model, top1=top1, epochs=steps, max_duration=f"{steps}ep")
    write_fake_run(tmp_path, "resnet_20", top1=55.0, epochs=40, max_duration="40ep", augmentation={"crop_padding": 2})
    write_fake_run(tmp_path, "resnet_20", top1=20.0, data={"name": "shapes100"})
    figures = draw(tmp_path, "frontier")
    assert sorted(figures) == ["frontier", "frontier_2"]
    (panel,) = figures["frontier"].axes
    dotted = [np.asarray(line.get_xydata()) for line in panel.lines if line.get_linestyle() == ":"]
    (path,) = [line for line in dotted if len(line) > 1]
    assert path[:, 1].tolist() == [50.0, 60.0]
    assert path[1, 0] == pytest.approx(4 * path[0, 0], rel=0.01)
    assert {text.get_text() for text in panel.texts} == {"resnet_20", "resnet_56"}


@settings(deadline=None)
@given(POINTS)
def test_the_front_is_what_nothing_beats(points: list[tuple[float, float]]) -> None:
    costs, scores = (list(side) for side in zip(*points, strict=True))
    front = pareto_front(costs, scores)
    assert any(front)
    for (cost, score), on_front in zip(points, front, strict=True):
        beaten = any(c <= cost and s >= score and (c, s) != (cost, score) for c, s in points)
        assert on_front is not beaten


def test_the_front_by_hand() -> None:
    assert pareto_front([1, 2, 3, 2, None], [50, 60, 55, 60, 99]) == [True, True, False, True, False]
    assert step_corners([(1, 50), (2, 60)]) == [(1, 50), (2, 50), (2, 60)]


@settings(deadline=None, max_examples=25)
@given(POINTS)
def test_labels_overlap_nothing(points: list[tuple[float, float]]) -> None:
    with style.styled():
        figure = style.new_figure()
        axes = figure.subplots()
        axes.set_xlim(0, 100)
        axes.set_ylim(0, 100)
        figure.draw_without_rendering()
        labelled = [(point, f"model_{index}") for index, point in enumerate(points[::2])]
        left_out = place_labels(axes, labelled, points[1::2], [], 10)
    canvas: Any = figure.canvas
    boxes = [Text.get_window_extent(text, canvas.get_renderer()) for text in axes.texts]
    assert len(boxes) + len(left_out) == len(labelled)
    assert not any(one.overlaps(other) for one, other in combinations(boxes, 2))
    assert not any(box.overlaps(around(axes, point, MARKER)) for box in boxes for point in points)


def test_a_wide_interval_does_not_squeeze_the_others() -> None:
    cells = [Cell(value, None, 2, value - half, value + half, ("r",)) for value, half in ((60, 1), (70, 2), (65, 90))]
    low, high = view_limits(cells)
    assert low > 50
    assert high < 80
    assert [cuts(cell, (low, high)) for cell in cells] == [(False, False), (False, False), (True, True)]
    assert view_limits(cells[:2])[0] < 59


def test_colours_and_markers_differ_between_techniques() -> None:
    looks = [*style.TECHNIQUES.values(), style.OTHER_TECHNIQUE]
    assert len({colour for colour, _ in looks}) == len({marker for _, marker in looks}) == len(looks)


def test_unknown_names_and_missing_runs(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run_command(main, ["acuracy_comparison"]) == BAD_INPUT
    assert "Did you mean 'accuracy_comparison'?" in capsys.readouterr().err
    assert run_command(main, ["--runs", str(tmp_path / "nowhere")]) == BAD_INPUT
    write_fake_run(tmp_path, "resnet_20")
    (tmp_path / "file").write_text("")
    assert run_command(main, ["--runs", str(tmp_path), "--out", str(tmp_path / "file" / "x")]) == BAD_INPUT


def count_runs(run_groups: Sequence[RunGroup]) -> Drawings:
    """Return the number of runs of each run group as bars."""
    figure = style.new_figure()
    figure.subplots().bar([run_group.label for run_group in run_groups], [len(c.runs) for c in run_groups])
    return [("run_counts", figure)]


def test_a_figure_is_a_function_and_a_row(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setitem(FIGURES, "counts", count_runs)
    write_fake_run(tmp_path / "runs", "resnet_20")
    assert main(["counts", "--runs", str(tmp_path / "runs"), "--out", str(tmp_path / "out")]) == OK
    assert {path.name for path in (tmp_path / "out").iterdir()} == {"run_counts.png", "run_counts.svg"}
    assert b"python -m bench.figures counts" in (tmp_path / "out" / "run_counts.svg").read_bytes()
    with pytest.raises(SystemExit):
        main(["--help"])
    assert "counts" in capsys.readouterr().out


def test_without_an_accuracy_there_is_no_figure_of_accuracies(tmp_path: Path) -> None:
    path = write_fake_run(tmp_path, "resnet_20")
    result = json.loads((path / "result.json").read_text())
    del result["top1"]
    (path / "result.json").write_text(json.dumps(result))
    run_groups = make_source(read_runs(tmp_path), "").run_groups
    assert FIGURES["accuracy_comparison"](run_groups) == []
