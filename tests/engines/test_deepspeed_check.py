"""What does not go with DeepSpeed is refused with a reason, before anything is written."""

from pathlib import Path

import pytest
from torch import Tensor, nn

from bench import train
from bench.config import load_spec
from bench.engines.checkpoints import Damaged
from bench.engines.deepspeed_check import REFUSED, check_deepspeed, check_unused, refusals
from bench.engines.identity import changes_after, check_identity, identify
from bench.engines.registry import without_effect
from bench.spec import RunSpec, recipe_hash
from bench.util.cli import BAD_INPUT, run_command
from bench.util.errors import BadInput
from tests.conftest import REPOSITORY

SMALL = REPOSITORY / "tests" / "small.yaml"
DEEPSPEED = ["engine=deepspeed", "data.name=easy", "batch_size=16", "device=cpu"]
MUON = "optimizer={name: muon, lr: 0.1, rest: {name: sgd, lr: 0.1}}"


def spec_of(*words: str) -> RunSpec:
    return load_spec(SMALL, [*DEEPSPEED, *words])


@pytest.mark.parametrize(
    ("words", "key"),
    [
        (["compile=true"], "compile"),
        ([MUON, "deepspeed.zero_stage=1"], "optimizer.name"),
        (["algorithms.gradient_clipping={clipping_type: value}"], "algorithms.gradient_clipping.clipping_type"),
        (["deepspeed.offload_optimizer=true"], "deepspeed.offload_optimizer"),
        (["augmentation.sizes=[[0.5, 24], [1.0, 32]]", "deepspeed.zero_stage=3"], "augmentation.sizes"),
    ],
)
def test_what_does_not_combine_is_refused_with_its_key(words: list[str], key: str) -> None:
    (reason,) = refusals(spec_of(*words))
    assert reason.startswith(f"key '{key}': ")


@pytest.mark.parametrize("name", REFUSED)
def test_an_algorithm_that_does_not_combine_is_refused_with_its_key(name: str) -> None:
    """Whatever its settings, some of which only a trained run could give."""
    spec = spec_of("deepspeed.zero_stage=3").model_copy(update={"algorithms": {name: {}}})
    (reason,) = refusals(spec)
    assert reason.startswith(f"key 'algorithms.{name}': ")


@pytest.mark.parametrize("words", [[], [MUON], ["algorithms.ema={}", "deepspeed.zero_stage=2"]])
def test_what_combines_is_not_refused(words: list[str]) -> None:
    assert refusals(spec_of(*words)) == []


