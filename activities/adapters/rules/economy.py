"""What a text says of the economy, by rules: topics, how they move, against what was expected, and whose economy it is.

Central banks' own words are read for their stance (see `stance`); releases and markets by a topic, the movement that
belongs to it, and the words that take it back.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

from activities.adapters.rules.stance import judge_stance, stance
from activities.adapters.rules.tokens import Span, sentences_of
from activities.adapters.rules.version import rules_version
from domain.extraction import Evidence, ExtractorKind
from domain.macro import MacroEvent, MacroInput, MacroReading, MacroTopic, Surprise
from domain.registry import MacroFactor
from domain.text import numbers_in

MAX_CHARS = 60_000
MAX_SENTENCES = 150
MAX_EVENTS = 6
MAX_EVIDENCE = 3
_NEAR = 90
"""So many characters may lie between a topic and the word that says how it moves."""
_STANCE_CALLED = 0.25

_FACTORS = {
    MacroTopic.POLICY_RATE: MacroFactor.RATES,
    MacroTopic.INFLATION: MacroFactor.RATES,
    MacroTopic.EMPLOYMENT: MacroFactor.REGION,
    MacroTopic.GROWTH: MacroFactor.REGION,
    MacroTopic.CURRENCY: MacroFactor.USD,
    MacroTopic.OIL: MacroFactor.OIL,
    MacroTopic.TRADE: MacroFactor.REGULATION,
    MacroTopic.REGULATION: MacroFactor.REGULATION,
}
"""Higher inflation means higher rates; more jobs and growth mean a stronger region; tariffs are stricter rules."""


@dataclass(frozen=True)
class _Topic:
    topic: MacroTopic
    pattern: re.Pattern[str]
    reversed: bool = False
    """More of it means less of the factor: unemployment."""


def _words(pattern: str) -> re.Pattern[str]:
    return re.compile(rf"\b(?:{pattern})\b", re.IGNORECASE)


_TOPICS = (
    _Topic(
        MacroTopic.POLICY_RATE,
        _words(
            r"interest rates?|federal funds rate|fed funds|(?:key|benchmark|policy|discount|repo|lending) rates?|"
            r"target range|basis points|monetary policy|quantitative easing|asset purchases|bond purchases|"
            r"bond-buying(?: program)?|rate (?:hikes?|increases?|cuts?)"
        ),
    ),
    _Topic(
        MacroTopic.INFLATION,
        _words(
            r"inflation|consumer prices?(?: index)?|producer prices?(?: index)?|core prices?|CPI|PPI|PCE|"
            r"price pressures?"
        ),
    ),
    _Topic(
        MacroTopic.EMPLOYMENT,
        _words(r"unemployment(?: rate)?|jobless(?: rate| claims)?|claims for unemployment benefits|layoffs"),
        reversed=True,
    ),
    _Topic(
        MacroTopic.EMPLOYMENT,
        _words(
            r"(?:nonfarm |non-farm |private )?payrolls?|employment|hiring|job (?:growth|gains|market)|labou?r market"
        ),
    ),
    _Topic(
        MacroTopic.GROWTH,
        _words(
            r"GDP|gross domestic product|economic (?:growth|activity|output)|the economy|retail sales|"
            r"industrial (?:production|output)|factory (?:orders|output|activity)|manufacturing(?: activity)?|"
            r"durable goods(?: orders)?|housing starts|home sales|building permits|consumer (?:spending|confidence|"
            r"sentiment)|business activity|services sector|PMI|ISM|trade (?:balance|surplus)|exports"
        ),
    ),
    _Topic(MacroTopic.CURRENCY, _words(r"the dollar|dollar index|greenback|U\.?S\.? dollar")),
    _Topic(
        MacroTopic.OIL,
        _words(r"oil prices?|crude(?: oil)?(?: prices?| futures)?|Brent|WTI|West Texas Intermediate|gasoline prices?"),
    ),
    _Topic(MacroTopic.TRADE, _words(r"tariffs?|import duties|export (?:controls?|curbs?|bans?)|sanctions|embargo")),
    _Topic(
        MacroTopic.REGULATION, _words(r"regulations?|capital requirements|banking rules|emissions? (?:rules|standards)")
    ),
)
_UP = _words(
    r"ris(?:e|es|en|ing)|rose|increas(?:e|es|ed|ing)|climb(?:s|ed|ing)?|gain(?:ed|ing)|recover(?:s|ed|ing)?|strong(?:er)?|solid|robust|healthy|jump(?:s|ed)?|surg(?:e|es|ed|ing)|"
    r"soar(?:s|ed)?|grew|grow(?:s|ing|n)?|expand(?:s|ed|ing)?|accelerat(?:e|es|ed|ing)|strengthen(?:s|ed|ing)?|higher|"
    r"rais(?:e|es|ed|ing)|hik(?:e|es|ed|ing)|tighten(?:s|ed|ing)?|rebound(?:s|ed)?|improv(?:e|es|ed|ing)|up|impos(?:e|es|ed|ing)|"
    r"stricter|tougher|firm(?:s|ed|er)|pick(?:s|ed)? up|record high|beat(?:s)?|topp?(?:s|ed)"
)
_DOWN = _words(
    r"fall(?:s|en|ing)?|fell|declin(?:e|es|ed|ing)|drop(?:s|ped|ping)?|decreas(?:e|es|ed|ing)|slid|slid(?:e|es|ing)|sank|"
    r"slump(?:s|ed)?|plung(?:e|es|ed|ing)|tumbl(?:e|es|ed|ing)|"
    r"shr(?:ank|ink|inks|unk)|contract(?:s|ed|ing|ion)|slow(?:s|ed|ing|er)?|"
    r"weaken(?:s|ed|ing)?|weak(?:er)?|soft(?:er|ened)?|sluggish|low|lower(?:s|ed|ing)?|cut(?:s|ting)?|eas(?:e|es|ed|ing)|reduc(?:e|es|ed|ing)|down|"
    r"lift(?:s|ed) (?:the )?(?:ban|embargo|sanctions)|scrap(?:s|ped)?|"
    r"suspend(?:s|ed)?|subdued|below|miss(?:es|ed)?|deteriorat(?:e|es|ed|ing)|recession"
)
_UNCHANGED = _words(
    r"unchanged|steady|flat|on hold|maintain(?:s|ed|ing)?|kept|keeps?|left|held|holds?|stable|little changed"
)
_CLAUSE = re.compile(r";|,?\s(?:but|while|whereas|although|though)\s|,\sand\s", re.IGNORECASE)
_NOT = _words(r"not|no|never|without|didn't|did not|won't|will not|unlikely|far from|failed to|rule[sd]? out|denied")
_MAYBE = _words(
    r"may|might|could|if|would|expected to|likely|plans? to|considering|weigh(?:s|ing)?|urged|called for|should"
)
_EXPECTED = re.compile(
    r"\b(?:(?:economists|analysts|forecasters|markets?)[^.;]{0,40}?(?:expect|forecast|predict|estimat|look)\w*|"
    r"(?:expectations|forecasts?|estimates?|consensus)(?: (?:for|of|was|were))?|versus|"
    r"compared with expectations of)\b",
    re.IGNORECASE,
)
_REGIONS = (
    ("United States", re.compile(r"\b(?:United States)\b")),
    ("U.S.", re.compile(r"\bU\.S\.")),
    ("US", re.compile(r"\bUS\b")),
    ("euro zone", re.compile(r"\beuro zone\b", re.IGNORECASE)),
    ("Europe", re.compile(r"\bEurope\b")),
    ("China", re.compile(r"\bChina\b")),
    ("Japan", re.compile(r"\bJapan\b")),
    ("Germany", re.compile(r"\bGermany\b")),
    ("Britain", re.compile(r"\bBritain\b")),
    ("UK", re.compile(r"\bUK\b")),
    ("India", re.compile(r"\bIndia\b")),
    ("Brazil", re.compile(r"\bBrazil\b")),
    ("Canada", re.compile(r"\bCanada\b")),
)
_CENTRAL_BANK = re.compile(
    r"\b(?:FOMC|Federal Open Market Committee|Federal Reserve|the Fed|Fed (?:chair|officials?|policymakers?)|"
    r"the Committee|ECB|European Central Bank|Bank of (?:England|Japan|Canada)|central bank)\b"
)


@dataclass(frozen=True)
class _Said:
    """What one sentence says of one topic."""

    topic: MacroTopic
    direction: float
    confidence: float
    span: Span
    surprise: Surprise | None = None


class RulesClassifier:
    """Reads what a text says of the economy: deterministic, pure and fast."""

    def __init__(self) -> None:
        self.version = rules_version()

    def __repr__(self) -> str:
        return f"RulesClassifier(version={self.version!r})"

    def classify(self, source: MacroInput) -> MacroReading:
        """Say how the factors move by the text. Every quote stands at its offsets in `source.text`."""
        text = source.text[:MAX_CHARS]
        said: dict[MacroTopic, list[_Said]] = {}
        for span in _sentences(text):
            for each in _read(text, span):
                said.setdefault(each.topic, []).append(each)
        region = _region(text)
        events = [_event(text, topic, found, region) for topic, found in said.items()]
        events = [event for event in events if event.direction or event.surprise is not None]
        events.sort(key=lambda event: (-abs(event.direction) * event.confidence, event.topic.value))
        return MacroReading(
            doc_id=source.doc_id,
            extractor=ExtractorKind.RULES,
            extractor_version=self.version,
            events=tuple(events[:MAX_EVENTS]),
        )


def _sentences(text: str) -> Iterator[Span]:
    for number, span in enumerate(sentences_of(text, 0, len(text))):
        if number >= MAX_SENTENCES:
            return
        yield span


def _read(text: str, span: Span) -> Iterator[_Said]:
    sentence = text[span.start : span.end]
    if _CENTRAL_BANK.search(sentence) is not None or _TOPICS[0].pattern.search(sentence) is not None:
        score = stance(sentence)
        if abs(score) >= _STANCE_CALLED:
            yield _Said(MacroTopic.POLICY_RATE, score, judge_stance(sentence)[1], span)
            return
    for topic in _TOPICS:
        match = topic.pattern.search(sentence)
        if match is None:
            continue
        direction = _movement(sentence, match)
        surprise = _surprise(sentence)
        if direction == 0.0 and surprise is None:
            continue
        if topic.reversed:
            direction = -direction
        yield _Said(topic.topic, direction, 0.7 if surprise is not None else 0.6, span, surprise)
        return


def _movement(sentence: str, topic: re.Match[str]) -> float:
    """How far the topic goes up by the nearest word of movement in its clause: +-.6, less where expected or denied."""
    first = max((cut.end() for cut in _CLAUSE.finditer(sentence, 0, topic.start())), default=0)
    after = _CLAUSE.search(sentence, topic.end())
    last = after.start() if after is not None else len(sentence)
    nearest: tuple[int, float, re.Match[str]] | None = None
    for pattern, sign in ((_UP, 1.0), (_DOWN, -1.0), (_UNCHANGED, 0.0)):
        for found in pattern.finditer(sentence, first, last):
            distance = max(found.start() - topic.end(), topic.start() - found.end(), 0)
            if distance <= _NEAR and (nearest is None or distance < nearest[0]):
                nearest = (distance, sign, found)
    if nearest is None or nearest[1] == 0.0:
        return 0.0
    _, sign, word = nearest
    strength = 0.6
    lead = sentence[max(0, word.start() - 30) : word.start()]
    if _NOT.search(lead) is not None:
        strength = -0.3
    elif _MAYBE.search(lead) is not None:
        strength = 0.3
    return sign * strength


def _surprise(sentence: str) -> Surprise | None:
    """The figure and what was expected of it, where one sentence gives both in the same unit."""
    expected = _EXPECTED.search(sentence)
    if expected is None:
        return None
    numbers = numbers_in(sentence)
    before = [number for number in numbers if number.end <= expected.start()]
    after = [number for number in numbers if number.start >= expected.end()]
    if not before or not after or before[0].percent != after[0].percent:
        return None
    unit = "percent" if after[0].percent else ""
    return Surprise(actual=str(abs(before[0].value)), expected=str(abs(after[0].value)), unit=unit)


def _region(text: str) -> str:
    """The economy that is named most often in the beginning; empty where none is."""
    head = text[:3_000]
    counts = [(len(pattern.findall(head)), -at, name) for at, (name, pattern) in enumerate(_REGIONS)]
    best = max(counts)
    return best[2] if best[0] else ""


def _event(text: str, topic: MacroTopic, said: list[_Said], region: str) -> MacroEvent:
    total = sum(each.confidence for each in said)
    direction = sum(each.direction * each.confidence for each in said) / total
    # Sentences that contradict each other make the whole less sure.
    agreement = abs(sum(each.direction for each in said)) / max(sum(abs(each.direction) for each in said), 1e-9)
    strongest = sorted(said, key=lambda each: (-abs(each.direction) * each.confidence, each.span.start))[:MAX_EVIDENCE]
    factor = _FACTORS[topic]
    return MacroEvent(
        topic=topic,
        factor=factor,
        name=region if factor is MacroFactor.REGION else "",
        direction=round(max(-1.0, min(1.0, direction)), 3),
        confidence=round((total / len(said)) * (0.5 + 0.5 * agreement), 3),
        surprise=next((each.surprise for each in said if each.surprise is not None), None),
        region=region,
        evidence=tuple(
            Evidence(quote=text[each.span.start : each.span.end], start=each.span.start, end=each.span.end)
            for each in sorted(strongest, key=lambda each: each.span.start)
        ),
    )
