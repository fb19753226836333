"""The properties of the competitive layer that hold for any evidence and any links."""

from __future__ import annotations

import math
from datetime import timedelta
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from domain.comovement import CoMovement
from domain.competitive_layer import CompetitiveAssessment, CompetitiveInputs, competitive_scores
from domain.decisions import EvidenceItem
from tests.decisions.builders import AS_OF, PROPERTY, SESSIONS, evidence_lists, item

from .builders import COMPETITIVE, SIGNALS

COMPETITORS = ("BETA", "CYAN")


def judge(*inputs: CompetitiveInputs, days: int = 0) -> tuple[CompetitiveAssessment, ...]:
    return competitive_scores(
        inputs,
        as_of=AS_OF + timedelta(days=days),
        session_dates=SESSIONS,
        signals=SIGNALS,
        config=COMPETITIVE,
    )


@st.composite
def inputs(draw: st.DrawFn, *, symbol: str = "ACME", max_size: int = 8) -> CompetitiveInputs:
    """Two competitors, some documents of which are the company's own as well."""
    own = draw(evidence_lists(symbol=symbol, max_size=3))
    evidence = {name: draw(evidence_lists(symbol=name, max_size=max_size)) for name in COMPETITORS}
    if own and evidence["BETA"] and draw(st.booleans()):
        shared = evidence["BETA"][0].model_copy(update={"doc_id": own[0].doc_id})
        evidence["BETA"] = [shared, *evidence["BETA"][1:]]
    return CompetitiveInputs(
        symbol=symbol,
        links={name: draw(st.floats(0, 1)) for name in COMPETITORS if draw(st.booleans())},
        evidence=evidence,
        own=own,
        comovement={
            name: CoMovement(rho=draw(st.floats(-1, 1)), n=draw(st.integers(0, 50)))
            for name in COMPETITORS
            if draw(st.booleans())
        },
    )


def with_evidence(one: CompetitiveInputs, evidence: list[EvidenceItem]) -> CompetitiveInputs:
    return CompetitiveInputs(
        symbol=one.symbol,
        links=one.links,
        evidence={**one.evidence, "BETA": evidence},
        own=one.own,
        comovement=one.comovement,
    )


@PROPERTY
@given(inputs())
def test_score_when_inputs_are_any_then_it_is_in_bounds_and_its_parts_sum_to_it(one: CompetitiveInputs) -> None:
    (found,) = judge(one)
    assert -1.0 < found.score < 1.0
    assert math.fsum(part.value for part in found.contributions) == found.score
    assert all(part.value == 0.0 for part in found.contributions if part.weight == 0.0)
    assert {part.competitor for part in found.contributions} <= set(one.links)
    own = {each.doc_id for each in one.own if each.available_at <= AS_OF}
    old = AS_OF - timedelta(days=SIGNALS.lookback_days)
    assert not own & {part.doc_id for part in found.contributions} or any(each.available_at < old for each in one.own)
    documents: dict[str, float] = {}
    for part in found.contributions:
        documents[part.doc_id] = documents.get(part.doc_id, 0.0) + abs(part.value)
    assert all(total <= 0.5 + 1e-9 for total in documents.values())


@PROPERTY
@given(inputs(), st.randoms(use_true_random=False))
def test_score_when_inputs_are_reordered_then_every_bit_stays(one: CompetitiveInputs, random: object) -> None:
    def shuffled(items: object) -> list[EvidenceItem]:
        random.shuffle(turned := list(items))  # type: ignore[attr-defined, call-overload]
        return turned  # type: ignore[no-any-return]

    turned = CompetitiveInputs(
        symbol=one.symbol,
        links=dict(reversed(list(one.links.items()))),
        evidence={name: shuffled(items) for name, items in reversed(list(one.evidence.items()))},
        own=shuffled(one.own),
        comovement=dict(reversed(list(one.comovement.items()))),
    )
    assert judge(turned) == judge(one)


@PROPERTY
@given(inputs(), inputs(symbol="DELTA"), inputs(symbol="ECHO"))
def test_scores_when_symbols_are_judged_together_then_every_bit_is_as_when_alone(
    first: CompetitiveInputs, second: CompetitiveInputs, third: CompetitiveInputs
) -> None:
    assert judge(first, second, third) == judge(first) + judge(second) + judge(third)


@PROPERTY
@given(inputs(), st.integers(1, 10_000_000))
def test_score_when_evidence_lies_in_the_future_then_it_has_no_effect(one: CompetitiveInputs, seconds: int) -> None:
    at = AS_OF + timedelta(seconds=seconds)
    beta = list(one.evidence["BETA"])
    known: dict[str, Any] = {"doc_id": beta[0].doc_id, "shingles": beta[0].shingles} if beta else {}
    later = CompetitiveInputs(
        symbol=one.symbol,
        links=one.links,
        evidence={**one.evidence, "BETA": [*beta, item("later", symbol="BETA", available_at=at, sentiment=-1.0)]},
        own=[*one.own, item("ours", symbol=one.symbol, available_at=at, **known)],
        comovement=one.comovement,
    )
    assert judge(later) == judge(one)


@PROPERTY
@given(inputs(), st.data())
def test_score_when_evidence_is_repeated_then_every_bit_stays(one: CompetitiveInputs, data: st.DataObject) -> None:
    beta = list(one.evidence["BETA"])
    again = data.draw(st.lists(st.sampled_from(beta), max_size=3)) if beta else []
    assert judge(with_evidence(one, [*beta, *again])) == judge(one)


@PROPERTY
@given(inputs(), st.sets(st.integers(0, 25), min_size=1, max_size=8))
def test_score_when_a_story_is_copied_then_every_bit_of_the_score_stays(
    one: CompetitiveInputs, words: set[int]
) -> None:
    own = tuple(sorted(word + 1_000 for word in words))
    beta = [*one.evidence["BETA"], item("story", symbol="BETA", minutes_ago=5_000, shingles=own)]
    copy = item("zz", symbol="BETA", minutes_ago=3_000, shingles=own, sentiment=-1.0)
    before, after = judge(with_evidence(one, beta)), judge(with_evidence(one, [*beta, copy]))
    assert after[0].score == before[0].score


@PROPERTY
@given(inputs(max_size=5), st.data())
def test_score_when_a_sentiment_rises_then_it_moves_with_the_sign_of_the_transfer(
    one: CompetitiveInputs, data: st.DataObject
) -> None:
    beta = list(one.evidence["BETA"])
    if not beta:
        return
    at = data.draw(st.integers(0, len(beta) - 1))
    raised = beta[at].model_copy(update={"sentiment": data.draw(st.floats(beta[at].sentiment, 1.0))})
    (before,) = judge(one)
    (after,) = judge(with_evidence(one, [*beta[:at], raised, *beta[at + 1 :]]))
    transfer = next((part.transfer for part in before.contributions if part.evidence_id == raised.evidence_id), 0.0)
    assert (after.score - before.score) * (1 if transfer >= 0 else -1) >= -1e-12


@PROPERTY
@given(inputs())
def test_score_when_nothing_new_is_told_then_it_decays_to_zero(one: CompetitiveInputs) -> None:
    assert judge(one, days=75)[0].score == 0.0


@PROPERTY
@given(inputs())
def test_score_when_the_links_are_taken_away_then_it_is_zero(one: CompetitiveInputs) -> None:
    bare = CompetitiveInputs(symbol=one.symbol, links={}, evidence=one.evidence, own=one.own)
    assert judge(bare) == (CompetitiveAssessment(symbol=one.symbol, score=0.0, contributions=()),)
