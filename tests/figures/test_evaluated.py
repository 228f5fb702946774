"""The figures of evaluations show the numbers of the records, with intervals over seeds."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from matplotlib.figure import Figure

from bench.analysis import stats
from bench.analysis.run_groups import RunGroup
from bench.analysis.sources import make_source
from bench.figures import style
from bench.figures.__main__ import main
from bench.figures.confusion import mean_shares
from bench.figures.registry import FIGURES
from bench.figures.reliability import of_bin
from bench.figures.robustness import MEAN, attacked, corrupted
from bench.records import read_runs
from tests.figures.test_figures import EVALUATED


def groups_of(runs: Path) -> dict[str, RunGroup]:
    """Return the run groups of a folder by their models."""
    return {group.model: group for group in make_source(read_runs(runs), str(runs)).run_groups}


def draw(runs: Path, name: str) -> dict[str, Figure]:
    with style.styled():
        return dict(FIGURES[name](list(groups_of(runs).values())))


def evaluation(group: RunGroup, name: str) -> list[dict[str, Any]]:
    return [dict(record.evaluations[name]) for record in group.records]


def lines_of(figure: Figure, panel: int, label: str) -> list[float]:
    """Return the heights of a labelled line of a panel."""
    (line,) = (line for line in figure.axes[panel].get_lines() if line.get_label() == label)
    return np.asarray(line.get_ydata(), float).tolist()


def test_adversarial_accuracy_is_that_of_the_records(evaluated_runs: Path) -> None:
    (figure,) = draw(evaluated_runs, "adversarial_accuracy").values()
    records = evaluation(groups_of(evaluated_runs)["resnet_20"], "adversarial")
    assert [panel.get_title(loc="left") for panel in figure.axes] == ["FGSM", "PGD"]
    for panel, attack in enumerate(("fgsm", "pgd")):
        means = [stats.mean_interval([r["attacks"][attack][b] for r in records]) for b in ("1", "2", "4", "8")]
        clean = sum(record["clean_top1"] for record in records) / 3
        assert lines_of(figure, panel, "resnet_20 [3]") == pytest.approx([clean, *(m.mean for m in means)])
        # The interval at a budget of 8 is one of the lines without a label.
        drawn = [
            (np.asarray(line.get_xdata()), np.asarray(line.get_ydata())) for line in figure.axes[panel].get_lines()
        ]
        ends = [heights.tolist() for places, heights in drawn if places.tolist() == [8, 8]]
        low, high = means[-1].low, means[-1].high
        assert low is not None
        assert high is not None
        assert [max(0.0, low), min(100.0, high)] in [pytest.approx(end) for end in ends]
    assert attacked(records[0], 3, "pgd") is None


def test_corruption_curves_are_those_of_the_records(evaluated_runs: Path) -> None:
    (figure,) = draw(evaluated_runs, "corruption_curves").values()
    assert [panel.get_title(loc="left") for panel in figure.axes] == [MEAN, "fog", "snow", "motion blur"]
    records = evaluation(groups_of(evaluated_runs)["resnet_20"], "corruptions")
    fog = lines_of(figure, 1, "resnet_20 [3]")
    assert fog[0] == pytest.approx(sum(record["clean_top1"] for record in records) / 3)
    assert fog[1:] == pytest.approx([sum(r["kinds"]["fog"][s] for r in records) / 3 for s in range(5)])
    everything = [sum(row[4] for row in record["kinds"].values()) / 3 for record in records]
    assert lines_of(figure, 0, "resnet_20 [3]")[5] == pytest.approx(sum(everything) / 3)
    assert corrupted(records[0], 2, "frost") is None


def test_a_reliability_diagram_has_a_panel_for_each_evaluated_row(evaluated_runs: Path) -> None:
    (figure,) = draw(evaluated_runs, "reliability_diagram").values()
    assert [panel.get_title(loc="left") for panel in figure.axes] == ["convnext_tiny [1]", "resnet_20 [3]"]
    records = evaluation(groups_of(evaluated_runs)["resnet_20"], "calibration")
    row = next(row for row in records[0]["bins"] if row["bin"] == 3)
    assert of_bin(records[0], 3, "accuracy") == row["accuracy"]
    images = sum(row["images"] for row in records[0]["bins"])
    assert of_bin(records[0], 3, "images") == pytest.approx(100 * row["images"] / images)
    assert of_bin(records[0], 0, "images") is None


def test_a_confusion_matrix_is_in_percent_of_its_rows(evaluated_runs: Path) -> None:
    figures = draw(evaluated_runs, "superclass_confusion")
    assert set(figures) == {"superclass_confusion_resnet_20", "superclass_confusion_convnext_tiny"}
    shares = mean_shares([{"confusion": [[3, 1], [0, 0]]}, {"confusion": [[1, 1], [0, 2]]}])
    assert shares.tolist() == [[62.5, 37.5], [0, 50]]


def test_without_evaluations_there_is_nothing_to_draw(deck_runs: Path) -> None:
    for name in EVALUATED:
        assert draw(deck_runs, name) == {}


def test_the_command_writes_them(evaluated_runs: Path, tmp_path: Path) -> None:
    assert main([*EVALUATED, "--runs", str(evaluated_runs), "--out", str(tmp_path)]) == 0
    assert len(list(tmp_path.glob("*.png"))) == 5
