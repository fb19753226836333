"""Returns net of transfers, against published numbers and against the recorded oracles."""

from __future__ import annotations

import json
from datetime import date, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.errors import InvalidInput
from domain.lots import play
from domain.market import Bar, CorporateAction
from domain.performance import AccountMark, BenchmarkSeries, benchmark_series, closed_lots, history, perform
from domain.sharpe import Interval, probabilistic_sharpe, sharpe_interval
from tests.metrics.series import CASES

from .builders import PROPERTY, at, bought, sold

D = Decimal
RECORDED: dict[str, Any] = json.loads((Path(__file__).parent.parent / "metrics" / "oracles.json").read_text())["series"]
DAY = date(2024, 1, 2)


def close(value: float) -> Any:
    return pytest.approx(value, rel=1e-6, abs=1e-9)


def mark(day: int, equity: str | Decimal, **changes: Any) -> AccountMark:
    values: dict[str, Any] = {
        "session": DAY + timedelta(days=day),
        "as_of": at(day),
        "equity": D(equity),
        "cash": D(equity),
        "gross": D(0),
        "net": D(0),
    }
    return AccountMark.model_validate({**values, **changes})


def bar(day: int, close_: str, opened: str | None = None) -> Bar:
    first, last = D(opened or close_), D(close_)
    return Bar(
        symbol="SPY",
        session=DAY + timedelta(days=day),
        open=first,
        high=max(first, last),
        low=min(first, last),
        close=last,
        volume=1,
    )


def marks_of(returns: list[float], transfers: list[Decimal]) -> list[AccountMark]:
    """An account that earns the returns whatever is paid in or taken out before each session."""
    equity, made = D(0), []
    for day, (change, paid) in enumerate(zip(returns, transfers, strict=True)):
        equity = (equity + paid) * (1 + D(repr(change)))
        made.append(mark(day, equity, transfers=paid))
    return made


# -- published numbers ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("transfer", "end"), [("100000", "1192328"), ("-100000", "1003440")])
def test_return_when_money_is_paid_in_or_taken_out_then_it_is_the_textbook_time_weighted_one(
    transfer: str, end: str
) -> None:
    """A million grows to 1,162,484; then 100,000 come or go. Both investors earned 16.25 %, -5.56 %: 9.79 %."""
    marks = [mark(0, "1162484"), mark(1, end, transfers=D(transfer))]
    points = history(marks, before=D(1_000_000))
    assert [round(100 * (point.change or 0), 2) for point in points] == [16.25, -5.56]
    found = perform(marks, before=D(1_000_000))
    assert found.metrics.total_return is not None
    assert round(100 * found.metrics.total_return, 2) == 9.79
    assert found.closing == found.opening + found.transfers + found.result


def test_interval_when_returns_are_normal_then_its_error_is_the_published_one() -> None:
    """Lo, "The Statistics of Sharpe Ratios" (2002): sqrt((1 + SR^2/2) / T) is .306 for a ratio of .5 and T = 12."""
    found = sharpe_interval(0.5, 13)
    assert found is not None
    assert round((found.high - found.low) / 2 / 1.959964, 3) == 0.306


@PROPERTY
@given(st.floats(-0.5, 0.5), st.integers(10, 2000), st.floats(-2, 2), st.floats(3, 12), st.floats(0.5, 0.99))
def test_interval_when_given_then_its_ends_are_those_of_the_probabilistic_ratio(
    sharpe: float, sessions: int, skewness: float, kurtosis: float, confidence: float
) -> None:
    shape = {"skewness": skewness, "kurtosis": kurtosis}
    found = sharpe_interval(sharpe, sessions, confidence=confidence, **shape)
    if found is None:
        assert probabilistic_sharpe(sharpe, sessions, **shape) is None
        return
    below = probabilistic_sharpe(sharpe, sessions, against=found.low, **shape)
    above = probabilistic_sharpe(sharpe, sessions, against=found.high, **shape)
    assert below == pytest.approx((1 + confidence) / 2, abs=1e-9)
    assert above == pytest.approx((1 - confidence) / 2, abs=1e-9)


def test_interval_when_confidence_or_record_is_not_enough_then_it_says_so() -> None:
    assert sharpe_interval(0.1, 1) is None
    with pytest.raises(InvalidInput, match="CONFIDENCE_OUT_OF_RANGE"):
        sharpe_interval(0.1, 100, confidence=1.0)


# -- oracles ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", sorted(CASES))
def test_account_when_it_earned_the_oracles_series_then_the_figures_are_theirs(name: str) -> None:
    """With money coming and going all the while, which must change nothing."""
    case, theirs = CASES[name], RECORDED[name]["quantstats"]
    transfers = [D(100_000), *(D((number * 37) % 11 - 5) * 1_000 for number in range(1, len(case.returns)))]
    marks = marks_of(case.returns, transfers)
    beside = BenchmarkSeries(
        symbol="SPY", returns={each.session: value for each, value in zip(marks, case.benchmark, strict=True)}
    )
    found = perform(marks, benchmark=beside)
    ours = found.metrics
    assert ours.max_drawdown is not None
    figures = {
        "sharpe": ours.sharpe,
        "sortino": ours.sortino,
        "cagr": ours.cagr,
        "total_return": ours.total_return,
        "volatility": ours.volatility,
        "max_drawdown": -ours.max_drawdown.depth,
        "calmar": ours.calmar,
        "hit_rate": ours.hit_rate,
        "cvar_historical": ours.cvar_95,
        "beta": ours.beta,
        "alpha": ours.alpha,
        "probabilistic_sharpe": ours.probabilistic_sharpe,
    }
    assert figures == {each: close(theirs[each]) for each in figures}
    assert found.sharpe_interval is not None
    assert ours.sharpe is not None
    assert found.sharpe_interval.low < ours.sharpe < found.sharpe_interval.high
    assert isinstance(found.sharpe_interval, Interval)
    points = history(marks, benchmark=beside)
    assert max(point.drawdown for point in points) == close(ours.max_drawdown.depth)
    assert points[-1].growth - 1 == close(ours.total_return or 0.0)
    assert found.benchmark is not None
    assert found.benchmark.excess == close((points[-1].growth) - (points[-1].benchmark_growth or 0.0))


