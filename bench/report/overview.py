"""The first screen: what was compared under which conditions, the verdicts in words, what is missing or failed."""

from collections.abc import Sequence
from typing import Any

from bench.analysis.cells import Block, Cell, Row, Table
from bench.analysis.metrics import HEADLINE
from bench.analysis.recipe import RANKED_TOGETHER
from bench.analysis.run_groups import RunGroup, common_recipe, is_tuning
from bench.report.contents import Contents, told_apart
from bench.report.pairs import Pairs
from bench.tables import notes
from bench.tables.contrasts import NOISE, SEEDS, compared, contrast_cells
from bench.tables.measures import cell as cell_of
from bench.tables.measures import metric_column
from bench.tables.page import format_cell, format_number, format_p

BETTER = "{} is better than {} by {} (p {})"
OPEN = "{} and {}: not distinguishable, {} (p {}); seeds needed: {}"
SAME = "{} and {} are the same network by the same recipe"
UNTESTED = "{} and {}: not tested; {}"
UNTESTED_ROWS = "Not tested against {}, for want of seeds: {}"
TESTED_BELOW = "Compared with {} by an ablation below: {}"
ALONE = "{}, {} {} (n = {}); {}"
# What is tested comes first.
TESTED = ("tested below", "better", "worse", "not distinguishable")
ORDER = (*TESTED, "same network", "not tested")
# So many names stand in one line.
MAX_NAMES = 5


def overview(contents: Contents, pairs: Pairs) -> dict[str, Any]:
    """Return what the first screen says: blocks of several rows, then single rows.

    What was evaluated on a test split comes first, then what has a verdict.
    """
    blocks = list(contents.blocks(RANKED_TOGETHER).values())
    summaries = [block_summary(contents, members, pairs) for members in blocks if len(members) > 1]
    return {
        "counts": contents.say(
            "{} runs of {} networks and recipes, in {}",
            contents.source.runs,
            len(contents.run_groups),
            ", ".join(dict.fromkeys(run.partition("/")[0] for run in contents.run_numbers)),
        ),
        "blocks": sorted(decided_first(summaries), key=lambda block: block["tuning"]),
        "alone": [alone_line(contents, members[0]) for members in blocks if len(members) == 1],
        "ablations": [ablation_summary(contents, table) for table in contents.ablation_tables],
        "missing": missing_lines(contents),
    }


