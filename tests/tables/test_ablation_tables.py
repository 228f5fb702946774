"""What the tables of ablations say: verdicts, bases, gaps, the same network under several names."""

import shutil
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest

from bench.analysis import stats
from bench.analysis.ablations import ABLATIONS, load_ablation
from bench.analysis.cells import Phrase
from bench.analysis.sources import make_source
from bench.config import load_spec
from bench.records import read_runs
from bench.tables.ablation_rows import ADJUSTED, PAIRED
from tests.fake_runs import write_fake_run
from tests.tables.building import build, rows_of


def test_the_same_network_is_found_under_its_names(ablation_runs: Path) -> None:
    table = build(ablation_runs, "eca_kernel")
    rows = rows_of(table, "arm")
    noise = rows["ecanet20_fixed_k3 − ecanet20_adaptive"]
    assert noise.cells["verdict"].text is not None
    assert noise.cells["verdict"].text.english() == "same network"
    assert noise.cells["p_holm"].value is None
    assert "standard deviation" in noise.notes[0].english()
    notes = rows_of(build(ablation_runs, "comparison"))["ecanet20_adaptive"].notes
    assert "ecanet20_adaptive, ecanet20_fixed_k3" in notes[-1].english()


@pytest.mark.parametrize(("test", "more"), [(stats.paired, 0), (stats.welch, 2)])
def test_ablation_verdicts_are_those_of_the_test_that_is_named(
    test: Callable[..., stats.Difference], more: int, ablation_runs: Path, tmp_path: Path
) -> None:
    """Of pairs where every arm can be paired; two runs of other seeds make an arm that cannot."""
    runs = shutil.copytree(ablation_runs, tmp_path / "runs")
    for seed in range(3, 3 + more):
        write_fake_run(runs, "ecanet20_fixed_k9", seed)
    table = build(runs, "eca_kernel")
    run_groups = {c.model: c for c in make_source(read_runs(runs), "").run_groups}
    base = list(run_groups["resnet_20"].values("top1").values())
    arms = ["ecanet20_adaptive", "ecanet20_fixed_k3", "ecanet20_fixed_k5", *(["ecanet20_fixed_k9"] if more else [])]
    tests = [test(base, list(run_groups[name].values("top1").values())) for name in arms]
    assert table.notes[0] == (ADJUSTED if more else PAIRED)
    adjusted = stats.holm([test.p for test in tests])
    for name, found, p in zip(arms, tests, adjusted, strict=True):
        cells = rows_of(table, "arm")[name].cells
        assert cells["delta"].value == pytest.approx(found.delta)
        assert (cells["delta"].low, cells["delta"].high) == pytest.approx((found.low, found.high))
        assert cells["p_holm"].value == pytest.approx(p)
        assert len(cells["delta"].runs) == 3 + len(run_groups[name].runs)


def test_arms_without_a_run_are_shown_as_missing(ablation_runs: Path) -> None:
    row = rows_of(build(ablation_runs, "ghost_ratio"), "arm")["ghost_resnet_20 ratio=4"]
    assert row.cells["top1"].value is None
    assert rows_of(build(ablation_runs, "ghost_ratio"), "arm")["ghost_resnet_20 ratio=3"].cells["n"].value == 3


def test_an_arm_of_another_recipe_says_how_it_differs_from_its_base(ablation_runs: Path) -> None:
    row = rows_of(build(ablation_runs, "ghost_ratio"), "arm")["ghost_resnet_20 ratio=2"]
    assert "weight decay: 4e-05" in row.notes[0].english()


def test_an_ablation_without_its_base_gives_no_difference(tmp_path: Path) -> None:
    write_fake_run(tmp_path, "ecanet20_fixed_k5")
    rows = rows_of(build(tmp_path, "eca_kernel"), "arm")
    assert rows["ecanet20_fixed_k5"].cells["delta"].value is None
    assert rows["resnet_20"].cells["top1"].value is None


