"""How inline XBRL writes values for readers, and what they are: `94,930` a number, `September 28, 2024` a day.

The names are those of the transformation registries, old and new; they differ in hyphens and in the word `name`.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import date
from decimal import Decimal

from activities.adapters.edgar.fields import Refused, parse_decimal, shown
from activities.adapters.edgar.xbrl_names import EXCHANGES, FILER_CATEGORIES, STATES
from domain.documents import RejectReason

_LONGEST = 2_000
_MONTHS = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")
_TOKEN = re.compile(r"[0-9]+|[^\W\d_]+")
_NOISE = frozenset({"st", "nd", "rd", "th", "of", "the", "day"})
_PART = re.compile(r"day|month|year")
_DATE_NAME = re.compile(r"date((?:day|month|year){1,3})(?:en|us|uk)?")
_OLD_DATES = {
    "datedoteu": "daymonthyear",
    "datedotus": "monthdayyear",
    "datelonguk": "daymonthyear",
    "datelongus": "monthdayyear",
    "dateshortuk": "daymonthyear",
    "dateshortus": "monthdayyear",
    "dateslasheu": "daymonthyear",
    "dateslashus": "monthdayyear",
    "datelongdaymonthuk": "daymonth",
    "dateshortdaymonthuk": "daymonth",
    "datelongmonthdayus": "monthday",
    "dateshortmonthdayus": "monthday",
    "dateslashdaymontheu": "daymonth",
    "dateslashmonthdayus": "monthday",
    "datelongyearmonth": "yearmonth",
    "dateshortyearmonth": "yearmonth",
    "datelongmonthyear": "monthyear",
    "dateshortmonthyear": "monthyear",
}
_FIXED = {
    "fixedzero": "0",
    "zerodash": "0",
    "numdash": "0",
    "fixedtrue": "true",
    "booleantrue": "true",
    "fixedfalse": "false",
    "booleanfalse": "false",
    "fixedempty": "",
    "nocontent": "",
}
_GROUPED = re.compile(r"[\s'’‘`\u00a0\u202f]")
_DOT_DECIMAL = frozenset({"numdotdecimal", "numdotdecimalin", "numdotdecimalapos", "numcommadot", "numspacedot"})
_COMMA_DECIMAL = frozenset({"numcommadecimal", "numcommadecimalapos", "numdotcomma", "numspacecomma", "numcomma"})
_UNIT_DECIMAL = frozenset({"numunitdecimal", "numunitdecimalin", "numunitdecimalapos"})
_SMALL = (
    "zero one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen sixteen seventeen "
    "eighteen nineteen"
)
_TENS = "twenty thirty forty fifty sixty seventy eighty ninety"
_WORDS = {word: value for value, word in enumerate(_TOKEN.findall(_SMALL))}
_WORDS |= {word: 10 * value for value, word in enumerate(_TOKEN.findall(_TENS), 2)}
_POWERS = {"thousand": 10**3, "million": 10**6, "billion": 10**9, "trillion": 10**12}
_NONE = frozenset({"no", "none", "nil", "zero"})
_DURATION_UNITS = {"year": "Y", "month": "M", "week": "W", "day": "D"}
_DAYS_A_MONTH = Decimal("30.4375")
_BOXES = {"☐": "false", "☑": "true", "☒": "true", "&#9744;": "false", "&#9745;": "true", "&#9746;": "true"}


def transformed(name: str, text: str) -> str | None:
    """What a text stands for by a named format; None where the format is not known.

    Raises:
        Refused: the text is not of that format.
    """
    key = name.rpartition(":")[2].replace("-", "").lower().replace("monthname", "month")
    text = " ".join(text.split())
    if key in _FIXED:
        return _FIXED[key]
    if len(text) > _LONGEST:
        raise Refused(RejectReason.LINE_TOO_LONG, f"{len(text)} characters found, allowed are {_LONGEST}", name)
    order = _DATE_NAME.fullmatch(key)
    if key in _OLD_DATES or order:
        return _date(_OLD_DATES.get(key) or (order[1] if order else ""), text)
    if key in _DOT_DECIMAL:
        return _decimal(_GROUPED.sub("", text).replace(",", ""), text)
    if key in _COMMA_DECIMAL:
        return _decimal(_GROUPED.sub("", text).replace(".", "").replace(",", "."), text)
    if key in _UNIT_DECIMAL:
        return _unit_decimal(text)
    reader = _READERS.get(key)
    return reader(text) if reader else None


def number_of(name: str, text: str) -> Decimal:
    """The number that a text stands for.

    Raises:
        Refused: it is none, or the format is not known.
    """
    found = transformed(name, text) if name else " ".join(text.split())
    if found is None:
        raise Refused(RejectReason.INVALID_NUMBER, f"{shown(name)} found, allowed is a known format", "format")
    return parse_decimal(found, "number")


def _refused(text: str, wanted: str) -> Refused:
    return Refused(RejectReason.MALFORMED_ROW, f"{shown(text)} found, allowed is {wanted}", "format")


def _decimal(digits: str, text: str) -> str:
    if not re.fullmatch(r"[0-9]{0,40}\.?[0-9]{0,40}", digits) or not digits.strip("."):
        raise Refused(RejectReason.INVALID_NUMBER, f"{shown(text)} found, allowed is a number", "number")
    return digits


def _unit_decimal(text: str) -> str:
    groups = re.findall(r"[0-9][0-9.,]*", text)
    digits = [re.sub(r"[.,]", "", group) for group in groups]
    if not 1 <= len(digits) <= 2 or (len(digits) == 2 and len(digits[1]) > 2):
        raise Refused(RejectReason.INVALID_NUMBER, f"{shown(text)} found, allowed are units and cents", "number")
    return _decimal(digits[0] + (f".{digits[1].zfill(2)}" if len(digits) == 2 else ""), text)


def _date(order: str, text: str) -> str:
    parts: list[str] = _PART.findall(order)
    tokens = [token for token in _TOKEN.findall(text) if token.lower() not in _NOISE]
    if len(parts) == 1:
        found = dict(zip(parts, tokens, strict=False)) if len(tokens) == 1 else {}
    else:
        found = dict(zip(parts, tokens, strict=False)) if len(tokens) == len(parts) else {}
    if not found:
        raise _refused(text, f"a day written as {' '.join(parts)}")
    values = {part: _month(token) if part == "month" else _digits(token) for part, token in found.items()}
    year = values.get("year")
    if year is not None and len(found["year"]) <= 2:
        year += 2000
    try:
        # 2000 was a leap year: 29 February alone is a day.
        day = date(2000 if year is None else year, values.get("month") or 1, values.get("day") or 1)
    except ValueError:
        raise Refused(RejectReason.INVALID_DATE, f"{shown(text)} found, allowed is a day", "date") from None
    if year is None:
        return f"--{day:%m-%d}" if "day" in values else f"--{day:%m}"
    return day.isoformat() if "day" in values else f"{day.year:04}-{day:%m}" if "month" in values else f"{day.year:04}"


def _month(token: str) -> int:
    if token.isdigit():
        return _digits(token)
    prefix = token[:3].lower()
    if prefix not in _MONTHS:
        raise _refused(token, "an English month")
    return _MONTHS.index(prefix) + 1


def _digits(token: str) -> int:
    if not (token.isascii() and token.isdigit() and len(token) <= 4 and int(token)):
        raise _refused(token, "a number of a day or year")
    return int(token)


def _number_in_words(text: str) -> str:
    words = [word for word in re.split(r"[\s,‐‑‒–—-]+", text.lower()) if word and word != "and"]
    if len(words) == 1 and (words[0] in _NONE or words[0].isdigit()):
        return "0" if words[0] in _NONE else _decimal(words[0], text)
    total = group = 0
    for word in words:
        if word in _WORDS:
            group += _WORDS[word]
        elif word in ("a", "an"):
            group += 1
        elif word == "hundred":
            group = (group or 1) * 100
        elif word in _POWERS:
            total += (group or 1) * _POWERS[word]
            group = 0
        else:
            raise _refused(text, "a number in English words")
    if not words or len(words) > 30:
        raise _refused(text, "a number in English words")
    return str(total + group)


def _duration_in_words(text: str) -> str:
    lowered = text.lower()
    if lowered.strip() in _NONE:
        return "P0D"
    found: dict[str, str] = {}
    rest = lowered
    for unit, letter in _DURATION_UNITS.items():
        before, word, after = rest.partition(unit)
        if word:
            found[letter] = _number_in_words(before.strip(" ,-").removeprefix("and ").strip())
            rest = after.removeprefix("s").strip(" ,.-").removeprefix("and ").strip()
    if not found or rest:
        raise _refused(text, "a duration in English words")
    if "W" in found:
        found["D"] = str(7 * int(found.pop("W")) + int(found.get("D", "0")))
    return "P" + "".join(f"{found[letter]}{letter}" for letter in "YMD" if letter in found)


def _duration(unit: str) -> Callable[[str], str]:
    def read(text: str) -> str:
        sign, digits = ("-", text[1:]) if text[:1] in ("-", "−") else ("", text)
        number = parse_decimal(_decimal(digits.replace(",", "").strip(), text), "duration")
        if number > 1_000_000:
            raise _refused(text, "a duration")
        if unit == "week":
            return f"{sign}P{int(number * 7)}D"
        if unit == "hour":
            return f"{sign}PT{int(number)}H" + (f"{minutes}M" if (minutes := int(number % 1 * 60)) else "")
        if unit == "day":
            return f"{sign}P{int(number)}D" + (f"T{hours}H" if (hours := int(number % 1 * 24)) else "")
        years, months = (int(number), number % 1 * 12) if unit == "year" else (0, number)
        days = int(months % 1 * _DAYS_A_MONTH)
        parts = ((years, "Y"), (int(months), "M"), (days, "D"))
        letter = "Y" if unit == "year" else "M"
        return f"{sign}P" + ("".join(f"{amount}{part}" for amount, part in parts if amount) or f"0{letter}")

    return read


def _ballot_box(text: str) -> str:
    try:
        return _BOXES[text]
    except KeyError:
        raise _refused(text, "a ballot box") from None


def _state(text: str) -> str:
    return STATES.get(text.lower().removeprefix("state of ").removeprefix("commonwealth of "), text)


def _exchange(text: str) -> str:
    lowered = text.lower()
    return next((code for words, code in EXCHANGES if words in lowered), text)


def _filer_category(text: str) -> str:
    return FILER_CATEGORIES.get(text.lower().replace("-", " "), text)


_READERS: dict[str, Callable[[str], str]] = {
    "boolballotbox": _ballot_box,
    "numwordsen": _number_in_words,
    "durwordsen": _duration_in_words,
    **{f"dur{unit}": _duration(unit) for unit in ("year", "month", "week", "day", "hour")},
    "stateprovnameen": _state,
    "exchnameen": _exchange,
    "entityfilercategoryen": _filer_category,
}
