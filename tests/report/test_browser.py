"""The page in a real browser, from a file, without a network: what readers do with it, and what they see."""

import json
import time
import xml.etree.ElementTree as ET
from collections.abc import Iterator
from pathlib import Path

import pytest

from bench.audit.findings import VERDICTS
from bench.tables.render_csv import render_csv
from tests.fake_runs import write_fake_run, write_seeds
from tests.report.browser import Tab, open_browser
from tests.report.building import build_page
from tests.requirements import needs
from tests.tables.building import build

pytestmark = needs("chromium")
MODELS = ("resnet_20", "eca_resnet_20", "ecanet20_fixed_k5", "resnet_32", "ghost_resnet_20", "mlp_mixer_tiny")
SHOWN = "[...document.querySelectorAll('#models tbody tr[data-group]')].filter(r => r.checkVisibility())"
NAMES = f"{SHOWN}.map(row => row.querySelector('th a').textContent)"


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
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Tab]:
    with open_browser(tmp_path_factory.mktemp("profile")) as tab:
        yield tab


@pytest.fixture
def tab(browser: Tab, address: str) -> Iterator[Tab]:
    """Return the page, opened anew at the size of a desk; afterwards nothing must have gone wrong."""
    browser.look(1280, 900)
    browser.call("Emulation.setScriptExecutionDisabled", value=False)
    browser.open(address)
    yield browser
    assert browser.faults() == []
    assert {url.partition("#")[0] for url in browser.requested() if not url.startswith(("data:", "blob:"))} <= {
        address,
        "about:blank",
    }


def set_value(tab: Tab, selector: str, value: str) -> None:
    """Put a value into a control as a user does."""
    tab.run(
        f"(() => {{ const c = document.querySelector({selector!r}); c.value = {value!r};"
        "for (const kind of ['input', 'change']) c.dispatchEvent(new Event(kind, {bubbles: true})); })()"
    )


def click(tab: Tab, selector: str) -> None:
    tab.run(f"document.querySelector({selector!r}).click()")


def fragment(tab: Tab) -> str:
    return str(tab.run("location.hash"))


def downloaded(tab: Tab, selector: str, folder: Path, name: str) -> bytes:
    """Return the file that a click on a button saves."""
    tab.call("Page.setDownloadBehavior", behavior="allow", downloadPath=str(folder))
    click(tab, selector)
    for _ in range(500):
        found = [path for path in folder.glob(name) if path.suffix != ".crdownload"]
        if found and found[0].stat().st_size:
            return found[0].read_bytes()
        time.sleep(0.02)
    raise AssertionError(f"no {name} was saved")


def test_it_opens_without_a_fault(tab: Tab) -> None:
    assert tab.run("document.documentElement.className") == "js"
    assert len(tab.run(NAMES)) == len(MODELS) + 1
    assert tab.run("document.querySelector('#shown-rows').textContent") == "7 of 7 rows shown"


@pytest.mark.parametrize("key", ["top1", "params_m", "model", "rank"])
def test_it_sorts_within_blocks(tab: Tab, key: str) -> None:
    before = tab.run(NAMES)
    place = tab.run("[...document.querySelectorAll('#models thead th')].map(c => c.dataset.key)").index(key)
    values = (
        f"[...document.querySelectorAll('#models tbody')].map(b => [...b.querySelectorAll('tr[data-group]')]"
        f".map(r => r.cells[{place}].dataset.sort ? Number(r.cells[{place}].dataset.sort) : "
        f"r.cells[{place}].textContent.trim()))"
    )
    click(tab, f"th[data-key={key}] button")
    assert all(block == sorted(block) for block in tab.run(values))
    assert fragment(tab) == f"#sort={key}"
    click(tab, f"th[data-key={key}] button")
    assert all(block == sorted(block, reverse=True) for block in tab.run(values))
    assert tab.run(f"document.querySelector('th[data-key={key}]').getAttribute('aria-sort')") == "descending"
    click(tab, f"th[data-key={key}] button")
    assert (tab.run(NAMES), fragment(tab)) == (before, "")


