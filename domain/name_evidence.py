"""What the text around a name says: a company, a person, a place, or just the word."""

from __future__ import annotations

import re
from enum import StrEnum
from typing import NamedTuple

from domain.company_names import fold
from domain.name_words import (
    BESIDE_NAMES,
    DETERMINERS,
    GIVEN_NAMES,
    LEGAL_FORMS,
    POSSESSIVES,
    TITLES,
)


class MarkKind(StrEnum):
    EXCHANGE = "exchange"
    RIC = "ric"
    CASHTAG = "cashtag"
    LABEL = "label"
    """`Symbol: XYZ`, `under the ticker XYZ`."""


class Mark(NamedTuple):
    """Letters that the text itself calls a ticker, with the words that do so."""

    kind: MarkKind
    start: int
    end: int
    tickers: tuple[tuple[str, int, int], ...]
    """Label, start and end of each."""
    domestic: bool
    """False where only foreign exchanges are named: the letters then mean nothing here."""


def _any(words: str) -> str:
    """An alternation of words; an underscore stands for a blank inside a phrase."""
    return "(?:" + "|".join(words.split()).replace("_", " ") + ")"


_US = (
    r"(?:NYSE(?:[ -]?(?:American|Arca|MKT|Amex))?|NYSEARCA|NYSEAMERICAN|New York Stock Exchange|"
    r"NASDAQ(?:[ -]?(?:GS|GM|CM|NMS|Global Select(?: Market)?|Global Market|Capital Market|National Market))?|"
    r"Nasdaq Stock Market|AMEX|American Stock Exchange|BATS|Cboe(?: BZX)?|"
    r"OTC(?:QB|QX|BB|PK|MKTS)?|OTC[ -](?:Markets|Pink|QB|QX|Bulletin Board)|Pink Sheets)"
)
_FOREIGN = (
    r"(?:TSX(?:[ -]?V)?|TSXV|CVE|CSE|NEO|LSE|LON|AIM|FRA|ETR|XETRA|HKEX|HKG|HKSE|SEHK|HK|SGX|ASX|NZX|JSE|BSE|NSE|TYO|"
    r"TSE|KRX|KOSPI|KOSDAQ|Euronext(?: \w+)?|EPA|AMS|BIT|BME|SIX|SWX|VTX|STO|OMX|CPH|HEL|OSE|BMV|B3|TWSE|SSE|SZSE|TASE|"
    r"(?:\w+ )?(?:Stock Exchange|Börse|Bourse))"
)
_EXCHANGE = rf"(?:(?i:{_US})|{_FOREIGN})"
_TICKER = r"[A-Z]{1,5}(?:[.\-/][A-Z]{1,2})?(?![\w])(?!\s?:)"
_EXCHANGE_MARK = re.compile(
    rf"(?<![\w$])(?P<exchanges>{_EXCHANGE}(?:\s{{0,2}}(?:[/,;&]|\band\b)\s{{0,2}}{_EXCHANGE}){{0,3}})\s?:\s?"
    rf"(?P<tickers>{_TICKER}(?:\s{{0,2}}(?:,|/|&|\band\b)\s{{0,2}}{_TICKER}){{0,9}})"
)
_US_EXCHANGE = re.compile(rf"(?i:(?<![\w]){_US}(?![\w]))")
_ONE_TICKER = re.compile(r"[A-Z]{1,5}(?:[.\-/][A-Z]{1,2})?")
_CASHTAG = re.compile(r"(?<![\w$])\$(?P<ticker>[A-Z]{1,5}(?:[.\-/][A-Z]{1,2})?|[a-z]{3,5})(?![\w])")
_NOT_CASHTAGS = frozenset(["usd", "cad", "aud", "nzd", "hkd", "sgd", "mln", "bln", "mil", "bil", "tril"])
_SCALES = frozenset(["M", "B", "K", "T", "MM", "BN", "TN", "MN", "MLN", "BLN"])
_RIC = re.compile(r"(?<![\w.])(?P<open>[<(])?(?P<ticker>[A-Z]{1,5}[a-z]?)\.(?:N|O|OQ|K)(?![\w.])")
_LABEL = re.compile(
    r"\b(?i:symbols?|tickers?(?: symbols?)?)(?:\s?:\s?|\s+(?:of\s+|is\s+|was\s+)?)[\"“'‘(]?"
    r"(?P<ticker>[A-Z]{1,5}(?:[.\-/][A-Z]{1,2})?)(?![\w])"
)


