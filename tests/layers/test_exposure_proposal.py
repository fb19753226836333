"""From what the book holds to proposed exposures: weeks, factors, reasons, and nothing from the future."""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.bar_series import KnownBar
from domain.errors import Conflict
from domain.exposure_estimation import estimate_exposures
from domain.exposure_proposal import ExposureInputs, ExposureProposal, propose_exposures
from domain.factor_series import Change, adjoining, changes, common_weeks, levels, series_for
from domain.layer_config import ExposureConfig
from domain.market import CorporateAction
from tests.decisions.builders import PROPERTY

from .prices import CLOSE, bars_of, known, real_bars, real_yields, weekdays

CONFIG = ExposureConfig()
DAYS = weekdays(420)
AS_OF = datetime.combine(DAYS[-1], CLOSE) + timedelta(hours=1)


def noise(seed: int, size: int = len(DAYS)) -> np.ndarray[Any, np.dtype[np.float64]]:
    return np.random.default_rng(seed).normal(0.0, 0.01, size)


def market_of(days: Sequence[date] = DAYS) -> ExposureInputs:
    """A company that loses with yields and follows the market, with a dollar index that starts late."""
    count = len(days)
    index, move, own = noise(1, count), noise(2, count), noise(3, count)
    stock = 0.8 * index - 0.5 * move + own
    return ExposureInputs(
        symbol="ACME",
        sector="",
        as_of=datetime.combine(days[-1], CLOSE) + timedelta(hours=1),
        bars={"ACME": bars_of("ACME", stock, days), "SPY": bars_of("SPY", index, days)},
        figures={
            "DGS10": dict(zip(days, (3.0 + 10 * np.cumsum(move)).tolist(), strict=True)),
            "DTWEXBGS": dict(zip(days[-40:], (100 + np.arange(40.0)).tolist(), strict=True)),
        },
    )


def closes(bars: Sequence[KnownBar]) -> dict[date, float]:
    return {each.bar.session: float(each.bar.close) for each in bars}


# -- weeks ------------------------------------------------------------------------------------------------------------


def test_weeks_when_days_are_missing_then_the_last_common_day_of_each_is_taken() -> None:
    days = weekdays(15, date(2010, 1, 7))  # from a Thursday on: three weeks that end on Wednesdays
    one = dict.fromkeys(days, 1.0)
    other = {day: 1.0 for day in days if day != date(2010, 1, 20)}
    assert common_weeks([one, other], before=date(2010, 1, 28)) == [
        date(2010, 1, 13), date(2010, 1, 19), date(2010, 1, 27)
    ]  # fmt: skip
    assert common_weeks([one, other], before=date(2010, 1, 27))[-1] == date(2010, 1, 19)
    assert common_weeks([], before=date(2010, 1, 28)) == []


def test_changes_when_a_week_is_missing_then_none_reaches_over_it() -> None:
    days = [date(2010, 1, 6), date(2010, 1, 13), date(2010, 1, 27), date(2010, 2, 3)]
    weeks = adjoining(days)
    assert weeks == [(days[0], days[1]), (days[2], days[3])]
    assert changes(dict(zip(days, (1.0, 3.0, 9.0, 10.0), strict=True)), weeks) == [2.0, 1.0]


def test_levels_when_oil_costs_less_than_nothing_then_the_day_is_left_out() -> None:
    low = {date(2020, 4, 17): 18.31, date(2020, 4, 20): -36.98}
    assert list(levels(low, Change.RELATIVE)) == [date(2020, 4, 17)]
    assert levels(low, Change.DIFFERENCE) == low


def test_series_when_a_sector_is_written_otherwise_then_its_fund_is_found() -> None:
    for written in ("Technology", "information technology", "Information-Technology!"):
        assert (series_for(written)[-1].factor, series_for(written)[-1].name) == (
            "sector:Information Technology",
            "XLK",
        )
    assert len(series_for("Shipping")) == len(series_for("")) == len(series_for("Energy")) - 1


# -- proposals --------------------------------------------------------------------------------------------------------


def test_proposal_when_series_are_there_then_it_is_the_estimate_of_their_weekly_changes() -> None:
    inputs = market_of()
    found = propose_exposures(inputs, CONFIG)
    assert found.problem is None
    assert [each.factor for each in found.factors] == ["rates", "region:United States"]
    days = [day for day in DAYS if day.weekday() == 2]
    weeks = list(itertools.pairwise(days))
    stock, index = (levels(closes(inputs.bars[symbol]), Change.RELATIVE) for symbol in ("ACME", "SPY"))
    expected = estimate_exposures(
        changes(stock, weeks),
        {"rates": changes(inputs.figures["DGS10"], weeks), "region:United States": changes(index, weeks)},
        config=CONFIG,
    )
    assert [each.proposed for each in found.factors] == list(expected.profile.values())
    assert [each.standard_error for each in found.factors] == [
        each.standard_error for each in expected.factors.values()
    ]
    assert (found.weeks, found.explained) == (expected.weeks, expected.explained) == (len(weeks), found.explained)
    assert (found.first_week, found.last_week) == (weeks[0][1], weeks[-1][1])
    assert found.prior_weight == pytest.approx(52 / (len(weeks) - 1 + 52), abs=1e-4)
    assert found.factors[0].proposed < -2 * found.factors[0].standard_error
    assert found.riskless == ""
    why = {each.factor: each.reason for each in found.left_out}
    assert why["usd"].startswith("figures DTWEXBGS: 7 weeks in common, needed are 52; not in the book: figures DTWEXM")
    assert why["oil"] == "not in the book: figures DCOILWTICO, figures DCOILBRENTEU, bars of USO"
    assert ExposureProposal.model_validate_json(found.model_dump_json()) == found


