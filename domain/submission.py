"""When an order may be sent, and when one that the broker does not know is given up.

A late post may still land after the broker said that it does not know the order. So a missing order is given up only
when its time to live is over, and when the broker did not know it on two looks that lie further apart than a request
can be under way, both of them after the last time it was let out.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from decimal import Decimal

from domain.broker import BrokerOrder
from domain.model import Model, Utc
from domain.portfolio import OrderStatus, product
from domain.trading import OrderProgress

TIME_TO_LIVE = timedelta(minutes=30)
"""An order that could not be sent within this is not sent any more."""
LONGEST_IN_FLIGHT = timedelta(minutes=2)
"""No request is under way for longer: several times an attempt's timeouts, for threads and gateways that go on."""

ZERO = Decimal(0)


class SendingTimes(Model):
    """What is known of an order's way to the broker."""

    expires_at: Utc
    sent_at: Utc | None = None
    missing_since: Utc | None = None


class MissingVerdict(Model):
    missing_since: Utc
    abandoned: bool


class CancelRequest(Model):
    intent_id: str
    as_of: Utc


class ReplaceRequest(Model):
    """New terms for an open order. `request_key` makes a repeat find its own replacement; None leaves a term as it is.

    A higher quantity is the total, what is filled already included.
    """

    intent_id: str
    request_key: str
    quantity: Decimal | None = None
    limit_price: Decimal | None = None
    stop_price: Decimal | None = None
    trail: Decimal | None = None
    as_of: Utc


class ReplaceReport(Model):
    """`replaced` is False where a fill or a cancel was faster, or where the broker or the trading state said no."""

    replaced: bool
    reason: str = ""
    progress: OrderProgress


class DiscardRequest(Model):
    """End an order whose workflow failed: a person gave it up, and said why."""

    intent_id: str
    actor: str
    reason: str
    as_of: Utc


class DiscardReport(Model):
    """How the order ended, as the broker says; `discarded` where none was ever made."""

    intent_id: str
    state: str
    filled_quantity: str = "0"


def may_be_sent(times: SendingTimes, *, at: datetime) -> bool:
    return at < times.expires_at


def may_be_under_way(times: SendingTimes, *, at: datetime) -> bool:
    """Whether a post that was let out before may still arrive."""
    return times.sent_at is not None and at < times.sent_at + LONGEST_IN_FLIGHT


def earliest_under_way(at: datetime) -> datetime:
    """What left before has arrived by an instant, or never will."""
    return at - LONGEST_IN_FLIGHT


def judge_missing(times: SendingTimes, *, at: datetime) -> MissingVerdict:
    """The broker does not know the order at an instant: since when that holds, and whether it is enough."""
    since = times.missing_since
    if since is None or (times.sent_at is not None and since < times.sent_at):
        since = at
    abandoned = at >= times.expires_at and since + LONGEST_IN_FLIGHT <= at
    return MissingVerdict(missing_since=since, abandoned=abandoned)


def combined(chain: Sequence[BrokerOrder], executed: Mapping[str, Decimal]) -> BrokerOrder:
    """An order and all that replaced it as one order, under the first's client order id and the last's broker id.

    Args:
        chain: at least one order, each replaced by the next.
        executed: shares executed under each broker order id, as the activity list has them. They tell whether a
            replacement's own figures count what was filled before it.
    """
    first, last = chain[0], chain[-1]
    if len(chain) == 1:
        return first
    before = sum((executed.get(order.broker_order_id, ZERO) for order in chain[:-1]), ZERO)
    carried = bool(before) and last.filled_quantity == before + executed.get(last.broker_order_id, ZERO)
    filled = last.filled_quantity if carried else before + last.filled_quantity
    status = last.status
    if status is OrderStatus.ACCEPTED and filled > 0:
        status = OrderStatus.PARTIALLY_FILLED
    return last.model_copy(
        update={
            "client_order_id": first.client_order_id,
            "submitted_at": first.submitted_at,
            "quantity": last.quantity if carried else before + last.quantity,
            "filled_quantity": filled,
            "filled_average_price": _average(chain, carried=carried),
            "status": status,
            "replaces": "",
        }
    )


def _average(chain: Sequence[BrokerOrder], *, carried: bool) -> Decimal | None:
    parts = [order for order in (chain[-1:] if carried else chain) if order.filled_average_price is not None]
    shares = sum((order.filled_quantity for order in parts), ZERO)
    if not shares:
        return None
    return sum((product(order.filled_quantity, order.filled_average_price or ZERO) for order in parts), ZERO) / shares
