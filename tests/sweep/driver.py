"""`python -m tests.sweep.driver …` is `python -m bench.sweep …` with a stand-in for training, which FAKE steers."""

import json
import os
import sys
from pathlib import Path

from bench.sweep.backends.machine import Slot
from bench.sweep.suite import PlannedRun
from bench.sweep.train import main
from bench.util.cli import run_command

TRAINER = Path(__file__).with_name("trainer.py")


def stand_in(run: PlannedRun, slot: Slot, processes: int, port: int) -> list[str]:
    """Return the command of the stand-in; FAKE is JSON: model → behaviour."""
    behaviour = json.loads(os.environ.get("FAKE", "{}")).get(run.spec.model.name, "ok")
    # Isolated: starting one takes 30 ms in place of 300.
    return [sys.executable, "-IS", str(TRAINER), str(run.path), run.spec.model_dump_json(), behaviour]


if __name__ == "__main__":
    sys.exit(run_command(lambda words: main(words, launcher=stand_in)))
