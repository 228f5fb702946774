"""What a suite is said to cost before it is trained: FLOPs, time, how many runs at a time, and the plan as printed."""

import json
from collections.abc import Sequence
from pathlib import Path

import pytest

from bench.config import YAMLS, load_spec
from bench.sweep.__main__ import main
from bench.sweep.backends.machine import Machine, Slot
from bench.sweep.timing import throughput as f
from bench.sweep.timing.estimate import Work, choose_workers, suite_seconds, tasks_of, work_of, works_of
from bench.sweep.timing.probe import Speed, Task, make_task, measure, measure_together
from bench.sweep.timing.throughput import Figures, measure_missing, read_figures
from bench.sweep.train import build_parser
from bench.util.cli import run_command
from bench.util.errors import BadInput
from bench.zoo.counting.golden import read_golden
from tests.sweep.conftest import WriteSuite, expand

pytestmark = pytest.mark.usefixtures("small")
TWO = Machine((0, 1))
MACS = read_golden()["resnet_20"].macs


def test_the_work_of_a_run_is_counted() -> None:
    """10 epochs of CIFAR-100 in batches of 128 are 3900 batches; each epoch ends with 10,000 evaluated images."""
    work = work_of(load_spec(YAMLS / "resnet_20.yaml", ["base=recipes/light_10ep.yaml"]), MACS)
    assert (work.samples, work.evaluated) == (3900 * 128, 100_000)
    assert work.flops == 3 * 2 * MACS * 3900 * 128
    assert work.time(1000.0) == pytest.approx((3900 * 128 + 100_000 / 3) / 1000 + 30)
    assert work.time(None) is None


def test_an_interval_that_leaves_the_end_out_still_evaluates_there() -> None:
    spec = load_spec(YAMLS / "resnet_20.yaml", ["base=recipes/light_10ep.yaml", "eval_interval=4ep"])
    assert work_of(spec, MACS).evaluated == 3 * 10_000
    short = load_spec(YAMLS / "resnet_20.yaml", ["base=recipes/light_10ep.yaml", "max_duration=5ba"])
    assert work_of(short, MACS).evaluated == 10_000


def test_a_run_of_given_seconds_takes_them_at_any_speed() -> None:
    spec = load_spec(
        YAMLS / "resnet_20.yaml", ["base=recipes/light_10ep.yaml", "max_duration=60sec", "schedule.warmup=0ep"]
    )
    work = work_of(spec, MACS)
    assert (work.flops, work.time(None)) == (None, 90.0)


def make(model: str, batch: int = 128) -> Task:
    """Return the task of training a model on CIFAR-100's images."""
    return Task(model, None, {}, batch, image=(3, 32, 32), classes=100)


def record(rate: float, load: float = 0.0) -> dict[str, object]:
    return {
        "images_per_second": rate,
        "on_a_free_machine": 2 * rate,
        "measured_at": "2026-01-02T03:04:05",
        "load": load,
    }


@pytest.mark.parametrize(("alone", "together", "expected"), [(1000, 700, 2), (1000, 450, 1), (1000, 499, 2)])
def test_the_number_of_runs_at_a_time_is_the_faster_one(alone: float, together: float, expected: int) -> None:
    """Two runs at once win with 499 against 1000 images/s: their start-ups overlap, too."""
    task = make("resnet_20")
    works, tasks = {n: Work(10**6, 0, MACS) for n in "abcdef"}, dict.fromkeys("abcdef", task)
    figures = Figures({1: {task.key: record(alone)}, 2: {task.key: record(together)}})
    workers, why = choose_workers(works, tasks, figures, [1, 2])
    assert workers == expected
    assert why.startswith("measured: ")
    seconds, unknown = suite_seconds(works, tasks, figures, 2)
    assert not unknown
    assert seconds == pytest.approx(6 * (10**6 / together + 30) / 2)


def test_without_a_measurement_as_many_as_fit_are_trained_and_it_is_said() -> None:
    task = make("resnet_20")
    workers, why = choose_workers({"a": Work(1, 0, MACS)}, {"a": task}, Figures({1: {task.key: record(1)}}), [1, 2])
    assert (workers, "not every choice could be measured" in why) == (2, True)


