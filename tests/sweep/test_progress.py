"""What is shown while a suite is trained, its status, and the noise floor of one for timing."""

import io
import json
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from rich.console import Console

from bench.analysis.sources import noise_floors
from bench.config import YAMLS
from bench.records import NOISE_FLOOR, read_run
from bench.sweep.__main__ import main
from bench.sweep.backends.locks import RunLock, is_running, lock_of
from bench.sweep.backends.registry import BACKENDS
from bench.sweep.backends.tree import explain_exit
from bench.sweep.progress import LiveView, PlainView, TimeLeft, summary
from bench.sweep.runner import Active, Progress
from bench.sweep.states import last_lines, read_state
from bench.sweep.suite import PlannedRun
from bench.sweep.timing.calibrate import calibration_runs, record_noise_floor, relative_difference
from bench.util.cli import run_command
from tests.conftest import REPOSITORY
from tests.sweep.backends.remote import STAND_INS
from tests.sweep.conftest import WriteSuite, expand, read_starts

pytestmark = pytest.mark.usefixtures("small")


def active(run: PlannedRun, started: float) -> Active:
    return Active(run, SimpleNamespace(where="core 0"), lock_of(run.path), started, False)


def write_row(run: PlannedRun, batch: int) -> None:
    run.path.mkdir(parents=True, exist_ok=True)
    row = {"epoch": 1, "batch": batch, "eval_top1": 12.5, "train_seconds": 3.0}
    (run.path / "epochs.jsonl").write_text(json.dumps(row) + "\n")


def test_the_time_left_is_corrected_by_what_runs_really_took(write_suite: WriteSuite) -> None:
    runs = expand(write_suite(seeds=[0, 1])).runs
    left = TimeLeft({run.name: 100.0 for run in runs}, 2)
    assert left.seconds(Progress(list(runs)), 0.0) == 300.0
    done = Progress(list(runs[2:]), finished=list(runs[:2]), seconds={runs[0].name: 150.0, runs[1].name: 250.0})
    assert left.seconds(done, 0.0) == pytest.approx(400.0)
    # Half of a run (2 of 4 batches) took 200 s in place of 50, so the half left takes 200 more.
    write_row(runs[0], 2)
    assert left.seconds(Progress([], active=[active(runs[0], 0.0)]), 200.0) == pytest.approx(200.0)


def test_without_expectations_the_time_left_is_unknown_until_a_run_has_shown_it(write_suite: WriteSuite) -> None:
    runs = expand(write_suite()).runs
    left = TimeLeft({run.name: None for run in runs}, 1)
    assert left.seconds(Progress(list(runs)), 0.0) is None
    assert left.seconds(Progress(list(runs[1:]), finished=[runs[0]], seconds={runs[0].name: 60.0}), 0.0) == 120.0


def test_plain_lines_come_with_news_and_once_a_minute(write_suite: WriteSuite) -> None:
    runs = expand(write_suite()).runs
    lines: list[str] = []
    clock = iter([0.0, 1.0, 2.0, 70.0])
    view = PlainView(TimeLeft({run.name: 60.0 for run in runs}, 1), lines.append, lambda: next(clock))
    view.event("start a")
    for _ in range(3):
        view.update(Progress(list(runs)))
    assert lines[0].endswith(" start a")
    assert lines[1:] == ["3 runs: 0 done, 0 running, 0 failed, 3 waiting; time left: 3 min"] * 2
    assert "1 trained elsewhere" in summary(Progress([], elsewhere=[runs[0]]), None)


def test_the_live_table_shows_what_is_running(write_suite: WriteSuite) -> None:
    runs = expand(write_suite()).runs
    write_row(runs[0], 1)
    output = io.StringIO()
    left = TimeLeft({run.name: 60.0 for run in runs}, 1)
    view = LiveView(left, Console(file=output, force_terminal=True, width=160), lambda: 100.0)
    view.event(f"start [{runs[0].label}]")
    view.update(Progress(list(runs[1:]), active=[active(runs[0], 40.0)]))
    view.close()
    shown = output.getvalue()
    for word in (f"start [{runs[0].label}]", "25%", "epoch 1, top-1 12.50", "core 0", "0 done, 1 running"):
        assert word in shown


