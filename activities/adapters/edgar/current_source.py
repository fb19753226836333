"""Filings of everybody as they come in: the feed of the latest ones, then the text of each that is wanted.

A round reads the feed's pages, the newest first, down to where the round before began, and then fetches what it found
there, the oldest first. While it reads, new filings push the others down, so that pages overlap; and a filing's parties
can stand on two pages, of which only the second may be wanted. What was taken is therefore remembered by itself.

The feed names when a filing was accepted, not when it became public: minutes later, and on the next business day's
morning where it was accepted after 17:30. A round therefore looks back further than to where the one before began, and
in the morning to the evening of the last day that had filings.
"""

from __future__ import annotations

import hashlib
from contextlib import suppress
from datetime import UTC, date, datetime, time, timedelta
from typing import Annotated

from pydantic import Field

from activities.adapters.contract import SourceAdapter
from activities.adapters.edgar import adapter
from activities.adapters.edgar.current_feed import (
    LAST_START,
    PAGE_ENTRIES,
    CurrentCursor,
    CurrentPage,
    current_request,
    read_current,
)
from activities.adapters.edgar.errors import require_answer
from activities.adapters.edgar.fields import Refused, reject, shown
from activities.adapters.edgar.full_submission import parse_full_submission
from domain.documents import NEW_YORK, Reject, RejectReason, SourceDocument
from domain.errors import InvalidInput, NotFound, SourceFormatError
from domain.fetching import HttpAnswer, HttpRequest, SourcePage
from domain.model import Model, Utc
from domain.sources import EdgarCurrentConfig

FULL = 400
"""Filings found that are fetched before more of the feed is read."""
MOST_TRIES = 3
"""How often a filing that the feed names is looked for, where the archive does not have it yet."""
_FIRST_ROUND = timedelta(days=1)
_LATE = timedelta(minutes=30)
"""Between acceptance and dissemination, at most, but for the night."""
_MOST_LATER = 200
_MOST_PENDING = FULL + PAGE_ENTRIES + _MOST_LATER
_MOST_TAKEN = 2_000
_DIGITS = 8
_SEC = "https://www.sec.gov"
_ARCHIVE = "/Archives/edgar/data/"
_RELEASE_BEGINS, _RELEASED = time(6, 0), time(6, 30)
_EVENING = time(17, 25)
_EARLIEST = datetime(1990, 1, 1, tzinfo=UTC)
_FEED = "getcurrent.atom"

Pending = Annotated[str, Field(pattern=r"^[0-9]{29}$")]
"""A filing to be fetched: a party's CIK, the accession number without dashes, how often it was not there."""


class _Cursor(Model):
    """Before and after a round only what was reached and taken, and what is to be tried again."""

    start: Annotated[int, Field(ge=0, le=LAST_START)] = 0
    """The feed's next page; 0: its first one."""
    until: Utc | None = None
    """Acceptance of the oldest filing that this round looks for."""
    newest: Utc | None = None
    """Acceptance of the newest filing of this round."""
    reached: Annotated[Utc, Field(ge=_EARLIEST)] | None = None
    """The same of the round before."""
    day_before: Annotated[date, Field(ge=_EARLIEST.date())] | None = None
    """The last day with filings before that of `reached`, in New York."""
    fetching: bool = False
    """The pending filings are fetched now, and no page of the feed is read."""
    pending: Annotated[tuple[Pending, ...], Field(max_length=_MOST_PENDING)] = ()
    """The newest first; fetched from the end."""
    later: Annotated[tuple[Pending, ...], Field(max_length=_MOST_LATER)] = ()
    """Those that were not there, for the end of the next round."""
    taken: Annotated[str, Field(pattern=r"^([0-9a-f]{8})*$", max_length=_DIGITS * _MOST_TAKEN)] = ""
    """Eight hexadecimal digits for each filing that was taken, the latest ones."""


def first(config: EdgarCurrentConfig, cursor: str, now: datetime) -> HttpRequest:
    """Ask for whatever the cursor stands at."""
    return _request(config, _decoded(cursor))


