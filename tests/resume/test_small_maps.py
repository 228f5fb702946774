"""A run goes on with the kernels that it began with, whatever is measured, and counts the same network."""

import json
from pathlib import Path

import pytest

from algorithms.convolution_products import PASSES
from bench.data.datasets import Dataset
from bench.engines import kernels
from bench.engines.stopping import Interrupted
from bench.records import RESULT
from tests.resume.runs import At, signalled, start
from tests.torture.compare import differences, final_state

POOLED = ["model.name=speed_75", "max_duration=4ba", "augmentation.sizes=[[0.25,20],[1.0,32]]"]


def test_the_kernels_are_those_of_the_start(
    dataset: Dataset, tmp_path: Path, at: At, monkeypatch: pytest.MonkeyPatch
) -> None:
    passes = list(PASSES)
    monkeypatch.setattr(kernels, "choose_passes", lambda *settings: {str(case): passes for case in settings[-1]})
    whole = start(dataset, tmp_path / "whole", *POOLED)
    at[2] = signalled()
    with pytest.raises(Interrupted):
        start(dataset, tmp_path / "parts", *POOLED)
    passes = []
    parts = start(dataset, tmp_path / "parts", *POOLED)
    other = start(dataset, tmp_path / "other", *POOLED)
    assert differences(final_state(whole), final_state(parts)) == []
    weights = "/checkpoint/model/"
    assert [place for place in differences(final_state(whole), final_state(other)) if place.startswith(weights)]
    ours, plain = (json.loads((run / RESULT).read_text()) for run in (whole, other))
    assert ours["model"] == plain["model"]
    assert ours["training"]["flops"] == plain["training"]["flops"] > 0
