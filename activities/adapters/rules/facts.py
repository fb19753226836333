"""Numbers a sentence states about a quantity it names, each with the words it stands in."""

from __future__ import annotations

import re
from collections.abc import Iterable
from decimal import Decimal

from activities.adapters.rules import lexicon
from activities.adapters.rules.phrases import Hit, Kind
from activities.adapters.rules.scoring import Reading
from activities.adapters.rules.tokens import word_set
from domain.extraction import EventType, Fact
from domain.text import StatedNumber, numbers_in, states_number

MAX_FACTS = 8
_REACH = 16
"""Words between a quantity and its number."""
_MAX_QUOTE = 240
_GUIDED_REACH = 60
"""Characters between what is expected and its number."""
_EPS = re.compile(r"\b(?:eps|earnings per share|loss per share)\b", re.IGNORECASE)
_PER_SHARE = re.compile(
    r"\s*(?:per|a)\s+(?P<kind>diluted\s+|basic\s+)?(?:common\s+)?share(?P<after>\s+on\s+a\s+diluted\s+basis)?",
    re.IGNORECASE,
)
_SINGLE = frozenset({"eps", "dividend", "margin"})
"""Quantities that come in no millions."""
_NOT_PROFIT = re.compile(
    r"\bcash\b|\breturn on\b|\bro(?:i|e|ce)\b|\b(?:commission|fee|interest) income\b", re.IGNORECASE
)
"""Quantities that count like earnings for a sentence's sign, and are none."""
_PARTIAL = word_set(
    "online comparable store stores segment center subscription advertising licensing digital wholesale retail "
    "international domestic organic services service products product"
)
"""Words before a quantity that make it a part of the company's."""
_OF_THE_WHOLE = word_set(
    "total net record quarterly annual gaap adjusted consolidated our the its first second third fourth full fiscal "
    "year "
    "quarter diluted basic core operating gross group reported strong solid higher lower q1 q2 q3 q4 non underlying"
)
_EXPECTED = re.compile(
    r"\b(?:expects?|expecting|expected to|anticipates?|forecasts?|foresees?|projects?|guid(?:es|ance)|outlook|"
    r"targets?|sees|"
    r"estimates?|"
    r"re-?affirm\w*|reiterat\w*|now sees|in the range of)\b",
    re.IGNORECASE,
)
_COMPARED = re.compile(
    r"\b(?:beat|beats|beating|miss\w*|topp\w*|tops|exceed\w*|above|below|analysts?|consensus|jump\w*|rose|fell|grew|"
    r"dropped)\b",
    re.IGNORECASE,
)
"""Words of what has been: a forecast in such a sentence is somebody's, and the number is not it."""
_SUPPOSED = re.compile(r"\bwould have\b", re.IGNORECASE)
_UP_TO = re.compile(r"(?:\s*(?:to|and|through|-|–|—)\s*(?:approximately\s+|about\s+)?)(?:US)?[$€£]?\s*", re.IGNORECASE)
_BEFORE = re.compile(
    r"\b(?:from|compared (?:to|with)|versus|vs\.?|against)\s+(?:[^\s\d]+\s+){0,4}[$€£(]*$", re.IGNORECASE
)
_TRADED = re.compile(r"(?:acquired|disposed of) (?P<shares>[\d.]+) [^\n;,]{1,80}")
_QUANTITY = re.compile(
    r"\b(?:earnings per share|eps|revenues?|net sales|sales|earnings|profit|net income|income|margin|ebitda|"
    r"per share)\b",
    re.IGNORECASE,
)
_ELSEWHERE = re.compile(
    r"\b(?:driven by|due to|offset by|result(?:ing|ed) from|because|impact of|attributable to (?:a|an|the)\b)|"
    r"\b(?:increas\w+|decreas\w+|rose|fell|grew|declin\w+|up|down|higher|lower)(?: by| of)?(?: approximately|"
    r" about)?\s+"
    r"[$€£]?$",
    re.IGNORECASE,
)
"""Between a quantity and a number: the number is a cause's, or an amount by which the quantity changed."""
_ON_BASIS = re.compile(r"(?:\s*\)?\s*,?\s*on an? (?P<kind>non-GAAP|adjusted|GAAP) basis)", re.IGNORECASE)
_LEVEL = re.compile(r"\b(?:to|at|was|were|is)\s+[$€£]?$", re.IGNORECASE)
_DECLARED = re.compile(r"\bdividends?\b", re.IGNORECASE)
_SALES = re.compile(r"\b(?:sales|revenues?|turnover|invoicing)\b", re.IGNORECASE)
_PERIOD = re.compile(
    r"\b(?:(?P<q>[1-4])Q|Q(?P<q2>[1-4])|(?:fiscal )?(?P<name>first|second|third|fourth)[ "
    r"-](?:fiscal )?quarter)(?:\s+(?:of\s+)?(?:fiscal\s+)?(?:year\s+)?(?P<year>(?:19|20)\d\d))?"
    r"|\b(?:full[ -]year|fiscal(?: year)?|in|for)\s+(?P<only>(?:19|20)\d\d)\b"
    r"|\b(?P<bare>(?:19|20)\d\d)(?=\s+(?:full[ -]year\s+)?(?:revenue|profit|earnings|sales|eps|net|income)\b)"
    r"|\b(?P<length>quarter|year|months|weeks?)\b[^.;,\n]{0,20}\s+end(?:ed|ing)\s+"
    r"(?P<month>[A-Z][a-z]{2,8})\.?\s+(?P<day>\d{1,2}),\s+(?P<in>(?:19|20)\d\d)",
    re.IGNORECASE,
)
_QUARTERS = {"first": "1", "second": "2", "third": "3", "fourth": "4"}
_MONTHS = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")
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
_FORECAST = frozenset({EventType.EARNINGS, EventType.GUIDANCE})
_COUNTED = frozenset({EventType.LABOUR, EventType.RECALL_SAFETY, EventType.CONTRACT, EventType.INSIDER_OWNERSHIP})
_NOT_A_PRICE = re.compile(
    r"\s+(?:charge|fine|penalty|settlement|loan|bridge|lawsuit|loss|profit|in (?:sales|revenue|debt|cash|assets))\b"
)
_PEOPLE = re.compile(
    r"\s*(?:of its\s+)?(?P<unit>jobs|workers|employees|people|staff|positions|vehicles|cars|trucks|units|"
    r"aircraft|planes|barrels|shares)\b"
)


