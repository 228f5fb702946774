"""corruption_curves and adversarial_accuracy: how the accuracy falls with what is done to the images."""

from collections.abc import Sequence
from functools import partial
from statistics import mean

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from bench.analysis.cells import Cell
from bench.analysis.metrics import HEADLINE, METRICS
from bench.analysis.run_groups import RunGroup
from bench.figures import style
from bench.figures.accuracy import Drawings
from bench.figures.evaluated import (
    SEEDS,
    Measured,
    data_line,
    draw_line,
    evaluated_groups,
    label_of,
    looks,
    over_seeds,
    pages,
)

CORRUPTIONS, ADVERSARIAL = "corruptions", "adversarial"
MEAN = "mean of all kinds"
COLUMNS, MOST = 5, 7
SEVERITIES = range(1, 6)


def corruption_curves(run_groups: Sequence[RunGroup]) -> Drawings:
    """Return top-1 over the severity of corruptions, a panel a kind; severity 0 is the images as they are."""
    members = evaluated_groups(run_groups, CORRUPTIONS, "kinds")
    return [(name, draw_corruptions(shown)) for name, shown in pages(members, MOST, "corruption_curves")]


def draw_corruptions(members: Sequence[RunGroup]) -> Figure:
    """Draw one page: the mean of all kinds first, then each kind."""
    evaluations = [record.evaluations.get(CORRUPTIONS, {}) for c in members for record in c.evaluated_records]
    kinds = [MEAN, *dict.fromkeys(kind for measured in evaluations for kind in measured.get("kinds", {}))]
    figure = style.new_figure(9.5)
    axes = figure.subplots(-(-len(kinds) // COLUMNS), COLUMNS, sharex=True, sharey=True, squeeze=False)
    for panel, kind in zip(axes.flat, kinds, strict=False):
        panel.set_title(kind.replace("_", " "), loc="left", fontsize=style.SMALL)
        draw_lines(panel, members, CORRUPTIONS, [0, *SEVERITIES], partial(corrupted, kind=kind))
    for unused in axes.flat[len(kinds) :]:
        unused.remove()
    return finish(figure, axes.flat[0], members, "Horizontal: severity; 0 is the images as they are.")


def corrupted(measured: Measured, at: float, kind: str) -> float | None:
    """Return the accuracy of a run under a kind of corruption at a severity."""
    kinds, place = measured.get("kinds") or {}, int(at) - 1
    if place < 0:
        return measured.get("clean_top1")
    if kind == MEAN:
        return mean(row[place] for row in kinds.values()) if kinds else None
    return kinds[kind][place] if kind in kinds else None


def adversarial_accuracy(run_groups: Sequence[RunGroup]) -> Drawings:
    """Return top-1 over the budget of each attack, a panel an attack; budget 0 is the images as they are."""
    members = evaluated_groups(run_groups, ADVERSARIAL, "attacks")
    return [(name, draw_attacks(shown)) for name, shown in pages(members, MOST, "adversarial_accuracy")]


def draw_attacks(members: Sequence[RunGroup]) -> Figure:
    """Draw one page."""
    evaluations = [record.evaluations.get(ADVERSARIAL, {}) for c in members for record in c.evaluated_records]
    attacks = list(dict.fromkeys(name for measured in evaluations for name in measured.get("attacks", {})))
    budgets = sorted(
        {float(b) for measured in evaluations for row in measured.get("attacks", {}).values() for b in row}
    )
    figure = style.new_figure()
    axes = figure.subplots(1, len(attacks), sharey=True, squeeze=False)
    for panel, attack in zip(axes[0], attacks, strict=True):
        panel.set_title(attack.upper(), loc="left")
        draw_lines(panel, members, ADVERSARIAL, [0, *budgets], partial(attacked, attack=attack))
        panel.set_xlabel("Budget of a value's change (L∞, of 255)")
    return finish(figure, axes[0, 0], members, "Budget 0 is the images as they are.")


def attacked(measured: Measured, at: float, attack: str) -> float | None:
    """Return the accuracy of a run under an attack within a budget (of 255)."""
    if at == 0:
        return measured.get("clean_top1")
    found: float | None = (measured.get("attacks") or {}).get(attack, {}).get(f"{at:g}")
    return found


def draw_lines(
    panel: Axes, members: Sequence[RunGroup], evaluator: str, places: Sequence[float], find: "partial[float | None]"
) -> None:
    """Draw a line for each run group over the places, of which `find(measured, at)` gives a run's number."""
    for run_group, (colour, marker) in zip(members, looks(members), strict=True):
        cells: list[Cell] = [over_seeds(run_group, evaluator, partial(find, at=place)) for place in places]
        draw_line(panel, places, cells, colour, label_of(run_group, members, evaluator), marker)
    panel.set_ylim(0, 100)
    panel.set_xticks(places, [f"{place:g}" for place in places])


def finish(figure: Figure, panel: Axes, members: Sequence[RunGroup], words: str) -> Figure:
    """Return a figure with its legend, the name of its vertical axis and its footer."""
    handles, labels = panel.get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside right upper", frameon=False, fontsize=style.SMALL)
    figure.supylabel(METRICS[HEADLINE].heading, fontsize=style.TEXT)
    style.add_footer(figure, [f"{words} {data_line(members)}. Recipes may differ.", SEEDS])
    return figure
