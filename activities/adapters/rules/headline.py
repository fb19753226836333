"""What a headline's form says: the wire's marks before it, and whether it speaks of a company or of the market.

A press release has its headline somewhere: behind an exhibit's number, addresses and whom to call, before the dateline.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from enum import StrEnum
from typing import NamedTuple

from activities.adapters.rules.tokens import Span


class Form(StrEnum):
    """What kind of piece a headline announces."""

    NEWS = "news"
    ROUNDUP = "roundup"
    """Market reports, previews, lists and digests: they name companies in passing."""
    OPINION = "opinion"
    """Questions and commentary: somebody thinks aloud."""


class Headline(NamedTuple):
    """The words of a headline without the wire's marks, and its form."""

    span: Span
    form: Form


_MARK = re.compile(
    r"""\s*(?:
        (?:CORRECTED|CORRECTION|REFILE|RPT|REPEAT|UPDATE|WRAPUP|BRIEF|EXCLUSIVE|Exclusive|BREAKINGVIEWS|Breakingviews|ANALYSIS|Analysis|
           INSIGHT|Insight|SPECIAL[ ]REPORT|Special[ ]report|INTERVIEW|Interview|SNAP[ ]ANALYSIS|
           NEWSMAKER|Newsmaker|FEATURE|SCENARIOS|
           TIMELINE|TEXT|DEALTALK|BUZZ|CompaniesBRIEF|SOURCES|Sources|PRESS[ ]DIGEST|EU|LEGAL|[A-Z][A-Z&. /]{2,24})
        (?:[ ]\d+)?\s*(?:-|–|—|:)\s*
    )""",
    re.VERBOSE,
)
_ROUNDUP_MARKS = re.compile(
    r"\b(?:STOCKS|MARKETS?|STOCKS? NEWS|PREVIEW|Preview|FACTBOX|Factbox|TABLE|DIARY|CALENDAR|MOVES|On the "
    r"Move|HIGHLIGHTS|Highlights|PRESS DIGEST|"
    r"DEALS|Deals of the day|HOT STOCKS|RESEARCH ALERT|TIMELINE|Timeline|FOREX|METALS|TREASURIES|CREDIT "
    r"MARKETS|WRAPUP|GRAINS|ENERGY|"
    r"LIVESTOCK|TRLPC|IFR|Tracker|SCENARIOS|CANADA STOCKS|EMERGING|GLOBAL|ADVISORY|SHOWCASE|COLUMN|POLL|"
    r"TAKE A LOOK|Morning Agenda)\b"
)
_MARKET_SUBJECT = re.compile(
    r"^(?:(?:U\.?S\.?|U\.K\.|UK|European|Asian|Canadian|London|Toronto|Britain's|Japan's|Germany's|World|Global)\s+)?"
    r"(?:stocks?\b(?!\s+exchange)|shares\b|equities|futures|stock index|Wall St(?:reet)?\b|FTSE|Dow\b(?! "
    r"Chemical)|S&P(?! (?:cuts|raises|"
    r"lowers|downgrade|upgrade|affirms|revise|may|says|puts))|Nasdaq\b(?! OMX)|Nikkei|TSX|markets?\b|"
    r"crude|oil\b|gold\b|copper|gasoline|dollar|euro\b|"
    r"bonds|treasuries|investors|hedge funds|instant view|instant|stock futures|cash crudes|top stocks|"
    r"stocks to watch|cash)",
    re.IGNORECASE,
)
_OPINION_MARKS = re.compile(
    r"\?\s*$|^(?:Why|How|What|Should|Is|Are|Can|Will|Does|Could|Here's|Here’s|\d+ (?:reasons|things|stocks))\b",
    re.IGNORECASE,
)


def read_headline(text: str, end: int) -> Headline:
    """Take the wire's marks ("UPDATE 2-", "RPT-") off the title `text[:end]` and tell its form."""
    start = 0
    form = Form.NEWS
    for _ in range(3):
        match = _MARK.match(text, start, end)
        if match is None or end - match.end() < 8:
            break
        if _ROUNDUP_MARKS.search(match.group()):
            form = Form.ROUNDUP
        start = match.end()
    while start < end and text[start].isspace():
        start += 1
    rest = text[start:end]
    if form is Form.NEWS and (_ROUNDUP_MARKS.match(rest) or _MARKET_SUBJECT.match(rest)):
        form = Form.ROUNDUP
    elif form is Form.NEWS and _OPINION_MARKS.search(rest):
        form = Form.OPINION
    return Headline(Span(start, end), form)


