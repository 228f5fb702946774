"""Fine-tuning: a run starts from trained weights, all of them but a head for other classes, or is refused."""

import os
import pickle
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import timm
import torch
from safetensors.torch import load_file, save_file

from bench import train
from bench.analysis.cells import Phrase
from bench.analysis.run_groups import group_runs
from bench.config import YAMLS, load_spec
from bench.data.datasets import Dataset, load_dataset
from bench.engines.starting import head_names, start
from bench.records import WEIGHTS, read_run, read_runs
from bench.spec import ModelSection, RunSpec, recipe_hash
from bench.tables.comparison import comparison
from bench.tables.measures import Options
from bench.util.cli import BAD_INPUT, OK, run_command
from bench.util.errors import BadInput
from bench.zoo.build import build_declared, build_model
from tests.conftest import REPOSITORY
from tests.engines.anew import CLASSES
from tests.fake_runs import write_fake_run

SMALL = ["batch_size=16", "max_duration=2ba", "wandb.enabled=false", "threads=1", "eval_batch_size=100"]


@pytest.fixture(scope="module")
def dataset(small_data: Path) -> Dataset:
    return load_dataset("shapes100", small_data, "test")


STEM = "stem.0.weight"


def declare(weights: Path | str, *overrides: str) -> RunSpec:
    """Return the spec of a small run that starts from weights."""
    return load_spec(YAMLS.parent / "tests" / "small.yaml", [*SMALL, f"model.weights={weights}", *overrides])


def started(spec: RunSpec, dataset: Dataset) -> tuple[torch.nn.Module, list[str]]:
    """Return the network that a run begins with, and what is said of it."""
    torch.manual_seed(7)
    network, said = build_declared(spec.model, dataset), list[str]()
    start(spec, dataset, network, said.append)
    return network, said


def test_all_weights_are_taken_where_the_classes_are_the_same(teacher: Path, dataset: Dataset) -> None:
    network, said = started(declare(teacher), dataset)
    wanted = load_file(teacher / WEIGHTS)
    assert all(torch.equal(value, wanted[name]) for name, value in network.state_dict().items())
    assert said == [f"starting from {teacher / WEIGHTS}: {len(wanted)} of {len(wanted)} weights and statistics"]


def test_a_head_for_other_classes_is_new_and_said_to_be(teacher: Path, easy: Dataset) -> None:
    network, said = started(declare(teacher, f"data.name={easy.name}"), easy)
    wanted, found = load_file(teacher / WEIGHTS), network.state_dict()
    head = head_names(ModelSection(name="resnet_20"), easy)
    torch.manual_seed(7)
    fresh = build_model("resnet_20", CLASSES).state_dict()
    assert {name for name in found if not torch.equal(found[name], wanted.get(name, torch.empty(0)))} >= head
    assert all(torch.equal(found[name], (fresh if name in head else wanted)[name]) for name in found)
    assert "the head is new, for other classes" in said[0]
    assert all(name in said[0] for name in head)


@pytest.mark.parametrize("name", ["resnet_20", "convnext_tiny", "mlp_mixer_tiny", "speed_75", "vit_tiny_cifar"])
def test_the_head_is_what_reads_out_the_classes(name: str, easy: Dataset) -> None:
    """One linear layer, and it is the last module with weights of its own."""
    with torch.device("meta"):
        head = head_names(ModelSection(name=name), easy)
        network = build_model(name, CLASSES)
    (module,) = {entry.rpartition(".")[0] for entry in head}
    last = [path for path, part in network.named_modules() if list(part.parameters(recurse=False))][-1]
    assert module == last
    assert {entry for entry in network.state_dict() if entry.startswith(f"{module}.")} == head


def renamed(weights: dict[str, Any]) -> dict[str, Any]:
    rest = {name: value for name, value in weights.items() if name != STEM}
    return {f"backbone.{STEM}": weights[STEM], **rest}


def wider(weights: dict[str, Any]) -> dict[str, Any]:
    return {**weights, STEM: torch.cat([weights[STEM], weights[STEM]])}


def without_head(weights: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in weights.items() if not name.startswith("head.")}


@pytest.mark.parametrize(
    ("spoil", "words"),
    [
        (renamed, [f"1 missing: {STEM}", f"1 unexpected: backbone.{STEM}"]),
        (wider, [f"1 of another shape: {STEM} (32×3×3×3, the network has 16×3×3×3)"]),
        (without_head, ["2 missing: head.bias, head.weight"]),
    ],
)
def test_weights_that_do_not_fit_are_refused_with_their_names(
    spoil: Any, words: list[str], teacher: Path, tmp_path: Path, dataset: Dataset
) -> None:
    path = tmp_path / "other.safetensors"
    weights = load_file(teacher / WEIGHTS)
    save_file(spoil(weights), path)
    with pytest.raises(BadInput) as error:
        started(declare(path), dataset)
    assert [word for word in ["key 'model.weights'", str(path), *words] if word not in str(error.value)] == []


