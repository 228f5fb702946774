"""What only a GPU shows: real half precision, its bits after a resume, and the same pixels as on a CPU."""

from pathlib import Path

import pytest
import torch

from bench.data.augmentation.resize import resize
from bench.data.datasets import Dataset
from bench.engines.stopping import Interrupted
from tests.resume.runs import At, only_run, signalled, start
from tests.resume.test_resume import SETS
from tests.torture.compare import differences, final_state

pytestmark = pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")


@pytest.mark.parametrize("precision", ["fp32", "amp_fp16", "amp_bf16"])
@pytest.mark.parametrize("name", ["averaging", "speed"])
def test_a_stopped_run_ends_with_the_same_bits(
    name: str, precision: str, dataset: Dataset, tmp_path: Path, at: At
) -> None:
    """In each precision that a GPU computes, float16 with its gradient scaler."""
    words = [*SETS[name], f"precision={precision}", "device=gpu"]
    whole = start(dataset, tmp_path / "whole", *words)
    at[3] = signalled()
    with pytest.raises(Interrupted):
        start(dataset, tmp_path / "parts", *words)
    parts = start(dataset, tmp_path / "parts", *words)
    assert differences(final_state(whole), final_state(parts)) == []
    result = only_run(tmp_path / "whole").result
    assert result is not None
    assert (result["machine"]["device"], result["machine"]["precision"]) == ("gpu", precision)


@pytest.mark.parametrize("size", [16, 20, 24, 31])
def test_resized_images_have_the_bits_of_a_cpu(size: int) -> None:
    images = torch.randint(0, 256, (64, 32, 32, 3), dtype=torch.uint8, generator=torch.Generator().manual_seed(size))
    assert torch.equal(resize(images.cuda(), size).cpu(), resize(images, size))