def find_marks(text: str) -> list[Mark]:
    """List the places where a text calls letters a ticker, in order and without overlaps."""
    found: list[Mark] = []
    for match in _EXCHANGE_MARK.finditer(text):
        at = match.start("tickers")
        tickers = tuple(
            (ticker.group(), at + ticker.start(), at + ticker.end())
            for ticker in _ONE_TICKER.finditer(match["tickers"])
        )
        domestic = _US_EXCHANGE.search(match["exchanges"]) is not None
        found.append(Mark(MarkKind.EXCHANGE, match.start(), match.end(), tickers, domestic))
    if "$" in text:
        found += [mark for match in _CASHTAG.finditer(text) if (mark := _cashtag(text, match)) is not None]
    for match in _RIC.finditer(text):
        root = match["ticker"]
        if match["open"] is None and len(root) == 1:
            continue  # U.N. and initials
        label = f"{root[:-1]}.{root[-1].upper()}" if root[-1].islower() and len(root) > 1 else root
        one = (label, match.start("ticker"), match.end("ticker"))
        found.append(Mark(MarkKind.RIC, match.start(), match.end(), (one,), True))
    for match in _LABEL.finditer(text):
        one = (match["ticker"], match.start("ticker"), match.end("ticker"))
        found.append(Mark(MarkKind.LABEL, match.start(), match.end(), (one,), True))
    found.sort(key=lambda mark: (mark.start, -mark.end))
    kept: list[Mark] = []
    for mark in found:
        if not kept or mark.start >= kept[-1].end:
            kept.append(mark)
    return kept


def _cashtag(text: str, match: re.Match[str]) -> Mark | None:
    label = match["ticker"]
    if label in _NOT_CASHTAGS:
        return None
    before = text[max(0, match.start() - 4) : match.start()].rstrip().lower()
    if label in _SCALES and (label != "T" or before.endswith((" in", "("))):
        return None  # a unit: "($M)", "in $BN"
    one = (label.upper(), match.start("ticker"), match.end("ticker"))
    return Mark(MarkKind.CASHTAG, match.start(), match.end(), (one,), True)


_FORM = _any(
    r"Inc INC Incorporated INCORPORATED Corp CORP Corporation CORPORATION Company COMPANY Companies Co CO PLC Plc plc "
    r"Ltd LTD Limited LIMITED L\.?L\.?C L\.?L\.?P L\.?P N\.?V S\.?A AG SE AB ASA Oyj KGaA GmbH S\.?p\.?A Pty Bhd B\.?V "
    r"Holdings? HOLDINGS? Group GROUP N\.?A"
)
_FORMS_AFTER = re.compile(rf"(?:,?[ \u00a0\n](?:(?:&|and)[ ])?{_FORM}(?![\w])(?:\.(?=[ ,]{{1,2}}{_FORM}(?!\w)))?)+")
_FORM_WORD = re.compile(_FORM)


class LegalForm(NamedTuple):
    """The legal form that follows a name in a text."""

    words: frozenset[str]
    end: int


def legal_form_after(text: str, at: int) -> LegalForm | None:
    """Read the legal form after a name: `, Inc` or ` & Co`; the full stop stays with the sentence."""
    match = _FORMS_AFTER.match(text, at)
    if match is None:
        return None
    words = frozenset(fold(word.replace(".", "")) for word in _FORM_WORD.findall(match.group()))
    return LegalForm(words & LEGAL_FORMS, match.end())


_LAST_WORD = _any(
    r"Inc INC Corp Corporation Company Co LLC L\.L\.C Ltd Limited L\.?P plc PLC GmbH N\.?V S\.?A AG B\.?V REIT Trust "
    r"Fund Foundation University Institute"
)
_LONGER = re.compile(rf"(?:[ \u00a0](?!{_FORM}\b)[A-Z][\w.&’'-]*){{1,4}},?[ \u00a0]{_LAST_WORD}(?![\w])")


def opens_longer_name(text: str, at: int) -> bool:
    """Whether the name goes on and ends in a legal form of its own: `Apple Hospitality REIT, Inc.`"""
    return _LONGER.match(text, at) is not None


_OPENERS = frozenset(".!?:;•●▪·|\n\r–—→Ø*")
_SKIPPED = frozenset(" \t\u00a0\u3000\"“”‘'([")
_PREFIXES = frozenset(["ex", "non", "pro", "anti", "pre", "post", "former", "co", "un"])


