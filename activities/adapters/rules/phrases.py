"""Turn short word lists into one table that finds the longest known phrase at every word of a sentence."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from enum import IntEnum
from itertools import product
from typing import NamedTuple

from activities.adapters.rules.tokens import Token, word_set
from domain.extraction import EventType


class Kind(IntEnum):
    """What a phrase does in a sentence."""

    METRIC = 1
    """A quantity; value +1 when more of it is good for a company, -1 when less is."""
    DIRECTION = 2
    """A movement; value > 0 up, < 0 down."""
    OPINION = 3
    """Good or bad by itself; value is its sign and weight. Zero only names an event."""
    BEAT = 4
    """Better (value > 0) or worse than something that must follow, such as a consensus."""
    NEGATOR = 5
    HEDGE = 6
    CONTRAST = 7
    """Opens a part that matters less ("despite ...")."""
    TURN = 8
    """Opens a part that matters more ("but ...") and ends a clause."""
    COMPARE = 9
    """What follows is the earlier value."""
    NOTHING = 10
    """A fixed phrase that holds a known word in another sense."""


class Entry(NamedTuple):
    """What the lexicon knows about a phrase."""

    kind: Kind
    value: float
    tag: str
    event: EventType | None


class Hit(NamedTuple):
    """A phrase found: the words `tokens[first:last]`."""

    first: int
    last: int
    entry: Entry


def inflected(word: str) -> tuple[str, ...]:
    """Write out `word*` (regular verb) and `word**` (doubled last letter); any other word is itself."""
    if word.endswith("**"):
        stem = word[:-2]
        doubled = stem + stem[-1]
        return (stem, stem + "s", doubled + "ed", doubled + "ing")
    if not word.endswith("*"):
        return (word,)
    stem = word[:-1]
    if stem.endswith("e"):
        return (stem, stem + "s", stem + "d", stem[:-1] + "ing")
    if stem.endswith("y") and stem[-2] not in "aeiou":
        return (stem, stem[:-1] + "ies", stem[:-1] + "ied", stem + "ing")
    plural = "es" if stem.endswith(("s", "x", "ch", "sh", "z")) else "s"
    return (stem, stem + plural, stem + "ed", stem + "ing")


def expanded(phrases: str) -> Iterator[tuple[str, ...]]:
    """Read comma-separated phrases; `a|b` gives alternatives for one word and `?` before it makes it optional."""
    for phrase in phrases.split(","):
        choices: list[list[str]] = []
        for word in phrase.split():
            optional = word.startswith("?")
            forms = [form for part in word.lstrip("?").split("|") for form in inflected(part)]
            choices.append([*forms, ""] if optional else forms)
        for combination in product(*choices):
            words = tuple(word for word in combination if word)
            if words:
                yield words


FILLERS = word_set(
    "a an the its their his her our own new large big major another several some two three four five "
    "six seven eight nine ten long term year multi supply cooperation partnership framework licensing "
    "preliminary potential possible nearly almost million billion mln bln mn bn m eur usd $ € £ % about "
    "around us u.s massive significant huge further additional"
)
"""Words, besides numbers, that may stand between the words of a phrase ("won a $2 billion Navy order")."""

_MAX_SKIPPED = 7
_MAX_WILD = 2


class PhraseTable:
    """Finds the longest phrase that starts at a word. Later definitions of the same phrase replace earlier ones."""

    def __init__(self, definitions: Iterable[tuple[Entry, str]]) -> None:
        alone: dict[str, Entry] = {}
        longer: dict[str, dict[str, dict[tuple[str, ...], Entry]]] = {}
        for entry, phrases in definitions:
            for words in expanded(phrases):
                if len(words) == 1:
                    alone[words[0]] = entry
                else:
                    longer.setdefault(words[0], {}).setdefault(words[1], {})[words[2:]] = entry
        self._alone = alone
        self._longer = {
            first: {
                second: tuple(sorted(rests.items(), key=lambda row: -len(row[0]))) for second, rests in seconds.items()
            }
            for first, seconds in longer.items()
        }

    def __len__(self) -> int:
        return len(self._alone) + sum(len(rests) for tails in self._longer.values() for rests in tails.values())

    def find(self, tokens: Sequence[Token]) -> list[Hit]:
        """List the phrases of a sentence from left to right; they do not overlap."""
        words = [token.low for token in tokens]
        skippable = [token.is_number or token.low in FILLERS for token in tokens]
        hits: list[Hit] = []
        at = 0
        while at < len(words):
            found = self._longest(words, skippable, at)
            if found is None:
                at += 1
            else:
                hits.append(found)
                at = found.last
        return hits

    def _longest(self, words: list[str], skippable: list[bool], at: int) -> Hit | None:
        word = words[at]
        seconds = self._longer.get(word)
        best: Hit | None = None
        best_length = 0
        if seconds is not None:
            wild = _MAX_WILD
            begin = at + 1
            limit = min(len(words), begin + _MAX_SKIPPED)
            while begin < limit:
                for rest, entry in seconds.get(words[begin], ()):
                    if len(rest) + 1 <= best_length:
                        break
                    if wild < _MAX_WILD and not _may_be_split(entry):
                        continue
                    end = _follow(words, skippable, begin + 1, rest)
                    if end:
                        best = Hit(at, end, entry)
                        best_length = len(rest) + 1
                        break
                if not skippable[begin]:
                    if best is not None or wild == 0 or words[begin] in _NEVER_SKIPPED:
                        break
                    wild -= 1
                begin += 1
        if best is not None:
            return best
        alone = self._alone.get(word)
        return None if alone is None else Hit(at, at + 1, alone)


_NEVER_SKIPPED = word_set(
    ', ; : . ( ) " * ? ! | - – — and or but to of in for from by with on at not no as that is was are were be'
)


def _may_be_split(entry: Entry) -> bool:
    """Phrases that announce an event may hold up to two foreign words ("wins $1 bln UK MoD contract")."""
    return entry.event is not None and entry.kind is Kind.OPINION


def _follow(words: list[str], skippable: list[bool], at: int, rest: tuple[str, ...]) -> int:
    """Return the index after the rest of a phrase, or 0 where it does not follow."""
    for wanted in rest:
        stop = min(len(words), at + _MAX_SKIPPED)
        while at < stop and words[at] != wanted and skippable[at]:
            at += 1
        if at >= stop or words[at] != wanted:
            return 0
        at += 1
    return at
