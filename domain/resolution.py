"""Which companies a text names, on the day it was written: tickers, names and the evidence around them.

    index = NameIndex(companies, names)
    index.resolve("Shares of Target (NYSE: TGT) fell", date(2024, 3, 1))

The index is built once and then reads any number of texts: a look-up costs as much as the text is long, however many
companies there are. A name or a ticker resolves on the days of its validity only. Words that mean other things as well
resolve where the words around them, a ticker or another company of the text show that the company is meant.
"""

from __future__ import annotations

import re
from bisect import bisect_left
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from datetime import date
from typing import Annotated, NamedTuple

from pydantic import Field

from domain import name_evidence as evidence
from domain.company_names import TOKEN, NameForm, WordClass, canonical, fold, head_of, parse_name, variants, word_class
from domain.model import Model
from domain.name_evidence import Mark, MarkKind
from domain.name_matches import (
    Entry,
    Match,
    Origin,
    Reason,
    choose,
    fits,
    inside,
    reason_of,
    score_with_form,
    score_without_form,
    settle,
    synonymous,
    valid_on,
    without_overlaps,
)
from domain.name_words import CONNECTING, UNSAFE_TICKERS
from domain.registry import NameKind

__all__ = ["CompanyName", "NameIndex", "Reason", "Resolution", "ResolverCompany", "canonical_label"]


class CompanyName(Model):
    """A name or a ticker of a company, with its days of validity, both included; None: open.

    `name_ambiguous` is for words that mean other things as well; they resolve with evidence only.
    """

    symbol: str
    name: str
    kind: NameKind
    valid_from: date | None = None
    valid_to: date | None = None


class ResolverCompany(Model):
    """A company under today's symbol. Symbols that share a `cik` are classes of one company's shares.

    Outside its active days the symbol does not resolve; its name may be known before them, not after.
    """

    symbol: str
    name: str
    cik: str = ""
    active_from: date | None = None
    active_to: date | None = None


class Resolution(Model):
    """A company that a text names. `surface` is where it is clearest; `mentions` are all places, in order."""

    symbol: str
    score: Annotated[float, Field(ge=0, le=1)]
    reason: Reason
    surface: str
    mentions: tuple[tuple[int, int], ...]
    """Start and end of each, so that `text[start:end]` are the words."""


LONGEST_NAME = 10
"""Words of a text that one name may take."""
CROWDED = 4
"""A derived name that more companies share than this says nothing."""

_MARK_SCORES = {
    MarkKind.EXCHANGE: (0.99, Reason.EXCHANGE_TICKER),
    MarkKind.RIC: (0.97, Reason.RIC),
    MarkKind.CASHTAG: (0.95, Reason.CASHTAG),
    MarkKind.LABEL: (0.93, Reason.TICKER_IN_CONTEXT),
}
_GAPS = frozenset(("", " ", "-", "‐", "‑", ".", "\u00a0", "\n", "  ", " \n", "\n "))
_BRACKET = re.compile(r"(?:['’]s)?\.?,?\s*[(<\[]\s?")
_BRACKET_END = re.compile(r"\s?[),;\]]")
_BARE_TICKER = re.compile(r"(?<![\w.$&-])[A-Z]{1,5}(?:[.\-/][A-Z]{1,2})?(?![\w&]|-\w)")
_WORD = re.compile(r"[^\W_]+(?:['’][^\W_]+)*")
_MARK_REACH = 12
"""How many characters may stand between a bracket and the ticker's exchange: `(common stock, NYSE: X)`."""


class _Token(NamedTuple):
    start: int
    end: int
    raw: str


class _Found(NamedTuple):
    symbol: str
    score: float
    reason: Reason
    start: int
    end: int


def canonical_label(label: str) -> str:
    """Write a ticker in one way: BRK-B, BRK/B and `brk b` are BRK.B."""
    return re.sub(r"[-/ ]", ".", label.strip().upper())


