"""What a filing says before any of its sentences is judged: its form, whose it is, and which events its items announce.

The heading of an item states what happened ("Item 5.02 Departure of Directors"), as does an insider's report or a
prospectus by its form. Only what stands under "other events" and in press releases is left to the words. A form that
is known for no news yields nothing, rather than guesses from its legal prose.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator
from typing import NamedTuple

from activities.adapters.rules.items import (
    DILUTION,
    FORMS,
    ITEMS,
    LEAVING,
    REFINED,
    SAID,
    SILENT,
    SURE,
    Meaning,
    Part,
)
from activities.adapters.rules.names import Mention, find_mentions, possibly_named
from activities.adapters.rules.phrases import Kind
from activities.adapters.rules.scoring import Reading
from activities.adapters.rules.tokens import Span, sentences_of, word_set
from domain.extraction import Candidate, EntityRole, EventType, ExtractionInput

MAX_PART = 20_000
"""Characters of a part that are read."""
_COVER = 6_000
"""Characters of a filing in which its cover stands."""
_NEAR = 400
"""Characters between a registrant's name and the words that explain it."""
_MAX_PARTS = 12
_NOT_SO = re.compile(r"\b(?:no|not|without|nor)\b[^.]{0,60}$", re.IGNORECASE)
"""Before an expression that would change an item's meaning: "there were no disagreements"."""
_FORM = re.compile(
    r"(?P<form>(?:10-K(?:405|SB|T)?|10-Q(?:SB|T)?|20-F|40-F|424B[1-8]|[SF]-[134](?:ASR|MEF)?|S-8|DEFM14A|PREM14A|"
    r"SC TO-[TI]|SC 14D9|SC(?:HEDULE)? ?13(?:D|G|E3)|SC 13E3|144|[345]|NT 10-[KQ]|8-K(?:12[BG]3?|15D5)?|6-K|"
    r"EX-99(?:\.[0-9]{1,2})?|13F-(?:HR|NT)|497K?|485BPOS|N-CEN|N-CSRS?|NPORT-P|N-PX|24F-2NT|ATS-N(?:-W)?|ABS-15G|"
    r"ABS-EE|10-D|UPLOAD|CORRESP|DEF 14A|DEFA14A|PRE 14A|ARS|11-K|CERT|EFFECT|D|FWP|POS AM|8-A12B|15-12[GB]|25(?:-NSE)?"
    r"|SD|40-APP))(?P<amended>/A|/UA|/MA)?(?= |$)"
)
_SCHEDULE = re.compile(r"^SC(?:HEDULE)? ?(?=13)")
_SHORT_NAMES = frozenset({"144", "25", "D", "SD", "ARS", "CERT", "EFFECT"})
"""Forms whose name a headline may begin with as well."""
_FAMILY = re.compile(r"(10-[KQ]|424B|[SF]-[1348]|8-K|EX-99|N-CSR|SC (?:TO-[TI]|14D9|13[DGE]3?))")
_IN_TEXT = re.compile(r"^[ \t]*FORM[ \t]+(8-K|6-K|10-K|10-Q|20-F)(/A)?\b", re.IGNORECASE | re.MULTILINE)
_COMMISSION = re.compile(r"securities\s+and\s+exchange\s+commission", re.IGNORECASE)
_DONE = re.compile(
    r"^(?P<day>\d{4}-\d\d-\d\d): (?P<side>acquired|disposed of) (?P<value>a value of )?(?P<shares>[\d.]+) "
    r"[^\n]{1,300}?(?: at (?P<price>[\d.]+))?, code (?P<code>[A-Z])(?=;|$)[^\n]*",
    re.MULTILINE,
)
_DONE_ROW = re.compile(
    r"^[^\n|]{2,200}\|[ ]*\d\d/\d\d/\d{4}[ ]*(?:\|[ ]*\d\d/\d\d/\d{4}[ ]*)?\|[ ]*(?P<code>[A-Z])[ ]*\|[ ]*(?:V[ ]*\|)?"
    r"[ ]*(?P<shares>[\d,.]+)[^\n|]*\|[^\n]*",
    re.MULTILINE,
)
_HOLDS = re.compile(r"^(?:Holds |No securities are owned|FORM [345]$)[^\n]*", re.MULTILINE)
_ITEM = re.compile(
    r"^[ \t]*items?[ \t]{1,9}(?P<codes>[1-9]\.[0-9]{2}|(?:[1-9]|1[0-2])(?![\d.]*\d))"
    r"(?P<more>(?:[ \t]{0,3}(?:,|and|&|;)[ \t]{0,3}){1,2}(?:items?[ \t]{1,3})?[1-9]\.[0-9]{2}){0,8}"
    r"(?:[ \t]?\([a-z0-9]{1,3}\)){0,4}(?![0-9A-Za-z(])[ \t.:;|—–-]*(?=(?P<rest>[^\n]{0,400}))",
    re.IGNORECASE | re.MULTILINE,
)
_CODE = re.compile(r"[1-9]\.[0-9]{2}|1[0-2]|[1-9]")
_REGISTRANT = re.compile(
    r"exact\s+name\s+of\s+(?:the\s+|each\s+)?registrant|\(\s*(?:name\s+of\s+(?:the\s+)?(?:registrant|issuer|"
    r"subject\s+company)|"
    r"registrant(?:['’]s)?\s+name|translation\s+of\s+registrant)",
    re.IGNORECASE,
)
_NAMED = re.compile(r"^(?:issuer name|entity registrant name)s?: ([^\n]+)$", re.MULTILINE)
_OWNED = re.compile(r"^[^\n]{1,300}?\([^\n)]{0,200}\) of ([^\n]+)$", re.MULTILINE)
_ISSUER = re.compile(r"issuer\s+name\s+and\s+ticker[^\n]*\n", re.IGNORECASE)
_CALLED = re.compile(
    r"(?:[“\"](?:we|us|our|(?:the )?company|"
    r"(?:the )?registrant)[,.]?[”\"][^.;\n]{0,120}?)\brefers? to ([A-Z][^\n;]{2,80})",
    re.IGNORECASE,
)
"""Where a prospectus with a picture for a title tells who "we" are."""
_SIGNED = re.compile(r"^[ \t]*signatures?[ \t]*$", re.IGNORECASE | re.MULTILINE)
_OFFICER = (
    r"(?:chief (?:executive|financial|operating|accounting) officer|president|principal \w+ officer|\bceo\b|\bcfo\b)"
)
_GOES = (
    r"(?:\bresign(?:s|ed|ing|ation)?\b|\bretire[sd]?\b|\bretirement\b|\b(?:will|was|were) terminat\w+|\bdepart(?:s|"
    r"ed|ing|ure)\b|"
    r"\bstep\w* down\b|\b(?:was|were) removed\b|\bseparation from\b|\bceas\w+ to serve\b)"
)
"""Not "termination" alone: every contract with an officer speaks of it."""
_LEAVES = re.compile(rf"{_GOES}[^.]{{0,200}}{_OFFICER}|{_OFFICER}[^.]{{0,200}}{_GOES}", re.IGNORECASE)
_BOUGHT = re.compile(
    r"merg\w+ with and into the (?:company|registrant)|(?:company|registrant) (?:will |has )?(?:surviv\w+|become\w*|"
    r"became) "
    r"[^.]{0,80}(?:wholly[- ]owned )?subsidiary of|to be acquired by|acquired by|for (?:the )?(?:company|"
    r"registrant) to merge "
    r"into|each (?:issued and outstanding )?share of (?:the )?company['’]?s? common stock[^.]{0,200}right to receive|"
    r"(?:calls|provides) for \w+ to (?:be merged|merge) (?:with and )?into|change (?:in|"
    r"of) control of the (?:company|registrant)",
    re.IGNORECASE,
)
_SOLD = re.compile(
    r"\b(?:sale of|sold|divest\w+|disposition of|spin-?off|separation of)\b[^.]{0,200}\b(?:business|subsidiar\w+|"
    r"assets|"
    r"division|segment|interests?)\b",
    re.IGNORECASE,
)
_SHARES_OFFERED = re.compile(r"\bshares\s+of\s+[^\n.;]{0,60}?common\s+stock|ordinary\s+shares|\bADSs\b", re.I)
_OFFERS = re.compile(
    r"\b(?:offering|offer and sell|offered|offers|shares of common stock|notes due|registration statement)\b",
    re.IGNORECASE,
)
_HOLDING = re.compile(
    r"^(?:percent of class|aggregate amount owned|no of units sold|aggregate market value): [^\n]+", re.MULTILINE
)
_REPORTED = re.compile(
    r"^[^\n]{0,80}\b(?:fiscal year|quarterly period|year|quarter)\s+ended:?\s[^\n]{0,80}", re.IGNORECASE | re.MULTILINE
)
_SHORTEST_DISCUSSION = 2_000
"""Shorter ones refer to another document."""
_NUMBERED = re.compile(r"statement (?:file )?no", re.IGNORECASE)
_DISCUSSION = re.compile(r"management['’]?s\s+discussion|operating\s+and\s+financial\s+review", re.IGNORECASE)
_SHORTEST = 40
_OF_THE_WHOLE = word_set(
    "total our consolidated reported net overall company 's quarterly annual the of worldwide in , :"
)
"""Words before "net sales" that do not make them a segment's."""
_BOILERPLATE = re.compile(
    r"\|[^|]*\||shall not be (?:deemed|incorporated)|deemed (?:to be )?[“\"]?filed|"
    r"incorporated (?:herein )?by reference|"
    r"forward[- ]looking|does not (?:constitute|purport)|not constitute an offer|registration statement|"
    r"proxy statement|(?:will|to) be filed with the s|maintained by the s|investors and (?:security|share)\s?holders|"
    r"qualified in its entirety|(?:attached|furnished|filed) (?:hereto |herewith )?as (?:an )?exhibit|exhibit 99|"
    r"hereby (?:files|furnishes)|\bfurnish\w* (?:pursuant|under)|pursuant to (?:the requirements|item \d)|"
    r"press release(?:,)? (?:dated|issued)|should consult|regulation fd|conference call|webcast|risks? and uncertaint|"
    r"(?:could|may|might) (?:cause|differ|result in)",
    re.IGNORECASE,
)
"""What every lawyer writes under an item, and rows of tables: no news."""


