"""The properties of the score that hold for any evidence and any market."""

from datetime import timedelta
from typing import Any

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from domain.config import SignalConfig, TradingConfig
from domain.decisions import Assessment, EvidenceItem, Layer, MarketWindow
from domain.documents import Credibility
from domain.kernels import NANO, largest_remainder, segment_sums, to_nano
from domain.signals import SymbolInputs, assess, assess_cuts, assess_many, cut

from .builders import AS_OF, PROPERTY, SESSIONS, evidence_lists, item, windows

CONFIG = TradingConfig()
layer_scores = st.floats(-1, 1)


def judge(evidence: list[EvidenceItem], market: MarketWindow | None = None, **options: Any) -> Assessment:
    arguments: dict[str, Any] = {
        "as_of": AS_OF, "session_dates": SESSIONS, "market": market, "config": CONFIG, "symbol": "ACME", **options,
    }  # fmt: skip
    return assess(evidence, **arguments)


@PROPERTY
@given(evidence_lists(), windows(), layer_scores, layer_scores)
def test_score_when_inputs_are_any_then_everything_is_in_bounds(
    evidence: list[EvidenceItem], market: MarketWindow | None, macro: float, competitive: float
) -> None:
    found = judge(evidence, market, macro=macro, competitive=competitive)
    for value in (found.company, found.composite, found.score, found.confirmation, *found.window_scores):
        assert -1.0 <= value <= 1.0
    assert 0.0 <= found.contradiction <= 1.0
    assert 0.0 <= found.conviction <= abs(found.score)
    assert 0.5 <= found.probability <= 0.6
    assert 1.0 <= found.horizon_td <= 60.0
    assert 0.0 <= found.effective_documents <= found.evidence_count + 1e-9


@PROPERTY
@given(evidence_lists(), windows(), layer_scores, layer_scores)
def test_attributions_when_inputs_are_any_then_they_sum_to_the_score_exactly(
    evidence: list[EvidenceItem], market: MarketWindow | None, macro: float, competitive: float
) -> None:
    found = judge(evidence, market, macro=macro, competitive=competitive)
    assert found.score_nano == to_nano(found.score)
    assert sum(term.nano for term in found.attributions) == found.score_nano
    assert found.attributions[-1].layer is Layer.MARKET
    assert found.attributions[-1].nano == found.score_nano - to_nano(found.composite)
    for term in found.attributions[:-1]:
        if term.evidence_id and term.weight == 0.0:
            assert term.nano == 0


@PROPERTY
@given(evidence_lists(), windows(), st.permutations(range(12)))
def test_score_when_evidence_is_reordered_then_every_bit_stays(
    evidence: list[EvidenceItem], market: MarketWindow | None, order: list[int]
) -> None:
    reordered = [evidence[at] for at in order if at < len(evidence)]
    assert judge(reordered, market).model_dump_json() == judge(evidence, market).model_dump_json()


@PROPERTY
@given(evidence_lists(), windows(), st.integers(1, 10_000_000))
def test_score_when_a_document_lies_in_the_future_then_it_has_no_effect(
    evidence: list[EvidenceItem], market: MarketWindow | None, seconds: int
) -> None:
    shingles = evidence[0].shingles if evidence else ()
    later = item("later", available_at=AS_OF + timedelta(seconds=seconds), shingles=shingles, sentiment=-1.0)
    assert judge([*evidence, later], market) == judge(evidence, market)


@PROPERTY
@given(evidence_lists(), windows(), st.data())
def test_score_when_evidence_is_repeated_then_every_bit_stays(
    evidence: list[EvidenceItem], market: MarketWindow | None, data: st.DataObject
) -> None:
    again = data.draw(st.lists(st.sampled_from(evidence), max_size=3)) if evidence else []
    assert judge([*evidence, *again], market) == judge(evidence, market)


@PROPERTY
@given(
    evidence_lists(),
    windows(),
    st.sets(st.integers(0, 25), min_size=1, max_size=8),
    st.one_of(
        st.tuples(st.sampled_from((Credibility.WIRE, Credibility.OFFICIAL)), st.just(5)),
        st.tuples(st.sampled_from((Credibility.UNKNOWN, Credibility.AGGREGATOR)), st.sampled_from((5, 10, 500))),
    ),
)
def test_score_when_a_story_has_a_later_copy_or_an_earlier_one_of_a_poorer_site_then_every_bit_stays(
    evidence: list[EvidenceItem], market: MarketWindow | None, words: set[int], teller: tuple[Credibility, int]
) -> None:
    """The story has words of its own, so that it counts whatever else was told."""
    own = tuple(sorted(word + 1_000 for word in words))
    known = [*evidence, item("story", minutes_ago=10, shingles=own)]
    credibility, minutes_ago = teller
    copy = item("copy", doc_id="zz", minutes_ago=minutes_ago, shingles=own, sentiment=-1.0, credibility=credibility)
    before, after = judge(known, market), judge([*known, copy], market)
    assert (after.score, after.composite, after.conviction, after.score_nano) == (
        before.score, before.composite, before.conviction, before.score_nano,
    )  # fmt: skip


