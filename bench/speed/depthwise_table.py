"""The table of `bench.speed depthwise`, made from its numbers alone."""

from collections.abc import Mapping
from typing import Any

from bench.speed.timing import spread
from bench.util.markdown import markdown_table

HEADINGS = ("Channels", "Kernel", "Size", "bfloat16 (ms)", "float32 (ms)", "bfloat16 / float32", "Kept in float32")


def depthwise_table(numbers: Mapping[str, Any]) -> str:
    """Return the measurement as a Markdown table."""
    plan, machine = numbers["plan"], numbers["environment"]
    rows = []
    for row in numbers["rows"]:
        bfloat16, float32 = row["seconds"]["bfloat16"], row["seconds"]["float32"]
        ratio = spread([one / other for one, other in zip(bfloat16, float32, strict=True)])
        stride = f", stride {row['stride']}" if row["stride"] > 1 else ""
        place = [str(row["channels"]), f"{row['kernel']}×{row['kernel']}{stride}", f"{row['size']}×{row['size']}"]
        times = [f"{1e3 * spread(seconds).median:.2f}" for seconds in (bfloat16, float32)]
        rows.append([*place, *times, ratio.show(2), "yes" if row["kept"] else "no"])
    head = (
        f"Machine: {machine['cpu']}, {machine['cores']} cores; torch {machine['packages']['torch']}. Forward and"
        f" backward of {plan['batch']} maps in channels-last, {plan['threads']} threads; median of {plan['rounds']}"
        " rounds in turns [quartiles]."
    )
    return f"{head}\n\n{markdown_table(HEADINGS, rows, range(3, len(HEADINGS)))}"
