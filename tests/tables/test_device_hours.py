"""What a run is counted to have cost of a machine: its GPUs, or on a CPU its share of the cores."""

from pathlib import Path
from typing import Any

import pytest

from tests.fake_runs import write_fake_run
from tests.tables.building import build, rows_of


@pytest.mark.parametrize(
    ("machine", "share"),
    [
        ({"device": "gpu", "host_cores": 16, "cores": 2, "world_size": 8, "threads": 2}, 8),
        ({"device": "cpu", "host_cores": 4, "cores": 1, "world_size": 1, "threads": 1}, 1 / 4),
        ({"device": "cpu", "host_cores": 4, "cores": 4, "world_size": 2, "threads": 1}, 1 / 2),
        ({"device": "cpu", "host_cores": 2, "cores": 2, "world_size": 2, "threads": 2}, 1),
        ({"device": "cpu", "host_cores": 2, "world_size": 4, "threads": 1, "nodes": 2}, 2),
        ({"device": "cpu", "cores": 2, "world_size": 1, "threads": 1}, 1 / 2),
        ({"device": "cpu"}, 1),
    ],
)
def test_device_hours_count_a_cpu_run_by_its_share_of_the_machine(
    machine: dict[str, Any], share: float, tmp_path: Path
) -> None:
    write_fake_run(tmp_path, "resnet_20", 0, result={"machine": machine})
    cells = rows_of(build(tmp_path, "training_cost"))["resnet_20"].cells
    assert cells["train_h"].value is not None
    assert cells["checkpoint_share"].value == pytest.approx(100 * 3 / (3600 * cells["train_h"].value))
    assert cells["device_h"].value == pytest.approx(share * cells["train_h"].value)
