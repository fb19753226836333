"""The readable text of a filing's documents: figures and prose kept, layout and machinery left out."""

from __future__ import annotations

import re
from collections.abc import Iterator
from enum import Enum
from functools import lru_cache
from html import unescape
from typing import NamedTuple

from lxml import etree, html

from activities.adapters.edgar.readable import PAGE_BREAK, Line, ReadableText, assembled
from activities.adapters.edgar.table_rows import (
    BREAK,
    CELL,
    EMPHASIS_BEGINS,
    EMPHASIS_ENDS,
    ROW_BEGINS,
    ROW_ENDS,
    TARGET_BEGINS,
    TARGET_ENDS,
    read_marked,
    with_rows_as_lines,
)
from activities.adapters.edgar.xml_text import is_xml, xml_text

MAXIMUM_CHARACTERS = 50_000_000
MAXIMUM_TAGS = 2_000_000
"""Of markup with more of them the tags are taken out, and nothing is known of its tables."""
_LONGEST_STYLE = 2_000
_MOST_ENTRIES = 2_000
_LONGEST_LABEL = 300
_LARGEST_BOILERPLATE = 5_000
_SHORTEST_CONTENTS = 4
_FURNITURE_WORDS = 6
_DEEPEST_CHECKED = 8
_LEFT_OUT = frozenset({"script", "style", "head", "title", "noscript", "template", "svg", "ix:header"})
_BLOCKS = frozenset(
    {"address", "article", "blockquote", "body", "br", "caption", "center", "dd", "div", "dl", "dt", "footer", "form"}
    | {"h1", "h2", "h3", "h4", "h5", "h6", "header", "hr", "li", "ol", "p", "pre", "section", "ul"}
    | {"table", "tbody", "tfoot", "thead"}
)
_CELLS = frozenset({"td", "th"})
_EMPHATIC = frozenset({"b", "strong", "u", "i", "em", "h1", "h2", "h3", "h4", "h5", "h6"})
_STYLE_EMPHATIC = re.compile(
    r"font-weight\s{0,9}:\s{0,9}(?:bold|[6-9]00)|font-style\s{0,9}:\s{0,9}(?:italic|oblique)"
    r"|text-decoration(?:-line)?\s{0,9}:\s{0,9}underline|font\s{0,9}:[^;]{0,40}\b(?:bold|italic)\b",
    re.IGNORECASE,
)
_STYLE_PLAIN = re.compile(r"font-weight\s{0,9}:\s{0,9}(?:normal|[1-5]00)", re.IGNORECASE)
_STYLE_PAGE = re.compile(r"(?:page-)?break-(before|after)\s{0,9}:\s{0,9}(?:always|page)", re.IGNORECASE)
_HIDDEN = re.compile(r"display\s{0,9}:\s{0,9}none", re.IGNORECASE)
_MARKUP = re.compile(r"<(?:html|body|div|p|font|span|br|td|!doctype html)\b", re.IGNORECASE)
_PAGE_FURNITURE = re.compile(r"(?:table of contents|back to contents|[ivxlc]{1,6}|[-–—]?\s?[0-9]{1,3}\s?[-–—]?)?", re.I)
_BINARY = re.compile(r"\s{0,20}(?:<PDF>\s{0,20})?begin [0-7]{3} \S")
_SPACES = re.compile(r"[^\S\n]+")
_TAG = re.compile(r"<[^<>]{0,5000}>")
_PAGE_TAG = re.compile(r"<PAGE>[ \t]{0,40}", re.IGNORECASE)
_TABLE_TAG = re.compile(r"<(?:TABLE|CAPTION|S|C|FN)>|</(?:TABLE|CAPTION|FN)>", re.IGNORECASE)
_COLUMNS = re.compile(r"(?<=[^\s|]) {3,}(?=[^\s|])")
_TYPESET = re.compile(r"<(?:p|div|br|tr|td|font|span|li|h[1-6]|center|pre|b|i)\b", re.IGNORECASE)
_LINES_A_TAG = 20
"""A web page with more lines a tag is a text as filed before there was HTML, with a tag before and behind it."""
_MARKS = dict.fromkeys(range(9), " ") | {0x1F: " "}
"""Control characters, which a text has no use for and which mark its structure here."""


