"""What the tables of ablations say: verdicts, bases, gaps, the same network under several names."""

from pathlib import Path
from typing import Any

import pytest

from bench.analysis import stats
from bench.analysis.cells import Phrase
from bench.analysis.sources import make_source
from bench.records import read_runs
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


def test_ablation_verdicts_are_those_of_welch_and_holm(ablation_runs: Path) -> None:
    table = build(ablation_runs, "eca_kernel")
    run_groups = {c.model: c for c in make_source(read_runs(ablation_runs), "").run_groups}
    base = list(run_groups["resnet_20"].values("top1").values())
    arms = ["ecanet20_adaptive", "ecanet20_fixed_k3", "ecanet20_fixed_k5"]
    tests = [stats.welch(base, list(run_groups[name].values("top1").values())) for name in arms]
    adjusted = stats.holm([test.p for test in tests])
    for name, test, p in zip(arms, tests, adjusted, strict=True):
        cells = rows_of(table, "arm")[name].cells
        assert cells["delta"].value == pytest.approx(test.delta)
        assert cells["p_holm"].value == pytest.approx(p)
        assert len(cells["delta"].runs) == 6


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
    assert set(rows) == {"amp_fp16", "+ cutmix alpha=1.0", "+ mixup alpha=0.2"}
    assert rows["+ cutmix alpha=1.0"].notes == ()


def test_leaving_algorithms_out_makes_the_full_set_the_base(tmp_path: Path) -> None:
    full: dict[str, Any] = {"mixup": {"alpha": 0.2}, "label_smoothing": {"smoothing": 0.1}, "channels_last": {}}
    for left_out in (None, *full):
        chosen = {name: settings for name, settings in full.items() if name != left_out}
        write_fake_run(tmp_path, "resnet_20", algorithms=chosen)
    rows = rows_of(build(tmp_path, "algorithms"), "arm")
    assert rows["− channels_last"].cells["verdict"].text == Phrase("not tested")


def test_added_and_left_out_algorithms_have_their_own_bases(tmp_path: Path) -> None:
    every: dict[str, Any] = {"mixup": {"alpha": 0.2}, "ema": {}, "sam": {}, "blurpool": {}, "channels_last": {}}
    for name, settings in every.items():
        write_fake_run(tmp_path, "resnet_20", algorithms={name: settings}, precision="fp32")
        rest = {key: value for key, value in every.items() if key != name}
        write_fake_run(tmp_path, "resnet_20", algorithms=rest, precision="amp_bf16")
    write_fake_run(tmp_path, "resnet_20", algorithms={}, precision="fp32")
    write_fake_run(tmp_path, "resnet_20", algorithms={}, precision="amp_bf16")
    write_fake_run(tmp_path, "resnet_20", algorithms=every, precision="amp_bf16")
    write_fake_run(tmp_path, "resnet_20", algorithms=every, precision="fp32")
    blocks = [[row.cells["arm"].text for row in block.rows] for block in build(tmp_path, "algorithms").blocks]
    added, left_out = ([text.english() for text in block if text] for block in blocks)
    assert added[0] == "none"
    ema = "ema ema_start=0.0dur half_life=1000ba update_interval=None"
    assert {"+ mixup alpha=0.2", f"+ {ema}", "+ amp_bf16"} <= set(added)
    assert left_out[0].startswith("amp_bf16, blurpool")
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
    cells = rows_of(build(ablation_runs, "eca_kernel", paired=True), "arm")["ecanet20_fixed_k5"].cells
    assert (cells["delta"].low, cells["delta"].high) == pytest.approx((expected.low, expected.high))


def test_equal_runs_under_two_names_show_no_noise(tmp_path: Path) -> None:
    for seed, top1 in enumerate((66.1, 66.5)):
        for name in ("ecanet20_adaptive", "ecanet20_fixed_k3"):
            write_fake_run(tmp_path, name, seed, top1=top1)
    row = rows_of(build(tmp_path, "eca_kernel"), "arm")["ecanet20_fixed_k3 − ecanet20_adaptive"]
    assert "seed by seed" in row.notes[0].english()
