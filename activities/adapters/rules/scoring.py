"""Score one sentence in [-1, 1]: quantities and how they move, comparisons, beats and misses, and what words say."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from itertools import pairwise
from typing import NamedTuple

from activities.adapters.rules import lexicon, taxonomy
from activities.adapters.rules.lexicon import FORECAST, LOSS, MARKET
from activities.adapters.rules.phrases import Entry, Hit, Kind, PhraseTable
from activities.adapters.rules.tokens import Token, tokens_of, word_set
from domain.extraction import EventType

TABLE = PhraseTable(
    (
        # A phrase that only names an event gives way to one that says more.
        *(definition for definition in taxonomy.EVENTS if definition[0].value == 0),
        *lexicon.OPINIONS,
        *lexicon.METRICS,
        *lexicon.DIRECTIONS,
        *(definition for definition in taxonomy.EVENTS if definition[0].value),
        *lexicon.BEATS,
        *lexicon.GRAMMAR,
        *lexicon.NOTHING,
    )
)
_STOPS = frozenset(";:") | {"--", ".", "!", "?", "|"}
_DETERMINERS_OF_CHANGE = frozenset({"in", "of", "for"})
_LEVEL_WORDS = frozenset(
    {
        "level",
        "levels",
        "that",
        "year",
        "previous",
        "last",
        "comparable",
        "corresponding",
        "average",
        "same",
        "it",
        "he",
    }
)
_BE = frozenset(
    {
        "is",
        "was",
        "are",
        "were",
        "be",
        "been",
        "closed",
        "ended",
        "trading",
        "shares",
        "and",
        "prices",
        "%",
        "still",
        "markedly",
    }
)
_CMP_REACH = 16


_MONEY = word_set("$ € £ eur usd gbp sek nok dkk chf euro")
_SCALES = {
    **dict.fromkeys(("thousand", "k"), 1e3),
    **dict.fromkeys(("million", "mln", "mn", "m", "mio"), 1e6),
    **dict.fromkeys(("billion", "bln", "bn", "b"), 1e9),
    **dict.fromkeys(("trillion", "trln", "tn"), 1e12),
}
_WORRIES = word_set("fear fears worry worries risk risks uncertainty tension tensions")
_NOT_AMOUNT = word_set(
    "month months quarter quarters year years day days week weeks january february march april may june july august "
    "september october november december jan feb mar apr jun jul aug sep sept oct nov dec th st nd rd q"
)
_PERCENT = word_set("% pct percent per")
_RATE_OF_GROWTH = 0.5
_SET_ASIDE = word_set("excluding including excl incl before after despite")
_EARNED = lexicon.EARNINGS_METRIC
_NEGATED = -0.5
_SOFTENED = 0.2
_HEADLINE_WORDS = 25
_DEALS = frozenset({EventType.MA_ACQUIRER, EventType.MA_TARGET})
_DEAL_MADE_NEWS = 0.45
_DEPARTURE_MADE_NEWS = -0.4
_WORRY_MADE_NEWS = -0.45
"""What a deal, a manager's departure or a worry is worth at least as the news of a headline; amid prose it is often
told as a matter of course."""
_NEWSWORTHY = 1.2
"""Headlines are short and leave out what does not matter, so each of their words counts for more."""
_ECHO = 0.35
"""What a second contribution of the same sign adds, relative to the strongest."""


class _Amount(NamedTuple):
    value: float
    is_percent: bool


class Part(NamedTuple):
    """One contribution to a sentence's score and the words that made it."""

    value: float
    first: int
    last: int
    lift: float = 0.0
    """What a headline adds to the value when the sentence is scored as a whole, whoever it is about."""


@dataclass(slots=True)
class Reading:
    """A sentence read: its words, the phrases found in it and what they add up to."""

    tokens: list[Token]
    hits: list[Hit]
    parts: list[Part] = field(default_factory=list)
    hedges: int = 0
    negations: int = 0

    @property
    def is_headline(self) -> bool:
        """Whether the words are few and no full stop ends them; an ellipsis is none."""
        if not 0 < len(self.tokens) <= _HEADLINE_WORDS:
            return False
        last = self.tokens[-1]
        before = self.tokens[-2].end if len(self.tokens) > 1 else last.start
        return last.low != "." or last.start - before > 1

    @property
    def raw(self) -> float:
        return _balance([part.value + part.lift for part in self.parts])

    @property
    def score(self) -> float:
        return math.tanh(self.raw)

    @property
    def support(self) -> float:
        """Total weight of all contributions, whatever their sign."""
        return sum(abs(part.value + part.lift) for part in self.parts)


def squashed(parts: list[Part]) -> float:
    """Add contributions up to a score in [-1, 1]."""
    return math.tanh(_balance([part.value for part in parts]))


