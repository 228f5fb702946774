"""A run goes on in the precision that it began with, whatever the machine at hand would choose, or is refused."""

import json
import math
import os
import subprocess
import sys
from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import Any

import composer.algorithms.sam.sam
import composer.trainer.trainer
import pytest
import torch
from composer.core import Precision
from composer.trainer._scaler import ClosureGradScaler
from torch.amp import GradScaler

from bench import train
from bench.config import YAMLS, load_spec
from bench.data.datasets import Dataset
from bench.engines import composer as engine
from bench.engines import precision
from bench.engines.checkpoints import list_checkpoints, read_checkpoint
from bench.engines.identity import begun_precision, choose_precision
from bench.engines.precision import Decision, decide
from bench.engines.stopping import Diverged, Interrupted
from bench.records import CHECKPOINTS, ENVIRONMENT, FAILED, RESULT, run_directory
from bench.util.cli import BAD_INPUT, run_command
from bench.util.errors import BadInput
from bench.util.untrusted import read_json
from tests.conftest import REPOSITORY
from tests.engines.cpus import AVX2, EPYC_ZEN5, replace_cpu
from tests.resume.runs import SMALL, At, only_run, signalled, start
from tests.torture.compare import differences, final_state

pytestmark = pytest.mark.usefixtures("without_gpu")

HALF = Decision("amp_fp16", "as declared", native="amp_fp16")
# What a float16 gradient bears in these tests: as torch's scaler begins with 2^16, the first two steps overflow.
BEARABLE = 2.0**14


def scale_gradients(monkeypatch: pytest.MonkeyPatch, bearable: float = BEARABLE, **settings: Any) -> list[float]:
    """Let Composer train in `amp_fp16` on a CPU: all as on a GPU but autocast, which it enters on GPUs alone.

    Gradients become infinite where their scale is above what is `bearable`; after two steps without that it doubles.
    Returns a list in which the scale after each step will be found.
    """
    scales: list[float] = []
    scale_loss = GradScaler.scale

    def scale(self: GradScaler, loss: Any) -> Any:
        """Scale a loss beyond all bounds where its gradients would overflow."""
        return scale_loss(self, loss) * (math.inf if self.get_scale() > bearable else 1.0)

    monkeypatch.setattr(GradScaler, "scale", scale)
    for scaler in (GradScaler, ClosureGradScaler):

        def update(self: GradScaler, of: Any = scaler.update) -> None:
            """Update the scale and note it."""
            of(self)
            scales.append(self.get_scale())

        monkeypatch.setattr(scaler, "update", update)
    on_cpu = {"device": "cpu", "growth_interval": 2, **settings}
    monkeypatch.setattr(composer.trainer.trainer, "_validate_precision", lambda *_: None)
    monkeypatch.setattr(composer.trainer.trainer, "GradScaler", partial(GradScaler, **on_cpu))
    monkeypatch.setattr(composer.algorithms.sam.sam, "ClosureGradScaler", partial(ClosureGradScaler, **on_cpu))
    monkeypatch.setattr(engine, "composer_precision", lambda _: Precision.AMP_FP16)
    return scales