def decided_first(blocks: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return blocks in their order, but those first in which any comparison has been tested."""
    return sorted(blocks, key=lambda block: not any(line["verdict"] in TESTED for line in block["verdicts"]))


def block_summary(contents: Contents, members: Sequence[RunGroup], pairs: Pairs) -> dict[str, Any]:
    """Return a block's conditions, its numbers of seeds, and its first row against all others."""
    counts = sorted({len(run_group.runs) for run_group in members})
    seeds = str(counts[0]) if len(counts) == 1 else f"{counts[0]}–{counts[-1]}"
    return {
        "conditions": conditions(contents, members[0]),
        "tuning": is_tuning(members[0]),
        "recipe": contents.say(notes.recipe_line(common_recipe(members), RANKED_TOGETHER)),
        "size": contents.say("Rows: {}; seeds of a row: {}", len(members), seeds),
        "leader": contents.say("Highest mean: {}, {} {} (n = {})", *score_words(contents, members[0], members)),
        "verdicts": leader_verdicts(contents, members, pairs),
    }


def conditions(contents: Contents, run_group: RunGroup) -> str:
    """Return under which conditions a row is ranked."""
    return contents.say(notes.block_heading([run_group.recipe_fields[name] for name in RANKED_TOGETHER]))


def score_words(contents: Contents, run_group: RunGroup, members: Sequence[RunGroup]) -> list[object]:
    """Return a row's name among some, and its headline: what it is, its value, its number of runs."""
    cell, column = cell_of(run_group, HEADLINE), metric_column(HEADLINE)
    name = told_apart(members)[run_group.runs]
    return [name, contents.say(column.heading), format_cell(cell, column, contents.language), cell.n]


def alone_line(contents: Contents, run_group: RunGroup) -> str:
    """Return a row to which no other can be compared, with its conditions."""
    return contents.say(ALONE, *score_words(contents, run_group, [run_group]), conditions(contents, run_group))


def leader_verdicts(contents: Contents, members: Sequence[RunGroup], pairs: Pairs) -> list[dict[str, str]]:
    """Return the verdict on a block's first row against each other that it can be compared with; untested in one.

    Pairs that a declared ablation compares have their verdict there alone, where p is adjusted over its arms.
    """
    leader, names, declared = members[0], told_apart(members), declared_pairs(contents)
    said: list[dict[str, str]] = []
    untested, elsewhere = [], []
    for arm in members[1:]:
        place = contents.numbers[leader.runs], contents.numbers[arm.runs]
        contrast = pairs.get(place)
        if contrast is None:
            continue
        if {leader.runs, arm.runs} in declared:
            elsewhere.append(names[arm.runs])
        elif contrast.verdict == "not tested":
            untested.append(names[arm.runs])
        else:
            words = verdict_words(contents, names[arm.runs], names[leader.runs], contrast_cells(contrast, leader))
            said.append({"words": words, "verdict": contrast.verdict, "group": str(place[1])})
    if elsewhere:
        words = contents.say(TESTED_BELOW, names[leader.runs], name_some(contents, elsewhere))
        said.append({"words": words, "verdict": "tested below"})
    if untested:
        words = contents.say(UNTESTED_ROWS, names[leader.runs], name_some(contents, untested))
        said.append({"words": words, "verdict": "not tested"})
    return sorted(said, key=lambda line: ORDER.index(line["verdict"]))


def declared_pairs(contents: Contents) -> set[frozenset[tuple[str, ...]]]:
    """Return the runs of base and arm of each comparison that an ablation on this page has tested."""
    found = set()
    for block in (b for table in contents.ablation_tables for b in table.blocks if b.heading != NOISE):
        for row in block.rows:
            base = base_of(row, block)
            if base is not None and verdict_of(row) in ORDER[:-1]:
                found.add(frozenset((base.cells[HEADLINE].runs, row.cells[HEADLINE].runs)))
    return found


def base_of(row: Row, block: Block) -> Row | None:
    """Return the base that a row was compared with, by the runs of its difference; None for a row without one."""
    if not compared(row):
        return None
    of_base = set(row.cells["delta"].runs) - set(row.cells[HEADLINE].runs)
    return next((r for r in block.rows if is_base(r) and of_base <= set(r.cells[HEADLINE].runs)), None)


def name_some(contents: Contents, names: Sequence[str]) -> str:
    """Return the first names of a list, and how many more there are."""
    more = [contents.say("and {} more", len(names) - MAX_NAMES)] if len(names) > MAX_NAMES else []
    return ", ".join([*names[:MAX_NAMES], *more])


def verdict_words(contents: Contents, arm: str, base: str, cells: dict[str, Cell]) -> str:
    """Return the verdict on an arm against its base as a sentence; the better one comes first."""
    delta, p, verdict = cells["delta"], cells["p_holm"], cells["verdict"].text
    words = verdict.english() if verdict else "not tested"
    if words in ("better", "worse") and p.value is not None:
        first, second = (arm, base) if words == "better" else (base, arm)
        return contents.say(BETTER, first, second, size_text(delta), format_p(p.value))
    if words == "same network":
        return contents.say(SAME, arm, base)
    if words == "not distinguishable":
        seeds = format_cell(cells["seeds_needed"], SEEDS, contents.language)
        return contents.say(OPEN, arm, base, size_text(delta, signed=True), format_p(p.value or 0.0), seeds)
    return contents.say(UNTESTED, arm, base, delta.why or p.why or "")


def size_text(delta: Cell, *, signed: bool = False) -> str:
    """Return a difference with half its interval: its size, or with its sign."""
    value = delta.value or 0.0
    text = format_number(value, 2, True) if signed else format_number(abs(value), 2)
    if delta.low is None or delta.high is None:
        return text
    return f"{text} ± {format_number((delta.high - delta.low) / 2, 2)}"


def ablation_summary(contents: Contents, table: Table) -> dict[str, Any]:
    """Return an ablation's title and the verdict on each arm, block by block; the noise floor has no arms.

    A block's heading says under which conditions its arms were trained, and by which test they were compared.
    """
    blocks = [block for block in table.blocks if block.heading != NOISE and any(compared(row) for row in block.rows)]
    summaries = [
        {
            "heading": contents.say(block.heading) if block.heading else "",
            "verdicts": arm_verdicts(contents, block),
        }
        for block in blocks
    ]
    return {"title": contents.say(table.title), "blocks": decided_first(summaries)}


def arm_verdicts(contents: Contents, block: Block) -> list[dict[str, str]]:
    """Return the verdict on each arm of a block against its base."""
    return [
        {
            "words": verdict_words(contents, row_name(contents, row), base_name(contents, row, block), dict(row.cells)),
            "verdict": verdict_of(row),
        }
        for row in block.rows
        if compared(row)
    ]


def base_name(contents: Contents, row: Row, block: Block) -> str:
    """Return the name of the base that a row was compared with."""
    base = base_of(row, block)
    return contents.say("base") if base is None else row_name(contents, base)


def row_name(contents: Contents, row: Row) -> str:
    """Return the arm that a row of an ablation is about."""
    text = row.cells["arm"].text
    return contents.say(text) if text is not None else ""


def verdict_of(row: Row) -> str:
    """Return the verdict of a row of an ablation in English, as style sheets know it."""
    text = row.cells["verdict"].text if "verdict" in row.cells else None
    return text.english() if text is not None else "not tested"


def is_base(row: Row) -> bool:
    """Tell whether a row of an ablation is what others are compared with."""
    return verdict_of(row) == "base"


def missing_lines(contents: Contents) -> list[str]:
    """Return what is not in the table or stands there without an interval, a line each."""
    source = contents.source
    left_out = {
        "Not finished: {}": source.unfinished,
        "Left out, evaluated on another number of images: {}": source.miscounted,
        "Left out, recipe and seed of another run: {}": source.repeated,
        "One seed, so no interval and no verdict: {}": [
            contents.name(run_group) for run_group in contents.run_groups if len(run_group.runs) == 1
        ],
    }
    lines = [contents.say(words, name_some(contents, names)) for words, names in left_out.items() if names]
    return [*lines, *absent_arms(contents)]


def absent_arms(contents: Contents) -> list[str]:
    """Return a line for each ablation on this page with the arms that have no run under any conditions."""
    lines = []
    for table in contents.ablation_tables:
        rows = [row for block in table.blocks for row in block.rows if HEADLINE in row.cells]
        trained = {row_name(contents, row) for row in rows if row.cells[HEADLINE].value is not None}
        absent = dict.fromkeys(name for row in rows if (name := row_name(contents, row)) not in trained)
        arms = name_some(contents, list(absent))
        lines += [contents.say("No finished run of an arm of {}: {}", table.name, arms)] if arms else []
    return lines
