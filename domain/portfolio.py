"""Accounting: the life of an order, and what fills, splits and dividends do to a position and to cash.

Amounts are exact; the one number that is rounded is a position's average price, to the micro-dollar, halves to even.
What the rounding moves is booked as realised result in the same step, so that for every change

    cash change = realised result - change of cost        (cost = quantity x average price)

holds exactly. With whole shares and prices to the micro-dollar every amount fits the micro-dollar, too.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Mapping, Sequence
from datetime import date
from decimal import ROUND_FLOOR, ROUND_HALF_EVEN, Context, Decimal
from enum import StrEnum
from typing import Annotated

from pydantic import Field

from domain.decisions import Holding, Portfolio, PositionView, Side
from domain.errors import Conflict, InvalidInput
from domain.model import Model, Utc

MICRO = Decimal("0.000001")
"""The unit average prices are rounded to, in dollars."""
SHARE_UNIT = Decimal("0.000000001")
"""The smallest part of a share that is kept."""

_EXACT = Context(prec=60, rounding=ROUND_HALF_EVEN)
"""Wide enough for every product and sum of book amounts to be exact."""


class OrderStatus(StrEnum):
    """Where an order stands. `denied` is our risk's word, `declined` a person's, `rejected` the broker's."""

    PENDING = "pending"
    SUBMITTED = "submitted"
    ACCEPTED = "accepted"
    PARTIALLY_FILLED = "partially_filled"
    FILLED = "filled"
    CANCELED = "canceled"
    EXPIRED = "expired"
    REJECTED = "rejected"
    DENIED = "denied"
    DECLINED = "declined"
    UNKNOWN = "unknown"
    """Sent, but nobody answered: the broker may or may not have it."""

    @property
    def final(self) -> bool:
        return self not in _NEXT


_ENDS = frozenset({OrderStatus.FILLED, OrderStatus.CANCELED, OrderStatus.EXPIRED, OrderStatus.REJECTED})
_AT_BROKER = _ENDS | {OrderStatus.ACCEPTED, OrderStatus.PARTIALLY_FILLED}
_NEXT: dict[OrderStatus, frozenset[OrderStatus]] = {
    # A restart may find at the broker what was never noted as sent: pending can jump to whatever the broker says.
    OrderStatus.PENDING: _AT_BROKER
    | {OrderStatus.SUBMITTED, OrderStatus.UNKNOWN, OrderStatus.DENIED, OrderStatus.DECLINED},
    OrderStatus.SUBMITTED: _AT_BROKER | {OrderStatus.UNKNOWN},
    OrderStatus.UNKNOWN: _AT_BROKER | {OrderStatus.SUBMITTED},
    OrderStatus.ACCEPTED: _ENDS | {OrderStatus.PARTIALLY_FILLED},
    OrderStatus.PARTIALLY_FILLED: _ENDS,
}


def advance(current: OrderStatus, new: OrderStatus) -> OrderStatus:
    """Move an order on. Repeating the present status is no move and always allowed.

    Raises:
        Conflict: the move is impossible, above all out of a final status.
    """
    if new is current:
        return current
    allowed = _NEXT.get(current, frozenset())
    if new not in allowed:
        raise Conflict(
            "ORDER_STATUS_CONFLICT",
            "Read the order again from the broker; a late report of an earlier status may be dropped.",
            current=current.value,
            new=new.value,
            allowed=" ".join(sorted(allowed)) or "nothing, the status is final",
        )
    return new


class Fill(Model):
    """One execution. `fee` is in dollars and not part of the price."""

    fill_id: str
    order_id: str
    intent_id: str
    symbol: str
    side: Side
    quantity: Annotated[Decimal, Field(gt=0)]
    price: Annotated[Decimal, Field(gt=0)]
    fee: Annotated[Decimal, Field(ge=0)] = Decimal(0)
    filled_at: Utc


class BookChange(Model):
    """What one event did: the position after it, the money that moved, and the result that became final."""

    holding: Holding
    cash_change: Decimal
    """Dollars; negative when money left the account."""
    realized_pnl: Decimal
    """Dollars, after fees, with dividends, and with what rounding the average price moved."""


def apply_fill(holding: Holding | None, fill: Fill) -> BookChange:
    """Book an execution at average cost. Fees are an expense at once and do not enter the average price.

    Raises:
        InvalidInput: the fill is of another symbol.
        Conflict: more would be sold than is held; short positions are not kept.
    """
    before = holding if holding is not None else _empty(fill)
    if before.symbol != fill.symbol:
        raise InvalidInput("SYMBOL_MISMATCH", fill_id=fill.fill_id, expected=before.symbol, found=fill.symbol)
    amount = product(fill.quantity, fill.price)
    if fill.side is Side.BUY:
        quantity = _EXACT.add(before.quantity, fill.quantity)
        average = _rounded(_EXACT.divide(_EXACT.add(cost(before), amount), quantity))
        cash = -_EXACT.add(amount, fill.fee)
    else:
        if fill.quantity > before.quantity:
            raise Conflict(
                "SELL_EXCEEDS_POSITION",
                "Reconcile the position with the broker before booking this fill.",
                symbol=fill.symbol,
                fill_id=fill.fill_id,
                held=before.quantity,
                sold=fill.quantity,
            )
        quantity = _EXACT.subtract(before.quantity, fill.quantity)
        average = before.average_price if quantity else Decimal(0)
        cash = _EXACT.subtract(amount, fill.fee)
    opened = before.opened_session if before.quantity > 0 else fill.filled_at.date().isoformat()
    after = Holding(
        symbol=fill.symbol,
        quantity=quantity,
        average_price=average,
        last_price=fill.price,
        opened_session=opened if quantity else "",
    )
    return _change(before, after, cash)


