"""Ports at which the processes of a run meet."""

from bench.util.ports import PORTS, free_port


def test_ports_are_free_and_differ() -> None:
    taken: list[int] = []
    for _ in range(50):
        taken.append(free_port(taken))
    assert len(set(taken)) == 50
    assert set(taken) <= set(PORTS)
