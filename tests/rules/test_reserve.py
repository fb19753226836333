"""The reserve pool, by hand and for any history of profits."""

from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.errors import InvalidInput
from domain.reserve import Buckets, ReserveMoveKind, ReserveState, buckets, release, skim
from domain.rules_config import ReserveRules

from .builders import PROPERTY, START

RULES = ReserveRules()
cents = st.integers(-10_000_000, 10_000_000).map(lambda number: Decimal(number) / 100)
positive_cents = st.integers(0, 10_000_000).map(lambda number: Decimal(number) / 100)


def divide(cash: str, **changes: str) -> Buckets:
    values = {"equity": "100000", "reserve": "0", "cash_floor": "0.15", "reservations": "0", **changes}
    return buckets(Decimal(cash), **{name: Decimal(value) for name, value in values.items()})


@pytest.mark.parametrize(
    ("share", "amount"), [("0.30", "300"), ("0.20", "200"), ("0.10", "100"), ("0", None), ("0.000000001", "0.000001")]
)
def test_skim_when_profit_is_new_then_its_share_is_put_aside(share: str, amount: str | None) -> None:
    after, move = skim(ReserveState(), Decimal(1_000), ReserveRules(skim_share=Decimal(share)), as_of=START)
    assert after.high == 1_000
    assert after.balance == Decimal(amount or 0)
    assert (move is None) is (amount is None)


def test_skim_when_profits_go_up_and_down_then_only_new_highs_count() -> None:
    state, amounts = ReserveState(), []
    for profit in ("-500", "0", "1000", "400", "1000", "1250", "1250.01"):
        state, move = skim(state, Decimal(profit), RULES, as_of=START)
        amounts.append(None if move is None else move.amount)
    assert amounts == [None, None, Decimal(200), None, None, Decimal(50), Decimal("0.002")]
    assert state == ReserveState(balance=Decimal("250.002"), high=Decimal("1250.01"))


def test_skim_when_recorded_then_it_says_why() -> None:
    _, move = skim(ReserveState(high=Decimal(100)), Decimal(150), RULES, as_of=START)
    assert move is not None
    assert (move.kind, move.amount, move.balance) == (ReserveMoveKind.SKIM, Decimal(10), Decimal(10))
    assert move.reason == "NEW_PROFIT_HIGH: profit=150, high=100, share=0.2"


def test_release_when_an_operator_asks_then_the_same_profit_is_not_skimmed_again() -> None:
    state, _ = skim(ReserveState(), Decimal(1_000), RULES, as_of=START)
    state, move = release(state, Decimal(150), operator="ada", reason="new strategy", as_of=START)
    assert (move.kind, move.amount, move.balance, move.operator) == (
        ReserveMoveKind.RELEASE, Decimal(150), Decimal(50), "ada",
    )  # fmt: skip
    assert skim(state, Decimal(1_000), RULES, as_of=START) == (state, None)


@pytest.mark.parametrize(
    ("amount", "operator"), [("0", "ada"), ("-1", "ada"), ("200.01", "ada"), ("NaN", "ada"), ("100", " ")]
)
def test_release_when_it_is_not_covered_or_nobody_is_named_then_it_is_refused(amount: str, operator: str) -> None:
    with pytest.raises(InvalidInput):
        release(ReserveState(balance=Decimal(200)), Decimal(amount), operator=operator, reason="", as_of=START)


@pytest.mark.parametrize(
    ("changes", "found"),
    [
        ({}, ("0", "15000", "0", "5000")),
        ({"reserve": "4000"}, ("4000", "11000", "0", "5000")),
        ({"reserve": "16000"}, ("16000", "0", "0", "4000")),
        ({"reservations": "3000"}, ("0", "15000", "3000", "2000")),
        ({"reservations": "6000"}, ("0", "15000", "6000", "-1000")),
        ({"cash_floor": "0.25"}, ("0", "25000", "0", "-5000")),
        ({"equity": "-5"}, ("0", "0", "0", "20000")),
    ],
)
def test_buckets_when_computed_by_hand_then_they_agree(changes: dict[str, str], found: tuple[str, ...]) -> None:
    made = divide("20000", **changes)
    assert (made.reserve, made.floor, made.reservations, made.deployable) == tuple(Decimal(one) for one in found)
    assert made.total == 20_000


@pytest.mark.parametrize(
    "changes", [{"reserve": "-1"}, {"reservations": "-1"}, {"equity": "NaN"}, {"cash_floor": "-1"}]
)
def test_buckets_when_an_amount_is_impossible_then_it_is_refused(changes: dict[str, str]) -> None:
    with pytest.raises(InvalidInput):
        divide("20000", **changes)


@PROPERTY
@given(
    cents, cents, positive_cents, st.decimals(0, 1, places=9, allow_nan=False), positive_cents,
)  # fmt: skip
def test_buckets_when_amounts_are_any_then_they_sum_to_the_cash_exactly(
    cash: Decimal, equity: Decimal, reserve: Decimal, floor: Decimal, reservations: Decimal
) -> None:
    made = buckets(cash, equity=equity, reserve=reserve, cash_floor=floor, reservations=reservations)
    assert made.total == cash
    assert made.deployable == cash - max(reserve, floor * equity) - reservations
    assert min(made.reserve, made.floor, made.reservations) >= 0


@PROPERTY
@given(st.lists(st.tuples(cents, st.booleans()), max_size=30))
def test_reserve_when_profits_are_any_then_only_an_operator_lowers_it(history: list[tuple[Decimal, bool]]) -> None:
    state, skimmed, released = ReserveState(), Decimal(0), Decimal(0)
    for profit, wanted in history:
        before: Any = state
        state, move = skim(state, profit, RULES, as_of=START)
        assert state.balance >= before.balance
        assert state.high == max(before.high, profit)
        skimmed += move.amount if move is not None else 0
        if wanted and state.balance > 0:
            state, move = release(state, state.balance / 2, operator="ada", reason="", as_of=START)
            released += move.amount
        assert state.balance == skimmed - released
    high = max([Decimal(0), *(profit for profit, _ in history)])
    assert 0 <= skimmed - RULES.skim_share * high <= Decimal("0.000001") * len(history)
