"""What a filing says: its title, its text in sections, and for an 8-K which items it is about.

The news of an 8-K or a 6-K is in the press releases attached to it: they are part of its text, each as a section of its
own. The exhibits of periodic reports are contracts and certificates, and stay out.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from activities.adapters.edgar.eight_k_items import item_codes, text_items
from activities.adapters.edgar.full_submission import FullSubmission, SubmissionDocument, parse_documents
from activities.adapters.edgar.html_text import read_document
from activities.adapters.edgar.item_titles import form_family
from activities.adapters.edgar.ownership import OwnershipReport, parse_ownership
from activities.adapters.edgar.readable import ReadableText
from activities.adapters.edgar.sections import ReportSection, split_sections
from domain.documents import Reject
from domain.errors import SourceFormatError
from domain.model import Model

MAXIMUM_EXHIBIT = 200_000
"""Characters that are kept of one exhibit."""
MAXIMUM_EXHIBITS = 600_000
"""Characters that are kept of all exhibits of a filing."""
_LEAST_ROOM = 1_000
"""With less of it left, no further exhibit is begun."""
MAXIMUM_TITLE = 2_000
_NEWS = frozenset({"8-K", "6-K"})
_RELEASE = re.compile(r"EX-99(?:\.[0-9A-Za-z.()-]{1,20})?", re.IGNORECASE)
_OWNERSHIP = re.compile(r"(?:\s{0,100}<\?xml[^>]{0,500}>)?\s{0,100}<ownershipDocument\b")
_APART = "\n\n"


class FilingText(Model):
    """What a filing says."""

    title: str
    """`8-K ACME CORP: Other Events`."""
    text: str
    sections: tuple[ReportSection, ...] = ()
    """They tile the text."""
    items: tuple[str, ...] = ()
    """Of an 8-K, as codes."""
    rejects: tuple[Reject, ...] = ()
    """Entries of an insider's report that could not be read."""


def read_filing(submission: FullSubmission, *, cik: str = "") -> FilingText:
    """Read a filing. The party with `cik` is named first, whoever else the filing concerns.

    Raises:
        SourceFormatError: it is an insider's report that cannot be read.
    """
    main = submission.main_document()
    name = f"{submission.accession}.txt"
    others = [document for document in submission.documents if document is not main]
    readable, rejects = _read(main.body, name)
    text, sections = _with_releases(submission.form, readable, others)
    items: tuple[str, ...] = ()
    if form_family(submission.form) == "8-K":
        items = item_codes(submission.items, submission.filed) or text_items(readable.text)
    # The company that was asked for is named first, whoever else the filing concerns.
    names = dict.fromkeys(party.name for party in sorted(submission.parties, key=lambda party: party.cik != cik))
    title = f"{submission.form} {', '.join(names)}" + (f": {'; '.join(submission.items)}" if submission.items else "")
    return FilingText(title=title[:MAXIMUM_TITLE], text=text, sections=sections, items=items, rejects=rejects)


def read_loose(body: bytes, form: str) -> FilingText:
    """Read a file of a filing that has no header: one document, or several between `<DOCUMENT>` tags.

    Raises:
        SourceFormatError: it holds no text, or is an insider's report that cannot be read.
    """
    documents = parse_documents(body)
    main = next((document for document in documents if document.type == form), documents[0])
    readable, rejects = _read(main.body, main.filename)
    others = [document for document in documents if document is not main]
    own_form = main.type or form
    text, sections = _with_releases(own_form, readable, others)
    if not text.strip():
        raise SourceFormatError("EDGAR_DOCUMENT_EMPTY", "A document holds a text", form=form)
    items = text_items(readable.text) if form_family(own_form) == "8-K" else ()
    return FilingText(title=own_form, text=text, sections=sections, items=items, rejects=rejects)


def _read(body: str, name: str) -> tuple[ReadableText, tuple[Reject, ...]]:
    if _OWNERSHIP.match(body):
        report = parse_ownership(body.encode(), name)
        return ReadableText(text=_report_text(report)), report.rejects
    return read_document(body), ()


def _with_releases(
    form: str, readable: ReadableText, others: Sequence[SubmissionDocument]
) -> tuple[str, tuple[ReportSection, ...]]:
    """The main document's text and sections, and behind them those of the press releases."""
    sections = list(split_sections(readable, form))
    text = readable.text
    if form_family(form) not in _NEWS:
        return text, tuple(sections)
    room = MAXIMUM_EXHIBITS
    parts = [text] if text else []
    at = len(text)
    for document in others:
        if room < _LEAST_ROOM or not _RELEASE.fullmatch(document.type):
            continue
        release = _cut(read_document(document.body).text, min(MAXIMUM_EXHIBIT, room))
        if not release.strip():
            continue
        if parts:
            parts.append(_APART)
            at += len(_APART)
            sections[-1] = sections[-1].model_copy(update={"end": at})
        parts.append(release)
        sections.append(ReportSection(heading=document.type.upper(), start=at, end=at + len(release)))
        at += len(release)
        room -= len(release)
    return "".join(parts), tuple(sections)


def _cut(text: str, room: int) -> str:
    """At most so many characters, in whole lines where there is more than one."""
    if len(text) <= room:
        return text
    return text[: text.rfind("\n", 0, room) if "\n" in text[:room] else max(room, 0)]


def _report_text(report: OwnershipReport) -> str:
    """An insider's report in sentences: who, what they did, what they hold after it."""
    lines = [f"{owner.name} ({', '.join(owner.roles()) or 'no role'}) of {report.issuer}" for owner in report.owners]
    for done in report.transactions:
        verb = "acquired" if done.acquired_or_disposed == "A" else "disposed of"
        amount = f"{done.shares:f}" if done.shares is not None else f"a value of {done.value}"
        price = f" at {done.price:f}" if done.price is not None else ""
        after = f"; {done.shares_after:f} held after it" if done.shares_after is not None else ""
        lines.append(f"{done.day}: {verb} {amount} {done.security}{price}, code {done.code}{after}")
    for held in report.holdings:
        lines.append(f"Holds {held.in_words()}" + ("" if held.direct else f", indirectly: {held.nature}"))
    if report.no_securities_owned:
        lines.append("No securities are owned")
    if report.remarks:
        lines.append(report.remarks)
    return "\n".join(lines)