# -- whatever happens -------------------------------------------------------------------------------------------------

sessions = st.lists(
    st.tuples(st.floats(-0.3, 0.3).map(lambda value: round(value, 6)), st.integers(-20, 100).map(D)),
    min_size=1,
    max_size=20,
)


@PROPERTY
@given(sessions, st.integers(0, 19))
def test_periods_when_joined_then_growth_multiplies_and_dollars_add_up(
    days: list[tuple[float, Decimal]], cut: int
) -> None:
    transfers = [D(10_000) + days[0][1], *(paid for _, paid in days[1:])]
    marks = marks_of([change for change, _ in days], transfers)
    points = history(marks)
    assert [point.change for point in points] == [close(change) for change, _ in days]
    whole = perform(marks)
    assert whole.closing == whole.opening + whole.transfers + whole.result
    place = min(cut, len(marks))
    first, then = perform(marks[:place]), perform(marks[place:], before=marks[place - 1].equity if place else D(0))
    assert first.result + then.result == whole.result
    assert first.transfers + then.transfers == whole.transfers
    growth = (1 + (first.metrics.total_return or 0.0)) * (1 + (then.metrics.total_return or 0.0))
    assert growth == close(1 + (whole.metrics.total_return or 0.0))


def test_account_when_it_never_lived_then_nothing_is_defined_and_nothing_fails() -> None:
    found = perform([])
    assert (found.first, found.metrics.sessions, found.metrics.sharpe, found.sharpe_interval) == (None, 0, None, None)
    assert found.benchmark is None
    assert history([]) == ()


def test_session_when_there_was_nothing_to_earn_on_then_it_is_left_out() -> None:
    marks = [mark(0, "100", transfers=D(100)), mark(1, "0", transfers=D(-100)), mark(2, "50", transfers=D(50))]
    found = perform(marks)
    assert (found.unmeasured, found.metrics.sessions, found.metrics.total_return) == (1, 2, 0.0)
    assert [point.change for point in history(marks)] == [0.0, None, 0.0]


def test_costs_and_exposure_when_measured_then_they_are_those_computed_by_hand() -> None:
    """5,000 traded of a mean equity of 10,000 in two sessions: 5000 / 20000 * 126; fees 2.50 of 5000 = 5 bp."""
    marks = [
        mark(0, "10000", transfers=D(10_000), traded=D(4_000), fees=D(2), gross=D(4_000), net=D(4_000)),
        mark(1, "10000", traded=D(1_000), fees=D("0.5"), gross=D(5_000), net=D(3_000), dividends=D("1.5")),
    ]
    found = perform(marks)
    assert (found.metrics.turnover, found.metrics.exposure, found.net_exposure) == (31.5, 0.45, 0.35)
    assert (found.fees, found.fees_bp, found.dividends, found.traded) == (D("2.5"), close(5.0), D("1.5"), D(5_000))


def test_lots_when_summed_up_then_winners_and_losers_are_counted() -> None:
    closings = play(
        [bought(10, "10", 0), bought(10, "20", 1), bought(10, "30", 2), sold(20, "25", 400), sold(5, "29", 401)]
    ).closings
    found = closed_lots(closings)
    assert (found.count, found.winners, found.losers, found.gain) == (3, 2, 1, D(150 + 50 - 5))
    assert (found.hit_rate, found.long_term) == (2 / 3, D(195))
    assert closed_lots([]).hit_rate is None


# -- the benchmark ----------------------------------------------------------------------------------------------------

DAYS = [DAY + timedelta(days=number) for number in range(3)]


def test_benchmark_when_the_account_was_opened_then_it_is_bought_at_the_open_of_the_first_session() -> None:
    bars = [bar(-1, "50"), bar(0, "102", "100"), bar(1, "51"), bar(2, "52.02")]
    actions = [
        CorporateAction(symbol="SPY", ex_date=DAYS[0], cash_dividend=D(9), split_ratio=D(1)),
        CorporateAction(symbol="SPY", ex_date=DAYS[1], cash_dividend=D("2.04"), split_ratio=D(2)),
    ]
    found = benchmark_series("SPY", bars, actions, DAYS, opened=True).returns
    assert found == {DAYS[0]: close(0.02), DAYS[1]: close((2 * 51 + 2.04) / 102 - 1), DAYS[2]: close(0.02)}


def test_benchmark_when_the_account_was_there_before_then_it_counts_from_the_last_close() -> None:
    bars = [bar(-4, "40"), bar(-1, "50"), bar(0, "51"), bar(2, "52")]
    found = benchmark_series("SPY", bars, [], DAYS, opened=False).returns
    assert found == {DAYS[0]: close(0.02)}
    assert (
        perform(
            [mark(0, "1"), mark(1, "1")], before=D(1), benchmark=BenchmarkSeries(symbol="SPY", returns=found)
        ).benchmark
        is None
    )


def test_benchmark_when_the_book_has_none_of_it_then_there_is_none() -> None:
    assert benchmark_series("SPY", [], [], DAYS, opened=True).returns == {}
