"""The W&B report: its spec without an account, and its upsert by the real client against a server on the loopback."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from bench.analysis.wandb_ids import run_id
from bench.report.__main__ import main
from bench.util.cli import run_command
from tests.fake_runs import write_fake_run, write_seeds
from tests.report.building import contents_of
from tests.test_escaping import NASTY
from tests.wandb_server import KEY, wandb_server

MODELS = ("resnet_20", "resnet_32", "mlp_mixer_tiny")
NAMED = ["--entity", "team", "--project", "cifar"]


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return three networks × 3 seeds (generated)."""
    return write_seeds(tmp_path_factory.mktemp("wandb_report"), MODELS)


def command(
    runs: Path, *words: str, server: str = "http://127.0.0.1:1", key: str = KEY, home: Path | None = None
) -> subprocess.CompletedProcess[str]:
    """Run the command in a process of its own, with a key for a server."""
    environment = {**os.environ, "WANDB_BASE_URL": server, "WANDB_API_KEY": key, "HOME": str(home or runs)}
    full = [sys.executable, "-m", "bench.report", "wandb", "--runs", str(runs), *NAMED, *words]
    return subprocess.run(full, env=environment, capture_output=True, text=True, check=False, timeout=300)


@pytest.fixture(scope="module")
def spec(runs: Path) -> dict[str, Any]:
    done = command(runs, "--dry-run")
    assert done.returncode == 0, done.stderr
    return dict(json.loads(done.stdout))


def texts(value: Any) -> Iterator[str]:
    """Yield every text and every Markdown content of a spec."""
    if isinstance(value, dict):
        yield from (item for key, item in value.items() if key in ("text", "content") and isinstance(item, str))
        value = list(value.values())
    if isinstance(value, list):
        for item in value:
            yield from texts(item)


def test_a_dry_run_needs_no_account_and_repeats_itself(runs: Path, spec: dict[str, Any], tmp_path: Path) -> None:
    path = tmp_path / "made" / "report.json"
    again = command(runs, "--dry-run", "--out", str(path))
    assert again.returncode == 0, again.stderr
    assert {**json.loads(path.read_text()), "description": ""} == {**spec, "description": ""}
    assert spec["displayName"] == "Efficient-training benchmark"
    assert "9 runs" in spec["description"]


def test_it_says_what_the_page_says(runs: Path, spec: dict[str, Any]) -> None:
    found = list(texts(spec["spec"]))
    assert any(text.startswith("Highest mean: resnet_32, Top-1 (%)") for text in found)
    assert any("mlp_mixer_tiny" in text and "resnet_32 is better than" in text for text in found)
    contents = contents_of(runs)
    table = next(text for text in found if "| Rank" in text)
    for _, row, _ in contents.rows:
        assert f"{row.cells['top1'].value:.2f}" in table
    links = next(text for text in found if text.startswith("- ") and "/runs/" in text)
    for run_group in contents.run_groups:
        for record in run_group.records:
            assert f"/team/cifar/runs/{run_id(record.path.parent.name, record.path.name)})" in links


def test_its_panels_are_grouped_and_drawn_from_what_is_logged(spec: dict[str, Any]) -> None:
    grid = next(block for block in spec["spec"]["blocks"] if block["type"] == "panel-grid")["metadata"]
    assert [group["name"] for group in grid["runSets"][0]["grouping"]] == ["experiment.value", "model.value.name"]
    panels = {panel["viewType"]: panel["config"] for panel in grid["panelBankSectionConfig"]["panels"]}
    assert panels["Run History Line Plot"]["metrics"] == ["eval/top1"]
    assert panels["Run History Line Plot"]["xAxis"] == "progress/epoch"
    assert panels["Bar Chart"]["metrics"] == ["top1"]
    assert panels["Scatter Plot"]["yAxis"] == "summary:top1"


def test_texts_of_records_are_escaped(tmp_path: Path) -> None:
    path = write_fake_run(tmp_path, "resnet_20")
    result = json.loads((path / "result.json").read_text())
    result["spec"]["model"]["name"] = result["model"]["name"] = NASTY
    (path / "result.json").write_text(json.dumps(result))
    done = command(tmp_path, "--dry-run")
    assert done.returncode == 0, done.stderr
    content = [block["content"] for block in json.loads(done.stdout)["spec"]["blocks"] if "content" in block]
    assert content
    assert not any("<script>" in text for text in content)


def test_it_is_made_once_and_then_updated(runs: Path) -> None:
    with wandb_server() as kept:
        first = command(runs, server=kept.address)
        assert first.returncode == 0, first.stderr
        second = command(runs, "--lang", "zh", server=kept.address)
        assert second.returncode == 0, second.stderr
        other = command(runs, "--entity", "nobody", server=kept.address)
    assert first.stdout.startswith("made ")
    assert second.stdout.startswith("updated ")
    assert kept.projects == ["cifar"]
    [view] = kept.views.values()
    assert view["displayName"] == "Efficient-training benchmark"
    assert "最高均值" in view["spec"]
    assert other.returncode == 2
    assert "has no entity 'nobody' for this account" in other.stderr
    assert len(other.stderr.splitlines()) == 1


def test_a_server_that_does_not_answer_is_one_clear_line(runs: Path) -> None:
    done = command(runs)
    assert done.returncode == 2
    [line] = done.stderr.splitlines()
    assert "http://127.0.0.1:1 is not available (ConnectionError)" in line


def test_without_a_login_it_says_so_in_one_line(runs: Path, tmp_path: Path) -> None:
    done = command(runs, key="", home=tmp_path)
    assert done.returncode == 2
    [line] = done.stderr.splitlines()
    assert "there is no API key for http://127.0.0.1:1" in line
    assert "--dry-run" in line


def test_what_is_sent_is_not_written(runs: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    words = ["wandb", "--runs", str(runs), *NAMED, "--out", str(tmp_path / "report.json")]
    assert run_command(main, words) == 2
    assert "add --dry-run" in capsys.readouterr().err


@pytest.mark.parametrize("name", ["no/slash", "", "x" * 200])
def test_names_that_w_and_b_cannot_have(name: str, runs: Path, capsys: pytest.CaptureFixture[str]) -> None:
    words = ["wandb", "--runs", str(runs), "--entity", name, "--project", "p", "--dry-run"]
    assert run_command(main, words) == 2
    assert f"--entity '{name}': letters" in capsys.readouterr().err
