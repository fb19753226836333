"""First in, first out: examples computed by hand, and what holds whatever happens."""

from __future__ import annotations

import random
from datetime import UTC, datetime
from decimal import Context, Decimal, localcontext

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.errors import Conflict, InvalidInput
from domain.lots import (
    Event,
    LotChange,
    LotClosing,
    TaxLot,
    cost_of,
    dividend_lots,
    fill_lots,
    held,
    play,
    split_lots,
)
from domain.portfolio import cost

from .builders import PROPERTY, AverageBook, action, at, bought, figures, lives, sold, worth

D = Decimal


# -- by hand ----------------------------------------------------------------------------------------------------------


def test_sale_when_it_reaches_into_the_second_lot_then_gains_are_those_computed_by_hand() -> None:
    """100 at 10 and 50 at 12, with a dollar a purchase; 120 sold at 15 for 2 dollars.

    The first lot cost 1001, and 20 of the second's 50 shares cost 601 * 20/50 = 240.40. The sale brought 1798, of which
    100/120 = 1498.333... are the first lot's. Gain: 1798 - 1241.40 = 556.60. What is left cost 360.60.
    """
    book = play(
        [
            bought(100, "10", 0, fee=D(1)),
            bought(50, "12", 1, fee=D(1)),
            sold(120, "15", 2, fee=D(2)),
        ]
    )
    assert figures(book.lots) == [("buy-1", D(30), D("360.60"))]
    assert book.lots[0].average == D("12.02")
    first, second = book.closings
    assert (first.quantity, first.cost, first.proceeds) == (D(100), D(1001), D("1498.333333333333333"))
    assert (second.quantity, second.cost, second.proceeds) == (D(20), D("240.40"), D("299.666666666666667"))
    assert book.realized_pnl == D("556.60")
    assert book.cash_change == D("-1001") - D("601") + D("1798")


def test_sale_when_shares_cannot_be_told_apart_then_the_basis_is_that_of_the_published_example() -> None:
    """IRS Publication 551, "Identification not possible": 100 at 10, 200 at 11, 50 given away, 100 at 9; 130 sold.

    The basis of the 50 is 500; that of the 130 is 500 (50 at 10) and 880 (80 at 11): 1,380.
    """
    book = play(
        [bought(100, "10", 0), bought(200, "11", 1), sold(50, "10", 2), bought(100, "9", 3), sold(130, "12", 4)]
    )
    given, *taken = book.closings
    assert given.cost == 500
    assert [(each.quantity, each.cost) for each in taken] == [(D(50), D(500)), (D(80), D(880))]
    assert cost_of(book.lots) == 120 * 11 + 100 * 9


def test_sales_when_in_several_steps_then_the_remaining_cost_is_the_textbook_one() -> None:
    """The usual inventory example: 10 at 100, 20 at 102, 15 at 99; 25 go out, then 10.

    First in, first out leaves 10 at 99 = 990; the cost of what went out is 1000 + 1530, then 510 + 495.
    """
    prices = [(10, "100"), (20, "102"), (15, "99")]
    book = play([bought(quantity, price, day) for day, (quantity, price) in enumerate(prices)])
    first = fill_lots(book.lots, sold(25, "110", 3))
    assert (sum(each.cost for each in first.closings), first.realized_pnl) == (D(2530), D(220))
    second = fill_lots(first.lots, sold(10, "110", 4))
    assert sum(each.cost for each in second.closings) == D(1005)
    assert figures(second.lots) == [("buy-2", D(10), D(990))]


def test_split_when_between_purchase_and_sale_then_shares_multiply_and_cost_stays() -> None:
    """3 at 651.49 become 21 for 7; 5 of them cost 1954.47 * 5/21 = 465.35 exactly."""
    book = play([bought(3, "651.49", 0), action(1, ratio="7"), sold(5, "94", 2)])
    assert figures(book.lots) == [("buy-0", D(16), D("1489.12"))]
    assert book.closings[0].cost == D("465.35")
    assert book.realized_pnl == D("4.65")


def test_reverse_split_when_shares_are_odd_then_the_lots_are_still_the_position() -> None:
    """7, 5 and 2 shares at one for ten: running sums .7, 1.2, 1.4."""
    book = play([bought(7, "4", 0), bought(5, "5", 1), bought(2, "6", 2), action(3, ratio="0.1")])
    assert [lot.quantity for lot in book.lots] == [D("0.7"), D("0.5"), D("0.2")]
    assert held(book.lots) == D("1.4")
    assert cost_of(book.lots) == D(28 + 25 + 12)


def test_split_when_it_leaves_nothing_of_a_lot_then_its_cost_is_lost() -> None:
    lots = play([bought("0.000000004", "100", 0), bought(1, "100", 1)]).lots
    change = split_lots(lots, D("0.1"), at=at(2), action_id="reverse")
    assert figures(change.lots) == [("buy-1", D("0.1"), D(100))]
    assert change.closings[0].closed_by == "reverse"
    assert change.realized_pnl == D("-0.0000004")
    assert change.cash_change == 0


def test_dividend_when_received_then_it_is_a_result_and_no_lot_changes() -> None:
    lots = play([bought(10, "50", 0), bought(11, "51", 1)]).lots
    change = dividend_lots(lots, D("0.47"))
    assert (change.lots, change.cash_change, change.realized_pnl) == (lots, D("9.87"), D("9.87"))
    with pytest.raises(InvalidInput, match="INVALID_DIVIDEND"):
        dividend_lots(lots, D("-0.01"))


