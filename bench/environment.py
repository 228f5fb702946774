"""Describe where a run happens: versions, commit, machine. No user name, host name, path or secret is recorded."""

import hashlib
import os
import platform
import subprocess
from collections.abc import Iterator, Mapping
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path, PurePosixPath
from typing import Any

import psutil

PACKAGES = ("mosaicml", "torch", "torchvision", "timm", "numpy", "wandb", "ptflops", "deepspeed")
REPOSITORY = Path(__file__).resolve().parent.parent
MAX_DIFF = 100_000
# Where Linux keeps its control groups, and what a limit of memory is called there by version 2 and 1.
CONTROL_GROUPS = Path("/sys/fs/cgroup")
LIMIT_V2, LIMIT_V1 = "memory.max", "memory.limit_in_bytes"


def describe_environment() -> dict[str, Any]:
    """Return versions, git state and machine; GPU, threads and ranks are added by the engine that knows them."""
    return {
        "python": platform.python_version(),
        "system": f"{platform.system()} {platform.release()}",
        "packages": {name: found for name in PACKAGES if (found := installed(name))},
        "git": describe_git(),
        "cpu": cpu_model(),
        "cores": usable_cores(),
        # Those of the whole machine: a run that is pinned to some may use fewer.
        "host_cores": os.cpu_count() or 1,
        "memory_gib": round(psutil.virtual_memory().total / 2**30, 1),
    }


def installed(package: str) -> str | None:
    """Return a package's installed version, or None."""
    try:
        return version(package)
    except PackageNotFoundError:
        return None


def process_started() -> float:
    """Return when this process started, in seconds since the epoch."""
    return psutil.Process().create_time()


def usable_cores() -> int:
    """Return how many cores this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def usable_memory() -> int:
    """Return how many bytes of memory this process may use: the machine's, or less where a control group says so."""
    limits = (limit for path in memory_limit_files() if (limit := read_limit(path)) is not None)
    return min([psutil.virtual_memory().total, *limits])


def memory_limit_files(membership: Path = Path("/proc/self/cgroup"), root: Path = CONTROL_GROUPS) -> Iterator[Path]:
    """Yield the files that may limit this process's memory: of its control group and of those above it.

    `membership` has a line `hierarchy:controllers:path`; the hierarchy of version 2 names no controllers.
    """
    lines = membership.read_text(encoding="utf-8").splitlines() if membership.is_file() else []
    for controllers, _, path in (line.partition(":")[2].partition(":") for line in lines):
        if controllers in ("", "memory"):
            folder, name = (root / controllers, LIMIT_V1) if controllers else (root, LIMIT_V2)
            place = PurePosixPath(path.strip("/"))
            yield from (folder / above / name for above in (place, *place.parents))


def read_limit(path: Path) -> int | None:
    """Return the number of bytes in a file; None where there is none, as where it says `max`."""
    try:
        return int(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None


def threads_a_process(processes: int) -> int:
    """Return how many threads each of the processes on this machine computes with."""
    return max(1, usable_cores() // processes)


def cpu_model() -> str:
    """Return the processor's name as Linux gives it, else as Python does."""
    info = Path("/proc/cpuinfo")
    if info.is_file():
        for line in info.read_text(encoding="utf-8", errors="replace").splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.processor() or platform.machine()


def describe_git() -> dict[str, Any]:
    """Return the commit and the uncommitted diff of the suite's own repository (empty outside a checkout).

    What is generated into reports/ is left out: it decides nothing, and writing one report would make the next one's
    tree look changed.
    """
    commit = _git("rev-parse", "HEAD")
    if commit is None:
        return {"commit": None, "dirty": None, "diff": None, "diff_sha256": None}
    diff = _git("diff", "HEAD", "--", ".", ":!reports") or ""
    digest = hashlib.sha256(diff.encode()).hexdigest() if diff else None
    return {"commit": commit.strip(), "dirty": bool(diff), "diff": diff[:MAX_DIFF], "diff_sha256": digest}


def say_commit(git: Mapping[str, Any]) -> str:
    """Return a commit in words, of what `describe_git` found now or a record holds."""
    if not git["commit"]:
        return "no commit (not a checkout)"
    return f"commit {git['commit'][:12]}{' with uncommitted changes' if git['dirty'] else ''}"


def provenance(command: str, runs: int | None = None) -> str:
    """Return the line that every generated file carries: the command, the commit of the suite, the number of runs."""
    # It becomes one line of a comment, which an argument must not end.
    safe = " ".join(command.split()).replace("-->", "-- >")
    counted = [] if runs is None else [f"{runs} run{'' if runs == 1 else 's'}"]
    return " · ".join([safe, say_commit(describe_git()), *counted])


def _git(*arguments: str) -> str | None:
    """Return what git prints for the suite's repository, or None when git or the repository is missing."""
    command = ["git", "-C", str(REPOSITORY), *arguments]
    try:
        return subprocess.run(command, capture_output=True, text=True, check=True, timeout=20).stdout
    except (OSError, subprocess.SubprocessError):
        return None
