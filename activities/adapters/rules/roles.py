"""Who is who in a sentence, and whose news it is: the sign of a sentence is split between the companies it names."""

from __future__ import annotations

import re
from dataclasses import dataclass
from itertools import pairwise
from typing import NamedTuple

from activities.adapters.rules.names import Mention
from activities.adapters.rules.phrases import Hit, Kind
from activities.adapters.rules.scoring import Part, Reading, squashed
from activities.adapters.rules.taxonomy import BOUGHT, BUY, MERGE, SELL
from activities.adapters.rules.tokens import Token, word_set
from domain.extraction import EntityRole


@dataclass(slots=True)
class Share:
    """What a sentence says of one company."""

    symbol: str
    surface: str
    role: EntityRole
    sentiment: float
    is_head: bool


class _Place(NamedTuple):
    mention: Mention
    first: int
    last: int


TARGET_GAIN = 0.5
ACQUIRER_GAIN = 0.1
SELLER_GAIN = 0.15
PARTNER_GAIN = 0.2
_OPPOSED = 0.3
"""From this much bad news on a deal in trouble brings its parties no gain."""
_OBJECT_SHARE = 0.6
"""Weight of a sentence's sign for a company that stands in it without being its head."""
_AGENT_SHARE = 0.15
"""Weight of bad news for the company that brings it about ("a lawsuit brought by X")."""
_FOREIGN_SHARE = 0.35
"""Weight of a clause that speaks of somebody else."""

_CLAUSE_MARKS = frozenset({";", ":", "--", "|", ","})
_AGAINST = re.compile(
    r"sue[sd]?|suing|accus\w+|prob(?:e|es|ed|ing)|investigat\w+|fine[sd]?|fining|charge[sd]?|raid\w*|downgrad\w+|upgrad\w+|blast\w*|slam\w*|"
    r"critici[sz]\w+|reject\w*|ban(?:s|ned)?|block\w*|oppos\w+|hit|hits|hurts?|threaten\w*|subpoena\w*|penali[sz]\w+|boycott\w*|blame[sd]?|"
    r"attack\w*|hack\w*|boosts?|boosted|lifts?|lifted|helps?|helped"
)
_PASSIVE = frozenset({"by", "at", "over", "of", "for", "from", "to", "in", "into", "on", "after"})
_BROKER_VERBS = word_set(
    "upgrades downgrades upgraded downgraded cuts raises rates starts initiates reiterates says said "
    "sees analyst analysts recommends estimates expects forecasts"
)
_RIVAL = re.compile(
    r"(?:rivals?|competitors?|competing with|competition from|against|versus|vs\.?|behind|over)\s+(?:the\s+)?$",
    re.IGNORECASE,
)
_RIVAL_AFTER = re.compile(r"\s*['’]s?\s+(?:rivals?|competitors?)\b|\s+rivals?\b", re.IGNORECASE)
_SUPPLIED_AFTER = re.compile(r"\s*(?:['’]s)?\s+suppliers?\b|\s+contractor\b", re.IGNORECASE)
_CUSTOMER_BEFORE = re.compile(
    r"(?:supplier|suppliers|contractor|vendor|sells|sale|delivers)\s+(?:to|of|for)\s+$", re.IGNORECASE
)
_ASIDE_AFTER = re.compile(r"[- ](?:backed|owned|led|style|like|alum|alumni|veteran|compatible)\b")
_ASIDE_BEFORE = re.compile(
    r"(?:\b[Ee]x[- ]|\b[Ff]ormer |\b(?:advis[eo]rs?|underwriters?|bankers?|bookrunners?|arrangers?)\s+)$"
)
_ATTRIBUTED = re.compile(r"^(?:\s*['’]s)?\s+(?:analysts?|strategists?|economists?|says|said|estimates)\b")
_SOURCE_BEFORE = re.compile(
    r"(?:according to|said|analysts? at|analysts? from|economist at|strategist at|by)\s+$", re.IGNORECASE
)
_OUTDONE = word_set(
    "beat beats beating overtakes overtook overtaken passes passed surpass surpasses surpassed tops "
    "topped outsells outpaces trumps outbids outbid"
)


def shares_of(
    text: str, reading: Reading, mentions: list[Mention], *, is_analyst: bool, is_firm_event: bool = False
) -> list[Share]:
    """Split a sentence's sign between the companies named in it, each company once, in order of appearance.

    `is_analyst` says that somebody rates somebody; `is_firm_event` that the sentence is a headline about something that
    happens to a company, so that the only company in it is its subject wherever it stands ("FDA warns of X's drug").
    """
    if not mentions:
        return []
    places = _places(reading, mentions)
    splitter = _Splitter(text, reading, places, is_analyst=is_analyst, is_firm_event=is_firm_event)
    return splitter.shares()


