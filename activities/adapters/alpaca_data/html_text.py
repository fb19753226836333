"""The text that a reader of an article's HTML sees.

The standard library's parser takes quadratic time over unclosed markup, so the text is found by one pass of its own.
"""

from __future__ import annotations

import html
import re

from activities.adapters.visible import HidingUnclear, without_hidden

_NAME = re.compile(r"/?([A-Za-z][A-Za-z0-9]{0,20})", re.ASCII)
_UNSEEN = frozenset({"script", "style", "template", "noscript", "svg", "iframe", "object", "title"})
_LINE_BREAKING = frozenset(
    {"p", "div", "br", "hr", "ul", "ol", "li", "dl", "dt", "dd", "table", "tr", "td", "th", "blockquote", "pre"}
    | {"h1", "h2", "h3", "h4", "h5", "h6", "section", "article", "header", "footer", "figure", "figcaption", "body"}
)


def html_text(page: str) -> str:
    """Return the visible text, block elements on lines of their own; nothing need be well formed.

    Comments, scripts and what else is not shown are left out; an unclosed one hides what follows it. A page of which it
    cannot be told in time what is hidden has no text.
    """
    try:
        page = without_hidden(page)
    except HidingUnclear:
        return ""
    parts: list[str] = []
    lowered = page.lower() if len(page.lower()) == len(page) else page
    position = 0
    while (opening := page.find("<", position)) >= 0:
        parts.append(page[position:opening].replace("\n", " "))
        tag = _NAME.match(page, opening + 1)
        name = tag[1].lower() if tag else ""
        if tag is None and page[opening + 1 : opening + 2] not in ("!", "?"):
            parts.append("<")
            position = opening + 1
            continue
        ending = "-->" if page.startswith("<!--", opening) else ">"
        end = page.find(ending, opening)
        position = len(page) if end < 0 else end + len(ending)
        if name in _UNSEEN and page[opening + 1] != "/":
            closing = lowered.find(f"</{name}", position)
            position = len(page) if closing < 0 else closing
        elif name in _LINE_BREAKING:
            parts.append("\n")
    parts.append(page[position:].replace("\n", " "))
    lines = (" ".join(line.split()) for line in _unescaped("".join(parts)).split("\n"))
    return "\n".join(line for line in lines if line)


def _unescaped(text: str) -> str:
    try:
        return html.unescape(text)
    except ValueError:  # a character reference of thousands of digits
        return text
