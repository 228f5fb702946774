"""The W&B report: its spec without an account, and its upsert by the real client against a server on the loopback."""

import json
import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from bench.analysis.wandb_ids import run_id
from bench.report.__main__ import main
from bench.util.cli import run_command
from tests.fake_runs import write_fake_run, write_seeds
from tests.report.building import contents_of
from tests.test_escaping import NASTY

MODELS = ("resnet_20", "resnet_32", "mlp_mixer_tiny")
NAMED = ["--entity", "team", "--project", "cifar"]


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return three networks × 3 seeds (generated)."""
    return write_seeds(tmp_path_factory.mktemp("wandb_report"), MODELS)


def command(runs: Path, *words: str, server: str = "http://127.0.0.1:1") -> subprocess.CompletedProcess[str]:
    """Run the command in a process of its own, with a key of W&B's length for a server."""
    environment = {**os.environ, "WANDB_BASE_URL": server, "WANDB_API_KEY": "k" * 40, "HOME": str(runs)}
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


def test_a_dry_run_needs_no_account_and_repeats_itself(runs: Path, spec: dict[str, Any]) -> None:
    again = command(runs, "--dry-run")
    assert json.loads(again.stdout) == spec
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


@contextmanager
def wandb_server() -> Iterator[tuple[str, dict[str, Any]]]:
    """Yield the address of a stand-in for W&B's API, and the projects and views that it keeps."""
    kept: dict[str, Any] = {"projects": [], "views": {}}

    def answer(query: str, variables: dict[str, Any]) -> dict[str, Any]:
        if "upsertView" in query:
            number = variables.get("id") or f"view{len(kept['views'])}"
            owner = {"id": "1", "name": variables["projectName"], "entityName": variables["entityName"]}
            view = {key: variables.get(key) for key in ("name", "displayName", "description", "spec", "type")}
            kept["views"][number] = {**view, "id": number, "updatedAt": None, "project": owner}
            return {"upsertView": {"view": kept["views"][number], "inserted": True}}
        if "createModel" in query or "upsertModel" in query or "CreateModel" in query:
            kept["projects"].append(variables["name"])
            return {"upsertModel": {"project": None, "model": None}}
        page = {"endCursor": None, "hasNextPage": False}
        if "ProjectViews" in query:
            edges = [{"node": {**view, "user": None}, "cursor": "c"} for view in kept["views"].values()]
            return {"project": {"allViews": {"edges": edges, "pageInfo": page}}}
        if "models(" in query:
            nodes = [{"id": "1", "name": name, "entityName": "team"} for name in kept["projects"]]
            return {"models": {"edges": [{"node": node, "cursor": "c"} for node in nodes], "pageInfo": page}}
        return {"viewer": {"id": "1", "entity": "team", "username": "u", "flags": "{}", "teams": {"edges": []}}}

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            asked = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            content = json.dumps({"data": answer(asked["query"], asked.get("variables") or {})}).encode()
            self.send_response(200)
            self.send_header("Content-Type", "application/json")
            self.end_headers()
            self.wfile.write(content)

        def log_message(self, *_: object) -> None:
            """Print nothing."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}", kept
        server.shutdown()


def test_it_is_made_once_and_then_updated(runs: Path) -> None:
    with wandb_server() as (address, kept):
        first = command(runs, server=address)
        assert first.returncode == 0, first.stderr
        second = command(runs, "--lang", "zh", server=address)
        assert second.returncode == 0, second.stderr
    assert first.stdout.startswith("made ")
    assert second.stdout.startswith("updated ")
    assert kept["projects"] == ["cifar"]
    [view] = kept["views"].values()
    assert view["displayName"] == "Efficient-training benchmark"
    assert "最高均值" in view["spec"]


def test_a_server_that_does_not_answer_is_one_clear_line(runs: Path) -> None:
    done = command(runs)
    assert done.returncode == 2
    [line] = [line for line in done.stderr.splitlines() if line.startswith("error: ")]
    assert "--entity team --project cifar: the report was not sent" in line
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize("name", ["no/slash", "", "x" * 200])
def test_names_that_w_and_b_cannot_have(name: str, runs: Path, capsys: pytest.CaptureFixture[str]) -> None:
    words = ["wandb", "--runs", str(runs), "--entity", name, "--project", "p", "--dry-run"]
    assert run_command(main, words) == 2
    assert f"--entity '{name}': letters" in capsys.readouterr().err
