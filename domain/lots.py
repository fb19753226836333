"""Tax lots: what each purchase still holds and what it cost, first in, first out, beside the average-cost book.

Amounts are exact, in units of 1e-15 dollars (a billionth of a share times a micro-dollar), and for every change

    cash change = realised result - change of cost        (cost = what the open lots cost)

holds exactly, as in `portfolio`. The methods differ in when a result becomes final and agree on cash always, and on the
whole result wherever nothing is held. Fees follow the rule for tax: those of a purchase are part of its cost, those of
a sale lessen its proceeds (IRS Publication 550, "Cost Basis", "Holding Period").
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import date, datetime
from decimal import ROUND_FLOOR, ROUND_HALF_EVEN, Context, Decimal
from functools import reduce
from typing import Annotated

from pydantic import Field

from domain.decisions import Side
from domain.documents import NEW_YORK
from domain.errors import Conflict, InvalidInput
from domain.model import Model, Utc
from domain.portfolio import SHARE_UNIT, Fill, product

AMOUNT_UNIT = Decimal("1e-15")
"""The smallest amount a lot keeps, in dollars."""

_EXACT = Context(prec=80, rounding=ROUND_HALF_EVEN)
"""Wide enough for a cost times a quantity to be exact."""

Shares = Annotated[Decimal, Field(gt=0)]
Dollars = Annotated[Decimal, Field(ge=0)]


class TaxLot(Model):
    """What one purchase still holds."""

    lot_id: str
    """Of the purchase's execution."""
    symbol: str
    opened_at: Utc
    bought: Shares
    """Shares of then."""
    price: Shares
    """Dollars a share of then."""
    quantity: Shares
    """What is left, in shares of now."""
    cost: Dollars
    """Of what is left, with the purchase's fees."""

    @property
    def average(self) -> Decimal:
        """Dollars a share of now, to 1e-15."""
        return _EXACT.quantize(_EXACT.divide(self.cost, self.quantity), AMOUNT_UNIT)


class LotClosing(Model):
    """A lot, or part of one, that is held no more."""

    lot_id: str
    closed_by: str
    """The sale's execution, or the split that left less than a billionth of a share."""
    symbol: str
    quantity: Shares
    """In shares of the sale."""
    proceeds: Decimal
    """Less the sale's fees; negative where they are more than it brought."""
    cost: Dollars
    opened_at: Utc
    closed_at: Utc

    @property
    def gain(self) -> Decimal:
        return _EXACT.subtract(self.proceeds, self.cost)

    @property
    def long_term(self) -> bool:
        """Whether it was held for more than a year: from the day after the purchase, the day of the sale included."""
        opened, closed = (_day(instant) for instant in (self.opened_at, self.closed_at))
        return closed > _a_year_after(opened)


class LotChange(Model):
    """What one event did: the lots after it, what it closed, the money that moved, the result that became final."""

    lots: tuple[TaxLot, ...] = ()
    """Of one symbol, the first to be sold first."""
    closings: tuple[LotClosing, ...] = ()
    cash_change: Decimal = Decimal(0)
    """Dollars; negative when money left the account."""
    realized_pnl: Decimal = Decimal(0)
    """Dollars: gains and losses of what was closed, and dividends."""


class BookedAction(Model):
    """A split, a dividend or both, as they were booked on a position."""

    action_id: str
    symbol: str
    at: Utc
    split_ratio: Decimal = Decimal(1)
    cash: Dollars = Decimal(0)
    """Dollars received on all that was held."""


Event = Fill | BookedAction


def held(lots: Iterable[TaxLot]) -> Decimal:
    """Shares in the lots: the position."""
    return _sum(lot.quantity for lot in lots)


def cost_of(lots: Iterable[TaxLot]) -> Decimal:
    return _sum(lot.cost for lot in lots)


def fill_lots(lots: Sequence[TaxLot], fill: Fill) -> LotChange:
    """Book an execution: a purchase is a new lot, a sale takes the oldest first.

    Lots of the same instant are sold in the order of their own figures, so that it does not matter which came first.

    Raises:
        InvalidInput: a lot is of another symbol.
        Conflict: more would be sold than is held; short positions are not kept.
    """
    for lot in lots:
        if lot.symbol != fill.symbol:
            raise InvalidInput("SYMBOL_MISMATCH", fill_id=fill.fill_id, expected=lot.symbol, found=fill.symbol)
    amount = product(fill.quantity, fill.price)
    if fill.side is Side.SELL:
        return _sell(sorted(lots, key=_age), fill, _EXACT.subtract(amount, fill.fee))
    paid = _EXACT.add(amount, fill.fee)
    bought = TaxLot(
        lot_id=fill.fill_id,
        symbol=fill.symbol,
        opened_at=fill.filled_at,
        bought=fill.quantity,
        price=fill.price,
        quantity=fill.quantity,
        cost=paid,
    )
    return LotChange(lots=tuple(sorted((*lots, bought), key=_age)), cash_change=-paid)


