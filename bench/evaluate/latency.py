"""Latency: how long a network takes for a batch of 1 and of 128 images, as the suite evaluates it.

All networks of a command take turns, so that what else the machine does meets them alike: in each of 10 rounds each
network classifies the same batch 10 times after a call that is not timed, which brings its weights back into the
caches. Median and 95th percentile are over these 100 calls. The images are on the device already; the time ends when
the logits are computed (a GPU is waited for). PyTorch uses as many threads as the process may use cores.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from time import perf_counter
from typing import Any

import numpy as np
import torch

from bench.engines.precision import autocast
from bench.environment import cpu_model, usable_cores
from bench.evaluate.registry import EVALUATORS
from bench.evaluate.trained import Trained

BATCHES = (1, 128)
WARM_UP, ROUNDS, CALLS = 10, 10, 10
MILLISECOND = 1e-3
Call = Callable[[], object]


def measure_together(networks: Sequence[Trained]) -> list[dict[str, Any]]:
    """Return the median and the 95th percentile in milliseconds for each batch size, and what they were measured on."""
    with threads(usable_cores()) as number:
        times = {batch: take_turns([forward(trained, batch) for trained in networks]) for batch in BATCHES}
    return [
        {
            **{key: value for batch in BATCHES for key, value in summarise(batch, times[batch][index]).items()},
            "threads": number,
            "machine": machine(trained, number),
            "calls": ROUNDS * CALLS,
            "beside": [other.record.run_id for other in networks if other is not trained],
        }
        for index, trained in enumerate(networks)
    ]


@contextmanager
def threads(number: int) -> Iterator[int]:
    """Let PyTorch use a number of threads for a while."""
    before = torch.get_num_threads()
    torch.set_num_threads(number)
    try:
        yield number
    finally:
        torch.set_num_threads(before)


def forward(trained: Trained, batch: int) -> Call:
    """Return a function that classifies the first images of the split once; they are repeated where there are fewer."""
    rows = np.arange(batch) % len(trained.dataset.evaluation)
    images = trained.normalise(trained.dataset.evaluation.images[rows])
    trained.network.eval()

    @torch.inference_mode()
    def call() -> None:
        with autocast(trained.device.type, trained.precision):
            trained.network((images, None))
        if trained.device.type == "cuda":
            torch.cuda.synchronize()

    return call


def take_turns(calls: Sequence[Call], clock: Callable[[], float] = perf_counter) -> list[list[float]]:
    """Return the seconds of ROUNDS × CALLS calls of each function, which take turns by round."""
    times: list[list[float]] = [[] for _ in calls]
    for call in calls:
        for _ in range(WARM_UP):
            call()
    for _ in range(ROUNDS):
        for call, found in zip(calls, times, strict=True):
            call()
            for _ in range(CALLS):
                start = clock()
                call()
                found.append(clock() - start)
    return times


def summarise(batch: int, seconds: Sequence[float]) -> dict[str, float]:
    """Return the median and the 95th percentile of a batch size's times in milliseconds."""
    middle, high = np.percentile(seconds, (50, 95)) / MILLISECOND
    return {f"latency_{batch}": float(middle), f"latency_{batch}_p95": float(high)}


def machine(trained: Trained, number: int) -> str:
    """Return what computed: the GPU, or the processor with its threads."""
    if trained.device.type == "cuda":
        return torch.cuda.get_device_name(trained.device)
    return f"{cpu_model()}, {number} thread{'s' if number > 1 else ''}"


def show(measured: Mapping[str, Any]) -> list[str]:
    """Return the quantities in one line, with what they were measured on."""
    quantities = EVALUATORS["latency"].quantities
    known = ", ".join(quantity.say(measured[name]) for name, quantity in quantities.items())
    return [f"{known} ({measured['machine']}, {measured['calls']} calls)"]