def facts_of(
    text: str, start: int, end: int, reading: Reading, event: EventType, own: Iterable[str] | None = None
) -> tuple[Fact, ...]:
    """List the facts of the sentence `text[start:end]`; every quote stands in the text and states its number.

    `own` are the names of the company whose document it is, None where it is about anybody: there a sentence that opens
    with another name and a quantity ("Creative revenue grew to ...") is about a part of the company.
    """
    sentence = text[start:end]
    if not any(token.is_number for token in reading.tokens):
        return ()
    numbers = numbers_in(sentence)
    found: list[Fact] = []
    if event in _FORECAST or event is EventType.KPI_SALES:
        found += _guided(sentence, numbers)
    is_told = (
        not found and _SUPPOSED.search(sentence) is None and not (own is not None and _opens_with_a_part(reading, own))
    )
    for at, hit in enumerate(reading.hits if is_told else ()):
        if hit.entry.kind is Kind.METRIC and event in _REPORTED:
            found += _metric_facts(sentence, start, reading, at, numbers)
    if event in (EventType.MA_TARGET, EventType.MA_ACQUIRER):
        found += _deal_value(sentence, numbers)
    if event in _COUNTED:
        found += _units(sentence, numbers)
    if event is EventType.INSIDER_OWNERSHIP:
        found += _traded(sentence, numbers)
    if event in _FORECAST and is_told and not any(fact.metric == "eps" for fact in found):
        found += _per_share(sentence, numbers, "eps")
    if event is EventType.BUYBACK_DIVIDEND and _DECLARED.search(sentence) and not found:
        found += _per_share(sentence, numbers, "dividend") or _dividend(sentence, numbers)
    unique = {(fact.metric, fact.value, fact.unit): fact for fact in reversed(found)}
    kept = [fact for fact in reversed(unique.values()) if states_number(fact.quote, fact.value, fact.scale)]
    return tuple(kept[:MAX_FACTS])


