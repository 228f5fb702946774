"""Build a page of run records, and read it back as a tree of elements."""

import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from html.parser import HTMLParser
from pathlib import Path

from bench.analysis.sources import make_source
from bench.records import read_runs
from bench.report.contents import Contents
from bench.report.page import render_page
from tests.fake_runs import write_fake_run

VOID = {"meta", "link", "br", "hr", "img", "input"}


@dataclass
class Element:
    """One element: its name, attributes, and what is in it."""

    name: str
    attributes: dict[str, str]
    children: list["Element | str"] = field(default_factory=list)

    @property
    def text(self) -> str:
        """Return all text in it, with single spaces."""
        return " ".join("".join(self._parts()).split())

    def _parts(self) -> Iterator[str]:
        for child in self.children:
            yield from [child] if isinstance(child, str) else child._parts()

    def walk(self) -> Iterator["Element"]:
        """Yield it and all elements in it."""
        yield self
        for child in self.children:
            if isinstance(child, Element):
                yield from child.walk()

    def all(self, name: str) -> list["Element"]:
        """Return all elements of a name in it."""
        return [element for element in self.walk() if element.name == name]

    def by_id(self, name: str) -> "Element":
        """Return the element with an id."""
        return next(element for element in self.walk() if element.attributes.get("id") == name)


class Reader(HTMLParser):
    """Read a page; raise AssertionError for elements that are not closed in order."""

    def __init__(self) -> None:
        super().__init__()
        self.open = [Element("", {})]

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        element = Element(tag, {name: value or "" for name, value in attrs})
        self.open[-1].children.append(element)
        if tag not in VOID:
            self.open.append(element)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.open[-1].children.append(Element(tag, {name: value or "" for name, value in attrs}))

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop().name == tag, tag

    def handle_data(self, data: str) -> None:
        self.open[-1].children.append(data)


def read_page(page: str) -> Element:
    """Return a page as a tree."""
    reader = Reader()
    reader.feed(page)
    assert len(reader.open) == 1, reader.open[-1].name
    return reader.open[0]


def contents_of(runs: Path, language: str = "en") -> Contents:
    """Return what the page of a runs folder is made of."""
    return Contents(make_source(read_runs(runs), str(runs)), language)


def build_page(runs: Path, language: str = "en") -> str:
    """Return the page of a runs folder."""
    return render_page(contents_of(runs, language), read_runs(runs), "a test")


def write_hostile(root: Path, text: str) -> Path:
    """Write two runs (generated) that tell a text wherever a record may hold one, and return their folder."""
    for seed in (0, 1):
        path = write_fake_run(root, "resnet_20", seed)
        result = json.loads((path / "result.json").read_text())
        for part, key in (("model", "name"), ("model", "technique"), ("machine", "device_name"), ("data", "name")):
            result[part][key] = text
        spec = result["spec"]
        spec["model"]["name"] = spec["optimizer"]["name"] = spec["data"]["name"] = text
        spec["algorithms"] = {text: {text: "</script><svg onload=alert(2)>"}}
        (path / "result.json").write_text(json.dumps(result))
        (path / "environment.json").write_text(json.dumps({text: "</pre>" + text}))
    return root
