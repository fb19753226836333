"""Effectively once, attempt by attempt: on a real database, with brokers that lose, delay and refuse."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest

from domain.broker import BrokerOrder, OrderTicket, OrderType
from domain.decisions import Side, TradingState
from domain.errors import ConfigurationError, Conflict, VendorRejected, VendorUnavailable
from domain.submission import LONGEST_IN_FLIGHT, TIME_TO_LIVE, CancelRequest, ReplaceRequest
from store import control
from tests.broker.office import Office
from tests.paper_broker.harness import bar

pytestmark = pytest.mark.stack


class Wrapped:
    """The real broker with one method of another's making."""

    def __init__(self, broker: Any, **instead: Callable[..., Awaitable[Any]]) -> None:
        self._broker = broker
        self._instead = instead

    def __getattr__(self, name: str) -> Any:
        return self._instead.get(name) or getattr(self._broker, name)


def _raise(error: Exception) -> Callable[..., Awaitable[Any]]:
    async def fail(*_: Any, **__: Any) -> Any:
        raise error

    return fail


async def _pause(books: Office, state: TradingState = TradingState.REDUCING) -> None:
    async with books.database.transaction() as session:
        await control.change(session, wanted=state, reason="test", actor="test", at=books.now)


async def test_order_when_prepared_then_its_whole_ticket_and_time_to_live_are_in_the_book(books: Office) -> None:
    await books.intend("a1", quantity="3")
    await books.prepare("a1")
    order = await books.order("a1")
    assert OrderTicket.model_validate(order.body) == OrderTicket(
        client_order_id="so-paper-a1", symbol="AAPL", side=Side.BUY, quantity=Decimal(3)
    )
    assert order.expires_at == books.now + TIME_TO_LIVE
    assert order.sent_at == books.now


async def test_order_when_its_answer_was_lost_then_the_next_attempt_adopts_it(books: Office) -> None:
    await books.intend("a1")
    await books.prepare("a1")
    await books.place_past_us("a1")
    assert (await books.submit("a1")).status == "filled"
    assert len(books.client.sdk.get_orders()) <= 1


async def test_refusal_when_an_earlier_post_may_be_under_way_then_it_is_not_final(books: Office) -> None:
    """The earlier post arrives and takes the money; the later one is refused for it."""
    await books.intend("a1")
    await books.prepare("a1")
    books.broker = Wrapped(books.broker, place=_raise(VendorRejected("BUYING_POWER_INSUFFICIENT", status=403)))
    with pytest.raises(VendorUnavailable) as unknown:
        await books.submit("a1")
    assert unknown.value.code == "ORDER_MAY_BE_IN_FLIGHT"
    assert (await books.order("a1")).status == "pending"
    books.client.market("buy", "AAPL", qty=10, client_order_id="so-paper-a1")
    assert (await books.submit("a1")).status == "filled"


async def test_refusal_when_nothing_else_is_under_way_then_it_is_final(books: Office) -> None:
    await books.intend("a1", quantity="9999999")
    with pytest.raises(VendorRejected) as refused:
        await books.submit("a1")
    assert refused.value.code == "BUYING_POWER_INSUFFICIENT"
    assert (await books.order("a1")).status == "rejected"


async def test_pause_when_an_earlier_post_may_be_under_way_then_the_order_is_not_denied_but_looked_for(
    books: Office,
) -> None:
    await books.intend("a1")
    await books.prepare("a1")
    await _pause(books)
    with pytest.raises(VendorUnavailable):
        await books.submit("a1")
    books.now += LONGEST_IN_FLIGHT
    assert (await books.submit("a1")).status == "denied"
    assert await books.broker.find("so-paper-a1") is None


async def test_pause_when_nothing_was_sent_then_a_buy_is_denied_and_a_sale_goes_out(books: Office) -> None:
    await books.intend("a1")
    await books.trade("a1")
    await _pause(books)
    await books.intend("a2")
    assert (await books.submit("a2")).status == "denied"
    await books.intend("a3", side=Side.SELL)
    assert (await books.trade("a3")).status == "filled"
    await _pause(books, TradingState.HALTED)
    await books.intend("a4", side=Side.SELL)
    assert (await books.submit("a4")).status == "denied"
    await _pause(books, TradingState.ACTIVE)


async def test_keys_when_refused_while_sending_then_the_outcome_is_unknown_and_nothing_is_closed(
    books: Office,
) -> None:
    await books.intend("a1")
    books.broker = Wrapped(books.broker, find=_raise(ConfigurationError("BROKER_KEYS_REFUSED")))
    with pytest.raises(VendorUnavailable) as unknown:
        await books.submit("a1")
    assert unknown.value.code == "BROKER_KEYS_REFUSED"
    assert (await books.order("a1")).status == "pending"


