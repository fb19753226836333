"""Tickers in an entry: named by its elements, by the domain of its categories, or written in its title."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from functools import lru_cache

from domain.sources import TICKER_PLACE

MAX_TICKERS = 500
_DOMAINS = frozenset(
    {"symbol", "symbols", "ticker", "tickers", "stock", "stocks", "stock-symbol", "nasdaq", "nyse", "amex"}
)
_TICKER_FORM = r"[A-Z][A-Z0-9]{0,5}(?:[./-][A-Z]{1,2})?"
_TICKER = re.compile(_TICKER_FORM, re.ASCII)


def tickers_of(
    symbols: Iterable[str], categories: Iterable[tuple[str, str]], title: str, patterns: Sequence[str]
) -> tuple[str, ...]:
    """List an entry's tickers, each once, in order of appearance.

    Args:
        categories: domain (or scheme) and term: `https://www.globenewswire.com/rss/stock`, `Nasdaq:ABCD`.
    """
    labels = [*symbols]
    for domain, term in categories:
        *_, last_but_one, last = ["", *domain.strip().rstrip("/").rsplit("/", 2)]
        if last.lower() in _DOMAINS:
            labels.append(term)
        elif last_but_one.lower() in _DOMAINS:
            labels.append(last)
    for pattern in patterns:
        labels.extend(_expression(pattern).findall(title))
    found = (_bare(label) for label in labels)
    return tuple(dict.fromkeys(ticker for ticker in found if ticker))[:MAX_TICKERS]


def _bare(label: str) -> str:
    """`Nasdaq:ABCD` and `$abcd` are `ABCD`; empty for what has not the form of a ticker."""
    ticker = label.rpartition(":")[2].strip().removeprefix("$").upper()
    return ticker if _TICKER.fullmatch(ticker) else ""


@lru_cache(maxsize=64)
def _expression(pattern: str) -> re.Pattern[str]:
    before, _, after = pattern.partition(TICKER_PLACE)
    bounds = (r"(?<![A-Za-z0-9])", r"(?![A-Za-z0-9])")
    return re.compile(f"{re.escape(before) or bounds[0]}({_TICKER_FORM}){re.escape(after) or bounds[1]}", re.ASCII)
