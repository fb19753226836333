"""From a source's title and text to the text that everything later refers to, with its sections."""

from __future__ import annotations

from collections.abc import Sequence

from domain.documents import Section
from domain.extraction import document_text
from domain.text import strip_invisible

MAXIMUM_CHARACTERS = 400_000
"""Longer texts are cut: an annual report's notes end there, and no news story is longer."""


def parsed_text(title: str, text: str, sections: Sequence[Section] = ()) -> tuple[str, tuple[Section, ...]]:
    """Join title and text as readers see them, and move the sections of `text` to where they stand in it.

    Offsets count code points of the result, which is NFC and has no invisible characters; quotes are cut from it.
    A section beyond the longest text that is kept is left out, the one that the end cuts is shortened.
    """
    joined = strip_invisible(document_text(title, text))
    head = strip_invisible(document_text(title, ""))
    moved: list[Section] = []
    lead = f"{head}\n\n" if head else ""
    if sections and joined.startswith(lead):
        start = len(lead)
        place = _Places(text, joined[start:])
        for section in sections:
            first, last = start + place(section.start), min(start + place(section.end), MAXIMUM_CHARACTERS)
            if first < last:
                moved.append(Section(heading=section.heading, start=first, end=last))
    return joined[:MAXIMUM_CHARACTERS], tuple(moved)


class _Places:
    """Where offsets of a text stand in the text as it was cleaned."""

    def __init__(self, text: str, cleaned: str) -> None:
        self._text = text
        self._lead = len(text) - len(text.lstrip())
        self._length = len(cleaned)
        self._same = text == cleaned

    def __call__(self, offset: int) -> int:
        if self._same:
            return offset
        return min(len(strip_invisible(self._text[self._lead : max(offset, self._lead)])), self._length)
