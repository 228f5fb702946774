"""Count what the network that is about to be trained costs, and what its training has cost so far."""

from collections.abc import Collection, Mapping
from typing import Any

import torch
from composer.core import Callback, State
from composer.loggers import Logger
from composer.utils import dist
from torch import nn

from algorithms.registry import uncounted
from bench.engines.classifier import Classifier
from bench.engines.clock import Clock
from bench.engines.snapshot import unwrap_model
from bench.util.errors import first_line
from bench.zoo.counting.backward import frozen_flags, saved_by_freezing
from bench.zoo.counting.cost import CountError, count_cost
from bench.zoo.counting.describe import describe_network
from bench.zoo.counting.training import Kind, Meter, Size, Tally, add_plain, to_plain, training_macs

PFLOP = 10**15
PARTLY_UNKNOWN = "a part of the run was trained without counting its passes"


def watch_forward(model: nn.Module, meter: Meter, mode: bool = True) -> None:
    """Make a meter note every forward pass of a model in training mode, or in the other, given (images, labels).

    That includes passes outside of a step's own: a second one, or one that re-estimates statistics.
    """

    def note(module: nn.Module, arguments: tuple[Any, ...]) -> None:
        """Note a pass; as a function it is shared by copies of the model, such as an average of weights."""
        images = arguments[0][0]
        if module.training == mode:
            height, width = images.shape[-2:]
            meter.forward((height, width), len(images), gradients=torch.is_grad_enabled())

    model.register_forward_pre_hook(note)


class NetworkCounter:
    """The MACs of a network's passes, each kind counted once, when it is first needed.

    `network` is what `describe_network` returned for images of shape `input_shape`, None where it was not described.
    """

    def __init__(
        self, module: nn.Module, input_shape: tuple[int, int, int], network: Mapping[str, Any] | None = None
    ) -> None:
        self.module, self.network, self.input_shape = module, network, input_shape
        self._forward: dict[Size, int] = {}
        self._saved: dict[Kind, int] = {}

    def forward(self, size: Size) -> int:
        """Return the MACs of one image's forward pass; raise CountError where they cannot be counted."""
        if size not in self._forward:
            self._forward[size] = self._count(size)
        return self._forward[size]

    def _count(self, size: Size) -> int:
        """Count a forward pass, or take what was counted before training."""
        if size != self.input_shape[1:] or self.network is None:
            return count_cost(self.module, (self.input_shape[0], *size)).macs
        if self.network["macs"] is None:
            raise CountError(self.network["uncounted_because"]["macs"])
        return int(self.network["macs"])

    def saved(self, kind: Kind) -> int:
        """Return by how many MACs one image's backward pass is cheaper for its frozen parameters."""
        if kind not in self._saved:
            self._saved[kind] = saved_by_freezing(self.module, (self.input_shape[0], *kind.size), kind.frozen)
        return self._saved[kind]


class CostCallback(Callback):
    """Count parameters, MACs and activations before training, and what each step computes.

    The network is counted after every model surgery and before a checkpoint is loaded, which may hold frozen layers: a
    resumed run describes the same network. `input_shape` is (C, H, W) of an image of the data; `algorithms` are the
    names of those that are trained with; `teacher` is what goes forward beside the network, in evaluation mode; what is
    counted in mid-training is none of the clock's training time.
    """

    def __init__(
        self,
        input_shape: tuple[int, int, int],
        algorithms: Collection[str],
        clock: Clock,
        teacher: Classifier | None = None,
    ) -> None:
        self.input_shape, self.algorithms, self.clock = input_shape, algorithms, clock
        self.teacher, self.teacher_meter = teacher, Meter()
        self.network: dict[str, Any] = {}
        self.meter = Meter()
        self._parameters: list[nn.Parameter] = []
        self._counter: NetworkCounter | None = None
        self._teacher_counter: NetworkCounter | None = None

    def state_dict(self) -> dict[str, Any]:
        """Return the passes of all ranks; every rank must call it."""
        taught = {"teacher": to_plain(gather(self.teacher_meter))} if self.teacher else {}
        return {"passes": to_plain(gather(self.meter)), **taught}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Go on from `state_dict`; what all ranks did goes on as rank 0's."""
        if dist.get_global_rank() == 0:
            add_plain(self.meter.tally, state["passes"])
            add_plain(self.teacher_meter.tally, state.get("teacher", []))

    def after_load(self, state: State, logger: Logger) -> None:
        """Count the network as the Trainer has built it, and watch its passes."""
        module = unwrap_model(state.model).module
        assert isinstance(module, nn.Module), "Composer trains a Classifier around the network"
        self.network = describe_network(module, self.input_shape)
        self._counter = NetworkCounter(module, self.input_shape, self.network)
        self._parameters = list(module.parameters())
        watch_forward(unwrap_model(state.model), self.meter)
        if self.teacher:
            self._teacher_counter = NetworkCounter(self.teacher.get_submodule("module"), self.input_shape)
            watch_forward(self.teacher, self.teacher_meter, mode=False)
        logger.log_hyperparameters({"network": {key: self.network[key] for key in ("params", "macs", "activations")}})

    def after_backward(self, state: State, logger: Logger) -> None:
        """Note a backward pass, and which parameters were frozen."""
        self.meter.backward(frozen_flags(self._parameters))

    def epoch_end(self, state: State, logger: Logger) -> None:
        """Log the training cost so far."""
        phase = self.clock.switch("other")
        flops = self.training_cost(int(state.timestamp.sample))["flops"]
        self.clock.switch(phase)
        if flops is not None:
            logger.log_metrics({"cost/training_pflop": flops / PFLOP})

    def training_cost(self, samples: int) -> dict[str, Any]:
        """Return the `flops` of training on `samples` images so far, or None and `uncounted_because`: a record's part.

        Every rank must call it.
        """
        tally, taught, name = gather(self.meter), gather(self.teacher_meter), uncounted(self.algorithms)
        if name is not None:
            return {"flops": None, "uncounted_because": f"what algorithm '{name}' computes is not counted"}
        needed = [tally, taught] if self.teacher else [tally]
        if any(sum(passes.forward for passes in part.values()) < samples for part in needed):
            return {"flops": None, "uncounted_because": PARTLY_UNKNOWN}
        assert self._counter is not None, "the network is counted when the Trainer is built"
        try:
            macs = training_macs(tally, self._counter.forward, self._counter.saved)
            if self._teacher_counter:
                macs += training_macs(taught, self._teacher_counter.forward)
            return {"flops": 2 * macs}
        except Exception as error:  # whatever a network or a counter raises: no count is worth a training
            return {"flops": None, "uncounted_because": first_line(error)}


def gather(meter: Meter) -> Tally:
    """Return the passes of all ranks; every rank must call it."""
    tally: Tally = {}
    for rows in dist.all_gather_object(to_plain(meter.tally)):
        add_plain(tally, rows)
    return tally
