"""Free local ports: chosen once, remembered, chosen again only where something else took them."""

from __future__ import annotations

import errno
import fcntl
import os
import random
import socket
import tempfile
from collections.abc import Iterable, Mapping
from pathlib import Path

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


class Claims:
    """Ports that a stack has chosen and may not listen on yet, so that another one that starts now takes others.

    Locked files in the user's temporary directory, let go with the process at the latest. Where they cannot be made,
    nothing is claimed: a port is then only looked at.
    """

    def __init__(self) -> None:
        self._held: dict[int, int] = {}

    def take(self, port: int) -> bool:
        """Claim a port; False where another stack has."""
        if port in self._held:
            return True
        try:
            descriptor = os.open(self._directory() / str(port), os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW, 0o600)
        except OSError:
            return True
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            os.close(descriptor)
            return error.errno not in {errno.EWOULDBLOCK, errno.EACCES}
        self._held[port] = descriptor
        return True

    def release(self) -> None:
        for descriptor in self._held.values():
            os.close(descriptor)
        self._held.clear()

    @staticmethod
    def _directory() -> Path:
        directory = Path(tempfile.gettempdir()) / f"stonks-ports-{os.getuid()}"
        directory.mkdir(mode=0o700, exist_ok=True)
        if directory.stat(follow_symlinks=False).st_uid != os.getuid():
            raise PermissionError(errno.EPERM, "somebody else's")
        return directory


def choose(
    names: Iterable[str],
    *,
    remembered: Mapping[str, int],
    fixed: Mapping[str, tuple[str, int]],
    claims: Claims | None = None,
) -> dict[str, int]:
    """Give each name a port: the fixed one, else the remembered one while it is free, else a new one.

    Args:
        fixed: the host and port an operator chose, by name.
        claims: holds what was chosen; a port that another stack has claimed is not free.

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
        elif name in remembered and _usable(name, remembered[name], chosen) and _claim(claims, remembered[name]):
            chosen[name] = remembered[name]
        else:
            chosen[name] = _new(name, {*chosen.values(), *remembered.values()}, claims)
    return chosen


def _usable(name: str, port: int, chosen: Mapping[str, int]) -> bool:
    if port in chosen.values() or not is_free(port):
        return False
    return name != OBJECTS_ADMIN or is_free(port + OBJECTS_ADMIN_GRPC_OFFSET)


def _claim(claims: Claims | None, port: int) -> bool:
    return claims is None or claims.take(port)


def _new(name: str, avoid: set[int], claims: Claims | None) -> int:
    for port in _chance.sample(range(_LOWEST, _HIGHEST), 500):
        if port not in avoid and _usable(name, port, {}) and _claim(claims, port):
            return port
    raise ConfigurationError(
        "NO_FREE_PORT", "End some of the servers on this machine", part=name, tried=f"500 of {_LOWEST}-{_HIGHEST}"
    )
