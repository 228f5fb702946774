"""Seeds that were computed in different precisions, or by several engines: footnoted, and never paired."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from bench.analysis.sources import make_source
from bench.records import read_runs
from bench.tables.ablation_rows import ADJUSTED, PAIRED
from bench.tables.ablations import ablation_builder
from bench.tables.measures import Options
from bench.tables.page import make_page
from bench.tables.render_md import render_markdown
from tests.fake_runs import write_fake_run
from tests.tables.building import build, rows_of

PRECISIONS = """
base: recipes/light_200ep.yaml
model: {name: resnet_20}
algorithms: {channels_last: null, ema: {}}
arms:
  auto: {}
  single: {precision: fp32}
  plain: {algorithms: {ema: null}}
"""


def write_seeds(runs: Path, name: str, precisions: Sequence[str], **changes: Any) -> None:
    """Write a run of each seed, declared `auto` unless the changes say otherwise, that became these precisions."""
    for seed, precision in enumerate(precisions):
        write_fake_run(runs, name, seed, effective=precision, **{"precision": "auto", **changes})


def notes_of(runs: Path, table: str, row: str, **options: Any) -> str:
    """Return the footnotes of a table's row as one text."""
    keys = {"by_technique": "technique", "eca_kernel": "arm", "algorithms": "arm"}
    return "; ".join(
        note.english() for note in rows_of(build(runs, table, **options), keys.get(table, "model"))[row].notes
    )


def test_what_a_declared_precision_became_is_what_tables_compare(tmp_path: Path) -> None:
    """`auto` on two machines, and the same precision declared: the declared value decides nothing."""
    for name, declared, became in (
        ("resnet_20", "auto", "amp_bf16"),
        ("resnet_32", "amp_bf16", "amp_bf16"),
        ("resnet_56", "amp", "amp_bf16"),
        ("eca_resnet_20", "auto", "fp32"),
    ):
        write_seeds(tmp_path, name, [became], precision=declared)
    for table in ("comparison", "efficiency", "training_cost", "time_to_accuracy"):
        assert notes_of(tmp_path, table, "eca_resnet_20") == "precision: fp32"
        assert not any(notes_of(tmp_path, table, name) for name in ("resnet_20", "resnet_32", "resnet_56"))


@pytest.mark.parametrize("table", ["comparison", "efficiency", "training_cost", "time_to_accuracy"])
def test_seeds_of_one_row_that_differ_are_footnoted(table: str, tmp_path: Path) -> None:
    """Also where the row is the only one, so that it is itself what is common."""
    write_seeds(tmp_path, "resnet_20", ["amp_bf16", "fp32", "amp_bf16"])
    assert notes_of(tmp_path, table, "resnet_20") == "precision: amp_bf16 (seed 0, 2), fp32 (seed 1)"


def test_seeds_of_an_arm_or_a_base_that_differ_are_footnoted(tmp_path: Path) -> None:
    write_seeds(tmp_path, "resnet_20", ["amp_bf16", "fp32"])
    write_seeds(tmp_path, "ecanet20_fixed_k5", ["amp_bf16", "amp_bf16"])
    write_seeds(tmp_path, "ecanet20_fixed_k7", ["amp_bf16", "fp32"])
    assert notes_of(tmp_path, "eca_kernel", "resnet_20") == "precision: amp_bf16 (seed 0), fp32 (seed 1)"
    assert notes_of(tmp_path, "eca_kernel", "ecanet20_fixed_k5").endswith(
        "differs from the base's: precision: amp_bf16"
    )
    assert "fp32 (seed 1)" in notes_of(tmp_path, "eca_kernel", "ecanet20_fixed_k7")


def test_techniques_that_differ_are_footnoted(tmp_path: Path) -> None:
    write_seeds(tmp_path, "resnet_20", ["amp_bf16"])
    write_seeds(tmp_path, "ghost_resnet_20", ["amp_bf16"])
    assert "precision" not in notes_of(tmp_path, "by_technique", "lightweight")
    write_seeds(tmp_path, "ghost_resnet_32", ["fp32"])
    assert "precision: amp_bf16; fp32" in notes_of(tmp_path, "by_technique", "lightweight")
    assert "precision: amp_bf16" in notes_of(tmp_path, "by_technique", "basic resnet")


def test_seeds_of_different_precisions_are_never_paired(tmp_path: Path) -> None:
    """Pairs would leave seed 2 of both out, so that all runs are compared without pairs."""
    write_seeds(tmp_path, "resnet_20", ["amp_bf16", "amp_bf16", "fp32", "fp32"])
    write_seeds(tmp_path, "ecanet20_fixed_k5", ["amp_bf16", "amp_bf16", "amp_bf16", "fp32"])
    table = build(tmp_path, "eca_kernel")
    groups = {group.model: group for group in make_source(read_runs(tmp_path), "").run_groups}
    base, arm = groups["resnet_20"].by_seed("top1"), groups["ecanet20_fixed_k5"].by_seed("top1")
    delta = rows_of(table, "arm")["ecanet20_fixed_k5"].cells["delta"]
    assert delta.value == pytest.approx(sum(arm.values()) / 4 - sum(base.values()) / 4)
    assert len(delta.runs) == 8
    assert table.notes[0] == ADJUSTED


