"""Bodies, decompressed as they arrive and never further than the cap."""

from __future__ import annotations

import zlib

from domain.errors import VendorRejected, VendorUnavailable

ACCEPT_ENCODING = "gzip, deflate"
MAXIMUM_GZIP_MEMBERS = 2_000
_GZIP, _ZLIB, _RAW = 31, 15, -15
_GZIP_START = b"\x1f\x8b"


class BodyReader:
    """Collects one body. Memory stays within `body_bytes` and one chunk.

    Args:
        encoding: the answer's Content-Encoding.
        wire_bytes: most that may arrive.
        body_bytes: most that it may decompress to.

    Raises:
        VendorRejected: `RESPONSE_ENCODING_REFUSED` where the encoding was not asked for.
    """

    def __init__(self, encoding: str, *, host: str, wire_bytes: int, body_bytes: int) -> None:
        self._encoding = encoding.strip().lower() or "identity"
        self._host = host
        self._wire_bytes, self._body_bytes = wire_bytes, body_bytes
        self._arrived = 0
        self._body = bytearray()
        self._members = 0
        self._start = b""
        self._stream: zlib._Decompress | None = None
        self._rest_is_ignored = False
        if self._encoding not in ("identity", "gzip", "x-gzip", "deflate"):
            hint = f"{ACCEPT_ENCODING} and identity are allowed"
            raise VendorRejected("RESPONSE_ENCODING_REFUSED", hint, host=host, found=self._encoding[:40])

    def announce(self, content_length: str) -> None:
        """Refuse a body by the length that it is announced with."""
        if content_length.isascii() and content_length.isdigit():
            digits = content_length.lstrip("0") or "0"
            if len(digits) > 18 or int(digits) > self._wire_bytes:
                raise self._too_large("bytes announced", self._wire_bytes)

    def feed(self, chunk: bytes) -> None:
        """Take what arrived.

        Raises:
            VendorRejected: `RESPONSE_TOO_LARGE`, or `RESPONSE_ENCODING_INVALID` where it cannot be decompressed.
        """
        self._arrived += len(chunk)
        if self._arrived > self._wire_bytes:
            raise self._too_large("bytes received", self._wire_bytes)
        if self._encoding == "identity":
            self._add(chunk)
            return
        try:
            self._decompress(chunk)
        except zlib.error:
            raise self._invalid("data that is not compressed as announced") from None

    def finish(self) -> bytes:
        """Return the body.

        Raises:
            VendorUnavailable: the compressed data ends in the middle.
        """
        if self._arrived and self._encoding != "identity" and not (self._rest_is_ignored or self._ended()):
            raise VendorUnavailable(
                "RESPONSE_TRUNCATED", "The fetch is repeated by itself", host=self._host, bytes=self._arrived
            )
        return bytes(self._body)

    def _ended(self) -> bool:
        return self._stream is not None and self._stream.eof

    def _decompress(self, data: bytes) -> None:
        while data and not self._rest_is_ignored:
            if self._stream is None or self._stream.eof:
                data = self._start + data
                if len(data) < 2:
                    self._start = data
                    return
                self._start = b""
                if not self._open(data):
                    return
            assert self._stream is not None
            self._add(self._stream.decompress(data, self._body_bytes - len(self._body) + 1))
            data = self._stream.unused_data if self._stream.eof else self._stream.unconsumed_tail

    def _open(self, data: bytes) -> bool:
        """Begin a stream, or a gzip file's next member. What follows the last one is padding."""
        if self._members and not (self._encoding != "deflate" and data.startswith(_GZIP_START)):
            self._rest_is_ignored = True
            return False
        self._members += 1
        if self._members > MAXIMUM_GZIP_MEMBERS:
            raise self._invalid(f"more than {MAXIMUM_GZIP_MEMBERS:,} gzip members")
        self._stream = zlib.decompressobj(self._window(data))
        return True

    def _window(self, data: bytes) -> int:
        """`deflate` is sent with and without zlib's two bytes in front, whose number divides by 31."""
        if self._encoding != "deflate":
            return _GZIP
        return _ZLIB if data[0] & 0x0F == 8 and int.from_bytes(data[:2], "big") % 31 == 0 else _RAW

    def _add(self, data: bytes) -> None:
        if len(self._body) + len(data) > self._body_bytes:
            raise self._too_large("bytes decompressed", self._body_bytes)
        self._body += data

    def _invalid(self, found: str) -> VendorRejected:
        hint = "The server sends what cannot be read"
        return VendorRejected("RESPONSE_ENCODING_INVALID", hint, host=self._host, encoding=self._encoding, found=found)

    def _too_large(self, what: str, limit: int) -> VendorRejected:
        hint = "Ask for less at a time, or raise the cap"
        return VendorRejected("RESPONSE_TOO_LARGE", hint, host=self._host, counted=what, limit=limit)
