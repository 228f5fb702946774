"""What of a training must be saved so that it goes on as if it had never stopped, as tensors and plain containers.

Composer's own `State.load_state_dict` is not used: it evaluates a text of the checkpoint as Python
(`State._apply_required_algorithms`), loses the momentum of an optimizer wrapped by SAM, and cannot go on after layers
were frozen. The parts that have a state (model, optimizer, schedulers, algorithms, callbacks, timestamp) give and take
it here themselves.
"""

from collections.abc import Iterable
from datetime import timedelta
from typing import Any

import torch
from composer.core import State
from torch import nn
from torch.nn.parallel import DistributedDataParallel

from bench.engines.checkpoints import Content, Damaged

MICROSECOND = timedelta(microseconds=1)
PARTS: dict[str, type] = {
    "timestamp": dict,
    "model": dict,
    "frozen": list,
    "optimizers": list,
    "schedulers": list,
    "scaler": dict,
    "algorithms": dict,
    "callbacks": dict,
}


def unwrap_model(model: nn.Module) -> nn.Module:
    """Return the model without DDP around it, so that its names are those of a single process."""
    return model.module if isinstance(model, DistributedDataParallel) else model


def take(state: State) -> Content:
    """Return the state of a training at a step's boundary; every rank must call it (callbacks add up over ranks)."""
    model = unwrap_model(state.model)
    return {
        "timestamp": {key: save_time(value) for key, value in state.timestamp.state_dict().items()},
        "model": model.state_dict(),
        "frozen": [name for name, parameter in model.named_parameters() if not parameter.requires_grad],
        "optimizers": [take_optimizer(optimizer) for optimizer in state.optimizers],
        "schedulers": [scheduler.state_dict() for scheduler in state.schedulers],
        "scaler": state.scaler.state_dict() if state.scaler is not None else {},
        "algorithms": {name: without_repr(item.state_dict()) for name, item in by_class(state.algorithms).items()},
        "callbacks": {name: item.state_dict() for name, item in by_class(state.callbacks).items()},
    }


def give(state: State, content: Content) -> None:
    """Put a training into a saved state, before its first step; what `check` lets through fits."""
    model = unwrap_model(state.model)
    state.timestamp.load_state_dict({key: load_time(value) for key, value in content["timestamp"].items()})
    model.load_state_dict(content["model"])
    freeze(model, content["frozen"], state.optimizers)
    for optimizer, saved in zip(state.optimizers, content["optimizers"], strict=True):
        give_optimizer(optimizer, saved)
    for scheduler, saved in zip(state.schedulers, content["schedulers"], strict=True):
        scheduler.load_state_dict(saved)
    # A run that was begun on a CPU, where no gradient is scaled, has none.
    if state.scaler is not None and content["scaler"]:
        state.scaler.load_state_dict(content["scaler"])
    for group, items in (("algorithms", state.algorithms), ("callbacks", state.callbacks)):
        for name, item in by_class(items).items():
            if content[group].get(name):
                item.load_state_dict(content[group][name])


def check(state: State, content: Content) -> None:
    """Raise Damaged unless every part is there and the weights have the names, shapes and types of this network."""
    missing = [part for part in PARTS if part not in content]
    if missing:
        raise Damaged(f"these parts are missing: {', '.join(missing)}")
    wrong = [part for part, kind in PARTS.items() if not isinstance(content[part], kind)]
    if wrong:
        raise Damaged(f"these parts have the wrong type: {', '.join(wrong)}")
    mine, theirs = (describe(weights) for weights in (unwrap_model(state.model).state_dict(), content["model"]))
    if mine != theirs:
        raise Damaged("its weights do not fit this network")
    if len(content["optimizers"]) != len(state.optimizers) or len(content["schedulers"]) != len(state.schedulers):
        raise Damaged("it has a different number of optimizers or schedulers")


def describe(weights: Any) -> Any:
    """Return name, shape and type of each weight, or None when these are no weights."""
    if not isinstance(weights, dict) or not all(isinstance(value, torch.Tensor) for value in weights.values()):
        return None
    return {name: (tuple(value.shape), value.dtype) for name, value in weights.items()}


def by_class(items: Iterable[Any]) -> dict[str, Any]:
    """Return algorithms or callbacks by the name of their class, in their order; no class occurs twice with a state."""
    return {type(item).__qualname__: item for item in items}


def without_repr(saved: dict[str, Any]) -> dict[str, Any]:
    """Return an algorithm's state without the text that Composer would evaluate to make the algorithm anew."""
    return {key: value for key, value in saved.items() if key != "repr"}


def save_time(value: Any) -> Any:
    """Return a timestamp's entry: durations as whole microseconds."""
    return {"microseconds": value // MICROSECOND} if isinstance(value, timedelta) else value


def load_time(value: Any) -> Any:
    """Return what `save_time` saved."""
    return timedelta(microseconds=value["microseconds"]) if isinstance(value, dict) else value


def take_optimizer(optimizer: Any) -> dict[str, Any]:
    """Return an optimizer's state; SAM (Foret et al., 2021) keeps none but its step, the one it wraps has all."""
    if hasattr(optimizer, "base_optimizer"):
        return {"base": take_optimizer(optimizer.base_optimizer), "step": optimizer.global_step}
    trained = {id(parameter) for group in optimizer.param_groups for parameter in group["params"]}
    for parameter in [key for key in optimizer.state if id(key) not in trained]:
        del optimizer.state[parameter]  # frozen: never updated again, and torch cannot name it in a state
    return optimizer.state_dict()


def give_optimizer(optimizer: Any, saved: dict[str, Any]) -> None:
    """Put an optimizer into a saved state; SAM and the one that it wraps share their parameter groups."""
    if hasattr(optimizer, "base_optimizer"):
        give_optimizer(optimizer.base_optimizer, saved["base"])
        optimizer.param_groups = optimizer.base_optimizer.param_groups
        optimizer.global_step = saved["step"]
        return
    optimizer.load_state_dict(saved)
    lay_out_like_parameters(optimizer)


def lay_out_like_parameters(optimizer: torch.optim.Optimizer) -> None:
    """Give each state of a parameter's shape the parameter's memory format; the values stay.

    Fused optimizers pair parameter and state as they lie in memory, and another engine may have saved another format.
    """
    for parameter, state in optimizer.state.items():
        for name, value in state.items():
            alike = isinstance(value, torch.Tensor) and value.shape == parameter.shape
            if alike and value.stride() != parameter.stride():
                state[name] = torch.empty_like(parameter, dtype=value.dtype).copy_(value)


def freeze(model: nn.Module, names: list[str], optimizers: Iterable[Any]) -> None:
    """Freeze parameters as layer freezing does: no gradient, and no place in the optimizer."""
    named = dict(model.named_parameters())
    frozen = {id(named[name].requires_grad_(False)) for name in names}
    for optimizer in optimizers:
        for group in optimizer.param_groups:
            group["params"] = [parameter for parameter in group["params"] if id(parameter) not in frozen]


def is_finite(model: nn.Module) -> bool:
    """Tell whether every weight and statistic of a model is a finite number."""
    values = [value for value in model.state_dict().values() if value.is_floating_point()]
    return bool(torch.stack([torch.isfinite(value).all() for value in values]).all()) if values else True
