"""Filings of chosen companies as documents.

For each company in turn: its listing, the pages of older filings that reach into the wanted days, then the full
submission text of each filing that is new, oldest first. The cursor alone says where that stands, so that a fetch that
was interrupted resumes with the next filing. A filing that is not there yet is asked for again in later fetches.
"""

from __future__ import annotations

import base64
from contextlib import suppress
from datetime import date, datetime, timedelta
from typing import Annotated

from pydantic import Field, ValidationError

from activities.adapters.contract import SourceAdapter
from activities.adapters.edgar.errors import require_answer
from activities.adapters.edgar.fields import Refused, reject, shown
from activities.adapters.edgar.filing_text import read_filing
from activities.adapters.edgar.full_submission import FullSubmission, parse_full_submission
from activities.adapters.edgar.submissions import (
    Filing,
    OlderPage,
    SubmissionsPage,
    parse_older_page,
    parse_submissions,
)
from domain.documents import Reject, RejectReason, Section, SourceDocument
from domain.errors import InvalidInput, NotFound, SourceFormatError
from domain.fetching import HttpAnswer, HttpRequest, SourcePage
from domain.model import Model
from domain.sources import MAXIMUM_CIKS, EdgarFilingsConfig

PUBLISHER = "SEC EDGAR"
PENDING = 30
"""Filings of one listing that are fetched before the listing is read again."""
PER_DAY = 30
"""Filings of one company and filing day that are taken; what is beyond is refused by name."""
TRIES = 3
"""Fetches that ask for a filing which the listing names and the archive does not have."""
MISSING = 20
"""Such filings of all companies that are kept for later; what is beyond is refused by name at once."""
OLDER_PAGES = 30
"""Pages of older filings that are read for one company; each holds some thousand filings."""
_SHORT = 6
_MAXIMUM_TICKERS = 5

Accession = Annotated[str, Field(pattern=r"^[0-9]{18}$")]
Missing = Annotated[str, Field(pattern=r"^[0-9]{18}[1-9]$")]
"""An accession number without dashes, and how often it was asked for in vain."""
PageNumber = Annotated[str, Field(pattern=r"^[0-9]{1,6}$")]


class _Mark(Model):
    """How far a company's filings have been taken: the last filing day, which of that day, and which were missing."""

    day: date
    taken: Annotated[str, Field(pattern=r"^([0-9A-Za-z_-]{6})*$", max_length=_SHORT * PER_DAY)] = ""
    """Six characters for each filing of that day, short enough for a cursor."""
    missing: Annotated[tuple[Missing, ...], Field(max_length=MISSING)] = ()


class _Cursor(Model):
    """Whose turn it is, which of their filings are still to be fetched, and the marks of all."""

    cik: str = ""
    """Empty before and after a round."""
    pages: Annotated[tuple[PageNumber, ...], Field(max_length=OLDER_PAGES)] = ()
    """The company's pages of older filings that are still to be read, the oldest first."""
    paged: bool = False
    """They have been read in this turn."""
    tried: bool = False
    """The listing has been read in this turn, and its missing filings asked for."""
    pending: Annotated[tuple[Accession, ...], Field(max_length=PENDING)] = ()
    again: bool = False
    """More filings than can be pending were new: the listing or page is read again after these."""
    tickers: Annotated[tuple[str, ...], Field(max_length=_MAXIMUM_TICKERS)] = ()
    marks: Annotated[dict[str, _Mark], Field(max_length=MAXIMUM_CIKS)] = Field(default_factory=dict)

    def mark(self, config: EdgarFilingsConfig) -> _Mark:
        """The mark of the company whose turn it is."""
        return self.marks.get(self.cik) or _Mark(day=config.since)

    def marked(self, mark: _Mark) -> _Cursor:
        """The cursor with that company's mark moved."""
        return self.model_copy(update={"marks": {**self.marks, self.cik: mark}})


def first(config: EdgarFilingsConfig, cursor: str, now: datetime) -> HttpRequest:
    """Ask for whatever the cursor stands at; an empty cursor is the beginning."""
    return _request(config, _decoded(config, cursor))


