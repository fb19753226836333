"""The numbers and dates that a sentence states, and whether they are those that it was made from.

Every digit of a sentence belongs to something found here, so that none can be overlooked: a date, a number with its
unit, or a word that holds digits, such as `Q3`.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Iterator
from decimal import Decimal
from typing import NamedTuple

_LEAST_DIGITS = 2
"""Rounding leaves at least so many: 0.4712 may become 0.47, but not 0.5."""


class StatedDate(NamedTuple):
    """A date as far as it is written out; 0 where it is not."""

    year: int
    month: int
    day: int

    def fits(self, other: StatedDate) -> bool:
        """Tell whether it is the other date, or a part of it."""
        return all(mine in (0, its) for mine, its in zip(self, other, strict=True))


class Figure(NamedTuple):
    """A number with its unit: `$2.4 billion` is 2.4, places 1, multiplier 1e9 and unit $."""

    value: Decimal
    places: int = 0
    digits: int = 0
    """Digits that count; 0 where the number is an input, which is exact."""
    multiplier: Decimal = Decimal(1)
    unit: str = ""
    """`%`, `bp`, a currency's sign, or nothing."""
    signed: bool = False
    end: int = 0


Stated = StatedDate | Figure | str
"""A word is one that holds digits, or names a number above twelve, in small letters."""

_MONTHS = (
    "january",
    "february",
    "march",
    "april",
    "may",
    "june",
    "july",
    "august",
    "september",
    "october",
    "november",
    "december",
)
_MONTH = "(?:" + "|".join([*_MONTHS, r"sept\.?", *(name[:3] + r"\.?" for name in _MONTHS)]) + ")"
_WORDS = {"zero": 0, "one": 1, "two": 2, "three": 3, "four": 4, "five": 5, "six": 6, "seven": 7, "eight": 8, "nine": 9}
_WORDS |= {"ten": 10, "eleven": 11, "twelve": 12}
_SCALES = {"": 0, "thousand": 3, "k": 3, "million": 6, "mln": 6, "mn": 6, "m": 6, "billion": 9, "bln": 9, "bn": 9}
_SCALES |= {"b": 9, "trillion": 12, "trn": 12, "tn": 12}
_LARGE = (
    r"(?:thir|four|fif|six|seven|eigh|nine)teen|(?:twen|thir|for|fif|six|seven|eigh|nine)ty|hundreds?|thousands?|"
    r"(?:m|b|tr)illions?|dozens?|double[ds]?|tripled?|triples|twice|halve[ds]?|tenfold"
)
_COUNTED = r"(?=(?:[ -]\w+)?[ -](?:percent|per|points?|bps?|basis|days?|sessions?|weeks?|months?|quarters?|years?)\b)"
_SEEN = re.compile(
    rf"""
    (?P<iso>\b\d{{4}}-\d{{1,2}}-\d{{1,2}}\b)
  | \b(?P<day>\d{{1,2}})(?:st|nd|rd|th)?[ ](?P<month>{_MONTH})(?:,?[ ](?P<year>\d{{4}}))?\b
  | \b(?P<month2>{_MONTH})[ ](?P<day2>\d{{1,2}})(?:st|nd|rd|th)?(?!\d)(?:,?[ ](?P<year2>\d{{4}}))?\b
  | \b(?P<month3>{_MONTH})[ ](?P<year3>\d{{4}})\b
  | (?P<sign>(?<![\w.])[+−–-](?=[$€£¥]?\.?\d))?(?P<currency>[$€£¥])?
    (?:(?<![\w.])(?P<number>\d{{1,3}}(?:[,'’\u00a0\u202f]\d{{3}})+(?:\.\d+)?|\d+(?:\.\d+)?|\.\d+)(?:st|nd|rd|th)?
      |\b(?P<word>{"|".join(word for word in _WORDS if word != "one")}|one{_COUNTED})\b)
    (?:[ -]?(?P<scale>thousand|million|billion|trillion|mln|bln|trn|mn|bn|tn|[kmb])(?![^\W_]))?
    (?:[ -]?(?P<unit>%|per[ ]cent\b|percent(?:age[ ]points?)?\b|pct\b|pp\b|bps?\b|basis[ ]points?\b))?
    (?![^\W_])
  | (?P<large>\b(?:{_LARGE})\b)
  | (?P<other>[^\W_]*\d[^\W_]*)
    """,
    re.VERBOSE | re.IGNORECASE,
)


