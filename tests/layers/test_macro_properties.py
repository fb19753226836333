"""The properties of the macro layer that hold for any statements and any exposures."""

from __future__ import annotations

import math
from datetime import timedelta

from hypothesis import given
from hypothesis import strategies as st

from domain.config import SignalConfig, TradingConfig
from domain.decisions import EvidenceItem
from domain.documents import Credibility
from domain.layer_config import MacroLayerConfig
from domain.macro import MacroTopic
from domain.macro_items import MacroItem, sigma_key, state_key
from domain.macro_layer import macro_scores
from domain.registry import MacroFactor
from domain.signals import assess
from tests.decisions.builders import AS_OF, PROPERTY, SESSIONS, evidence_lists

from .builders import exposures, macro, statement, statements, states

SIGMAS = {sigma_key(topic, ""): 0.4 for topic in MacroTopic}


@PROPERTY
@given(statements(), exposures, st.booleans())
def test_layer_when_inputs_are_any_then_everything_is_in_bounds_and_parts_sum(
    items: list[MacroItem], profile: dict[str, float], surprised: bool
) -> None:
    sigmas = SIGMAS if surprised else {}
    found = states(items, sigmas=sigmas)
    for state in found.values():
        assert -1.0 < state.score < 1.0
        assert all(-1.0 < score < 1.0 for score in state.windows)
        assert math.isclose(math.fsum(term.share for term in state.terms), state.score, abs_tol=1e-12)
        assert all(term.share == 0.0 for term in state.terms if term.weight == 0.0)
    score = macro(items, profile, sigmas=sigmas)
    assert -1.0 < score.score < 1.0
    assert math.fsum(part.value for part in score.contributions) == score.score
    divisor = max(1.0, math.fsum(abs(exposure) for exposure in score.exposures.values()))
    formula = math.fsum(e * found[key].score for key, e in score.exposures.items() if key in found) / divisor
    assert math.isclose(score.score, formula, abs_tol=1e-12)


@PROPERTY
@given(statements(), exposures, st.randoms(use_true_random=False))
def test_score_when_inputs_are_reordered_then_every_bit_stays(
    items: list[MacroItem], profile: dict[str, float], random: object
) -> None:
    random.shuffle(shuffled := list(items))  # type: ignore[attr-defined]
    turned = dict(reversed(profile.items()))
    assert states(shuffled, sigmas=SIGMAS) == states(items, sigmas=SIGMAS)
    assert macro(shuffled, turned, sigmas=SIGMAS) == macro(items, profile, sigmas=SIGMAS)


@PROPERTY
@given(statements(), st.lists(exposures, max_size=4))
def test_scores_when_symbols_are_asked_together_then_every_bit_is_as_when_alone(
    items: list[MacroItem], profiles: list[dict[str, float]]
) -> None:
    named = {f"S{n}": profile for n, profile in enumerate(profiles)}
    together = macro_scores(states(items), named)
    assert together == {symbol: macro_scores(states(items), {symbol: named[symbol]})[symbol] for symbol in named}


@PROPERTY
@given(statements(), st.sampled_from(("rates", "oil", "region:europe")))
def test_state_when_other_factors_are_left_out_then_every_bit_stays(items: list[MacroItem], key: str) -> None:
    own = [item for item in items if state_key(item.factor, item.name) == key]
    assert states(own).get(key) == states(items).get(key)


@PROPERTY
@given(statements(), exposures, st.integers(1, 10_000_000))
def test_score_when_a_statement_lies_in_the_future_then_it_has_no_effect(
    items: list[MacroItem], profile: dict[str, float], seconds: int
) -> None:
    shingles = items[0].shingles if items else ()
    later = statement("later", available_at=AS_OF + timedelta(seconds=seconds), shingles=shingles, direction=-1.0)
    assert macro([*items, later], profile) == macro(items, profile)


@PROPERTY
@given(statements(), exposures, st.data())
def test_score_when_statements_are_repeated_then_every_bit_stays(
    items: list[MacroItem], profile: dict[str, float], data: st.DataObject
) -> None:
    again = data.draw(st.lists(st.sampled_from(items), max_size=3)) if items else []
    assert macro([*items, *again], profile) == macro(items, profile)


