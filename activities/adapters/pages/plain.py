"""Plain text: a section a paragraph."""

from __future__ import annotations

import re

from activities.adapters.pages.assembly import Assembled, Assembly, clean_line

MAX_TITLE_CHARACTERS = 200
_PARAGRAPH_END = re.compile(r"\n[ \t\f\v]*\n")


def read_text(text: str) -> tuple[str, Assembled]:
    """Return title and text. The title is the first line, cut at a word where it is longer than 200 characters."""
    assembly = Assembly()
    for paragraph in _PARAGRAPH_END.split(text.replace("\r\n", "\n").replace("\r", "\n")):
        assembly.begin_section("")
        assembly.add(paragraph)
    assembled = assembly.finish()
    return short_title(assembled.text.partition("\n")[0][:2_000]), assembled


def short_title(line: str) -> str:
    line = clean_line(line)
    if len(line) <= MAX_TITLE_CHARACTERS:
        return line
    cut = line[: MAX_TITLE_CHARACTERS - 1]
    return (cut.rpartition(" ")[0] or cut) + "…"