async def test_order_when_its_time_to_live_is_over_and_it_was_never_sent_then_it_expires_unsent(books: Office) -> None:
    await books.intend("a1")
    books.broker = Wrapped(books.broker, find=_raise(VendorUnavailable("BROKER_UNREACHABLE")))
    with pytest.raises(VendorUnavailable):
        await books.submit("a1")
    books.broker = Wrapped(books.broker._broker, place=_raise(AssertionError("nothing may be sent any more")))
    books.now += TIME_TO_LIVE
    progress = await books.sync("a1")
    assert (progress.status, progress.closed) == ("expired", True)
    assert (await books.submit("a1")).status == "expired"


async def test_order_when_its_time_to_live_is_over_and_it_was_sent_then_it_is_not_sent_again(books: Office) -> None:
    await books.intend("a1")
    await books.prepare("a1")
    books.now += TIME_TO_LIVE
    books.broker = Wrapped(books.broker, place=_raise(AssertionError("nothing may be sent any more")))
    assert not (await books.submit("a1")).closed
    assert not (await books.sync("a1")).closed
    books.now += LONGEST_IN_FLIGHT - timedelta(seconds=1)
    assert not (await books.sync("a1")).closed
    books.now += timedelta(seconds=1)
    progress = await books.sync("a1")
    assert (progress.status, progress.closed) == ("abandoned", True)


async def test_order_when_another_one_stands_under_its_id_then_nothing_is_adopted(books: Office) -> None:
    await books.intend("a1")
    await books.prepare("a1")
    await books.place_past_us("a1", quantity=Decimal(11))
    with pytest.raises(Conflict) as collision:
        await books.submit("a1")
    assert collision.value.code == "CLIENT_ORDER_ID_COLLISION"
    assert await books.positions() == {}


async def test_attempts_when_two_run_at_a_time_then_the_broker_holds_one_order(books: Office) -> None:
    await books.intend("a1")
    found = await asyncio.gather(*(books.submit("a1") for _ in range(4)), return_exceptions=True)
    assert not [each for each in found if isinstance(each, Exception) and not isinstance(each, VendorUnavailable)]
    await books.sync("a1")
    placed = books.client.sdk.get("/orders", {"status": "all"})
    assert [order["client_order_id"] for order in placed] == ["so-paper-a1"]
    assert await books.positions() == {"AAPL": Decimal(10)}


# -- cancel and replace -----------------------------------------------------------------------------------------------


async def _resting(books: Office, name: str = "a1", *, price: str = "50") -> None:
    """A limit order of ours that rests at the broker."""
    await books.intend(name)
    await books.prepare(name)
    ticket = {"type": "limit", "limit_price": price, "time_in_force": "day"}
    order = await books.order(name)
    await books.change_order(name, body={**order.body, **ticket})
    await books.place_past_us(name, type=OrderType.LIMIT, limit_price=Decimal(price))
    assert (await books.sync(name)).status == "accepted"


async def test_cancel_when_the_order_rests_then_it_is_read_back_until_canceled(books: Office) -> None:
    await _resting(books)
    progress = await books.desk.cancel_order(CancelRequest(intent_id="a1", as_of=books.now))
    assert (progress.status, progress.closed) == ("canceled", True)


async def test_cancel_when_a_fill_is_faster_then_filled_is_the_outcome(books: Office) -> None:
    await _resting(books)
    real = books.broker

    async def too_late(broker_order_id: str) -> None:
        books.client.closed(bar("AAPL", "49"))
        await real.cancel(broker_order_id)

    books.broker = Wrapped(real, cancel=too_late)
    progress = await books.desk.cancel_order(CancelRequest(intent_id="a1", as_of=books.now))
    assert (progress.status, Decimal(progress.filled_quantity)) == ("filled", Decimal(10))
    assert await books.positions() == {"AAPL": Decimal(10)}


def _change(books: Office, key: str = "k1", **terms: Any) -> ReplaceRequest:
    return ReplaceRequest(intent_id="a1", request_key=key, as_of=books.now, **terms)


async def test_replace_when_the_order_rests_then_the_new_one_is_followed(books: Office) -> None:
    await _resting(books)
    report = await books.desk.replace_order(_change(books, limit_price=Decimal(51), quantity=Decimal(12)))
    assert (report.replaced, report.progress.status) == (True, "accepted")
    order = await books.order("a1")
    assert (order.client_order_id, order.quantity) == ("so-paper-a1", Decimal(12))
    seen = await books.broker.get(order.broker_order_id)
    assert (seen.client_order_id, seen.limit_price) == ("so-paper-a1-r1", Decimal(51))
    assert (await books.reconcile()).clean
    books.client.closed(bar("AAPL", "50"))
    assert (await books.sync("a1")).status == "filled"
    assert await books.positions() == {"AAPL": Decimal(12)}


