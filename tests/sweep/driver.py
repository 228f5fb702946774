"""`python -m tests.sweep.driver …` is `python -m bench.sweep …` with a stand-in for training, which FAKE steers."""

import sys

from bench.sweep.backends.registry import BACKENDS
from bench.sweep.train import main
from bench.util.cli import run_command
from tests.sweep.backends.remote import STAND_INS

if __name__ == "__main__":
    BACKENDS |= STAND_INS
    sys.exit(run_command(main))