def test_the_status_tells_each_state(write_suite: WriteSuite, capsys: pytest.CaptureFixture[str]) -> None:
    path = write_suite(seeds=[0, 1])
    plan = expand(path)
    write_row(plan.runs[0], 3)
    held = lock_of(plan.runs[1].path)
    assert held.acquire()
    plan.runs[2].path.mkdir(parents=True)
    (plan.runs[2].path / "failed.json").write_text(json.dumps({"reason": "the loss became nan", "step": 5}))
    states = [read_state(plan.suite, run) for run in plan.runs]
    assert states == ["interrupted", "running", "failed", "waiting", "waiting", "waiting"]
    assert run_command(main, ["status", "-f", str(path)]) == 0
    printed = capsys.readouterr().out
    held.release()
    assert "1 interrupted, 1 running, 1 failed, 3 waiting" in printed
    assert "the loss became nan at step 5" in printed
    assert "75%" in next(line for line in printed.splitlines() if line.startswith(plan.runs[0].label))


@pytest.mark.parametrize("content", ["{}", '{"batch": "x", "train_seconds": 1.0}', "torn"])
def test_a_damaged_run_does_not_end_the_status(
    content: str, write_suite: WriteSuite, capsys: pytest.CaptureFixture[str]
) -> None:
    path = write_suite(seeds=[0])
    first, second, _ = expand(path).runs
    for run in (first, second):
        run.path.mkdir(parents=True)
    (first.path / "epochs.jsonl").write_text(f"{content}\n")
    spec = second.spec.model_dump(mode="json")
    (second.path / "result.json").write_text(json.dumps({"status": "finished", "spec": spec}))
    assert run_command(main, ["status", "-f", str(path)]) == 0
    assert "1 interrupted, 1 finished, 1 waiting" in capsys.readouterr().out


def test_runs_that_an_older_version_named_are_finished() -> None:
    """Keys were renamed after the runs of fast_default had been trained, so that their recipes have other hashes today.

    Of its two recipes one has since had its precision renamed to `auto`, so the other is looked for.
    """
    plan = expand(YAMLS / "suites" / "fast_default.yaml", f"runs={REPOSITORY / 'reports' / 'runs'}")
    plain = [run for run in plan.runs if run.spec.precision == "fp32"]
    assert len(plain) == 3
    assert not any(run.path.exists() for run in plain)
    assert {read_state(plan.suite, run) for run in plain} == {"finished"}


@pytest.mark.parametrize(
    ("word", "status", "state"),
    [
        ("batch_size=2048", "finished", "finished"),
        ("batch_size=2048", "stopped", "waiting"),
        ("batch_size=64", "finished", "waiting"),
        ("seed=1", "finished", "waiting"),
    ],
)
def test_an_older_name_counts_for_a_finished_run_of_the_same_recipe_and_seed(
    word: str, status: str, state: str, write_suite: WriteSuite
) -> None:
    plan = expand(write_suite(models=["resnet_20.yaml"]))
    (run,) = plan.runs
    older = run.path.with_name("resnet_20-0lder000-s0")
    older.mkdir(parents=True)
    spec = {**run.spec.model_dump(mode="json"), word.partition("=")[0]: int(word.partition("=")[2])}
    (older / "result.json").write_text(json.dumps({"status": status, "spec": spec}))
    assert run.spec.batch_size == 2048
    assert read_state(plan.suite, run) == state


