"""SVG elements, axes with their ticks, markers. Whatever text comes in is escaped here and nowhere else."""

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from html import escape
from statistics import median
from typing import Any

from matplotlib.ticker import LogLocator, MaxNLocator

from bench.analysis.cells import Cell
from bench.figures.style import TECHNIQUES, TICKS

WIDTH, HEIGHT = 760.0, 400.0
# Around the plot: above, right, below, left.
TOP, RIGHT, BOTTOM, LEFT = 14.0, 16.0, 46.0, 58.0
TICK_COUNT, LEAST_TICKS = 6, 3
# The share of an axis' span that is left free at either end.
MARGIN = 0.06
# An interval that is so many times wider than the median one is cut, so that it does not squeeze the others.
WIDEST = 3.0
# By the letters of matplotlib, which the figures of slides have: paths around (0, 0) of about the same area.
MARKERS = {
    "o": "M-5 0a5 5 0 1 0 10 0a5 5 0 1 0 -10 0Z",
    "s": "M-4.5-4.5h9v9h-9Z",
    "^": "M0-6L5.6 4.4H-5.6Z",
    "v": "M0 6L5.6-4.4H-5.6Z",
    "D": "M0-6.2L6.2 0L0 6.2L-6.2 0Z",
    "p": "M0-6L5.7-1.8L3.5 4.9H-3.5L-5.7-1.8Z",
    "h": "M0-5.8L5-2.9V2.9L0 5.8L-5 2.9V-2.9Z",
    "X": "M-5-2.5L-2.5-5L0-2.5L2.5-5L5-2.5L2.5 0L5 2.5L2.5 5L0 2.5L-2.5 5L-5 2.5L-2.5 0Z",
    "*": "M0-6.5L1.6-2.2H6.2L2.5.6L3.9 5L0 2.3L-3.9 5L-2.5.6L-6.2-2.2H-1.6Z",
}


def number(value: float) -> str:
    """Return a coordinate with one decimal, without a needless one."""
    return f"{value:.1f}".removesuffix(".0")


def tag(element: str, *content: str, **attributes: Any) -> str:
    """Return an element around markup; attributes are escaped, `_` in their names is `-`, those of None left out."""
    pairs = ((name.rstrip("_").replace("_", "-"), value) for name, value in attributes.items() if value is not None)
    words = [f'{name}="{escape(number(v) if isinstance(v, float) else str(v))}"' for name, v in pairs]
    head = " ".join([element, *words])
    return f"<{head}>{''.join(content)}</{element}>" if content else f"<{head}/>"


def label(x: float, y: float, words: str, **attributes: Any) -> str:
    """Return text at a place."""
    return tag("text", escape(words), x=x, y=y, **attributes)


def tooltip(words: str) -> str:
    """Return the tooltip of the element that it stands in."""
    return tag("title", escape(words))


def marker(shape: str, x: float, y: float, class_: str, scale: float = 1.0) -> str:
    """Return a marker at a place."""
    place = f"translate({number(x)} {number(y)})" + (f" scale({scale:g})" if scale != 1 else "")
    return tag("path", d=MARKERS[shape], class_=class_, transform=place)


def line(points: Sequence[tuple[float, float]], class_: str) -> str:
    """Return a line through points in pixels."""
    return tag("polyline", points=" ".join(f"{number(x)},{number(y)}" for x, y in points), class_=class_)


def picture(width: float, height: float, title: str, *content: str) -> str:
    """Return a whole SVG element, named by a title that screen readers say."""
    return tag(
        "svg",
        *content,
        xmlns="http://www.w3.org/2000/svg",
        viewBox=f"0 0 {number(width)} {number(height)}",
        role="group",
        aria_label=title,
    )


def technique_look(technique: str) -> tuple[str, str]:
    """Return the class that colours a technique, and its marker."""
    known = list(TECHNIQUES)
    return (f"t{known.index(technique)}", TECHNIQUES[technique][1]) if technique in known else ("t9", "X")


