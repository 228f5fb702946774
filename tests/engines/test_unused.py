"""A network with a parameter that takes no part in the loss trains alike on any number of processes, and says so."""

from pathlib import Path

import pytest
import torch
from torch import nn

from bench.engines.unused import allow_unused, unused_parameters
from bench.records import read_run
from bench.zoo.build import build_model
from tests.engines.anew import final_checkpoint
from tests.engines.unused_toy import Toy
from tests.resume.runs import compose

IMAGE = (3, 12, 12)


def test_the_parameter_is_found_and_nothing_changes() -> None:
    network = Toy(10).eval()
    before = {name: value.clone() for name, value in network.state_dict().items()}
    drawn = torch.get_rng_state()
    said: list[str] = []
    assert unused_parameters(network, IMAGE) == ["forgotten"]
    assert len(allow_unused(network, IMAGE, said.append)) == 1
    assert "forgotten" in said[0]
    assert all(torch.equal(value, before[name]) for name, value in network.state_dict().items())
    assert torch.equal(torch.get_rng_state(), drawn)
    assert not network.training
    assert all(value.grad is None for value in network.parameters())


def test_a_parameter_that_is_used_anywhere_or_not_trained_is_not_reported() -> None:
    network = Toy(10)
    network.forgotten.requires_grad_(False)
    assert unused_parameters(network, IMAGE) == []
    shared = nn.Sequential(nn.Flatten(), nn.Linear(432, 432), nn.Dropout(0.9), nn.Linear(432, 10))
    shared.append(nn.Identity())
    assert unused_parameters(shared, IMAGE) == []
    assert allow_unused(build_model("resnet_20", 100), (3, 32, 32), pytest.fail) == []


@pytest.mark.slow
@pytest.mark.parametrize("ranks", [1, 2])
def test_it_trains_on_any_number_of_processes(ranks: int, small_data: Path, tmp_path: Path) -> None:
    words = ["-f", "yamls/quickstart.yaml", "model.name=toy", "batch_size=64", "max_duration=3ba", "threads=1"]
    words += ["schedule.warmup=0ep", "wandb.enabled=false", f"runs={tmp_path}", "optimizer.weight_decay=0.1"]
    with compose("tests/engines/unused_toy.py", words, small_data, ranks) as process:
        printed, _ = process.communicate(timeout=200)
    assert process.returncode == 0, printed
    assert printed.count("do not contribute to the loss and keep their initial values: forgotten\n") == 1
    (path,) = tmp_path.glob("*/*/")
    record = read_run(path)
    assert record.result is not None
    assert record.result["machine"]["world_size"] == ranks
    weights = final_checkpoint(path)["model"]
    assert torch.equal(weights["module.forgotten"], torch.ones(3))
    assert not torch.equal(weights["module.norm.weight"], torch.ones(4))
