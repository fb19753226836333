"""The cash ledger: every dollar has a reason, and the buckets are all of it."""

from __future__ import annotations

import random
from decimal import Context, Decimal, localcontext

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from domain.cash import (
    CashEntry,
    CashKind,
    balance,
    entries_of_action,
    entries_of_fill,
    opening_entry,
    statement,
    to_the_micro_dollar,
    totals,
    transferred,
)
from domain.lots import Event, play
from domain.portfolio import MICRO, Fill
from domain.reserve import buckets

from .builders import PROPERTY, action, at, bought, lives, sold

D = Decimal


def entry(kind: CashKind, amount: str, days: int = 0, source: str = "s") -> CashEntry:
    return CashEntry(kind=kind, source_id=source, amount=D(amount), occurred_at=at(days))


def entries_of(life: list[Event]) -> list[CashEntry]:
    found: list[CashEntry] = []
    for event in life:
        found += entries_of_fill(event) if isinstance(event, Fill) else entries_of_action(event)
    return found


def test_statement_when_read_then_it_explains_the_balance_line_by_line() -> None:
    """1000 paid in; 10 at 50.25 for a fee of 1; a dividend of 4.70; 10 at 52 for a fee of 1; 500 taken out."""
    entries = [
        entry(CashKind.TRANSFER_OUT, "-500", 5),
        *entries_of_fill(sold(10, "52", 3, fee=D(1))),
        *entries_of_action(action(2, cash="4.70")),
        *entries_of_fill(bought(10, "50.25", 1, fee=D(1))),
        entry(CashKind.TRANSFER_IN, "1000"),
    ]
    lines = statement(entries)
    assert [(line.entry.kind.value, line.entry.amount, line.balance) for line in lines] == [
        ("transfer_in", D(1000), D(1000)),
        ("fill", D("-502.50"), D("497.50")),
        ("fee", D(-1), D("496.50")),
        ("dividend", D("4.70"), D("501.20")),
        ("fill", D(520), D("1021.20")),
        ("fee", D(-1), D("1020.20")),
        ("transfer_out", D(-500), D("520.20")),
    ]
    assert (balance(entries), transferred(entries)) == (D("520.20"), D(500))
    assert totals(entries)[CashKind.FEE] == -2
    assert lines[1].entry.note == "buy 10 at 50.25"


def test_split_when_booked_then_no_money_moves() -> None:
    assert entries_of_action(action(1, ratio="7")) == ()


def test_fill_when_free_of_charge_then_there_is_no_fee_to_enter() -> None:
    assert [each.kind for each in entries_of_fill(bought(1, "1"))] == [CashKind.FILL]


@pytest.mark.parametrize(
    ("kind", "amount"),
    [
        (CashKind.TRANSFER_IN, "-1"),
        (CashKind.TRANSFER_OUT, "1"),
        (CashKind.DIVIDEND, "-1"),
        (CashKind.FEE, "1"),
        *((kind, "0") for kind in CashKind),
        (CashKind.INTEREST, "NaN"),
        (CashKind.INTEREST, "Infinity"),
    ],
)
def test_entry_when_its_sign_is_not_that_of_its_kind_then_it_is_refused(kind: CashKind, amount: str) -> None:
    with pytest.raises(ValidationError):
        entry(kind, amount)


def test_entry_when_named_then_kind_and_source_alone_decide() -> None:
    named = {
        entry(CashKind.FILL, "-1", source="a").entry_id,
        entry(CashKind.FILL, "-2", 4, source="a").entry_id,
        entry(CashKind.FEE, "-1", source="a").entry_id,
        entry(CashKind.FILL, "-1", source="b").entry_id,
    }
    assert len(named) == 3


def test_opening_when_what_is_there_was_paid_in_then_it_stands_before_everything() -> None:
    moved = [*entries_of_fill(bought(10, "50", 3, fee=D(1))), entry(CashKind.INTEREST, "2", 4)]
    opening = opening_entry(D("999501"), moved, at=at(5))
    assert opening is not None
    assert (opening.kind, opening.amount, opening.occurred_at) == (CashKind.TRANSFER_IN, D("1000000"), at(3))
    assert statement([*moved, opening])[0].entry is opening
    debt = opening_entry(D(-5), [], at=at(5))
    assert debt is not None
    assert (debt.kind, debt.amount, debt.occurred_at) == (CashKind.ADJUSTMENT, D(-5), at(5))
    assert opening_entry(D("-499"), moved, at=at(5)) is None


@PROPERTY
@given(lives, st.decimals(0, 10**9, places=6), st.randoms(use_true_random=False))
def test_ledger_when_anything_happens_then_it_is_the_cash_of_both_books_in_any_order_of_arrival(
    life: list[Event], paid_in: Decimal, shuffle: random.Random
) -> None:
    with localcontext(Context(prec=80)):
        moved = entries_of(life)
        opening = opening_entry(paid_in + play(life).cash_change, moved, at=at(10**4))
        assert opening is None if paid_in == 0 else opening is not None and opening.amount == paid_in
        moved += [opening] if opening else []
        lines = statement(moved)
        shuffle.shuffle(moved)
        assert statement(moved) == lines
        assert balance(moved) == paid_in + play(life).cash_change == sum(totals(moved).values())
        assert transferred(moved) == paid_in
        for before, line in zip([D(0), *(line.balance for line in lines)], lines, strict=False):
            assert line.balance == before + line.entry.amount


amounts = st.decimals(0, 10**7, places=12)


@PROPERTY
@given(
    st.decimals(-(10**7), 10**7, places=15),
    st.decimals(0, 10**7, places=15),
    amounts,
    st.decimals(0, 1, places=9),
    amounts,
)
def test_buckets_when_kept_to_the_micro_dollar_then_they_sum_to_the_cash_and_hold_back_no_less(
    cash: Decimal, held: Decimal, reserve: Decimal, share: Decimal, reservations: Decimal
) -> None:
    with localcontext(Context(prec=80)):
        exact = buckets(cash, equity=cash + held, reserve=reserve, cash_floor=share, reservations=reservations)
        assert exact.total == cash
        kept = to_the_micro_dollar(exact)
        assert kept.total == cash.quantize(MICRO, rounding="ROUND_HALF_UP")
        for name in ("reserve", "floor", "reservations"):
            more = getattr(kept, name) - getattr(exact, name)
            assert 0 <= more < MICRO
            assert getattr(kept, name) == getattr(kept, name).quantize(MICRO)