def judge(answer: HttpAnswer) -> None:
    """Raise what an answer stands for that holds nothing; that a filing is not there passes, and the next follows.

    Raises:
        VendorError: as `require_answer` says.
    """
    with suppress(NotFound):
        require_answer(answer)


def read(config: EdgarFilingsConfig, cursor: str, answer: HttpAnswer, now: datetime) -> SourcePage:
    """Read the answer to what the cursor stood at.

    Raises:
        VendorError, NotFound: what the answer's status or page stands for.
        SourceFormatError: a listing is unusable. A filing that is unusable or gone is a reject, and the next follows.
    """
    at = _decoded(config, cursor)
    at = at.model_copy(update={"cik": at.cik or config.ciks[0]})
    if at.pending:
        return _read_submission(config, at, answer, now)
    if at.pages:
        return _read_older_page(config, at, answer)
    require_answer(answer)
    if answer.status == 304:
        return _page(config, _next_company(config, at))
    return _read_listing(config, at, answer)


def _read_listing(config: EdgarFilingsConfig, at: _Cursor, answer: HttpAnswer) -> SourcePage:
    listing = parse_submissions(answer.body)
    if listing.cik != at.cik:
        raise SourceFormatError("EDGAR_LISTING_UNUSABLE", "It is another company's", found=listing.cik, asked=at.cik)
    tickers = tuple(ticker for ticker in listing.tickers if len(ticker) <= 10)[:_MAXIMUM_TICKERS]
    at = at.model_copy(update={"tickers": tickers})
    mark = at.mark(config)
    older = [page for page in listing.older_pages if page.last >= mark.day]
    if older and not at.paged:
        numbers = tuple(page.number() for page in older[-OLDER_PAGES:])
        return _page(config, at.model_copy(update={"pages": numbers}), rejects=_too_old(listing, older[:-OLDER_PAGES]))
    missing = () if at.tried else tuple(entry[:-1] for entry in mark.missing)
    chosen, rest, refused = _chosen(config, listing, mark, PENDING - len(missing))
    mark = _advanced(mark, chosen)
    if not rest:
        mark = _past_older_pages(mark, listing)
    moved = at.marked(mark).model_copy(
        update={"pending": missing + tuple(map(_digits, chosen)), "again": rest, "paged": True, "tried": True}
    )
    return _page(config, moved if moved.pending else _next_company(config, moved), rejects=listing.rejects + refused)


def _read_older_page(config: EdgarFilingsConfig, at: _Cursor, answer: HttpAnswer) -> SourcePage:
    left = {"pages": at.pages[1:], "paged": len(at.pages) == 1}
    try:
        require_answer(answer)
    except NotFound as error:
        name = f"CIK{at.cik}-submissions-{at.pages[0]}.json"
        refused = Refused(RejectReason.MISSING_VALUE, str(error), "files")
        return _page(config, at.model_copy(update=left), rejects=(reject(name, 0, refused),))
    page = parse_older_page(answer.body, cik=at.cik, company="")
    chosen, rest, refusals = _chosen(config, page, at.mark(config), PENDING)
    moved = at.marked(_advanced(at.mark(config), chosen)).model_copy(
        update={"pending": tuple(map(_digits, chosen)), "again": rest, **({} if rest else left)}
    )
    return _page(config, moved, rejects=page.rejects + refusals)


