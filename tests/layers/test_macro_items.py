"""Which factor a statement moves, and which way it surprises."""

from __future__ import annotations

from datetime import timedelta

import pytest

from domain.macro import MacroTopic, Surprise
from domain.macro_items import sigma_key, standard_surprise, state_key, surprise_sigmas, telling_quote
from domain.registry import MacroFactor
from tests.decisions.builders import AS_OF

from .builders import statement


@pytest.mark.parametrize(
    ("factor", "one", "other"),
    [
        (MacroFactor.REGION, "United States", "U.S."),
        (MacroFactor.REGION, "US", "the united  states of America"),
        (MacroFactor.REGION, "USA", "u.s.a."),
        (MacroFactor.REGION, "UK", "Britain"),
        (MacroFactor.REGION, "euro zone", "Europe"),
        (MacroFactor.REGION, "Euro-Zone", "EU"),
        (MacroFactor.REGION, "china", "China"),
        (MacroFactor.SECTOR, "Technology", "Information Technology"),
        (MacroFactor.SECTOR, "HEALTHCARE", "Health Care"),
        (MacroFactor.SECTOR, "Airlines & Travel", "airlines and travel"),
    ],
)
def test_key_when_names_mean_one_factor_then_it_is_one(factor: MacroFactor, one: str, other: str) -> None:
    assert state_key(factor, one) == state_key(factor, other)


def test_key_when_names_differ_then_they_are_different_factors() -> None:
    assert state_key(MacroFactor.REGION, "U.S.") == "region:united states"
    keys = {
        state_key(MacroFactor.REGION, "Germany"),
        state_key(MacroFactor.REGION, "Europe"),
        state_key(MacroFactor.REGION),
        state_key(MacroFactor.SECTOR, "Energy"),
        state_key(MacroFactor.SECTOR, "Technology"),
        state_key(MacroFactor.RATES, "Europe"),
    }
    assert len(keys) == 6
    assert {"region", "rates", "sector:energy"} <= keys


RATE = Surprise(actual="1.75", expected="2.00", unit="percent")


def test_surprise_when_a_rate_is_lower_than_expected_then_it_is_negative() -> None:
    assert standard_surprise(statement(surprise=RATE, quote="It set 1.75 percent."), 0.1) == pytest.approx(-2.5)


@pytest.mark.parametrize(
    ("quote", "actual", "expected", "z"),
    [
        ("Payrolls rose 120,000; economists had expected 180,000", "120000", "180000", -0.6),
        ("Employers added 250,000 jobs, forecasts were for 180,000", "250000", "180000", 0.7),
        ("Initial claims for unemployment benefits rose to 250,000 versus 240,000", "250000", "240000", -0.1),
        ("Claims for unemployment benefits fell to 230,000 versus 240,000", "230000", "240000", 0.1),
        ("Jobless claims came to 250,000 against expectations of 300,000", "250000", "300000", 0.5),
        ("Payrolls rose 120,000 and the unemployment rate 3.6", "120000", "180000", None),
        ("The economy did better than expected", "120000", "180000", None),
    ],
)
def test_surprise_when_it_is_of_employment_then_the_words_give_its_sign(
    quote: str, actual: str, expected: str, z: float | None
) -> None:
    item = statement(topic=MacroTopic.EMPLOYMENT, surprise=Surprise(actual=actual, expected=expected), quote=quote)
    found = standard_surprise(item, 100_000.0)
    assert found == (None if z is None else pytest.approx(z))


@pytest.mark.parametrize(
    ("quote", "known"),
    [
        ("Consumer prices fell 0.4 percent, forecasts were for 0.1", False),
        ("GDP contracted at a 1.2 percent rate, against 0.5 expected", False),
        ("The bank cut rates by 0.4 points, economists had expected 0.1", False),
        ("The bank cut its rate to 0.4 percent, economists had expected 0.1", True),
        ("Inflation fell in May to 0.4 percent, forecasts were for 0.1", True),
        ("Consumer prices rose 0.4 percent, forecasts were for 0.1", True),
    ],
)
def test_surprise_when_the_figure_is_the_size_of_a_fall_then_there_is_none(quote: str, known: bool) -> None:
    item = statement(surprise=Surprise(actual="0.4", expected="0.1"), quote=quote)
    assert (standard_surprise(item, 0.1) is not None) is known


@pytest.mark.parametrize(
    ("surprise", "topic", "sigma"),
    [
        (None, MacroTopic.INFLATION, 0.1),
        (Surprise(actual="2.1"), MacroTopic.INFLATION, 0.1),
        (Surprise(actual="two", expected="2"), MacroTopic.INFLATION, 0.1),
        (Surprise(actual="NaN", expected="2"), MacroTopic.INFLATION, 0.1),
        (Surprise(actual="1e400", expected="2"), MacroTopic.INFLATION, 0.1),
        (Surprise(actual="2.1", expected="2"), MacroTopic.INFLATION, float("inf")),
        (Surprise(actual="2.1", expected="2"), MacroTopic.INFLATION, 0.0),
        (Surprise(actual="2.1", expected="2"), MacroTopic.INFLATION, float("nan")),
        (Surprise(actual="2.1", expected="2", unit="barrels"), MacroTopic.OIL, 0.1),
    ],
)
def test_surprise_when_something_is_missing_then_there_is_none(
    surprise: Surprise | None, topic: MacroTopic, sigma: float
) -> None:
    assert standard_surprise(statement(surprise=surprise, topic=topic), sigma) is None


def test_sigmas_when_releases_are_told_twice_then_they_count_once_and_only_the_past_counts() -> None:
    """Surprises of 3 and 4: sqrt((9 + 16) / 2)."""
    told = [
        statement("1", minutes_ago=50_000, surprise=Surprise(actual="5", expected="2")),
        statement("2", minutes_ago=50_010, surprise=Surprise(actual="5.0", expected="2")),
        statement("3", minutes_ago=30_000, surprise=Surprise(actual="1", expected="5")),
        statement("4", minutes_ago=30_000, surprise=Surprise(actual="1", expected="5", unit="percent")),
        statement("5", minutes_ago=0, surprise=Surprise(actual="90", expected="0")),
        statement("6", minutes_ago=30_000),
    ]
    key = sigma_key(MacroTopic.POLICY_RATE, "")
    assert surprise_sigmas(told, before=AS_OF, minimum=2) == {key: pytest.approx(12.5**0.5)}
    assert surprise_sigmas(told[::-1], before=AS_OF, minimum=2) == surprise_sigmas(told, before=AS_OF, minimum=2)
    assert surprise_sigmas(told, before=AS_OF + timedelta(days=1), minimum=4) == {}


def test_quote_when_there_is_a_surprise_then_the_one_that_states_it_is_kept() -> None:
    quotes = ("The Committee met.", "Inflation was 2.1 percent, 2.0 was expected.")
    assert telling_quote(quotes, Surprise(actual="2.1", expected="2.0")) == quotes[1]
    assert telling_quote(quotes, None) == quotes[0]
    assert telling_quote((), None) == ""
