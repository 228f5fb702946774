"""`budget:` in place of `max_duration:`: what it buys, what happens to the warm-up, and what the spec then holds."""

import subprocess
import sys
from pathlib import Path

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from bench.budget import data_sizes, forward_macs, in_batches
from bench.config import YAMLS, load_spec
from bench.spec import RunSpec, recipe_hash
from bench.util.duration import Duration
from bench.util.errors import BadInput
from bench.zoo.counting.golden import read_golden
from tests.conftest import REPOSITORY
from tests.refusals import refused

GOLDEN = read_golden()
RECIPE = "batch_size: {batch}\nmax_duration: 200ep\noptimizer: {{name: sgd, lr: 0.1}}\nschedule: {{warmup: {warmup}}}\n"


def spec_of(
    tmp_path: Path, *, model: str = "resnet_20", batch: int = 128, warmup: str = "5ep", **run: object
) -> RunSpec:
    """Return the spec of a run whose keys lie above a recipe of 200 epochs."""
    (tmp_path / "recipe.yaml").write_text(RECIPE.format(batch=batch, warmup=warmup))
    content = {"base": "recipe.yaml", "model": {"name": model}, **run}
    (tmp_path / "run.yaml").write_text(yaml.safe_dump(content))
    return load_spec(tmp_path / "run.yaml")


@settings(max_examples=25, deadline=None)
@given(
    model=st.sampled_from(sorted(GOLDEN)),
    batch=st.integers(1, 4096),
    number=st.integers(1, 10**4),
    unit=st.just("PFLOP"),
)
def test_a_budget_of_compute_buys_the_most_whole_batches(model: str, batch: int, number: int, unit: str) -> None:
    spec = load_spec(
        YAMLS / "resnet_20.yaml", [f"model.name={model}", f"batch_size={batch}", f"budget={number} {unit}"]
    )
    cost_of_a_batch = 3 * 2 * GOLDEN[model].macs * batch
    batches = spec.max_duration.steps()
    assert batches * cost_of_a_batch <= number * 10**15 < (batches + 1) * cost_of_a_batch


def test_worked_example() -> None:
    """0.1 PFLOP for ResNet-20 (40,818,944 MACs) in batches of 128: 10^14 / (6 · 40818944 · 128) = 3189.9."""
    spec = load_spec(YAMLS / "resnet_20.yaml", ["base=recipes/light_200ep.yaml", "budget=0.1 PFLOP"])
    # The recipe warms up for 5 of 200 epochs: 2.5 %, of 3189 batches 79.7.
    assert (str(spec.max_duration), str(spec.schedule.warmup), spec.budget) == ("3189ba", "80ba", "0.1 PFLOP")


@pytest.mark.parametrize("text", ["0.1PFLOP", "100 TFLOP", "1e-4 EFLOP", "100000 GFLOP"])
def test_the_same_amount_in_other_words_is_the_same_run(text: str) -> None:
    one, other = (load_spec(YAMLS / "resnet_20.yaml", [f"budget={words}"]) for words in (text, "0.1 PFLOP"))
    assert one.max_duration == other.max_duration
    assert recipe_hash(one) == recipe_hash(other)


def test_a_budget_of_epochs_scales_the_warm_up(tmp_path: Path) -> None:
    spec = spec_of(tmp_path, budget="10ep", batch=500, data={"name": "cifar100"})
    # 5 of 200 epochs are 2.5 % of 10 epochs of 100 batches.
    assert (str(spec.max_duration), str(spec.schedule.warmup)) == ("10ep", "25ba")


@pytest.mark.parametrize(
    ("warmup", "expected"), [("0ep", "0ep"), ("5ep", "80ba"), ("1950ba", "80ba"), ("100ep", "1594ba"), ("1ba", "1ba")]
)
def test_the_warm_up_keeps_its_share_in_any_unit(tmp_path: Path, warmup: str, expected: str) -> None:
    """200 epochs of CIFAR-100 in batches of 128 are 78,000 batches, of which the budget pays for 3189."""
    assert str(spec_of(tmp_path, budget="0.1 PFLOP", warmup=warmup).schedule.warmup) == expected


def test_a_warm_up_declared_with_the_budget_is_taken_as_it_is(tmp_path: Path) -> None:
    assert str(spec_of(tmp_path, budget="0.1 PFLOP", schedule={"warmup": "2ep"}).schedule.warmup) == "2ep"


def test_of_budget_and_duration_the_higher_layer_holds(tmp_path: Path) -> None:
    assert str(spec_of(tmp_path, budget="0.1 PFLOP").max_duration) == "3189ba"
    assert str(load_spec(tmp_path / "run.yaml", ["max_duration=7ep"]).max_duration) == "7ep"
    assert load_spec(tmp_path / "run.yaml", ["max_duration=7ep"]).budget is None
    assert str(load_spec(tmp_path / "run.yaml", ["budget=null"]).max_duration) == "200ep"
    assert str(load_spec(tmp_path / "run.yaml", ["budget=0.2 PFLOP"]).max_duration) == "6379ba"


