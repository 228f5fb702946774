"""The table of `bench.speed engines`, made from its numbers alone."""

from collections.abc import Mapping, Sequence
from typing import Any

from bench.speed.timing import spread
from bench.util.markdown import markdown_table

HEADINGS = (
    *("Model", "Engine", "Images/s", "Against DDP", "Parameters between steps", "Parameters at most"),
    *("Gradients at most", "Optimizer state", "Sum at most", "Against DDP"),
)
MIB = 2**20


def most(row: Mapping[str, Any], when: str, part: str) -> float:
    """Return the MiB of a part in the process that holds the most of it."""
    return max(rank[when][part] for rank in row["ranks"]) / MIB


def total(row: Mapping[str, Any]) -> float:
    """Return the MiB that a process needs for all parts at their most; of the process that needs the most."""
    return max(sum(rank["most"].values()) for rank in row["ranks"]) / MIB


def cells(row: Mapping[str, Any], ddp: Mapping[str, Any]) -> list[str]:
    """Return a row's cells; `ddp` is the row that it is compared with."""
    speed = spread(row["images_per_second"])
    sizes = [
        most(row, "between", "parameters"),
        *(most(row, "most", part) for part in ("parameters", "gradients", "optimizer")),
        total(row),
    ]
    ratio = speed.median / spread(ddp["images_per_second"]).median
    return [
        *(row["model"], row["engine"], speed.show(1), f"{ratio:.2f}×"),
        *(f"{size:.1f}" for size in sizes),
        f"{total(row) / total(ddp):.2f}×",
    ]


def first_of(rows: Sequence[Mapping[str, Any]], model: str) -> Mapping[str, Any]:
    """Return the first row of a model, which is DDP's."""
    return next(row for row in rows if row["model"] == model)


def engines_table(numbers: Mapping[str, Any]) -> str:
    """Return the measurement as a Markdown table with the machine and what the columns mean."""
    plan, machine, rows = numbers["plan"], numbers["environment"], numbers["rows"]
    lines = [cells(row, first_of(rows, row["model"])) for row in rows]
    precisions = ", ".join(dict.fromkeys(rank["precision"] for row in rows for rank in row["ranks"]))
    return "\n".join(
        [
            f"Machine: {machine['cpu']}, {machine['cores']} cores. {plan['processes']} processes, global batch"
            f" {plan['batch']} of {plan['data']}, {precisions}; median of {plan['rounds']} rounds in turns [quartiles],"
            f" each the median of {plan['steps']} steps. Sizes in MiB, of the process that holds the most.",
            "",
            markdown_table(HEADINGS, lines, range(2, len(HEADINGS))),
            "",
            "Counted from the tensors that each process holds, each storage once. At most: at any time in a step,"
            " looked at whenever a parameter got its gradient; the sum adds what each part has at most."
            " Gradients include the buckets in which they are summed over the processes; the optimizer's state"
            " includes ZeRO's own float32 copy of the parameters that a process updates, where it has one.",
        ]
    )
