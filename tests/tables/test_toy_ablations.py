"""An ablation is one file: its title, arms, labels and order stand there alone, and give a table and a forest plot."""

from pathlib import Path
from typing import Any

import pytest

from bench import budget
from bench.analysis.ablations import load_ablation
from bench.config import load_spec
from bench.figures.__main__ import main as draw
from bench.tables.__main__ import main as tabulate
from bench.util.cli import BAD_INPUT, OK, run_command
from bench.util.errors import BadInput
from tests.fake_runs import write_fake_run

NETWORKS = """
title: "Depth: how many blocks?"
title_zh: 深度
base: recipes/light_200ep.yaml
arms:
  shallow: {model: {name: resnet_20}}
  deep: {model: {name: resnet_56}}
  middle: {model: {name: resnet_32}}
labels: {middle: the one between}
other_names: {resnet20_no_eca: shallow}
"""
STRENGTHS = """
base: recipes/light_200ep.yaml
model: {name: resnet_20}
augmentation: {policy: rand_augment}
arms:
  usual: {}
  strong: {augmentation: {magnitude: 15}}
  weak: {augmentation: {magnitude: 3}}
labels: {weak: hardly any}
"""


def write_ablation(folder: Path, name: str, text: str) -> Path:
    """Write the file of an ablation and return its path."""
    folder.mkdir(exist_ok=True)
    (folder / f"{name}.yaml").write_text(text, encoding="utf-8")
    return folder / f"{name}.yaml"


def table_of(folder: Path, runs: Path, name: str, capsys: pytest.CaptureFixture[str], *words: str) -> list[list[str]]:
    """Return the lines of a printed table as cells, without those of the rule."""
    assert run_command(tabulate, [name, "--ablations", str(folder), "--runs", str(runs), *words]) == OK
    lines = capsys.readouterr().out.splitlines()
    return [lines[:1], *([cell.strip() for cell in line.strip("|").split("|")] for line in lines if line[:1] == "|")]


def arms_of(table: list[list[str]]) -> list[tuple[str, str]]:
    """Return (arm, verdict) of each row, without the marks of footnotes."""
    rows = [row for row in table[1:] if row[0] != "Arm" and not row[0].startswith("--")]
    return [(row[0].partition(" (")[0], row[5]) for row in rows]


