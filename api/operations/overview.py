"""The platform at a glance: trading state, account, open work, documents, the newest recommendations."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date, datetime
from decimal import Decimal
from typing import Any

from pydantic import BaseModel, Field

from api.numbers import Money, Shares
from api.remembered import Remembered
from domain.decisions import TradingState
from store import overview as store
from store.database import Database
from store.portfolio import NEW_YORK


class TradingView(BaseModel):
    state: TradingState
    reason: str
    since: datetime | None = Field(description="null: nobody ever changed it")
    changed_by: str


class AccountView(BaseModel):
    """The account as it was marked last; `as_of` says when."""

    as_of: datetime
    equity: Money
    cash: Money
    gross_exposure: Money
    realized_pnl: Money
    unrealized_pnl: Money
    drawdown_pct: str
    """Percent below the highest equity so far, never negative."""
    return_pct: str | None
    """Percent earned on the capital paid in: cash, plus what fills had cost by then, less dividends; null: unknown."""


class PositionRow(BaseModel):
    symbol: str
    quantity: Shares
    average_price: Money
    last_price: Money
    market_value: Money
    unrealized_pnl: Money


class RecommendationCounts(BaseModel):
    """How many symbols got which action at the newest instant that has recommendations."""

    as_of: datetime
    by_action: dict[str, int]


class Overview(BaseModel):
    mode: str
    trading: TradingView
    account: AccountView | None = Field(description="null: no session was closed yet")
    positions: list[PositionRow]
    open_orders: int
    """Intents under way: being judged, waiting for approval, or at the broker."""
    approvals_pending: int
    documents: dict[str, int]
    last_session: date | None
    recommendations: RecommendationCounts | None


MANY_DOCUMENTS = 10_000
"""From so many on their counts may be some seconds old."""


async def overview(database: Database, remembered: Remembered, *, mode: str) -> Overview:
    """Read what there is. Counts of documents walk through a whole table and are remembered."""
    found = await store.standing(database)
    marked = found.marked
    counts = await remembered.get(
        "documents",
        lambda: store.documents_by_status(database),
        is_large=lambda found: sum(found.values()) >= MANY_DOCUMENTS,
    )
    return Overview(
        mode=mode,
        trading=TradingView(
            state=found.state, reason=found.reason, since=found.changed_at, changed_by=found.changed_by
        ),
        account=_account(marked) if marked is not None else None,
        positions=[_position(row) for row in found.held],
        open_orders=found.open_orders,
        approvals_pending=found.approvals_pending,
        documents=counts,
        last_session=marked["as_of"].astimezone(NEW_YORK).date() if marked is not None else None,
        recommendations=RecommendationCounts(as_of=found.recommended_at, by_action=found.recommended)
        if found.recommended_at is not None
        else None,
    )


def _account(marked: Mapping[str, Any]) -> AccountView:
    equity, peak, paid_in = marked["equity"], marked["peak_equity"], marked["paid_in"]
    below = (1 - equity / peak) * 100 if peak > 0 else Decimal(0)
    return AccountView(
        as_of=marked["as_of"],
        equity=_cents(equity),
        cash=_cents(marked["cash"]),
        gross_exposure=_cents(marked["gross_exposure"]),
        realized_pnl=_cents(marked["realized_pnl"]),
        unrealized_pnl=_cents(marked["unrealized_pnl"]),
        drawdown_pct=f"{max(below, Decimal(0)):.4f}",
        return_pct=f"{(equity / paid_in - 1) * 100:+.4f}" if paid_in is not None and paid_in > 0 else None,
    )


def _position(held: store.Held) -> PositionRow:
    return PositionRow(
        **held._asdict(),
        market_value=_cents(held.quantity * held.last_price),
        unrealized_pnl=_cents((held.last_price - held.average_price) * held.quantity),
    )


def _cents(value: Decimal) -> Decimal:
    return value.quantize(Decimal("0.01"))
