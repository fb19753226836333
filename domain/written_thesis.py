"""A thesis that somebody else has written, most likely a model: what it is written from, and the checks that it passes.

It may say nothing that its brief does not say: no other number, no other company, no other action, no source that is
not cited. What does not pass is not shown; the rules' own thesis stands in any case.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import date, timedelta
from decimal import Decimal
from typing import Annotated
from zoneinfo import ZoneInfo

from pydantic import Field

from domain.decisions import Action, DecisionRecord, EvidenceItem, Gate, Recommendation
from domain.model import Model, Utc
from domain.stated_numbers import Figure, Known, StatedDate, exact, has_odd_digits, stated_in
from domain.text import strip_invisible
from domain.thesis import MAX_QUOTE, MAX_TITLE, NANO

MAX_SENTENCES = 8
MAX_CONDITIONS = 6
MAX_CHARACTERS = 400
"""Of one sentence."""
_NEW_YORK = ZoneInfo("America/New_York")
_INVALIDATED = (Action.BUY, Action.HOLD)


class CitedEvidence(Model):
    """What a document contributes. Title, publisher and quote are other people's words: one short line each."""

    evidence_id: str
    title: str = ""
    publisher: str = ""
    day: date
    """In New York."""
    contribution: float
    """Of the score, signed."""
    share: float
    """Of all terms by size, in [0, 1]."""
    quote: str = ""

    @property
    def words(self) -> tuple[str, ...]:
        return (self.title, self.publisher, self.quote)


class ThesisBrief(Model):
    """Everything that a thesis may be written from; never an article."""

    recommendation_id: str
    symbol: str
    as_of: Utc
    action: Action
    previous_action: Action
    score: float
    conviction: float
    market: float = 0.0
    """What market confirmation added to the score."""
    contradiction: float = 0.0
    edge_bp: float
    cost_bp: float
    horizon_td: float
    """In trading days."""
    gates: tuple[Gate, ...] = ()
    evidence: tuple[CitedEvidence, ...] = ()
    """The largest contributions first."""
    thesis: str = ""
    """The rules' own."""
    invalidation: tuple[str, ...] = ()

    @property
    def day(self) -> date:
        """Of the decision, in New York."""
        return self.as_of.astimezone(_NEW_YORK).date()


class WrittenSentence(Model):
    """One sentence and the pieces of evidence that it rests on."""

    text: str
    evidence: Annotated[tuple[str, ...], Field(max_length=20)] = ()


class WrittenThesis(Model):
    """A thesis in plain words."""

    sentences: tuple[WrittenSentence, ...]
    invalidation: tuple[WrittenSentence, ...] = ()
    """What would make it wrong."""


def brief_of(recommendation: Recommendation, record: DecisionRecord) -> ThesisBrief:
    """Take from a recommendation and its record what a thesis may be written from.

    Numbers are rounded as they are shown, so that what is written can be compared with what was read.
    """
    terms = recommendation.assessment.attributions
    total = sum(abs(term.nano) for term in terms)
    items = {item.evidence_id: item for item in record.evidence}
    carried: dict[str, int] = {}
    for term in terms:
        if term.evidence_id in items:
            carried[term.evidence_id] = carried.get(term.evidence_id, 0) + term.nano
    leading = sorted((each for each in carried.items() if each[1]), key=lambda each: (-abs(each[1]), each[0]))
    return ThesisBrief(
        recommendation_id=recommendation.recommendation_id,
        symbol=recommendation.symbol,
        as_of=recommendation.as_of,
        action=recommendation.action,
        previous_action=recommendation.previous_action,
        score=round(recommendation.assessment.score, 4),
        conviction=round(recommendation.assessment.conviction, 4),
        market=round(sum(term.nano for term in terms if not term.evidence_id) * NANO, 4),
        contradiction=round(recommendation.assessment.contradiction, 2),
        edge_bp=round(recommendation.edge_bp, 2),
        cost_bp=round(recommendation.cost_bp, 2),
        horizon_td=round(recommendation.assessment.horizon_td, 1),
        gates=recommendation.gates,
        evidence=tuple(
            _cited(items[evidence_id], nano, total)
            for evidence_id, nano in leading[: record.config.recommendation.cited_documents]
        ),
        thesis=recommendation.thesis,
        invalidation=recommendation.invalidation,
    )


def _cited(item: EvidenceItem, nano: int, total: int) -> CitedEvidence:
    return CitedEvidence(
        evidence_id=item.evidence_id,
        title=_line(item.title, MAX_TITLE),
        publisher=_line(item.publisher, MAX_TITLE),
        day=(item.published_at - timedelta(seconds=1)).astimezone(_NEW_YORK).date(),
        contribution=round(nano * NANO, 4),
        share=round(abs(nano) / total, 3),
        quote=_line(item.quote, MAX_QUOTE),
    )


