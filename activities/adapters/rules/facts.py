"""Numbers a sentence states about a quantity it names, each with the words it stands in."""

from __future__ import annotations

import re
from decimal import Decimal

from activities.adapters.rules import lexicon
from activities.adapters.rules.phrases import Hit, Kind
from activities.adapters.rules.scoring import Reading
from domain.extraction import EventType, Fact
from domain.text import StatedNumber, numbers_in, states_number

MAX_FACTS = 6
_REACH = 16
"""Words between a quantity and its number."""
_MAX_QUOTE = 240
_EPS = re.compile(r"\b(?:eps|earnings per share|loss per share)\b", re.IGNORECASE)
_PER_SHARE = re.compile(r"\s*(?:per|a)\s+share", re.IGNORECASE)
_SALES = re.compile(r"\b(?:sales|revenues?|turnover|invoicing)\b", re.IGNORECASE)
_PERIOD = re.compile(
    r"\b(?:(?P<q>[1-4])Q|Q(?P<q2>[1-4])|(?P<name>first|second|third|fourth)[ "
    r"-]quarter)(?:\s+(?:of\s+)?(?P<year>(?:19|20)\d\d))?"
    r"|\b(?:full[ -]year|fiscal|in|for)\s+(?P<only>(?:19|20)\d\d)\b",
    re.IGNORECASE,
)
_QUARTERS = {"first": "1", "second": "2", "third": "3", "fourth": "4"}
_ADJUSTED = re.compile(r"\b(?:adjusted|underlying|excluding|comparable|before items|non-gaap|core)\b", re.IGNORECASE)
_GAAP = re.compile(r"(?<!non-)\bGAAP\b", re.IGNORECASE)
_YEAR_BEFORE = re.compile(
    r"\byear[ -](?:on[ -]year|ago|earlier|over[ -]year)|\b(?:last|previous|prior|corresponding) (?:year|"
    r"period)|\ba year\b",
    re.IGNORECASE,
)
_CONSENSUS = re.compile(r"\b(?:consensus|analysts?|estimates?|expectations|Wall Street)\b")
_SCALE_NAMES = {
    Decimal(10) ** 3: "thousand",
    Decimal(10) ** 6: "million",
    Decimal(10) ** 9: "billion",
    Decimal(10) ** 12: "trillion",
}
_REPORTED = frozenset(
    {EventType.EARNINGS, EventType.GUIDANCE, EventType.KPI_SALES, EventType.BUYBACK_DIVIDEND, EventType.OTHER}
)
"""Kinds of events whose quantities are the company's own figures."""
_NOT_A_PRICE = re.compile(
    r"\s+(?:charge|fine|penalty|settlement|loan|bridge|lawsuit|loss|profit|in (?:sales|revenue|debt|cash|assets))\b"
)
_PEOPLE = re.compile(
    r"\s*(?:of its\s+)?(?P<unit>jobs|workers|employees|people|staff|positions|vehicles|cars|trucks|units|"
    r"aircraft|planes|barrels)\b"
)


def facts_of(text: str, start: int, end: int, reading: Reading, event: EventType) -> tuple[Fact, ...]:
    """List the facts of the sentence `text[start:end]`; every quote stands in the text and states its number."""
    sentence = text[start:end]
    if not any(token.is_number for token in reading.tokens):
        return ()
    numbers = numbers_in(sentence)
    found: list[Fact] = []
    for at, hit in enumerate(reading.hits):
        if hit.entry.kind is Kind.METRIC and event in _REPORTED:
            fact = _metric_fact(sentence, start, reading, at, numbers)
            if fact is not None:
                found.append(fact)
    if event in (EventType.MA_TARGET, EventType.MA_ACQUIRER):
        found += _deal_value(sentence, numbers)
    if event in (EventType.LABOUR, EventType.RECALL_SAFETY, EventType.CONTRACT):
        found += _units(sentence, numbers)
    if event in (EventType.EARNINGS, EventType.GUIDANCE) and not any(fact.metric == "eps" for fact in found):
        found += _per_share(sentence, numbers)
    unique = {(fact.metric, fact.value, fact.unit): fact for fact in reversed(found)}
    kept = [fact for fact in reversed(unique.values()) if states_number(fact.quote, fact.value, fact.scale)]
    return tuple(kept[:MAX_FACTS])


