"""Describe where a run happens: versions, commit, machine. No user name, host name, path or secret is recorded."""

import hashlib
import os
import platform
import subprocess
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import psutil

PACKAGES = ("mosaicml", "torch", "torchvision", "timm", "numpy", "wandb", "ptflops", "deepspeed")
REPOSITORY = Path(__file__).resolve().parent.parent
MOST_DIFF = 100_000


def describe_environment() -> dict[str, Any]:
    """Return versions, git state and machine; GPU, threads and ranks are added by the engine that knows them."""
    return {
        "python": platform.python_version(),
        "system": f"{platform.system()} {platform.release()}",
        "packages": {name: found for name in PACKAGES if (found := installed(name))},
        "git": describe_git(),
        "cpu": cpu_model(),
        "cores": usable_cores(),
        "memory_gib": round(psutil.virtual_memory().total / 2**30, 1),
    }


def installed(package: str) -> str | None:
    """Return a package's installed version, or None."""
    try:
        return version(package)
    except PackageNotFoundError:
        return None


def usable_cores() -> int:
    """Return how many cores this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def cpu_model() -> str:
    """Return the processor's name as Linux gives it, else as Python does."""
    info = Path("/proc/cpuinfo")
    if info.is_file():
        for line in info.read_text(encoding="utf-8", errors="replace").splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.processor() or platform.machine()


def describe_git() -> dict[str, Any]:
    """Return the commit and the uncommitted diff of the suite's own repository (empty outside a checkout)."""
    commit = _git("rev-parse", "HEAD")
    if commit is None:
        return {"commit": None, "dirty": None, "diff": None, "diff_sha256": None}
    diff = _git("diff", "HEAD") or ""
    digest = hashlib.sha256(diff.encode()).hexdigest() if diff else None
    return {"commit": commit.strip(), "dirty": bool(diff), "diff": diff[:MOST_DIFF], "diff_sha256": digest}


def _git(*arguments: str) -> str | None:
    """Return what git prints for the suite's repository, or None when git or the repository is missing."""
    command = ["git", "-C", str(REPOSITORY), *arguments]
    try:
        return subprocess.run(command, capture_output=True, text=True, check=True, timeout=20).stdout
    except (OSError, subprocess.SubprocessError):
        return None