def _read_submission(config: EdgarFilingsConfig, at: _Cursor, answer: HttpAnswer, now: datetime) -> SourcePage:
    accession = _dashed(at.pending[0])
    mark = at.mark(config)
    before = next((entry for entry in mark.missing if entry[:-1] == at.pending[0]), "")
    others = tuple(entry for entry in mark.missing if entry != before)
    moved = at.marked(mark.model_copy(update={"missing": others}) if before else mark)
    moved = moved.model_copy(update={"pending": at.pending[1:]})
    following = _after_submission(config, moved)
    try:
        require_answer(answer)
        document, rejects = _document(parse_full_submission(answer.body), at, accession, now)
    except NotFound as error:
        tries = int(before[-1]) + 1 if before else 1
        room = sum(len(each.missing) for each in moved.marks.values()) < MISSING
        if tries < TRIES and room:
            missing = mark.model_copy(update={"missing": (*others, f"{at.pending[0]}{tries}")})
            return _page(config, following.model_copy(update={"marks": {**following.marks, at.cik: missing}}))
        refused = Refused(RejectReason.MALFORMED_ROW, f"{error} (asked for {tries} times)", "submission")
    except SourceFormatError as error:
        refused = Refused(RejectReason.MALFORMED_ROW, str(error), "submission")
    except Refused as found:
        refused = found
    else:
        return _page(config, following, (document,), rejects)
    return _page(config, following, rejects=(reject(f"{accession}.txt", 0, refused),))


def _after_submission(config: EdgarFilingsConfig, at: _Cursor) -> _Cursor:
    """The cursor at the next filing, at the listing or page these were of, at the next page, or at the next company."""
    if at.pending:
        return at
    if at.again:
        return at.model_copy(update={"again": False})
    return at if at.pages or not at.tried else _next_company(config, at)


def _chosen(
    config: EdgarFilingsConfig, listing: SubmissionsPage, mark: _Mark, room: int
) -> tuple[list[Filing], bool, tuple[Reject, ...]]:
    """Filings after the mark, oldest first, as many as there is room for; whether there are more; and rejects."""
    wanted, refused = _new_filings(config, listing, mark)
    return wanted[:room], len(wanted) > room, refused


def _new_filings(
    config: EdgarFilingsConfig, listing: SubmissionsPage, mark: _Mark
) -> tuple[list[Filing], tuple[Reject, ...]]:
    """Filings after the mark, oldest first, and a reject for each that its day has no room for."""
    taken = {mark.taken[at : at + _SHORT] for at in range(0, len(mark.taken), _SHORT)}
    counts = {mark.day: len(taken)}
    wanted: list[Filing] = []
    rejects: list[Reject] = []
    seen: set[str] = set()
    for filing in sorted(listing.filings, key=lambda filing: (filing.filed, filing.accession)):
        if filing.filed < mark.day or filing.form not in config.forms or filing.accession in seen:
            continue
        seen.add(filing.accession)
        if filing.filed == mark.day and _short(filing.accession) in taken:
            continue
        counts[filing.filed] = counts.get(filing.filed, 0) + 1
        if counts[filing.filed] > PER_DAY:
            detail = f"more than {PER_DAY} filings on {filing.filed} found, allowed are {PER_DAY}; choose fewer forms"
            refused = Refused(RejectReason.MALFORMED_ROW, detail, "filingDate")
            rejects.append(reject(f"CIK{listing.cik}.json", 0, refused, filing.accession))
            continue
        wanted.append(filing)
    return wanted, tuple(rejects)


def _advanced(mark: _Mark, chosen: list[Filing]) -> _Mark:
    day, taken = mark.day, mark.taken
    for filing in chosen:
        taken = (taken if filing.filed == day else "") + _short(filing.accession)
        day = filing.filed
    return mark.model_copy(update={"day": day, "taken": taken})


def _past_older_pages(mark: _Mark, listing: SubmissionsPage) -> _Mark:
    """The mark behind all older pages once everything is taken, so that the next round does not read them again."""
    last = max((page.last for page in listing.older_pages), default=None)
    if last is None or mark.day > last:
        return mark
    behind = min((filing.filed for filing in listing.filings if filing.filed > last), default=None)
    return mark if behind is None else mark.model_copy(update={"day": behind, "taken": ""})


def _too_old(listing: SubmissionsPage, pages: list[OlderPage]) -> tuple[Reject, ...]:
    refused = Refused(
        RejectReason.MALFORMED_ROW,
        f"more than {OLDER_PAGES} pages of older filings found, allowed are {OLDER_PAGES}; choose a later first day",
        "files",
    )
    return tuple(
        reject(f"CIK{listing.cik}.json", 0, refused, f"{page.name} {page.first}..{page.last}") for page in pages
    )


