"""The deck's claims as printed on its slides: table, row, metric, and a figure with its number of decimals."""

import csv
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from bench.util.errors import BadInput, unknown

CLAIMS_PATH = Path(__file__).resolve().parents[2] / "reports" / "claims" / "claims.csv"
COLUMNS = ("table", "row", "metric", "value", "unit", "approx", "note")
NUMBER = re.compile(r"[+-]?\d+(\.\d+)?")
WORDS = ("yes", "no")
MEMBERS = "members:"
# Rounding in binary must not decide about a figure that lies exactly on the boundary.
EPSILON = 1e-9


@dataclass(frozen=True)
class Subject:
    """The subject of a row: a model of the zoo with the options in the row's name (`ghost_resnet_20 ratio=3`)."""

    model: str
    options: tuple[tuple[str, int | str], ...] = ()

    @classmethod
    def parse(cls, row: str) -> "Subject":
        """Return the subject of a row's name: a model's name and any `key=value` after it."""
        model, *rest = row.split()
        pairs = (item.partition("=") for item in rest)
        return cls(model, tuple((key, int(value) if value.isdigit() else value) for key, _, value in pairs))

    def __str__(self) -> str:
        """Return the row's name again."""
        return " ".join([self.model, *(f"{key}={value}" for key, value in self.options)])


@dataclass(frozen=True)
class Claim:
    """One claim; `text` is the figure as printed."""

    table: str
    row: str
    metric: str
    text: str
    unit: str = ""
    approx: bool = False
    note: str = ""

    @property
    def key(self) -> tuple[str, str, str]:
        """Return the claim's key."""
        return self.table, self.row, self.metric

    @cached_property
    def value(self) -> float:
        """Return the figure; raise ValueError for a claim that is not a number."""
        return float(self.text)

    @property
    def decimals(self) -> int:
        """Return how many decimals are printed."""
        return len(self.text.partition(".")[2])

    @property
    def half_unit(self) -> float:
        """Return half a unit of the last printed decimal: how far rounding may have moved the figure."""
        return 0.5 * 10.0**-self.decimals

    @property
    def subject(self) -> Subject:
        """Return the model that the row is about."""
        return Subject.parse(self.row)

    @property
    def members(self) -> tuple[str, ...]:
        """Return the rows that a mean is taken over, as the claim's note lists them."""
        return tuple(self.note.removeprefix(MEMBERS).split()) if self.note.startswith(MEMBERS) else ()

    def holds(self, evidence: float, tolerance: float = 0.0) -> bool:
        """Tell whether evidence rounds to the printed figure, or differs by at most `tolerance` beyond that.

        A value exactly between two figures rounds to either: nobody can tell how the deck rounded.
        """
        return abs(self.value - evidence) <= self.half_unit + tolerance + EPSILON * max(1.0, abs(evidence))

    def show(self, evidence: float) -> str:
        """Return evidence in the claim's decimals, with more where it would look like the claim without holding."""
        sign = "+" if self.text[:1] in "+-" else ""
        for decimals in range(self.decimals, self.decimals + 4):
            shown = f"{evidence:{sign},.{decimals}f}"
            if self.holds(evidence) or shown.replace(",", "") != f"{self.value:{sign}.{decimals}f}":
                break
        return shown if shown.strip("+-0.,") else shown.lstrip("+-")


def read_claims(path: Path = CLAIMS_PATH) -> list[Claim]:
    """Return the claims of a file in its order; raise BadInput naming file and line for an invalid claim."""
    return list(_checked(path, read_rows(path, COLUMNS)))


def read_rows(path: Path, columns: tuple[str, ...]) -> list[dict[str, str]]:
    """Return a CSV file's rows; raise BadInput when it cannot be read, lacks a column or has a ragged row."""
    try:
        with path.open(encoding="utf-8", newline="") as handle:
            rows = list(csv.DictReader(handle))
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise BadInput(f"{path}: cannot be read: {error}") from None
    if not rows:
        raise BadInput(f"{path}: has no rows")
    for line, row in enumerate(rows, start=2):
        missing = [name for name in columns if row.get(name) is None]
        if missing or None in row:
            raise BadInput(
                f"{path}:{line}: expected the columns {', '.join(columns)}; missing: {missing or 'none, too many'}"
            )
    return rows


def _checked(path: Path, rows: list[dict[str, str]]) -> Iterator[Claim]:
    """Yield each row as a claim; raise BadInput for an invalid value or a duplicate claim."""
    seen = set()
    for line, row in enumerate(rows, start=2):
        where = f"{path}:{line}"
        if not NUMBER.fullmatch(row["value"]) and row["value"] not in WORDS:
            raise BadInput(f"{where}: value '{row['value']}' is neither a number nor {' or '.join(WORDS)}")
        if row["approx"] not in WORDS:
            raise unknown(f"value of approx at {where}:", row["approx"], WORDS)
        claim = make_claim(row)
        if not claim.row.strip():
            raise BadInput(f"{where}: the row is empty")
        if claim.key in seen:
            raise BadInput(f"{where}: {' '.join(claim.key)} is a duplicate claim")
        seen.add(claim.key)
        yield claim


def make_claim(row: Mapping[str, str]) -> Claim:
    """Return the claim of a CSV row."""
    table, name, metric, text, unit = (row[column] for column in COLUMNS[:5])
    return Claim(table, name, metric, text, unit, approx=row["approx"] == "yes", note=row["note"])
