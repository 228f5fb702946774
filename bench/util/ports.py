"""Choose a TCP port at which the processes of a run meet."""

import random
import socket
from collections.abc import Collection
from contextlib import suppress

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