def _line(text: str, limit: int) -> str:
    line = " ".join(strip_invisible(text).split())
    return line if len(line) <= limit else line[: limit - 1] + "…"


# -- checking ----------------------------------------------------------------------------------------------------------

_ADDRESS = re.compile(
    r"\w+://|\bwww\.|\bmailto:|\S@\S|\b[\w-]+(?:\.[\w-]+)*\.[a-z]{2,}/\w|"
    r"(?<![\w.])[a-z0-9-]+\.(?:com|net|org|io|co|ru|cn|info|biz|xyz|app|dev|ai|me|ly|link|site|online|top|shop)\b"
)
_MARKUP = re.compile(r"</?[a-zA-Z!]|&#?\w+;|[`{}\\|]|\*\*|__|\]\(|^\s*(?:#|[-*>]\s)")
_BUYING = re.compile(r"\b(?:buy(?:s|ing)?|purchas(?:e|es|ing)|accumulat(?:e|es|ing)|go(?:es|ing)? long)\b", re.I)
_SELLING = re.compile(
    r"\b(?:sell(?:s|ing)?|divest(?:s|ing)?|exit(?:s|ing)?|liquidat(?:e|es|ing)|unload(?:s|ing)?|"
    r"go(?:es|ing)? short|short(?:s|ing)? (?:the|this|it))\b",
    re.I,
)
_HOLDING = re.compile(r"\b(?:hold|keep)\b", re.I)
_CONTRADICTS = {
    Action.BUY: (_SELLING,),
    Action.HOLD: (_BUYING, _SELLING),
    Action.SELL: (_BUYING, _HOLDING),
    Action.WATCH: (_BUYING, _SELLING),
    Action.NONE: (_BUYING, _SELLING),
}
_DENIED = re.compile(
    r"\b(?:not|no|nor|neither|never|too|without|below|before|until|lacks?|fails?|falls? short|insufficient|against|"
    r"cannot|enough)\b|n't\b",
    re.I,
)
"""Before an action word: it says that this is not done. Heeded where nothing is done at all."""
_DENIED_WITHIN = 60
_TICKER = re.compile(r"(?<![\w.$-])[A-Z]{2,5}(?:\.[A-Z])?(?![\w-])")
_LABELLED = re.compile(r"\$[A-Za-z]{1,5}(?:\.[A-Za-z])?\b|\b(?:NYSE|NASDAQ|Nasdaq|AMEX|LSE|OTC)\s?:\s?[\w.]+")
_ABBREVIATIONS = re.compile(
    r"AI|BP|C[EFOT]O|CPI|EBIT|ECB|EPS|ESG|ETF|EU|EUR|FDA|FOMC|FTC|GAAP|GBP|GDP|IPO|IT|JPY|LLC|NYSE|OK|OPEC|PCE|PMI|PPI|"
    r"SEC|TV|UK|USA?|USD"
)
"""Capitals that are no symbol, although some are somewhere."""
_IN_DOLLARS = frozenset({"price", "liquidity"})
"""Gates whose numbers are amounts of money."""
_DOCUMENTS = re.compile(r"\s+(?:\w+\s+){0,2}?(?:documents?|reports?|articles?|stories|sources?|pieces|items)\b", re.I)
_GATES = re.compile(r"\s+(?:\w+\s+){0,2}?(?:gates?|conditions?|checks?|tests?|requirements?)\b", re.I)


def check_thesis(written: WrittenThesis, brief: ThesisBrief) -> tuple[str, ...]:
    """List what is wrong with a thesis; empty when it may be shown. No word of the thesis is repeated."""
    return tuple(_Check(written, brief).problems())


