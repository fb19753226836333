"""The readable text of a piece of HTML: what is not shown is not read."""

from __future__ import annotations

from html.parser import HTMLParser

from activities.adapters.visible import HidingUnclear, without_hidden
from domain.text import strip_invisible

_LINES = frozenset(
    {"p", "div", "br", "li", "ul", "ol", "tr", "table", "blockquote", "pre", "hr", "section", "article", "dt", "dd"}
    | {"h1", "h2", "h3", "h4", "h5", "h6"}
)
_CELLS = frozenset({"td", "th"})
_BLANKS = str.maketrans("\r\n", "  ")


def plain_text(markup: str, *, is_html: bool) -> str:
    """Return text with a line a block, blanks collapsed and invisible characters removed.

    Markup of which it cannot be told in time what is hidden has no text.
    """
    text = markup
    if is_html:
        reader = _Reader()
        try:
            reader.feed(without_hidden(markup))
        except HidingUnclear:
            return ""
        reader.close()
        text = "".join(reader.parts)
    lines = (" ".join(line.split()) for line in strip_invisible(text).splitlines())
    return strip_invisible("\n".join(line for line in lines if line))


class _Reader(HTMLParser):
    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.parts: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self._break(tag)

    def handle_endtag(self, tag: str) -> None:
        self._break(tag)

    def handle_data(self, data: str) -> None:
        self.parts.append(data.translate(_BLANKS))

    def _break(self, tag: str) -> None:
        if tag in _LINES:
            self.parts.append("\n")
        elif tag in _CELLS:
            self.parts.append(" ")