class _Splitter:
    def __init__(
        self, text: str, reading: Reading, places: list[_Place], *, is_analyst: bool, is_firm_event: bool
    ) -> None:
        self.text = text
        self.reading = reading
        self.tokens = reading.tokens
        self.places = places
        self.is_analyst = is_analyst
        self.clauses = _clauses(reading)
        self.sole = is_firm_event and len({place.mention.symbol for place in places}) == 1
        self.symbols = list(dict.fromkeys(place.mention.symbol for place in places))

    def shares(self) -> list[Share]:
        found = [self._share(symbol) for symbol in self.symbols]
        if not self.is_analyst:
            self._assign_deal(found)
        self._assign_outdone(found)
        return found

    def _share(self, symbol: str) -> Share:
        own = [place for place in self.places if place.mention.symbol == symbol]
        first = own[0]
        role = self._named_role(first)
        aside = self._is_aside(first)
        is_head = not aside and (self.sole or self._is_head(first))
        weighted = [part._replace(value=part.value * self._weight(part, own, is_head)) for part in self.reading.parts]
        sentiment = squashed(weighted)
        if role is EntityRole.ANALYST:
            sentiment = 0.0
        elif role is EntityRole.COMPETITOR:
            sentiment *= -0.2
        elif aside:
            sentiment *= 0.25
        surface = self.text[first.mention.start : first.mention.end]
        rated = self.is_analyst and not aside and abs(sentiment) >= _OPPOSED
        if role is EntityRole.MENTION and (is_head or rated):
            role = EntityRole.SUBJECT
        return Share(symbol, surface, role, sentiment, is_head)

    # -- weights ---------------------------------------------------------------------------------------------------

    def _weight(self, part: Part, own: list[_Place], is_head: bool) -> float:
        clause = _clause_at(self.clauses, part.first)
        owners = self._owners(clause)
        mine = next((place for place in own if _clause_at(self.clauses, place.first) == clause), None)
        if mine is None:
            if owners:
                return 0.0
            inherited = self._inheriting(clause)
            if inherited is not None and inherited not in {place.mention.symbol for place in own}:
                return 0.0
            return _FOREIGN_SHARE if self._is_foreign(clause) else (1.0 if is_head else _OBJECT_SHARE)
        aimed = self._aim(part, clause)
        if aimed is not None:
            return 1.0 if mine.mention.symbol in aimed else 0.0
        if part.value < 0 and part.first < mine.first and self.tokens[mine.first - 1].low == "by":
            return _AGENT_SHARE
        return 1.0 if self._leads(mine, part) else _OBJECT_SHARE

    def _owners(self, clause: int) -> list[_Place]:
        return [place for place in self.places if _clause_at(self.clauses, place.first) == clause]

    def _inheriting(self, clause: int) -> str | None:
        """The company a clause without a name speaks of: the head of the nearest clause before it, else after it."""
        for index in (*range(clause - 1, -1, -1), *range(clause + 1, len(self.clauses))):
            owners = self._owners(index)
            if owners:
                return owners[0].mention.symbol
        return None

    def _is_foreign(self, clause: int) -> bool:
        """Whether a clause without a candidate opens with some other name."""
        start, end = self.clauses[clause]
        words = [token for token in self.tokens[start : min(end, start + 3)] if not token.is_number]
        if start == 0:
            return bool(words) and words[0].has_capital and len(self.clauses) > 1
        return any(token.has_capital and len(token.low) > 1 for token in words)

    def _aim(self, part: Part, clause: int) -> frozenset[str] | None:
        """The companies a verb like "sues" or "downgrades" is aimed at, where the sentence shows any."""
        word = self.tokens[part.first].low
        if not _AGAINST.fullmatch(word):
            return None
        following = self.tokens[part.first + 1].low if part.first + 1 < len(self.tokens) else ""
        owners = self._owners(clause)
        before = [place for place in owners if place.last <= part.first]
        after = [place for place in owners if place.first > part.first and place.first - part.last <= 5]
        if following in _PASSIVE or not after:
            return frozenset({before[-1].mention.symbol}) if before and following == "by" else None
        listed = [after[0]]
        for place in (other for other in owners if other.first >= after[0].last):
            between = self.tokens[listed[-1].last : place.first]
            if len(between) > 2 or any(token.low not in {",", "and"} for token in between):
                break
            listed.append(place)
        return frozenset(place.mention.symbol for place in listed)

    def _leads(self, place: _Place, part: Part) -> bool:
        """Whether what is said is said of this company: it stands before the verb, or owns the quantity."""
        if self.sole or place.last <= part.first:
            return True
        if self._owns_metric(place):
            return True
        low = self.tokens[place.first - 1].low if place.first else ""
        return low in {"at", "for", "of", "on", "against", "in"}

    def _owns_metric(self, place: _Place) -> bool:
        """Whether a quantity follows the name at once ("Google results", "GM's credit rating")."""
        return any(hit.entry.kind is Kind.METRIC and 0 <= hit.first - place.last <= 2 for hit in self.reading.hits)

    def _is_head(self, place: _Place) -> bool:
        """Whether the company opens its clause: only names, numbers and small words stand before it."""
        start, _ = self.clauses[_clause_at(self.clauses, place.first)]
        before = self.tokens[start : place.first]
        if self._owns_metric(place):
            return True
        if len(before) > 9:
            return False
        moves = any(start <= hit.first < place.first and hit.entry.kind in _VERBAL for hit in self.reading.hits)
        return not moves and sum(1 for token in before if not token.has_capital and token.low.isalpha()) <= 2

    def _is_aside(self, place: _Place) -> bool:
        """Whether the name only describes somebody else ("Intel-backed Synacor", "ex-Goldman trader")."""
        ahead = self.text[max(0, place.mention.start - 14) : place.mention.start]
        behind = self.text[place.mention.end : place.mention.end + 12]
        return _ASIDE_AFTER.match(behind) is not None or _ASIDE_BEFORE.search(ahead) is not None

    def _named_role(self, place: _Place) -> EntityRole:
        mention = place.mention
        ahead = self.text[max(0, mention.start - 40) : mention.start]
        behind = self.text[mention.end : mention.end + 40]
        if self.is_analyst and self._is_broker(place):
            return EntityRole.ANALYST
        if _ATTRIBUTED.match(behind) and not self._owns_news(behind):
            return EntityRole.ANALYST
        if _SUPPLIED_AFTER.match(behind) or _CUSTOMER_BEFORE.search(ahead):
            return EntityRole.CUSTOMER
        if len(self.symbols) > 1 and (_RIVAL.search(ahead) or _RIVAL_AFTER.match(behind)):
            return EntityRole.COMPETITOR
        if _RIVAL_AFTER.match(behind) or re.search(r"(?:rivals?|competition from)\s+$", ahead, re.IGNORECASE):
            return EntityRole.COMPETITOR
        return EntityRole.MENTION

    def _is_broker(self, place: _Place) -> bool:
        following = self.tokens[place.last].low if place.last < len(self.tokens) else ""
        before = self.tokens[place.first - 1].low if place.first else ""
        return len(self.symbols) > 1 and (following in _BROKER_VERBS or before == "by")

    def _owns_news(self, behind: str) -> bool:
        """ "Boeing says ..." is the company's own news; "Goldman analysts say ..." is a view."""
        return re.match(r"\s+(?:says|said)\b", behind) is not None

    # -- relations -------------------------------------------------------------------------------------------------

    def _assign_deal(self, found: list[Share]) -> None:
        by_symbol = {share.symbol: share for share in found}
        for hit in self.reading.hits:
            tag = hit.entry.tag
            if tag not in (BUY, BOUGHT, SELL, MERGE) or self._is_denied(hit):
                continue
            before = [place for place in self.places if place.last <= hit.first]
            after = [place for place in self.places if hit.last <= place.first <= hit.last + 10]
            self._deal(tag, hit, before, after, by_symbol)

    def _deal(self, tag: str, hit: Hit, before: list[_Place], after: list[_Place], by_symbol: dict[str, Share]) -> None:
        if tag == MERGE:
            for place in (*before[-1:], *after[:1]):
                _give(by_symbol[place.mention.symbol], EntityRole.SUBJECT, PARTNER_GAIN)
            return
        if tag == BUY:
            if before and self._near(before[0], hit):
                _give(by_symbol[before[0].mention.symbol], EntityRole.ACQUIRER, ACQUIRER_GAIN)
            for place in after[:1]:
                if before and place.mention.symbol == before[0].mention.symbol:
                    continue
                if self._is_seller(place):
                    _give(by_symbol[place.mention.symbol], EntityRole.MENTION, SELLER_GAIN)
                else:
                    _give(by_symbol[place.mention.symbol], EntityRole.TARGET, TARGET_GAIN)
        elif tag == BOUGHT:
            for place in before[-1:]:
                _give(by_symbol[place.mention.symbol], EntityRole.TARGET, TARGET_GAIN)
            for place in after[:1]:
                _give(by_symbol[place.mention.symbol], EntityRole.ACQUIRER, ACQUIRER_GAIN)
        elif tag == SELL:
            for place in after:
                if self.tokens[place.first - 1].low == "to":
                    _give(by_symbol[place.mention.symbol], EntityRole.ACQUIRER, ACQUIRER_GAIN)

    def _is_denied(self, hit: Hit) -> bool:
        return any(other.entry.kind is Kind.NEGATOR and 0 <= hit.first - other.last <= 4 for other in self.reading.hits)

    def _near(self, place: _Place, hit: Hit) -> bool:
        return hit.first - place.last <= 12

    def _is_seller(self, place: _Place) -> bool:
        """Whether the company only sells what is bought: "buys Glencore's mine", "student loans from Citi"."""
        before = self.tokens[place.first - 1].low if place.first else ""
        after = [token.low for token in self.tokens[place.last : place.last + 4]]
        return before == "from" or after[:1] == ["'s"] or bool({"unit", "business", "assets", "division"} & set(after))

    def _assign_outdone(self, found: list[Share]) -> None:
        """In "X beats Y" with two companies, one gains what the other loses."""
        by_symbol = {share.symbol: share for share in found}
        for at, token in enumerate(self.tokens):
            if token.low not in _OUTDONE:
                continue
            winner = [place for place in self.places if place.last <= at and at - place.last <= 3]
            loser = [place for place in self.places if 0 < place.first - at <= 2]
            if winner and loser and winner[-1].mention.symbol != loser[0].mention.symbol:
                by_symbol[winner[-1].mention.symbol].sentiment = 0.4
                by_symbol[loser[0].mention.symbol].sentiment = -0.35
                by_symbol[loser[0].mention.symbol].role = EntityRole.COMPETITOR


