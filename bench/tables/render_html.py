"""HTML tables in one page that needs nothing else; a cell's tooltip names the runs behind it."""

from collections.abc import Sequence

from bench.tables.page import Page

TEMPLATE = """<!doctype html>
<html lang="{{ language }}">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>{{ pages | map(attribute="title") | join(", ") }}</title>
<style>
body { font: 15px/1.45 system-ui, sans-serif; margin: 2rem auto; max-width: 80rem; padding: 0 1rem; color: #1a1a1a; }
.scroll { overflow-x: auto; }
table { border-collapse: collapse; border-top: 2px solid; border-bottom: 2px solid; margin: 0.5rem 0; }
th, td { padding: 0.2rem 0.6rem; text-align: right; white-space: nowrap; font-variant-numeric: tabular-nums; }
thead th { border-bottom: 1px solid; }
.left { text-align: left; }
tbody th { text-align: left; font-weight: 600; padding-top: 0.7rem; white-space: normal; }
.notes { font-size: 0.85rem; }
</style>
</head>
<body>
{% for page in pages %}
<section id="{{ page.name }}">
<h2>{{ page.title }}</h2>
<div class="scroll">
<table>
<thead><tr>
{% for heading in page.headings %}
<th{{ side(page, loop.index0) }}>{{ heading }}</th>
{% endfor %}
</tr></thead>
{% for section in page.sections %}
<tbody>
{% if section.heading %}<tr><th colspan="{{ page.headings | length }}">{{ section.heading }}</th></tr>
{% endif %}{% for row in section.rows %}
<tr>
{% for entry in row %}
<td{{ side(page, loop.index0) }}{% if entry.runs %} title="{{ tooltip(entry.runs) }}"{% endif %}>
{{- entry.text }}{% if entry.marks %}<sup>{{ entry.marks | join(",") }}</sup>{% endif %}</td>
{% endfor %}
</tr>
{% endfor %}
</tbody>
{% endfor %}
</table>
</div>
<ul class="notes">
{% for letter, text in page.footnotes %}<li><sup>{{ letter }}</sup> {{ text }}</li>
{% endfor %}{% for note in page.notes %}<li>{{ note }}</li>
{% endfor %}</ul>
</section>
{% endfor %}
</body>
</html>
"""
MAX_RUNS = 50


def tooltip(runs: Sequence[str]) -> str:
    """Return the runs behind a cell, one a line, the first 50 of them."""
    more = [f"… ({len(runs)})"] if len(runs) > MAX_RUNS else []
    return "\n".join([*runs[:MAX_RUNS], *more])


def side(page: Page, index: int) -> str:
    """Return the attribute of a cell in a column of words; it is markup of our own, marked as safe."""
    from markupsafe import Markup

    return Markup(' class="left"') if page.left[index] else Markup("")


def render_html(pages: Sequence[Page]) -> str:
    """Return pages as one HTML document; everything is escaped."""
    from jinja2 import Environment  # imported here: the other formats do not need it

    environment = Environment(autoescape=True, trim_blocks=True, keep_trailing_newline=True)
    language = {"zh": "zh-Hans"}.get(pages[0].language, pages[0].language) if pages else "en"
    return environment.from_string(TEMPLATE).render(pages=pages, language=language, tooltip=tooltip, side=side)
