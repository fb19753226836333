"""Fills, actions and whole lives of an account, with plain defaults."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from itertools import count
from typing import Any, NamedTuple

from hypothesis import settings
from hypothesis import strategies as st

from domain.decisions import Holding, Side
from domain.lots import BookedAction, Event, TaxLot, held
from domain.portfolio import Fill, apply_fill, apply_split

PROPERTY = settings(deadline=None, max_examples=150, derandomize=True)

START = datetime(2024, 1, 2, 15, 0, tzinfo=UTC)


def at(days: int) -> datetime:
    return START + timedelta(days=days)


def fill(side: Side, quantity: str | Decimal | int, price: str | Decimal, days: int = 0, **changes: Any) -> Fill:
    values: dict[str, Any] = {
        "fill_id": f"{side.value}-{days}",
        "order_id": "o",
        "intent_id": "i",
        "symbol": "ACME",
        "side": side,
        "quantity": Decimal(quantity),
        "price": Decimal(price),
        "filled_at": at(days),
    }
    return Fill.model_validate({**values, **changes})


def bought(quantity: str | Decimal | int, price: str | Decimal, days: int = 0, **changes: Any) -> Fill:
    return fill(Side.BUY, quantity, price, days, **changes)


def sold(quantity: str | Decimal | int, price: str | Decimal, days: int = 0, **changes: Any) -> Fill:
    return fill(Side.SELL, quantity, price, days, **changes)


def action(days: int, *, ratio: str = "1", cash: str = "0") -> BookedAction:
    return BookedAction(
        action_id=f"action-{days}", symbol="ACME", at=at(days), split_ratio=Decimal(ratio), cash=Decimal(cash)
    )


def figures(lots: tuple[TaxLot, ...]) -> list[tuple[str, Decimal, Decimal]]:
    return [(lot.lot_id, lot.quantity, lot.cost) for lot in lots]


class Step(NamedTuple):
    """What may happen; it is turned into an event that is possible when it comes."""

    kind: str
    quantity: Decimal
    price: Decimal
    fee: Decimal
    ratio: Decimal
    pause: int
    """Days since the step before; 0 for the same instant."""


RATIOS = [Decimal(text) for text in ("2", "4", "7", "1.5", "0.1", "0.05", "7.00000700001", "0.333333333333")]

steps = st.builds(
    Step,
    kind=st.sampled_from(["buy", "buy", "buy", "sell", "sell", "sell_all", "split", "dividend"]),
    quantity=st.decimals(Decimal("0.001"), Decimal(500), places=9),
    price=st.decimals(Decimal("0.01"), Decimal(2000), places=6),
    fee=st.sampled_from([Decimal(0), Decimal("0.35"), Decimal("1.234567")]),
    ratio=st.sampled_from(RATIOS),
    pause=st.sampled_from([0, 0, 1, 1, 2, 200, 400]),
)


def events_of(wanted: list[Step]) -> list[Event]:
    """Make steps possible: what nothing is held for is left out, nobody sells more than there is.

    Events of one instant are in the order that the book puts them in, for what is held depends on it.
    """
    numbers = count()
    position = Decimal(0)
    day, last = 0, -1
    made: list[Event] = []
    for step in wanted:
        rank = {"split": 0, "dividend": 0, "buy": 1}.get(step.kind, 2)
        if step.pause or rank < last or rank == last == 0:
            day += max(step.pause, 1)
            last = -1
        name = f"{next(numbers):03}"
        if step.kind == "buy":
            event: Event = bought(step.quantity, step.price, day, fill_id=name, fee=step.fee)
            position += step.quantity
        elif position == 0:
            continue
        elif step.kind in ("sell", "sell_all"):
            quantity = position if step.kind == "sell_all" else min(step.quantity, position)
            event = sold(quantity, step.price, day, fill_id=name, fee=step.fee)
            position -= quantity
        elif step.kind == "dividend":
            cash = (position * step.ratio / 100).quantize(Decimal("0.000001"))
            event = BookedAction(action_id=name, symbol="ACME", at=at(day), cash=cash)
        else:
            event = BookedAction(action_id=name, symbol="ACME", at=at(day), split_ratio=step.ratio)
            position = apply_split(_holding(position), step.ratio).holding.quantity
        last = rank
        made.append(event)
    return made


lives = st.lists(steps, max_size=25).map(events_of)


class AverageBook(NamedTuple):
    holding: Holding | None = None
    cash: Decimal = Decimal(0)
    realized: Decimal = Decimal(0)

    def after(self, event: Event) -> AverageBook:
        if isinstance(event, Fill):
            change = apply_fill(self.holding, event)
            return AverageBook(change.holding, self.cash + change.cash_change, self.realized + change.realized_pnl)
        if self.holding is None or not self.holding.quantity:
            return self
        split = apply_split(self.holding, event.split_ratio)
        return AverageBook(split.holding, self.cash + event.cash, self.realized + event.cash + split.realized_pnl)

    @property
    def quantity(self) -> Decimal:
        return self.holding.quantity if self.holding is not None else Decimal(0)


def worth(lots: tuple[TaxLot, ...], price: Decimal) -> Decimal:
    return held(lots) * price


def _holding(quantity: Decimal) -> Holding:
    return Holding(symbol="ACME", quantity=quantity, average_price=Decimal(0), last_price=Decimal(1))
