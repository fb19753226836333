"""Labelled sentences as a person keeps them: the known samples of a folder, or one file of one's own."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

from activities.adapters.labelled import read_fiqa, read_fomc, read_own, read_phrase_bank, read_semeval
from domain.agents import AgentKind
from domain.errors import InvalidInput
from domain.evaluation import FIQA, FOMC, PHRASE_BANK, SEMEVAL, SENTIMENT_LABELS, STANCE_LABELS, LabelledSentence


class LabelledSet(NamedTuple):
    """A sample, and which agent it measures."""

    name: str
    dataset: str
    """The name that published figures carry."""
    kind: AgentKind
    sentences: tuple[LabelledSentence, ...]

    @property
    def labels(self) -> tuple[str, ...]:
        return STANCE_LABELS if self.kind is AgentKind.EVENT_CLASSIFIER else SENTIMENT_LABELS


_AGREEMENTS = (100, 66, 50)
_Read = Callable[[Path], list[LabelledSet]]


def labelled_sets(path: Path) -> list[LabelledSet]:
    """Read the samples that a folder holds under their usual names, or one CSV file with `text,label[,symbol]`.

    Raises:
        InvalidInput: there is nothing of the kind, or a row that cannot be read.
    """
    if path.is_file():
        return [_own(path)]
    found = [each for pattern, read in _KNOWN for file in sorted(path.glob(pattern)) for each in read(file)]
    if not found:
        raise InvalidInput(
            "NO_LABELLED_SENTENCES",
            "Name a CSV file with the columns text and label, or a folder with one of: "
            + ", ".join(pattern for pattern, _ in _KNOWN),
            path=path,
        )
    return found


def _phrase_bank(path: Path) -> list[LabelledSet]:
    return [
        LabelledSet(
            f"PhraseBank, >= {percent} % agree" if percent < 100 else "PhraseBank, all agree",
            PHRASE_BANK,
            AgentKind.DOCUMENT_EXTRACTOR,
            tuple(read_phrase_bank(path, min_agreement_pct=percent)),
        )
        for percent in _AGREEMENTS
    ]


def _semeval(path: Path) -> list[LabelledSet]:
    return [LabelledSet("SemEval-2017 headlines", SEMEVAL, AgentKind.DOCUMENT_EXTRACTOR, tuple(read_semeval(path)))]


def _fiqa(path: Path) -> list[LabelledSet]:
    return [LabelledSet("FiQA posts", FIQA, AgentKind.DOCUMENT_EXTRACTOR, tuple(read_fiqa(path)))]


def _fomc(path: Path) -> list[LabelledSet]:
    return [LabelledSet("FOMC stance", FOMC, AgentKind.EVENT_CLASSIFIER, tuple(read_fomc(path)))]


def _own(path: Path) -> LabelledSet:
    try:
        sentences = tuple(read_own(path, labels=SENTIMENT_LABELS))
    except InvalidInput as first:
        try:
            sentences = tuple(read_own(path, labels=STANCE_LABELS))
        except InvalidInput:
            raise first from None
        return LabelledSet(path.stem, path.stem, AgentKind.EVENT_CLASSIFIER, sentences)
    return LabelledSet(path.stem, path.stem, AgentKind.DOCUMENT_EXTRACTOR, sentences)


_KNOWN: tuple[tuple[str, _Read], ...] = (
    ("financial_phrasebank*.csv", _phrase_bank),
    ("semeval2017_task5*.csv", _semeval),
    ("fiqa_2018*.json", _fiqa),
    ("fomc_hawkish_dovish*.csv", _fomc),
)