_DATELINE = re.compile(
    r"^[^\n|]{0,60}(?:\(?(?i:PR ?Newswire|Business ?Wire|Globe ?Newswire|Marketwired?|Market ?Wire|Accesswire|Newsfile)"
    r"[^\n]{0,40}?(?:--|–|—|-)|"
    r"[A-Z][A-Za-z.,’' ]{2,40}[,(–—-][ ]?(?:January|February|March|April|May|June|July|August|September|October|"
    r"November|December|"
    r"Jan\.|Feb\.|Aug\.|Sept?\.|Oct\.|Nov\.|Dec\.)[ ]\d{1,2},[ ]\d{4}[^\n]{0,60}?(?:--|–|—|-))",
    re.MULTILINE,
)
_NO_HEADLINE = re.compile(
    r"^(?:exhibit\b|ex-\d|for (?:immediate|more|further)|immediate release|news release|press release|contacts?\b|"
    r"investors?\b.{0,30}:|media\b.{0,30}:|phone|fax|web|http|www\.|[\w.]+@|.{0,60}\(?\d{3}[-) ]{1,2}\d{3}-\d{4}|"
    r"\d+ .{0,40}(?:street|avenue|road|drive|blvd|suite)\b|p\.? ?o\.? box)|\||@|:\s*$",
    re.IGNORECASE,
)
_TAIL = re.compile(
    r"^[ \t]*(?:about [A-Z]|forward[- ]looking|safe harbor|cautionary|disclosure regarding|special note|use of non-|"
    r"non-gaap (?:financial )?(?:measures|information)|reconciliation|financial tables|"
    r"important (?:additional )?information|"
    r"additional information|participants in|no offer or solicitation|"
    r"(?:condensed )?consolidated (?:condensed )?(?:statements?|"
    r"balance|income)|conference call|webcast|key information about|###|# # #|-more-)",
    re.IGNORECASE | re.MULTILINE,
)
_SEARCHED = 4_000
"""Characters of a release in which its dateline stands."""
_SHORTEST = 200
_HEADLINES = 3


class Release(NamedTuple):
    """A press release: its headlines, and the text behind them up to what every release ends with."""

    headlines: tuple[Span, ...]
    body: Span


def read_release(text: str, start: int, end: int) -> Release:
    """Find the headlines of the release `text[start:end]`: the lines right before its dateline, or its first long "
    "one."""
    dateline = _DATELINE.search(text, start, min(end, start + _SEARCHED))
    lines = list(_lines(text, start, dateline.start() if dateline else min(end, start + _SEARCHED)))
    headlines: list[Span] = []
    if dateline:
        for line in reversed(lines):
            if not _may_be_headline(text, line):
                break
            headlines.insert(0, line)
    else:
        first = next((at for at, line in enumerate(lines) if _may_be_headline(text, line)), None)
        headlines = lines[first : first + 1] if first is not None else []
    headlines = headlines[-_HEADLINES:]
    begins = dateline.start() if dateline else (headlines[-1].end if headlines else start)
    tail = _TAIL.search(text, min(end, begins + _SHORTEST), end)
    return Release(tuple(headlines), Span(begins, tail.start() if tail else end))


def ends_the_news(text: str, start: int, end: int) -> int:
    """Where in `text[start:end]` the warnings begin that follow the news: `end` where there are none."""
    tail = _TAIL.search(text, start, end)
    return tail.start() if tail else end


def _lines(text: str, start: int, end: int) -> Iterator[Span]:
    at = start
    while at < end:
        stop = text.find("\n", at, end)
        stop = end if stop < 0 else stop
        first, last = at, stop
        while first < last and text[first].isspace():
            first += 1
        while last > first and text[last - 1].isspace():
            last -= 1
        if last > first:
            yield Span(first, last)
        at = stop + 1


def _may_be_headline(text: str, line: Span) -> bool:
    words = text[line.start : line.end]
    return 20 <= len(words) <= 300 and words.count(" ") >= 3 and _NO_HEADLINE.search(words) is None
