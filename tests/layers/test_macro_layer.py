"""The macro layer by hand-worked numbers."""

from __future__ import annotations

import math
from typing import Any

import pytest

from domain.config import SignalConfig, TradingConfig
from domain.documents import Credibility
from domain.errors import InvalidInput
from domain.extraction import EventType
from domain.kernels import NANO, largest_remainder, to_nano
from domain.layer_config import TOPIC_HALF_LIVES, MacroLayerConfig
from domain.macro import MacroTopic, Surprise
from domain.macro_items import sigma_key
from domain.macro_layer import macro_scores
from domain.registry import MacroFactor
from domain.signals import assess
from domain.taxonomy import half_life_of
from tests.decisions.builders import AS_OF, SESSIONS, item

from .builders import SIGNALS, before, macro, statement, states

CUT = Surprise(actual="1.75", expected="2.00", unit="percent")
SIGMAS = {sigma_key(MacroTopic.POLICY_RATE, "percent"): 0.1}


def test_state_when_one_authority_is_sure_then_it_is_half_in_every_window() -> None:
    """w = 1 is its share of .5 exactly: F = 1 / (1 + 1)."""
    (state,) = states([statement()]).values()
    assert (state.key, state.score, state.windows) == ("rates", pytest.approx(0.5), (0.5, 0.5, 0.5))
    (term,) = state.terms
    assert (term.share, term.weight, term.age_td, term.half_life, term.effect) == (state.score, 1.0, 0.0, 10.0, 1.0)


def test_state_when_statements_age_then_windows_and_decay_apply_up_and_down_alike() -> None:
    """Ten days old with a half-life of ten: w = .5, only in the widest window: .3 * .5 / 1.5."""
    for direction in (1.0, -1.0):
        (state,) = states([statement(available_at=before(10), direction=direction)]).values()
        assert state.windows == pytest.approx((0.0, 0.0, direction / 3))
        assert state.score == pytest.approx(direction * 0.1)
    assert states([statement(available_at=before(31))]) == {}


def test_state_when_a_topic_is_short_lived_or_a_reading_unsure_then_it_weighs_less() -> None:
    """Inflation lasts three days: w = .5 after three, and of .8 sure and .5 of the quotes valid, .2 of it."""
    inflation = statement(topic=MacroTopic.INFLATION, available_at=before(3))
    assert states([inflation])["rates"].windows[2] == pytest.approx(0.5 / 1.5)
    unsure = statement(topic=MacroTopic.INFLATION, available_at=before(3), confidence=0.8, quote_validity=0.5)
    assert states([unsure])["rates"].windows[2] == pytest.approx(0.2 / 1.2)


def test_state_when_the_press_tells_it_then_it_is_medium_until_a_second_site_confirms() -> None:
    """Major press: .75 * .6 = .45, F = .45 / 1.45; two sites .75 each, each at most .4 of 1 + 1.5: F = 1.5 / 2.5."""
    press = [statement(n, site=n, credibility=Credibility.MAJOR_PRESS) for n in "ab"]
    assert states(press[:1])["rates"].score == pytest.approx(0.45 / 1.45)
    assert states(press)["rates"].score == pytest.approx(0.6)


def test_state_when_a_crowd_shouts_then_it_weighs_as_one() -> None:
    crowd = [statement(str(n), site=str(n), credibility=Credibility.UNKNOWN) for n in range(40)]
    assert states(crowd)["rates"].score == pytest.approx(0.3 / 1.3)


