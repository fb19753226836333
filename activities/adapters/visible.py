"""What a reader of HTML sees: what its style hides is taken out of the tree before anybody else reads it.

Read are `style` attributes, presentational colours and the page's own `<style>` elements: selectors of elements,
classes, ids and attributes, with descendants and children, by the order of the cascade. Media queries are answered for
a desktop screen of 1280 x 800 (print is another medium); `@supports`, `@layer` and `@container` are taken as met.

Not read, so that text hidden by them is seen as visible: style sheets of other addresses, scripts, selectors with
pseudo-classes or siblings, nested rules, `var()` and computed lengths, pictures and elements that lie over a text.
A style that hides the whole `html` or `body` is not believed: a script shows such pages again. Text is compared with
white paper where no colour of it is stated, and with none where it is a picture.
"""

from __future__ import annotations

import colorsys
import math
import re
from typing import Any, NamedTuple

from lxml import etree

from activities.adapters.pages.cascade import Facts, HidingUnclear, Sheet

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
_FONT = 16.0
_PIXELS = {"": 1.0, "px": 1.0, "pt": 4 / 3, "pc": 16.0, "in": 96.0, "cm": 37.8, "mm": 3.78, "q": 0.945} | {
    "em": _FONT,
    "rem": _FONT,
    "ch": 8.0,
    "ex": 8.0,
    "vw": 12.8,
    "vh": 8.0,
    "vmin": 8.0,
    "vmax": 12.8,
    "%": 5.0,
}
_NUMBER = r"[+-]?(?:[0-9]++(?:\.[0-9]*+)?|\.[0-9]++)(?:e[+-]?[0-9]++)?"
_LENGTH = re.compile(rf"(?:calc\(\s*)?({_NUMBER})([a-z]{{1,4}}|%)?\s*\)?")
_FONT_SIZES = {"xx-small": 9.0, "x-small": 10.0, "small": 13.0, "medium": _FONT, "large": 18.0, "initial": _FONT}
_FONT_SHORTHAND = re.compile(rf"(?<![\w.#-])({_NUMBER}(?:px|pt|pc|in|cm|mm|em|rem|ch|ex|vw|vh|%)|0)(?=[\s/])")
_TRANSLATED = re.compile(rf"translate(?:x|y|3d)?\(\s*({_NUMBER}[a-z%]{{0,4}})(?:\s*,\s*({_NUMBER}[a-z%]{{0,4}}))?")
_SCALED = re.compile(rf"scale(?:x|y|3d)?\(\s*({_NUMBER})\s*(?:,\s*({_NUMBER})\s*)?[,)]")
_FILTERED = re.compile(rf"opacity\(\s*({_NUMBER})(%?)")
_NUMBERS = re.compile(rf"({_NUMBER})([a-z%]{{0,4}})")
_COLOUR_FUNCTION = re.compile(r"(rgb|hsl)a?\(([^()]{1,100})\)")
_HEX = re.compile(r"#?([0-9a-f]{8}|[0-9a-f]{6}|[0-9a-f]{3,4})")
_NAMES = (
    "white=ffffff snow=fffafa ivory=fffff0 ghostwhite=f8f8ff whitesmoke=f5f5f5 floralwhite=fffaf0 "
    "azure=f0ffff mintcream=f5fffa seashell=fff5ee aliceblue=f0f8ff canvas=ffffff window=ffffff "
    "black=000000 canvastext=000000 gray=808080 grey=808080 silver=c0c0c0 red=ff0000 lime=00ff00 "
    "green=008000 blue=0000ff navy=000080 yellow=ffff00 orange=ffa500 purple=800080 maroon=800000 "
    "olive=808000 teal=008080 aqua=00ffff cyan=00ffff fuchsia=ff00ff magenta=ff00ff lightgray=d3d3d3 "
    "lightgrey=d3d3d3 darkgray=a9a9a9 darkgrey=a9a9a9 dimgray=696969 gainsboro=dcdcdc beige=f5f5dc "
    "linen=faf0e6 pink=ffc0cb brown=a52a2a"
)
_NAMED = dict(pair.split("=") for pair in _NAMES.split())


class _Colour(NamedTuple):
    """Channels from 0 to 255 and an opacity from 0 to 1; of a name that is not known here the name alone."""

    red: float
    green: float
    blue: float
    opacity: float = 1.0
    name: str = ""