def stated_in(text: str) -> Iterator[Stated]:
    """List what a text states in numbers, in order."""
    for found in _SEEN.finditer(text):
        if found["other"] or found["large"]:
            yield (found["other"] or found["large"]).casefold()
        elif found["number"] or found["word"]:
            yield _figure(found)
        else:
            yield _date(found)


def has_odd_digits(text: str) -> bool:
    """Tell whether a text has digits of other scripts, fractions or numerals that are one character."""
    return any(not char.isascii() and unicodedata.category(char) in ("Nd", "Nl", "No") for char in text)


def exact(value: float | Decimal, unit: str = "") -> Figure:
    """An input as a figure."""
    number = value if isinstance(value, Decimal) else Decimal(str(value))
    return Figure(value=number, unit=unit)


class Known:
    """Numbers, dates and words that sentences may state."""

    def __init__(self, figures: Iterable[Figure] = (), dates: Iterable[StatedDate] = (), texts: Iterable[str] = ()):
        self._figures = list(figures)
        self._dates = list(dates)
        self._words: set[str] = set()
        for text in texts:
            for stated in stated_in(text):
                self._add(stated)

    def __or__(self, other: Known) -> Known:
        both = Known([*self._figures, *other._figures], [*self._dates, *other._dates])
        both._words = self._words | other._words
        return both

    def _add(self, stated: Stated) -> None:
        match stated:
            case StatedDate():
                self._dates.append(stated)
            case Figure():
                self._figures.append(stated)
            case str():
                self._words.add(stated)

    def holds(self, stated: Stated) -> bool:
        """Tell whether it is one of these, or a number of these rounded."""
        match stated:
            case StatedDate():
                return any(stated.fits(each) for each in self._dates)
            case Figure():
                return any(_is(stated, each) for each in self._figures) or self._is_year(stated)
            case str():
                return stated in self._words

    def _is_year(self, figure: Figure) -> bool:
        plain = figure.unit == "" and figure.multiplier == 1 and not figure.signed and figure.places == 0
        return plain and any(figure.value == date.year for date in self._dates if date.year)


def _is(said: Figure, known: Figure) -> bool:
    """Tell whether what is said is the known number: as it is, rounded, or a share in percent."""
    if said.signed and said.value > 0 and known.value < 0:
        return False
    value = known.value * known.multiplier / said.multiplier
    if said.unit in ("", known.unit):
        return _rounds(said, value)
    fraction = said.unit == "%" and known.unit == "" and known.multiplier == 1 and abs(known.value) <= 1
    return fraction and _rounds(said, known.value * 100)


def _rounds(said: Figure, value: Decimal) -> bool:
    if said.value == value:
        return True
    if said.digits < _LEAST_DIGITS:
        return False
    return abs(said.value - value) * 2 <= Decimal(10) ** -said.places


def _figure(found: re.Match[str]) -> Figure:
    written = found["number"] or str(_WORDS[found["word"].lower()])
    plain = re.sub(r"[,'’\u00a0\u202f]", "", written)
    value = Decimal(plain)
    sign = found["sign"] or ""
    unit = (found["unit"] or "").lower()
    if unit:
        unit = "bp" if unit.startswith("b") else "%"
    return Figure(
        value=-value if sign in ("-", "−", "–") else value,
        places=len(plain.partition(".")[2]),
        digits=len(plain.replace(".", "").lstrip("0")),
        multiplier=Decimal(10) ** _SCALES[(found["scale"] or "").lower()],
        unit=unit or found["currency"] or "",
        signed=bool(sign),
        end=found.end(),
    )


def _date(found: re.Match[str]) -> StatedDate:
    if found["iso"]:
        return StatedDate(*(int(part) for part in found["iso"].split("-")))
    name = (found["month"] or found["month2"] or found["month3"]).lower()[:3]
    month = next(number for number, each in enumerate(_MONTHS, start=1) if each.startswith(name))
    year = found["year"] or found["year2"] or found["year3"] or 0
    return StatedDate(int(year), month, int(found["day"] or found["day2"] or 0))
