"""Financial PhraseBank: sentences from company news, labelled by 5 to 8 people each (Malo et al. 2014)."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from activities.adapters.labelled.rows import rows_of
from activities.adapters.labelled.values import label_of, number_of, text_of
from domain.evaluation import SENTIMENT_LABELS, LabelledSentence


def read_phrase_bank(path: Path, *, min_agreement_pct: int = 50) -> Iterator[LabelledSentence]:
    """Yield the sentences on whose label at least `min_agreement_pct` percent of the annotators agree.

    Expects the columns `sentence`, `label` (positive, neutral, negative) and `min_agreement_pct` (50, 66, 75 or 100).

    Raises:
        SourceFormatError: the file cannot be read as such a table.
        InvalidInput: a row holds a value that is not allowed.
    """
    for row in rows_of(path, ("sentence", "label", "min_agreement_pct")):
        text = text_of(row, "sentence")
        label = label_of(row, "label", SENTIMENT_LABELS)
        if number_of(row, "min_agreement_pct", 0, 100) >= min_agreement_pct:
            yield LabelledSentence(text=text, label=label, split_key=text)
