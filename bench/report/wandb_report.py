"""The records as a report of Weights & Biases, by wandb-workspaces: made once, afterwards updated, never doubled."""

import os
from collections.abc import Mapping
from typing import Any
from urllib.parse import quote

import wandb_workspaces.reports.v2 as wr

from bench.analysis.metrics import HEADLINE, METRICS, wandb_name
from bench.analysis.wandb_ids import run_id
from bench.report.contents import Contents
from bench.report.overview import overview
from bench.report.pairs import contrast_pairs
from bench.tables.page import make_page
from bench.tables.render_md import table_parts
from bench.util.markdown import escape

TITLE = "Efficient-training benchmark"
MODEL, EXPERIMENT = "model.name", "experiment"
# Costs that W&B's summary of a run has, with what they are called.
COSTS = {"model.params": "parameters", "model.macs": "MACs", "training.flops": "training FLOPs"}
COLUMNS = (f"summary:{HEADLINE}", *(f"summary:{key}" for key in COSTS), "summary:seconds.train", "config:seed.value")
# Where readers see runs that the default server keeps.
API, SITE = "https://api.wandb.ai", "https://wandb.ai"


def build_report(contents: Contents, entity: str, project: str, provenance: str) -> wr.Report:
    """Return the report: verdicts in words, tables, curves with bands, bars, scatters, run table, links to the runs."""
    runs = [wr.H2(text="Runs"), panels(), links(contents, entity, project)]
    blocks = [*verdict_blocks(contents), *table_blocks(contents), *runs]
    return wr.Report(project=project, entity=entity, title=TITLE, description=provenance, blocks=blocks)


def verdict_blocks(contents: Contents) -> list[Any]:
    """Return what the first screen of the page says; these texts are never markup."""
    said = overview(contents, contrast_pairs(contents.run_groups))
    blocks: list[Any] = [wr.H2(text="Verdicts"), wr.P(text=said["counts"])]
    for block in said["blocks"]:
        lines = [block["size"], block["leader"], *(verdict["words"] for verdict in block["verdicts"])]
        blocks += [wr.H3(text=block["conditions"]), wr.UnorderedList(items=lines)]
    for ablation in said["ablations"]:
        lines = [verdict["words"] for block in ablation["blocks"] for verdict in block["verdicts"]]
        blocks += [wr.H3(text=ablation["title"]), wr.UnorderedList(items=lines)] if lines else []
    for title, lines in (("Alone under their conditions", said["alone"]), ("Missing or failed", said["missing"])):
        blocks += [wr.H3(text=title), wr.UnorderedList(items=lines)] if lines else []
    return blocks


def table_blocks(contents: Contents) -> list[Any]:
    """Return the comparison of models and the ablations as Markdown, in which the texts of records are escaped."""
    pages = [make_page(table, contents.language) for table in (contents.table, *contents.ablation_tables)]
    return [
        block
        for page in pages
        for block in (wr.H2(text=page.title), wr.MarkdownBlock(text="\n\n".join(table_parts(page))))
    ]


def panels() -> wr.PanelGrid:
    """Return the panels over all runs of the project, grouped by experiment and model."""
    runs = wr.Runset(
        name="runs",
        groupby=[f"config.{EXPERIMENT}", f"config.{MODEL}"],
        visible_columns=list(COLUMNS),
        lock_columns=True,
    )
    grouped: dict[str, Any] = {
        "groupby": wr.Config(MODEL),
        "groupby_aggfunc": "mean",
        "groupby_rangefunc": "minmax",
        "aggregate": True,
    }
    heading, score = METRICS[HEADLINE].heading, wr.SummaryMetric(HEADLINE)
    curve = wr.LinePlot(
        title=f"{heading}: mean and range over seeds",
        x=wandb_name("epoch"),
        y=[wandb_name(f"eval_{HEADLINE}")],
        **grouped,
    )
    bar = wr.BarPlot(title=f"{heading} of the last epoch", metrics=[HEADLINE], **grouped)
    scatters = [
        wr.ScatterPlot(title=f"{heading} against {words}", x=wr.SummaryMetric(key), y=score, log_x=True)
        for key, words in COSTS.items()
    ]
    return wr.PanelGrid(runsets=[runs], panels=[curve, bar, *scatters])


def links(contents: Contents, entity: str, project: str) -> wr.MarkdownBlock:
    """Return a link to each run of the tables, a line for each row."""
    site = os.environ.get("WANDB_BASE_URL", API).rstrip("/").replace(API, SITE)
    lines = []
    for run_group in contents.run_groups:
        runs = []
        for record in run_group.records:
            name = run_id(record.path.parent.name, record.path.name)
            runs.append(f"[seed {record.seed}]({site}/{quote(entity)}/{quote(project)}/runs/{quote(name)})")
        lines.append(f"- {escape(contents.name(run_group))}: {', '.join(runs)}")
    return wr.MarkdownBlock(text="\n".join(lines))


def spec_of(report: wr.Report) -> dict[str, Any]:
    """Return what W&B would be sent, with ids that are numbers in place of those that are drawn at random."""
    model = report._to_model()
    spec = model.spec.model_dump(mode="json", by_alias=True, exclude_none=True)
    return {"displayName": model.display_name, "description": model.description, "spec": numbered(spec, {})}


def numbered(value: Any, seen: dict[str, str]) -> Any:
    """Return nested data in which each different id of a panel or run set is replaced by its number."""
    if isinstance(value, Mapping):
        return {
            key: seen.setdefault(item, f"id{len(seen)}")
            if key in ("id", "__id__") and isinstance(item, str)
            else numbered(item, seen)
            for key, item in value.items()
        }
    return [numbered(item, seen) for item in value] if isinstance(value, list) else value


def publish(report: wr.Report) -> tuple[str, bool]:
    """Make the report, or update the one of its title in the project; return its address and whether it is new.

    Raises what wandb and its client raise where the server refuses or does not answer.
    """
    import wandb

    found = [view for view in existing(wandb.Api(), report) if view.display_name == report.title]
    report.id = found[0].id if found else ""
    report.save()
    return report.url, not found


def existing(api: Any, report: wr.Report) -> list[Any]:
    """Return the reports of a project, none where it does not exist yet."""
    if report.project not in {project.name for project in api.projects(report.entity)}:
        return []
    return list(api.reports(f"{report.entity}/{report.project}"))
