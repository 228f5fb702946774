"""A recorded run trained anew: reproduced to the bit, within the noise of its seeds, or not."""

import json
import subprocess
from pathlib import Path
from typing import Any

import pytest

from bench import rerun
from bench.config import load_spec
from bench.data.datasets import load_dataset
from bench.records import RunRecord, read_run, read_runs, spec_of
from bench.spec import RunSpec, run_name
from bench.util.cli import BAD_INPUT, FAILED, OK, run_command
from tests.conftest import REPOSITORY
from tests.fake_runs import write_fake_run
from tests.training import train_here

RECORDS = REPOSITORY / "reports" / "runs"
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
    second = capfd.readouterr().out
    assert "an earlier call trained it; it is compared again" in second
    assert "not reproduced: top1 " in second


@pytest.mark.parametrize(("top1", "reproduced"), [(66.5, True), (80.0, False)])
def test_on_another_machine_the_seeds_decide(top1: float, reproduced: bool, tmp_path: Path) -> None:
    paths = [write_fake_run(tmp_path / "there", "resnet_20", seed, top1=66.0 + seed) for seed in range(3)]
    recorded = read_run(paths[0])
    machine = {**(recorded.result or {})["machine"], "device_name": "another processor"}
    anew = change(write_fake_run(tmp_path / "here", "resnet_20", 0, top1=top1), machine=machine)
    outcome = rerun.compare(recorded, read_run(anew), rerun.seeds_of(recorded))
    assert outcome.reproduced is reproduced
    assert "by the 3 recorded seeds of its recipe, its own too (device_name another processor in" in outcome.sentence


def test_each_seed_of_the_recipe_counts_once_in_whatever_experiment_the_record_for_its_own(tmp_path: Path) -> None:
    def write(experiment: str, seed: int, top1: float, **changes: Any) -> Path:
        return write_fake_run(tmp_path, "resnet_20", seed, top1=top1, experiment=experiment, **changes)

    path = write("later", 0, 66.0)
    for seed, top1 in enumerate((60.0, 67.0, 68.0)):
        write("earlier", seed, top1)
    write("earlier", 5, 50.0, batch_size=64)
    write("rerun", 3, 51.0)
    assert rerun.seeds_of(read_run(path)) == [66.0, 67.0, 68.0]


def test_a_committed_record_finds_the_seeds_of_its_recipe_in_other_experiments() -> None:
    found = rerun.seeds_of(read_run(RECORDS / "speed_cpu" / "speed_75-d3db4d23-s0"))
    assert len(found) == len({record.seed for record in read_runs(RECORDS) if "speed_75-d3db4d23-" in record.run_id})
    assert len(found) >= 10


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
    for name in ("result.json", *(["spec.yaml"] if spoil == "empty" else [])):
        (path / name).unlink()
    assert run_command(rerun.main, [str(path)]) == BAD_INPUT
    assert str(path) in capsys.readouterr().err


def test_a_run_of_several_engines_is_not_repeated_by_one_command(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    change = {"step": 3, "before": {}, "after": {}}
    run = write_fake_run(tmp_path, "resnet_20", result={"changes": [change]})
    assert run_command(rerun.main, [str(run), "--runs", str(tmp_path / "anew")]) == BAD_INPUT
    assert "one command does not repeat it" in capsys.readouterr().err


@pytest.mark.parametrize("record", read_runs(RECORDS), ids=lambda record: record.run_id)
def test_every_committed_spec_is_one_of_this_version(record: RunRecord) -> None:
    spec = spec_of(record)
    assert (spec.model.name, spec.seed) == (record.model, record.seed)
    assert RunSpec.model_validate(spec.model_dump(mode="json")) == spec


def test_a_record_of_an_older_version_is_trained_under_the_name_of_today(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    recorded = next(record for record in read_runs(RECORDS) if record.run_id.startswith("readme/"))
    spec = spec_of(recorded)
    assert "decay_norm_bias" in recorded.spec["optimizer"]
    assert run_name(spec) != recorded.path.name
    asked: list[str] = []

    def launch(command: list[str], *, check: bool) -> subprocess.CompletedProcess[str]:
        """Stand in for training: note what is asked for, and fail."""
        asked.extend(command)
        return subprocess.CompletedProcess(command, 3)

    monkeypatch.setattr(rerun.subprocess, "run", launch)
    assert run_command(rerun.main, [str(recorded.path), "--runs", str(tmp_path)]) == 3
    declared = load_spec(asked[-1], [])
    assert asked[-1] == str(tmp_path / "rerun" / f"{run_name(spec)}.json")
    assert declared == spec.model_copy(update={"experiment": "rerun", "runs": str(tmp_path)})


def test_a_rerun_is_not_compared_with_itself(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = write_fake_run(tmp_path, "resnet_20", 0, experiment="rerun")
    assert run_command(rerun.main, [str(path), "--runs", str(tmp_path)]) == BAD_INPUT
    assert "name another folder with --runs" in capsys.readouterr().err
