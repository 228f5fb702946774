"""The tables of what was measured on trained networks: intervals over seeds, gaps, and their registry."""

import re
from pathlib import Path
from typing import Any

import pytest

from bench.analysis import stats
from bench.analysis.cells import Phrase
from bench.evaluate.registry import EVALUATORS, quantities_of
from bench.records import write_evaluation
from bench.tables.__main__ import main
from bench.tables.evaluation_columns import SEVERAL_WAYS
from bench.tables.page import make_page
from bench.tables.registry import EVALUATIONS
from bench.util.cli import BAD_INPUT, run_command
from tests.fake_runs import write_fake_run
from tests.tables.building import build, rows_of


def write_evaluated(
    runs: Path, table: str, name: str, seed: int, value: float, experiment: str = "generated", **about: Any
) -> str:
    """Write a generated run whose every quantity of a table has one value, and return its id."""
    path = write_fake_run(runs, name, seed, experiment=experiment)
    content: dict[str, dict[str, Any]] = {}
    for evaluator, key in quantities_of(table):
        content.setdefault(evaluator, {"machine": "Generated CPU", "precision": "fp32", **about})[key] = value
    for evaluator, measured in content.items():
        write_evaluation(path, evaluator, measured)
        write_evaluation(path, f"{evaluator}-ep000001-ba0000000001-train", {**measured, "other": True})
    return f"{path.parent.name}/{path.name}"


@pytest.mark.parametrize("table", EVALUATIONS)
def test_a_row_has_the_mean_and_interval_over_seeds(table: str, tmp_path: Path) -> None:
    runs = [write_evaluated(tmp_path, table, "resnet_20", seed, value) for seed, value in enumerate((3.0, 5.0, 7.0))]
    write_evaluated(tmp_path, table, "resnet_32", 0, 4.0)
    write_fake_run(tmp_path, "resnet_56")
    rows, expected = rows_of(build(tmp_path, table)), stats.mean_interval([3.0, 5.0, 7.0])
    for _, key in quantities_of(table):
        cell = rows["resnet_20"].cells[key]
        assert (cell.value, cell.low, cell.high) == (expected.mean, expected.low, expected.high)
        assert sorted(cell.runs) == sorted(runs)
        assert rows["resnet_32"].cells[key].low is None
        gap = rows["resnet_56"].cells[key]
        assert gap.value is None
        assert "python -m bench.evaluate RUN --what" in (gap.why.english() if gap.why else "")
    lower = not next(iter(quantities_of(table).values())).higher_is_better
    (block,) = build(tmp_path, table).blocks
    order = [text.english() for row in block.rows if (text := row.cells["model"].text)]
    assert order == [*(("resnet_32", "resnet_20") if lower else ("resnet_20", "resnet_32")), "resnet_56"]


def test_what_nobody_evaluated_is_named_below_and_no_column_is_empty(tmp_path: Path) -> None:
    write_fake_run(tmp_path, "resnet_56", batch_size=64)
    path = write_fake_run(tmp_path, "resnet_20")
    write_evaluation(path, "calibration", {"ece": 3.0, "temperature": None, "nll": 1.0})
    table = build(tmp_path, "calibration")
    assert list(rows_of(table)) == ["resnet_20"]
    (absent,) = [note.english() for note in table.notes if note.english().startswith("Not evaluated, nor comparable")]
    assert re.search(r": resnet_56 \(\d+\)$", absent)
    keys = {column.key for column in table.columns}
    assert {"ece", "nll"} <= keys
    assert "temperature" not in keys
    assert {"pgd_8_top1", "ood_energy"} <= {column.key for column in build(tmp_path, "robustness").columns}


def test_a_seed_that_was_trained_twice_counts_as_evaluated_where_either_was(tmp_path: Path) -> None:
    for seed in (0, 1):
        write_fake_run(tmp_path, "resnet_20", seed, experiment="first")
    run = write_evaluated(tmp_path, "calibration", "resnet_20", 1, 4.0, "second")
    cell = rows_of(build(tmp_path, "calibration"))["resnet_20"].cells["ece"]
    assert (cell.value, cell.n, cell.runs) == (4.0, 1, (run,))
    assert cell.why is not None
    assert f"the same recipe and seeds, trained another time ({run})" in cell.why.english()


