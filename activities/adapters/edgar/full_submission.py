"""The full submission text of a filing: an SGML header and the documents behind it.

Two headers are in use: `KEY:  value` lines in titled sections, and `<TAG>value` as it is disseminated first.

When a filing became public is the header's to say. Accepted by 17:30 in New York, that is the moment of acceptance;
later ones carry the next business day as filing day and are released on its morning. Staff letters and their answers
are marked `PRIVATE-TO-PUBLIC`: accepted one day, released weeks later, on the day that the first line names.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import UTC, date, datetime, time

from activities.adapters.edgar.fields import (
    Refused,
    parse_accession,
    parse_cik,
    parse_compact_time,
    parse_day,
    parse_text,
)
from domain.documents import NEW_YORK, DatePrecision, RejectReason, end_of_day
from domain.errors import SourceFormatError
from domain.model import Model, Utc

MAXIMUM_BYTES = 200_000_000
MAXIMUM_DOCUMENTS = 5_000
MAXIMUM_PARTIES = 1_000
_MAXIMUM_HEADER = 2_000_000
_RELEASE_OPENS = time(6)

_FIRST_LINE = re.compile(r"<(?:SEC-DOCUMENT|IMS-DOCUMENT)>[^\s:]{1,100}[ \t]*:[ \t]*([0-9]{8})\b")
_TAGGED = re.compile(r"<([A-Z][A-Z0-9-]{0,60})>([^<\r\n]*)")
_LINE_TAG = re.compile(r"<([A-Z][A-Z0-9-]{0,60})>(.*)")
_WRAPPER = re.compile(r"\s*<(XBRL|XML|PDF|TEXT)>[ \t]*\r?\n?", re.IGNORECASE)
_UNWRAPPED = frozenset({"XBRL", "XML"})
_SUBHEADINGS = frozenset(
    {
        "COMPANY DATA",
        "OWNER DATA",
        "FILING VALUES",
        "BUSINESS ADDRESS",
        "MAIL ADDRESS",
        "FORMER COMPANY",
        "FORMER NAME",
    }
)
_NAMES = {
    "ACCESSION NUMBER": "accession",
    "ACCESSION-NUMBER": "accession",
    "CONFORMED SUBMISSION TYPE": "form",
    "TYPE": "form",
    "FILED AS OF DATE": "filed",
    "FILING-DATE": "filed",
    "CONFORMED PERIOD OF REPORT": "period",
    "PERIOD": "period",
    "ACCEPTANCE-DATETIME": "accepted",
}
_EXTRACT = "TEXT-EXTRACT"
"""What accompanies a letter that was filed as a PDF file."""
_PARTY_NAME = frozenset({"COMPANY CONFORMED NAME", "CONFORMED-NAME"})
_PARTY_CIK = frozenset({"CENTRAL INDEX KEY", "CIK"})
_ITEM = frozenset({"ITEM INFORMATION", "ITEMS"})


class Party(Model):
    """Somebody whom a filing concerns, and as what: filer, issuer, reporting owner, subject company."""

    role: str
    name: str
    cik: str


class SubmissionDocument(Model):
    """One document of a submission. `body` is as it stands between the TEXT tags, without the XBRL or XML wrapper."""

    type: str
    sequence: int = 0
    filename: str = ""
    description: str = ""
    body: str


class FullSubmission(Model):
    """A filing as a whole."""

    accession: str
    form: str
    parties: tuple[Party, ...]
    filed: date
    period: date | None = None
    accepted_at: Utc | None = None
    """None before about 2001, when headers had no time."""
    released: date | None = None
    """The day on the first line: for staff letters weeks after the filing day."""
    private_until_release: bool = False
    items: tuple[str, ...] = ()
    """8-K items, as titles or as codes (`5.02`), whichever the header has."""
    documents: tuple[SubmissionDocument, ...]

    def main_document(self) -> SubmissionDocument:
        """What the form itself is: of the form's type, else of its base type, else a text extract, else the first."""
        base = self.form.partition("/")[0]
        for wanted in (self.form, base, _EXTRACT):
            for document in self.documents:
                if document.type == wanted:
                    return document
        return self.documents[0]

    def published(self) -> tuple[datetime, DatePrecision]:
        """When the public could know of it, never too early."""
        if self.accepted_at is None or self.private_until_release:
            return end_of_day(max(self.filed, self.released or self.filed)), DatePrecision.DAY
        if self.filed > self.accepted_at.astimezone(NEW_YORK).date():
            opens = datetime.combine(self.filed, _RELEASE_OPENS, NEW_YORK)
            return opens.astimezone(UTC), DatePrecision.INSTANT
        return self.accepted_at, DatePrecision.INSTANT


def parse_full_submission(body: bytes) -> FullSubmission:
    """Read a full submission text.

    Raises:
        SourceFormatError: it is too large, or has no header, or the header lacks an accession number, a form, a filing
            day or a party, or no document follows.
    """
    if len(body) > MAXIMUM_BYTES:
        raise SourceFormatError("EDGAR_SUBMISSION_TOO_LARGE", found=len(body), limit=MAXIMUM_BYTES)
    text = _decode(body)
    start = text.find("<DOCUMENT>", 0, _MAXIMUM_HEADER)
    if start < 0:
        raise SourceFormatError("EDGAR_NO_DOCUMENT", "A full submission has a <DOCUMENT> behind its header")
    try:
        return _submission(text[:start], text, start)
    except Refused as refused:
        raise SourceFormatError("EDGAR_HEADER_UNUSABLE", field=refused.field, detail=refused.detail) from None