def test_score_when_exposures_are_few_then_they_are_not_scaled_up_and_many_are_a_mean() -> None:
    """F = .5 of rates; e = -.4 alone: -.2. With three more of 1 in all 2.4: -.4 * .5 / 2.4 + 1 * .5 / 2.4."""
    assert macro([statement()], {"rates": -0.4}).score == pytest.approx(-0.2)
    both = [statement(), statement("b", topic=MacroTopic.OIL, factor=MacroFactor.OIL)]
    wide = {"rates": -0.4, "oil": 1.0, "usd": 1.0}
    found = macro(both, wide)
    assert found.score == pytest.approx((-0.4 * 0.5 + 1.0 * 0.5) / 2.4)
    assert [(part.factor, part.exposure) for part in found.contributions] == [("oil", 1.0), ("rates", -0.4)]
    assert math.fsum(part.value for part in found.contributions) == found.score


def test_score_when_there_is_no_exposure_or_no_news_then_it_is_zero() -> None:
    for items, exposures in (([statement()], {}), ([], {"rates": 1.0}), ([statement()], {"rates": 0.0, "oil": 1.0})):
        found = macro(items, exposures)
        assert (found.score, found.contributions) == (0.0, ())


def test_score_when_a_region_is_spelt_otherwise_then_it_is_met_and_an_unnamed_one_is_not() -> None:
    growth: dict[str, Any] = {"topic": MacroTopic.GROWTH, "factor": MacroFactor.REGION}
    exposures = {"region:United States": 1.0}
    assert macro([statement(name="U.S.", **growth)], exposures).score == pytest.approx(0.5)
    assert macro([statement(name="", **growth)], exposures).score == 0.0
    assert macro([statement(name="Japan", **growth)], exposures).score == 0.0
    twice = macro([statement(name="US", **growth)], {"region:US": 0.2, "region:u.s.": 0.6})
    assert twice.exposures == {"region:united states": pytest.approx(0.4)}
    assert twice.score == pytest.approx(0.2)


def test_state_when_rates_are_of_another_economy_then_they_are_only_a_mention() -> None:
    """.3 / 1.3 of Japan's; the dollar is the world's."""
    assert states([statement(region="Japan")])["rates"].score == pytest.approx(0.3 / 1.3)
    assert states([statement(region="the U.S.")])["rates"].score == pytest.approx(0.5)
    dollar = statement(region="Japan", topic=MacroTopic.CURRENCY, factor=MacroFactor.USD)
    assert states([dollar])["usd"].score == pytest.approx(0.5)
    assert states([statement(region="Japan")], config=MacroLayerConfig(abroad=1.0))["rates"].score == 0.5


def test_state_when_a_surprise_and_its_deviation_are_known_then_it_replaces_the_direction() -> None:
    """z = -.25 / .1 = -2.5: s = tanh(-1.25)."""
    cut = statement(direction=-0.3, surprise=CUT, quote="The rate is now 1.75 percent; 2.00 was expected.")
    assert states([cut], sigmas=SIGMAS)["rates"].terms[0].effect == pytest.approx(math.tanh(-1.25))
    assert states([cut])["rates"].terms[0].effect == -0.3
    expected = statement(direction=-1.0, surprise=CUT.model_copy(update={"expected": "1.75"}), quote="1.75 percent")
    assert states([expected], sigmas=SIGMAS)["rates"].score == 0.0


def test_anchor_when_rates_are_cut_by_25_points_unexpectedly_then_a_broad_index_gains_about_a_standard_score() -> None:
    """An unexpected 25 bp cut is about +1 % on broad indexes (Bernanke and Kuttner), a usual day's deviation.

    In scores one standard score is .2 (`edge_score_scale`). The macro layer alone never makes a purchase.
    """
    cut = statement(direction=-0.6, confidence=0.9, surprise=CUT, quote="The rate is 1.75 percent; 2.00 was expected.")
    found = macro([cut], {"rates": -0.5, "region:United States": 0.5}, sigmas=SIGMAS)
    config = TradingConfig()
    assert found.score == pytest.approx(0.5 * math.tanh(1.25) * 0.9 / 1.9)
    assert 0.5 <= found.score / config.recommendation.edge_score_scale <= 1.5
    alone = assess([], as_of=AS_OF, session_dates=SESSIONS, market=None, config=config, symbol="SPY", macro=found.score)
    assert 0.0 < alone.score < config.recommendation.watch_score
    hike = statement(direction=0.6, confidence=0.9, surprise=Surprise(actual="2.25", expected="2.00", unit="percent"))
    assert macro([hike], {"rates": -0.5, "region:US": 0.5}, sigmas=SIGMAS).score == pytest.approx(-found.score)
    worst = macro([cut], {"rates": -1.0}, sigmas=SIGMAS).score
    assert 0.25 * worst < config.recommendation.watch_score


