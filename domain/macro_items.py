"""What the book holds of statements on the economy, and which factor each of them moves."""

from __future__ import annotations

import math
import re
import unicodedata
from collections.abc import Iterable, Sequence
from datetime import date, datetime
from decimal import Decimal, InvalidOperation
from typing import Annotated

from pydantic import Field

from domain.documents import Credibility
from domain.extraction import ExtractorKind
from domain.macro import MacroTopic, Surprise
from domain.model import Model, Utc
from domain.registry import MacroFactor
from domain.text import states_number


class MacroItem(Model):
    """What one document says on one factor of the economy: the unit that factor states are made of.

    A row of `macro_events` with what its document and its extraction say of themselves.
    """

    macro_event_id: str
    doc_id: str
    extraction_id: str
    available_at: Utc
    topic: MacroTopic
    factor: MacroFactor
    name: str = ""
    """Which region or sector, as the text writes it; empty: it does not say."""
    region: str = ""
    """Whose economy, as the text writes it; empty: it does not say."""
    direction: Annotated[float, Field(ge=-1, le=1, allow_inf_nan=False)]
    """How far the factor goes up."""
    confidence: Annotated[float, Field(ge=0, le=1)]
    quote_validity: Annotated[float, Field(ge=0, le=1)] = 1.0
    surprise: Surprise | None = None
    credibility: Credibility
    extractor: ExtractorKind
    content_hash: str
    publisher: str = ""
    site: str = ""
    """Who answers for it; empty: the publisher. As for `EvidenceItem`."""
    title: str = ""
    quote: str = ""
    """The words that say so: where there is a surprise the quote that states it (see `telling_quote`)."""
    shingles: tuple[int, ...] = ()
    """Sorted 63-bit hashes of the document's 5-word shingles, for novelty."""


def telling_quote(quotes: Sequence[str], surprise: Surprise | None) -> str:
    """Choose the quote to keep: the first that states the surprise's figure, else the first; empty without any."""
    actual = _number(surprise.actual) if surprise is not None else None
    if actual is not None:
        for quote in quotes:
            if states_number(quote, actual):
                return quote
    return quotes[0] if quotes else ""


# -- names of factors -------------------------------------------------------------------------------------------------

_REGIONS = {
    "united states": ("us", "usa", "united states of america", "america"),
    "united kingdom": ("uk", "britain", "great britain"),
    "europe": ("eu", "european union", "euro zone", "eurozone", "euro area"),
}
_SECTORS = {
    "information technology": ("technology", "tech", "it"),
    "health care": ("healthcare",),
    "financials": ("financial", "financial services", "finance"),
    "consumer discretionary": ("consumer cyclical", "consumer cyclicals"),
    "consumer staples": ("consumer defensive", "staples"),
    "communication services": ("communications", "telecommunication services", "telecommunications", "telecom"),
    "industrials": ("industrial",),
    "materials": ("basic materials",),
    "utilities": ("utility",),
    "real estate": ("realty",),
}
_SAME_NAMES = {
    factor: {other: name for name, others in table.items() for other in others}
    for factor, table in ((MacroFactor.REGION, _REGIONS), (MacroFactor.SECTOR, _SECTORS))
}
_DROPPED = re.compile(r"[.'’]")
_SEPARATING = re.compile(r"[^\w]+")


def state_key(factor: MacroFactor, name: str = "") -> str:
    """Name a factor so that exposures and statements meet whatever the spelling: `region:united states`.

    Case, dots, apostrophes, a leading "the" and the kind of space or dash do not matter, `&` is "and". Usual names of
    one economy are one (U.S., USA, United States; UK and Britain; the EU and the euro zone are Europe), and so are
    those of one sector of the usual eleven (Technology, Information Technology). Any other name matches itself alone:
    Germany is not Europe. A region or a sector without a name is a factor of its own: what does not say whose economy
    it means moves nobody's exposure to a named one.
    """
    plain = _DROPPED.sub("", unicodedata.normalize("NFKC", name).casefold().replace("&", " and "))
    words = _SEPARATING.sub(" ", plain).split()
    if len(words) > 1 and words[0] == "the":
        words = words[1:]
    known = " ".join(words)
    known = _SAME_NAMES.get(factor, {}).get(known, known)
    return f"{factor.value}:{known}" if known and factor in _SAME_NAMES else factor.value


