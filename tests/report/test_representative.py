"""Runs with a teacher or from trained weights stand for no network; a departure from the common recipe is told."""

from pathlib import Path
from typing import Any

import pytest

from bench.analysis.run_groups import RunGroup, common_recipe, group_runs, is_helped, representative
from bench.figures.accuracy import architecture_comparison
from bench.records import read_runs
from bench.report.deck.material import deck_models
from tests.fake_runs import DECK_ALGORITHMS, write_fake_run
from tests.report.decks import deck_of, lines, material_of
from tests.tables.building import build, rows_of

ELSEWHERE = {"path": "runs/elsewhere/resnet_56-01234567-s0", "network": "resnet_56", "sha256": "7f" * 32}
DISTILLATION = {"teacher": ELSEWHERE, "temperature": 2.0, "alpha": 0.5}
TAUGHT: dict[str, Any] = {"algorithms": {**DECK_ALGORITHMS, "distillation": DISTILLATION}}
PRETRAINED: dict[str, Any] = {"model": {"name": "resnet_20", "weights": ELSEWHERE}}
SLOW: dict[str, Any] = {"schedule": {"name": "cosine", "warmup": "9ep"}}
# Folders that sort before that of the runs of the common recipe, and what is special about their runs.
SPECIAL: dict[str, dict[str, Any]] = {"a_taught": TAUGHT, "b_pretrained": PRETRAINED, "c_slow": SLOW}


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return generated runs of three networks by one recipe, and of resnet_20 with help and by another recipe."""
    root = tmp_path_factory.mktemp("representative")
    for name in ("resnet_20", "resnet_56", "improved_resnet20_convnext"):
        write_fake_run(root, name, 0, top1=60.0, batch_size=2048)
    for experiment, changes in SPECIAL.items():
        for seed in range(2):
            write_fake_run(root, "resnet_20", seed, top1=70.0, experiment=experiment, **changes)
    return root


def groups(runs: Path) -> dict[str, RunGroup]:
    """Return the run groups of resnet_20 by their experiment."""
    found = [group for group in group_runs(read_runs(runs))[0] if group.label == "resnet_20"]
    return {group.runs[0].split("/")[0]: group for group in found}


def test_what_helps_is_a_teacher_or_trained_weights(runs: Path) -> None:
    helped = {name for name, group in groups(runs).items() if is_helped(group)}
    assert helped == {"a_taught", "b_pretrained"}


def test_the_fewest_departures_decide_then_the_runs(runs: Path) -> None:
    found = groups(runs)
    common = common_recipe(group_runs(read_runs(runs))[0])
    assert representative(list(found.values()), common) is found["generated"]
    assert representative([found["c_slow"], found["a_taught"]], common) is found["c_slow"]
    assert representative([found["a_taught"], found["b_pretrained"]], common) is None
    one_run = RunGroup(found["c_slow"].records[:1])
    assert representative([one_run, found["c_slow"]], common) is found["c_slow"]


def test_the_deck_compares_with_the_untaught_runs(runs: Path) -> None:
    material = material_of(runs)
    assert {group.runs[0].split("/")[0] for group in material.members} == {"generated", "a_taught", "c_slow"}
    base = material.find("resnet_20")
    assert base is not None
    assert base.runs[0].startswith("generated/")
    deck = deck_of(runs)
    # A key finding's own lines name no runs.
    said = [line for number in ("7", "9", "10") for line in lines(deck, number) if "resnet_20" in line.words]
    sources = " ".join(source for line in said for source in line.sources)
    assert "generated/resnet_20" in sources
    assert not any(name in sources for name in SPECIAL)


def test_a_network_with_help_alone_is_missing(tmp_path: Path) -> None:
    write_fake_run(tmp_path, "resnet_20", **TAUGHT)
    write_fake_run(tmp_path, "resnet_56")
    material = material_of(tmp_path)
    assert material.find("resnet_20") is None
    assert deck_models(material.members) == {"resnet_56"}
    (ninth,) = [line for line in lines(deck_of(tmp_path), "9") if line.kind == "missing"]
    assert ninth.words.startswith("No run of resnet_20, ")


def test_a_departure_from_the_base_is_told(runs: Path) -> None:
    (design,) = [
        line.words for line in lines(deck_of(runs), "10") if line.words.startswith("improved_resnet20_convnext and")
    ]
    assert design.endswith("; recipes differ in lr, weight decay, schedule")
    (deeper,) = [line.words for line in lines(deck_of(runs), "9") if "resnet_56 and" in line.words]
    assert "recipes differ" not in deeper


def test_a_technique_is_that_of_untaught_runs_of_the_common_recipe(runs: Path) -> None:
    table = build(runs, "by_technique")
    assert len(table.blocks) == 1
    row = rows_of(table, "technique")["basic resnet"]
    assert (row.cells["top1"].value, row.cells["networks"].value) == (60.0, 2)
    assert not any(run.startswith(tuple(SPECIAL)) for run in row.cells["top1"].runs)
    assert len(architecture_comparison(material_of(runs).source.run_groups)) == 1
