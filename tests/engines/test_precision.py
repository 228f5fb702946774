"""Which precision each kind of hardware gets, with the queries of its capabilities replaced."""

import pytest
import torch

from bench.engines import precision
from bench.engines.precision import ROWS, Decision, autocast, decide, dtype_of, remarks, slowdown
from bench.util.errors import BadInput
from tests.engines.cpus import AVX2, AVX512_ALONE, CPU, EPYC_ZEN5, GRAVITON2, GRAVITON3, SAPPHIRE_RAPIDS, replace_cpu

CPUS: dict[str, tuple[CPU, str, str]] = {
    "AVX512-BF16": (EPYC_ZEN5, "amp_bf16", "CPU with AVX512-BF16"),
    "AMX and AVX512-BF16": (SAPPHIRE_RAPIDS, "amp_bf16", "CPU with AMX"),
    "AMX alone": (CPU("AVX512", onednn=True, amx=True), "amp_bf16", "CPU with AMX"),
    "AVX-512 alone": (AVX512_ALONE, "fp32", "CPU with AVX-512 without bfloat16"),
    "AVX2": (AVX2, "fp32", "CPU with AVX2"),
    # ATEN_CPU_CAPABILITY=avx2 and ONEDNN_MAX_CPU_ISA=AVX2 on a processor with more, each alone and together.
    "torch limited to AVX2": (CPU("AVX2", onednn=True, avx512_bf16=True), "fp32", "CPU with AVX2"),
    "oneDNN limited to AVX2": (CPU("AVX512", avx512_bf16=True, amx=True), "fp32", "CPU with AVX-512 without bfloat16"),
    "both limited to AVX2": (CPU("AVX2", avx512_bf16=True, amx=True), "fp32", "CPU with AVX2"),
    "no vectors": (CPU("DEFAULT", onednn=True, avx512_bf16=True), "fp32", "CPU with no native bfloat16"),
    "ARM with bfloat16": (GRAVITON3, "amp_bf16", "CPU with ARM bfloat16"),
    "ARM without bfloat16": (GRAVITON2, "fp32", "CPU with no native bfloat16"),
}
GPUS: dict[tuple[int, int], tuple[str, str]] = {
    (6, 1): ("fp32", "GPU with compute capability below 7.0"),
    (7, 0): ("amp_fp16", "GPU with compute capability 7.x"),
    (7, 5): ("amp_fp16", "GPU with compute capability 7.x"),
    (8, 0): ("amp_bf16", "GPU with compute capability 8.0 or above"),
    (9, 0): ("amp_bf16", "GPU with compute capability 8.0 or above"),
}


