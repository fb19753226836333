"""A registered name that stands in a text, and how sure the text makes it that the company is meant."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from enum import IntEnum, StrEnum

from domain import name_evidence as evidence
from domain.company_names import NameForm, WordClass, fold, name_class
from domain.name_evidence import Evidence, LegalForm, Mark, Surroundings
from domain.name_words import CORPORATE_FORMS, DESCRIPTIVE, FOREIGN_FORMS, GIVEN_NAMES
from domain.registry import NameKind


class Reason(StrEnum):
    """Why a text or a name was taken for a company."""

    EXCHANGE_TICKER = "exchange_ticker"
    RIC = "ric"
    CASHTAG = "cashtag"
    TICKER_IN_CONTEXT = "ticker_in_context"
    FULL_NAME = "full_name"
    SHORT_NAME = "short_name"
    NAME_IN_CONTEXT = "name_in_context"
    """Everyday words that the words around them show to be the company."""
    FORMER_NAME = "former_name"
    BRAND = "brand"
    ABBREVIATED_NAME = "abbreviated_name"
    BARE_TICKER = "bare_ticker"
    """Letters without a text: a ticker if anything."""


class Origin(IntEnum):
    """Where a name comes from; the first two weigh the same."""

    ALIAS = 0
    OWN = 1
    HEAD = 2
    """Derived: the company's name without the words that say what it does."""


@dataclass(frozen=True, slots=True)
class Entry:
    """A name of one company. Companies of one `group` are classes of the same company's shares."""

    symbol: str
    group: str
    kind: NameKind
    origin: Origin
    form: NameForm
    valid_from: date | None
    valid_to: date | None

    def valid(self, on: date) -> bool:
        return valid_on(self.valid_from, self.valid_to, on)

    @property
    def single(self) -> bool:
        return len(self.form.words) == 1

    @property
    def trusted(self) -> bool:
        """Whether the registry gives exactly these words as a name of the company."""
        return self.origin is Origin.ALIAS and self.kind is NameKind.NAME and not self.form.forms

    @property
    def word_class(self) -> WordClass:
        """How much a capital says; a name that the registry gives by itself is trusted further."""
        if self.kind is NameKind.AMBIGUOUS:
            return WordClass.EVERYDAY
        found = name_class(self.form.words)
        if found is WordClass.EVERYDAY and self.trusted:
            return WordClass.FAMILIAR if self.single else WordClass.COINED
        return found


@dataclass(slots=True)
class Match:
    """A place in a text. `score` is None while only the rest of the text can tell, 0 where no company is meant."""

    start: int
    end: int
    key: str
    entries: tuple[Entry, ...]
    full_end: int
    """With the legal form."""
    symbol: str = ""
    score: float | None = None
    reason: Reason = Reason.SHORT_NAME
    person: bool = False
    lone: bool = False
    """Beside another capitalised word: a list of companies says nothing about it."""

    def accept(self, entry: Entry, score: float, *, symbol: str = "", full: bool = False) -> None:
        self.symbol = symbol or entry.symbol
        if full:
            self.reason = reason_of(entry, Reason.FULL_NAME)
        else:
            ordinary = entry.word_class is WordClass.EVERYDAY
            self.reason = reason_of(entry, Reason.NAME_IN_CONTEXT if ordinary else Reason.SHORT_NAME)
        self.score = round(score - BRAND_DISCOUNT if self.reason is Reason.BRAND else score, 4)


BRAND_DISCOUNT = 0.15
SURE = 0.8
"""From this score on a company counts as named when the rest of the text is read."""
LIST_REACH = 80
"""How far away, in characters, another company of the same list may stand."""

_INDICES = frozenset({"nasdaq", "dow", "s&p"})
"""An exchange or an index far more often than the company behind it: a name alone never tells."""
_SYNONYMS = {"company": "co", "companies": "co", "limited": "ltd", "holding": "holdings"}


def valid_on(first: date | None, last: date | None, on: date) -> bool:
    """Both days belong to the validity; None is open."""
    return (first is None or first <= on) and (last is None or on <= last)


def reason_of(entry: Entry, reason: Reason) -> Reason:
    if entry.kind is NameKind.FORMER_NAME:
        return Reason.FORMER_NAME
    return Reason.BRAND if entry.kind is NameKind.BRAND else reason


def synonymous(forms: Iterable[str]) -> set[str]:
    """Legal forms with one spelling for those that mean the same."""
    return {_SYNONYMS.get(form, form) for form in forms}


def choose(entries: Sequence[Entry]) -> Entry | None:
    """The one company that the name means by itself; None where several share it."""
    leading = [entry for entry in entries if entry.origin is not Origin.HEAD] or list(entries)
    return leading[0] if len({entry.group for entry in leading}) == 1 else None


def fits(surface: str, entry: Entry, blanks: Sequence[int], *, lower: bool) -> bool:
    """Whether the text writes the name with blanks and capitals where they may be.

    `blanks` are offsets into the key; `lower` says that a word which counts is in lower case.
    """
    form = entry.form
    if any(at not in form.bounds for at in blanks if at < len(form.key)):
        return False
    if lower and surface != form.plain:
        return False
    if len(form.key) <= 3 and (" " not in surface or " " in form.plain):
        return surface.isupper() or surface == form.plain or (len(surface) == 3 and surface.istitle())
    return len(form.key) >= 6 or (len(form.key) > 3 and (" " not in form.plain or not surface.isalpha()))


def without_overlaps(matches: Iterable[Match], marks: Sequence[Mark]) -> list[Match]:
    """Of overlapping names the longest stays; inside a mark there are no names."""
    taken = [(mark.start, mark.end) for mark in marks]
    kept: list[Match] = []
    for match in matches:
        if inside(taken, match.start, match.end):
            continue
        if kept and match.start < kept[-1].end:
            if match.end - match.start <= kept[-1].end - kept[-1].start:
                continue
            kept.pop()
        kept.append(match)
    return kept


