"""Find the companies of a document by name, without falling for words that only look like one."""

from __future__ import annotations

import re
from collections.abc import Iterable
from functools import lru_cache
from typing import NamedTuple

from activities.adapters.rules.tokens import word_set
from domain.extraction import Candidate


class Mention(NamedTuple):
    """A company named in the text: `text[start:end]` are the words."""

    symbol: str
    start: int
    end: int


_LEGAL_FORMS = word_set(
    "inc inc. incorporated corp corp. corporation co co. company companies plc plc. ltd ltd. limited "
    "llc lp l.p. n.v. nv sa s.a. ag se ab asa oyj holding holdings group (the) the & trust bancorp cl a "
    "class common stock"
)
_NEVER_ALONE = word_set(
    "american united national first general international global standard new bank us u.s. royal great "
    "southern northern western eastern pacific atlantic advanced applied public republic capital "
    "financial national federal energy home electric"
)
"""What is left when the legal form goes must say more than one of these."""

ORDINARY_WORDS = word_set(
    "target gap visa delta discover progressive sprint coach ball block square match dollar waters chase citizens "
    "key news principal range express guess staples shell apache dominion best limited equity public southern ensign "
    "loews crown eagle "
    "first global fox frontier host people pioneer prudential sealed snap sun synchrony tapestry travelers union unity "
    "williams dover cardinal arch domain trade zoom meta orange carnival marathon regions pool paramount"
)
"""Names that are everyday words: they count only where capitals or the words around them show a company."""

_UNSAFE_TICKERS = word_set(
    "a all am an any are as at ai be big ca cat ceo cfo cost dd de do el es eu ever fast fun gas go "
    "good has he hr id ii iii ip ipo it key la lead life low ma man me mo mu ms no now nice on one op "
    "or out pc pm pr real rl sec see so spy sun the to tv two uk un us usa wall well ftc fda epa doj "
    "fed ecb gdp cpi dow nasa opec eps play open next love home car cars cash dis true net"
)
"""Ticker-like words that mean something else when they stand alone."""

_COMPANY_CUE = re.compile(
    r"""['’]s\b
    | \s+(?:Inc|Corp|Co|Company|Corporation|Ltd|plc|PLC|Group|Stores|CEO|CFO|Chief|shares|stock)\b
    | [ ]*\((?:NYSE|NASDAQ|Nasdaq|Amex)\b
    | \s+(?:said|says|say|to|sees|saw|posts|posted|reports?|reported|quarterly|profit|results|earnings|sales|beats?|
        tops|misses|raises?|raised|cuts?|names?|named|hires?|will|has|had|was|is|also|plans|expects|announced|announces|unveils|
        opens|launches|sues|buys|agrees|agreed|wins|loses|warns|recalls|swings|slips|rises|falls|gains|jumps|drops|
        reaffirms|lowers|lifts|boosts|sells|sold|shareholders|customers|workers|investors|executives|executive|chairman|president|spokesman|spokeswoman|and\s+[A-Z])\b
    | [ ]{2,}\S
    | ,\s""",
    re.VERBOSE,
)
_EXCHANGE_MARK = r"(?:(?:NYSE(?:\s?Arca)?|NASDAQ|Nasdaq|AMEX|Amex)\s?:\s?|[$]|[<])"


def names_of(candidate: Candidate) -> tuple[str, ...]:
    """The names to look for, longest first: those given and the same without their legal form."""
    return _names(candidate.names)


@lru_cache(maxsize=4_096)
def _names(given: tuple[str, ...]) -> tuple[str, ...]:
    names: dict[str, None] = {}
    for name in given:
        words = " ".join(name.split())
        if not words:
            continue
        names[words] = None
        short = _without_legal_form(words)
        if short:
            names[short] = None
        elif words.lower().endswith(" co"):
            names[f"{words[:-3]} Company"] = None
    return tuple(sorted(names, key=lambda name: (-len(name), name)))


@lru_cache(maxsize=4_096)
def _keys(symbol: str, given: tuple[str, ...]) -> tuple[str, ...]:
    """For each name a word that must occur, lower case, where the name does; the ticker too."""
    words = {max(re.split(r"[\s-]+", name), key=len).lower() for name in _names(given)}
    return (*sorted(words), symbol.lower())


def possibly_named(text: str, candidates: Iterable[Candidate]) -> tuple[Candidate, ...]:
    """Leave out, cheaply, the companies that the text cannot name."""
    lowered = text.lower()
    return tuple(c for c in candidates if any(key in lowered for key in _keys(c.symbol, c.names)))


_REGISTER_MARK = re.compile(r"\s*/[A-Z]{0,6}/?\s*$")
"""What a register adds to a name: the state in "BANK OF AMERICA CORP /DE/"."""


