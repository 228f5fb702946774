"""Times of runs that shared their device are in no table, and the table says so."""

import json
from pathlib import Path

import pytest

from bench.analysis.sources import make_source
from bench.records import read_runs
from bench.report.figures import scatters
from bench.tables.measures import COLUMNS
from bench.tables.page import make_page
from tests.fake_runs import write_fake_run
from tests.report.building import contents_of
from tests.tables.building import build, rows_of

WHY = "two runs at a time"


@pytest.fixture
def runs(tmp_path: Path) -> Path:
    """Return two networks of one recipe, of which one shared its device."""
    for model in ("resnet_20", "resnet_32"):
        write_fake_run(tmp_path, model, top1=66.0)
    (tmp_path / "shared_devices.json").write_text(json.dumps({"generated/resnet_32-*": WHY}))
    return tmp_path


@pytest.mark.parametrize("key", [key for key, column in COLUMNS.items() if column.timed])
def test_no_time_of_theirs_counts(key: str, runs: Path) -> None:
    cells = {group.model: COLUMNS[key].cell(group) for group in make_source(read_runs(runs), str(runs)).run_groups}
    assert cells["resnet_20"].value is not None
    assert cells["resnet_32"].value is None
    why = cells["resnet_32"].why
    assert why is not None
    assert WHY in why.english()


def test_a_column_of_times_that_no_row_has_is_named_below(runs: Path) -> None:
    assert "Train (h)" in make_page(build(runs, "comparison")).headings
    (runs / "shared_devices.json").write_text(json.dumps({"generated/*": WHY}))
    page = make_page(build(runs, "comparison"))
    assert "Train (h)" not in page.headings
    (note,) = [note for note in page.notes if note.startswith("Not shown")]
    assert "Train (h)" in note
    assert WHY in note
    assert "Train (h)" in make_page(build(runs, "comparison"), wide=True).headings


def test_time_to_accuracy_leaves_them_out(runs: Path) -> None:
    rows = rows_of(build(runs, "time_to_accuracy"))
    assert rows["resnet_20"].cells["seconds_to_60"].value is not None
    assert rows["resnet_32"].cells["seconds_to_60"].value is None
    assert rows["resnet_32"].cells["top1"].value == 66.0


def test_the_report_page_draws_the_others_and_names_them(runs: Path) -> None:
    (block,) = scatters(contents_of(runs))
    views = {view["key"]: view for view in block["views"]}
    assert views["train_h"]["absent"] == "resnet_32"
    assert views["params_m"]["absent"] == ""
    (runs / "shared_devices.json").write_text(json.dumps({"generated/*": WHY}))
    (block,) = scatters(contents_of(runs))
    view = next(view for view in block["views"] if view["key"] == "train_h")
    assert (view["svg"], view["absent"]) == ("", "resnet_20, resnet_32")
