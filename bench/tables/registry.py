"""The tables as one dict, name → builder; each file of an ablation is one more."""

from collections.abc import Callable, Sequence
from pathlib import Path

from bench.analysis.ablations import ABLATIONS, ablation_names
from bench.analysis.cells import Phrase, Table
from bench.analysis.run_groups import RunGroup
from bench.tables import ablations, comparison, components, targets, technique
from bench.tables.evaluated import evaluation_table
from bench.tables.measures import Options
from bench.util.errors import BadInput

Builder = Callable[[Sequence[RunGroup], Options], Table]

# Of what `python -m bench.evaluate` measured; these are made without being named only where there is something to show.
EVALUATIONS: dict[str, Builder] = {
    "calibration": evaluation_table("calibration", Phrase("Calibration", zh="概率校准")),
    "latency": evaluation_table("latency", Phrase("Latency", zh="推理延迟")),
    "robustness": evaluation_table("robustness", Phrase("Robustness", zh="鲁棒性")),
}
TABLES: dict[str, Builder] = {
    "comparison": comparison.comparison,
    "by_technique": technique.by_technique,
    "efficiency": comparison.efficiency,
    "training_cost": comparison.training_cost,
    "time_to_accuracy": targets.time_to_accuracy,
    "components": components.components,
    **EVALUATIONS,
}
# These are made of what the networks are, and need no run.
WITHOUT_RUNS = frozenset({"components"})


def all_tables(folder: Path = ABLATIONS) -> dict[str, Builder]:
    """Return the tables above and those of the ablations in a folder; raise BadInput for an ablation of their names."""
    files = ablation_names(folder)
    for name in TABLES.keys() & files.keys():
        raise BadInput(f"{files[name]}: '{name}' is a table already: call the file of the ablation something else")
    return {**TABLES, **{name: ablations.ablation_builder(path) for name, path in files.items()}}
