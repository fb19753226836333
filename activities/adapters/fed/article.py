"""A page of the board reduced to its article: no menus, no share links, no heading that repeats title and time."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta, timezone
from typing import Any, NamedTuple

from lxml import etree

from activities.adapters.pages.decoding import decode
from activities.adapters.pages.failures import unreadable
from activities.adapters.pages.markup import visible_text
from activities.adapters.pages.models import PageKind, ParsedPage
from activities.adapters.pages.page import parse_page
from activities.adapters.pages.sniffing import kind_of

MAX_TAGS = 100_000
MAX_LINKS = 2_000
LEAST_KEPT = 0.98
"""Part of an article's words that a page must keep when it is parsed."""
_LEFT_OUT = frozenset(
    {"heading", "list-unstyled", "share", "share-links", "sharelinks", "breadcrumb", "sr-only", "noprint"}
)
_MONTHS = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")
_DAY = re.compile(r"([A-Za-z]{3,9}) (\d{1,2}), (\d{4})", re.ASCII)
_CLOCK = re.compile(r"at (\d{1,2})(?::(\d{2}))? ?([ap])\.?m\.?,? (E[SD]T)\b", re.IGNORECASE | re.ASCII)
_OFFSETS = {"EST": -5, "EDT": -4}


class Article(NamedTuple):
    page: ParsedPage
    links: tuple[str, ...]
    released_at: datetime | None
    """The instant that the page states for its release."""


def read_article(body: bytes, content_type: str, url: str) -> Article:
    """Read a page's article; the page as it is where none is marked, or where it is no HTML.

    Raises:
        SourceFormatError: it is of no supported kind, holds too many tags, or no text.
    """
    if kind_of(body, content_type, url) is not PageKind.HTML:
        return Article(parse_page(body, content_type, url), (), None)
    markup = decode(body, content_type)
    if (tags := markup.count("<")) > MAX_TAGS:
        raise unreadable("PAGE_TOO_COMPLEX", url, f"{tags:,} tags", f"at most {MAX_TAGS:,}")
    tree = _parse(markup)
    article = next(iter(tree.xpath("//*[@id='article']")), None) if tree is not None else None
    if article is None:
        return Article(parse_page(body, content_type, url), _links(tree), None)
    released_at = _released_at(article)
    for element in article.xpath(".//*[@class]"):
        if not _LEFT_OUT.isdisjoint((element.get("class") or "").lower().split()) and element.getparent() is not None:
            _remove(element)
    article.tail = None
    return Article(_whole_page(article, url), _links(article), released_at)


def _whole_page(article: Any, url: str) -> ParsedPage:
    """The article with its headings as sections, or, where finding these lost some of it, all of its text."""
    inner = etree.tostring(article, encoding="unicode", method="html")
    markup = f"<!DOCTYPE html><html><head><meta charset='utf-8'></head><body>{inner}</body></html>"
    page = parse_page(markup.encode("utf-8", "replace"), "text/html", url)
    text = visible_text(article)
    if len(page.text.split()) >= LEAST_KEPT * len(text.split()):
        return page
    return parse_page(text.encode("utf-8", "replace"), "text/plain; charset=utf-8", url)


def _parse(markup: str) -> Any:
    parser = etree.HTMLParser(
        encoding="utf-8", no_network=True, huge_tree=False, remove_comments=True, remove_pis=True, recover=True
    )
    try:
        return etree.fromstring(markup.encode("utf-8", "replace"), parser)
    except (etree.LxmlError, ValueError, AssertionError):
        return None


def _links(tree: Any) -> tuple[str, ...]:
    if tree is None:
        return ()
    links = (str(element.get("href") or "").strip() for element in tree.iter("a"))
    return tuple(link for link, _ in zip(links, range(MAX_LINKS), strict=False) if link)


def _remove(element: Any) -> None:
    """Take an element out, and leave the text that follows it."""
    parent, before = element.getparent(), element.getprevious()
    if element.tail:
        if before is not None:
            before.tail = (before.tail or "") + element.tail
        else:
            parent.text = (parent.text or "") + element.tail
    parent.remove(element)


def _released_at(article: Any) -> datetime | None:
    """`January 28, 2026` and `For release at 2:00 p.m. EST`, each from the start of its element only."""
    day = _DAY.search(_text(article, "article__time"))
    clock = _CLOCK.search(_text(article, "releasetime"))
    if day is None or clock is None or day[1][:3].lower() not in _MONTHS:
        return None
    hour = int(clock[1]) % 12 + (12 if clock[3].lower() == "p" else 0)
    zone = timezone(timedelta(hours=_OFFSETS[clock[4].upper()]))
    try:
        month = _MONTHS.index(day[1][:3].lower()) + 1
        return datetime(int(day[3]), month, int(day[2]), hour, int(clock[2] or 0), tzinfo=zone).astimezone(UTC)
    except (ValueError, OverflowError):
        return None


def _text(article: Any, name: str) -> str:
    for element in article.xpath(".//*[@class]"):
        if name in (element.get("class") or "").lower().split():
            return " ".join((element.text or "")[:500].split())
    return ""
