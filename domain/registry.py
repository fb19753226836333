"""Who is followed, and how companies relate: payloads of the registry."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from datetime import date
from enum import StrEnum
from typing import Annotated, Self

from pydantic import AfterValidator, Field, StringConstraints, model_validator

from domain.model import Model

_PRINTABLE = r"^[^\x00-\x1f\x7f]*$"
_TICKER = re.compile(r"[A-Z0-9][A-Z0-9.\-/]{0,19}")

Symbol = Annotated[str, Field(pattern=r"^[A-Z0-9][A-Z0-9.\-]{0,19}$")]
"""What a company is called by everywhere here: its ticker of today, in capitals."""
Line = Annotated[str, StringConstraints(strip_whitespace=True, max_length=200, pattern=_PRINTABLE)]
"""One line of text, which may be empty."""
Name = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=200, pattern=_PRINTABLE)]

Note = Annotated[str, StringConstraints(strip_whitespace=True, max_length=2_000, pattern=r"^[^\x00]*$")]


def _cik(value: str) -> str:
    digits = value.strip()
    if not digits:
        return ""
    if not re.fullmatch(r"[0-9]{1,10}", digits) or not int(digits):
        raise ValueError("a central index key of up to ten digits is needed, or nothing")
    return digits.zfill(10)


Cik = Annotated[str, Field(max_length=20), AfterValidator(_cik)]
"""A central index key with its leading zeros; empty: unknown."""


def _require_order(first: date | None, last: date | None) -> None:
    if first is not None and last is not None and last < first:
        raise ValueError(f"the first day must not lie behind the last, found {first} and {last}")


class NameKind(StrEnum):
    """What an alias is. A ticker belongs to a company on the days of its validity alone."""

    TICKER = "ticker"
    NAME = "name"
    FORMER_NAME = "former_name"
    BRAND = "brand"
    AMBIGUOUS = "name_ambiguous"
    """Known to mean other things as well: never looked for in texts."""


class Alias(Model):
    """A name or a former ticker, with the days on which it was valid, both included; None: open."""

    alias: Annotated[str, Field(min_length=1, max_length=200)]
    kind: NameKind
    valid_from: date | None = None
    valid_to: date | None = None


class NewAlias(Alias):
    """An alias as a person adds it."""

    alias: Name

    @model_validator(mode="after")
    def _is_one(self) -> Self:
        _require_order(self.valid_from, self.valid_to)
        if self.kind is NameKind.TICKER and not _TICKER.fullmatch(self.alias):
            raise ValueError("a ticker of capital letters, digits, dots and dashes is needed")
        return self


class CompanyKind(StrEnum):
    STOCK = "stock"
    ETF = "etf"


class NewCompany(Model):
    """A company as a person adds it."""

    symbol: Symbol
    name: Name
    kind: CompanyKind = CompanyKind.STOCK
    sector: Line = ""
    industry: Line = ""
    cik: Cik = ""
    exchange: Line = ""
    active_from: date | None = None
    """First day on which the symbol was traded; None: unknown, and taken for every day before."""
    active_to: date | None = None

    @model_validator(mode="after")
    def _days_are_in_order(self) -> Self:
        _require_order(self.active_from, self.active_to)
        return self


class CompanyChange(Model):
    """What a person changes about a company: what is not given stays as it is."""

    name: Name = ""
    kind: CompanyKind = CompanyKind.STOCK
    sector: Line = ""
    industry: Line = ""
    cik: Cik = ""
    exchange: Line = ""
    active_from: date | None = None
    active_to: date | None = None
    followed: bool = True


class TickerUse(Model):
    """The days on which a company carries a ticker, both included; None: open."""

    ticker: str
    """In one spelling: `domain.resolution.canonical_label`."""
    symbol: str
    valid_from: date | None = None
    valid_to: date | None = None

    def overlaps(self, other: TickerUse) -> bool:
        """Whether both are the same ticker and share a day."""
        return (
            self.ticker == other.ticker
            and (self.valid_from is None or other.valid_to is None or self.valid_from <= other.valid_to)
            and (other.valid_from is None or self.valid_to is None or other.valid_from <= self.valid_to)
        )

    def days(self) -> str:
        """`2004-08-19..2014-04-02`; an open end is empty, and `always` has none."""
        if self.valid_from is None and self.valid_to is None:
            return "always"
        return f"{self.valid_from or ''}..{self.valid_to or ''}"


def ticker_uses(own: TickerUse, given: Iterable[TickerUse]) -> Iterator[TickerUse]:
    """All tickers of a company: the given ones, and its own letters.

    Own letters that are given with days are carried on those days alone, otherwise for as long as the company is
    active: what `own` says.
    """
    dated = False
    for use in given:
        dated = dated or use.ticker == own.ticker
        yield use
    if not dated:
        yield own


def clash(uses: Iterable[TickerUse], others: Iterable[TickerUse]) -> tuple[TickerUse, TickerUse] | None:
    """The first use that another company's contradicts: a ticker means one company a day. None where all agree."""
    by_ticker: dict[str, list[TickerUse]] = {}
    for other in others:
        by_ticker.setdefault(other.ticker, []).append(other)
    for use in uses:
        for other in by_ticker.get(use.ticker, ()):
            if other.symbol != use.symbol and use.overlaps(other):
                return use, other
    return None


