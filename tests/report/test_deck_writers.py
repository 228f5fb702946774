"""Each writer shows what the slides hold, escapes what records and speakers say, and writes the same file twice."""

import re
from pathlib import Path

import pytest
from markdown_it import MarkdownIt

from bench.report.__main__ import main
from bench.report.deck.about import About, read_about
from bench.report.deck.slides import Deck, Grid, Line, Picture
from bench.report.deck.write_html import render_html
from bench.report.deck.write_md import render_markdown
from bench.util.cli import OK, run_command
from bench.util.errors import BadInput
from bench.util.untrusted import printable
from tests.fake_runs import write_fake_run
from tests.report.building import read_page
from tests.report.decks import deck_of
from tests.test_escaping import NASTY

SAID = printable(NASTY)
ABOUT = About(title=SAID, team=SAID, thanks={SAID: "$x_1$ [a](javascript:b)"})


@pytest.fixture(scope="module")
def hostile(tmp_path_factory: pytest.TempPathFactory) -> Deck:
    """Return a deck of runs, and of a speaker, that tell NASTY wherever a slide shows it."""
    root = tmp_path_factory.mktemp("hostile")
    shown = ("model.name", "model.family", "model.technique", "machine.device_name", "data.name", "spec.model.name")
    for seed in (0, 1):
        write_fake_run(root, "resnet_20", seed, result=dict.fromkeys((*shown, "spec.data.name"), NASTY))
    return deck_of(root, about=ABOUT)


def texts(deck: Deck) -> list[str]:
    """Return what the slides say."""
    found = []
    for slide in deck.slides:
        found.append(slide.title)
        for part in slide.parts:
            found += [part.words] if isinstance(part, Line) else [part.title]
            found += [entry.words for row in part.rows for entry in row] if isinstance(part, Grid) else []
    return [" ".join(words.split()) for words in found if words.strip()]


def without_footnotes(markdown: str) -> str:
    """Return Markdown without the marks of footnotes, which plain CommonMark does not know."""
    return re.sub(r"\[\^[\w-]+\]", "", markdown)


def flat(words: str) -> str:
    """Return text without white space, which renderers change."""
    return re.sub(r"\s+", "", words)


def test_markdown_shows_all_and_every_footnote_leads_somewhere(committed: Deck) -> None:
    shown = render_markdown(committed)
    used = re.findall(r"(?<!\n)(\[\^[\w-]+\])", shown)
    defined = re.findall(r"^(\[\^[\w-]+\]): ", shown, re.MULTILINE)
    assert set(used) == set(defined)
    assert len(defined) == len(set(defined)) > 50
    tree = read_page(MarkdownIt("commonmark").enable("table").render(without_footnotes(shown)))
    plain = tree.text + "".join(image.attributes["alt"] for image in tree.all("img"))
    for words in texts(committed):
        assert flat(words) in flat(plain), words
    assert render_markdown(committed) == shown


def test_html_shows_all_and_asks_for_nothing(committed: Deck) -> None:
    page = render_html(committed)
    tree = read_page(page)
    plain = flat(re.sub(r"<sup>.*?</sup>", "", page))
    for words in texts(committed):
        assert flat(words).replace("'", "&#39;").replace("<", "&lt;").replace(">", "&gt;") in plain, words
    ids = {element.attributes["id"] for element in tree.walk() if "id" in element.attributes}
    assert {link.attributes["href"].removeprefix("#") for link in tree.all("a")} <= ids
    assert all(image.attributes["src"].startswith("data:image/svg+xml;base64,") for image in tree.all("img"))
    assert not tree.all("script")
    assert len(tree.all("section")) == len(committed.slides)
    assert render_html(committed) == page


def test_texts_of_records_and_speakers_stay_texts(hostile: Deck) -> None:
    assert any("<script>" in words for words in texts(hostile))
    page = render_html(hostile)
    assert "<script" not in page
    assert "alert(1)" in page
    markdown = render_markdown(hostile)
    rendered = MarkdownIt("commonmark").enable("table").render(without_footnotes(markdown))
    assert "alert(1)" in rendered
    assert not any(mark in rendered for mark in ("<script", "<em>b", "<a href"))
    for part in (part for slide in hostile.slides for part in slide.parts if isinstance(part, Picture)):
        assert b"<script" not in part.content


def test_the_command_writes_text_and_pictures(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write_fake_run(tmp_path / "runs", "resnet_20")
    about, out = tmp_path / "about.yaml", tmp_path / "new" / "deck.md"
    about.write_text("title: A & B\nteam: [A, B]\ndate: 12 June\nthanks: {A: the runs}\n")
    words = ["deck", "--runs", str(tmp_path / "runs"), "--about", str(about)]
    assert main([*words, "--out", str(out)]) == OK
    assert capsys.readouterr().out == f"wrote {out}: 1 runs\n"
    shown = out.read_text(encoding="utf-8")
    assert shown.splitlines()[2] == "# A &amp; B"
    assert "- 团队：A, B" in shown
    assert "| A | the runs |" in shown
    names = {path.name for path in out.parent.iterdir()} - {out.name}
    assert set(re.findall(r"\]\(([^)]*\.svg)\)", shown)) == names != set()
    page = tmp_path / "deck.html"
    assert main([*words, "--format", "html", "--lang", "en", "--out", str(page)]) == OK
    assert page.read_text(encoding="utf-8").startswith("<!doctype html>")


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("titel: x\n", "about.yaml: 'titel'. Did you mean 'title'?"),
        ("team: {a: b}\n", "key 'team': a text or a list of texts is expected"),
        ("thanks: [a]\n", "key 'thanks': a mapping of names"),
        ("- a\n", "a mapping of keys to values is expected"),
    ],
)
def test_what_a_speaker_cannot_give(content: str, message: str, tmp_path: Path) -> None:
    path = tmp_path / "about.yaml"
    path.write_text(content)
    with pytest.raises(BadInput, match=re.escape(message)):
        read_about(path)


@pytest.mark.parametrize(
    ("words", "message"),
    [(["--runs", "nowhere"], "there is no such runs folder"), (["--about", "nowhere.yaml"], "there is no such file")],
)
def test_bad_input(words: list[str], message: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert run_command(main, ["deck", *words]) == 2
    assert message in capsys.readouterr().err


def test_a_folder_that_cannot_be_written(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write_fake_run(tmp_path / "runs", "resnet_20")
    (tmp_path / "file").write_text("")
    assert run_command(main, ["deck", "--runs", str(tmp_path / "runs"), "--out", str(tmp_path / "file" / "x")]) == 2
    assert "cannot be written" in capsys.readouterr().err
