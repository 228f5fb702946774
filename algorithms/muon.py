"""Muon: momentum whose update is orthogonalised, for convolution filters and hidden matrices.

What: the momentum buffer of each filter bank, flattened to (out channels) × (in channels · kernel height · kernel
width), is replaced by the nearest semi-orthogonal matrix, approximately, by a few Newton-Schulz steps; all directions
of a layer then move by about the same amount. Parameters of other kinds (norms, biases, the classifier, embeddings) are
updated by torch's own SGD or AdamW within the same optimizer, since a Composer Trainer takes one.

When it pays: short schedules at a large batch, with a learning rate that is tuned for it. Cost: per step two products
of each filter bank with its Gram matrix; independent of the batch size.

Source: Jordan et al., "Muon: An optimizer for hidden layers in neural networks", 2024. The weights of filter banks may
be rescaled to a fixed norm before each update, as in the public CIFAR speed runs, in place of weight decay.
"""

from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from typing import Any

import torch
from torch import Tensor, nn, optim

# Jordan et al., 2024: the quintic's slope at 0 is steep, so that few steps suffice; singular values end in 0.7 … 1.2.
QUINTIC = (3.4445, -4.7750, 2.0315)
EPSILON = 1e-7
# So many steps on one Gram matrix in bfloat16 are as exact as steps on the whole matrix; 5 diverge.
STEPS_AT_ONCE = 3


def orthogonalise(matrices: Tensor, steps: int, dtype: torch.dtype = torch.float32) -> Tensor:
    """Return B×m×n matrices with all singular values moved to about 1 by Newton-Schulz steps.

    The products are in `dtype`, or in the matrices' own if that is wider. Several steps are taken on the smaller Gram
    matrix alone, and X is multiplied once, by their product.
    """
    tall = matrices.shape[-2] > matrices.shape[-1]
    x = matrices.mT if tall else matrices
    x = x / (x.norm(dim=(-2, -1), keepdim=True) + EPSILON)
    if dtype.itemsize < torch.float32.itemsize:
        x = x.to(dtype)
    at_once = steps if x.dtype.itemsize >= torch.float32.itemsize else STEPS_AT_ONCE
    for taken in range(0, steps, at_once or 1):
        x = newton_schulz(x @ x.mT, min(at_once, steps - taken)) @ x
    x = x.to(matrices.dtype)
    return x.mT if tall else x


def newton_schulz(gram: Tensor, steps: int) -> Tensor:
    """Return the B×m×m matrices by which Newton-Schulz steps multiply matrices X with these Gram matrices A = X Xᵀ.

    A step is X ← (a I + b A + c A²) X. Its factor commutes with A, which becomes the factor times A times the factor.
    """
    identity = torch.eye(gram.shape[-1], dtype=gram.dtype, device=gram.device)
    a, b, c = QUINTIC
    product = None
    for step in range(steps):
        factor = a * identity + b * gram + c * (gram @ gram)
        product = factor if product is None else factor @ product
        if step < steps - 1:
            gram = factor @ gram @ factor
    return identity if product is None else product


def orthogonal_directions(moved: Sequence[Tensor], steps: int, dtype: torch.dtype = torch.float32) -> list[Tensor]:
    """Return filter banks and matrices orthogonalised by products in `dtype`, in their shapes; equal ones together."""
    by_shape: dict[tuple[int, int], list[int]] = defaultdict(list)
    for place, direction in enumerate(moved):
        by_shape[(direction.shape[0], direction[0].numel())].append(place)
    result: list[Tensor] = list(moved)
    for (rows, columns), places in by_shape.items():
        stacked = torch.stack([moved[place].reshape(rows, columns).float() for place in places])
        for place, update in zip(places, orthogonalise(stacked, steps, dtype), strict=True):
            result[place] = update.reshape(moved[place].shape).to(moved[place].dtype)
    return result


def rescale_filters(weights: Iterable[Tensor]) -> None:
    """Rescale each filter bank in place to the norm √(out channels), one for each filter on average."""
    for weight in weights:
        weight.mul_(weight.shape[0] ** 0.5 / (weight.norm() + EPSILON))