def judge(answer: HttpAnswer) -> None:
    """Raise what an answer stands for that holds nothing; that a filing is not there passes, and the next follows.

    Raises:
        VendorError: as `require_answer` says.
    """
    with suppress(NotFound):
        require_answer(answer)


def read(config: EdgarCurrentConfig, cursor: str, answer: HttpAnswer, now: datetime) -> SourcePage:
    """Read a page of the feed, or a filing that was found in it.

    Without companies in the configuration everybody's filings are wanted: whoever follows some of them names those.

    Raises:
        VendorError, NotFound: what the answer's status or page stands for.
        SourceFormatError: the feed is unusable. A filing that is unusable or gone is a reject, and the next follows.
    """
    at = _decoded(cursor)
    return _read_filing(config, at, answer, now) if at.fetching else _read_feed(config, at, answer, now)


def _read_feed(config: EdgarCurrentConfig, at: _Cursor, answer: HttpAnswer, now: datetime) -> SourcePage:
    require_answer(answer)
    begins = at.start == 0
    until = _until(at, now) if begins or at.until is None else at.until
    page = read_current(_with_own_links(config, answer.body), CurrentCursor(start=at.start, reached=until))
    newest = _newest(page, at.reached, now) if begins else at.newest
    found = _found(config, page, at.taken)
    pending = at.pending + found
    taken = (at.taken + "".join(_short(each) for each in found))[-_DIGITS * _MOST_TAKEN :]
    rejects = page.rejects
    if page.incomplete:
        detail = f"{LAST_START + PAGE_ENTRIES} entries without the one of {until} found: filings between were missed"
        rejects += (reject(_FEED, 0, Refused(RejectReason.MISSING_VALUE, detail, "entries")),)
    if page.ended:
        pending += at.later
        moved = _Cursor(
            reached=newest,
            day_before=_day_before(at, newest),
            fetching=bool(pending),
            pending=pending,
            taken=taken,
        )
    else:
        changes = {
            "start": at.start + PAGE_ENTRIES,
            "until": until,
            "newest": newest,
            "fetching": len(pending) >= FULL,
            "pending": pending,
            "taken": taken,
        }
        moved = at.model_copy(update=changes)
    return _page(config, moved, rejects=rejects)


def _read_filing(config: EdgarCurrentConfig, at: _Cursor, answer: HttpAnswer, now: datetime) -> SourcePage:
    cik, accession, tries = _parts(at.pending[-1])
    rest = at.pending[:-1]
    moved = at.model_copy(update={"pending": rest, "fetching": bool(rest)})
    try:
        require_answer(answer)
        document, rejects = _document(answer.body, cik, accession, now)
    except (NotFound, SourceFormatError) as error:
        if isinstance(error, NotFound) and tries + 1 < MOST_TRIES and len(at.later) < _MOST_LATER:
            again = f"{at.pending[-1][:-1]}{tries + 1}"
            return _page(config, moved.model_copy(update={"later": (*at.later, again)}))
        refused = Refused(RejectReason.MALFORMED_ROW, str(error), "submission")
        return _page(config, moved, rejects=(reject(f"{accession}.txt", 0, refused),))
    except Refused as refused:
        return _page(config, moved, rejects=(reject(f"{accession}.txt", 0, refused),))
    return _page(config, moved, (document,), rejects)


def _document(body: bytes, cik: str, accession: str, now: datetime) -> tuple[SourceDocument, tuple[Reject, ...]]:
    """The document of a filing, as the source of chosen companies' filings makes it, labelled by its company's key."""
    return adapter._document(parse_full_submission(body), adapter._Cursor(cik=cik), accession, now)


def _found(config: EdgarCurrentConfig, page: CurrentPage, taken: str) -> tuple[Pending, ...]:
    """The wanted filings of a page that were not taken before."""
    known = {taken[place : place + _DIGITS] for place in range(0, len(taken), _DIGITS)}
    found: list[Pending] = []
    for filing in page.filings:
        ciks = [party.cik for party in filing.parties if not config.ciks or party.cik in config.ciks]
        if filing.form in config.forms and ciks:
            each = f"{ciks[0]}{filing.accession.replace('-', '')}0"
            if _short(each) not in known:
                found.append(each)
    return tuple(found)