def test_networks_are_compared_with_the_first_arm(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder, runs = tmp_path / "ablations", tmp_path / "runs"
    write_ablation(folder, "depth", NETWORKS)
    for seed in range(3):
        for name in ("resnet_32", "resnet_20", "resnet20_no_eca"):
            write_fake_run(runs, name, seed)
    table = table_of(folder, runs, "depth", capsys)
    assert table[0] == ["## Depth: how many blocks?"]
    assert arms_of(table)[:4] == [
        ("resnet_20", "base"),
        ("resnet20_no_eca", "same network"),
        ("the one between", "better"),
        ("resnet_56", ""),
    ]
    assert table_of(folder, runs, "depth", capsys, "--lang", "zh")[0] == ["## 深度"]


def test_a_key_of_the_recipe_is_compared_in_runs_of_any_recipe(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder, runs = tmp_path / "ablations", tmp_path / "runs"
    write_ablation(folder, "strength_of_augmentation", STRENGTHS)
    for magnitude in (20, 3, 15, 9):
        for seed in range(2):
            changes: dict[str, Any] = {"augmentation": {"policy": "rand_augment", "magnitude": magnitude}}
            top1 = 60 + magnitude / 2 + seed / (10 + magnitude)
            write_fake_run(runs, "resnet_32", seed, top1=top1, max_duration="7ep", **changes)
    table = table_of(folder, runs, "strength_of_augmentation", capsys)
    assert table[0] == ["## strength of augmentation"]
    label = "augmentation crop 4 + flip + rand_augment"
    assert arms_of(table) == [
        (label, "base"),
        (f"{label} + magnitude 15", "better"),
        ("hardly any", "worse"),
    ]


@pytest.mark.parametrize("text", [NETWORKS, STRENGTHS])
def test_its_forest_plot_needs_no_line_of_python(text: str, tmp_path: Path) -> None:
    folder, runs, out = tmp_path / "ablations", tmp_path / "runs", tmp_path / "figures"
    write_ablation(folder, "toy", text)
    for name in ("resnet_20", "resnet_32"):
        for magnitude in (9, 15):
            changes: dict[str, Any] = {"augmentation": {"policy": "rand_augment", "magnitude": magnitude}}
            write_fake_run(runs, name, 0, **changes)
    words = ["ablations", "--ablations", str(folder), "--runs", str(runs), "--out", str(out)]
    assert run_command(draw, words) == OK
    assert {path.name for path in out.iterdir()} == {"ablation_toy.png", "ablation_toy.svg"}


def test_what_tables_say_is_no_part_of_a_run(tmp_path: Path) -> None:
    path = write_ablation(tmp_path, "depth", NETWORKS)
    assert load_spec(path, arm="middle").model.name == "resnet_32"
    with pytest.raises(BadInput, match="title"):
        load_spec(
            write_ablation(tmp_path, "model", "title: x\nbase: recipes/light_200ep.yaml\nmodel: {name: resnet_20}")
        )


def test_no_network_is_counted_to_read_an_ablation(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def count(*_: object) -> int:
        raise AssertionError("a network was counted")

    monkeypatch.setattr(budget, "forward_macs", count)
    base = "base: recipes/light_10ep.yaml\nmodel: {name: timm/resnet18}\n"
    arms = "arms:\n  less: {budget: 0.1 PFLOP}\n  more: {budget: 0.2 PFLOP}\n"
    ablation = load_ablation(write_ablation(tmp_path, "compute", base + arms))
    assert ablation.ablated == ("steps",)
    assert [arm.fields["steps"] for arm in ablation.arms] == ["as 0.1 PFLOP allows", "as 0.2 PFLOP allows"]


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (NETWORKS.replace("middle: the", "midle: the"), ["labels", "'midle'", "Did you mean 'middle'?"]),
        (NETWORKS.replace("no_eca: shallow", "no_eca: shalow"), ["other_names", "'shalow'", "Did you mean 'shallow'?"]),
        (NETWORKS.replace('"Depth: how many blocks?"', "3"), ["title", "3"]),
        ("base: recipes/light_200ep.yaml\nmodel: {name: resnet_20}\narms: {one: {}}", ["arms", "two arms or more"]),
        (NETWORKS.replace("resnet_56", "resnet_57"), ["model.name", "resnet_57", "arm 'deep'"]),
        (STRENGTHS.replace("magnitude: 15", "magnitud: 15"), ["magnitud", "Did you mean 'magnitude'?"]),
    ],
)
def test_a_file_that_cannot_be_used_says_why(
    text: str, words: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = tmp_path / "ablations"
    path = write_ablation(folder, "toy", text)
    write_fake_run(tmp_path / "runs", "resnet_20")
    command = ["toy", "--ablations", str(folder), "--runs", str(tmp_path / "runs")]
    assert run_command(tabulate, command) == BAD_INPUT
    error = capsys.readouterr().err
    assert all(word in error for word in [str(path), *words]), error


def test_a_folder_or_name_that_cannot_be_used_says_why(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run_command(tabulate, ["comparison", "--ablations", str(tmp_path / "nowhere")]) == BAD_INPUT
    assert "folder does not exist" in capsys.readouterr().err
    write_ablation(tmp_path, "comparison", NETWORKS)
    assert run_command(tabulate, ["comparison", "--ablations", str(tmp_path)]) == BAD_INPUT
    assert "call the file of the ablation something else" in capsys.readouterr().err


def test_networks_with_arms_of_their_own_are_not_compared(tmp_path: Path) -> None:
    ablation = load_ablation(Path("yamls/ablations/stem.yaml").resolve())
    assert ablation.within_networks
    assert ablation.ablated == ("stem",)
    assert [arm.name for arm in ablation.baselines] == [
        arm.name for arm in ablation.arms if arm.name.endswith("imagenet")
    ]


BATCHES = """
base: recipes/light_10ep.yaml
model: {name: resnet_20}
arms:
  small: {}
  large: {batch_size: 256}
"""
NETWORKS_AND_BATCHES = """
base: recipes/light_10ep.yaml
arms:
  small: {model: {name: resnet_20}}
  large: {model: {name: resnet_32}, batch_size: 256}
"""


@pytest.mark.parametrize(("text", "network"), [(BATCHES, "resnet_20"), (NETWORKS_AND_BATCHES, "resnet_32")])
def test_batch_sizes_are_compared_at_one_length(
    text: str, network: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """As many epochs are other steps, which are compared; as many steps are other epochs, which are not."""
    folder, runs = tmp_path / "ablations", tmp_path / "runs"
    write_ablation(folder, "batches", text)
    for seed in range(2):
        for epochs in (10, 5):
            write_fake_run(runs, "resnet_20", seed, max_duration=f"{epochs}ep", batch_size=128)
        write_fake_run(runs, network, seed, max_duration="10ep", batch_size=256, top1=72.0 + seed / 10)
    table = table_of(folder, runs, "batches", capsys)
    assert [row[2] for row in table if row[0] != "Arm" and len(row) > 5 and not row[0].startswith("--")] == ["2", "2"]
    for seed in range(2):
        write_fake_run(runs, network, seed, max_duration="5ep", batch_size=256)
    blocks = table_of(folder, runs, "batches", capsys)
    assert [row[5] for row in blocks if len(row) > 5].count("base") == 2


def test_what_stands_alone_or_is_no_arm_is_not_shown(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder, runs = tmp_path / "ablations", tmp_path / "runs"
    write_ablation(folder, "batches", BATCHES)
    for batch in (128, 512, 1024):
        write_fake_run(runs, "resnet_20", 0, max_duration="10ep", batch_size=batch)
    write_fake_run(runs, "resnet_56", 0, max_duration="10ep", batch_size=256)
    assert arms_of(table_of(folder, runs, "batches", capsys)) == []
    write_fake_run(runs, "resnet_20", 0, max_duration="10ep", batch_size=256)
    assert [verdict for _, verdict in arms_of(table_of(folder, runs, "batches", capsys))] == ["base", "not tested"]
