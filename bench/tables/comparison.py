"""The tables that put models side by side: comparison, efficiency, training cost."""

from collections.abc import Sequence
from dataclasses import replace

from bench.analysis import stats
from bench.analysis.cells import Block, Cell, Column, Phrase, Row, Table, missing, words
from bench.analysis.metrics import HEADLINE, METRICS
from bench.analysis.pareto import pareto_front
from bench.analysis.recipe import DEFAULT, RANKED_TOGETHER, START
from bench.analysis.run_groups import RunGroup, blocks_of, common_recipe
from bench.tables import measures as m
from bench.tables import notes
from bench.tables.evaluation_columns import recorded_columns
from bench.tables.health import has_mark, health_notes

MEANS = Phrase("Mean ± 95 % t-interval over n seeds; accuracy of the last epoch on the evaluation split.")
CONVENTIONS = Phrase("Costs are of one image; 1 MAC (multiply-accumulate) = 2 FLOPs.")
RANKS = Phrase("Ranks order the means; rows of different blocks are not ranked together.")
RANGES = Phrase(
    "A rank is a range where intervals overlap, that is the places that they leave open; a row without an interval "
    "counts at its mean. Rows of different blocks are not ranked together."
)
BORROWED = Phrase("For its rank, a row of one run is given the spread over seeds of its block's other rows, if any.")
MIXED = Phrase("Ranked across recipes that differ in steps, batch, augmentation or data (--allow-mixed).")
DIAGNOSTIC = Phrase("Best epoch: a diagnostic, chosen on the split that it reports; it is no result.")
DEVICES = Phrase(
    "A device is a GPU, or the whole machine where there is none (a run on some of its cores counts as that share of "
    "it); training cost = FLOPs of all passes: 3 × forward FLOPs × images seen where no algorithm changes them."
)

CLOCK = Phrase("Train time excludes start-up, evaluation and checkpoints; total time includes them.")
SAVING = Phrase("Checkpoints: the time that saving them took, in per cent of the train time.")
RATIOS = Phrase("An interval in brackets is a bootstrap over runs, given from 5 runs on.")
FRONT = Phrase("Pareto front: no row of the block is as accurate at a lower cost of that kind.")
FRONTS = {"params_m": "params", "macs_m": "MACs", "train_h": "time"}

NAMED, SCORED = m.find("rank", "model"), m.find(HEADLINE, "n")
COMPARED = (
    *m.find("params_m", "macs_m", "flops_m", "train_h", "images_per_s"),
    *m.find("training_pflop", wide=True),
    *m.find("top1_per_m_params", "top1_per_mmac", "top1_per_mflop", "own_design", "stem"),
)
EFFICIENCY = (
    *m.find("params_m", "top1_per_m_params", "macs_m", "top1_per_mmac", "top1_per_mflop"),
    *m.find("train_h", wide=True),
    *m.find("top1_per_h"),
    m.column("pareto", "Pareto front", "Pareto 前沿", kind="words"),
)
COST = m.find(
    *("rank", "model", "n", "train_h", "eval_h", "total_h", "checkpoint_share", "device_h", "training_pflop"),
    *("images_per_s", HEADLINE),
)


def order(run_groups: Sequence[RunGroup], by: Column, ascending: bool) -> list[tuple[RunGroup, Cell]]:
    """Return run groups with their cells in a column, best first; those without a value come last."""
    scored = [(run_group, by.cell(run_group)) for run_group in run_groups]
    sign = 1 if ascending else -1
    return sorted(scored, key=lambda pair: (pair[1].value is None, sign * (pair[1].value or 0.0), pair[0].label))


def ranks(scores: Sequence[float | None]) -> list[int | None]:
    """Return the ranks of ordered scores: equal ones share a rank, a missing one has none."""
    first: dict[float, int] = {}
    return [None if score is None else first.setdefault(score, place) for place, score in enumerate(scores, start=1)]


def rank_ranges(scores: Sequence[Cell], ascending: bool = False) -> list[tuple[int, int]]:
    """Return the best and the worst place that the intervals leave open to each cell; one without a value has (0, 0).

    Of two cells the order is settled where their intervals do not overlap; a value without an interval is its own.
    """
    sign = -1 if ascending else 1
    ends = [sorted(sign * end for end in interval_of(cell)) for cell in scores if cell.value is not None]
    lows, highs = [low for low, _ in ends], [high for _, high in ends]
    places = iter(
        (1 + sum(low > high for low in lows), len(ends) - sum(high < low for high in highs)) for low, high in ends
    )
    return [(0, 0) if cell.value is None else next(places) for cell in scores]


def with_spread(scores: Sequence[Cell], run_groups: Sequence[RunGroup], metric: str) -> list[Cell]:
    """Return a metric's cells, those of one run with the interval that the pooled spread over seeds gives them.

    They stay as they are where no run group has several seeds.
    """
    samples = [list(run_group.values(metric).values()) for run_group in run_groups]
    sd, freedom = stats.pooled_sd(*filter(None, samples)), sum(len(values) - 1 for values in samples if values)
    if sd is None:
        return list(scores)
    half = stats.t_quantile(freedom, stats.CONFIDENCE) * sd
    return [
        replace(cell, low=cell.value - half, high=cell.value + half) if cell.value is not None and cell.n == 1 else cell
        for cell in scores
    ]


def interval_of(cell: Cell) -> tuple[float, float]:
    """Return the ends of a cell's interval; of a value without one, twice the value."""
    value = cell.value or 0.0
    return (value, value) if cell.low is None or cell.high is None else (cell.low, cell.high)


