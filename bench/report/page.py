"""The page: its data put into its templates, in one file that asks the network for nothing.

Templates escape whatever they are given. The page's policy admits only the script and the style sheet that are part of
it, by their digests, so that not even a mistake in escaping would run what a record holds.
"""

import base64
import hashlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from markupsafe import Markup

from bench.figures.style import TECHNIQUES, technique_title
from bench.records import RunRecord
from bench.report.citation import citation
from bench.report.claims import claims_data
from bench.report.contents import Contents
from bench.report.drawing import canvas
from bench.report.figures import figure_data
from bench.report.overview import overview
from bench.report.pairs import METHOD, Pairs, contrast_pairs, pair_texts, recipe_badges
from bench.report.runs import runs_data
from bench.report.table import file_data, table_data
from bench.report.text import SCRIPT_WORDS
from bench.tables.contrasts import DELTA, P_VALUE, SEEDS, VERDICT
from bench.tables.render_html import LANGUAGE_TAGS, environment

FOLDER = Path(__file__).resolve().parent
TEMPLATES = FOLDER / "templates"
SCRIPTS = ("view.js", "table.js", "compare.js", "figures.js", "start.js")


def render_page(contents: Contents, records: Sequence[RunRecord], provenance: str) -> str:
    """Return the page as HTML; `records` are the runs that the audit takes as evidence."""
    pairs = contrast_pairs(contents.run_groups)
    script, style = bundle(), (FOLDER / "assets" / "page.css").read_text(encoding="utf-8")
    template = environment(TEMPLATES).get_template("page.html")
    return template.render(
        t=contents.say,
        language=LANGUAGE_TAGS[contents.language],
        provenance=provenance,
        script=Markup(script),
        style=Markup(style),
        digests={"script": digest(script), "style": digest(style)},
        overview=overview(contents, pairs),
        table=table_data(contents),
        comparison=comparison_data(contents, pairs),
        figures=marked(figure_data(contents)),
        runs=runs_data(contents),
        claims=claims_data(records),
        citation=citation(provenance),
        techniques=technique_data(contents),
        data=script_data(contents, pairs),
    )


def bundle() -> str:
    """Return the page's script: its parts in one function, so that they share names with nothing else."""
    parts = [(FOLDER / "assets" / name).read_text(encoding="utf-8") for name in SCRIPTS]
    return '(() => {\n"use strict";\n' + "\n".join(parts) + "})();\n"


def digest(text: str) -> str:
    """Return what a page's policy calls a script or a style sheet."""
    return f"sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}"


def marked(value: Any) -> Any:
    """Return nested data in which every "svg", which the drawing functions have escaped, is marked as markup."""
    if isinstance(value, dict):
        return {key: Markup(item) if key == "svg" else marked(item) for key, item in value.items()}
    return [marked(item) for item in value] if isinstance(value, list) else value


def technique_data(contents: Contents) -> dict[str, dict[str, str]]:
    """Return how each technique of the page is named and drawn."""
    names = dict.fromkeys([*TECHNIQUES, *(str(c.first["model"].get("technique")) for c in contents.run_groups)])
    shown = {str(run_group.first["model"].get("technique")) for run_group in contents.run_groups}
    looks = {name: canvas.technique_look(name) for name in names if name in shown}
    return {
        name: {"title": contents.say(technique_title(name)), "colour": colour, "shape": canvas.MARKERS[shape]}
        for name, (colour, shape) in looks.items()
    }


def comparison_data(contents: Contents, pairs: Pairs) -> dict[str, Any]:
    """Return the comparison as it is without a script: the first row of the table with all that it is compared with."""
    base = next(iter(pairs), (0, 0))[0]
    return {
        "base": base,
        "method": contents.say(METHOD),
        "headings": [contents.say(column.heading) for column in (DELTA, P_VALUE, VERDICT, SEEDS)],
        "names": contents.names,
        "rows": [
            {
                "number": arm,
                "texts": pair_texts(contents, base, contrast),
                "badges": recipe_badges(contents, contents.run_groups[base], contents.run_groups[arm]),
            }
            for (first, arm), contrast in pairs.items()
            if first == base
        ],
    }


def script_data(contents: Contents, pairs: Pairs) -> dict[str, Any]:
    """Return what the script needs: files to download, names, recipes, and the contrasts of all pairs as text."""
    return {
        "file": file_data(contents),
        "names": contents.names,
        "runs": list(contents.run_numbers),
        "groupRuns": [[contents.run_numbers[run] for run in group.runs] for group in contents.run_groups],
        "fields": [dict(group.recipe_fields) for group in contents.run_groups],
        "fieldNames": {name: contents.say(name) for name in contents.run_groups[0].recipe_fields},
        "pairs": {f"{base} {arm}": pair_texts(contents, base, contrast) for (base, arm), contrast in pairs.items()},
        "words": {key: contents.say(words) for key, words in SCRIPT_WORDS.items()},
    }