def test_what_was_measured_on_other_images_is_not_averaged(tmp_path: Path) -> None:
    for seed, images in enumerate((1000, 1000, 10_000)):
        write_evaluated(tmp_path, "robustness", "resnet_20", seed, 5.0, images=images)
    table = build(tmp_path, "robustness")
    cell = rows_of(table)["resnet_20"].cells["pgd_8_top1"]
    assert cell.value is None
    assert cell.why == Phrase(SEVERAL_WAYS)
    assert any(note.english().startswith("adversarial: 1,000 / 10,000 images, chosen by key; ") for note in table.notes)


def test_runs_of_two_experiments_make_one_row(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for seed, experiment in enumerate(("first", "second", "second", "third")):
        write_evaluated(tmp_path, "calibration", "resnet_20", seed, 2.0 + seed, experiment)
    words = ["calibration", "--runs", str(tmp_path), "--experiment", "first", "--experiment", "second"]
    assert main(words) == 0
    assert re.search(r"resnet_20 +\| +3 \|", capsys.readouterr().out)
    assert run_command(main, [*words, "--experiment", "secnd"]) == BAD_INPUT
    assert "Did you mean 'second'?" in capsys.readouterr().err


def test_the_table_of_models_has_what_was_measured_where_there_is_room(tmp_path: Path) -> None:
    write_fake_run(tmp_path, "resnet_32")
    assert not {column.key for column in build(tmp_path, "comparison").columns} & {"ece", "pgd_8_top1"}
    for seed, value in enumerate((3.0, 5.0, 7.0)):
        write_evaluated(tmp_path, "calibration", "resnet_20", seed, value)
    table = build(tmp_path, "comparison")
    assert "ECE (%)" in make_page(table, wide=True).headings
    assert "ECE (%)" not in make_page(table).headings
    assert "PGD 8/255 (%)" not in make_page(table, wide=True).headings
    cell = rows_of(table)["resnet_20"].cells["ece"]
    expected = stats.mean_interval([3.0, 5.0, 7.0])
    assert (cell.value, cell.low, cell.high) == (expected.mean, expected.low, expected.high)


@pytest.mark.parametrize("table", EVALUATIONS)
def test_it_is_made_unasked_only_where_there_is_something(
    table: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write_fake_run(tmp_path, "resnet_32")
    title = f"## {build(tmp_path, table).title.english()}"
    assert main(["--runs", str(tmp_path)]) == 0
    assert title not in capsys.readouterr().out
    write_evaluated(tmp_path, table, "resnet_20", 0, 3.0)
    assert main(["--runs", str(tmp_path)]) == 0
    assert title in capsys.readouterr().out


@pytest.mark.parametrize("table", EVALUATIONS)
def test_what_several_machines_timed_is_not_averaged(table: str, tmp_path: Path) -> None:
    for seed, machine in enumerate(("Generated CPU", "another CPU")):
        write_evaluated(tmp_path, table, "resnet_20", seed, 3.0, machine=machine)
    cells = rows_of(build(tmp_path, table))["resnet_20"].cells
    for evaluator, key in quantities_of(table):
        assert (cells[key].value is None) == EVALUATORS[evaluator].timed


def test_every_quantity_has_its_place() -> None:
    keys = [key for evaluator in EVALUATORS.values() for key in evaluator.quantities]
    assert len(set(keys)) == len(keys)
    assert {evaluator.table for evaluator in EVALUATORS.values() if evaluator.table} == set(EVALUATIONS)
    for name, evaluator in EVALUATORS.items():
        assert evaluator.source, name
        assert all(quantity.heading_zh for quantity in evaluator.quantities.values()), name


@pytest.mark.parametrize("table", EVALUATIONS)
def test_an_evaluation_without_its_quantities_is_a_gap(table: str, tmp_path: Path) -> None:
    path = write_fake_run(tmp_path, "resnet_20")
    for evaluator, _ in quantities_of(table):
        write_evaluation(path, evaluator, {})
    row = rows_of(build(tmp_path, table))["resnet_20"]
    assert all(row.cells[key].value is None for _, key in quantities_of(table) if key in row.cells)
