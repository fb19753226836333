"""What one document or one site may make of a score, whatever it claims."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.config import SignalConfig, TradingConfig
from domain.decisions import EvidenceItem
from domain.documents import Credibility
from domain.extraction import EventType, Materiality
from domain.influence import corroborated, limited
from domain.signals import assess

from .builders import AS_OF, PROPERTY, SESSIONS, item

CONFIG = TradingConfig()
SHARES = SignalConfig()


def score(*evidence: EvidenceItem) -> float:
    found = assess(evidence, as_of=AS_OF, session_dates=SESSIONS, market=None, config=CONFIG, symbol="ACME")
    return found.company


def story(name: str, site: str, **changes: object) -> EvidenceItem:
    return item(name, site=site, credibility=Credibility.MAJOR_PRESS, **changes)


voices = st.lists(
    st.tuples(st.floats(0, 5), st.tuples(st.sampled_from("abcdef"), st.sampled_from((0.4, 0.5)))), max_size=12
)


@PROPERTY
@given(voices, st.floats(0.1, 3))
def test_limited_when_weights_are_any_then_no_voice_has_more_than_its_share(
    told: list[tuple[float, tuple[str, float]]], kappa: float
) -> None:
    weights, names = [weight for weight, _ in told], [voice for _, voice in told]
    kept = limited(weights, names, kappa)
    total = kappa + math.fsum(kept)
    for voice in set(names):
        share = math.fsum(weight for weight, name in zip(kept, names, strict=True) if name == voice)
        assert share <= voice[1] * total * (1 + 1e-9)
    assert all(0 <= after <= before * (1 + 1e-12) for after, before in zip(kept, weights, strict=True))
    free = [a == b for a, b, voice in zip(kept, weights, names, strict=True) if voice not in _bounded(told, kept)]
    assert all(free)


def _bounded(told: list[tuple[float, tuple[str, float]]], kept: list[float]) -> set[tuple[str, float]]:
    return {voice for (weight, voice), after in zip(told, kept, strict=True) if after < weight}


def test_limited_when_two_voices_pass_then_the_rest_solves_the_shares() -> None:
    """kappa 1 and a free weight .2: with two voices of .4 the total is 1.2 / (1 - .8) = 6, and each has 2.4."""
    kept = limited([10.0, 8.0, 0.2], [("a", 0.4), ("b", 0.4), ("c", 0.4)], 1.0)
    assert kept == pytest.approx([2.4, 2.4, 0.2])


def test_score_when_one_site_tells_ever_more_then_it_stays_below_its_share() -> None:
    flood = [story(str(number), "one", event_type=EventType.RUMOUR) for number in range(200)]
    assert score(*flood) == pytest.approx(SHARES.site_share)
    assert 0.6 * score(*flood) < CONFIG.recommendation.buy_score


def test_score_when_several_sites_agree_then_it_can_pass_the_share_of_one() -> None:
    assert score(*(story(name, name) for name in "abc")) > SHARES.site_share


def test_score_when_one_filing_holds_many_events_then_it_is_at_most_half() -> None:
    events = [item(f"{n}", doc_id="filing", event_type=kind) for n, kind in enumerate((*EventType,) * 2)]
    assert score(*events) == pytest.approx(SHARES.document_share)


def test_score_when_a_second_site_says_the_opposite_then_what_is_bounded_stays_bounded() -> None:
    flood = [story(str(number), "one") for number in range(50)]
    against = [story("x", "two", sentiment=-1.0), story("y", "three", sentiment=-1.0)]
    assert score(*flood, *against) < score(*flood)


def test_materiality_when_high_then_a_filing_or_a_second_site_must_stand_for_it() -> None:
    alone, filed = story("a", "one"), item("b")
    second, other_kind = story("c", "two"), story("d", "two", event_type=EventType.RECALL_SAFETY)
    same_site = story("e", "one")

    def claims(*items: EvidenceItem) -> list[Materiality]:
        return corroborated(items, [True] * len(items), SHARES)

    assert claims(alone) == [Materiality.MEDIUM]
    assert claims(filed) == [Materiality.HIGH]
    assert claims(alone, same_site) == [Materiality.MEDIUM] * 2
    assert claims(alone, other_kind) == [Materiality.MEDIUM] * 2
    assert claims(alone, second) == [Materiality.HIGH] * 2
    assert claims(alone, filed) == [Materiality.HIGH] * 2
    assert corroborated([alone, second], [True, False], SHARES)[0] is Materiality.MEDIUM


def test_materiality_when_the_second_site_spoke_long_before_then_it_confirms_nothing() -> None:
    old = story("old", "two", minutes_ago=(SHARES.novelty_window_days * 24 + 1) * 60)
    assert corroborated([story("a", "one"), old], [True, True], SHARES)[0] is Materiality.MEDIUM
