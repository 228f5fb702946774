"""Claims as printed: rounding at its boundaries, and files that cannot be read."""

from decimal import Decimal
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bench.audit.claims import CLAIMS_PATH, COLUMNS, Subject, read_claims
from bench.util.errors import BadInput
from tests.audit.builders import claim


@pytest.mark.parametrize(
    ("text", "evidence", "holds"),
    [
        ("0.28", 0.275, True),
        ("0.28", 0.285, True),
        ("0.28", 0.2749, False),
        ("0.28", 0.2851, False),
        ("0.280", 0.278324, False),
        ("0.278324", 0.278324, True),
        ("0.278324", 0.2783251, False),
        ("+1.58", 1.575, True),
        ("-0.23", -0.225, True),
        ("-0.23", -0.2249, False),
        ("1", 1.5, True),
        ("1", 1.51, False),
        ("1247.3", 90.990336, False),
    ],
)
def test_a_claim_holds_for_what_rounds_to_it(text: str, evidence: float, holds: bool) -> None:
    assert claim("resnet_20", "params", text).holds(evidence) is holds


@given(st.integers(-(10**7), 10**7), st.integers(0, 6), st.integers(-(10**12), 10**12))
def test_rounding_agrees_with_exact_decimals(digits: int, decimals: int, offset: int) -> None:
    printed, half = Decimal(digits).scaleb(-decimals), Decimal(5).scaleb(-decimals - 1)
    exact = printed + half * Decimal(offset).scaleb(-11)
    margin = abs(abs(exact - printed) - half)
    if margin < Decimal("1e-8") * max(Decimal(1), abs(exact)):
        return  # nearer to the boundary than binary numbers tell
    assert claim("resnet_20", "params", f"{printed:f}").holds(float(exact)) is (abs(exact - printed) < half)


@pytest.mark.parametrize(
    ("text", "evidence", "shown"),
    [
        ("0.86", 0.86162, "0.86"),
        ("0.280", 0.278324, "0.278"),
        ("0.24", 0.249636, "0.25"),
        ("41.8", 41.8501, "41.9"),
        ("0.30", 0.30501, "0.31"),
        ("+0.30", -0.0001, "0.00"),
        ("20.0", 1612.24, "1,612.2"),
    ],
)
def test_evidence_is_shown_in_the_claims_decimals(text: str, evidence: float, shown: str) -> None:
    assert claim("resnet_20", "params", text).show(evidence) == shown


@given(st.decimals(0, 100, places=2), st.floats(0, 100))
def test_evidence_that_does_not_hold_never_looks_like_the_claim(printed: Decimal, evidence: float) -> None:
    made = claim("resnet_20", "params", f"{printed:f}")
    gap = abs(float(printed) - evidence)
    if gap > made.half_unit + 1e-5:
        assert float(made.show(evidence)) != made.value


def test_a_row_names_a_model_and_its_options() -> None:
    assert Subject.parse("ghost_resnet_20 ratio=3") == Subject("ghost_resnet_20", (("ratio", 3),))
    assert str(Subject.parse("ghost_resnet_20 ratio=3")) == "ghost_resnet_20 ratio=3"


def test_the_decks_280_claims_are_read_as_printed() -> None:
    claims = read_claims()
    assert len(claims) == len({c.key for c in claims}) == 280
    assert CLAIMS_PATH.read_text(encoding="utf-8").count("\n") == 281
    (delta,) = [c for c in claims if c.row == "ecanet20_adaptive" and c.metric == "delta_top1"]
    assert (delta.text, delta.value, delta.decimals) == ("+1.58", 1.58, 2)


HEADER = ",".join(COLUMNS)
TWICE = "comparison,resnet_20,params,"


@pytest.mark.parametrize(
    ("content", "says"),
    [
        ("", "has no rows"),
        (f"{HEADER}\n", "has no rows"),
        ("table,row\ncomparison,resnet_20\n", r"claims\.csv:2: expected the columns"),
        (f"{HEADER}\ncomparison,resnet_20,params,0.28,M,no\n", r"claims\.csv:2: expected the columns"),
        (f"{HEADER}\ncomparison,resnet_20,params,0.28,M,no,,extra\n", r"claims\.csv:2"),
        (f"{HEADER}\ncomparison,resnet_20,params,about 0.28,M,no,\n", r"claims\.csv:2: value 'about 0\.28'"),
        (f"{HEADER}\ncomparison,resnet_20,params,nan,M,no,\n", "value 'nan'"),
        (f"{HEADER}\ncomparison,resnet_20,params,0.28,M,maybe,\n", "'maybe'"),
        (f"{HEADER}\ncomparison,,params,0.28,M,no,\n", "the row is empty"),
        (f"{HEADER}\n{TWICE}0.28,M,no,\n{TWICE}0.3,M,no,\n", "a duplicate claim"),
    ],
)
def test_a_file_that_holds_no_claims_is_refused(tmp_path: Path, content: str, says: str) -> None:
    path = tmp_path / "claims.csv"
    path.write_text(content, encoding="utf-8")
    with pytest.raises(BadInput, match=says):
        read_claims(path)


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match=r"nowhere\.csv: cannot be read"):
        read_claims(tmp_path / "nowhere.csv")
