"""How well an extractor judges sentences that people have labelled: measures, their uncertainty, published figures.

Rules and models share one yardstick. A judge is any callable from a text to its label and its confidence in [0, 1].
"""

from __future__ import annotations

import hashlib
import math
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from enum import StrEnum
from typing import NamedTuple

from domain.errors import InvalidInput
from domain.model import Model

Judge = Callable[[str], tuple[str, float]]
"""Returns a text's label and the chance, in [0, 1], that this label is right."""

NEGATIVE, NEUTRAL, POSITIVE = "negative", "neutral", "positive"
HAWKISH, DOVISH = "hawkish", "dovish"
SENTIMENT_LABELS = (NEGATIVE, NEUTRAL, POSITIVE)
STANCE_LABELS = (DOVISH, NEUTRAL, HAWKISH)

BINS = 10
Z_95 = 1.959963984540054
"""Two-sided 95 % quantile of the standard normal distribution."""


class Half(StrEnum):
    """Which part of a labelled sample counts."""

    HELD_OUT = "held out"
    """Never looked at while rules and constants were written; the only half that says how good they are."""
    TUNING = "tuning"
    ALL = "all"


class Metric(StrEnum):
    """What a published figure measures; two of them compare only where this is the same."""

    ACCURACY = "accuracy"
    MACRO_F1 = "macro F1"
    WEIGHTED_F1 = "weighted F1"
    """Weighted by how frequent each label is: with a frequent easy label it exceeds the macro F1."""


class LabelledSentence(Model):
    """A sentence and what people say that it says.

    `split_key` decides the half: rows with the same key, such as one post about two companies, never part.
    """

    text: str
    label: str
    split_key: str
    company: str | None = None


class Interval(Model):
    """The bounds of a 95 % interval."""

    low: float
    high: float


class LabelFigures(Model):
    """How one label fares. `support` counts the sentences that carry it, `calls` those that were given it."""

    label: str
    support: int
    calls: int
    precision: float
    recall: float
    f1: float


class Confusion(Model):
    """How often sentences labelled `truth` were called `call`; pairs that never occur are left out."""

    truth: str
    call: str
    count: int


class Evaluation(Model):
    """What one extractor reached on one half of one labelled sample."""

    dataset: str
    extractor_version: str
    half: Half
    n: int
    accuracy: float
    accuracy_interval: Interval
    macro_f1: float
    ece: float
    """Expected calibration error in [0, 1]: the mean gap between confidence and accuracy."""
    sentences_per_second: float | None
    """None where the clock did not advance."""
    labels: tuple[LabelFigures, ...]
    confusion: tuple[Confusion, ...]


class Verdict(NamedTuple):
    """What a judge said about one labelled sentence."""

    truth: str
    call: str
    confidence: float


class PublishedFigure(Model):
    """A figure from elsewhere, to read our own against; `subset` says which sentences it was measured on."""

    dataset: str
    system: str
    source: str
    subset: str
    metric: Metric
    value: float


# -- measuring -----------------------------------------------------------------------------------------------------


def held_out(text: str) -> bool:
    """Whether a text belongs to the half that nobody looks at: its SHA-256 digest, read as a number, is odd."""
    return int(hashlib.sha256(text.encode()).hexdigest(), 16) % 2 == 1


def in_half(split_key: str, half: Half) -> bool:
    return half is Half.ALL or held_out(split_key) == (half is Half.HELD_OUT)


