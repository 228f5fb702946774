"""What the tables say about generated runs: ranks, footnotes, verdicts, gaps."""

import ast
import json
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from bench.analysis import stats
from bench.analysis.run_groups import group_runs
from bench.analysis.sources import make_source
from bench.environment import provenance
from bench.records import FAILED, RESULT, read_runs
from bench.tables.__main__ import main
from bench.tables.page import make_page
from bench.tables.registry import TABLES, all_tables
from bench.tables.targets import first_times, first_times_of_rows
from bench.tables.text import ZH
from bench.util.cli import BAD_INPUT, OK, run_command
from bench.util.errors import BadInput
from tests.fake_runs import write_fake_run
from tests.report.decks import COMMITTED
from tests.tables.building import build, rows_of

PACKAGE = Path(__file__).resolve().parents[2] / "bench" / "tables"


def test_the_mean_and_interval_of_a_row_are_those_of_its_runs(deck_runs: Path) -> None:
    row = rows_of(build(deck_runs, "comparison"))["resnet_20"]
    results = [json.loads(path.read_text())["top1"] for path in deck_runs.glob("generated/resnet_20-*/result.json")]
    estimate = stats.mean_interval(sorted(results))
    cell = row.cells["top1"]
    assert (cell.value, cell.low, cell.high, cell.n) == pytest.approx((estimate.mean, estimate.low, estimate.high, 3))
    assert len(cell.runs) == 3
    assert all(run.startswith("generated/resnet_20-") for run in cell.runs)


def test_efficiencies_follow_from_the_cells(deck_runs: Path) -> None:
    for name in ("resnet_56", "convnext_tiny"):
        cells = rows_of(build(deck_runs, "comparison"))[name].cells
        value = {key: cell.value or 0.0 for key, cell in cells.items()}
        assert value["top1_per_m_params"] == pytest.approx(value["top1"] / value["params_m"])
        assert value["top1_per_mmac"] == pytest.approx(value["top1"] / value["macs_m"])
        assert value["top1_per_mflop"] == pytest.approx(value["top1"] / (2 * value["macs_m"]))
        assert value["flops_m"] == pytest.approx(2 * value["macs_m"])


def test_rows_of_other_steps_are_ranked_apart_unless_mixing_is_allowed(deck_runs: Path) -> None:
    apart, mixed = build(deck_runs, "comparison"), build(deck_runs, "comparison", allow_mixed=True)
    assert [len(block.rows) for block in apart.blocks] == [24, 1]
    assert rows_of(apart)["improved_resnet20_convnext"].cells["rank"].value == 1
    assert len(mixed.blocks) == 1
    improved = rows_of(mixed)["improved_resnet20_convnext"]
    assert improved.cells["rank"].value == 2
    assert "steps: " in improved.notes[0].english()
    assert "batch: 1024" in improved.notes[0].english()


def test_runs_of_equal_training_compute_are_ranked_together_whatever_their_steps(tmp_path: Path) -> None:
    for name, epochs in (("resnet_20", "20ep"), ("resnet_56", "6ep")):
        write_fake_run(tmp_path, name, 0, max_duration=epochs, budget="0.24 PFLOP")
    write_fake_run(tmp_path, "resnet_32", 0, max_duration="10ep", budget="10ep")
    table = build(tmp_path, "comparison")
    assert [len(block.rows) for block in table.blocks] == [2, 1]
    heading = table.blocks[0].heading
    assert heading is not None
    assert "steps: as 0.24 PFLOP allows" in heading.english()


@pytest.mark.parametrize(
    "change",
    [
        {"data": {"name": "cifar10"}},
        {"data": {"name": "cifar100", "split": "tuning"}},
        {"augmentation": {"policy": "none"}},
        {"batch_size": 512},
    ],
    ids=["dataset", "split", "augmentation", "batch"],
)
def test_each_of_these_makes_another_block(tmp_path: Path, change: dict[str, Any]) -> None:
    write_fake_run(tmp_path, "resnet_20")
    write_fake_run(tmp_path, "resnet_32", **change)
    assert len(build(tmp_path, "comparison").blocks) == 2


