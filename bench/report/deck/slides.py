"""The slides in the deck's order: each a function of what the presentation is made of."""

from collections.abc import Callable, Sequence

from bench.analysis.ablations import ablation_names, load_ablation
from bench.analysis.cells import Table
from bench.analysis.metrics import HEADLINE
from bench.analysis.recipe import RANKED_TOGETHER
from bench.analysis.run_groups import RunGroup, common_recipe, device_text
from bench.analysis.stats import mean_interval
from bench.report.contents import compared
from bench.report.deck.slide import COMPARISON, Deck, Slide
from bench.report.deck.words import FUTURE, GOALS, METHODS, TITLE
from bench.report.overview import ablation_summary, leader_line
from bench.tables.comparison import efficiency, training_cost
from bench.tables.components import components
from bench.tables.measures import Options
from bench.tables.notes import recipe_line
from bench.tables.registry import all_tables
from bench.tables.technique import by_technique

ROWS = {
    "results": ("rank", "model", HEADLINE, "n", "params_m", "flops_m", "train_h", "top1_per_m_params", "own_design"),
    "technique": ("technique", HEADLINE, "networks", "params_m", "macs_m", "train_h"),
    "efficiency": ("rank", "model", HEADLINE, "params_m", "top1_per_m_params", "pareto"),
    "cost": ("rank", "model", "train_h", "training_pflop", HEADLINE, "machine"),
    "ablation": ("arm", HEADLINE, "n", "delta", "p_holm", "verdict", "seeds_needed"),
    "ten": ("rank", "model", HEADLINE, "top5", "n", "top1_per_m_params", "top1_per_mflop"),
}
DYNAMICS = ("resnet_20", "improved_resnet20_convnext", "coatnet_0")
MORE_DYNAMICS = ("eca_resnet_20", "ghost_resnet_20", "convnext_tiny")


def runs_of(run_groups: Sequence[RunGroup]) -> list[str]:
    """Return the ids of the runs of some run groups."""
    return [run for run_group in run_groups for run in run_group.runs]


def title_slide(deck: Deck) -> Slide:
    """Return the title, and what the team's file says below it."""
    lines = [deck.team.subtitle] if deck.team.subtitle else []
    for key in ("team", "presenter", "date", "school"):
        value = getattr(deck.team, key)
        lines.append(
            deck.say("{}: {}", deck.say(key), value or deck.say("missing; give it by --team FILE, key '{}'", key))
        )
    return Slide(deck.say(TITLE), lines)


def goals_slide(deck: Deck) -> Slide:
    """Return the task, the goals, and with what it was done."""
    results = [record.result or {} for run_group in deck.contents.run_groups for record in run_group.records]
    data = results[0]["data"]
    machines = dict.fromkeys(device_text(result) for result in results)
    packages = (results[0].get("machine") or {}).get("packages") or {}
    with_run = [model for model in deck.deck_models if deck.find(model) is not None]
    counts = (data["name"], data["classes"], data["train_samples"], data["eval_samples"])
    lines = [
        deck.say("{}: {} classes, {} images to train on, {} to evaluate on", *counts),
        deck.say("{} runs of {} networks and recipes", len(results), len(deck.contents.run_groups)),
        deck.say("Of the deck's {} models {} have a run here", len(deck.deck_models), len(with_run)),
        *(deck.say(goal) for goal in GOALS),
        deck.say("Hardware: {}", "; ".join(machines)),
        deck.say("Software: {}", ", ".join(f"{name} {version}" for name, version in packages.items())),
    ]
    return Slide(deck.say("Overview and goals"), lines, notes=deck.sources(list(deck.contents.run_numbers)))


def methods_slide(deck: Deck) -> Slide:
    """Return the methods, a line each."""
    return Slide(deck.say("Related work: ten methods"), [deck.say(method) for method in METHODS])


def design_slide(deck: Deck) -> Slide:
    """Return the recipe that the rows of the results share."""
    common = common_recipe(deck.members)
    heading = deck.contents.say(deck.block.heading) if deck.block.heading else ""
    lines = [heading, deck.contents.say(recipe_line(common, RANKED_TOGETHER))]
    lines.append(
        deck.say("Every model is built from one registry, counted by two counters, and trained by one command.")
    )
    lines.append(deck.say("Differences from this recipe are footnoted in each table."))
    return Slide(deck.say("Method: one framework for all"), lines, notes=deck.sources(runs_of(deck.members)))