def score_labelled(
    sentences: Iterable[LabelledSentence],
    judge: Judge,
    *,
    clock: Callable[[], float],
    dataset: str,
    extractor_version: str,
    labels: tuple[str, ...],
    half: Half = Half.HELD_OUT,
) -> Evaluation:
    """Judge the sentences of one half and measure the answers.

    Args:
        clock: seconds of processor time, such as `time.process_time`; read once before and once after all judging.
        labels: the closed set over which the macro F1 is taken.

    Raises:
        InvalidInput: the half is empty, or a label, call or confidence is not allowed.
    """
    sample = [sentence for sentence in sentences if in_half(sentence.split_key, half)]
    started = clock()
    answers = [judge(sentence.text) for sentence in sample]
    seconds = clock() - started
    verdicts = [
        Verdict(sentence.label, call, confidence) for sentence, (call, confidence) in zip(sample, answers, strict=True)
    ]
    return evaluate(
        verdicts,
        dataset=dataset,
        extractor_version=extractor_version,
        labels=labels,
        half=half,
        sentences_per_second=len(sample) / seconds if seconds > 0 else None,
    )


def evaluate(
    verdicts: Sequence[Verdict],
    *,
    dataset: str,
    extractor_version: str,
    labels: tuple[str, ...],
    half: Half,
    sentences_per_second: float | None = None,
) -> Evaluation:
    """Measure verdicts that were reached elsewhere, for example by a model that answers in batches."""
    _require_valid(verdicts, dataset, labels)
    pairs = [(verdict.truth, verdict.call) for verdict in verdicts]
    right = sum(truth == call for truth, call in pairs)
    counts = confusion_counts(pairs)
    return Evaluation(
        dataset=dataset,
        extractor_version=extractor_version,
        half=half,
        n=len(verdicts),
        accuracy=right / len(verdicts),
        accuracy_interval=wilson(right, len(verdicts)),
        macro_f1=macro_f1(pairs, labels),
        ece=expected_calibration_error([(verdict.confidence, verdict.truth == verdict.call) for verdict in verdicts]),
        sentences_per_second=sentences_per_second,
        labels=tuple(label_figures(pairs, label) for label in labels),
        confusion=tuple(
            Confusion(truth=truth, call=call, count=counts[truth, call])
            for truth in labels
            for call in labels
            if counts[truth, call]
        ),
    )


def _require_valid(verdicts: Sequence[Verdict], dataset: str, labels: tuple[str, ...]) -> None:
    if not verdicts:
        raise InvalidInput("NOTHING_TO_MEASURE", "The half holds no sentence", dataset=dataset, found=0)
    for number, verdict in enumerate(verdicts, start=1):
        for field, found in (("label", verdict.truth), ("call", verdict.call)):
            if found not in labels:
                raise InvalidInput(
                    "LABEL_NOT_ALLOWED", dataset=dataset, sentence=number, field=field, found=found, allowed=labels
                )
        if not 0 <= verdict.confidence <= 1:
            raise InvalidInput(
                "CONFIDENCE_OUT_OF_RANGE", dataset=dataset, sentence=number, found=verdict.confidence, allowed="[0, 1]"
            )


# -- measures ------------------------------------------------------------------------------------------------------


def confusion_counts(pairs: Iterable[tuple[str, str]]) -> Counter[tuple[str, str]]:
    """Count (truth, call) pairs."""
    return Counter(pairs)


def accuracy(pairs: Sequence[tuple[str, str]]) -> float:
    """Return the share of calls that are right; 0 for no pairs."""
    return sum(truth == call for truth, call in pairs) / len(pairs) if pairs else 0.0


def label_figures(pairs: Sequence[tuple[str, str]], label: str) -> LabelFigures:
    """Measure one label. Precision without a call, recall without a sentence and their F1 are 0."""
    hit = sum(truth == call == label for truth, call in pairs)
    support = sum(truth == label for truth, _ in pairs)
    calls = sum(call == label for _, call in pairs)
    return LabelFigures(
        label=label,
        support=support,
        calls=calls,
        precision=hit / calls if calls else 0.0,
        recall=hit / support if support else 0.0,
        f1=2 * hit / (support + calls) if hit else 0.0,
    )


def macro_f1(pairs: Sequence[tuple[str, str]], labels: tuple[str, ...]) -> float:
    """Return the plain mean of the labels' F1, so that a rare label counts as much as a frequent one."""
    return sum(label_figures(pairs, label).f1 for label in labels) / len(labels)


