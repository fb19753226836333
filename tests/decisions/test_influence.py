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
from domain.influence import Voice, corroborated, limited
from domain.signals import assess

from .builders import AS_OF, PROPERTY, SESSIONS, item

CONFIG = TradingConfig()
SHARES = SignalConfig()


def score(*evidence: EvidenceItem) -> float:
    found = assess(evidence, as_of=AS_OF, session_dates=SESSIONS, market=None, config=CONFIG, symbol="ACME")
    return found.company


def story(name: str, site: str, **changes: object) -> EvidenceItem:
    return item(name, site=site, credibility=Credibility.MAJOR_PRESS, **changes)


SHARE = dict(zip("abcdef", (0.4, 0.5) * 3, strict=True))
LEVELS = (0.0, 0.2, 0.3, 0.4, 0.9, 1.0)
voices = st.builds(
    lambda name, most: Voice(name, SHARE[name], most), st.sampled_from("abcdef"), st.sampled_from(LEVELS)
)
told_by = st.lists(st.tuples(st.floats(0, 5), voices), max_size=12)


@PROPERTY
@given(told_by, st.floats(0.1, 3))
def test_limited_when_weights_are_any_then_no_voice_has_more_than_its_credibility_nor_its_share(
    told: list[tuple[float, Voice]], kappa: float
) -> None:
    weights, names = [weight for weight, _ in told], [voice for _, voice in told]
    kept = limited(weights, names, kappa)
    total = kappa + math.fsum(kept)
    for name, share in SHARE.items():
        own = [(weight, voice.most) for weight, voice in zip(kept, names, strict=True) if voice.name == name]
        assert math.fsum(weight for weight, _ in own) <= share * total * (1 + 1e-9)
        for level in LEVELS:
            assert math.fsum(weight for weight, most in own if most <= level) <= level * (1 + 1e-9)
    assert all(0 <= after <= before * (1 + 1e-12) for after, before in zip(kept, weights, strict=True))


@PROPERTY
@given(told_by, st.floats(0.1, 3), st.randoms(use_true_random=False), voices)
def test_limited_when_items_are_reordered_or_one_weighs_nothing_then_the_others_keep_every_bit(
    told: list[tuple[float, Voice]], kappa: float, random: object, silent: Voice
) -> None:
    kept = limited(*_apart(told), kappa)
    order = sorted(range(len(told)), key=lambda at: random.random())  # type: ignore[attr-defined]
    assert limited(*_apart([told[at] for at in order]), kappa) == [kept[at] for at in order]
    assert limited(*_apart([*told, (0.0, silent)]), kappa) == [*kept, 0.0]


def _apart(told: list[tuple[float, Voice]]) -> tuple[list[float], list[Voice]]:
    return [weight for weight, _ in told], [voice for _, voice in told]


def test_limited_when_two_voices_pass_then_the_rest_solves_the_shares() -> None:
    """kappa 1 and a free weight .2: with two voices of .4 the total is 1.2 / (1 - .8) = 6, and each has 2.4."""
    kept = limited([10.0, 8.0, 0.2], [Voice(name, 0.4, 100.0) for name in "abc"], 1.0)
    assert kept == pytest.approx([2.4, 2.4, 0.2])


def test_limited_when_one_voice_says_much_then_it_weighs_its_credibility() -> None:
    """Three of .3, .2 and .1 may weigh .3 together: a half of each. .3 is less than .4 of 1 + .3."""
    assert limited([0.3, 0.2, 0.1], [Voice("a", 0.4, 0.3)] * 3, 1.0) == pytest.approx([0.15, 0.1, 0.05])


def test_limited_when_a_better_one_joins_the_crowd_then_it_lifts_the_others_not() -> None:
    """Of .3 + .3 by those of .3 half stays; with .2 by one of .4 it is .5, of which .4 stays: 4/5 of each."""
    crowd = [Voice("crowd", 0.4, 0.3)] * 2
    assert limited([0.3, 0.3, 0.01], [*crowd, Voice("crowd", 0.4, 0.4)], 1.0) == pytest.approx([0.15, 0.15, 0.01])
    assert limited([0.3, 0.3, 0.2], [*crowd, Voice("crowd", 0.4, 0.4)], 1.0) == pytest.approx([0.12, 0.12, 0.16])