@PROPERTY
@given(evidence_lists(max_size=6), st.data())
def test_score_when_a_sentiment_rises_without_changing_sign_then_the_layer_does_not_fall(
    evidence: list[EvidenceItem], data: st.DataObject
) -> None:
    if not evidence:
        return
    at = data.draw(st.integers(0, len(evidence) - 1))
    now = evidence[at].sentiment
    raised = data.draw(st.floats(now, 1.0 if now >= 0 else max(now, -1e-9)))
    higher = [*evidence[:at], evidence[at].model_copy(update={"sentiment": raised}), *evidence[at + 1 :]]
    assert judge(higher).company >= judge(evidence).company - 1e-12


@PROPERTY
@given(evidence_lists(max_size=6), st.data())
def test_score_when_negative_news_decays_like_positive_then_it_is_monotone_in_every_sentiment(
    evidence: list[EvidenceItem], data: st.DataObject
) -> None:
    if not evidence:
        return
    config = TradingConfig(signals=SignalConfig(negative_half_life=1.0))
    at = data.draw(st.integers(0, len(evidence) - 1))
    raised = data.draw(st.floats(evidence[at].sentiment, 1.0))
    higher = [*evidence[:at], evidence[at].model_copy(update={"sentiment": raised}), *evidence[at + 1 :]]
    assert judge(higher, config=config).company >= judge(evidence, config=config).company - 1e-12


@PROPERTY
@given(evidence_lists(), windows(), layer_scores)
def test_confirmation_when_inputs_are_any_then_it_never_flips_the_sign(
    evidence: list[EvidenceItem], market: MarketWindow | None, macro: float
) -> None:
    found = judge(evidence, market, macro=macro)
    assert found.score * found.composite >= 0.0
    if found.composite == 0.0:
        assert (found.score, found.confirmation) == (0.0, 0.0)


@PROPERTY
@given(evidence_lists(), windows(), layer_scores)
def test_layer_when_it_is_off_then_its_score_changes_nothing_else(
    evidence: list[EvidenceItem], market: MarketWindow | None, competitive: float
) -> None:
    off = TradingConfig(signals=SignalConfig(competitive_enabled=False))
    found = judge(evidence, market, competitive=competitive, config=off)
    assert found.model_copy(update={"competitive": 0.0}) == judge(evidence, market, config=CONFIG)


@PROPERTY
@given(st.data(), st.integers(0, 5))
def test_many_symbols_when_assessed_together_then_bits_equal_those_of_single_calls(
    data: st.DataObject, symbols: int
) -> None:
    names = [f"SYM{n}" for n in range(symbols)]
    inputs = [
        SymbolInputs(
            symbol=name,
            evidence=data.draw(evidence_lists(symbol=name, max_size=7)),
            market=data.draw(windows(symbol=name)),
            macro=data.draw(layer_scores),
            competitive=data.draw(layer_scores),
        )
        for name in names
    ]
    together = assess_many(inputs, as_of=AS_OF, session_dates=SESSIONS, config=CONFIG)
    singly = [
        judge(list(one.evidence), one.market, symbol=one.symbol, macro=one.macro, competitive=one.competitive)
        for one in inputs
    ]
    assert [one.model_dump_json() for one in together] == [one.model_dump_json() for one in singly]
    backwards = assess_many(inputs[::-1], as_of=AS_OF, session_dates=SESSIONS, config=CONFIG)
    assert backwards[::-1] == together


@PROPERTY
@given(evidence_lists(), evidence_lists(), windows(), st.integers(0, 40), layer_scores)
def test_cuts_when_they_are_of_several_instants_and_assessed_together_then_bits_equal_those_of_each_alone(
    evidence: list[EvidenceItem],
    others: list[EvidenceItem],
    market: MarketWindow | None,
    hours: int,
    macro: float,
) -> None:
    first, second = SymbolInputs("ACME", evidence, market), SymbolInputs("ACME", others, None, macro=macro)
    cuts = [
        cut(inputs, as_of=AS_OF + timedelta(hours=later), session_dates=SESSIONS, config=CONFIG.signals)
        for inputs, later in (([first], 0), ([], 1), ([second, first], hours))
    ]
    together = assess_cuts(cuts, config=CONFIG)
    alone = [assess_cuts([one], config=CONFIG)[0] for one in cuts]
    assert [len(found) for found in together] == [1, 0, 2]
    assert [[one.model_dump_json() for one in found] for found in together] == [
        [one.model_dump_json() for one in found] for found in alone
    ]


@PROPERTY
@given(st.lists(st.floats(-1, 1), max_size=20), st.integers(-5, 5))
def test_largest_remainder_when_targets_are_any_then_the_sum_is_exact(targets: list[float], shift: int) -> None:
    scaled = [target * NANO for target in targets]
    total = round(sum(scaled)) + shift
    rounded = largest_remainder(scaled, total)
    assert sum(rounded) == (total if targets else 0)
    if shift == 0:
        assert all(abs(one - target) < 1.0 for one, target in zip(rounded, scaled, strict=True))


def test_segment_sums_when_terms_cancel_then_nothing_is_lost_and_segments_stay_apart() -> None:
    values = np.array([1e16, 1.0, -1e16, 0.5, 0.25])
    assert segment_sums(values, (0, 3, 3, 5)).tolist() == [1.0, 0.0, 0.75]
