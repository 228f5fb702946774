"""Events reach the same listeners in the same order as by Composer's own engine, and a run's numbers do not change."""

from pathlib import Path
from typing import Any

import pytest
from composer.core import Callback, Event, State
from composer.loggers import Logger, LoggerDestination

import bench.engines.composer
from bench.config import YAMLS, load_spec
from bench.data.datasets import load_dataset
from bench.engines.dispatch import in_order, listens
from bench.records import RESULT
from bench.util.untrusted import read_json
from tests.training import train_here

Heard = list[tuple[str, str]]


class Everything(Callback):
    """Hear all events."""

    def __init__(self, heard: Heard) -> None:
        self.heard = heard

    def run_event(self, event: Event, state: State, logger: Logger) -> None:
        self.heard.append(("everything", event.value))


class Some(Callback):
    """Hear two events."""

    def __init__(self, heard: Heard) -> None:
        self.heard = heard

    def batch_end(self, state: State, logger: Logger) -> None:
        self.heard.append(("some", f"batch_end {int(state.timestamp.batch)}"))

    def eval_end(self, state: State, logger: Logger) -> None:
        self.heard.append(("some", "eval_end"))


class Destination(LoggerDestination):
    """Hear one event, as a logger."""

    def __init__(self, heard: Heard) -> None:
        self.heard = heard

    def batch_end(self, state: State, logger: Logger) -> None:
        self.heard.append(("logger", "batch_end"))


def train(small_data: Path, runs: Path) -> tuple[Heard, dict[str, Any]]:
    """Return what listeners hear of a run of two short epochs, the logger put first, and its result."""
    words = ["batch_size=160", "max_duration=6ba", "wandb.enabled=false", "threads=1", "algorithms.mixup={}"]
    spec = load_spec(YAMLS.parent / "tests" / "small.yaml", [*words, f"runs={runs}"])
    heard: Heard = []
    watchers = [Destination(heard), Everything(heard), Some(heard)]
    path = train_here(spec, load_dataset("shapes100", small_data, "test"), watchers)
    return heard, read_json(path / RESULT)


def test_the_same_is_heard_and_learned(small_data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    heard, result = train(small_data, tmp_path / "ours")
    monkeypatch.setattr(bench.engines.composer, "dispatch_to_listeners", lambda engine: None)
    theirs, their_result = train(small_data, tmp_path / "composer")
    assert heard == theirs
    ends = heard.index(("everything", "batch_end"))
    assert heard[ends : ends + 3] == [("everything", "batch_end"), ("some", "batch_end 1"), ("logger", "batch_end")]
    assert ("some", "batch_end 6") in heard
    assert [result[key] for key in ("loss", "top1", "top5")] == [their_result[key] for key in ("loss", "top1", "top5")]


def test_who_listens() -> None:
    assert all(listens(Everything([]), event) for event in Event)
    some = Some([])
    assert [event for event in Event if listens(some, event)] == [Event.BATCH_END, Event.EVAL_END]
    some.fit_end = lambda state, logger: None
    assert listens(some, Event.FIT_END)
    assert not any(listens(Callback(), event) for event in Event)


def test_loggers_come_last() -> None:
    logger, some, everything = Destination([]), Some([]), Everything([])
    assert in_order([logger, some, everything]) == [some, everything, logger]
