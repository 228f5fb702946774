"""The table of `bench.speed step`, made from its numbers alone."""

from collections.abc import Mapping, Sequence
from typing import Any

from bench.speed.timing import Spread, spread
from bench.util.markdown import markdown_table

HEADINGS = (
    "Model",
    "Mode",
    "Ceiling (img/s)",
    "Ours (img/s)",
    "Ours / ceiling",
    "Baseline (img/s)",
    "Ours / baseline",
    "GFLOP/s",
    "Share of peak",
    "Memory (GiB)",
)
CONTRASTS = ("Model", "Default", "Other mode", "Default (img/s)", "Other (img/s)", "Default / other")
GOAL = 0.95
PLAIN = "default, torch's own kernels"


def ceiling_of(mode: str) -> str:
    """Return the name of the variant that is the ceiling of a mode with which the default one is compared."""
    return f"ceiling, {mode}"


def rates(row: Mapping[str, Any], variant: str, batch: int) -> list[float]:
    """Return images a second of every round of a variant, none if it was not measured."""
    return [row["steps_a_round"] * batch / seconds for seconds in row["seconds"].get(variant, ())]


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
    ceiling, ours, baseline = (rates(row, variant, batch) for variant in ("ceiling", "ours", "baseline"))
    gflops = spread(ours).median * 6 * row["macs"] / 1e9
    return [
        row["model"],
        described(row),
        median(ceiling),
        median(ours),
        over(ours, ceiling),
        median(baseline),
        over(ours, baseline),
        f"{gflops:,.0f}",
        f"{100 * gflops / row['peak_gflops']:.0f} % of {row['peak_gflops']:,.0f}",
        f"{row['memory_bytes'] / 2**30:.1f}",
    ]


def described(row: Mapping[str, Any]) -> str:
    """Return the mode in words."""
    parts = [row["precision"], "channels-last" if row["channels_last"] else "NCHW"]
    return " ".join([*parts, *(["compiled"] if row["compile"] else [])])


def contrasts(row: Mapping[str, Any]) -> dict[str, Spread]:
    """Return by mode how many times as fast the default's ceiling is as that mode's, over the rounds."""
    default = row.get("seconds", {}).get("ceiling", ())
    variants = {
        variant: seconds for variant, seconds in row.get("seconds", {}).items() if variant.startswith(ceiling_of(""))
    }
    return {
        variant.removeprefix(ceiling_of("")): spread([b / a for a, b in zip(default, seconds, strict=True)])
        for variant, seconds in variants.items()
    }


def contrast_table(rows: Sequence[Mapping[str, Any]], batch: int) -> str:
    """Return the default mode of each model beside the others, and how far it is from the fastest; "" without any."""
    found = {row["model"]: contrasts(row) for row in rows if contrasts(row)}
    if not found:
        return ""
    default = {row["model"]: row for row in rows if row["model"] in found and row["mode"] == "default"}
    lines = [
        [model, described(row), mode, *speeds(row, mode, batch), found[model][mode].show(2)]
        for model, row in default.items()
        for mode in found[model]
    ]
    least = {model: min(ratio.median for ratio in ratios.values()) for model, ratios in found.items()}
    said = "; ".join(f"{model} {value:.2f}{'' if value >= GOAL else ' (missed)'}" for model, value in least.items())
    return "\n".join(
        [
            "The default beside the other modes, one step on a batch in memory, all in turns in one process:",
            "",
            markdown_table(CONTRASTS, lines, range(3, len(CONTRASTS))),
            "",
            f"The default against the fastest other mode, of which {GOAL:.2f} is the goal: {said}.",
        ]
    )


def speeds(row: Mapping[str, Any], mode: str, batch: int) -> list[str]:
    """Return the median images a second of the default's ceiling and of another mode's."""
    return [median(rates(row, variant, batch)) for variant in ("ceiling", ceiling_of(mode))]


def step_table(numbers: Mapping[str, Any]) -> str:
    """Return the measurement as a Markdown table with the machine and what the columns mean."""
    plan, machine = numbers["plan"], numbers["environment"]
    rows = [cells(row, plan["batch"]) for row in numbers["rows"]]
    compared = contrast_table(numbers["rows"], plan["batch"])
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
            " model's recipe. Baseline: float32 NCHW, torchvision on PIL images in a DataLoader of 2 workers, `.item()`"
            " at each step, with the recipe's label smoothing, MixUp and clipping. GFLOP/s: ours, 3 forward passes an"
            " image and 2 FLOP a MAC; peak: a product of two 2048×2048 matrices in the same precision. Memory: the"
            " most the process took, all variants together.",
            *(["", compared] if compared else []),
        ]
    )
