"""`/v1/symbols/{symbol}`: everything about one symbol."""

from __future__ import annotations

from datetime import date
from typing import Annotated

from fastapi import Path, Query
from pydantic import AwareDatetime, Field, TypeAdapter, ValidationError

from api.auth import require
from api.dependencies import Provided
from api.errors import problems
from api.instants import Day, Instant
from api.keys import Scope
from api.keysets import key_of, keyed_page
from api.operations import symbols, timeline
from api.operations.signals import SignalView
from api.operations.symbols import Adjustment, BarView, SymbolExposure, SymbolSummary
from api.operations.timeline import EntryKind, Place, TimelineEntry
from api.paging import Page, PageQuery, decode, encode
from api.routes.signals import SymbolSignalQuery, signal_page
from api.routing import Router
from domain.errors import InvalidInput
from store import registry

BARS = "bars"
TIMELINE = "timeline"

router = Router(prefix="/v1/symbols/{symbol}", tags=["symbols"], dependencies=[require(Scope.READ)])

SymbolPath = Annotated[str, Path(pattern=r"^[A-Za-z0-9.\-]{1,20}$", description="today's symbol", examples=["AAPL"])]


class BarQuery(PageQuery):
    limit: Annotated[int, Field(ge=1, le=1_000)] = 250
    adjustment: Annotated[Adjustment, Field(description="raw: as traded; split: in shares of `as_of`'s day")] = (
        Adjustment.RAW
    )
    first: Annotated[Day | None, Field(alias="from", description="the first session", examples=["2014-07-14"])] = None
    last: Annotated[Day | None, Field(alias="to", description="the last session", examples=["2014-07-25"])] = None
    as_of: Annotated[Instant | None, Field(description="only what was known at this instant; by default now")] = None


class TimelineQuery(PageQuery):
    kind: Annotated[EntryKind | None, Field(description="only entries of this kind")] = None
    first: Annotated[Instant | None, Field(alias="from", description="at or after")] = None
    last: Annotated[Instant | None, Field(alias="to", description="at or before")] = None


@router.get("/summary", responses=problems(404, 422, 503))
async def read_summary(dependencies: Provided, symbol: SymbolPath) -> SymbolSummary:
    """Company, price, holding, the newest signal and recommendation."""
    return await symbols.summary(dependencies.database, symbol.upper())


@router.get("/bars", responses=problems(404, 422, 503))
async def list_bars(dependencies: Provided, symbol: SymbolPath, query: Annotated[BarQuery, Query()]) -> Page[BarView]:
    """Daily bars as the book knows them, the newest session first. With `as_of` as it knew them then."""
    rows = await symbols.bars(
        dependencies.database,
        symbol.upper(),
        limit=query.limit + 1,
        adjustment=query.adjustment,
        first=query.first,
        last=query.last,
        as_of=query.as_of,
        before=_session(query.cursor),
    )
    return keyed_page(BARS, rows, query.limit, key=lambda row: (row.session.isoformat(),), view=lambda row: row)


@router.get("/timeline", responses=problems(404, 422, 503))
async def read_timeline(
    dependencies: Provided, symbol: SymbolPath, query: Annotated[TimelineQuery, Query()]
) -> Page[TimelineEntry]:
    """Documents, events, recommendations, orders and fills in one list, the newest first."""
    await _require(dependencies, symbol)
    rows = await timeline.timeline(
        dependencies.database,
        symbol.upper(),
        limit=query.limit + 1,
        kind=query.kind,
        first=query.first,
        last=query.last,
        before=_place(query.cursor),
    )
    shown = rows[: query.limit]
    more = len(rows) > query.limit
    return Page(data=shown, has_more=more, next_cursor=_cursor(shown[-1]) if more else None)


@router.get("/signals", responses=problems(404, 422, 503))
async def list_symbol_signals(
    dependencies: Provided, symbol: SymbolPath, query: Annotated[SymbolSignalQuery, Query()]
) -> Page[SignalView]:
    """How the symbol was seen over time, newest first."""
    await _require(dependencies, symbol)
    return await signal_page(dependencies, query, symbol.upper())


@router.get("/exposure", responses=problems(404, 422, 503))
async def read_exposure(dependencies: Provided, symbol: SymbolPath) -> SymbolExposure:
    """What moves it: news on itself, the economy, and its competitors, each with its part of the newest score."""
    return await symbols.exposure(dependencies.database, symbol.upper())


async def _require(dependencies: Provided, symbol: str) -> None:
    async with dependencies.database.transaction() as session:
        await registry.require(session, symbol.upper())


def _session(cursor: str | None) -> date | None:
    key = key_of(BARS, cursor)
    if key is None:
        return None
    try:
        return date.fromisoformat(key[0])
    except ValueError:
        raise _invalid() from None


_PLACE: TypeAdapter[tuple[AwareDatetime, int, str]] = TypeAdapter(
    tuple[AwareDatetime, Annotated[int, Field(ge=0, lt=len(EntryKind))], str]
)


def _cursor(entry: TimelineEntry) -> str:
    at, kind, key = timeline.place_of(entry)
    return encode(TIMELINE, [at.isoformat(), kind, key])


def _place(cursor: str | None) -> Place | None:
    if cursor is None:
        return None
    try:
        return Place(*_PLACE.validate_python(decode(TIMELINE, cursor)))
    except ValidationError:
        raise _invalid() from None


def _invalid() -> InvalidInput:
    return InvalidInput("CURSOR_INVALID", "Pass `next_cursor` of the page before, unchanged and to the same list")
