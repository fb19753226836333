"""Bytes of a file as physical lines, in constant memory whatever the file holds.

    file -> chunks (gzip undone, UTF-16 turned into UTF-8, byte order mark removed) -> lines of bounded length

Gzip is recognised by its first bytes, so a wrong ending does no harm. A line above the bound is skipped to its end and
reported; data that cannot be read further (a truncated download) ends the file with a report, after every whole line
before it.
"""

from __future__ import annotations

import codecs
import zlib
from collections.abc import Generator, Iterator
from dataclasses import dataclass
from enum import Enum
from pathlib import Path
from typing import BinaryIO

CHUNK_BYTES = 262_144
HEAD_BYTES = 1_024
"""How much of a refused line is kept for its report."""

_GZIP_MAGIC = b"\x1f\x8b"
_GZIP_WINDOW = 31
_UTF16_MARKS = {codecs.BOM_UTF16_LE: "utf-16-le", codecs.BOM_UTF16_BE: "utf-16-be"}


class FaultKind(Enum):
    TOO_LONG = "too long"
    DAMAGED = "damaged"


@dataclass(frozen=True, slots=True)
class Fault:
    """Why a line is not whole."""

    kind: FaultKind
    detail: str


Line = tuple[int, bytes, Fault | None]
"""1-based number, content without its newline (a carriage return before it stays), and what is wrong with it.

The content of a faulty line is only its head.
"""


class DamagedData(Exception):
    """The file's bytes cannot be turned into text any further; everything before has been yielded."""


class ByteSource:
    """An open file as chunks of UTF-8 (as far as it is valid: nothing is decoded here except UTF-16).

    `text_bytes` counts what was yielded, `raw_bytes` the (perhaps compressed) bytes of the file that it came from.
    """

    def __init__(self, stream: BinaryIO) -> None:
        self._stream = stream
        self.raw_bytes = 0
        self.text_bytes = 0

    def chunks(self) -> Iterator[bytes]:
        """Yield at most `CHUNK_BYTES` (twice that from UTF-16) at a time.

        Raises:
            DamagedData: compressed data is truncated or corrupt, or UTF-16 ends within a character.
        """
        for chunk in self._text():
            self.text_bytes += len(chunk)
            yield chunk

    def _text(self) -> Iterator[bytes]:
        chunks = self._unpacked()
        first = next(chunks, b"")
        for mark, encoding in _UTF16_MARKS.items():
            if first.startswith(mark):
                yield from _as_utf8(first[len(mark) :], chunks, encoding)
                return
        first = first.removeprefix(codecs.BOM_UTF8)
        if b"\n" not in first and b"\r" in first:
            # Lines ended by carriage returns alone, as old spreadsheet programs write them.
            yield first.replace(b"\r", b"\n")
            for chunk in chunks:
                yield chunk.replace(b"\r", b"\n")
            return
        yield first
        yield from chunks

    def _unpacked(self) -> Iterator[bytes]:
        first = self._read()
        if first.startswith(_GZIP_MAGIC):
            yield from self._decompressed(first)
            return
        while first:
            yield first
            first = self._read()

    def _read(self) -> bytes:
        block = self._stream.read(CHUNK_BYTES)
        self.raw_bytes += len(block)
        return block

    def _decompressed(self, block: bytes) -> Iterator[bytes]:
        """Undo gzip, member by member; the output of each step is bounded, so that a small file cannot fill memory."""
        decompressor = zlib.decompressobj(_GZIP_WINDOW)
        while block:
            try:
                data = decompressor.decompress(block, CHUNK_BYTES)
            except zlib.error as error:
                raise DamagedData(f"the compressed data is corrupt ({error})") from error
            if data:
                waiting = len(decompressor.unconsumed_tail)
                self.raw_bytes -= waiting
                yield data
                self.raw_bytes += waiting
            if decompressor.eof:
                # Further members may follow; zero bytes between or after them are padding.
                block = decompressor.unused_data.lstrip(b"\0")
                while not block and (more := self._read()):
                    block = more.lstrip(b"\0")
                decompressor = zlib.decompressobj(_GZIP_WINDOW)
                if not block:
                    return
            else:
                block = decompressor.unconsumed_tail or self._read()
        while data := decompressor.decompress(b"", CHUNK_BYTES):
            yield data
        if not decompressor.eof:
            raise DamagedData("the compressed data ends before its end mark (a truncated copy or download)")


def _as_utf8(first: bytes, chunks: Iterator[bytes], encoding: str) -> Iterator[bytes]:
    """Recode UTF-16; an unpaired surrogate becomes bytes that are not UTF-8, so that only its own record is refused."""
    decoder = codecs.getincrementaldecoder(encoding)("surrogatepass")
    yield decoder.decode(first).encode("utf-8", "surrogatepass")
    for chunk in chunks:
        yield decoder.decode(chunk).encode("utf-8", "surrogatepass")
    try:
        decoder.decode(b"", final=True)
    except UnicodeDecodeError as error:
        raise DamagedData("the UTF-16 text ends within a character (a truncated copy or download)") from error


def read_lines(source: ByteSource, max_line_bytes: int) -> Iterator[Line]:
    """Yield the physical lines; a line of more than `max_line_bytes` (its ending not counted) is only its head.

    At most one line has the fault DAMAGED, and it is the last.
    """
    number = 0
    carry = b""
    skipped = 0  # bytes of the over-long line so far; 0 outside one
    head = b""
    try:
        for chunk in source.chunks():
            pieces = chunk.split(b"\n")
            if skipped:
                skipped += len(pieces[0])
                pieces[0] = b""
            else:
                pieces[0] = carry + pieces[0]
            carry = pieces.pop()
            for piece in pieces:
                number += 1
                if skipped:
                    yield number, head, _too_long(skipped, max_line_bytes)
                    skipped = 0
                elif len(piece) > max_line_bytes and not _only_its_ending_exceeds(piece, max_line_bytes):
                    yield number, piece[:HEAD_BYTES], _too_long(len(piece), max_line_bytes)
                else:
                    yield number, piece, None
            if not skipped and len(carry) > max_line_bytes + 1:
                skipped, head, carry = len(carry), carry[:HEAD_BYTES], b""
    except DamagedData as error:
        yield number + 1, (head if skipped else carry[:HEAD_BYTES]), Fault(FaultKind.DAMAGED, str(error))
        return
    if skipped:
        yield number + 1, head, _too_long(skipped, max_line_bytes)
    elif len(carry) > max_line_bytes and not _only_its_ending_exceeds(carry, max_line_bytes):
        yield number + 1, carry[:HEAD_BYTES], _too_long(len(carry), max_line_bytes)
    elif carry:
        yield number + 1, carry, None


def open_lines(path: Path, max_line_bytes: int) -> Generator[Line, None, None]:
    """Open the file and yield its lines; it is closed when the iteration ends or is dropped."""
    with path.open("rb") as stream:
        yield from read_lines(ByteSource(stream), max_line_bytes)


def _only_its_ending_exceeds(line: bytes, max_line_bytes: int) -> bool:
    return len(line) == max_line_bytes + 1 and line.endswith(b"\r")


def _too_long(found: int, allowed: int) -> Fault:
    return Fault(FaultKind.TOO_LONG, f"the line has {found:,} bytes, at most {allowed:,} are allowed")
