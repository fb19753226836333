"""What a statement or the minutes say was decided: the target range, its direction, and who voted how.

Only what the text states is told. A text without a decision (a facility is opened, a strategy is revised) has none, and
a directive alone, "in a target range of", states the range without a direction. Later statements name no one who voted
for the action, but count: "by a 9 - 3 vote".
"""

from __future__ import annotations

import re
from datetime import date
from decimal import Decimal
from enum import StrEnum
from typing import Annotated, Self

from pydantic import Field, model_validator

from domain.model import Model

MAX_CHARACTERS = 500_000
MAX_VOTERS = 30
_PASSAGE_CHARACTERS = 3_000


class PolicyDirection(StrEnum):
    RAISE = "raise"
    LOWER = "lower"
    MAINTAIN = "maintain"


class PolicyStatement(Model):
    """One decision on the federal funds rate. Rates are percent a year: 2.25."""

    day: date
    direction: PolicyDirection | None = None
    """None: the text states no decision on the rate."""
    target_low: Decimal | None = None
    target_high: Decimal | None = None
    """The same as `target_low` while a single rate was the target, until 2008."""
    votes_for: tuple[str, ...] = ()
    votes_against: tuple[str, ...] = ()
    count_for: Annotated[int, Field(ge=0)] | None = None
    """As the text counts, or as many as it names; None where it does neither."""
    count_against: Annotated[int, Field(ge=0)] | None = None

    @model_validator(mode="after")
    def _range_is_one(self) -> Self:
        low, high = self.target_low, self.target_high
        if (low is None) != (high is None) or (low is not None and high is not None and low > high):
            raise ValueError(f"a target range from {low} to {high} is none")
        return self


_VERBS = {
    "raise": PolicyDirection.RAISE,
    "increase": PolicyDirection.RAISE,
    "lower": PolicyDirection.LOWER,
    "reduce": PolicyDirection.LOWER,
    "cut": PolicyDirection.LOWER,
    "maintain": PolicyDirection.MAINTAIN,
    "keep": PolicyDirection.MAINTAIN,
    "leave": PolicyDirection.MAINTAIN,
}
_VERB = "|".join([*_VERBS, "establish"])
_RATE = r"(?:\d{1,2}-[1-7]/[248]|[1-7]/[248]|\d{1,2}\.\d{1,4}|\d{1,2})"
_RANGE = rf"(?P<low>{_RATE})(?: percent)?(?: to (?P<high>{_RATE}))? percent"
_FUNDS = r"(?:the|its|a) (?:existing |current )?target (?:range )?(?:for the )?federal funds rate"
_AMOUNT = rf"(?:,? (?:by )?(?:an additional )?{_RATE} (?:of a )?(?:percentage points?|basis points),?)?"
_DECIDED = re.compile(
    rf"\bCommittee (?:also )?(?:unanimously )?(?:decided|voted|agreed|will)(?: also)?(?: today)?(?: to)? "
    rf"(?P<verb>{_VERB}) {_FUNDS}(?: unchanged)?"
    rf"{_AMOUNT},? (?:at|to|of|in a range of) {_RANGE}",
    re.IGNORECASE,
)
_CURRENT = r"\b(?:reaffirmed its (?:view|expectation) that|how long to maintain) the current "
_REAFFIRMED = re.compile(rf"{_CURRENT}{_RANGE} target range for the federal funds rate", re.IGNORECASE)
_REAFFIRMED_OF = re.compile(
    rf"{_CURRENT}(?:exceptionally low )?target range for the federal funds rate of {_RANGE}", re.IGNORECASE
)
_DIRECTED = re.compile(
    rf"federal funds (?:rate in a target range of|trading in a range from|rate at an average of around) {_RANGE}",
    re.IGNORECASE,
)
_DECISIONS = (
    (_DECIDED, None),
    (_REAFFIRMED, PolicyDirection.MAINTAIN),
    (_REAFFIRMED_OF, PolicyDirection.MAINTAIN),
    (_DIRECTED, None),
)
"""In order of what they prove; a direction of None is told by the verb, if there is one."""
_ACTION = r"(?:th(?:e|is|ese) )?(?:FOMC )?(?:monetary policy )?actions?(?: were| was)?:? "
_VOTED_FOR = re.compile(rf"\bVoting(?: \(by notation\))? for {_ACTION}", re.IGNORECASE)
_VOTED_AGAINST = re.compile(rf"\bVoting(?: \(by notation\))? against {_ACTION}", re.IGNORECASE)
_COUNTED = re.compile(
    r"\bby an? (\d{1,2}) ?- ?(\d{1,2}) vote\b|\bby a vote of (\d{1,2}) ?- ?(\d{1,2})\b", re.IGNORECASE
)
_SENTENCE_END = re.compile(r"(?<![A-Z])(?<!\bJr)(?<!\bSr)\.(?=[\s\"”)]|$)")
_REASON = re.compile(r",? (?:who|whose|because|dissented|abstaining)\b")
_NAME = re.compile(r"(?:[A-Z](?:\.|[\w'’-]{1,30}) ){1,4}[A-Z][\w'’-]{1,30}")
_TITLES = frozenset({"chair", "vice chair", "chairman", "vice chairman", "chairwoman", "chair pro tempore"})
_HYPHENS = dict.fromkeys(map(ord, "\u2010\u2011\u2012\u2013\u2014\u2212"), "-")
_FRACTIONS = {"¼": "1/4", "½": "1/2", "¾": "3/4", "⅛": "1/8", "⅜": "3/8", "⅝": "5/8", "⅞": "7/8", "\u2044": "/"}
_WHOLE_AND_FRACTION = re.compile(r"(?<=\d)\u00ad?([¼½¾⅛⅜⅝⅞])")
_MISREAD = re.compile("\u00e2\u0080([\u0080-\u00bf])")


