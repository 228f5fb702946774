"""A stand-in for W&B's server on the loopback, with which the real client talks: accounts, projects, runs, reports.

It answers what wandb 0.18.7 and wandb-workspaces 0.4.5 ask in order to upload an offline run, to list runs with their
history, and to make or update a report; it keeps what it was sent, as W&B does.
"""

import base64
import json
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

KEY = "k" * 40
LAST_PAGE = {"endCursor": None, "hasNextPage": False}


class Refused(Exception):
    """The server's refusal, with its status."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status


@dataclass
class OnlineRun:
    """One run as the server keeps it: config and summary as JSON, history as lines of JSON."""

    entity: str
    project: str
    name: str
    settings: dict[str, Any] = field(default_factory=dict)
    summary: str = "{}"
    history: list[str] = field(default_factory=list)
    state: str = "running"

    def node(self) -> dict[str, Any]:
        """Return what the API tells of it."""
        rows = [json.loads(line) for line in self.history]
        return {
            "id": f"id-{self.name}",
            "name": self.name,
            "displayName": self.settings.get("displayName"),
            "group": self.settings.get("groupName"),
            "tags": self.settings.get("tags") or [],
            "config": self.settings.get("config") or "{}",
            "summaryMetrics": self.summary,
            "systemMetrics": "{}",
            "historyLineCount": len(rows),
            "historyKeys": {"lastStep": max((row["_step"] for row in rows), default=-1), "keys": {}},
            "state": self.state,
            "user": None,
            **dict.fromkeys(("sweepName", "jobType", "commit", "description", "notes", "heartbeatAt")),
            "readOnly": False,
            "createdAt": "2026-01-01T00:00:00",
        }


@dataclass
class Server:
    """What the stand-in keeps; `entities` are those that it knows, the first one the account's own."""

    address: str = ""
    entities: tuple[str, ...] = ("team",)
    projects: list[str] = field(default_factory=list)
    views: dict[str, dict[str, Any]] = field(default_factory=dict)
    runs: dict[str, OnlineRun] = field(default_factory=dict)

    @property
    def environment(self) -> dict[str, str]:
        """Return the environment variables of a user who is logged in to it."""
        return {"WANDB_BASE_URL": self.address, "WANDB_API_KEY": KEY}

    def answer(self, query: str, variables: Mapping[str, Any]) -> dict[str, Any]:
        """Return the data that a query is answered with."""
        for word, function in ANSWERS.items():
            if word in query:
                return function(self, variables)
        raise Refused(400, f"the stand-in does not know: {' '.join(query.split())[:200]}")

    def viewer(self, _: Mapping[str, Any]) -> dict[str, Any]:
        account = {"id": "1", "entity": self.entities[0], "username": "u", "email": "", "flags": "{}"}
        versions = {"cliVersionInfo": {"max_cli_version": "9"}, "latestLocalVersionInfo": None}
        return {"viewer": {**account, "teams": {"edges": []}}, "serverInfo": versions}

    def entity(self, variables: Mapping[str, Any]) -> dict[str, Any]:
        known = variables["entity"] in self.entities
        return {"entity": {"id": "2", "isTeam": True} if known else None}

    def capabilities(self, _: Mapping[str, Any]) -> dict[str, Any]:
        kinds = {"QueryType": [], "MutationType": ["createRunFiles"], "ServerInfoType": ["cliVersionInfo"]}
        return {kind: {"fields": [{"name": name} for name in names]} for kind, names in kinds.items()}

    def no_settings(self, _: Mapping[str, Any]) -> dict[str, Any]:
        return {"ServerSettingsType": {"fields": []}}

    def upsert_run(self, variables: Mapping[str, Any]) -> dict[str, Any]:
        if "summaryMetrics" in variables and variables.get("id"):
            run = self.runs[str(variables["id"]).removeprefix("id-")]
            run.summary = variables["summaryMetrics"]
            return {"upsertBucket": {"bucket": {"id": variables["id"]}}}
        entity, project, name = (variables.get(key) or "" for key in ("entity", "project", "name"))
        if entity not in self.entities:
            raise Refused(404, f"entity {entity} not found during upsertBucket")
        new = name not in self.runs
        run = self.runs.setdefault(name, OnlineRun(entity, project, name))
        run.settings |= {key: value for key, value in variables.items() if value is not None}
        if project not in self.projects:
            self.projects.append(project)
        owner = {"id": "1", "name": project, "entity": {"id": "2", "name": entity}}
        return {"upsertBucket": {"bucket": {**run.node(), "project": owner}, "inserted": new}}

    def upload_urls(self, variables: Mapping[str, Any]) -> dict[str, Any]:
        files = [{"name": name, "uploadUrl": f"{self.address}/upload"} for name in variables["files"]]
        return {"createRunFiles": {"runID": "1", "uploadHeaders": [], "files": files}}

    def list_runs(self, variables: Mapping[str, Any]) -> dict[str, Any]:
        if variables["project"] not in self.projects or variables["entity"] not in self.entities:
            return {"project": None}
        mine = [run for run in self.runs.values() if run.project == variables["project"]]
        edges = [{"node": run.node(), "cursor": "c"} for run in mine]
        return {"project": {"runCount": len(mine), "readOnly": False, "runs": {"edges": edges, "pageInfo": LAST_PAGE}}}

    def one_run(self, variables: Mapping[str, Any]) -> dict[str, Any]:
        run = self.runs.get(variables.get("name") or variables.get("run") or "")
        return {"project": {"run": run.node() if run is not None else None}}

    def history(self, variables: Mapping[str, Any]) -> dict[str, Any]:
        lines = self.runs[variables["run"]].history
        inside = [line for line in lines if variables["minStep"] <= json.loads(line)["_step"] < variables["maxStep"]]
        return {"project": {"run": {"history": inside}}}

    def upsert_view(self, variables: Mapping[str, Any]) -> dict[str, Any]:
        number = variables.get("id") or f"view{len(self.views)}"
        owner = {"id": "1", "name": variables["projectName"], "entityName": variables["entityName"]}
        view = {key: variables.get(key) for key in ("name", "displayName", "description", "spec", "type")}
        self.views[number] = {**view, "id": number, "updatedAt": None, "project": owner}
        return {"upsertView": {"view": self.views[number], "inserted": True}}

    def list_views(self, _: Mapping[str, Any]) -> dict[str, Any]:
        edges = [{"node": {**view, "user": None}, "cursor": "c"} for view in self.views.values()]
        return {"project": {"allViews": {"edges": edges, "pageInfo": LAST_PAGE}}}

    def make_project(self, variables: Mapping[str, Any]) -> dict[str, Any]:
        self.projects.append(variables["name"])
        return {"upsertModel": {"project": None, "model": None}}

    def list_projects(self, _: Mapping[str, Any]) -> dict[str, Any]:
        nodes = [{"id": "1", "name": name, "entityName": self.entities[0]} for name in self.projects]
        return {"models": {"edges": [{"node": node, "cursor": "c"} for node in nodes], "pageInfo": LAST_PAGE}}

    def stream(self, name: str, sent: Mapping[str, Any]) -> None:
        """Take lines of a run's files at their offsets, and its end."""
        run = self.runs[name]
        for file, part in (sent.get("files") or {}).items():
            if file == "wandb-history.jsonl":
                run.history = run.history[: part["offset"]] + part["content"]
            elif file == "wandb-summary.json":
                run.summary = part["content"][-1]
        if sent.get("complete"):
            run.state = "finished" if sent["exitcode"] == 0 else "failed"