def test_it_filters_and_the_address_brings_the_view_back(tab: Tab, address: str) -> None:
    set_value(tab, "#filters [name=text]", "ECA")
    assert sorted(tab.run(NAMES)) == ["eca_resnet_20", "ecanet20_fixed_k5"]
    set_value(tab, "#filters [name=text]", "")
    set_value(tab, "#filters [name=technique]", "basic_resnet")
    set_value(tab, "#filters [name=max]", "0.3")
    click(tab, "#filters [name=column][value=top5]")
    click(tab, "th[data-key=top1] button")
    names, view = tab.run(NAMES), fragment(tab)
    assert len(names) == 2
    assert all(name.startswith("resnet_20") for name in names)
    tab.open(address + view)
    assert tab.run(NAMES) == names
    assert tab.run("document.querySelector('#filters [name=max]').value") == "0.3"
    assert tab.run("document.querySelector('th[data-key=top5]').checkVisibility()") is False
    click(tab, "#filters [type=reset]")
    assert (len(tab.run(NAMES)), fragment(tab)) == (7, "")
    assert tab.run("document.querySelector('th[data-key=top5]').checkVisibility()") is True


def test_the_files_hold_the_shown_rows_as_bench_tables_writes_them(tab: Tab, runs: Path, tmp_path: Path) -> None:
    head, *lines = render_csv(build(runs, "comparison")).splitlines()
    text = downloaded(tab, "#save-csv", tmp_path, "comparison.csv").decode()
    assert text.splitlines() == [head, *lines]
    (tmp_path / "comparison.csv").unlink()
    set_value(tab, "#filters [name=technique]", "attention")
    click(tab, "th[data-key=params_m] button")
    some = downloaded(tab, "#save-csv", tmp_path, "comparison.csv").decode().splitlines()
    assert some[0] == head
    assert sorted(some[1:]) == sorted(line for line in lines if ",attention," in line)
    rows = json.loads(downloaded(tab, "#save-json", tmp_path, "comparison.json"))
    assert [row["model"] for row in rows] == tab.run(NAMES)
    assert [row["params_m"] for row in rows] == sorted(row["params_m"] for row in rows)


def test_a_cell_leads_to_its_runs(tab: Tab) -> None:
    tab.run(f"{SHOWN}[2].cells[3].click()")
    links = tab.run("[...document.querySelectorAll('#cell-runs-list a')].map(a => a.textContent)")
    assert len(links) == 3
    assert tab.run("document.querySelector('#cell-runs').open") is True
    click(tab, "#cell-runs-list li:nth-child(2) a")
    tab.run("new Promise(done => setTimeout(done, 50))")
    opened = tab.run("[...document.querySelectorAll('details.run[open] summary code')].map(c => c.textContent)")
    assert opened == [links[1]]
    assert tab.run("document.querySelector('#cell-runs').open") is False
    assert tab.run("document.querySelector('details.run[open] pre.epochs').checkVisibility()") is True


def test_it_compares_chosen_rows(tab: Tab, address: str) -> None:
    data = json.loads(tab.run("document.querySelector('#data').textContent"))
    base, *arms = (data["names"].index(name) for name in ("resnet_32", "eca_resnet_20", "mlp_mixer_tiny"))
    set_value(tab, "#picks [name=base]", str(base))
    for arm in arms:
        click(tab, f"#picks [name=arm][value='{arm}']")
    rows = "[...document.querySelectorAll('#contrasts tbody tr')].map(r => [...r.cells].map(c => c.textContent))"
    shown = tab.run(rows)
    assert [row[0] for row in shown] == ["eca_resnet_20", "mlp_mixer_tiny"]
    assert [row[1:5] for row in shown] == [data["pairs"][f"{base} {arm}"] for arm in arms]
    assert shown[0][5] == "same recipe"
    assert "optimizer: adamw" in shown[1][5]
    curves = "[...document.querySelectorAll('#overlays .curve.chosen')].map(c => c.dataset.g)"
    assert sorted(tab.run(curves)) == sorted(map(str, (base, *arms)))
    tab.open(address + fragment(tab))
    assert tab.run(rows) == shown
    assert tab.run("document.querySelector('#contrast-base').textContent") == "Base: resnet_32"
    # The boxes of the table choose as well.
    click(tab, f"#models tr[data-group='{arms[0]}'] [name=pick]")
    assert [row[0] for row in tab.run(rows)] == ["mlp_mixer_tiny"]


