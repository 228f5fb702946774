"""The options of Composer's launcher for a run on several machines (nodes), checked before a process starts.

The launcher takes environment variables for options that are not given, and fails in its parser with a traceback.
"""

import argparse
from collections.abc import Mapping
from typing import NamedTuple

from bench.util.errors import BadInput

EXAMPLE = (
    "composer -n 8 --world_size 16 --node_rank 0 --master_addr ADDRESS_OF_NODE_0 --master_port 29500 bench/train.py …"
)


class NodeOptions(NamedTuple):
    """What the launcher's options and variables say of this machine among those of a run; `here` is -n."""

    here: int
    world_size: int
    node_rank: int | None = None
    base_rank: int | None = None
    master_addr: str | None = None
    master_port: int | None = None


def read_options(options: argparse.Namespace, here: int, environment: Mapping[str, str]) -> NodeOptions:
    """Return the options, as Composer's parser has them, completed by the environment; raise BadInput for no number."""
    named = dict(environment)
    if named.get("WORLD_SIZE") == named.get("LOCAL_WORLD_SIZE"):
        # Of a run on one machine that this launcher is started within.
        named.pop("WORLD_SIZE", None)
    found = {}
    for name in ("world_size", "node_rank", "base_rank", "master_port"):
        given = getattr(options, name)
        text = named.get(name.upper()) if given is None else str(given)
        try:
            found[name] = None if text is None else int(text)
        except ValueError:
            raise BadInput(f"variable {name.upper()}: '{text}' is no number") from None
    world = found.pop("world_size")
    address = options.master_addr or named.get("MASTER_ADDR")
    return NodeOptions(here, here if world is None else world, master_addr=address, **found)


def check_nodes(options: NodeOptions) -> None:
    """Raise BadInput unless the options describe the only machine of a run, or one of several."""
    here, world, node = options.here, options.world_size, options.node_rank
    if here < 1:
        raise BadInput(f"-n {here}: a run has at least one process on each machine")
    if world < here:
        raise BadInput(f"--world_size {world} is less than -n {here}: it counts the processes on all machines")
    if world == here:
        if node or options.base_rank:
            raise BadInput("--node_rank and --base_rank need --world_size, the number of processes on all machines")
        return
    several = f"--world_size {world} with -n {here} is a run on several machines"
    needed = {
        "--node_rank": node if options.base_rank is None else options.base_rank,
        "--master_addr": options.master_addr,
        "--master_port": options.master_port,
    }
    missing = [name for name, value in needed.items() if value is None]
    if missing:
        raise BadInput(f"{several}, each of which needs {' and '.join(missing)}: {EXAMPLE}")
    if not 0 < (options.master_port or 0) < 2**16:
        raise BadInput(f"--master_port {options.master_port}: a port is 1 to 65535, free on node 0")
    if options.base_rank is not None:
        return
    if world % here:
        raise BadInput(
            f"--world_size {world} is no multiple of -n {here}: where machines have different numbers of processes, "
            "each needs --base_rank too, the number of its first process"
        )
    if node is not None and not 0 <= node < world // here:
        raise BadInput(f"--node_rank {node}: {several}, whose numbers are 0 to {world // here - 1}")
