"""Measure the training speed of a suite's networks on this machine, alone and side by side, over a few steps of each.

`python -m bench.sweep.timing.probe` is one of the processes that train side by side: it reads its tasks as JSON from
standard input and prints one line per network. A step does most of what a step of a run does (`make_step`), without
Composer's overhead.
"""

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from bench.budget import data_sizes
from bench.spec import RunSpec
from bench.sweep.backends.machine import Slot, pinned
from bench.util.errors import BadInput

REPOSITORY = Path(__file__).resolve().parents[3]
SECONDS_EACH = 2.0
# A few steps of a large batch would take minutes, and are hardly faster per image.
MAX_CPU_BATCH = 128


@dataclass(frozen=True)
class Task:
    """A network and how it is trained, as plain data; equal tasks train equally fast on one machine."""

    model: str
    stem: str | None
    options: Mapping[str, Any] = field(hash=False)
    batch: int = 128
    precision: str = "fp32"
    channels_last: bool = True
    gpu: bool = False
    augmentation: Mapping[str, Any] = field(default_factory=dict, hash=False)
    image: tuple[int, int, int] = field(kw_only=True)
    classes: int = field(kw_only=True)

    @property
    def key(self) -> str:
        """Return the task as text, the key of its record."""
        extra = [f"{name}={value}" for name, value in sorted(self.options.items())]
        extra += [f"stem={self.stem}"] if self.stem else []
        drawn = ["augmentation"] if self.augmentation.get("policy", "none") != "none" else []
        layout = ["channels_last"] if self.channels_last else []
        sizes = f"batch {self.batch} of {'×'.join(map(str, self.image))}, {self.classes} classes,"
        return " ".join([self.model, *extra, sizes, self.precision, *layout, *drawn])


def make_task(spec: RunSpec, processes: int, gpu: bool) -> Task:
    """Return the task that is measured for a run: one of its processes, with its share of the batch."""
    sizes = data_sizes(spec)
    share = max(1, spec.batch_size // processes)
    return Task(
        model=spec.model.name,
        stem=spec.model.stem,
        options=dict(spec.model.options),
        batch=share if gpu else min(share, MAX_CPU_BATCH),
        precision=spec.precision,
        channels_last="channels_last" in spec.algorithms,
        gpu=gpu,
        augmentation=spec.augmentation.model_dump(),
        image=sizes.image,
        classes=sizes.classes,
    )


@dataclass(frozen=True)
class Speed:
    """Images/s of one process: by the clock, and as if its threads had their cores to themselves.

    The latter is images per second of processor time × threads. Threads that wait for each other count as working, so
    it is a lower bound for several threads.
    """

    by_clock: float
    alone: float


def measure_together(tasks: Sequence[Task], slots: Sequence[Slot], seconds: float = SECONDS_EACH) -> dict[str, Speed]:
    """Return the speed of each task (by key) while every slot trains it, as the mean over the slots.

    A task that fails in any slot is left out.
    """
    text = json.dumps({"seconds": seconds, "tasks": [asdict(task) for task in tasks]})
    children = [start(slot, text) for slot in slots]
    found: dict[str, list[Speed]] = {}
    try:
        printed = [child.communicate()[0] for child in children]
    finally:
        for child in children:
            child.kill()
    for line in "".join(printed).splitlines():
        key, by_clock, alone = json.loads(line)
        found.setdefault(key, []).append(Speed(by_clock, alone))
    return {key: mean_speed(speeds) for key, speeds in found.items() if len(speeds) == len(slots)}


def mean_speed(speeds: Sequence[Speed]) -> Speed:
    """Return the mean of speeds."""
    count = len(speeds)
    return Speed(sum(speed.by_clock for speed in speeds) / count, sum(speed.alone for speed in speeds) / count)


def start(slot: Slot, text: str) -> subprocess.Popen[str]:
    """Start a measuring process in a slot and send it its tasks."""
    command = [sys.executable, "-m", "bench.sweep.timing.probe"]
    pipes: dict[str, Any] = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": subprocess.DEVNULL}
    with pinned(slot.cores):
        child = subprocess.Popen(command, cwd=REPOSITORY, env=slot.environment(os.environ), text=True, **pipes)
    assert child.stdin is not None
    child.stdin.write(text)
    child.stdin.close()
    child.stdin = None
    return child


def measure(task: Task, seconds: float) -> Speed:
    """Return the speed of a network's training steps, after a warm-up step; imports torch."""
    import torch

    step, wait = make_step(task), torch.cuda.synchronize if task.gpu else int
    step()
    wait()
    began, used, steps = time.perf_counter(), time.process_time(), 0
    while steps < 1 or time.perf_counter() - began < seconds:
        step()
        steps += 1
    wait()
    rate = steps * task.batch / (time.perf_counter() - began)
    busy = steps * task.batch / max(time.process_time() - used, 1e-9) * torch.get_num_threads()
    return Speed(rate, rate if task.gpu else max(rate, busy))


def make_step(task: Task) -> Callable[[], None]:
    """Return a function that takes one training step on random images; imports torch.

    Augmentation, forward, loss, backward and update are in the recipe's precision and memory format, but always of
    images of the data's own size, by torch's own kernels and SGD. Not done are `augmentation.sizes`, the kernels that a
    run chooses on a CPU (`bench.engines.kernels`), another optimizer, and algorithms other than channels_last.
    """
    import torch

    from bench.data.augmentation.augment import train_batch
    from bench.engines.precision import autocast, decide
    from bench.spec import AugmentationSection
    from bench.zoo.build import build_model

    device = torch.device("cuda" if task.gpu else "cpu")
    network = build_model(task.model, task.classes, task.image, stem=task.stem, options=task.options).to(device).train()
    if task.channels_last:
        network = network.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    optimizer = torch.optim.SGD(network.parameters(), lr=1e-3, momentum=0.9, fused=True)
    channels, height, width = task.image
    images = torch.randint(256, (task.batch, height, width, channels), dtype=torch.uint8, device=device)
    labels = torch.randint(task.classes, (task.batch,), device=device)
    indices, augmentation = torch.arange(task.batch), AugmentationSection(**task.augmentation)
    precision = decide(task.precision, "gpu" if task.gpu else "cpu").precision

    def step() -> None:
        """Augment, compute the gradients and update once."""
        batch = train_batch(
            images, indices, seed=0, epoch=0, augmentation=augmentation, mean=(0.5,) * 3, std=(0.25,) * 3
        )
        batch = batch if task.channels_last else batch.contiguous()
        with autocast(device.type, precision):
            logits = network(batch)
        optimizer.zero_grad()
        torch.nn.functional.cross_entropy(logits.float(), labels).backward()
        optimizer.step()

    return step


def main() -> int:
    """Measure the tasks of the input one after the other; one that fails is reported on stderr and left out."""
    import torch

    torch.set_num_threads(int(os.environ.get("OMP_NUM_THREADS", "1")))
    given = json.load(sys.stdin)
    for content in given["tasks"]:
        task = Task(**{**content, "image": tuple(content["image"])})
        try:
            speed = measure(task, given["seconds"])
        except (BadInput, RuntimeError) as error:
            print(f"{task.key}: {error}", file=sys.stderr)
            continue
        print(json.dumps([task.key, speed.by_clock, speed.alone]), flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
