"""Each row of the table in full: recipe, spec, command, and its runs with environment and epochs."""

import json
from collections.abc import Mapping, Sequence
from typing import Any

import yaml

from bench.analysis.identity import renamed
from bench.analysis.metrics import HEADLINE, METRICS, trained_metrics
from bench.analysis.recipe import RANKED_TOGETHER, RECIPE_FIELDS
from bench.analysis.run_groups import RunGroup, common_recipe, device_text
from bench.records import ENVIRONMENT, RunRecord
from bench.report.contents import Contents
from bench.report.repeat import Nearest, Recipes
from bench.tables import measures as m
from bench.util.dotted import number_at
from bench.util.text_table import text_table
from bench.util.untrusted import read_json

# What differs between the runs of a group, or says only where they lie.
NOT_SHARED = ("seed", "runs", "experiment")
# Columns of the epochs file that are shown, with their digits.
EPOCH_COLUMNS = {
    "epoch": "g",
    "lr": ".3g",
    **{f"train_{name}": f".{METRICS[name].digits}f" for name in trained_metrics()},
    **{f"eval_{name}": f".{metric.digits}f" for name, metric in METRICS.items()},
    "train_seconds": ".0f",
}
# A longer run is shown at so many of its rows; the record has them all.
MAX_ROWS = 40
# Uncommitted changes may be long; the record has them whole.
MAX_TEXT = 2000


class Environments:
    """The environments of all runs, each once, with a number."""

    def __init__(self) -> None:
        self.numbers: dict[str, int] = {}

    def number(self, record: RunRecord) -> int | None:
        """Return the number of a run's environment, None where no record of it is at hand."""
        path = record.path / ENVIRONMENT
        if not record.local or not path.is_file():
            return None
        text = json.dumps(shortened(read_json(path)), indent=1, ensure_ascii=False)
        return self.numbers.setdefault(text, len(self.numbers))


def shortened(value: Any) -> Any:
    """Return nested data whose long texts end after MAX_TEXT letters."""
    if isinstance(value, Mapping):
        return {key: shortened(item) for key, item in value.items()}
    if isinstance(value, list):
        return [shortened(item) for item in value]
    if isinstance(value, str) and len(value) > MAX_TEXT:
        return f"{value[:MAX_TEXT]} … ({len(value)} letters in the record)"
    return value


def runs_data(contents: Contents) -> dict[str, Any]:
    """Return every row in full, the environments, and the recipe files that the rows come nearest to."""
    recipes, environments = Recipes(), Environments()
    groups = [group_data(contents, run_group, recipes, environments) for run_group in contents.run_groups]
    files = sorted({group["recipe"]["file"] for group in groups})
    return {
        "groups": groups,
        "environments": list(environments.numbers),
        "recipes": [
            {
                "file": file,
                "texts": recipes.texts(file.removeprefix("yamls/")),
                "groups": [{"number": g["number"], "name": g["name"]} for g in groups if g["recipe"]["file"] == file],
            }
            for file in files
        ],
    }


def group_data(contents: Contents, run_group: RunGroup, recipes: Recipes, environments: Environments) -> dict[str, Any]:
    """Return one row: its recipe field by field, its spec, what it differs in from the nearest YAML, its runs."""
    nearest = recipes.nearest(run_group.records[0])
    alike = [group for group in contents.run_groups if same_block(group, run_group)]
    common, fields = common_recipe(alike), run_group.recipe_fields
    unusual = {name for name in RECIPE_FIELDS if name != "model" and fields[name] != common[name]}
    spec = {key: value for key, value in renamed(run_group.spec).items() if key not in NOT_SHARED}
    return {
        "number": contents.numbers[run_group.runs],
        "name": contents.name(run_group),
        "fields": [
            {"name": contents.say(name), "value": fields[name], "unusual": name in unusual} for name in RECIPE_FIELDS
        ],
        "spec": yaml.safe_dump(spec, sort_keys=False, allow_unicode=True),
        "recipe": recipe_data(nearest),
        "runs": [run_data(contents, record, nearest, environments) for record in run_group.shown_records],
    }


def same_block(one: RunGroup, other: RunGroup) -> bool:
    """Tell whether two rows are ranked together."""
    return all(one.recipe_fields[name] == other.recipe_fields[name] for name in RANKED_TOGETHER)


def recipe_data(nearest: Nearest) -> dict[str, Any]:
    """Return which file a recipe comes nearest to, and in what it differs from it."""
    return {"file": nearest.source, "differences": list(nearest.overrides), "why": nearest.why}


def run_data(contents: Contents, record: RunRecord, nearest: Nearest, environments: Environments) -> dict[str, Any]:
    """Return one run: its results, its machine, its environment, its epochs, the command that repeats it."""
    result = record.result or {}
    commit = (result.get("machine") or {}).get("commit")
    return {
        "number": contents.run_numbers[record.run_id],
        "id": record.run_id,
        "seed": record.seed,
        "results": results_text(contents, record),
        "machine": device_text(result),
        "precision": record.precision,
        "commit": str(commit)[:12] if commit else None,
        "environment": environments.number(record),
        "command": nearest.command(record),
        "epochs": epochs_text(record.epochs),
    }


def results_text(contents: Contents, record: RunRecord) -> str:
    """Return a run's metrics, its best epoch and its time in words."""
    result = record.result or {}
    shown = {name: contents.say(m.metric_column(name).heading) for name, metric in METRICS.items() if metric.in_tables}
    shown |= {f"best.{HEADLINE}": contents.say("best epoch (a diagnostic)")}
    values = {words: number_at(result, path) for path, words in shown.items()}
    parts = [f"{words} {METRICS[HEADLINE].format(value)}" for words, value in values.items() if value is not None]
    seconds = number_at(result, "seconds.train")
    parts += [] if seconds is None else [contents.say("trained for {} minutes", f"{seconds / 60:.1f}")]
    return "; ".join(parts)


def epochs_text(rows: Sequence[Mapping[str, Any]]) -> str:
    """Return the rows of an epochs file as a table of text; of a long one some, with its last."""
    step = -(-len(rows) // MAX_ROWS) or 1
    chosen = [row for place, row in enumerate(rows) if (len(rows) - 1 - place) % step == 0]
    columns = [key for key in EPOCH_COLUMNS if any(row.get(key) is not None for row in chosen)]
    if not chosen or not columns:
        return ""
    body = [[value_text(row.get(key), EPOCH_COLUMNS[key]) for key in columns] for row in chosen]
    return "\n".join(text_table(columns, body, right=range(len(columns))))


def value_text(value: Any, form: str) -> str:
    """Return a number of an epochs file as text; what is missing as a dash."""
    return format(value, form) if isinstance(value, int | float) else "–"
