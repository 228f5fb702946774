"""Analysis needs nothing that trains: no module of it imports torch, composer or timm."""

import subprocess
import sys

PACKAGES = ("bench.analysis", "bench.tables", "bench.figures", "bench.audit", "bench.report")
MODULES = ("bench.speed.report",)
WALK = """
import importlib, pkgutil, sys
names = set(sys.argv[2].split())
for package in sys.argv[1].split():
    found = pkgutil.walk_packages(importlib.import_module(package).__path__, f"{package}.")
    names |= {package, *(module.name for module in found)}
for name in sorted(names):
    importlib.import_module(name)
    heavy = {"torch", "composer", "timm"} & sys.modules.keys()
    assert not heavy, f"{name} imports {sorted(heavy)}"
print(*sorted(names))
"""


def test_no_module_of_analysis_imports_what_trains() -> None:
    command = [sys.executable, "-c", WALK, " ".join(PACKAGES), " ".join(MODULES)]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=300)
    assert done.returncode == 0, done.stderr[-500:]
    names = set(done.stdout.split())
    assert {*PACKAGES, *MODULES, "bench.audit.key_findings.figures", "bench.tables.__main__"} <= names
    assert all(sum(name.startswith(f"{package}.") for name in names) > 5 for package in PACKAGES)
