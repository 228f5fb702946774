"""What some tests need that not every machine has: where it is missing they are skipped, or fail as BENCH_REQUIRE says.

BENCH_REQUIRE=chromium,libreoffice python -m pytest tests/report
"""

import os
import shutil
import subprocess
from collections.abc import Callable
from importlib.util import find_spec
from typing import NamedTuple

import pytest

CHROMIUM = next(
    (found for name in ("chromium", "chromium-browser", "google-chrome") if (found := shutil.which(name))), ""
)
OFFICE = shutil.which("soffice") or ""


class Requirement(NamedTuple):
    """One thing that tests need: whether it is here, and how to get it."""

    found: Callable[[], bool]
    remedy: str


def package(*modules: str, extra: str = "dev") -> Requirement:
    """Return the requirement of packages that an extra of ours brings."""
    return Requirement(lambda: all(find_spec(module) for module in modules), f"pip install -e '.[{extra}]'")


def has_chinese_font() -> bool:
    """Tell whether LibreOffice can set Chinese, and whether poppler can tell with which font it did."""
    if not (OFFICE and shutil.which("pdffonts") and shutil.which("fc-list")):
        return False
    return bool(subprocess.run(["fc-list", ":lang=zh"], capture_output=True, check=False).stdout)


REQUIREMENTS = {
    "chromium": Requirement(lambda: bool(CHROMIUM and find_spec("playwright")), "apt install chromium"),
    "libreoffice": Requirement(has_chinese_font, "apt install libreoffice-impress fonts-noto-cjk poppler-utils"),
    "deepspeed": package("deepspeed", extra="deepspeed"),
    "ray": package("ray", extra="ray"),
    "onnx": package("onnx", "onnxruntime", extra="evaluate"),
    "grad-cam": package("pytorch_grad_cam", extra="evaluate"),
    "robustness": package("art"),
}


def needs(*names: str) -> pytest.MarkDecorator:
    """Return the mark of tests that need something; a missing one that BENCH_REQUIRE names fails at once."""
    missing = {name: REQUIREMENTS[name].remedy for name in names if not REQUIREMENTS[name].found()}
    reason = "; ".join(f"needs {name} ({remedy})" for name, remedy in missing.items())
    if demanded() & set(missing):
        pytest.fail(f"{reason}, as BENCH_REQUIRE demands", pytrace=False)
    return pytest.mark.skipif(bool(missing), reason=reason)


def demanded() -> set[str]:
    """Return the names in BENCH_REQUIRE; fails for a name that no test asks for."""
    names = set(filter(None, os.environ.get("BENCH_REQUIRE", "").split(",")))
    if unknown := names - set(REQUIREMENTS):
        pytest.fail(f"BENCH_REQUIRE: unknown {sorted(unknown)}; allowed: {', '.join(REQUIREMENTS)}", pytrace=False)
    return names