def repaired(text: str) -> str:
    """Undo an encoding mistake of some copies: UTF-8 punctuation that was read as Latin-1."""
    return _MISREAD.sub(lambda match: bytes([0xE2, 0x80, ord(match[1])]).decode(), text)


def read_policy(day: date, text: str) -> PolicyStatement:
    """Read the decision in a text; what it does not state stays empty.

    Minutes tell earlier decisions, views and dissents too: the decision is the last one that the Committee is said to
    have taken before the vote.
    """
    plain = _plain(text)
    voted_for = _last(_VOTED_FOR, plain)
    direction, low, high = _decision(plain, voted_for)
    names_for, names_against = _votes(plain, voted_for)
    counted = _COUNTED.search(plain)
    count_for: int | None = None
    count_against: int | None = None
    if counted is not None:
        count_for, count_against = (int(number) for number in counted.groups() if number is not None)
    elif names_for or names_against:
        count_for, count_against = len(names_for), len(names_against)
    return PolicyStatement(
        day=day,
        direction=direction,
        target_low=low,
        target_high=high,
        votes_for=names_for,
        votes_against=names_against,
        count_for=count_for,
        count_against=count_against,
    )


def _plain(text: str) -> str:
    """One line with plain hyphens, plain fractions and single blanks."""
    joined = _WHOLE_AND_FRACTION.sub(r"-\1", repaired(text[:MAX_CHARACTERS]).translate(_HYPHENS))
    for written, plain in _FRACTIONS.items():
        joined = joined.replace(written, plain)
    return " ".join(joined.split())


def _decision(text: str, vote: re.Match[str] | None) -> tuple[PolicyDirection | None, Decimal | None, Decimal | None]:
    places = [text[: vote.start()], text] if vote is not None else [text]
    for place in places:
        for expression, direction in _DECISIONS:
            found = _last(expression, place)
            limits = _range(found) if found is not None else None
            if found is not None and limits is not None:
                return direction or _VERBS.get(found.groupdict().get("verb", "").lower()), *limits
    return None, None, None


def _range(found: re.Match[str]) -> tuple[Decimal, Decimal] | None:
    low = _rate(found["low"])
    high = _rate(found["high"]) if found["high"] else low
    return (low, high) if low <= high else None


def _rate(written: str) -> Decimal:
    whole, _, fraction = written.rpartition("-") if "/" in written else (written, "", "")
    rate = Decimal(whole or 0)
    if fraction:
        above, _, below = fraction.partition("/")
        rate += Decimal(above) / Decimal(below)
    return rate


def _votes(text: str, voted_for: re.Match[str] | None) -> tuple[tuple[str, ...], tuple[str, ...]]:
    position = voted_for.end() if voted_for is not None else 0
    against = _VOTED_AGAINST.search(text, position)
    names_for = _names(text[position : position + _PASSAGE_CHARACTERS]) if voted_for is not None else ()
    names_against = _names(text[against.end() : against.end() + _PASSAGE_CHARACTERS]) if against is not None else ()
    return names_for, names_against


def _names(passage: str) -> tuple[str, ...]:
    """The names up to the sentence's end: between commas, semicolons and `and`, without titles and reasons."""
    end = _SENTENCE_END.search(passage)
    names: dict[str, None] = {}
    for clause in passage[: end.start() if end is not None else len(passage)].split(";"):
        for part in re.split(r",| and |\band ", _REASON.split(clause, maxsplit=1)[0]):
            name = part.strip()
            if _NAME.fullmatch(name) and name.lower() not in _TITLES:
                names[name] = None
    return tuple(names)[:MAX_VOTERS]


def _last(expression: re.Pattern[str], text: str) -> re.Match[str] | None:
    found = None
    for match in expression.finditer(text):
        found = match
    return found