class Filing(NamedTuple):
    """A filing as it is read: the parts in the order of the text, and the press releases behind them."""

    form: str
    sure: float
    """How sure what it states by its form is: less where only its cover makes it a filing, and no title."""
    filers: tuple[Mention, ...]
    """Where each of the companies whose filing it is is named; start and end are 0 for a label without a name."""
    items: tuple[str, ...]
    """Of an 8-K, as its text has them."""
    parts: tuple[Part, ...]
    releases: tuple[Span, ...]


def read_filing(source: ExtractionInput) -> Filing | None:
    """Tell what a filing is about before its sentences are read; None where the document is no filing.

    A filing is known by its title, which begins with the form, and by a text such as that form has.
    """
    text = source.text
    form, body, sure = _form_of(source)
    if not form:
        return None
    filers = filers_of(text, source.candidates, form, body)
    family = _family(form)
    meaning = FORMS.get(family)
    if family.replace(" ", "_") in SILENT or meaning is None:
        return Filing(form, sure, filers, (), (), ())
    releases = tuple(
        Span(section.start, section.end) for section in source.sections if section.heading.upper().startswith("EX-99")
    )
    end = min((span.start for span in releases), default=len(text))
    if family == "EX-99":
        return Filing(form, sure, filers, (), (), releases or (Span(body, len(text)),))
    if family == "8-K":
        items, parts = _items(text, body, end)
        return Filing(form, sure, filers, items, parts, releases)
    if family == "6-K":
        part = Part("6-K", FORMS["6-K"], EntityRole.SUBJECT, (), Span(body, min(end, body + MAX_PART)))
        return Filing(form, sure, filers, (), (part,), releases)
    if meaning.type is EventType.EARNINGS:
        return Filing(form, sure, filers, (), _discussion(source, family, body), ())
    if meaning.type is EventType.INSIDER_OWNERSHIP:
        return Filing(form, sure, filers, (), _ownership(text, form, body, meaning, filers), ())
    return Filing(form, sure, filers, (), _announced(text, family, body, meaning), ())


