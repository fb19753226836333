"""What a company's name is made of: its words, its legal form, and how ordinary its words are.

Keys are compact: "The Bristol-Myers Squibb Company" and "Bristol Myers Squibb" have the same one.
"""

from __future__ import annotations

import re
import unicodedata
from enum import IntEnum
from functools import lru_cache
from typing import NamedTuple

from domain.name_words import (
    ABBREVIATIONS,
    COINED_DESPITE_ENDING,
    CONNECTING,
    DESCRIPTIVE,
    EVERYDAY,
    FAMILIAR,
    GIVEN_NAMES,
    LEGAL_FORMS,
    SELDOM_SPOKEN,
    SHARE_WORDS,
    UNSAFE_TICKERS,
)

TOKEN = re.compile(r"&|[^\W_]+(?:['’][^\W_]+)*")


class WordClass(IntEnum):
    """How much a capital letter alone says: everything, enough inside a sentence, or nothing."""

    COINED = 0
    FAMILIAR = 1
    EVERYDAY = 2


class NameForm(NamedTuple):
    """A name as it is looked up."""

    key: str
    bounds: frozenset[int]
    """Offsets into the key where a blank may stand in a text."""
    plain: str
    """The words themselves, without the legal form, as registered."""
    words: tuple[str, ...]
    forms: frozenset[str]
    share_class: str
    """`a` for "Class A"; empty where the name tells no class of shares."""


def fold(word: str) -> str:
    """Lower case without accents and apostrophes; `and` becomes `&`."""
    if word.isascii():
        low = word.lower()
    else:
        low = "".join(c for c in unicodedata.normalize("NFKD", word.casefold()) if not unicodedata.combining(c))
    if "'" in low or "’" in low:
        low = low.replace("'", "").replace("’", "")
    return "&" if low == "and" else low


_EVERYDAY_ENDING = re.compile(
    r"(?:tion|sion|ment|ness|ility|ivity|ality|ance|ence|ible|able|ful|ical|icial|ntial|ious|ship|ing|wards?|ments|tions|ings|ers)$"
)


def canonical(words: tuple[str, ...]) -> str:
    """One spelling for abbreviated names: "Intl Business Machines" like "International Business Machines"."""
    return "".join(ABBREVIATIONS.get(word, word) for word in words)


@lru_cache(maxsize=65_536)
def word_class(word: str) -> WordClass:
    """Tell how a single folded word is used outside companies' names."""
    if word in FAMILIAR:
        return WordClass.FAMILIAR
    if word in EVERYDAY or word in DESCRIPTIVE or (word.endswith("s") and word[:-1] in EVERYDAY):
        return WordClass.EVERYDAY
    if len(word) >= 6 and word not in COINED_DESPITE_ENDING and _EVERYDAY_ENDING.search(word):
        return WordClass.EVERYDAY
    return WordClass.COINED


def name_class(words: tuple[str, ...]) -> WordClass:
    """The class of a whole name: everyday only if every word that counts is, descriptive words included."""
    telling = [word for word in words if word not in CONNECTING]
    if len(telling) == 1:
        return word_class(telling[0])
    ordinary = all(word_class(word) is WordClass.EVERYDAY for word in telling)
    return WordClass.EVERYDAY if ordinary else WordClass.COINED


_STATE_TAIL = re.compile(r"\s*[/\\]\s*[A-Za-z]{2,4}\s*[/\\]?\s*$")
_BRACKET_TAIL = re.compile(r"\s*\(([^()]*)\)\s*$")


