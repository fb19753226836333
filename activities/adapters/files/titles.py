"""Titles for documents that come without one, and the visible text of a web page."""

from __future__ import annotations

import html
import re

MAX_DERIVED_TITLE = 200

_SENTENCE_END = re.compile(r"[.!?][\"'”’)\]]*\s+(?=[\"'“‘(\[]?[A-Z0-9])")
_ABBREVIATION = re.compile(
    r"(?:^|[\s(\"'“])(?:[A-Za-z]|(?:[A-Za-z]\.)+[A-Za-z]|Mr|Mrs|Ms|Dr|Prof|Sen|Rep|Gov|Gen|Inc|Corp|Co|Cos|Ltd|Bros|Jr|Sr|St"
    r"|No|vs|v|Jan|Feb|Mar|Apr|Jun|Jul|Aug|Sep|Sept|Oct|Nov|Dec|approx|est)$"
)
_SKIPPED_ELEMENTS = frozenset({"script", "style", "template", "noscript", "svg", "title"})
_INLINE_ELEMENTS = frozenset(
    {"a", "abbr", "acronym", "b", "bdi", "bdo", "big", "cite", "code", "data", "del", "dfn", "em", "font", "i", "ins"}
    | {
        "kbd",
        "label",
        "mark",
        "q",
        "s",
        "samp",
        "small",
        "span",
        "strong",
        "sub",
        "sup",
        "time",
        "tt",
        "u",
        "var",
        "wbr",
    }
    | {"ix:nonnumeric", "ix:nonfraction"}
)
_TAG_NAME = re.compile(r"/?([A-Za-z][A-Za-z0-9:_-]*)")
_LINE_ENDS = str.maketrans("\r\n", "  ")


def first_sentence(text: str) -> str:
    """Return the first sentence, at most 200 characters; a longer one is cut at a word and ends in an ellipsis."""
    start = " ".join(text[: MAX_DERIVED_TITLE * 20].split())
    for end in _SENTENCE_END.finditer(start[: MAX_DERIVED_TITLE + 10]):
        if not _ABBREVIATION.search(start[max(0, end.start() - 20) : end.start()]):
            start = start[: end.end()].rstrip()
            break
    if len(start) <= MAX_DERIVED_TITLE:
        return start
    cut = start[: MAX_DERIVED_TITLE - 1]
    at_word = cut.rpartition(" ")[0]
    return (at_word if len(at_word) > MAX_DERIVED_TITLE // 2 else cut) + "…"


def page_text(page: str) -> tuple[str, str]:
    """Return the title element and the visible text of a web page, block elements on lines of their own.

    It reads in linear time whatever the page holds; a page is not trusted to be well formed.
    """
    lowered = page.lower() if len(page.lower()) == len(page) else page
    title = ""
    parts: list[str] = []
    position = 0
    while (opening := page.find("<", position)) >= 0:
        parts.append(page[position:opening].translate(_LINE_ENDS))
        if page.startswith("<!--", opening):
            end = page.find("-->", opening + 4)
            position = len(page) if end < 0 else end + 3
            continue
        tag = _TAG_NAME.match(page, opening + 1)
        if tag is None and page[opening + 1 : opening + 2] not in ("!", "?"):
            parts.append("<")
            position = opening + 1
            continue
        end = page.find(">", opening)
        position = len(page) if end < 0 else end + 1
        name = tag[1].lower() if tag else ""
        if name in _SKIPPED_ELEMENTS and page[opening + 1] != "/":
            closing = lowered.find(f"</{name}", position)
            if name == "title" and not title and closing >= 0:
                title = _unescaped(page[position:closing])
            position = len(page) if closing < 0 else closing
        elif name not in _INLINE_ELEMENTS:
            parts.append("\n")
    parts.append(page[position:].translate(_LINE_ENDS))
    lines = (" ".join(line.split()) for line in _unescaped("".join(parts)).split("\n"))
    return " ".join(title.split()), "\n".join(line for line in lines if line)


def _unescaped(text: str) -> str:
    try:
        return html.unescape(text)
    except ValueError:  # a character reference of thousands of digits
        return text
