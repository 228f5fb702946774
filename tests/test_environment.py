"""What this process may use of the machine."""

from pathlib import Path

import psutil
import pytest

from bench.environment import memory_limit_files, read_limit, usable_memory


@pytest.mark.parametrize(
    ("membership", "limits", "expected"),
    [
        ("0::/\n", {"memory.max": "max"}, None),
        ("0::/\n", {"memory.max": "1000"}, 1000),
        ("0::/slurm/job_7\n", {"slurm/job_7/memory.max": "max", "slurm/memory.max": "2000"}, 2000),
        ("0::/slurm/job_7\n", {"slurm/job_7/memory.max": "1500", "slurm/memory.max": "2000"}, 1500),
        ("4:cpu,cpuacct:/docker/a\n3:memory:/docker/a\n", {"memory/docker/a/memory.limit_in_bytes": "1200"}, 1200),
        ("4:cpu,cpuacct:/docker/a\n", {"memory/docker/a/memory.limit_in_bytes": "1200"}, None),
        ("", {}, None),
    ],
)
def test_the_smallest_limit_of_the_control_groups_counts(
    membership: str, limits: dict[str, str], expected: int | None, tmp_path: Path
) -> None:
    (tmp_path / "own").write_text(membership)
    for name, text in limits.items():
        (tmp_path / "groups" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "groups" / name).write_text(text + "\n")
    found = [read_limit(path) for path in memory_limit_files(tmp_path / "own", tmp_path / "groups")]
    assert min((limit for limit in found if limit is not None), default=None) == expected


def test_no_more_than_the_machine_has() -> None:
    assert 0 < usable_memory() <= psutil.virtual_memory().total
