"""Ablations of the committed runs: a block has the same verdicts wherever it is shown, and compares equal lengths."""

from collections.abc import Sequence
from pathlib import Path

import pytest
from matplotlib.figure import Figure

from bench.analysis.ablations import ABLATIONS
from bench.analysis.cells import Table
from bench.analysis.recipe import duration_text
from bench.analysis.sources import make_source
from bench.figures.forest import ablations
from bench.records import RunRecord, read_runs
from bench.report.contents import Contents
from bench.report.figures import forests
from bench.report.overview import ablation_summary, overview, verdict_of
from bench.report.pairs import contrast_pairs
from bench.tables.measures import Options
from bench.tables.registry import all_tables
from tests.conftest import REPOSITORY
from tests.fake_runs import SGD, write_fake_run
from tests.report.decks import material_of

RUNS = REPOSITORY / "reports" / "runs"
# Ablation → the experiments that its report is made of.
REPORTS = {
    "speed_75": {"speed_75_ingredients"},
    "recipes_10ep": {"small_10ep"},
    "distillation": {"speed_cpu", "weights_cpu", "distillation"},
}


@pytest.fixture(scope="module")
def records() -> list[RunRecord]:
    return list(read_runs(RUNS))


@pytest.fixture(scope="module")
def page(records: Sequence[RunRecord]) -> Contents:
    """Return what the page of all committed runs is made of."""
    return Contents(make_source(records, "reports/runs"))


def report_of(name: str, records: Sequence[RunRecord]) -> Table:
    """Return an ablation's table as its report has it."""
    chosen = [record for record in records if record.run_id.partition("/")[0] in REPORTS[name]]
    return all_tables(ABLATIONS)[name](make_source(chosen, "").run_groups, Options())


def verdicts(table: Table) -> list[str]:
    """Return the verdicts of a table's arms."""
    return [verdict_of(row) for block in table.blocks for row in block.rows if "delta" in row.cells]


def texts(figure: Figure) -> list[str]:
    """Return the texts beside the points of a figure, without their p."""
    return [text.get_text().partition(", p")[0] for axes in figure.axes for text in axes.texts]


@pytest.mark.parametrize("name", REPORTS)
def test_an_ablation_has_the_same_verdicts_everywhere(name: str, records: Sequence[RunRecord], page: Contents) -> None:
    report = report_of(name, records)
    expected = verdicts(report)
    assert expected
    assert report.blocks[0].heading is not None
    assert report.blocks[0].heading.english().endswith("; paired t-test")
    (on_page,) = [table for table in page.ablation_tables if table.name == name]
    assert [block.heading for block in on_page.blocks] == [block.heading for block in report.blocks]
    (block,) = ablation_summary(page, on_page)["blocks"]
    assert sorted(line["verdict"] for line in block["verdicts"]) == sorted(expected)
    assert block["heading"].endswith("; paired t-test")
    (drawn,) = [figure for figure in forests(page) if figure["title"] == report.title.english()]
    assert "paired t-test" in drawn["note"]
    chosen = [record for record in records if record.run_id.partition("/")[0] in REPORTS[name]]
    for run_groups in (make_source(chosen, "").run_groups, page.source.run_groups):
        figure = dict(ablations(run_groups))[f"ablation_{name}"]
        assert texts(figure) == expected
    assert verdicts(material_of(RUNS).ablation_table(name)) == expected


def test_the_page_says_what_the_fast_recipe_gains(page: Contents) -> None:
    (table,) = [table for table in page.ablation_tables if table.name == "recipes_10ep"]
    (block,) = ablation_summary(page, table)["blocks"]
    (line,) = block["verdicts"]
    assert line["words"].startswith("fast_10ep is better than light_10ep by 8.48 ± ")
    assert block["heading"].startswith("resnet_20; dataset: cifar100; split: test; steps: 10ep; ")


def test_a_pair_has_one_verdict_on_the_first_screen(page: Contents) -> None:
    """What an ablation compares is not said again with a p that is adjusted over other comparisons."""
    shown = overview(page, contrast_pairs(page.run_groups))
    (block,) = [block for block in shown["blocks"] if "0.08 PFLOP" in block["conditions"] and not block["tuning"]]
    assert [line["verdict"] for line in block["verdicts"]] == ["tested below"]
    assert [block["tuning"] for block in shown["blocks"]] == sorted(block["tuning"] for block in shown["blocks"])
    absent = [line for line in shown["missing"] if line.startswith("No finished run of an arm")]
    assert any("std_conv" in line for line in absent)
    assert not any("ecanet20_fixed_k5" in line or "ratio=3" in line for line in absent)


def test_runs_of_different_lengths_are_never_compared(page: Contents, records: Sequence[RunRecord]) -> None:
    lengths = {record.run_id: duration_text(record.spec) for record in records}
    deltas = [
        row.cells["delta"]
        for table in page.ablation_tables
        for block in table.blocks
        for row in block.rows
        if "delta" in row.cells
    ]
    assert len(deltas) > 10
    assert all(len({lengths[run] for run in cell.runs}) == 1 for cell in deltas)


def test_each_arm_is_said_to_be_compared_with_its_own_base(tmp_path: Path) -> None:
    """Two bases of other learning rates: the arm at 0.05 was compared with that at 0.05 alone."""
    accuracies = {
        ("resnet20_no_eca", 0.1): (66.0, 66.4, 66.2),
        ("resnet20_no_eca", 0.05): (65.0, 65.3, 65.2),
        ("ecanet20_fixed_k3", 0.1): (66.5, 66.6, 66.8),
        ("ecanet20_fixed_k5", 0.05): (68.0, 68.3, 68.4),
    }
    for (model, lr), top1s in accuracies.items():
        for seed, top1 in enumerate(top1s):
            write_fake_run(tmp_path, model, seed, top1=top1, epochs=3, optimizer={**SGD, "lr": lr})
    contents = Contents(make_source(read_runs(tmp_path), ""))
    shown = overview(contents, contrast_pairs(contents.run_groups))
    (block,) = shown["blocks"]
    (below,) = [line["words"] for line in block["verdicts"] if line["verdict"] == "tested below"]
    assert below.count("resnet20_no_eca") == 1
    assert any("resnet20_no_eca" in line["words"] for line in block["verdicts"] if line["verdict"] != "tested below")
