"""Earnings reports and quotes on the way of a live order: what is denied, and what is sold before a report."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from decimal import Decimal

import pytest

from activities.prices import BookPrices, MarketPrices
from activities.risk import RiskActivities
from cli.stack.supervisor import Stack
from domain.broker import Snapshot
from domain.config import changed
from domain.decisions import RiskOutcome, Side
from domain.entries import ReportTiming
from domain.errors import VendorError, VendorUnavailable
from domain.market import Bar, Session
from domain.protection import EARNINGS_TRIM
from domain.trading import RiskRequest, RiskVerdict, TickPhase, TickReport, TickRequest
from store import config, earnings, facts, orders, portfolio, protection, registry
from tests.orders.desk import Desk, desk
from tests.orders.test_protection import sold

pytestmark = pytest.mark.stack


async def scheduled(table: Desk, day: date, *, said_at: datetime) -> None:
    async with table.parts.database.transaction() as session:
        company = await registry.require(session, table.symbol, for_change=True)
        await earnings.set_date(session, company, day=day, timing=ReportTiming.AFTER_CLOSE, actor="test", now=said_at)


async def checks(table: Desk, intent_id: str, as_of: datetime, *risk: RiskActivities) -> dict[str, str]:
    """Judge an intent at an instant; outcome by check."""
    activities = risk[0] if risk else table.parts.risk_activities()
    verdict = await activities.decide_risk(RiskRequest(intent_id=intent_id, as_of=as_of))
    async with table.parts.database.transaction() as session:
        row = await orders.require_risk_decision(session, verdict.decision_id)
    return {check["code"]: check["outcome"] for check in row.checks}


async def test_purchase_when_a_report_is_near_or_overdue_then_it_is_denied_and_nothing_reaches_the_broker(
    stack: Stack,
) -> None:
    async with desk(stack, "REPORTER") as table:
        intent = await table.intend()
        trading = table.parts.calendar.next_session(table.now)
        await scheduled(table, trading.date, said_at=table.now - timedelta(days=20))
        outcome = await table.finish(await table.execute(intent))
        assert outcome.status == "denied"
        assert outcome.reason.startswith("EARNINGS_DATE_UNKNOWN: value=unknown, last report ")  # judged today
        assert await table.broker_orders(intent) == []
        on_the_day = await checks(table, intent, table.now)
        assert (on_the_day["EARNINGS_BLACKOUT"], on_the_day["EARNINGS_DATE_UNKNOWN"]) == ("deny", "allow")
        earlier = await checks(table, intent, table.now - timedelta(days=21))
        assert {earlier["EARNINGS_BLACKOUT"], earlier["EARNINGS_DATE_UNKNOWN"]} == {"allow"}
        long_after = await checks(table, intent, table.now + timedelta(days=90))
        assert (long_after["EARNINGS_BLACKOUT"], long_after["EARNINGS_DATE_UNKNOWN"]) == ("allow", "deny")


async def test_sale_when_a_report_is_near_then_it_goes_through(stack: Stack) -> None:
    async with desk(stack, "SELLER") as table:
        assert (await table.finish(await table.execute(await table.intend()))).status == "filled"
        trading = table.parts.calendar.next_session(table.now)
        await scheduled(table, trading.date, said_at=table.now)
        found = await checks(table, await table.intend(side=Side.SELL), table.now)
        assert found["EARNINGS_BLACKOUT"] == found["SPREAD_TOO_WIDE"] == "allow"


async def tick(table: Desk, *, minutes: int = 5) -> TickReport:
    await table.parts.flows.ensure_engine()
    at = table.session.opens_at - timedelta(minutes=minutes)
    return await table.parts.flows.tick_engine(TickRequest(as_of=at, phase=TickPhase.PRE_OPEN, session=table.session))


async def test_holding_when_its_company_reports_then_half_is_sold_once(stack: Stack) -> None:
    async with desk(stack, "HALVED") as table:
        assert (await table.finish(await table.execute(await table.intend("60")))).status == "filled"
        await table.close_market()
        bar = Bar(
            symbol="HALVED",
            session=table.session.date,
            **dict.fromkeys(("open", "high", "low", "close"), Decimal(50)),
            volume=5_000_000,
        )
        async with table.parts.database.transaction() as session:
            await facts.save_bars(session, [bar])
            before = await config.current(session)
            wanted = changed(before, {"entries": {"trim_above": "0.01"}})
            await config.put(session, wanted, created_at=table.now, created_by="test", reason="trim")
        await table.open_market()
        report = table.parts.calendar.next_session(table.session.opens_at).date
        await scheduled(table, report, said_at=table.session.opens_at - timedelta(hours=1))
        first, again = await tick(table), await tick(table)
        (mine,) = [each for each in first.planned if each.symbol == "HALVED"]
        assert mine == next(each for each in again.planned if each.symbol == "HALVED")
        async with table.parts.database.transaction() as session:
            intent = await orders.require_intent(session, mine.intent_id)
            live = await protection.load(session)
        assert (intent.side, intent.quantity, intent.recommendation_id) == ("sell", Decimal(30), "")
        assert intent.reason.startswith(f"{EARNINGS_TRIM}: price=50")
        assert f"report={report}" in intent.reason
        assert live is not None
        assert (live.parts["HALVED"].intent_id, live.state.trims.get("HALVED")) == (mine.intent_id, None)
        assert await sold(table, mine.intent_id) == "filled"
        later = await tick(table, minutes=4)
        assert [each for each in later.planned if each.symbol == "HALVED"] == []
        async with table.parts.database.transaction() as session:
            live = await protection.load(session)
            assert live is not None
            assert (live.parts.get("HALVED"), live.state.trims["HALVED"]) == (None, report)
            held = {each.symbol: each.quantity for each in await portfolio.holdings(session)}
            await config.put(session, before, created_at=table.now, created_by="test", reason="as before")
        assert held["HALVED"] == 30


# -- quotes -----------------------------------------------------------------------------------------------------------


@dataclass
class Quotes:
    bid: str | None = None
    ask: str | None = None
    error: VendorError | None = None
    asked: list[str] = field(default_factory=list)

    async def snapshots(self, symbols: Sequence[str]) -> dict[str, Snapshot]:
        self.asked += symbols
        if self.error is not None:
            raise self.error
        return {
            symbol: Snapshot.model_validate({"symbol": symbol, "bid": self.bid, "ask": self.ask}) for symbol in symbols
        }


@dataclass
class Hours:
    """A calendar whose session is the desk's."""

    session: Session

    def sessions(self, first: date, last: date) -> list[Session]:
        return [self.session]

    def next_session(self, after: datetime) -> Session:
        return self.session