def _metric_fact(
    sentence: str, offset: int, reading: Reading, at: int, numbers: tuple[StatedNumber, ...]
) -> Fact | None:
    hit = reading.hits[at]
    begin = reading.tokens[hit.first].start - offset
    words = sentence[begin : reading.tokens[hit.last - 1].end - offset]
    metric = _metric_name(hit, words)
    if not metric:
        return None
    last = min(len(reading.tokens), hit.last + _REACH)
    limit = reading.tokens[last - 1].end - offset
    for token in reading.tokens[hit.last : last]:
        if token.low in {";", ".", ":"}:
            limit = token.start - offset
            break
    for other in reading.hits[at + 1 :]:
        if other.entry.kind is Kind.METRIC and _metric_name(other, "") not in {"", metric}:
            limit = min(limit, reading.tokens[other.first].start - offset)
            break
    for number in numbers:
        counted = metric != "units" or not number.currency
        if counted and begin <= number.start < limit and _is_amount(sentence, number):
            quote = sentence[begin : number.end].rstrip()
            if len(quote) > _MAX_QUOTE:
                return None
            sign = -1 if _is_minus(reading, at, hit, number, offset) else 1
            return _fact(metric, number, sentence, quote, sign)
    return None


def _metric_name(hit: Hit, words: str) -> str:
    tag = hit.entry.tag
    if _EPS.search(words):
        return "eps"
    if tag in (lexicon.EARNINGS_METRIC, lexicon.LOSS):
        return "profit"
    if tag == lexicon.SALES_METRIC:
        return "revenue" if not words or _SALES.search(words) else "units"
    return {"margin": "margin", lexicon.DIVIDEND: "dividend"}.get(tag, "")


def _is_amount(sentence: str, number: StatedNumber) -> bool:
    """Leave out years, days and counts of months."""
    if number.currency or number.percent or number.subunit or number.multiplier != 1:
        return True
    return "." in sentence[number.start : number.end]


def _is_minus(reading: Reading, at: int, hit: Hit, number: StatedNumber, offset: int) -> bool:
    """A loss is a negative profit; a percentage after a fall is a negative change."""
    if number.value < 0:
        return False
    if not number.percent:
        return hit.entry.tag == lexicon.LOSS
    for other in reading.hits[at + 1 :]:
        if reading.tokens[other.first].start - offset >= number.start:
            break
        if other.entry.kind is Kind.DIRECTION:
            return other.entry.value < 0
    return False


def _fact(metric: str, number: StatedNumber, sentence: str, quote: str, sign: int = 1) -> Fact:
    unit = "percent" if number.percent else ("cents" if number.subunit else "")
    return Fact(
        metric=metric,
        value=number.value * sign,
        unit=unit,
        currency="" if number.percent else number.currency,
        scale=_SCALE_NAMES.get(number.multiplier, ""),
        period=_period(sentence),
        basis="adjusted" if _ADJUSTED.search(sentence) else ("gaap" if _GAAP.search(sentence) else ""),
        comparator="yoy" if _YEAR_BEFORE.search(sentence) else ("consensus" if _CONSENSUS.search(sentence) else ""),
        quote=quote,
    )


def _period(sentence: str) -> str:
    match = _PERIOD.search(sentence)
    if match is None:
        return ""
    quarter = match["q"] or match["q2"] or _QUARTERS.get((match["name"] or "").lower(), "")
    year = match["year"] or match["only"] or ""
    return f"{year}Q{quarter}" if quarter and year else (f"Q{quarter}" if quarter else year)


def _deal_value(sentence: str, numbers: tuple[StatedNumber, ...]) -> list[Fact]:
    for number in numbers:
        aside = _NOT_A_PRICE.match(sentence, number.end)
        if number.currency and number.multiplier >= 10**6 and number.value > 0 and aside is None:
            begin = max(0, number.start - 4)
            while begin > 0 and not sentence[begin - 1].isspace():
                begin -= 1
            return [_fact("deal_value", number, sentence, sentence[begin : number.end])]
    return []


def _units(sentence: str, numbers: tuple[StatedNumber, ...]) -> list[Fact]:
    for number in numbers:
        match = _PEOPLE.match(sentence, number.end)
        if match is not None and not number.currency and not number.percent:
            quote = sentence[number.start : match.end()]
            return [
                Fact(metric="units", value=number.value * number.multiplier, unit=match["unit"].lower(), quote=quote)
            ]
    return []


def _per_share(sentence: str, numbers: tuple[StatedNumber, ...]) -> list[Fact]:
    for number in numbers:
        match = _PER_SHARE.match(sentence, number.end)
        if match is not None and (number.currency or number.subunit):
            begin = max(0, number.start - 1)
            return [_fact("eps", number, sentence, sentence[begin : match.end()].strip())]
    return []
