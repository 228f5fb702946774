"""The line that says how far a work is: on a terminal over and over, in a file now and then."""

import io

import pytest

from bench.util import progress
from bench.util.console import CLEAR, Console
from bench.util.progress import FILE, Progress


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


@pytest.mark.parametrize(("stream", "shown"), [(Terminal(), 9), (io.StringIO(), 3)])
def test_it_says_what_is_done_and_left(stream: io.StringIO, shown: int, monkeypatch: pytest.MonkeyPatch) -> None:
    now = 0.0
    monkeypatch.setattr(progress, "monotonic", lambda: now)
    with Progress("working", 100, skipped=10) as work:
        work._console = Console(stream)
        for _ in range(9):
            now += FILE / 3
            work.advance(10)
    said = [line for line in stream.getvalue().replace(CLEAR, "\n").split("\n") if line]
    assert len(said) == shown
    assert "working [####......]  40% 40 of 100, 60 s left" in said
    assert stream.getvalue().endswith(CLEAR) == stream.isatty()
