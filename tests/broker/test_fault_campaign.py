"""Many orders through every fault there is, with attempts cut short: the account and the book end equal."""

from __future__ import annotations

import asyncio
import random
from decimal import Decimal

import pytest

from domain.decisions import Side
from domain.errors import VendorError
from tests.broker.office import MODE, Office
from tests.paper_broker.harness import bar

pytestmark = pytest.mark.stack

FAULTS = (
    "error_504_after_commit",
    "hang",
    "storm_429",
    "reset_before_commit",
    "reset_after_commit",
    "reject_after_200",
    "partial_fill",
)
ENDED = ("filled", "rejected", "denied", "expired", "canceled")


async def _carry(books: Office, name: str, chance: random.Random) -> None:
    """Attempt until the order ended, as the workflow does; some attempts die in the middle."""
    for _ in range(60):
        attempt = asyncio.create_task(books.submit(name))
        cut_short = chance.random() < 0.3
        if cut_short:
            await asyncio.sleep(chance.random() * 0.05)
            attempt.cancel()
        await asyncio.wait({attempt})
        if cut_short or attempt.cancelled() or isinstance(attempt.exception(), VendorError):
            books.later(seconds=15)
            if (await books.order_or_none(name)) is not None and chance.random() < 0.3:
                await books.reconcile()
            continue
        if attempt.exception() is not None:
            raise attempt.exception()  # type: ignore[misc]
        if attempt.result().to_send:
            books.later(seconds=1)
            await books.judge(name, "3")
            continue
        if attempt.result().status in ENDED or (await books.sync(name)).status in (*ENDED, "partially_filled"):
            return
    raise AssertionError(f"{name} never ended")


@pytest.mark.parametrize("seed", range(3))
async def test_orders_when_everything_goes_wrong_then_each_is_at_the_broker_once_and_booked_once(
    books: Office, monkeypatch: pytest.MonkeyPatch, seed: int
) -> None:
    monkeypatch.setattr("activities.adapters.alpaca.session.TIMEOUT_SECONDS", (2.0, 1.5))
    chance = random.Random(seed)
    names = [f"c{seed}n{number}" for number in range(10)]
    for name in names:
        held = (await books.positions()).get("AAPL", Decimal(0))
        side = Side.SELL if held >= 3 and chance.random() < 0.4 else Side.BUY
        await books.intend(name, side=side, quantity="3")
        books.client.told("faults", {"kind": chance.choice(FAULTS), "count": 1})
        await _carry(books, name, chance)
        books.client.control("DELETE", "faults")
    books.client.closed(bar("AAPL", "100"), bar("MSFT", "100"))
    books.now = books.now.replace(hour=21)
    for name in names:
        await books.sync(name)
    report = await books.reconcile()
    assert (report.clean, report.mismatches) == (True, 0)
    assert (await books.reconcile()).adopted == 0
    placed = books.client.sdk.get("/orders", {"status": "all", "limit": 500})
    ids = [order["client_order_id"] for order in placed]
    assert len(ids) == len(set(ids))
    assert set(ids) <= {f"so-{MODE}-{name}" for name in names}
    booked = {fill.order_id: Decimal(0) for fill in await books.fills()}
    for fill in await books.fills():
        booked[fill.order_id] += fill.quantity
    for name in names:
        order = await books.order(name)
        assert booked.get(order.order_id, Decimal(0)) == order.filled_quantity <= order.quantity
        assert order.status in ENDED
    theirs = {each.symbol: each.quantity for each in await books.broker.positions()}
    assert await books.positions() == theirs
    spent = sum(
        (fill.quantity * fill.price * (1 if fill.side == "buy" else -1) for fill in await books.fills()), Decimal(0)
    )
    assert books.client.cash() == Decimal(100_000) - spent
