"""A session as the book has it, the account of its morning, and the reports of days compared with themselves."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from datetime import date, datetime, timedelta
from decimal import Decimal
from typing import Any

from sqlalchemy import func
from sqlalchemy.orm import defer
from sqlmodel import col, select
from sqlmodel.ext.asyncio.session import AsyncSession

from domain.backtest import BacktestState, BookPosition
from domain.config import TradingConfig
from domain.decisions import Action, RiskOutcome, Side, TradingState
from domain.documents import NEW_YORK
from domain.drift import AccountMark, DriftReport, LiveAction, LiveApproval, LiveDay, LiveDecision, LiveFill, LiveOrder
from domain.drift_run import DriftDay
from domain.errors import NotFound
from domain.market import Session
from domain.portfolio import Fill, apply_fill, apply_split, product
from domain.simulation import PRE_OPEN
from store import config, control, portfolio, recommendations
from store.database import upsert
from store.tables.decisions import Approval, DecisionRecordRow, OrderIntentRow, RecommendationRow, RiskDecisionRow
from store.tables.market import BarRow
from store.tables.trading import AccountSnapshot, CorporateActionEntry, DriftReportRow, FillRow, Order, TradingConfigRow

PASS_WITHIN = timedelta(hours=1)
"""The pass over every company that counts as the one before the open is the last of this time."""
UNDER_WAY = timedelta(days=10)
"""Orders from earlier are looked for so far back: approvals and orders end long before."""
ZERO = Decimal(0)

_REPORT: Any = DriftReportRow.report
_BODY: Any = RecommendationRow.body
"""Large, and nothing that is asked for here."""


async def newest_mark(session: AsyncSession) -> datetime | None:
    """When the account was last marked; None where it never was."""
    return (await session.exec(select(func.max(AccountSnapshot.as_of)))).one()


async def is_priced(session: AsyncSession, day: date) -> bool:
    """Whether the book has bars of a session."""
    return (await session.exec(select(BarRow.symbol).where(BarRow.session == day).limit(1))).first() is not None


async def decided_at(session: AsyncSession, trading: Session, *, decided_by: str) -> datetime:
    """When every company was assessed before a session's open; where nobody did, when its orders are planned.

    Args:
        decided_by: id of the workflow that assesses them.
    """
    rows = await session.exec(
        select(func.max(RecommendationRow.as_of))
        .join(DecisionRecordRow, col(DecisionRecordRow.recommendation_id) == col(RecommendationRow.recommendation_id))
        .where(
            RecommendationRow.as_of >= trading.opens_at - PASS_WITHIN,
            RecommendationRow.as_of < trading.opens_at,
            DecisionRecordRow.decided_by == decided_by,
        )
    )
    return rows.one() or trading.opens_at - PRE_OPEN


async def configuration(session: AsyncSession, *, at: datetime) -> tuple[str, TradingConfig]:
    """What the companies were assessed with at an instant, and what it was called then.

    Where nobody assessed, or the book does not have it any more, what is in force now.
    """
    used = select(RecommendationRow.config_version).where(RecommendationRow.as_of == at).limit(1)
    rows = await session.exec(
        select(TradingConfigRow)
        .where(TradingConfigRow.config_hash == (await session.exec(used)).first())
        .order_by(col(TradingConfigRow.version).desc())
        .limit(1)
    )
    row = rows.first()
    if row is not None:
        return row.config_hash, TradingConfig.model_validate(row.body)
    current = await config.current(session)
    return current.version(), current


# -- the account of the morning ---------------------------------------------------------------------------------------


async def morning(session: AsyncSession, day: DriftDay, *, at: datetime) -> BacktestState:
    """The account before a session, from what was booked by then. Nobody's actions are known yet: see `with_actions`.

    Raises:
        NotFound: the account was marked neither before nor after the session.
    """
    positions = await _positions(session, day.session, at)
    before = await portfolio.latest_snapshot(session, before=at)
    if before is not None:
        cash = before.cash + await _flow(session, after=before.as_of, until=at, ex_before=day.session.date)
    else:
        after = await _mark_after(session, day)
        if after is None:
            raise NotFound("ACCOUNT_NEVER_MARKED", "Choose a session of which the engine ran", session=day.session.date)
        cash = after.cash - await _flow(session, after=at, until=after.as_of, ex_before=None)
    return BacktestState(
        cash=cash,
        positions=positions,
        peak_equity=before.peak_equity if before is not None else None,
        prior_close_equity=before.equity if before is not None else None,
    )


async def with_actions(
    session: AsyncSession, state: BacktestState, *, symbols: Collection[str], at: datetime
) -> BacktestState:
    """Add what was last recommended for companies before an instant."""
    known = await recommendations.previous_actions(session, symbols=sorted(symbols), before=at)
    return state.model_copy(update={"actions": dict(sorted(known.items()))})


async def _positions(session: AsyncSession, trading: Session, at: datetime) -> dict[str, BookPosition]:
    """Book everything again that was booked on positions before an instant, in the order of the days."""
    events: list[tuple[date, int, CorporateActionEntry | FillRow]] = []
    entries = await session.exec(select(CorporateActionEntry).where(CorporateActionEntry.ex_date < trading.date))
    events += [(entry.ex_date, 0, entry) for entry in entries]
    fills = await session.exec(
        select(FillRow)
        .where(FillRow.filled_at < at)
        .order_by(col(FillRow.filled_at), col(FillRow.quantity).desc(), col(FillRow.price), col(FillRow.fill_id))
    )
    events += [(fill.filled_at.astimezone(NEW_YORK).date(), 1, fill) for fill in fills]
    found: dict[str, BookPosition] = {}
    for day, _, event in sorted(events, key=lambda each: each[:2]):
        known = found.get(event.symbol)
        if isinstance(event, FillRow):
            found[event.symbol] = _filled(known, event, day)
        elif known is not None:
            found[event.symbol] = _acted_on(known, event)
    return dict(sorted(found.items()))


def _filled(known: BookPosition | None, row: FillRow, day: date) -> BookPosition:
    change = apply_fill(known.holding if known is not None else None, _fill(row))
    held = known is not None and known.holding.quantity != 0
    return BookPosition(
        holding=change.holding,
        opened=known.opened if held and known is not None else day,
        closed=day if change.holding.quantity == 0 else None,
        realized=(known.realized if known is not None else ZERO) + change.realized_pnl,
    )


def _acted_on(known: BookPosition, entry: CorporateActionEntry) -> BookPosition:
    split = apply_split(known.holding, entry.split_ratio)
    realized = known.realized + split.realized_pnl + entry.cash
    return known.model_copy(update={"holding": split.holding, "realized": realized})


def _fill(row: FillRow) -> Fill:
    return Fill(
        fill_id=row.fill_id,
        order_id=row.order_id,
        intent_id=row.order_id,
        symbol=row.symbol,
        side=Side(row.side),
        quantity=row.quantity,
        price=row.price,
        fee=row.fee,
        filled_at=row.filled_at,
    )


async def _flow(session: AsyncSession, *, after: datetime, until: datetime, ex_before: date | None) -> Decimal:
    """Dollars that fills and dividends brought into the account in `after < t <= until`; negative where they took some.

    Args:
        ex_before: only dividends of days before this one.
    """
    fills = await session.exec(select(FillRow).where(FillRow.filled_at > after, FillRow.filled_at <= until))
    total = ZERO
    for fill in fills:
        paid = product(fill.quantity, fill.price)
        total += (paid if fill.side == Side.SELL.value else -paid) - fill.fee
    statement = select(col(CorporateActionEntry.cash)).where(
        CorporateActionEntry.applied_at > after, CorporateActionEntry.applied_at <= until
    )
    if ex_before is not None:
        statement = statement.where(CorporateActionEntry.ex_date < ex_before)
    return total + sum(await session.exec(statement), ZERO)


async def _mark_after(session: AsyncSession, day: DriftDay) -> AccountSnapshot | None:
    rows = await session.exec(
        select(AccountSnapshot)
        .where(AccountSnapshot.as_of >= day.session.closes_at, AccountSnapshot.as_of < day.until)
        .order_by(col(AccountSnapshot.as_of))
        .limit(1)
    )
    return rows.first()


# -- the day ----------------------------------------------------------------------------------------------------------


async def live_day(session: AsyncSession, day: DriftDay, *, at: datetime) -> LiveDay:
    """Everything that was decided, ordered, filled and booked in a session.

    Args:
        at: when every company was assessed.
    """
    before, after = await portfolio.latest_snapshot(session, before=at), await _mark_after(session, day)
    state = await control.state(session)
    paused = state.state != TradingState.ACTIVE.value and state.changed_at <= day.session.opens_at
    entries = await session.exec(
        select(CorporateActionEntry)
        .where(CorporateActionEntry.ex_date == day.session.date)
        .order_by(col(CorporateActionEntry.symbol))
    )
    return LiveDay(
        session=day.session,
        decided_at=at,
        decisions=await _decisions(session, first=at, last=day.session.closes_at),
        orders=await _orders(session, day, at),
        actions=tuple(LiveAction(symbol=row.symbol, cash=row.cash, quantity=row.quantity_after) for row in entries),
        before=_mark(before),
        after=_mark(after),
        trading_state=TradingState(state.state) if paused else TradingState.ACTIVE,
        state_reason=state.reason if paused else "",
    )


async def _decisions(session: AsyncSession, *, first: datetime, last: datetime) -> tuple[LiveDecision, ...]:
    rows = await session.exec(
        select(RecommendationRow, DecisionRecordRow.record_key)
        .join(DecisionRecordRow, col(DecisionRecordRow.record_hash) == col(RecommendationRow.record_hash), isouter=True)
        .where(RecommendationRow.as_of >= first, RecommendationRow.as_of <= last)
        .order_by(col(RecommendationRow.as_of), col(RecommendationRow.symbol))
        .options(defer(_BODY))
    )
    return tuple(
        LiveDecision(
            recommendation_id=row.recommendation_id,
            symbol=row.symbol,
            as_of=row.as_of,
            action=Action(row.action),
            previous=Action(row.previous_action),
            score=row.score,
            conviction=row.conviction,
            record_hash=row.record_hash,
            record_key=key or "",
        )
        for row, key in rows
    )


async def _orders(session: AsyncSession, day: DriftDay, at: datetime) -> tuple[LiveOrder, ...]:
    rows = await session.exec(
        select(OrderIntentRow, Order)
        .join(Order, col(Order.intent_id) == col(OrderIntentRow.intent_id), isouter=True)
        .where(OrderIntentRow.as_of > day.after - UNDER_WAY, OrderIntentRow.as_of <= day.session.closes_at)
        .order_by(col(OrderIntentRow.as_of), col(OrderIntentRow.symbol), col(OrderIntentRow.side))
    )
    found = rows.all()
    intents = [intent.intent_id for intent, _ in found]
    asked = await session.exec(
        select(Approval).where(col(Approval.intent_id).in_(intents)).order_by(col(Approval.requested_at))
    )
    approvals = {row.intent_id: row for row in asked}
    judged = await session.exec(
        select(RiskDecisionRow).where(col(RiskDecisionRow.intent_id).in_(intents)).order_by(col(RiskDecisionRow.as_of))
    )
    verdicts = {row.intent_id: row for row in judged}
    fills: dict[str, list[FillRow]] = {}
    for fill in await session.exec(
        select(FillRow)
        .where(FillRow.filled_at >= at, FillRow.filled_at < day.until)
        .order_by(col(FillRow.filled_at), col(FillRow.fill_id))
    ):
        fills.setdefault(fill.order_id, []).append(fill)
    orders = []
    for intent, order in found:
        approval = approvals.get(intent.intent_id)
        filled = fills.get(order.order_id, []) if order is not None else []
        if intent.as_of > day.after or filled or _under_way(intent, order, approval, at):
            orders.append(_order(intent, order, approval, verdicts.get(intent.intent_id), filled))
    return tuple(orders)


def _under_way(intent: OrderIntentRow, order: Order | None, approval: Approval | None, at: datetime) -> bool:
    """Whether an earlier intent had not ended by an instant."""
    if order is not None:
        return order.closed_at is None or order.closed_at > at
    if approval is not None:
        return approval.decided_at is None or approval.decided_at > at
    return intent.state == "open"


def _order(
    intent: OrderIntentRow,
    order: Order | None,
    approval: Approval | None,
    verdict: RiskDecisionRow | None,
    fills: Iterable[FillRow],
) -> LiveOrder:
    status = order.status if order is not None else intent.state
    refused = _refusals(verdict)
    return LiveOrder(
        intent_id=intent.intent_id,
        recommendation_id=intent.recommendation_id,
        symbol=intent.symbol,
        side=Side(intent.side),
        as_of=intent.as_of,
        quantity=intent.quantity,
        allowed=verdict.allowed_quantity if verdict is not None else None,
        denied=bool(refused) or status == "denied",
        status=status,
        reason=refused or (order.reason if order is not None else ""),
        submitted_at=order.submitted_at if order is not None else None,
        approval=_approval(approval) if approval is not None else None,
        fills=tuple(LiveFill(at=row.filled_at, quantity=row.quantity, price=row.price, fee=row.fee) for row in fills),
    )


def _refusals(verdict: RiskDecisionRow | None) -> str:
    if verdict is None or verdict.outcome != RiskOutcome.DENY.value:
        return ""
    codes = [check["code"] for check in verdict.checks if check["outcome"] == RiskOutcome.DENY.value]
    return ", ".join(codes) or "denied"


def _approval(row: Approval) -> LiveApproval:
    return LiveApproval(
        status=row.status,
        requested_at=row.requested_at,
        decided_at=row.decided_at,
        decided_by=row.decided_by,
        reason=row.decision_reason,
    )


def _mark(row: AccountSnapshot | None) -> AccountMark | None:
    return AccountMark(as_of=row.as_of, cash=row.cash, equity=row.equity) if row is not None else None


# -- reports ----------------------------------------------------------------------------------------------------------


async def save(session: AsyncSession, report: DriftReport, *, compared_at: datetime) -> None:
    """Keep a day's report; that of an earlier comparison of the day is replaced."""
    row = DriftReportRow(
        session=report.session,
        compared_at=compared_at,
        gaps=len(report.found),
        counts={kind.value: count for kind, count in report.counts.items()},
        difference=report.equity.difference,
        unexplained=report.equity.unexplained,
        report=report.model_dump(mode="json"),
    )
    await upsert(session, [row])


async def get(session: AsyncSession, day: date) -> DriftReportRow | None:
    return await session.get(DriftReportRow, day)


async def require(session: AsyncSession, day: date) -> DriftReportRow:
    """Read a day's report.

    Raises:
        NotFound: the day was not compared.
    """
    row = await get(session, day)
    if row is None:
        raise NotFound("DRIFT_REPORT_NOT_FOUND", "`stonks backtest drift SESSION --run` makes one", session=day)
    return row


async def newest_session(session: AsyncSession) -> date | None:
    """The last day that was compared; None: none was."""
    return (await session.exec(select(func.max(DriftReportRow.session)))).one()


async def list_recent(session: AsyncSession, *, limit: int, before: date | None = None) -> Sequence[DriftReportRow]:
    """Days that were compared, without their reports, the newest first; `before` is the last one of the page before."""
    statement = select(DriftReportRow)
    if before is not None:
        statement = statement.where(DriftReportRow.session < before)
    ordered = statement.order_by(col(DriftReportRow.session).desc()).limit(limit).options(defer(_REPORT))
    return (await session.exec(ordered)).all()
