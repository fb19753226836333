"""Filings of chosen companies as documents.

For each company in turn: its listing, then the full submission text of each filing that is new, oldest first. The
cursor alone says where that stands, so that a fetch that was interrupted resumes with the next filing.
"""

from __future__ import annotations

import re
from datetime import date, datetime, timedelta
from typing import Annotated

from pydantic import Field, ValidationError, field_validator

from activities.adapters.edgar.errors import require_answer
from activities.adapters.edgar.fields import Refused, parse_cik, reject, shown
from activities.adapters.edgar.full_submission import FullSubmission, parse_full_submission
from activities.adapters.edgar.html_text import document_text
from activities.adapters.edgar.ownership import OwnershipReport, parse_ownership
from activities.adapters.edgar.submissions import Filing, SubmissionsPage, parse_submissions
from domain.documents import Credibility, Reject, RejectReason, SourceDocument
from domain.errors import InvalidInput, NotFound, SourceFormatError
from domain.fetching import HttpAnswer, HttpRequest, SourcePage
from domain.model import Model

PUBLISHER = "SEC EDGAR"
MAXIMUM_CIKS = 10
PENDING = 30
"""Filings of one listing that are fetched before the listing is read again."""
PER_DAY = 30
"""Filings of one company and filing day that are taken; what is beyond is refused by name."""
_EMAIL = re.compile(r"(?:^|[\s(<])[^\s@()<>]{1,64}@[A-Za-z0-9-]{1,63}(?:\.[A-Za-z0-9-]{1,63}){1,8}(?:$|[\s)>])")
_DIGITS = r"^[0-9]{18}$"
_LISTING = "https://data.sec.gov/submissions/CIK{cik}.json"
_OWNERSHIP = frozenset({"3", "3/A", "4", "4/A", "5", "5/A"})
_PRIVATE_FORMS = ("UPLOAD", "CORRESP", "DRS")
_MAXIMUM_TICKERS = 5
_MAXIMUM_TITLE = 2_000

Accession = Annotated[str, Field(pattern=_DIGITS)]


class EdgarConfig(Model):
    """Which companies' filings are fetched, and who fetches them."""

    ciks: Annotated[tuple[str, ...], Field(min_length=1, max_length=MAXIMUM_CIKS)]
    """Central index keys, with or without leading zeros."""
    forms: Annotated[tuple[str, ...], Field(min_length=1, max_length=50)] = ("8-K", "10-Q", "10-K", "4")
    """Form types exactly as EDGAR writes them; an amendment is a form of its own: `10-K/A`."""
    user_agent: Annotated[str, Field(max_length=200)]
    """Who asks, with an e-mail address, as EDGAR demands: `Example Research ops@example.com`."""
    since: date
    """First filing day wanted."""
    credibility: Credibility = Credibility.OFFICIAL

    @field_validator("ciks")
    @classmethod
    def _are_ciks(cls, ciks: tuple[str, ...]) -> tuple[str, ...]:
        try:
            return tuple(dict.fromkeys(parse_cik(cik, "ciks") for cik in ciks))
        except Refused as refused:
            raise ValueError(refused.detail) from None

    @field_validator("forms")
    @classmethod
    def _are_public_at_once(cls, forms: tuple[str, ...]) -> tuple[str, ...]:
        for form in forms:
            if form.startswith(_PRIVATE_FORMS):
                raise ValueError(f"{form} is released weeks after its filing day, which its listing does not tell")
        return forms

    @field_validator("user_agent")
    @classmethod
    def _names_a_contact(cls, user_agent: str) -> str:
        if not _EMAIL.search(user_agent) or not user_agent.isprintable() or not user_agent.isascii():
            raise ValueError("a name and a contact e-mail are needed, such as: Example Research ops@example.com")
        return user_agent


class _Mark(Model):
    """How far a company's filings have been taken: the last filing day, and which of that day."""

    day: date
    taken: Annotated[str, Field(pattern=r"^([0-9a-f]{8})*$", max_length=8 * PER_DAY)] = ""
    """Eight hexadecimal digits for each filing of that day, short enough for a cursor."""


class _Cursor(Model):
    """Whose turn it is, which of their filings are still to be fetched, and the marks of all."""

    cik: str = ""
    """Empty before and after a round."""
    pending: Annotated[tuple[Accession, ...], Field(max_length=PENDING)] = ()
    again: bool = False
    """More filings than can be pending were new: the listing is read again after these."""
    tickers: Annotated[tuple[str, ...], Field(max_length=_MAXIMUM_TICKERS)] = ()
    marks: Annotated[dict[str, _Mark], Field(max_length=MAXIMUM_CIKS)] = Field(default_factory=dict)


def first(config: EdgarConfig, cursor: str) -> HttpRequest:
    """Ask for whatever the cursor stands at; an empty cursor is the beginning."""
    return _request(config, _decoded(config, cursor))


def read(config: EdgarConfig, cursor: str, answer: HttpAnswer, now: datetime) -> SourcePage:
    """Read the answer to what the cursor stood at.

    Raises:
        VendorError, NotFound: what the answer's status or page stands for.
        SourceFormatError: a listing is unusable. A filing that is unusable or gone is a reject, and the next follows.
    """
    at = _decoded(config, cursor)
    if not at.pending:
        require_answer(answer)
        if answer.status == 304:
            return _page(config, _next_company(config, at))
        return _read_listing(config, at, answer)
    accession = _dashed(at.pending[0])
    rest = at.model_copy(update={"pending": at.pending[1:]})
    following = rest if rest.pending or rest.again else _next_company(config, rest)
    if not rest.pending and rest.again:
        following = rest.model_copy(update={"again": False})
    try:
        require_answer(answer)
        document, rejects = _document(parse_full_submission(answer.body), at, accession, now)
    except (NotFound, SourceFormatError) as error:
        refused = Refused(RejectReason.MALFORMED_ROW, str(error), "submission")
        return _page(config, following, rejects=(reject(f"{accession}.txt", 0, refused),))
    except Refused as refused:
        return _page(config, following, rejects=(reject(f"{accession}.txt", 0, refused),))
    return _page(config, following, (document,), rejects)


