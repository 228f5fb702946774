"""Slides 5 to 7: accuracy, efficiency, training curves."""

from collections.abc import Sequence
from functools import partial

from bench.analysis.cells import Table
from bench.analysis.curves import Curve, curve_of
from bench.analysis.metrics import HEADLINE
from bench.analysis.recipe import NOT_RECIPE
from bench.analysis.run_groups import RunGroup, differing
from bench.figures.accuracy import accuracy_comparison, architecture_comparison
from bench.figures.curves import COMPARED, draw_overlay
from bench.figures.efficiency import efficiency_analysis
from bench.figures.style import technique_title
from bench.report.deck.claims import claims_about, verdict_lines
from bench.report.deck.grids import grid_of
from bench.report.deck.material import Material, deck_models
from bench.report.deck.missing import missing_models, wanted_models
from bench.report.deck.opening import all_runs, conditions
from bench.report.deck.slides import Grid, Line, Part, Picture
from bench.report.overview import verdict_words
from bench.tables import measures as m
from bench.tables.contrasts import contrast_cells
from bench.tables.page import format_cell, format_number

FIRST = 5
TABLE_1 = ("rank", "model", "top1", "n", "params_m", "macs_m", "train_h", "top1_per_m_params", "own_design")
TABLE_2 = ("rank", "technique", "top1", "networks", "params_m", "macs_m", "train_h")
EFFICIENCY = ("rank", "model", "top1", "n", "params_m", "top1_per_m_params", "top1_per_mmac", "pareto")
METHOD = (
    "Verdicts: paired by seed where two or more are common, else Welch's t-test; p after Holm over the comparisons "
    "with {}."
)
CURVES = ("resnet_20", "improved_resnet20_convnext", "coatnet_0")


def accuracy(material: Material) -> list[Part]:
    """Return the first five, the best in words, the techniques, both figures, and what of the deck does not hold."""
    table, techniques = material.table("comparison"), material.table("by_technique")
    wanted = wanted_models(material)
    checked = claims_about(material, "comparison", ("rank", "top1", "params", "flops", "train_time"), wanted[:FIRST])
    checked += claims_about(material, "by_technique", ("mean_top1", "mean_params", "mean_flops", "mean_train_time"))
    runs = all_runs(material)
    return [
        *conditions(material),
        first_rows(material, table, TABLE_1, wanted),
        *leader_lines(material),
        grid_of(material, techniques, TABLE_2, claims="by_technique", absent=absent_techniques(material, techniques)),
        *verdict_lines(material, checked),
        *missing_models(material, wanted[:FIRST]),
        material.picture(
            lambda: accuracy_comparison(material.members)[0][1],
            "accuracy_comparison",
            material.say("Accuracy of all models"),
            runs,
        ),
        material.picture(
            lambda: architecture_comparison(material.members)[0][1],
            "architecture_comparison",
            material.say("Accuracy and cost by technique"),
            runs,
        ),
    ]


def first_rows(material: Material, table: Table, keys: Sequence[str], wanted: Sequence[str]) -> Grid:
    """Return the first rows of a table of models, and the first wanted models that no run has."""
    absent = absent_models(material, wanted[:FIRST])
    return grid_of(material, table, keys, rows=material.rows(table)[:FIRST], claims="comparison", absent=absent)


def absent_models(material: Material, models: Sequence[str]) -> dict[str, str]:
    """Return those of some models that have no run among the rows that are compared."""
    return {model: model for model in models if model not in deck_models(material.members)}


def absent_techniques(material: Material, table: Table) -> dict[str, str]:
    """Return the techniques of the deck's table of which no model has a run, as they are shown and as it has them."""
    texts = [row.cells["technique"].text for row in material.rows(table)]
    shown = {text.english() for text in texts if text is not None}
    wanted = dict.fromkeys(c.row for c in material.evidence.claims.values() if c.table == "by_technique")
    return {material.say(title): name for name in wanted if (title := technique_title(name)) not in shown}


def leader_lines(material: Material) -> list[Line]:
    """Return the highest mean in words, and whether it is better than those after it."""
    ordered = material.contents.run_groups
    leader, rest = ordered[0], ordered[1:]
    score = m.cell(leader, HEADLINE)
    heading = material.say(m.metric_column(HEADLINE).heading)
    shown = format_cell(score, m.metric_column(HEADLINE), material.language)
    words = material.say("Highest mean: {}, {} {} (n = {})", material.contents.name(leader), heading, shown, score.n)
    method = Line(material.say(METHOD, leader.label), kind="small")
    lines = verdicts_against(material, leader, rest)[: FIRST - 1]
    return [Line(words, material.from_runs(score.runs), "heading"), *lines, *([method] if lines else [])]