class _Check:
    def __init__(self, written: WrittenThesis, brief: ThesisBrief) -> None:
        self._written, self._brief = written, brief
        self._cited = {each.evidence_id: each for each in brief.evidence}
        self._known = _known(brief)

    def problems(self) -> Iterator[str]:
        written, brief = self._written, self._brief
        if not written.sentences:
            yield "SENTENCE_MISSING: at least one is needed"
        if len(written.sentences) > MAX_SENTENCES:
            yield f"TOO_LONG: found={len(written.sentences)}, allowed={MAX_SENTENCES} sentences"
        if len(written.invalidation) > MAX_CONDITIONS:
            yield f"TOO_LONG: found={len(written.invalidation)}, allowed={MAX_CONDITIONS} conditions of invalidation"
        if brief.evidence and not any(sentence.evidence for sentence in written.sentences):
            yield "EVIDENCE_MISSING: no sentence cites any"
        if brief.action in _INVALIDATED and not written.invalidation:
            yield f"INVALIDATION_MISSING: action={brief.action.value} needs at least one condition"
        for kind, sentences in (("sentence", written.sentences), ("invalidation", written.invalidation)):
            for number, sentence in enumerate(sentences, start=1):
                for problem in self._of(sentence, conditional=kind == "invalidation"):
                    code, _, rest = problem.partition(": ")
                    yield f"{code}: {kind}={number}" + (f", {rest}" if rest else "")

    def _of(self, sentence: WrittenSentence, *, conditional: bool) -> Iterator[str]:
        text = sentence.text
        if not text.strip():
            yield "EMPTY"
            return
        if len(text) > MAX_CHARACTERS:
            yield f"TOO_LONG: found={len(text)}, allowed={MAX_CHARACTERS} characters"
        if not text.isprintable() or strip_invisible(text) != text:
            yield "CONTROL_CHARACTERS: plain text on one line is needed"
        if _ADDRESS.search(text):
            yield "ADDRESS: no link and no address is allowed"
        if _MARKUP.search(text):
            yield "MARKUP: plain text is needed"
        cited = [self._cited[each] for each in sentence.evidence if each in self._cited]
        if len(cited) < len(sentence.evidence):
            yield f"EVIDENCE_UNKNOWN: found={len(sentence.evidence) - len(cited)} ids that the brief does not list"
        yield from self._numbers(text, cited)
        if self._names_others(text, cited):
            yield "OTHER_SYMBOL: only the company of the brief may be named by a symbol"
        if not conditional and self._contradicts(text):
            yield f"ACTION_CONTRADICTED: the action is {self._brief.action.value}"

    def _numbers(self, text: str, cited: list[CitedEvidence]) -> Iterator[str]:
        known = self._known
        for each in cited:
            known = known | _known_of(each)
        # A symbol may hold digits of its own.
        plain = re.sub(rf"(?<!\w){re.escape(self._brief.symbol)}(?!\w)", " ", text)
        if has_odd_digits(plain):
            yield "NUMBER_NOT_PLAIN: digits 0 to 9 are needed"
        for place, stated in enumerate(stated_in(plain), start=1):
            if known.holds(stated) or (isinstance(stated, Figure) and self._counts(stated, plain, len(cited))):
                continue
            yield f"NUMBER_NOT_IN_BRIEF: place={place} in the sentence; numbers of a document need its id"

    def _counts(self, figure: Figure, text: str, cited: int) -> bool:
        """Tell whether it counts the documents or the gates, rightly."""
        if figure.unit or figure.signed or figure.multiplier != 1:
            return False
        brief = self._brief
        if _DOCUMENTS.match(text, figure.end):
            return figure.value in {Decimal(len(brief.evidence)), Decimal(cited)} - {Decimal(0)}
        if _GATES.match(text, figure.end):
            passed = sum(gate.passed for gate in brief.gates)
            return figure.value in {Decimal(n) for n in (len(brief.gates), passed, len(brief.gates) - passed)}
        return False

    def _names_others(self, text: str, cited: list[CitedEvidence]) -> bool:
        symbol = self._brief.symbol
        if any(symbol != re.split(r"[$:\s]", found[0])[-1].rstrip(".") for found in _LABELLED.finditer(text)):
            return True
        words = " ".join(word for each in cited for word in each.words)
        allowed = {symbol, *_TICKER.findall(words)}
        others = (found[0] for found in _TICKER.finditer(text) if found[0] not in allowed)
        return any(_ABBREVIATIONS.fullmatch(other) is None for other in others)

    def _contradicts(self, text: str) -> bool:
        heeds_denial = self._brief.action in (Action.WATCH, Action.NONE)
        for pattern in _CONTRADICTS[self._brief.action]:
            for found in pattern.finditer(text):
                before = text[max(0, found.start() - _DENIED_WITHIN) : found.start()]
                if not (heeds_denial and _DENIED.search(before)):
                    return True
        return False


def _known(brief: ThesisBrief) -> Known:
    """The numbers that any sentence may state."""
    values = (brief.score, brief.conviction, brief.market, brief.contradiction, brief.horizon_td)
    texts = [part for gate in brief.gates for part in (gate.value, gate.limit, gate.detail)]
    in_dollars = [part for gate in brief.gates if gate.name in _IN_DOLLARS for part in (gate.value, gate.limit)]
    texts += [re.sub(r"\d[\d.]*", r"$\g<0>", part) for part in in_dollars]
    # Between quotation marks a condition has the title of a document, which must be cited for its numbers.
    texts += [re.sub(r'"[^"]*"', " ", condition) for condition in brief.invalidation]
    return Known(
        figures=[*(exact(value) for value in values), exact(brief.edge_bp, "bp"), exact(brief.cost_bp, "bp")],
        dates=[_stated(brief.day)],
        texts=texts,
    )


def _known_of(each: CitedEvidence) -> Known:
    """The numbers that a sentence may state because it cites this."""
    return Known(
        figures=[exact(each.contribution), exact(each.share)],
        dates=[_stated(each.day)],
        texts=each.words,
    )


def _stated(day: date) -> StatedDate:
    return StatedDate(day.year, day.month, day.day)
