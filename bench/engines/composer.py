"""Train a run with Composer's Trainer: the spec in, the result out, every record through `RunWriter`.

One process tree trains one run: Composer's W&B logger fails at the second Trainer of a process.
"""

import atexit
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from bench.engines.fast_import import import_composer

# Before any module imports Composer by itself.
import_composer()

from composer import Trainer
from composer.callbacks import LRMonitor, MemoryMonitor
from composer.core import Algorithm, Callback, DataSpec, Evaluator, Event, Precision, State
from composer.utils import create_interval_scheduler, dist, reproducibility

from algorithms.channels_last_gradients import ChannelsLastGradients
from algorithms.cpu_autocast import CPUAutocast
from algorithms.registry import ALGORITHMS, build_algorithms
from bench.data.datasets import Dataset
from bench.data.loader import EvalLoader, TrainLoader
from bench.data.prepare import Image
from bench.engines.callbacks.broadcast_buffers import BroadcastBuffers
from bench.engines.callbacks.checkpoint import CheckpointCallback, ended
from bench.engines.callbacks.clock import ClockCallback, slowest
from bench.engines.callbacks.cost import CostCallback
from bench.engines.callbacks.deadline import UNREACHABLE, Deadline
from bench.engines.callbacks.divergence import StopAtDivergence
from bench.engines.callbacks.loader_epoch import SetLoaderEpoch
from bench.engines.callbacks.progress import Progress
from bench.engines.callbacks.recorder import Recorder
from bench.engines.callbacks.statistics import EstimateStatistics
from bench.engines.checkpoints import read_checkpoint
from bench.engines.classifier import Classifier
from bench.engines.clock import Clock
from bench.engines.compiling import compile_network, trial_batch
from bench.engines.dispatch import dispatch_to_listeners
from bench.engines.identity import choose_precision, identify
from bench.engines.kernels import chooses_kernels, small_maps
from bench.engines.machine import Machine, describe_machine, find_machine
from bench.engines.optim import build_optimizer, product_dtype
from bench.engines.precision import BF16, FP16, Decision, find_row, remarks
from bench.engines.progress import run_length
from bench.engines.results import make_result
from bench.engines.resume import resume
from bench.engines.schedule import RunSchedule
from bench.engines.snapshot import unwrap_model
from bench.engines.starting import start
from bench.engines.stopping import Diverged, StopSignals
from bench.engines.teacher import Teacher, load_teacher
from bench.engines.unused import allow_unused
from bench.engines.wandb_run import build_wandb, fail_wandb, finish_wandb, repeat_rows
from bench.engines.weights import write_weights
from bench.records import CHECKPOINTS, RunWriter
from bench.spec import RunSpec
from bench.util.console import Console
from bench.zoo.build import build_declared, find_model


@dataclass(frozen=True)
class Parallelism:
    """How the processes of a run train one network together.

    `attach` gets the Trainer, whose network and optimizer are whole and hold what a checkpoint gave back, right before
    it trains. A process's batch is forwarded in `parts` of one size.
    """

    classifier: type[Classifier] = Classifier
    attach: Callable[[Trainer, RunSpec, Machine], None] = lambda trainer, spec, machine: None
    parts: int = 1


# Composer's own: torch's DistributedDataParallel around the network.
DATA_PARALLEL = Parallelism()


def composer_precision(machine: Machine) -> Precision:
    """Return Composer's precision; on a CPU it stays fp32 and `CPUAutocast` computes in bfloat16."""
    return Precision.FP32 if machine.device == "cpu" else Precision(machine.precision)


def choose_algorithms(
    spec: RunSpec, image: Image, machine: Machine, teacher: Teacher | None, report: Callable[[str], None]
) -> list[Algorithm]:
    """Return the spec's algorithms, and those that make the most of a CPU: its kernels, and autocast around forward."""
    chosen = list(build_algorithms(spec.algorithms, {"distillation": {"teacher": teacher}}))
    if chooses_kernels(spec, machine):
        chosen += [small_maps(spec, image, machine, report), ChannelsLastGradients()]
    in_bf16 = machine.device == "cpu" and machine.precision == BF16
    beside = [teacher.network] if teacher else []
    return [*chosen, CPUAutocast(find_row("cpu").name, beside)] if in_bf16 else chosen


def build_loaders(spec: RunSpec, dataset: Dataset, machine: Machine) -> tuple[TrainLoader, EvalLoader]:
    """Return the training and the evaluation loader of this rank."""
    shared: dict[str, Any] = {
        "device": machine.torch_device,
        "shard": machine.shard,
        "channels_last": "channels_last" in spec.algorithms,
    }
    run: dict[str, Any] = {"batch_size": spec.batch_size, "seed": spec.seed, "duration": spec.max_duration}
    train = TrainLoader(dataset, spec.augmentation, **run, **shared)
    return train, EvalLoader(dataset, batch_size=spec.eval_batch_size, **shared)