def _opens_with_a_part(reading: Reading, own: Iterable[str]) -> bool:
    """Whether nothing but capitalised words, none of them a company's, stands before the first quantity."""
    first = next((hit.first for hit in reading.hits if hit.entry.kind is Kind.METRIC), 0)
    before = reading.tokens[:first]
    words = {word.lower() for name in own for word in re.findall(r"\w+", name)}
    return 0 < len(before) <= 4 and all(
        token.has_capital and token.low not in _OF_THE_WHOLE and token.low not in words for token in before
    )


def _metric_facts(
    sentence: str, offset: int, reading: Reading, at: int, numbers: tuple[StatedNumber, ...]
) -> list[Fact]:
    """The first amount that follows a quantity, and behind a change in percent the amount it came to."""
    hit = reading.hits[at]
    begin = reading.tokens[hit.first].start - offset
    words = sentence[begin : reading.tokens[hit.last - 1].end - offset]
    metric = _metric_name(hit, words)
    before = {token.low for token in reading.tokens[max(0, hit.first - 2) : hit.first]}
    if not metric or _PARTIAL & {*before, *words.lower().split()}:
        return []
    last = min(len(reading.tokens), hit.last + _REACH)
    limit = reading.tokens[last - 1].end - offset
    for token in reading.tokens[hit.last : last]:
        if token.low in {";", ".", ":"}:
            limit = token.start - offset
            break
    for other in reading.hits[at + 1 :]:
        if other.entry.kind is Kind.METRIC and _ends_the_reach(sentence, offset, reading, other, metric):
            limit = min(limit, reading.tokens[other.first].start - offset)
            break
    found: list[Fact] = []
    for number in numbers:
        counted = metric != "units" or not number.currency
        if not (counted and begin <= number.start < limit and _is_amount(sentence, number)):
            continue
        based = _ON_BASIS.match(sentence, number.end)
        if found and not found[-1].unit and based is None:
            break
        if metric in _SINGLE and number.multiplier != 1:
            break
        quote = sentence[begin : based.end() if based else number.end].rstrip()
        between = sentence[begin : number.start]
        if len(quote) > _MAX_QUOTE:
            break
        if _BEFORE.search(between) or (not number.percent and _ELSEWHERE.search(between)):
            if found:
                break
            continue
        if found and number.percent and based is None:
            break
        sign = -1 if _is_minus(sentence, reading, at, hit, number, offset) else 1
        fact = _fact(metric, number, sentence, quote, sign)
        if _BEFORE.search(sentence[max(0, begin - 60) : begin]):
            fact = fact.model_copy(update={"comparator": "prior"})
        found.append(fact)
        if not number.percent and based is None:
            break
    return found


def _ends_the_reach(sentence: str, offset: int, reading: Reading, other: Hit, metric: str) -> bool:
    """Whether another quantity follows, to which the numbers behind it belong."""
    words = sentence[reading.tokens[other.first].start - offset : reading.tokens[other.last - 1].end - offset]
    return _NOT_PROFIT.search(words) is not None or _metric_name(other, "") not in {"", metric}


def _metric_name(hit: Hit, words: str) -> str:
    tag = hit.entry.tag
    if _EPS.search(words):
        return "eps"
    if _NOT_PROFIT.search(words):
        return ""
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


def _is_minus(sentence: str, reading: Reading, at: int, hit: Hit, number: StatedNumber, offset: int) -> bool:
    """A loss is a negative profit; a percentage after a fall is a negative change."""
    if number.value < 0:
        return False
    if not number.percent:
        return hit.entry.tag == lexicon.LOSS
    if _LEVEL.search(sentence[: number.start]):
        return False
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
        basis=_basis(sentence, number, quote),
        comparator="yoy" if _YEAR_BEFORE.search(sentence) else ("consensus" if _CONSENSUS.search(sentence) else ""),
        quote=quote,
    )


def _basis(sentence: str, number: StatedNumber, quote: str) -> str:
    """By which rules a figure is counted: what stands at it decides, else what the sentence says without a contrast."""
    based = _ON_BASIS.match(sentence, number.end)
    if based is not None:
        return "gaap" if based["kind"].lower() == "gaap" else "adjusted"
    begin = max(0, sentence.rfind(quote, 0, number.end))
    behind = sentence[number.end : number.end + 40].partition(" and ")[0]
    for words in (sentence[max(0, begin - 12) : number.end], behind, sentence[: number.end]):
        adjusted, gaap = _ADJUSTED.search(words) is not None, _GAAP.search(words) is not None
        if adjusted != gaap:
            return "adjusted" if adjusted else "gaap"
    return ""


