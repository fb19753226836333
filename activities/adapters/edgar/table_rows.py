"""Rows of tables as lines: `Net sales | 94,930 | 89,498`.

A text comes with marks where rows, cells and blocks begin and end, and leaves with blocks alone.
"""

from __future__ import annotations

import re

from activities.adapters.edgar.readable import PAGE_BREAK, Line

BREAK = "\x00"
ROW_BEGINS, ROW_ENDS, CELL = "\x01", "\x02", "\x03"
EMPHASIS_BEGINS, EMPHASIS_ENDS = "\x04", "\x05"
TARGET_BEGINS, TARGET_ENDS = "\x07", "\x08"
_LONGEST_CELL = 1_000
"""A longer one is layout: its paragraphs stay apart."""
_PARAGRAPH = 250
_INNERMOST = re.compile(f"{ROW_BEGINS}([^{ROW_BEGINS}{ROW_ENDS}]*){ROW_ENDS}")
_TARGET = re.compile(f"{TARGET_BEGINS}([0-9]{{1,6}}){TARGET_ENDS}")
_EMPHASIS = re.compile(f"[{EMPHASIS_BEGINS}{EMPHASIS_ENDS}]")
_OPENS = re.compile(r"(?:[A-Z]{0,3}[$€£¥]|[$€£¥]?\s?\(|(?:CHF|EUR|GBP|JPY|Rs\.?))")
_CLOSES = re.compile(r"[)%]{1,3}|\)\s?%|%\s?\)|\)\s?\([0-9a-z]{1,2}\)")
_MARKER = re.compile(
    r"[•·●◦▪■○►–—*o-]|\[?[xX☐☒☑ ]{0,2}\]?|\(?(?:[0-9]{1,3}|[A-Za-z]|[ivxIVX]{1,5})[.)]{1,2}"
    r"|(?:items?|part|note|exhibit)\s?[0-9ivx]{1,4}(?:\.[0-9]{2})?[a-k]?\s?[.:—–-]{0,2}",
    re.IGNORECASE,
)


def with_rows_as_lines(text: str) -> str:
    """Make each row a line. A row that holds rows is layout: the rows in it are the lines."""
    text = _INNERMOST.sub(lambda found: f"{BREAK}{_row(found[1])}{BREAK}", text)
    return text.replace(ROW_BEGINS, BREAK).replace(ROW_ENDS, BREAK).replace(CELL, BREAK)


def read_marked(marked: str) -> Line:
    """A line without its marks, one space between its words, and how much of its beginning is emphatic."""
    targets = tuple(int(number) for number in _TARGET.findall(marked)) if TARGET_BEGINS in marked else ()
    if targets:
        marked = _TARGET.sub("", marked)
    first, *others = marked.split(EMPHASIS_BEGINS)
    lead: list[str] = []
    if not first.strip():
        for part in others:
            inside, _, outside = part.partition(EMPHASIS_ENDS)
            lead.append(inside)
            if outside.strip():
                break
            lead.append(outside)
    return Line(" ".join(_EMPHASIS.sub("", marked).split()), len(" ".join("".join(lead).split())), targets)


def _row(marked: str) -> str:
    if TARGET_BEGINS in marked:
        targets = "".join(found[0] for found in _TARGET.finditer(marked))
        return targets + _row(_TARGET.sub("", marked))
    # A rule across a cell underlines it and ends no page.
    marked = marked.replace(PAGE_BREAK, "")
    raw = [cell for cell in marked.split(CELL) if _EMPHASIS.sub("", cell).strip(f"{BREAK} ")]
    if any(len(cell) > _LONGEST_CELL or _has_paragraphs(cell) for cell in raw):
        return _as_blocks(raw)
    cells = [read_marked(cell.replace(BREAK, " ")) for cell in raw]
    text = " | ".join(_joined([cell.text for cell in cells]))
    lead = cells[0].text[: cells[0].lead] if cells else ""
    if cells and all(cell.lead == len(cell.text) for cell in cells):
        lead = text
    if not lead or not text.startswith(lead):
        return text
    return f"{EMPHASIS_BEGINS}{lead}{EMPHASIS_ENDS}{text[len(lead) :]}"


def _as_blocks(raw: list[str]) -> str:
    """The cells of a layout row one below the other, a bullet before what it belongs to."""
    if len(raw) > 1 and _MARKER.fullmatch(read_marked(raw[0].replace(BREAK, " ")[:_PARAGRAPH]).text):
        raw = [f"{raw[0].strip(f'{BREAK} ')} {raw[1].lstrip(f'{BREAK} ')}", *raw[2:]]
    return BREAK.join(raw)


def _has_paragraphs(cell: str) -> bool:
    return sum(len(part) > _PARAGRAPH for part in cell.split(BREAK)) > 1


def _joined(cells: list[str]) -> list[str]:
    """The cells, with currency signs, brackets and percent signs at their numbers, and bullets before their text."""
    found: list[str] = []
    opening = ""
    for cell in cells:
        if _OPENS.fullmatch(cell):
            opening += cell
        elif _CLOSES.fullmatch(cell) and found and not opening:
            found[-1] += cell.replace(" ", "")
        else:
            found.append(opening + cell)
            opening = ""
    if opening:
        found.append(opening)
    if len(found) > 1 and _MARKER.fullmatch(found[0]) and any(char.isalpha() for char in found[1]):
        found[:2] = [f"{found[0]} {found[1]}"]
    return found
