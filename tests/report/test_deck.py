"""The deck tells what the tables and the audit tell, names the run behind every number, and shows gaps as gaps."""

import ast
import json
import re
from collections.abc import Iterable, Iterator
from pathlib import Path
from statistics import mean
from typing import Any

import pytest
import yaml

from bench.analysis.health import is_deck
from bench.audit.claims import read_claims
from bench.records import read_run
from bench.report.deck import opening, results, text
from bench.report.deck.build import SLIDES
from bench.report.deck.claims import BY, KEY_TITLES
from bench.report.deck.findings import ENGINEERING, OUTLOOK, PAIRS
from bench.report.deck.grids import LEGEND
from bench.report.deck.material import say_runs
from bench.report.deck.slides import Deck, Grid, Line, Picture, cited
from bench.report.text import CHINESE, UI
from bench.tables.measures import Options
from bench.tables.page import GAP, format_cell
from bench.tables.registry import all_tables
from tests.conftest import REPOSITORY
from tests.fake_runs import DECK_ALGORITHMS, FAKES, SGD, write_fake_run, write_many
from tests.report.decks import COMMITTED, by_name, committed_deck, deck_of, grids, lines, material_of
from tests.tables.building import build, rows_of

CLIPPING = {"clipping_type": "norm", "clipping_threshold": 1.0}
CLAIMS = {claim.key: claim for claim in read_claims()}
RUN = re.compile(r"([\w.+-]+/[\w.+-]+)-s(\d+(?:,\d+)*)")


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return generated runs of the deck's recipe of all models, three seeds each."""
    root = tmp_path_factory.mktemp("whole")
    write_many(root, tuple(FAKES), seeds=3, epochs=4)
    return root


def test_it_has_the_slides_and_the_times_of_the_outline() -> None:
    assert [planned.number for planned in SLIDES] == [*map(str, range(1, 13)), "A1", "A2", "A3", "A4"]
    assert [s.seconds for s in SLIDES if s.seconds] == [30, 60, 90, 60, 120, 60, 60, 120, 60, 60, 30, 30]


@pytest.mark.parametrize(
    ("slide", "place", "table", "key"),
    [
        ("5", 0, "comparison", "model"),
        ("A1", 0, "comparison", "model"),
        ("6", 0, "efficiency", "model"),
        ("5", 1, "by_technique", "technique"),
        ("8", 0, "eca_kernel", "arm"),
        ("8", 1, "improved_resnet20_convnext", "arm"),
        ("A2", 0, "ghost_ratio", "arm"),
    ],
)
def test_its_numbers_are_those_of_the_tables(slide: str, place: int, table: str, key: str, committed: Deck) -> None:
    made = all_tables()[table](material_of(COMMITTED, experiment="small_10ep").members, Options())
    columns = {column.heading.english(): column for column in made.columns}
    expected = rows_of(made, key)
    shown = by_name(grids(committed, slide)[place])
    checked = 0
    for name, cells in shown.items():
        ours = {heading: entry for heading, entry in cells.items() if not heading.startswith("Deck")}
        if name not in expected or expected[name].cells["top1"].value is None:
            assert [entry.text for entry in ours.values()].count(GAP) == len(ours) - 1
            continue
        for heading, entry in ours.items():
            cell = expected[name].cells.get(columns[heading].key)
            assert entry.text == ("" if cell is None else format_cell(cell, columns[heading], "en")), (name, heading)
            checked += 1
    assert checked >= 8


def test_its_numbers_are_those_of_the_runs_that_it_names(committed: Deck) -> None:
    for row in grids(committed, "5")[0].rows:
        cells = dict(zip(grids(committed, "5")[0].headings, row, strict=True))
        if cells["Top-1 (%)"].text == GAP:
            continue
        (source,) = cells["Top-1 (%)"].sources
        results = [json.loads((COMMITTED / run / "result.json").read_text()) for run in runs_in([source])]
        assert int(cells["n"].text) == len(results)
        assert cells["Top-1 (%)"].text.split(" ")[0] == f"{mean(r['top1'] for r in results):.2f}"
        assert cells["Params (M)"].text == f"{results[0]['model']['params'] / 1e6:.3f}"
        assert cells["Train (h)"].text == GAP, "they shared their device"


