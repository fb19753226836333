"""An operator's own labelled sentences, so that rules and models can be measured on the texts that matter here."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from activities.adapters.labelled.rows import rows_of
from activities.adapters.labelled.values import label_of, text_of
from domain.evaluation import SENTIMENT_LABELS, LabelledSentence


def read_own(path: Path, *, labels: tuple[str, ...] = SENTIMENT_LABELS) -> Iterator[LabelledSentence]:
    """Yield the sentences of a table with the columns `text`, `label` and, where wanted, `symbol`.

    Args:
        labels: what the label may be, `SENTIMENT_LABELS` for company news or `STANCE_LABELS` for monetary policy.

    Raises:
        SourceFormatError: the file cannot be read as such a table.
        InvalidInput: a row holds a value that is not allowed.
    """
    for row in rows_of(path, ("text", "label")):
        text = text_of(row, "text")
        symbol = row.values.get("symbol", "").strip()
        yield LabelledSentence(text=text, label=label_of(row, "label", labels), split_key=text, company=symbol or None)