_WHITE = _Colour(255, 255, 255)
_BLACK = _Colour(0, 0, 0)


class _State(NamedTuple):
    """What an element hands down to what is in it."""

    visible: bool = True
    font: float = _FONT
    ink: _Colour | None = None
    """None while nothing states it."""
    paper: _Colour | None = _WHITE
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
        tree = etree.fromstring(f"<html><body>{markup}</body></html>".encode("utf-8", "replace"), parser)
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
        font = _font_size(size, font)
    presented = (element.get("bgcolor") or "") if tag in {"body", "table", "tr", "td", "th"} else ""
    written = style.get("background-color", presented.strip().lower())
    image = style.get("background-image", "")
    if written and (colour := _colour(written)) is not None:
        if colour.opacity > _FAINTEST:
            paper = colour if colour.opacity >= 0.5 else paper
            ink = _BLACK if ink is None and tag not in _WHOLE else ink
    elif written and written not in {"none", "inherit", "initial", "unset", "0"}:
        paper = None
    if image and image not in {"none", "inherit", "initial", "unset"}:
        paper = None
    attribute = {"font": "color", "basefont": "color", "body": "text"}.get(tag, "")
    stated = style.get("color", (element.get(attribute) or "").strip().lower() if attribute else "")
    if "-webkit-text-fill-color" in style:
        stated = style["-webkit-text-fill-color"]
    if stated and (colour := _colour(stated)) is not None:
        ink = colour
    if "text" in style.get("background-clip", "").split():
        ink = None  # the letters are cut out of the background
    return _State(visible, font, ink, paper)


def _is_gone(style: dict[str, str], state: _State) -> bool:
    """Whether an element is not shown, with all that is in it."""
    if not style:
        return False
    if style.get("display") == "none" or style.get("content-visibility") == "hidden":
        return True
    if (opacity := _ratio(style.get("opacity", ""))) is not None and opacity <= _FAINTEST:
        return True
    if (filtered := _FILTERED.search(style.get("filter", ""))) and _float(filtered[1]) <= _FAINTEST:
        return True
    return _is_away(style, state.font) or _is_cut(style) or _is_flat(style)


def _is_away(style: dict[str, str], font: float) -> bool:
    """Whether an element lies outside the page."""
    if style.get("position", "static") not in {"static", "inherit", "initial"}:
        for side in ("left", "top", "right", "bottom"):
            if (offset := _pixels(style.get(side, ""), font)) is None:
                continue
            if offset <= _FAR_OUT or (side in {"left", "top"} and offset >= _FAR_BEYOND):
                return True
    indent = _pixels(style.get("text-indent", ""), font)
    if indent is not None and (indent <= _FAR_OUT or (indent >= -_FAR_OUT and _is_closed(style))):
        return True
    margins = (_pixels(style.get(f"margin-{side}", ""), font) for side in ("left", "top"))
    if any(margin is not None and margin <= _FAR_MARGIN for margin in margins):
        return True
    transform = style.get("transform", "")
    moved = (_pixels(part, font) for found in _TRANSLATED.findall(transform) for part in found)
    if any(by is not None and (by <= 2 * _FAR_OUT or by >= _FAR_BEYOND) for by in moved):
        return True
    factors = [_float(part) for found in _SCALED.findall(transform) for part in found if part]
    factors += [_float(found[0]) for found in _NUMBERS.findall(style.get("scale", ""))]
    return any(abs(factor) <= _FAINTEST for factor in factors)


def _is_cut(style: dict[str, str]) -> bool:
    """Whether an element is clipped to nothing, or to a point."""
    clip = style.get("clip", "")
    if clip.startswith("rect(") and style.get("position") in {"absolute", "fixed"}:
        sides = [_float(number) for number, _ in _NUMBERS.findall(clip)]
        if len(sides) == 4 and (sides[2] - sides[0] <= 1 or sides[1] - sides[3] <= 1):
            return True
    path = style.get("clip-path", "")
    values = _NUMBERS.findall(path)
    if path.startswith("inset("):
        return any(unit == "%" and _float(number) >= 50 for number, unit in values) or any(
            _float(number) >= -2 * _FAR_OUT for number, unit in values if unit != "%"
        )
    if path.startswith(("circle(", "ellipse(")):
        return bool(values) and _float(values[0][0]) == 0
    if path.startswith("polygon("):
        points = [_float(number) for number, _ in values]
        return len(set(points[0::2])) <= 1 or len(set(points[1::2])) <= 1
    return False


