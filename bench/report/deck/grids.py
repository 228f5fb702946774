"""Tables of a slide, made of the suite's own tables, with the deck's figures beside ours where that is asked for."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from types import MappingProxyType
from typing import Any

from bench.analysis.cells import Block, Row, Table
from bench.audit.claims import Subject
from bench.audit.findings import CONFIRMED, CONTRADICTED, NOT_TESTABLE, WITHIN_NOISE, CheckedClaim
from bench.audit.wording import minus
from bench.report.deck.material import Material
from bench.report.deck.slides import Entry, Grid
from bench.tables.page import GAP, make_page
from bench.zoo.models import MODELS

# Column of a table → metric of the deck's claims; what the deck calls FLOPs are MACs where it is right.
COSTS = {"params_m": "params", "macs_m": "flops", "train_h": "train_time"}
OF_A_MODEL = {
    **{name: name for name in ("rank", "top1", "top5", "own_design")},
    **COSTS,
    "top1_per_m_params": "param_efficiency",
    "top1_per_mmac": "flop_efficiency",
}
OF_A_TECHNIQUE = {"top1": "mean_top1", **{column: f"mean_{metric}" for column, metric in COSTS.items()}}
OF_AN_ARM = {"top1": "best_top1", "delta": "delta_top1", "params_m": "params", "train_h": "train_time"}
COLUMNS_OF = {"comparison": OF_A_MODEL, "by_technique": OF_A_TECHNIQUE}
NOTHING: Mapping[str, str] = MappingProxyType({})
SIGNS = {CONFIRMED: "✓", CONTRADICTED: "✗", WITHIN_NOISE: "≈", NOT_TESTABLE: "?"}
LEGEND = (
    "Deck: its figure, for its own recipe, with the audit's verdict: ✓ confirmed, ✗ contradicted, ≈ within noise, "
    "? not testable yet."
)


def grid_of(
    material: Material,
    table: Table,
    keys: Sequence[str],
    *,
    rows: Sequence[Row] | None = None,
    claims: str = "",
    absent: Mapping[str, str] = NOTHING,
) -> Grid:
    """Return chosen columns and rows of a table; `claims` names the deck's table that may stand beside it.

    `absent` are rows that no run has, by the name that is shown for each and the one that the claims have.
    """
    columns = [column for key in keys for column in table.columns if column.key == key]
    chosen = list(material.rows(table) if rows is None else rows)
    page = make_page(replace(table, columns=columns, blocks=[Block(None, chosen)]), material.language, wide=True)
    filled = [[Entry(e.text, e.marks, material.from_runs(e.runs)) for e in row] for row in page.sections[0].rows]
    grid = Grid(
        page.title,
        page.headings,
        page.left,
        [*filled, *(absent_row(name, page.left) for name in absent)],
        [f"({letter}) {text}" for letter, text in page.footnotes],
        (material.from_command(f"bench.tables {table.name}"),),
    )
    metrics = COLUMNS_OF.get(claims, OF_AN_ARM)
    wanted = [metrics.get(column.key, "") for column in columns]
    names = [*(claim_row(material, claims, row) for row in chosen), *absent.values()]
    return beside(material, grid, [claims_of(material, claims, name) for name in names], wanted) if claims else grid


def absent_row(name: str, left: Sequence[bool]) -> list[Entry]:
    """Return the row of what no run has: its name, and gaps."""
    first = list(left).index(True)
    return [Entry(name if place == first else GAP) for place in range(len(left))]


def claims_of(material: Material, claims: str, name: str) -> dict[str, CheckedClaim]:
    """Return the deck's claims about a row of a table, by metric."""
    of_table = [checked for checked in material.checked if checked.claim.table == claims]
    return {checked.claim.metric: checked for checked in of_table if label_of(checked.claim.row) == name}


def claim_row(material: Material, claims: str, row: Row) -> str:
    """Return the name that the deck's claims have for a row: its technique, or the label of its model."""
    if claims == "by_technique":
        technique = row.cells["technique"].text
        return technique.english().replace(" ", "_") if technique else ""
    runs = row.cells["n"].runs if "n" in row.cells else ()
    return material.by_runs[runs].label if runs in material.by_runs else ""


def label_of(row: str) -> str:
    """Return the label of what a claim is about, without options that the zoo's row has anyway."""
    subject = Subject.parse(row)
    known = MODELS[subject.model].options if subject.model in MODELS else {}
    return str(Subject(subject.model, tuple(pair for pair in subject.options if known.get(pair[0]) != pair[1])))


def beside(material: Material, grid: Grid, claims: Sequence[Mapping[str, CheckedClaim]], wanted: Sequence[str]) -> Grid:
    """Return a table with a column of the deck's figures after each column that the deck has, where they are shown."""
    if not material.beside:
        return grid
    shown = [bool(metric) and any(metric in known for known in claims) for metric in wanted]
    added = material.say("Deck")
    return replace(
        grid,
        headings=spread([[heading, added] for heading in grid.headings], shown),
        left=spread([[left, left] for left in grid.left], shown),
        rows=[
            spread([[e, claim_entry(material, known.get(m))] for e, m in zip(row, wanted, strict=True)], shown)
            for row, known in zip(grid.rows, claims, strict=True)
        ],
        footnotes=[*grid.footnotes, material.say(LEGEND)],
    )


def spread(pairs: Sequence[Sequence[Any]], shown: Sequence[bool]) -> list[Any]:
    """Return the first of each pair, and the second where it is shown."""
    return [item for pair, both in zip(pairs, shown, strict=True) for item in (pair if both else pair[:1])]


def claim_entry(material: Material, checked: CheckedClaim | None) -> Entry:
    """Return the deck's figure with the sign of its verdict."""
    if checked is None:
        return Entry("")
    claim = checked.claim
    text = material.say(claim.text) if claim.unit == "" else minus(claim.text)
    about = "≈ " if claim.approx else ""
    return Entry(f"{about}{text} {SIGNS[checked.verdict]}", (), claim_sources(material, checked))


def claim_sources(material: Material, checked: CheckedClaim) -> tuple[str, ...]:
    """Return where a figure of the deck stands and what checks it."""
    claim = checked.claim
    return (f"reports/claims/claims.csv: {claim.table}, {claim.row}; {material.from_audit(claim.table)}",)
