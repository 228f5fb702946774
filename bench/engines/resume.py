"""Go on from the newest valid checkpoint: rank 0 chooses it, every rank of its machine loads the same file.

On several nodes rank 0 sends it.
"""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from composer import Trainer
from composer.utils import dist

from bench.data.loader import TrainLoader
from bench.engines import snapshot
from bench.engines.callbacks.recorder import Recorder
from bench.engines.checkpoints import Content, Found, decode, newest_valid, quarantine, read_checkpoint, sweep
from bench.engines.identity import changes_after, check_identity
from bench.records import CHECKPOINTS, RunWriter
from bench.util.errors import BadInput
from bench.util.ranks import spans_nodes


@dataclass(frozen=True)
class Resumed:
    """Where a run goes on: whether nothing is left to train, and how it was computed otherwise before."""

    complete: bool = False
    changes: tuple[dict[str, Any], ...] = ()


def choose(
    folder: Path, trainer: Trainer, mine: Content, report: Callable[[str], None], *, allow_change: bool
) -> Found:
    """Return the newest checkpoint that this run can go on from, saying which were refused and setting those aside."""

    def check(content: Content) -> None:
        """Refuse another run's checkpoint and one that does not fit the network."""
        check_identity(content, mine, folder.parent, allow_change=allow_change)
        snapshot.check(trainer.state, content)

    sweep(folder)
    found = newest_valid(folder, check)
    for path, why in found.refused:
        report(f"rejected checkpoint {path.name} ({why}) and renamed it to {path.name}.refused")
        quarantine(path)
    return found


def agree(
    folder: Path, trainer: Trainer, mine: Content, report: Callable[[str], None], *, allow_change: bool
) -> Content:
    """Return the content of the checkpoint that rank 0 chose, on every rank; empty when there is none."""
    found, choice = Found(), {"name": "", "refusal": ""}
    if dist.get_global_rank() == 0:
        try:
            found = choose(folder, trainer, mine, report, allow_change=allow_change)
            choice["name"] = found.path.name if found.path else ""
        except (BadInput, OSError) as error:
            choice["refusal"] = str(error)
    shared = [choice]
    dist.broadcast_object_list(shared)
    if shared[0]["refusal"]:
        raise BadInput(shared[0]["refusal"])
    name = shared[0]["name"]
    if name and spans_nodes():
        return receive(folder / name)
    return read_checkpoint(folder / name) if name and dist.get_global_rank() else found.content


def receive(path: Path) -> Content:
    """Return the content of a checkpoint that rank 0 has on its disk, on every rank: other nodes have another disk."""
    data = [path.read_bytes() if dist.get_global_rank() == 0 else b""]
    dist.broadcast_object_list(data)
    return decode(data[0])


def resume(
    trainer: Trainer,
    identity: Content,
    writer: RunWriter,
    recorder: Recorder,
    report: Callable[[str], None],
    *,
    allow_change: bool = False,
) -> Resumed:
    """Put a built trainer where the run of an identity was interrupted, and return what that was.

    The epochs file is made to hold what the checkpoint knows; without a checkpoint the run starts from nothing. Raises
    BadInput for a whole checkpoint that cannot be used: one that another engine or number of processes has saved is
    only with `allow_change`.
    """
    folder = writer.path / CHECKPOINTS
    content, changes = agree(folder, trainer, identity, report, allow_change=allow_change), []
    if content:
        try:
            snapshot.give(trainer.state, content)
        except Exception as error:  # whatever a forged state sets off in the many parts that take it
            words = f"{folder}: the newest checkpoint does not fit this run ({error!r}); move it away"
            raise BadInput(words) from error
        now = trainer.state.timestamp
        loader = trainer.state.train_dataloader
        assert isinstance(loader, TrainLoader)
        loader.first_batch = int(now.batch_in_epoch)
        changes = changes_after(content, identity, int(now.batch))
        report(f"resuming after {int(now.epoch)} epochs and {int(now.batch)} batches ({folder})")
    if dist.get_global_rank() == 0:
        writer.restore_epochs(recorder.rows)
    return Resumed(bool(content.get("finished")), tuple(changes))