def document_text(body: str) -> str:
    """The text of a document: HTML, XML, or plain as filed before there was HTML; empty for encoded binary data."""
    return read_document(body).text


def read_document(body: str) -> ReadableText:
    """A document's text, and what stands out in it."""
    body = body[:MAXIMUM_CHARACTERS]
    if _BINARY.match(body):
        return ReadableText(text="")
    if is_xml(body):
        return ReadableText(text=xml_text(body))
    return read_html(body) if _MARKUP.search(body) else assembled(_plain_lines(body))


def html_text(markup: str) -> str:
    """The text of HTML or inline XBRL."""
    return read_html(markup).text


def read_html(markup: str) -> ReadableText:
    """Read HTML or inline XBRL: a line for a paragraph or a table row, the cells of a row apart by ` | `.

    Left out are whatever is not displayed, page numbers, running heads, and boilerplate tables: tables of contents
    (most rows link within the document) and tables that hold nothing but a page number or a link back.
    """
    if sum(1 for _ in _TYPESET.finditer(markup)) * _LINES_A_TAG < markup.count("\n"):
        return assembled(_plain_lines(markup, tags=True))
    if markup.count("<") > MAXIMUM_TAGS:
        return _without_tags(markup)
    parser = html.HTMLParser(
        encoding="utf-8", no_network=True, remove_comments=True, remove_pis=True, recover=True, huge_tree=True
    )
    try:
        root = html.document_fromstring(markup.encode("utf-8", "replace"), parser=parser)
    except (etree.LxmlError, ValueError):
        return _without_tags(markup)
    if any(entry.type == etree.ErrorTypes.ERR_RESOURCE_LIMIT for entry in parser.error_log):
        return _without_tags(markup)
    labels: list[str] = []
    text = "".join(_parts(root, labels))
    return assembled(_lines(text), labels)


def _parts(root: html.HtmlElement, labels: list[str]) -> Iterator[str]:
    """The text with marks for blocks, rows, cells, pages, emphasis and what the contents lead to; fills `labels`."""
    skipped: object | None = None
    tables = preformatted = 0
    emphatic = [False]
    targets: dict[str, int] = {}
    for event, element in etree.iterwalk(root, events=("start", "end")):
        tag = element.tag if isinstance(element.tag, str) else ""
        style = _style(element.get("style", "")[:_LONGEST_STYLE])
        if event == "start":
            tables += tag == "table"
            preformatted += tag == "pre"
            if skipped is None and _is_left_out(element, tag, style, tables, targets, labels):
                skipped = element
            emphatic.append(_is_emphatic(tag, style, emphatic[-1]))
            if skipped is None:
                yield _before(tag, style)
            if targets and (target := targets.pop(element.get("id") or element.get("name") or "", None)) is not None:
                yield f"{TARGET_BEGINS}{target}{TARGET_ENDS}"
            text = element.text
        else:
            tables -= tag == "table"
            preformatted -= tag == "pre"
            if skipped is None:
                yield _after(tag, style)
            elif skipped is element:
                skipped = None
            emphatic.pop()
            text = element.tail
        if text and skipped is None:
            text = text.translate(_MARKS)
            if preformatted:
                yield _COLUMNS.sub(" | ", text).replace("\n", BREAK)
            else:
                yield f"{EMPHASIS_BEGINS}{text}{EMPHASIS_ENDS}" if emphatic[-1] and not text.isspace() else text


class _Style(NamedTuple):
    """What an element's style says that matters here."""

    emphatic: bool
    plain: bool
    hidden: bool
    page_before: bool
    page_after: bool


@lru_cache(maxsize=2_048)
def _style(text: str) -> _Style:
    ends = {found[1].lower() for found in _STYLE_PAGE.finditer(text)}
    return _Style(
        emphatic=bool(_STYLE_EMPHATIC.search(text)),
        plain=bool(_STYLE_PLAIN.search(text)),
        hidden=bool(_HIDDEN.search(text)),
        page_before="before" in ends,
        page_after="after" in ends,
    )


def _is_emphatic(tag: str, style: _Style, inherited: bool) -> bool:
    return tag in _EMPHATIC or style.emphatic or (inherited and not style.plain)