def rank_cell(place: int | None, runs: Sequence[str], places: tuple[int, int] | None = None) -> Cell:
    """Return a rank as a cell, with the best and the worst place left open; it comes from the runs that it ranks."""
    if place is None:
        return missing("nothing to rank it by")
    low, high = places or (None, None)
    return Cell(value=place, n=len(runs), low=low, high=high, runs=tuple(runs))


def columns_shown(columns: Sequence[Column], options: m.Options) -> tuple[Column, ...]:
    """Return a table's columns, with the best epoch after the headline where it was asked for."""
    best = m.find(f"best_{HEADLINE}") if options.best else ()
    return tuple(shown for column in columns for shown in (column, *(best if column.key == HEADLINE else ())))


def ranked_table(
    name: str,
    title: Phrase,
    run_groups: Sequence[RunGroup],
    options: m.Options,
    columns: Sequence[Column],
    *,
    by: str,
    ascending: bool = False,
    remarks: Sequence[Phrase] = (),
) -> Table:
    """Return a table of run groups, ranked by one column within each block of comparable recipes."""
    shown = columns_shown((*columns, *m.appended(name)), options)
    keys = {column.key for column in shown}
    ignore = [*({"stem", "machine"} & keys), *([] if options.allow_mixed else RANKED_TOGETHER)]
    common, networks = common_recipe(run_groups), notes.network_notes(run_groups)
    (scored,) = (column for column in columns if column.key == by)
    blocks = []
    for heading, members in block_items(run_groups, options):
        ordered = order(members, scored, ascending)
        scores = [score for _, score in ordered]
        open_to = rank_ranges(with_spread(scores, members, by) if by in METRICS else scores, ascending)
        places = zip(ranks([score.value for score in scores]), open_to, strict=True)
        rows = [
            Row(
                {"rank": rank_cell(place, run_group.runs, left_open), **m.measure(run_group, shown)},
                (
                    *notes.recipe_notes(run_group, common, ignore),
                    *notes.change_notes([run_group]),
                    *networks.get(run_group.runs, ()),
                    *(health_notes(run_group) if "health" in keys else ()),
                ),
            )
            for (run_group, _), (place, left_open) in zip(ordered, places, strict=True)
        ]
        blocks.append(Block(heading, rows))
    below = [
        RANGES,
        *([BORROWED] if by in METRICS else []),
        *([MIXED] if options.allow_mixed else []),
        *remarks,
        *([DIAGNOSTIC] if options.best else []),
    ]
    return Table(name, title, shown, blocks, (*below, notes.recipe_line(common, ignore)))


def block_items(run_groups: Sequence[RunGroup], options: m.Options) -> list[tuple[Phrase | None, list[RunGroup]]]:
    """Return the blocks of comparable recipes with their headings.

    Where they may be mixed it is one block without a heading, and one of what started from trained weights.
    """
    fields = (START,) if options.allow_mixed else RANKED_TOGETHER
    blocks = blocks_of(run_groups, fields) or {(): []}
    return [(heading_or_none(values, fields), members) for values, members in blocks.items()]


def heading_or_none(values: Sequence[str], fields: Sequence[str]) -> Phrase | None:
    """Return the heading of a block, None where there is nothing to say."""
    return notes.block_heading(values, fields) if {*values} - {DEFAULT} else None


def comparison(run_groups: Sequence[RunGroup], options: m.Options) -> Table:
    """Return the deck's first table from runs: accuracy, cost, time and efficiency of every model, ranked by top-1.

    Runs of a known recipe are marked by what others reached with it (`bench.analysis.health`). What else was measured
    on some of the networks stands at the end.
    """
    health = m.find("health") if has_mark(run_groups) else ()
    evaluated = recorded_columns(run_groups)
    return ranked_table(
        "comparison",
        Phrase("Comparison of models", zh="模型综合对比"),
        run_groups,
        options,
        (*NAMED, *m.find("technique"), *SCORED, *m.other_metrics(run_groups), *COMPARED, *health, *evaluated),
        by=HEADLINE,
        ascending=not METRICS[HEADLINE].higher_is_better,
        remarks=(MEANS, CONVENTIONS),
    )


def efficiency(run_groups: Sequence[RunGroup], options: m.Options) -> Table:
    """Return the models ranked by accuracy per million parameters, with what lies on which Pareto front."""
    table = ranked_table(
        "efficiency",
        Phrase("Efficiency", zh="效率排名"),
        run_groups,
        options,
        (*NAMED, *SCORED, *EFFICIENCY),
        by="top1_per_m_params",
        remarks=(MEANS, CONVENTIONS, RATIOS, FRONT),
    )
    return Table(table.name, table.title, table.columns, [with_fronts(block) for block in table.blocks], table.notes)


def with_fronts(block: Block) -> Block:
    """Return a block with a column that names the costs for which a row lies on the Pareto front of its block."""
    scores = [row.cells[HEADLINE].value for row in block.rows]
    fronts = {
        label: pareto_front([row.cells[key].value for row in block.rows], scores) for key, label in FRONTS.items()
    }
    rows = []
    for index, row in enumerate(block.rows):
        names = [label for label, front in fronts.items() if front[index]]
        cell = words(", ".join(["{}"] * len(names)), *(Phrase(name) for name in names)) if names else words("no")
        rows.append(Row({**row.cells, "pareto": cell}, row.notes))
    return Block(block.heading, rows)


def training_cost(run_groups: Sequence[RunGroup], options: m.Options) -> Table:
    """Return what each model's training cost: hours, device-hours, training PFLOP; the cheapest first."""
    return ranked_table(
        "training_cost",
        Phrase("Training cost", zh="训练成本"),
        run_groups,
        options,
        COST,
        by="device_h",
        ascending=True,
        remarks=(MEANS, CLOCK, SAVING, DEVICES),
    )