def test_the_deck_stands_beside_its_own_row(committed: Deck) -> None:
    rows = by_name(grids(committed, "A1")[0])
    for model, cells in rows.items():
        for heading, metric in {"Top-1 (%)": "top1", "Top-5 (%)": "top5", "%/M params": "param_efficiency"}.items():
            claim = CLAIMS.get(("comparison", model, metric))
            shown = cells[f"Deck {heading}"].text
            assert shown.split(" ")[0] == (claim.text if claim else ""), (model, metric)
    assert len(rows) > 10
    assert rows["coatnet_0"]["Top-5 (%)"].text == GAP
    assert rows["resnet_56"]["Deck Top-5 (%)"].text == "97.50 ✗"


def test_without_claims_only_corrections_tell_the_deck() -> None:
    deck = committed_deck()
    assert not any("Deck" in grid.headings for slide in SLIDES for grid in grids(deck, slide.number))
    said = [line.words for line in lines(deck) if line.kind == "correction"]
    assert any(
        words.startswith("hornet_tiny, top-1 per M parameters: the deck says 12.96 %/M; counted 2.73") for words in said
    )
    assert len(said) > 8


def test_every_number_names_where_it_comes_from(committed: Deck) -> None:
    for slide in committed.slides:
        for part in slide.parts:
            if isinstance(part, Grid):
                for row in part.rows:
                    numbers = [
                        e for e, left in zip(row, part.left, strict=True) if not left and e.text not in ("", GAP)
                    ]
                    assert all(entry.sources for entry in numbers), [entry.text for entry in row]
            elif isinstance(part, Picture) or part.kind == "correction":
                assert part.sources
            elif re.search(r"\d\.\d|\(p |figures here", part.words) and part.kind != "missing":
                assert part.sources, part.words


def runs_in(sources: Iterable[str]) -> list[str]:
    """Return the ids of the runs that some sources name."""
    return [f"{run}-s{seed}" for source in sources for run, seeds in RUN.findall(source) for seed in seeds.split(",")]


def test_every_run_that_it_names_is_there(committed: Deck) -> None:
    sources = {s for slide in committed.slides for part in slide.parts for _, found in cited(part) for s in found}
    runs = set(runs_in(sources))
    assert runs == {run for row in material_of(COMMITTED, experiment="small_10ep").members for run in row.runs}
    assert all((COMMITTED / run / "result.json").is_file() for run in runs)


def commands(found: list[Line]) -> Iterator[str]:
    for line in found:
        if loop := re.fullmatch(r"for name in (.*); do (.*); done", line.command):
            yield from (loop[2].replace("$name", name) for name in loop[1].split())
        else:
            yield line.command


def test_what_no_run_has_is_missing_with_the_command_that_makes_it(committed: Deck) -> None:
    missing = [line for line in lines(committed) if line.kind == "missing" and line.command.startswith(("for", "comp"))]
    made = list(commands(missing))
    assert len(set(made)) >= 10
    for command in made:
        words = command.split()
        path = REPOSITORY / words[words.index("-f") + 1]
        assert words[:4] == ["composer", "-n", "8", "bench/train.py"]
        arms = yaml.safe_load(path.read_text()).get("arms", {})
        assert "--arm" not in words or words[-1] in arms
    listed = {claim.row for claim in CLAIMS.values() if claim.table == "comparison"}
    trained = {path.name.rsplit("-", 2)[0] for path in (COMMITTED / "small_10ep").iterdir()}
    third = next(line for line in lines(committed, "3") if line.kind == "missing")
    assert {c.split("/")[-1].removesuffix(".yaml") for c in commands([third])} == listed - trained


def test_a_whole_set_of_runs_misses_nothing_of_the_deck(whole: Path) -> None:
    deck = deck_of(whole, mixed=True, beside=True)
    said = [line for line in lines(deck) if line.kind == "missing"]
    assert not any(
        line.command.endswith(("done", ".yaml")) and "--arm" not in line.command
        for line in said
        if line.command.startswith(("for", "comp"))
    )
    assert "Of the deck's 21 variants 21 have runs here" in " ".join(line.words for line in lines(deck, "3"))
    rank = next(iter(by_name(grids(deck, "5")[0]).items()))
    best = max(
        rows_of(build(whole, "comparison", allow_mixed=True)).items(), key=lambda row: row[1].cells["top1"].value or 0
    )
    assert rank[0] == best[0]