def _before(tag: str, style: _Style) -> str:
    mark = ROW_BEGINS if tag == "tr" else CELL if tag in _CELLS else BREAK if tag in _BLOCKS else ""
    return f"{BREAK}{PAGE_BREAK}{BREAK}{mark}" if tag == "hr" or style.page_before else mark


def _after(tag: str, style: _Style) -> str:
    mark = ROW_ENDS if tag == "tr" else CELL if tag in _CELLS else BREAK if tag in _BLOCKS and tag != "br" else ""
    return f"{mark}{BREAK}{PAGE_BREAK}{BREAK}" if style.page_after else mark


def _is_left_out(
    element: html.HtmlElement, tag: str, style: _Style, tables: int, targets: dict[str, int], labels: list[str]
) -> bool:
    if tag in _LEFT_OUT or style.hidden:
        return True
    if tag != "table" or tables > _DEEPEST_CHECKED:
        return False
    kind = _boilerplate(element)
    if kind is _Boilerplate.CONTENTS:
        for label, target in _entries(element):
            if target not in targets and len(labels) < _MOST_ENTRIES:
                targets[target] = len(labels)
                labels.append(label)
    return kind is not _Boilerplate.NONE


class _Boilerplate(Enum):
    NONE = 0
    CONTENTS = 1
    PAGE_NUMBER = 2


def _boilerplate(table: html.HtmlElement) -> _Boilerplate:
    """Whether a table is one of contents, or holds nothing but a page number or a link back."""
    rows = linked = 0
    row_has_text = row_has_link = False
    words: list[str] = []
    for seen, element in enumerate(table.iter()):
        if seen > _LARGEST_BOILERPLATE or element.tag == "ix:nonfraction":
            return _Boilerplate.NONE
        if element.tag == "tr":
            row_has_text = row_has_link = False
        text = ((element.text or "") + (element.tail or "" if element is not table else "")).strip()
        if text:
            words.append(text)
            rows += not row_has_text
            row_has_text = True
        if element.tag == "a" and element.get("href", "").startswith("#"):
            linked += not row_has_link
            row_has_link = True
    if rows >= _SHORTEST_CONTENTS and linked * 2 > rows:
        return _Boilerplate.CONTENTS
    is_page_number = rows <= 2 and len(words) <= _FURNITURE_WORDS and _PAGE_FURNITURE.fullmatch(" ".join(words))
    return _Boilerplate.PAGE_NUMBER if is_page_number else _Boilerplate.NONE


def _entries(table: html.HtmlElement) -> Iterator[tuple[str, str]]:
    """The rows of contents: what they say, and where they lead; a row without a link leads nowhere."""
    words: list[str] = []
    target = ""
    for element in table.iter():
        if element.tag == "tr":
            if words:
                yield " ".join(words)[:_LONGEST_LABEL], target
            words, target = [], ""
        if element.tag == "a" and not target and element.get("href", "").startswith("#"):
            target = element.get("href", "")[1:]
        text = f"{element.text or ''} {element.tail or '' if element is not table else ''}"
        words += text.translate(_MARKS).split()
    if words:
        yield " ".join(words)[:_LONGEST_LABEL], target


def _without_tags(markup: str) -> ReadableText:
    """The text of markup that is nested too deeply to be read as a tree."""
    return assembled(_lines(unescape(_TAG.sub(BREAK, markup.translate(_MARKS)))))


def _lines(text: str) -> Iterator[Line]:
    """One space between words, a line for a block or a row; line breaks of the markup are spaces."""
    for line in with_rows_as_lines(_SPACES.sub(" ", text.replace("\n", " "))).split(BREAK):
        found = read_marked(line)
        if found.text or found.targets:
            yield found


def _plain_lines(text: str, *, tags: bool = False) -> Iterator[Line]:
    """The lines of a text as it was filed before there was HTML: their layout is that of its tables."""
    text = _PAGE_TAG.sub(f"\n{PAGE_BREAK}\n", text.translate(_MARKS))
    text = unescape(_TAG.sub("", text)) if tags else _TABLE_TAG.sub("", text)
    blank = True
    for raw in text.replace("\r\n", "\n").split("\n"):
        line = raw.rstrip()
        if line or not blank:
            yield Line(line)
        blank = not line
