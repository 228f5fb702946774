"""A number that no run stands behind cannot become a cell, and cannot be rendered."""

from dataclasses import replace

import pytest

from bench.analysis import stats
from bench.analysis.cells import Block, Cell, Column, Phrase, Row, Table, missing, number, words
from bench.tables.page import format_cell, format_number, letters_for, make_page
from bench.tables.text import say

COLUMN = Column("top1", Phrase("Top-1 (%)"), 2, "mean")


@pytest.mark.parametrize("text", ["60.00", " 60 ", "−3.1 %", "± 0.5", "1,247.3", "1e3"])
def test_a_number_in_words_needs_runs_too(text: str) -> None:
    with pytest.raises(ValueError, match="runs"):
        words(text)
    with pytest.raises(ValueError, match="runs"):
        words("{}", text)


def test_a_number_without_a_run_is_no_cell() -> None:
    with pytest.raises(ValueError, match="runs"):
        Cell(value=60.0)
    with pytest.raises(ValueError, match="runs"):
        number(60.0, [])


def test_a_number_that_lost_its_runs_is_not_rendered() -> None:
    cell = number(60.0, ["deck/hornet_tiny-0-s0"])
    object.__setattr__(cell, "runs", ())
    table = Table("t", Phrase("T"), (COLUMN,), [Block(None, [Row({"top1": cell})])])
    with pytest.raises(ValueError, match="no run"):
        make_page(table)


def test_a_gap_needs_a_reason_and_shows_it() -> None:
    with pytest.raises(ValueError, match="reason"):
        Cell()
    table = Table("t", Phrase("T"), (COLUMN,), [Block(None, [Row({"top1": missing("no finished run")})])])
    page = make_page(table)
    assert page.sections[0].rows[0][0].text == "—"
    assert page.footnotes == [("a", "no finished run")]


def test_numbers_as_they_are_shown() -> None:
    cell = Cell(66.499, None, 3, 66.08, 66.92, ("a", "b", "c"))
    assert format_cell(cell, COLUMN, "en") == "66.50 ± 0.42"
    assert format_cell(replace(cell, low=None, high=None), COLUMN, "en") == "66.50"
    assert format_cell(cell, replace(COLUMN, kind="interval"), "en") == "66.50 [66.08, 66.92]"
    difference = Cell(-0.51, None, 6, -1.2, 0.18, ("a",))
    assert format_cell(difference, replace(COLUMN, kind="difference"), "en") == "−0.51 [−1.20, +0.18]"
    assert format_cell(number(0.0004, ["a"]), replace(COLUMN, kind="p"), "en") == "< 0.001"


def test_a_small_number_is_not_rounded_to_nothing() -> None:
    assert format_number(0.000123, 3) == "0.00012"
    assert format_number(0.0, 3) == "0.000"


def test_letters_go_on_after_z() -> None:
    assert [letters_for(index) for index in (0, 25, 26, 27, 51, 52, 701, 702)] == [
        *("a", "z", "aa", "ab", "az", "ba", "zz", "aaa")
    ]


def test_chinese_keeps_what_it_is_given() -> None:
    phrase = Phrase("{} runs of {} networks and recipes", (2, 5), zh="{1} 个网络与训练方案的 {0} 次运行")
    assert say(phrase, "en") == "2 runs of 5 networks and recipes"
    assert say(phrase, "zh") == "5 个网络与训练方案的 2 次运行"
    assert "n = 1" in say(Phrase(stats.ONE_RUN), "zh")