# -- surprises --------------------------------------------------------------------------------------------------------

FIGURES = frozenset({MacroTopic.POLICY_RATE, MacroTopic.INFLATION, MacroTopic.EMPLOYMENT, MacroTopic.GROWTH})
"""Topics of which a higher figure means more of the factor, so that a surprise has a sign.

Of employment only where the words tell which figure it is: more of the unemployed is less. Stocks of crude, deficits
and numbers of rules have no such sign.
"""
_LARGEST = Decimal(10) ** 15
_FEWER_IS_MORE = re.compile(r"\b(?:unemploy|jobless|layoff|claims)\w*", re.IGNORECASE)
_MORE_IS_MORE = re.compile(r"\b(?:payrolls?|employment|hiring|jobs?)\b", re.IGNORECASE)
_SIZE_OF_A_FALL = re.compile(
    r"\b(?:f[ae]ll(?:s|en|ing)?|declin\w+|drop(?:s|ped|ping)?|decreas\w+|slid\w*|sank|slump\w*|plung\w*|tumbl\w*|"
    r"shr[aiu]nk\w*|contract(?:s|ed|ing|ion)|down|lost|loss|cut(?:s|ting)?|lower\w*|reduc\w+)\b"
    r"(?:(?!\bto\b)[^.;,\d]){1,40}\d",
    re.IGNORECASE,
)


def sigma_key(topic: MacroTopic, unit: str) -> str:
    """Name a series of surprises: `inflation/percent`. Deviations are of one unit and of one topic."""
    return f"{topic.value}/{unit}"


def standard_surprise(item: MacroItem, sigma: float) -> float | None:
    """Measure z = (actual - expected) / sigma, above 0 where the factor is higher than was expected.

    None where nothing was expected, where a number cannot be read, or where the words leave the sign open: a size of a
    fall ("fell 0.4 percent" against 0.1) is no level, and a quote of payrolls and of unemployment alike is of neither.
    """
    if item.surprise is None or item.topic not in FIGURES or not 0.0 < sigma < math.inf:
        return None
    if _SIZE_OF_A_FALL.search(item.quote):
        return None
    actual, expected = _number(item.surprise.actual), _number(item.surprise.expected)
    if actual is None or expected is None:
        return None
    sign = _employment_sign(item.quote) if item.topic is MacroTopic.EMPLOYMENT else 1.0
    return sign * float(actual - expected) / sigma if sign else None


def surprise_sigmas(items: Iterable[MacroItem], *, before: datetime, minimum: int) -> dict[str, float]:
    """Find the deviations of the surprises that were told before an instant, about 0, by `sigma_key`.

    A release that several documents report counts once: the same figure and expectation of one topic, unit and UTC day.
    Figures of one topic and unit are taken together (payrolls with claims), as statements do not name their series.
    Series of fewer than `minimum` surprises, or of none but 0, are left out.
    """
    told: dict[str, dict[tuple[date, Decimal, Decimal], float]] = {}
    for item in items:
        if item.surprise is None or item.topic not in FIGURES or item.available_at >= before:
            continue
        actual, expected = _number(item.surprise.actual), _number(item.surprise.expected)
        if actual is not None and expected is not None:
            series = told.setdefault(sigma_key(item.topic, item.surprise.unit), {})
            series[item.available_at.date(), actual, expected] = float(actual - expected)
    return {
        key: math.sqrt(math.fsum(each * each for each in series.values()) / len(series))
        for key, series in sorted(told.items())
        if len(series) >= minimum and any(series.values())
    }


def _employment_sign(quote: str) -> float:
    fewer = _FEWER_IS_MORE.search(quote) is not None
    more = _MORE_IS_MORE.search(quote) is not None
    return 0.0 if fewer == more else (-1.0 if fewer else 1.0)


def _number(written: str) -> Decimal | None:
    try:
        value = Decimal(written.strip())
    except InvalidOperation:
        return None
    return value if value.is_finite() and abs(value) <= _LARGEST else None