def split_lots(lots: Sequence[TaxLot], ratio: Decimal, *, at: datetime, action_id: str) -> LotChange:
    """Split every lot: `ratio` new shares for each old one; no money moves.

    The sum is floored to 1e-9 shares as the position is, and the lots are the steps of the floored running sum, so that
    they stay the position. A lot of which nothing is left is closed without proceeds.

    Raises:
        InvalidInput: the ratio is not positive.
    """
    if not ratio > 0:
        raise InvalidInput("INVALID_SPLIT", "A split gives a positive number of new shares for one old.", ratio=ratio)
    before = after = Decimal(0)
    kept: list[TaxLot] = []
    closed: list[LotClosing] = []
    for lot in sorted(lots, key=_age):
        before = _EXACT.add(before, lot.quantity)
        upto = _EXACT.multiply(before, ratio).quantize(SHARE_UNIT, rounding=ROUND_FLOOR, context=_EXACT)
        quantity, after = _EXACT.subtract(upto, after), upto
        if quantity:
            kept.append(lot.model_copy(update={"quantity": quantity}))
        else:
            closed.append(_closing(lot, action_id, at, lot.quantity, proceeds=Decimal(0), cost=lot.cost))
    return LotChange(lots=tuple(kept), closings=tuple(closed), realized_pnl=_sum(each.gain for each in closed))


def dividend_lots(lots: Sequence[TaxLot], cash_per_share: Decimal) -> LotChange:
    """Receive a cash dividend on what is held: a result at once, no lot changes.

    Raises:
        InvalidInput: the dividend is negative.
    """
    if not cash_per_share >= 0:
        raise InvalidInput("INVALID_DIVIDEND", "A dividend is 0 or more dollars a share.", found=cash_per_share)
    return _received(lots, _EXACT.multiply(held(lots), cash_per_share))


def play(events: Iterable[Event]) -> LotChange:
    """Book everything that happened to one symbol, in the order of time, whatever the order it arrived in.

    At one instant corporate actions come first, then purchases, then sales.

    Returns:
        The open lots, and all closings, cash and results of the events together.

    Raises:
        InvalidInput: events of several symbols.
        Conflict: more was sold than was held then.
    """
    return reduce(_booked, sorted(events, key=_order), LotChange())


def _booked(so_far: LotChange, event: Event) -> LotChange:
    if isinstance(event, Fill):
        return _joined(so_far, fill_lots(so_far.lots, event))
    if not so_far.lots:
        return so_far
    received = _joined(so_far, _received(so_far.lots, event.cash))
    return _joined(received, split_lots(received.lots, event.split_ratio, at=event.at, action_id=event.action_id))


def _joined(first: LotChange, then: LotChange) -> LotChange:
    return LotChange(
        lots=then.lots,
        closings=(*first.closings, *then.closings),
        cash_change=_EXACT.add(first.cash_change, then.cash_change),
        realized_pnl=_EXACT.add(first.realized_pnl, then.realized_pnl),
    )


def _sell(lots: Sequence[TaxLot], fill: Fill, proceeds: Decimal) -> LotChange:
    if fill.quantity > held(lots):
        raise Conflict(
            "SELL_EXCEEDS_POSITION",
            "Reconcile the position with the broker before booking this fill.",
            symbol=fill.symbol,
            fill_id=fill.fill_id,
            held=held(lots),
            sold=fill.quantity,
        )
    left, unpaid = fill.quantity, proceeds
    kept: list[TaxLot] = []
    closed: list[LotClosing] = []
    for lot in lots:
        sold = min(left, lot.quantity)
        if not sold:
            kept.append(lot)
            continue
        cost = _part(lot.cost, sold, lot.quantity)
        share = _part(unpaid, sold, left)
        closed.append(_closing(lot, fill.fill_id, fill.filled_at, sold, proceeds=share, cost=cost))
        left, unpaid = _EXACT.subtract(left, sold), _EXACT.subtract(unpaid, share)
        if sold < lot.quantity:
            rest = {"quantity": _EXACT.subtract(lot.quantity, sold), "cost": _EXACT.subtract(lot.cost, cost)}
            kept.append(lot.model_copy(update=rest))
    return LotChange(
        lots=tuple(kept),
        closings=tuple(closed),
        cash_change=proceeds,
        realized_pnl=_sum(each.gain for each in closed),
    )


def _received(lots: Sequence[TaxLot], cash: Decimal) -> LotChange:
    return LotChange(lots=tuple(lots), cash_change=cash, realized_pnl=cash)


def _closing(
    lot: TaxLot, closed_by: str, at: datetime, quantity: Decimal, *, proceeds: Decimal, cost: Decimal
) -> LotClosing:
    return LotClosing(
        lot_id=lot.lot_id,
        closed_by=closed_by,
        symbol=lot.symbol,
        quantity=quantity,
        proceeds=proceeds,
        cost=cost,
        opened_at=lot.opened_at,
        closed_at=at,
    )


def _part(amount: Decimal, quantity: Decimal, whole: Decimal) -> Decimal:
    """The share of an amount that a part of the quantity has; all of it for the whole."""
    if quantity == whole:
        return amount
    return _EXACT.quantize(_EXACT.divide(_EXACT.multiply(amount, quantity), whole), AMOUNT_UNIT)


def _age(lot: TaxLot) -> tuple[datetime, Decimal, Decimal, str]:
    """Oldest first. Ids come last: a broker draws them."""
    return (lot.opened_at, -lot.bought, lot.price, lot.lot_id)


def _order(event: Event) -> tuple[datetime, int, Decimal, Decimal, str]:
    if isinstance(event, Fill):
        rank = 2 if event.side is Side.SELL else 1
        return (event.filled_at, rank, -event.quantity, event.price, event.fill_id)
    return (event.at, 0, Decimal(0), Decimal(0), event.action_id)


def _sum(amounts: Iterable[Decimal]) -> Decimal:
    return reduce(_EXACT.add, amounts, Decimal(0))


def _day(instant: datetime) -> date:
    return instant.astimezone(NEW_YORK).date()


def _a_year_after(day: date) -> date:
    """The same day of the next year; 28 February after a 29th."""
    try:
        return day.replace(year=day.year + 1)
    except ValueError:
        return day.replace(year=day.year + 1, day=28)
