"""What a headline's form says: the wire's marks before it, and whether it speaks of a company or of the market."""

from __future__ import annotations

import re
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
