"""The rules against sentences that people have labelled. Half of each sample was in view while the rules were written;
the figures are asserted on the other half alone."""

from __future__ import annotations

import csv
import time
from collections.abc import Callable, Iterable
from pathlib import Path

import pytest

from activities.adapters.labelled import read_fiqa, read_fomc, read_phrase_bank, read_semeval
from activities.adapters.rules import RulesExtractor, score_sentence
from activities.adapters.rules.confidence import CALLED, judge_sentence
from activities.adapters.rules.stance import judge_stance
from domain.evaluation import (
    FIQA,
    FOMC,
    PHRASE_BANK,
    SEMEVAL,
    SENTIMENT_LABELS,
    STANCE_LABELS,
    Evaluation,
    Half,
    Judge,
    LabelledSentence,
    held_out,
    score_labelled,
)
from domain.extraction import Candidate, ExtractionInput
from domain.validation import validate_extraction
from tests.conftest import shared_data
from tests.extraction.builders import PUBLISHED, candidate

VERSION = RulesExtractor().version
PHRASE_BANK_FILE = "sentiment/financial_phrasebank_dev.csv"
SEMEVAL_FILE = "sentiment/semeval2017_task5_headlines_dev.csv"
FIQA_FILE = "sentiment/fiqa_2018_posts.json"
FOMC_FILE = "sentiment/fomc_hawkish_dovish_train.csv"
CALIBRATED = 0.03


def measured(
    sentences: Iterable[LabelledSentence], judge: Judge, dataset: str, labels: tuple[str, ...] = SENTIMENT_LABELS
) -> Evaluation:
    """The figures of the half that nobody looked at, printed so that `pytest -s` shows them."""
    result = score_labelled(
        sentences,
        judge,
        clock=time.process_time,
        dataset=dataset,
        extractor_version=VERSION,
        labels=labels,
        half=Half.HELD_OUT,
    )
    print(
        f"\n{dataset}: n={result.n} accuracy={result.accuracy:.4f} macro_f1={result.macro_f1:.4f} "
        f"ece={result.ece:.4f} sentences_per_second={result.sentences_per_second or 0:.0f}"
    )
    return result


def headlines() -> list[dict[str, str]]:
    with shared_data(SEMEVAL_FILE).open(encoding="utf-8", newline="") as file:
        return [row for row in csv.DictReader(file) if held_out(row["headline"])]


@pytest.mark.parametrize(
    ("agreement", "accuracy_floor", "f1_floor"), [(100, 0.925, 0.91), (66, 0.835, 0.815), (50, 0.79, 0.77)]
)
def test_rules_when_measured_on_held_out_news_sentences_then_they_reach_the_floor(
    agreement: int, accuracy_floor: float, f1_floor: float
) -> None:
    sentences = read_phrase_bank(shared_data(PHRASE_BANK_FILE), min_agreement_pct=agreement)
    result = measured(sentences, judge_sentence, PHRASE_BANK)
    assert result.n > 600
    assert result.accuracy >= accuracy_floor
    assert result.macro_f1 >= f1_floor


def test_rules_when_measured_on_held_out_headlines_then_they_reach_the_floor() -> None:
    result = measured(read_semeval(shared_data(SEMEVAL_FILE)), judge_sentence, SEMEVAL)
    assert result.n > 300
    assert result.macro_f1 >= 0.60
    assert result.accuracy >= 0.62


def test_rules_when_measured_on_held_out_sentences_of_the_federal_reserve_then_they_reach_the_floor() -> None:
    result = measured(read_fomc(shared_data(FOMC_FILE)), judge_stance, FOMC, STANCE_LABELS)
    assert result.n > 900
    assert result.macro_f1 >= 0.60
    assert result.accuracy >= 0.61


def test_rules_when_measured_on_posts_for_which_they_are_not_made_then_they_still_beat_chance() -> None:
    result = measured(read_fiqa(shared_data(FIQA_FILE)), judge_sentence, FIQA)
    assert result.n > 300
    assert result.macro_f1 >= 0.42


@pytest.mark.parametrize(
    ("reader", "name", "judge", "labels"),
    [
        (read_phrase_bank, PHRASE_BANK_FILE, judge_sentence, SENTIMENT_LABELS),
        (read_semeval, SEMEVAL_FILE, judge_sentence, SENTIMENT_LABELS),
        (read_fomc, FOMC_FILE, judge_stance, STANCE_LABELS),
    ],
)
def test_confidence_when_compared_with_how_often_calls_are_right_then_it_is_calibrated(
    reader: Callable[[Path], Iterable[LabelledSentence]], name: str, judge: Judge, labels: tuple[str, ...]
) -> None:
    assert measured(reader(shared_data(name)), judge, name, labels).ece <= CALIBRATED


def test_rules_when_they_call_a_sign_on_held_out_headlines_then_it_is_right_in_most_cases() -> None:
    sample = headlines()
    called = [
        (float(row["score"]), score)
        for row in sample
        if abs(score := score_sentence(row["headline"])) >= CALLED and float(row["score"])
    ]
    right = sum((truth > 0) == (score > 0) for truth, score in called) / len(called)
    print(f"\ncalled {len(called) / len(sample):.4f}, right {right:.4f}")
    assert len(called) / len(sample) > 0.6
    assert right >= 0.86


def test_rules_when_the_sign_is_given_to_one_company_then_it_is_right_in_most_cases() -> None:
    sample = headlines()
    called: list[bool] = []
    for row in sample:
        company = Candidate(symbol="X", names=(row["company"], row["company"].split()[0]), labelled=True)
        source = ExtractionInput(doc_id="x", text=row["headline"], published_at=PUBLISHED, candidates=(company,))
        events = RulesExtractor().extract(source).events
        found = events[0].entities[0].sentiment if events else 0.0
        if abs(found) >= 0.1 and float(row["score"]):
            called.append((found > 0) == (float(row["score"]) > 0))
    print(f"\ncalled {len(called) / len(sample):.4f}, right {sum(called) / len(called):.4f}")
    assert len(called) / len(sample) > 0.45
    assert sum(called) / len(called) >= 0.84


def test_rules_when_run_over_real_headlines_then_every_claim_passes_the_hard_checks() -> None:
    with shared_data("news/reuters_ticker_headlines_2011H2.csv").open(encoding="utf-8", newline="") as file:
        sample = list(csv.DictReader(file))[::9]
    known = (candidate("AAPL"), candidate("GE"), candidate("TGT"), candidate("C"))
    extractor = RulesExtractor()
    sources = [
        ExtractionInput(
            doc_id=str(number),
            text=f"{row['headline']}\n\n{row['lead']}",
            published_at=PUBLISHED,
            candidates=(Candidate(symbol=f"{row['ticker']}.L", names=(row["company"],), labelled=True), *known),
        )
        for number, row in enumerate(sample)
    ]
    answers = [extractor.extract(source) for source in sources]
    assert all(
        validate_extraction(answer, source).dropped == () for answer, source in zip(answers, sources, strict=True)
    )
    assert sum(bool(answer.events) for answer in answers) > len(answers) / 2
