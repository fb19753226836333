"""A text built of blocks, with sections that are cut while it grows, so that their offsets cannot be wrong."""

from __future__ import annotations

from typing import NamedTuple

from domain.documents import Section
from domain.text import strip_invisible

MAX_TEXT_CHARACTERS = 2_000_000
MAX_SECTIONS = 20_000
_MAX_HEADING_CHARACTERS = 500


class Assembled(NamedTuple):
    text: str
    sections: tuple[Section, ...]
    truncated: bool


class Assembly:
    """Takes blocks in reading order. Each is cleaned first and stands on lines of its own."""

    def __init__(self) -> None:
        self._parts: list[str] = []
        self._length = 0
        self._sections: list[Section] = []
        self._heading = ""
        self._start = 0
        self._full = False

    def begin_section(self, heading: str) -> None:
        """Begin a section here. The heading is a label; it enters the text only as a block."""
        self._close()
        self._heading = clean_line(heading)[:_MAX_HEADING_CHARACTERS]

    def add(self, block: str) -> None:
        """Add a block; lines stay lines, other blanks collapse."""
        text = _clean_block(block)
        if not text or self._full:
            return
        room = MAX_TEXT_CHARACTERS - self._length - 2
        if len(text) > room or len(self._sections) >= MAX_SECTIONS:
            self._full = True
            text = text[: max(room, 0)].rstrip()
            if not text or len(self._sections) >= MAX_SECTIONS:
                return
        if self._parts:
            self._parts.append("\n\n")
            self._length += 2
            if self._start == self._length - 2:
                self._start = self._length
        self._parts.append(text)
        self._length += len(text)

    def finish(self) -> Assembled:
        self._close()
        return Assembled("".join(self._parts), tuple(self._sections), self._full)

    def _close(self) -> None:
        if self._length > self._start:
            self._sections.append(Section(heading=self._heading, start=self._start, end=self._length))
        self._start = self._length
        self._heading = ""


def clean_line(text: str) -> str:
    """One line without invisible characters."""
    return strip_invisible(" ".join(strip_invisible(text).split()))


def _clean_block(block: str) -> str:
    lines = (" ".join(line.split()) for line in strip_invisible(block).splitlines())
    return strip_invisible("\n".join(line for line in lines if line))