def results_slide(deck: Deck) -> Slide:
    """Return the first five rows, the means by technique, and what of the deck's table does not hold."""
    groups = deck.members
    technique = by_technique(groups, Options())
    tables = [deck.cut(deck.contents.table, ROWS["results"], 5)]
    tables += [deck.cut(technique, ROWS["technique"])] if technique.blocks else []
    lines = [leader_line(deck.contents, groups[0]), *deck.contradicted(COMPARISON, ("rank", HEADLINE))]
    lines += deck.missing(deck.deck_models)
    if deck.with_claims:
        lines.append(
            deck.say("The deck's figures are of 300 epochs; its authors' logs and counts tell whether they hold.")
        )
    return Slide(deck.say("Main results"), lines, tables, deck.scatter("params_m"), deck.sources(runs_of(groups)))


def efficiency_slide(deck: Deck) -> Slide:
    """Return the best by accuracy per million parameters, the cheapest and the dearest to train."""
    table, cost = efficiency(deck.members, Options()), training_cost(deck.members, Options())
    ends = [cost.blocks[0].rows[0], cost.blocks[0].rows[-1]]
    names = [row.cells["model"].text for row in ends]
    hours = [row.cells["train_h"].value for row in ends]
    lines = []
    if None not in hours and len(deck.members) > 1:
        words = [name.english() if name else "" for name in names]
        lines.append(deck.say("Cheapest to train: {} ({} h); dearest: {} ({} h)", *mixed(words, hours)))
    lines += deck.contradicted(COMPARISON, ("param_efficiency", "train_time"))
    return Slide(
        deck.say("Efficiency"),
        lines,
        [deck.cut(table, ROWS["efficiency"], 3), deck.cut(cost, ROWS["cost"], 3)],
        deck.scatter("macs_m"),
        deck.sources(runs_of(deck.members)),
    )


def mixed(words: Sequence[str], hours: Sequence[float | None]) -> list[str]:
    """Return names and hours in turns."""
    return [part for name, hour in zip(words, hours, strict=True) for part in (name, f"{hour:.3f}")]


def dynamics_slide(deck: Deck) -> Slide:
    """Return how three networks train: where training and evaluation end."""
    return curves_slide(deck, deck.say("Training dynamics"), DYNAMICS)


def curves_slide(deck: Deck, title: str, models: Sequence[str]) -> Slide:
    """Return the curves of some models, and a sentence on each."""
    found = [run_group for model in models if (run_group := deck.find(model)) is not None]
    lines = [line for run_group in found for line in end_line(deck, run_group)]
    return Slide(
        title, [*lines, *deck.missing(models)], figures=deck.curves(models), notes=deck.sources(runs_of(found))
    )


def end_line(deck: Deck, run_group: RunGroup) -> list[str]:
    """Return where a row's runs end on training and on evaluation images, if both were recorded."""
    rows = [record.epochs[-1] for record in run_group.records if record.epochs]
    ends = [[row.get(f"{part}_{HEADLINE}") for row in rows] for part in ("train", "eval")]
    if not rows or any(value is None for values in ends for value in values):
        return []
    train, evaluation = (mean_interval([float(v) for v in values if v is not None]).mean for values in ends)
    words = "{}: {} % on augmented training images, {} % on evaluation images at the end (n = {})"
    return [deck.say(words, deck.contents.name(run_group), f"{train:.2f}", f"{evaluation:.2f}", len(rows))]


def ablation_slide(deck: Deck, names: Sequence[str], title: str) -> Slide:
    """Return the tables of some ablations and their verdicts in words; what no run has with its command."""
    builders = all_tables(deck.contents.ablations)
    tables = {name: builders[name](deck.contents.run_groups, Options()) for name in names if name in builders}
    found = [table for table in tables.values() if any(compared(row) for block in table.blocks for row in block.rows)]
    lines = [
        verdict["words"]
        for table in found
        for block in ablation_summary(deck.contents, table)["blocks"]
        for verdict in block["verdicts"]
    ]
    lines += [missing_arms(deck, table) for name, table in tables.items() if table not in found]
    lines += [line for name in names for line in deck.contradicted(f"ablation_{name}", ("delta_top1",))]
    shown = [deck.cut(first_compared(table), ROWS["ablation"]) for table in found]
    rows = [row for table in found for block in first_compared(table).blocks[:1] for row in block.rows]
    runs = [run for row in rows for cell in row.cells.values() for run in cell.runs]
    return Slide(title, lines, shown, notes=deck.sources(runs))


def first_compared(table: Table) -> Table:
    """Return a table that begins with its first block in which an arm is compared with its base."""
    blocks = [block for block in table.blocks if any(compared(row) for row in block.rows)]
    return Table(table.name, table.title, table.columns, blocks, table.notes)