def splitter(parts: int) -> Callable[[Any, int | float], Sequence[Any]]:
    """Return the function that gives a batch, (images, labels), in equal parts, whatever size Composer asks for."""

    def split(batch: Any, _: int | float) -> Sequence[Any]:
        """Return the parts."""
        return [batch] if parts == 1 else list(zip(*(value.chunk(parts) for value in batch), strict=True))

    return split


def evaluation_times(interval: str) -> Callable[[State, Event], bool]:
    """Return when to evaluate: at the interval, and once at the run's end, after all that changes its weights there.

    Composer alone would evaluate the last step at its interval, before an average of weights is put in their place.
    """
    is_due = create_interval_scheduler(interval, include_end_of_training=False, checkpoint_events=False)

    def evaluate(state: State, event: Event) -> bool:
        """Tell whether to evaluate at an event."""
        return event == Event.FIT_END or (not ended(state) and is_due(state, event))

    return evaluate


def monitors(device: str) -> list[Callback]:
    """Return Composer's own monitors; the one of memory knows GPUs only."""
    return [LRMonitor(), MemoryMonitor()] if device == "gpu" else [LRMonitor()]


def build_trainer(
    spec: RunSpec,
    dataset: Dataset,
    machine: Machine,
    callbacks: Sequence[Callback],
    cost: CostCallback,
    teacher: Teacher | None,
    writer: RunWriter,
    report: Callable[[str], None],
    parallelism: Parallelism = DATA_PARALLEL,
) -> Trainer:
    """Return Composer's Trainer for the spec, ready to fit."""
    reproducibility.seed_all(spec.seed)
    train, evaluation = build_loaders(spec, dataset, machine)
    model, image = parallelism.classifier(build_declared(spec.model, dataset)), dataset.image
    start(spec, dataset, model.module, report)
    seconds = spec.max_duration.seconds
    deadline = [Deadline(seconds)] if seconds else []
    averages = any(ALGORITHMS[name].averaged for name in spec.algorithms)
    statistics = [EstimateStatistics(cost.clock, cost.meter, train, machine.precision)] if averages else []
    return Trainer(
        model=model,
        train_dataloader=DataSpec(train, split_batch=splitter(parallelism.parts)),
        eval_dataloader=Evaluator(
            label="eval", dataloader=DataSpec(evaluation, split_batch=splitter(1)), metric_names=[]
        ),
        eval_interval=evaluation_times(str(spec.eval_interval)),
        max_duration=UNREACHABLE if seconds else str(spec.max_duration.rounded(len(train))),
        optimizers=build_optimizer(
            model,
            spec.optimizer,
            scaled=machine.precision == FP16,
            dtype=product_dtype(machine.device, machine.precision),
        ),
        schedulers=RunSchedule(spec, len(train)),
        step_schedulers_every_batch=True,
        algorithms=[
            *choose_algorithms(spec, image, machine, teacher, report),
            *allow_unused(model.module, image, report),
        ],
        callbacks=[*deadline, *statistics, *callbacks, SetLoaderEpoch(train), *monitors(machine.device)],
        loggers=build_wandb(spec, writer.path, machine.precision) if spec.wandb.enabled else None,
        device=machine.device,
        precision=composer_precision(machine),
        seed=spec.seed,
        run_name=writer.path.name,
        # A resumed run's loader begins at its batch by itself; Composer would load and drop all before it.
        spin_dataloaders=False,
        # `Progress` shows one bar for the whole run; Composer's shows one for each epoch and evaluation.
        progress_bar=False,
        auto_log_hparams=False,
    )


