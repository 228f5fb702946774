"""Lines and one line of progress, in a terminal and in a pipe."""

import io

import pytest

from bench.util.console import CLEAR, Console, progress_bar, show_seconds


class Terminal(io.StringIO):
    """A stream that says that it is a terminal."""

    def isatty(self) -> bool:
        return True


def on_screen(text: str) -> list[str]:
    """Return the lines that a terminal shows after a text: what follows the last return to a line's start."""
    return [line.rpartition(CLEAR)[2] for line in text.split("\n")]


@pytest.mark.parametrize(
    ("seconds", "shown"),
    [(None, "unknown"), (12, "12 s"), (89, "89 s"), (90, "2 min"), (3900, "1 h 05 min"), (90_000, "25 h 00 min")],
)
def test_times_are_shown_in_words(seconds: float | None, shown: str) -> None:
    assert show_seconds(seconds) == shown


@pytest.mark.parametrize(
    ("share", "bar"),
    [
        (0.0, "[..........]   0%"),
        (0.5, "[#####.....]  50%"),
        (0.999, "[#########.]  99%"),
        (1.0, "[##########] 100%"),
    ],
)
def test_a_bar_is_full_at_the_end_only(share: float, bar: str) -> None:
    assert progress_bar(share) == bar


def test_a_pipe_gets_every_line(capsys: pytest.CaptureFixture[str]) -> None:
    console = Console()
    console.show("step 1")
    console.say("epoch 1")
    console.show("step 2")
    console.clear()
    assert capsys.readouterr().out == "step 1\nepoch 1\nstep 2\n"


def test_a_terminal_shows_one_line_of_progress_below_the_others(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "20")
    stream = Terminal()
    console = Console(stream)
    for text in ("step 1", "step 2"):
        console.show(text)
    assert on_screen(stream.getvalue()) == ["step 2"]
    console.say("epoch 1")
    console.show("step 3 of 100 and more than fits")
    assert on_screen(stream.getvalue()) == ["epoch 1", "step 3 of 100 and m"]
    console.clear()
    console.clear()
    console.say("done")
    assert on_screen(stream.getvalue()) == ["epoch 1", "done", ""]