def _balance(values: list[float]) -> float:
    good = [value for value in values if value > 0]
    bad = [-value for value in values if value < 0]
    return _together(good) - _together(bad)


def _together(weights: list[float]) -> float:
    if not weights:
        return 0.0
    strongest = max(weights)
    return strongest + _ECHO * (sum(weights) - strongest)


def read(text: str, start: int = 0, end: int | None = None) -> Reading:
    """Read the sentence `text[start:end]`."""
    tokens = tokens_of(text, start, len(text) if end is None else end)
    hits = TABLE.find(tokens)
    reading = Reading(tokens, hits)
    if hits:
        _Composer(reading).run()
    return reading


def score_sentence(text: str) -> float:
    """Score a whole sentence or headline in [-1, 1]: negative is bad news, 0 says nothing."""
    return read(text).score


class _Composer:
    """Adds up what the phrases of one sentence say."""

    def __init__(self, reading: Reading) -> None:
        self.reading = reading
        self.tokens = reading.tokens
        self.hits = reading.hits
        self.is_headline = reading.is_headline
        self.used: set[int] = set()
        self.base_starts = [hit.first for hit in self.hits if hit.entry.kind is Kind.COMPARE]

    def run(self) -> None:
        for at, hit in enumerate(self.hits):
            kind = hit.entry.kind
            if kind is Kind.DIRECTION:
                self._direction(at, hit)
            elif kind is Kind.BEAT:
                self._beat(at, hit)
            elif kind is Kind.OPINION:
                self._opinion(at, hit)
            elif kind is Kind.HEDGE:
                self.reading.hedges += 1
            elif kind is Kind.NEGATOR:
                self.reading.negations += 1
                self._add(hit.entry.value, hit, at)
        self._comparisons()
        self._bare_losses()
        self._weigh_clauses()

    # -- contributions ---------------------------------------------------------------------------------------------

    def _add(self, value: float, hit: Hit, at: int, as_news: float | None = None) -> None:
        """Add a contribution; `as_news` is what it is worth in a headline where that differs from its value."""
        news = 0.0 if not self.is_headline else _NEWSWORTHY * (value if as_news is None else as_news)
        if value == 0 and news == 0:
            return
        weight = self._negation(at) * (0.7 if self._hedged(at) else 1.0)
        lift = (news - value) * weight if self.is_headline else 0.0
        self.reading.parts.append(Part(value * weight, hit.first, hit.last, lift))

    def _direction(self, at: int, hit: Hit) -> None:
        entry = hit.entry
        left = self._metric_left(at)
        right = self._metric_right(at)
        tag = entry.tag
        following = self.tokens[hit.last].low if hit.last < len(self.tokens) else ""
        prefers_right = tag in (lexicon.TRANSITIVE, lexicon.ADJECTIVE) or following in _DETERMINERS_OF_CHANGE
        if tag == lexicon.ADJECTIVE and right is not None and self.hits[right].first - hit.last > 3:
            right = None
        if tag == lexicon.WEAK:
            right = None
        chosen = (right if right is not None else left) if prefers_right else (left if left is not None else right)
        if chosen is None:
            self._add(self._without_metric(hit, following), hit, at)
            return
        metric = self.hits[chosen].entry
        polarity = metric.value
        if metric.tag == MARKET:
            polarity = 0.6
        self.used.add(chosen)
        if metric.tag == "cost" and tag == lexicon.TRANSITIVE:
            polarity *= 0.6
        self._add(polarity * entry.value * 0.9, hit, at)

    def _without_metric(self, hit: Hit, following: str) -> float:
        entry = hit.entry
        previous = self.tokens[hit.first - 1].low if hit.first else ""
        if entry.tag == lexicon.WEAK:
            next_is_number = hit.last < len(self.tokens) and self.tokens[hit.last].is_number
            if not (next_is_number or following in {"from", "on", "by", "as", "after", "slightly"} or previous in _BE):
                return 0.0
            return entry.value * 0.6
        if entry.tag in (lexicon.ADJECTIVE, lexicon.TRANSITIVE):
            return entry.value * 0.3
        return entry.value * 0.55

    def _metric_left(self, at: int) -> int | None:
        here = self.hits[at].first
        for index in range(at - 1, -1, -1):
            hit = self.hits[index]
            if here - hit.last > 26 or self._stopped(hit.last, here):
                return None
            kind = hit.entry.kind
            if kind is Kind.METRIC and not self._is_base(hit) and not self._is_set_aside(hit):
                return None if self._new_subject(hit.last, here) else index
            if kind is Kind.TURN:
                return None
        return None

    def _metric_right(self, at: int) -> int | None:
        here = self.hits[at].last
        for index in range(at + 1, len(self.hits)):
            hit = self.hits[index]
            if hit.first - here > 6:
                return None
            for token in self.tokens[here : hit.first]:
                if token.low in _STOPS or token.low in {",", "from", "to", "and", "as", "after", "on", "by", "at"}:
                    return None
            kind = hit.entry.kind
            if kind is Kind.METRIC:
                return index
            if kind in (Kind.COMPARE, Kind.TURN, Kind.CONTRAST, Kind.DIRECTION):
                return None
        return None

    def _is_set_aside(self, hit: Hit) -> bool:
        """Whether the words are what another figure leaves out ("profit excluding restructuring costs")."""
        return any(token.low in _SET_ASIDE for token in self.tokens[max(0, hit.first - 3) : hit.first])

    def _new_subject(self, first: int, last: int) -> bool:
        """Whether a name right before the movement, after a comma, starts a clause of its own ("..., Tullow climb")."""
        if last - 1 <= first or not self.tokens[last - 1].has_capital or self.tokens[last - 1].low in _MONEY:
            return False
        return any(token.low == "," for token in self.tokens[max(first, last - 4) : last])

    def _stopped(self, first: int, last: int) -> bool:
        return any(token.low in _STOPS for token in self.tokens[first:last])

    def _is_base(self, hit: Hit) -> bool:
        """Whether the words name the earlier value: they follow "compared to" or "from"."""
        for back in range(hit.first - 1, max(-1, hit.first - 5), -1):
            low = self.tokens[back].low
            if low == "from":
                return True
            if low in _STOPS or low == ",":
                break
        return any(
            0 <= hit.first - start <= _CMP_REACH and not self._stopped(start, hit.first) for start in self.base_starts
        )

    def _beat(self, at: int, hit: Hit) -> None:
        value = hit.entry.value
        for index in range(at + 1, len(self.hits)):
            other = self.hits[index]
            if other.first - hit.last > 5 or self._stopped(hit.last, other.first):
                break
            if other.entry.tag == FORECAST:
                self.used.add(index)
                self._add(value * 1.1, hit, at)
                return
        window = [token.low for token in self.tokens[hit.last : hit.last + 5]]
        if any(word in {"street", "consensus", "hopes"} for word in window):
            self._add(value * 1.1, hit, at)
        elif hit.entry.tag == "place":
            if any(word in _LEVEL_WORDS for word in window):
                metric = self._metric_left(at)
                polarity = self.hits[metric].entry.value if metric is not None else 0.5
                self._add(value * 0.7 * polarity, hit, at)
        elif self._metric_left(at) is not None:
            self._add(value * 0.7, hit, at)
        elif self.hits[at].entry.value < 0:
            self._add(value * 0.35, hit, at)

    def _opinion(self, at: int, hit: Hit) -> None:
        if hit.entry.tag == lexicon.HEADLINE and not self.is_headline:
            return
        value = hit.entry.value
        weight = 0.8
        if value and self._is_base(hit) and abs(value) < 1:
            weight *= 0.4
        self._add(value * weight, hit, at, _as_news(hit.entry) * weight)

    # -- comparisons -----------------------------------------------------------------------------------------------

    def _comparisons(self) -> None:
        """Compare the two values of "metric was A, compared to B" where no word says which way it went."""
        for at, hit in enumerate(self.hits):
            if hit.entry.kind is not Kind.COMPARE:
                continue
            metric_at = self._metric_left(at)
            if metric_at is None:
                continue
            metric = self.hits[metric_at]
            between = self.hits[metric_at + 1 : at]
            if any(other.entry.kind is Kind.DIRECTION for other in between):
                continue
            change = self._turn_of_sign(metric, hit, at) or self._change(metric, hit, at)
            polarity = 1.0 if metric.entry.tag == LOSS else metric.entry.value
            if change and polarity:
                self.used.add(metric_at)
                self._add(math.copysign(1.0, change * polarity), hit, at)

    def _turn_of_sign(self, metric: Hit, comparison: Hit, at: int) -> float:
        """Return +1 for a profit that was a loss, -1 for a loss that was a profit, 0 otherwise."""
        base = self._metric_after(at, comparison.last)
        if base is None or _EARNED not in (metric.entry.tag, base.entry.tag):
            return 0.0
        return float((base.entry.tag == LOSS) - (metric.entry.tag == LOSS))

    def _change(self, metric: Hit, comparison: Hit, at: int) -> float:
        """Return the later value minus the earlier one, losses counted as negative; 0 where they do not compare."""
        was_loss = metric.entry.tag == LOSS
        base = self._metric_after(at, comparison.last)
        base_loss = was_loss if base is None else base.entry.tag == LOSS
        earlier = self._amounts(comparison.last, min(len(self.tokens), comparison.last + 16))
        for later in self._amounts(metric.last, comparison.first):
            for then in earlier:
                if later.is_percent == then.is_percent:
                    now_value = -abs(later.value) if was_loss else later.value
                    then_value = -abs(then.value) if base_loss else then.value
                    return now_value - then_value
        return 0.0

    def _metric_after(self, at: int, start: int) -> Hit | None:
        for other in self.hits[at + 1 :]:
            if other.first - start > 8:
                return None
            if other.entry.kind is Kind.METRIC:
                return other
        return None

    def _amounts(self, first: int, last: int) -> list[_Amount]:
        """List the amounts between two words; years, dates and counts of months are none."""
        found: list[_Amount] = []
        for index in range(first, last):
            token = self.tokens[index]
            if not token.is_number:
                if token.low in _STOPS:
                    break
                continue
            after = self.tokens[index + 1].low if index + 1 < len(self.tokens) else ""
            before = [self.tokens[back].low for back in range(max(0, index - 2), index)]
            money = any(word in _MONEY for word in before)
            if after in _NOT_AMOUNT or (not money and _looks_like_year(token)):
                continue
            negative = (
                any(word in {"-", "−", "–", "negative"} for word in (*before[-1:], *before[:1])) and "(" not in before
            )
            value = token.value * _SCALES.get(after, 1.0)
            found.append(_Amount(-value if negative else value, after in _PERCENT))
        return found

    # -- losses and clauses ----------------------------------------------------------------------------------------

    def _bare_losses(self) -> None:
        for at, hit in enumerate(self.hits):
            if at in self.used or self._is_base(hit):
                continue
            if hit.entry.tag == LOSS:
                self._add(-0.7, hit, at)
            elif self.is_headline and hit.last - hit.first == 1 and self.tokens[hit.first].low in _WORRIES:
                self._add(0.0, hit, at, _WORRY_MADE_NEWS)
            elif hit.entry.kind is Kind.METRIC and self.tokens[hit.last - 1].low == "growth" and self._has_rate(hit):
                self._add(_RATE_OF_GROWTH, hit, at)

    def _has_rate(self, hit: Hit) -> bool:
        """Whether a percentage stands near ("growth of 8 %", "annual growth has been 8 %", "an 8 % growth")."""
        stretch = self.tokens[max(0, hit.first - 4) : hit.last + 8]
        return any(number.is_number and mark.low in _PERCENT for number, mark in pairwise(stretch))

    def _weigh_clauses(self) -> None:
        """Let what is conceded ("despite ...") count less and what comes after a "but" count more."""
        weights: list[tuple[int, int, float]] = []
        end = len(self.tokens)
        for hit in self.hits:
            if hit.entry.kind is Kind.CONTRAST:
                weight = 0.7 if self.tokens[hit.first].low in {"while", "whereas", "as"} else 0.3
                weights.append((hit.last, self._clause_end(hit.last), weight))
            elif hit.entry.kind is Kind.TURN and hit.first > 0:
                weights.append((0, hit.first, 0.7))
                weights.append((hit.last, end, 1.15))
        if not weights:
            return
        self.reading.parts = [
            part._replace(value=part.value * weight, lift=part.lift * weight)
            for part in self.reading.parts
            for weight in (math.prod(w for first, last, w in weights if first <= part.first < last),)
        ]

    def _clause_end(self, start: int) -> int:
        for index in range(start + 1, len(self.tokens)):
            if self.tokens[index].low in _STOPS or self.tokens[index].low == ",":
                return index
        return len(self.tokens)

    def _negation(self, at: int) -> float:
        """What a negator shortly before leaves of a contribution: half of it with the other sign, or a small rest."""
        negator = self._preceded_by(Kind.NEGATOR, at, 4)
        if negator is None:
            return 1.0
        return _SOFTENED if negator.entry.tag == lexicon.SOFTENS else _NEGATED

    def _hedged(self, at: int) -> bool:
        return self._preceded_by(Kind.HEDGE, at, 6) is not None

    def _preceded_by(self, kind: Kind, at: int, reach: int) -> Hit | None:
        here = self.hits[at].first
        for index in range(at - 1, -1, -1):
            hit = self.hits[index]
            if here - hit.last >= reach:
                return None
            if hit.entry.kind is kind:
                apart = any(t.low in _STOPS or t.low == "," for t in self.tokens[hit.last : here])
                return None if apart else hit
        return None


def _as_news(entry: Entry) -> float:
    """Return what a phrase is worth in a headline."""
    if entry.value >= 0 and entry.event in _DEALS:
        return max(entry.value, _DEAL_MADE_NEWS)
    if entry.value < 0 and entry.event is EventType.MANAGEMENT:
        return min(entry.value, _DEPARTURE_MADE_NEWS)
    return entry.value


def _looks_like_year(token: Token) -> bool:
    return len(token.low) == 4 and 1950 <= token.value <= 2050 and token.low.isdigit()
