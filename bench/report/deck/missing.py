"""What no run has, with the command that would make it."""

from collections.abc import Sequence

from bench.analysis.ablations import ablation_names, load_ablation
from bench.analysis.cells import Row, Table
from bench.report.deck.material import Material, deck_models
from bench.report.deck.slides import Line
from bench.tables.network_ablations import arm_label

LAUNCH = "composer -n 8 bench/train.py -f yamls/"


def wanted_models(material: Material) -> list[str]:
    """Return the models of the deck's comparison in its order."""
    claims = material.evidence.claims.values()
    return [claim.row for claim in claims if (claim.table, claim.metric) == ("comparison", "rank")]


def missing_models(material: Material, models: Sequence[str]) -> list[Line]:
    """Return a line that names those of some models that have no run among the rows that are compared."""
    here = deck_models(material.members)
    absent = [model for model in models if model not in here]
    if not absent:
        return []
    words = material.say("No run of {} here; by the deck's recipe:", ", ".join(absent))
    return [Line(words, kind="missing", command=loop(absent, f"{LAUNCH}{{}}.yaml"))]


def missing_arms(material: Material, table: Table, rows: Sequence[Row]) -> list[Line]:
    """Return a line that names the arms of an ablation that have no run among some rows of its table."""
    absent = absent_arms(material, table, rows)
    if not absent:
        return []
    labels = ", ".join(label for label, _ in absent.values())
    words = material.say("No run of an arm of {}: {}; to make them:", table.name, labels)
    command = loop(list(absent), f"{LAUNCH}ablations/{table.name}.yaml --arm {{}}")
    return [Line(words, kind="missing", command=command)]


def absent_arms(material: Material, table: Table, rows: Sequence[Row]) -> dict[str, tuple[str, str]]:
    """Return the arms of an ablation that have no run among some rows: name → its label, and what it trains."""
    ablation = load_ablation(ablation_names(material.ablations)[table.name])
    shown = {row.cells["arm"].text.english() for row in rows if row.cells["arm"].text and "n" in row.cells}
    named = {arm.name: (arm_label(ablation, arm), arm.network) for arm in ablation.arms}
    return {name: (label, network) for name, (label, network) in named.items() if label not in shown}


def loop(names: Sequence[str], command: str) -> str:
    """Return the command for each of some names, as one line of a shell where there are several."""
    if len(names) == 1:
        return command.format(names[0])
    return f"for name in {' '.join(names)}; do {command.format('$name')}; done"