def missing_arms(deck: Deck, table: Table) -> str:
    """Return that an ablation has no runs to compare, with the command that trains its first arm without a run."""
    ablation, groups = load_ablation(ablation_names(deck.contents.ablations)[table.name]), deck.contents.run_groups
    absent = [arm.name for arm in ablation.arms if not any(ablation.matches(arm, run_group) for run_group in groups)]
    arm = absent[0] if absent else ablation.arms[0].name
    command = f"`composer -n 2 bench/train.py -f yamls/ablations/{table.name}.yaml --arm {arm}`"
    return deck.say("Missing, no arms to compare yet: {}. {}", deck.contents.say(table.title), command)


def ablations_slide(deck: Deck) -> Slide:
    """Return the ablations of ECA's kernel and of the improved network."""
    return ablation_slide(deck, ("eca_kernel", "improved_resnet20_convnext"), deck.say("Ablations"))


def findings_slide(deck: Deck) -> Slide:
    """Return what the runs settle, and how much they leave open."""
    verdicts = [
        verdict
        for table in deck.contents.ablation_tables
        for block in ablation_summary(deck.contents, table)["blocks"]
        for verdict in block["verdicts"]
    ]
    settled = [verdict["words"] for verdict in verdicts if verdict["verdict"] in ("better", "worse")]
    opened = sum(verdict["verdict"] == "not distinguishable" for verdict in verdicts)
    lines = settled or [deck.say("No comparison of an ablation is settled by these runs.")]
    lines.append(deck.say("{} comparisons of ablations are not distinguishable at these numbers of seeds.", opened))
    return Slide(deck.say("Key findings"), lines)


def own_slide(deck: Deck) -> Slide:
    """Return where the deck's own designs stand."""
    own = [c.claim.row for c in deck.checked if c.claim.metric == "own_design" and c.claim.text == "yes"]
    names = dict.fromkeys([*own, *(g.label for g in deck.members if g.first["model"].get("own_design"))])
    lines = []
    for name in names:
        run_group = deck.find(name)
        if run_group is not None:
            place = next(row for _, row, group in deck.contents.rows if group is run_group)
            low, high = place.cells["rank"].low, place.cells["rank"].high
            lines.append(
                deck.say("{}: rank {} to {} of its block", deck.contents.name(run_group), f"{low:g}", f"{high:g}")
            )
    found = [group for name in names if (group := deck.find(name)) is not None]
    return Slide(
        deck.say("The deck's own designs"), [*lines, *deck.missing(list(names))], notes=deck.sources(runs_of(found))
    )


def team_slide(deck: Deck) -> Slide:
    """Return who did what."""
    lines = [deck.say("{}: {}", name, words) for name, words in deck.team.contributions.items()]
    absent = deck.say("missing; give it by --team FILE, key '{}'", "contributions")
    return Slide(deck.say("Contributions"), lines or [absent])


def future_slide(deck: Deck) -> Slide:
    """Return what is left to do."""
    return Slide(deck.say("Future work"), [deck.say(line) for line in FUTURE])


def ten_slide(deck: Deck) -> Slide:
    """Return the first ten rows with top-5 and efficiency."""
    lines = deck.contradicted(COMPARISON, ("top5", "flop_efficiency"))
    table = deck.cut(deck.contents.table, ROWS["ten"], 10)
    return Slide(deck.say("Appendix: the first ten"), lines, [table], notes=deck.sources(runs_of(deck.members)))


def ghost_slide(deck: Deck) -> Slide:
    """Return the ablation of Ghost's ratio."""
    return ablation_slide(deck, ("ghost_ratio",), deck.say("Appendix: Ghost"))


def components_slide(deck: Deck) -> Slide:
    """Return what ConvNeXt and the improved network are made of, as built."""
    table = components(deck.members, Options())
    page = deck.cut(table, [column.key for column in table.columns])
    return Slide(deck.say("Appendix: components"), [deck.contents.say(note) for note in table.notes], [page])


def more_curves_slide(deck: Deck) -> Slide:
    """Return the curves of three more networks."""
    return curves_slide(deck, deck.say("Appendix: more training curves"), MORE_DYNAMICS)


SLIDES: tuple[Callable[[Deck], Slide], ...] = (
    *(title_slide, goals_slide, methods_slide, design_slide, results_slide, efficiency_slide),
    *(dynamics_slide, ablations_slide, findings_slide, own_slide, team_slide, future_slide),
    *(ten_slide, ghost_slide, components_slide, more_curves_slide),
)


def make_slides(deck: Deck) -> list[Slide]:
    """Return every slide in order."""
    return [build(deck) for build in SLIDES]