def _period(sentence: str) -> str:
    match = _PERIOD.search(sentence)
    if match is None:
        return ""
    if match["length"]:
        month = _MONTHS.index(match["month"][:3].lower()) + 1 if match["month"][:3].lower() in _MONTHS else 0
        return f"{match['in']}-{month:02d}-{int(match['day']):02d}" if month else match["in"]
    quarter = match["q"] or match["q2"] or _QUARTERS.get((match["name"] or "").lower(), "")
    year = match["year"] or match["only"] or match["bare"] or ""
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


def _traded(sentence: str, numbers: tuple[StatedNumber, ...]) -> list[Fact]:
    """What an insider's report says was acquired or disposed of."""
    match = _TRADED.search(sentence)
    number = next((each for each in numbers if match and match.start("shares") == each.start), None)
    if match is None or number is None:
        return []
    return [Fact(metric="units", value=number.value, unit="shares", quote=match.group())]


def _per_share(sentence: str, numbers: tuple[StatedNumber, ...], metric: str) -> list[Fact]:
    """An amount per share: the diluted one where both are given."""
    found: list[tuple[bool, Fact]] = []
    for number in numbers:
        closed = sentence.startswith(")", number.end)
        match = _PER_SHARE.match(sentence, number.end + closed)
        if match is None or not (number.currency or number.subunit):
            continue
        if _BEFORE.search(sentence[max(0, number.start - 60) : number.start]) and found:
            break
        begin = max(0, number.start - 2 if closed else number.start - 1)
        if not closed:  # the bracket before it opens an aside
            number = number._replace(value=abs(number.value))
        diluted = "diluted" in (match["kind"] or "").lower() or bool(match["after"])
        found.append((diluted, _fact(metric, number, sentence, sentence[begin : match.end()].strip())))
    return [next((fact for diluted, fact in found if diluted), found[0][1])] if found else []


def _dividend(sentence: str, numbers: tuple[StatedNumber, ...]) -> list[Fact]:
    """A dividend without the words "per share": "raises quarterly dividend to 15 cents"."""
    for match in _DECLARED.finditer(sentence):
        for number in numbers:
            near = match.end() <= number.start <= match.end() + 40
            if near and (number.currency or number.subunit) and number.multiplier == 1:
                return [_fact("dividend", number, sentence, sentence[match.start() : number.end])]
    return []


def _guided(sentence: str, numbers: tuple[StatedNumber, ...]) -> list[Fact]:
    """What a company expects of a year: "$2.40 to $2.60 per share"; a single figure is both ends of its range.

    Where the scale stands behind the second number alone ("$10.0 to $10.5 billion") the first does not state its own,
    and only the upper end is a fact.
    """
    expected = _EXPECTED.search(sentence)
    if expected is None or _COMPARED.search(sentence):
        return []
    amounts = [each for each in numbers if each.start >= expected.end() and _is_amount(sentence, each)]
    found: list[Fact] = []
    begins = 0
    for quantity in _QUANTITY.finditer(sentence):
        low = next((each for each in amounts if each.start > max(quantity.end(), begins)), None)
        if low is None:
            break
        if low.start - max(quantity.end(), min(expected.end(), low.start)) > _GUIDED_REACH or quantity.start() < begins:
            continue
        high = next((each for each in amounts if each.start > low.start and _spans(sentence, low, each)), low)
        quote = sentence[quantity.start() : high.end].strip()
        begins = high.end
        if len(quote) > _MAX_QUOTE or _BEFORE.search(sentence[: low.start]):
            continue
        following = _PER_SHARE.match(sentence, high.end)
        per_share = _EPS.search(quote) is not None or following is not None
        for metric, number in (("guidance_low", low), ("guidance_high", high)):
            if number is low and low.multiplier != high.multiplier:
                continue
            fact = _fact(metric, number, sentence, quote)
            found.append(fact.model_copy(update={"unit": "per share"}) if per_share and not number.percent else fact)
    return found


def _spans(sentence: str, low: StatedNumber, high: StatedNumber) -> bool:
    """Whether two numbers are the ends of a range."""
    alike = low.percent == high.percent or not low.percent
    return alike and _UP_TO.fullmatch(sentence, low.end, high.start) is not None
