"""The by-technique table: models averaged over the technique that they stand for."""

from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import replace

from bench.analysis import stats
from bench.analysis.cells import Block, Cell, Phrase, Row, Table, missing, number, words
from bench.analysis.run_groups import RunGroup
from bench.tables import measures as m
from bench.tables import notes
from bench.tables.comparison import CONVENTIONS, MIXED, RANKS, block_items, rank_cell, ranks

# Ablation arms of other models: they would count their parent's technique several times over.
VARIANTS = frozenset(
    {
        "resnet20_no_eca",
        "eca_resnet20_pos1",
        "eca_resnet20_pos3",
        "improved_resnet20_convnext_no_droppath",
        "improved_resnet20_convnext_std_conv",
        "improved_resnet20_convnext_no_inverted",
    }
)
COLUMNS = (
    m.RANK,
    replace(m.TECHNIQUE, wide=False),
    m.column("top1", "Top-1 (%) [lowest, highest]", kind="interval"),
    m.column("networks", "Networks", 0),
    m.PARAMETERS,
    m.MACS,
    m.TRAIN,
    m.column("members", "Models", kind="words", wide=True),
)
AVERAGES = Phrase(
    "Means over networks, each the mean of its runs; brackets are the lowest and highest network, no interval."
)
COUNTED = Phrase(
    "One network under several names counts once; ablation arms and models with unusual options are left out."
)
RECIPES = Phrase("The recipes of a technique's models may differ in what the comparison footnotes.")


def represents(run_group: RunGroup) -> bool:
    """Tell whether a run group stands for its technique: a model of the zoo as the zoo defines it."""
    return run_group.model not in VARIANTS and run_group.label == run_group.model


def by_technique(run_groups: Sequence[RunGroup], options: m.Options) -> Table:
    """Return the techniques ranked by the mean top-1 of their networks, within each block of comparable recipes."""
    blocks = []
    for values, members in block_items([c for c in run_groups if represents(c)], options):
        groups: dict[str, list[RunGroup]] = defaultdict(list)
        for run_group in members:
            groups[str(run_group.first["model"].get("technique"))].append(run_group)
        blocks.append(Block(notes.block_heading(values) if values else None, technique_rows(groups)))
    first = MIXED if options.allow_mixed else RANKS
    return Table(
        "by_technique", Phrase("By technique"), COLUMNS, blocks, (first, AVERAGES, COUNTED, RECIPES, CONVENTIONS)
    )


def technique_rows(groups: dict[str, list[RunGroup]]) -> list[Row]:
    """Return the rows of one block, ranked."""
    rows = [(members, technique_cells(technique, members)) for technique, members in groups.items()]
    rows.sort(key=lambda row: -(row[1]["top1"].value or 0.0))
    places = ranks([cells["top1"].value for _, cells in rows])
    everyone = [run_group for members, _ in rows for run_group in members]
    return [
        Row(
            {"rank": rank_cell(place, cells["networks"].runs), **cells},
            (Phrase("{}", (member_names(members),)), *notes.precision_notes(members, everyone)),
        )
        for place, (members, cells) in zip(places, rows, strict=True)
    ]


def member_names(members: Sequence[RunGroup]) -> str:
    """Return the models that stand for a technique."""
    return ", ".join(dict.fromkeys(run_group.label for run_group in members))


def technique_cells(technique: str, members: Sequence[RunGroup]) -> dict[str, Cell]:
    """Return the cells of one technique."""
    networks: dict[str, list[RunGroup]] = defaultdict(list)
    for run_group in members:
        networks[run_group.fingerprint or run_group.label].append(run_group)
    runs = [run for run_group in members for run in run_group.runs]
    return {
        "technique": words(technique.replace("_", " ")),
        "top1": average(list(networks.values()), m.MEASURES["top1"]),
        "networks": number(len(networks), runs),
        "params_m": average(list(networks.values()), m.MEASURES["params_m"]),
        "macs_m": average(list(networks.values()), m.MEASURES["macs_m"]),
        "train_h": average_time(list(networks.values())),
        "members": words("{}", member_names(members)),
    }


def average_time(networks: Sequence[Sequence[RunGroup]]) -> Cell:
    """Return the mean train time; times of different machines are not averaged."""
    if len({run_group.recipe_fields["machine"] for network in networks for run_group in network}) > 1:
        return missing("the runs were trained on several machines")
    return average(networks, m.MEASURES["train_h"])


def average(networks: Sequence[Sequence[RunGroup]], score: Callable[[RunGroup], Cell]) -> Cell:
    """Return the mean over networks of the mean over their run groups, with the lowest and the highest network."""
    cells = [[score(run_group) for run_group in network] for network in networks]
    values = [[cell.value for cell in network if cell.value is not None] for network in cells]
    if not all(values):
        return missing("not known of every network")
    means = [stats.mean_interval(network).mean for network in values]
    runs = tuple(run for network in cells for cell in network for run in cell.runs)
    return Cell(stats.mean_interval(means).mean, None, len(means), min(means), max(means), runs)
