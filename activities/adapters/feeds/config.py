"""What an operator says about a feed."""

from __future__ import annotations

from typing import Annotated

from pydantic import AfterValidator, Field

from domain.documents import Credibility
from domain.model import Model

TICKER_PLACE = "{ticker}"


def _require_web_address(url: str) -> str:
    if not url.startswith(("https://", "http://")):
        raise ValueError(f"a feed's address must begin with https:// or http://, found {url[:40]!r}")
    return url


def _require_place(pattern: str) -> str:
    if pattern.count(TICKER_PLACE) != 1 or pattern == TICKER_PLACE:
        raise ValueError(f"a ticker pattern must hold {TICKER_PLACE} once and a text around it, found {pattern!r}")
    return pattern


class FeedConfig(Model):
    """One RSS or Atom feed."""

    url: Annotated[str, Field(max_length=2_000), AfterValidator(_require_web_address)]
    publisher: str = ""
    """Empty: the feed's own title."""
    credibility: Credibility = Credibility.UNKNOWN
    language: Annotated[str, Field(pattern=r"^[a-z]{2,3}$")] = "en"
    """Of feeds that do not name theirs."""
    ticker_patterns: Annotated[
        tuple[Annotated[str, Field(max_length=40), AfterValidator(_require_place)], ...], Field(max_length=10)
    ] = ()
    """How titles write tickers: `({ticker})`, `NYSE: {ticker}`. Plain text apart from the place, no expression."""
