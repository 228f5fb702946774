"""Ranks are ranges where the order of two rows is not settled."""

import shutil
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bench.analysis.cells import Cell, missing
from bench.tables.comparison import rank_ranges
from bench.tables.page import make_page
from bench.tables.render_csv import render_csv
from tests.fake_runs import write_fake_run
from tests.tables.building import build, rows_of

RUN = ("e/r",)


def score(low: float, high: float) -> Cell:
    """Return a mean with an interval; none where both ends are the same."""
    if low == high:
        return Cell(low, n=1, runs=RUN)
    return Cell((low + high) / 2, n=3, low=low, high=high, runs=RUN)


def test_intervals_that_overlap_leave_places_open() -> None:
    scores = [score(9, 11), score(8, 10), score(7.5, 7.5), score(5, 7.9), missing("not run"), score(1, 2)]
    assert rank_ranges(scores) == [(1, 2), (1, 2), (3, 4), (3, 4), (0, 0), (5, 5)]
    assert rank_ranges(scores, ascending=True) == [(4, 5), (4, 5), (2, 3), (2, 3), (0, 0), (1, 1)]


@given(st.lists(st.tuples(st.integers(0, 50), st.integers(0, 20)), min_size=1, max_size=12))
def test_a_place_is_open_unless_another_interval_takes_it(drawn: list[tuple[int, int]]) -> None:
    ends = [(low, low + width) for low, width in drawn]
    for (low, high), (best, worst) in zip(ends, rank_ranges([score(*end) for end in ends]), strict=True):
        assert best == 1 + len([other for other in ends if other[0] > high])
        assert worst == len(ends) - len([other for other in ends if other[1] < low])
        assert 1 <= best <= worst <= len(ends)


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return two networks whose intervals overlap, and one far below them (generated)."""
    root = tmp_path_factory.mktemp("ranks")
    for seed, shift in enumerate((-0.5, 0.0, 0.5)):
        for name, top1 in (("resnet_20", 66.0), ("eca_resnet_20", 66.2), ("resnet_32", 50.0)):
            write_fake_run(root, name, seed, top1=top1 + shift)
    return root


def test_tables_show_the_range(runs: Path) -> None:
    table = build(runs, "comparison")
    texts = {row[1].text: row[0].text for section in make_page(table).sections for row in section.rows}
    assert texts == {"eca_resnet_20": "1–2", "resnet_20": "1–2", "resnet_32": "3"}
    assert rows_of(table)["resnet_20"].cells["rank"].value == 2
    head, *lines = render_csv(table).splitlines()
    assert head.startswith("block,rank,rank_low,rank_high,model,technique,")
    assert [line.split(",")[1:4] for line in lines] == [["1", "1", "2"], ["2", "1", "2"], ["3", "3", "3"]]


def test_a_row_of_one_run_is_ranked_by_the_spread_of_the_others(runs: Path, tmp_path: Path) -> None:
    """The standard deviation of all three networks is 0.5 with six degrees of freedom: ± 1.22."""
    root = tmp_path / "runs"
    shutil.copytree(runs, root)
    for name, top1 in (("resnet_56", 66.9), ("ghost_resnet_20", 51.3), ("mlp_mixer_tiny", 40.0)):
        write_fake_run(root, name, 0, top1=top1)
    rows = rows_of(build(root, "comparison"))
    places = {name: (row.cells["rank"].low, row.cells["rank"].high) for name, row in rows.items()}
    assert places == {
        **dict.fromkeys(("resnet_56", "eca_resnet_20", "resnet_20"), (1, 3)),
        **dict.fromkeys(("ghost_resnet_20", "resnet_32"), (4, 5)),
        "mlp_mixer_tiny": (6, 6),
    }
    assert rows["resnet_56"].cells["top1"].low is None, "its cell has no interval"


def test_without_any_spread_it_counts_at_its_value(tmp_path: Path) -> None:
    for name, top1 in (("resnet_20", 60.0), ("resnet_32", 60.1)):
        write_fake_run(tmp_path, name, 0, top1=top1)
    rows = rows_of(build(tmp_path, "comparison"))
    assert [(row.cells["rank"].low, row.cells["rank"].high) for row in rows.values()] == [(1, 1), (2, 2)]
