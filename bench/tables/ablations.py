"""The table of an ablation, made from its file and the runs that are its arms."""

from collections.abc import Callable, Sequence
from pathlib import Path

from bench.analysis.ablations import load_ablation
from bench.analysis.cells import Table
from bench.analysis.run_groups import RunGroup
from bench.tables.ablation_rows import ablation_table
from bench.tables.measures import Options
from bench.tables.network_ablations import network_blocks
from bench.tables.recipe_ablations import recipe_blocks


def ablation_builder(path: Path) -> Callable[[Sequence[RunGroup], Options], Table]:
    """Return the builder of the table of an ablation's file, which is read when the table is made."""

    def build(run_groups: Sequence[RunGroup], options: Options) -> Table:
        """Return the ablation's table: for each block of comparable recipes, its base and its arms."""
        ablation = load_ablation(path)
        make_blocks = recipe_blocks if ablation.within_networks else network_blocks
        return ablation_table(ablation, make_blocks(ablation, run_groups, options), options)

    return build