async def test_replace_when_repeated_under_one_key_then_there_is_one_replacement(books: Office) -> None:
    await _resting(books)
    first = await books.desk.replace_order(_change(books, limit_price=Decimal(51)))
    again = await books.desk.replace_order(_change(books, limit_price=Decimal(51)))
    assert (first.replaced, again.replaced) == (True, True)
    other = await books.desk.replace_order(_change(books, "k2", limit_price=Decimal(52)))
    assert other.replaced
    chain = [each["client_order_id"] for each in books.client.sdk.get("/orders", {"status": "all", "direction": "asc"})]
    assert chain == ["so-paper-a1", "so-paper-a1-r1", "so-paper-a1-r2"]


async def test_replace_when_its_answer_is_lost_then_the_next_attempt_finds_it(books: Office) -> None:
    await _resting(books)
    real = books.broker

    async def lost(broker_order_id: str, change: Any) -> BrokerOrder:
        await real.replace(broker_order_id, change)
        raise VendorUnavailable("BROKER_UNREACHABLE")

    books.broker = Wrapped(real, replace=lost)
    with pytest.raises(VendorUnavailable):
        await books.desk.replace_order(_change(books, limit_price=Decimal(51)))
    books.broker = real
    report = await books.desk.replace_order(_change(books, limit_price=Decimal(51)))
    assert report.replaced
    assert len(books.client.sdk.get("/orders", {"status": "all"})) == 2


async def test_replace_when_a_fill_is_faster_then_the_order_is_filled_and_not_replaced(books: Office) -> None:
    await _resting(books)
    books.client.closed(bar("AAPL", "49"))
    report = await books.desk.replace_order(_change(books, limit_price=Decimal(51)))
    assert (report.replaced, report.progress.status) == (False, "filled")
    assert await books.positions() == {"AAPL": Decimal(10)}


async def test_replace_when_trading_is_paused_then_a_buy_stays_as_it_is(books: Office) -> None:
    await _resting(books)
    await _pause(books)
    report = await books.desk.replace_order(_change(books, limit_price=Decimal(51)))
    assert (report.replaced, report.reason.split(":")[0]) == (False, "TRADING_PAUSED")
    await _pause(books, TradingState.ACTIVE)


async def test_order_when_somebody_replaces_it_by_hand_then_the_replacement_is_followed(books: Office) -> None:
    await _resting(books)
    order = await books.order("a1")
    books.client.sdk.patch(f"/orders/{order.broker_order_id}", {"limit_price": "52"})
    assert not (await books.sync("a1")).closed
    report = await books.reconcile()
    assert report.clean
    books.client.closed(bar("AAPL", "50"))
    assert (await books.sync("a1")).status == "filled"
    assert (await books.reconcile()).clean
    assert await books.positions() == {"AAPL": Decimal(10)}
    assert await books.foreign() == {}


async def _open_over_the_weekend(books: Office, ratio: str) -> None:
    """An order that rests while its company splits before the next session."""
    await books.intend("a1")
    await books.prepare("a1")
    order = await books.order("a1")
    await books.change_order("a1", body={**order.body, "type": "limit", "limit_price": "50", "time_in_force": "gtc"})
    await books.place_past_us("a1", type=OrderType.LIMIT, limit_price=Decimal(50), time_in_force="gtc")
    await books.sync("a1")
    books.client.closed(bar("AAPL", "100"))
    action = {"symbol": "AAPL", "split_ratio": ratio, "cash_dividend": "0"}
    books.client.opened(bar("AAPL", "60"), day=books.now.date() + timedelta(days=1), actions=[action])
    books.later(days=1)


async def test_order_when_an_announced_split_changed_its_quantity_then_it_is_still_ours(books: Office) -> None:
    await books.run(
        "INSERT INTO corporate_actions (symbol, ex_date, cash_dividend, split_ratio)"
        " VALUES ('AAPL', '2024-03-05', 0, 2)"
    )
    await _open_over_the_weekend(books, "2")
    await books.sync("a1")
    assert (await books.order("a1")).quantity == Decimal(20)


async def test_order_when_its_quantity_changed_and_nothing_explains_it_then_nothing_is_adopted(books: Office) -> None:
    await _open_over_the_weekend(books, "2")
    with pytest.raises(Conflict):
        await books.sync("a1")
