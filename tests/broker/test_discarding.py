"""An order whose workflow failed, brought to its end: whatever the broker has of it, once, with the person's reason."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal

import pytest

from domain.errors import Conflict, VendorUnavailable
from domain.submission import LONGEST_IN_FLIGHT
from tests.broker.office import Office
from tests.paper_broker.harness import bar

pytestmark = pytest.mark.stack

A_SECOND = timedelta(seconds=1)


async def _told(books: Office, event: str) -> list[str]:
    return [body["reason"] for body in await books.events(event) if "reason" in body]


async def test_order_when_it_was_filled_unheard_then_its_fills_are_booked_and_the_intent_is_closed_once(
    books: Office,
) -> None:
    await books.intend("a1")
    await books.prepare("a1")
    await books.place_past_us("a1")
    first, again = await books.discard("a1"), await books.discard("a1")
    assert first == again
    assert (first.state, Decimal(first.filled_quantity)) == ("filled", Decimal(10))
    assert (await books.intent_state("a1"), await books.positions()) == ("filled", {"AAPL": Decimal(10)})
    assert (len(await books.fills()), await _told(books, "order_filled")) == (1, ["not wanted"])
    assert (await books.reconcile()).clean


async def test_order_when_it_rests_at_the_broker_then_it_is_canceled_there(books: Office) -> None:
    books.client.closed(bar("AAPL", "100"))
    await books.intend("a1")
    await books.submit("a1")
    assert (await books.order("a1")).status == "accepted"
    assert (await books.discard("a1")).state == "canceled"
    assert (await books.order("a1")).status == await books.intent_state("a1") == "canceled"
    assert await _told(books, "order_canceled") == ["not wanted"]


async def test_intent_when_no_order_was_made_of_it_then_it_is_closed_and_none_can_be_made(books: Office) -> None:
    await books.intend("a1")
    assert (await books.discard("a1")).state == "discarded"
    assert (await books.intent_state("a1"), await _told(books, "order_discarded")) == ("discarded", ["not wanted"])
    with pytest.raises(Conflict, match="INTENT_ENDED"):
        await books.submit("a1")
    assert await books.order_or_none("a1") is None
    assert (await books.discard("a1")).state == "discarded"


async def test_order_when_it_was_never_let_out_then_it_ends_unsent(books: Office) -> None:
    await books.intend("a1")
    await books.prepare("a1")
    await books.change_order("a1", sent_at=None)
    assert (await books.discard("a1")).state == "expired"
    assert (await books.intent_state("a1"), (await books.order("a1")).status) == ("expired", "expired")


async def test_order_when_its_post_may_still_arrive_then_the_intent_stays_open_until_it_cannot(books: Office) -> None:
    await books.intend("a1")
    await books.prepare("a1")
    with pytest.raises(VendorUnavailable, match="ORDER_MAY_BE_IN_FLIGHT"):
        await books.discard("a1")
    assert await books.intent_state("a1") == "open"
    books.now += LONGEST_IN_FLIGHT - A_SECOND
    with pytest.raises(VendorUnavailable, match="ORDER_MAY_BE_IN_FLIGHT"):
        await books.discard("a1")
    books.now += A_SECOND
    assert (await books.discard("a1")).state == "abandoned"
    assert await books.intent_state("a1") == "abandoned"
    assert (await books.submit("a1")).closed  # a retry of the workflow sends nothing
    assert books.client.sdk.get_orders() == []


async def test_order_when_its_lost_post_arrives_meanwhile_then_it_is_taken_over(books: Office) -> None:
    await books.intend("a1")
    await books.prepare("a1")
    with pytest.raises(VendorUnavailable):
        await books.discard("a1")
    await books.place_past_us("a1")
    assert (await books.discard("a1")).state == "filled"
    assert await books.positions() == {"AAPL": Decimal(10)}
