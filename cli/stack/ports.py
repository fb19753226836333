"""Free local ports: chosen once, remembered, chosen again only where something else took them."""

from __future__ import annotations

import errno
import random
import socket
from collections.abc import Iterable, Mapping

from cli.stack.names import LOOPBACK
from domain.errors import ConfigurationError, Conflict

# Below the range from which Linux (32768) and macOS (49152) take the ports of outgoing connections: a port in there
# could be borrowed by any client while its server restarts.
_LOWEST, _HIGHEST = 15_000, 22_000

OBJECTS_ADMIN = "objects_admin"
OBJECTS_ADMIN_GRPC_OFFSET = 10_000
"""SeaweedFS derives the port of its inner admin service itself."""

_chance = random.SystemRandom()


def is_free(port: int, host: str = LOOPBACK) -> bool:
    """Whether a server could listen on the port now."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family, socket.SOCK_STREAM) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError as error:
            if error.errno in {errno.EADDRINUSE, errno.EACCES}:
                return False
            raise
    return True


def is_answering(port: int, host: str = LOOPBACK) -> bool:
    """Whether something accepts connections on the port now."""
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
        probe.settimeout(0.2)
        return probe.connect_ex((host, port)) == 0


def choose(
    names: Iterable[str], *, remembered: Mapping[str, int], fixed: Mapping[str, tuple[str, int]]
) -> dict[str, int]:
    """Give each name a port: the fixed one, else the remembered one while it is free, else a new one.

    Args:
        fixed: the host and port an operator chose, by name.

    Raises:
        Conflict: a fixed port is taken.
        ConfigurationError: no free port is left.
    """
    chosen: dict[str, int] = {}
    for name in names:
        if name in fixed:
            host, port = fixed[name]
            if not is_free(port, host):
                raise Conflict("PORT_TAKEN", "Stop what listens there or configure another port", part=name, port=port)
            chosen[name] = port
        elif name in remembered and _usable(name, remembered[name], chosen):
            chosen[name] = remembered[name]
        else:
            chosen[name] = _new(name, {*chosen.values(), *remembered.values()})
    return chosen


def _usable(name: str, port: int, chosen: Mapping[str, int]) -> bool:
    if port in chosen.values() or not is_free(port):
        return False
    return name != OBJECTS_ADMIN or is_free(port + OBJECTS_ADMIN_GRPC_OFFSET)


def _new(name: str, avoid: set[int]) -> int:
    for port in _chance.sample(range(_LOWEST, _HIGHEST), 500):
        if port not in avoid and _usable(name, port, {}):
            return port
    raise ConfigurationError(
        "NO_FREE_PORT", "End some of the servers on this machine", part=name, tried=f"500 of {_LOWEST}-{_HIGHEST}"
    )
