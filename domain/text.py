"""Plain facts about text: characters nobody can see, and the numbers that stand in a phrase."""

from __future__ import annotations

import re
import unicodedata
from decimal import Decimal
from itertools import zip_longest
from typing import NamedTuple

_KEPT_CONTROLS = frozenset("\n\r\t")
# Characters that take room in memory but none on the page although Unicode files them under letters, marks or symbols.
_BLANK_LETTERS = frozenset("\u034f\u115f\u1160\u17b4\u17b5\u2800\u3164\uffa0")
_INVISIBLE_CATEGORIES = frozenset({"Cf", "Cc", "Cs", "Cn"})


def _is_invisible(char: str) -> bool:
    code = ord(char)
    if code < 0x7F:
        return code < 0x20 and char not in _KEPT_CONTROLS
    if 0xFE00 <= code <= 0xFE0F or 0xE0100 <= code <= 0xE01EF or 0x180B <= code <= 0x180F:
        return True  # variation selectors: a whole message can be hidden behind one visible letter
    return char in _BLANK_LETTERS or unicodedata.category(char) in _INVISIBLE_CATEGORIES


def dollars(amount: Decimal) -> str:
    """An amount as people read it, to the cent.

    >>> dollars(Decimal("101338.123456789")), dollars(Decimal("-0.5"))
    ('$101,338.12', '-$0.50')
    """
    return f"-${-amount:,.2f}" if amount < 0 else f"${amount:,.2f}"


def strip_invisible(text: str) -> str:
    """Remove what a reader cannot see (zero-width, bidirectional, tag and control characters) and return NFC text.

    Line feeds, carriage returns and tabs stay. The result is NFC because taking a joiner out can bring a letter
    and its accent together. Offsets into the old text are void: strip first, then extract. Idempotent.
    """
    previous = ""
    while previous != text:
        previous = text
        hidden = dict.fromkeys(ord(char) for char in set(text) if _is_invisible(char))
        text = unicodedata.normalize("NFC", text.translate(hidden) if hidden else text)
    return text


class StatedNumber(NamedTuple):
    """A number as it is written: `$3.4 bln` has value 3.4, multiplier 1e9 and currency USD."""

    value: Decimal
    multiplier: Decimal
    percent: bool
    subunit: bool
    """Cents or pence: a hundredth of the currency's unit."""
    currency: str
    start: int
    end: int


_MULTIPLIERS = {
    name: Decimal(10) ** power
    for power, names in {
        3: "thousand thousands k",
        6: "million millions mln mn mio m mm",
        9: "billion billions bln bn b",
        12: "trillion trillions trln tln tn",
    }.items()
    for name in names.split()
}
_CURRENCIES = {
    "$": "USD",
    "us$": "USD",
    "usd": "USD",
    "€": "EUR",
    "eur": "EUR",
    "euro": "EUR",
    "euros": "EUR",
    "£": "GBP",
    "gbp": "GBP",
    "¥": "JPY",
    "jpy": "JPY",
    "yen": "JPY",
    "dollar": "USD",
    "dollars": "USD",
    "sek": "SEK",
    "nok": "NOK",
    "dkk": "DKK",
    "chf": "CHF",
    "c$": "CAD",
    "cad": "CAD",
    "a$": "AUD",
    "aud": "AUD",
    "hk$": "HKD",
    "hkd": "HKD",
    "cny": "CNY",
    "yuan": "CNY",
    "won": "KRW",
    "krw": "KRW",
    "pound": "GBP",
    "pounds": "GBP",
}

# One group of up to three digits and then groups of exactly three, or plain digits. Some wires print the decimal
# point and the separator after a blank ("EUR12 .8 mn"), some drop the comma of a thousand ("1 000").
_NUMBER = re.compile(
    r"""
    (?P<before>(?:\bUS\$|\bHK\$|\b[CA]\$|[$€£¥]|\b(?:USD|EUR|GBP|JPY|SEK|NOK|DKK|CHF|CAD|AUD|HKD|CNY|KRW))[ ]?)?
    (?P<sign>[-−–(]?)(?P<inner>[$€£¥]?)
    (?P<digits>
        (?<!\d)(?<!\d[.,])\d{1,3}(?:[,'\u00a0\u202f ]\d{3}(?!\d))+(?:[ ]?\.\d+)?
      | (?<!\d)(?<!\d[.,])\d+(?:[ ]?[.,]\d+)?
      | (?<![\d.])\.\d+
    )
    (?:
        [ ]?\)?[ -]?(?P<scale>(?:thousand|million|billion|trillion)s?|[mb]ln|tr?ln|mio|bn|mn|tn|mm|[kKmMbB])(?![A-Za-z])
    )?
    (?:
        [ -]?(?P<percent>%|pct\b|percent\b|per[ -]cent\b|percentage[ ]points?\b|pp\b)
      | [ -]?(?P<subunit>cents?\b|pence\b|¢|p(?![A-Za-z.]))
      | [ ](?P<after>euros?|dollars?|pounds?|yen|yuan|won|eur|usd|gbp|sek|nok|dkk|chf)\b
    )?
    """,
    re.VERBOSE | re.IGNORECASE,
)
_GROUP_SEPARATOR = re.compile(r"[,'\u00a0\u202f ](?=\d{3}(?!\d))")
_RANGE = re.compile(
    r"\)?\s*(?P<word>to|through|and|or|[-–—−])\s*(?:(?:about|approximately|around|roughly)\s+)?"
    r"(?:US\$|HK\$|[CA]\$|[$€£¥]|(?:USD|EUR|GBP|JPY|SEK|NOK|DKK|CHF|CAD|AUD|HKD|CNY|KRW)\s?)?\(?",
    re.IGNORECASE,
)
_BETWEEN = re.compile(r"\b(?:between|either)\s+(?:about\s+|approximately\s+)?\S{0,4}$", re.IGNORECASE)
_BETWEEN_CHARACTERS = 30
_LOSS_WORDS = re.compile(
    r"\b(?:loss(?:es)?|negative|minus|deficit|down|fell|falls?|fallen|drop(?:s|ped)?|declin\w*|decreas\w*|lower|"
    r"shrank|contract\w*|slid|slip\w*|plung\w*|cuts?|narrow\w*)\b",
    re.IGNORECASE,
)


