"""The packaged demo: a real fortnight of prices and news, small enough to travel with the package."""

from __future__ import annotations

from datetime import date
from importlib import resources
from pathlib import Path

FIRST_SESSION = date(2014, 7, 14)
"""First New York session of the demo fortnight; bars begin 92 sessions earlier."""
LAST_SESSION = date(2014, 7, 25)
"""Last session of the fortnight, and of the bars."""


def documents_path() -> Path:
    """Locate the documents: JSON Lines with title, text, published_at, tickers, publisher and url."""
    return _path("documents.jsonl")


def bars_path() -> Path:
    """Locate the raw daily bars: symbol, session, open, high, low, close, volume; sorted by symbol and session."""
    return _path("bars.csv")


def actions_path() -> Path:
    """Locate dividends and splits: symbol, ex_date, cash_dividend, split_ratio (new shares per old share)."""
    return _path("actions.csv")


def _path(name: str) -> Path:
    # Workers open these files by path, so the package must be installed as files and not run from a zip archive.
    return Path(str(resources.files(__name__) / name))
