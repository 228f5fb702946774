"""The text of `bench.speed augment`, made from its numbers alone."""

from collections.abc import Mapping
from typing import Any

from bench.speed.timing import Spread

GOAL, EPOCH_GOAL = 20.0, 1.0
THEIRS, OURS, ALONE = "torchvision", "ours", "ours, each batch by itself"


def augment_table(numbers: Mapping[str, Any]) -> str:
    """Return the measurement as text: rates, what operations and steps cost, and the goals."""
    machine, steps = numbers["environment"], numbers["steps"]
    lines = [
        f"machine: {machine['cpu']}, {machine['cores']} cores; torch {machine['packages']['torch']}",
        f"data: {numbers['data']}, {numbers['images']:,} images; deck recipe, batch {numbers['batch_size']}, 1 thread",
        "",
        f"{'images a second, median [quartiles]':38}{'by the clock':>26}{'ratio':>22}{'ratio, processor time':>24}",
    ]
    for name, rates in numbers["pipelines"].items():
        wall, ratio, processor = (
            Spread(**rates[clock][what])
            for clock, what in (("wall", "rate"), ("wall", "ratio"), ("processor", "ratio"))
        )
        lines.append(f"{name:38}{wall.show(0):>26}{ratio.show(1):>22}{processor.show(1):>24}")
    ratio = numbers["pipelines"][OURS]["wall"]["ratio"]["median"]
    lines += ["", f"goal of {GOAL:.0f} times torchvision: {'reached' if ratio >= GOAL else 'MISSED'} ({ratio:.1f})", ""]
    lines += [f"{'operation (µs an image)':32}{'ours':>10}{'torchvision':>14}{'times':>8}{'ours, ns a pixel':>20}"]
    for name, cost in numbers["operations"].items():
        mine, theirs = cost["ours"], cost["torchvision"]
        per_pixel = mine * 1000 / numbers["pixels"]
        lines.append(f"{name:32}{mine:10.2f}{theirs:14.2f}{theirs / mine:8.1f}{per_pixel:20.2f}")
    lines += ["", f"{'step (µs an image)':32}{'ours':>10}"]
    lines += [f"{name:32}{steps[name]:10.2f}" for name in steps if name not in ("starting", "chunk")]
    share = steps["starting"] / steps["chunk"]
    lines += [
        "",
        f"floor: gathering the bytes and writing the floats alone takes {steps['least']:.2f} µs an image;"
        f" we take {steps['all']:.2f}, {steps['all'] / steps['least']:.1f} times that.",
        f"Of it, {share:.2f} µs an image start the computations ({steps['starting']:,.0f} µs a chunk of"
        f" {steps['chunk']:.0f} images); the rest is passes over the pixels in cache.",
        "",
    ]
    for count, seconds in numbers["epoch"].items():
        wall, processor = Spread(**seconds["wall"]), Spread(**seconds["processor"])
        lines.append(f"an epoch of data alone, {count} thread(s): {wall.show(2)} s, processor {processor.show(2)} s")
    best = min(seconds["wall"]["median"] for seconds in numbers["epoch"].values())
    lines.append(f"goal of {EPOCH_GOAL:.0f} s an epoch: {'reached' if best < EPOCH_GOAL else 'MISSED'}")
    return "\n".join(lines)
