"""A run in bfloat16 on a CPU goes on with the convolutions in float32 that it began with, whatever is measured."""

from pathlib import Path

import pytest

from algorithms import cpu_autocast
from algorithms.cpu_autocast import PLAIN
from bench.data.datasets import Dataset
from bench.engines.precision import find_row
from bench.engines.stopping import Interrupted
from tests.resume.runs import At, signalled, start
from tests.torture.compare import differences, final_state

pytestmark = pytest.mark.usefixtures("without_gpu")

GHOST = ["model.name=ghost_resnet_20", "precision=amp_bf16", "max_duration=4ba"]


@pytest.mark.skipif(find_row("cpu").precision != "amp_bf16", reason="this CPU only emulates bfloat16")
def test_what_is_kept_in_float32_is_that_of_the_start(
    dataset: Dataset, tmp_path: Path, at: At, monkeypatch: pytest.MonkeyPatch
) -> None:
    measured: frozenset[str] = frozenset()
    monkeypatch.setattr(cpu_autocast, "slow_kinds", lambda extension: measured)
    whole = start(dataset, tmp_path / "whole", *GHOST)
    at[2] = signalled()
    with pytest.raises(Interrupted):
        start(dataset, tmp_path / "parts", *GHOST)
    measured = frozenset({PLAIN})
    parts = start(dataset, tmp_path / "parts", *GHOST)
    other = start(dataset, tmp_path / "other", *GHOST)
    assert differences(final_state(whole), final_state(parts)) == []
    weights = "/checkpoint/model/"
    assert [place for place in differences(final_state(whole), final_state(other)) if place.startswith(weights)]
