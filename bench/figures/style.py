"""How every figure looks: size of a slide, colours that colour-blind readers tell apart, the same file each time."""

from collections.abc import Iterable, Sequence
from contextlib import AbstractContextManager
from io import BytesIO
from pathlib import Path
from typing import Any

import matplotlib as mpl
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.layout_engine import ConstrainedLayoutEngine
from matplotlib.ticker import FuncFormatter, LogLocator, NullFormatter

from bench.util.files import write_atomically

# A 16:9 slide in inches; type of 12 points on it can be read from the back of a room.
SLIDE = (13.333, 7.5)
TEXT, SMALL = 13, 10.5
DPI = 120
# Okabe and Ito, Color Universal Design, 2008, without the yellow, which is faint on white.
BLACK, ORANGE, SKY, GREEN = "#000000", "#E69F00", "#56B4E9", "#009E73"
BLUE, VERMILION, PURPLE, GREY = "#0072B2", "#D55E00", "#CC79A7", "#767676"
CYCLE = (BLUE, VERMILION, GREEN, PURPLE, ORANGE, SKY, BLACK)
DASHES = ("-", "--", ":", "-.")
# Technique → colour and marker: colour is never the only difference.
TECHNIQUES: dict[str, tuple[str, str]] = {
    "basic_resnet": (BLACK, "o"),
    "attention": (BLUE, "s"),
    "lightweight": (GREEN, "^"),
    "modern_convolution": (VERMILION, "D"),
    "hybrid_and_advanced": (PURPLE, "v"),
    "mlp": (ORANGE, "p"),
    "transformer": (SKY, "h"),
}
OTHER_TECHNIQUE = (GREY, "X")
SETTINGS: Any = {
    "font.family": "DejaVu Sans",
    "font.size": TEXT,
    "axes.titlesize": TEXT,
    "axes.labelsize": TEXT,
    "xtick.labelsize": TEXT - 1,
    "ytick.labelsize": TEXT - 1,
    "legend.fontsize": TEXT - 1,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "grid.color": "#dddddd",
    "grid.linewidth": 0.7,
    "axes.axisbelow": True,
    "figure.facecolor": "white",
    # A dollar sign in a name is a dollar sign.
    "text.parse_math": False,
    # Ids in SVG files are hashes of this and of the content: the same figure is the same file.
    "svg.hashsalt": "bench.figures",
}
# Up to which ratio of its ends a logarithmic axis shows which numbers of each decade.
TICKS = {6.0: (1.0, 1.5, 2.0, 3.0, 4.0, 5.0, 7.0), 100.0: (1.0, 2.0, 5.0), float("inf"): (1.0,)}
UNDATED: dict[str, dict[str, Any]] = {"png": {"Software": None}, "svg": {"Date": None, "Creator": None}}


def styled() -> AbstractContextManager[None]:
    """Return the context in which figures are drawn and saved; outside it matplotlib is as it was."""
    return mpl.rc_context(SETTINGS)


def new_figure(height: float = SLIDE[1]) -> Figure:
    """Return an empty figure as wide as a slide; it draws without a display."""
    layout = ConstrainedLayoutEngine(w_pad=0.1, h_pad=0.06)
    figure = Figure(figsize=(SLIDE[0], height), layout=layout)
    FigureCanvasAgg(figure)
    return figure


def technique_style(technique: str) -> tuple[str, str]:
    """Return the colour and the marker of a technique."""
    return TECHNIQUES.get(technique, OTHER_TECHNIQUE)


def technique_title(technique: str) -> str:
    """Return a technique's name for readers."""
    return technique.replace("_", " ")


def known_order(techniques: Iterable[str]) -> list[str]:
    """Return techniques in the order of the list above, unknown ones last."""
    order = list(TECHNIQUES)
    return sorted(set(techniques), key=lambda name: (order.index(name) if name in order else len(order), name))


def logarithmic(panel: Axes) -> None:
    """Make the x axis logarithmic, with plain numbers: the fewer decades it spans, the more within each."""
    panel.set_xscale("log")
    low, high = panel.get_xlim()
    within = next(numbers for span, numbers in TICKS.items() if high / low <= span)
    panel.xaxis.set_major_locator(LogLocator(subs=within))
    panel.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    panel.xaxis.set_minor_formatter(NullFormatter())


def add_footer(figure: Figure, lines: Sequence[str]) -> None:
    """Write what the figure shows and from how many runs below it."""
    figure.supxlabel("\n".join(lines), fontsize=SMALL, color="#444444", x=0.01, ha="left")


def save(figure: Figure, folder: Path, name: str, origin: str, formats: Sequence[str] = ("png", "svg")) -> list[Path]:
    """Write a figure in each format, with its origin in the file's description, without a date; return the paths."""
    paths = []
    for form in formats:
        path = folder / f"{name}.{form}"
        content = BytesIO()
        figure.savefig(content, format=form, dpi=DPI, metadata={**UNDATED[form], "Description": origin})
        write_atomically(path, content.getvalue())
        paths.append(path)
    return paths