def fit(
    spec: RunSpec,
    dataset: Dataset,
    writer: RunWriter,
    environment: dict[str, Any],
    clock: Clock,
    stop: StopSignals,
    watchers: Sequence[Callback] = (),
    decision: Decision | None = None,
    *,
    allow_change: bool = False,
    show_progress: bool = True,
    parallelism: Parallelism = DATA_PARALLEL,
) -> dict[str, Any]:
    """Train the spec to its end, from the newest valid checkpoint if there is one, and return its result.

    Rank 0 writes all records and shows the progress. `clock` is in its start-up phase; a signal that `stop` received
    ends the run after its next step; `watchers` come after our own callbacks; without a `decision` the precision is
    decided here. Raises RunStopped where a signal or its numbers ended the run, and whatever training raises.
    """
    decision = decision or choose_precision(spec, writer.path)
    machine = find_machine(spec, decision.precision)
    first, console = machine.shard.rank == 0, Console()
    say = speaker(console, first, remarks(decision, machine.device))
    recorder = Recorder(clock, len(dataset.evaluation), writer.append_epoch, say)
    teacher = load_teacher(spec, dataset, machine)
    cost = CostCallback(dataset.image, spec.algorithms, clock, teacher.network if teacher else None)
    identity = identify(spec, machine.shard.world_size, machine.precision)
    saver = CheckpointCallback(writer.path / CHECKPOINTS, spec.checkpoint, identity, clock, stop)
    length = run_length(spec, len(dataset.train), len(dataset.evaluation))
    ours = [ClockCallback(clock), BroadcastBuffers(), cost, StopAtDivergence(), recorder, saver]
    ours += [Progress(length, clock, console)] if first and show_progress else []
    join_processes(machine, stop)
    trainer = build_trainer(spec, dataset, machine, [*ours, *watchers], cost, teacher, writer, say, parallelism)
    dispatch_to_listeners(trainer.engine)
    # What follows an error is also done under `stop`, or Composer's own handler would put an exit code in its place.
    with stop:
        try:
            # A run that was killed between its end and its result has nothing left to train.
            resumed = resume(trainer, identity, writer, recorder, say, allow_change=allow_change)
            saver.changes = resumed.changes
            repeat_rows(recorder.rows)
            compiled = spec.compile and not resumed.complete and compile_run(trainer, spec, dataset, machine, say)
            if not resumed.complete:
                parallelism.attach(trainer, spec, machine)
                train_to_end(trainer, recorder, saver)
            facts = describe_machine(machine, environment) | {"compiled": compiled}
            result = summarise(spec, dataset, recorder, cost, facts, writer.path.name, resumed.changes)
            finish_wandb(result)
            trainer.close()
            if first:
                write_end(writer, saver, spec, result)
        except BaseException as error:
            record_divergence(error, writer, saver, first)
            trainer.engine.close()
            raise
        finally:
            # Composer would hold on to the state, weights and all, until the process ends, to close its engine then.
            atexit.unregister(trainer.engine._close)
    return result


def speaker(console: Console, first: bool, told: Iterable[str]) -> Callable[[str], None]:
    """Return what tells rank 0's user a line, after it has told some; on other ranks nothing is said."""
    say = console.say if first else silent
    for line in told:
        say(line)
    return say


def record_divergence(error: BaseException, writer: RunWriter, saver: CheckpointCallback, first: bool) -> None:
    """Let rank 0 record a run whose numbers ended it; any other error leaves it unfinished."""
    if isinstance(error, Diverged) and first:
        record_failure(writer, error.record(str(saver.last) if saver.last else None))


def join_processes(machine: Machine, stop: StopSignals) -> None:
    """Let a run's processes find each other, if there are several."""
    if machine.shard.world_size > 1:
        with stop.bounded():
            dist.initialize_dist(machine.device)


def compile_run(
    trainer: Trainer, spec: RunSpec, dataset: Dataset, machine: Machine, report: Callable[[str], None]
) -> bool:
    """Compile the run's network, or report why it cannot be; return whether it is compiled."""
    samples, channels_last = spec.batch_size // machine.shard.world_size, "channels_last" in spec.algorithms
    images = trial_batch(dataset.image, samples, machine.torch_device, channels_last)
    model = unwrap_model(trainer.state.model)
    assert isinstance(model, Classifier)
    return compile_network(model.module, images, machine.precision, report)


def train_to_end(trainer: Trainer, recorder: Recorder, saver: CheckpointCallback) -> None:
    """Train what is left and save the end."""
    trainer.fit()
    recorder.finish(trainer.state, trainer.logger)
    saver.save(trainer.state, finished=True)


def summarise(
    spec: RunSpec,
    dataset: Dataset,
    recorder: Recorder,
    cost: CostCallback,
    machine: dict[str, Any],
    run: str,
    changes: Sequence[Mapping[str, Any]],
) -> dict[str, Any]:
    """Return the result of a run that has been trained to its end; every rank must call it."""
    return make_result(
        spec,
        row=find_model(spec.model.name),
        network=cost.network,
        training_cost=cost.training_cost(int(recorder.rows[-1]["samples"])),
        dataset=dataset,
        rows=recorder.rows,
        seconds=slowest(cost.clock.read()),
        machine=machine,
        run=run,
        changes=changes,
    )


def write_end(writer: RunWriter, saver: CheckpointCallback, spec: RunSpec, result: dict[str, Any]) -> None:
    """Write the evaluated weights, then the result, whose presence says that the run has finished."""
    assert saver.last is not None, "the end has just been saved, or was found saved"
    write_weights(writer.path, read_checkpoint(saver.last), describe_weights(spec))
    writer.finish(result)


def describe_weights(spec: RunSpec) -> dict[str, str]:
    """Return what the file of weights says of itself."""
    options = " ".join(f"{key}={value}" for key, value in sorted(spec.model.options.items()))
    return {"model": spec.model.name, "stem": spec.model.stem or "", "options": options, "data": spec.data.name}


def record_failure(writer: RunWriter, failure: dict[str, Any]) -> None:
    """Mark the run as failed, on the disk and in W&B; a disk that refuses leaves the error itself."""
    with suppress(OSError):
        writer.fail(failure)
    fail_wandb(failure)


def silent(_: str) -> None:
    """Report nothing: one rank speaks for all."""