def test_the_status_without_a_suite_is_that_of_every_declared_one(
    write_suite: WriteSuite, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "suites").mkdir()
    for name in ("one", "two"):
        write_suite(name=name, models=[str(YAMLS / "resnet_20.yaml")]).rename(tmp_path / f"suites/{name}.yaml")
    (run,) = expand(tmp_path / "suites/two.yaml").runs
    run.path.mkdir(parents=True)
    (run.path / "failed.json").write_text(json.dumps({"reason": "the loss became nan", "step": 5}))
    monkeypatch.setattr("bench.sweep.status.YAMLS", tmp_path)
    assert run_command(main, ["status"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[:4] == [f"one: {tmp_path}/runs/one", "  1 waiting", f"two: {tmp_path}/runs/two", "  1 failed"]
    assert "the loss became nan at step 5" in lines[4]
    (tmp_path / "suites/bad.yaml").write_text("name: bad\n")
    assert run_command(main, ["status"]) == 2
    printed = capsys.readouterr()
    assert "bad.yaml: key 'models' is missing" in printed.err
    assert printed.out.splitlines() == lines


def test_a_claim_is_exclusive_and_can_be_had_again(tmp_path: Path) -> None:
    one, two = RunLock(tmp_path / "locks/a.lock"), RunLock(tmp_path / "locks/a.lock")
    assert one.acquire()
    assert not two.acquire()
    assert is_running(tmp_path / "a")
    one.release()
    assert not is_running(tmp_path / "a")
    assert two.acquire()
    two.release()


@pytest.mark.parametrize(
    ("code", "words"),
    [(1, "failed"), (2, "bad input"), (143, "SIGTERM"), (-9, "SIGKILL"), (247, "SIGKILL"), (7, "code 7")],
)
def test_exit_codes_are_explained(code: int, words: str) -> None:
    assert words in explain_exit(code)


def test_the_last_lines_are_those_of_this_attempt_without_control_characters(tmp_path: Path) -> None:
    log = tmp_path / "log.txt"
    log.write_bytes(b"old\n" + b"".join(b"line %d\n" % i for i in range(30)) + b"\n\x1b[31mred\xff\n")
    lines = last_lines(log, 4)
    assert len(lines) == 15
    assert lines[0] == "line 16"
    assert lines[-1].startswith("[31mred")
    assert last_lines(log, log.stat().st_size) == []
    assert last_lines(tmp_path / "none.txt") == []


def timing_suite(write_suite: WriteSuite) -> Path:
    return write_suite(models=["resnet_20.yaml", "resnet_32.yaml"], timing=True, workers=None)


def run_driver(path: Path, monkeypatch: pytest.MonkeyPatch) -> int:
    monkeypatch.delenv("FAKE", raising=False)
    monkeypatch.setitem(BACKENDS, "local", STAND_INS["local"])
    return run_command(main, ["-f", str(path)])


def test_a_suite_for_timing_starts_with_the_same_run_twice_and_records_the_noise_floor(
    write_suite: WriteSuite, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    path = timing_suite(write_suite)
    plan = expand(path)
    assert run_driver(path, monkeypatch) == 0
    printed = capsys.readouterr().out
    runs = Path(plan.suite.runs)
    starts = read_starts(runs)
    assert [start["run"] for start in starts] == [plan.runs[0].label] * 3 + [plan.runs[1].label]
    # One at a time, with every core.
    assert {len(start["cores"]) for start in starts} == {len(starts[0]["cores"])}
    floor = json.loads((runs / "trial" / NOISE_FLOOR).read_text())
    assert floor["runs"] == [f"trial-aa{number}/{plan.runs[0].label}" for number in (1, 2)]
    assert floor["values"]["seconds.train"] == [4.0, 4.0]
    assert floor["relative_difference"] == {"seconds.train": 0.0, "seconds.total": 0.0, "images_per_second": 0.0}
    assert "noise floor: seconds.train differs by 0.00%" in printed
    assert run_driver(path, monkeypatch) == 0
    assert len(read_starts(runs)) == 4, "the calibration is not repeated"


def test_the_noise_floor_is_the_relative_difference_of_two_equal_runs(write_suite: WriteSuite) -> None:
    plan = expand(timing_suite(write_suite))
    pair = calibration_runs(plan.suite, plan.runs[0])
    assert record_noise_floor(plan.suite, pair, 0.3) is None
    assert relative_difference(99.0, 101.0) == pytest.approx(0.02)
    for run, seconds in zip(pair, (100.0, 110.0), strict=True):
        assert run.spec.model_copy(update={"experiment": "trial"}) == plan.runs[0].spec
        run.path.mkdir(parents=True)
        result: dict[str, Any] = {"status": "finished", "seconds": {"train": seconds, "total": 2 * seconds}}
        result |= {"images_per_second": None, "machine": {"device": "cpu"}, "spec": run.spec.model_dump(mode="json")}
        (run.path / "result.json").write_text(json.dumps(result))
    floor = record_noise_floor(plan.suite, pair, 0.3)
    assert floor is not None
    assert floor["relative_difference"] == {
        name: pytest.approx(10 / 105) for name in ("seconds.train", "seconds.total")
    }
    assert (floor["machine"], floor["load"]) == ({"device": "cpu"}, 0.3)


def test_the_noise_floor_lies_where_tables_look_for_it(
    write_suite: WriteSuite, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = write_suite(models=["resnet_20.yaml"], timing=True, workers=None, experiment="elsewhere")
    (run,) = expand(path).runs
    assert run_driver(path, monkeypatch) == 0
    (line,) = noise_floors([read_run(run.path)])
    assert "elsewhere" in line.english()
    assert run_driver(path, monkeypatch) == 0


def test_a_suite_for_timing_is_trained_by_one_sweep(
    write_suite: WriteSuite, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    path = timing_suite(write_suite)
    held = RunLock(expand(path).suite.folder / "timing.lock")
    assert held.acquire()
    assert run_driver(path, monkeypatch) == 2
    assert "another sweep is training this suite" in capsys.readouterr().err
    held.release()