@pytest.mark.parametrize(
    ("change", "note"),
    [
        ({"optimizer": {"name": "sgd", "lr": 0.1, "weight_decay": 4e-5}}, "weight decay: 4e-05"),
        ({"optimizer": {"name": "sgd", "lr": 0.2, "weight_decay": 5e-4}}, "lr: 0.2"),
        ({"precision": "fp32"}, "precision: fp32"),
        ({"algorithms": {"mixup": {"alpha": 0.2}, "channels_last": {}}}, "without label_smoothing smoothing=0.1"),
        ({"schedule": {"name": "linear"}}, "schedule: linear, warm-up 0ep"),
    ],
)
def test_other_differences_are_footnoted(tmp_path: Path, change: dict[str, Any], note: str) -> None:
    for name in ("resnet_20", "resnet_56"):
        write_fake_run(tmp_path, name)
    write_fake_run(tmp_path, "resnet_32", **change)
    rows = rows_of(build(tmp_path, "comparison"))
    assert [text.english() for text in rows["resnet_32"].notes] == [note]
    assert rows["resnet_20"].notes == ()


def test_a_stem_is_footnoted_where_it_is_no_column(ablation_runs: Path) -> None:
    assert "stem: cifar" in rows_of(build(ablation_runs, "training_cost"))["resnest50d stem=cifar"].notes[0].english()


