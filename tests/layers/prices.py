"""Made-up and real prices as the book knows them."""

from __future__ import annotations

import csv
import gzip
from collections.abc import Collection, Sequence
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal

import numpy as np

from domain.bar_series import KnownBar
from domain.kernels import Floats
from domain.market import Bar
from tests.conftest import shared_data

FIRST = date(2010, 1, 4)
CLOSE = time(21, tzinfo=UTC)


def weekdays(count: int, first: date = FIRST) -> list[date]:
    """So many days from Monday to Friday."""
    days = (first + timedelta(days=n) for n in range(count * 2))
    return [day for day in days if day.weekday() < 5][:count]


def known(symbol: str, day: date, close: float) -> KnownBar:
    """A bar that is known at its close."""
    price = Decimal(f"{close:.6f}")
    bar = Bar(symbol=symbol, session=day, open=price, high=price, low=price, close=price, volume=1_000)
    return KnownBar(bar, datetime.combine(day, CLOSE))


def bars_of(
    symbol: str, returns: Sequence[float] | Floats, days: Sequence[date], start: float = 50.0
) -> list[KnownBar]:
    """Bars whose logarithm moves by the returns, one a day."""
    closes = start * np.exp(np.cumsum(np.asarray(returns)))
    return [known(symbol, day, float(close)) for day, close in zip(days, closes, strict=True)]


def real_bars(symbols: Collection[str], first: str, last: str) -> dict[str, list[KnownBar]]:
    """Raw daily bars of real stocks between two days."""
    found: dict[str, list[KnownBar]] = {symbol: [] for symbol in symbols}
    with gzip.open(shared_data("prices/daily_bars.csv.gz"), "rt") as lines:
        for row in csv.DictReader(lines):
            if row["symbol"] in found and first <= row["date"] <= last:
                prices = {name: Decimal(row[name]) for name in ("open", "high", "low", "close")}
                day = date.fromisoformat(row["date"])
                bar = Bar(symbol=row["symbol"], session=day, volume=int(row["volume"]), **prices)
                found[row["symbol"]].append(KnownBar(bar, datetime.combine(day, CLOSE)))
    return found


def real_yields(first: str, last: str) -> dict[date, float]:
    """The ten-year Treasury yield in percent between two days."""
    found: dict[date, float] = {}
    with gzip.open(shared_data("macro/daily-treasury-rates.csv.gz"), "rt") as lines:
        for row in csv.DictReader(lines):
            form = "%m/%d/%Y" if "/" in row["Date"] else "%m-%d-%Y"
            day = datetime.strptime(row["Date"], form).replace(tzinfo=UTC).date()
            if row["10 Yr"] and first <= day.isoformat() <= last:
                found[day] = float(row["10 Yr"])
    return found
