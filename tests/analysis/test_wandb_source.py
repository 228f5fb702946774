"""Reading records from W&B's API, on a stand-in that answers as the API does (no network is used)."""

import json
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from bench.analysis.metrics import row_columns, wandb_name
from bench.analysis.sources import make_source
from bench.analysis.wandb_source import read_online, read_project
from bench.records import EPOCHS, FAILED, NOISE_FLOOR, RESULT, read_runs
from bench.tables.targets import first_times
from bench.util.errors import BadInput
from tests.fake_runs import write_fake_run

# What a summary of an older version lacks.
UNTOLD = ("run", "experiment", "recipe", "seed", "data", "machine", "spec")


class Nested:
    """A mapping of the API's own kind."""

    def __init__(self, content: dict[str, Any]) -> None:
        self.content = content

    def keys(self) -> Any:
        return self.content.keys()

    def __getitem__(self, key: str) -> Any:
        value = self.content[key]
        return Nested(value) if isinstance(value, dict) else value


def online_run(path: Path, state: str = "finished") -> SimpleNamespace:
    """Return what the API gives for a run that was logged from a run directory."""
    result = json.loads((path / RESULT).read_text())
    rows = read_runs(path.parent.parent)[0].epochs

    def scan_history() -> Iterator[dict[str, Any]]:
        yield {"_step": 0}
        for row in rows:
            yield {wandb_name(column): row[column] for column in row_columns()}

    return SimpleNamespace(
        config=result["spec"],
        summary=Nested({key: value for key, value in result.items() if key not in UNTOLD}),
        name=path.name,
        group="generated",
        state=state,
        scan_history=scan_history,
    )


def test_an_online_run_gives_the_record_of_its_directory(tmp_path: Path) -> None:
    path = write_fake_run(tmp_path, "resnet_20", 3)
    online, local = read_online(online_run(path)), read_runs(tmp_path)[0]
    assert (online.run_id, online.seed, online.model, online.finished) == (local.run_id, 3, "resnet_20", True)
    assert online.epochs == local.epochs
    assert first_times(online, (40.0, 60.0)) == first_times(local, (40.0, 60.0))
    run_group = make_source([online], "online").run_groups[0]
    assert run_group.values("top1") == {online.run_id: local.result["top1"]}  # type: ignore[index]
    assert online.result is not None
    assert online.result["recipe"] == path.name.split("-")[-2]


def test_a_running_run_is_unfinished(tmp_path: Path) -> None:
    path = write_fake_run(tmp_path, "resnet_20", 3)
    assert not read_online(online_run(path, state="running")).finished


@pytest.mark.parametrize("config", [{}, {"model": "resnet"}, {"model": {"name": "resnet_20"}}, {"lr": 0.1}], ids=str)
def test_a_run_of_somebody_else_is_left_out_and_named(tmp_path: Path, config: dict[str, Any]) -> None:
    run = online_run(write_fake_run(tmp_path, "resnet_20", 3))
    foreign = SimpleNamespace(**{**vars(run), "config": config, "name": "sweep-7"})
    source = make_source([read_online(run), read_online(foreign)], "online")
    assert source.runs == 1
    assert source.unfinished == ["generated/sweep-7 [its config is not the spec of a run]"]


def test_texts_of_an_online_run_cannot_steer_a_terminal(tmp_path: Path) -> None:
    run = online_run(write_fake_run(tmp_path, "resnet_20", 3))
    run.config["model"]["name"] = "\x1b[31m"
    run.summary.content["model"]["family"] = "\r\u202e"
    record = read_online(run)
    assert record.model == "\ufffd[31m"
    assert record.result is not None
    assert record.result["model"]["family"] == "\ufffd\ufffd"


@pytest.mark.parametrize("upwards", [True, False])
@pytest.mark.parametrize("state", ["finished", "running"])
def test_the_names_of_an_online_run_lead_to_no_file(
    state: str, upwards: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What lies on this machine where the names lead to, or under the same name, is not read."""
    path = write_fake_run(tmp_path / "runs", "resnet_20", 3)
    finished = online_run(path)
    run = online_run(path, state=state)
    monkeypatch.chdir(path.parent.parent)
    for file in (path / FAILED, path / EPOCHS, path.parent / NOISE_FLOOR):
        file.write_text("secret")
    if upwards:
        run.config["experiment"], run.name = "../../etc", str(path)
    else:
        run.config["experiment"] = path.parent.name
    record = read_online(run)
    assert not {"..", "/"} & set(record.path.parts)
    assert len(record.path.parts) == 2
    assert first_times(record, (40.0,)) == first_times(read_online(finished), (40.0,))
    source = make_source([record, read_online(finished)], "online")
    assert not source.noise
    assert list(source.unfinished) == ([record.run_id] if state == "running" else [])


@pytest.mark.parametrize("name", ["project", "a/b/c", "/b", "a/"])
def test_a_project_is_named_entity_slash_project(name: str) -> None:
    with pytest.raises(BadInput, match="ENTITY/PROJECT"):
        read_project(name)
