"""training_curves: metrics over the epochs, on training and evaluation images, of each model and overlaid."""

import re
from collections import defaultdict
from collections.abc import Mapping, Sequence

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from bench.analysis.curves import Curve, curve_of
from bench.analysis.metrics import HEADLINE, METRICS, with_unit
from bench.analysis.recipe import RANKED_TOGETHER, START
from bench.analysis.run_groups import RunGroup, blocks_of, recorded_metrics
from bench.figures import style
from bench.figures.accuracy import Drawings, technique_of
from bench.tables.notes import block_heading

PARTS = {"train": ("train", style.VERMILION, "--"), "eval": ("evaluation", style.BLUE, "-")}
COMPARED = ("dataset", "split", START)
LEGEND = 8.5
BAND = "Line: mean over seeds; band: from the lowest to the highest seed. Epochs that not every run has are left out."
TRAINED = (
    "Training is measured on augmented (with MixUp, mixed) images in training mode: not comparable with evaluation."
)


def draw_curve(panel: Axes, curve: Curve, colour: str, dashes: str, label: str, width: float = 1.8) -> None:
    """Draw a curve and its band."""
    panel.plot(curve.epochs, curve.mean, color=colour, linestyle=dashes, linewidth=width, label=label)
    panel.fill_between(curve.epochs, curve.low, curve.high, color=colour, alpha=0.2, linewidth=0)


def file_name(text: str) -> str:
    """Return text as a part of a file's name."""
    return re.sub(r"[^A-Za-z0-9.+=-]+", "_", text).strip("_")


def training_curves(run_groups: Sequence[RunGroup]) -> Drawings:
    """Return all techniques in one figure, each technique with its models overlaid, and each run group by itself."""
    drawings: Drawings = []
    for index, (values, members) in enumerate(blocks_of(run_groups, COMPARED).items(), start=1):
        more = "" if index == 1 else f"_{index}"
        groups = by_technique(members)
        drawings.append((f"training_curves{more}", draw_overview(values, groups)))
        drawings += [
            (f"training_curves_by_technique_{file_name(technique)}{more}", draw_overlay(values, technique, group))
            for technique, group in groups.items()
        ]
    return [*drawings, *single_curves(run_groups)]


def single_curves(run_groups: Sequence[RunGroup]) -> Drawings:
    """Return a figure for each run group; those of one label are numbered."""
    names: dict[str, int] = defaultdict(int)
    drawings: Drawings = []
    for run_group in run_groups:
        stem = f"training_curves_{file_name(run_group.label)}"
        names[stem] += 1
        name = stem if names[stem] == 1 else f"{stem}_{names[stem]}"
        drawings.append((name, draw_run_group(run_group)))
    return drawings


def by_technique(run_groups: Sequence[RunGroup]) -> dict[str, list[RunGroup]]:
    """Return run groups by technique, in the order of the style."""
    order = style.known_order(technique_of(run_group) for run_group in run_groups)
    return {name: [c for c in run_groups if technique_of(c) == name] for name in order}


def panels_of(run_groups: Sequence[RunGroup]) -> list[str]:
    """Return the metrics that have a panel."""
    return [name for name in recorded_metrics(run_groups) if METRICS[name].in_curves] or [HEADLINE]


def is_measured(part: str, metric: str) -> bool:
    """Tell whether a metric is measured on a part of the images, "train" or "eval"."""
    return part == "eval" or METRICS[metric].training is not None


def draw_run_group(run_group: RunGroup) -> Figure:
    """Draw one run group: a panel for each metric, on training and evaluation images."""
    figure, shown = style.new_figure(), panels_of([run_group])
    axes = figure.subplots(1, len(shown), squeeze=False)[0]
    runs = [record.epochs for record in run_group.records]
    for panel, metric in zip(axes, shown, strict=True):
        for part, (label, colour, dashes) in PARTS.items():
            if is_measured(part, metric):
                draw_curve(panel, curve_of(runs, f"{part}_{metric}"), colour, dashes, label)
        panel.set_xlabel("Epoch")
        panel.set_ylabel(METRICS[metric].heading)
    axes[0].legend(frameon=False)
    figure.suptitle(f"{run_group.label} [{len(run_group.runs)}]", x=0.01, ha="left")
    heading = block_heading([run_group.recipe_fields[name] for name in RANKED_TOGETHER]).english()
    style.add_footer(figure, [heading, BAND, TRAINED])
    return figure


