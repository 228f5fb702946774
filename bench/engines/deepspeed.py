"""Train a run with DeepSpeed (Rajbhandari et al., "ZeRO", SC 2020): Composer drives, a DeepSpeed engine computes.

Composer's Trainer gives batches, events, schedules and evaluations as for `engine: composer`. The engine goes forward
and backward, sums gradients over the processes, partitions what the ZeRO stage says, scales losses and updates.
Checkpoints hold what those of `engine: composer` hold: partitioned state is gathered for them (`bench.engines.shards`).
"""

import gc
import logging
import os
from typing import Any

from bench.engines.composer import Parallelism
from bench.engines.composer import fit as fit_with

# isort: split
import torch
from composer import Trainer
from composer.algorithms import GradientClipping
from composer.core import Precision
from composer.utils import dist
from torch import Tensor, optim

from bench.engines.classifier import Classifier
from bench.engines.machine import Machine
from bench.engines.precision import DTYPES, FP16, FP32
from bench.engines.shards import Parameters, full_state, load_full_state
from bench.engines.snapshot import unwrap_model
from bench.spec import RunSpec

# The most elements of gradients that are reduced at once; DeepSpeed's own buffer of 500 million would be 2 GB.
BUCKET = 2**24


class EngineClassifier(Classifier):
    """A classifier whose network a DeepSpeed engine computes, once there is one."""

    # Not registered as a module: the engine holds the network itself.
    engine: Any = None

    def use(self, engine: Any) -> None:
        """Compute with an engine from now on."""
        self.__dict__["engine"] = engine

    def forward(self, batch: tuple[Tensor, Tensor]) -> Tensor:
        """Return the logits of a batch, in the engine's precision."""
        return super().forward(batch) if self.engine is None else self.engine(batch[0])

    def loss(self, outputs: Tensor, batch: tuple[Tensor, Tensor], reduction: str = "mean") -> Tensor:
        """Return the loss, after the engine has gone backward from it: Composer's own backward pass finds no network.

        The engine's step after the last part of a batch is the optimizer's (`EngineOptimizer`).
        """
        loss = super().loss(outputs.float(), batch, reduction)
        if self.engine is None or not loss.requires_grad:
            return loss
        self.engine.backward(loss)
        if not self.engine.is_gradient_accumulation_boundary():
            self.engine.step()
        return loss.detach().requires_grad_()

    def state_dict(self, *arguments: Any, **options: Any) -> dict[str, Any]:
        """Return all weights and statistics, gathered where they are partitioned; every rank must call it."""
        if self.engine is None or self.engine.zero_optimization_stage() < 3:
            return super().state_dict(*arguments, **options)
        from deepspeed.runtime.zero import GatheredParameters

        with GatheredParameters(list(self.parameters())):
            gathered = super().state_dict(*arguments, **options)
            return {name: value.detach().clone() for name, value in gathered.items()}


class EngineOptimizer:
    """What Composer, schedules and checkpoints see of an optimizer that a DeepSpeed engine steps.

    `parameters` are the optimizer's own, in the order of its groups, and `groups` what its state says of the groups, of
    before the engine partitioned them.
    """

    def __init__(self, engine: Any, optimizer: optim.Optimizer, parameters: Parameters, groups: list[Any]) -> None:
        self.engine, self.optimizer, self.parameters, self.groups = engine, optimizer, parameters, groups
        self.state: dict[Any, Any] = {}

    @property
    def param_groups(self) -> list[dict[str, Any]]:
        """Return the groups, whose learning rates schedules set."""
        return self.optimizer.param_groups

    def zero_grad(self, set_to_none: bool = True) -> None:
        """Do nothing: the engine's step leaves no gradients."""

    def step(self, closure: Any) -> float:
        """Go forward and backward by the closure, then update; return the loss."""
        loss = closure()
        self.engine.step()
        return loss

    def state_dict(self) -> dict[str, Any]:
        """Return the state as the optimizer has it in a single process; every rank must call it."""
        if not self.engine.zero_optimization_stage():
            return self.optimizer.state_dict()
        groups = [
            {**saved, **{key: now[key] for key in saved if key != "params"}}
            for saved, now in zip(self.groups, self.param_groups, strict=True)
        ]
        return {"state": full_state(self.engine.optimizer, self.parameters), "param_groups": groups}