def test_score_when_it_is_attributed_then_integers_sum_to_it() -> None:
    items = [statement(str(n), minutes_ago=700 * n, direction=0.3 - 0.1 * n) for n in range(7)]
    found = macro(items, {"rates": -0.7})
    parts = largest_remainder([part.value * NANO for part in found.contributions], to_nano(found.score))
    assert sum(parts) == to_nano(found.score)


def test_scores_when_inputs_are_invalid_then_they_are_refused() -> None:
    with pytest.raises(InvalidInput, match=r"EXPOSURE_OUT_OF_RANGE: symbol=ACME, factor=rates, found=1\.5"):
        macro([], {"rates": 1.5})
    with pytest.raises(InvalidInput, match="EXPOSURE_OUT_OF_RANGE"):
        macro([], {"rates": float("nan")})
    with pytest.raises(InvalidInput, match="UNKNOWN_FACTOR: symbol=ACME, found=weather"):
        macro([], {"weather": 0.5})
    assert macro_scores({}, {}) == {}


def test_config_when_it_is_plain_then_topics_age_like_their_kind_of_event() -> None:
    config = MacroLayerConfig()
    assert config.half_lives == TOPIC_HALF_LIVES
    assert set(config.half_lives) == set(MacroTopic)
    assert config.half_lives[MacroTopic.POLICY_RATE] == half_life_of(EventType.POLICY_RATE) == 10.0
    assert config.half_lives[MacroTopic.INFLATION] == 3.0
    assert config.half_lives[MacroTopic.OIL] == 10.0
    changed = MacroLayerConfig.model_validate({"half_lives": {"oil": 4}})
    assert changed.half_lives[MacroTopic.OIL] == 4.0
    assert list(changed.half_lives) == list(config.half_lives)
    assert MacroLayerConfig.model_validate_json(changed.model_dump_json()) == changed
    with pytest.raises(ValueError, match="half_lives"):
        MacroLayerConfig.model_validate({"half_lives": {"weather": 4}})


def test_state_when_windows_are_configured_then_they_are_used() -> None:
    signals = SignalConfig(windows=(1.0, 7.0, 60.0), lookback_days=120)
    assert states([statement(available_at=before(40))], signals=signals)["rates"].score > 0
    assert states([statement(available_at=before(40))], signals=SIGNALS) == {}


def test_layer_when_the_same_weights_are_a_company_s_then_the_bits_are_those_of_its_layer() -> None:
    """Neutral half-lives, so that signs do not matter to the decay."""
    signals = SignalConfig(negative_half_life=1.0)
    ages = (0, 300, 3_000, 9_000, 20_000)
    told = [
        statement(str(n), minutes_ago=age, direction=(-0.7) ** n, site=str(n % 2), credibility=Credibility.WIRE)
        for n, age in enumerate(ages)
    ]
    evidence = [
        item(
            str(n),
            minutes_ago=age,
            sentiment=(-0.7) ** n,
            event_type=EventType.POLICY_RATE,
            site=str(n % 2),
            credibility=Credibility.WIRE,
        )
        for n, age in enumerate(ages)
    ]
    company = assess(evidence, as_of=AS_OF, session_dates=SESSIONS, market=None, config=TradingConfig(signals=signals))
    state = states(told, signals=signals)["rates"]
    assert (state.score, state.windows) == (company.company, company.window_scores)