@PROPERTY
@given(statements(), exposures, st.sets(st.integers(0, 25), min_size=1, max_size=8), st.booleans())
def test_score_when_a_story_is_copied_then_every_bit_of_the_score_stays(
    items: list[MacroItem], profile: dict[str, float], words: set[int], poorer: bool
) -> None:
    own = tuple(sorted(word + 1_000 for word in words))
    known = [*items, statement("story", minutes_ago=10, shingles=own)]
    copy = statement(
        "zz",
        minutes_ago=20 if poorer else 5,
        shingles=own,
        direction=-1.0,
        credibility=Credibility.AGGREGATOR if poorer else Credibility.OFFICIAL,
    )
    assert macro([*known, copy], profile).score == macro(known, profile).score


@PROPERTY
@given(statements(max_size=6), exposures, st.data())
def test_score_when_a_direction_rises_then_it_moves_with_the_sign_of_the_exposure(
    items: list[MacroItem], profile: dict[str, float], data: st.DataObject
) -> None:
    if not items:
        return
    at = data.draw(st.integers(0, len(items) - 1))
    raised = items[at].model_copy(update={"direction": data.draw(st.floats(items[at].direction, 1.0))})
    higher = [*items[:at], raised, *items[at + 1 :]]
    first, second = states(items), states(higher)
    assert all(second[key].score >= first[key].score - 1e-12 for key in first)
    for key, exposure in profile.items():
        change = macro(higher, {key: exposure}).score - macro(items, {key: exposure}).score
        assert change * exposure >= -1e-12


@PROPERTY
@given(statements(), exposures)
def test_score_when_nothing_new_is_told_then_it_decays_to_zero(
    items: list[MacroItem], profile: dict[str, float]
) -> None:
    later = AS_OF + timedelta(days=75)
    assert macro(items, profile, as_of=later).score == 0.0


@PROPERTY
@given(st.integers(0, 28), st.integers(0, 28))
def test_state_when_time_passes_then_one_statement_never_weighs_more(first: int, second: int) -> None:
    early, late = sorted((first, second))
    item = statement(available_at=AS_OF - timedelta(days=30))
    now, later = (AS_OF - timedelta(days=30 - days) for days in (early, late))
    assert states([item], as_of=later)["rates"].score <= states([item], as_of=now)["rates"].score


@PROPERTY
@given(statements(), exposures)
def test_score_when_one_document_or_site_says_it_then_it_is_bounded_across_factors(
    items: list[MacroItem], profile: dict[str, float]
) -> None:
    """No voice is more of the score than its share of a single state: half for an official document, else .4."""
    by_id = {item.macro_event_id: item for item in items}
    told: dict[str, float] = {}
    for part in macro(items, profile).contributions:
        item = by_id[part.macro_event_id]
        official = item.credibility is Credibility.OFFICIAL
        name = item.doc_id if official else f"site {item.site}" if _weighty(item) else "crowd"
        told[f"{official} {name}"] = told.get(f"{official} {name}", 0.0) + abs(part.value)
    assert all(total <= (0.5 if name.startswith("True") else 0.4) + 1e-9 for name, total in told.items())


def _weighty(item: MacroItem) -> bool:
    return SignalConfig().credibility[item.credibility] >= SignalConfig().crowd_credibility


@PROPERTY
@given(evidence_lists(), statements(), exposures)
def test_assessment_when_the_layer_is_off_then_nothing_but_its_score_shows(
    evidence: list[EvidenceItem], items: list[MacroItem], profile: dict[str, float]
) -> None:
    config = TradingConfig(signals=SignalConfig(macro_enabled=False))
    score = macro(items, profile).score
    off, without = (
        assess(evidence, as_of=AS_OF, session_dates=SESSIONS, market=None, config=config, symbol="ACME", macro=value)
        for value in (score, 0.0)
    )
    assert off.model_copy(update={"macro": 0.0}) == without


def test_score_when_home_is_elsewhere_then_its_rates_count_in_full() -> None:
    japan = MacroLayerConfig(home="Japan")
    assert states([statement(region="Japan")], config=japan)["rates"].score == 0.5
    assert states([statement(region="US", factor=MacroFactor.REGULATION)], config=japan)["regulation"].score < 0.3