def expected_calibration_error(judged: Sequence[tuple[float, bool]], bins: int = BINS) -> float:
    """Return the gap between mean confidence and accuracy, averaged over bins of equal width by their size.

    A confidence on an edge belongs to the bin above it, 1.0 to the last one (Guo et al. 2017, equation 3).
    """
    if not judged:
        return 0.0
    sure = [0.0] * bins
    right = [0] * bins
    for confidence, is_right in judged:
        at = min(bins - 1, int(confidence * bins))
        sure[at] += confidence
        right[at] += is_right
    return sum(abs(sure[at] - right[at]) for at in range(bins)) / len(judged)


def wilson(successes: int, trials: int, z: float = Z_95) -> Interval:
    """Return Wilson's score interval of a rate, always inside [0, 1]; no trials leave everything open.

    Raises:
        InvalidInput: there are fewer trials than successes, or a negative number of them.
    """
    if not 0 <= successes <= trials:
        raise InvalidInput("COUNT_OUT_OF_RANGE", successes=successes, trials=trials, allowed="0 <= successes <= trials")
    if trials == 0:
        return Interval(low=0.0, high=1.0)
    rate = successes / trials
    scale = 1 + z * z / trials
    centre = (rate + z * z / (2 * trials)) / scale
    margin = z * math.sqrt(rate * (1 - rate) / trials + z * z / (4 * trials * trials)) / scale
    return Interval(
        low=0.0 if successes == 0 else max(0.0, centre - margin),
        high=1.0 if successes == trials else min(1.0, centre + margin),
    )


# -- what others publish -------------------------------------------------------------------------------------------

PHRASE_BANK = "Financial PhraseBank"
SEMEVAL = "SemEval-2017 task 5 headlines"
FIQA = "FiQA 2018 posts"
FOMC = "FOMC hawkish-dovish"


def _both(
    dataset: str, system: str, source: str, subset: str, accuracy: float, macro: float
) -> tuple[PublishedFigure, PublishedFigure]:
    return (
        PublishedFigure(
            dataset=dataset, system=system, source=source, subset=subset, metric=Metric.ACCURACY, value=accuracy
        ),
        PublishedFigure(
            dataset=dataset, system=system, source=source, subset=subset, metric=Metric.MACRO_F1, value=macro
        ),
    )


_MEASURED = "measured for this platform on the same sentences"

PUBLISHED: tuple[PublishedFigure, ...] = (
    *_both(
        PHRASE_BANK,
        "FinBERT",
        "Araci 2019, arXiv 1908.10063 (trained on the rest of the same sample)",
        "its own test split of all sentences",
        0.86,
        0.84,
    ),
    *_both(PHRASE_BANK, "VADER", _MEASURED, "all annotators agree", 0.571, 0.487),
    *_both(PHRASE_BANK, "FinVADER", _MEASURED, "all annotators agree", 0.725, 0.710),
    *_both(PHRASE_BANK, "Loughran-McDonald word list", _MEASURED, "all annotators agree", 0.603, 0.472),
    *_both(PHRASE_BANK, "earlier rules prototype", _MEASURED, "all annotators agree, held out", 0.895, 0.870),
    *_both(PHRASE_BANK, "earlier rules prototype", _MEASURED, "at least 66 % agree, held out", 0.816, 0.786),
    *_both(PHRASE_BANK, "earlier rules prototype", _MEASURED, "at least 50 % agree, held out", 0.777, 0.746),
    *_both(
        SEMEVAL,
        "earlier rules prototype",
        _MEASURED,
        "sign of the score, held out (neutral band not recorded)",
        0.561,
        0.549,
    ),
)
"""Figures to read our own against; their subsets differ from ours, so they order systems only roughly."""


def published(dataset: str) -> tuple[PublishedFigure, ...]:
    """List the published figures of one dataset, empty where nothing is known."""
    return tuple(figure for figure in PUBLISHED if figure.dataset == dataset)
