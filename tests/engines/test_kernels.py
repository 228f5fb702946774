"""What products compute is measured once on a kind of machine, remembered, and never asked about on a GPU."""

from dataclasses import replace
from pathlib import Path

import pytest
import torch

from algorithms.convolution_products import Case
from bench.config import YAMLS, load_spec
from bench.data.loader import Shard
from bench.engines import kernels
from bench.engines.kernels import cache_file, choose_passes, chooses_kernels, remembered, small_maps
from bench.engines.machine import Machine

CASES = [Case(4, 8, (3, 3), (1, 1), (size, size)) for size in (2, 3)]
CPU = Machine("cpu", Shard(0, 2), 1, "fp32")
IMAGE = (3, 32, 32)


class Measure:
    """A measurement that notes what it is asked for, and chooses the filters' gradient."""

    def __init__(self) -> None:
        self.asked: list[Case] = []

    def __call__(self, case: Case, **settings: object) -> list[str]:
        """Note a case."""
        self.asked.append(case)
        return ["filters"] if case is CASES[0] else []


def test_each_case_is_measured_once_on_a_kind_of_machine(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path, measure = tmp_path / "cache" / "found.json", Measure()
    found = {str(CASES[0]): ["filters"], str(CASES[1]): []}
    assert remembered(path, "here", CASES[:1], measure, print) == {str(CASES[0]): ["filters"]}
    assert remembered(path, "here", CASES, measure, print) == found
    assert remembered(path, "here", CASES, measure, print) == found
    assert measure.asked == CASES
    assert capsys.readouterr().out.count("measuring 1 convolutions") == 2
    assert remembered(path, "there", CASES, measure, print) == found
    assert measure.asked == CASES * 2


def test_without_a_file_it_is_measured_every_time(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    measure = Measure()
    for _ in range(2):
        assert remembered(tmp_path / "file" / "found.json", "here", CASES, measure, print)[str(CASES[1])] == []
    assert measure.asked == CASES * 2


@pytest.mark.parametrize("content", ["", "[]", "{", '{"here": 1}'])
def test_a_damaged_file_is_written_anew(content: str, tmp_path: Path) -> None:
    (tmp_path / "found.json").write_text(content)
    for _ in range(2):
        assert remembered(tmp_path / "found.json", "here", CASES, Measure(), print)[str(CASES[0])] == ["filters"]


def test_what_decides_the_speed_parts_measurements(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.delenv("ONEDNN_MAX_CPU_ISA", raising=False)
    measure = Measure()
    monkeypatch.setattr(kernels, "faster_passes", measure)
    for batch, precision in ((1024, "fp32"), (512, "fp32"), (64, "fp32"), (64, "amp_bf16")):
        choose_passes(print, batch, precision, CASES)
    # The two large batches are measured as one.
    assert measure.asked == CASES * 3
    monkeypatch.setenv("ONEDNN_MAX_CPU_ISA", "AVX2")
    choose_passes(print, 64, "fp32", CASES)
    assert measure.asked == CASES * 4
    assert cache_file().is_relative_to(tmp_path)
    assert torch.__version__ in cache_file().read_text()


def test_only_eager_channels_last_runs_on_a_cpu_choose() -> None:
    spec = load_spec(YAMLS / "speed_75.yaml", [])
    assert chooses_kernels(spec, CPU)
    assert not chooses_kernels(spec, replace(CPU, device="gpu"))
    for override in ("algorithms.channels_last=null", "compile=true"):
        assert not chooses_kernels(load_spec(YAMLS / "speed_75.yaml", [override]), CPU)
    assert small_maps(spec, IMAGE, CPU, print).images == [(3, 20, 20), (3, 24, 24), IMAGE]