def _without_legal_form(name: str) -> str:
    words = _REGISTER_MARK.sub("", name).replace(",", " ").split()
    while len(words) > 1 and words[-1].lower() in _LEGAL_FORMS:
        words.pop()
    while len(words) > 1 and words[0].lower() == "the":
        words.pop(0)
    if len(words) == 1 and (words[0].lower() in _NEVER_ALONE or len(words[0]) < 3):
        return ""
    return " ".join(words)


_ACRONYM = 5
"""Up to this length a name in capitals is one of letters: GE, AT&T, and stands so in a text."""


@lru_cache(maxsize=4_096)
def _pattern(symbol: str, names: tuple[str, ...]) -> re.Pattern[str]:
    """One expression per company: its names, longest first, and its ticker where an exchange or `$` marks it."""
    options: list[str] = []
    for name in names:
        if len(name) == 1:
            continue  # a single letter is a name only with an exchange's mark before it
        body = r"(?:[\s-]+|\.(?=\w))".join(re.escape(part) for part in re.split(r"[\s-]+", name) if part)
        exact = len(name) <= 3 or (name.isupper() and " " not in name and len(name) <= _ACRONYM)
        options.append(body if exact else f"(?i:{body})")
    ticker = re.escape(symbol)
    ends = "(?![A-Za-z0-9])"
    marked = f"{_EXCHANGE_MARK}{ticker}(?:\\.[A-Z]{{1,2}})?{ends}|(?<![A-Za-z0-9]){ticker}\\.(?:N|O|OQ|K){ends}"
    if len(symbol) >= 3 and symbol.lower() not in _UNSAFE_TICKERS:
        options.append(ticker)
    bare = f"(?<![\\w&@#])(?:{'|'.join(options)})(?![\\w&])" if options else "(?!)"
    return re.compile(f"(?P<marked>{marked})|(?P<bare>{bare})")


def find_mentions(text: str, candidates: Iterable[Candidate], start: int, end: int) -> list[Mention]:
    """List where the companies are named in `text[start:end]`, in order; of overlapping names the longest wins."""
    title_like = _is_title_case(text[start : min(end, start + 300)])
    shouting = _is_upper(text[start : min(end, start + 300)])
    found: list[Mention] = []
    for candidate in candidates:
        names = names_of(candidate)
        for match in _pattern(candidate.symbol, names).finditer(text, start, end):
            if match.lastgroup == "marked" or _is_company(text, match, start, names, title_like, shouting):
                opening = match.start() + (text[match.start()] in "<$")
                found.append(Mention(candidate.symbol, opening, match.end()))
    found.sort(key=lambda mention: (mention.start, mention.start - mention.end, mention.symbol))
    kept: list[Mention] = []
    for mention in found:
        if kept and mention.start < kept[-1].end:
            if mention.end - mention.start > kept[-1].end - kept[-1].start:
                kept[-1] = mention
            continue
        kept.append(mention)
    return kept


def _is_company(
    text: str, match: re.Match[str], sentence_start: int, names: tuple[str, ...], title_like: bool, shouting: bool
) -> bool:
    words = match.group()
    capital = words[0].isupper() or words[0].isdigit() or any(name.startswith(words) for name in names)
    if not capital:
        return False
    if words.lower() in _UNSAFE_TICKERS and shouting:
        return False
    if len(words) <= 2 and (shouting or words.lower() in _UNSAFE_TICKERS):
        return False
    if words.lower() not in ORDINARY_WORDS:
        return True
    if shouting or (words.isupper() and len(words) > 3):
        return False
    opens = not any(char.isalnum() for char in text[_line_start(text, match.start(), sentence_start) : match.start()])
    if opens or title_like:
        cue = _COMPANY_CUE.match(text, match.end())
        return cue is not None and not _reads_as_noun(text, match.end())
    return not _reads_as_noun(text, match.end())


_NOUN_USE = re.compile(
    r"\s+(?:prices?|dates?|audiences?|markets?|ranges?|rates?|funds?|holders|areas?|zones?|for|of|by)\b"
)


def _reads_as_noun(text: str, at: int) -> bool:
    return _NOUN_USE.match(text, at) is not None


def _line_start(text: str, at: int, floor: int) -> int:
    """Where the sentence or line of a position begins, not before `floor`."""
    begin = floor
    for mark in ("\n", ". ", "? ", "! ", ": ", "* "):
        found = text.rfind(mark, floor, at)
        if found >= 0:
            begin = max(begin, found + len(mark))
    return begin


def _is_title_case(text: str) -> bool:
    """Whether most longer words carry a capital, so that capitals say nothing about names."""
    line = text.split("\n", 1)[0]
    words = re.findall(r"[A-Za-z]{4,}", line)
    return len(words) >= 4 and sum(word[0].isupper() for word in words) >= 0.75 * len(words)


def _is_upper(text: str) -> bool:
    letters = [char for char in text.split("\n", 1)[0] if char.isalpha()]
    return len(letters) >= 12 and sum(char.isupper() for char in letters) >= 0.8 * len(letters)
