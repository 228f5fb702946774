"""Processors, as the queries of `bench.engines.precision` see them."""

from dataclasses import dataclass

import pytest

from bench.engines import precision


@dataclass(frozen=True)
class CPU:
    """What the queries answer on a processor."""

    vectors: str = "DEFAULT"
    onednn: bool = False
    avx512_bf16: bool = False
    amx: bool = False
    arm: bool = False


EPYC_ZEN5 = CPU("AVX512", onednn=True, avx512_bf16=True)
SAPPHIRE_RAPIDS = CPU("AVX512", onednn=True, avx512_bf16=True, amx=True)
AVX512_ALONE = CPU("AVX512", onednn=True)
AVX2 = CPU("AVX2")
GRAVITON3, GRAVITON2 = CPU("SVE256", onednn=True, arm=True), CPU(arm=True)


def replace_cpu(monkeypatch: pytest.MonkeyPatch, cpu: CPU) -> None:
    """Let the queries answer as on this processor."""
    monkeypatch.setattr(precision, "is_arm", lambda: cpu.arm)
    monkeypatch.setattr(precision, "vector_extension", lambda: cpu.vectors)
    monkeypatch.setattr(precision, "onednn_has_bf16", lambda: cpu.onednn)
    monkeypatch.setattr(precision, "has_amx", lambda: cpu.amx)
    monkeypatch.setattr(precision, "has_avx512_bf16", lambda: cpu.avx512_bf16)
