"""Canceling whatever is or may be open at the broker, when trading is halted."""

from __future__ import annotations

import asyncio

import structlog

from activities.booking import chain_of
from activities.ports import Broker
from domain.errors import ConfigurationError, StonksError, VendorRejected, VendorUnavailable
from store import submissions
from store.database import Database
from store.tables.trading import Order

log = structlog.get_logger(__name__)

AT_A_TIME = 8
MAY_ARRIVE = "ORDER_MAY_BE_IN_FLIGHT: it is canceled when it arrives"
REFUSED = (VendorRejected, ConfigurationError)
"""A repeat of the cancel would be answered the same way."""


async def cancel_open(database: Database, broker: Broker) -> tuple[int, tuple[str, ...]]:
    """Cancel every order that is or may be open at the broker, each for itself.

    Returns how many cancels the broker took, and the client order ids of the orders that may still be open, with why.

    Raises:
        VendorUnavailable: of some nobody knows what came of it, after all were tried; a repeat asks again.
    """
    async with database.transaction() as session:
        perhaps = await submissions.perhaps_at_broker(session)
    slots = asyncio.Semaphore(AT_A_TIME)

    async def attempt(order: Order) -> bool | str | StonksError:
        async with slots:
            try:
                return await _cancel(broker, order)
            except StonksError as error:
                log.warning("cancel_failed", client_order_id=order.client_order_id, error=str(error))
                return error

    answers = await asyncio.gather(*map(attempt, perhaps))
    keys = [order.client_order_id for order in perhaps]
    found = dict(zip(keys, answers, strict=True))
    unknown = [key for key, each in found.items() if isinstance(each, StonksError) and not isinstance(each, REFUSED)]
    if unknown:
        raise VendorUnavailable(
            "CANCELS_UNKNOWN", "All others were asked for; these are asked for again", orders=" ".join(unknown)
        )
    left = tuple(f"{key}: {each}" for key, each in found.items() if not isinstance(each, bool))
    return sum(each is True for each in answers), left


async def _cancel(broker: Broker, order: Order) -> bool | str:
    """Whether there was something to cancel and the broker took it; text where the order may yet arrive."""
    seen = await broker.find(order.client_order_id)
    if seen is None:
        return False if order.abandoned_at is not None else MAY_ARRIVE
    last = (await chain_of(broker, seen))[-1]
    if last.status.final:
        return False
    await broker.cancel(last.broker_order_id)
    return True
