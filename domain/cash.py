"""The cash ledger: every dollar that came or went, why, and what the balance is made of.

Amounts are signed and exact: positive came in, negative went out. An entry is named by its kind and by the id of what
it is from, so that the same fill or dividend is entered once however often it is reported.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from decimal import ROUND_CEILING, ROUND_HALF_UP, Context, Decimal
from enum import StrEnum
from functools import reduce
from typing import Annotated, Self

from pydantic import Field, model_validator

from domain.decisions import Side
from domain.ids import digest
from domain.lots import BookedAction
from domain.model import Model, Utc
from domain.portfolio import MICRO, Fill, product
from domain.reserve import Buckets

_EXACT = Context(prec=60)

OPENING = "opening"
"""Id of what the first transfer in is from: the money that was there before anything was booked."""


class CashKind(StrEnum):
    """Why money moved, in the order in which entries of one instant are listed."""

    TRANSFER_IN = "transfer_in"
    DIVIDEND = "dividend"
    INTEREST = "interest"
    """Earned or, negative, paid on borrowed money."""
    FILL = "fill"
    """Price times shares of an execution."""
    FEE = "fee"
    ADJUSTMENT = "adjustment"
    """A correction that a person or the broker made, with its reason."""
    TRANSFER_OUT = "transfer_out"


TRANSFERS = frozenset({CashKind.TRANSFER_IN, CashKind.TRANSFER_OUT})
"""Not results: money of the owner that was paid in or taken out."""
_PLACE = {kind: place for place, kind in enumerate(CashKind)}
_POSITIVE = frozenset({CashKind.TRANSFER_IN, CashKind.DIVIDEND})
_NEGATIVE = frozenset({CashKind.TRANSFER_OUT, CashKind.FEE})


class CashEntry(Model):
    """One movement of money."""

    kind: CashKind
    source_id: Annotated[str, Field(min_length=1)]
    """What it is from: an execution, an action, a movement at the broker."""
    amount: Annotated[Decimal, Field(allow_inf_nan=False)]
    """Dollars, never 0."""
    occurred_at: Utc
    symbol: str = ""
    note: str = ""

    @model_validator(mode="after")
    def _signed(self) -> Self:
        allowed = "above 0" if self.kind in _POSITIVE else "below 0" if self.kind in _NEGATIVE else "any but 0"
        wrong_side = (self.amount < 0 and self.kind in _POSITIVE) or (self.amount > 0 and self.kind in _NEGATIVE)
        if self.amount == 0 or wrong_side:
            raise ValueError(f"amount {self.amount} of a {self.kind.value} must be {allowed}")
        return self

    @property
    def entry_id(self) -> str:
        return digest("cash", self.kind.value, self.source_id)


class CashLine(Model):
    """An entry, and the balance after it."""

    entry: CashEntry
    balance: Decimal


def entries_of_fill(fill: Fill) -> tuple[CashEntry, ...]:
    """What an execution moved: its amount and, where there is one, its fee."""
    amount = product(fill.quantity, fill.price)
    moved = {CashKind.FILL: -amount if fill.side is Side.BUY else amount, CashKind.FEE: -fill.fee}
    return tuple(
        CashEntry(
            kind=kind,
            source_id=fill.fill_id,
            amount=dollars,
            occurred_at=fill.filled_at,
            symbol=fill.symbol,
            note=f"{fill.side.value} {fill.quantity.normalize():f} at {fill.price.normalize():f}",
        )
        for kind, dollars in moved.items()
        if dollars
    )


def entries_of_action(action: BookedAction) -> tuple[CashEntry, ...]:
    """The dividend; a split moves no money."""
    if not action.cash:
        return ()
    entry = CashEntry(
        kind=CashKind.DIVIDEND,
        source_id=action.action_id,
        amount=action.cash,
        occurred_at=action.at,
        symbol=action.symbol,
    )
    return (entry,)


def opening_entry(cash: Decimal, entries: Iterable[CashEntry], *, at: datetime) -> CashEntry | None:
    """The money that was there at first: what the entries leave unexplained of the cash at an instant; None for 0.

    It stands before the first of them. A negative rest is an adjustment: nobody pays a debt in.
    """
    known = list(entries)
    rest = _EXACT.subtract(cash, balance(known))
    if not rest:
        return None
    return CashEntry(
        kind=CashKind.TRANSFER_IN if rest > 0 else CashKind.ADJUSTMENT,
        source_id=OPENING,
        amount=rest,
        occurred_at=min([at, *(entry.occurred_at for entry in known)]),
        note="what was there at first",
    )


def balance(entries: Iterable[CashEntry]) -> Decimal:
    """Dollars: the sum of the entries, exactly."""
    return reduce(_EXACT.add, (entry.amount for entry in entries), Decimal(0))


def transferred(entries: Iterable[CashEntry]) -> Decimal:
    """Dollars the owner paid in, less what was taken out."""
    return balance(entry for entry in entries if entry.kind in TRANSFERS)


def totals(entries: Iterable[CashEntry]) -> dict[CashKind, Decimal]:
    """The balance by kind; kinds without an entry are absent."""
    found: dict[CashKind, Decimal] = {}
    for entry in entries:
        found[entry.kind] = _EXACT.add(found.get(entry.kind, Decimal(0)), entry.amount)
    return {kind: found[kind] for kind in CashKind if kind in found}


def statement(entries: Iterable[CashEntry], *, opening: Decimal = Decimal(0)) -> tuple[CashLine, ...]:
    """The entries in the order of time, each with the balance after it, whatever the order they arrived in."""
    lines = []
    so_far = opening
    for entry in sorted(entries, key=lambda each: (each.occurred_at, _PLACE[each.kind], each.entry_id)):
        so_far = _EXACT.add(so_far, entry.amount)
        lines.append(CashLine(entry=entry, balance=so_far))
    return tuple(lines)


def to_the_micro_dollar(divided: Buckets) -> Buckets:
    """Round what is held back up and leave the rest deployable, so that buckets as kept sum to the cash exactly."""
    cash = divided.total.quantize(MICRO, rounding=ROUND_HALF_UP, context=_EXACT)
    reserve, floor, reservations = (
        amount.quantize(MICRO, rounding=ROUND_CEILING, context=_EXACT)
        for amount in (divided.reserve, divided.floor, divided.reservations)
    )
    return Buckets(
        reserve=reserve,
        floor=floor,
        reservations=reservations,
        deployable=_EXACT.subtract(cash, reduce(_EXACT.add, (reserve, floor, reservations))),
    )
