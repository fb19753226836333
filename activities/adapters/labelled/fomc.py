"""Sentences from minutes, speeches and press conferences of the Federal Reserve (Shah, Paturi and Chava 2023)."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from activities.adapters.labelled.rows import rows_of
from activities.adapters.labelled.values import label_of, text_of
from domain.evaluation import STANCE_LABELS, LabelledSentence


def read_fomc(path: Path) -> Iterator[LabelledSentence]:
    """Yield the sentences with the stance that they imply.

    Expects the columns `sentence` and `label` (hawkish, neutral, dovish).

    Raises:
        SourceFormatError: the file cannot be read as such a table.
        InvalidInput: a row holds a value that is not allowed.
    """
    for row in rows_of(path, ("sentence", "label")):
        text = text_of(row, "sentence")
        yield LabelledSentence(text=text, label=label_of(row, "label", STANCE_LABELS), split_key=text)