def test_an_arm_of_fewer_seeds_is_paired_where_each_has_its_partner(tmp_path: Path) -> None:
    write_seeds(tmp_path, "resnet_20", ["amp_bf16", "amp_bf16", "fp32", "fp32"])
    write_seeds(tmp_path, "ecanet20_fixed_k5", ["amp_bf16", "amp_bf16"])
    table = build(tmp_path, "eca_kernel")
    groups = {group.model: group for group in make_source(read_runs(tmp_path), "").run_groups}
    base, arm = groups["resnet_20"].by_seed("top1"), groups["ecanet20_fixed_k5"].by_seed("top1")
    delta = rows_of(table, "arm")["ecanet20_fixed_k5"].cells["delta"]
    assert delta.value == pytest.approx(sum(arm[seed] - base[seed] for seed in (0, 1)) / 2)
    assert len(delta.runs) == 4
    assert table.notes[0] == PAIRED


def test_an_arm_without_a_pair_leaves_its_whole_block_unpaired(tmp_path: Path) -> None:
    write_seeds(tmp_path, "resnet_20", ["amp_bf16", "amp_bf16", "fp32", "fp32"])
    write_seeds(tmp_path, "ecanet20_fixed_k5", ["amp_bf16", "amp_bf16", "amp_bf16", "fp32"])
    write_seeds(tmp_path, "ecanet20_fixed_k7", ["fp32", "fp32", "amp_bf16"])
    table = build(tmp_path, "eca_kernel")
    rows = rows_of(table, "arm")
    assert len(rows["ecanet20_fixed_k5"].cells["delta"].runs) == 8
    assert len(rows["ecanet20_fixed_k7"].cells["delta"].runs) == 7
    assert table.notes[0] == ADJUSTED
    assert table.blocks[0].heading is not None
    assert table.blocks[0].heading.english().endswith("; Welch's t-test")


def test_mixed_precision_of_any_kind_is_an_algorithm_of_the_ablation(tmp_path: Path) -> None:
    write_seeds(tmp_path, "resnet_20", ["fp32"], algorithms={}, precision="fp32")
    write_seeds(tmp_path, "resnet_20", ["amp_bf16"], algorithms={}, precision="amp")
    rows = rows_of(build(tmp_path, "algorithms"), "arm")
    assert set(rows) == {"none", "+ amp_bf16"}


def test_an_auto_that_came_to_float32_is_the_same_network_as_float32(tmp_path: Path) -> None:
    """Hardware without mixed precision: the full set with `auto` and the one without it are one recipe."""
    folder = tmp_path / "ablations"
    folder.mkdir()
    (folder / "precision.yaml").write_text(PRECISIONS, encoding="utf-8")
    runs = tmp_path / "runs"
    write_seeds(runs, "resnet_20", ["fp32", "fp32"], algorithms={"ema": {}})
    write_seeds(runs, "resnet_20", ["fp32", "fp32"], algorithms={"ema": {}}, precision="fp32")
    run_groups = make_source(read_runs(runs), "").run_groups
    (block,) = ablation_builder(folder / "precision.yaml")(run_groups, Options()).blocks
    verdict, arm = block.rows[1].cells["verdict"].text, block.rows[1].cells["arm"].text
    assert verdict is not None
    assert verdict.english() == "same network"
    assert arm is not None
    assert arm.english().startswith("ema")


def test_records_of_before_keep_what_they_declared(tmp_path: Path) -> None:
    """A result without `machine.precision`, as a stranger's may be, was computed as it was declared."""
    write_fake_run(tmp_path, "resnet_20", precision="amp_bf16", result={"machine": {}})
    (record,) = read_runs(tmp_path)
    assert record.precision == "amp_bf16"


def test_the_footnote_is_printed_in_both_languages(tmp_path: Path) -> None:
    write_seeds(tmp_path, "resnet_20", ["amp_bf16", "fp32"])
    table = build(tmp_path, "comparison")
    assert "precision: amp_bf16 (seed 0), fp32 (seed 1)" in render_markdown(make_page(table))
    assert "精度：amp_bf16 (seed 0), fp32 (seed 1)" in render_markdown(make_page(table, "zh"))


CHANGE = {
    "step": 40,
    "before": {"engine": "deepspeed", "world_size": 2, "batch_parts": 4},
    "after": {"engine": "composer", "world_size": 1, "batch_parts": 1},
}


@pytest.mark.parametrize(
    ("table", "name"),
    [
        *((table, "resnet_20") for table in ("comparison", "efficiency", "training_cost", "time_to_accuracy")),
        ("eca_kernel", "resnet_20"),
        ("eca_kernel", "ecanet20_fixed_k5"),
        ("by_technique", "basic resnet"),
    ],
)
def test_a_run_that_another_engine_went_on_with_is_footnoted(table: str, name: str, tmp_path: Path) -> None:
    model = "resnet_20" if table == "by_technique" else name
    for other in {"resnet_20", "ecanet20_fixed_k5"}:
        for seed in (0, 1):
            changed = other == model and seed == 1
            write_fake_run(tmp_path, other, seed, result={"changes": [CHANGE]} if changed else {})
    before, after = "deepspeed (processes: 2, parts of a batch: 4)", "composer (processes: 1)"
    words = f"seed 1 computed by {before} until step 40, then by {after}"
    assert notes_of(tmp_path, table, name).endswith(words)
