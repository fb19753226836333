"""The measures by hand-worked examples and by what must hold for any verdicts."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.errors import InvalidInput
from domain.evaluation import (
    PUBLISHED,
    SENTIMENT_LABELS,
    Evaluation,
    Half,
    LabelledSentence,
    Metric,
    Verdict,
    accuracy,
    evaluate,
    expected_calibration_error,
    held_out,
    label_figures,
    macro_f1,
    published,
    score_labelled,
    wilson,
)

LABELS = st.sampled_from(SENTIMENT_LABELS)
PAIRS = st.lists(st.tuples(LABELS, LABELS), min_size=1, max_size=60)
JUDGED = st.lists(st.tuples(st.floats(0, 1), st.booleans()), min_size=1, max_size=60)


def sentence(text: str, label: str = "neutral") -> LabelledSentence:
    return LabelledSentence(text=text, label=label, split_key=text)


def ticking(seconds: float) -> Iterator[float]:
    """A clock that advances by this much at every look."""
    now = 100.0
    while True:
        yield now
        now += seconds


def evaluation(verdicts: list[Verdict]) -> Evaluation:
    return evaluate(verdicts, dataset="d", extractor_version="v", labels=SENTIMENT_LABELS, half=Half.ALL)


# -- accuracy and F1 -----------------------------------------------------------------------------------------------


def test_f1_when_worked_by_hand_then_it_agrees() -> None:
    # positive: 2 right of 3 called and 3 true -> 2/3; negative: 1 right of 1 called, 2 true -> 2/3; neutral: none -> 0.
    pairs = [
        ("positive", "positive"),
        ("positive", "positive"),
        ("positive", "neutral"),
        ("negative", "negative"),
        ("negative", "positive"),
    ]
    positive = label_figures(pairs, "positive")
    assert (positive.support, positive.calls) == (3, 3)
    assert positive.precision == pytest.approx(2 / 3)
    assert positive.recall == pytest.approx(2 / 3)
    assert positive.f1 == pytest.approx(2 / 3)
    negative = label_figures(pairs, "negative")
    assert (negative.precision, negative.recall) == (1.0, 0.5)
    assert macro_f1(pairs, SENTIMENT_LABELS) == pytest.approx((2 / 3 + 2 / 3 + 0) / 3)
    assert accuracy(pairs) == pytest.approx(3 / 5)


def test_f1_when_a_label_is_neither_stated_nor_called_then_it_counts_as_zero() -> None:
    assert macro_f1([("positive", "positive")], ("negative", "positive")) == 0.5


@given(PAIRS)
def test_measures_when_verdicts_are_anything_then_they_agree_with_each_other(pairs: list[tuple[str, str]]) -> None:
    figures = [label_figures(pairs, label) for label in SENTIMENT_LABELS]
    assert sum(each.support for each in figures) == sum(each.calls for each in figures) == len(pairs)
    weighted_recall = sum(each.recall * each.support for each in figures) / len(pairs)
    assert weighted_recall == pytest.approx(accuracy(pairs))
    for each in figures:
        assert min(each.precision, each.recall) - 1e-12 <= each.f1 <= max(each.precision, each.recall) + 1e-12
    result = evaluation([Verdict(truth, call, 0.5) for truth, call in pairs])
    assert sum(each.count for each in result.confusion) == result.n == len(pairs)
    assert result.accuracy_interval.low <= result.accuracy <= result.accuracy_interval.high
    assert Evaluation.model_validate_json(result.model_dump_json()) == result


@given(PAIRS)
def test_measures_when_every_call_is_right_then_they_are_perfect(pairs: list[tuple[str, str]]) -> None:
    right = [(truth, truth) for truth, _ in pairs]
    present = tuple(sorted({truth for truth, _ in pairs}))
    assert accuracy(right) == macro_f1(right, present) == 1.0


@given(PAIRS, st.randoms(use_true_random=False))
def test_measures_when_the_order_changes_then_they_do_not(pairs: list[tuple[str, str]], random: object) -> None:
    mixed = list(pairs)
    random.shuffle(mixed)  # type: ignore[attr-defined]
    assert macro_f1(mixed, SENTIMENT_LABELS) == macro_f1(pairs, SENTIMENT_LABELS)


# -- calibration ---------------------------------------------------------------------------------------------------


def test_calibration_error_when_worked_by_hand_then_it_agrees() -> None:
    # Bin 0.9-1.0: mean confidence 0.95, half right; bin 0.2-0.3: 0.25, none right. (2 * 0.45 + 1 * 0.25) / 3.
    judged = [(0.92, True), (0.98, False), (0.25, False)]
    assert expected_calibration_error(judged) == pytest.approx((2 * 0.45 + 0.25) / 3)


@pytest.mark.parametrize(
    ("judged", "error"),
    [
        ([], 0.0),
        ([(1.0, True)], 0.0),
        ([(1.0, False)], 1.0),
        ([(0.0, False)], 0.0),
        ([(0.0, True)], 1.0),
        # Just below and on the edge: two bins, so the two gaps of 0.55 and 0.4 do not cancel.
        ([(0.55, False), (0.6, True)], (0.55 + 0.4) / 2),
        ([(0.55, False), (0.59, True)], abs(0.55 + 0.59 - 1) / 2),
    ],
)
def test_calibration_error_when_confidence_lies_on_an_edge_then_the_upper_bin_has_it(
    judged: list[tuple[float, bool]], error: float
) -> None:
    assert expected_calibration_error(judged) == pytest.approx(error)


@given(JUDGED)
def test_calibration_error_when_anything_is_judged_then_it_lies_between_the_total_gap_and_one(
    judged: list[tuple[float, bool]],
) -> None:
    error = expected_calibration_error(judged)
    total = abs(sum(sure for sure, _ in judged) - sum(right for _, right in judged)) / len(judged)
    assert total - 1e-9 <= error <= 1
    assert expected_calibration_error(judged, bins=1) == pytest.approx(total, abs=1e-9)


# -- intervals -----------------------------------------------------------------------------------------------------


def test_interval_when_worked_by_hand_then_it_agrees() -> None:
    # 8 of 10 at z = 2: centre (0.8 + 4/20) / 1.4, margin 2 * sqrt(0.016 + 4/400) / 1.4.
    interval = wilson(8, 10, z=2.0)
    margin = 2 * math.sqrt(0.016 + 0.01) / 1.4
    assert interval.low == pytest.approx(1.0 / 1.4 - margin)
    assert interval.high == pytest.approx(1.0 / 1.4 + margin)


@given(st.integers(0, 500), st.integers(0, 500))
def test_interval_when_counts_are_anything_then_it_holds_the_rate_and_mirrors(hits: int, misses: int) -> None:
    trials = hits + misses
    interval = wilson(hits, trials)
    assert 0 <= interval.low <= interval.high <= 1
    if trials:
        assert interval.low <= hits / trials <= interval.high
        assert wilson(misses, trials).low == pytest.approx(1 - interval.high, abs=1e-12)
        larger = wilson(10 * hits, 10 * trials)
        assert larger.high - larger.low < interval.high - interval.low


@pytest.mark.parametrize(("successes", "trials"), [(-1, 5), (6, 5), (0, -1)])
def test_interval_when_counts_are_impossible_then_it_is_refused(successes: int, trials: int) -> None:
    with pytest.raises(InvalidInput, match="COUNT_OUT_OF_RANGE"):
        wilson(successes, trials)


# -- halves and judging --------------------------------------------------------------------------------------------


@given(st.text())
def test_half_when_a_text_is_given_then_its_digest_decides(text: str) -> None:
    last_byte = hashlib.sha256(text.encode(errors="surrogatepass")).digest()[-1] if _encodes(text) else 0
    if _encodes(text):
        assert held_out(text) == (last_byte % 2 == 1)


def _encodes(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def test_judging_when_a_half_is_asked_for_then_the_other_is_not_even_shown_to_the_judge() -> None:
    sentences = [sentence(f"sentence {number}") for number in range(40)]
    seen: list[str] = []

    def judge(text: str) -> tuple[str, float]:
        seen.append(text)
        return "neutral", 0.5

    result = score_labelled(
        sentences,
        judge,
        clock=ticking(2.0).__next__,
        dataset="d",
        extractor_version="v",
        labels=SENTIMENT_LABELS,
        half=Half.TUNING,
    )
    assert seen == [each.text for each in sentences if not held_out(each.text)]
    assert result.half is Half.TUNING
    assert result.sentences_per_second == pytest.approx(len(seen) / 2.0)
    assert (result.accuracy, result.ece) == (1.0, 0.5)


def test_judging_when_rows_share_a_key_then_they_share_the_half() -> None:
    rows = [
        LabelledSentence(text="one post", label=label, split_key="one post", company=company)
        for label, company in (("positive", "A"), ("negative", "B"))
    ]
    half = Half.HELD_OUT if held_out("one post") else Half.TUNING
    result = score_labelled(
        rows,
        lambda _: ("positive", 0.5),
        clock=ticking(0.0).__next__,
        dataset="d",
        extractor_version="v",
        labels=SENTIMENT_LABELS,
        half=half,
    )
    assert (result.n, result.accuracy, result.ece) == (2, 0.5, 0.0)
    assert result.sentences_per_second is None


@pytest.mark.parametrize(
    ("verdicts", "code"),
    [
        ([], "NOTHING_TO_MEASURE"),
        ([Verdict("good", "positive", 0.5)], "LABEL_NOT_ALLOWED"),
        ([Verdict("positive", "hold", 0.5)], "LABEL_NOT_ALLOWED"),
        ([Verdict("positive", "positive", 1.01)], "CONFIDENCE_OUT_OF_RANGE"),
        ([Verdict("positive", "positive", math.nan)], "CONFIDENCE_OUT_OF_RANGE"),
    ],
)
def test_evaluation_when_a_verdict_is_not_allowed_then_it_is_refused(verdicts: list[Verdict], code: str) -> None:
    with pytest.raises(InvalidInput, match=code):
        evaluation(verdicts)


def test_published_figures_when_listed_then_each_says_where_it_comes_from() -> None:
    assert all(0 < figure.value < 1 and figure.source and figure.subset for figure in PUBLISHED)
    bank = {(figure.system, figure.metric): figure.value for figure in published("Financial PhraseBank")}
    assert bank["FinBERT", Metric.ACCURACY] == 0.86
    assert published("nothing known") == ()
