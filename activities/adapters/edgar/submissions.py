"""The listing of a company's filings: `submissions/CIK##########.json` and the older pages it names.

The listing is columns of equal length. Its `acceptanceDateTime` says UTC and often is not: for many filings it is the
time of day in New York with a `Z` behind it, for others of the same company it is UTC. Both readings are therefore
kept wherever both are possible; whoever must not look ahead takes the later one.
"""

from __future__ import annotations

import json
from datetime import UTC, date, datetime, time
from typing import Any

from activities.adapters.edgar.fields import (
    Refused,
    parse_accession,
    parse_cik,
    parse_day,
    parse_optional_day,
    parse_text,
    reject,
    shown,
)
from domain.documents import NEW_YORK, Reject, RejectReason
from domain.errors import SourceFormatError
from domain.model import Model, Utc

MAXIMUM_BYTES = 50_000_000
MAXIMUM_FILINGS = 100_000
_MAXIMUM_LABELS = 100
_MAXIMUM_PAGES = 1_000
_REQUIRED = ("accessionNumber", "filingDate", "acceptanceDateTime", "form", "primaryDocument")
_OPTIONAL = ("reportDate", "items", "primaryDocDescription", "size")
_OPENS, _CLOSES = time(6), time(22, 5)
"""EDGAR accepts filings from six to ten in the evening, New York; a few minutes are left for stragglers."""


class Filing(Model):
    """One filing as the listing knows it."""

    form: str
    company: str
    cik: str
    accession: str
    filed: date
    period: date | None = None
    accepted_earliest: Utc
    accepted_latest: Utc
    """Differs from the earliest where the listing's time could be UTC as well as New York's."""
    items: tuple[str, ...] = ()
    """8-K items as codes: `5.02`."""
    primary_document: str = ""
    description: str = ""

    def folder_url(self) -> str:
        """Where the filing's files lie."""
        return f"https://www.sec.gov/Archives/edgar/data/{int(self.cik)}/{self.accession.replace('-', '')}"

    def submission_url(self) -> str:
        """Its full submission text."""
        return f"{self.folder_url()}/{self.accession}.txt"


class OlderPage(Model):
    """A file that holds older filings, and from which filing day to which."""

    name: str
    """`CIK0000320193-submissions-001.json`."""
    first: date
    last: date

    def number(self) -> str:
        """What tells it from the company's other pages: `001`."""
        return self.name.removesuffix(".json").rpartition("-")[2]


class SubmissionsPage(Model):
    """What one listing held."""

    cik: str
    company: str
    tickers: tuple[str, ...] = ()
    filings: tuple[Filing, ...] = ()
    rejects: tuple[Reject, ...] = ()
    older_pages: tuple[OlderPage, ...] = ()
    """The files that hold the filings before these, the oldest first."""


def parse_submissions(body: bytes) -> SubmissionsPage:
    """Read a company's listing.

    Raises:
        SourceFormatError: it is no JSON object, names no company or CIK, or its columns differ in length.
    """
    listing = _json_object(body)
    filings = listing.get("filings")
    recent = filings.get("recent") if isinstance(filings, dict) else None
    if not isinstance(filings, dict) or not isinstance(recent, dict):
        raise SourceFormatError("EDGAR_LISTING_UNUSABLE", "A listing has filings.recent", found=shown(filings))
    try:
        cik = parse_cik(listing.get("cik"), "cik")
        company = parse_text(listing.get("name"), "name")
    except Refused as refused:
        raise SourceFormatError("EDGAR_LISTING_UNUSABLE", field=refused.field, detail=refused.detail) from None
    found, rejects = _filings(recent, cik, company, f"CIK{cik}.json")
    older, refused_pages = _older_pages(filings.get("files"), cik)
    return SubmissionsPage(
        cik=cik,
        company=company,
        tickers=_labels(listing.get("tickers")),
        filings=found,
        rejects=rejects + refused_pages,
        older_pages=older,
    )


def parse_older_page(body: bytes, *, cik: str, company: str) -> SubmissionsPage:
    """Read a page of older filings, which holds the columns alone.

    Raises:
        SourceFormatError: as `parse_submissions`.
    """
    found, rejects = _filings(_json_object(body), cik, company, f"CIK{cik}-submissions")
    return SubmissionsPage(cik=cik, company=company, filings=found, rejects=rejects)


def read_acceptance(label: object, field: str = "acceptanceDateTime") -> tuple[datetime, datetime]:
    """Both instants that the listing's time can mean, the earlier one first; equal where only one is possible."""
    text = label if isinstance(label, str) else ""
    try:
        if len(text) > 30 or not text.endswith("Z"):
            raise ValueError
        wall = datetime.fromisoformat(text[:-1])
        if wall.tzinfo is not None or not 1980 <= wall.year <= 2199:
            raise ValueError
    except ValueError:
        detail = f"{shown(label)} found, allowed is a time such as 2024-05-01T16:30:05.000Z"
        raise Refused(RejectReason.INVALID_DATE, detail, field) from None
    as_utc = wall.replace(tzinfo=UTC)
    as_new_york = wall.replace(tzinfo=NEW_YORK, fold=1).astimezone(UTC)
    if not _is_open(wall.time()):
        return (as_new_york, as_new_york) if wall.time() == time(0) else (as_utc, as_utc)
    if not _is_open(as_utc.astimezone(NEW_YORK).time()):
        return as_new_york, as_new_york
    return as_utc, as_new_york