@dataclass(frozen=True)
class Axis:
    """One axis: its values at both ends, where those lie in pixels, and whether it is logarithmic."""

    low: float
    high: float
    start: float
    end: float
    log: bool = False

    @classmethod
    def over(cls, values: Sequence[float], start: float, end: float, *, log: bool = False) -> "Axis":
        """Return an axis that shows all values and leaves some room at both ends."""
        low, high = (math.log10(end) for end in (min(values), max(values))) if log else (min(values), max(values))
        room = MARGIN * (high - low) or (0.3 if log else abs(low) * 0.1 or 1.0)
        ends = low - room, high + room
        return cls(*((10 ** ends[0], 10 ** ends[1]) if log else ends), start, end, log)

    def at(self, value: float) -> float:
        """Return where a value lies in pixels."""
        low, high, place = (math.log10(v) if self.log else v for v in (self.low, self.high, value))
        return self.start + (place - low) / (high - low) * (self.end - self.start)

    def ticks(self) -> list[float]:
        """Return the values that the axis names."""
        even = self._within(MaxNLocator(TICK_COUNT).tick_values(self.low, self.high))
        if not self.log:
            return even
        # The fewest numbers of each decade that name several values.
        choices = (self._within(LogLocator(subs=s).tick_values(self.low, self.high)) for s in reversed(TICKS.values()))
        return next((ticks for ticks in choices if len(ticks) >= LEAST_TICKS), even)

    def _within(self, ticks: Iterable[float]) -> list[float]:
        """Return the ticks that lie between the ends of the axis."""
        return [float(tick) for tick in ticks if self.low <= tick <= self.high]


def view_ends(cells: Sequence[Cell], also: Sequence[float] = ()) -> tuple[float, float]:
    """Return the ends of an axis that shows all values and all intervals but those that are far wider than most."""
    intervals = [(cell.low, cell.high) for cell in cells if cell.low is not None and cell.high is not None]
    usual = median(high - low for low, high in intervals) if intervals else 0.0
    ends = [end for low, high in intervals if high - low <= WIDEST * usual for end in (low, high)]
    values = [*ends, *also, *(cell.value for cell in cells if cell.value is not None)]
    low, high = min(values), max(values)
    room = MARGIN * (high - low) or abs(low) * 0.1 or 1.0
    return low - room, high + room


def x_ticks(axis: Axis, top: float, bottom: float) -> str:
    """Return the grid lines and numbers of a horizontal axis."""
    return "".join(
        tag("path", d=f"M{number(axis.at(t))} {number(top)}V{number(bottom)}", class_="grid")
        + label(axis.at(t), bottom + 16, f"{t:g}", text_anchor="middle", class_="tick")
        for t in axis.ticks()
    )


def y_ticks(axis: Axis, left: float, right: float) -> str:
    """Return the grid lines and numbers of a vertical axis."""
    return "".join(
        tag("path", d=f"M{number(left)} {number(axis.at(t))}H{number(right)}", class_="grid")
        + label(left - 7, axis.at(t) + 4, f"{t:g}", text_anchor="end", class_="tick")
        for t in axis.ticks()
    )


def frame(x: Axis, y: Axis, x_title: str, y_title: str) -> str:
    """Return the grid, the numbers and the titles of a plot; `y` starts at the bottom."""
    middle = (y.start + y.end) / 2
    return (
        x_ticks(x, y.end, y.start)
        + y_ticks(y, x.start, x.end)
        + tag("path", d=f"M{number(x.start)} {number(y.end)}V{number(y.start)}H{number(x.end)}", class_="axis")
        + label((x.start + x.end) / 2, y.start + 36, x_title, text_anchor="middle")
        + label(14.0, middle, y_title, text_anchor="middle", transform=f"rotate(-90 14 {number(middle)})")
    )