def test_proposal_when_there_is_a_riskless_rate_then_returns_are_above_what_the_week_began_with() -> None:
    inputs = market_of()
    bills = dict.fromkeys(DAYS, 5.2)
    lent = propose_exposures(replace(inputs, figures={**inputs.figures, "DTB3": bills}), CONFIG)
    assert lent.riskless == "DTB3"
    assert lent.estimate_id != propose_exposures(inputs, CONFIG).estimate_id
    late = {DAYS[-1]: 5.2}
    assert propose_exposures(replace(inputs, figures={**inputs.figures, "DTB3": late}), CONFIG).riskless == ""


def test_proposal_when_more_weeks_are_there_than_the_window_then_the_newest_count() -> None:
    config = ExposureConfig(minimum_weeks=20, window_weeks=30)
    inputs = market_of()
    found = propose_exposures(inputs, config)
    assert found.weeks == 30
    newest = {symbol: bars[-165:] for symbol, bars in inputs.bars.items()}
    again = propose_exposures(replace(inputs, bars=newest), config)
    assert [each.proposed for each in again.factors] == [each.proposed for each in found.factors]


def test_proposal_when_a_profile_is_in_force_then_what_has_no_series_stays_and_the_rest_stands_beside() -> None:
    current = {"region:U.S.": 0.1, "regulation": -0.3, "usd": 0.2}
    peers = [{"rates": -0.6, "regulation": 0.9}, {"rates": -0.2, "region:US": 0.4}]
    found = propose_exposures(replace(market_of(), current=current, sector_profiles=peers), CONFIG)
    by_factor = {each.factor: each for each in found.factors}
    assert by_factor["region:United States"].current == 0.1
    assert by_factor["rates"].current is None
    assert (by_factor["rates"].prior, by_factor["region:United States"].prior) == (pytest.approx(-0.4), 0.4)
    assert found.prior_companies == 2
    assert found.profile == {
        "rates": by_factor["rates"].proposed,
        "region:United States": by_factor["region:United States"].proposed,
        "regulation": -0.3,
        "usd": 0.2,
    }


def test_proposal_when_prices_split_and_pay_then_it_is_as_if_they_had_not() -> None:
    inputs = market_of()
    on = DAYS[200]
    halved = [
        known("ACME", each.bar.session, float(each.bar.close) / (2 if each.bar.session >= on else 1))
        for each in inputs.bars["ACME"]
    ]
    split = CorporateAction(symbol="ACME", ex_date=on, split_ratio=Decimal(2))
    found = propose_exposures(replace(inputs, bars={**inputs.bars, "ACME": halved}, actions=[split]), CONFIG)
    expected = propose_exposures(inputs, CONFIG)
    for one, other in zip(found.factors, expected.factors, strict=True):
        assert one.proposed == pytest.approx(other.proposed, abs=1e-4)
    ignored = propose_exposures(replace(inputs, bars={**inputs.bars, "ACME": halved}), CONFIG)
    assert ignored.explained is not None
    assert expected.explained is not None
    assert ignored.explained < expected.explained - 0.2


def test_proposal_when_an_action_s_day_has_no_session_then_it_counts_in_the_next() -> None:
    inputs = market_of()
    friday = next(at for at, day in enumerate(DAYS) if at > 200 and day.weekday() == 4)
    saturday, monday = DAYS[friday] + timedelta(days=1), DAYS[friday + 1]
    one, other = (
        propose_exposures(
            replace(inputs, actions=[CorporateAction(symbol="ACME", ex_date=day, cash_dividend=Decimal(2))]), CONFIG
        )
        for day in (saturday, monday)
    )
    assert one == other
    assert one != propose_exposures(inputs, CONFIG)


def test_proposal_when_the_company_is_a_fund_that_stands_for_a_factor_then_that_factor_is_left_out() -> None:
    inputs = market_of()
    found = propose_exposures(replace(inputs, symbol="SPY"), CONFIG)
    assert [each.factor for each in found.factors] == ["rates"]
    assert {each.factor: each.reason for each in found.left_out}["region:United States"] == (
        "bars of SPY are the company's own"
    )


