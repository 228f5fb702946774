"""A step is measured in turns with its variants, whole windows at a time, and the table follows from the numbers."""

import json
import os
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
import torch

from bench.engines.precision import find_row
from bench.speed import __main__ as speed
from bench.speed import step, variants
from bench.speed.alternation import GROUP, OURS, SCOUT_STEPS, WARM_STEPS, Alternation, Measured, window_steps
from bench.speed.isolated import in_own_process
from bench.speed.kinds import describe_host, folder_name, kind_of
from bench.speed.modes import EAGER, MODES, expand, hindrance
from bench.speed.step_table import PLAIN, ceiling_of, step_table
from bench.speed.variants import REWARM_STEPS
from bench.util.cli import run_command
from tests.conftest import REPOSITORY
from tests.engines.cpus import AVX2, CPU, EPYC_ZEN5, SAPPHIRE_RAPIDS, replace_cpu


@pytest.mark.parametrize(
    ("seconds", "target", "steps"), [(10.0, 1.0, 1), (0.4, 1.0, GROUP), (0.1, 1.0, 12), (0.01, 1.0, 102)]
)
def test_windows_are_whole_groups_where_steps_are_short(seconds: float, target: float, steps: int) -> None:
    assert window_steps(seconds, target) == steps
    assert steps == 1 or steps % GROUP == 0


def test_sides_take_turns_and_none_pays_for_another(monkeypatch: pytest.MonkeyPatch) -> None:
    """With a clock of our own: a step of ours takes 10 ms, the other variant's turns take hours and are not counted."""
    now, turns = [0.0], list[int]()
    monkeypatch.setattr(time, "perf_counter", lambda: now[0])

    def other(steps: int) -> float:
        turns.append(steps)
        now[0] += 3600
        return steps * 0.005

    watcher = Alternation({"other": other}, rounds=4, target=0.12, wait=lambda: None)

    def step() -> None:
        now[0] += 0.010
        watcher.batch_end(None, None)

    for _ in range(WARM_STEPS + SCOUT_STEPS + 4 * (REWARM_STEPS + 12) - 1):
        step()
    with pytest.raises(Measured):
        step()
    assert watcher.steps == 12
    assert turns == [SCOUT_STEPS, 12, 12, 12, 12]
    assert watcher.seconds[OURS] == pytest.approx([0.12] * 4)
    assert watcher.seconds["other"] == pytest.approx([0.06] * 4)


def numbers(**changes: Any) -> dict[str, Any]:
    """Return the numbers of a measurement of one network."""
    row = {
        "model": "resnet_20",
        "mode": "bf16-cl",
        "precision": "amp_bf16",
        "channels_last": True,
        "compile": False,
        "steps_a_round": 10,
        "seconds": {"ours": [1.0, 2.0, 1.0], "ceiling": [0.9, 1.8, 0.5], "baseline": [4.0, 6.0, 3.0]},
        "peak_gflops": 600.0,
        "macs": 40_000_000,
        "memory_bytes": 2**30,
        **changes,
    }
    machine = {"cpu": "A CPU", "cores": 2, "memory_gib": 24, "packages": {"torch": "2", "mosaicml": "0"}}
    return {
        "measurement": "step",
        "command": "python -m bench.speed step",
        "rows": [row],
        "environment": {**machine, "git": {"commit": "0123456789abcdef", "dirty": False}},
        "plan": {"batch": 100, "threads": 2, "data": "shapes100", "rounds": 3},
    }


def test_the_table_follows_from_the_numbers() -> None:
    line = next(line for line in step_table(numbers()).splitlines() if line.startswith("| resnet_20"))
    cells = [cell.strip() for cell in line.strip("|").split("|")]
    # 1,000 images a round: ours 1,000 a second (median), the ceiling 1,111; 6 × 40 MMAC an image.
    assert cells == [
        *("resnet_20", "amp_bf16 channels-last", "1,111", "1,000", "0.90 [0.70 … 0.90]"),
        *("250", "3.00 [3.00 … 3.50]", "240", "40 % of 600", "1.0"),
    ]


def test_what_was_not_measured_has_no_number() -> None:
    lines = step_table(numbers(seconds={"ours": [1.0], "ceiling": [1.0]})).splitlines()
    assert next(line for line in lines if line.startswith("| resnet_20")).count("—") == 2
    failed = step_table({**numbers(), "rows": [{"model": "x", "mode": "fp32", "failed": "failed"}]})
    assert "| x | fp32 | failed | — |" in failed


