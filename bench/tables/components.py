"""The component comparison: what ConvNeXt and the deck's ConvNeXt-like ResNet-20 are made of, as built."""

import json
from collections.abc import Sequence
from pathlib import Path

from bench.analysis.cells import Block, Column, Phrase, Row, Table, missing, words
from bench.analysis.run_groups import RunGroup
from bench.tables import measures as m
from bench.util.errors import BadInput

FACTS = Path(__file__).resolve().parent.parent / "zoo" / "components.json"
COMPONENTS = {
    "stem": "Stem",
    "blocks": "Blocks",
    "block": "Block",
    "bottleneck": "Bottleneck",
    "kernels": "Kernel",
    "normalisation": "Norm",
    "activation": "Activation",
    "regularisation": "Regularisation",
}
READ_OFF = Phrase("Read off the built networks (python -m bench.zoo.components --update); one block stands for all.")


def components(run_groups: Sequence[RunGroup], options: m.Options) -> Table:
    """Return the components of the two networks side by side; it needs no run. Raises BadInput without its file."""
    if not FACTS.is_file():
        raise BadInput(f"{FACTS.name}: is missing; make it with python -m bench.zoo.components --update")
    facts = json.loads(FACTS.read_text(encoding="utf-8"))
    columns = (m.column("component", "Component", "组件", kind="words"), *(model_column(name) for name in facts))
    rows = [
        Row(
            {
                "component": words(heading),
                **{
                    name: words("{}", known[key]) if key in known else missing("not described")
                    for name, known in facts.items()
                },
            }
        )
        for key, heading in COMPONENTS.items()
    ]
    return Table(
        "components",
        Phrase("What the networks are made of", zh="网络组件对比"),
        columns,
        [Block(None, rows)],
        (READ_OFF,),
    )


def model_column(name: str) -> Column:
    """Return the column of a network."""
    return Column(name, Phrase("{}", (name,)), kind="words")
