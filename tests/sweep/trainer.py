"""Stand in for a training: `python tests/sweep/trainer.py RUN_DIRECTORY SPEC_FILE BEHAVIOUR [STARTS]`.

It needs the standard library alone, and keeps what `bench/train.py` promises: the run's lock, epochs, a result at the
end, a checkpoint at SIGTERM from which the next start goes on, exit code 143. Every start is noted in `starts.txt` of
the runs folder, or the file STARTS. Nothing is trained.
"""

import fcntl
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

EPOCHS = 4
SECONDS = 0.04


def note_start(run: Path, starts: Path) -> None:
    """Append who starts what, where, to a list; one write, so that lines do not mix."""
    names = ("CUDA_VISIBLE_DEVICES", "OMP_NUM_THREADS", "RANK")
    seen = {name: os.environ.get(name) for name in names}
    line = {"run": run.name, "pid": os.getpid(), "cores": sorted(os.sched_getaffinity(0)), **seen}
    with starts.open("a") as handle:
        handle.write(json.dumps(line) + "\n")


def lock(run: Path) -> int:
    """Take the run's lock as the real training does; exit with 2 when another process has it."""
    handle = os.open(run / "run.lock", os.O_RDWR | os.O_CREAT)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        print(f"error: run {run} is being trained by another process", flush=True)
        sys.exit(2)
    return handle


def misbehave(behaviour: str, run: Path) -> None:
    """Fail in the way that is asked for, some of them only the first time."""
    if behaviour == "fail" or (behaviour == "fail once" and not (run / "tried").exists()):
        (run / "tried").touch()
        print("a first line\nRuntimeError: the mat1 and mat2 shapes cannot be multiplied", flush=True)
        sys.exit(1)
    if behaviour == "nan":
        (run / "failed.json").write_text(json.dumps({"status": "failed", "reason": "the loss became nan", "step": 7}))
        sys.exit(1)
    if behaviour == "killed":
        os.kill(os.getpid(), signal.SIGKILL)
    if behaviour == "lethal":
        os.kill(os.getppid(), signal.SIGKILL)
    if behaviour == "no result":
        sys.exit(0)


def wait_until_released(run: Path) -> None:
    """Wait until the runs folder has a file `release`, for a minute at most."""
    end = time.monotonic() + 60
    while not (run.parent.parent / "release").exists() and time.monotonic() < end:
        time.sleep(0.02)


def save(run: Path, epoch: int) -> None:
    """Write a checkpoint after so many epochs, there whole or not at all."""
    saved = run / "checkpoints" / "epoch"
    saved.parent.mkdir(exist_ok=True)
    saved.with_name(".epoch.tmp").write_text(str(epoch))
    saved.with_name(".epoch.tmp").replace(saved)


def train(run: Path, spec: dict, behaviour: str) -> None:
    """Write an epoch's row after another, and the result; at SIGTERM a checkpoint instead.

    A run that is "waiting" writes one after each epoch, and does not begin the last.
    """
    asked = []
    signal.signal(signal.SIGTERM, lambda number, frame: asked.append(number))
    saved = run / "checkpoints" / "epoch"
    first = int(saved.read_text()) if saved.exists() else 0
    if first:
        rows = (run / "epochs.jsonl").read_text().splitlines(keepends=True)
        (run / "epochs.jsonl").write_text("".join(rows[:first]))
    if behaviour == "held":
        wait_until_released(run)
    for epoch in range(first, EPOCHS):
        time.sleep(SECONDS * (25 if behaviour == "slow" else 1))
        while behaviour == "waiting" and epoch == EPOCHS - 1 and not asked:
            time.sleep(0.02)
        if asked:
            save(run, epoch)
            print("stopped by SIGTERM; saved a checkpoint", flush=True)
            sys.exit(143)
        row = {"epoch": epoch + 1, "batch": epoch + 1, "eval_top1": 10.0 * epoch, "train_seconds": 1.0 + epoch}
        with (run / "epochs.jsonl").open("a") as handle:
            handle.write(json.dumps(row) + "\n")
        if behaviour == "waiting":
            save(run, epoch + 1)
    result = {"status": "finished", "top1": 30.0, "images_per_second": 100.0 + len(run.parent.name)}
    result |= {"seconds": {"train": 4.0, "total": 5.0}, "machine": {"device": "cpu", "cores": 2}, "spec": spec}
    (run / ".result").write_text(json.dumps(result))
    (run / ".result").replace(run / "result.json")


def main() -> None:
    """Train, or start a process that does and wait for it, as the launcher does."""
    run, text, behaviour = Path(sys.argv[1]), Path(sys.argv[2]).read_text(), sys.argv[3]
    starts = Path(sys.argv[4]) if len(sys.argv) > 4 else run.parent.parent / "starts.txt"
    if behaviour == "launcher":
        command = [sys.executable, __file__, sys.argv[1], sys.argv[2], "slow", *sys.argv[4:]]
        sys.exit(subprocess.run(command, check=False).returncode)
    run.mkdir(parents=True, exist_ok=True)
    note_start(run, starts)
    handle = lock(run)
    (run / "spec.yaml").write_text(text)
    misbehave(behaviour, run)
    train(run, json.loads(text), behaviour)
    os.close(handle)


if __name__ == "__main__":
    main()
