"""The page in a real browser, from a file, without a network: what readers do with it, and what they see."""

import json
import xml.etree.ElementTree as ET
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Locator, Page, expect

from bench.audit.findings import VERDICTS
from bench.tables.render_csv import render_csv
from tests.fake_runs import write_fake_run, write_seeds
from tests.report.browser import DESK, PHONE, open_again, open_chromium, open_page
from tests.report.building import build_page
from tests.requirements import needs
from tests.tables.building import build

pytestmark = needs("chromium")
MODELS = ("resnet_20", "eca_resnet_20", "ecanet20_fixed_k5", "resnet_32", "ghost_resnet_20", "mlp_mixer_tiny")
ROW = "#models tbody tr[data-group]"


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return six networks × 3 seeds in two blocks (generated)."""
    root = write_seeds(tmp_path_factory.mktemp("browser"), MODELS)
    for seed in range(3):
        write_fake_run(root, "resnet_20", seed, batch_size=128, fake={"top1": 68.0})
    return root


@pytest.fixture(scope="module")
def address(runs: Path, tmp_path_factory: pytest.TempPathFactory) -> str:
    path = tmp_path_factory.mktemp("page") / "index.html"
    path.write_text(build_page(runs), encoding="utf-8")
    return f"file://{path}"


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with open_chromium() as chromium:
        yield chromium


@pytest.fixture
def page(browser: Browser, address: str) -> Iterator[Page]:
    """Return the page at the size of a desk; afterwards nothing must have gone wrong."""
    with open_page(browser, address) as opened:
        yield opened


def shown(page: Page) -> Locator:
    """Return the rows of the table that are seen."""
    return page.locator(f"{ROW}:visible")


def names(page: Page) -> list[str]:
    return shown(page).locator("th a").all_text_contents()


def fragment(page: Page) -> str:
    return str(page.evaluate("location.hash"))


def background(page: Page) -> str:
    return str(page.evaluate("getComputedStyle(document.body).backgroundColor"))


def downloaded(page: Page, selector: str) -> tuple[str, bytes]:
    """Return the name and the content of the file that a click on a button saves."""
    with page.expect_download() as waiting:
        page.locator(selector).first.click()
    return waiting.value.suggested_filename, waiting.value.path().read_bytes()


def test_it_opens_without_a_fault(page: Page) -> None:
    assert page.locator("html").get_attribute("class") == "js"
    assert len(names(page)) == len(MODELS) + 1
    expect(page.locator("#shown-rows")).to_have_text("7 of 7 rows shown")


@pytest.mark.parametrize("key", ["top1", "params_m", "model", "rank"])
def test_it_sorts_within_blocks(page: Page, key: str) -> None:
    before = names(page)
    head = page.locator(f"th[data-key={key}]")
    place = head.evaluate("cell => cell.cellIndex")

    def blocks() -> list[list[float | str]]:
        return [
            [row.locator("xpath=*").nth(place).evaluate(VALUE) for row in body.locator("tr[data-group]").all()]
            for body in page.locator("#models tbody").all()
        ]

    head.locator("button").click()
    assert all(block == sorted(block) for block in blocks())
    assert fragment(page) == f"#sort={key}"
    head.locator("button").click()
    assert all(block == sorted(block, reverse=True) for block in blocks())
    assert head.get_attribute("aria-sort") == "descending"
    head.locator("button").click()
    assert (names(page), fragment(page)) == (before, "")


# What a cell is sorted by: its number, or its words.
VALUE = "cell => cell.dataset.sort ? Number(cell.dataset.sort) : cell.textContent.trim()"


def test_it_filters_and_the_address_brings_the_view_back(page: Page, address: str) -> None:
    page.fill("#filters [name=text]", "ECA")
    assert sorted(names(page)) == ["eca_resnet_20", "ecanet20_fixed_k5"]
    page.fill("#filters [name=text]", "")
    page.select_option("#filters [name=technique]", "basic_resnet")
    page.fill("#filters [name=max]", "0.3")
    page.locator("#filters summary").first.click()
    page.click("#filters [name=column][value=top5]")
    page.click("th[data-key=top1] button")
    found, view = names(page), fragment(page)
    assert len(found) == 2
    assert all(name.startswith("resnet_20") for name in found)
    open_again(page, address + view)
    assert names(page) == found
    expect(page.locator("#filters [name=max]")).to_have_value("0.3")
    expect(page.locator("th[data-key=top5]")).to_be_hidden()
    page.click("#filters [type=reset]")
    assert (len(names(page)), fragment(page)) == (7, "")
    expect(page.locator("th[data-key=top5]")).to_be_visible()


def test_the_files_hold_the_shown_rows_as_bench_tables_writes_them(page: Page, runs: Path) -> None:
    head, *lines = render_csv(build(runs, "comparison")).splitlines()
    name, content = downloaded(page, "#save-csv")
    assert (name, content.decode().splitlines()) == ("comparison.csv", [head, *lines])
    page.select_option("#filters [name=technique]", "attention")
    page.click("th[data-key=params_m] button")
    some = downloaded(page, "#save-csv")[1].decode().splitlines()
    assert some[0] == head
    assert sorted(some[1:]) == sorted(line for line in lines if ",attention," in line)
    rows = json.loads(downloaded(page, "#save-json")[1])
    assert [row["model"] for row in rows] == names(page)
    assert [row["params_m"] for row in rows] == sorted(row["params_m"] for row in rows)


def test_a_cell_leads_to_its_runs(page: Page) -> None:
    shown(page).nth(2).locator("td").nth(2).click()
    expect(page.locator("#cell-runs")).to_be_visible()
    links = page.locator("#cell-runs-list a").all_text_contents()
    assert len(links) == 3
    page.click("#cell-runs-list li:nth-child(2) a")
    opened = page.locator("details.run[open]")
    expect(opened.locator("> summary code")).to_have_text(links[1])
    expect(page.locator("#cell-runs")).to_be_hidden()
    expect(opened.locator("pre.epochs")).to_be_in_viewport()


def test_it_compares_chosen_rows(page: Page, address: str) -> None:
    data = json.loads(page.locator("#data").text_content() or "")
    base, *arms = (data["names"].index(name) for name in ("resnet_32", "eca_resnet_20", "mlp_mixer_tiny"))
    page.select_option("#picks [name=base]", str(base))
    for arm in arms:
        page.click(f"#picks [name=arm][value='{arm}']")

    def rows() -> list[list[str]]:
        return [row.locator("xpath=*").all_text_contents() for row in page.locator("#contrasts tbody tr").all()]

    found = rows()
    assert [row[0] for row in found] == ["eca_resnet_20", "mlp_mixer_tiny"]
    assert [row[1:5] for row in found] == [data["pairs"][f"{base} {arm}"] for arm in arms]
    assert found[0][5] == "same recipe"
    assert "optimizer: adamw" in found[1][5]
    curves = page.locator("#overlays .curve.chosen").evaluate_all("all => all.map(curve => curve.dataset.g)")
    assert sorted(curves) == sorted(map(str, (base, *arms)))
    open_again(page, address + fragment(page))
    assert rows() == found
    expect(page.locator("#contrast-base")).to_have_text("Base: resnet_32")
    # The boxes of the table choose as well.
    page.click(f"#models tr[data-group='{arms[0]}'] [name=pick]")
    assert [row[0] for row in rows()] == ["mlp_mixer_tiny"]


def test_figures_switch_and_are_saved(page: Page) -> None:
    def seen() -> set[str]:
        return set(page.locator(".view:visible").evaluate_all("all => all.map(view => view.dataset.view)"))

    assert seen() == {"params_m log"}
    page.click("[name=cost][value=training_pflop]")
    page.click("[name=scale][value=linear]")
    assert seen() == {"training_pflop linear"}
    assert fragment(page) == "#cost=training_pflop&scale=linear"
    name, picture = downloaded(page, "#figures .save button")
    assert name.endswith(".svg")
    root = ET.fromstring(picture)
    assert not any(element.get("class") or element.get("href") for element in root.iter())
    assert any((element.text or "") == "Training PFLOP" for element in root.iter())
    assert "rgb(0, 114, 178)" in {element.get("fill") for element in root.iter() if element.tag.endswith("path")}
    name, png = downloaded(page, "#figures .save button + button")
    assert name.endswith(".png")
    assert png.startswith(b"\x89PNG")
    assert tuple(int.from_bytes(png[start : start + 4]) for start in (16, 20)) == (1520, 800)


@pytest.mark.parametrize("verdict", VERDICTS)
def test_claims_are_filtered(page: Page, verdict: str) -> None:
    page.select_option("#claim-filters [name=verdict]", verdict)
    found = page.locator("#claim-table tbody tr:visible").evaluate_all("all => all.map(row => row.dataset.verdict)")
    assert set(found) == {verdict}


def test_it_is_read_without_a_script(browser: Browser, address: str) -> None:
    with open_page(browser, address, java_script_enabled=False) as page:
        assert len(names(page)) == len(MODELS) + 1
        expect(page.locator("#filters")).to_be_hidden()
        heads = page.locator("#models thead th")
        assert heads.count() == page.locator("#models thead th:visible").count()
        expect(page.locator("#contrasts tbody tr")).to_have_count(len(MODELS))
        page.click("#figures [name=cost][value=macs_m]")
        expect(page.locator("[data-view='macs_m log']").first).to_be_visible()


def test_the_keyboard_suffices(page: Page) -> None:
    page.keyboard.press("Tab")
    expect(page.locator(":focus")).to_have_class("skip")
    page.keyboard.press("Enter")
    reached: list[str] = []
    for _ in range(60):
        page.keyboard.press("Tab")
        reached.append(
            page.evaluate("(e => e.id || e.name || e.closest('[data-key]')?.dataset.key)(document.activeElement)")
        )
        if reached[-1] == "top1":
            break
    assert {"text", "technique", "min", "max", "save-csv", "rank", "model"} <= set(reached)
    page.keyboard.press("Enter")
    assert fragment(page) == "#sort=top1"


@pytest.mark.parametrize("size", [DESK, PHONE], ids=["desk", "phone"])
def test_it_fits_the_window(browser: Browser, address: str, size: dict[str, int]) -> None:
    with open_page(browser, address, viewport=size) as page:
        assert page.evaluate("document.documentElement.scrollWidth") <= size["width"]
        light = background(page)
        page.emulate_media(color_scheme="dark")
        assert background(page) != light
        page.select_option("#colours", "light")
        assert background(page) == light


def test_it_is_printed_light_and_without_controls(page: Page) -> None:
    page.emulate_media(color_scheme="dark", media="print")
    assert background(page) == "rgb(255, 255, 255)"
    expect(page.locator("#models")).to_be_visible()
    for selector in ("nav", "#filters", ".save", "#picks"):
        expect(page.locator(selector).first).to_be_hidden()
