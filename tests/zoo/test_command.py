"""`python -m bench.zoo`: tables, the golden file, exit codes."""

from dataclasses import replace
from pathlib import Path

import pytest

from bench.util.cli import run_command
from bench.util.errors import BadInput
from bench.zoo import __main__ as command
from bench.zoo.counting.golden import read_golden, write_golden
from bench.zoo.counting.measure import forward_backward_ms
from bench.zoo.models import MODELS
from bench.zoo.table import as_markdown, as_text, zoo_table
from tests.zoo.checks import build

Capture = pytest.CaptureFixture[str]


@pytest.fixture
def own_golden(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return a copy of the golden file, which the command then uses."""
    path = tmp_path / "golden.json"
    write_golden(read_golden(), path)
    monkeypatch.setattr(command, "GOLDEN_PATH", path)
    return path


def test_table_of_named_models(capsys: Capture) -> None:
    assert command.main(["resnet_20", "ecanet20_adaptive", "timm/resnet18"]) == 0
    shown = capsys.readouterr()
    lines = shown.out.splitlines()
    assert lines[1].split()[:7] == ["resnet_20", "resnet", "basic_resnet", "278,324", "40.82", "81.64", "0.20"]
    assert "same network as eca_resnet_20, ecanet20_fixed_k3" in lines[2]
    assert lines[3].startswith("timm/resnet18")
    assert "aten.native_batch_norm" in shown.out
    assert "[3/3] counting timm/resnet18" in shown.err


def test_whole_zoo_as_tables() -> None:
    """Every model has a line; columns line up; Markdown has as many cells in every line."""
    golden = read_golden()
    table = zoo_table(MODELS, golden, golden)
    text, markdown = as_text(table).splitlines(), as_markdown(table).splitlines()
    assert len(text) == 1 + len(MODELS)
    assert len(markdown) == 2 + len(MODELS)
    end = text[0].index("params") + len("params")
    assert all(line[end - 1].isdigit() and line[end] == " " for line in text[1:])
    assert {line.count("|") for line in markdown} == {9}
    assert markdown[2].startswith("| `resnet_20` | resnet | basic_resnet | 278,324 | 40.82 | 81.64 | 0.20 |")


def test_markdown_and_time(capsys: Capture, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(command, "BATCH", 4)
    assert command.main(["resnet_20", "--md", "--time"]) == 0
    shown = capsys.readouterr().out
    assert "| ms | source |" in shown
    assert "ms: forward + backward, batch 4" in shown


def test_time_grows_with_the_batch() -> None:
    model = build("resnet_20")
    assert 0 < forward_backward_ms(model, batch=2) < forward_backward_ms(model, batch=32)


def test_cifar_stem(capsys: Capture) -> None:
    assert command.main(["ghostnet_100", "--stem", "cifar"]) == 0
    assert "14.05" in capsys.readouterr().out


def test_drift_from_the_golden_file_fails(own_golden: Path, capsys: Capture) -> None:
    golden = read_golden(own_golden)
    write_golden({**golden, "resnet_20": replace(golden["resnet_20"], macs=1)}, own_golden)
    assert command.main(["resnet_20"]) == 1
    assert "differs from golden.json" in capsys.readouterr().err
    assert command.main(["resnet_20", "--update"]) == 0
    assert read_golden(own_golden) == golden


def test_update_drops_what_is_no_longer_in_the_zoo(own_golden: Path) -> None:
    golden = read_golden(own_golden)
    write_golden({"gone": golden["resnet_20"], **golden}, own_golden)
    assert command.main(["resnet_20", "--update"]) == 0
    assert list(read_golden(own_golden)) == list(MODELS)


def test_a_model_that_cannot_be_counted_fails_and_the_rest_is_shown(capsys: Capture) -> None:
    assert command.main(["timm/sequencer2d_s", "resnet_20"]) == 1
    shown = capsys.readouterr()
    assert "neither counter knows" in shown.err
    assert "278,324" in shown.out


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["resnet_2"], "Did you mean 'resnet_20'"),
        (["timm/nothing_like_it"], "unknown timm model"),
        (["timm/resnet18", "--update"], "not in MODELS"),
        (["convnext_tiny", "--stem", "cifar", "--update"], "leave --stem out"),
        (["resnet_20", "--out", "reports"], "leave names and other options out"),
        (["resnet_20", "--stem", "cifar"], "only timm models have a choice of stem"),
    ],
)
def test_bad_input(arguments: list[str], said: str, capsys: Capture) -> None:
    with pytest.raises(BadInput, match=said):
        command.main(arguments)
    assert run_command(command.main, arguments) == 2
    assert said in capsys.readouterr().err


def test_help_shows_an_example(capsys: Capture) -> None:
    with pytest.raises(SystemExit) as stopped:
        command.main(["--help"])
    assert stopped.value.code == 0
    assert "python -m bench.zoo resnet_20" in capsys.readouterr().out
