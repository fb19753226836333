"""Web pages: the main text by trafilatura, or all of the visible text where it finds none."""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import datetime
from typing import Any, NamedTuple

import trafilatura
from lxml import etree

from activities.adapters.pages.assembly import Assembled, Assembly, clean_line
from activities.adapters.pages.failures import unreadable
from activities.adapters.pages.stated_dates import stated_date
from activities.adapters.visible import HidingUnclear, remove_hidden
from domain.documents import DatePrecision

MAX_TAGS = 400_000
MAX_ELEMENTS_FOR_MAIN_TEXT = 8_000
MAX_TITLE_CHARACTERS = 2_000
_TITLE_PATHS = (
    "//meta[@property='og:title']/@content",
    "//head/title/text()",
    "//title/text()",
    "//h1//text()",
)
_HIDDEN = frozenset({"script", "style", "template", "noscript", "svg", "title", "head", "iframe", "object", "select"})
_HEADINGS = frozenset({"h1", "h2", "h3", "h4", "h5", "h6", "head"})
_BLOCKS = _HEADINGS | frozenset(
    {"p", "div", "li", "ul", "ol", "tr", "table", "blockquote", "pre", "section", "article", "main", "dt", "dd"}
    | {"header", "footer", "nav", "aside", "figure", "figcaption", "form", "body", "html", "center", "hr", "br"}
    | {"list", "item", "row", "quote", "code", "lb"}
)
_CELLS = frozenset({"td", "th", "cell"})
_XML_DECLARATION = re.compile(r"^\s{0,100}<\?xml[^>]{0,500}>")
_NOT_IN_XML = dict.fromkeys([*range(9), 11, 12, *range(14, 32), 0xFFFE, 0xFFFF, *range(0xD800, 0xE000)])


class Page(NamedTuple):
    title: str
    assembled: Assembled
    published: tuple[datetime, DatePrecision] | None


def read_page(markup: str, url: str) -> Page:
    """Read a page. Entities that it defines itself are never expanded, elements deeper than 255 are left out.

    What its style hides is taken out first, so that neither a title nor the main text is looked for in it.

    Raises:
        SourceFormatError: it holds too many tags or rules of style, or no text.
    """
    if (tags := markup.count("<")) > MAX_TAGS:
        raise unreadable("PAGE_TOO_COMPLEX", url, f"{tags:,} tags", f"at most {MAX_TAGS:,}")
    tree = _parse(_XML_DECLARATION.sub("", markup, count=1).translate(_NOT_IN_XML), url)
    published = stated_date(tree)
    try:
        remove_hidden(tree)
    except HidingUnclear as error:
        raise unreadable("PAGE_TOO_COMPLEX", url, f"a style with {error}", "less") from error
    title = next((text for path in _TITLE_PATHS if (text := _first(tree, path))), "")
    assembled = _assemble(_main_part(tree))
    if not assembled.text:
        assembled = _assemble(tree)
    if not assembled.text:
        raise unreadable("PAGE_EMPTY", url, "a web page without text")
    return Page(title[:MAX_TITLE_CHARACTERS], assembled, published)


def visible_text(tree: Any) -> str:
    """All of the visible text of a tree, a paragraph a block, whether it looks like an article's or not.

    What is hidden is taken out of the tree; a page whose style is too large for that has no such text.
    """
    try:
        remove_hidden(tree)
    except HidingUnclear:
        return ""
    return _assemble(tree).text


def _parse(markup: str, url: str) -> Any:
    parser = etree.HTMLParser(
        encoding="utf-8",
        no_network=True,
        huge_tree=False,
        remove_comments=True,
        remove_pis=True,
        recover=True,
        default_doctype=False,
    )
    try:
        tree = etree.fromstring(markup.encode(), parser)
    except (etree.LxmlError, ValueError, AssertionError) as error:
        raise unreadable("PAGE_BROKEN", url, "a web page that cannot be parsed") from error
    if tree is None:
        raise unreadable("PAGE_EMPTY", url, "a web page without elements")
    return tree


def _main_part(tree: Any) -> Any:
    """The article without menus and the like; None where none is found, or where finding it would take too long."""
    if sum(1 for _ in tree.iter()) > MAX_ELEMENTS_FOR_MAIN_TEXT:
        return None
    try:
        found: Any = trafilatura.bare_extraction(
            etree.tostring(tree, encoding="unicode", method="html"),
            with_metadata=False,
            include_comments=False,
            include_tables=True,
            favor_recall=True,
        )
    except Exception:  # an extractor of foreign pages may fail in any way; all of the text is a fair second choice
        return None
    return None if found is None else found.body


def _assemble(tree: Any) -> Assembled:
    assembly = Assembly()
    if tree is not None:
        for is_heading, block in _blocks(tree):
            if is_heading:
                assembly.begin_section(block)
            assembly.add(block)
    return assembly.finish()


def _blocks(tree: Any) -> Iterator[tuple[bool, str]]:
    """The blocks of a tree in reading order, each with whether it is a heading; without recursion."""
    parts: list[str] = []
    heading = False
    hidden = 0
    for event, element in etree.iterwalk(tree, events=("start", "end")):
        name = element.tag.rpartition("}")[2].lower() if isinstance(element.tag, str) else "script"
        if name in _HIDDEN and not (name == "head" and "rend" in element.attrib):
            hidden += 1 if event == "start" else -1
        elif name in _BLOCKS and not hidden:
            if block := "".join(parts).strip():
                yield heading, block
            parts.clear()
            heading = event == "start" and name in _HEADINGS
        elif name in _CELLS and not hidden:
            parts.append(" ")
        text = element.text if event == "start" else element.tail if element is not tree else None
        if text and not hidden:
            parts.append(" ".join(f".{text}.".split())[1:-1])
    if block := "".join(parts).strip():
        yield heading, block


def _first(tree: Any, path: str) -> str:
    found = tree.xpath(path)
    return next((text for value in found[:20] if (text := clean_line(str(value)[:10_000]))), "")
