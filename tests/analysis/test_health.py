"""Tables mark full-length runs by the band of their model and recipe, and name the noise floor of their times."""

import json
from pathlib import Path
from typing import Any

import pytest

from bench.analysis.cells import Row, Table
from bench.analysis.health import BANDS, Band, find_band, is_deck
from bench.analysis.sources import make_source
from bench.config import YAMLS, load_spec
from bench.records import NOISE_FLOOR, read_runs
from bench.tables.__main__ import main
from bench.tables.health import MARKS, band_note
from bench.tables.measures import Options
from bench.tables.page import make_page
from bench.tables.registry import all_tables
from bench.tables.text import ZH, say
from bench.util.cli import BAD_INPUT, OK, run_command
from tests.fake_runs import write_fake_run

LIGHT: dict[str, Any] = {
    "algorithms": {"channels_last": {}},
    "augmentation": {"policy": "none", "erasing": 0.0},
    "batch_size": 128,
    "max_duration": "200ep",
}


def comparison(runs: Path) -> Table:
    return all_tables()["comparison"](make_source(read_runs(runs), str(runs)).run_groups, Options())


def only_row(table: Table) -> Row:
    ((row,),) = (block.rows for block in table.blocks)
    return row


@pytest.mark.parametrize(
    ("top1", "mark"), [(68.9, "healthy"), (66.0, "low"), (60.0, "suspicious"), (90.0, "suspicious")]
)
def test_a_run_is_marked_by_its_band(top1: float, mark: str, tmp_path: Path) -> None:
    write_fake_run(tmp_path, "resnet_20", top1=top1, **LIGHT)
    row = only_row(comparison(tmp_path))
    text = row.cells["health"].text
    assert text is not None
    assert text.english() == mark
    (note,) = [note.english() for note in row.notes if note.english().startswith("health")]
    assert "68–69.5 under the light recipe, suspicious below 65, above 71" in note
    assert "source: public CIFAR-100 logs" in note


def test_seeds_of_different_health_are_counted(tmp_path: Path) -> None:
    for seed, top1 in enumerate((68.9, 69.0, 60.0)):
        write_fake_run(tmp_path, "resnet_20", seed, top1=top1, **LIGHT)
    text = only_row(comparison(tmp_path)).cells["health"].text
    assert text is not None
    assert text.english() == "1 suspicious, 2 healthy"
    assert say(text, "zh") == "1 可疑, 2 正常"


def test_without_a_band_nothing_is_said(tmp_path: Path) -> None:
    write_fake_run(tmp_path, "resnet_20", top1=30.0, **{**LIGHT, "max_duration": "5ep"})
    table = comparison(tmp_path)
    assert "health" not in [column.key for column in table.columns]
    assert not [note for note in only_row(table).notes if "health" in note.english()]
    write_fake_run(tmp_path, "resnet_32", top1=70.0, **LIGHT)
    rows = {row.cells["model"].text: row for block in comparison(tmp_path).blocks for row in block.rows}
    texts = {label.english(): row.cells["health"].text for label, row in rows.items() if label}
    assert {name: text.english() for name, text in texts.items() if text} == {"resnet_20": "", "resnet_32": "healthy"}


@pytest.mark.parametrize("band", BANDS, ids=lambda band: f"{band.models[0]}-{band.recipe}")
def test_every_band_can_be_said(band: Band) -> None:
    for language in ("en", "zh"):
        assert "{" not in say(band_note(band), language)
    assert band_note(band).template in ZH
    assert all(mark in ZH for mark in MARKS)


def test_a_health_mark_survives_every_format(tmp_path: Path) -> None:
    path = write_fake_run(tmp_path, "resnet_20", top1=60.0, **LIGHT)
    (record,) = read_runs(tmp_path)
    assert record.path == path
    assert find_band(record.spec) is not None
    page = make_page(comparison(tmp_path))
    assert "Health" in page.headings
    for form in ("md", "csv", "tex", "html"):
        assert run_command(main, ["comparison", "--runs", str(tmp_path), "--format", form]) == OK


FLOOR = {"relative_difference": {"seconds.train": 0.0123, "seconds.total": 0.02, "images_per_second": 0.011}}


def test_the_noise_floor_stands_below_times(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run = write_fake_run(tmp_path, "resnet_20")
    assert run_command(main, ["comparison", "--runs", str(tmp_path)]) == OK
    assert "Noise floor of times" not in capsys.readouterr().out
    (run.parent / NOISE_FLOOR).write_text(json.dumps(FLOOR))
    for name, expected in (("comparison", True), ("time_to_accuracy", True), ("components", False)):
        assert run_command(main, [name, "--runs", str(tmp_path)]) == OK
        words = "one run trained twice differed by 1.2 % in train time; 2.0 % in total time; 1.1 % in images/s"
        assert (words in capsys.readouterr().out) == expected


def test_a_damaged_noise_floor_is_named(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run = write_fake_run(tmp_path, "resnet_20")
    for content in ('{"relative_difference": [1]}', '{"relative_difference": {"seconds.train": "x"}}', "{}", "{"):
        (run.parent / NOISE_FLOOR).write_text(content)
        assert run_command(main, ["comparison", "--runs", str(tmp_path)]) == BAD_INPUT
        assert NOISE_FLOOR in capsys.readouterr().err


@pytest.mark.parametrize(
    "change",
    ["augmentation.sizes=[[0.9, 8], [1.0, 32]]", "augmentation.padding_mode=reflect", "optimizer.decay=linear"],
)
def test_a_recipe_with_any_other_augmentation_or_decay_is_not_the_decks(change: str) -> None:
    path = YAMLS / "resnet_20.yaml"
    assert is_deck(load_spec(path).model_dump(mode="json"))
    assert not is_deck(load_spec(path, [change]).model_dump(mode="json"))