class Surroundings(NamedTuple):
    """Where a name stands. `before` and `after` are short pieces of the text next to it."""

    before: str
    after: str
    previous: str
    """The word directly before, one blank away; empty where something else stands between."""
    following: str
    opens: bool
    """At the start of a sentence, line or cell, where a capital says nothing."""
    title_case: bool
    shouting: bool


_WIRE = re.compile(r"(?:^|\s)[A-Z]{4,}(?: \d+)?-\s?$")
"""What a news wire puts before a headline: `UPDATE 2-`."""
_LONG_WORD = re.compile(r"[A-Za-z]{4,}")
_PREVIOUS = re.compile(r"([^\s\"“”()\[\],;:/|]+)[ \u00a0]$")
_FOLLOWING = re.compile(r"[ \u00a0]([^\s\"“”()\[\],;:/|]+)")


def surroundings(text: str, start: int, end: int) -> Surroundings:
    low, high = max(0, start - 160), min(len(text), end + 160)
    line_start = max(text.rfind("\n", low, start) + 1, low)
    line_end = text.find("\n", end, high)
    left, right = text[line_start:start], text[end : high if line_end < 0 else line_end]
    words = _LONG_WORD.findall(left) + _LONG_WORD.findall(right)
    capitals = sum(word[0].isupper() for word in words)
    upper = sum(word.isupper() for word in words)
    previous, following = _PREVIOUS.search(left), _FOLLOWING.match(right)
    opens = _opens(text, start)
    if (wire := _WIRE.search(left)) is not None:
        left, opens = left[: wire.start()], True
    return Surroundings(
        before=left[-60:],
        after=right[:80],
        previous=previous[1] if previous else "",
        following=following[1] if following else "",
        opens=opens,
        title_case=len(words) >= 2 and capitals >= 0.7 * len(words),
        shouting=len(words) >= 2 and upper >= 0.8 * len(words),
    )


def _opens(text: str, at: int) -> bool:
    back = at - 1
    if back >= 0 and text[back] in "-/":
        return False
    while back >= 0 and text[back] in _SKIPPED:
        back -= 1
    return back < 0 or text[back] in _OPENERS