@pytest.mark.parametrize(
    ("credibility", "document", "site"),
    [
        # A document alone: high becomes medium, .6 of its credibility c; S = .6c / (1 + .6c), at most .4. A site has c.
        (Credibility.WIRE, 0.54 / 1.54, 0.4),
        (Credibility.MAJOR_PRESS, 0.45 / 1.45, 0.4),
        (Credibility.TRADE_PRESS, 0.36 / 1.36, 0.6 / 1.6),
        (Credibility.AGGREGATOR, 0.24 / 1.24, 0.4 / 1.4),
        (Credibility.UNKNOWN, 0.18 / 1.18, 0.3 / 1.3),
        (Credibility.SOCIAL, 0.12 / 1.12, 0.2 / 1.2),
        # A filing needs nobody else, and each speaks for itself.
        (Credibility.OFFICIAL, 0.5, 0.99),
    ],
)
def test_score_when_one_document_or_one_site_claims_all_it_can_then_it_is_as_worked_by_hand(
    credibility: Credibility, document: float, site: float
) -> None:
    told = [item(str(number), site="one", credibility=credibility) for number in range(99)]
    assert score(told[0]) == pytest.approx(document)
    assert score(*told) == pytest.approx(site)


@pytest.mark.parametrize("credibility", [Credibility.AGGREGATOR, Credibility.UNKNOWN, Credibility.SOCIAL])
def test_score_when_ever_more_unknown_sites_agree_then_they_weigh_as_one(credibility: Credibility) -> None:
    weight = SHARES.credibility[credibility]
    crowd = [item(str(number), site=f"site {number}", credibility=credibility) for number in range(99)]
    assert score(*crowd) == pytest.approx(weight / (1 + weight))
    assert 0.6 * 1.25 * score(*crowd) < CONFIG.recommendation.buy_score


def test_score_when_a_crowd_is_mixed_then_its_best_bounds_it() -> None:
    """.2 by social sites, .3 with the unknown, .4 with the aggregators: S = .4 / 1.4."""
    kinds = (Credibility.SOCIAL, Credibility.UNKNOWN, Credibility.AGGREGATOR)
    crowd = [item(f"{kind}{n}", site=f"{kind}{n}", credibility=kind) for kind in kinds for n in range(9)]
    assert score(*crowd) == pytest.approx(0.4 / 1.4)
    assert score(*crowd[:18]) == pytest.approx(0.3 / 1.3)


def test_score_when_the_bound_of_the_crowd_is_zero_then_every_site_speaks_for_itself() -> None:
    config = TradingConfig(signals=SignalConfig(crowd_credibility=0.0))
    two = [item(name, site=name, credibility=Credibility.UNKNOWN, materiality=Materiality.MEDIUM) for name in "ab"]
    found = assess(two, as_of=AS_OF, session_dates=SESSIONS, market=None, config=config)
    assert found.company == pytest.approx(0.36 / 1.36)
    assert score(*two) == pytest.approx(0.3 / 1.3)


def test_contradiction_when_a_crowd_shouts_against_a_filing_then_it_counts_with_what_it_weighs() -> None:
    """1 against .3: D = 1 - .7 / 1.3."""
    against = [
        item(str(number), site=str(number), credibility=Credibility.UNKNOWN, sentiment=-1.0) for number in range(20)
    ]
    found = assess([item("filing"), *against], as_of=AS_OF, session_dates=SESSIONS, market=None, config=CONFIG)
    assert found.contradiction == pytest.approx(1 - 0.7 / 1.3)
    assert found.company == pytest.approx(0.7 / 2.3)


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


def test_materiality_when_the_crowd_stands_for_it_then_nothing_is_confirmed() -> None:
    """Neither by each other nor for the press; what is told by the press or filed confirms the crowd."""
    one, two = (item(name, site=name, credibility=Credibility.UNKNOWN) for name in "xy")
    press, filed = story("a", "press"), item("b")

    def claims(*items: EvidenceItem) -> list[Materiality]:
        return corroborated(items, [True] * len(items), SHARES)

    assert claims(one, two) == [Materiality.MEDIUM] * 2
    assert claims(one, press) == [Materiality.HIGH, Materiality.MEDIUM]
    assert claims(one, filed) == [Materiality.HIGH] * 2


def test_materiality_when_the_second_site_spoke_long_before_then_it_confirms_nothing() -> None:
    old = story("old", "two", minutes_ago=(SHARES.novelty_window_days * 24 + 1) * 60)
    assert corroborated([story("a", "one"), old], [True, True], SHARES)[0] is Materiality.MEDIUM
