"""HTML out of Python: what is not markup already is escaped, so that a text from outside can never become any."""

from __future__ import annotations

from collections.abc import Iterable
from html import escape

Content = str | Iterable["Content"] | None
Attribute = str | int | float | bool | None
NO_BREAK = "\N{NO-BREAK SPACE}"
_VOID = frozenset({"meta", "br"})


class Html(str):
    """Markup that `el` made. A plain string is a text."""

    __slots__ = ()


def el(name: str, *children: Content, **attributes: Attribute) -> Html:
    """Make an element: `el("td", "<3", class_="num")` is `<td class="num">&lt;3</td>`.

    Underscores in the names of attributes become hyphens, one at the end is for Python's keywords. True is an attribute
    without a value; None and False leave it out.
    """
    parts = [f"<{name}"]
    for key, value in attributes.items():
        if value is None or value is False:
            continue
        label = key.rstrip("_").replace("_", "-")
        parts.append(f" {label}" if value is True else f' {label}="{escape(clean(str(value)))}"')
    inside = "" if name in _VOID else f"{joined(*children)}</{name}>"
    return Html(f"{''.join(parts)}>{inside}")


def joined(*children: Content) -> Html:
    """Put markup and texts one after the other."""
    return Html("".join(_written(child) for child in children))


def clean(text: str) -> str:
    """Replace what cannot be seen, or changes how its neighbours are read, by a space: it has no place in a report."""
    if text.isprintable():
        return text
    return "".join(char if char.isprintable() or char == NO_BREAK else " " for char in text)


def plotly_text(text: str, most: int = 40) -> str:
    """Make a text one that plotly shows as it is: labels are markup to it, with links and styles."""
    line = " ".join(clean(text).split())
    return escape(line if len(line) <= most else f"{line[: most - 1]}…", quote=False)


def _written(child: Content) -> str:
    if child is None:
        return ""
    if isinstance(child, Html):
        return child
    if isinstance(child, str):
        return escape(clean(child))
    return "".join(_written(each) for each in child)