def test_a_budget_needs_no_duration_below_it(tmp_path: Path) -> None:
    path = tmp_path / "run.yaml"
    path.write_text("model: {name: resnet_20}\nbatch_size: 128\noptimizer: {name: sgd, lr: 0.1}\nbudget: 0.1 PFLOP\n")
    assert str(load_spec(path).max_duration) == "3189ba"


def test_the_recorded_spec_repeats_the_run_with_and_without_the_budget(tmp_path: Path) -> None:
    spec = spec_of(tmp_path, budget="0.1 PFLOP")
    recorded = spec.model_dump(mode="json")
    for content in (recorded, {key: value for key, value in recorded.items() if key != "budget"}):
        (tmp_path / "spec.yaml").write_text(yaml.safe_dump(content))
        again = load_spec(tmp_path / "spec.yaml")
        assert again.model_copy(update={"budget": spec.budget}) == spec
        assert recipe_hash(again) == recipe_hash(spec)


def test_every_length_of_a_schedule_keeps_its_share(tmp_path: Path) -> None:
    """0.1 PFLOP pays for 3,189 of the 78,000 batches of 200 epochs: 30, 60 and 80 % of them, and 2.5 %."""
    multistep = {"name": "multistep", "milestones": ["60ep", "0.6dur", "62400ba"]}
    spec_of(tmp_path)
    (tmp_path / "steps.yaml").write_text(yaml.safe_dump({"base": "recipe.yaml", "schedule": multistep}))
    (tmp_path / "run.yaml").write_text(yaml.safe_dump({"base": "steps.yaml", "model": {"name": "resnet_20"}}))
    schedule = load_spec(tmp_path / "run.yaml", ["budget=0.1 PFLOP"]).schedule.model_dump(mode="json")
    assert (schedule["warmup"], schedule["milestones"]) == ("80ba", ["957ba", "0.6dur", "2551ba"])
    kept = ["budget=0.1 PFLOP", "schedule.milestones=[1000ba]"]
    schedule = load_spec(tmp_path / "run.yaml", kept).schedule.model_dump(mode="json")
    assert (schedule["warmup"], schedule["milestones"]) == ("80ba", ["1000ba"])


REFUSED = [
    ("budget=0.1 PFLOPS", ["budget", "'0.1 PFLOPS'", "Did you mean 'PFLOP'?"]),
    ("budget=5", ["budget", "5", "10ep"]),
    ("budget=0 PFLOP", ["budget", "0.1 PFLOP"]),
    ("budget=-1 PFLOP", ["budget", "-1 PFLOP"]),
    ("budget=1.5ep", ["budget", "1.5ep"]),
    ("budget={a: 1}", ["budget", "allowed is"]),
    ("budget=1 GFLOP", ["less than one batch of 128", "resnet_20"]),
    ("budgte=1 PFLOP", ["budgte", "Did you mean 'budget'?"]),
]


@pytest.mark.parametrize(("override", "words"), REFUSED, ids=[override for override, _ in REFUSED])
def test_refusals_name_key_value_and_what_is_allowed(override: str, words: list[str]) -> None:
    with refused(words):
        load_spec(YAMLS / "resnet_20.yaml", ["base=recipes/light_200ep.yaml", override])


def test_a_budget_and_another_duration_in_one_place_contradict_each_other() -> None:
    with pytest.raises(BadInput, match=r"'9ep' and budget '0\.1 PFLOP', which is 199ba .* contradict"):
        load_spec(YAMLS / "resnet_20.yaml", ["budget=0.1 PFLOP", "max_duration=9ep"])


def test_a_run_that_is_all_warm_up_is_refused() -> None:
    with pytest.raises(BadInput, match="all warm-up"):
        load_spec(YAMLS / "resnet_20.yaml", ["budget=0.1 PFLOP", "schedule.warmup=199ba"])


def test_what_the_zoo_does_not_pin_is_counted_on_the_network() -> None:
    golden = load_spec(YAMLS / "ghost_resnet_20.yaml")
    assert forward_macs(golden) == GOLDEN["ghost_resnet_20"].macs
    same = load_spec(YAMLS / "ghost_resnet_20.yaml", ["model.options.ratio=2"])
    other = load_spec(YAMLS / "ghost_resnet_20.yaml", ["model.options.ratio=4"])
    assert forward_macs(same) == forward_macs(golden) > forward_macs(other)
    # Ten classes in place of a hundred: 90 fewer outputs of 64 inputs each.
    assert forward_macs(golden) - forward_macs(load_spec(YAMLS / "ghost_resnet_20.yaml", ["data.name=cifar10"])) == 5760


def bought(*overrides: str) -> int:
    """Return the batches of 128 that 0.1 PFLOP buys ResNet-20."""
    spec = load_spec(
        YAMLS / "resnet_20.yaml",
        ["base=recipes/light_200ep.yaml", "budget=0.1 PFLOP", "schedule.warmup=0ep", *overrides],
    )
    return int(spec.max_duration.value)