_SAYS = _any(
    "said says reported reports posted posts announced announces unveiled unveils agreed agrees declined_to_comment "
    "plans_to expects expected_to filed sued sues acquires acquired hires hired launches launched operates owns sells "
    "recalls recalled reaffirms reaffirmed warned warns beats tops misses names named"
)
_CHANGES = _any("raises raised cuts cut lifts lifted boosts boosted lowers lowered slashes slashed")
_CHANGED = _any(r"its full annual profit sales earnings guidance outlook dividend forecast \d{4} q\d jobs prices_on")
_INTENDS = _any(
    "buy sell acquire cut open close pay launch raise hire report offer invest build add spin merge expand post"
)
_MOVES = _any(
    "rises rose jumps jumped surges surged soars soared climbs climbed gains gained falls fell drops dropped slips "
    "slipped tumbles tumbled plunges plunged slides slid sinks sank adds added lost loses dips dipped"
)
_ROUGHLY = _any("about nearly almost more_than over some as_much_as around up_to another")
_SPEAKS = re.compile(
    rf"\s+(?:{_SAYS}\b|{_CHANGES}\s+{_CHANGED}\b|to\s+{_INTENDS}\b|(?:{_MOVES}|up|down)\s+(?:{_ROUGHLY}\s+)?\$?\d)",
    re.IGNORECASE,
)
_ACTS = re.compile(
    r"\s+"
    + _any(
        "also has had have will would could may is was were did does which whose accounted makes made uses used offers "
        "offered provides provided continues competes began stopped started sold bought paid runs shares stock"
    )
    + r"\b"
)
_OWNED = _any(
    r"sales profits? revenues? earnings results shares? stock stores? CEO CFO chief chairman president "
    r"executives? board "
    r"shareholders stockholders investors customers employees workers products? business quarter\w* annual "
    r"first second "
    r"third fourth same-store guidance outlook dividend management website brands? bid offer acquisition purchase "
    r"headquarters market_value debt margins? growth performance platform app supply new decision announcement report "
    r"statement spokes\w+ founder parent unit subsidiary credit_card data_breach"
)
_OWNS = re.compile(rf"['’]s\s+(?:[a-z-]+\s+){{0,2}}?{_OWNED}\b", re.IGNORECASE)
_HAS_BUSINESS = re.compile(
    r"\s+"
    + _any(
        r"shares stock(?!_price_target) shareholders stockholders CEO CFO COO [Cc]hief_[Ee]xecutive "
        r"spokes(?:man|woman|person) stores executives? [Cc]hairman quarterly Q[1-4] headquarters"
    )
    + r"\b"
)
_TITLE_BUSINESS = re.compile(
    r"\s+"
    + _any(
        r"shares? stock earnings(?!_growth) profits? sales results revenue CEO CFO COO chief stores? dividend guidance "
        r"outlook q[1-4] shareholders investors workers employees deal merger ipo buyout settles settlement strike"
    )
    + r"\b",
    re.IGNORECASE,
)
_HELD = _any(
    r"[Ss]hares [Ss]tock [Ss]take [Bb]onds CEO CFO COO "
    r"[Cc]hief_[Ee]xecutive(?:_[Oo]fficer)? [Ss]pokes(?:man|woman|person) "
    r"[Cc]ustomers [Ss]hareholders [Ss]tores"
)
_TRADES = _any(
    r"retailers? rivals? competitors? chains? banks? lenders? chipmakers? automakers? carmakers? airlines? "
    r"companies company "
    r"firms? giants? makers? merchants networks vendors suppliers platforms? peers startups? insurers? brokers? "
    r"conglomerate miner drugmakers? utilities utility operator parent"
)
_HOLDS = re.compile(rf"\b(?:{_HELD} (?:of|in|at|for)|{_TRADES}(?:,? (?:like|such as|including|e\.g\.,?))?:?) $")
_NEAR = re.compile(
    r"\b"
    + _any(
        r"at by from with against versus vs\.? via joined sued acquire[sd]? acquiring bought buy buys owns "
        r"owned_by told "
        r"between"
    )
    + " $"
)
_NOUN_USE = re.compile(
    r"(?:\s+"
    + _any(
        r"prices? pricing dates? audiences? markets? ranges? rates? funds? areas? zones? population "
        r"expression engagement "
        r"for of company companies groups? customers levels? weight setting species practice disclosure acquisition "
        r"candidate indication product allocation amount ratio applications? waivers? policy policies requirements? "
        r"holders? assessment theory"
    )
    + r"\b|-[a-z\d])",
    re.IGNORECASE,
)
_SEGMENT = re.compile(
    r"\s+"
    + _any(
        r"segments? divisions? programs? committees? policy policies plans? acts? departments? initiatives? strategy "
        r"businesses teams? sectors? industry index risks? with and_other"
    )
    + r"\b",
    re.IGNORECASE,
)
_CAREER = _any(
    r"served serves joined_(?:the|our|us) holds_an? received_(?:his|her|an?) earned_(?:his|her|an?) graduated "
    r"was_(?:born|appointed|elected|promoted) retired worked"
)
_PERSON_AFTER = re.compile(
    r"(?:,\s+(?:\d\d\b|age\b|who\b|his\b|her\b|Ph\.?D|M\.?D|Jr|Esq)"
    rf"|\s+(?:(?:has |also |previously |currently )*{_CAREER}|is a (?:member|graduate|director))\b)"
)
_INITIAL_BEFORE = re.compile(r"\b[A-Z][a-z]+ [A-Z]\. $")
_OTHER_SENSE = re.compile(
    r"\b"
    + _any(
        r"Big_Apple "
        r"Apple_(?:Valley|pie|juice|cider|trees?|orchards?) Amazon_(?:River|rain_?forest|jungle|[Bb]asin|region) "
        r"Ford_(?:Foundation|Theatre) Oracle_of_(?:Omaha|Delphi) Delta_(?:variant|Force) Visa_Waiver "
        r"(?:work|student|tourist|H-?1-?B|entry)_[Vv]isa Shell_(?:company|companies|script)"
    )
    + r"\b"
)


class Evidence(NamedTuple):
    """What speaks for and against a company."""

    strong: bool
    weak: bool
    veto: bool
    person: bool
    phrase: bool
    """Beside another capitalised word, and so perhaps part of a longer name."""


