"""The by-technique table: models averaged over the technique that they stand for."""

from collections import defaultdict
from collections.abc import Sequence

from bench.analysis import stats
from bench.analysis.cells import (
    SEVERAL_MACHINES,
    Block,
    Cell,
    Phrase,
    Row,
    Table,
    missing,
    number,
    on_several_machines,
    words,
)
from bench.analysis.run_groups import RunGroup, common_recipe, is_helped, representative
from bench.tables import measures as m
from bench.tables import notes
from bench.tables.comparison import CONVENTIONS, MIXED, RANKS, block_items, rank_cell, ranks
from bench.zoo.models import MODELS

COSTS = ("params_m", "macs_m", "train_h")
COLUMNS = (
    *m.find("rank"),
    *m.find("technique", wide=False),
    m.column("top1", "Top-1 (%) [lowest, highest]", "Top-1 准确率 (%) [最低, 最高]", kind="interval"),
    m.column("networks", "Networks", "网络数", 0),
    *m.find(*COSTS),
    m.column("members", "Models", "模型", kind="words", wide=True),
)
AVERAGES = Phrase(
    "Means over networks, each the mean of its runs; brackets are the lowest and highest network, no interval."
)
COUNTED = Phrase(
    "A network counts once, by the recipe nearest to the others'; left out are ablation arms, models with unusual "
    "options, and runs with a teacher or from trained weights."
)
RECIPES = Phrase("The recipes of a technique's models may differ in what the comparison footnotes.")


def represents(run_group: RunGroup) -> bool:
    """Tell whether a run group stands for its technique: a model as the zoo has it, that learned from data alone."""
    row = MODELS.get(run_group.model)
    return run_group.label == run_group.model and not (row is not None and row.arm) and not is_helped(run_group)


def by_technique(run_groups: Sequence[RunGroup], options: m.Options) -> Table:
    """Return the techniques ranked by the mean top-1 of their networks, within each block of comparable recipes."""
    blocks = []
    for heading, members in block_items([c for c in run_groups if represents(c)], options):
        groups: dict[str, list[RunGroup]] = defaultdict(list)
        for run_group in each_network_once(members):
            groups[str(run_group.first["model"].get("technique"))].append(run_group)
        blocks.append(Block(heading, technique_rows(groups)))
    first = MIXED if options.allow_mixed else RANKS
    return Table(
        "by_technique",
        Phrase("By technique", zh="按技术类别对比"),
        COLUMNS,
        blocks,
        (first, AVERAGES, COUNTED, RECIPES, CONVENTIONS),
    )


def each_network_once(run_groups: Sequence[RunGroup]) -> list[RunGroup]:
    """Return the run group that stands for each network, under whatever names and recipes it was trained."""
    networks: dict[str, list[RunGroup]] = defaultdict(list)
    for run_group in run_groups:
        networks[run_group.fingerprint or run_group.label].append(run_group)
    common = common_recipe(run_groups)
    chosen = (representative(members, common) for members in networks.values())
    return [run_group for run_group in chosen if run_group is not None]


def technique_rows(groups: dict[str, list[RunGroup]]) -> list[Row]:
    """Return the rows of one block, ranked."""
    rows = [(members, technique_cells(technique, members)) for technique, members in groups.items()]
    rows.sort(key=lambda row: -(row[1]["top1"].value or 0.0))
    places = ranks([cells["top1"].value for _, cells in rows])
    everyone = [run_group for members, _ in rows for run_group in members]
    return [
        Row(
            {"rank": rank_cell(place, cells["networks"].runs), **cells},
            (
                Phrase("{}", (member_names(members),)),
                *notes.precision_notes(members, everyone),
                *notes.change_notes(members),
            ),
        )
        for place, (members, cells) in zip(places, rows, strict=True)
    ]


def member_names(members: Sequence[RunGroup]) -> str:
    """Return the models that stand for a technique."""
    return ", ".join(dict.fromkeys(run_group.label for run_group in members))


def technique_cells(technique: str, members: Sequence[RunGroup]) -> dict[str, Cell]:
    """Return the cells of one technique."""
    runs = [run for run_group in members for run in run_group.runs]
    return {
        "technique": words(technique.replace("_", " ")),
        **{key: average(members, key) for key in ("top1", *COSTS)},
        "networks": number(len(members), runs),
        "members": words("{}", member_names(members)),
    }


def average(networks: Sequence[RunGroup], key: str) -> Cell:
    """Return the mean over networks of the mean over their runs in a column, the lowest and highest network.

    Times of different machines are not averaged.
    """
    (column,) = m.find(key)
    if column.timed and on_several_machines(networks):
        return SEVERAL_MACHINES
    cells = [column.cell(run_group) for run_group in networks]
    means = [cell.value for cell in cells if cell.value is not None]
    if len(means) < len(cells):
        return missing("not known of every network")
    runs = tuple(run for cell in cells for run in cell.runs)
    return Cell(stats.mean_interval(means).mean, None, len(means), min(means), max(means), runs)
