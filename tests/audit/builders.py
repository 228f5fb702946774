"""Hand-made evidence: a few claims, logs with round figures, and run records as training would leave them."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any

from bench.analysis.health import DECK_OPTIMIZERS
from bench.audit.claims import Claim
from bench.audit.evidence import Evidence
from bench.audit.findings import CheckedClaim
from bench.audit.published import Published, PublishedRun
from bench.audit.registry import check_claim
from bench.config import YAMLS, load_spec
from bench.records import RunRecord
from bench.zoo.counting.golden import read_golden
from bench.zoo.models import MODELS

GOLDEN = read_golden()


def claim(
    row: str, metric: str, text: str, table: str = "comparison", *, approx: bool = False, note: str = ""
) -> Claim:
    return Claim(table, row, metric, text, "", approx, note)


def log(model: str, best: float, **changes: Any) -> PublishedRun:
    recipe = DECK_OPTIMIZERS[MODELS[model].family]
    usual = PublishedRun(
        *(
            model,
            f"log-{best}",
            best,
            best - 0.2,
            0.2,
            300,
            7200,
            GOLDEN[model].params,
            recipe.batch_size // 8,
            recipe,
            {},
        )
    )
    return replace(usual, **changes)


def evidence(claims: Sequence[Claim], logs: Sequence[PublishedRun] = (), runs: Sequence[RunRecord] = ()) -> Evidence:
    return Evidence({c.key: c for c in claims}, Published(list(logs), GOLDEN), list(runs))


def check(
    asked: Claim, *others: Claim, logs: Sequence[PublishedRun] = (), runs: Sequence[RunRecord] = ()
) -> CheckedClaim:
    return check_claim(asked, evidence([asked, *others], logs, runs))


@cache
def deck_spec(model: str, overrides: tuple[str, ...] = ()) -> Mapping[str, Any]:
    return load_spec(YAMLS / f"{model}.yaml", list(overrides)).model_dump(mode="json")


def record(model: str, top1: float, seed: int = 0, overrides: tuple[str, ...] = (), **changes: Any) -> RunRecord:
    """A finished run; its best epoch is 0.2 above the last, its top-5 is 20 points above."""
    spec = {**deck_spec(model, overrides), "seed": seed}
    result = {
        "status": "finished",
        "top1": top1,
        "top5": top1 + 20.0,
        "best": {"top1": top1 + 0.2, "epoch": 299},
        "model": {"name": model, "fingerprint": GOLDEN[model].fingerprint},
        "machine": {"device_name": "NVIDIA H200", "world_size": 1},
        "seconds": {"train": 720.0},
        "spec": spec,
        **changes,
    }
    return RunRecord(Path("runs") / "deck" / f"{model}-0-s{seed}", spec, result)
