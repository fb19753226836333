"""The feed of filings as they come in, newest first, a hundred entries a page and no further back than 5,000.

A filing has an entry for each party, and while the pages are read new filings push the others down, so that pages
overlap. A filing is therefore known by its accession number: the cursor holds those of the page before. A round ends
where it meets the newest filing of the round before; a round that ends at the limit instead says that it is incomplete.
"""

from __future__ import annotations

import re
from datetime import UTC, date, datetime
from typing import Annotated
from xml.etree.ElementTree import Element, ParseError

from defusedxml import DefusedXmlException
from defusedxml.ElementTree import fromstring
from pydantic import Field, ValidationError

from activities.adapters.edgar.fields import (
    Refused,
    parse_accession,
    parse_cik,
    parse_day,
    parse_text,
    reject,
    shown,
)
from domain.documents import Reject, RejectReason
from domain.errors import InvalidInput, SourceFormatError
from domain.fetching import HttpRequest
from domain.model import Model, Utc

PAGE_ENTRIES = 100
LAST_START = 5_000
"""EDGAR answers this start and no later one."""
MAXIMUM_BYTES = 10_000_000
_URL = "https://www.sec.gov/cgi-bin/browse-edgar"
_ATOM = "{http://www.w3.org/2005/Atom}"
_TITLE = re.compile(r"(.{1,40}?) - (.{1,500}) \(([0-9]{10})\) \(([A-Za-z ]{1,40})\)")
_ID = "urn:tag:sec.gov,2008:accession-number="
_FILED = re.compile(r"<b>Filed:</b>\s{0,9}([0-9-]{10})\s")
_ITEM = re.compile(r"\bItem ([0-9]{1,2}(?:\.[0-9]{2})?):")
_KEPT_AT_MARK = 40


class CurrentParty(Model):
    """One party of a filing, and as what: filer, issuer, reporting, subject."""

    role: str
    name: str
    cik: str


class CurrentFiling(Model):
    """A filing as the feed shows it. Parties whose entries were on another page are absent."""

    form: str
    accession: str
    accepted_at: Utc
    filed: date
    parties: tuple[CurrentParty, ...]
    items: tuple[str, ...] = ()
    """8-K items as codes, where the summary lists them."""
    url: str


class CurrentCursor(Model):
    """Where reading stands: the next page of this round, and what the round before had reached."""

    start: Annotated[int, Field(ge=0, le=LAST_START)] = 0
    page_before: Annotated[tuple[str, ...], Field(max_length=PAGE_ENTRIES)] = ()
    """Accession numbers of the page before, to leave out those that were pushed onto this one."""
    reached: Utc | None = None
    """Acceptance of the newest filing of the round before; older ones end this round."""
    reached_accessions: Annotated[tuple[str, ...], Field(max_length=_KEPT_AT_MARK)] = ()
    newest: Utc | None = None
    newest_accessions: Annotated[tuple[str, ...], Field(max_length=_KEPT_AT_MARK)] = ()

    def encoded(self) -> str:
        """The cursor as text, at most 4,000 characters."""
        return self.model_dump_json(exclude_defaults=True)

    @classmethod
    def decoded(cls, text: str) -> CurrentCursor:
        """Read a cursor; an empty text is the beginning.

        Raises:
            InvalidInput: it is not one that `encoded` made.
        """
        try:
            return cls.model_validate_json(text) if text else cls()
        except ValidationError:
            raise InvalidInput("EDGAR_CURSOR_INVALID", "Clear the source's cursor", found=shown(text)) from None


class CurrentPage(Model):
    """What one page held. `incomplete` says that the limit was met before the round before was."""

    filings: tuple[CurrentFiling, ...] = ()
    rejects: tuple[Reject, ...] = ()
    cursor: CurrentCursor
    ended: bool
    incomplete: bool = False


def current_request(cursor: CurrentCursor, *, form: str = "", user_agent: str) -> HttpRequest:
    """Ask for the page that the cursor stands at; an empty form asks for all of them."""
    params = {
        "action": "getcurrent",
        "type": form,
        "owner": "include",
        "count": str(PAGE_ENTRIES),
        "start": str(cursor.start),
        "output": "atom",
    }
    return HttpRequest(url=_URL, params=params, headers={"User-Agent": user_agent})


