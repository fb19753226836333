"""The competitive layer by hand-worked numbers."""

from __future__ import annotations

import math
from typing import Any

import pytest

from domain.comovement import UNKNOWN, CoMovement
from domain.competitive_layer import CompetitiveAssessment, CompetitiveInputs, competitive_scores, transfer_of
from domain.config import SignalConfig, TradingConfig
from domain.decisions import EvidenceItem
from domain.documents import Credibility
from domain.errors import InvalidInput
from domain.extraction import EventType, Materiality
from domain.kernels import NANO, largest_remainder, to_nano
from domain.layer_config import CompetitiveLayerConfig
from domain.signals import assess
from domain.taxonomy import TAXONOMY
from tests.decisions.builders import AS_OF, SESSIONS, item

from .builders import COMPETITIVE, SIGNALS, before


def told(*evidence: EvidenceItem, **changes: Any) -> CompetitiveInputs:
    """ACME, which competes with BETA and CYAN, both with full strength."""
    by_symbol: dict[str, list[EvidenceItem]] = {}
    for each in evidence:
        by_symbol.setdefault(each.symbol, []).append(each)
    values: dict[str, Any] = {
        "symbol": "ACME",
        "links": {"BETA": 1.0, "CYAN": 1.0},
        "evidence": by_symbol,
        **changes,
    }
    return CompetitiveInputs(**values)


def score(inputs: CompetitiveInputs, **options: Any) -> CompetitiveAssessment:
    arguments: dict[str, Any] = {
        "as_of": AS_OF, "session_dates": SESSIONS, "signals": SIGNALS, "config": COMPETITIVE, **options,
    }  # fmt: skip
    return competitive_scores([inputs], **arguments)[0]


def beta(name: str = "b", *, sessions: int = 3, **changes: Any) -> EvidenceItem:
    """A perfect filing on BETA that raises guidance, so many whole sessions old."""
    return item(name, symbol="BETA", available_at=before(sessions), **changes)


K3 = (1 - 2**-3) * 2 ** (-3 / 15)
"""k(3) = .875 * .8706 = .7617"""


def test_score_when_a_peer_raises_guidance_then_half_of_it_arrives_with_the_lag() -> None:
    """b = .5 without a measured co-movement: S = .5 * .7617 / 1.7617."""
    found = score(told(beta()))
    assert pytest.approx(0.76174, abs=1e-5) == K3
    assert found.score == pytest.approx(0.5 * K3 / (1 + K3))
    (part,) = found.contributions
    assert (part.competitor, part.doc_id, part.transfer, part.age_td) == ("BETA", "doc-b", 0.5, 3.0)
    assert (part.value, part.weight, part.half_life) == (found.score, pytest.approx(K3), 15.0)


def test_score_when_the_link_is_weak_then_it_weighs_less() -> None:
    found = score(told(beta(), links={"BETA": 0.4}))
    assert found.score == pytest.approx(0.5 * 0.4 * K3 / (1 + 0.4 * K3))


def test_score_when_there_is_no_link_then_it_is_zero() -> None:
    for links in ({}, {"CYAN": 1.0}, {"BETA": 0.0}, {"ACME": 1.0}):
        found = score(told(beta(), links=links, own=[item(available_at=before(2))]))
        assert (found.score, found.contributions) == (0.0, ())
    assert competitive_scores([], as_of=AS_OF, session_dates=SESSIONS, signals=SIGNALS, config=COMPETITIVE) == ()


def test_score_when_a_company_is_linked_to_itself_then_its_own_news_are_no_competitor_s() -> None:
    assert score(told(item(available_at=before(3)), links={"ACME": 1.0})).contributions == ()


def test_score_when_a_peer_reports_just_now_then_nothing_has_arrived_yet() -> None:
    assert score(told(beta(sessions=0))).score == 0.0
    ages = [score(told(beta(sessions=age))).score for age in (1, 2, 3, 4, 5, 10, 20, 30, 31)]
    assert ages[0] < ages[1] < ages[2] < ages[3] > ages[5] > ages[6] > ages[7] > ages[8] == 0.0


@pytest.mark.parametrize(
    ("event", "sentiment", "sign"),
    [
        (EventType.CREDIT_DISTRESS, -1.0, -1),  # contagion: rivals fall too
        (EventType.ACCOUNTING_FRAUD, -1.0, -1),
        (EventType.RECALL_SAFETY, -1.0, 1),  # their customers come over
        (EventType.PRODUCT_LAUNCH, 1.0, -1),
        (EventType.EARNINGS, 1.0, 1),
        (EventType.LITIGATION_FIRM, -1.0, 0),
    ],
)
def test_score_when_an_event_is_shared_or_opposite_then_the_sign_is_the_taxonomy_s(
    event: EventType, sentiment: float, sign: int
) -> None:
    found = score(told(beta(event_type=event, sentiment=sentiment))).score
    assert (found > 0) - (found < 0) == sign


def test_transfer_when_co_movement_is_known_then_it_is_shrunk_and_counts_half() -> None:
    """Eight events count half: .5 * 1 + .5 * .6 * 8 / 16 = .65."""
    assert transfer_of(EventType.GUIDANCE, CoMovement(rho=0.6, n=8), COMPETITIVE) == pytest.approx(0.65)
    assert transfer_of(EventType.CONTRACT, CoMovement(rho=0.6, n=8), COMPETITIVE) == pytest.approx(-0.35)
    assert transfer_of(EventType.LABOUR, CoMovement(rho=-1.0, n=24), COMPETITIVE) == pytest.approx(-0.375)
    assert transfer_of(EventType.GUIDANCE, UNKNOWN, COMPETITIVE) == 0.5
    # However they moved so far, distress is never good news for rivals.
    assert transfer_of(EventType.CREDIT_DISTRESS, CoMovement(rho=-1.0, n=10**9), COMPETITIVE) >= 0.0
    found = score(told(beta(), comovement={"BETA": CoMovement(rho=1.0, n=8), "CYAN": CoMovement(rho=-1.0, n=99)}))
    assert found.score == pytest.approx(0.75 * K3 / (1 + K3))


