"""Refuse YAML that is small as a file and huge as data: aliases of aliases ("billion laughs") or of themselves.

Call it before a file of a stranger is turned into data: some readers copy what an alias stands for each time.
"""

import yaml

from bench.util.errors import BadInput

MAX_VALUES = 100_000
# What reading YAML raises: for malformed standard tags (`!!bool x`, `!!int ''`, `!!timestamp x`) PyYAML raises nothing
# of its own, but lets out whatever its constructors run into.
UNREADABLE = (yaml.YAMLError, ValueError, TypeError, AttributeError, LookupError, ArithmeticError, RecursionError)


def check_aliases(text: str, source: str) -> None:
    """Raise BadInput naming the source when its aliases unfold to more than 100,000 values, or without end.

    Raises one of UNREADABLE for text that is no YAML or is nested deeper than Python's stack.
    """
    sizes: dict[int, int] = {}
    for document in yaml.compose_all(text, Loader=yaml.SafeLoader):
        if unfolded_size(document, sizes) > MAX_VALUES:
            raise BadInput(f"{source}: its aliases (*name) unfold to more than {MAX_VALUES:,} values")


def unfolded_size(node: yaml.Node | None, sizes: dict[int, int]) -> int:
    """Return how many values a node stands for once every alias is replaced; `sizes` remembers nodes by identity."""
    if id(node) not in sizes:
        sizes[id(node)] = MAX_VALUES + 1  # stays if the node contains itself
        sizes[id(node)] = 1 + sum(unfolded_size(child, sizes) for child in children(node))
    return sizes[id(node)]


def children(node: yaml.Node | None) -> list[yaml.Node]:
    """Return the nodes directly below a node: items, or keys and values."""
    if isinstance(node, yaml.MappingNode):
        return [child for pair in node.value for child in pair]
    return list(node.value) if isinstance(node, yaml.SequenceNode) else []
