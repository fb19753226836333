"""Statements and minutes made into documents: a section a paragraph, of minutes a section a heading."""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import date, datetime

from activities.adapters.fed.policy import repaired
from activities.adapters.pages.assembly import Assembled, Assembly
from activities.adapters.pages.failures import unreadable
from activities.adapters.pages.models import ParsedPage
from activities.adapters.pages.page import parse_page
from domain.documents import NEW_YORK, DatePrecision, SourceDocument
from domain.sources import FedDocument

PUBLISHER = "Federal Reserve"
SHORTEST_MINUTES = 2_000
"""Characters; a shorter page only tells that minutes were released."""
_MAX_LINE_CHARACTERS = 200
_FURNITURE = re.compile(
    r"For media inquiries\b.*|For (?:immediate )?release(?: at .{1,40})?|Last Update:.{0,40}|Share|Print|PDF|RSS"
    r"|(?:Return|Back) to (?:top|text)|Subscribe to .{1,60}|Home|Skip to .{1,40}",
    re.IGNORECASE,
)
_HEADING = re.compile(
    r"(?<!\S)(Developments in Financial Markets(?: and Open Market Operations"
    r"| and the (?:Federal Reserve[’']s )?Balance Sheet)?"
    r"|Staff Review of the (?:Economic|Financial) Situation|Staff Economic Outlook"
    r"|Participants[’'] Views on (?:the )?Current Conditions and (?:the )?Economic Outlook"
    r"|(?:Review of )?Monetary Policy Strategies, Tools,? and Communications(?: Practices)?"
    r"|Committee Policy Actions?)(?=\s+[\"“A-Z]|\s*$)",
    re.MULTILINE,
)


def document_of_text(
    kind: FedDocument, day: date, text: str, *, published_at: datetime, precision: DatePrecision, location: str
) -> SourceDocument:
    """Make a document of a plain text.

    Args:
        day: of the statement, or the last day of the meeting that the minutes are of.

    Raises:
        SourceFormatError: it holds no text, or too little of one, or no word of the Committee.
    """
    page = parse_page(repaired(text).encode("utf-8", "replace"), "text/plain; charset=utf-8", location)
    return document_of_page(kind, day, page, published_at=published_at, precision=precision, location=location)


def document_of_page(
    kind: FedDocument,
    day: date,
    page: ParsedPage,
    *,
    published_at: datetime,
    precision: DatePrecision,
    location: str,
    url: str = "",
    part: str = "",
) -> SourceDocument:
    """Make a document of a page.

    Args:
        part: which of its day's releases a statement is: `a` for the first.

    Raises:
        SourceFormatError: it holds too little text, or no word of the Committee.
    """
    assembled = _assemble(kind, page)
    _require_sense(kind, assembled.text, location)
    title = f"FOMC {kind.value} {day.isoformat()}"
    if kind is FedDocument.MINUTES:
        title += f" (published {_day_of(published_at, precision).isoformat()})"
    further = f":{part}" if part not in ("", "a") else ""
    return SourceDocument(
        title=title,
        text=assembled.text,
        published_at=published_at,
        precision=precision,
        url=url,
        publisher=PUBLISHER,
        language="en",
        story=f"fed:{kind.value}:{day.isoformat()}{further}",
        sections=assembled.sections,
        location=location,
    )


def _assemble(kind: FedDocument, page: ParsedPage) -> Assembled:
    assembly = Assembly()
    for section in page.sections:
        is_begun = False
        for block in page.section_text(section).split("\n\n"):
            kept = "\n".join(line for line in block.split("\n") if not _is_furniture(line))
            if kind is FedDocument.STATEMENT:
                assembly.begin_section("")
                assembly.add(kept)
                continue
            for heading, part in _split(kept):
                if heading or not is_begun:
                    assembly.begin_section(heading or section.heading)
                    is_begun = True
                assembly.add(part)
    return assembly.finish()


def _split(block: str) -> Iterator[tuple[str, str]]:
    """The parts of a block, each with the heading that begins it, and the headings as parts of their own."""
    position = 0
    for found in _HEADING.finditer(block):
        if found.start() > position:
            yield "", block[position : found.start()]
        yield found[1], found[1]
        position = found.end()
    yield "", block[position:]


def _is_furniture(line: str) -> bool:
    return len(line) <= _MAX_LINE_CHARACTERS and _FURNITURE.fullmatch(line.strip()) is not None


def _require_sense(kind: FedDocument, text: str, location: str) -> None:
    if not text:
        raise unreadable("PAGE_EMPTY", location, "a page without text")
    if "Committee" not in text and "Federal Reserve" not in text:
        raise unreadable("PAGE_IS_NO_RELEASE", location, "a text that names no Committee", f"FOMC {kind.value}")
    if kind is FedDocument.MINUTES and len(text) < SHORTEST_MINUTES:
        found = f"a text of {len(text):,} characters"
        raise unreadable("PAGE_IS_NO_RELEASE", location, found, f"minutes of at least {SHORTEST_MINUTES:,}")


def _day_of(published_at: datetime, precision: DatePrecision) -> date:
    """The day of publication in New York; a day-precise time is that day's end."""
    local = published_at.astimezone(NEW_YORK)
    return date.fromordinal(local.date().toordinal() - 1) if precision is DatePrecision.DAY else local.date()
