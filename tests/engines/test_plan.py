"""What a run says before it begins, and that it says it before anything that takes seconds is imported."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from bench.budget import Sizes
from bench.config import YAMLS, load_spec
from bench.engines.plan import machine_line, plan_lines
from bench.engines.precision import Decision
from bench.environment import cpu_model
from tests.conftest import REPOSITORY

SIZES = Sizes(50_000, 10_000, (3, 32, 32), 100)


@pytest.mark.parametrize(
    ("overrides", "words"),
    [
        (["max_duration=3ep"], ["resnet_20 on shapes100, seed 0: 1,170 steps x 128 images (3 epochs)", "every 1ep"]),
        (["max_duration=40ba", "eval_interval=20ba"], ["40 steps x 128 images (0.103 epochs)", "every 20ba"]),
        (["max_duration=600sec"], ["600 seconds of training, 128 images per step"]),
        (["seed=7", "data.split=tuning"], ["on shapes100 (split tuning), seed 7"]),
    ],
)
def test_the_plan_says_network_data_length_and_place(overrides: list[str], words: list[str]) -> None:
    spec = load_spec(YAMLS.parent / "tests" / "small.yaml", ["batch_size=128", "schedule.warmup=0ep", *overrides])
    text = "\n".join(plan_lines(spec, SIZES, Path("runs/quickstart/x")))
    for word in (*words, "evaluated on 10,000 images", "recorded in runs/quickstart/x"):
        assert word in text


def test_the_machine_is_precision_and_processes_times_threads_or_the_gpu() -> None:
    cpu, gpu = Decision("fp32", "CPU with AVX2", "fp32"), Decision("amp_fp16", "GPU with compute capability 7.x", "")
    assert machine_line(cpu, 2, 1) == f"precision fp32 (CPU with AVX2); processes x threads: 2 x 1, {cpu_model()}"
    line = "precision amp_fp16 (GPU with compute capability 7.x); processes: 8, Tesla V100"
    assert machine_line(gpu, 8, 1, "Tesla V100") == line


WITHOUT = """
import sys
sys.modules[sys.argv[1]] = None
from bench.train import main
main(sys.argv[2:])
"""


@pytest.mark.parametrize(("missing", "said"), [("torch", 2), ("composer", 3)])
def test_the_plan_comes_before_the_slow_imports(missing: str, said: int, small_data: Path, tmp_path: Path) -> None:
    """The network, its data and where it is recorded before torch is imported, the machine before Composer is."""
    words = ["-f", "tests/small.yaml", "batch_size=64", f"runs={tmp_path}"]
    environment = {**os.environ, "BENCH_DATA": str(small_data), "PYTHONPATH": str(REPOSITORY)}
    command = [sys.executable, "-c", WITHOUT, missing, *words]
    done = subprocess.run(command, cwd=REPOSITORY, env=environment, capture_output=True, text=True, check=False)
    last = done.stderr.splitlines()[-1]
    assert last.startswith("ModuleNotFoundError: ")
    assert missing in last
    lines = done.stdout.splitlines()
    assert len(lines) == said, done.stdout
    assert lines[0].startswith("resnet_20 on shapes100, seed 0: ")
    assert f"recorded in {tmp_path}" in lines[1]
    assert said < 3 or lines[2].startswith("precision ")