def _until(at: _Cursor, now: datetime) -> datetime:
    """How far back a round that begins looks."""
    if at.reached is None:
        return now - _FIRST_ROUND
    local = now.astimezone(NEW_YORK)
    is_morning = local.weekday() < 5 and local.time() >= _RELEASE_BEGINS
    if not is_morning or at.reached >= _at(local.date(), _RELEASED):
        return at.reached - _LATE
    day = _day(at.reached)
    if day >= local.date():
        day = at.day_before or local.date() - timedelta(days=1)
    return min(at.reached - _LATE, _at(day, _EVENING))


def _day_before(at: _Cursor, newest: datetime | None) -> date | None:
    if at.reached is None or newest is None or _day(newest) == _day(at.reached):
        return at.day_before
    return _day(at.reached)


def _day(instant: datetime) -> date:
    return instant.astimezone(NEW_YORK).date()


def _at(day: date, of_day: time) -> datetime:
    return datetime.combine(day, of_day, NEW_YORK).astimezone(UTC)


def _newest(page: CurrentPage, reached: datetime | None, now: datetime) -> datetime:
    """Acceptance of the newest filing, which can be neither ahead of the present nor behind what was reached."""
    newest = max((filing.accepted_at for filing in page.filings), default=reached or now - _FIRST_ROUND)
    return max(min(newest, now), reached or newest)


def _with_own_links(config: EdgarCurrentConfig, body: bytes) -> bytes:
    """A mirror's feed may link to the mirror or to the original; no link of it is followed."""
    if config.archive_url == _SEC:
        return body
    return body.replace(f'"{config.archive_url}{_ARCHIVE}'.encode(), f'"{_SEC}{_ARCHIVE}'.encode())


def _decoded(cursor: str) -> _Cursor:
    try:
        at = _Cursor.model_validate_json(cursor) if cursor else _Cursor()
    except ValueError:
        raise InvalidInput("EDGAR_CURSOR_INVALID", "Clear the source's cursor", found=shown(cursor)) from None
    # Only a cursor that is not ours can have pending filings and no round that they belong to.
    is_fetching = bool(at.pending) and (at.fetching or at.start == 0 or len(at.pending) >= FULL)
    return at.model_copy(update={"fetching": is_fetching})


def _request(config: EdgarCurrentConfig, at: _Cursor) -> HttpRequest:
    headers = {"User-Agent": config.user_agent}
    if at.fetching:
        cik, accession, _ = _parts(at.pending[-1])
        path = f"{_ARCHIVE}{int(cik)}/{accession.replace('-', '')}/{accession}.txt"
        return HttpRequest(url=config.archive_url + path, headers=headers)
    form = config.forms[0] if len(config.forms) == 1 else ""
    asked = current_request(CurrentCursor(start=at.start), form=form, user_agent=config.user_agent)
    return asked.model_copy(update={"url": asked.url.replace(_SEC, config.archive_url, 1)})


def _page(
    config: EdgarCurrentConfig,
    moved: _Cursor,
    documents: tuple[SourceDocument, ...] = (),
    rejects: tuple[Reject, ...] = (),
) -> SourcePage:
    following = _request(config, moved) if moved.fetching or moved.start else None
    return SourcePage(
        documents=documents, rejects=rejects, cursor=moved.model_dump_json(exclude_defaults=True), next=following
    )


def _parts(pending: Pending) -> tuple[str, str, int]:
    """A pending filing's CIK, its accession number with dashes, and how often it was not there."""
    digits = pending[10:28]
    return pending[:10], f"{digits[:10]}-{digits[10:12]}-{digits[12:]}", int(pending[28])


def _short(pending: Pending) -> str:
    """A filing's name in `taken`; of some thousand filings no two are likely to share it."""
    return hashlib.sha256(pending[10:28].encode()).hexdigest()[:_DIGITS]


CURRENT = SourceAdapter(first=first, judge=judge, read=read)