class CompanyDetails(Model):
    """What a vendor knows about a company. It completes the registry; what a person wrote there stays."""

    symbol: str
    name: str = ""
    kind: str = ""
    """`stock` or `etf`; empty: unknown."""
    exchange: str = ""
    cik: str = ""
    industry: str = ""
    active_from: date | None = None
    active_to: date | None = None
    aliases: tuple[Alias, ...] = ()


class NewWatchlist(Model):
    """A watchlist as a person makes it."""

    name: Name
    description: Note = ""


class WatchlistChange(Model):
    """What a person changes about a watchlist: what is not given stays as it is."""

    name: Name = ""
    description: Note = ""


class LinkStatus(StrEnum):
    """Only confirmed links take part in signals."""

    PROPOSED = "proposed"
    CONFIRMED = "confirmed"
    REJECTED = "rejected"


class MacroFactor(StrEnum):
    """What a company may be exposed to."""

    RATES = "rates"
    USD = "usd"
    OIL = "oil"
    REGULATION = "regulation"
    REGION = "region"
    SECTOR = "sector"


_NAMED = (MacroFactor.REGION, MacroFactor.SECTOR)
_FACTOR_NAME = re.compile(r"[^\W_][\w &.,'()/-]{0,59}")


def factor_of(key: str) -> tuple[MacroFactor, str]:
    """Read what an exposure is to: `oil` is (OIL, ""), `region:Europe` is (REGION, "Europe").

    Raises:
        ValueError: it is no factor, or a factor that is not named further is.
    """
    factor, colon, name = key.partition(":")
    if factor not in set(MacroFactor):
        raise ValueError(f"one of {', '.join(MacroFactor)} is needed, or one of {_named_further()}")
    found = MacroFactor(factor)
    if colon and (found not in _NAMED or not _FACTOR_NAME.fullmatch(name)):
        raise ValueError(f"only {_named_further()} go on behind a colon, with a name of at most 60 characters")
    return found, name


def _named_further() -> str:
    return ", ".join(f"{factor}:NAME" for factor in _NAMED)


def _factor_key(key: str) -> str:
    factor_of(key)
    return key


ExposureKey = Annotated[str, Field(max_length=80), AfterValidator(_factor_key)]
Exposure = Annotated[float, Field(ge=-1, le=1)]
Exposures = Annotated[dict[ExposureKey, Exposure], Field(max_length=200)]
"""Signed exposures by factor: +1 gains as much as the factor rises, -1 loses as much. Not named: none known."""


Strength = Annotated[float, Field(ge=0, le=1)]


class NewCompetitor(Model):
    """A competitor as a person adds it: in force at once, unless it is only proposed."""

    competitor: Symbol
    strength: Strength
    status: LinkStatus = LinkStatus.CONFIRMED
    reasons: Annotated[tuple[Note, ...], Field(max_length=20)] = ()


class LinkChange(Model):
    """What a person changes about a link: what is not given stays as it is."""

    strength: Strength = 0.0
    status: LinkStatus = LinkStatus.PROPOSED


class CompetitorProposal(Model):
    """A link that the evidence suggests and a person decides on."""

    symbol: str
    competitor: str
    strength: Strength
    reasons: tuple[str, ...]
    """In plain words, each with its source: shared industry, mentions together, a sentence of a 10-K."""
