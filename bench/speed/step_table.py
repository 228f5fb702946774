"""The table of `bench.speed step`, made from its numbers alone."""

from collections.abc import Mapping, Sequence
from typing import Any

from bench.speed.timing import spread
from bench.util.markdown import markdown_table

HEADINGS = (
    "Model",
    "Mode",
    "Ceiling (img/s)",
    "Ours (img/s)",
    "Ours / ceiling",
    "Common (img/s)",
    "Ours / common",
    "GFLOP/s",
    "Share of peak",
    "Memory (GiB)",
)


def rates(row: Mapping[str, Any], side: str, batch: int) -> list[float]:
    """Return images a second of every round of a side, none if it was not measured."""
    return [row["steps_a_round"] * batch / seconds for seconds in row["seconds"].get(side, ())]


def over(ours: Sequence[float], others: Sequence[float]) -> str:
    """Return the median and quartiles of the rounds' ratios."""
    if not others:
        return "—"
    return spread([one / other for one, other in zip(ours, others, strict=True)]).show(2)


def median(values: Sequence[float]) -> str:
    """Return the median of rates in whole numbers."""
    return f"{spread(values).median:,.0f}" if values else "—"


def cells(row: Mapping[str, Any], batch: int) -> list[str]:
    """Return a row's cells; achieved GFLOP/s are ours: 3 forward passes an image, 2 FLOP a MAC."""
    if row.get("failed"):
        return [row["model"], row["mode"], row["failed"], *["—"] * (len(HEADINGS) - 3)]
    ceiling, ours, common = (rates(row, side, batch) for side in ("ceiling", "ours", "common"))
    gflops = spread(ours).median * 6 * row["macs"] / 1e9
    return [
        row["model"],
        described(row),
        median(ceiling),
        median(ours),
        over(ours, ceiling),
        median(common),
        over(ours, common),
        f"{gflops:,.0f}",
        f"{100 * gflops / row['peak_gflops']:.0f} % of {row['peak_gflops']:,.0f}",
        f"{row['memory_bytes'] / 2**30:.1f}",
    ]


def described(row: Mapping[str, Any]) -> str:
    """Return the mode in words."""
    parts = [row["precision"], "channels-last" if row["channels_last"] else "NCHW"]
    return " ".join([*parts, *(["compiled"] if row["compile"] else [])])


def step_table(numbers: Mapping[str, Any]) -> str:
    """Return the measurement as a Markdown table with the machine and what the columns mean."""
    plan, machine = numbers["plan"], numbers["environment"]
    rows = [cells(row, plan["batch"]) for row in numbers["rows"]]
    return "\n".join(
        [
            f"Machine: {machine['cpu']}, {machine['cores']} cores, {machine['memory_gib']} GiB; torch"
            f" {machine['packages']['torch']}, Composer {machine['packages']['mosaicml']}. Threads:"
            f" {plan['threads']}, in one process; batch {plan['batch']}, {plan['data']}; median of {plan['rounds']}"
            " rounds in turns [quartiles].",
            "",
            markdown_table(HEADINGS, rows, range(2, len(HEADINGS))),
            "",
            "Ceiling: forward, loss, backward, update on one batch in memory. Ours: `bench.train`'s own path with the"
            " model's recipe. Common: float32 NCHW, torchvision on PIL images in a DataLoader of 2 workers, `.item()`"
            " at each step, with the recipe's label smoothing, MixUp and clipping. GFLOP/s: ours, 3 forward passes an"
            " image and 2 FLOP a MAC; peak: a product of two 2048×2048 matrices in the same precision. Memory: the"
            " most the process took, all sides together.",
        ]
    )
