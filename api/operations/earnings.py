"""Earnings dates: when companies will report, as people say. Each change is audited, and the past stays readable."""

from __future__ import annotations

from datetime import UTC, date, datetime

from pydantic import BaseModel, ConfigDict, Field

from api.operations.companies import Check
from domain.entries import ReportTiming
from domain.errors import InvalidInput
from store import earnings, registry
from store.database import Database
from store.tables.market import EarningsDate

FIRST_YEAR = 1990
YEARS_AHEAD = 2
"""As far as the exchange's calendar goes."""


class NewEarningsDate(BaseModel):
    """What is known of a report besides its day."""

    model_config = ConfigDict(extra="forbid")

    timing: ReportTiming = Field(
        default=ReportTiming.UNKNOWN, description="bmo: before the open, amc: after the close of its day"
    )


class EarningsDateView(BaseModel):
    symbol: str
    date: date
    timing: ReportTiming
    known_at: datetime = Field(description="decisions about earlier instants do not see it")
    actor: str
    version: int = Field(description="one more with every change of this date, removals included")


async def list_dates(
    database: Database, symbol: str, *, limit: int, as_of: datetime | None = None, after: date | None = None
) -> list[EarningsDateView]:
    """Dates that hold, or held at an instant, the earliest first. Raises NotFound."""
    async with database.transaction() as session:
        await registry.require(session, symbol)
        rows = await earnings.list_dates(
            session, symbol=symbol, as_of=as_of or datetime.now(UTC), limit=limit, after=after
        )
    return [_view(row) for row in rows]


async def set_date(
    database: Database,
    symbol: str,
    day: date,
    wanted: NewEarningsDate,
    *,
    actor: str,
    check: Check | None = None,
) -> EarningsDateView:
    """Note that a company will report on a day. Raises NotFound, InvalidInput."""
    now = datetime.now(UTC)
    if not FIRST_YEAR <= day.year <= now.year + YEARS_AHEAD:
        raise InvalidInput(
            "EARNINGS_DATE_INVALID",
            f"Give a day of the years {FIRST_YEAR} to {now.year + YEARS_AHEAD}",
            field="date",
            found=day,
        )
    async with database.transaction() as session:
        company = await registry.require(session, symbol, for_change=True)
        if check is not None:
            check(await earnings.version_of(session, symbol, day))
        row = await earnings.set_date(session, company, day=day, timing=wanted.timing, actor=actor, now=now)
        return _view(row)


async def remove_date(database: Database, symbol: str, day: date, *, actor: str, check: Check | None = None) -> None:
    """Note that a company will not report on a day; until now it stays known. Raises NotFound."""
    async with database.transaction() as session:
        company = await registry.require(session, symbol, for_change=True)
        if check is not None:
            check(await earnings.version_of(session, symbol, day))
        await earnings.remove_date(session, company, day=day, actor=actor, now=datetime.now(UTC))


def _view(row: EarningsDate) -> EarningsDateView:
    return EarningsDateView(
        symbol=row.symbol,
        date=row.report_date,
        timing=ReportTiming(row.timing),
        known_at=row.available_at,
        actor=row.actor,
        version=row.number,
    )
