"""`bench/train.py` in which rank 1 fails at its third step: `composer -n 2 tests/torture/failing.py …`."""

import sys
from pathlib import Path


def run() -> int:
    """Train with a step that fails on rank 1."""
    sys.path[0] = str(Path(__file__).resolve().parents[2])
    from bench.data import loader
    from bench.engines.stopping import ignore_sigterm
    from bench.train import main
    from bench.util.cli import run_command

    reseed, calls = loader.reseed, iter(range(1_000_000))

    def failing_reseed(seed: int, step: int, rank: int) -> None:
        """Fail at the third call on rank 1."""
        if rank == 1 and next(calls) == 2:
            raise ValueError("a fault of rank 1")
        reseed(seed, step, rank)

    loader.reseed = failing_reseed
    return ignore_sigterm(run_command(main))


if __name__ == "__main__":
    sys.exit(run())