def test_figures_switch_and_are_saved(tab: Tab, tmp_path: Path) -> None:
    seen = "[...document.querySelectorAll('.view')].filter(v => v.checkVisibility()).map(v => v.dataset.view)"
    assert set(tab.run(seen)) == {"params_m log"}
    click(tab, "[name=cost][value=training_pflop]")
    click(tab, "[name=scale][value=linear]")
    assert set(tab.run(seen)) == {"training_pflop linear"}
    assert fragment(tab) == "#cost=training_pflop&scale=linear"
    root = ET.fromstring(downloaded(tab, "#figures .save button", tmp_path, "*.svg"))
    assert not any(element.get("class") or element.get("href") for element in root.iter())
    assert any((element.text or "") == "Training PFLOP" for element in root.iter())
    fills = {element.get("fill") for element in root.iter() if element.tag.endswith("path")}
    assert "rgb(0, 114, 178)" in fills
    png = downloaded(tab, "#figures .save button + button", tmp_path, "*.png")
    assert png.startswith(b"\x89PNG")
    width, height = (int.from_bytes(png[start : start + 4]) for start in (16, 20))
    assert (width, height) == (1520, 800)


@pytest.mark.parametrize("verdict", VERDICTS)
def test_claims_are_filtered(tab: Tab, verdict: str) -> None:
    set_value(tab, "#claim-filters [name=verdict]", verdict)
    shown = tab.run(
        "[...document.querySelectorAll('#claim-table tbody tr')].filter(r => !r.hidden).map(r => r.dataset.verdict)"
    )
    assert shown
    assert set(shown) == {verdict}


def test_it_is_read_without_a_script(tab: Tab, address: str) -> None:
    tab.call("Emulation.setScriptExecutionDisabled", value=True)
    tab.open(address)
    assert len(tab.run(NAMES)) == len(MODELS) + 1
    assert tab.run("document.querySelector('#filters').checkVisibility()") is False
    assert tab.run("[...document.querySelectorAll('#models thead th')].every(c => c.checkVisibility())") is True
    assert tab.run("document.querySelectorAll('#contrasts tbody tr').length") == len(MODELS)
    click(tab, "#figures [name=cost][value=macs_m]")
    assert tab.run("document.querySelector('[data-view=\"macs_m log\"]').checkVisibility()") is True


def test_the_keyboard_suffices(tab: Tab) -> None:
    def press(key: str) -> None:
        for kind in ("keyDown", "keyUp"):
            text = {"text": "\r"} if key == "Enter" and kind == "keyDown" else {}
            code = {"Tab": 9, "Enter": 13, "Escape": 27}[key]
            tab.call("Input.dispatchKeyEvent", type=kind, key=key, code=key, windowsVirtualKeyCode=code, **text)

    press("Tab")
    assert tab.run("document.activeElement.className") == "skip"
    press("Enter")
    reached = []
    for _ in range(60):
        press("Tab")
        reached.append(tab.run("(e => e.id || e.name || e.closest('[data-key]')?.dataset.key)(document.activeElement)"))
        if reached[-1] == "top1":
            break
    assert {"text", "technique", "min", "max", "save-csv", "rank", "model"} <= set(reached)
    press("Enter")
    assert fragment(tab) == "#sort=top1"


@pytest.mark.parametrize("width", [1280, 390])
def test_it_fits_the_window(tab: Tab, address: str, width: int) -> None:
    tab.look(width, 844)
    tab.open(address)
    assert tab.run("document.documentElement.scrollWidth") <= width
    light = tab.run("getComputedStyle(document.body).backgroundColor")
    tab.look(width, 844, dark=True)
    assert tab.run("getComputedStyle(document.body).backgroundColor") != light
    set_value(tab, "#colours", "light")
    assert tab.run("getComputedStyle(document.body).backgroundColor") == light


def test_it_is_printed_light_and_without_controls(tab: Tab) -> None:
    tab.look(1280, 900, dark=True, media="print")
    assert tab.run("getComputedStyle(document.body).backgroundColor") == "rgb(255, 255, 255)"
    assert tab.run("document.querySelector('#models').checkVisibility()") is True
    for selector in ("nav", "#filters", ".save", "#picks"):
        assert tab.run(f"document.querySelector('{selector}').checkVisibility()") is False