def is_boilerplate(text: str, span: Span) -> bool:
    """Whether a sentence is what lawyers write under every item, or a cell of a table."""
    cell = text[max(0, span.start - 2) : span.start].endswith("| ") or text[span.end : span.end + 2] == " |"
    return cell or _BOILERPLATE.search(text, span.start, span.end) is not None


def is_sentence(text: str, span: Span) -> bool:
    """Whether it is one, and no subheading, label or piece of a list."""
    return span.end - span.start >= _SHORTEST and text[span.end - 1] in '.”")'


def is_figure(reading: Reading) -> bool:
    """Whether a sentence states how earnings or sales of the whole company moved, with a number."""
    first = next(
        (
            hit.first
            for hit in reading.hits
            if hit.entry.kind is Kind.METRIC and hit.entry.event in (EventType.EARNINGS, EventType.KPI_SALES)
        ),
        None,
    )
    if first is None or not any(token.is_number for token in reading.tokens):
        return False
    before = reading.tokens[first - 1].low if first else ""
    moved = any(hit.entry.kind is Kind.DIRECTION for hit in reading.hits)
    return moved and (not before or before in _OF_THE_WHOLE or before.isdigit())


def is_insiders(form: str) -> bool:
    """Whether the form is an insider's report of what they hold and trade."""
    return form.partition("/")[0] in {"3", "4", "5"}


