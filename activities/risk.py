"""Risk: judge an intent when it was planned, and once more right before its order is sent or asked about anew."""

from __future__ import annotations

import math
from collections.abc import Mapping
from datetime import datetime, timedelta
from decimal import Decimal

from sqlmodel.ext.asyncio.session import AsyncSession
from temporalio import activity

from activities.entering import earnings_around
from activities.ports import Broker, Calendar, Prices
from domain.approvals import (
    ApprovalFacts,
    ApprovalNeed,
    ApprovalStatus,
    approval_hash,
    needed_approval,
    price_band,
    price_is_needed,
)
from domain.broker import Snapshot
from domain.config import ApprovalPolicy, TradingConfig
from domain.decisions import Portfolio, RiskDecision, RiskOutcome, Side, SizedIntent, TradingState
from domain.entries import Entry
from domain.ids import digest
from domain.live_protection import LiveProtection
from domain.portfolio import product, with_pending
from domain.protection import entry_size
from domain.risk import decide_risk
from domain.surroundings import SeenMarket, everything
from domain.trading import RiskRequest, RiskVerdict
from domain.voting import RecheckReport, RecheckRequest, proposing_people
from store import approvals, config, control, market, orders, portfolio, protection, recommendations, registry
from store.database import Database
from store.orders import RiskStage
from store.tables.decisions import Approval, OrderIntentRow, RiskDecisionRow

VOLUME_SESSIONS = 20
"""Sessions that the average dollar volume is taken over."""


