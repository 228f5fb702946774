"""axe-core finds no serious fault in what people open: page, slides, tables; in light and dark, wide and narrow."""

from collections.abc import Iterator

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, Page

from bench.report.deck.write_html import render_html
from bench.tables.page import make_page
from bench.tables.render_html import render_html as render_tables
from tests.fake_runs import write_fake_run, write_many
from tests.report.browser import DESK, PHONE, open_chromium, open_page
from tests.report.building import build_page
from tests.report.decks import deck_of
from tests.requirements import needs
from tests.tables.building import build

pytestmark = needs("chromium")
SERIOUS = ("serious", "critical")


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """Return name → address of each kind of file, from generated runs with an ablation, one failed."""
    folder = tmp_path_factory.mktemp("accessible")
    runs = folder / "runs"
    write_many(runs, ("resnet_20", "eca_resnet_20", "ecanet20_fixed_k5", "resnet_56"), 2, epochs=4)
    (write_fake_run(runs, "resnet_56", 9) / "result.json").unlink()
    texts = {
        "page": build_page(runs),
        "page in Chinese": build_page(runs, "zh"),
        "slides": render_html(deck_of(runs, mixed=True, beside=True)),
        "tables": render_tables([make_page(build(runs, name), wide=True) for name in ("comparison", "eca_kernel")]),
    }
    for name, text in texts.items():
        (folder / f"{name}.html").write_text(text, encoding="utf-8")
    return {name: (folder / f"{name}.html").as_uri() for name in texts}


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with open_chromium() as chromium:
        yield chromium


def serious_faults(page: Page) -> list[str]:
    """Return each serious fault with the first element that has it."""
    found = Axe().run(page).response["violations"]
    return [f"{fault['id']}: {fault['nodes'][0]['html'][:200]}" for fault in found if fault["impact"] in SERIOUS]


CASES = [
    *(("page", scheme, size) for scheme in ("light", "dark") for size in (DESK, PHONE)),
    ("page in Chinese", "light", PHONE),
    ("slides", "light", DESK),
    ("slides", "dark", PHONE),
    ("tables", "light", PHONE),
]


@pytest.mark.parametrize(("name", "scheme", "size"), CASES)
def test_no_serious_fault(
    name: str, scheme: str, size: dict[str, int], files: dict[str, str], browser: Browser
) -> None:
    with open_page(browser, files[name], color_scheme=scheme, viewport=size) as page:
        page.evaluate("for (const part of document.querySelectorAll('details')) part.open = true")
        assert serious_faults(page) == []


def test_a_fault_is_found(files: dict[str, str], browser: Browser) -> None:
    with open_page(browser, files["tables"]) as page:
        page.evaluate(
            "document.body.insertAdjacentHTML('beforeend', '<button></button><p style=\"color:#eee\">pale</p>')"
        )
        assert sorted(fault.partition(":")[0] for fault in serious_faults(page)) == ["button-name", "color-contrast"]