# -- what it is ----------------------------------------------------------------------------------------------------


def _form_of(source: ExtractionInput) -> tuple[str, int, float]:
    """The form that the title or the cover names, empty where neither; where the text begins; and how sure that is."""
    text = source.text
    line = text.find("\n")
    title_end = len(text) if line < 0 else line
    cover = text[title_end : title_end + _COVER]
    match = _FORM.match(text, 0, title_end)
    if match is not None:
        form = _SCHEDULE.sub("SC ", match["form"]) + (match["amended"] or "")
        if is_insiders(form):
            known: object = _DONE.search(cover) or _DONE_ROW.search(cover) or _HOLDS.search(cover)
        elif match["form"] in _SHORT_NAMES:
            known = _NAMED.search(cover) or re.search(rf"\bFORM {match['form']}\b", cover, re.IGNORECASE)
        else:
            known = _COMMISSION.search(cover) or _NAMED.search(cover) or source.sections or title_end == match.end()
        if known:
            return form, title_end, SURE
    match = _IN_TEXT.search(cover, 0, 3_000) if _COMMISSION.search(cover, 0, 3_000) else None
    return (match[1].upper() + (match[2] or "").upper(), title_end, SAID) if match else ("", 0, 0.0)


def _family(form: str) -> str:
    base = form.partition("/")[0]
    match = _FAMILY.match(base)
    return match[1] if match else base


def filers_of(text: str, candidates: tuple[Candidate, ...], form: str, body: int) -> tuple[Mention, ...]:
    """The companies whose filing it is: those its source labelled, else those that its title or its cover names."""
    labelled = [candidate for candidate in candidates if candidate.labelled]
    if labelled:
        named = possibly_named(text[: body + MAX_PART], labelled)
        first = {m.symbol: m for m in reversed(find_mentions(text, named, 0, min(len(text), body + MAX_PART)))}
        return tuple(first.get(candidate.symbol, Mention(candidate.symbol, 0, 0)) for candidate in labelled)
    known = possibly_named(text[: body + MAX_PART] + text[-_COVER:], candidates)
    for start, end in _places_of_names(text, form, body):
        found = find_mentions(text, known, start, end)
        if found and end - start > _NEAR + 1_000:  # a whole page names others too
            return (found[0],)
        if found:
            kept = {mention.symbol: mention for mention in reversed(found)}
            return tuple(sorted(kept.values(), key=lambda mention: mention.start))
    found = find_mentions(text, known, body, min(len(text), body + _COVER))
    often = Counter(mention.symbol for mention in found).most_common(1)
    return next(((each,) for each in found if each.symbol == often[0][0]), ())


