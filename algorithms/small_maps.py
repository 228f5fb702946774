"""Compute convolutions of small maps as matrix products on a CPU, where those are faster than torch's convolution.

What: the passes of a dense convolution (forward, gradient of the input, gradient of the filters), each as matrix
products (`algorithms.convolution_products`) for those sizes of its maps for which it pays. Results differ from torch's
by rounding.

When it pays: wide layers on maps of 2 to 7 pixels a side, where torch's convolution runs at a quarter to a half of the
rate of a matrix product. It is measured, on one thread and in processor time, so that neither the number of threads nor
other work on the machine decides. Cost: copies of a layer's maps, at most as many as its kernel has entries.
"""

import copy
import math
import time
from collections.abc import Callable, Iterable, Sequence
from typing import Any

import torch
from composer.core import Algorithm, Event, State
from composer.loggers import Logger
from composer.utils import dist
from torch import Tensor, nn

from algorithms.convolution_products import (
    FORWARD,
    PASSES,
    Case,
    Choices,
    case_of,
    is_plain,
    library,
    products,
    use_products,
)
from algorithms.cpu_autocast import one_thread

# Only results of fewer pixels are tried.
PIXELS = 64
# A pass is computed by products where torch's convolution takes at least so many times as long, so that noise does not
# decide.
MARGIN = 1.15
ROUNDS = 3


@torch.no_grad()
def find_cases(model: nn.Module, batches: Iterable[Any]) -> list[Case]:
    """Return the cases that occur when a network evaluates batches of images, each once, in their order."""
    found: dict[Case, None] = {}

    def note(module: nn.Module, arguments: tuple[Tensor, ...]) -> None:
        """Note the case of a convolution that is about to run."""
        assert isinstance(module, nn.Conv2d)
        case = case_of(module, arguments[0].shape[2:])
        if 0 < math.prod(case.result) < PIXELS:
            found[case] = None

    twin = copy.deepcopy(model).eval()
    for module in twin.modules():
        if is_plain(module):
            module.register_forward_pre_hook(note)
    for batch in batches:
        twin(batch)
    return list(found)


def faster_passes(case: Case, batch: int, dtype: torch.dtype) -> list[str]:
    """Return the passes of a case that products compute faster here, for a batch of maps; each is tried in turns."""
    generator = torch.Generator().manual_seed(0)

    def draw(*shape: int) -> Tensor:
        """Return a random channels-last tensor."""
        return torch.randn(shape, generator=generator).to(dtype).to(memory_format=torch.channels_last)

    maps, filters = draw(batch, case.w_in, *case.size), draw(case.w_out, case.w_in, *case.kernel)
    gradient = draw(batch, case.w_out, *case.result)

    def seconds(function: Callable[..., Tensor], which: str) -> float:
        """Return the processor seconds of this thread for a pass."""
        began = time.thread_time()
        function(which, maps, filters, None if which == FORWARD else gradient, case.padding)
        return time.thread_time() - began

    def ratio(which: str) -> float:
        """Return how many times as long the library takes, of the best of the rounds."""
        rounds = [[seconds(function, which) for function in (library, products)] for _ in range(ROUNDS + 1)]
        theirs, ours = (min(times) for times in zip(*rounds[1:], strict=True))
        return theirs / ours

    with torch.no_grad(), one_thread():
        return [which for which in PASSES if ratio(which) > MARGIN]


class SmallMaps(Algorithm):
    """Compute convolutions of small maps by matrix products where `choose` finds that faster.

    What was chosen is part of a checkpoint: a run that goes on elsewhere, or after another measurement, computes as it
    began.

    Args:
        images: the shapes, C×H×W, of the images that the run trains on and evaluates.
        choose: returns the passes to compute by products of each case; it is asked on rank 0 alone.
    """

    def __init__(self, images: Sequence[tuple[int, int, int]], choose: Callable[[Sequence[Case]], Choices]) -> None:
        self.images, self.choose = images, choose
        self.choices: Choices = {}
        self._network: nn.Module | None = None

    def match(self, event: Event, state: State) -> bool:
        """Run once, at the start."""
        return event == Event.INIT

    def apply(self, event: Event, state: State, logger: Logger) -> None:
        """Find the network's cases, and choose."""
        self._network = state.model
        cases = find_cases(state.model, [(torch.zeros(2, *shape), None) for shape in self.images])
        chosen = self.choose(cases) if dist.get_global_rank() == 0 else {}
        self._use(dist.all_gather_object(chosen)[0])

    def _use(self, choices: Choices) -> None:
        """Compute by a choice from now on."""
        self.choices = choices
        if self._network is not None:
            use_products(self._network, choices)

    def state_dict(self) -> dict[str, Any]:
        """Return which passes of which cases are computed by products."""
        return {"choices": {case: list(passes) for case, passes in self.choices.items()}}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Compute as the run that was saved."""
        self._use(state["choices"])
