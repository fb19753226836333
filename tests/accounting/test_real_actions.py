"""Splits, reverse splits and dividends that really happened: no jump in value, no dollar lost."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, date, datetime, time, timedelta
from decimal import Context, Decimal, localcontext

import pytest

from activities.adapters.files.actions import read_actions
from activities.adapters.files.bars import read_bars
from domain.decisions import Side
from domain.lots import Event, TaxLot, cost_of, fill_lots, held, split_lots
from domain.market import Bar, CorporateAction
from domain.portfolio import Fill
from store.accounting import booked_action
from tests.conftest import shared_data
from tests.prices.lean import lean_actions

from .book import Book
from .builders import AverageBook, worth

D = Decimal
CASES = [
    ("AAPL", date(2014, 6, 9), D(7), D("0.01")),
    ("C", date(2011, 5, 9), D("0.1"), D("0.01")),
    ("AIG", date(2009, 7, 1), D("0.05"), D("0.16")),
]
"""What the share really lost or gained overnight is below the last figure."""


@pytest.fixture(scope="module")
def bars() -> dict[str, list[Bar]]:
    found: dict[str, list[Bar]] = {}
    for each in read_bars(shared_data("prices/daily_bars.csv.gz")):
        if isinstance(each, Bar):
            found.setdefault(each.symbol, []).append(each)
    return {symbol: sorted(rows, key=lambda row: row.session) for symbol, rows in found.items()}


@pytest.fixture(scope="module")
def actions() -> dict[tuple[str, date], CorporateAction]:
    found = read_actions(shared_data("prices/corporate_actions.csv"))
    return {(each.symbol, each.ex_date): each for each in found if isinstance(each, CorporateAction)}


def closing_time(day: date) -> datetime:
    return datetime.combine(day, time(20), tzinfo=UTC)


def traded(side: Side, quantity: Decimal, bar: Bar, *, fee: str = "1") -> Fill:
    return Fill(
        fill_id=f"{bar.symbol}-{bar.session}-{side}",
        order_id="o",
        intent_id="i",
        symbol=bar.symbol,
        side=side,
        quantity=quantity,
        price=bar.close,
        fee=D(fee),
        filled_at=closing_time(bar.session),
    )


@pytest.mark.stack
@pytest.mark.parametrize(("symbol", "day", "ratio", "overnight"), CASES)
async def test_split_when_real_then_the_book_does_not_jump_and_every_dollar_is_there_at_the_end(
    book: Book,
    bars: dict[str, list[Bar]],
    actions: dict[tuple[str, date], CorporateAction],
    symbol: str,
    day: date,
    ratio: Decimal,
    overnight: Decimal,
) -> None:
    """Bought on each of the five days before it, held over it, sold on the next two."""
    place = next(number for number, bar in enumerate(bars[symbol]) if bar.session == day)
    before, after = bars[symbol][place - 5 : place], bars[symbol][place : place + 2]
    purchases = [traded(Side.BUY, D(35 + 7 * number), bar) for number, bar in enumerate(before)]
    await book.fill(*purchases)
    paid = sum(fill.quantity * fill.price + fill.fee for fill in purchases)
    await book.mark(closing_time(before[-1].session) + timedelta(hours=1), 100_000 - paid, **{symbol: before[-1].close})
    position = await book.position(symbol)
    was = position.quantity * position.last_price
    lots = tuple(await book.lots(symbol))

    action = actions[symbol, day]
    assert abs(action.split_ratio / ratio - 1) < D("0.00001")
    assert action.cash_dividend == 0
    opened = datetime.combine(day, time(13), tzinfo=UTC)
    assert await book.act(day, opened, symbol=symbol, ratio=str(action.split_ratio)) == 1
    position = await book.position(symbol)
    split = tuple(await book.lots(symbol))
    assert held(split) == position.quantity
    assert cost_of(split) == cost_of(lots) == paid
    assert abs(position.quantity * position.last_price / was - 1) < D("0.000001")
    assert abs(position.quantity * after[0].open / was - 1) < overnight

    half = (position.quantity / 2).quantize(D("0.000000001"))
    sales = [traded(Side.SELL, half, after[0]), traded(Side.SELL, position.quantity - half, after[1])]
    await book.fill(*sales)
    brought = sum(fill.quantity * fill.price - fill.fee for fill in sales)
    assert await book.lots(symbol) == []
    assert sum(each.gain for each in await book.closings(symbol)) == brought - paid
    assert abs((await book.position(symbol)).realized_pnl - (brought - paid)) < D("0.00001")
    assert await book.balance() == 100_000 + brought - paid


def test_split_when_apple_made_four_of_one_then_cost_and_worth_stay() -> None:
    """On 31 August 2020, by the other vendor's factors; the close before was 499.23."""
    days = [date(2020, 8, 28), date(2020, 8, 31)]
    (action,) = lean_actions("aapl", days)
    assert (action.ex_date, action.split_ratio) == (days[1], D(4))
    bought = traded(
        Side.BUY,
        D(10),
        Bar(symbol="AAPL", session=days[0], open=499, high=500, low=498, close=D("499.23"), volume=1),
    )
    lots = fill_lots((), bought).lots
    change = split_lots(lots, action.split_ratio, at=closing_time(days[1]), action_id="a")
    assert held(change.lots) == 40
    assert cost_of(change.lots) == cost_of(lots) == D("4993.30")
    assert worth(change.lots, D("499.23") / 4) == worth(lots, D("499.23"))


def _life(rows: list[Bar], actions: dict[tuple[str, date], CorporateAction]) -> Iterator[Event | CorporateAction]:
    """Thirteen shares on the first session of each month, five of them sold again half a month later."""
    month = 0
    for number, bar in enumerate(rows):
        action = actions.get((bar.symbol, bar.session))
        if action is not None:
            yield action
        if bar.session.month != month:
            month = bar.session.month
            yield traded(Side.BUY, D(13), bar)
        elif number % 21 == 10:
            yield traded(Side.SELL, D(5), bar)


def test_decade_when_every_company_is_bought_monthly_then_both_methods_have_the_same_result(
    bars: dict[str, list[Bar]], actions: dict[tuple[str, date], CorporateAction]
) -> None:
    booked = 0
    with localcontext(Context(prec=80)):
        for symbol, rows in bars.items():
            average = AverageBook()
            lots: tuple[TaxLot, ...] = ()
            cash = result = D(0)
            for event in _life(rows, actions):
                if isinstance(event, CorporateAction):
                    received = (held(lots) * event.cash_dividend).quantize(D("0.000001"))
                    entry = booked_action(
                        symbol=symbol, ex_date=event.ex_date, split_ratio=event.split_ratio, cash=received
                    )
                    change = split_lots(lots, entry.split_ratio, at=entry.at, action_id=entry.action_id)
                    change = change.model_copy(
                        update={"cash_change": received, "realized_pnl": change.realized_pnl + received}
                    )
                    average = average.after(entry)
                    booked += 1
                else:
                    assert isinstance(event, Fill)
                    if event.side is Side.SELL and held(lots) < event.quantity:
                        continue
                    change = fill_lots(lots, event)
                    average = average.after(event)
                lots, cash, result = change.lots, cash + change.cash_change, result + change.realized_pnl
                assert held(lots) == average.quantity
                assert cash == average.cash == result - cost_of(lots)
            final = traded(Side.SELL, held(lots), rows[-1], fee="0")
            end = fill_lots(lots, final)
            assert end.lots == ()
            assert cash + end.cash_change == result + end.realized_pnl == average.after(final).realized
    assert booked > 1000
