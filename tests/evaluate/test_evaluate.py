"""A run's network is evaluated again as it was: to the digit, whatever it was trained with; or it is said why not."""

import json
import shutil
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch

from algorithms.convolution_products import SmallMapConv2d
from algorithms.registry import ALGORITHMS
from bench.data.datasets import Dataset, load_dataset
from bench.engines import kernels
from bench.engines.checkpoints import list_checkpoints, read_checkpoint, write_checkpoint
from bench.evaluate import __main__ as command
from bench.evaluate import registry
from bench.evaluate.registry import EVALUATORS, Evaluator
from bench.evaluate.trained import load_trained, predict
from bench.records import CHECKPOINTS, read_run
from bench.util.cli import BAD_INPUT, OK, run_command
from tests.conftest import Launch
from tests.engines.anew import CLASSES, evaluate_anew, write_easy
from tests.evaluate.conftest import Train
from tests.teachers import least_settings, write_teacher

# What an algorithm needs to act within two epochs of four steps.
SETTINGS = {
    "ema": "{half_life: 2ba}",
    "swa": "{swa_start: 0.1dur, update_interval: 1ba}",
    "ghost_batchnorm": "{ghost_batch_size: 8}",
}


@pytest.fixture(scope="module")
def easy_teacher(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_teacher(tmp_path_factory.mktemp("teacher"), "easy", CLASSES)


def accuracy_of(path: Path, **options: Any) -> dict[str, Any]:
    """Return what evaluating a run gives."""
    return dict(predict(load_trained(path, **options)).accuracy)


def headline_of(path: Path) -> dict[str, Any]:
    """Return the run's recorded result under the names of an evaluation."""
    result = read_run(path).result
    assert result is not None
    return {**{name: result[name] for name in ("top1", "top5", "loss")}, "samples": result["evaluated_samples"]}


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("name", ALGORITHMS)
def test_with_every_algorithm_the_headline_comes_out_to_the_digit(name: str, train: Train, easy_teacher: Path) -> None:
    settings = SETTINGS.get(name) or json.dumps(least_settings(name, easy_teacher))
    path = train(f"algorithms.{name}={settings}")
    assert accuracy_of(path) == headline_of(path)


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize(
    "changes",
    [
        ["precision=amp_bf16"],
        ["precision=amp_bf16", "model.name=improved_resnet20_convnext"],
        ["algorithms.ema={half_life: 1ba, ema_start: 1.0dur}"],
        ["algorithms.ema={half_life: 1ep}", "algorithms.channels_last={}", "precision=amp_bf16"],
        ["max_duration=6ba", "eval_interval=3ba"],
        ["eval_batch_size=7"],
    ],
    ids=" ".join,
)
def test_the_headline_comes_out_to_the_digit(changes: list[str], train: Train) -> None:
    path = train(*changes)
    assert accuracy_of(path) == headline_of(path)


def test_a_run_whose_small_maps_are_products_is_evaluated_by_products(
    train: Train, monkeypatch: pytest.MonkeyPatch
) -> None:
    every = ["forward", "input", "filters"]
    monkeypatch.setattr(kernels, "choose_passes", lambda *settings: {str(case): every for case in settings[-1]})
    path = train("model.name=speed_75", "algorithms.channels_last={}")
    trained = load_trained(path)
    assert sum(type(module) is SmallMapConv2d for module in trained.network.modules()) > 1
    assert dict(predict(trained).accuracy) == headline_of(path)


def test_it_is_what_torch_and_torchvision_alone_compute(finished: Path, easy: Dataset) -> None:
    anew, ours = evaluate_anew(finished, easy), accuracy_of(finished)
    assert ours["loss"] == pytest.approx(anew["loss"], rel=1e-5)
    assert ours["top1"] == pytest.approx(anew["top1"])


def test_a_run_that_held_images_out_is_evaluated_on_them(train: Train, easy_root: Path) -> None:
    held = load_dataset("easy", easy_root, "tuning")
    path = train("data.split=tuning", dataset=held)
    assert accuracy_of(path) == headline_of(path)
    assert accuracy_of(path, split="test")["samples"] == 40
    assert accuracy_of(path, split="train")["samples"] == len(held.train)


def test_training_images_and_other_moments(finished: Path) -> None:
    first, last = sorted(list_checkpoints(finished / CHECKPOINTS))[:: len(list_checkpoints(finished / CHECKPOINTS)) - 1]
    assert accuracy_of(finished, checkpoint=last) == headline_of(finished)
    row = next(row for row in read_run(finished).epochs if row["batch"] == 4)
    earlier = accuracy_of(finished, checkpoint=first)
    assert (earlier["top1"], earlier["loss"]) == (row["eval_top1"], row["eval_loss"])
    assert accuracy_of(finished, split="train")["samples"] == 64


def test_predictions_are_in_the_order_of_the_images(finished: Path, easy: Dataset) -> None:
    predictions = predict(load_trained(finished))
    assert predictions.labels.tolist() == easy.evaluation.labels.tolist()
    top1 = (predictions.logits.argmax(dim=1) == predictions.labels).double().mean()
    assert 100 * float(top1) == pytest.approx(predictions.accuracy["top1"])


@pytest.mark.slow
def test_what_several_processes_evaluated_comes_out_to_the_digit(
    launch: Launch, small_data: Path, tmp_path: Path
) -> None:
    words = ["batch_size=60", "eval_batch_size=64", "max_duration=3ba", "schedule.warmup=0ep", f"runs={tmp_path}"]
    done = launch(2, ["-f", "tests/small.yaml", *words, "wandb.enabled=false"])
    assert done.returncode == 0, done.stdout + done.stderr
    (path,) = tmp_path.glob("*/*/")
    assert read_run(path).result["machine"]["world_size"] == 2  # type: ignore[index]
    assert accuracy_of(path, data_root=small_data) == headline_of(path)


def test_the_command_prints_and_keeps_what_it_measures(
    finished: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "experiment" / finished.name
    shutil.copytree(finished, path)
    before = {item.name for item in path.iterdir()}
    assert run_command(command.main, [str(path), "--what", "per_class"]) == OK
    printed, headline = capsys.readouterr().out, headline_of(path)
    assert f"top-1 {headline['top1']:.2f} %" in printed
    assert f"loss {headline['loss']:.6f}, 40 images" in printed
    assert "the same as the run recorded, to the last digit" in printed
    assert {item.name for item in path.iterdir()} == before | {"evaluation"}
    kept = json.loads((path / "evaluation" / "accuracy.json").read_text())
    assert {name: kept[name] for name in headline} == headline
    assert (kept["run"], kept["data"], kept["split"]) == (f"experiment/{path.name}", "easy", "test")
    assert kept["checkpoint"]["step"] == 8
    digest = (path / CHECKPOINTS / f"{kept['checkpoint']['file']}.sha256").read_text().split()[0]
    assert kept["checkpoint"]["sha256"] == digest
    classes = json.loads((path / "evaluation" / "per_class.json").read_text())["classes"]
    assert [row["class"] for row in classes] == [f"class {number}" for number in range(10)]
    assert sum(row["images"] * row["top1"] for row in classes) / 40 == pytest.approx(headline["top1"])


def test_other_images_and_weights_do_not_replace_the_headlines_file(finished: Path, tmp_path: Path) -> None:
    path = tmp_path / finished.name
    shutil.copytree(finished, path)
    first = min(list_checkpoints(path / CHECKPOINTS))
    for words in ([], ["--split", "train"], ["--checkpoint", str(first)]):
        assert run_command(command.main, [str(path), *words]) == OK
    last = max(list_checkpoints(path / CHECKPOINTS)).stem
    names = {"accuracy", f"accuracy-{last}-train", f"accuracy-{first.stem}-test"}
    assert {item.stem for item in (path / "evaluation").iterdir()} == names


def test_a_difference_from_the_record_is_said(
    finished: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / finished.name
    shutil.copytree(finished, path)
    result = json.loads((path / "result.json").read_text())
    (path / "result.json").write_text(json.dumps({**result, "loss": 1.5}))
    assert run_command(command.main, [str(path)]) == OK
    printed = capsys.readouterr().out
    assert "loss 1.500000" in printed
    assert "to the last digit" not in printed


def test_an_evaluator_is_added_in_one_place(
    finished: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    toy = SimpleNamespace(
        measure=lambda trained, predictions: {"mean": float(predictions.logits.mean())},
        show=lambda measured: [f"mean logit {measured['mean']:.3f}"],
    )
    monkeypatch.setattr(registry, "import_module", lambda name: toy)
    monkeypatch.setitem(EVALUATORS, "mean_logit", Evaluator("mean of all logits", "toy"))
    path = tmp_path / finished.name
    shutil.copytree(finished, path)
    assert run_command(command.main, [str(path), "--what", "mean_logit"]) == OK
    assert "mean logit" in capsys.readouterr().out


def unfinished(run: Path) -> None:
    """Take a run's result away."""
    (run / "result.json").unlink()


def failed(run: Path) -> None:
    """Make a run one that failed."""
    unfinished(run)
    (run / "failed.json").write_text('{"status": "failed", "reason": "the loss became nan", "step": 3}')


def without_checkpoints(run: Path) -> None:
    """Take a run's checkpoints away, as records are committed."""
    shutil.rmtree(run / CHECKPOINTS)


def with_a_damaged_end(run: Path) -> None:
    """Change a byte of the final weights."""
    path = max(list_checkpoints(run / CHECKPOINTS))
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(data)


def of_another_version(run: Path) -> None:
    """Let the record hold a setting that no version has."""
    result = json.loads((run / "result.json").read_text())
    (run / "result.json").write_text(json.dumps({**result, "spec": {**result["spec"], "boldness": 3}}))


def nothing(run: Path) -> None:
    """Leave a run as it is."""


REFUSED: dict[str, tuple[Any, list[str], list[str]]] = {
    "unfinished": (unfinished, [], ["has not finished", "--checkpoint"]),
    "failed": (failed, [], ["this run failed", "--checkpoint"]),
    "no checkpoints": (without_checkpoints, [], ["no checkpoint of the final weights", "reports/runs"]),
    "damaged": (with_a_damaged_end, [], ["does not match its checksum", "it is not of the run's end"]),
    "another version": (of_another_version, [], ["recorded by another version", "boldness"]),
    "no such checkpoint": (nothing, ["--checkpoint", "none.pt"], ["--checkpoint none.pt: there is no such file"]),
    "no such data": (nothing, ["--data-root", "{tmp}/empty"], ["easy"]),
    "fewer images": (nothing, ["--data-root", "{tmp}/fewer"], ["eval_samples is 30, the run recorded 40"]),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_cannot_be_evaluated_is_refused_in_words(
    name: str, finished: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    change, words, said = REFUSED[name]
    path = tmp_path / "runs" / finished.name
    shutil.copytree(finished, path)
    change(path)
    write_easy(tmp_path / "fewer" / "easy", train=64, test=30)
    assert run_command(command.main, [str(path), *(word.format(tmp=tmp_path) for word in words)]) == BAD_INPUT
    message = capsys.readouterr().err
    for part in said:
        assert part in message
    assert not (path / "evaluation").exists()


def test_a_folder_that_is_no_run_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run_command(command.main, [str(tmp_path)]) == BAD_INPUT
    assert "is no run's folder" in capsys.readouterr().err


def test_an_unfinished_run_is_evaluated_at_a_checkpoint(finished: Path, tmp_path: Path) -> None:
    path = tmp_path / finished.name
    shutil.copytree(finished, path)
    unfinished(path)
    assert accuracy_of(path, checkpoint=max(list_checkpoints(path / CHECKPOINTS))) == headline_of(finished)


@pytest.mark.parametrize(("key", "value"), [("recipe", "00000000"), ("seed", 9)])
def test_another_runs_checkpoint_is_refused(
    key: str, value: Any, finished: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    content = read_checkpoint(max(list_checkpoints(finished / CHECKPOINTS)))
    foreign = write_checkpoint(tmp_path / "other", "ep000002-ba0000000008.pt", {**content, key: value})
    assert run_command(command.main, [str(finished), "--checkpoint", str(foreign)]) == BAD_INPUT
    assert f"it is of another run ({'recipe 00000000' if key == 'recipe' else 'recipe'}" in capsys.readouterr().err


def test_another_networks_weights_are_refused(
    finished: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    content = read_checkpoint(max(list_checkpoints(finished / CHECKPOINTS)))
    first, *rest = content["model"]
    changes = {
        f"'{first}' is 1×3×3×3 float32, in the network 16×3×3×3 float32": {first: content["model"][first][:1]},
        f"'{rest[-1]}' is missing": {rest[-1]: None},
        "'module.more' is none of the network's": {"module.more": torch.zeros(3)},
        f"'{first}' is 16×3×3×3 float16, in the network": {first: content["model"][first].half()},
    }
    for said, change in changes.items():
        weights = {name: value for name, value in {**content["model"], **change}.items() if value is not None}
        foreign = write_checkpoint(tmp_path / "other", "ep000002-ba0000000008.pt", {**content, "model": weights})
        assert run_command(command.main, [str(finished), "--checkpoint", str(foreign)]) == BAD_INPUT
        message = capsys.readouterr().err
        assert said in message
        assert "its weights do not fit this network, for the 10 classes of easy" in message


def test_evaluating_changes_no_random_state_that_matters(finished: Path) -> None:
    """Twice in one process, with other numbers drawn between: the same logits to the bit."""
    one = predict(load_trained(finished)).logits
    torch.rand(7)
    np.random.default_rng(3).random(5)
    assert torch.equal(one, predict(load_trained(finished)).logits)
