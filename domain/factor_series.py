"""Which series of the book stand for a factor of the economy, and their weekly changes.

Weeks end on Wednesdays, away from the days that holidays and weekends touch. A week is taken at its last day on which
every series has a value, so that all changes span the same days.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterable, Mapping, Sequence
from datetime import date
from enum import StrEnum

from domain.macro_items import state_key
from domain.model import Model
from domain.registry import ExposureKey, MacroFactor

Dated = Mapping[date, float]
"""Values by day."""


class SeriesKind(StrEnum):
    FIGURES = "figures"
    """Of a macro source: vintages that the book keeps."""
    BARS = "bars"
    """Closes with splits and dividends."""


class Change(StrEnum):
    DIFFERENCE = "difference"
    """Of yields in percent."""
    RELATIVE = "relative"
    """Of prices and indexes: the logarithm's."""


class FactorSeries(Model):
    """A series that stands for a factor: it rises when the factor does."""

    factor: ExposureKey
    kind: SeriesKind
    name: str
    change: Change = Change.RELATIVE

    def __str__(self) -> str:
        return f"{self.kind} of {self.name}" if self.kind is SeriesKind.BARS else f"{self.kind} {self.name}"


_REGIONS = {"United States": "SPY", "Europe": "VGK", "Japan": "EWJ", "China": "FXI", "United Kingdom": "EWU"}
_SECTORS = {
    "Communication Services": "XLC",
    "Consumer Discretionary": "XLY",
    "Consumer Staples": "XLP",
    "Energy": "XLE",
    "Financials": "XLF",
    "Health Care": "XLV",
    "Industrials": "XLI",
    "Information Technology": "XLK",
    "Materials": "XLB",
    "Real Estate": "XLRE",
    "Utilities": "XLU",
}
_FUNDS = {state_key(MacroFactor.SECTOR, name): (name, fund) for name, fund in _SECTORS.items()}
_WORLD = (
    FactorSeries(factor="rates", kind=SeriesKind.FIGURES, name="DGS10", change=Change.DIFFERENCE),
    FactorSeries(factor="usd", kind=SeriesKind.FIGURES, name="DTWEXBGS"),
    FactorSeries(factor="usd", kind=SeriesKind.FIGURES, name="DTWEXM"),
    FactorSeries(factor="usd", kind=SeriesKind.BARS, name="UUP"),
    FactorSeries(factor="oil", kind=SeriesKind.FIGURES, name="DCOILWTICO"),
    FactorSeries(factor="oil", kind=SeriesKind.FIGURES, name="DCOILBRENTEU"),
    FactorSeries(factor="oil", kind=SeriesKind.BARS, name="USO"),
    *(FactorSeries(factor=f"region:{name}", kind=SeriesKind.BARS, name=fund) for name, fund in _REGIONS.items()),
)
RISKLESS = ("DGS3MO", "DTB3", "DFF")
"""Figures of the riskless rate in percent a year, the first that the book has."""
WEEKS_A_YEAR = 52.0


def series_for(sector: str) -> tuple[FactorSeries, ...]:
    """Name the series that may stand for the factors of a company, of each factor the preferred one first.

    Of regulation there is none: nobody quotes it.
    """
    known = _FUNDS.get(state_key(MacroFactor.SECTOR, sector))
    if known is None:
        return _WORLD
    name, fund = known
    return (*_WORLD, FactorSeries(factor=f"sector:{name}", kind=SeriesKind.BARS, name=fund))


def levels(values: Dated, change: Change) -> dict[date, float]:
    """Values whose differences are the changes; what has no logarithm (oil below 0 dollars) is left out."""
    if change is Change.DIFFERENCE:
        return dict(values)
    return {day: math.log(value) for day, value in values.items() if value > 0.0}


def common_weeks(series: Iterable[Dated], *, before: date) -> list[date]:
    """Find the last day in common of every week that ended before a day, oldest first."""
    days = [values.keys() for values in series]
    common = set.intersection(*(set(each) for each in days)) if days else set()
    newest: dict[int, date] = {}
    for day in sorted(common):
        newest[_week(day)] = day
    return [day for week, day in sorted(newest.items()) if week < _week(before)]


def adjoining(days: Sequence[date]) -> list[tuple[date, date]]:
    """Pair each week's day with that of the week before; a week that is missing breaks the series."""
    return [(one, other) for one, other in itertools.pairwise(days) if _week(other) == _week(one) + 1]


def changes(values: Dated, weeks: Sequence[tuple[date, date]]) -> list[float]:
    """Take the change of every week, from the day before it to its own."""
    return [values[day] - values[before] for before, day in weeks]


def _week(day: date) -> int:
    """Number weeks from Thursday to Wednesday."""
    return (day.toordinal() - 4) // 7