def read_current(body: bytes, cursor: CurrentCursor) -> CurrentPage:
    """Read a page: its filings that neither the page before nor the round before had.

    Raises:
        SourceFormatError: it is no Atom feed, or carries a DTD or entities.
    """
    entries = list(_feed(body).iterfind(f"{_ATOM}entry"))
    filings, rejects = _filings(entries)
    reached = cursor.reached
    met = reached is not None and any(filing.accepted_at <= reached for filing in filings)
    fresh = [
        filing for filing in filings if filing.accession not in cursor.page_before and not _was_reached(filing, cursor)
    ]
    first_page = cursor.start == 0
    newest = max((filing.accepted_at for filing in filings), default=reached) if first_page else cursor.newest
    newest_accessions = cursor.newest_accessions
    if first_page:
        newest_accessions = tuple(filing.accession for filing in filings if filing.accepted_at == newest)
        newest_accessions = newest_accessions[:_KEPT_AT_MARK]
    last_page = cursor.start + PAGE_ENTRIES > LAST_START
    ended = met or last_page or len(entries) < PAGE_ENTRIES
    if ended:
        # An empty feed leaves the mark where it was, so that nothing is read twice after it.
        following = CurrentCursor(
            reached=newest or reached, reached_accessions=newest_accessions or cursor.reached_accessions
        )
    else:
        following = cursor.model_copy(
            update={
                "start": cursor.start + PAGE_ENTRIES,
                "page_before": tuple(filing.accession for filing in filings),
                "newest": newest,
                "newest_accessions": newest_accessions,
            }
        )
    return CurrentPage(
        filings=tuple(fresh),
        rejects=rejects,
        cursor=following,
        ended=ended,
        incomplete=ended and last_page and not met and len(entries) >= PAGE_ENTRIES,
    )


def _was_reached(filing: CurrentFiling, cursor: CurrentCursor) -> bool:
    if cursor.reached is None or filing.accepted_at > cursor.reached:
        return False
    return filing.accepted_at < cursor.reached or filing.accession in cursor.reached_accessions


def _feed(body: bytes) -> Element:
    if len(body) > MAXIMUM_BYTES:
        raise SourceFormatError("EDGAR_FEED_TOO_LARGE", found=len(body), limit=MAXIMUM_BYTES)
    try:
        root: Element = fromstring(body, forbid_dtd=True)
    except (ParseError, DefusedXmlException, ValueError, LookupError, RecursionError):
        raise SourceFormatError("EDGAR_FEED_UNUSABLE", "The feed is XML without a DTD") from None
    if root.tag != f"{_ATOM}feed":
        raise SourceFormatError("EDGAR_FEED_UNUSABLE", "Its root is an Atom feed", found=shown(root.tag))
    return root


def _filings(entries: list[Element]) -> tuple[list[CurrentFiling], tuple[Reject, ...]]:
    """One filing for each accession number, with all its parties on this page."""
    filings: dict[str, CurrentFiling] = {}
    rejects: list[Reject] = []
    for number, entry in enumerate(entries[:PAGE_ENTRIES], 1):
        try:
            filing = _filing(entry)
        except Refused as refused:
            rejects.append(reject("getcurrent.atom", number, refused, entry.findtext(f"{_ATOM}title") or ""))
            continue
        known = filings.get(filing.accession)
        parties = (*known.parties, *filing.parties) if known else filing.parties
        filings[filing.accession] = (known or filing).model_copy(update={"parties": parties})
    return list(filings.values()), tuple(rejects)


def _filing(entry: Element) -> CurrentFiling:
    title = parse_text(entry.findtext(f"{_ATOM}title"), "title", longest=1_000)
    named = _TITLE.fullmatch(title)
    if not named:
        detail = f"{shown(title)} found, allowed is a title such as 8-K - COMPANY (0000320193) (Filer)"
        raise Refused(RejectReason.MALFORMED_ROW, detail, "title")
    summary = (entry.findtext(f"{_ATOM}summary") or "")[:10_000]
    filed = _FILED.search(summary)
    category = entry.find(f"{_ATOM}category")
    link = entry.find(f"{_ATOM}link")
    url = link.get("href", "") if link is not None else ""
    if not url.startswith("https://www.sec.gov/Archives/edgar/data/") or len(url) > 500:
        detail = f"{shown(url)} found, allowed is an address in EDGAR's archive"
        raise Refused(RejectReason.MALFORMED_ROW, detail, "link")
    return CurrentFiling(
        form=parse_text(category.get("term") if category is not None else named[1], "category", longest=40),
        accession=parse_accession((entry.findtext(f"{_ATOM}id") or "").strip().removeprefix(_ID), "id"),
        accepted_at=_instant((entry.findtext(f"{_ATOM}updated") or "").strip()),
        filed=parse_day(filed[1] if filed else "", "summary: Filed"),
        parties=(CurrentParty(role=named[4].lower(), name=named[2].strip(), cik=parse_cik(named[3], "title: CIK")),),
        items=tuple(_ITEM.findall(summary)),
        url=url,
    )


def _instant(text: str) -> datetime:
    try:
        found = datetime.fromisoformat(text) if len(text) <= 35 else None
        if found is not None and found.tzinfo is not None and 1980 <= found.year <= 2199:
            return found.astimezone(UTC)
    except ValueError:
        pass
    detail = f"{shown(text)} found, allowed is a time with its zone, such as 2024-05-01T16:30:05-04:00"
    raise Refused(RejectReason.INVALID_DATE, detail, "updated")