def test_runs_of_another_recipe_are_said_to_be(committed: Deck) -> None:
    for number in ("5", "6", "A1"):
        assert any("not of the deck's recipe" in line.words for line in lines(committed, number))


def test_runs_of_the_decks_recipe_are_not(tmp_path: Path) -> None:
    changes: dict[str, Any] = {
        "data": {"name": "cifar100", "split": "test"},
        "optimizer": {**SGD, "momentum": 0.9, "nesterov": False},
        "schedule": {"name": "cosine", "warmup": "0ep", "final": 0.0},
        "algorithms": {**DECK_ALGORITHMS, "gradient_clipping": CLIPPING},
    }
    path = write_fake_run(tmp_path, "resnet_20", **changes)
    assert is_deck(read_run(path).spec)
    assert not any("not of the deck's recipe" in line.words for line in lines(deck_of(tmp_path)))


def test_one_pair_has_one_p_value(whole: Path) -> None:
    deck = deck_of(whole, mixed=True)
    names = re.compile(r"\bimproved_resnet20_convnext\b.*\bresnet_20\b|\bresnet_20\b.*\bimproved_resnet20_convnext\b")
    pairs = [line.words for n in ("9", "10") for line in lines(deck, n) if names.search(line.words)]
    found = [m[1] for words in pairs if (m := re.search(r"\(p (.*?)\)", words))]
    assert len(found) == 2
    assert len(set(found)) == 1


def test_two_decks_are_equal(committed: Deck) -> None:
    assert committed_deck(beside=True) == committed


def test_ids_of_seeds_are_said_once() -> None:
    assert say_runs(["a/b-0c-s0", "a/b-0c-s1", "a/d-0c-s1", "online"]) == "a/b-0c-s0,1; a/d-0c-s1; online"


def spoken() -> set[str]:
    """Return the English texts that the modules of the deck translate."""
    found: set[str] = {planned.title for planned in SLIDES if planned.title}
    found |= {
        *opening.GOALS,
        *opening.FRAMEWORK,
        *opening.GIVEN,
        *opening.GIVEN.values(),
        opening.TITLE,
        opening.SUBTITLE,
    }
    found |= {*(idea for _, idea in opening.METHODS.values()), *results.OBSERVATIONS, results.METHOD, LEGEND}
    found |= {*BY.values(), *PAIRS.values(), *ENGINEERING, *OUTLOOK, *text.METRICS.values()}
    for module in Path(text.__file__).parent.glob("*.py"):
        for node in ast.walk(ast.parse(module.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Call) and getattr(node.func, "attr", "") == "say" and node.args:
                first: Any = node.args[0]
                found |= {str(first.value)} if isinstance(first, ast.Constant) else set()
    return found


def test_every_text_has_its_chinese_and_takes_the_same_values() -> None:
    texts = spoken()
    assert len(texts) > 100
    assert sorted(words for words in texts if words not in CHINESE) == []
    for words in texts:
        assert len(re.findall(r"\{\d?\}", words)) == len(re.findall(r"\{\d?\}", CHINESE[words])), words


def test_no_words_of_the_page_mean_something_else_on_a_slide() -> None:
    assert {words for words in text.DECK.keys() & UI.keys() if text.DECK[words] != UI[words]} == set()


def test_key_findings_have_their_chinese_titles() -> None:
    from bench.audit.key_findings import KEY_FINDINGS

    assert {finding.__name__ for finding in KEY_FINDINGS} == set(KEY_TITLES)


def test_the_chinese_deck_has_the_numbers_of_the_english_one(committed: Deck) -> None:
    chinese = committed_deck("zh", beside=True)
    for one, other in zip(committed.slides, chinese.slides, strict=True):
        assert [type(part) for part in one.parts] == [type(part) for part in other.parts]
        for a, b in zip(one.parts, other.parts, strict=True):
            if isinstance(a, Grid) and isinstance(b, Grid):
                numbers = [[e.text for e, left in zip(row, a.left, strict=True) if not left] for row in a.rows]
                assert numbers == [[e.text for e, left in zip(row, b.left, strict=True) if not left] for row in b.rows]
    assert chinese.slides[4].title == "核心实验结果 - 整体性能对比"


def test_evidence_counts_our_runs(whole: Path) -> None:
    material = material_of(whole)
    assert len(material.evidence.runs) == 3 * len(FAKES)
