"""A recorded run trained anew: reproduced to the bit, within the noise of its seeds, or not."""

import json
from pathlib import Path

import pytest

from bench import rerun
from bench.config import load_spec
from bench.data.datasets import load_dataset
from bench.records import read_run
from bench.util.cli import BAD_INPUT, FAILED, OK, run_command
from tests.fake_runs import write_fake_run
from tests.training import train_here

SMALL = ["batch_size=32", "max_duration=3ba", "wandb.enabled=false", "threads=1", "eval_batch_size=128"]


def change(path: Path, **result: object) -> Path:
    """Change a record's result, and return its folder."""
    file = path / "result.json"
    file.write_text(json.dumps({**json.loads(file.read_text()), **result}))
    return path


def test_a_real_run_is_reproduced_to_the_bit(
    bench_data: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    spec = load_spec("tests/small.yaml", [*SMALL, f"runs={tmp_path / 'first'}"])
    recorded = train_here(spec, load_dataset("shapes100", bench_data, "test"))
    words = [str(recorded), "--runs", str(tmp_path / "second")]
    assert run_command(rerun.main, words) == OK
    assert "reproduced bit for bit: all of its 1 rows are equal" in capfd.readouterr().out
    rows = (recorded / "epochs.jsonl").read_text()
    (recorded / "epochs.jsonl").write_text(rows.replace('"train_loss": ', '"train_loss": 1'))
    assert run_command(rerun.main, words) == FAILED
    assert "not reproduced: top1 " in capfd.readouterr().out


@pytest.mark.parametrize(("top1", "reproduced"), [(66.5, True), (80.0, False)])
def test_on_another_machine_the_seeds_decide(top1: float, reproduced: bool, tmp_path: Path) -> None:
    paths = [write_fake_run(tmp_path / "there", "resnet_20", seed, top1=66.0 + seed) for seed in range(3)]
    recorded = read_run(paths[0])
    machine = {**(recorded.result or {})["machine"], "device_name": "another processor"}
    anew = change(write_fake_run(tmp_path / "here", "resnet_20", 0, top1=top1), machine=machine)
    outcome = rerun.compare(recorded, read_run(anew), rerun.seeds_of(recorded))
    assert outcome.reproduced is reproduced
    assert "by its 3 seeds (device_name another processor in place of " in outcome.sentence


def test_one_seed_tells_nothing_about_another_machine(tmp_path: Path) -> None:
    recorded = read_run(write_fake_run(tmp_path / "there", "resnet_20", 0, top1=66.0))
    machine = {**(recorded.result or {})["machine"], "threads": 64}
    anew = change(write_fake_run(tmp_path / "here", "resnet_20", 0, top1=66.1), machine=machine)
    outcome = rerun.compare(recorded, read_run(anew), [66.0])
    assert not outcome.reproduced
    assert outcome.sentence.startswith("cannot be told: ")


def test_the_prediction_interval_is_that_of_one_more_run() -> None:
    """Three runs, t at 0.975 with two degrees of freedom is 4.3027: 66 ± 4.3027 · √(4/3)."""
    assert rerun.prediction_interval([65.0, 66.0, 67.0]) == pytest.approx((61.0317, 70.9683), abs=1e-4)
    assert rerun.prediction_interval([66.0]) is None


@pytest.mark.parametrize("spoil", ["empty", "unfinished"])
def test_what_is_no_finished_run_is_refused(spoil: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = write_fake_run(tmp_path, "resnet_20", 0)
    (path / ("spec.yaml" if spoil == "empty" else "result.json")).unlink()
    assert run_command(rerun.main, [str(path)]) == BAD_INPUT
    assert str(path) in capsys.readouterr().err


def test_a_run_of_several_engines_is_not_repeated_by_one_command(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    change = {"step": 3, "before": {}, "after": {}}
    run = write_fake_run(tmp_path, "resnet_20", result={"changes": [change]})
    assert run_command(rerun.main, [str(run), "--runs", str(tmp_path / "anew")]) == BAD_INPUT
    assert "one command does not repeat it" in capsys.readouterr().err