def verdicts_against(material: Material, base: RunGroup, arms: Sequence[RunGroup]) -> list[Line]:
    """Return the verdict on each of some rows against one, in words; all are adjusted together."""
    lines = []
    for arm, contrast in zip(arms, material.contrasts(base, arms), strict=True):
        names = material.contents.name(arm), material.contents.name(base)
        verdict = verdict_words(material.contents, *names, contrast_cells(contrast, base))
        said = material.say("; ").join([verdict, *recipe_words(material, base, arm)])
        lines.append(Line(said, material.from_runs((*base.runs, *arm.runs))))
    return lines


def recipe_words(material: Material, base: RunGroup, arm: RunGroup) -> list[str]:
    """Return the names of the recipe fields in which two rows differ, in words; nothing where they do not."""
    fields = [material.say(name) for name in differing(base, arm, ignore=NOT_RECIPE)]
    return [material.say("recipes differ in {}", ", ".join(fields))] if fields else []


def efficiency(material: Material) -> list[Part]:
    """Return who is most accurate for its parameters, and who trains fastest and slowest."""
    table = material.table("efficiency")
    efficient = sorted(claims_about(material, "comparison", ("param_efficiency",)), key=lambda one: -one.claim.value)
    wanted = [one.claim.row for one in efficient[:FIRST]]
    return [
        *conditions(material),
        first_rows(material, table, EFFICIENCY, wanted),
        *time_lines(material),
        *verdict_lines(material, efficient),
        *missing_models(material, wanted),
        material.picture(
            lambda: efficiency_analysis(material.members)[0][1],
            "efficiency_analysis",
            material.say("Accuracy against cost"),
            all_runs(material),
        ),
    ]


def time_lines(material: Material) -> list[Line]:
    """Return the fastest, the middle and the slowest row to train; times of several machines are not compared.

    Of runs that shared their device no times count.
    """
    timed = [(run_group, m.cell(run_group, "train_h")) for run_group in material.members]
    timed = sorted(
        (pair for pair in timed if pair[1].value is not None), key=lambda pair: (pair[1].value, pair[0].label)
    )
    if not timed:
        return [Line(material.say("No training times: the runs shared their device, or recorded none"))]
    if len({run_group.recipe_fields["machine"] for run_group, _ in timed}) != 1:
        return [Line(material.say("Training times are of several machines: not compared"))]
    places = {"Fastest to train: {}, {} h": 0, "In the middle: {}, {} h": len(timed) // 2, "Slowest: {}, {} h": -1}
    column = m.COLUMNS["train_h"]
    return [
        Line(
            material.say(words, material.contents.name(timed[place][0]), format_cell(timed[place][1], column, "en")),
            material.from_runs(timed[place][1].runs),
        )
        for words, place in places.items()
    ]


def training(material: Material) -> list[Part]:
    """Return the training curves of three models with a sentence on each, and what the gap to training says."""
    notes = [Line(material.say(words), kind="small") for words in OBSERVATIONS]
    # The figure comes last: it fills a page.
    return sorted([*curves(material, CURVES, "training_curves"), *notes], key=lambda part: isinstance(part, Picture))


OBSERVATIONS = (
    "Training accuracy is measured on augmented (with MixUp, mixed) images in training mode: its gap to evaluation "
    "shows no overfitting by itself.",
    "Where the best epoch is far above the last one, the best was chosen on the images that it reports.",
)


def curves(material: Material, models: Sequence[str], name: str) -> list[Part]:
    """Return a sentence on the training of each of some models, and their curves where they were evaluated twice."""
    found = [run_group for model in models if (run_group := material.find(model)) is not None]
    drawn = [run_group for run_group in found if len(curve(run_group, "eval").epochs) > 1]
    parts: list[Part] = [Line(curve_words(material, c), material.from_runs(c.runs)) for c in found]
    parts += missing_models(material, models)
    if not drawn:
        return [*parts, Line(material.say("No curve: each run was evaluated once or not at all"), kind="missing")]
    values = [drawn[0].recipe_fields[field] for field in COMPARED]
    title = material.say("Training curves: {}", ", ".join(run_group.label for run_group in drawn))
    runs = [run for run_group in drawn for run in run_group.runs]
    return [*parts, material.picture(partial(draw_overlay, values, "", drawn), name, title, runs)]


def curve(run_group: RunGroup, part: str) -> Curve:
    """Return the headline over the epochs on training or evaluation images."""
    return curve_of([record.epochs for record in run_group.records], f"{part}_{HEADLINE}")


def curve_words(material: Material, run_group: RunGroup) -> str:
    """Return how a row's training ended: last epoch, best epoch, and the accuracy on the images that it trained on."""
    last, best = m.cell(run_group, HEADLINE), m.cell(run_group, f"best_{HEADLINE}")
    column = m.metric_column(HEADLINE)
    said = [material.say("{}: last epoch {} %", run_group.label, format_cell(last, column, material.language))]
    if best.value is not None and last.value is not None:
        above = best.value - last.value
        words = "best epoch {} points above it" if above else "the best epoch is the last one"
        said.append(material.say(words, format_number(above, 2)))
    trained = curve(run_group, "train").mean
    if trained:
        said.append(material.say("on training images {} %", format_number(trained[-1], 2)))
    return material.say("; ").join(said)
