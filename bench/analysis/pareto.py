"""The Pareto front: what nothing else beats on both accuracy and cost."""

from collections.abc import Sequence


def pareto_front(costs: Sequence[float | None], scores: Sequence[float | None]) -> list[bool]:
    """Return for each point whether no other has a cost as low and a score as high, one of them better.

    A point without a cost or a score is not on the front. Raises ValueError when the lengths differ.
    """
    points = list(zip(costs, scores, strict=True))
    known = [(cost, score) for cost, score in points if cost is not None and score is not None]
    return [
        cost is not None
        and score is not None
        and not any(c <= cost and s >= score and (c, s) != (cost, score) for c, s in known)
        for cost, score in points
    ]