class Meter:
    """Stand in for measuring: note what was asked, and answer 100 images/s a network."""

    def __init__(self) -> None:
        self.asked: list[tuple[int, tuple[str, ...]]] = []

    def __call__(self, tasks: Sequence[Task], slots: Sequence[Slot]) -> dict[str, Speed]:
        self.asked.append((len(slots), tuple(task.model for task in tasks)))
        return {task.key: Speed(100.0, 150.0) for task in tasks}


@pytest.fixture
def meter(monkeypatch: pytest.MonkeyPatch) -> Meter:
    found = Meter()
    monkeypatch.setattr(f, "measure_together", found)
    monkeypatch.setattr(f.os, "getloadavg", lambda: (1.5, 1.5, 1.5))
    return found


def test_figures_are_measured_once_and_kept(meter: Meter, tmp_path: Path) -> None:
    one, two = make("resnet_20"), make("resnet_32")
    measure_missing(tmp_path, TWO, [one, one], [1, 2], 1)
    assert meter.asked == [(1, ("resnet_20",)), (2, ("resnet_20",))]
    figures = measure_missing(tmp_path, TWO, [one, two], [2], 1)
    assert meter.asked[2:] == [(2, ("resnet_32",))]
    assert read_figures(tmp_path, TWO) == figures
    assert figures.rate(1, one) == 100.0
    assert figures.rate(1, one, free=True) == 150.0
    assert figures.load(1, [one]) == 1.5
    measure_missing(tmp_path, TWO, [one], [1], 1, anew=True)
    assert meter.asked[3:] == [(1, ("resnet_20",))]