def test_timms_own_file_starts_its_network(tmp_path: Path, easy: Dataset) -> None:
    """As timm saves one of 1,000 classes: everything but the head is timm's."""
    torch.manual_seed(3)
    theirs = timm.create_model("ghostnet_100", num_classes=1000)
    path = tmp_path / "model.safetensors"
    save_file(theirs.state_dict(), path)
    network, said = started(declare(path, "model.name=ghostnet_100"), easy)
    wanted = theirs.state_dict()
    differs = {name for name, value in network.state_dict().items() if not torch.equal(value, wanted[name])}
    assert differs == {"classifier.weight", "classifier.bias"}
    assert "the head is new" in said[0]


class Bomb:
    """An object that leaves a trace when it is unpickled."""

    def __init__(self, trace: Path) -> None:
        self.trace = trace

    def __reduce__(self) -> Any:
        return os.mkdir, (str(self.trace),)


@pytest.mark.parametrize("kind", ["pickle", "torch", "text", "cut short", "empty"])
def test_what_is_no_safetensors_file_is_refused_and_nothing_runs(
    kind: str, teacher: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path, trace, runs = tmp_path / "model.safetensors", tmp_path / "trace", tmp_path / "runs"
    if kind == "torch":
        torch.save({"weight": Bomb(trace)}, path)
    else:
        whole = (teacher / WEIGHTS).read_bytes()
        data = {"pickle": pickle.dumps(Bomb(trace)), "text": b"hello", "cut short": whole[:5000], "empty": b""}
        path.write_bytes(data[kind])
    words = ["-f", "tests/small.yaml", *SMALL, f"model.weights={path}", f"runs={runs}"]
    assert run_command(train.main, words) == BAD_INPUT
    said = capsys.readouterr().err
    assert "key 'model.weights'" in said
    assert str(path) in said
    assert ("a pickle, which could run code and is never loaded" in said) == (kind in ("pickle", "torch"))
    assert not trace.exists()
    assert not runs.exists()


def test_a_path_that_is_not_there_is_refused(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match=re.escape(f"{tmp_path / 'no'}: there is neither a run's folder nor a file")):
        declare(tmp_path / "no")


def test_an_algorithm_that_would_replace_the_weights_is_refused(teacher: Path, dataset: Dataset) -> None:
    with pytest.raises(BadInput, match=r"algorithms\.dirac_initialisation=null"):
        started(declare(teacher, "algorithms.dirac_initialisation={}"), dataset)


def test_the_identity_holds_the_digest_and_only_where_there_are_weights(teacher: Path, tmp_path: Path) -> None:
    copy = tmp_path / "copy.safetensors"
    copy.write_bytes((teacher / WEIGHTS).read_bytes())
    usual = load_spec(YAMLS.parent / "tests" / "small.yaml", SMALL)
    folder, file = declare(teacher), declare(teacher / WEIGHTS)
    assert recipe_hash(file) == recipe_hash(declare(copy))
    assert recipe_hash(folder) != recipe_hash(usual)
    assert folder.model.weights is not None
    assert folder.model.weights.network == "resnet_20"
    assert declare(f"{{path: {teacher}, sha256: {folder.model.weights.sha256}}}") == folder
    with pytest.raises(BadInput, match="its network is resnet_20, declared is resnet_56"):
        declare(f"{{path: {teacher}, network: resnet_56}}")


def test_a_head_of_100_classes_is_fine_tuned_to_10(teacher: Path, easy_root: Path, tmp_path: Path) -> None:
    """As a user does it, in a process of its own; the record says where it started."""
    words = ["-f", "tests/small.yaml", *SMALL, "data.name=easy", f"model.weights={teacher}", f"runs={tmp_path}"]
    command = [sys.executable, "bench/train.py", *words]
    environment = {**os.environ, "BENCH_DATA": str(easy_root)}
    done = subprocess.run(command, cwd=REPOSITORY, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == OK, done.stderr
    assert "the head is new, for other classes" in done.stdout
    (record,) = read_runs(tmp_path)
    assert record.spec["model"]["weights"]["path"] == str(teacher)
    assert record.result is not None
    assert record.result["data"]["classes"] == CLASSES
    assert load_file(record.path / WEIGHTS).keys() == load_file(teacher / WEIGHTS).keys()
    assert read_run(record.path).result == record.result


@pytest.mark.parametrize("mixed", [False, True])
def test_tables_mark_fine_tuned_rows_and_never_rank_them_with_the_others(mixed: bool, tmp_path: Path) -> None:
    weights = {"path": "anywhere", "network": "resnet_56", "sha256": "a" * 64}
    for model in ("resnet_20", "resnet_32"):
        write_fake_run(tmp_path, model)
    write_fake_run(tmp_path, "resnet_56", model={"name": "resnet_56", "weights": weights})
    run_groups, _ = group_runs(read_runs(tmp_path))
    table = comparison(run_groups, Options(allow_mixed=mixed))
    (scratch, tuned) = table.blocks
    assert [row.cells["rank"].value for row in scratch.rows] == [1, 2]
    assert [row.cells["rank"].value for row in tuned.rows] == [1]
    assert isinstance(tuned.heading, Phrase)
    assert "start: from trained weights" in tuned.heading.english()
    assert scratch.heading is None or "start" not in scratch.heading.english()
    assert any("weights: resnet_56 aaaaaaaa" in note.english() for note in tuned.rows[0].notes)
