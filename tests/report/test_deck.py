"""The presentation: every slide from runs, what is missing with its command, the deck's claims beside what holds."""

import json
from pathlib import Path

import pytest

from bench.report.__main__ import main
from bench.report.claims import check_claims
from bench.report.deck.render import to_html, to_markdown
from bench.report.deck.slide import Deck, Slide
from bench.report.deck.slides import SLIDES, make_slides
from bench.report.deck.team import Team, read_team
from bench.util.cli import OK, run_command
from bench.util.errors import BadInput
from tests.fake_runs import write_fake_run
from tests.report.building import contents_of, read_page
from tests.test_escaping import NASTY

MODELS = ("resnet_20", "eca_resnet_20", "ecanet20_fixed_k5", "ghost_resnet_20", "mlp_mixer_tiny", "resnet_56")


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return six networks × 3 seeds of one block (generated)."""
    root = tmp_path_factory.mktemp("deck_slides")
    for seed in range(3):
        for name in MODELS:
            write_fake_run(root, name, seed)
    return root


def deck_of(runs: Path, language: str = "en", team: Team | None = None, *, claims: bool = False) -> Deck:
    """Return the presentation of a runs folder."""
    contents = contents_of(runs, language)
    records = [record for run_group in contents.run_groups for record in run_group.records]
    return Deck(contents, check_claims(records)[0], team or Team(), claims)


def text_of(slide: Slide) -> str:
    """Return the lines of a slide as one text."""
    return "\n".join(slide.lines)


@pytest.fixture(scope="module")
def slides(runs: Path) -> list[Slide]:
    return make_slides(deck_of(runs, claims=True))


def test_it_has_the_slides_of_the_deck(slides: list[Slide]) -> None:
    assert len(slides) == len(SLIDES) == 16
    assert [slide.title for slide in slides[4:9]] == [
        "Main results",
        "Efficiency",
        "Training dynamics",
        "Ablations",
        "Key findings",
    ]
    assert all(slide.title and (slide.lines or slide.tables) for slide in slides)


def test_numbers_are_those_of_the_table_and_name_their_runs(runs: Path, slides: list[Slide]) -> None:
    results = slides[4]
    rows = contents_of(runs).rows[:5]
    shown = [row[1].text for row in results.tables[0].sections[0].rows]
    assert shown == [run_group.label for _, _, run_group in rows]
    assert f"{rows[0][1].cells['top1'].value:.2f}" in results.tables[0].sections[0].rows[0][2].text
    assert "Highest mean: resnet_56" in text_of(results)
    assert results.notes[0].startswith("Runs behind the numbers (18): generated/resnet_56-")
    assert "-s0|1|2" in results.notes[0]


def test_what_no_run_has_is_missing_with_a_command(slides: list[Slide]) -> None:
    assert "Of the deck's 21 models 5 have a run here" in text_of(slides[1])
    assert "Missing, no run yet: improved_resnet20_convnext" in text_of(slides[4])
    assert "`composer -n 8 bench/train.py -f yamls/improved_resnet20_convnext.yaml seed=0`" in text_of(slides[4])
    assert "-f yamls/ablations/improved_resnet20_convnext.yaml --arm base`" in text_of(slides[7])
    assert "missing; give it by --team FILE, key 'presenter'" in text_of(slides[0])


def test_claims_stand_beside_our_figures_and_are_put_right(runs: Path, slides: list[Slide]) -> None:
    table = slides[4].tables[0]
    assert table.headings[-1] == "Deck (%)"
    deck_figures = {row[1].text: row[-1].text for row in table.sections[0].rows}
    assert deck_figures["resnet_56"] == "72.50 (contradicted)"
    assert deck_figures["ecanet20_fixed_k5"] == "–"
    assert "resnet_56, top1: not 72.50 % but 74.08 % (the deck authors' own logs)" in text_of(slides[4])
    wrong = [c for c in deck_of(runs).checked if c.claim.table == "comparison" and c.claim.metric in ("rank", "top1")]
    count = sum(checked.verdict == "contradicted" for checked in wrong)
    assert f"Of the deck's {len(wrong)} figures (rank, top1) {count} do not hold." in text_of(slides[4])
    plain = make_slides(deck_of(runs))
    assert "Deck (%)" not in plain[4].tables[0].headings


def test_the_outline_and_the_slides_say_the_same(runs: Path) -> None:
    deck = deck_of(runs, "zh", Team(presenter="王 <b>", contributions={"李": "训练"}))
    slides = make_slides(deck)
    markdown, tree = to_markdown(deck, slides, "a test"), read_page(to_html(deck, slides, "a test"))
    assert "## 5. 核心实验结果 - 整体性能对比" in markdown
    assert "报告人：王 &lt;b&gt;" in markdown
    assert "报告人：王 <b>" in tree.by_id("s1").text
    assert "李：训练" in tree.by_id("s11").text
    assert len([section for section in tree.all("section") if section.attributes["class"] == "slide"]) == len(SLIDES)
    assert tree.all("script") == []
    assert all(link.attributes["href"].startswith("#") for link in tree.all("a"))
    for slide, number in zip(slides, range(1, 17), strict=True):
        for line in slide.lines:
            assert " ".join(line.replace("`", "").split()) in tree.by_id(f"s{number}").text


def test_texts_of_records_are_no_markup(tmp_path: Path) -> None:
    path = write_fake_run(tmp_path, "resnet_20")
    result = json.loads((path / "result.json").read_text())
    result["spec"]["model"]["name"] = result["model"]["name"] = result["machine"]["device_name"] = NASTY
    (path / "result.json").write_text(json.dumps(result))
    deck = deck_of(tmp_path)
    slides = make_slides(deck)
    assert "<script>" not in to_markdown(deck, slides, "a test")
    assert read_page(to_html(deck, slides, "a test")).all("script") == []


def test_a_team_is_read_from_its_file(tmp_path: Path) -> None:
    path = tmp_path / "team.yaml"
    path.write_text("team: A\ndate: '2025-06-01'\ncontributions: {B: training}\n")
    assert read_team(path) == Team(team="A", date="2025-06-01", contributions={"B": "training"})
    path.write_text("presentor: C\n")
    with pytest.raises(BadInput, match=r"unknown key 'presentor'\. Did you mean 'presenter'"):
        read_team(path)
    path.write_text("date: 2025\n")
    with pytest.raises(BadInput, match="key 'date': 2025"):
        read_team(path)


@pytest.mark.parametrize("form", ["md", "html"])
def test_the_command_writes_a_file(form: str, runs: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = tmp_path / f"deck.{form}"
    assert main(["deck", "--runs", str(runs), "--format", form, "--out", str(out)]) == OK
    assert capsys.readouterr().out == f"wrote {out}: 18 runs\n"
    assert "整体性能对比" in out.read_text(encoding="utf-8")
    assert run_command(main, ["deck", "--runs", str(runs), "--team", str(tmp_path / "none.yaml")]) == 2
