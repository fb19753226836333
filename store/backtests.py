"""Backtests: what they read of the book, and what is kept of them."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, timedelta

from sqlmodel import col, select
from sqlmodel.ext.asyncio.session import AsyncSession

from domain.backtest_data import BacktestData, KnownBar, series_of
from domain.decisions import EvidenceItem
from domain.errors import InvalidInput
from domain.extraction import ExtractorKind
from domain.market import CorporateAction, Session
from store import competitors, documents, economy, exposures
from store.market import bar_of
from store.tables.market import BarRow, CorporateActionRow

WARM_UP = timedelta(days=150)
"""Bars from before the first session: sixty returns and twenty-day volumes need about a hundred sessions."""


async def load(
    session: AsyncSession,
    *,
    sessions: Sequence[Session],
    session_dates: Sequence[date],
    lookback_days: int,
    only_rules: bool = False,
) -> BacktestData:
    """Read all that the book came to know up to the last close of a period, and as far back as decisions look.

    Args:
        session_dates: of the exchange, from before the period's first look-back to some days after its end.
        only_rules: leave out what models read.

    Raises:
        InvalidInput: there are no bars in the period.
    """
    first, last = sessions[0], sessions[-1]
    after = first.opens_at - timedelta(days=lookback_days + 1)
    until = last.closes_at
    evidence = await documents.evidence_between(session, after=after, until=until)
    statements = await economy.items_between(session, after=after, until=until)
    if only_rules:
        evidence = {symbol: _by_rules(items) for symbol, items in evidence.items()}
        statements = [item for item in statements if item.extractor is ExtractorKind.RULES]
    rows = await session.exec(
        select(BarRow)
        .where(BarRow.session >= first.date - WARM_UP, BarRow.session <= last.date)
        .order_by(col(BarRow.symbol), col(BarRow.session))
    )
    bars = [KnownBar(bar_of(row), row.available_at) for row in rows]
    if not any(known.bar.session >= first.date for known in bars):
        raise InvalidInput(
            "NO_BARS_IN_PERIOD",
            "Backfill bars of the period first: `stonks sources` and `stonks backfill` show how",
            first=first.date,
            last=last.date,
        )
    actions = [
        CorporateAction(
            symbol=row.symbol, ex_date=row.ex_date, cash_dividend=row.cash_dividend, split_ratio=row.split_ratio
        )
        for row in await session.exec(
            select(CorporateActionRow)
            .where(CorporateActionRow.ex_date >= first.date - WARM_UP, CorporateActionRow.ex_date <= last.date)
            .order_by(col(CorporateActionRow.ex_date), col(CorporateActionRow.symbol))
        )
    ]
    by_day: dict[date, list[CorporateAction]] = {}
    for action in actions:
        by_day.setdefault(action.ex_date, []).append(action)
    return BacktestData(
        sessions=tuple(sessions),
        session_dates=tuple(session_dates),
        evidence=evidence,
        bars=series_of(bars, actions),
        actions=by_day,
        taken_back=await documents.takings_back(session, until=until),
        economy=statements,
        exposures=await exposures.histories(session, until=until),
        links=await competitors.in_force(session),
    )


def _by_rules(items: Sequence[EvidenceItem]) -> list[EvidenceItem]:
    return [item for item in items if item.extractor is ExtractorKind.RULES]