class Muon(optim.Optimizer):
    """Muon for the first parameter group, a torch optimizer (SGD, AdamW) for the others.

    Args:
        matrices: what Muon updates, each of at least two dimensions.
        rest: the optimizer of all other parameters; its groups and states become this optimizer's own.
        lr: Muon's learning rate.
        momentum: of Muon, in Nesterov's form if `nesterov`.
        steps: of Newton-Schulz.
        rescale: whether each filter bank is rescaled to √(out channels) before its update.
        weight_decay: of Muon's parameters, decoupled (Loshchilov and Hutter, 2019).
        dtype: of the products of Newton-Schulz, float32 or bfloat16; momentum and weights stay in their own.

    Raises ValueError where there is nothing for Muon to update, or a parameter of fewer dimensions.
    """

    def __init__(
        self,
        matrices: Sequence[nn.Parameter],
        rest: optim.Optimizer,
        *,
        lr: float,
        momentum: float = 0.6,
        nesterov: bool = True,
        steps: int = 3,
        rescale: bool = True,
        weight_decay: float = 0.0,
        dtype: torch.dtype = torch.float32,
    ) -> None:
        if not matrices or any(parameter.ndim < 2 for parameter in matrices):
            raise ValueError("Muon needs convolution filters or hidden matrices; this network has none of them")
        own = {"params": list(matrices), "lr": lr, "momentum": momentum, "nesterov": nesterov, "steps": steps}
        own |= {"rescale": rescale, "weight_decay": weight_decay}
        self.rest, self.dtype = rest, dtype
        super().__init__([own, *rest.param_groups], {})
        self._share()

    def _share(self) -> None:
        """Let the other optimizer work on this one's groups and states, which schedules and checkpoints know."""
        self.rest.param_groups, self.rest.state = self.param_groups[1:], self.state

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Take groups and states, and share them again."""
        super().load_state_dict(state_dict)
        self._share()

    @torch.no_grad()
    def step(self, closure: Callable[[], float] | None = None) -> float | None:  # type: ignore[override]
        """Update every parameter that has a gradient."""
        loss = None
        if closure is not None:
            with torch.enable_grad():
                loss = closure()
        group = self.param_groups[0]
        parameters = [parameter for parameter in group["params"] if parameter.grad is not None]
        if parameters:
            self._step_matrices(parameters, group)
        self.rest.step()
        return loss

    def _step_matrices(self, parameters: list[Tensor], group: dict[str, Any]) -> None:
        """Move filters and matrices by their orthogonalised momentum."""
        gradients = [parameter.grad for parameter in parameters if parameter.grad is not None]
        buffers = [self._buffer(parameter) for parameter in parameters]
        torch._foreach_mul_(buffers, group["momentum"])
        torch._foreach_add_(buffers, gradients)
        nesterov = group["nesterov"]
        moved = torch._foreach_add(gradients, buffers, alpha=group["momentum"]) if nesterov else buffers
        directions = orthogonal_directions(list(moved), group["steps"], self.dtype)
        if group["rescale"]:
            rescale_filters(parameters)
        if group["weight_decay"]:
            torch._foreach_mul_(parameters, 1 - group["lr"] * group["weight_decay"])
        torch._foreach_add_(parameters, directions, alpha=-group["lr"])

    def _buffer(self, parameter: Tensor) -> Tensor:
        """Return a parameter's momentum, zero at first."""
        state = self.state[parameter]
        if "momentum_buffer" not in state:
            state["momentum_buffer"] = torch.zeros_like(parameter)
        return state["momentum_buffer"]


def hidden_matrices(model: nn.Module) -> list[nn.Parameter]:
    """Return the trained weights that Muon is made for: dense filters, and linear layers but the last (the classifier).

    Depthwise and grouped convolutions are left out: their filters share no input to be orthogonal over.
    """
    dense = [m for m in model.modules() if isinstance(m, nn.Conv2d) and m.groups == 1]
    linear = [m for m in model.modules() if isinstance(m, nn.Linear)][:-1]
    chosen = {id(module.weight) for module in (*dense, *linear)}
    trained = (parameter for parameter in model.parameters() if parameter.requires_grad and id(parameter) in chosen)
    return [parameter for parameter in trained if min(parameter.shape[:2]) > 1]