def numbers_in(text: str) -> tuple[StatedNumber, ...]:
    """List the numbers written in a text, in order, with their scale, percent and currency marks.

    Digits grouped by blanks are ambiguous ("27 100" may be 27100 or 27 and 100): both readings are listed. So are those
    of the lower end of a range whose scale stands at the upper one alone ("$10.0 to $10.5 billion"): 10.0 as it is
    written, and 10.0 billion.
    """
    matches = list(_NUMBER.finditer(text))
    found: list[StatedNumber] = []
    for match, following in zip_longest(matches, matches[1:]):
        readings = [_stated(text, match, value) for value in _readings(match["digits"])]
        found += readings
        if following is not None and _begins_a_range(text, match, following):
            upper = _stated(text, following, Decimal(0))
            found += [
                reading._replace(multiplier=upper.multiplier, currency=reading.currency or upper.currency)
                for reading in readings
            ]
    return tuple(found)


def _stated(text: str, match: re.Match[str], value: Decimal) -> StatedNumber:
    currency = (match["before"] or match["inner"] or match["after"] or "").strip().lower()
    negative = match["sign"] in {"-", "−", "–", "("} and _reads_as_minus(text, match.start("sign"))
    return StatedNumber(
        value=-value if negative else value,
        multiplier=_MULTIPLIERS.get((match["scale"] or "").lower(), Decimal(1)),
        percent=match["percent"] is not None,
        subunit=match["subunit"] is not None,
        currency=_CURRENCIES.get(currency, ""),
        start=match.start("digits"),
        end=match.end(),
    )


def _begins_a_range(text: str, match: re.Match[str], following: re.Match[str]) -> bool:
    """Whether a number without marks behind it is the lower end of a range whose upper end has a scale."""
    if any(match[mark] for mark in ("scale", "percent", "subunit", "after")) or not following["scale"]:
        return False
    between = _RANGE.fullmatch(text, match.end(), following.start("digits"))
    if between is None or following["percent"] or following["subunit"]:
        return False
    before = text[max(0, match.start("digits") - _BETWEEN_CHARACTERS) : match.start("digits")]
    return between["word"].lower() not in {"and", "or"} or _BETWEEN.search(before) is not None


def _reads_as_minus(text: str, at: int) -> bool:
    return at == 0 or not text[at - 1].isalnum()


def _readings(digits: str) -> list[Decimal]:
    joined = _GROUP_SEPARATOR.sub("", digits).replace(" ", "")
    if re.fullmatch(r"\d+,\d+", joined):
        joined = joined.replace(",", ".")
    readings = [Decimal(joined.replace(",", ""))]
    parts = digits.split(" ")
    if len(parts) > 1 and not any(part[:1] in ".," for part in parts):
        readings += [Decimal(part.replace(",", "")) for part in parts]
    return readings


def states_number(quote: str, value: Decimal, scale: str = "") -> bool:
    """Tell whether the quote itself states this number.

    `value` may stand as written ("3.4" of "$3.4 billion"), multiplied out (3400000000), as a fraction of a percentage
    or in whole units of a number given in cents. A named `scale` must be the one written. A negative value needs a
    minus sign, brackets or a word of loss or decline in the quote.
    """
    if not value.is_finite():
        return False
    wanted_scale = scale.strip().lower()
    for number in numbers_in(quote):
        if wanted_scale and _MULTIPLIERS.get(wanted_scale, Decimal(1)) != number.multiplier:
            continue
        forms = {number.value, number.value * number.multiplier}
        if number.percent or number.subunit:
            forms.add(number.value / 100)
        if value in forms or (value < 0 and -value in forms and _LOSS_WORDS.search(quote) is not None):
            return True
        # Brackets are as often an aside as a minus.
        if value > 0 and -value in forms:
            return True
    return False
