"""Distillation as a run has it: what the teacher computes, which runs may teach, and the recipe's identity."""

import json
import re
import shutil
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file

from bench import train
from bench.analysis.ablations import ABLATIONS, load_ablation
from bench.analysis.run_groups import group_runs
from bench.config import YAMLS, load_spec
from bench.data.datasets import Dataset, load_dataset
from bench.engines.teacher import Teacher, check_teacher, load_network
from bench.evaluate.trained import load_trained, predict
from bench.records import RESULT, WEIGHTS, read_run, read_runs, run_directory
from bench.spec import RunSpec, recipe_hash
from bench.util.cli import BAD_INPUT, OK, run_command
from bench.util.errors import BadInput
from bench.util.untrusted import read_json
from bench.zoo.build import build_model
from tests.fake_runs import write_fake_run
from tests.refusals import refused
from tests.resume.runs import compose
from tests.teachers import write_teacher
from tests.training import train_here

SMALL = ["batch_size=32", "max_duration=2ba", "wandb.enabled=false", "threads=1", "eval_batch_size=128"]
KEY = "algorithms.distillation.teacher"


@pytest.fixture(scope="module")
def dataset(small_data: Path) -> Dataset:
    return load_dataset("shapes100", small_data, "test")


def declare(teacher: Path | str, *overrides: str) -> RunSpec:
    """Return the spec of a small run that learns from a teacher."""
    return load_spec(YAMLS.parent / "tests" / "small.yaml", [*SMALL, f"{KEY}={teacher}", *overrides])


def test_the_teacher_is_the_network_of_its_file_and_learns_nothing(teacher: Path, dataset: Dataset) -> None:
    """In evaluation mode: its statistics stay, and an image's logits do not depend on the others of the batch."""
    before = torch.get_rng_state()
    network = load_network(declare(teacher), dataset, "cpu")
    assert torch.equal(torch.get_rng_state(), before), "the student is initialised as it is without a teacher"
    images = torch.randn(6, 3, 32, 32, generator=torch.Generator().manual_seed(1))
    logits = Teacher(network, "fp32")(images)
    reference = build_model("resnet_20", 100)
    reference.load_state_dict(load_file(teacher / WEIGHTS))
    with torch.no_grad():
        torch.testing.assert_close(logits, reference.eval()(images))
    torch.testing.assert_close(Teacher(network, "fp32")(images[:2]), logits[:2])
    assert not logits.requires_grad
    assert not any(parameter.requires_grad for parameter in network.parameters())
    assert all(
        torch.equal(value, load_file(teacher / WEIGHTS)[name])
        for name, value in network.get_submodule("module").state_dict().items()
    )


def test_the_identity_holds_the_weights_and_not_their_path(teacher: Path, tmp_path: Path) -> None:
    moved = shutil.copytree(teacher, tmp_path / "moved")
    other = write_teacher(tmp_path, seed=1)
    assert recipe_hash(declare(teacher)) == recipe_hash(declare(moved))
    assert recipe_hash(declare(teacher)) != recipe_hash(declare(other))
    settings = declare(moved).algorithms["distillation"]
    assert settings["teacher"]["path"] == str(moved)
    assert settings["teacher"]["network"] == "resnet_20"
    pinned = f"{{path: {moved}, sha256: {settings['teacher']['sha256']}}}"
    assert declare(pinned) == declare(moved)


def test_a_recorded_teacher_must_have_the_weights_it_had(teacher: Path, tmp_path: Path, dataset: Dataset) -> None:
    """A run goes on by its resolved spec or by its YAML: with other weights the one is refused, the other a new run."""
    moved = shutil.copytree(teacher, tmp_path / "moved")
    spec = declare(moved)
    weights = load_file(moved / WEIGHTS)
    save_file({name: value + 1 for name, value in weights.items()}, moved / WEIGHTS)
    with refused([KEY, "has changed since"]):
        load_network(spec, dataset, "cpu")
    recorded = json.dumps(spec.algorithms["distillation"]["teacher"])
    with refused([KEY, "sha256 is", "declared is"]):
        declare(recorded)
    shutil.rmtree(moved)
    assert declare(recorded) == spec, "a record is read where its teacher is not"
    with refused([KEY, "is no run's folder"]):
        check_teacher(declare(recorded), dataset)
    write_teacher(tmp_path, seed=1).rename(moved)
    assert run_directory(declare(moved)) != run_directory(spec)


def unfinished(teacher: Path) -> None:
    (teacher / RESULT).unlink()


def without_weights(teacher: Path) -> None:
    (teacher / WEIGHTS).unlink()


def no_run(teacher: Path) -> None:
    shutil.rmtree(teacher)