class RiskActivities:
    """Judges by the limits and by the approval policy. In `live` mode the policy's stricter part counts too."""

    def __init__(self, database: Database, broker: Broker, prices: Prices, calendar: Calendar, *, mode: str) -> None:
        self._database = database
        self._broker = broker
        self._prices = prices
        self._calendar = calendar
        self._live = mode == "live"

    @activity.defn
    async def decide_risk(self, request: RiskRequest) -> RiskVerdict:
        """Judge an intent against every limit, with everything under way counted, and record check by check."""
        pending = await self._pending(request.intent_id, request.as_of)
        cash = (await self._broker.account()).cash
        quote = await self._quote(request.intent_id, request.as_of)
        async with self._database.transaction() as session:
            intent = await orders.require_intent(session, request.intent_id)
        price = await self._price(intent, request.as_of)
        async with self._database.transaction() as session:
            decision, need = await self._judge(
                session,
                intent,
                pending=pending,
                cash=cash,
                quantity=intent.quantity,
                price=price,
                quote=quote,
                as_of=request.as_of,
            )
            await orders.save_risk_decision(session, decision, need, price=price)
            return _verdict(await orders.require_risk_decision(session, decision.decision_id))

    @activity.defn
    async def recheck(self, request: RecheckRequest) -> RecheckReport:
        """Judge again: the ledger, the price or the order itself may have changed since.

        The answer is voided where it does not cover the order as it is now. While it stands, the new verdict may be
        smaller than what was answered and never larger.
        """
        pending = await self._pending(request.intent_id, request.as_of)
        cash = (await self._broker.account()).cash
        seen = await self._prices.last(request.symbol, as_of=request.as_of)
        quote = await self._quote(request.intent_id, request.as_of)
        async with self._database.transaction() as session:
            intent = await orders.require_intent(session, request.intent_id)
            before = await orders.require_risk_decision(session, request.decision_id)
            policy = (await config.current(session)).approval
            voided = await self._void(session, intent, before, policy, seen, request) if request.approval_id else ""
            if request.approval_id and not voided:
                voided = await self._asked_too_few(session, intent, request)
            price = before.price or intent.reference_price
            if seen is not None and not price_band(price, policy.price_band).covers(seen):
                price = seen
            decision, need = await self._judge(
                session,
                intent,
                pending=pending,
                cash=cash,
                quantity=intent.quantity if voided else min(intent.quantity, before.allowed_quantity),
                price=price,
                quote=quote,
                as_of=request.as_of,
                before=before,
            )
            decision = decision.model_copy(
                update={"decision_id": digest("recheck", before.decision_id, request.approval_id, request.as_of)}
            )
            await orders.save_risk_decision(session, decision, need, price=price, stage=RiskStage.RECHECK)
            stored = await orders.require_risk_decision(session, decision.decision_id)
        return RecheckReport(verdict=_verdict(stored), voided=voided)

    async def _pending(self, intent_id: str, as_of: datetime) -> Portfolio:
        """What is under way, read before the cash: what fills in between counts twice and never not at all."""
        async with self._database.transaction() as session:
            intent = await orders.require_intent(session, intent_id)
            return await portfolio.load(
                session, as_of=as_of, cash=Decimal(0), besides=intent_id, same_tick=intent.as_of
            )

    async def _price(self, intent: OrderIntentRow, as_of: datetime) -> Decimal:
        """What a share is judged at: for a purchase the higher of what it was planned at and what it costs now."""
        seen = await self._prices.last(intent.symbol, as_of=as_of) if intent.side == Side.BUY.value else None
        return max(intent.reference_price, seen) if seen is not None else intent.reference_price

    async def _judge(
        self,
        session: AsyncSession,
        intent: OrderIntentRow,
        *,
        pending: Portfolio,
        cash: Decimal,
        quantity: Decimal,
        price: Decimal,
        quote: Snapshot | None,
        as_of: datetime,
        before: RiskDecisionRow | None = None,
    ) -> tuple[RiskDecision, ApprovalNeed]:
        settings = await config.current(session)
        conviction, average_dollar_volume = await _believed(session, intent, as_of)
        now = await portfolio.load(session, as_of=as_of, cash=cash, besides=intent.intent_id, same_tick=intent.as_of)
        account = with_pending(now, pending)
        guarded = await protection.load(session)
        wish = orders.to_domain(intent).model_copy(
            update={"quantity": quantity, "reference_price": price, "notional": product(quantity, price)}
        )
        decision = decide_risk(
            wish,
            account,
            state=TradingState((await control.state(session)).state),
            conviction=conviction,
            average_dollar_volume=average_dollar_volume,
            config=settings,
            as_of=as_of,
            entry_size=Decimal(1) if guarded is None else entry_size(guarded.state, settings.protection),
            leaving=await _leaving(session, intent, guarded),
            groups=await _groups(session, wish, account, settings, as_of),
            entry=await self._entry(session, wish, quote, as_of),
        )
        notional = product(decision.allowed_quantity, price)
        need = await self._need(session, intent, settings, notional=notional, conviction=conviction)
        people = 0 if decision.denied else max(need.people, before.people if before is not None else 0)
        need = need.model_copy(update={"people": people})
        reason = need.reason or (before.approval_reason if before is not None else "")
        return decision.model_copy(
            update={"needs_approval": people > 0, "approval_reason": reason if people else ""}
        ), need

    async def _quote(self, intent_id: str, as_of: datetime) -> Snapshot | None:
        """What is quoted of a purchase in the session; nothing holds up a sale, and an auction has no quote."""
        async with self._database.transaction() as session:
            intent = await orders.require_intent(session, intent_id)
        if intent.side == Side.SELL.value or as_of < self._calendar.next_session(as_of).opens_at:
            return None
        return await self._prices.quote(intent.symbol)

    async def _entry(
        self, session: AsyncSession, wish: SizedIntent, quote: Snapshot | None, as_of: datetime
    ) -> Entry | None:
        if wish.side is Side.SELL:
            return None
        earnings = await earnings_around(session, self._calendar, [wish.symbol], trading=None, as_of=as_of)
        bid, ask = (quote.bid, quote.ask) if quote is not None else (None, None)
        found = earnings.entry(wish.symbol)
        return found.model_copy(update={"bid": bid, "ask": ask, "real_money": self._live})

    async def _need(
        self,
        session: AsyncSession,
        intent: OrderIntentRow,
        settings: TradingConfig,
        *,
        notional: Decimal,
        conviction: float,
    ) -> ApprovalNeed:
        facts = ApprovalFacts(
            opening=intent.side == Side.BUY.value,
            notional=notional,
            tier=settings.tier,
            conviction=conviction,
            traded_before=await orders.traded_before(session, intent.symbol),
            live=self._live,
            proposers=await approvals.proposers_of(session, intent),
        )
        return needed_approval(facts, settings.approval)

    async def _void(
        self,
        session: AsyncSession,
        intent: OrderIntentRow,
        before: RiskDecisionRow,
        policy: ApprovalPolicy,
        seen: Decimal | None,
        request: RecheckRequest,
    ) -> str:
        """Void the answer where it does not cover the order; says why, empty where it does."""
        approval = await approvals.require(session, request.approval_id, lock=True)
        record_hash = await recommendations.record_hash(session, intent.recommendation_id)
        problem = _problem(approval, intent, before, record_hash=record_hash)
        if not problem and approval.decided_at is not None:
            age = request.as_of - approval.decided_at
            if age > timedelta(seconds=policy.submit_within_seconds):
                problem = f"APPROVAL_TOO_OLD: age={age.total_seconds():.0f} s, limit={policy.submit_within_seconds} s"
        band = approvals.band_of(approval)
        if not problem and band is not None:
            problem = band.departure(seen, needed=price_is_needed(policy, live=self._live))
        if problem:
            await approvals.void(session, approval, reason=problem, at=request.as_of)
        return problem

    async def _asked_too_few(self, session: AsyncSession, intent: OrderIntentRow, request: RecheckRequest) -> str:
        """Void the answer where the policy asks more people now than the question did; empty where it does not."""
        approval = await approvals.require(session, request.approval_id, lock=True)
        conviction, _ = await _believed(session, intent, request.as_of)
        settings = await config.current(session)
        need = await self._need(session, intent, settings, notional=approval.notional, conviction=conviction)
        alone = approval.solo and not need.solo and bool(proposing_people(approval.proposers))
        if need.people <= approval.people and not (alone and need.people):
            return ""
        asked = f"{approval.people}{', solo' if alone else ''}"
        problem = f"MORE_PEOPLE_NEEDED: asked={asked}, needed={need.people}"
        await approvals.void(session, approval, reason=problem, at=request.as_of)
        return problem


