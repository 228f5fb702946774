"""The page tells what the tables tell, asks for nothing, and shows but never runs what records hold."""

import ast
import json
import re
from pathlib import Path
from typing import Any

import pytest
from scipy.stats import ttest_rel

from bench.report.page import FOLDER, bundle
from bench.report.text import CHINESE, SCRIPT_WORDS
from bench.tables.page import make_page
from bench.tables.render_csv import render_csv
from bench.tables.render_html import render_html
from tests.conftest import REPOSITORY
from tests.fake_runs import FAKES, write_fake_run, write_many, write_seeds
from tests.report.building import Element, build_page, contents_of, read_page, write_hostile
from tests.tables.building import build
from tests.test_escaping import NASTY

MEGABYTE = 1_000_000
MODELS = ("resnet_20", "eca_resnet_20", "resnet_32", "ghost_resnet_20", "improved_resnet20_convnext")


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return five networks × 3 seeds, one run that has not finished, one network with a single seed (generated)."""
    root = write_seeds(tmp_path_factory.mktemp("report"), MODELS)
    write_fake_run(root, "resnet_56", 0)
    write_fake_run(root, "resnet_56", 1, finished=False)
    return root


@pytest.fixture(scope="module")
def page(runs: Path) -> str:
    return build_page(runs)


@pytest.fixture(scope="module")
def tree(page: str) -> Element:
    return read_page(page)


@pytest.fixture(scope="module")
def data(tree: Element) -> dict[str, Any]:
    return dict(json.loads(tree.by_id("data").text))


def test_the_table_is_that_of_bench_tables(runs: Path, tree: Element) -> None:
    table = make_page(build(runs, "comparison"), wide=True)
    head, *rows = tree.by_id("models").all("tr")
    assert [cell.text for cell in head.all("th")] == list(table.headings)
    shown = [[c.text for c in row.children if isinstance(c, Element)] for row in rows if "data-group" in row.attributes]
    expected = [
        [entry.text + ",".join(entry.marks) for entry in row] for section in table.sections for row in section.rows
    ]
    assert shown == expected
    assert len(shown) == len(MODELS) + 1
    printed = read_page(render_html([table])).all("tbody")
    assert [
        [cell.text for cell in row.all("td")] for body in printed for row in body.all("tr") if row.all("td")
    ] == expected


def test_the_files_are_those_of_bench_tables(runs: Path, data: dict[str, Any]) -> None:
    file, table = data["file"], build(runs, "comparison")
    # The page adds what every table adds below it, never to a row.
    assert file["head"] + "".join(file["lines"]) == render_csv(table)
    rows = [dict(zip(file["keys"], values, strict=True)) for values in file["values"]]
    cells = [row.cells for block in table.blocks for row in block.rows]
    assert [row["top1"] for row in rows] == [cell["top1"].value for cell in cells]
    assert [row["params_m"] for row in rows] == [cell["params_m"].value for cell in cells]


def test_a_pair_is_compared_as_scipy_compares_it(runs: Path, data: dict[str, Any]) -> None:
    groups = {group.model: group for group in contents_of(runs).run_groups}
    base, arm = groups["resnet_20"], groups["resnet_32"]
    a, b = (list(group.by_seed("top1").values()) for group in (base, arm))
    expected = ttest_rel(b, a)
    place = " ".join(str(data["names"].index(name)) for name in ("resnet_20", "resnet_32"))
    difference, p, verdict, _ = data["pairs"][place]
    low, high = expected.confidence_interval()
    mean = sum(y - x for x, y in zip(a, b, strict=True)) / len(a)
    assert difference == f"{mean:+.2f} [{low:+.2f}, {high:+.2f}] (paired, n = 3)"
    # Adjusted over the comparisons with the block, so at least the p of the test alone.
    assert float(p.removeprefix("< ")) >= min(expected.pvalue, 0.001) - 0.0005
    assert verdict in ("better", "not distinguishable")
    assert len(data["pairs"]) == (len(MODELS) + 1) * len(MODELS)


def test_a_difference_and_its_mirror_agree(data: dict[str, Any]) -> None:
    for place, (text, *_) in data["pairs"].items():
        base, arm = place.split()
        other = data["pairs"][f"{arm} {base}"][0]
        assert text.split()[0].lstrip("+−") == other.split()[0].lstrip("+−")


def test_what_is_missing_or_failed_is_on_the_first_screen(tree: Element) -> None:
    overview = tree.by_id("overview").text
    assert "Not finished: generated/resnet_56-" in overview
    assert "One seed, so no interval and no verdict: resnet_56" in overview
    assert "Highest mean: resnet_56" in overview
    assert re.search(r"resnet_32 is better than resnet_20 by \d", overview) or "not distinguishable" in overview


def test_every_run_stands_in_full_and_every_link_leads_somewhere(runs: Path, tree: Element) -> None:
    ids = {element.attributes["id"] for element in tree.walk() if "id" in element.attributes}
    for link in tree.all("a"):
        assert link.attributes["href"].removeprefix("#") in ids
    text = tree.by_id("runs").text
    for path in runs.glob("*/*/result.json"):
        assert f"{path.parent.parent.name}/{path.parent.name}" in text
    commands = [pre.text for pre in tree.all("pre") if pre.attributes.get("class") == "command"]
    assert len(commands) == 3 * len(MODELS) + 1


def test_it_asks_the_network_for_nothing(page: str, tree: Element) -> None:
    for element in tree.walk():
        for name in ("src", "href", "xlink:href", "action", "formaction", "poster", "srcset", "data", "background"):
            assert element.attributes.get(name, "#").startswith("#"), element.attributes
        assert element.name not in ("link", "iframe", "object", "embed", "img", "base")
        assert not any(name.startswith("on") or name == "style" for name in element.attributes)
    style = tree.all("style")[0].text
    assert "url(" not in style
    assert "@import" not in style
    assert set(re.findall(r"https?://[^\"' )<]+", page)) <= {"http://www.w3.org/2000/svg"}
    for word in ("fetch(", "XMLHttpRequest", "WebSocket", "import(", "sendBeacon", "innerHTML", "eval("):
        assert word not in bundle()


def test_texts_of_records_are_shown_and_never_markup(tmp_path: Path) -> None:
    page = build_page(write_hostile(tmp_path, NASTY))
    tree = read_page(page)
    assert [script.attributes.get("type") for script in tree.all("script")] == ["application/json", None]
    assert tree.all("script")[1].children == [bundle()]
    assert "<script>alert(1)</script>" in tree.by_id("models").text
    assert "<svg onload=alert(2)>" in tree.by_id("runs").text
    assert not any("onload" in element.attributes for element in tree.walk())
    assert (
        "script-src 'sha256-" in next(m for m in tree.all("meta") if "http-equiv" in m.attributes).attributes["content"]
    )


@pytest.mark.parametrize("runs_folder", ["readme", "all"])
def test_two_builds_are_equal(runs_folder: str, runs: Path) -> None:
    folder = REPOSITORY / "reports" / "runs" if runs_folder == "all" else runs
    assert build_page(folder) == build_page(folder)


def test_size_of_36_models_of_5_seeds_and_30_epochs(tmp_path: Path) -> None:
    write_many(tmp_path, tuple(FAKES), seeds=5, epochs=30)
    for name in list(FAKES)[: 36 - len(FAKES)]:
        for seed in range(5):
            write_fake_run(tmp_path, name, seed, epochs=30, algorithms={})
    page = build_page(tmp_path)
    assert len(read_page(page).by_id("models").all("tbody")) >= 2
    assert len(contents_of(tmp_path).run_groups) == 36
    assert len(page.encode()) < 3 * MEGABYTE


def literals() -> set[str]:
    """Return every English text that the templates and the modules of the page translate."""
    found = set(SCRIPT_WORDS.values())
    for template in (FOLDER / "templates").glob("*.html"):
        found |= set(re.findall(r'\bt\("([^"]+)"', template.read_text(encoding="utf-8")))
    for module in FOLDER.rglob("*.py"):
        for node in ast.walk(ast.parse(module.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Call) and getattr(node.func, "attr", "") == "say" and node.args:
                first = node.args[0]
                if isinstance(first, ast.Constant):
                    found.add(str(first.value))
    return found


def test_every_text_of_the_page_has_its_chinese(runs: Path) -> None:
    texts = literals()
    assert len(texts) > 60
    assert sorted(text for text in texts if text not in CHINESE) == []
    tree = read_page(build_page(runs, "zh"))
    assert tree.all("html")[0].attributes["lang"] == "zh-Hans"
    assert "最高均值：resnet_56" in tree.by_id("overview").text
    assert "未完成：" in tree.by_id("overview").text


@pytest.mark.parametrize(("text", "chinese"), [(text, CHINESE[text]) for text in sorted(literals()) if text in CHINESE])
def test_chinese_texts_take_the_same_values(text: str, chinese: str) -> None:
    assert len(re.findall(r"\{\d?\}", text)) == len(re.findall(r"\{\d?\}", chinese))