@pytest.mark.parametrize("name", CPUS)
def test_every_kind_of_cpu(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    cpu, chosen, reason = CPUS[name]
    replace_cpu(monkeypatch, cpu)
    assert decide("auto", "cpu") == Decision(chosen, reason, native=chosen)


@pytest.mark.parametrize("capability", GPUS)
def test_every_kind_of_gpu(capability: tuple[int, int], monkeypatch: pytest.MonkeyPatch) -> None:
    chosen, reason = GPUS[capability]
    monkeypatch.setattr(precision, "compute_capability", lambda: capability)
    assert decide("auto", "gpu") == Decision(chosen, reason, native=chosen)


def test_every_row_is_reached() -> None:
    reached = {reason for _, _, reason in CPUS.values()} | {reason for _, reason in GPUS.values()}
    assert {f"{row.device.upper()} with {row.name}" for row in ROWS} == reached


def test_the_slowest_of_the_gpus_in_use_decides(monkeypatch: pytest.MonkeyPatch) -> None:
    capabilities = [(8, 0), (7, 0), (6, 1)]
    monkeypatch.setattr(torch.cuda, "device_count", lambda: len(capabilities))
    monkeypatch.setattr(torch.cuda, "get_device_capability", lambda index: capabilities[index])
    found = []
    for processes in ("1", "2", "3", "8"):
        monkeypatch.setenv("LOCAL_WORLD_SIZE", processes)
        found.append(decide("auto", "gpu").precision)
    assert found == ["amp_bf16", "amp_fp16", "fp32", "fp32"]


@pytest.mark.parametrize(
    ("cpu", "expected"), [(EPYC_ZEN5, "amp_bf16"), (GRAVITON3, "amp_bf16"), (AVX2, None), (AVX512_ALONE, None)]
)
def test_amp_is_mixed_precision_or_refused_on_a_cpu(
    cpu: CPU, expected: str | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    replace_cpu(monkeypatch, cpu)
    if expected:
        assert decide("amp", "cpu").precision == expected
    else:
        with pytest.raises(BadInput, match=r"key 'precision': 'amp': .*CPU with AVX.*precision=auto or precision=fp32"):
            decide("amp", "cpu")


@pytest.mark.parametrize(("capability", "expected"), [((6, 1), None), ((7, 0), "amp_fp16"), ((8, 6), "amp_bf16")])
def test_amp_is_mixed_precision_or_refused_on_a_gpu(
    capability: tuple[int, int], expected: str | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(precision, "compute_capability", lambda: capability)
    if expected:
        assert decide("amp", "gpu").precision == expected
    else:
        with pytest.raises(BadInput, match="no fast mixed precision"):
            decide("amp", "gpu")


@pytest.mark.parametrize("declared", ["fp32", "amp_bf16"])
@pytest.mark.parametrize("cpu", [EPYC_ZEN5, AVX2, GRAVITON2], ids=["Zen 5", "AVX2", "ARM"])
def test_an_explicit_precision_is_obeyed(declared: str, cpu: CPU, monkeypatch: pytest.MonkeyPatch) -> None:
    replace_cpu(monkeypatch, cpu)
    decision = decide(declared, "cpu")
    assert (decision.precision, decision.reason) == (declared, "as declared")
    assert decision.native == decide("auto", "cpu").precision


def test_what_cannot_be_computed_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    replace_cpu(monkeypatch, AVX2)
    with pytest.raises(
        BadInput, match=r"'amp_fp16': this machine does not support it .*precision=auto or precision=fp32"
    ):
        decide("amp_fp16", "cpu")
    monkeypatch.setattr(precision, "compute_capability", lambda: (7, 0))
    assert decide("amp_fp16", "gpu").precision == "amp_fp16"


@pytest.mark.parametrize(("declared", "begun"), [("auto", "fp32"), ("auto", "amp_bf16"), ("amp", "amp_bf16")])
def test_a_run_goes_on_as_it_began(declared: str, begun: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where the hardware would choose otherwise it says so; where it would choose the same, nothing is said."""
    for cpu in (EPYC_ZEN5, AVX2):
        replace_cpu(monkeypatch, cpu)
        chosen = decide("auto", "cpu")
        decision = decide(declared, "cpu", begun)
        if begun == chosen.precision:
            assert decision == chosen
            assert remarks(decision, "cpu") == []
        else:
            assert (decision.precision, decision.native, decision.begun) == (begun, chosen.precision, True)
            assert remarks(decision, "cpu")[0] == (
                f"resuming in {begun}: the run started in it; a {chosen.reason} would choose {chosen.precision}"
            )


def test_what_it_began_in_is_refused_where_it_cannot_be_computed(monkeypatch: pytest.MonkeyPatch) -> None:
    replace_cpu(monkeypatch, EPYC_ZEN5)
    with pytest.raises(BadInput, match="started in amp_fp16, which this CPU with AVX512-BF16 cannot compute"):
        decide("auto", "cpu", "amp_fp16")
    monkeypatch.setattr(precision, "compute_capability", lambda: (7, 0))
    assert decide("auto", "gpu", "amp_bf16").begun


@pytest.mark.parametrize(
    ("declared", "cpu", "factor", "said"),
    [
        ("amp_bf16", AVX2, 15.44, "slow: amp_bf16 takes 15.4 times as long as fp32 on this machine"),
        ("amp_bf16", AVX512_ALONE, 2.7, "slow: amp_bf16 takes 2.7 times as long"),
        ("amp_bf16", AVX512_ALONE, 1.1, None),
        ("amp_bf16", EPYC_ZEN5, None, None),
        ("fp32", EPYC_ZEN5, None, None),
        ("auto", AVX2, None, None),
    ],
)
def test_what_is_slow_is_said_with_a_factor_and_a_way_out(
    declared: str, cpu: CPU, factor: float | None, said: str | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without a factor nothing is measured: the precision is the hardware's own, or float32."""
    replace_cpu(monkeypatch, cpu)
    monkeypatch.setattr(precision, "slowdown", lambda *_: factor or pytest.fail("measured in vain"))
    lines = remarks(decide(declared, "cpu"), "cpu")
    if said is None:
        assert lines == []
    else:
        (line,) = lines
        assert line.startswith(said)
        assert "precision=auto" in line


def test_the_measurement_leaves_threads_and_random_numbers_alone() -> None:
    threads, generator = torch.get_num_threads(), torch.get_rng_state()
    assert slowdown("amp_bf16", "fp32", "cpu") > 0
    assert torch.get_num_threads() == threads
    assert torch.equal(torch.get_rng_state(), generator)


@pytest.mark.parametrize(
    ("name", "dtype"), [("fp32", torch.float32), ("amp_fp16", torch.float16), ("amp_bf16", torch.bfloat16)]
)
def test_a_network_computes_in_the_dtype_of_its_precision(name: str, dtype: torch.dtype) -> None:
    assert dtype_of(name) == dtype
    with autocast("cpu", name):
        assert torch.nn.Linear(2, 2)(torch.zeros(1, 2)).dtype == dtype