def test_one_run_has_no_interval_and_the_table_says_so(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write_fake_run(tmp_path, "resnet_20", top1=66.5)
    cell = rows_of(build(tmp_path, "comparison"))["resnet_20"].cells["top1"]
    assert (cell.value, cell.low) == (66.5, None)
    assert main(["comparison", "--runs", str(tmp_path)]) == OK
    printed = capsys.readouterr().out
    assert "n = 1" in printed
    assert "| 66.50 |" in " ".join(printed.split())


def test_unfinished_and_miscounted_runs_are_named_below_and_not_counted(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write_fake_run(tmp_path, "resnet_20", 0)
    unfinished = write_fake_run(tmp_path, "resnet_20", 1, finished=False)
    padded = write_fake_run(tmp_path, "resnet_20", 2, result={"evaluated_samples": 10003})
    diverged = write_fake_run(tmp_path, "resnet_20", 3, finished=False)
    (diverged / FAILED).write_text('{"status": "failed", "reason": "the loss became nan"}')
    assert main(["comparison", "--runs", str(tmp_path)]) == OK
    printed = capsys.readouterr().out
    assert (
        f"Unfinished, not in the table (2): generated/{unfinished.name}, generated/{diverged.name}"
        in printed.replace("\\", "")
    )
    assert f"generated/{padded.name}" in printed
    assert rows_of(build(tmp_path, "comparison"))["resnet_20"].cells["n"].value == 1


def test_a_seed_run_twice_counts_once(tmp_path: Path) -> None:
    write_fake_run(tmp_path, "resnet_20", 0)
    write_fake_run(tmp_path, "resnet_20", 1)
    again = write_fake_run(tmp_path, "resnet_20", 1, experiment="repeated")
    source = make_source(read_runs(tmp_path), str(tmp_path))
    assert [len(run_group.runs) for run_group in source.run_groups] == [2]
    assert source.repeated == [f"repeated/{again.name}"]


def test_another_network_under_the_same_recipe_is_another_row(tmp_path: Path) -> None:
    write_fake_run(tmp_path, "hornet_tiny", 0)
    write_fake_run(tmp_path, "hornet_tiny", 1, result={"model.fingerprint": "changed"})
    run_groups, _ = group_runs(read_runs(tmp_path))
    assert [len(run_group.runs) for run_group in run_groups] == [1, 1]


def test_runs_limited_by_time_are_grouped_by_their_duration(tmp_path: Path) -> None:
    write_fake_run(tmp_path, "resnet_20", 0, max_duration="600sec")
    training = {"steps": 99, "samples": 99 * 2048, "flops": 1, "epochs": 4}
    write_fake_run(tmp_path, "resnet_20", 1, max_duration="600sec", result={"training": training})
    (run_group,), _ = group_runs(read_runs(tmp_path))
    assert run_group.recipe_fields["steps"] == "600sec"


def test_times_of_several_machines_are_not_averaged(tmp_path: Path) -> None:
    write_fake_run(tmp_path, "resnet_20", 0)
    write_fake_run(tmp_path, "resnet_20", 1, result={"machine.device_name": "Another GPU"})
    cells = rows_of(build(tmp_path, "comparison"))["resnet_20"].cells
    assert cells["top1"].n == 2
    assert cells["train_h"].value is None
    assert cells["train_h"].why is not None
    assert "machines" in cells["train_h"].why.english()


def test_the_best_epoch_shows_only_when_asked_and_is_labelled(
    deck_runs: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    main(["comparison", "--runs", str(deck_runs)])
    assert "Best epoch" not in capsys.readouterr().out
    main(["comparison", "--runs", str(deck_runs), "--best"])
    assert "a diagnostic" in capsys.readouterr().out


def test_a_technique_counts_each_network_once(ablation_runs: Path) -> None:
    row = rows_of(build(ablation_runs, "by_technique"), "technique")["attention"]
    assert row.cells["networks"].value == 2
    assert "eca_resnet20_pos1" not in row.notes[0].english()


def test_time_to_accuracy_is_that_of_the_first_epoch_there(tmp_path: Path) -> None:
    write_fake_run(tmp_path, "resnet_20", 0, top1=66.0)
    write_fake_run(tmp_path, "resnet_20", 1, top1=64.0)
    records = read_runs(tmp_path)
    targets = (40.0, 60.0, 65.0, 90.0)
    for record in records:
        rows = [(row["eval_top1"], row["train_seconds"]) for row in record.epochs]
        scanned = first_times(read_runs(tmp_path)[records.index(record)], targets)
        assert scanned == first_times_of_rows(rows, targets)
        assert (scanned[0] is not None, scanned[3]) == (True, None)
    cells = rows_of(build(tmp_path, "time_to_accuracy"))["resnet_20"].cells
    bound = cells["seconds_to_65"]
    reached = [first_times(record, targets)[2] for record in records]
    assert bound.value is None
    assert bound.low == pytest.approx((reached[0] + records[1].epochs[-1]["train_seconds"]) / 2)
    assert bound.why is not None
    assert bound.why.english().startswith("reached by 1 of 2 runs")
    page = make_page(build(tmp_path, "time_to_accuracy"))
    assert f"≥ {bound.low:.1f}" in [entry.text for section in page.sections for row in section.rows for entry in row]
    assert "seconds_to_90" not in cells


def test_what_some_runs_reached_stands_before_what_none_did(tmp_path: Path) -> None:
    """At 65 % two of two, one of two and none of two, though the bound of the last is the lowest."""
    accuracies = {"resnet_20": (64.0, 64.5), "resnet_32": (66.0, 64.0), "resnet_56": (66.0, 66.5)}
    for model, top1s in accuracies.items():
        for seed, top1 in enumerate(top1s):
            hours = {"resnet_20": 0.1, "resnet_32": 0.2, "resnet_56": 0.3}[model]
            write_fake_run(tmp_path, model, seed, top1=top1, fake={"hours": hours})
    table = build(tmp_path, "time_to_accuracy")
    assert list(rows_of(table)) == ["resnet_56", "resnet_32", "resnet_20"]
    _, some, none = (row.cells["seconds_to_65"].low or 0.0 for row in rows_of(table).values())
    assert 0 < none < some


def test_a_torn_last_row_and_unevaluated_epochs_do_no_harm(tmp_path: Path) -> None:
    path = write_fake_run(tmp_path, "resnet_20", top1=66.0)
    lines = (path / "epochs.jsonl").read_text().splitlines()
    first = {**json.loads(lines[0]), "eval_top1": None}
    (path / "epochs.jsonl").write_text(
        "\n".join([json.dumps(first), *lines[1:], '{"epoch": 99, "eval_top1": 99.0, "tr'])
    )
    assert first_times(read_runs(tmp_path)[0], (40.0, 90.0))[1] is None


@pytest.mark.parametrize("content", [None, "", "\n", "{}\n"])
def test_without_evaluations_over_time_the_table_says_so(content: str | None, tmp_path: Path) -> None:
    path = write_fake_run(tmp_path, "resnet_20", top1=66.0)
    write_fake_run(tmp_path, "resnet_32", top1=66.0)
    (path / "epochs.jsonl").unlink()
    if content is not None:
        (path / "epochs.jsonl").write_text(content)
    rows = rows_of(build(tmp_path, "time_to_accuracy"))
    assert rows["resnet_32"].cells["seconds_to_60"].value is not None
    assert rows["resnet_20"].cells["seconds_to_60"].value is None


@pytest.mark.parametrize("line", ['{"eval_top1": 50.0, "tr', '{"eval_top1": 50.0}'])
def test_a_damaged_row_is_named_or_counts_as_not_reached(line: str, tmp_path: Path) -> None:
    path = write_fake_run(tmp_path, "resnet_20", top1=66.0)
    text = (path / "epochs.jsonl").read_text()
    (path / "epochs.jsonl").write_text(f"{line}\n{text}")
    (record,) = read_runs(tmp_path)
    if "}" in line:
        assert first_times(record, (40.0,)) == [None]
    else:
        with pytest.raises(BadInput, match=r"epochs\.jsonl, line 1"):
            first_times(record, (40.0,))


def test_components_need_no_run(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    assert main(["components", "--runs", str(tmp_path / "nowhere")]) == OK
    assert "LayerNorm" in capsys.readouterr().out


@pytest.mark.parametrize("name", all_tables())
def test_every_table_is_made_of_cells_with_runs(name: str, ablation_runs: Path) -> None:
    made = (build(runs, name) for runs in (ablation_runs, COMMITTED))  # these hold the declared arms of recipes
    table = next(table for table in made if table.blocks)
    keys = {column.key for column in table.columns}
    for block in table.blocks:
        assert block.rows
        for row in block.rows:
            assert set(row.cells) <= keys
            assert all(cell.runs for cell in row.cells.values() if cell.value is not None)


def test_a_missing_or_empty_folder_says_what_to_do(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for folder in (tmp_path, tmp_path / "nowhere"):
        assert run_command(main, ["--runs", str(folder)]) == BAD_INPUT
        error = capsys.readouterr().err
        assert str(folder) in error
        assert "start" in error or "train" in error
    write_fake_run(tmp_path, "resnet_20", finished=False)
    assert run_command(main, ["--runs", str(tmp_path)]) == BAD_INPUT
    assert "none of its 1 runs has finished" in capsys.readouterr().err


def test_unknown_names_get_the_nearest(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run_command(main, ["comparisn"]) == BAD_INPUT
    assert "Did you mean 'comparison'?" in capsys.readouterr().err
    write_fake_run(tmp_path, "resnet_20")
    with pytest.raises(BadInput, match="Did you mean 'generated'"):
        make_source(read_runs(tmp_path), "", ["generate"])


def test_a_torn_result_names_its_file(tmp_path: Path) -> None:
    path = write_fake_run(tmp_path, "resnet_20")
    (path / RESULT).write_text('{"status": "fini')
    with pytest.raises(BadInput, match=r"result\.json"):
        read_runs(tmp_path)


def phrases() -> set[str]:
    """Return the English templates written in the package without a Chinese one beside them."""
    found = set()
    for path in PACKAGE.glob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Call) and node.args and not any(word.arg == "zh" for word in node.keywords):
                name = getattr(node.func, "id", getattr(node.func, "attr", ""))
                value = getattr(node.args[0], "value", None) if name in ("Phrase", "words", "missing") else None
                found |= {value} if isinstance(value, str) and value.strip("{};−: ") else set()
    return found


def test_every_phrase_has_its_chinese() -> None:
    assert len(phrases()) > 40
    assert phrases() - set(ZH) == set()
    verdicts = {"better", "worse", "not distinguishable", "same network", "not tested"}
    assert {stats.ONE_RUN, stats.FEW_RUNS, stats.NO_SPREAD, *verdicts} <= set(ZH)


@pytest.mark.parametrize("name", TABLES)
def test_every_title_and_heading_has_its_chinese(name: str, deck_runs: Path) -> None:
    table = build(deck_runs, name)
    phrases = [table.title, *(column.heading for column in table.columns)]
    assert [phrase for phrase in phrases if not phrase.zh and phrase.template != "{}"] == []


def test_chinese_headings(deck_runs: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["comparison", "--runs", str(deck_runs), "--lang", "zh"]) == OK
    heading = next(line for line in capsys.readouterr().out.splitlines() if line.startswith("|"))
    assert heading.split("|")[1:4] == ["  排名 ", f" 模型{' ' * 29}", " Top-1 准确率 (%) "]


def test_files_say_where_they_come_from(deck_runs: Path, tmp_path: Path) -> None:
    for form in ("md", "tex", "html", "csv"):
        assert main(["comparison", "--runs", str(deck_runs), "--format", form, "--out", str(tmp_path / "out")]) == OK
    for form in ("md", "tex", "html"):
        head = (tmp_path / "out" / f"comparison.{form}").read_text().splitlines()[0]
        assert "python -m bench.tables comparison" in head
        assert "75 runs" in head


def test_an_argument_cannot_end_the_comment_at_the_head() -> None:
    head = provenance("python -m bench.tables --runs 'a\nb --><script>'", 3)
    assert "\n" not in head
    assert "-->" not in head


def test_analysis_imports_neither_torch_nor_plotting(deck_runs: Path) -> None:
    code = (
        "import sys; from bench.environment import provenance; from bench.tables.__main__ import main; "
        f"main(['--runs', {str(deck_runs)!r}]); "
        "print([n for n in ('torch', 'composer', 'matplotlib', 'pandas', 'scipy.stats', 'wandb') if n in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=120)
    assert done.stdout.splitlines()[-1] == "[]"


def test_copied_runs_give_the_same_table(deck_runs: Path, tmp_path: Path) -> None:
    shutil.copytree(deck_runs, tmp_path / "copy")
    assert build(deck_runs, "comparison") == build(tmp_path / "copy", "comparison")