def _is_open(at: time) -> bool:
    return _OPENS <= at < _CLOSES


def _json_object(body: bytes) -> dict[str, Any]:
    if len(body) > MAXIMUM_BYTES:
        raise SourceFormatError("EDGAR_LISTING_TOO_LARGE", found=len(body), limit=MAXIMUM_BYTES)
    try:
        found = json.loads(body)
    except (ValueError, RecursionError):
        raise SourceFormatError("EDGAR_LISTING_UNUSABLE", "A listing is JSON", found=shown(body[:40])) from None
    if not isinstance(found, dict):
        raise SourceFormatError("EDGAR_LISTING_UNUSABLE", "A listing is a JSON object", found=shown(found))
    return found


def _filings(
    columns: dict[str, Any], cik: str, company: str, file: str
) -> tuple[tuple[Filing, ...], tuple[Reject, ...]]:
    lengths = {name: len(column) for name, column in columns.items() if isinstance(column, list)}
    absent = [name for name in _REQUIRED if name not in lengths]
    if absent:
        raise SourceFormatError("EDGAR_COLUMNS_MISSING", absent=absent)
    length = lengths["accessionNumber"]
    uneven = {name: lengths[name] for name in (*_REQUIRED, *_OPTIONAL) if lengths.get(name, length) != length}
    if uneven:
        raise SourceFormatError("EDGAR_COLUMNS_UNEVEN", "All have a value for each filing", filings=length, **uneven)
    if length > MAXIMUM_FILINGS:
        raise SourceFormatError("EDGAR_LISTING_TOO_LARGE", found=length, limit=MAXIMUM_FILINGS)
    found: list[Filing] = []
    rejects: list[Reject] = []
    for at in range(length):
        row = {name: columns[name][at] for name in (*_REQUIRED, *_OPTIONAL) if name in lengths}
        try:
            found.append(_filing(row, cik, company))
        except Refused as refused:
            rejects.append(reject(file, at + 1, refused, shown(row.get("accessionNumber"))))
    return tuple(found), tuple(rejects)


def _filing(row: dict[str, Any], cik: str, company: str) -> Filing:
    earliest, latest = read_acceptance(row["acceptanceDateTime"])
    items = parse_text(row.get("items"), "items", required=False)
    return Filing(
        form=parse_text(row["form"], "form", longest=40),
        company=company,
        cik=cik,
        accession=parse_accession(row["accessionNumber"], "accessionNumber"),
        filed=parse_day(row["filingDate"], "filingDate"),
        period=parse_optional_day(row.get("reportDate"), "reportDate"),
        accepted_earliest=earliest,
        accepted_latest=latest,
        items=tuple(item.strip() for item in items.split(",") if item.strip()),
        primary_document=parse_text(row["primaryDocument"], "primaryDocument", required=False),
        description=parse_text(row.get("primaryDocDescription"), "primaryDocDescription", required=False),
    )


def _older_pages(files: object, cik: str) -> tuple[tuple[OlderPage, ...], tuple[Reject, ...]]:
    found: list[OlderPage] = []
    rejects: list[Reject] = []
    for number, page in enumerate(_list(files)[:_MAXIMUM_PAGES], 1):
        values = page if isinstance(page, dict) else {}
        name = values.get("name")
        try:
            if not isinstance(name, str) or not _is_page_name(name, cik):
                detail = f"{shown(name)} found, allowed is a name such as CIK{cik}-submissions-001.json"
                raise Refused(RejectReason.MALFORMED_ROW, detail, "files")
            first = parse_day(values.get("filingFrom"), "filingFrom")
            found.append(OlderPage(name=name, first=first, last=parse_day(values.get("filingTo"), "filingTo")))
        except Refused as refused:
            rejects.append(reject(f"CIK{cik}.json", number, refused, shown(name)))
    return tuple(sorted(found, key=lambda page: (page.last, page.first, page.name))), tuple(rejects)


def _is_page_name(name: str, cik: str) -> bool:
    number = name.removeprefix(f"CIK{cik}-submissions-").removesuffix(".json")
    return name == f"CIK{cik}-submissions-{number}.json" and number.isascii() and number.isdigit() and len(number) <= 6


def _labels(value: object) -> tuple[str, ...]:
    texts = [text for text in _list(value) if isinstance(text, str) and 0 < len(text) <= 20]
    return tuple(dict.fromkeys(texts))[:_MAXIMUM_LABELS]


def _list(value: object) -> list[Any]:
    return value if isinstance(value, list) else []
