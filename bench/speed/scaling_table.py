"""The table of `bench.speed scaling`, made from its numbers alone."""

from collections.abc import Mapping
from typing import Any

from bench.speed.timing import spread
from bench.util.markdown import markdown_table

HEADINGS = ("Model", "Processes × threads", "Images/s", "Against the slowest", "Start-up (s)")


def scaling_table(numbers: Mapping[str, Any]) -> str:
    """Return the measurement as a Markdown table."""
    plan, machine = numbers["plan"], numbers["environment"]
    rows = []
    for row in numbers["rows"]:
        peers = [other for other in numbers["rows"] if other["model"] == row["model"]]
        slowest = min(spread(other["images_per_second"]).median for other in peers)
        speed, start = spread(row["images_per_second"]), spread(row["startup"])
        ratio = f"{speed.median / slowest:.2f}×"
        rows.append([row["model"], f"{row['processes']} × {row['threads']}", speed.show(0), ratio, start.show(1)])
    head = (
        f"Machine: {machine['cpu']}, {machine['cores']} cores. Global batch {plan['batch']}, {plan['steps']} steps on"
        f" {plan['data']}; median of {plan['rounds']} rounds in turns [quartiles]. Start-up: from the start of the"
        " process to its first step."
    )
    return f"{head}\n\n{markdown_table(HEADINGS, rows, range(2, len(HEADINGS)))}"
