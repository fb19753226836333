"""The readable text of a filing's HTML: figures and prose kept, layout and machinery left out."""

from __future__ import annotations

import re
from html import unescape

from lxml import etree, html

MAXIMUM_CHARACTERS = 50_000_000
_LARGEST_BOILERPLATE = 5_000
_SHORTEST_CONTENTS = 4
_FURNITURE_WORDS = 6
_DEEPEST_CHECKED = 8
_LEFT_OUT = frozenset({"script", "style", "head", "title", "noscript", "template", "svg", "ix:header"})
_BLOCKS = frozenset(
    {"address", "article", "blockquote", "body", "br", "caption", "center", "dd", "div", "dl", "dt", "footer", "form"}
    | {"h1", "h2", "h3", "h4", "h5", "h6", "header", "hr", "li", "ol", "p", "pre", "section", "ul"}
    | {"table", "tbody", "tfoot", "thead", "tr"}
)
_CELLS = frozenset({"td", "th"})
_HIDDEN = re.compile(r"display\s{0,9}:\s{0,9}none", re.IGNORECASE)
_MARKUP = re.compile(r"<(?:html|body|div|p|font|span|br|td|!doctype html)\b", re.IGNORECASE)
_PAGE_FURNITURE = re.compile(r"(?:table of contents|back to contents|[ivxlc]{1,6}|[-–—]?\s?[0-9]{1,3}\s?[-–—]?)?", re.I)
_BINARY = re.compile(r"\s{0,20}(?:<PDF>\s{0,20})?begin [0-7]{3} \S")
_SPACES = re.compile(r"[^\S\n]+")
_TAG = re.compile(r"<[^<>]{0,5000}>")
_PAGE_TAG = re.compile(r"<(?:PAGE|TABLE|CAPTION|S|C|FN)>|</(?:TABLE|CAPTION|FN)>", re.IGNORECASE)


def document_text(body: str) -> str:
    """The text of a document: of HTML, or plain as filed before there was HTML; empty for encoded binary data."""
    body = body[:MAXIMUM_CHARACTERS]
    if _BINARY.match(body):
        return ""
    return html_text(body) if _MARKUP.search(body) else _plain_text(body)


def html_text(markup: str) -> str:
    """Read HTML or inline XBRL as text: a line for a paragraph or a table row, cells apart by a space.

    Left out are whatever is not displayed, and boilerplate tables: tables of contents (most rows link within the
    document) and tables that hold nothing but a page number or a link back.
    """
    parser = html.HTMLParser(
        encoding="utf-8", no_network=True, remove_comments=True, remove_pis=True, recover=True, huge_tree=True
    )
    try:
        root = html.document_fromstring(markup.encode("utf-8", "replace"), parser=parser)
    except (etree.LxmlError, ValueError):
        return _without_tags(markup)
    if any(entry.type == etree.ErrorTypes.ERR_RESOURCE_LIMIT for entry in parser.error_log):
        return _without_tags(markup)
    parts: list[str] = []
    skipped: object | None = None
    depth = 0
    for event, element in etree.iterwalk(root, events=("start", "end")):
        tag = element.tag if isinstance(element.tag, str) else ""
        if event == "start":
            depth += tag == "table"
            if skipped is None and _is_left_out(element, tag, depth):
                skipped = element
            if skipped is None:
                parts.append(_before(tag))
                parts.append(element.text or "")
            continue
        depth -= tag == "table"
        if skipped is element:
            skipped = None
        elif skipped is None:
            parts.append(_after(tag))
        if skipped is None:
            parts.append(element.tail or "")
    return _tidied("".join(parts))


def _without_tags(markup: str) -> str:
    """The text of markup that is nested too deeply to be read as a tree."""
    return _tidied(unescape(_TAG.sub("\x00", markup)))


def _before(tag: str) -> str:
    return "\x00" if tag in _BLOCKS else " " if tag in _CELLS else ""


def _after(tag: str) -> str:
    return "\x00" if tag in _BLOCKS and tag != "br" else " " if tag in _CELLS else ""


def _is_left_out(element: html.HtmlElement, tag: str, table_depth: int) -> bool:
    if tag in _LEFT_OUT or _HIDDEN.search(element.get("style", "")[:2_000]):
        return True
    return tag == "table" and table_depth <= _DEEPEST_CHECKED and _is_boilerplate(element)


def _is_boilerplate(table: html.HtmlElement) -> bool:
    """Whether a table is one of contents, or holds nothing but a page number or a link back."""
    rows = linked = 0
    row_has_text = row_has_link = False
    words: list[str] = []
    for seen, element in enumerate(table.iter()):
        if seen > _LARGEST_BOILERPLATE or element.tag == "ix:nonfraction":
            return False
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
        return True
    return rows <= 2 and len(words) <= _FURNITURE_WORDS and bool(_PAGE_FURNITURE.fullmatch(" ".join(words)))


def _tidied(text: str) -> str:
    """One space between words, a line break between blocks; line breaks of the markup are spaces."""
    text = _SPACES.sub(" ", text.replace("\n", " ").replace("\x00", "\n"))
    return "\n".join(line for line in (line.strip() for line in text.split("\n")) if line)


def _plain_text(text: str) -> str:
    lines = (line.rstrip() for line in _PAGE_TAG.sub("", text).replace("\r\n", "\n").split("\n"))
    kept: list[str] = []
    for line in lines:
        if line or (kept and kept[-1]):
            kept.append(line)
    return "\n".join(kept).strip("\n")
