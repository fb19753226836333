"""What risk would say to an order, and what it said to those that were planned."""

from __future__ import annotations

import math
from datetime import UTC, datetime
from decimal import Decimal
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

from activities.entering import earnings_around
from activities.ports import Calendar
from api.numbers import Money, Shares
from domain.decisions import RiskCheck, RiskOutcome, Side, SizedIntent, TradingState
from domain.errors import InvalidInput
from domain.ids import digest
from domain.portfolio import as_decimal, product
from domain.protection import entry_size
from domain.risk import decide_risk
from domain.surroundings import SeenMarket, everything
from store import cash_ledger, config, control, market, orders, portfolio, protection, registry
from store.database import Database

VOLUME_SESSIONS = 20


class EvaluationRequest(BaseModel):
    """An order to think about."""

    model_config = ConfigDict(extra="forbid")

    symbol: Annotated[str, Field(pattern=r"^[A-Z0-9.\-]{1,20}$", examples=["MSFT"])]
    side: Side
    quantity: Annotated[Decimal, Field(gt=0, decimal_places=9, max_digits=20, examples=["10"])]
    price: Annotated[
        Decimal | None, Field(gt=0, decimal_places=6, max_digits=20, description="dollars; null: the last close")
    ] = None
    conviction: Annotated[float, Field(ge=0, le=1, description="of the recommendation it would follow")] = 1.0


class EvaluationView(BaseModel):
    """What risk would say. Nothing was written, and no order follows."""

    as_of: datetime
    outcome: RiskOutcome
    allowed_quantity: Shares
    price: Money
    notional: Money
    trading_state: TradingState
    checks: list[RiskCheck]


class RiskDecisionView(BaseModel):
    decision_id: str
    intent_id: str
    as_of: datetime
    outcome: RiskOutcome
    allowed_quantity: Shares
    needs_approval: bool
    approval_reason: str
    checks: list[RiskCheck]


async def evaluate(database: Database, calendar: Calendar, wanted: EvaluationRequest) -> EvaluationView:
    """Judge an order as risk would, with everything under way counted, and write nothing. No quote is asked for.

    Raises:
        InvalidInput: no price is given and the book has no bars of the symbol.
    """
    now = datetime.now(UTC)
    async with database.transaction() as session:
        settings, live = await config.current(session), await protection.load(session)
        state = TradingState((await control.state(session)).state)
        cash = sum((await cash_ledger.balances(session)).values(), Decimal(0))
        account = await portfolio.load(session, as_of=now, cash=cash)
        windows = await market.windows(session, symbols=[wanted.symbol], as_of=now, sessions=VOLUME_SESSIONS)
        symbols = sorted({*everything(account, ()), wanted.symbol})
        bars = await protection.series(session, symbols=symbols, as_of=now)
        around = SeenMarket(bars, await registry.sectors(session), as_of=now, config=settings)
        earnings = await earnings_around(session, calendar, [wanted.symbol], trading=None, as_of=now)
    seen = windows.get(wanted.symbol)
    if wanted.price is None and seen is None:
        raise InvalidInput("PRICE_UNKNOWN", "Give a price: the book has no bars of the symbol", symbol=wanted.symbol)
    price = wanted.price if wanted.price is not None or seen is None else as_decimal(seen.closes[-1])
    assert price is not None
    traded = [close * volume for close, volume in zip(seen.closes, seen.volumes, strict=True)] if seen else []
    decision = decide_risk(
        SizedIntent(
            intent_id=digest("evaluation", wanted.model_dump_json(), now),
            recommendation_id="",
            symbol=wanted.symbol,
            side=wanted.side,
            quantity=wanted.quantity,
            reference_price=price,
            notional=product(wanted.quantity, price),
            target_weight=0.0,
            as_of=now,
        ),
        account,
        state=state,
        conviction=wanted.conviction,
        average_dollar_volume=math.fsum(traded) / len(traded) if traded else 0.0,
        config=settings,
        as_of=now,
        entry_size=entry_size(live.state, settings.protection) if live is not None else Decimal(1),
        groups=around.groups(symbols),
        entry=earnings.entry(wanted.symbol),
    )
    return EvaluationView(
        as_of=now,
        outcome=decision.outcome,
        allowed_quantity=decision.allowed_quantity,
        price=price,
        notional=product(decision.allowed_quantity, price),
        trading_state=state,
        checks=list(decision.checks),
    )


async def decision(database: Database, decision_id: str) -> RiskDecisionView:
    async with database.transaction() as session:
        row = await orders.require_risk_decision(session, decision_id)
    return RiskDecisionView.model_validate(row.model_dump(include=set(RiskDecisionView.model_fields)))
