"""Ticker labels as sources write them."""

from __future__ import annotations

import re

_SEPARATORS = re.compile(r"[,;|\s]+")
_WRAPPING = "$()[]{}'\"“”"
_EXCHANGES = frozenset(
    {
        "NYSE",
        "NASDAQ",
        "NASD",
        "NASDAQGS",
        "NASDAQGM",
        "NASDAQCM",
        "AMEX",
        "ARCA",
        "NYSEARCA",
        "NYSEAMERICAN",
        "NYSEMKT",
    }
    | {"BATS", "CBOE", "OTC", "OTCMKTS", "XNYS", "XNAS", "XASE", "ARCX", "US", "UN", "UQ", "UW", "UR", "UA"}
)
_REUTERS_EXCHANGES = (".OQ", ".O", ".N")
"""New York and Nasdaq in Reuters codes. One-letter share classes end in A, B or another letter than these."""


def split_tickers(text: str) -> tuple[str, ...]:
    """Split a cell of labels on `,`, `;`, `|` and blanks; each once, in order of appearance."""
    return clean_tickers(_SEPARATORS.split(text))


def clean_tickers(labels: list[str]) -> tuple[str, ...]:
    """Reduce labels to bare upper-case tickers: `$ge`, `NYSE:GE`, `GE.N` and `GE:US` are all `GE`; `BRK.B` stays."""
    return tuple(dict.fromkeys(ticker for label in labels if (ticker := _bare(label))))


def _bare(label: str) -> str:
    ticker = label.strip().strip(_WRAPPING).upper()
    if ":" in ticker:
        left, _, right = ticker.rpartition(":")
        ticker = left if right in _EXCHANGES and left not in _EXCHANGES else right
        ticker = ticker.strip().strip(_WRAPPING)
    for suffix in _REUTERS_EXCHANGES:
        if ticker.endswith(suffix) and len(ticker) > len(suffix):
            return ticker.removesuffix(suffix)
    return ticker