def test_proposal_when_series_share_too_few_weeks_then_the_shortest_goes() -> None:
    inputs = market_of()
    early, late = DAYS[:300], DAYS[140:]
    yields = inputs.figures["DGS10"]
    figures = {
        "DGS10": {day: yields[day] for day in early},
        "DCOILWTICO": dict(zip(late, (60 + np.cumsum(noise(9, len(late)))).tolist(), strict=True)),
    }
    found = propose_exposures(replace(inputs, figures=figures), CONFIG)
    assert [each.factor for each in found.factors] == ["rates", "region:United States"]
    assert found.weeks >= CONFIG.minimum_weeks
    (dropped,) = [each for each in found.left_out if each.reason.endswith("shares too few weeks with the others")]
    assert dropped.factor == "oil"


def test_proposal_when_a_series_never_moves_then_it_is_left_out_and_named() -> None:
    inputs = market_of()
    found = propose_exposures(replace(inputs, figures={"DGS10": dict.fromkeys(DAYS, 2.5)}), CONFIG)
    assert [each.factor for each in found.factors] == ["region:United States"]
    assert ("rates", "figures DGS10 never moves") in [(each.factor, each.reason) for each in found.left_out]


@pytest.mark.parametrize(
    ("changed", "code", "detail", "hint"),
    [
        ({"bars": {}}, "NO_BARS", "no bars", "Add daily bars of ACME: 53 weeks at least, 156 are used"),
        ({"as_of": datetime.combine(DAYS[255], CLOSE)}, "TOO_FEW_WEEKS", "50 weeks of prices, needed are 52", "ACME"),
        ({"bars": None, "figures": {}}, "NO_FACTOR_SERIES", "no series of any factor", "kind fred with series such as"),
        ({"bars": "flat"}, "NOTHING_MOVES", "prices that never move", "Look at the bars"),
    ],
)
def test_proposal_when_there_is_no_estimate_then_it_says_why_and_what_to_add(
    changed: Mapping[str, Any], code: str, detail: str, hint: str
) -> None:
    inputs = replace(market_of(), current={"oil": 0.5})
    bars = {
        None: {"ACME": inputs.bars["ACME"]},
        "flat": {"ACME": bars_of("ACME", np.zeros(len(DAYS)), DAYS), "SPY": inputs.bars["SPY"]},
    }
    if "bars" in changed and not isinstance(changed["bars"], dict):
        changed = {**changed, "bars": bars[changed["bars"]]}
    found = propose_exposures(replace(inputs, **changed), CONFIG)
    assert found.problem is not None
    assert (found.problem.code, found.problem.detail) == (code, detail)
    assert hint in found.problem.hint
    assert (found.factors, found.profile, found.estimate_id) == ((), {"oil": 0.5}, "")
    with pytest.raises(Conflict, match=code):
        found.require()


@PROPERTY
@given(st.integers(300, 419), st.integers(0, 1_000), st.integers(0, 20))
def test_proposal_when_the_future_changes_then_it_is_the_same(cut: int, seed: int, hours: int) -> None:
    """Bars known later, actions of later days and figures of the days to come: nothing of them has an effect."""
    inputs = market_of()
    as_of = datetime.combine(DAYS[cut], CLOSE) + timedelta(hours=hours)
    figures = {
        name: {day: value for day, value in values.items() if day <= DAYS[cut]}
        for name, values in inputs.figures.items()
    }
    now = replace(inputs, as_of=as_of, figures=figures)
    wild = np.random.default_rng(seed).normal(0.0, 0.2, len(DAYS))
    later = {
        symbol: [*bars[: cut + 1], *bars_of(symbol, wild, DAYS)[cut + 1 :]] for symbol, bars in inputs.bars.items()
    }
    actions = [
        CorporateAction(symbol=symbol, ex_date=day, split_ratio=Decimal(3), cash_dividend=Decimal(7))
        for symbol in later
        for day in DAYS[cut + 1 :: 9]
    ]
    found = propose_exposures(replace(now, bars=later, actions=actions), CONFIG)
    assert found == propose_exposures(now, CONFIG)
    assert found == propose_exposures(
        replace(now, bars={name: bars[: cut + 1] for name, bars in later.items()}), CONFIG
    )


@pytest.mark.parametrize(("symbol", "sign"), [("BAC", 1), ("JPM", 1), ("D", -1)])
def test_proposal_when_prices_are_real_then_banks_gain_with_yields_and_a_utility_loses(symbol: str, sign: int) -> None:
    bars = real_bars([symbol, "SPY"], "2013-12-01", "2016-12-31")
    found = propose_exposures(
        ExposureInputs(
            symbol=symbol,
            sector="",
            as_of=datetime(2016, 12, 31, tzinfo=UTC),
            bars=bars,
            figures={"DGS10": real_yields("2013-12-01", "2016-12-31")},
        ),
        CONFIG,
    )
    rates = next(each for each in found.factors if each.factor == "rates")
    assert found.weeks == 156
    assert sign * rates.proposed > 2 * rates.standard_error