def _places_of_names(text: str, form: str, body: int) -> Iterator[tuple[int, int]]:
    """Where a filing's own company is named, the surest place first."""
    line = text.find(": ", 0, body)
    if body > len(form):
        yield len(form), line if line >= 0 else body
    for pattern in (_NAMED, _OWNED):
        match = pattern.search(text, body, body + _COVER)
        if match:
            yield match.start(1), match.end(1)
    match = _ISSUER.search(text, body, body + _COVER)
    if match:
        yield match.end(), match.end() + 120
    for match in _REGISTRANT.finditer(text, body, body + _COVER):
        ends = text.rfind("\n", body, match.start())
        begins = max(body, text.rfind("\n", body, max(body, ends - 1)), match.start() - _NEAR)
        yield begins, match.start()
        yield match.end(), match.end() + _NEAR
    signed = _SIGNED.search(text, body)
    if signed is not None:
        yield signed.end(), signed.end() + 600
    called = _CALLED.search(text, body, min(len(text), body + MAX_PART))
    if called:
        yield called.start(1), called.end(1)
    yield body, body + 1_500


# -- what it announces ---------------------------------------------------------------------------------------------


def item_headings(text: str, body: int, end: int) -> tuple[tuple[tuple[str, ...], Span], ...]:
    """The codes that an 8-K's headings name, each once, and the line that names them."""
    found: list[tuple[tuple[str, ...], Span]] = []
    seen: set[str] = set()
    for match in _ITEM.finditer(text, body, end):
        rest = match["rest"].strip()
        if rest and not (rest[0].isupper() or rest[0] in "[(“\"'’‘"):
            continue
        named = dict.fromkeys(_CODE.findall(text[match.start() : match.end()]))
        codes = tuple(code for code in named if code not in seen)
        if codes:
            seen |= set(codes)
            found.append((codes, _line(text, match.start(), match.end("rest"))))
    if any("." in code for code in seen):
        found = [(codes, line) for codes, line in found if "." in codes[0]]
    return tuple(found)


def _items(text: str, body: int, end: int) -> tuple[tuple[str, ...], tuple[Part, ...]]:
    headings = item_headings(text, body, end)
    if not headings:
        return (), ()
    signed = _SIGNED.search(text, headings[-1][1].end, end)
    ends = [line.start for _, line in headings[1:]] + [signed.start() if signed else end]
    parts: list[Part] = []
    for (codes, line), stop in zip(headings, ends, strict=True):
        under = Span(line.end, min(stop, line.end + MAX_PART))
        for code in codes:
            if code in ITEMS:
                meaning, role = _refined(code, text[under.start : under.end])
                parts.append(Part(code, meaning, role, (line,), under))
    return tuple(code for codes, _ in headings for code in codes), tuple(parts[:_MAX_PARTS])


def _refined(code: str, words: str) -> tuple[Meaning, EntityRole]:
    """What an item means with the words under it, and what the filer is in it."""
    meaning = ITEMS[code]
    for pattern, other in REFINED.get(code, ()):
        found = re.search(pattern, words, re.IGNORECASE)
        if found and not _NOT_SO.search(words, max(0, found.start() - 80), found.start()):
            meaning = other
            break
    if code in {"5.02", "6"} and _LEAVES.search(words):
        return meaning._replace(sentiment=LEAVING), EntityRole.SUBJECT
    if meaning.type in (EventType.MA_ACQUIRER, EventType.MA_TARGET):
        return _side(meaning, words)
    return meaning, EntityRole.SUBJECT


def _side(meaning: Meaning, words: str) -> tuple[Meaning, EntityRole]:
    """Tell whether the filer buys, sells or is bought."""
    if meaning.type is EventType.MA_TARGET or _BOUGHT.search(words):
        gain = meaning.sentiment if meaning.sentiment < 0 else max(meaning.sentiment, 0.3)
        return Meaning(EventType.MA_TARGET, gain), EntityRole.TARGET
    if _SOLD.search(words):
        return meaning, EntityRole.SUBJECT
    return meaning, EntityRole.ACQUIRER


def deal_role(words: str) -> EntityRole | None:
    """What a filer is in a deal that its own words describe: the target, or None where they do not show it."""
    return EntityRole.TARGET if _BOUGHT.search(words) else None


