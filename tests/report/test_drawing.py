"""Figures: places, ticks, fronts, and texts that stay texts."""

import math
import xml.etree.ElementTree as ET

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bench.analysis.cells import Cell, Phrase, missing
from bench.analysis.curves import Curve
from bench.report.drawing import canvas
from bench.report.drawing.canvas import Axis
from bench.report.drawing.curves import MAX_POINTS, Line, draw_curves, thinned
from bench.report.drawing.rows import Mark, RowOfMarks, draw_rows, place_of
from bench.report.drawing.scatter import Point, Seed, front_of, scatter

RUN = ("e/r",)
EVIL = '<script>alert("x")</script>'
positive = st.floats(1e-3, 1e6)


def point(group: int, cost: float, score: float, name: str = "m", half: float = 0.5) -> Point:
    cell = Cell(score, n=3, low=score - half, high=score + half, runs=RUN)
    return Point(group, name, "attention", cost, cell, (Seed(group, f"run {name}", cost, score),))


@given(st.lists(positive, min_size=1, max_size=8), st.booleans())
def test_an_axis_shows_every_value_in_order(values: list[float], log: bool) -> None:
    axis = Axis.over(values, 50.0, 700.0, log=log)
    places = [axis.at(value) for value in sorted(values)]
    assert places == sorted(places)
    assert all(50 <= place <= 700 for place in places)
    assert axis.ticks() == sorted(axis.ticks())
    assert all(axis.low <= tick <= axis.high for tick in axis.ticks())


@pytest.mark.parametrize(("low", "high"), [(0.15, 3.4), (1.0, 1.2), (5.0, 9000.0), (2e-3, 3e-3)])
def test_a_logarithmic_axis_names_several_values(low: float, high: float) -> None:
    assert len(Axis.over([low, high], 0.0, 600.0, log=True).ticks()) >= 3


def test_one_wide_interval_does_not_squeeze_the_others() -> None:
    cells = [Cell(50.0 + i, n=3, low=49.5 + i, high=50.5 + i, runs=RUN) for i in range(4)]
    wide = Cell(52.0, n=2, low=2.0, high=102.0, runs=RUN)
    low, high = canvas.view_ends([*cells, wide])
    assert 48 < low < 49.5
    assert 53.5 < high < 55


def test_the_front_is_what_nothing_beats() -> None:
    points = [point(0, 1.0, 50), point(1, 2.0, 49), point(2, 3.0, 60), point(3, 0.5, 20)]
    assert [p.group for p in front_of(points)] == [3, 0, 2]


@pytest.mark.parametrize("log", [True, False])
def test_a_scatter_names_its_rows_and_runs(log: bool) -> None:
    root = ET.fromstring(scatter([point(4, 1.0, 50, EVIL), point(5, 8.0, 60)], "t", EVIL, "Top-1", log=log))
    links = [element.get("href") for element in root.iter() if element.tag.endswith("}a")]
    assert sorted(links, key=str) == ["#g4", "#g5", "#r4", "#r5"]
    titles = [element.text or "" for element in root.iter() if element.tag.endswith("}title")]
    assert any(text.startswith(f"{EVIL}: 50.00 ± 0.50 (n = 1)") for text in titles)
    assert not any(element.tag.endswith("}script") for element in root.iter())


def test_a_curve_lies_within_its_band_and_keeps_its_end() -> None:
    count = 300
    mean = [60 * (1 - math.exp(-i / 40)) for i in range(count)]
    curve = Curve([float(i) for i in range(count)], mean, [v - 1 for v in mean], [v + 1 for v in mean])
    root = ET.fromstring(draw_curves([Line(3, EVIL, curve)], "t", "Epoch", "Top-1"))
    line = next(element for element in root.iter() if element.get("class") == "mean-line")
    places = [tuple(map(float, pair.split(","))) for pair in (line.get("points") or "").split()]
    assert len(places) <= MAX_POINTS
    assert places[-1][0] == canvas.WIDTH - canvas.RIGHT
    assert [y for _, y in places] == sorted((y for _, y in places), reverse=True)
    assert [element.get("data-g") for element in root.iter() if element.get("data-g")] == ["3"]


@given(st.integers(1, 2000))
def test_thinning_keeps_the_last_point(count: int) -> None:
    chosen = thinned(count)
    assert chosen[-1] == count - 1
    assert len(chosen) <= MAX_POINTS
    assert count > MAX_POINTS or chosen == list(range(count))


def test_rows_say_their_remarks_and_cut_at_the_axis() -> None:
    narrow = Cell(1.0, n=3, low=0.5, high=1.5, runs=RUN)
    wide = Cell(0.0, n=3, low=-90.0, high=90.0, runs=RUN)
    rows = [
        RowOfMarks(EVIL, [Mark(cell, "o", "v2", "words")], "not distinguishable")
        for cell in (narrow, narrow, narrow, wide)
    ]
    root = ET.fromstring(draw_rows(rows, "t", "Difference", zero=True))
    classes = [element.get("class") or "" for element in root.iter()]
    assert sum("cut" in name for name in classes) == 1
    assert [element.text for element in root.iter() if element.get("class") == "name"] == ["not distinguishable"] * 4


def test_a_lower_bound_is_an_open_marker_at_its_place() -> None:
    known, bound = Cell(4.0, n=2, low=3.0, high=5.0, runs=RUN), Cell(low=8.0, runs=RUN, why=Phrase("1 of 2"))
    marks = [Mark(cell, "o", "c1", words) for cell, words in ((known, "4 s"), (bound, "≥ 8 s"))]
    root = ET.fromstring(draw_rows([RowOfMarks("speed", marks)], "t", "s", log=True))
    drawn = {element.get("class"): element.get("transform", "") for element in root.iter()}
    places = [float(drawn[look].removeprefix("translate(").split()[0]) for look in ("mean c1", "mean bound c1")]
    assert places == sorted(places)
    with pytest.raises(ValueError, match="a value or a lower bound"):
        place_of(missing("no run"))
