"""Earnings reports of companies: dates that people enter, and reports that official documents show to be made.

A date that is entered, changed or removed is a new row, so that every day of the past is seen as it was known then.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, datetime, timedelta
from itertools import groupby
from typing import Any

from sqlalchemy import func
from sqlmodel import col, select
from sqlmodel.ext.asyncio.session import AsyncSession

from domain.documents import NEW_YORK, Credibility
from domain.entries import KnownReport, ReportTiming
from domain.errors import NotFound
from domain.extraction import EntityRole, EventType, ExtractorKind
from store import registry
from store.tables.ingestion import Document, EvidenceRow, ExtractionRow
from store.tables.market import EarningsDate
from store.tables.registry import Company

_INSTANT = timedelta(microseconds=1)


async def set_date(
    session: AsyncSession, company: Company, *, day: date, timing: ReportTiming, actor: str, now: datetime
) -> EarningsDate:
    """Note that a company, which was read `for_change`, will report on a day; the same again changes nothing."""
    before = await _last(session, company.symbol, day)
    if before is not None and not before.removed and before.timing == timing.value:
        return before
    return await _write(session, company.symbol, day, before, actor=actor, now=now, timing=timing.value)


async def remove_date(session: AsyncSession, company: Company, *, day: date, actor: str, now: datetime) -> EarningsDate:
    """Note that a company, which was read `for_change`, will not report on a day. Before, it stays known.

    Raises:
        NotFound: nobody has said that it would.
    """
    before = await _last(session, company.symbol, day)
    if before is None or before.removed:
        raise NotFound(
            "EARNINGS_DATE_NOT_FOUND",
            "`stonks companies earnings SYMBOL` lists the dates",
            symbol=company.symbol,
            date=day,
        )
    return await _write(session, company.symbol, day, before, actor=actor, now=now, timing=before.timing, removed=True)


async def list_dates(
    session: AsyncSession, *, symbol: str, as_of: datetime, limit: int, after: date | None = None
) -> list[EarningsDate]:
    """The dates of a company that held at an instant, the earliest first; `after` is the last of the page before."""
    newest = (
        select(col(EarningsDate.report_date), func.max(col(EarningsDate.number)))
        .where(EarningsDate.symbol == symbol, EarningsDate.available_at <= as_of)
        .group_by(col(EarningsDate.report_date))
        .subquery()
    )
    statement = (
        select(EarningsDate)
        .join(
            newest,
            (newest.c[0] == col(EarningsDate.report_date)) & (newest.c[1] == col(EarningsDate.number)),
        )
        .where(EarningsDate.symbol == symbol, ~col(EarningsDate.removed))
    )
    if after is not None:
        statement = statement.where(EarningsDate.report_date > after)
    return list(await session.exec(statement.order_by(col(EarningsDate.report_date)).limit(limit)))


async def version_of(session: AsyncSession, symbol: str, day: date) -> int:
    """How often a date was set, changed and removed; 0: never."""
    last = await _last(session, symbol, day)
    return last.number if last is not None else 0


async def known_reports(
    session: AsyncSession, *, until: datetime, symbols: Sequence[str] | None = None, only_rules: bool = False
) -> dict[str, list[KnownReport]]:
    """Everything that came to be known of reports up to an instant, by symbol, in the order of their days.

    Made is what an official document says of its subject's earnings: items 2.02 of a current report, a quarterly or an
    annual report. It was made when the document came out and is known since the first reading's evidence; that a
    document is corrected later does not undo the report.

    Args:
        symbols: of these companies; None: of all.
        only_rules: leave out what models read.
    """
    scheduled = select(EarningsDate).where(EarningsDate.available_at <= until)
    made = (
        select(EvidenceRow.symbol, Document.published_at, func.min(EvidenceRow.available_at))
        .join(Document, col(Document.doc_id) == col(EvidenceRow.doc_id))
        .join(ExtractionRow, col(ExtractionRow.extraction_id) == col(EvidenceRow.extraction_id))
        .where(
            EvidenceRow.event_type == EventType.EARNINGS.value,
            EvidenceRow.role == EntityRole.SUBJECT.value,
            Document.credibility == Credibility.OFFICIAL.value,
            EvidenceRow.available_at <= until,
            ~col(ExtractionRow.superseded),
        )
        .group_by(col(EvidenceRow.symbol), col(Document.published_at))
    )
    if symbols is not None:
        scheduled = scheduled.where(col(EarningsDate.symbol).in_(symbols))
        made = made.where(col(EvidenceRow.symbol).in_(symbols))
    if only_rules:
        made = made.where(ExtractionRow.extractor == ExtractorKind.RULES.value)
    found: dict[str, list[KnownReport]] = {}
    ordered = scheduled.order_by(col(EarningsDate.symbol), col(EarningsDate.report_date), col(EarningsDate.number))
    for (symbol, _), rows in groupby(await session.exec(ordered), key=lambda row: (row.symbol, row.report_date)):
        found.setdefault(symbol, []).extend(_spans(list(rows)))
    for symbol, published_at, available_at in await session.exec(made):
        day = (published_at - _INSTANT).astimezone(NEW_YORK).date()  # a day's end is the next day's beginning
        found.setdefault(symbol, []).append(KnownReport(day=day, made=True, since=available_at))
    return {
        symbol: sorted(reports, key=lambda one: (one.day, one.made, one.since))
        for symbol, reports in sorted(found.items())
    }


def _spans(rows: Sequence[EarningsDate]) -> list[KnownReport]:
    """From when to when one day was scheduled, of all its rows."""
    ends = [*(row.available_at for row in rows[1:]), None]
    return [
        KnownReport(day=row.report_date, made=False, since=row.available_at, until=end)
        for row, end in zip(rows, ends, strict=True)
        if not row.removed
    ]


async def _last(session: AsyncSession, symbol: str, day: date) -> EarningsDate | None:
    rows = await session.exec(
        select(EarningsDate)
        .where(EarningsDate.symbol == symbol, EarningsDate.report_date == day)
        .order_by(col(EarningsDate.number).desc())
        .limit(1)
    )
    return rows.first()


async def _write(
    session: AsyncSession,
    symbol: str,
    day: date,
    before: EarningsDate | None,
    *,
    actor: str,
    now: datetime,
    **values: Any,
) -> EarningsDate:
    row = EarningsDate(
        symbol=symbol,
        report_date=day,
        number=before.number + 1 if before is not None else 1,
        available_at=max(now, before.available_at) if before is not None else now,
        actor=actor,
        **values,
    )
    session.add(row)
    await session.flush()
    await registry.note(
        session,
        actor=actor,
        action="earnings_date_removed" if row.removed else "earnings_date_set",
        subject=symbol,
        row=row,
        before=before.model_dump(mode="json") if before is not None else None,
        now=now,
    )
    return row
