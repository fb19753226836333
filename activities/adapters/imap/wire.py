"""One connection to a mail server, within caps of time and bytes: whatever the server sends, reading it ends."""

from __future__ import annotations

import socket
import ssl
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import Annotated

from pydantic import Field

from domain.errors import VendorError, VendorRejected, VendorUnavailable
from domain.model import Model

Opener = Callable[[str, int, float], socket.socket]
"""Address, port and seconds -> a connected socket. Raises OSError."""

_CHUNK_BYTES = 65_536
_FAREWELL_SECONDS = 2.0


class MailLimits(Model):
    """Caps of one fetch: of one conversation with the server, from the name look-up to the farewell."""

    total_seconds: Annotated[float, Field(gt=0)] = 60.0
    connect_seconds: Annotated[float, Field(gt=0)] = 10.0
    idle_seconds: Annotated[float, Field(gt=0)] = 20.0
    """Longest silence."""
    message_bytes: Annotated[int, Field(gt=0, le=33_554_432)] = 16 * 1024 * 1024
    """Of a message; a larger one is refused by itself, and the next follows."""
    line_bytes: Annotated[int, Field(gt=0)] = 4 * 1024 * 1024
    """Of a line; the longest ones list the messages found, about half a million."""


class LiteralTooLarge(VendorRejected):
    """The server announces more bytes than are read at this place."""

    def __init__(self, host: str, size: int, limit: int) -> None:
        self.size = size
        hint = "The server sends what it was not asked for"
        super().__init__("RESPONSE_TOO_LARGE", hint, host=host, counted="bytes announced", found=size, limit=limit)


def open_socket(address: str, port: int, seconds: float) -> socket.socket:
    """Connect to an address; no name is looked up."""
    return socket.create_connection((address, port), seconds)


class Wire:
    """A connection, used by one thread; `abort` alone may come from another.

    Args:
        host: the name that the certificate must carry.
        literal_bytes: most that may be read at once; raised for the one place where a message is expected.
    """

    def __init__(self, host: str, limits: MailLimits, opener: Opener = open_socket) -> None:
        self.host = host
        self.is_encrypted = False
        self.literal_bytes = _CHUNK_BYTES
        self._limits = limits
        self._opener = opener
        self._deadline = time.monotonic() + limits.total_seconds
        self._allowed = limits.message_bytes + 2 * limits.line_bytes
        self._received = 0
        self._buffer = bytearray()
        self._socket: socket.socket | None = None
        self._aborted = False

    def connect(self, address: str, port: int) -> None:
        """Open the connection; an earlier one is closed.

        Raises:
            VendorUnavailable: nobody answers there.
        """
        self.close()
        self._buffer.clear()
        self.is_encrypted = False
        with self._errors("VENDOR_UNREACHABLE"):
            self._socket = self._opener(address, port, min(self._limits.connect_seconds, self._left()))
        if self._aborted:
            self.abort()

    def encrypt(self, tls: ssl.SSLContext) -> None:
        """Begin TLS; the certificate must be valid for the host's name.

        Raises:
            ssl.SSLError: the handshake failed.
            VendorUnavailable: the server went away, or sent something before it that belongs to nothing.
        """
        if self._buffer:
            raise VendorUnavailable("VENDOR_DISCONNECTED", "The fetch is repeated by itself", host=self.host)
        with self._errors("VENDOR_DISCONNECTED"):
            plain = self._ready()
            self._socket = tls.wrap_socket(plain, server_hostname=self.host)
        self.is_encrypted = True

    def send(self, data: bytes) -> None:
        with self._errors("VENDOR_DISCONNECTED"):
            self._ready().sendall(data)

    def readline(self) -> bytes:
        """Return a line with its end.

        Raises:
            VendorRejected: `RESPONSE_TOO_LARGE`.
            VendorUnavailable: the server is silent or gone.
        """
        longest, looked_at = self._limits.line_bytes, 0
        while (end := self._buffer.find(b"\n", looked_at)) < 0 and len(self._buffer) <= longest:
            looked_at = len(self._buffer)
            self._receive()
        if not 0 <= end < longest:
            raise self._too_large("bytes in a line", longest)
        return self._take(end + 1)

    def read(self, size: int) -> bytes:
        """Return exactly so many bytes.

        Raises:
            LiteralTooLarge: they are more than are read here.
            VendorRejected, VendorUnavailable: as `readline`.
        """
        if size > self.literal_bytes:
            raise LiteralTooLarge(self.host, size, self.literal_bytes)
        while len(self._buffer) < size:
            self._receive()
        return self._take(size)

    def hurry(self) -> None:
        """Leave little time for what remains, the farewell."""
        self._deadline = min(self._deadline, time.monotonic() + _FAREWELL_SECONDS)

    def abort(self) -> None:
        """End the connection under a thread that waits on it."""
        self._aborted = True
        connected = self._socket
        if connected is not None:
            with suppress(OSError):
                # Of the socket beneath TLS: that of TLS would let the thread write in plain for a moment.
                socket.socket.shutdown(connected, socket.SHUT_RDWR)

    def close(self) -> None:
        if self._socket is not None:
            with suppress(OSError):
                self._socket.close()
            self._socket = None

    def _take(self, size: int) -> bytes:
        taken = bytes(self._buffer[:size])
        del self._buffer[:size]
        return taken

    def _receive(self) -> None:
        with self._errors("VENDOR_DISCONNECTED"):
            chunk = self._ready().recv(_CHUNK_BYTES)
            if not chunk:
                raise ConnectionResetError
        self._received += len(chunk)
        if self._received > self._allowed:
            raise self._too_large("bytes received", self._allowed)
        self._buffer += chunk

    def _ready(self) -> socket.socket:
        """The socket, with what is left of the time set on it."""
        if self._socket is None:
            raise ConnectionResetError
        self._socket.settimeout(min(self._limits.idle_seconds, self._left()))
        return self._socket

    def _left(self) -> float:
        left = self._deadline - time.monotonic()
        if left <= 0:
            raise TimeoutError
        return left

    @contextmanager
    def _errors(self, code: str) -> Iterator[None]:
        """Turn what a socket raises into the platform's errors; a failed handshake stays what it is."""
        hint = "The fetch is repeated by itself"
        try:
            yield
        except VendorError:
            raise
        except TimeoutError:
            raise VendorUnavailable("VENDOR_TIMEOUT", hint, host=self.host) from None
        except (ssl.SSLEOFError, ssl.SSLZeroReturnError, ssl.SSLSyscallError):
            raise VendorUnavailable(code, hint, host=self.host) from None
        except ssl.SSLError:
            if not self.is_encrypted:
                raise
            raise VendorUnavailable(code, hint, host=self.host) from None
        except OSError as error:
            raise VendorUnavailable(code, hint, host=self.host, what=type(error).__name__) from None

    def _too_large(self, counted: str, limit: int) -> VendorRejected:
        hint = "The server sends more than was asked for; a later `since` finds fewer messages"
        return VendorRejected("RESPONSE_TOO_LARGE", hint, host=self.host, counted=counted, limit=limit)