def weigh(s: Surroundings, word: str, *, single: bool) -> Evidence:
    """Read the evidence around a name that is also an everyday word."""
    strong = bool(
        _SPEAKS.match(s.after)
        or _OWNS.match(s.after)
        or _HAS_BUSINESS.match(s.after)
        or _HOLDS.search(s.before)
        or (s.title_case and _TITLE_BUSINESS.match(s.after))
    )
    plain = not (s.opens or s.title_case or s.shouting)
    weak = strong or (
        plain and (s.after[:2] in {"'s", "’s"} or bool(_NEAR.search(s.before)) or bool(_ACTS.match(s.after)))
    )
    return Evidence(
        strong=strong,
        weak=weak,
        veto=_vetoed(s, single=single),
        person=is_person(s) or has_other_sense(s, word),
        phrase=not (s.title_case or s.shouting) and part_of_phrase(s),
    )


def _vetoed(s: Surroundings, *, single: bool) -> bool:
    previous = s.previous.lower()
    if not single:
        return previous in POSSESSIVES or _SEGMENT.match(s.after) is not None
    if previous in DETERMINERS or _NOUN_USE.match(s.after):
        return True
    return s.before.endswith(("-", "/")) and s.before[:-1].rpartition(" ")[2].lower() not in _PREFIXES


def part_of_phrase(s: Surroundings) -> bool:
    """Whether another capitalised word stands directly beside: `Chief Strategy Officer`, `Target Field`."""
    for word in (s.previous, s.following):
        if word[:1].isupper() and not word.endswith(".") and fold(word.strip(".,'’")) not in BESIDE_NAMES:
            return True
    return False


def beside_capital(s: Surroundings) -> bool:
    """Whether a capitalised word that is no role or weekday stands directly before."""
    word = s.previous
    return word[:1].isupper() and not word.endswith((".", "'s", "’s", "'", "’")) and fold(word) not in BESIDE_NAMES


def is_person(s: Surroundings) -> bool:
    """Whether a title or a given name stands before, or what follows is said of people."""
    return has_title(s) or _INITIAL_BEFORE.search(s.before) is not None or _PERSON_AFTER.match(s.after) is not None


def has_title(s: Surroundings) -> bool:
    """Whether `Mr.` or a given name stands directly before."""
    previous = s.previous.strip(".,'’")
    return previous.lower() in TITLES or (previous[:1].isupper() and previous.lower() in GIVEN_NAMES)


def has_other_sense(s: Surroundings, word: str) -> bool:
    """Whether the word belongs to a fixed phrase about something else: `Big Apple`."""
    return _OTHER_SENSE.search(f"{s.before[-20:]}{word}{s.after[:25]}") is not None


_COORDINATION = re.compile(
    r"\.?(?:,\s*(?:and\s+|or\s+|&\s*)?|\s+(?:and|or|&|versus|vs\.?)\s+|\s?/\s?|;\s*|\s*\|\s*)(?:the\s+)?$"
)


def coordinated(between: str) -> bool:
    """Whether two names stand in one list, with nothing but a comma or `and` between them."""
    return len(between) <= 12 and _COORDINATION.match(between) is not None


_LIST_BEFORE = re.compile(r"(?:[,;/|]\s*(?:and\s+|or\s+)?|\b(?:and|or|including|include|includes|such as|like)\s+)$")
_LIST_AFTER = re.compile(r"\.?(?:[,;/|.)]|\s+(?:and|or)\b|\s*$)")


def enlisted(text: str, start: int, end: int) -> bool:
    """Whether a name has the punctuation of a list on both sides."""
    return (
        _LIST_BEFORE.search(text[max(0, start - 12) : start]) is not None and _LIST_AFTER.match(text, end) is not None
    )


_TICKER_BEFORE = re.compile(
    r"(?:\b(?:[Ss]hares|[Ss]tock|[Ss]take|[Cc]alls|[Pp]uts|[Oo]ptions|[Pp]osition|[Tt]icker|[Ss]ymbol) (?:of|in|on)"
    r"|\b(?:[Ll]ong|[Ss]hort(?:ing)?|[Bb]uy(?:ing)?|[Ss]ell(?:ing)?|[Bb]ought|[Ss]old|[Hh]old(?:ing)?)) $"
)
_TICKER_AFTER = re.compile(
    r"\s+(?:shares|stock|calls|puts|options|(?:is|was) (?:up|down)|closed|opened|[+-]\d|\$\d|\d+(?:\.\d+)?\s?%)"
    r"|\s+(?:rose|fell|gained|lost|jumped|dropped|surged|slid)\s+(?:about |nearly )?[$\d]"
)


def ticker_cue(before: str, after: str) -> bool:
    """Whether the words beside capital letters are those of trading."""
    return _TICKER_BEFORE.search(before) is not None or _TICKER_AFTER.match(after) is not None
