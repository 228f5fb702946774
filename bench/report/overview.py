"""The first screen: what was compared under which conditions, the verdicts in words, what is missing or failed."""

from collections.abc import Sequence
from typing import Any

from bench.analysis.cells import Block, Cell, Row, Table
from bench.analysis.metrics import HEADLINE
from bench.analysis.recipe import RANKED_TOGETHER
from bench.analysis.run_groups import RunGroup, common_recipe
from bench.report.contents import Contents, compared
from bench.report.pairs import Pairs
from bench.tables import notes
from bench.tables.contrasts import NOISE, SEEDS, contrast_cells
from bench.tables.measures import cell as cell_of
from bench.tables.measures import metric_column
from bench.tables.page import format_cell, format_number, format_p

BETTER = "{} is better than {} by {} (p {})"
OPEN = "{} and {}: not distinguishable, {} (p {}); seeds needed: {}"
SAME = "{} and {} are the same network by the same recipe"
UNTESTED = "{} and {}: not tested; {}"
UNTESTED_ROWS = "Not tested against {}, for want of seeds: {}"


def overview(contents: Contents, pairs: Pairs) -> dict[str, Any]:
    """Return what the first screen says."""
    return {
        "counts": contents.say(
            "{} runs of {} networks and recipes, in {}",
            contents.source.runs,
            len(contents.run_groups),
            ", ".join(dict.fromkeys(run.partition("/")[0] for run in contents.run_numbers)),
        ),
        "blocks": [block_summary(contents, members, pairs) for members in contents.blocks(RANKED_TOGETHER).values()],
        "ablations": [ablation_summary(contents, table) for table in contents.ablation_tables],
        "missing": missing_lines(contents),
    }


def block_summary(contents: Contents, members: Sequence[RunGroup], pairs: Pairs) -> dict[str, Any]:
    """Return a block's conditions, its numbers of seeds, and its first row against all others."""
    values = [members[0].recipe_fields[name] for name in RANKED_TOGETHER]
    counts = sorted({len(run_group.runs) for run_group in members})
    seeds = str(counts[0]) if len(counts) == 1 else f"{counts[0]}–{counts[-1]}"
    return {
        "conditions": contents.say(notes.block_heading(values)),
        "recipe": contents.say(notes.recipe_line(common_recipe(members), RANKED_TOGETHER)),
        "size": contents.say("Rows: {}; seeds of a row: {}", len(members), seeds),
        "leader": leader_line(contents, members[0]),
        "verdicts": leader_verdicts(contents, members[0], members[1:], pairs),
    }


def leader_line(contents: Contents, leader: RunGroup) -> str:
    """Return a block's highest mean in words."""
    cell, column = cell_of(leader, HEADLINE), metric_column(HEADLINE)
    score = format_cell(cell, column, contents.language)
    words = "Highest mean: {}, {} {} (n = {})"
    return contents.say(words, contents.name(leader), column.heading, score, cell.n)


def leader_verdicts(
    contents: Contents, leader: RunGroup, others: Sequence[RunGroup], pairs: Pairs
) -> list[dict[str, str]]:
    """Return the verdict on a block's first row against each other that it can be compared with; untested in one."""
    said, untested = [], []
    for arm in others:
        place = contents.numbers[leader.runs], contents.numbers[arm.runs]
        contrast = pairs.get(place)
        if contrast is not None and contrast.verdict == "not tested":
            untested.append(contents.name(arm))
        elif contrast is not None:
            words = verdict_words(contents, contents.name(arm), contents.name(leader), contrast_cells(contrast, leader))
            said.append({"words": words, "verdict": contrast.verdict, "group": str(place[1])})
    if untested:
        words = contents.say(UNTESTED_ROWS, contents.name(leader), ", ".join(untested))
        said.append({"words": words, "verdict": "not tested"})
    return said


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
    """Return an ablation's title and the verdict on each arm, block by block; the noise floor has no arms."""
    blocks = [block for block in table.blocks if block.heading != NOISE and any(compared(row) for row in block.rows)]
    return {
        "title": contents.say(table.title),
        "blocks": [
            {
                "heading": contents.say(block.heading) if block.heading and len(blocks) > 1 else "",
                "verdicts": arm_verdicts(contents, block),
            }
            for block in blocks
        ],
    }


def arm_verdicts(contents: Contents, block: Block) -> list[dict[str, str]]:
    """Return the verdict on each arm of a block against its base."""
    bases = dict.fromkeys(row_name(contents, row) for row in block.rows if is_base(row))
    base = " / ".join(bases) or contents.say("base")
    return [
        {
            "words": verdict_words(contents, row_name(contents, row), base, dict(row.cells)),
            "verdict": verdict_of(row),
        }
        for row in block.rows
        if compared(row)
    ]


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
    lines = [contents.say("Not finished: {}", run) for run in source.unfinished]
    lines += [contents.say("Left out, evaluated on another number of images: {}", run) for run in source.miscounted]
    lines += [contents.say("Left out, recipe and seed of another run: {}", run) for run in source.repeated]
    single = [contents.name(run_group) for run_group in contents.run_groups if len(run_group.runs) == 1]
    lines += [contents.say("One seed, so no interval and no verdict: {}", ", ".join(single))] if single else []
    return [*lines, *absent_arms(contents)]


def absent_arms(contents: Contents) -> list[str]:
    """Return a line for each ablation on this page with the arms that have no run."""
    lines = []
    for table in contents.ablation_tables:
        rows = [row for block in table.blocks for row in block.rows]
        absent = [
            row_name(contents, row) for row in rows if HEADLINE in row.cells and row.cells[HEADLINE].value is None
        ]
        arms = ", ".join(dict.fromkeys(absent))
        lines += [contents.say("No finished run of an arm of {}: {}", table.name, arms)] if arms else []
    return lines