def draw_overview(values: Sequence[str], groups: Mapping[str, Sequence[RunGroup]]) -> Figure:
    """Draw the evaluation's headline: a panel for each technique, its models in colour over all others in grey."""
    figure = style.new_figure()
    columns = min(3, len(groups))
    axes = figure.subplots(-(-len(groups) // columns), columns, sharex=True, sharey=True, squeeze=False)
    headline, everyone = METRICS[HEADLINE], [run_group for group in groups.values() for run_group in group]
    curves = {c.runs: curve_of([r.epochs for r in c.records], f"eval_{HEADLINE}") for c in everyone}
    for panel, (technique, members) in zip(axes.flat, groups.items(), strict=False):
        for curve in curves.values():
            panel.plot(curve.epochs, curve.mean, color="#dddddd", linewidth=0.8, zorder=1)
        for run_group, (colour, dashes) in zip(members, line_styles(members).values(), strict=True):
            draw_curve(panel, curves[run_group.runs], colour, dashes, count_label(run_group), width=1.4)
        panel.set_title(style.technique_title(technique), loc="left")
        panel.set_ylim(bottom=0)
        panel.legend(framealpha=0.8, edgecolor="none", loc="lower right", fontsize=LEGEND, labelspacing=0.2)
    for unused in axes.flat[len(groups) :]:
        unused.remove()
    figure.supylabel(with_unit(f"Evaluation {headline.words}", headline.unit), fontsize=style.TEXT)
    heading = f"{block_heading(values, COMPARED).english()}. Recipes may differ."
    style.add_footer(figure, [heading, f"Horizontal: epoch. Grey: the other techniques. {BAND}"])
    return figure


def draw_overlay(values: Sequence[str], technique: str, members: Sequence[RunGroup]) -> Figure:
    """Draw a technique's run groups over each other: metrics in columns, training and evaluation in rows."""
    figure, shown = style.new_figure(), panels_of(members)
    axes = figure.subplots(len(PARTS), len(shown), sharex=True, squeeze=False)
    looks = line_styles(members)
    for run_group in members:
        runs = [record.epochs for record in run_group.records]
        for row, (part, (label, _, _)) in enumerate(PARTS.items()):
            for panel, metric in zip(axes[row], shown, strict=True):
                curve = curve_of(runs, f"{part}_{metric}")
                draw_curve(panel, curve, *looks[run_group.runs], overlay_label(run_group, members), width=1.3)
                panel.set_ylabel(f"{METRICS[metric].heading}, {label}")
                panel.set_visible(is_measured(part, metric))
    for panel in axes[-1]:
        panel.set_xlabel("Epoch")
    handles, labels = axes[0, 0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside right upper", frameon=False, fontsize=style.SMALL)
    figure.suptitle(style.technique_title(technique), x=0.01, ha="left")
    style.add_footer(figure, [block_heading(values, COMPARED).english(), BAND, TRAINED])
    return figure


def line_styles(members: Sequence[RunGroup]) -> Mapping[tuple[str, ...], tuple[str, str]]:
    """Return a colour and a dash for each run group, no two alike up to 28 of them."""
    count = len(style.CYCLE)
    return {
        run_group.runs: (style.CYCLE[index % count], style.DASHES[index // count % len(style.DASHES)])
        for index, run_group in enumerate(members)
    }


def overlay_label(run_group: RunGroup, members: Sequence[RunGroup]) -> str:
    """Return a run group's label with its runs, and below it batch and steps where those differ among the lines."""
    differing = [name for name in ("batch", "steps") if len({member.recipe_fields[name] for member in members}) > 1]
    more = ", ".join(f"{name} {run_group.recipe_fields[name]}" for name in differing)
    return f"{count_label(run_group)}\n{more}" if more else count_label(run_group)


def count_label(run_group: RunGroup) -> str:
    """Return a run group's label with the number of its runs."""
    return f"{run_group.label} [{len(run_group.runs)}]"