class NameIndex:
    """All names and tickers, hashed. The order in which they are given does not matter."""

    def __init__(self, companies: Iterable[ResolverCompany], names: Iterable[CompanyName] = ()) -> None:
        self._companies = {company.symbol: company for company in sorted(companies, key=lambda c: c.symbol)}
        self._groups = {c.symbol: c.cik.lstrip("0") or c.symbol for c in self._companies.values()}
        self._labels: dict[str, ResolverCompany] = {}
        for company in self._companies.values():
            self._labels.setdefault(canonical_label(company.symbol), company)
        self._tickers: dict[str, list[CompanyName]] = {}
        self._share_class: dict[str, str] = {}
        self._words: dict[str, set[str]] = {}
        self._forms: dict[str, set[str]] = {}
        entries: dict[tuple[str, str], list[Entry]] = {}
        for name in sorted(names, key=lambda n: (n.symbol, n.name, n.kind, str(n.valid_from), str(n.valid_to))):
            if name.kind is NameKind.TICKER:
                self._tickers.setdefault(canonical_label(name.name), []).append(name)
            else:
                self._add(entries, name, Origin.ALIAS)
        for company in self._companies.values():
            if company.name != company.symbol:
                own = CompanyName(
                    symbol=company.symbol, name=company.name, kind=NameKind.NAME, valid_to=company.active_to
                )
                self._add(entries, own, Origin.OWN)
        for rows in self._tickers.values():
            rows.sort(key=lambda n: (n.valid_from or date.min, n.symbol), reverse=True)
        self._by_key = _by_key(entries)
        self._canonical: dict[str, list[str]] = {}
        self._reach: dict[str, int] = {}
        self._lower_case: set[str] = set()
        for key, found in self._by_key.items():
            for spelling in sorted({canonical(entry.form.words) for entry in found}):
                self._canonical.setdefault(spelling, []).append(key)
            for length in range(1, 4):
                self._reach[key[:length]] = max(self._reach.get(key[:length], 0), len(key))
            openings = (TOKEN.search(entry.form.plain) for entry in found)
            self._lower_case.update(first.group() for first in openings if first and first.group().islower())

    def _add(self, entries: dict[tuple[str, str], list[Entry]], name: CompanyName, origin: Origin) -> None:
        form = parse_name(name.name)
        if form is None:
            return
        symbol, kind = name.symbol, name.kind
        forms = [(form, origin), *((other, origin) for other in variants(form))]
        if kind in {NameKind.NAME, NameKind.FORMER_NAME} and (head := head_of(form)) is not None:
            forms.append((head, Origin.HEAD))
        for one, source in forms:
            entry = Entry(symbol, self._groups.get(symbol, symbol), kind, source, one, name.valid_from, name.valid_to)
            entries.setdefault((symbol, one.key), []).append(entry)
        if form.share_class:
            self._share_class[symbol] = form.share_class
        self._words.setdefault(symbol, set()).update(word for word in form.words if word not in CONNECTING)
        self._forms.setdefault(symbol, set()).update(synonymous(form.forms))

    # -- tickers ------------------------------------------------------------------------------------------------------

    def resolve_ticker(self, label: str, on: date) -> str | None:
        """Map a ticker of that day to today's symbol; None where no company used it then.

        A ticker that was valid on the day wins over a company that carries the same letters today. A company whose own
        letters are given with dates carries them on those days alone.
        """
        letters = canonical_label(label)
        company = self._labels.get(letters)
        dated = False
        for name in self._tickers.get(letters, ()):
            if valid_on(name.valid_from, name.valid_to, on):
                return name.symbol
            dated = dated or (company is not None and name.symbol == company.symbol)
        if company is None or dated or not valid_on(company.active_from, company.active_to, on):
            return None
        return company.symbol

    # -- texts --------------------------------------------------------------------------------------------------------

    def resolve(self, text: str, on: date) -> tuple[Resolution, ...]:
        """List the companies that the text names, surest first, with every place where it does."""
        marks = evidence.find_marks(text)
        found = [
            _Found(symbol, *_MARK_SCORES[mark.kind], start, end)
            for mark in marks
            if mark.domestic
            for label, start, end in mark.tickers
            if (symbol := self.resolve_ticker(label, on)) is not None
        ]
        tokens = [_Token(m.start(), m.end(), m.group()) for m in TOKEN.finditer(text)]
        matches = without_overlaps(self._matches(text, tokens, on), marks)
        lowered = {token.raw for token in tokens if token.raw.islower()}
        for match in matches:
            self._judge(text, match, on, marks, lowered)
        settle(text, matches, {self._group(one.symbol) for one in found}, self._groups)
        found += [_Found(m.symbol, m.score, m.reason, m.start, m.full_end) for m in matches if m.score]
        found += self._bare_tickers(text, on, marks, matches, {self._group(one.symbol) for one in found})
        return _resolutions(text, found)

    def _group(self, symbol: str) -> str:
        return self._groups.get(symbol, symbol)

    def _matches(self, text: str, tokens: Sequence[_Token], on: date) -> Iterator[Match]:
        """The longest valid name from every word on that may open one."""
        for first, token in enumerate(tokens):
            if token.raw == "&" or (token.raw.islower() and token.raw not in self._lower_case):
                continue
            folded = fold(token.raw)
            reach = self._reach.get(folded[:3], 0)
            key, blanks, lower = "", [], False
            best: Match | None = None
            for number in range(first, min(first + LONGEST_NAME, len(tokens))):
                if len(key) >= reach:
                    break
                word = tokens[number]
                if number > first:
                    before = tokens[number - 1]
                    gap = text[before.end : word.start]
                    if gap not in _GAPS and not (gap == ". " and len(before.raw) == 1 and before.raw.isalpha()):
                        break
                    if gap.isspace() and len(before.raw) > 1:
                        blanks.append(len(key))
                    folded = fold(word.raw)
                lower = lower or (word.raw.islower() and (number == first or folded not in CONNECTING))
                options = [(key + folded, word.end)]
                if word.raw[-2:] in {"'s", "’s", "'S", "’S"}:
                    options.insert(0, (key + folded[:-1], word.end - 2))
                for option, end in options:
                    named = self._by_key.get(option)
                    if named is None:
                        continue
                    surface = text[token.start : end]
                    fitting = tuple(e for e in named if e.valid(on) and fits(surface, e, blanks, lower=lower))
                    if fitting:
                        best = Match(token.start, end, option, fitting, full_end=end)
                key += folded
            if best is not None:
                yield best

    def _judge(self, text: str, match: Match, on: date, marks: Sequence[Mark], lowered: set[str]) -> None:
        """Decide what the name and the words around it say; leave the score None where they leave it open."""
        form = evidence.legal_form_after(text, match.end)
        full_end = form.end if form else match.end
        chosen = choose(match.entries)
        said = self._ticker_after(text, full_end, on, marks, {entry.group for entry in match.entries})
        if said is not None:
            same = [entry for entry in match.entries if entry.group in {self._group(symbol) for symbol in said}]
            if same:
                match.full_end = full_end
                match.accept(same[0], 0.96, symbol=next(s for s in said if self._group(s) == same[0].group))
                return
            if said or (chosen or match.entries[0]).word_class is WordClass.EVERYDAY:
                match.score = 0.0
                return
        if chosen is None:
            return
        match.symbol = chosen.symbol
        near = evidence.surroundings(text, match.start, match.end)
        if form is not None:
            score = score_with_form(chosen, form, self._forms.get(chosen.symbol, set()), near)
            if score is not None:
                match.score = 0.0
                if score:
                    match.full_end = full_end
                    match.accept(chosen, score, full=True)
                return
        if "&" in (text[match.end : match.end + 1], text[match.start - 1 : match.start]):
            match.score = 0.0
        elif chosen.single and evidence.has_title(near):
            match.score, match.person = 0.0, True
        else:
            longer = evidence.opens_longer_name(text, match.end)
            match.score = score_without_form(text[match.start : match.end], chosen, near, lowered, longer=longer)
            match.lone = evidence.part_of_phrase(near)
            if match.score:
                match.accept(chosen, match.score)

    def _ticker_after(
        self, text: str, at: int, on: date, marks: Sequence[Mark], groups: set[str]
    ) -> tuple[str, ...] | None:
        """The symbols of the ticker in brackets after a name, empty for foreign ones; None without such a ticker.

        A ticker that nobody has is an empty symbol. Letters without an exchange count for the name's own company only.
        """
        bracket = _BRACKET.match(text, at)
        if bracket is None:
            return None
        number = bisect_left(marks, bracket.end() - 1, key=lambda mark: mark.start)
        if number < len(marks) and marks[number].start <= bracket.end() + _MARK_REACH:
            mark = marks[number]
            return tuple(self.resolve_ticker(label, on) or "" for label, _, _ in mark.tickers if mark.domestic)
        bare = _BARE_TICKER.match(text, bracket.end())
        if bare is not None and _BRACKET_END.match(text, bare.end()):
            symbol = self.resolve_ticker(bare.group(), on)
            return (symbol,) if symbol is not None and self._group(symbol) in groups else None
        return None

    def _bare_tickers(
        self, text: str, on: date, marks: Sequence[Mark], matches: Sequence[Match], known: set[str]
    ) -> Iterator[_Found]:
        """Tickers without a mark: in brackets after their own company's name, or among the words of trading."""
        taken = sorted([(m.start, m.end) for m in marks] + [(m.start, m.end) for m in matches if m.score])
        ends = {(m.symbol, m.full_end) for m in matches if m.score}
        for found in _BARE_TICKER.finditer(text):
            label, start, end = found.group(), found.start(), found.end()
            symbol = self.resolve_ticker(label, on)
            if symbol is None or inside(taken, start, end):
                continue
            gap = start
            while gap > 0 and start - gap < 6 and text[gap - 1] in " (\u00a0.,[":
                gap -= 1
            score = 0.0
            if any((symbol, at) in ends for at in range(gap, start)):
                score = 0.95
            elif "(" in text[max(0, start - 2) : start] and _BRACKET_END.match(text, end):
                score = 0.92 if self._named_before(text, start, symbol) else 0.0
            elif len(label) > 1:
                safe = label.lower() not in UNSAFE_TICKERS and len(label) > 2
                if evidence.ticker_cue(text[max(0, start - 24) : start], text[end : end + 24]):
                    score = 0.8 if safe or self._group(symbol) in known else 0.0
                elif safe and self._group(symbol) in known:
                    score = 0.75
            if score:
                yield _Found(symbol, score, Reason.TICKER_IN_CONTEXT, start, end)

    def _named_before(self, text: str, at: int, symbol: str) -> bool:
        """Whether the capitalised words before a bracket are words of the company's name."""
        words = [word for word in _WORD.findall(text[max(0, at - 60) : at]) if word[0].isupper()][-4:]
        shared = {fold(word) for word in words} & self._words.get(symbol, set())
        return len(shared) > 1 or any(word_class(word) is WordClass.COINED and len(word) > 3 for word in shared)

    # -- names --------------------------------------------------------------------------------------------------------

    def resolve_name(self, name: str, on: date) -> tuple[Resolution, ...]:
        """List the companies that a bare name may mean, likeliest first.

        There is no text that could tell an everyday word from a company: the caller says that this is a name.
        """
        stripped = name.strip()
        found: dict[str, _Found] = {}
        form = parse_name(stripped)
        for key, score, reason in self._spellings(form) if form is not None else ():
            entries = [entry for entry in self._by_key.get(key, ()) if entry.valid(on)]
            leading = {e.group for e in entries if e.origin is not Origin.HEAD} or {e.group for e in entries}
            for entry in entries:
                worth = score - 0.12 * (entry.origin is Origin.HEAD) - 0.1 * (entry.kind is NameKind.BRAND)
                worth -= 0.1 * (entry.kind is NameKind.AMBIGUOUS)
                worth -= 0.25 * (len(leading) > 1 or entry.group not in leading)
                symbol = self._of_class(entry, form.share_class if form is not None else "")
                if symbol not in found or found[symbol].score < worth:
                    found[symbol] = _Found(symbol, round(worth, 4), reason_of(entry, reason), 0, len(stripped))
        if re.fullmatch(r"[A-Za-z]{1,5}(?:[.\-/ ][A-Za-z]{1,2})?", stripped):
            ticker = self.resolve_ticker(stripped, on)
            if ticker is not None and ticker not in found and (stripped.isupper() or not found):
                unsafe = stripped.lower() in UNSAFE_TICKERS or len(stripped) < 3 or not stripped.isupper()
                found[ticker] = _Found(ticker, 0.5 if unsafe else 0.8, Reason.BARE_TICKER, 0, len(stripped))
        return _resolutions(stripped, found.values())

    def _spellings(self, form: NameForm) -> Iterator[tuple[str, float, Reason]]:
        registered = {f for entry in self._by_key.get(form.key, ()) for f in self._forms.get(entry.symbol, ())}
        full = bool(synonymous(form.forms) & registered)
        yield form.key, 0.98 if full else 0.92, Reason.FULL_NAME if full else Reason.SHORT_NAME
        for key in self._canonical.get(canonical(form.words), ()):
            yield key, 0.85, Reason.ABBREVIATED_NAME
        if (head := head_of(form)) is not None:
            yield head.key, 0.75, Reason.SHORT_NAME

    def _of_class(self, entry: Entry, share_class: str) -> str:
        """The symbol of the class of shares that a name states."""
        others = (other.symbol for other in self._by_key[entry.form.key] if other.group == entry.group)
        stated = (symbol for symbol in others if share_class and self._share_class.get(symbol) == share_class)
        return next(stated, entry.symbol)


