from decimal import Decimal
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from domain.decisions import Holding, Side
from domain.errors import Conflict, InvalidInput
from domain.portfolio import (
    BookChange,
    Fill,
    OrderStatus,
    advance,
    apply_dividend,
    apply_fill,
    apply_split,
    cost,
    value,
)

from .builders import AS_OF, PROPERTY, holding

S = OrderStatus
BROKER_ENDS = {S.FILLED, S.CANCELED, S.EXPIRED, S.REJECTED}
ALLOWED = {
    S.PENDING: set(S) - {S.PENDING},
    S.SUBMITTED: BROKER_ENDS | {S.ACCEPTED, S.PARTIALLY_FILLED, S.UNKNOWN},
    S.UNKNOWN: BROKER_ENDS | {S.SUBMITTED, S.ACCEPTED, S.PARTIALLY_FILLED},
    S.ACCEPTED: BROKER_ENDS | {S.PARTIALLY_FILLED},
    S.PARTIALLY_FILLED: BROKER_ENDS,
}


@pytest.mark.parametrize("current", list(S))
@pytest.mark.parametrize("new", list(S))
def test_advance_when_status_moves_then_only_the_life_of_an_order_is_possible(
    current: OrderStatus, new: OrderStatus
) -> None:
    if new is current or new in ALLOWED.get(current, set()):
        assert advance(current, new) is new
    else:
        with pytest.raises(Conflict, match="ORDER_STATUS_CONFLICT"):
            advance(current, new)


def test_status_when_it_is_final_then_nothing_follows() -> None:
    assert {one for one in S if one.final} == BROKER_ENDS | {S.DENIED, S.DECLINED}


def fill(side: Side, quantity: str | Decimal, price: str | Decimal, fee: str | Decimal = "0") -> Fill:
    return Fill(
        fill_id="f",
        order_id="o",
        intent_id="i",
        symbol="ACME",
        side=side,
        quantity=Decimal(quantity),
        price=Decimal(price),
        fee=Decimal(fee),
        filled_at=AS_OF,
    )


def test_fill_when_first_bought_then_position_opens_at_its_price() -> None:
    change = apply_fill(None, fill(Side.BUY, "10", "50.25", "1"))
    assert change.holding == Holding(
        symbol="ACME",
        quantity=Decimal(10),
        average_price=Decimal("50.25"),
        last_price=Decimal("50.25"),
        opened_session="2014-07-16",
    )
    assert (change.cash_change, change.realized_pnl) == (Decimal("-503.50"), Decimal(-1))


def test_fill_when_bought_again_then_average_is_rounded_and_the_rest_realized() -> None:
    change = apply_fill(holding(quantity="1", price="10"), fill(Side.BUY, "2", "10.01"))
    assert change.holding.average_price == Decimal("10.006667")
    assert change.cash_change == Decimal("-20.02")
    assert change.realized_pnl == Decimal("0.000001")


def test_fill_when_sold_in_part_then_average_stays_and_result_is_realized() -> None:
    change = apply_fill(holding(quantity="10", price="50"), fill(Side.SELL, "4", "55", "0.5"))
    assert (change.holding.quantity, change.holding.average_price) == (Decimal(6), Decimal(50))
    assert (change.cash_change, change.realized_pnl) == (Decimal("219.5"), Decimal("19.5"))


def test_fill_when_sold_out_then_position_is_empty_and_opens_anew() -> None:
    held = holding(quantity="10", price="50").model_copy(update={"opened_session": "2014-01-02"})
    gone = apply_fill(held, fill(Side.SELL, "10", "45")).holding
    assert (gone.quantity, gone.average_price, gone.opened_session) == (Decimal(0), Decimal(0), "")
    assert apply_fill(gone, fill(Side.BUY, "1", "40")).holding.opened_session == "2014-07-16"
    kept = apply_fill(held, fill(Side.BUY, "1", "40")).holding
    assert kept.opened_session == "2014-01-02"


@pytest.mark.parametrize("held", [None, holding(quantity="9.999")])
def test_fill_when_more_is_sold_than_held_then_it_is_a_conflict(held: Holding | None) -> None:
    with pytest.raises(Conflict, match="SELL_EXCEEDS_POSITION"):
        apply_fill(held, fill(Side.SELL, "10", "50"))


