"""What a reader of HTML sees: what its style hides is taken out of the tree before anybody else reads it.

Read are `style` attributes, presentational colours and the sheets that a page brings itself: selectors of elements,
classes, ids and attributes, with descendants and children, in the order of the cascade. Media queries are answered for
a desktop screen of 1280 x 800; print is another medium. Where it is not known whether a rule holds (`@container`, an
unknown feature or selector in its list), only what it hides is taken from it.

Not read, so that text hidden by them is seen as visible: style sheets of other addresses, scripts, selectors with
pseudo-classes or siblings, nested rules, `var()` and computed lengths, pictures and elements that lie over a text, and
letters laid over one another. A style that hides the whole `html` or `body` is not believed: a script shows such pages
again. A text is compared with white paper where no colour of it is stated, and with none where it is a picture.
"""

from __future__ import annotations

import re
from typing import Any, NamedTuple

from lxml import etree

from activities.adapters.pages.cascade import Facts, HidingUnclear, Sheet
from activities.adapters.pages.css_values import FONT, NUMBER, Colour, colour, font_size, number, numbers, pixels, ratio

__all__ = ["HidingUnclear", "remove_hidden", "without_hidden"]

MAX_TAGS = 400_000
_UNSEEN = frozenset(
    {"script", "style", "template", "noscript", "iframe", "noframes", "noembed", "canvas", "audio", "video", "datalist"}
)
"""Never shown, or only where something a reader has does not work."""
_WHOLE = frozenset({"html", "body"})
_HIDES = re.compile(
    r"style|hidden|colou?r\s{0,9}=|<(?:dialog|title|script|template|noscript|iframe|noframes|noembed|canvas|audio|video"
    r"|datalist)",
    re.IGNORECASE,
)
_SMALLEST_FONT = 2.0
_FAINTEST = 0.05
_FAR_OUT = -500.0
_FAR_BEYOND = 5_000.0
_FAR_MARGIN = -2_000.0
"""Margins below it hide; columns are laid out with smaller ones."""
_CLOSEST_COLOURS = 12.0
"""Of 255, in every channel: colours as close as that cannot be told apart."""
_TRANSLATED = re.compile(rf"translate(?:x|y|3d)?\(\s*({NUMBER}[a-z%]{{0,4}})(?:\s*,\s*({NUMBER}[a-z%]{{0,4}}))?")
_SCALED = re.compile(rf"scale(?:x|y|3d)?\(\s*({NUMBER})\s*(?:,\s*({NUMBER})\s*)?[,)]")
_FILTERED = re.compile(rf"opacity\(\s*({NUMBER}%?)")


_WHITE = Colour(255, 255, 255)
_BLACK = Colour(0, 0, 0)


class _State(NamedTuple):
    """What an element hands down to what is in it."""

    visible: bool = True
    font: float = FONT
    ink: Colour | None = None
    """None while nothing states it."""
    paper: Colour | None = _WHITE
    """None where it is a picture."""

    @property
    def is_shown(self) -> bool:
        if not self.visible or self.font < _SMALLEST_FONT:
            return False
        if self.ink is None:
            return True
        return self.ink.opacity > _FAINTEST and not (self.paper is not None and _alike(self.ink, self.paper))


def remove_hidden(tree: Any) -> None:
    """Take out of a tree, in place, every element and text that its page's style does not show.

    Raises:
        HidingUnclear: finding out what is hidden would take too long.
    """
    sheet = Sheet.of(tree)
    states = [_State()]
    gone: list[Any] = []
    ancestors: list[Facts] = []
    walk = etree.iterwalk(tree, events=("start", "end"))
    for event, element in walk:
        tag = element.tag.lower() if isinstance(element.tag, str) else ""
        if event == "start":
            facts = sheet.facts(element, tag)
            style = sheet.style_of(facts, ancestors)
            state = states[-1]
            if style or element.attrib:
                state = _inside(state, style, element, tag)
            if _is_unseen(element, tag, style) or (tag not in _WHOLE and _is_gone(style, state)):
                gone.append(element)
                walk.skip_subtree()
            elif element.text and not state.is_shown:
                element.text = None
            states.append(state)
            ancestors.append(facts)
            continue
        states.pop()
        ancestors.pop()
        if element.tail and element is not tree and not states[-1].is_shown:
            element.tail = None
    for element in gone:
        _take_out(element, tree)


def without_hidden(markup: str) -> str:
    """A piece of HTML without what is hidden in it; the same piece where nothing can be.

    Raises:
        HidingUnclear: it is too large, or finding out what is hidden would take too long.
    """
    if _HIDES.search(markup) is None:
        return markup
    if markup.count("<") > MAX_TAGS:
        raise HidingUnclear(f"more than {MAX_TAGS:,} tags")
    parser = etree.HTMLParser(
        encoding="utf-8", no_network=True, huge_tree=False, remove_comments=True, remove_pis=True, recover=True
    )
    try:
        tree = etree.fromstring(f"<!doctype html><html><body>{markup}</body></html>".encode("utf-8", "replace"), parser)
    except (etree.LxmlError, ValueError, AssertionError) as error:
        raise HidingUnclear("markup that cannot be parsed") from error
    if tree is None:
        return ""
    remove_hidden(tree)
    return str(etree.tostring(tree, encoding="unicode", method="html"))


def _take_out(element: Any, tree: Any) -> None:
    """What follows the element stays where it is; an empty `span` keeps its place for it."""
    parent = element.getparent()
    if element is tree or parent is None:
        element.clear(keep_tail=True)
    elif element.tail:
        element.clear(keep_tail=True)
        element.tag = "span"
    else:
        parent.remove(element)