def test_a_network_that_does_not_compile_is_a_row_without_numbers(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(model: str, mode: str, plan: step.Plan) -> dict[str, Any]:
        raise variants.DoesNotCompile(model)

    monkeypatch.setattr(step, "measure_variants", refuse)
    row = step.measure("resnet_20", "bf16-cl-compiled", step.Plan(128, 1, "shapes100", 1, 0.1, baseline=False))
    assert "| resnet_20 | bf16-cl-compiled | does not compile | — |" in step_table({**numbers(), "rows": [row]})


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["step", "resnet_2"], "resnet_20"),
        (["step", "resnet_20", "--modes", "bf16cl"], "bf16-cl"),
        (["step", "resnet_20", "--rounds", "0"], "--rounds 0"),
        (["step", "resnet_20", "--json", "/nowhere/x.json"], "/nowhere"),
        (["scaling", "resnet_2"], "resnet_20"),
        (["report", "/nowhere.json"], "/nowhere.json"),
        (["stepp"], "step"),
    ],
)
def test_bad_input_is_named(words: list[str], message: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert run_command(speed.main, words) == 2
    assert message in capsys.readouterr().err


@pytest.mark.parametrize("cuda", [False, True], ids=["forked", "fresh, since CUDA is in use"])
def test_a_process_of_its_own_returns_or_fails(
    cuda: bool, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(torch.cuda, "is_initialized", lambda: cuda)
    assert in_own_process(os.getpid) != os.getpid()
    assert in_own_process(int, "no number") is None
    assert "ValueError" in capfd.readouterr().err


def test_a_real_step_is_measured(small_data: Path, tmp_path: Path) -> None:
    """Every variant, in the default mode and in one that is named; then the report of the numbers."""
    file = tmp_path / folder_name(kind_of(describe_host())) / "a_step.json"
    file.parent.mkdir()
    words = ["--modes", "default", "fp32", "--batch", "32", "--rounds", "2", "--seconds", "0.05"]
    more = ["--baseline", "--plain", "--data", "shapes100"]
    command = [sys.executable, "-m", "bench.speed", "step", "resnet_20", *words, *more]
    environment = {**os.environ, "BENCH_DATA": str(small_data), "WANDB_MODE": "offline"}
    done = subprocess.run(
        [*command, "--threads", "1", "--json", str(file)],
        cwd=REPOSITORY,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    found = json.loads(file.read_text())
    assert [row["precision"] for row in found["rows"]] == [find_row("cpu").precision, "fp32"]
    for row, others in zip(found["rows"], (["ceiling, fp32", ceiling_of(PLAIN)], []), strict=True):
        assert {variant: len(seconds) for variant, seconds in row["seconds"].items()} == dict.fromkeys(
            ("ours", "ceiling", "baseline", *others), 2
        )
        assert row["peak_gflops"] > 1
    out = tmp_path / "speed.md"
    assert run_command(speed.main, ["report", str(tmp_path), "--out", str(out)]) == 0
    assert "## A step" in out.read_text()
    assert found["command"] in out.read_text()


NATIVE = ["fp32", "fp32-cl", "bf16", "bf16-cl"]


@pytest.mark.parametrize(
    ("cpu", "native"), [(EPYC_ZEN5, NATIVE), (SAPPHIRE_RAPIDS, NATIVE), (AVX2, NATIVE[:2])], ids=str
)
def test_all_modes_are_those_that_are_native(cpu: CPU, native: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    replace_cpu(monkeypatch, cpu)
    modes = expand(["all"])
    assert modes == ["default", *EAGER]
    assert [mode for mode in modes if not hindrance(mode, "cpu", asked=False)] == ["default", *native]
    # What is only emulated is measured where it is asked for; what cannot be computed is not.
    assert [mode for mode in modes if not hindrance(mode, "cpu", asked=True)] == ["default", *NATIVE]
    assert expand(["bf16", "all", "fp32-compiled"]) == ["bf16", *(m for m in modes if m != "bf16"), "fp32-compiled"]


def test_what_is_emulated_is_a_row_that_says_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    replace_cpu(monkeypatch, AVX2)
    plans: list[step.Plan] = []

    def measured(function: object, model: str, mode: str, plan: step.Plan) -> dict[str, Any]:
        plans.append(plan)
        return {**numbers()["rows"][0], "model": model, "mode": mode}

    monkeypatch.setattr(step, "in_own_process", measured)
    monkeypatch.setattr("bench.speed.augment.load_images", lambda name: ("few", None))
    assert run_command(speed.main, ["step", "resnet_20", "--modes", "all", "--json", str(tmp_path / "x.json")]) == 0
    rows = json.loads((tmp_path / "x.json").read_text())["rows"]
    assert [row["mode"] for row in rows if not row.get("failed")] == ["default", "fp32", "fp32-cl"]
    assert {plan.against for plan in plans} == {("fp32", "fp32-cl")}
    assert "| resnet_20 | bf16-cl | emulated here: not measured | — |" in capsys.readouterr().out


def test_the_default_is_set_against_every_other_mode() -> None:
    row = numbers()["rows"][0]
    seconds = {"ceiling, fp32": [1.8, 3.6, 1.0], "ceiling, bf16": [0.81, 1.62, 0.45]}
    fast = {**row, "mode": "default", "seconds": {**row["seconds"], **seconds}}
    good = {**fast, "model": "resnet_32", "seconds": {**row["seconds"], "ceiling, fp32": [1.8, 3.6, 1.0]}}
    table = step_table({**numbers(), "rows": [fast, good, row]})
    assert "| resnet_20 | amp_bf16 channels-last | fp32 | 1,111 | 556 | 2.00 [2.00 … 2.00] |" in table
    assert "| resnet_20 | amp_bf16 channels-last | bf16 | 1,111 | 1,235 | 0.90 [0.90 … 0.90] |" in table
    assert "of which 0.95 is the goal: resnet_20 0.90 (missed); resnet_32 2.00." in table
    assert "The default beside" not in step_table(numbers())


def test_modes_are_named_after_what_they_are() -> None:
    assert MODES["default"] is None
    for name, mode in MODES.items():
        if mode is not None:
            parts = name.split("-")
            assert {"fp32": "fp32", "bf16": "amp_bf16", "fp16": "amp_fp16"}[parts[0]] == mode.precision
            assert ("cl" in parts, "compiled" in parts) == (mode.channels_last, mode.compiled)
