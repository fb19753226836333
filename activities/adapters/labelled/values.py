"""What may stand in a labelled row, and the sentence made of it."""

from __future__ import annotations

import math

from activities.adapters.labelled.rows import Row
from domain.errors import InvalidInput
from domain.evaluation import NEGATIVE, NEUTRAL, POSITIVE

NEUTRAL_BAND = 0.1
"""Scores no further than this from zero, on the scale [-1, 1], count as neutral."""

_SHOWN = 60


def sign_label(score: float, band: float = NEUTRAL_BAND) -> str:
    """Turn a score in [-1, 1] into the label of its sign."""
    return POSITIVE if score > band else NEGATIVE if score < -band else NEUTRAL


def text_of(row: Row, column: str) -> str:
    """Return the column's text as it stands, which must not be blank."""
    text = row.values[column]
    if not text.strip():
        raise refused(row, column, text, "a text")
    return text


def label_of(row: Row, column: str, allowed: tuple[str, ...]) -> str:
    """Return the column's label in lower case, one of those allowed."""
    label = row.values[column].strip().lower()
    if label not in allowed:
        raise refused(row, column, row.values[column], " | ".join(allowed))
    return label


def number_of(row: Row, column: str, low: float, high: float) -> float:
    """Return the column's number, within the bounds, both included."""
    raw = row.values[column]
    number = parsed(raw)
    if number is None or not low <= number <= high:
        raise refused(row, column, raw, f"a number from {low:g} to {high:g}")
    return number


def parsed(raw: object) -> float | None:
    """Read a finite number, None where there is none."""
    try:
        number = float(raw) if isinstance(raw, str | int | float) and not isinstance(raw, bool) else math.nan
    except (ValueError, OverflowError):
        return None
    return number if math.isfinite(number) else None


def refused(row: Row, column: str, found: str, allowed: str) -> InvalidInput:
    return InvalidInput(
        "LABELLED_ROW_INVALID",
        "Correct the row or remove it",
        path=row.path,
        line=row.line,
        field=column,
        found=shown(found),
        allowed=allowed,
    )


def shown(found: object) -> str:
    """Quote a value for a message, cut where it is long."""
    text = str(found)
    return repr(text if len(text) <= _SHOWN else text[: _SHOWN - 1] + "…")
