"""The table of `bench.speed depthwise`, made from its numbers alone."""

from collections.abc import Mapping, Sequence
from typing import Any

from bench.speed.timing import Spread, spread
from bench.util.markdown import markdown_table

HEADINGS = ("Channels", "Kernel", "Size", "bfloat16 (ms)", "float32 (ms)", "bfloat16 / float32", "Kept in float32")
TOLERANCE = 1.1


def ratio_of(row: Mapping[str, Any]) -> Spread:
    """Return how many times as long a case takes in bfloat16 as in float32, over the rounds."""
    bfloat16, float32 = row["seconds"]["bfloat16"], row["seconds"]["float32"]
    return spread([one / other for one, other in zip(bfloat16, float32, strict=True)])


def verdict(rows: Sequence[Mapping[str, Any]]) -> str:
    """Return in how many cases what a run chooses is the faster, or close to it, and which the others are."""
    wrong = []
    for row in rows:
        ratio = ratio_of(row).median
        if (1 / ratio if row["kept"] else ratio) > TOLERANCE:
            wrong.append(f"{row['channels']} channels, {place_of(row)[1]}, {place_of(row)[2]}")
    others = f"; it is not for {'; '.join(wrong)}" if wrong else ""
    return (
        f"What a run in bfloat16 chooses here is the faster type, or within {TOLERANCE - 1:.0%} of it, in"
        f" {len(rows) - len(wrong)} of {len(rows)} cases{others}."
    )


def place_of(row: Mapping[str, Any]) -> list[str]:
    """Return the channels, kernel and size of a case in words."""
    stride = f", stride {row['stride']}" if row["stride"] > 1 else ""
    return [str(row["channels"]), f"{row['kernel']}×{row['kernel']}{stride}", f"{row['size']}×{row['size']}"]


def depthwise_table(numbers: Mapping[str, Any]) -> str:
    """Return the measurement as a Markdown table."""
    plan, machine = numbers["plan"], numbers["environment"]
    rows = []
    for row in numbers["rows"]:
        times = [f"{1e3 * spread(row['seconds'][name]).median:.2f}" for name in ("bfloat16", "float32")]
        rows.append([*place_of(row), *times, ratio_of(row).show(2), "yes" if row["kept"] else "no"])
    head = (
        f"Machine: {machine['cpu']}, {machine['cores']} cores; torch {machine['packages']['torch']}. Forward and"
        f" backward of {plan['batch']} maps in channels-last, {plan['threads']} threads; median of {plan['rounds']}"
        " rounds in turns [quartiles]."
    )
    table = markdown_table(HEADINGS, rows, range(3, len(HEADINGS)))
    return f"{head}\n\n{table}\n\n{verdict(numbers['rows'])}"
