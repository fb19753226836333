"""Earnings reports and thin markets in a backtest: what is not opened, what is sold before, and no foresight."""

from __future__ import annotations

from dataclasses import replace
from datetime import date, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest

from domain.backtest import BacktestState, OrderEnd
from domain.backtest_checks import check_future, check_relabelling, check_truncation
from domain.backtest_data import BacktestData
from domain.backtest_mutations import relabelled, symbols_of
from domain.backtest_stamps import StampCode
from domain.config import TradingConfig
from domain.costs import CostModel
from domain.decisions import Side
from domain.entries import KnownReport
from domain.protection import EARNINGS_TRIM
from domain.rules_config import Protection
from domain.simulation import Simulation

from .builders import CODE, EAGER, SESSIONS, WARM_UP, at, data_of, market, news, request_for, run, walk

BARE = Protection(stops=None, breakers=None, reserve=None, tiers=None)
"""Nothing takes part but the earnings rule."""
WIDE = EAGER.model_copy(update={"limits": EAGER.limits.model_copy(update={"name_cap": Decimal("0.2")})})
"""Its positions are below half the cap."""


def day(number: int) -> date:
    return SESSIONS[WARM_UP + number]


def scheduled(number: int, *, known: datetime | None = None, until: datetime | None = None) -> KnownReport:
    return KnownReport(day=day(number), made=False, since=known or at(0, 0) - timedelta(days=30), until=until)


def made(number: int, hour: float = 11.0) -> KnownReport:
    return KnownReport(day=day(number), made=True, since=at(number, hour))


def acme(days: int, *reports: KnownReport, told: int = 0, **others: Any) -> BacktestData:
    """One company on which there is good news from a day on."""
    bars = walk("ACME", days)
    evidence = [news("ACME", at(told, 3)), news("ACME", at(told, 4), event_type="contract")]
    return data_of(days, bars=bars, evidence=evidence, reports={"ACME": reports}, **others)


def played(data: BacktestData, protection: Protection | None = None, **changes: Any) -> BacktestState:
    request = request_for(data, protection=protection, costs=CostModel.none(), **changes)
    return Simulation(data, request, code_version=CODE).run()


def bought_on(state: BacktestState) -> list[int]:
    """Sessions of the period in which something was bought."""
    return sorted(
        SESSIONS.index(fill.session) - WARM_UP
        for order in state.orders
        if order.side is Side.BUY
        for fill in order.fills
    )


@pytest.mark.parametrize(
    ("report", "first"),
    [
        (scheduled(3), 0),  # T-3 is far enough
        (scheduled(2), 4),
        (scheduled(0), 2),
        (made(0), 2),
        (made(0, 23.0), 0),  # after the close: nobody knew it before the open
        (scheduled(2, known=at(0, 14)), 0),  # said after the orders were placed
        (scheduled(2, until=at(0, 1)), 0),  # taken back before
        (scheduled(2, until=at(1, 1)), 1),
    ],
)
def test_purchase_when_a_report_is_near_then_it_waits_until_the_second_open_after_it(
    report: KnownReport, first: int
) -> None:
    state = played(acme(6, report))
    assert bought_on(state)[0] == first
    assert [order for order in state.orders if order.end is OrderEnd.DENIED] == []  # nothing is asked for in vain


@pytest.mark.parametrize(("days", "bought"), [(79, True), (80, False), (400, False)])
def test_purchase_when_the_last_report_is_long_ago_and_the_next_unknown_then_it_is_none(
    days: int, bought: bool
) -> None:
    last = KnownReport(day=day(0) - timedelta(days=days), made=True, since=at(0, 0) - timedelta(days=days))
    assert bool(bought_on(played(acme(1, last)))) is bought
    assert bought_on(played(acme(1, last, scheduled(9)))) == [0]


def test_purchase_when_it_is_half_filled_and_a_report_comes_near_then_the_rest_is_not_bought() -> None:
    costs = CostModel.none().model_copy(update={"participation": 0.00002})
    free, near = (run(data, request_for(data, costs=costs)) for data in (acme(3), acme(3, scheduled(3))))
    assert bought_on(free) == [0, 1, 2]
    assert bought_on(near) == [0]
    assert [order.end for order in near.orders] == [OrderEnd.EXPIRED]


def test_holding_when_its_company_reports_then_it_is_halved_once_two_sessions_before() -> None:
    data = acme(9, scheduled(5), scheduled(6, known=at(5, 1)))  # moved by a day, on the day
    state = played(data, BARE)
    (sale,) = [order for order in state.orders if order.reason == EARNINGS_TRIM]
    (bought, *_) = [order for order in state.orders if order.side is Side.BUY]
    assert (sale.quantity, sale.end) == (Decimal(int(bought.filled / 2)), OrderEnd.FILLED)
    assert [fill.session for fill in sale.fills] == [day(3)]
    assert state.protection is not None
    assert state.protection.trims == {"ACME": day(5)}