def parse_documents(body: bytes) -> tuple[SubmissionDocument, ...]:
    """Read the documents of a file that lacks a header; one without a type where it is a document itself.

    Raises:
        SourceFormatError: it is too large, or a document in it has no type.
    """
    if len(body) > MAXIMUM_BYTES:
        raise SourceFormatError("EDGAR_SUBMISSION_TOO_LARGE", found=len(body), limit=MAXIMUM_BYTES)
    text = _decode(body)
    start = text.find("<DOCUMENT>", 0, _MAXIMUM_HEADER)
    if start < 0:
        return (SubmissionDocument(type="", body=_unwrapped(text)),)
    try:
        return tuple(_documents(text, start))
    except Refused as refused:
        raise SourceFormatError("EDGAR_DOCUMENT_UNUSABLE", field=refused.field, detail=refused.detail) from None


def _decode(body: bytes) -> str:
    try:
        text = body.decode("utf-8")
    except UnicodeDecodeError:
        text = body.decode("latin-1")
    return text.replace("\r\n", "\n").replace("\r", "\n")


def _submission(header: str, text: str, start: int) -> FullSubmission:
    values: dict[str, str] = {}
    items: list[str] = []
    for _, name, value in _header_values(header):
        if field := _NAMES.get(name):
            values.setdefault(field, value)
        elif name in _ITEM and value and len(items) < MAXIMUM_PARTIES:
            items.append(parse_text(value, "items"))
    first_line = _FIRST_LINE.search(header[:5_000])
    return FullSubmission(
        accession=parse_accession(values.get("accession", ""), "accession number"),
        form=parse_text(values.get("form", ""), "form", longest=40),
        parties=_parties(header),
        filed=parse_day(values.get("filed", ""), "filing day"),
        period=parse_day(values["period"], "period of report") if values.get("period") else None,
        accepted_at=parse_compact_time(values["accepted"], "acceptance time") if values.get("accepted") else None,
        released=parse_day(first_line[1], "release day") if first_line else None,
        private_until_release="<PRIVATE-TO-PUBLIC>" in header,
        items=tuple(items),
        documents=tuple(_documents(text, start)),
    )


def _header_values(header: str) -> Iterator[tuple[str, str, str]]:
    """The header's values in order, each with the section it stands in: (role, name, value)."""
    role = ""
    if "<SUBMISSION>" in header:
        for found in _TAGGED.finditer(header):
            name, value = found[1], found[2].strip()
            if not value and name.replace("-", " ") not in _SUBHEADINGS:
                role = name.replace("-", " ")
            yield role, name, value
        return
    for line in header.splitlines():
        stripped = line.strip()
        if tagged := _LINE_TAG.fullmatch(stripped):
            name, value = tagged[1], tagged[2].strip()
            if not value:
                role = name.replace("-", " ")
        else:
            name, colon, value = (part.strip() for part in stripped.partition(":"))
            if not colon:
                continue
            if not value and line[:1] not in " \t" and name not in _SUBHEADINGS:
                role = name.replace("-", " ")
        yield role, name, value


def _parties(header: str) -> tuple[Party, ...]:
    parties: list[Party] = []
    name = ""
    for role, key, value in _header_values(header):
        if key in _PARTY_NAME:
            name = parse_text(value, "company name")
        elif key in _PARTY_CIK and name:
            if len(parties) >= MAXIMUM_PARTIES:
                detail = f"more than {MAXIMUM_PARTIES} parties found"
                raise Refused(RejectReason.MALFORMED_ROW, detail, "parties")
            parties.append(Party(role=role.lower(), name=name, cik=parse_cik(value, "central index key")))
            name = ""
    if not parties:
        raise Refused(RejectReason.MISSING_VALUE, "none found, needed is a company name with its CIK", "parties")
    return tuple(parties)


def _documents(text: str, start: int) -> Iterator[SubmissionDocument]:
    count = 0
    while start >= 0:
        count += 1
        if count > MAXIMUM_DOCUMENTS:
            raise SourceFormatError("EDGAR_TOO_MANY_DOCUMENTS", limit=MAXIMUM_DOCUMENTS)
        end = text.find("</DOCUMENT>", start)
        yield _document(text, start + len("<DOCUMENT>"), len(text) if end < 0 else end)
        start = -1 if end < 0 else text.find("<DOCUMENT>", end)


def _document(text: str, start: int, end: int) -> SubmissionDocument:
    begins = text.find("<TEXT>", start, end)
    head_end = end if begins < 0 else begins
    named = {found[1]: found[2].strip() for found in _TAGGED.finditer(text[start : min(head_end, start + 5_000)])}
    if begins < 0:
        body = ""
    else:
        closes = text.rfind("</TEXT>", begins, end)
        body = _unwrapped(text[begins + len("<TEXT>") : closes if closes >= 0 else end])
    sequence = named.get("SEQUENCE", "")
    return SubmissionDocument(
        type=parse_text(named.get("TYPE"), "document type", longest=100),
        sequence=int(sequence) if sequence.isascii() and sequence.isdigit() and len(sequence) < 7 else 0,
        filename=parse_text(named.get("FILENAME"), "file name", required=False),
        description=parse_text(named.get("DESCRIPTION"), "description", longest=2_000, required=False),
        body=body,
    )


def _unwrapped(body: str) -> str:
    found = _WRAPPER.match(body)
    if not found or found[1].upper() not in _UNWRAPPED:
        return body.strip("\r\n")
    ends = body.rfind(f"</{found[1]}>")
    return body[found.end() : ends if ends >= 0 else len(body)].strip()