def inside(taken: Sequence[tuple[int, int]], start: int, end: int) -> bool:
    """Whether a place overlaps one of the sorted places."""
    number = bisect_left(taken, (end, 0))
    return any(first < end and start < last for first, last in taken[max(0, number - 2) : number])


def score_with_form(entry: Entry, form: LegalForm, registered: set[str], near: Surroundings) -> float | None:
    """Score a name with a legal form; 0 where the form is another company's, None where it decides nothing.

    `registered` are the legal forms of the company's names.
    """
    words = synonymous(form.words)
    same = bool(words & registered) or bool(
        words & CORPORATE_FORMS and (not registered or registered & (CORPORATE_FORMS | {"co"}))
    )
    if words & FOREIGN_FORMS and not same:
        return 0.0
    ordinary = entry.single and entry.word_class is not WordClass.COINED
    if ordinary and evidence.beside_capital(near) and not near.title_case:
        return 0.0
    if same:
        return 0.96 if ordinary else 0.98
    if not entry.single:
        return 0.9
    return 0.0 if entry.word_class is WordClass.EVERYDAY else None


def score_without_form(
    surface: str, entry: Entry, near: Surroundings, lowered: set[str], *, longer: bool
) -> float | None:
    """Score a name alone; 0 where something else is meant, None where the rest of the text must tell.

    `lowered` are the words that the text has in lower case; `longer`: the name goes on to a legal form of its own.
    """
    key = entry.form.key
    if key in _INDICES:
        return 0.0
    kind = entry.word_class
    if kind is WordClass.COINED and entry.single and _is_doubtful(surface, entry, lowered):
        kind = WordClass.EVERYDAY
    if kind is WordClass.COINED and not (len(key) <= 3 and near.shouting):
        score = (0.9 if entry.single else 0.95) - 0.12 * (entry.origin is Origin.HEAD)
        if longer and entry.single and not entry.trusted and fold(near.following.strip(".,")) not in DESCRIPTIVE:
            return None
        return score - 0.15 if longer else score
    if entry.single and longer:
        return 0.0
    seen = evidence.weigh(near, surface, single=entry.single)
    if kind is WordClass.FAMILIAR:
        return _familiar(near, seen, in_lower_case=key in lowered)
    if seen.veto or seen.person:
        return 0.0
    return _everyday_word(surface, seen) if entry.single else _everyday_phrase(near, seen)


def _is_doubtful(surface: str, entry: Entry, lowered: set[str]) -> bool:
    """Whether a coined word may be something else here: in lower case elsewhere, or an abbreviation."""
    key = entry.form.key
    if len(key) <= 3 and not surface.isupper() and surface != entry.form.plain:
        return True
    if len(key) <= 4 and entry.origin is Origin.HEAD and entry.form.plain.isupper():
        return True
    return not entry.trusted and key in lowered


def _familiar(near: Surroundings, seen: Evidence, *, in_lower_case: bool) -> float | None:
    if seen.person:
        return 0.0
    if seen.strong:
        return 0.9
    if near.previous.lower() in {"a", "an", "the"} and not near.following:
        return 0.0
    if near.title_case or near.shouting:
        return 0.0 if seen.veto else 0.78
    if evidence.beside_capital(near) and not near.opens:
        return 0.0
    if near.opens and seen.veto:
        return 0.0
    if near.opens and in_lower_case:
        return None
    return 0.86


def _everyday_word(surface: str, seen: Evidence) -> float | None:
    if seen.phrase:
        return None
    if seen.strong:
        return 0.85
    doubtful = fold(surface) in GIVEN_NAMES or (surface.isupper() and len(surface) > 3)
    return 0.65 if seen.weak and not doubtful else None


def _everyday_phrase(near: Surroundings, seen: Evidence) -> float | None:
    if near.title_case or near.shouting or evidence.beside_capital(near):
        return SURE if seen.strong else None
    return 0.84


def settle(text: str, matches: Sequence[Match], marked: set[str], groups: Mapping[str, str]) -> None:
    """Decide what is open by the rest of the text: the same company elsewhere, or a list of companies.

    `marked` are the groups of the companies whose ticker the text gives.
    """
    sure = marked | {groups.get(m.symbol, m.symbol) for m in matches if m.score and m.score >= SURE}
    persons = {match.key for match in matches if match.person}
    for match in matches:
        if match.score and match.key in persons and match.reason is not Reason.FULL_NAME:
            match.score = 0.0
    for match in matches:
        if match.score is None and match.key not in persons:
            known = [entry for entry in match.entries if entry.group in sure]
            if len({entry.group for entry in known}) == 1:
                match.accept(known[0], 0.75)
    for _ in range(3):
        changed = False
        for number, match in enumerate(matches):
            is_open = match.score is None and match.symbol and not match.lone and match.key not in persons
            if is_open and _in_list(text, matches, number):
                match.accept(match.entries[0], 0.72)
                changed = True
        if not changed:
            return


def _in_list(text: str, matches: Sequence[Match], number: int) -> bool:
    match = matches[number]
    left = matches[number - 1] if number else None
    right = matches[number + 1] if number + 1 < len(matches) else None
    if left is not None and left.score and evidence.coordinated(text[left.full_end : match.start]):
        return True
    if right is not None and right.score and evidence.coordinated(text[match.full_end : right.start]):
        return True
    if " " not in text[match.start : match.end] or not evidence.enlisted(text, match.start, match.full_end):
        return False
    around = matches[max(0, number - 5) : number + 6]
    return any(other.score and abs(other.start - match.start) <= LIST_REACH for other in around)