def test_fill_when_it_is_of_another_symbol_then_it_is_refused() -> None:
    with pytest.raises(InvalidInput, match="SYMBOL_MISMATCH"):
        apply_fill(holding("OTHR"), fill(Side.BUY, "1", "50"))


@pytest.mark.parametrize(("quantity", "price", "fee"), [("0", "1", "0"), ("1", "0", "0"), ("1", "1", "-1")])
def test_fill_when_a_number_is_not_possible_then_it_is_refused(quantity: str, price: str, fee: str) -> None:
    with pytest.raises(ValidationError):
        fill(Side.BUY, quantity, price, fee)


@pytest.mark.parametrize(
    ("quantity", "price", "ratio", "shares", "average"),
    [
        ("3", "651.49", "7", "21", "93.07"),
        ("105", "4.52", "0.1", "10.5", "45.2"),
        ("10", "50", "1", "10", "50"),
        ("10", "50", "3", "30", "16.666667"),
    ],
)
def test_split_when_applied_then_shares_and_prices_change_and_cost_stays(
    quantity: str, price: str, ratio: str, shares: str, average: str
) -> None:
    before = holding(quantity=quantity, price=price)
    change = apply_split(before, Decimal(ratio))
    assert (change.holding.quantity, change.holding.average_price) == (Decimal(shares), Decimal(average))
    assert change.holding.last_price == Decimal(average)
    assert change.cash_change == 0
    assert cost(change.holding) - change.realized_pnl == cost(before)
    assert abs(change.realized_pnl) <= Decimal(shares) * Decimal("0.0000005")


@pytest.mark.parametrize("ratio", ["0", "-1"])
def test_split_when_ratio_is_not_positive_then_it_is_refused(ratio: str) -> None:
    with pytest.raises(InvalidInput, match="INVALID_SPLIT"):
        apply_split(holding(), Decimal(ratio))


def test_dividend_when_paid_then_cash_and_result_grow_alike() -> None:
    change = apply_dividend(holding(quantity="21"), Decimal("0.47"))
    assert change == BookChange(
        holding=holding(quantity="21"), cash_change=Decimal("9.87"), realized_pnl=Decimal("9.87")
    )
    with pytest.raises(InvalidInput, match="INVALID_DIVIDEND"):
        apply_dividend(holding(), Decimal("-0.01"))


def test_value_when_positions_are_held_then_they_count_at_their_last_price() -> None:
    held = holding(quantity="3", price="10").model_copy(update={"last_price": Decimal("12.345678")})
    assert value(Decimal("1.5"), [held, holding("X", "2", "5")]) == Decimal("48.537034")
    assert value(Decimal(7), []) == 7


steps = st.tuples(
    st.sampled_from(["buy", "buy", "sell", "split", "dividend"]),
    st.decimals(Decimal("0.001"), Decimal(500), places=9),
    st.decimals(Decimal("0.01"), Decimal(2000), places=6),
    st.decimals(0, 5, places=6),
)


@PROPERTY
@given(st.lists(steps, max_size=25))
def test_book_when_events_are_any_then_cash_and_cost_less_result_is_conserved(
    events: list[tuple[str, Decimal, Decimal, Decimal]],
) -> None:
    """In exact fractions: what went in is what is there, and a flat book has realised all of its cash."""
    opening = Fraction(1_000_000)
    cash, realized = opening, Fraction(0)
    held: Holding | None = None
    for kind, quantity, price, small in events:
        if kind == "buy":
            change = apply_fill(held, fill(Side.BUY, quantity, price, small))
        elif held is None or held.quantity == 0:
            continue
        elif kind == "sell":
            change = apply_fill(held, fill(Side.SELL, min(quantity, held.quantity), price, small))
        elif kind == "split":
            change = apply_split(held, (small + 1).normalize())
        else:
            change = apply_dividend(held, small)
        held = change.holding
        cash += Fraction(change.cash_change)
        realized += Fraction(change.realized_pnl)
        assert cash + Fraction(held.quantity) * Fraction(held.average_price) - realized == opening
        assert held.quantity >= 0
        assert held.average_price == round(held.average_price, 6) >= 0
    if held is not None and held.quantity == 0:
        assert cash - realized == opening