# Part of a query → how it is answered; the first that fits.
ANSWERS = {
    "upsertView": Server.upsert_view,
    "upsertBucket": Server.upsert_run,
    "createRunFiles": Server.upload_urls,
    "ProbeServerCapabilities": Server.capabilities,
    "ProbeServerSettings": Server.no_settings,
    "EntityIsTeam": Server.entity,
    "HistoryPage": Server.history,
    "ProjectViews": Server.list_views,
    "query Runs": Server.list_runs,
    "query Run": Server.one_run,
    "upsertModel": Server.make_project,
    "models(": Server.list_projects,
    "viewer": Server.viewer,
}


@contextmanager
def wandb_server() -> Iterator[Server]:
    """Yield the stand-in while it answers on a port of the loopback."""
    kept = Server()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            sent = self.content()
            if self.headers.get("Authorization") != f"Basic {base64.b64encode(f'api:{KEY}'.encode()).decode()}":
                self.reply(401, {"errors": [{"message": "user is not logged in"}]})
            elif self.path.endswith("/file_stream"):
                kept.stream(self.path.split("/")[-2], json.loads(sent))
                self.reply(200, {})
            else:
                self.query(json.loads(sent))

        def query(self, asked: Mapping[str, Any]) -> None:
            try:
                self.reply(200, {"data": kept.answer(asked["query"], asked.get("variables") or {})})
            except Refused as refused:
                self.reply(refused.status, {"errors": [{"message": str(refused)}], "data": None})

        def do_PUT(self) -> None:
            self.content()
            self.reply(200, {})

        def content(self) -> bytes:
            return self.rfile.read(int(self.headers.get("Content-Length") or 0))

        def reply(self, status: int, answer: Mapping[str, Any]) -> None:
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.end_headers()
            self.wfile.write(json.dumps(answer).encode())

        def log_message(self, *_: object) -> None:
            """Print nothing."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        kept.address = f"http://127.0.0.1:{server.server_port}"
        yield kept
        server.shutdown()