def _document(
    submission: FullSubmission, at: _Cursor, accession: str, now: datetime
) -> tuple[SourceDocument, tuple[Reject, ...]]:
    if submission.accession != accession:
        detail = f"{shown(submission.accession)} found, asked was {accession}"
        raise Refused(RejectReason.MALFORMED_ROW, detail, "accession number")
    published_at, precision = submission.published()
    # A day's end can be ahead of a filing that has been fetched on that day already.
    if published_at > now + timedelta(days=1):
        detail = f"{published_at.isoformat()} found, allowed are times up to now"
        raise Refused(RejectReason.DATE_IN_FUTURE, detail, "acceptance time")
    found = read_filing(submission, cik=at.cik)
    if not found.text.strip():
        raise Refused(RejectReason.EMPTY_DOCUMENT, "a main document without text found, needed is a text", "text")
    url = f"https://www.sec.gov/Archives/edgar/data/{int(at.cik)}/{accession.replace('-', '')}/{accession}-index.htm"
    return SourceDocument(
        title=found.title,
        text=found.text,
        sections=tuple(Section(heading=part.heading, start=part.start, end=part.end) for part in found.sections),
        published_at=published_at,
        precision=precision,
        tickers=(f"CIK{at.cik}", *at.tickers),  # the key stays a company's own when its ticker changes
        url=url,
        publisher=PUBLISHER,
        location=f"{accession}.txt",
    ), found.rejects


def _request(config: EdgarFilingsConfig, at: _Cursor) -> HttpRequest:
    headers = {"User-Agent": config.user_agent}
    cik = at.cik or config.ciks[0]
    if at.pending:
        accession = at.pending[0]
        path = f"/Archives/edgar/data/{int(cik)}/{accession}/{_dashed(accession)}.txt"
        return HttpRequest(url=config.archive_url + path, headers=headers)
    page = f"-submissions-{at.pages[0]}" if at.pages else ""
    return HttpRequest(url=f"{config.data_url}/submissions/CIK{cik}{page}.json", headers=headers)


def _page(
    config: EdgarFilingsConfig,
    at: _Cursor,
    documents: tuple[SourceDocument, ...] = (),
    rejects: tuple[Reject, ...] = (),
) -> SourcePage:
    following = _request(config, at) if at.cik else None
    return SourcePage(
        documents=documents, rejects=rejects, cursor=at.model_dump_json(exclude_defaults=True), next=following
    )


def _next_company(config: EdgarFilingsConfig, at: _Cursor) -> _Cursor:
    """The cursor at the next company's listing, or at rest after the last one."""
    here = config.ciks.index(at.cik or config.ciks[0])
    cik = config.ciks[here + 1] if here + 1 < len(config.ciks) else ""
    return _Cursor(cik=cik, marks={known: mark for known, mark in at.marks.items() if known in config.ciks})


def _decoded(config: EdgarFilingsConfig, cursor: str) -> _Cursor:
    try:
        found = _Cursor.model_validate_json(cursor) if cursor else _Cursor()
    except ValidationError:
        raise InvalidInput("EDGAR_CURSOR_INVALID", "Clear the source's cursor", found=shown(cursor)) from None
    if found.cik in ("", *config.ciks):
        return found
    # The company was taken out of the configuration meanwhile: the round begins anew, the marks stay.
    return _Cursor(marks={cik: mark for cik, mark in found.marks.items() if cik in config.ciks})


def _digits(filing: Filing) -> str:
    return filing.accession.replace("-", "")


def _dashed(digits: str) -> str:
    return f"{digits[:10]}-{digits[10:12]}-{digits[12:]}"


def _short(accession: str) -> str:
    """Six characters: of one day's filings of one company no two are likely to share them."""
    digits = int(accession.replace("-", ""))
    mixed = (digits ^ (digits >> 32)) & 0xFFFFFFFF
    return base64.urlsafe_b64encode(mixed.to_bytes(4, "big")).decode()[:_SHORT]


FILINGS = SourceAdapter(first=first, judge=judge, read=read)