def test_measuring_is_not_taken_for_other_work(meter: Meter, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(f.os, "getloadavg", lambda: (float(len(meter.asked)), 0.0, 0.0))
    task = make("resnet_20")
    figures = measure_missing(tmp_path, TWO, [task], [1, 2], 1)
    assert len(meter.asked) == 2
    assert [figures.load(count, [task]) for count in (1, 2)] == [0.0, 0.0]


def test_figures_of_another_machine_or_torch_do_not_count(
    meter: Meter, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    task = make("resnet_20")
    measure_missing(tmp_path, TWO, [task], [1], 1)
    assert read_figures(tmp_path, Machine((0, 1, 2))).rate(1, task) is None
    monkeypatch.setattr(f, "installed", lambda package: "9.9")
    assert read_figures(tmp_path, TWO).rate(1, task) is None


def test_a_damaged_machine_file_is_named(tmp_path: Path) -> None:
    (tmp_path / "machine.json").write_text(json.dumps({TWO.name: {"two": 3}}))
    with pytest.raises(BadInput, match=r"machine\.json"):
        read_figures(tmp_path, TWO)


def test_tasks_that_train_equally_fast_are_measured_once(write_suite: WriteSuite) -> None:
    plan = expand(write_suite(seeds=[0, 1, 2]))
    tasks = tasks_of(plan.runs, plan.suite, TWO)
    assert len(tasks) == 9
    assert len({task.key for task in tasks.values()}) == 3
    large = make_task(load_spec(YAMLS / "resnet_20.yaml"), 8, gpu=True)
    assert (large.batch, large.gpu) == (256, True)
    assert "augmentation" in large.key


def test_a_step_is_really_measured() -> None:
    speed = measure(make("resnet_20", batch=4), 0.01)
    assert 0 < speed.by_clock <= speed.alone


def test_slots_are_measured_side_by_side_and_what_fails_is_left_out() -> None:
    tasks = [make("resnet_20", batch=4), make("no_such_model")]
    speeds = measure_together(tasks, [Slot(0, (0,), (), 1)], 0.01)
    assert list(speeds) == [tasks[0].key]


def dry_run(path: Path, capsys: pytest.CaptureFixture[str], *words: str) -> str:
    assert run_command(main, ["-f", str(path), "--dry-run", *words]) == 0
    return capsys.readouterr().out


def test_the_dry_run_shows_runs_states_and_cost(
    meter: Meter, write_suite: WriteSuite, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    path = write_suite(overrides={"budget": "0.1 PFLOP", "data": {"name": "shapes100"}}, workers=1)
    plan = expand(path)
    (done,) = (run for run in plan.runs if run.spec.model.name == "resnet_32")
    done.path.mkdir(parents=True)
    result = {"status": "finished", "top1": 1.0, "seconds": {"train": 9}, "spec": done.spec.model_dump(mode="json")}
    (done.path / "result.json").write_text(json.dumps(result))
    printed = dry_run(path, capsys)
    lines = printed.splitlines()
    work = works_of(plan.runs)[plan.runs[0].name]
    assert work.samples is not None
    (first,) = (line for line in lines if line.startswith(plan.runs[0].label))
    assert f"{work.samples:,}" in first
    assert str(plan.runs[0].spec.max_duration) in first
    assert "waiting" in first
    assert "finished" in next(line for line in lines if line.startswith(done.label))
    # Each run buys 0.1 PFLOP less at most one batch of 2048 (0.0005 to 0.0009 PFLOP).
    assert "all runs: 3, 0.29" in printed
    assert "left to train: 2, 0.199" in printed
    assert "workers: 1 (the only choice)" in printed
    assert "measured 20" in printed
    assert "the machine was busy during the measurement (load average 1.5" in printed
    assert "such as Muon" in next(line for line in lines if "not included: " in line)
    assert not (tmp_path / "runs/trial" / plan.runs[0].label).exists(), "nothing is trained"


def test_the_dry_run_keeps_what_it_measures_and_says_so(
    meter: Meter, write_suite: WriteSuite, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    assert run_command(main, ["-f", str(write_suite(workers=1)), "--dry-run"]) == 0
    file = tmp_path / "runs" / "trial" / f.FILE
    assert f"kept in {file} …" in capsys.readouterr().err
    assert [path.name for path in file.parent.iterdir()] == [f.FILE]
    assert f.FILE in build_parser().format_help()


def test_the_dry_run_counts_the_calibration_of_a_suite_for_timing(
    meter: Meter, write_suite: WriteSuite, capsys: pytest.CaptureFixture[str]
) -> None:
    path = write_suite(models=["resnet_20.yaml"], timing=True, workers=None)
    (run,) = expand(path).runs
    printed = dry_run(path, capsys)
    names = [f"trial-aa1/{run.label}", f"trial-aa2/{run.label}", run.label]
    assert [line.split()[0] for line in printed.splitlines()[1:4]] == names
    assert "all runs: 3, " in printed
    assert "left to train: 3, " in printed


def test_the_dry_run_counts_what_failed_only_if_it_is_tried_again(
    meter: Meter, write_suite: WriteSuite, capsys: pytest.CaptureFixture[str]
) -> None:
    path = write_suite(workers=1)
    failed = expand(path).runs[0]
    failed.path.mkdir(parents=True)
    (failed.path / "failed.json").write_text(json.dumps({"reason": "the loss became nan", "step": 5}))
    assert "left to train: 2, " in dry_run(path, capsys)
    assert "left to train: 3, " in dry_run(path, capsys, "--retry-failed")


def test_the_dry_run_names_what_cannot_be_trained(
    meter: Meter, write_suite: WriteSuite, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    (tmp_path / "bad.yaml").write_text("base: recipes/light_10ep.yaml\nmodel: {name: resnet_21}\n")
    (tmp_path / "mine.yaml").write_text("base: resnet_20.yaml\ndata: {name: mine}\n")
    models = ["resnet_20.yaml", "resnet_20.yaml", "bad.yaml"]
    printed = dry_run(write_suite(models=models, workers=1), capsys)
    assert "cannot be trained: bad.yaml" in printed
    assert "duplicates in the suite, trained once: 1" in printed
    path = write_suite(models=["resnet_20.yaml", "mine.yaml"], workers=1, overrides={"max_duration": "2ba"})
    assert "data set 'mine'" in dry_run(path, capsys)


def test_bad_input_is_exit_code_two(write_suite: WriteSuite, capsys: pytest.CaptureFixture[str]) -> None:
    assert run_command(main, ["-f", str(write_suite()), "--dry-run", "workers=many"]) == 2
    assert "key 'workers': 'many'" in capsys.readouterr().err
    assert run_command(main, ["-f", str(write_suite()), "--dry-run", "data.name=shapes10"]) == 2
    assert "Did you mean 'shapes100'?" in capsys.readouterr().err