_VERBAL = frozenset({Kind.DIRECTION, Kind.OPINION, Kind.BEAT})


def _give(share: Share, role: EntityRole, gain: float) -> None:
    """Set a role in a deal; its usual gain stands unless the sentence says something strong against it."""
    share.role = role
    if share.sentiment > -_OPPOSED:
        share.sentiment = gain if role is EntityRole.TARGET or abs(share.sentiment) < _OPPOSED else share.sentiment


def _places(reading: Reading, mentions: list[Mention]) -> list[_Place]:
    found: list[_Place] = []
    tokens = reading.tokens
    at = 0
    for mention in mentions:
        while at < len(tokens) and tokens[at].end <= mention.start:
            at += 1
        last = at
        while last < len(tokens) and tokens[last].start < mention.end:
            last += 1
        found.append(_Place(mention, at, max(last, at + 1)))
    return found


def _clauses(reading: Reading) -> list[tuple[int, int]]:
    """Cut a sentence where a new clause begins: at marks, at "but" or "while", and at a comma or "as" before a verb."""
    tokens = reading.tokens
    cuts: set[int] = set()
    for hit in reading.hits:
        if hit.first and hit.entry.kind in (Kind.CONTRAST, Kind.TURN):
            cuts.add(hit.first)
    for index, token in enumerate(tokens):
        ends = token.low in {";", "--", "|"} or (token.low == ":" and index > 0)
        joins = token.low in {",", "as", "and", "after"} and _opens_clause(reading, index)
        gap = index > 0 and _wide_gap(tokens[index - 1], token) and _opens_clause(reading, index - 1)
        if ends or joins or gap:
            cuts.add(index)
    bounds = [0, *sorted(cut for cut in cuts if 0 < cut < len(tokens)), len(tokens)]
    return [(first, last) for first, last in pairwise(bounds) if last > first] or [(0, len(tokens))]


def _wide_gap(left: Token, right: Token) -> bool:
    """Some wires lose their commas and leave two blanks."""
    return right.start - left.end == 2


def _opens_clause(reading: Reading, mark: int) -> bool:
    """Whether a verb follows the mark within a few words, so that a clause of its own begins here."""
    if not any(hit.last <= mark and hit.entry.kind in _VERBAL for hit in reading.hits):
        return False
    for hit in reading.hits:
        if hit.first <= mark:
            continue
        if hit.first - mark > 6:
            return False
        if hit.entry.kind in _VERBAL and (hit.entry.value or hit.entry.event):
            return not any(token.low in {",", "and"} for token in reading.tokens[mark + 1 : hit.first])
    return False


def _clause_at(clauses: list[tuple[int, int]], index: int) -> int:
    for number, (first, last) in enumerate(clauses):
        if first <= index < last:
            return number
    return len(clauses) - 1
