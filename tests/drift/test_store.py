"""The account of a morning and the live day, read from rows; reports kept. Nothing that is written here stays."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from sqlmodel import delete
from sqlmodel.ext.asyncio.session import AsyncSession

from cli.stack.supervisor import Stack
from domain.backtest import BookPosition
from domain.config import TradingConfig
from domain.decisions import Action, Side, TradingState
from domain.drift import GapKind
from domain.drift_run import DriftDay
from domain.errors import NotFound
from domain.market import Session
from store import config, drift, registry
from store.tables.decisions import Approval, DecisionRecordRow, OrderIntentRow, RecommendationRow, RiskDecisionRow
from store.tables.trading import AccountSnapshot, CorporateActionEntry, FillRow, Order, TradingControl
from tests.drift.builders import laid, mirror, play
from workers.parts import Parts
from workers.settings import load

pytestmark = pytest.mark.stack

OPENS = datetime(1999, 3, 10, 14, 30, tzinfo=UTC)
"""Long before anything that other tests put into the book."""
CLOSES = OPENS + timedelta(hours=6, minutes=30)
DAY_LENGTH = timedelta(days=1)
PASS = OPENS - timedelta(minutes=15)
DAY = DriftDay(
    session=Session(date=OPENS.date(), opens_at=OPENS, closes_at=CLOSES),
    after=CLOSES - DAY_LENGTH,
    until=OPENS + DAY_LENGTH,
)


class Book:
    """Rows with sane defaults in one transaction."""

    def __init__(self, session: AsyncSession) -> None:
        self.session = session
        self._count = 0

    async def add(self, *rows: Any) -> None:
        for row in rows:
            self.session.add(row)
            await self.session.flush()

    async def mark(self, as_of: datetime, cash: str, equity: str) -> None:
        zero = Decimal(0)
        await self.add(
            AccountSnapshot(
                as_of=as_of,
                cash=Decimal(cash),
                equity=Decimal(equity),
                peak_equity=Decimal(equity),
                gross_exposure=zero,
                realized_pnl=zero,
                unrealized_pnl=zero,
            )
        )

    async def order(
        self, symbol: str, side: Side, as_of: datetime, quantity: int, *, status: str = "filled", sent: bool = True
    ) -> str:
        """An intent, with an order at the broker where it was sent; gives the id of both."""
        self._count += 1
        name = f"drift-{self._count}"
        await self.add(
            OrderIntentRow(
                intent_id=name,
                recommendation_id=f"r-{name}",
                symbol=symbol,
                side=side.value,
                quantity=Decimal(quantity),
                reference_price=Decimal(10),
                notional=Decimal(10 * quantity),
                target_weight=0.1,
                as_of=as_of,
                state="closed" if status in ("filled", "declined") else "open",
            )
        )
        if sent:
            await self.add(
                Order(
                    order_id=name,
                    intent_id=name,
                    client_order_id=name,
                    body_hash=name,
                    symbol=symbol,
                    side=side.value,
                    quantity=Decimal(quantity),
                    filled_quantity=Decimal(0),
                    status=status,
                    created_at=as_of,
                    submitted_at=as_of,
                    closed_at=as_of + timedelta(minutes=20) if status == "filled" else None,
                )
            )
        return name

    async def fill(self, order: str, symbol: str, side: Side, at: datetime, quantity: int, price: str) -> None:
        self._count += 1
        await self.add(
            FillRow(
                fill_id=f"{order}-{self._count}",
                order_id=order,
                symbol=symbol,
                side=side.value,
                quantity=Decimal(quantity),
                price=Decimal(price),
                fee=Decimal("0.25"),
                filled_at=at,
            )
        )

    async def bought(self, symbol: str, at: datetime, quantity: int, price: str) -> None:
        order = await self.order(symbol, Side.BUY, at - timedelta(minutes=5), quantity)
        await self.fill(order, symbol, Side.BUY, at, quantity, price)

    async def sold(self, symbol: str, at: datetime, quantity: int, price: str) -> None:
        order = await self.order(symbol, Side.SELL, at - timedelta(minutes=5), quantity)
        await self.fill(order, symbol, Side.SELL, at, quantity, price)

    async def action(self, symbol: str, ex_date: date, before: int, ratio: int, cash: str, at: datetime) -> None:
        await self.add(
            CorporateActionEntry(
                symbol=symbol,
                ex_date=ex_date,
                quantity_before=Decimal(before),
                quantity_after=Decimal(before * ratio),
                split_ratio=Decimal(ratio),
                cash=Decimal(cash),
                applied_at=at,
            )
        )

    async def recommendation(
        self, symbol: str, as_of: datetime, action: Action, *, by: str, version: str = "", kept: bool = True
    ) -> None:
        self._count += 1
        name = f"rec-{self._count}"
        await self.add(
            RecommendationRow(
                recommendation_id=name,
                symbol=symbol,
                as_of=as_of,
                action=action.value,
                previous_action="none",
                score=0.25,
                conviction=0.5,
                edge_bp=1.0,
                cost_bp=1.0,
                thesis="",
                config_version=version,
                record_hash=f"hash-{name}",
            )
        )
        if kept:
            await self.add(
                DecisionRecordRow(
                    record_hash=f"hash-{name}",
                    recommendation_id=name,
                    symbol=symbol,
                    as_of=as_of,
                    record_key=f"records/{name}",
                    decided_by=by,
                    recorded_at=as_of,
                )
            )


@pytest.fixture
async def book(servers: Stack) -> AsyncIterator[Book]:
    parts = await Parts.connect(load(servers.environment()))
    async with AsyncSession(parts.database.engine, expire_on_commit=False) as session:
        await registry.seed(session)
        await session.exec(delete(AccountSnapshot))  # other tests may have marked the account, long ago too
        yield Book(session)
        await session.rollback()
    await parts.close()


# -- the morning ------------------------------------------------------------------------------------------------------


async def test_morning_when_shares_were_bought_sold_and_split_before_then_it_is_what_was_left(book: Book) -> None:
    await book.bought("AAPL", OPENS - 5 * DAY_LENGTH, 100, "20")
    await book.sold("AAPL", OPENS - 3 * DAY_LENGTH, 40, "21")
    await book.action("AAPL", (OPENS - 2 * DAY_LENGTH).date(), 60, 2, "0", OPENS - 2 * DAY_LENGTH)
    await book.bought("MSFT", OPENS - 4 * DAY_LENGTH, 10, "50")
    await book.sold("MSFT", OPENS - DAY_LENGTH, 10, "55")
    await book.mark(CLOSES - DAY_LENGTH, "1000.50", "2200.50")
    await book.bought("MSFT", OPENS, 7, "56")  # the day's own
    await book.action("AAPL", OPENS.date(), 120, 3, "6", PASS)
    found = await drift.morning(book.session, DAY, at=PASS)
    assert (found.cash, found.prior_close_equity, found.peak_equity) == (
        Decimal("1000.50"),
        Decimal("2200.50"),
        Decimal("2200.50"),
    )
    apple, microsoft = found.positions["AAPL"], found.positions["MSFT"]
    assert (apple.holding.quantity, apple.holding.average_price) == (120, Decimal(10))
    assert (apple.opened, apple.closed) == ((OPENS - 5 * DAY_LENGTH).date(), None)
    assert (microsoft.holding.quantity, microsoft.closed) == (0, (OPENS - DAY_LENGTH).date())
    assert microsoft.realized == Decimal("49.50")  # both fees


async def test_morning_when_fills_and_dividends_came_after_the_mark_then_cash_has_them(book: Book) -> None:
    evening = CLOSES - DAY_LENGTH
    await book.mark(evening, "1000", "1000")
    await book.bought("AAPL", evening + timedelta(hours=1), 10, "20")
    await book.action("AAPL", (OPENS - DAY_LENGTH).date(), 10, 1, "3", evening + timedelta(hours=2))
    await book.action("MSFT", OPENS.date(), 10, 1, "5", PASS - timedelta(minutes=1))  # the engine books the day's own
    found = await drift.morning(book.session, DAY, at=PASS)
    assert found.cash == 1000 - 200 - Decimal("0.25") + 3


async def test_morning_when_it_is_the_accounts_first_then_cash_is_what_the_day_began_with(book: Book) -> None:
    await book.bought("AAPL", OPENS, 10, "20")
    await book.mark(CLOSES, "799.75", "1010")
    found = await drift.morning(book.session, DAY, at=PASS)
    assert (found.cash, found.positions, found.prior_close_equity) == (Decimal("1000.00"), {}, None)


async def test_morning_when_nobody_ever_marked_the_account_then_it_is_refused(book: Book) -> None:
    with pytest.raises(NotFound, match="ACCOUNT_NEVER_MARKED: session=1999-03-10"):
        await drift.morning(book.session, DAY, at=PASS)


async def test_position_when_bought_again_then_it_was_opened_on_that_day(book: Book) -> None:
    await book.mark(CLOSES - DAY_LENGTH, "1", "1")
    for days, side in ((5, Side.BUY), (4, Side.SELL), (2, Side.BUY)):
        trade = book.bought if side is Side.BUY else book.sold
        await trade("AAPL", OPENS - days * DAY_LENGTH, 10, "20")
    found: BookPosition = (await drift.morning(book.session, DAY, at=PASS)).positions["AAPL"]
    assert (found.opened, found.closed) == ((OPENS - 2 * DAY_LENGTH).date(), None)


async def test_actions_when_recommended_before_then_the_newest_of_each_counts(book: Book) -> None:
    await book.recommendation("AAPL", PASS - DAY_LENGTH, Action.BUY, by="one")
    await book.recommendation("AAPL", PASS - timedelta(hours=1), Action.HOLD, by="one")
    await book.recommendation("AAPL", PASS, Action.SELL, by="one")
    await book.mark(CLOSES - DAY_LENGTH, "1", "1")
    opening = await drift.morning(book.session, DAY, at=PASS)
    found = await drift.with_actions(book.session, opening, symbols=["AAPL", "MSFT"], at=PASS)
    assert found.actions == {"AAPL": Action.HOLD}


# -- when, and with what ----------------------------------------------------------------------------------------------


async def test_pass_when_there_were_several_then_the_last_before_the_open_counts(book: Book) -> None:
    early, noon = OPENS - timedelta(minutes=40), OPENS + timedelta(hours=3)
    for at in (OPENS - timedelta(hours=3), early, PASS, OPENS, noon):
        await book.recommendation("AAPL", at, Action.NONE, by="research-universe")
    await book.recommendation("AAPL", OPENS - timedelta(minutes=1), Action.BUY, by="research/AAPL")
    assert await drift.decided_at(book.session, DAY.session, decided_by="research-universe") == PASS


async def test_pass_when_there_was_none_then_it_is_the_instant_of_the_plan(book: Book) -> None:
    await book.recommendation("AAPL", OPENS - timedelta(minutes=61), Action.BUY, by="research-universe")
    found = await drift.decided_at(book.session, DAY.session, decided_by="research-universe")
    assert found == OPENS - timedelta(minutes=5)


async def test_configuration_when_the_pass_used_another_than_todays_then_it_is_that_one(book: Book) -> None:
    used = TradingConfig.for_tier("conservative")
    for each in (used, TradingConfig.for_tier("aggressive")):
        await config.put(book.session, each, created_at=PASS, created_by="test", reason="")
    await book.recommendation("AAPL", PASS, Action.NONE, by="one", version=used.version())
    assert await drift.configuration(book.session, at=PASS) == (used.version(), used)


@pytest.mark.parametrize("version", ["", "lost"])
async def test_configuration_when_the_book_has_it_no_more_then_it_is_todays(book: Book, version: str) -> None:
    now = TradingConfig.for_tier("aggressive")
    await config.put(book.session, now, created_at=PASS, created_by="test", reason="")
    if version:
        await book.recommendation("AAPL", PASS, Action.NONE, by="one", version=version)
    assert await drift.configuration(book.session, at=PASS) == (now.version(), now)


# -- the day ----------------------------------------------------------------------------------------------------------


async def test_day_when_read_then_it_has_what_happened_in_it_and_nothing_else(book: Book) -> None:
    for at in (PASS - timedelta(minutes=1), PASS, CLOSES, CLOSES + timedelta(minutes=1)):
        await book.recommendation("AAPL", at, Action.BUY, by="research-universe", kept=at != CLOSES)
    await book.bought("MSFT", OPENS - DAY_LENGTH, 5, "40")
    await book.bought("AAPL", OPENS, 10, "20")
    await book.bought("GS", OPENS + DAY_LENGTH, 10, "20")
    await book.action("MSFT", OPENS.date(), 5, 2, "1.5", PASS)
    await book.mark(CLOSES - DAY_LENGTH, "900", "1000")
    await book.mark(CLOSES + timedelta(seconds=2), "700", "1001")
    await book.mark(CLOSES + DAY_LENGTH, "1", "1")
    live = await drift.live_day(book.session, DAY, at=PASS)
    assert [(each.as_of, each.record_key != "") for each in live.decisions] == [(PASS, True), (CLOSES, False)]
    assert live.was_decided
    (order,) = live.orders
    assert (order.symbol, order.status, order.denied, order.approval) == ("AAPL", "filled", False, None)
    assert [(fill.quantity, fill.price, fill.fee) for fill in order.fills] == [(10, 20, Decimal("0.25"))]
    assert [(each.symbol, each.cash, each.quantity) for each in live.actions] == [("MSFT", Decimal("1.5"), 10)]
    assert live.before is not None
    assert live.after is not None
    assert (live.before.equity, live.after.equity) == (1000, 1001)
    assert live.trading_state is TradingState.ACTIVE


async def test_day_when_earlier_orders_are_under_way_then_they_are_in_it_and_ended_ones_are_not(book: Book) -> None:
    earlier = OPENS - 3 * DAY_LENGTH
    working = await book.order("AAPL", Side.BUY, earlier, 10, status="accepted")
    await book.fill(working, "AAPL", Side.BUY, OPENS, 4, "20")
    await book.order("MSFT", Side.BUY, earlier, 10, status="open", sent=False)
    await book.order("GS", Side.BUY, earlier, 10)
    await book.order("IBM", Side.BUY, earlier, 10, status="declined", sent=False)
    live = await drift.live_day(book.session, DAY, at=PASS)
    assert {order.symbol: len(order.fills) for order in live.orders} == {"AAPL": 1, "MSFT": 0}


async def test_order_when_risk_and_a_person_spoke_then_the_last_of_each_counts(book: Book) -> None:
    denied = await book.order("AAPL", Side.BUY, PASS, 10, status="denied", sent=False)
    asked = await book.order("MSFT", Side.BUY, PASS, 10, status="declined", sent=False)
    for intent, minutes, outcome, allowed in (
        (denied, 0, "allow", 10),
        (denied, 1, "deny", 0),
        (asked, 0, "clamp", 8),
    ):
        checks = [{"code": "POSITION_LIMIT_EXCEEDED", "outcome": "deny"}, {"code": "RESERVE", "outcome": "allow"}]
        await book.add(
            RiskDecisionRow(
                decision_id=f"{intent}-{minutes}",
                intent_id=intent,
                outcome=outcome,
                allowed_quantity=Decimal(allowed),
                checks=checks if outcome == "deny" else [],
                as_of=PASS + timedelta(minutes=minutes),
            )
        )
    await book.add(
        Approval(
            approval_id="a",
            intent_id=asked,
            decision_id=f"{asked}-0",
            symbol="MSFT",
            side="buy",
            quantity=Decimal(8),
            notional=Decimal(80),
            reason="large",
            order_hash="h",
            status="declined",
            requested_at=PASS,
            expires_at=CLOSES,
            decided_at=OPENS,
            decided_by="ann",
            decision_reason="too large",
        )
    )
    orders = {order.symbol: order for order in (await drift.live_day(book.session, DAY, at=PASS)).orders}
    assert (orders["AAPL"].denied, orders["AAPL"].reason) == (True, "POSITION_LIMIT_EXCEEDED")
    approval = orders["MSFT"].approval
    assert approval is not None
    assert (orders["MSFT"].allowed, approval.status, approval.decided_by, approval.reason, approval.withheld) == (
        8,
        "declined",
        "ann",
        "too large",
        True,
    )


@pytest.mark.parametrize(("minutes", "state"), [(-1, TradingState.HALTED), (0, TradingState.HALTED), (1, "active")])
async def test_day_when_trading_was_halted_then_it_counts_from_before_the_open_only(
    book: Book, minutes: int, state: str
) -> None:
    await book.session.exec(delete(TradingControl))  # other tests of the session may have left a state
    await book.add(
        TradingControl(control_id=1, state="halted", reason="fire", changed_at=OPENS + timedelta(minutes=minutes))
    )
    live = await drift.live_day(book.session, DAY, at=PASS)
    assert live.trading_state == state
    assert live.state_reason == ("fire" if state == TradingState.HALTED else "")


# -- reports ----------------------------------------------------------------------------------------------------------


async def test_report_when_the_day_is_compared_again_then_it_is_replaced(book: Book) -> None:
    played = play(0)
    equal = laid(mirror(0, played), played)
    other = laid(mirror(0, played).model_copy(update={"orders": (), "after": None}), played)
    day = other.session
    await drift.save(book.session, other, compared_at=OPENS)
    row = await drift.require(book.session, day)
    assert (row.gaps, row.difference, row.unexplained) == (len(other.found), None, None)
    await drift.save(book.session, equal, compared_at=CLOSES)
    book.session.expire_all()
    row = await drift.require(book.session, day)
    assert (row.gaps, row.compared_at, row.difference) == (0, CLOSES, 0)
    assert row.counts == {kind.value: equal.counts[kind] for kind in GapKind}
    assert type(equal).model_validate(row.report) == equal


async def test_reports_when_listed_then_the_newest_come_first_and_pages_go_on(book: Book) -> None:
    played = play(0)
    report = laid(mirror(0, played), played)
    days = [OPENS.date() + timedelta(days=each) for each in range(4)]
    assert await drift.newest_session(book.session) is None
    for day in (days[2], days[0], days[3], days[1]):
        await drift.save(book.session, report.model_copy(update={"session": day}), compared_at=CLOSES)
    first = await drift.list_recent(book.session, limit=3)
    assert [row.session for row in first] == days[:0:-1]
    assert [row.session for row in await drift.list_recent(book.session, limit=3, before=days[1])] == [days[0]]
    assert await drift.newest_session(book.session) == days[3]
    with pytest.raises(NotFound, match="DRIFT_REPORT_NOT_FOUND: session=1999-03-09"):
        await drift.require(book.session, days[0] - DAY_LENGTH)
