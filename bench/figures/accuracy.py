"""accuracy_comparison and architecture_comparison: how accurate each model is, and each technique."""

from collections.abc import Sequence

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from bench.analysis.cells import Column
from bench.analysis.metrics import HEADLINE, METRICS
from bench.analysis.run_groups import RunGroup, blocks_of
from bench.figures import style
from bench.figures.intervals import Limits, cut_note, draw_point, view_limits
from bench.tables import technique as by_technique
from bench.tables.measures import cell, find
from bench.tables.notes import block_heading

Drawings = list[tuple[str, Figure]]
ROW, HEADING = 0.205, 105
INTERVAL = "Mean and 95 % t-interval over seeds (n in brackets; no bar: one run). Last epoch on the evaluation split."
PANELS = find(HEADLINE, "params_m", "macs_m", "train_h")


def technique_of(run_group: RunGroup) -> str:
    """Return the technique that a run group's model stands for."""
    return str(run_group.first["model"].get("technique"))


def short_heading(values: Sequence[str]) -> str:
    """Return the heading of a block: dataset, split, steps, batch, augmentation."""
    return wrap(block_heading(values).english(), HEADING)


def wrap(text: str, width: int) -> str:
    """Return text broken at spaces into lines of at most `width` letters."""
    lines = [""]
    for word in text.split():
        if len(lines[-1]) + len(word) + 1 > width:
            lines.append("")
        lines[-1] += f" {word}" if lines[-1] else word
    return "\n".join(lines)


def accuracy_comparison(run_groups: Sequence[RunGroup]) -> Drawings:
    """Return the models by the headline with their intervals; a panel for each block of comparable recipes."""
    blocks = blocks_of([run_group for run_group in run_groups if cell(run_group, HEADLINE).value is not None])
    counts = [len(members) for members in blocks.values()]
    cells = [cell(run_group, HEADLINE) for members in blocks.values() for run_group in members]
    if not cells:
        return []
    limits = view_limits(cells)
    figure = style.new_figure(max(style.SLIDE[1], sum(counts) * ROW + 0.7 * len(counts) + 1.0))
    axes = figure.subplots(len(counts), 1, sharex=True, squeeze=False, height_ratios=[count + 1.5 for count in counts])
    for panel, (values, members) in zip(axes[:, 0], blocks.items(), strict=True):
        draw_ranking(panel, members, limits)
        panel.set_title(short_heading(values), loc="left", fontsize=style.SMALL)
    axes[-1, 0].set_xlim(limits)
    axes[-1, 0].set_xlabel(METRICS[HEADLINE].heading)
    shown = {technique_of(run_group) for members in blocks.values() for run_group in members}
    figure.legend(handles=technique_handles(shown), loc="outside right upper", frameon=False, title="Technique")
    apart = "Panels differ in data, steps, batch or augmentation and are not ranked together."
    style.add_footer(figure, [INTERVAL, apart + cut_note(cells, limits)])
    return [("accuracy_comparison", figure)]


def draw_ranking(panel: Axes, members: Sequence[RunGroup], limits: Limits) -> None:
    """Draw run groups as points with intervals, the most accurate on top."""
    cells = {run_group.runs: cell(run_group, HEADLINE) for run_group in members}
    ordered = sorted(members, key=lambda c: (cells[c.runs].value or 0.0, c.label))
    for place, run_group in enumerate(ordered):
        draw_point(panel, cells[run_group.runs], place, limits, style.technique_style(technique_of(run_group)))
    panel.set_yticks(range(len(ordered)), [f"{c.label} [{len(c.runs)}]" for c in ordered], fontsize=style.SMALL)
    panel.set_ylim(-0.7, len(ordered) - 0.3)


def technique_handles(techniques: set[str]) -> list[Line2D]:
    """Return the legend's entries of techniques."""
    handles = []
    for name in style.known_order(techniques):
        colour, marker = style.technique_style(name)
        title = style.technique_title(name)
        handles.append(Line2D([], [], color=colour, marker=marker, linestyle="none", markersize=8, label=title))
    return handles


def architecture_comparison(run_groups: Sequence[RunGroup]) -> Drawings:
    """Return the techniques by accuracy and cost: each network a point, each technique's mean a bar; a file a block."""
    chosen = [run_group for run_group in run_groups if by_technique.represents(run_group)]
    drawings = []
    for index, (values, members) in enumerate(blocks_of(chosen).items(), start=1):
        name = "architecture_comparison" if index == 1 else f"architecture_comparison_{index}"
        drawings.append((name, draw_techniques(values, by_technique.each_network_once(members))))
    return drawings


def draw_techniques(values: Sequence[str], members: Sequence[RunGroup]) -> Figure:
    """Draw one block: a panel for each measure that some network has, a row for each technique."""
    names = style.known_order(technique_of(run_group) for run_group in members)[::-1]
    figure = style.new_figure(min(style.SLIDE[1], 2.4 + len(names)))
    panels = [column for column in PANELS if any(column.cell(c).value is not None for c in members)]
    axes = figure.subplots(1, len(panels), sharey=True, squeeze=False)[0]
    for panel, column in zip(axes, panels, strict=True):
        for place, name in enumerate(names):
            draw_technique(panel, [c for c in members if technique_of(c) == name], column, place, name)
        panel.set_xlabel(column.heading.english())
        if column.key in ("params_m", "macs_m"):
            style.logarithmic(panel)
    axes[0].set_yticks(range(len(names)), [style.technique_title(name).replace(" ", "\n", 1) for name in names])
    axes[0].set_ylim(-0.6, len(names) - 0.4)
    footer = "Point: one network (the mean of its runs); bar: their mean. A network counts once, as in the table."
    scales = "Params and MACs on a logarithmic scale."
    left_out = "Left out: ablation arms, models with unusual options, runs with a teacher or from trained weights."
    style.add_footer(figure, [block_heading(values).english(), footer, f"{scales} {left_out}"])
    return figure


def draw_technique(panel: Axes, members: Sequence[RunGroup], column: Column, place: float, name: str) -> None:
    """Draw a technique's networks as points around its mean in one panel."""
    colour, marker = style.technique_style(name)
    cells = [column.cell(run_group) for run_group in members]
    means = sorted(cell.value for cell in cells if cell.value is not None)
    for index, mean in enumerate(means):
        shift = 0.0 if len(means) == 1 else 0.15 * ((2 * index % 5) - 2)
        panel.plot(
            [mean], [place + shift], marker=marker, color=colour, markersize=8, markeredgecolor="white", zorder=3
        )
    if means:
        average = sum(means) / len(means)
        panel.plot([average, average], [place - 0.38, place + 0.38], color=colour, linewidth=3, alpha=0.45)