@pytest.mark.parametrize(
    ("report", "protection", "config"),
    [
        (scheduled(5), None, EAGER),
        (scheduled(5), BARE, WIDE),
        (made(5), BARE, EAGER),
        (scheduled(5, until=at(3, 1)), BARE, EAGER),
    ],
)
def test_holding_when_nothing_asks_for_it_then_it_is_not_halved(
    report: KnownReport, protection: Protection | None, config: TradingConfig
) -> None:
    state = played(acme(7, report), protection, config=config)
    assert bought_on(state) == [0]
    assert [order for order in state.orders if order.side is Side.SELL] == []


def test_purchases_when_a_market_is_thin_then_the_position_stays_within_its_share_of_a_day() -> None:
    entries = EAGER.entries.model_copy(update={"max_position_adv": Decimal("0.00002")})
    state = played(acme(6), config=EAGER.model_copy(update={"entries": entries}))
    (order, *_) = state.orders
    limit = Decimal(order.average_dollar_volume) * entries.max_position_adv
    assert limit / 2 < order.quantity * order.reference_price <= limit
    assert played(acme(6)).orders[0].quantity > order.quantity
    assert all(order.end is not OrderEnd.DENIED for order in state.orders)


# -- no foresight -----------------------------------------------------------------------------------------------------


def reporting(days: int = 8) -> BacktestData:
    return market(
        days,
        reports={
            "ACME": [scheduled(6, known=at(2, 2))],
            "BOLT": [made(0), scheduled(4, known=at(1, 2), until=at(3, 1))],
            "CORE": [KnownReport(day=day(0) - timedelta(days=85), made=True, since=at(0) - timedelta(days=85))],
            "DYNE": [scheduled(7)],
        },
    )


def test_reports_when_they_are_known_then_they_change_the_run() -> None:
    data = reporting()
    assert played(data).orders != played(replace(data, reports={})).orders
    assert played(data, BARE).orders != played(data).orders


@pytest.mark.parametrize("protection", [None, BARE, Protection.for_tier("aggressive")])
def test_checks_when_reports_take_part_then_neither_the_future_nor_names_matter(protection: Protection | None) -> None:
    data = reporting()
    request = request_for(data, protection=protection)
    truncated = check_truncation(data, request, code_version=CODE, cuts=(1, 2, 3, 4, 6, 8))
    assert truncated.passed, str(truncated.difference)
    renamed = check_relabelling(data, request, code_version=CODE)
    assert renamed.passed, str(renamed.difference)
    assert check_future(data).passed


@pytest.mark.parametrize("cut", [1, 3])
def test_truncation_when_dates_are_read_ahead_then_it_is_caught(monkeypatch: pytest.MonkeyPatch, cut: int) -> None:
    monkeypatch.setattr(KnownReport, "is_known", lambda self, as_of: self.until is None)
    data = reporting()
    found = check_truncation(data, request_for(data), code_version=CODE, cuts=(cut,), reach=None)
    assert found.difference is not None


def test_stamps_when_a_report_is_known_before_its_day_then_it_is_named_and_a_date_is_not() -> None:
    early = KnownReport(day=day(2), made=True, since=at(1, 12))
    data = acme(3, early, scheduled(2), made(1))
    (finding,) = check_future(data).findings
    assert (finding.code, finding.symbol, finding.fact) == (StampCode.REPORT_KNOWN_BEFORE_MADE, "ACME", f"{day(2)}")
    assert finding.impossible


def test_names_when_they_are_turned_round_then_reports_go_with_them() -> None:
    data = data_of(2, reports={"ACME": [made(0)], "ZINC": [scheduled(1)]})
    assert symbols_of(data) == ["ACME", "ZINC"]
    turned = relabelled(data, {"ACME": "ZINC", "ZINC": "ACME"})
    assert list(turned.reports.items()) == [("ACME", [scheduled(1)]), ("ZINC", [made(0)])]


def test_run_when_it_is_continued_then_no_holding_is_halved_twice() -> None:
    data = acme(8, scheduled(5))
    request = request_for(data, protection=BARE)
    whole = Simulation(data, request, code_version=CODE).run()
    assert sum(order.reason == EARNINGS_TRIM for order in whole.orders) == 1
    for stop in range(1, 8):
        half = Simulation(data, request, code_version=CODE).run(stop)
        again = BacktestState.model_validate_json(half.model_dump_json())
        assert Simulation(data, request, code_version=CODE, state=again).run() == whole