BATCH = 3 * 2 * 128
LIMIT = 10**14


def test_a_second_pass_in_every_step_halves_the_batches() -> None:
    batches = bought("algorithms.sam={}")
    price = 2 * BATCH * GOLDEN["resnet_20"].macs
    assert batches * price <= LIMIT < (batches + 1) * price
    every_fourth = bought("algorithms.sam={interval: 4}")
    costs = [(number + number // 4) * price // 2 for number in (every_fourth, every_fourth + 1)]
    assert costs[0] <= LIMIT < costs[1]


def test_small_images_buy_more_batches() -> None:
    """Half the width for the first half of the run, then growing by 4 to the full width at four fifths of it."""
    batches = bought("algorithms.progressive_resizing={}")
    convolutions, linear = GOLDEN["resnet_20"].macs - 6400, 6400

    def cost(number: int) -> int:
        total = 0
        for step in range(number):
            scale = 0.5 + 0.5 * min(max(0.0, (step / number - 0.5) / (1 - 0.2 - 0.5)), 1.0)
            width = round(32 * scale / 4) * 4
            total += convolutions * width**2 // 32**2 + linear
        return BATCH * total

    assert cost(batches) <= LIMIT < cost(batches + 1)
    assert batches > 1.5 * bought()


def test_sizes_of_the_data_path_are_paid_for_step_by_step() -> None:
    batches = bought("augmentation.sizes=[[0.5, 16], [1.0, 32]]")
    convolutions, linear = GOLDEN["resnet_20"].macs - 6400, 6400

    def cost(number: int) -> int:
        small = -(-number // 2)
        return BATCH * (small * (convolutions // 4 + linear) + (number - small) * (convolutions + linear))

    assert cost(batches) <= LIMIT < cost(batches + 1)


def test_layers_that_algorithms_add_are_paid_for() -> None:
    spec = load_spec(YAMLS / "resnet_20.yaml", ["algorithms.squeeze_excite={min_channels: 16}"])
    macs = forward_macs(spec)
    assert macs > GOLDEN["resnet_20"].macs
    batches = bought("algorithms.squeeze_excite={min_channels: 16}")
    assert batches * BATCH * macs <= LIMIT < (batches + 1) * BATCH * macs
    assert batches < bought()


def test_what_does_not_change_a_step_does_not_change_what_a_budget_buys() -> None:
    assert bought("algorithms.mixup={}", "algorithms.ghost_batchnorm={}", "algorithms.gradient_clipping={}") == bought()


def test_a_budget_of_compute_is_refused_where_the_cost_of_a_step_is_not_known() -> None:
    with pytest.raises(BadInput, match=r"budget': '0\.1 PFLOP': .*'layer_freezing' costs is not known.*budget=10ep"):
        bought("algorithms.layer_freezing={}")
    spec = load_spec(YAMLS / "resnet_20.yaml", ["budget=10ep", "algorithms.layer_freezing={}"])
    assert str(spec.max_duration) == "10ep"


def test_a_run_too_long_to_be_planned_step_by_step_is_refused() -> None:
    with pytest.raises(BadInput, match="steps are more than can be planned"):
        bought("budget=900 PFLOP", "algorithms.sam={}")
    assert bought("budget=900 PFLOP") == 9 * 10**17 // (BATCH * GOLDEN["resnet_20"].macs)


def test_sizes_come_from_the_files_or_from_what_is_known(bench_data: Path) -> None:
    there = data_sizes(load_spec(YAMLS / "quickstart.yaml"))
    assert (there.train, there.evaluation, there.image, there.classes) == (640, 211, (3, 32, 32), 100)
    held = data_sizes(load_spec(YAMLS / "quickstart.yaml", ["data.split=tuning"]))
    assert held.train + held.evaluation == 640
    known = data_sizes(load_spec(YAMLS / "resnet_20.yaml", ["data.split=tuning"]))
    assert (known.train, known.evaluation) == (45_000, 5_000)
    with pytest.raises(BadInput, match="shapes10"):
        data_sizes(load_spec(YAMLS / "quickstart.yaml", ["data.name=shapes10"]))


def test_an_epoch_has_only_whole_batches(small_data: Path) -> None:
    spec = load_spec(YAMLS / "quickstart.yaml", [f"data.root={small_data}", "batch_size=60"])
    assert in_batches(Duration.parse("2ep"), spec) == 20
    assert in_batches(Duration.parse("30sp"), spec) == 1 / 2


def test_a_budget_for_a_model_of_the_zoo_is_read_without_torch() -> None:
    code = (
        "import sys; from bench.config import load_spec; load_spec('yamls/resnet_20.yaml', ['budget=1 PFLOP']); "
        "print([m for m in ('torch', 'timm') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=REPOSITORY, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