@pytest.mark.parametrize(
    ("spoil", "words"),
    [(unfinished, "has not finished"), (without_weights, f"has left no {WEIGHTS}"), (no_run, "is no run's folder")],
)
def test_a_path_without_a_trained_network_is_refused(
    spoil: Any, words: str, teacher: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    moved, runs = shutil.copytree(teacher, tmp_path / "moved"), tmp_path / "runs"
    spoil(moved)
    arguments = ["-f", "tests/small.yaml", *SMALL, f"{KEY}={moved}", f"runs={runs}"]
    assert run_command(train.main, arguments) == BAD_INPUT
    said = capsys.readouterr().err
    assert f"key '{KEY}': " in said
    assert str(moved) in said
    assert words in said
    assert not runs.exists()


def other_classes(teacher: Path, result: dict[str, Any]) -> None:
    result["data"]["classes"] = 10


def other_data(teacher: Path, result: dict[str, Any]) -> None:
    result["data"]["name"] = "cifar100"


def other_shapes(teacher: Path, result: dict[str, Any]) -> None:
    save_file(build_model("resnet_20", 10).state_dict(), teacher / WEIGHTS)


def not_safetensors(teacher: Path, result: dict[str, Any]) -> None:
    torch.save(build_model("resnet_20", 100).state_dict(), teacher / WEIGHTS)


@pytest.mark.parametrize(
    ("spoil", "words"),
    [
        (other_classes, "tells 10 classes apart, shapes100 has 100"),
        (other_data, "was trained on cifar100, the run trains on shapes100"),
        (other_shapes, "weights do not fit the network"),
        (not_safetensors, "a safetensors file is expected, this is a pickle"),
    ],
)
def test_a_teacher_that_does_not_fit_is_refused(
    spoil: Any, words: str, teacher: Path, tmp_path: Path, dataset: Dataset
) -> None:
    moved = shutil.copytree(teacher, tmp_path / "moved")
    result = read_json(moved / RESULT)
    spoil(moved, result)
    (moved / RESULT).write_text(json.dumps(result))
    with pytest.raises(BadInput, match=re.escape(words)):
        check_teacher(declare(moved), dataset)


def test_a_teacher_that_has_seen_the_held_out_images_is_refused(teacher: Path, small_data: Path) -> None:
    with refused([KEY, "data.split=tuning"]):
        check_teacher(declare(teacher, "data.split=tuning"), load_dataset("shapes100", small_data, "tuning"))


def test_two_processes_learn_from_one_teacher(teacher: Path, bench_data: Path, tmp_path: Path) -> None:
    """All 211 images are evaluated, and both processes' passes of the teacher are counted, after a resume too."""
    words = ["-f", "tests/small.yaml", *SMALL, f"{KEY}={teacher}", f"runs={tmp_path}", "precision=fp32"]
    process = compose("bench/train.py", words, bench_data)
    output, _ = process.communicate(timeout=200)
    assert process.returncode == OK, output
    (record,) = read_runs(tmp_path)
    assert record.result is not None
    assert record.result["evaluated_samples"] == 211
    assert record.result["training"]["flops"] == 2 * (3 + 1) * 2 * 32 * record.result["model"]["macs"]


def test_the_ablation_names_the_runs_that_its_comment_trains() -> None:
    """And each of its arms is recognised in records, whichever weights of the declared network taught it."""
    path = ABLATIONS / "distillation.yaml"
    text = path.read_text()
    commands = re.findall(r"bench/train\.py -f (yamls/\S+\.yaml)((?: \S+=\S+)*)$", text, re.M)
    runs = [run_directory(load_spec(file, words.split())) for file, words in commands]
    assert [str(run.relative_to(Path.cwd())) for run in runs] == re.findall(r"path: (\S+),", text)


def test_arms_are_recognised_by_the_teachers_network(tmp_path: Path) -> None:
    ablation = load_ablation(ABLATIONS / "distillation.yaml")
    assert "algorithms" in ablation.ablated
    base = load_spec(ABLATIONS / "distillation.yaml", arm="alone").model_dump(mode="json")
    for seed, digit in ((0, "1"), (1, "2")):
        teacher = {"path": "anywhere", "network": "speed_75", "sha256": digit * 64}
        taught = {"distillation": {"teacher": teacher, "temperature": 4.0, "alpha": 0.9}}
        changes = {key: base[key] for key in ("optimizer", "schedule", "augmentation", "batch_size", "max_duration")}
        write_fake_run(tmp_path, "resnet_20", seed, **changes, algorithms={**base["algorithms"], **taught})
    groups, _ = group_runs(read_runs(tmp_path))
    assert len(groups) == 2, "another teacher's weights are another recipe"
    by_name = {arm.name: arm for arm in ablation.arms}
    assert all(ablation.matches(by_name["by_speed_75"], group) for group in groups)
    assert not any(ablation.matches(by_name[name], group) for group in groups for name in ("alone", "by_resnet_56"))
    assert groups[0].recipe_fields["teacher"] == "11111111"
    assert "teacher=speed_75" in groups[0].recipe_fields["algorithms"]


def test_a_distilled_run_is_read_without_its_teacher(tmp_path: Path, small_data: Path, dataset: Dataset) -> None:
    """Its network is built and evaluated again on a machine that never had the teacher."""
    teacher = write_teacher(tmp_path / "teacher")
    path = train_here(declare(teacher, f"runs={tmp_path}", "data.name=shapes100"), dataset)
    shutil.rmtree(teacher)
    result = read_run(path).result
    assert result is not None
    trained = load_trained(path, data_root=small_data)
    assert predict(trained).accuracy["loss"] == result["loss"]
