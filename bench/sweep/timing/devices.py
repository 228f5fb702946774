"""The devices that a suite can be planned for, and how fast each trains where no run on it was recorded.

Two numbers state the time of a training image: what a device computes (`utilisation` of its peak), and that no network
gets more than `images_per_second`, whatever it costs, since launches and data take their time too.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from bench.util.errors import BadInput, check_known

V100_LOGS = "the deck authors' 43 logs on 8 V100 (reports/claims/published_runs.csv)"
BY_BANDWIDTH = (
    "no log: what a V100 reaches, times the ratio of their memory bandwidths ({} to 0.9 TB/s); images/s as V100"
)


@dataclass(frozen=True)
class Device:
    """A kind of accelerator.

    `memory` is in GiB, `peak` in TFLOP/s of dense matrix products by precision, that of `precision: auto` first.
    `source` says where `utilisation` and `images_per_second` are from; records call the device by a name with `called`.
    """

    called: str
    memory: int
    peak: Mapping[str, float]
    utilisation: float
    images_per_second: float
    source: str

    @property
    def precision(self) -> str:
        """Return what `precision: auto` is on it."""
        return next(iter(self.peak))

    def rate(self, flops: float, precision: str) -> float | None:
        """Return the images/s that one device trains, of so many FLOPs each; None in a precision that it has not."""
        if precision not in self.peak:
            return None
        return 1 / (1 / self.images_per_second + flops / (self.utilisation * self.peak[precision] * 1e12))


DEVICES: dict[str, Device] = {
    "V100": Device("V100", 32, {"amp_fp16": 125.0, "fp32": 15.7}, 0.085, 2500.0, V100_LOGS),
    "T4": Device("T4", 16, {"amp_fp16": 65.0, "fp32": 8.1}, 0.058, 2500.0, BY_BANDWIDTH.format("0.32")),
    "A100": Device(
        "A100", 40, {"amp_bf16": 312.0, "amp_fp16": 312.0, "fp32": 19.5}, 0.059, 2500.0, BY_BANDWIDTH.format("1.56")
    ),
    "H100": Device(
        "H100", 80, {"amp_bf16": 989.0, "amp_fp16": 989.0, "fp32": 67.0}, 0.040, 2500.0, BY_BANDWIDTH.format("3.35")
    ),
    "H200": Device(
        "H200", 141, {"amp_bf16": 989.0, "amp_fp16": 989.0, "fp32": 67.0}, 0.057, 2500.0, BY_BANDWIDTH.format("4.8")
    ),
}


@dataclass(frozen=True)
class Fleet:
    """So many devices of a kind."""

    count: int
    name: str

    @property
    def device(self) -> Device:
        """Return the kind."""
        return DEVICES[self.name]

    def __str__(self) -> str:
        """Return it as it is written, `8xV100`."""
        return f"{self.count}x{self.name}"


def read_fleets(text: str) -> list[Fleet]:
    """Return the fleets of a text such as "8xV100,64xH100"; raise BadInput for one that is none."""
    return [read_fleet(part.strip()) for part in text.split(",")]


def read_fleet(text: str) -> Fleet:
    """Return the fleet of a text such as "8xV100"."""
    match = re.fullmatch(r"([0-9]{1,6})[x×](\S+)", text)
    if not match or int(match[1]) < 1:
        raise BadInput(f"--on '{text}': a number of devices and their name are expected, such as 8xV100")
    names = {name.lower(): name for name in DEVICES}
    name = names.get(match[2].lower(), match[2])
    check_known("device", name, DEVICES)
    return Fleet(int(match[1]), name)


def find_device(called: str, among: Sequence[str] = tuple(DEVICES)) -> str | None:
    """Return the name of the device that a record calls by a name such as "Tesla V100-SXM2-32GB", None for another."""
    words = re.split(r"[^A-Za-z0-9]+", called)
    return next((name for name in among if DEVICES[name].called in words), None)
