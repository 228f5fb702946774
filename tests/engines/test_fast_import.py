"""Composer is imported without what a run never uses, and whoever needs that later gets the real thing."""

import subprocess
import sys

from bench.engines.fast_import import UNUSED, without
from tests.conftest import REPOSITORY

CODE = """
import sys
import bench.engines.composer
from bench.engines.fast_import import UNUSED
found = [name for name in UNUSED if name in sys.modules]
assert not found, found
import matplotlib.pyplot, scipy.signal, torchmetrics
assert scipy.signal.windows.hamming(3).shape == (3,)
assert matplotlib.pyplot.Figure is not object
metric = torchmetrics.Accuracy(task="multiclass", num_classes=3)
from composer.utils.collect_env import get_composer_env_dict
print(get_composer_env_dict()["cpu_model"])
"""


def test_composer_is_imported_lean() -> None:
    done = subprocess.run([sys.executable, "-c", CODE], cwd=REPOSITORY, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip()


def test_modules_that_are_there_are_left_alone() -> None:
    before = dict(sys.modules)
    with without({"sys": {}, "a_module.that_is_not": {"there": 1}, **UNUSED}):
        assert sys.modules["sys"] is sys
        assert sys.modules["a_module.that_is_not"].there == 1
        assert all(name in sys.modules for name in UNUSED)
    assert sys.modules == before
