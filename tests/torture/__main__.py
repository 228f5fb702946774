"""`python -m tests.torture`: kill -9 runs at random moments and between system calls, resume, compare bit for bit."""

import random
import shutil
import signal
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bench.data.datasets import prepare_dataset
from bench.data.prepare import Sizes
from bench.util.cli import FAILED, OK, make_parser, run_command
from tests.torture.compare import differences, final_state
from tests.torture.forks import Fork, start_ranks, wait

SECONDS = 300.0
COMMON = (
    "-f",
    "tests/small.yaml",
    "batch_size=32",
    "eval_batch_size=64",
    "max_duration=3ep",
    "threads=1",
    "algorithms.label_smoothing={smoothing: 0.1}",
)
EMA = "algorithms.ema={half_life: 4ba}"
# What is trained: every kind of state occurs, and every unit of the interval but seconds.
ARMS: dict[str, tuple[str, ...]] = {
    "mixup": ("algorithms.mixup={}", EMA, "checkpoint={interval: 1ba, keep: 2}"),
    "epochs": (
        "algorithms.cutmix={}",
        "algorithms.swa={swa_start: 0.3dur, swa_end: 0.6dur, update_interval: 2ba}",
        "checkpoint={interval: 1ep, keep: 1}",
        "augmentation.erasing=0.5",
    ),
    "droppath": (
        "model.name=improved_resnet20_convnext",
        "algorithms.mixup={}",
        EMA,
        "optimizer={name: adamw, lr: 1e-3, weight_decay: 0.05}",
        "checkpoint={interval: 64sp, keep: 3}",
        "eval_interval=3ba",
        "max_duration=2ep",
        "precision=fp32",
    ),
    "speed": (
        "model.name=speed_75",
        "optimizer={name: muon, lr: 0.1, rest: {name: sgd, lr: 0.5, momentum: 0.9, nesterov: true, decay: linear}}",
        "schedule={name: linear, warmup: 0.25dur}",
        "algorithms.whitening_stem={samples: 200}",
        "algorithms.dirac_initialisation={}",
        "augmentation={crop_padding: 2, padding_mode: reflect, flip: alternating}",
        "augmentation.sizes=[[0.15, 20], [0.5, 24], [1, 32]]",
        "checkpoint={interval: 2ba, keep: 2}",
        "max_duration=2ep",
    ),
}


@dataclass
class Lab:
    """Where runs are made, on which data, of which arms, by how many processes, logged to W&B or not."""

    folder: Path
    data: Path
    arms: Sequence[str]
    ranks: int = 1
    wandb: bool = False

    def arguments(self, arm: str, runs: Path) -> list[str]:
        """Return the command line of an arm."""
        return [*COMMON, *ARMS[arm], f"runs={runs}", f"wandb.enabled={str(self.wandb).lower()}"]

    def start(self, arm: str, runs: Path, kill_at: int | None = None, log: Path | None = None) -> list[Fork]:
        """Start or resume an arm's run below a folder."""
        runs.mkdir(exist_ok=True)
        environment = {"BENCH_DATA": str(self.data), "WANDB_MODE": "offline"}
        points = (runs, kill_at, log) if kill_at or log else None
        return start_ranks(self.ranks, self.arguments(arm, runs), runs / "output.txt", environment, points)

    def finish(self, arm: str, runs: Path) -> dict[str, Any]:
        """Run an arm to its end and return what it leaves; raise AssertionError with its output if it fails."""
        codes = wait(self.start(arm, runs), SECONDS)
        assert not any(codes), f"exit codes {codes}\n{(runs / 'output.txt').read_text()[-3000:]}"
        (run,) = runs.glob("*/*/")
        return final_state(run)


@dataclass
class Reference:
    """An arm's uninterrupted run: what it left, how long it took, and the points of its writes."""

    state: dict[str, Any]
    seconds: float
    points: list[str]


def make_reference(lab: Lab, arm: str) -> Reference:
    """Train an arm without interruption, counting its points; check that a second time gives the same bits."""
    log = lab.folder / f"{arm}-{lab.ranks}.points"
    runs = lab.folder / f"reference-{arm}-{lab.ranks}"
    wait(lab.start(arm, runs, log=log), SECONDS)
    began = time.monotonic()
    again = lab.finish(arm, lab.folder / f"again-{arm}-{lab.ranks}")
    seconds = time.monotonic() - began
    (run,) = runs.glob("*/*/")
    state = final_state(run)
    apart = differences(state, again)
    assert not apart, f"{arm}: two uninterrupted runs differ in {apart[:5]}"
    return Reference(state, seconds, log.read_text().splitlines())


def one_save(points: Sequence[str]) -> list[int]:
    """Return the points (from 1) of one epoch's row and of the checkpoint after it: between each pair of its calls."""
    row = next(i for i, label in enumerate(points) if "epochs.jsonl" in label)
    saves = [i for i, label in enumerate(points) if i > row and label.startswith("opened") and ".sha256." in label]
    return list(range(row + 1, saves[1] + 1))