def _is_unseen(element: Any, tag: str, style: dict[str, str]) -> bool:
    if tag in _UNSEEN:
        return True
    if tag == "title":
        parent = element.getparent()
        return parent is not None and parent.tag != "head"
    unasked = "display" not in style and tag not in _WHOLE
    return unasked and ("hidden" in element.attrib or (tag == "dialog" and "open" not in element.attrib))


def _inside(state: _State, style: dict[str, str], element: Any, tag: str) -> _State:
    visible, font, ink, paper = state
    if tag not in _WHOLE and (visibility := style.get("visibility")) is not None:
        visible = visibility not in {"hidden", "collapse"} if visibility != "inherit" else visible
    if (size := style.get("font-size")) is not None:
        font = font_size(size, font)
    presented = (element.get("bgcolor") or "") if tag in {"body", "table", "tr", "td", "th"} else ""
    written = style.get("background-color", presented.strip().lower())
    image = style.get("background-image", "")
    if written and (painted := colour(written)) is not None:
        if painted.opacity > _FAINTEST:
            paper = painted if painted.opacity >= 0.5 else paper
            ink = _BLACK if ink is None and tag not in _WHOLE else ink
    elif written and written not in {"none", "inherit", "initial", "unset", "0"}:
        paper = None
    if image and image not in {"none", "inherit", "initial", "unset"}:
        paper = None
    attribute = {"font": "color", "basefont": "color", "body": "text"}.get(tag, "")
    stated = style.get("color", (element.get(attribute) or "").strip().lower() if attribute else "")
    if "-webkit-text-fill-color" in style:
        stated = style["-webkit-text-fill-color"]
    if stated:
        ink = colour(stated) or ink
    elif tag == "a" and "href" in element.attrib:
        ink = None  # links have a colour of their own
    if "text" in style.get("background-clip", "").split():
        ink = None  # the letters are cut out of the background
    return _State(visible, font, ink, paper)


def _is_gone(style: dict[str, str], state: _State) -> bool:
    """Whether an element is not shown, with all that is in it."""
    if not style:
        return False
    if style.get("display") == "none" or style.get("content-visibility") == "hidden":
        return True
    if (opacity := ratio(style.get("opacity", ""))) is not None and opacity <= _FAINTEST:
        return True
    if (filtered := _FILTERED.search(style.get("filter", ""))) and (ratio(filtered[1]) or 0) <= _FAINTEST:
        return True
    return _is_away(style, state.font) or _is_cut(style) or _is_flat(style)


def _is_away(style: dict[str, str], font: float) -> bool:
    """Whether an element lies outside the page."""
    if style.get("position", "static") not in {"static", "inherit", "initial"}:
        for side in ("left", "top", "right", "bottom"):
            if (offset := pixels(style.get(side, ""), font)) is None:
                continue
            if offset <= _FAR_OUT or (side in {"left", "top"} and offset >= _FAR_BEYOND):
                return True
    indent = pixels(style.get("text-indent", ""), font)
    if indent is not None and (indent <= _FAR_OUT or (indent >= -_FAR_OUT and _is_closed(style))):
        return True
    margins = (pixels(style.get(f"margin-{side}", ""), font) for side in ("left", "top"))
    if any(margin is not None and margin <= _FAR_MARGIN for margin in margins):
        return True
    transform = style.get("transform", "")
    moved = (pixels(part, font) for found in _TRANSLATED.findall(transform) for part in found)
    if any(by is not None and (by <= 2 * _FAR_OUT or by >= _FAR_BEYOND) for by in moved):
        return True
    factors = [number(part) for found in _SCALED.findall(transform) for part in found if part]
    factors += [factor for factor, _ in numbers(style.get("scale", ""))]
    return any(abs(factor) <= _FAINTEST for factor in factors)


def _is_cut(style: dict[str, str]) -> bool:
    """Whether an element is clipped to nothing, or to a point."""
    clip = style.get("clip", "")
    if clip.startswith("rect(") and style.get("position") in {"absolute", "fixed"}:
        sides = [side for side, _ in numbers(clip)]
        if len(sides) == 4 and (sides[2] - sides[0] <= 1 or sides[1] - sides[3] <= 1):
            return True
    path = style.get("clip-path", "")
    values = numbers(path)
    if path.startswith("inset("):
        return any(value >= (50 if unit == "%" else -2 * _FAR_OUT) for value, unit in values)
    if path.startswith(("circle(", "ellipse(")):
        return bool(values) and values[0][0] == 0
    if path.startswith("polygon("):
        points = [value for value, _ in values]
        return len(set(points[0::2])) <= 1 or len(set(points[1::2])) <= 1
    return False


def _is_flat(style: dict[str, str]) -> bool:
    """Whether an element has no height or no width, and nothing of it flows over."""
    if not _is_closed(style):
        return False
    sizes = (pixels(style.get(name, ""), FONT) for name in ("width", "height", "max-width", "max-height"))
    return any(size is not None and size <= 1 for size in sizes)


def _is_closed(style: dict[str, str]) -> bool:
    """Whether what flows over an element is cut off."""
    overflow = {word for name in ("overflow", "overflow-x", "overflow-y") for word in style.get(name, "").split()}
    return not overflow.isdisjoint({"hidden", "clip"})


def _alike(ink: Colour, paper: Colour) -> bool:
    return all(abs(one - other) <= _CLOSEST_COLOURS for one, other in zip(ink[:3], paper[:3], strict=True))