def parse_name(name: str) -> NameForm | None:
    """Split a registered name into what identifies it and its legal form; None where nothing is left."""
    text = _STATE_TAIL.sub("", unicodedata.normalize("NFC", name))
    share_class = ""
    while (tail := _BRACKET_TAIL.search(text)) is not None:
        share_class = share_class or _class_letter(tail[1])
        text = text[: tail.start()]
    share_class = share_class or _class_letter(text)
    spans = [(m.start(), m.end()) for m in TOKEN.finditer(text)]
    words = [fold(text[start:end]) for start, end in spans]
    while len(words) > 1 and words[0] == "the":
        words.pop(0)
        spans.pop(0)
    if not words:
        return None
    forms: set[str] = set()
    while (count := _tail_length(words)) and count < len(words):
        forms.add("".join(words[-count:]))
        del words[-count:], spans[-count:]
        while len(words) > 1 and words[-1] in {"&", "of"}:
            words.pop()
            spans.pop()
    if words == ["&"]:
        return None
    bounds: set[int] = set()
    length = 0
    for number, (start, end) in enumerate(spans):
        if number:
            bounds.add(length)
        bounds.update(length + at for at in _humps(text[start:end]))
        length += len(words[number])
    return NameForm(
        key="".join(words),
        bounds=frozenset(bounds),
        plain=text[spans[0][0] : spans[-1][1]],
        words=tuple(words),
        forms=frozenset(forms & LEGAL_FORMS),
        share_class=share_class,
    )


def variants(form: NameForm) -> list[NameForm]:
    """Other ways to write a name: `SCHWAB CHARLES` as Charles Schwab, `United States Steel` as U.S. Steel."""
    found: list[NameForm] = []
    first, *rest = form.words
    if rest and len(first) > 2 and first not in GIVEN_NAMES and all(w in GIVEN_NAMES or len(w) == 1 for w in rest):
        found.append(_rewritten(form, (*rest, first)))
    if form.words[:2] == ("united", "states"):
        found.append(_rewritten(form, ("u", "s", *form.words[2:])))
    return found


def _rewritten(form: NameForm, words: tuple[str, ...]) -> NameForm:
    bounds, length = set(), 0
    for word in words[:-1]:
        length += len(word)
        bounds.add(length)
    plain = " ".join(words).title()
    return form._replace(key="".join(words), bounds=frozenset(bounds), plain=plain, words=words)


def head_of(form: NameForm) -> NameForm | None:
    """The name without the words that only say what the company does; None where too little is left."""
    words = list(form.words)
    while len(words) > 1 and words[-1] in DESCRIPTIVE and len(form.words) - len(words) < 2:
        words.pop()
    while len(words) > 1 and words[-1] in CONNECTING:
        words.pop()
    kind = name_class(tuple(words))
    dropped = form.words[len(words) :]
    if not dropped or kind is WordClass.EVERYDAY or (kind is WordClass.FAMILIAR and dropped[0] not in SELDOM_SPOKEN):
        return None
    key = "".join(words)
    plain = _first_words(form.plain, len(words))
    acronym = plain.isupper() and not form.plain.isupper() and key not in UNSAFE_TICKERS
    if len(key) < (3 if acronym else 4):
        return None
    return form._replace(
        key=key, bounds=frozenset(b for b in form.bounds if b < len(key)), plain=plain, words=tuple(words)
    )


def _first_words(plain: str, count: int) -> str:
    ends = [m.end() for m in TOKEN.finditer(plain)]
    return plain[: ends[count - 1]]


def _class_letter(text: str) -> str:
    found = re.search(r"\b(?:class|cl|series)\.?\s+([a-z])\b", text, re.IGNORECASE)
    return found[1].lower() if found else ""


def _tail_length(words: list[str]) -> int:
    """How many words at the end are a legal form or name a class of shares."""
    if words[-1] in LEGAL_FORMS:
        return 1
    if len(words) >= 2 and words[-2] in {"class", "cl", "series"} and len(words[-1]) == 1:
        return 2
    if words[-1] in SHARE_WORDS:
        return 1
    letters = 0
    while letters < min(4, len(words)) and len(words[-1 - letters]) == 1:
        letters += 1
    for count in range(letters, 1, -1):
        if "".join(words[-count:]) in LEGAL_FORMS:
            return count
    return 0


def _humps(word: str) -> list[int]:
    """Where a capital opens a new part inside a word: 2 in `JPMorgan`, 5 in `ExxonMobil`."""
    if word.isupper() or word.islower():
        return []
    plain = word.replace("'", "").replace("’", "")
    return [
        at
        for at in range(1, len(plain))
        if plain[at].isupper()
        and (plain[at - 1].islower() or plain[at - 1].isdigit() or plain[at + 1 : at + 2].islower())
    ]