def engine_settings(spec: RunSpec, machine: Machine, elements: int) -> dict[str, Any]:
    """Return DeepSpeed's configuration of a run whose network has so many trained parameters."""
    section = spec.deepspeed
    clipping = spec.algorithms.get("gradient_clipping")
    offload = {"offload_optimizer": {"device": "cpu"}} if section.offload_optimizer else {}
    lower = machine.precision != FP32
    return {
        "train_micro_batch_size_per_gpu": spec.batch_size // machine.shard.world_size // section.accumulation_steps,
        "gradient_accumulation_steps": section.accumulation_steps,
        # Newer versions of DeepSpeed clip by default.
        "gradient_clipping": clipping["clipping_threshold"] if clipping else 0.0,
        "zero_allow_untested_optimizer": True,
        "zero_force_ds_cpu_optimizer": False,
        "zero_optimization": {"stage": section.zero_stage, "reduce_bucket_size": min(BUCKET, elements), **offload},
        # DeepSpeed's own bf16 mode would convert the network, which BatchNorm's float32 statistics do not survive.
        # Gradients are summed in float32: in bfloat16 each further process would cost accuracy.
        "torch_autocast": {
            "enabled": lower,
            **({"dtype": DTYPES[machine.precision], "lower_precision_safe_modules": []} if lower else {}),
        },
    }


def import_deepspeed(device: str) -> Any:
    """Return DeepSpeed, for a device ("cpu" or "gpu"), without compiling an extension."""
    if device == "cpu":
        os.environ["DS_ACCELERATOR"] = "cpu"
    import deepspeed

    # Sums through shared memory, which the first start would compile for about a minute.
    deepspeed.ops.__compatible_ops__["deepspeed_shm_comm"] = False
    # It warns of every optimizer that is not its own.
    logging.getLogger("DeepSpeed").setLevel(logging.ERROR)
    return deepspeed


def grad_scaler(engine: Any) -> Any:
    """Return the gradient scaler of an engine that computes in float16, else None."""
    inner = getattr(engine.optimizer, "torch_autocast_gradscaler", None)
    return engine.torch_autocast_z0_gradscaler if inner is None else inner


def attach(trainer: Trainer, spec: RunSpec, machine: Machine) -> None:
    """Let a DeepSpeed engine train the network of a Trainer, whose weights and optimizer state are whole."""
    state = trainer.state
    model = unwrap_model(state.model)
    assert isinstance(model, EngineClassifier)
    state.model = model
    gc.collect()  # DistributedDataParallel's buffers
    # Composer does without a process group where there is one process; DeepSpeed would look for MPI.
    dist.initialize_dist(machine.device)
    (optimizer,) = state.optimizers
    parameters = [parameter for group in optimizer.param_groups for parameter in group["params"]]
    saved = optimizer.state_dict()
    # DeepSpeed sends and flattens weights as they lie in memory.
    model.to(memory_format=torch.contiguous_format)
    if spec.deepspeed.zero_stage:
        optimizer.state.clear()
    engine, *_ = import_deepspeed(machine.device).initialize(
        model=model.module,
        optimizer=optimizer,
        config=engine_settings(spec, machine, sum(parameter.numel() for parameter in parameters)),
    )
    if spec.deepspeed.zero_stage:
        load_full_state(engine.optimizer, parameters, saved["state"])
    elif "channels_last" in spec.algorithms:
        model.to(memory_format=torch.channels_last)
    model.use(engine)
    # Composer logs learning rates by the name of the optimizer's class.
    kind = type(type(optimizer).__name__, (EngineOptimizer,), {})
    state.optimizers = kind(engine, optimizer, parameters, saved["param_groups"])
    # The engine clips, and scales losses in float16.
    state.algorithms = [item for item in state.algorithms if not isinstance(item, GradientClipping)]
    if machine.precision == FP16:
        scaler = grad_scaler(engine)
        if state.scaler is not None and state.scaler.state_dict():
            scaler.load_state_dict(state.scaler.state_dict())
        state.scaler, state.precision = scaler, Precision.FP32


def fit(spec: RunSpec, *arguments: Any, **options: Any) -> dict[str, Any]:
    """Train the spec with DeepSpeed as `bench.engines.composer.fit` does without, and return its result."""
    parallelism = Parallelism(EngineClassifier, attach, spec.deepspeed.accumulation_steps)
    return fit_with(spec, *arguments, **options, parallelism=parallelism)
