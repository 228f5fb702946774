"""The modes in which a training step can be measured: precision, memory format, and whether it is compiled."""

from collections.abc import Sequence
from dataclasses import dataclass

from bench.util.errors import check_known

DECLARED, ALL = "default", "all"


@dataclass(frozen=True)
class Mode:
    """In which precision, memory format and execution a step is computed."""

    precision: str
    channels_last: bool
    compiled: bool = False

    @property
    def words(self) -> list[str]:
        """Return the mode as overrides of a spec."""
        layout = "{}" if self.channels_last else "null"
        compiled = str(self.compiled).lower()
        return [f"precision={self.precision}", f"algorithms.channels_last={layout}", f"compile={compiled}"]


EAGER = {
    f"{name}{suffix}": Mode(precision, channels_last)
    for name, precision in (("fp32", "fp32"), ("bf16", "amp_bf16"), ("fp16", "amp_fp16"))
    for suffix, channels_last in (("", False), ("-cl", True))
}
# `default` is what the model's YAML declares.
MODES: dict[str, Mode | None] = {
    DECLARED: None,
    **EAGER,
    **{f"{name}-compiled": Mode(mode.precision, mode.channels_last, True) for name, mode in EAGER.items()},
}


def expand(names: Sequence[str]) -> list[str]:
    """Return the named modes, each once, where `all` stands for the default and every eager one; or raise BadInput."""
    for name in names:
        check_known("mode", name, (*MODES, ALL))
    return list(dict.fromkeys(mode for name in names for mode in ([DECLARED, *EAGER] if name == ALL else [name])))


def hindrance(name: str, device: str, *, asked: bool) -> str | None:
    """Return why a mode is not measured on a device ("cpu" or "gpu"), None if it is.

    What the device would only emulate takes hundreds of times as long: it is measured where it was asked for by name.
    """
    from bench.engines.precision import BF16, can_compute, find_row

    mode = MODES[name]
    if mode is None:
        return None
    if not can_compute(mode.precision, device):
        return "cannot be computed here"
    emulated = mode.precision == BF16 and find_row(device).precision != BF16
    return "emulated here: not measured" if emulated and not asked else None