def _read_listing(config: EdgarConfig, at: _Cursor, answer: HttpAnswer) -> SourcePage:
    cik = at.cik or config.ciks[0]
    listing = parse_submissions(answer.body)
    if listing.cik != cik:
        raise SourceFormatError("EDGAR_LISTING_UNUSABLE", "It is another company's", found=listing.cik, asked=cik)
    mark = at.marks.get(cik) or _Mark(day=config.since)
    wanted, refused = _new_filings(config, listing, mark)
    chosen = wanted[:PENDING]
    for filing in chosen:
        taken = mark.taken if filing.filed == mark.day else ""
        mark = _Mark(day=filing.filed, taken=taken + _short(filing.accession))
    rejects = listing.rejects + refused
    following = at.model_copy(
        update={
            "cik": cik,
            "pending": tuple(filing.accession.replace("-", "") for filing in chosen),
            "again": len(wanted) > len(chosen),
            "tickers": tuple(ticker for ticker in listing.tickers if len(ticker) <= 10)[:_MAXIMUM_TICKERS],
            "marks": {**at.marks, cik: mark},
        }
    )
    return _page(config, following if chosen else _next_company(config, following), rejects=rejects)


def _new_filings(config: EdgarConfig, listing: SubmissionsPage, mark: _Mark) -> tuple[list[Filing], tuple[Reject, ...]]:
    """Filings after the mark, oldest first, and a reject for each that its day has no room for."""
    taken = {mark.taken[at : at + 8] for at in range(0, len(mark.taken), 8)}
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
    text, rejects = _text(submission)
    if not text.strip():
        raise Refused(RejectReason.EMPTY_DOCUMENT, "a main document without text found, needed is a text", "text")
    # The company that was asked for is named first, whoever else the filing concerns.
    names = dict.fromkeys(party.name for party in sorted(submission.parties, key=lambda party: party.cik != at.cik))
    title = f"{submission.form} {', '.join(names)}" + (f": {'; '.join(submission.items)}" if submission.items else "")
    url = f"https://www.sec.gov/Archives/edgar/data/{int(at.cik)}/{accession.replace('-', '')}/{accession}-index.htm"
    return SourceDocument(
        title=title[:_MAXIMUM_TITLE],
        text=text,
        published_at=published_at,
        precision=precision,
        tickers=at.tickers,
        url=url,
        publisher=PUBLISHER,
        location=f"{accession}.txt",
    ), rejects


def _text(submission: FullSubmission) -> tuple[str, tuple[Reject, ...]]:
    main = submission.main_document()
    if submission.form in _OWNERSHIP and main.body.lstrip().startswith("<?xml"):
        report = parse_ownership(main.body.encode(), f"{submission.accession}.txt")
        return _report_text(report), report.rejects
    return document_text(main.body), ()


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
        amount = f"{held.shares:f}" if held.shares is not None else f"a value of {held.value}"
        lines.append(f"Holds {amount} {held.security}" + ("" if held.direct else f", indirectly: {held.nature}"))
    if report.no_securities_owned:
        lines.append("No securities are owned")
    if report.remarks:
        lines.append(report.remarks)
    return "\n".join(lines)


def _request(config: EdgarConfig, at: _Cursor) -> HttpRequest:
    headers = {"User-Agent": config.user_agent}
    cik = at.cik or config.ciks[0]
    if not at.pending:
        return HttpRequest(url=_LISTING.format(cik=cik), headers=headers)
    accession = at.pending[0]
    url = f"https://www.sec.gov/Archives/edgar/data/{int(cik)}/{accession}/{_dashed(accession)}.txt"
    return HttpRequest(url=url, headers=headers)


def _page(
    config: EdgarConfig,
    at: _Cursor,
    documents: tuple[SourceDocument, ...] = (),
    rejects: tuple[Reject, ...] = (),
) -> SourcePage:
    following = _request(config, at) if at.cik else None
    return SourcePage(
        documents=documents, rejects=rejects, cursor=at.model_dump_json(exclude_defaults=True), next=following
    )


def _next_company(config: EdgarConfig, at: _Cursor) -> _Cursor:
    """The cursor at the next company's listing, or at rest after the last one."""
    here = config.ciks.index(at.cik or config.ciks[0])
    cik = config.ciks[here + 1] if here + 1 < len(config.ciks) else ""
    return _Cursor(cik=cik, marks={known: mark for known, mark in at.marks.items() if known in config.ciks})


def _decoded(config: EdgarConfig, cursor: str) -> _Cursor:
    try:
        found = _Cursor.model_validate_json(cursor) if cursor else _Cursor()
    except ValidationError:
        raise InvalidInput("EDGAR_CURSOR_INVALID", "Clear the source's cursor", found=shown(cursor)) from None
    if found.cik in ("", *config.ciks):
        return found
    # The company was taken out of the configuration meanwhile: the round begins anew, the marks stay.
    return _Cursor(marks={cik: mark for cik, mark in found.marks.items() if cik in config.ciks})


def _dashed(digits: str) -> str:
    return f"{digits[:10]}-{digits[10:12]}-{digits[12:]}"


def _short(accession: str) -> str:
    """Eight hexadecimal digits: of one day's filings of one company no two are likely to share them."""
    digits = int(accession.replace("-", ""))
    return f"{(digits ^ (digits >> 32)) & 0xFFFFFFFF:08x}"
