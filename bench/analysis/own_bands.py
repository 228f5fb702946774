"""Health bands from our own records: what a further run of a network by one short recipe should reach.

`python -m bench.analysis.own_bands --runs reports/runs` writes them anew. A band is the mean ± the 95 % prediction
interval of one further run, by the spread between seeds that all networks of the recipe share; twice as far away a run
is suspicious. The file holds the recipe as the records have it, so that reading a band needs no YAML.

A band says nothing of the runs that it was made of: of one run it is that run ± the interval, and three lie within the
interval of their own spread wherever they are. So the file names them, with their accuracies, and they get no mark
(`bench.analysis.health`); all other runs of the network do.
"""

import json
import sys
from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Any

from bench.analysis import stats
from bench.analysis.identity import recipe_without_model
from bench.analysis.metrics import HEADLINE
from bench.analysis.run_groups import RunGroup, group_runs
from bench.records import read_runs
from bench.util.cli import OK, make_parser, run_command
from bench.util.errors import BadInput
from bench.util.files import write_output

PATH = Path(__file__).with_name("own_bands.json")
# Recipes that have bands, and the data whose test images they are of.
RECIPES = {"fast_10ep": "recipes/fast_10ep.yaml"}
DATA = "cifar100"
# Networks of this many seeds in all are needed to estimate the spread.
FEWEST_DEGREES = 2


@cache
def own_bands(path: Path = PATH) -> Mapping[str, Any]:
    """Return recipe → its `identity`, the spread `sd` with its `df`, and `models`: mean, n, low, high, and `runs`."""
    return dict(json.loads(path.read_text(encoding="utf-8")))


def own_recipe(spec: Mapping[str, Any]) -> str | None:
    """Return which recipe with own bands a recorded spec is, None for any other."""
    for name, band in own_bands().items():
        quick = spec.get("max_duration") == band["identity"]["max_duration"]
        if quick and recipe_without_model(spec) == band["identity"]:
            return name
    return None


def declared_identity(file: str) -> dict[str, Any]:
    """Return the recipe of a file as records would have it."""
    from bench.config import YAMLS, load_spec  # imported here: what reads bands reads no YAML

    changes = [f"base={file}", f"data.name={DATA}"]
    return recipe_without_model(load_spec(YAMLS / "resnet_20.yaml", changes).model_dump(mode="json"))


def make_bands(run_groups: Sequence[RunGroup], identity: Mapping[str, Any]) -> dict[str, Any]:
    """Return a recipe's bands; raise BadInput where too few networks have several seeds."""
    chosen = [group for group in run_groups if recipe_without_model(group.spec) == identity and is_usual(group)]
    samples = {group.model: group.values(HEADLINE) for group in chosen}
    several = [list(sample.values()) for sample in samples.values() if len(sample) > 1]
    df, sd = sum(len(sample) - 1 for sample in several), stats.pooled_sd(*several)
    if sd is None or df < FEWEST_DEGREES:
        raise BadInput(f"{df} degrees of freedom for the spread between seeds; {FEWEST_DEGREES} or more are needed")
    models = {name: _band(sample, sd, df) for name, sample in sorted(samples.items())}
    return {"identity": dict(identity), "sd": round(sd, 3), "df": df, "models": models}


def is_usual(run_group: RunGroup) -> bool:
    """Tell whether a group's network is the zoo's own, with its usual options and stem."""
    return run_group.label == run_group.model


def _band(sample: Mapping[str, float], sd: float, df: int) -> dict[str, Any]:
    """Return a network's mean, n, the ends of the 95 % prediction interval of one further run, and the sample itself.

    `sample` is run id → accuracy.
    """
    mean, n = sum(sample.values()) / len(sample), len(sample)
    half = stats.prediction_half_width(sd, df, n)
    ends = {"low": round(mean - half, 1), "high": round(mean + half, 1)}
    return {"mean": round(mean, 2), "n": n, **ends, "runs": dict(sample)}


def main(arguments: Sequence[str]) -> int:
    """Write the bands anew from the records of a folder."""
    parser = make_parser(
        "bench.analysis.own_bands",
        "Write the health bands of the short recipes anew, from run records.",
        "python -m bench.analysis.own_bands --runs reports/runs",
    )
    parser.add_argument("--runs", type=Path, required=True, metavar="DIR", help="the run records")
    parser.add_argument("--out", type=Path, default=PATH, metavar="FILE", help=f"the file (default: {PATH.name})")
    options = parser.parse_args(arguments)
    run_groups, _ = group_runs(read_runs(options.runs))
    bands = {name: make_bands(run_groups, declared_identity(file)) for name, file in RECIPES.items()}
    write_output(options.out, json.dumps(bands, indent=2, ensure_ascii=False) + "\n")
    print(f"wrote {options.out}: {sum(len(band['models']) for band in bands.values())} bands")
    return OK


if __name__ == "__main__":
    sys.exit(run_command(main))
