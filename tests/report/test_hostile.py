"""Texts of a stranger's records with HTML, LaTeX and Markdown in them: a browser shows them and runs nothing."""

from collections.abc import Iterator

import pytest
from markdown_it import MarkdownIt
from playwright.sync_api import Browser, Page

from bench.report.deck.about import About
from bench.report.deck.slides import Picture
from bench.report.deck.write_html import render_html
from bench.report.deck.write_md import render_markdown
from bench.tables.page import make_page
from bench.tables.render_html import render_html as render_tables
from bench.tables.render_md import render_markdown as render_table
from bench.util.untrusted import printable
from tests.fake_runs import write_fake_run
from tests.report.browser import open_chromium, open_page
from tests.report.building import build_page, write_hostile
from tests.report.decks import deck_of
from tests.requirements import needs
from tests.tables.building import build
from tests.test_escaping import NASTY

pytestmark = needs("chromium")
# Each would set it if it were run, wherever it is put: as markup, in an attribute, in a script, as Markdown's link.
HOSTILE = (
    "<img src=x onerror=ran=1><svg onload=ran=2> \"onfocus=ran=3 autofocus x='"
    " [link](javascript:ran=4) ${ran=5} {{7*7}} \\end{table} $x_1$ " + NASTY
)
SHOWN = " ".join(printable(HOSTILE).split())


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """Return name → address of each kind of file; Markdown as a viewer that lets HTML pass shows it."""
    folder = tmp_path_factory.mktemp("hostile")
    runs = write_hostile(folder / "runs", HOSTILE)
    for seed in (0, 1):
        write_fake_run(runs, "resnet_32", seed)
    about = About(**dict.fromkeys(("title", "subtitle", "team", "presenter", "date", "school"), printable(HOSTILE)))
    deck = deck_of(runs, about=about, mixed=True, beside=True)
    table = make_page(build(runs, "comparison"), wide=True)
    viewer = MarkdownIt("commonmark", {"html": True}).enable("table")
    texts = {
        "page": build_page(runs),
        "page in Chinese": build_page(runs, "zh"),
        "slides": render_html(deck),
        "slides in Markdown": viewer.render(render_markdown(deck)),
        "tables": render_tables([table]),
        "tables in Markdown": viewer.render(render_table(table)),
    }
    for picture in (part for slide in deck.slides for part in slide.parts if isinstance(part, Picture)):
        (folder / picture.name).write_bytes(picture.content)
    for name, text in texts.items():
        (folder / f"{name}.html").write_text(f"<meta charset=utf-8>{text}" if "Markdown" in name else text)
    return {name: (folder / f"{name}.html").as_uri() for name in texts}


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with open_chromium() as chromium:
        yield chromium


def use(page: Page) -> None:
    """Make the page show what it shows only when it is asked to."""
    page.evaluate("for (const part of document.querySelectorAll('details')) part.open = true")
    if page.locator("#models").count():
        page.fill("#filters [name=text]", "onerror")
        page.click("th[data-key=model] button")
        page.locator("#models td:visible").nth(2).click()
        page.click("#cell-runs-close")
        page.locator("#picks [name=arm]").first.click()


@pytest.mark.parametrize(
    "name", ["page", "page in Chinese", "slides", "slides in Markdown", "tables", "tables in Markdown"]
)
def test_texts_are_shown_and_run_nothing(name: str, files: dict[str, str], browser: Browser) -> None:
    with open_page(browser, files[name], pictures="Markdown" in name) as page:
        page.on("dialog", lambda dialog: pytest.fail(f"a dialog was opened: {dialog.message}"))
        use(page)
        assert page.evaluate("typeof ran") == "undefined"
        assert page.locator("img[src=x], [onload], [onerror], [onfocus], a[href^=javascript]").count() == 0
        assert SHOWN in " ".join((page.locator("body").text_content() or "").split())
