"""Commands that stand in for training a run: `trainer.py`, which the variable FAKE steers."""

import json
import os
import sys
from pathlib import Path

from bench.sweep.suite import PlannedRun

TRAINER = Path(__file__).with_name("trainer.py")


def stand_in(run: PlannedRun, spec_file: Path, processes: int = 1, port: int = 0) -> list[str]:
    """Return the command in place of the launcher's, for a run in its own directory."""
    return stand_in_at(run.path, run.spec.model.name, spec_file)


def stand_in_at(folder: Path, model: str, spec_file: Path, fake: str | None = None) -> list[str]:
    """Return the command for a run in a folder; FAKE, or `fake` in its place, is JSON: model → behaviour."""
    behaviour = json.loads(os.environ.get("FAKE", "{}") if fake is None else fake).get(model, "ok")
    # Isolated: starting one takes 30 ms in place of 300.
    return [sys.executable, "-IS", str(TRAINER), str(folder), str(spec_file), behaviour]


def stand_in_elsewhere(
    fake: str, starts: str, run: PlannedRun, spec_file: Path, processes: int = 1, port: int = 0
) -> list[str]:
    """Return the command on a machine that has neither the sweep's FAKE nor its disk; it notes its start in a file."""
    return [*stand_in_at(run.path, run.spec.model.name, spec_file, fake), starts]