def _discussion(source: ExtractionInput, family: str, body: int) -> tuple[Part, ...]:
    """Of a periodic report the management's discussion: what was earned, in sentences."""
    section = next((each for each in source.sections if _DISCUSSION.search(each.heading)), None)
    if section is None or section.end - section.start < _SHORTEST_DISCUSSION:
        return ()
    period = _REPORTED.search(source.text, body, body + _COVER)
    head = (_trimmed(source.text, *period.span()),) if period else ()
    under = Span(section.start, min(section.end, section.start + 3 * MAX_PART))
    return (Part(family, FORMS[family], EntityRole.SUBJECT, head, under),)


def _ownership(text: str, form: str, body: int, meaning: Meaning, filers: tuple[Mention, ...]) -> tuple[Part, ...]:
    """Who owns how much: open-market purchases and sales have a sign, grants, exercises and gifts have none."""
    if not is_insiders(form):
        named = _NAMED.search(text, body)
        lines = [Span(named.start(), named.end())] if named else []
        lines += [Span(*match.span()) for match in _HOLDING.finditer(text, body)]
        if form.endswith("/A") or "previously filed flag: true" in text[body : body + _COVER]:
            meaning = meaning._replace(sentiment=0.0)
        head = tuple(lines[:3]) or _first_line(text, body, filers)
        return (Part(form, meaning, EntityRole.SUBJECT, head, Span(body, body)),) if head else ()
    bought, sold = 0.0, 0.0
    trades: list[Span] = []
    others: list[Span] = []
    for match in (*_DONE.finditer(text, body), *_DONE_ROW.finditer(text, body)):
        price = float(match["price"]) if match.re is _DONE and match["price"] else 1.0
        amount = float(match["shares"].replace(",", "").rstrip(".") or 0) * price
        bought += amount if match["code"] == "P" else 0.0
        sold += amount if match["code"] == "S" else 0.0
        (trades if match["code"] in "PS" else others).append(Span(*match.span()))
    sign = insider_sign(bought, sold)
    head = tuple((trades or others)[:3]) or _first_line(text, body, filers)
    return (Part(form, meaning._replace(sentiment=sign), EntityRole.SUBJECT, head, Span(body, body)),) if head else ()


def insider_sign(bought: float, sold: float) -> float:
    """What an insider's trades on the open market mean: buying tells more than selling, which has many reasons."""
    if bought > sold:
        return 0.4
    return -0.2 if sold > bought else 0.0


def _announced(text: str, family: str, body: int, meaning: Meaning) -> tuple[Part, ...]:
    """A form that is an announcement by itself: a prospectus, a tender offer, a notice of lateness."""
    cover = Span(body, min(len(text), body + _COVER))
    sentences = list(sentences_of(text, cover.start, cover.end))
    lines = [span for span in sentences if _is_offer(text, span)] or sentences[:1]
    if family == "424B" and any(_SHARES_OFFERED.search(text, line.start, line.end) for line in lines):
        meaning = meaning._replace(sentiment=DILUTION)
    head = tuple(lines[:2])
    return (Part(family, meaning, EntityRole.SUBJECT, head, Span(body, body)),) if head else ()


def _is_offer(text: str, span: Span) -> bool:
    words = text[span.start : span.end]
    return len(words) > 20 and _OFFERS.search(words) is not None and _NUMBERED.search(words) is None


def _first_line(text: str, body: int, filers: tuple[Mention, ...]) -> tuple[Span, ...]:
    """The line that names the filer, else the first."""
    at = next((mention.start for mention in filers if mention.start >= body), body)
    for span in sentences_of(text, max(body, text.rfind("\n", body, at) + 1), min(len(text), at + 1_000)):
        return (span,)
    return ()


def _line(text: str, start: int, end: int) -> Span:
    line = _trimmed(text, start, end)
    return Span(line.start, min(line.end, line.start + 400))


def _trimmed(text: str, start: int, end: int) -> Span:
    """The stretch without outer blanks, at most as long as a quote may be."""
    while start < end and text[start].isspace():
        start += 1
    end = min(end, start + 900)
    while end > start and text[end - 1].isspace():
        end -= 1
    return Span(start, end)