def _by_key(entries: dict[tuple[str, str], list[Entry]]) -> dict[str, tuple[Entry, ...]]:
    """Drop what a more exact entry replaces: dated names win over undated ones, given names over derived ones."""
    grouped: dict[str, list[Entry]] = {}
    for (_, key), rows in entries.items():
        kept = [row for row in rows if row.origin is not Origin.HEAD] or rows
        if any(row.kind is NameKind.AMBIGUOUS for row in kept):
            kept = [replace(row, kind=NameKind.AMBIGUOUS) for row in kept]
        dated = [row for row in kept if row.valid_from is not None or row.valid_to is not None]
        grouped.setdefault(key, []).extend(dated or kept)
    result: dict[str, tuple[Entry, ...]] = {}
    for key, rows in grouped.items():
        derived = {row.group for row in rows if row.origin is Origin.HEAD}
        kept = rows if len(derived) <= CROWDED else [row for row in rows if row.origin is not Origin.HEAD]
        if kept:
            result[key] = tuple(sorted(kept, key=_order))
    return result


_KINDS = (NameKind.NAME, NameKind.FORMER_NAME, NameKind.BRAND, NameKind.AMBIGUOUS)


def _order(entry: Entry) -> tuple[bool, int, int, str, int, str, str, str]:
    """Given before derived, today's name before a former one, class A before class B."""
    return (
        entry.origin is Origin.HEAD,
        _KINDS.index(entry.kind),
        entry.origin,
        entry.form.share_class or "a",
        len(entry.symbol),
        entry.symbol,
        entry.form.plain,
        str(entry.valid_from),
    )


def _resolutions(text: str, found: Iterable[_Found]) -> tuple[Resolution, ...]:
    by_symbol: dict[str, list[_Found]] = {}
    for one in found:
        by_symbol.setdefault(one.symbol, []).append(one)
    result: list[Resolution] = []
    for symbol, places in by_symbol.items():
        best = min(places, key=lambda place: (-place.score, place.start))
        result.append(
            Resolution(
                symbol=symbol,
                score=best.score,
                reason=best.reason,
                surface=text[best.start : best.end],
                mentions=tuple(sorted({(place.start, place.end) for place in places})),
            )
        )
    return tuple(sorted(result, key=lambda r: (-r.score, r.mentions[0], r.symbol)))
