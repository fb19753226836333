"""How biased a set of symbols is: a file that holds only survivors makes every strategy look better than it was."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date

from domain.model import Model


class SymbolSpan(Model):
    """First and last session of a symbol in a bar file."""

    symbol: str
    first: date
    last: date
    bars: int


class UniverseReport(Model):
    """What the bar file says about itself, and what follows for the reader."""

    symbols: int
    symbols_in_period: int
    listed_after_start: tuple[str, ...]
    """Symbols whose first bar lies inside the period."""
    ended_before_file: tuple[str, ...]
    """Symbols that stop trading before the file ends: what a file without survivorship bias has in numbers."""
    file_first: date
    file_last: date
    years_after_period: float
    survivorship_biased: bool
    verdict: str


def describe_universe(spans: Sequence[SymbolSpan], *, first: date, last: date) -> UniverseReport | None:
    """Describe the symbols of a bar file as a universe for the period; None where the file has none."""
    if not spans:
        return None
    file_last = max(span.last for span in spans)
    ended = tuple(sorted(span.symbol for span in spans if span.last < file_last))
    years = round((file_last - last).days / 365.25, 1)
    biased = not ended and years >= 0.5
    if biased:
        verdict = (
            f"All {len(spans)} symbols still trade on {file_last}, {years} years after the period: the file holds "
            "survivors only. Companies that failed, merged or were delisted meanwhile are missing, so results are "
            "better than anybody could have had, and the symbols were chosen with hindsight."
        )
    elif ended:
        verdict = (
            f"{len(ended)} of {len(spans)} symbols stop trading before the file ends on {file_last}: delisted "
            "companies are at least partly in the file. Whether all of them are cannot be seen from it."
        )
    else:
        verdict = (
            f"The file ends on {file_last}, too soon after the period to tell whether companies that disappear later "
            "are in it. Its symbols were chosen by whoever made it, with whatever hindsight they had."
        )
    return UniverseReport(
        symbols=len(spans),
        symbols_in_period=sum(1 for span in spans if span.first <= last and span.last >= first),
        listed_after_start=tuple(sorted(span.symbol for span in spans if first < span.first <= last)),
        ended_before_file=ended,
        file_first=min(span.first for span in spans),
        file_last=file_last,
        years_after_period=years,
        survivorship_biased=biased,
        verdict=verdict,
    )
