"""SemEval-2017 task 5, subtask 2: headlines scored for one company each (Cortis et al. 2017)."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from activities.adapters.labelled.rows import rows_of
from activities.adapters.labelled.values import NEUTRAL_BAND, number_of, sign_label, text_of
from domain.evaluation import LabelledSentence


def read_semeval(path: Path, *, neutral_band: float = NEUTRAL_BAND) -> Iterator[LabelledSentence]:
    """Yield headlines with the sign of their score.

    Expects the columns `id`, `company`, `headline` and `score` in [-1, 1]. The sample has scores and no labels: a score
    within `neutral_band` of zero, both ends included, is neutral, any other is positive or negative. Sign accuracy and
    macro F1 are therefore over three labels, and another band gives other figures; with a band of 0 hardly a headline
    is neutral.

    Raises:
        SourceFormatError: the file cannot be read as such a table.
        InvalidInput: a row holds a value that is not allowed.
    """
    for row in rows_of(path, ("company", "headline", "score")):
        text = text_of(row, "headline")
        label = sign_label(number_of(row, "score", -1, 1), neutral_band)
        yield LabelledSentence(text=text, label=label, split_key=text, company=text_of(row, "company"))