def apply_split(holding: Holding, ratio: Decimal) -> BookChange:
    """Split a position: `ratio` new shares for each old one, 0.1 for a one-for-ten reverse split.

    No money moves; the price and the average price are divided, the quantity multiplied and floored to 1e-9 shares.

    Raises:
        InvalidInput: the ratio is not positive.
    """
    if not ratio > 0:
        raise InvalidInput("INVALID_SPLIT", "A split gives a positive number of new shares for one old.", ratio=ratio)
    quantity = product(holding.quantity, ratio).quantize(SHARE_UNIT, rounding=ROUND_FLOOR, context=_EXACT)
    average = _rounded(_EXACT.divide(cost(holding), quantity)) if quantity else Decimal(0)
    after = holding.model_copy(
        update={
            "quantity": quantity,
            "average_price": average,
            "last_price": _rounded(_EXACT.divide(holding.last_price, ratio)),
        }
    )
    return _change(holding, after, Decimal(0))


def apply_dividend(holding: Holding, cash_per_share: Decimal) -> BookChange:
    """Receive a cash dividend on what is held: realised at once.

    Raises:
        InvalidInput: the dividend is negative.
    """
    if not cash_per_share >= 0:
        raise InvalidInput("INVALID_DIVIDEND", "A dividend is 0 or more dollars a share.", found=cash_per_share)
    return _change(holding, holding, product(holding.quantity, cash_per_share))


def position_view(
    quantity: Decimal,
    average_price: Decimal,
    *,
    opened: date | None,
    closed: date | None,
    session_dates: Sequence[date],
    today: date,
) -> PositionView:
    """Say what a recommendation needs to know about a holding; sessions are counted up to `today`.

    Amounts lose their trailing zeros: decision records are compared byte for byte, wherever the amounts came from.
    """
    held = _sessions_between(session_dates, opened, today) if quantity != 0 else 0
    since = _sessions_between(session_dates, closed, today) if quantity == 0 and closed is not None else None
    return PositionView(
        quantity=plain(quantity), average_price=plain(average_price), sessions_held=held, sessions_since_exit=since
    )


def plain(amount: Decimal) -> Decimal:
    """Drop trailing zeros and exponents."""
    return Decimal(format(amount.normalize(_EXACT), "f"))


def _sessions_between(session_dates: Sequence[date], first: date | None, last: date) -> int:
    """Count the sessions after `first` up to `last`."""
    if first is None:
        return 0
    return max(0, bisect_left(session_dates, last) - bisect_right(session_dates, first) + 1)


def cost(holding: Holding) -> Decimal:
    """What the position cost, in dollars: quantity x average price."""
    return product(holding.quantity, holding.average_price)


def value(cash: Decimal, holdings: Sequence[Holding]) -> Decimal:
    """Equity in dollars: cash and every position at its last price."""
    total = cash
    for holding in holdings:
        total = _EXACT.add(total, product(holding.quantity, holding.last_price))
    return total


def gross(holdings: Iterable[Holding]) -> Decimal:
    """Dollars in positions at their last prices, whichever their sign."""
    total = Decimal(0)
    for holding in holdings:
        total = _EXACT.add(total, product(holding.quantity, holding.last_price).copy_abs())
    return total


def product(left: Decimal, right: Decimal) -> Decimal:
    """Multiply exactly, without the default context's rounding to 28 digits."""
    return _EXACT.multiply(left, right)


def as_decimal(number: float) -> Decimal:
    """Convert a price that came as a float to the micro-dollar it was written with."""
    return _rounded(Decimal(repr(number)))


def _rounded(amount: Decimal) -> Decimal:
    return _EXACT.quantize(amount, MICRO)


def _empty(fill: Fill) -> Holding:
    return Holding(symbol=fill.symbol, quantity=Decimal(0), average_price=Decimal(0), last_price=fill.price)


def _change(before: Holding, after: Holding, cash: Decimal) -> BookChange:
    moved = _EXACT.subtract(cost(after), cost(before))
    return BookChange(holding=after, cash_change=cash, realized_pnl=_EXACT.add(cash, moved))


def with_pending(account: Portfolio, pending: Portfolio) -> Portfolio:
    """Count what was under way at either of two looks, the larger of each: an account read in two steps errs safely."""
    return account.model_copy(
        update={
            "open_buys": _larger(account.open_buys, pending.open_buys),
            "open_sells": _larger(account.open_sells, pending.open_sells),
        }
    )


def _larger(one: Mapping[str, Decimal], other: Mapping[str, Decimal]) -> dict[str, Decimal]:
    nothing, symbols = Decimal(0), sorted(one.keys() | other.keys())
    return {symbol: max(one.get(symbol, nothing), other.get(symbol, nothing)) for symbol in symbols}
