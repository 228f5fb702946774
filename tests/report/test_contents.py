"""Rows of one label are told apart by what their recipes differ in."""

from pathlib import Path

from bench.report.contents import MAX_LETTERS
from tests.fake_runs import DECK_ALGORITHMS, write_fake_run
from tests.report.building import contents_of


def test_rows_of_one_label_are_told_apart_by_the_fewest_fields(tmp_path: Path) -> None:
    write_fake_run(tmp_path, "resnet_32")
    for precision, rate in (("fp32", 0.1), ("amp_fp16", 0.1), ("fp32", 0.2)):
        write_fake_run(tmp_path, "resnet_20", precision=precision, optimizer={"name": "sgd", "lr": rate})
    names = contents_of(tmp_path).names
    told = {"resnet_20 (lr 0.1, precision fp32)", "resnet_20 (lr 0.1, precision amp_fp16)"}
    assert set(names) == {"resnet_32", *told, "resnet_20 (lr 0.2, precision fp32)"}


def test_the_usual_recipe_needs_no_words(tmp_path: Path) -> None:
    write_fake_run(tmp_path, "resnet_20")
    write_fake_run(tmp_path, "resnet_20", batch_size=128)
    write_fake_run(tmp_path, "resnet_20", algorithms={})
    assert set(contents_of(tmp_path).names) == {
        "resnet_20",
        "resnet_20 (steps 7800, batch 128)",
        "resnet_20 (algorithms none)",
    }


def test_what_a_row_lacks_is_told_in_words(tmp_path: Path) -> None:
    teacher = {"path": "runs/elsewhere/resnet_56-01234567-s0", "network": "resnet_56", "sha256": "7f" * 32}
    write_fake_run(tmp_path, "resnet_20")
    taught = {**DECK_ALGORITHMS, "distillation": {"teacher": teacher, "temperature": 2.0, "alpha": 0.5}}
    write_fake_run(tmp_path, "resnet_20", algorithms=taught)
    assert set(contents_of(tmp_path).names) == {"resnet_20 (no teacher)", "resnet_20 (teacher 7f7f7f7f)"}


def test_many_rows_are_named_by_what_is_unusual_or_numbered(tmp_path: Path) -> None:
    write_fake_run(tmp_path, "resnet_20")
    for rate in (0.2, 0.3):
        for alpha in (0.1, 0.4, 0.5):
            optimizer = {"name": "sgd", "lr": rate, "weight_decay": alpha * 1e-3}
            write_fake_run(tmp_path, "resnet_20", optimizer=optimizer, algorithms={"mixup": {"alpha": alpha}})
    write_fake_run(tmp_path, "resnet_20", precision="fp32", schedule={"name": "linear"}, batch_size=512)
    names = contents_of(tmp_path).names
    assert len(set(names)) == 8
    assert max(map(len, names)) <= len("resnet_20 ()") + MAX_LETTERS + 2