def test_stems_and_algorithms_are_found_in_the_records(ablation_runs: Path) -> None:
    stem = rows_of(build(ablation_runs, "stem"), "arm")
    assert list(stem) == ["stem imagenet", "stem cifar"]
    assert stem["stem cifar"].cells["verdict"].text == Phrase("better")
    algorithms = build(ablation_runs, "algorithms")
    rows = rows_of(algorithms, "arm")
    assert set(rows) == {"none", "+ label_smoothing smoothing=0.1", "+ mixup alpha=0.2"}
    assert rows["+ mixup alpha=0.2"].notes == ()


def write_arms(runs: Path, arms: Sequence[str]) -> None:
    """Write a run of some arms of the ablation of algorithms, on hardware with mixed precision."""
    for arm in arms:
        spec = load_spec(ABLATIONS / "algorithms.yaml", arm=arm)
        precision = "fp32" if spec.precision == "fp32" else "amp_bf16"
        write_fake_run(runs, "resnet_20", algorithms=spec.model_dump()["algorithms"], precision=precision)


def test_leaving_algorithms_out_makes_the_full_set_the_base(tmp_path: Path) -> None:
    write_arms(tmp_path, ["all", "minus_mixup", "minus_label_smoothing", "minus_channels_last"])
    rows = rows_of(build(tmp_path, "algorithms"), "arm")
    assert rows["− channels_last"].cells["verdict"].text == Phrase("not tested")


def test_added_and_left_out_algorithms_have_their_own_bases(tmp_path: Path) -> None:
    write_arms(tmp_path, [arm.name for arm in load_ablation(ABLATIONS / "algorithms.yaml").arms])
    blocks = [[row.cells["arm"].text for row in block.rows] for block in build(tmp_path, "algorithms").blocks]
    found = [[text.english() for text in block if text] for block in blocks]
    (added,) = [block for block in found if block[0] == "none"]
    (left_out,) = [block for block in found if block[0].startswith("amp_bf16, blurpool")]
    ema = "ema ema_start=0.0dur half_life=100ba update_interval=None"
    assert {"+ mixup alpha=0.2", f"+ {ema}", "+ amp_bf16"} <= set(added)
    assert {"− mixup alpha=0.2", f"− {ema}", "− amp_bf16"} <= set(left_out)


def test_the_alias_stands_in_for_a_base_without_runs(tmp_path: Path) -> None:
    for seed in range(2):
        write_fake_run(tmp_path, "resnet20_no_eca", seed)
        write_fake_run(tmp_path, "ecanet20_fixed_k9", seed)
    rows = rows_of(build(tmp_path, "eca_kernel"), "arm")
    assert rows["resnet20_no_eca"].cells["verdict"].text == Phrase("base")
    assert rows["ecanet20_fixed_k9"].cells["delta"].value is not None


def test_pairs_are_made_by_seed(ablation_runs: Path) -> None:
    run_groups = {c.model: c for c in make_source(read_runs(ablation_runs), "").run_groups}
    base, arm = (run_groups[name].by_seed("top1") for name in ("resnet_20", "ecanet20_fixed_k5"))
    expected = stats.paired([base[seed] for seed in range(3)], [arm[seed] for seed in range(3)])
    cells = rows_of(build(ablation_runs, "eca_kernel"), "arm")["ecanet20_fixed_k5"].cells
    assert (cells["delta"].low, cells["delta"].high) == pytest.approx((expected.low, expected.high))


def test_equal_runs_under_two_names_show_no_noise(tmp_path: Path) -> None:
    for seed, top1 in enumerate((66.1, 66.5)):
        for name in ("ecanet20_adaptive", "ecanet20_fixed_k3"):
            write_fake_run(tmp_path, name, seed, top1=top1)
    row = rows_of(build(tmp_path, "eca_kernel"), "arm")["ecanet20_fixed_k3 − ecanet20_adaptive"]
    assert "seed by seed" in row.notes[0].english()