ALGORITHMS = {
    "averaging": ["algorithms.mixup={}", "algorithms.ema={half_life: 3ba}", "algorithms.gradient_clipping={}"],
    "clipping by value": ["algorithms.gradient_clipping={clipping_type: value, clipping_threshold: 0.1}"],
    "sam": ["algorithms.sam={interval: 2}", "algorithms.gradient_clipping={}"],
    "adamw": ["optimizer={name: adamw, lr: 1e-3}", "algorithms.gradient_clipping={}"],
    "freezing": [
        "algorithms.layer_freezing={freeze_start: 0.0, freeze_level: 0.6}",
        "algorithms.swa={swa_start: 0.1dur}",
    ],
}


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("name", ALGORITHMS)
def test_a_scaled_run_that_was_stopped_ends_as_one_that_was_not(
    name: str, dataset: Dataset, tmp_path: Path, at: At, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Steps whose gradients overflow are skipped, before the stop and after: they are no divergence."""
    scales = scale_gradients(monkeypatch)
    whole = start(dataset, tmp_path / "whole", *ALGORITHMS[name], decision=HALF)
    assert [math.log2(scale) for scale in scales] == [15, 14, 14, 15, 14, 14, 15, 14], "4 of 8 steps are skipped"
    for step in (1, 5):
        at[step] = signalled()
        with pytest.raises(Interrupted):
            start(dataset, tmp_path / "parts", *ALGORITHMS[name], decision=HALF)
    parts = start(dataset, tmp_path / "parts", *ALGORITHMS[name], decision=HALF)
    assert differences(final_state(whole), final_state(parts)) == []
    assert final_state(whole)["checkpoint"]["scaler"]["scale"] == scales[7]


def test_the_scale_makes_no_difference_to_what_is_learned(
    dataset: Dataset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A power of two is exact in float32: clipped or not, the weights are those of the same steps without a scaler."""
    plain = start(dataset, tmp_path / "plain", "precision=fp32", "algorithms.gradient_clipping={}")
    scale_gradients(monkeypatch, init_scale=2.0**10)
    scaled = start(dataset, tmp_path / "scaled", "precision=fp32", "algorithms.gradient_clipping={}", decision=HALF)
    one, two = (final_state(path)["checkpoint"]["model"] for path in (plain, scaled))
    assert differences(one, two) == []


def test_a_run_whose_every_step_overflows_has_diverged(
    dataset: Dataset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    scales = scale_gradients(monkeypatch, bearable=0.0, init_scale=4.0)
    with pytest.raises(Diverged, match=r"overflow in float16 .* at step 3"):
        start(dataset, tmp_path, decision=HALF)
    assert scales == [2.0, 1.0, 0.5]
    assert "overflow" in read_json(only_run(tmp_path).path / FAILED)["reason"]


def test_a_run_that_was_begun_without_a_scaler_goes_on_beside_one(
    dataset: Dataset, tmp_path: Path, at: At, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Begun on a CPU, where Composer's scaler is disabled, and resumed on a GPU, where one stands idle in float32."""
    whole = start(dataset, tmp_path / "whole", "precision=fp32")
    at[2] = signalled()
    with pytest.raises(Interrupted):
        start(dataset, tmp_path / "parts", "precision=fp32")
    monkeypatch.setattr(composer.trainer.trainer, "GradScaler", partial(GradScaler, "cpu"))
    parts = start(dataset, tmp_path / "parts", "precision=fp32")
    one, two = (final_state(path)["checkpoint"]["model"] for path in (whole, parts))
    assert differences(one, two) == []


@pytest.mark.parametrize(("begun", "later"), [("fp32", "amp_bf16"), ("amp_bf16", "fp32")])
def test_auto_goes_on_as_it_began(
    begun: str,
    later: str,
    dataset: Dataset,
    tmp_path: Path,
    at: At,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """On a machine of the other kind it says so, records what it computed in, and ends as on the first."""
    cpus = {"fp32": AVX2, "amp_bf16": EPYC_ZEN5}
    replace_cpu(monkeypatch, cpus[begun])
    whole = start(dataset, tmp_path / "whole")
    at[2] = signalled()
    with pytest.raises(Interrupted):
        start(dataset, tmp_path / "parts")
    capsys.readouterr()
    replace_cpu(monkeypatch, cpus[later])
    monkeypatch.setattr(precision, "slowdown", lambda *_: 10.4)
    parts = start(dataset, tmp_path / "parts")
    printed = capsys.readouterr().out
    assert (
        f"resuming in {begun}: the run started in it; a {decide('auto', 'cpu').reason} would choose {later}" in printed
    )
    assert ("slow: amp_bf16 takes 10.4 times as long as fp32" in printed) is (begun == "amp_bf16")
    assert differences(final_state(whole), final_state(parts)) == []
    result = only_run(tmp_path / "parts").result
    assert result is not None
    assert (result["spec"]["precision"], result["machine"]["precision"]) == ("auto", begun)


def test_what_this_machine_cannot_compute_is_refused_before_anything_is_written(
    dataset: Dataset,
    root: Path,
    tmp_path: Path,
    at: At,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """A run that was begun in float16 on a GPU is resumed on a CPU."""
    with monkeypatch.context() as on_gpu:
        scale_gradients(on_gpu)
        at[2] = signalled()
        with pytest.raises(Interrupted):
            start(dataset, tmp_path, decision=HALF)
    before = {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*")}
    monkeypatch.setenv("BENCH_DATA", str(root))
    words = ["-f", "tests/small.yaml", *SMALL, f"runs={tmp_path}"]
    assert run_command(train.main, words) == BAD_INPUT
    assert "the run started in amp_fp16, which this CPU with" in capsys.readouterr().err
    assert {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*")} == before


def test_mixed_precision_goes_on_where_there_is_none(
    dataset: Dataset, tmp_path: Path, at: At, monkeypatch: pytest.MonkeyPatch
) -> None:
    """`amp` is refused at the start of a run on such a machine, not in the middle of one."""
    spec = load_spec(YAMLS.parent / "tests" / "small.yaml", [*SMALL, f"runs={tmp_path}", "precision=amp"])
    replace_cpu(monkeypatch, EPYC_ZEN5)
    at[1] = signalled()
    with pytest.raises(Interrupted):
        start(dataset, tmp_path, "precision=amp")
    replace_cpu(monkeypatch, AVX2)
    decision = choose_precision(spec, run_directory(spec))
    assert (decision.precision, decision.begun) == ("amp_bf16", True)
    with pytest.raises(BadInput, match="no fast mixed precision"):
        choose_precision(spec, tmp_path / "another run")


def test_checkpoints_of_before_and_of_others_tell_no_precision(dataset: Dataset, tmp_path: Path, at: At) -> None:
    at[1] = signalled()
    with pytest.raises(Interrupted):
        start(dataset, tmp_path, "precision=fp32")
    spec = load_spec(YAMLS.parent / "tests" / "small.yaml", [*SMALL, f"runs={tmp_path}", "precision=fp32"])
    run = only_run(tmp_path).path
    assert begun_precision(run, spec) == "fp32"
    assert begun_precision(run, spec.model_copy(update={"seed": 1})) is None
    assert begun_precision(tmp_path / "nothing", spec) is None


LIMITED = {"ATEN_CPU_CAPABILITY": "avx2", "ONEDNN_MAX_CPU_ISA": "AVX2"}


@pytest.fixture
def native_bf16() -> None:
    """Skip where the processor has no bfloat16 that could be hidden from torch."""
    if decide("auto", "cpu").precision != "amp_bf16":
        pytest.skip("this CPU does not compute bfloat16 natively: auto chooses float32 whatever is hidden from torch")


def start_process(root: Path, runs: Path, environment: Mapping[str, str]) -> str:
    """Train three steps, or what is left of them, in a process as a user starts it, and return what it printed."""
    words = ["-f", "tests/small.yaml", *SMALL, "max_duration=3ba", "checkpoint={interval: 1ba, keep: 9}"]
    command = [sys.executable, "bench/train.py", *words, f"runs={runs}"]
    settings = {**os.environ, "BENCH_DATA": str(root), **environment}
    done = subprocess.run(command, cwd=REPOSITORY, env=settings, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.mark.slow
@pytest.mark.usefixtures("native_bf16")
@pytest.mark.parametrize(
    ("first", "second", "begun", "other"), [({}, LIMITED, "amp_bf16", "AVX2"), (LIMITED, {}, "fp32", "")]
)
def test_real_processes_go_on_as_they_began(
    first: Mapping[str, str], second: Mapping[str, str], begun: str, other: str, root: Path, tmp_path: Path
) -> None:
    """bfloat16 is there at the first start and hidden at the second, and the other way round."""
    start_process(root, tmp_path, first)
    run = only_run(tmp_path).path
    whole = read_checkpoint(list_checkpoints(run / CHECKPOINTS)[0])
    (run / RESULT).unlink()
    for path in list_checkpoints(run / CHECKPOINTS)[:-1]:
        path.unlink()
    printed = start_process(root, tmp_path, second)
    assert f"resuming in {begun}: the run started in it; a CPU with {other}" in printed
    result = json.loads((run / RESULT).read_text())
    assert (result["spec"]["precision"], result["machine"]["precision"]) == ("auto", begun)
    assert read_json(run / ENVIRONMENT)["precision"] == begun
    again = read_checkpoint(list_checkpoints(run / CHECKPOINTS)[0])
    assert whole["precision"] == again["precision"] == begun
    # Other instructions round otherwise; it is the same training all the same.
    for name, weight in whole["model"].items():
        torch.testing.assert_close(weight, again["model"][name], rtol=0.05, atol=0.05)
    assert ("slow: amp_bf16 takes" in printed) is (begun == "amp_bf16")