@pytest.mark.parametrize(
    ("opened", "closed", "long_term"),
    [
        ("2023-03-01", "2024-03-01", False),  # a year to the day is not more than a year
        ("2023-03-01", "2024-03-02", True),
        ("2024-02-29", "2025-02-28", False),
        ("2024-02-29", "2025-03-01", True),
        ("2023-03-01", "2023-03-02", False),
    ],
)
def test_holding_period_when_counted_then_a_year_to_the_day_is_short(opened: str, closed: str, long_term: bool) -> None:
    closing = LotClosing(
        lot_id="l",
        closed_by="s",
        symbol="ACME",
        quantity=D(1),
        proceeds=D(1),
        cost=D(1),
        opened_at=datetime.fromisoformat(opened).replace(hour=15, tzinfo=UTC),
        closed_at=datetime.fromisoformat(closed).replace(hour=20, tzinfo=UTC),
    )
    assert closing.long_term is long_term


# -- refused ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("lots", [(), play([bought("9.999999999", "1")]).lots])
def test_sale_when_more_than_is_held_then_it_is_a_conflict(lots: tuple[TaxLot, ...]) -> None:
    with pytest.raises(Conflict, match="SELL_EXCEEDS_POSITION"):
        fill_lots(lots, sold(10, "1", 1))


def test_fill_when_of_another_symbol_then_it_is_refused() -> None:
    with pytest.raises(InvalidInput, match="SYMBOL_MISMATCH"):
        play([bought(1, "1"), bought(1, "1", 1, symbol="OTHR")])


@pytest.mark.parametrize("ratio", ["0", "-2", "NaN"])
def test_split_when_the_ratio_is_not_positive_then_it_is_refused(ratio: str) -> None:
    with localcontext(Context(traps=[])), pytest.raises(InvalidInput, match="INVALID_SPLIT"):
        split_lots((), D(ratio), at=at(0), action_id="a")


# -- whatever happens -------------------------------------------------------------------------------------------------


@PROPERTY
@given(lives)
def test_lots_when_anything_happens_then_cash_is_result_less_change_of_cost_at_every_step(life: list[Event]) -> None:
    with localcontext(Context(prec=80)):
        lots: tuple[TaxLot, ...] = ()
        average = AverageBook()
        for length in range(1, len(life) + 1):
            before, change = play(life[: length - 1]), play(life[:length])
            moved = change.cash_change - before.cash_change
            realized = change.realized_pnl - before.realized_pnl
            assert moved == realized - (cost_of(change.lots) - cost_of(lots))
            average = average.after(life[length - 1])
            lots = change.lots
            assert held(lots) == average.quantity
            assert all(lot.quantity > 0 and lot.cost >= 0 for lot in lots)
            assert [lot.opened_at for lot in lots] == sorted(lot.opened_at for lot in lots)


@PROPERTY
@given(lives, st.decimals(Decimal("0.01"), Decimal(3000), places=6))
def test_methods_when_anything_happens_then_they_agree_on_cash_and_on_the_whole_result(
    life: list[Event], price: Decimal
) -> None:
    with localcontext(Context(prec=80)):
        book, average = play(life), AverageBook()
        for event in life:
            average = average.after(event)
        assert book.cash_change == average.cash
        by_lots = book.realized_pnl + worth(book.lots, price) - cost_of(book.lots)
        kept = average.quantity * price - (cost(average.holding) if average.holding is not None else 0)
        assert by_lots == average.realized + kept
        if not book.lots:
            assert book.realized_pnl == average.realized == book.cash_change


@PROPERTY
@given(lives, st.randoms(use_true_random=False))
def test_events_when_they_arrive_in_any_order_then_the_book_is_the_same(
    life: list[Event], shuffle: random.Random
) -> None:
    arrived = list(life)
    shuffle.shuffle(arrived)
    assert play(arrived) == play(life)


@PROPERTY
@given(
    st.lists(st.tuples(st.integers(1, 50), st.integers(1, 9)), min_size=2, max_size=6, unique=True),
    st.integers(1, 40),
    st.randoms(use_true_random=False),
)
def test_purchases_of_one_instant_when_they_arrive_in_any_order_then_the_same_are_sold_first(
    purchases: list[tuple[int, int]], wanted: int, shuffle: random.Random
) -> None:
    """One after the other, without anybody sorting the arrivals."""
    fills = [bought(quantity, D(price), fill_id=f"{quantity}-{price}") for quantity, price in purchases]

    def after(arrivals: list[object]) -> LotChange:
        lots: tuple[TaxLot, ...] = ()
        for each in arrivals:
            lots = fill_lots(lots, each).lots  # type: ignore[arg-type]
        return fill_lots(lots, sold(min(wanted, sum(quantity for quantity, _ in purchases)), "5", 1))

    arrivals: list[object] = list(fills)
    shuffle.shuffle(arrivals)
    assert after(arrivals) == after(list(fills))


def test_ids_when_the_broker_draws_others_then_the_same_shares_are_sold_first() -> None:
    def closed(first: str, second: str) -> list[tuple[Decimal, Decimal]]:
        made = [bought(30, "9", fill_id=first), bought(20, "11", fill_id=second), sold(40, "12", 1)]
        return [(each.quantity, each.cost) for each in play(made).closings]

    assert closed("a", "b") == closed("b", "a") == [(D(30), D(270)), (D(10), D(110))]
