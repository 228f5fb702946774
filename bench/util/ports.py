"""The TCP port at which the processes of a run meet: chosen, or checked where it was given."""

import errno
import os
import random
import socket
from collections.abc import Collection
from contextlib import suppress

from bench.util.errors import BadInput

# Below the ports that systems hand out by themselves, so that no connection takes one between choice and use.
PORTS = range(20_000, 32_000)


def free_port(taken: Collection[int] = ()) -> int:
    """Return a port that nothing listens on and that is not among those taken.

    It is drawn at random, so that two programs that choose at the same moment do not meet.
    """
    chance = random.SystemRandom()
    while True:
        port = chance.choice(PORTS)
        with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe, suppress(OSError):
            probe.bind(("127.0.0.1", port))
            if port not in taken:
                return port


def check_port(world_size: int) -> None:
    """Refuse a rendezvous port of the launcher that is taken; torchrun holds the port itself."""
    port = os.environ.get("MASTER_PORT", "")
    if world_size == 1 or not port.isdecimal() or os.environ.get("TORCHELASTIC_USE_AGENT_STORE") == "True":
        return
    with socket.socket() as attempt:
        attempt.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            attempt.bind(("", int(port)))
        except (OSError, OverflowError) as error:
            reason = "is in use by another program" if is_taken(error) else f"cannot be used ({error})"
            raise BadInput(
                f"port {port}, the rendezvous port of the run's processes, {reason}: choose another with "
                "`composer --master_port`; on one machine leave that out, and the launcher finds a free one"
            ) from None


def is_taken(error: Exception) -> bool:
    """Tell whether binding a port failed because another program listens there."""
    return isinstance(error, OSError) and error.errno == errno.EADDRINUSE