def _is_flat(style: dict[str, str]) -> bool:
    """Whether an element has no height or no width, and nothing of it flows over."""
    if not _is_closed(style):
        return False
    sizes = (_pixels(style.get(name, ""), _FONT) for name in ("width", "height", "max-width", "max-height"))
    return any(size is not None and size <= 1 for size in sizes)


def _is_closed(style: dict[str, str]) -> bool:
    """Whether what flows over an element is cut off."""
    overflow = {word for name in ("overflow", "overflow-x", "overflow-y") for word in style.get(name, "").split()}
    return not overflow.isdisjoint({"hidden", "clip"})


def _font_size(written: str, outer: float) -> float:
    if written in _FONT_SIZES:
        return _FONT_SIZES[written]
    found = _LENGTH.fullmatch(written) or _FONT_SHORTHAND.search(f" {written} ")
    if found is None:
        return outer
    length = _LENGTH.fullmatch(found[1]) if found.re is _FONT_SHORTHAND else found
    if length is None:
        return outer
    number, unit = _float(length[1]), length[2] or ""
    if unit in {"em", "%"}:
        return number * outer / (100 if unit == "%" else 1)
    return number * _PIXELS.get(unit, 1.0)


def _pixels(written: str, font: float) -> float | None:
    """A length in pixels. Of what a percentage is taken is not known: a hundred of them count as just out of sight."""
    found = _LENGTH.fullmatch(written)
    if found is None:
        return None
    unit = found[2] or ""
    return _float(found[1]) * (max(font, 1.0) if unit == "em" else _PIXELS.get(unit, 1.0))


def _ratio(written: str) -> float | None:
    found = _LENGTH.fullmatch(written)
    return None if found is None else _float(found[1]) / (100 if found[2] == "%" else 1)


def _float(digits: str) -> float:
    value = float(digits)
    return value if math.isfinite(value) else math.copysign(1e9, value)


def _colour(written: str) -> _Colour | None:
    """The colour that a value names, None where it names none or a picture beside it."""
    text = written.strip()
    if "url(" in text or "gradient(" in text or "image(" in text or "var(" in text:
        return None
    if found := _COLOUR_FUNCTION.search(text):
        return _from_function(found[1], found[2])
    for word in text.split()[:20]:
        if word == "transparent":
            return _Colour(0, 0, 0, 0.0)
        word = _NAMED.get(word, word)
        if (found := _HEX.fullmatch(word)) and (word[0] == "#" or len(word) == 6):
            digits = found[1] if len(found[1]) > 4 else "".join(digit * 2 for digit in found[1])
            channels = [int(digits[at : at + 2], 16) for at in range(0, len(digits), 2)]
            return _Colour(channels[0], channels[1], channels[2], channels[3] / 255 if len(channels) == 4 else 1.0)
    if text.isalpha() and text not in {"none", "inherit", "initial", "unset", "revert", "currentcolor"}:
        return _Colour(-1, -1, -1, name=text)
    return None


def _from_function(kind: str, inner: str) -> _Colour | None:
    values = _NUMBERS.findall(inner.replace("none", "0"))
    if len(values) < 3:
        return None
    opacity = _float(values[3][0]) / (100 if values[3][1] == "%" else 1) if len(values) > 3 else 1.0
    if kind == "rgb":
        red, green, blue = (_float(number) * (2.55 if unit == "%" else 1) for number, unit in values[:3])
        return _Colour(red, green, blue, opacity)
    hue, saturation, light = (_float(number) for number, _ in values[:3])
    channels = colorsys.hls_to_rgb((hue % 360) / 360, min(max(light / 100, 0), 1), min(max(saturation / 100, 0), 1))
    return _Colour(channels[0] * 255, channels[1] * 255, channels[2] * 255, opacity)


def _alike(ink: _Colour, paper: _Colour) -> bool:
    if ink.name or paper.name:
        return ink.name == paper.name
    return all(abs(one - other) <= _CLOSEST_COLOURS for one, other in zip(ink[:3], paper[:3], strict=True))
