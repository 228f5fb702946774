"""ablations: a forest plot of each ablation table: what each arm changes, with its interval and verdict."""

from collections.abc import Sequence
from pathlib import Path

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from bench.analysis.ablations import ABLATIONS, ablation_names
from bench.analysis.cells import Block, Phrase, Row, Table
from bench.analysis.run_groups import RunGroup
from bench.figures import style
from bench.figures.accuracy import Drawings, wrap
from bench.figures.intervals import Limits, cut_note, draw_point, view_limits
from bench.tables.ablations import ablation_builder
from bench.tables.contrasts import compared
from bench.tables.measures import Options

# Verdict → colour and marker: better and worse differ in both.
VERDICTS: dict[str, tuple[str, str]] = {
    "better": (style.BLUE, "^"),
    "worse": (style.VERMILION, "v"),
    "not distinguishable": (style.GREY, "o"),
    "same network": (style.BLACK, "D"),
    "not tested": (style.GREY, "X"),
}
ROW, HEADING = 0.42, 105
LABEL, MAX_LINES = 42, 2
COUNTED = "Runs of the arm in brackets; no bar: one run, or no spread. Last epoch on the evaluation split."


def ablations(run_groups: Sequence[RunGroup], folder: Path = ABLATIONS) -> Drawings:
    """Return a forest plot of each ablation of a folder of which an arm was trained and differs from a base."""
    builders = {name: ablation_builder(path) for name, path in ablation_names(folder).items()}
    figures = {name: draw_forest(build(run_groups, Options())) for name, build in builders.items()}
    return [(f"ablation_{name}", figure) for name, figure in figures.items() if figure is not None]


def heading_of(block: Block) -> str:
    """Return a block's heading and its bases."""
    words = [block.heading.english()] if block.heading else []
    for row in block.rows:
        verdict, arm = row.cells.get("verdict"), row.cells["arm"].text
        if verdict is not None and verdict.text == Phrase("base") and arm is not None:
            words.append(f"base: {arm.english()}")
    return "; ".join(words)


def draw_forest(table: Table) -> Figure | None:
    """Draw an ablation's blocks below each other; None when no arm can be compared with a base."""
    blocks = [(block, arms) for block in table.blocks if (arms := [row for row in block.rows if compared(row)])]
    if not blocks:
        return None
    deltas = [row.cells["delta"] for _, arms in blocks for row in arms]
    limits = view_limits(deltas, also=[0.0])
    heights = [len(arms) + 1.2 for _, arms in blocks]
    figure = style.new_figure(max(4.5, sum(heights) * ROW + 0.5 * len(blocks) + 1.8))
    axes = figure.subplots(len(blocks), 1, sharex=True, squeeze=False, height_ratios=heights)
    for panel, (block, arms) in zip(axes[:, 0], blocks, strict=True):
        draw_arms(panel, arms, limits)
        panel.set_title(wrap(heading_of(block), HEADING), loc="left", fontsize=style.SMALL)
    axes[-1, 0].set_xlim(limits)
    axes[-1, 0].set_xlabel("Difference from the base in top-1 (points)")
    figure.suptitle(table.title.english(), x=0.01, ha="left")
    tests = dict.fromkeys(block.test for block, _ in blocks if block.test is not None)
    style.add_footer(figure, [*(wrap(test.english(), 170) for test in tests), COUNTED + cut_note(deltas, limits)])
    return figure


def draw_arms(panel: Axes, arms: Sequence[Row], limits: Limits) -> None:
    """Draw the arms of a block, the first on top, their verdicts beside them."""
    places = range(len(arms) - 1, -1, -1)
    for place, row in zip(places, arms, strict=True):
        verdict = row.cells["verdict"].text
        words = verdict.english() if verdict else "not tested"
        draw_point(panel, row.cells["delta"], place, limits, VERDICTS[words], size=9)
        panel.text(
            1.01,
            place,
            f"{words}{p_text(row)}",
            transform=panel.get_yaxis_transform(),
            va="center",
            fontsize=style.SMALL,
        )
    panel.axvline(0, color="black", linewidth=1)
    panel.set_yticks(list(places), [arm_label(row) for row in arms], fontsize=style.SMALL)
    panel.set_ylim(-0.7, len(arms) - 0.3)


def arm_label(row: Row) -> str:
    """Return an arm's name with its number of runs, broken where it is long."""
    name, n = row.cells["arm"].text, row.cells.get("n")
    assert name is not None, "an arm has a name"
    count = f" [{int(n.value)}]" if n is not None and n.value is not None else ""
    lines = wrap(f"{name.english()}", LABEL).splitlines()
    shown = lines if len(lines) <= MAX_LINES else [*lines[: MAX_LINES - 1], f"{lines[MAX_LINES - 1][: LABEL - 2]} …"]
    return "\n".join(shown) + count


def p_text(row: Row) -> str:
    """Return an arm's adjusted p in words, where it was tested."""
    p = row.cells["p_holm"].value
    return "" if p is None else (", p < 0.001" if p < 0.001 else f", p = {p:.3f}")