async def _believed(session: AsyncSession, intent: OrderIntentRow, as_of: datetime) -> tuple[float, float]:
    """Conviction and average dollar volume that an intent rests on. An order by hand is its maker's conviction."""
    if intent.recommendation_id:
        assessment = (await recommendations.require(session, intent.recommendation_id)).assessment
        return assessment.conviction, assessment.average_dollar_volume
    windows = await market.windows(session, symbols=[intent.symbol], as_of=as_of, sessions=VOLUME_SESSIONS)
    traded = [price * volume for one in windows.values() for price, volume in zip(one.closes, one.volumes, strict=True)]
    return 1.0, math.fsum(traded) / len(traded) if traded else 0.0


async def _groups(
    session: AsyncSession, wish: SizedIntent, account: Portfolio, settings: TradingConfig, as_of: datetime
) -> Mapping[str, tuple[str, str]]:
    """Sector and cluster of everything that a purchase is judged beside; a sale needs none."""
    if wish.side is Side.SELL:
        return {}
    symbols = everything(account, [wish])
    bars = await protection.series(session, symbols=symbols, as_of=as_of)
    around = SeenMarket(bars, await registry.sectors(session), as_of=as_of, config=settings)
    return around.groups(symbols)


async def _leaving(session: AsyncSession, intent: OrderIntentRow, guarded: LiveProtection | None) -> str:
    """Why a purchase comes too late: its symbol is to be sold, or was left since it was planned. Empty: it does not."""
    if intent.side != Side.BUY.value:
        return ""
    if guarded is not None and (due := guarded.due.get(intent.symbol)) is not None:
        return f"{due.kind.value} due since {due.since.isoformat()}"
    left = await portfolio.left_since(session, intent.symbol, since=intent.as_of)
    return f"left at {left.isoformat()}" if left is not None else ""


def _problem(approval: Approval, intent: OrderIntentRow, before: RiskDecisionRow, *, record_hash: str) -> str:
    """Say why an answer does not cover the order as the book has it now; empty where it does."""
    if approval.status != ApprovalStatus.APPROVED.value:
        return approval.decision_reason or f"APPROVAL_NOT_GRANTED: status={approval.status}"
    band = approvals.band_of(approval)
    if band is None:
        return "APPROVAL_UNBOUND: It was asked before answers were bound to prices"
    now = approval_hash(
        intent_id=intent.intent_id,
        ask=approval.ask,
        symbol=intent.symbol,
        side=intent.side,
        quantity=min(before.allowed_quantity, intent.quantity),
        band=band,
        recommendation_id=intent.recommendation_id,
        record_hash=record_hash,
    )
    if now == approval.order_hash:
        return ""
    return f"ORDER_HASH_MISMATCH: approved={approval.order_hash}, now={now}"


def _verdict(row: RiskDecisionRow) -> RiskVerdict:
    """Answer with what was recorded, so that a repeat says the same."""
    return RiskVerdict(
        decision_id=row.decision_id,
        outcome=RiskOutcome(row.outcome),
        allowed_quantity=str(row.allowed_quantity),
        needs_approval=row.needs_approval,
        approval_reason=row.approval_reason,
        denial="; ".join(
            f"{check['code']}: value={check['value']}, limit={check['limit']}"
            for check in row.checks
            if check["outcome"] == RiskOutcome.DENY.value
        ),
    )