def test_a_missing_extra_is_one_line_with_the_command(
    easy_root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("bench.engines.deepspeed_check.find_spec", lambda name: None)
    words = ["-f", str(SMALL), *DEEPSPEED, f"data.root={easy_root}", f"runs={tmp_path / 'runs'}"]
    assert run_command(train.main, [*words, "wandb.enabled=false"]) == BAD_INPUT
    (line,) = capsys.readouterr().err.splitlines()
    assert "pip install 'deepspeed==" in line
    assert not (tmp_path / "runs").exists()


@pytest.fixture
def installed(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let DeepSpeed count as installed: nothing that is refused needs it."""
    monkeypatch.setattr("bench.engines.deepspeed_check.find_spec", lambda name: object())


@pytest.mark.usefixtures("installed")
@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["deepspeed.accumulation_steps=3"], "3 does not divide the 8 images"),
        (["deepspeed.accumulation_steps=2", "algorithms.ghost_batchnorm={ghost_batch_size: 8}"], "more than the 4"),
        (["deepspeed={zero_stage: 2, offload_optimizer: true}"], "on a CPU"),
    ],
)
def test_what_a_process_cannot_do_is_refused(words: list[str], message: str) -> None:
    with pytest.raises(BadInput, match=message):
        check_deepspeed(spec_of(*words), world_size=2)


def test_a_network_with_an_unused_parameter_is_refused_with_its_name() -> None:
    """ZeRO puts all parameters into one row, and would decay those that have no gradient."""
    check_unused(Toy(), (3, 8, 8))
    toy = Toy()
    toy.spare = nn.Linear(2, 2)
    with pytest.raises(BadInput, match=r"\(spare.weight, spare.bias\): use engine=composer"):
        check_unused(toy, (3, 8, 8))


class Toy(nn.Sequential):
    """A small network."""

    def __init__(self) -> None:
        super().__init__(nn.Flatten(), nn.Linear(192, 2))

    def forward(self, images: Tensor) -> Tensor:
        return self[1](self[0](images))


def test_the_recipe_is_the_same_at_every_stage() -> None:
    stages = {recipe_hash(spec_of(f"deepspeed.zero_stage={stage}")) for stage in range(4)}
    assert stages == {recipe_hash(load_spec(SMALL, [*DEEPSPEED[1:]]))}


@pytest.mark.parametrize("word", ["zero_stage=4", "zero_stage=-1", "accumulation_steps=0", "zero_stag=1"])
def test_the_section_is_checked(word: str) -> None:
    with pytest.raises(BadInput, match=f"deepspeed.{word.partition('=')[0]}"):
        spec_of(f"deepspeed.{word}")


def test_a_run_goes_on_with_its_engine_alone() -> None:
    """A checkpoint of before there were several engines is Composer's; another stage may go on."""
    composer = identify(load_spec(SMALL, DEEPSPEED[1:]), 2, "fp32")
    old = {key: value for key, value in composer.items() if key not in ("engine", "batch_parts")}
    two, three = (identify(spec_of(f"deepspeed.zero_stage={stage}"), 2, "fp32") for stage in (2, 3))
    parted = identify(spec_of("deepspeed.accumulation_steps=2"), 2, "fp32")
    check_identity(old, composer, Path("run"))
    check_identity(two, three, Path("run"))
    for saved, mine, message in (
        (composer, two, "saved by engine composer"),
        (old, two, "saved by engine composer"),
        (two, composer, "engine=deepspeed"),
        (two, parted, "2 parts of a batch, not 4"),
    ):
        with pytest.raises(BadInput, match=message):
            check_identity(saved, mine, Path("run"))
    with pytest.raises(Damaged):
        check_identity({**two, "seed": 1}, two, Path("run"))


def test_a_change_is_allowed_where_it_is_asked_for_and_then_recorded() -> None:
    """The changes before are kept; going on as before is no change, and neither is what had ended already."""
    composer = identify(load_spec(SMALL, DEEPSPEED[1:]), 1, "fp32")
    saved = identify(spec_of("deepspeed.zero_stage=3"), 2, "fp32")
    check_identity(saved, composer, Path("run"), allow_change=True)
    (change,) = changes_after(saved, composer, 5)
    assert change == {
        "step": 5,
        "before": {"engine": "deepspeed", "world_size": 2, "batch_parts": 2},
        "after": {"engine": "composer", "world_size": 1, "batch_parts": 1},
    }
    assert changes_after({**composer, "changes": [change]}, composer, 7) == [change]
    assert [one["step"] for one in changes_after({**composer, "changes": [change]}, saved, 7)] == [5, 7]
    assert changes_after({**saved, "finished": True}, composer, 9) == []


def test_another_precision_recipe_or_a_forged_change_is_never_allowed() -> None:
    mine = identify(spec_of(), 2, "fp32")
    with pytest.raises(BadInput, match="cannot resume in fp32"):
        check_identity({**mine, "precision": "amp_bf16"}, mine, Path("run"), allow_change=True)
    for forged in ({"recipe": "76543210"}, {"changes": [{"step": 1, "before": {}, "after": {}}]}, {"changes": [3]}):
        with pytest.raises(Damaged):
            check_identity({**mine, **forged}, mine, Path("run"), allow_change=True)


def test_a_section_that_the_engine_does_not_read_is_warned_of() -> None:
    (warning,) = without_effect(load_spec(SMALL, [*DEEPSPEED[1:], "deepspeed.zero_stage=2"]))
    assert "key 'deepspeed' has no effect with engine=composer" in warning
    assert without_effect(load_spec(SMALL, [*DEEPSPEED[1:], "deepspeed.zero_stage=0"])) == []
    assert without_effect(spec_of("deepspeed.zero_stage=2")) == []