def plan_points(references: Mapping[str, Reference], number: int) -> list[tuple[str, int]]:
    """Return (arm, point) pairs to die at: all of one save of the first arm, the rest spread over all of every arm."""
    first = next(iter(references))
    block = [(first, point) for point in one_save(references[first].points)]
    everywhere = [(arm, i + 1) for arm, reference in references.items() for i in range(len(reference.points))]
    rest = number - len(block)
    if rest <= 0:
        return [block[i * len(block) // number] for i in range(number)]
    return [*block, *(everywhere[i * len(everywhere) // rest] for i in range(rest))]


def kill_at_point(lab: Lab, arm: str, reference: Reference, point: int, runs: Path) -> str:
    """Kill a run at a point of its writes; return where that was."""
    codes = wait(lab.start(arm, runs, kill_at=point), SECONDS)
    assert -signal.SIGKILL in codes, f"point {point} was not reached: exit codes {codes}"
    return reference.points[point - 1]


def kill_at_moment(lab: Lab, arm: str, reference: Reference, chance: random.Random, runs: Path) -> str:
    """Kill a run at a random moment: one process or all, sometimes the resumed run again; return where that was."""
    places: list[str] = []
    for _ in range(chance.choice((1, 1, 2))):
        forks = lab.start(arm, runs)
        moment = time.monotonic() + chance.uniform(0, reference.seconds)
        while time.monotonic() < moment and forks[0].poll() is None:
            time.sleep(0.001)
        victims = forks if chance.random() < 0.5 else [chance.choice(forks)]
        alive = forks[0].poll() is None
        for fork in victims:
            fork.kill()
        wait(forks, SECONDS)
        if not alive and not places:  # the machine was faster than before; a run that has ended proves nothing
            shutil.rmtree(runs)
            return kill_at_moment(lab, arm, reference, chance, runs)
        places += [forks[0].phase] if alive else []
    return " and ".join(places)


def torture(lab: Lab, points: int, moments: int, chance: random.Random) -> tuple[int, int]:
    """Kill as often as asked over all arms; print every case, and return how many came out the same, of how many."""
    references = {arm: make_reference(lab, arm) for arm in lab.arms}
    for arm, reference in references.items():
        print(f"{arm}: {reference.seconds:.1f} s uninterrupted, {len(reference.points)} points", flush=True)
    turns = [lab.arms[i % len(lab.arms)] for i in range(moments)]
    cases = [*plan_points(references, points), *((arm, 0) for arm in turns)]
    same, places = 0, Counter[str]()
    for number, (arm, point) in enumerate(cases, 1):
        runs = lab.folder / f"case-{lab.ranks}-{number}"
        reference = references[arm]
        if point:
            place = kill_at_point(lab, arm, reference, point, runs)
        else:
            place = kill_at_moment(lab, arm, reference, chance, runs)
        places["between system calls" if point else place] += 1
        apart = outcome(lab, arm, reference, runs)
        same += not apart
        print(f"{number} {arm}, killed {place}: {apart or 'the same'}", flush=True)
    print("; ".join(f"{place}: {count}" for place, count in places.most_common()))
    return same, points + moments


def outcome(lab: Lab, arm: str, reference: Reference, runs: Path) -> str:
    """Resume a killed run to its end; return in what it differs from the uninterrupted one, empty if in nothing."""
    try:
        return "; ".join(differences(reference.state, lab.finish(arm, runs))[:5])
    except (AssertionError, TimeoutError) as error:
        return str(error)


def main(arguments: Sequence[str]) -> int:
    """Torture single runs and runs of two processes; exit with 1 unless every one came out the same."""
    parser = make_parser("tests.torture", __doc__ or "", "python -m tests.torture --points 6 --moments 6 --pairs 2")
    parser.add_argument("--points", type=int, default=40, help="kills between system calls of a single process")
    parser.add_argument("--moments", type=int, default=40, help="kills of a single process at random moments")
    parser.add_argument("--pairs", type=int, default=10, help="kills of a run of two processes, half of each kind")
    parser.add_argument("--logged", type=int, default=0, help="kills at random moments of a run logged to W&B")
    parser.add_argument("--arms", nargs="+", choices=ARMS, default=list(ARMS), help="what is trained (default: all)")
    parser.add_argument("--seed", type=int, default=0, help="what the random moments are drawn from")
    options = parser.parse_args(arguments)
    chance = random.Random(options.seed)
    good = True
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        prepare_dataset("shapes100", folder / "data" / "shapes100", sizes=Sizes(train=128, test=100))
        lab = Lab(folder, folder / "data", options.arms)
        half = options.pairs // 2
        plan = [
            ("single process", lab, options.points, options.moments),
            ("two processes", Lab(folder, lab.data, lab.arms, ranks=2), half, options.pairs - half),
            ("logged to W&B", Lab(folder / "logged", lab.data, lab.arms, wandb=True), 0, options.logged),
        ]
        for title, place, points, moments in plan:
            if points + moments:
                place.folder.mkdir(exist_ok=True)
                same, number = torture(place, points, moments, chance)
                print(f"{title}: {same} of {number} the same as uninterrupted", flush=True)
                good &= same == number
    return OK if good else FAILED


if __name__ == "__main__":
    sys.exit(run_command(main))
