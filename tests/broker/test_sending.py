"""What may not happen on the way to the broker: halts that leave orders, verdicts from yesterday, sales of nothing."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest

from activities.adapters.calendar import ExchangeCalendar
from activities.engine import EngineActivities
from activities.orders import VERDICT_HOLDS
from domain.broker import BrokerOrder, OrderTicket
from domain.decisions import Side, TradingState
from domain.errors import VendorRejected, VendorUnavailable
from domain.ids import digest
from domain.portfolio import Fill
from domain.submission import LONGEST_IN_FLIGHT, TIME_TO_LIVE
from domain.trading import CloseRequest, ControlChange, ControlReport, OrderProgress
from store import control, portfolio
from store.database import DatabaseSettings
from tests.broker.office import Office, office
from tests.broker.test_submission import Wrapped
from tests.paper_broker.harness import Client, bar

pytestmark = pytest.mark.stack

AWAY = VendorUnavailable("BROKER_UNREACHABLE")
CLOSE = datetime(2024, 3, 4, 21, tzinfo=UTC)


def _away(*_: Any, **__: Any) -> Any:
    raise AWAY


def _rest(books: Office) -> None:
    """From now on market orders wait for the next session."""
    books.client.closed(bar("AAPL", "100"), bar("MSFT", "100"))


async def _halt(books: Office, key: str = "halt", broker: Any = None) -> ControlReport:
    engine = EngineActivities(books.database, broker or books.broker, ExchangeCalendar(today=books.now.date()))
    change = ControlChange(
        state=TradingState.HALTED,
        reason="test",
        actor="test",
        change_key=digest(key, books.client.address),
        as_of=books.now,
        cancel_open_orders=True,
    )
    return await engine.change_control(change)


async def _pause(books: Office) -> None:
    async with books.database.transaction() as session:
        await control.change(session, wanted=TradingState.REDUCING, reason="test", actor="test", at=books.now)


async def _at_broker(books: Office, name: str) -> str:
    found = await books.broker.find(f"so-paper-{name}")
    return "unknown" if found is None else found.status.value


# -- halting ----------------------------------------------------------------------------------------------------------


async def test_halt_when_an_orders_answer_was_lost_then_it_is_canceled_as_the_others_are(books: Office) -> None:
    _rest(books)
    await books.intend("a1")
    await books.prepare("a1")
    await books.place_past_us("a1")
    await books.intend("a2", symbol="MSFT")
    await books.submit("a2")
    report = await _halt(books)
    assert (report.canceled_orders, report.not_canceled) == (2, ())
    assert [await _at_broker(books, name) for name in ("a1", "a2")] == ["canceled", "canceled"]
    assert (await books.submit("a1")).status == "canceled"


async def test_halt_when_a_cancel_is_refused_then_the_others_are_asked_for_and_it_is_reported(books: Office) -> None:
    _rest(books)
    for name, symbol in (("a1", "AAPL"), ("a2", "MSFT")):
        await books.intend(name, symbol=symbol)
        await books.submit(name)
    stubborn, real = (await books.order("a1")).broker_order_id, books.broker

    async def cancel(broker_order_id: str) -> None:
        if broker_order_id == stubborn:
            raise VendorRejected("BROKER_NOT_FOUND", status=404)
        await real.cancel(broker_order_id)

    report = await _halt(books, broker=Wrapped(real, cancel=cancel))
    assert (report.state, report.canceled_orders) == (TradingState.HALTED, 1)
    assert [line.split(":")[:2] for line in report.not_canceled] == [["so-paper-a1", " BROKER_NOT_FOUND"]]
    assert [await _at_broker(books, name) for name in ("a1", "a2")] == ["accepted", "canceled"]


async def test_halt_when_nobody_knows_what_came_of_a_cancel_then_the_others_are_asked_for_and_a_repeat_asks_again(
    books: Office,
) -> None:
    _rest(books)
    for name, symbol in (("a1", "AAPL"), ("a2", "MSFT")):
        await books.intend(name, symbol=symbol)
        await books.submit(name)
    lost, real = (await books.order("a1")).broker_order_id, books.broker

    async def cancel(broker_order_id: str) -> None:
        if broker_order_id == lost:
            raise AWAY
        await real.cancel(broker_order_id)

    with pytest.raises(VendorUnavailable) as unknown:
        await _halt(books, broker=Wrapped(real, cancel=cancel))
    assert unknown.value.fields["orders"] == "so-paper-a1"
    assert await _at_broker(books, "a2") == "canceled"
    assert (await _halt(books)).canceled_orders == 1
    assert await _at_broker(books, "a1") == "canceled"


async def test_halt_when_an_order_is_still_on_its_way_then_it_is_reported_and_canceled_when_it_arrives(
    books: Office,
) -> None:
    _rest(books)
    await books.intend("a1")
    await books.prepare("a1")
    report = await _halt(books)
    assert (report.canceled_orders, len(report.not_canceled)) == (0, 1)
    await books.place_past_us("a1")
    assert (await books.sync("a1")).status == "canceled"
    assert await _at_broker(books, "a1") == "canceled"


async def test_halt_when_an_orders_answer_is_written_after_it_then_the_order_is_canceled(books: Office) -> None:
    _rest(books)
    await books.intend("a1")
    await books.prepare("a1")
    await books.place_past_us("a1")
    real, looked, halted = books.broker, asyncio.Event(), asyncio.Event()

    async def find(client_order_id: str) -> BrokerOrder | None:
        found = await real.find(client_order_id)
        looked.set()
        await halted.wait()
        return found  # type: ignore[no-any-return]

    books.broker = Wrapped(real, find=find)
    adopting = asyncio.create_task(books.submit("a1"))
    await looked.wait()
    assert (await _halt(books, broker=real)).canceled_orders == 1
    halted.set()
    assert (await adopting).status == "canceled"


async def test_pause_when_a_purchase_was_never_acknowledged_then_it_is_canceled_and_an_open_one_stays(
    books: Office,
) -> None:
    _rest(books)
    await books.intend("a1")
    await books.prepare("a1")
    await books.place_past_us("a1")
    await books.intend("a2", symbol="MSFT")
    await books.submit("a2")
    await _pause(books)
    assert (await books.sync("a1")).status == "canceled"
    assert (await books.sync("a2")).status == "accepted"


# -- booking ----------------------------------------------------------------------------------------------------------


async def test_first_fills_when_booked_at_a_time_then_the_position_has_both(books: Office) -> None:
    wanted = {"a1": Decimal(10), "a2": Decimal(5)}
    ids = {}
    for name in wanted:
        await books.intend(name)
        await books.prepare(name)
        ids[name] = (await books.order(name)).order_id
    booked = asyncio.Event()

    async def book(name: str, *, first: bool) -> None:
        fill = Fill(
            fill_id=name,
            order_id=ids[name],
            intent_id=name,
            symbol="AAPL",
            side=Side.BUY,
            quantity=wanted[name],
            price=Decimal(10),
            filled_at=books.now,
        )
        async with books.database.transaction() as session:
            await portfolio.book_fills(session, order_id=ids[name], fills=[fill], booked_at=books.now)
            if first:
                booked.set()
                await asyncio.sleep(0.3)

    earlier = asyncio.create_task(book("a1", first=True))
    await booked.wait()
    await asyncio.gather(earlier, book("a2", first=False))
    assert await books.positions() == {"AAPL": Decimal(15)}


# -- sales ------------------------------------------------------------------------------------------------------------


@pytest.fixture
def shorting(start: Callable[..., Client]) -> Client:
    """A broker whose account may be short."""
    return start(shorting=True)


async def _holding_ten(books: Office) -> None:
    books.open_market()
    await books.intend("a1")
    await books.trade("a1")
    await books.reconcile()


@pytest.mark.parametrize(("by_hand", "sold"), [(4, 6), (1, 9)])
async def test_sale_when_the_owner_sold_some_by_hand_then_it_is_cut_to_what_is_there(
    shorting: Client, own_database: DatabaseSettings, by_hand: int, sold: int
) -> None:
    async with office(own_database, shorting) as books:
        await _holding_ten(books)
        shorting.market("sell", "AAPL", qty=by_hand, client_order_id="by-hand")
        await books.intend("a2", side=Side.SELL)
        progress = await books.trade("a2")
        assert (progress.status, Decimal(progress.filled_quantity)) == ("filled", Decimal(sold))
        assert progress.reason.startswith("SALE_CUT: symbol=AAPL, requested=10")
        assert await books.broker.positions() == []


async def test_sale_when_the_owner_sold_everything_by_hand_then_it_is_denied_and_nothing_is_short(
    shorting: Client, own_database: DatabaseSettings
) -> None:
    async with office(own_database, shorting) as books:
        await _holding_ten(books)
        shorting.market("sell", "AAPL", qty=10, client_order_id="by-hand")
        await books.reconcile()
        await books.intend("a2", side=Side.SELL)
        progress = await books.submit("a2")
        assert (progress.status, progress.closed) == ("denied", True)
        assert progress.reason.startswith("NOTHING_TO_SELL: symbol=AAPL, requested=10, sellable=0")
        assert await books.broker.positions() == []


async def test_sale_when_the_owner_has_shares_beside_ours_then_they_stay(books: Office) -> None:
    await _holding_ten(books)
    books.client.market("buy", "AAPL", qty=3, client_order_id="by-hand")
    await books.reconcile()
    assert await books.foreign() == {"AAPL": Decimal(3)}
    await books.intend("a2", side=Side.SELL, quantity="12")
    assert Decimal((await books.trade("a2")).filled_quantity) == Decimal(10)
    assert [each.quantity for each in await books.broker.positions()] == [Decimal(3)]


# -- sending once, and in time ----------------------------------------------------------------------------------------


async def test_order_when_an_earlier_post_may_be_under_way_then_it_is_not_posted_again_until_it_cannot_be(
    start: Callable[..., Client], own_database: DatabaseSettings
) -> None:
    """The broker lets an id be used again once its order was filled."""
    async with office(own_database, start(client_id_scope="active")) as books:
        books.open_market()
        await books.intend("a1")
        await books.prepare("a1")
        real = books.broker

        async def place(ticket: OrderTicket) -> BrokerOrder:
            await real.place(ticket)  # the earlier post lands, and is filled, right before this one
            return await real.place(ticket)  # type: ignore[no-any-return]

        books.broker = Wrapped(real, place=place)
        with pytest.raises(VendorUnavailable) as waits:
            await books.submit("a1")
        assert waits.value.code == "ORDER_MAY_BE_IN_FLIGHT"
        assert await real.positions() == []
        books.broker = real
        books.now += LONGEST_IN_FLIGHT - timedelta(seconds=1)
        assert not (await books.sync("a1")).to_send
        books.now += timedelta(seconds=1)
        assert (await books.sync("a1")).to_send
        await books.judge("a1", "10")
        assert (await books.trade("a1")).status == "filled"
        assert [each.quantity for each in await real.positions()] == [Decimal(10)]


async def test_order_when_the_broker_was_away_then_it_may_be_sent_while_its_time_to_live_lasts(books: Office) -> None:
    await books.intend("a1")
    real, books.broker = books.broker, Wrapped(books.broker, find=_away)
    with pytest.raises(VendorUnavailable):
        await books.submit("a1")
    books.broker = real
    books.now += TIME_TO_LIVE - timedelta(seconds=1)
    assert (await books.sync("a1")).to_send
    await books.judge("a1", "10")
    assert (await books.trade("a1")).status == "filled"


@pytest.mark.parametrize(("late", "sent"), [(timedelta(0), True), (timedelta(microseconds=1), False)])
async def test_order_when_its_verdict_is_old_then_it_is_not_sent_before_it_is_judged_again(
    books: Office, late: timedelta, sent: bool
) -> None:
    await books.intend("a1")
    books.now += VERDICT_HOLDS + late
    progress = await books.submit("a1")
    assert (await books.order_or_none("a1") is not None, progress.to_send) == (sent, not sent)
    if not sent:
        assert await books.broker.find("so-paper-a1") is None
        assert (await books.sync("a1")).to_send
        await books.judge("a1", "4")
        assert Decimal((await books.trade("a1")).filled_quantity) == Decimal(4)


async def test_order_when_judged_again_smaller_before_it_was_sent_then_the_smaller_one_is_sent(books: Office) -> None:
    await books.intend("a1")
    real, books.broker = books.broker, Wrapped(books.broker, find=_away)
    with pytest.raises(VendorUnavailable):
        await books.submit("a1")
    books.broker = real
    books.later(minutes=5)
    await books.judge("a1", "3")
    assert Decimal((await books.trade("a1")).filled_quantity) == Decimal(3)
    assert (await books.order("a1")).quantity == Decimal(3)


async def test_order_when_its_intent_is_denied_before_it_was_sent_then_it_ends_with_it(books: Office) -> None:
    await books.intend("a1")
    real, books.broker = books.broker, Wrapped(books.broker, find=_away)
    with pytest.raises(VendorUnavailable):
        await books.submit("a1")
    books.broker = real
    await books.desk.close_intent(CloseRequest(intent_id="a1", state="denied", reason="DAILY_LOSS", as_of=books.now))
    order = await books.order("a1")
    assert (order.status, order.reason) == ("denied", "DAILY_LOSS")
    assert (await books.submit("a1")).closed


async def _submitted_at(books: Office, at: datetime, **intent: Any) -> OrderProgress:
    """Planned a minute before the close, sent at another time."""
    books.calendar = ExchangeCalendar(today=date(2024, 3, 4))
    books.now = CLOSE - timedelta(minutes=1)
    await books.intend("a1", **intent)
    books.now = at
    return await books.submit("a1")


@pytest.mark.parametrize(
    ("after", "ended"), [(timedelta(seconds=-1), False), (timedelta(0), True), (timedelta(seconds=5), True)]
)
async def test_purchase_when_its_session_is_over_then_it_does_not_wait_for_the_next_open(
    books: Office, after: timedelta, ended: bool
) -> None:
    progress = await _submitted_at(books, CLOSE + after)
    assert (progress.closed, progress.status == "expired") == (ended, ended)
    assert (await _at_broker(books, "a1") == "unknown") is ended


async def test_purchase_by_hand_when_its_session_is_over_then_it_is_sent_all_the_same(books: Office) -> None:
    _rest(books)
    progress = await _submitted_at(books, CLOSE + timedelta(seconds=5), proposed_by="api:anna/1")
    assert progress.status == "accepted"


async def test_sale_when_its_session_is_over_then_it_is_sent_all_the_same(books: Office) -> None:
    await _holding_ten(books)
    _rest(books)
    books.calendar = ExchangeCalendar(today=date(2024, 3, 4))
    books.now = CLOSE - timedelta(minutes=1)
    await books.intend("a2", side=Side.SELL)
    books.now = CLOSE + timedelta(seconds=5)
    assert (await books.submit("a2")).status == "accepted"
