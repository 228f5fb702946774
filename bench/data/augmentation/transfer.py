"""Move what was decided on the CPU to the device that holds the images."""

from typing import Any

import torch
from numpy.typing import NDArray
from torch import Tensor


def to_device(array: NDArray[Any], device: torch.device) -> Tensor:
    """Return a numpy array as a tensor on a device: the same memory on a CPU, a copy not waited for on a GPU."""
    tensor = torch.from_numpy(array)
    if device.type == "cpu":
        return tensor
    # From pageable memory the copy would wait for the work queued on the GPU.
    return tensor.pin_memory().to(device, non_blocking=True) if device.type == "cuda" else tensor.to(device)