def test_score_when_the_company_s_own_layer_has_the_document_or_its_story_then_it_does_not_count_here() -> None:
    words = (1, 2, 3, 4, 5)
    ours = item("shared", available_at=before(3), shingles=words)
    theirs = beta("theirs", doc_id=ours.doc_id, shingles=words)
    copy = beta("copy", sessions=2, shingles=words)
    other = beta("other", sessions=2, shingles=(9, 10))
    found = score(told(theirs, copy, other, own=[ours]))
    assert [part.evidence_id for part in found.contributions if part.weight] == ["ev-other"]
    assert "ev-theirs" not in [part.evidence_id for part in found.contributions]
    assert found.score == score(told(other)).score
    # Told to the company only in the future, it is no part of its layer yet.
    later = ours.model_copy(update={"available_at": before(-1)})
    assert score(told(theirs, own=[later])) == score(told(theirs))


def test_score_when_one_story_is_told_of_two_competitors_then_its_copy_does_not_count() -> None:
    words = (1, 2, 3, 4, 5)
    wire = beta("wire", shingles=words)
    copy = item("copy", symbol="CYAN", available_at=before(2), shingles=words)
    assert score(told(wire, copy)).score == score(told(wire)).score
    parts = score(told(wire, copy)).contributions
    assert [(part.competitor, part.novelty) for part in parts] == [("BETA", 1.0), ("CYAN", 0.0)]


def test_score_when_one_document_is_about_two_competitors_then_it_speaks_with_one_voice() -> None:
    """Two words of weight k each, together at most 1 and half of the layer."""
    both = [beta("one", doc_id="both"), item("two", symbol="CYAN", doc_id="both", available_at=before(3))]
    found = score(told(*both))
    assert found.score == pytest.approx(0.25)
    assert [part.competitor for part in found.contributions] == ["BETA", "CYAN"]


def test_score_when_one_site_or_the_crowd_floods_then_its_share_holds() -> None:
    flood = [
        beta(str(n), sessions=4, site="one", credibility=Credibility.WIRE, materiality=Materiality.MEDIUM)
        for n in range(50)
    ]
    assert score(told(*flood)).score == pytest.approx(0.5 * 0.4)
    crowd = [beta(str(n), sessions=4, site=f"{n}", credibility=Credibility.UNKNOWN) for n in range(50)]
    assert score(told(*crowd)).score == pytest.approx(0.5 * 0.3 / 1.3)


def test_score_when_high_materiality_is_confirmed_only_on_another_competitor_then_it_stays_medium() -> None:
    press: dict[str, Any] = {"credibility": Credibility.MAJOR_PRESS, "sentiment": 1.0}
    one = beta("one", site="one", **press)
    two = item("two", symbol="CYAN", site="two", available_at=before(3), **press)
    weights = [part.weight for part in score(told(one, two)).contributions]
    assert weights == pytest.approx([0.75 * 0.6 * K3] * 2)
    same = beta("two", site="two", **press)
    assert [part.weight for part in score(told(one, same)).contributions] == pytest.approx([0.75 * K3] * 2)


def test_score_when_it_is_attributed_then_integers_sum_to_it() -> None:
    found = score(told(*(beta(str(n), sessions=n, sentiment=0.7 - 0.3 * n) for n in range(6))))
    assert math.fsum(part.value for part in found.contributions) == found.score
    parts = largest_remainder([part.value * NANO for part in found.contributions], to_nano(found.score))
    assert sum(parts) == to_nano(found.score)


def test_assessment_when_the_layer_is_off_then_nothing_but_its_score_shows() -> None:
    config = TradingConfig(signals=SignalConfig(competitive_enabled=False))
    found = score(told(beta())).score
    assert found > 0.0
    off, without = (
        assess([item()], as_of=AS_OF, session_dates=SESSIONS, market=None, config=config, competitive=value)
        for value in (found, 0.0)
    )
    assert off.model_copy(update={"competitive": 0.0}) == without


def test_inputs_when_they_are_invalid_then_they_are_refused() -> None:
    with pytest.raises(InvalidInput, match="STRENGTH_OUT_OF_RANGE: symbol=ACME, competitor=BETA"):
        score(told(links={"BETA": 1.1}))
    with pytest.raises(InvalidInput, match="STRENGTH_OUT_OF_RANGE"):
        score(told(links={"BETA": float("nan")}))
    with pytest.raises(InvalidInput, match="MIXED_SYMBOLS"):
        score(told(evidence={"BETA": [item()]}))
    with pytest.raises(InvalidInput, match="MIXED_SYMBOLS"):
        score(told(own=[beta()]))


def test_config_when_it_is_plain_then_signs_are_the_taxonomy_s() -> None:
    assert {event: int(sign) for event, sign in COMPETITIVE.peer_signs.items()} == {
        event: traits.peer for event, traits in TAXONOMY.items()
    }
    changed = CompetitiveLayerConfig.model_validate({"peer_signs": {"labour": 0.5}})
    assert changed.peer_signs[EventType.LABOUR] == 0.5
    assert changed.peer_signs[EventType.EARNINGS] == 1.0
    assert CompetitiveLayerConfig.model_validate_json(changed.model_dump_json()) == changed
    with pytest.raises(ValueError, match="sum to 1.2, allowed is at most 1"):  # noqa: RUF043
        CompetitiveLayerConfig(sign_weight=0.7)