def risk(table: Desk, quotes: Quotes, *, mode: str = "paper") -> RiskActivities:
    parts = table.parts
    prices = MarketPrices(quotes, BookPrices(parts.database), real_money=mode == "live")
    return RiskActivities(parts.database, parts.broker, prices, Hours(table.session), mode=mode)


async def test_quote_when_it_is_wide_or_missing_then_purchases_in_the_session_are_judged_by_it(stack: Stack) -> None:
    async with desk(stack, "QUOTED") as table:
        intent, number = await table.intend(), 0

        async def spread(quotes: Quotes, *, mode: str = "paper", before_open: bool = False) -> str:
            nonlocal number
            number += 1
            at = table.session.opens_at + timedelta(seconds=number if not before_open else -number)
            return (await checks(table, intent, at, risk(table, quotes, mode=mode)))["SPREAD_TOO_WIDE"]

        wide, narrow, none = Quotes("49", "51"), Quotes("49.99", "50.01"), Quotes()
        assert [await spread(narrow), await spread(wide), await spread(none)] == ["allow", "deny", "allow"]
        assert [await spread(wide, mode="live"), await spread(none, mode="live")] == ["deny", "allow"]
        wide.asked.clear()
        assert await spread(wide, before_open=True) == "allow"
        assert wide.asked == ["QUOTED"]  # for the price alone: an auction has no spread
        async with table.parts.database.transaction() as session:
            wanted = changed(await config.current(session), {"entries": {"quote_needed": True}})
            await config.put(session, wanted, created_at=table.now, created_by="test", reason="quotes")
        assert [await spread(none), await spread(none, mode="live")] == ["allow", "deny"]


async def test_quote_when_the_broker_is_away_then_real_money_waits_and_a_sale_does_not(stack: Stack) -> None:
    async with desk(stack, "AWAY") as table:
        away = Quotes(error=VendorUnavailable("BROKER_UNREACHABLE"))
        buy, sale = await table.intend(), await table.intend(side=Side.SELL)
        at = table.session.opens_at + timedelta(seconds=1)
        with pytest.raises(VendorUnavailable):
            await risk(table, away, mode="live").decide_risk(RiskRequest(intent_id=buy, as_of=at))
        on_paper = await risk(table, away).decide_risk(RiskRequest(intent_id=buy, as_of=at))
        assert on_paper.outcome is not RiskOutcome.DENY
        sold_at_once: RiskVerdict = await risk(table, away, mode="live").decide_risk(
            RiskRequest(intent_id=sale, as_of=at)
        )
        assert "SELL_EXCEEDS_POSITION" in sold_at_once.denial  # nothing is held; no quote was asked for
