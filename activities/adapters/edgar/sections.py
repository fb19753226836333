"""A report's text in titled sections: its items, and of the business what is about competition.

Sections tile the text: the first begins at 0, each begins where the one before ends, and the last ends with the text.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated

from pydantic import Field

from activities.adapters.edgar.competition import competition_parts, rival_paragraphs
from activities.adapters.edgar.eight_k_items import eight_k_headings
from activities.adapters.edgar.full_submission import FullSubmission
from activities.adapters.edgar.headings import Heading, back_matter, item_headings
from activities.adapters.edgar.html_text import read_document
from activities.adapters.edgar.item_titles import form_family
from activities.adapters.edgar.readable import ReadableText
from domain.documents import Section

MAXIMUM_COMPETITION = 60_000
"""Characters of what is returned about competition."""
_LONGEST_HEADING = 300
_BUSINESS = {"10-K": "1", "20-F": "4"}
_ALSO = {"10-K": ("1", "1A", "7"), "20-F": ("4", "3", "5")}
"""Items that may name rivals where the business has no part about them."""
_BEFORE = "Cover"
_COMPETITION = "Competition"


class ReportSection(Section):
    """A part of a filing's text, headed `Item 1A. Risk Factors`, `Part II, Item 1. Legal Proceedings` or `EX-99.1`."""

    item: Annotated[str, Field(max_length=20)] = ""
    """The item it belongs to: `1A`, `II.1`, `5.02`; empty for a cover, signatures or an exhibit."""


def split_sections(readable: ReadableText, form: str) -> tuple[ReportSection, ...]:
    """Split a document's text; one section with the form's name where no items are found, none of an empty text."""
    text = readable.text
    family = form_family(form)
    if family == "8-K":
        found = [
            (f"Item {heading.codes[0]}. {heading.title}".rstrip(". "), heading.codes[0], heading.start)
            for heading in eight_k_headings(text)
        ]
    else:
        headings = item_headings(readable, form)
        found = _with_competition(readable, family, headings)
    if not found:
        return (ReportSection(heading=form[:_LONGEST_HEADING], start=0, end=len(text)),) if text else ()
    found += [(heading, "", start) for heading, start in back_matter(text, found[-1][2] + 1)]
    if found[0][2] > 0:
        found.insert(0, (_BEFORE, "", 0))
    ends = [start for _, _, start in found[1:]] + [len(text)]
    return tuple(
        ReportSection(heading=heading[:_LONGEST_HEADING], start=start, end=end, item=item)
        for (heading, item, start), end in zip(found, ends, strict=True)
    )


def competition_text(source: FullSubmission | str, form: str = "10-K") -> str:
    """What an annual report says about competition, at most 60,000 characters; empty where it says nothing.

    That is the parts of its business headed so. Where there is none, it is the paragraphs that say whom the company
    competes with: of the business, else of the risks and of the management's discussion, else of the whole text.

    Args:
        source: a filing, or the text or markup of a report.
        form: of a report given as a text; a filing knows its own.
    """
    if isinstance(source, FullSubmission):
        readable, form = read_document(source.main_document().body), source.form
    else:
        readable = read_document(source)
    text = readable.text
    sections = split_sections(readable, form)
    parts = [text[part.start : part.end].strip() for part in sections if part.heading.endswith(f": {_COMPETITION}")]
    family = form_family(form)
    for item in _ALSO.get(family, ()):
        if not parts:
            within = [section for section in sections if section.item == item]
            parts = [part for section in within for part in rival_paragraphs(text, section.start, section.end)]
    if not parts:
        parts = list(rival_paragraphs(text, 0, len(text)))
    return "\n\n".join(parts)[:MAXIMUM_COMPETITION]


def _with_competition(readable: ReadableText, family: str, headings: Sequence[Heading]) -> list[tuple[str, str, int]]:
    """Each section's heading, item and beginning; the business is cut where it turns to competition and back."""
    found: list[tuple[str, str, int]] = []
    ends = [*(heading.start for heading in headings[1:]), len(readable.text)]
    for heading, end in zip(headings, ends, strict=False):
        code = heading.item.code()
        label = _label(heading)
        found.append((label, code, heading.start))
        if code != _BUSINESS.get(family):
            continue
        body = readable.text.find("\n", heading.start, end)
        for start, stop in competition_parts(readable, body if body >= 0 else heading.start, end):
            if start <= found[-1][2]:
                found.pop()
            found.append((f"{label}: {_COMPETITION}", code, start))
            if stop < end:
                found.append((f"{label} (continued)", code, stop))
    return found


def _label(heading: Heading) -> str:
    item = heading.item
    part = f"Part {'I' * item.part}, " if item.part else ""
    title = heading.title[: _LONGEST_HEADING - 60]
    return f"{part}Item {item.number}{item.letter}." + (f" {title}" if title else "")
