"""Values of style: lengths, colours, and whether a browser would take a value at all."""

from __future__ import annotations

import colorsys
import math
import re
from typing import NamedTuple

NUMBER = r"[+-]?(?:[0-9]++(?:\.[0-9]++)?|\.[0-9]++)(?:e[+-]?[0-9]++)?"
FONT = 16.0
PIXELS = {
    "": 1.0,
    "px": 1.0,
    "pt": 4 / 3,
    "pc": 16.0,
    "in": 96.0,
    "cm": 37.8,
    "mm": 3.78,
    "q": 0.945,
    **dict.fromkeys(("em", "rem", "lh", "rlh", "cap", "ic"), FONT),
    **dict.fromkeys(("ch", "ex", "rex", "rch", "vh", "svh", "lvh", "dvh", "vb", "vmin", "cqh", "cqmin"), 8.0),
    **dict.fromkeys(("vw", "svw", "lvw", "dvw", "vi", "vmax", "cqw", "cqmax"), 12.8),
    "%": 5.0,
}
"""Of what a percentage is taken is not known: a hundred of them are counted as just out of sight."""
LENGTH = re.compile(rf"(?:calc\(\s*)?({NUMBER})([a-z]{{1,5}}|%)?\s*\)?")
_FONT_SIZES = {
    "xx-small": 9.0,
    "x-small": 10.0,
    "small": 13.0,
    "medium": FONT,
    "large": 18.0,
    "x-large": 24.0,
    "xx-large": 32.0,
    "xxx-large": 48.0,
    "initial": FONT,
}
_FONT_SHORTHAND = re.compile(
    rf"(?<![\w.#-])({NUMBER}(?:px|pt|pc|in|cm|mm|r?em|ch|ex|vw|vh|%)|0|(?:xx?-)?(?:small|large)|medium)(?=[\s/])"
)
_NUMBERS = re.compile(rf"({NUMBER})([a-z%]{{0,4}})")
_FUNCTION = re.compile(r"-?[a-z][a-z0-9-]*\(.*\)", re.DOTALL)
_COLOUR_FUNCTION = re.compile(r"(rgb|hsl)a?\(([^()]{1,200})\)")
_OTHER_COLOURS = re.compile(r"(?:hwb|lab|lch|oklab|oklch|color|color-mix|light-dark|device-cmyk)\(.*\)", re.DOTALL)
_HEX = re.compile(r"#([0-9a-f]{8}|[0-9a-f]{6}|[0-9a-f]{3,4})")
_BARE_HEX = re.compile(r"[0-9a-f]{6}")
_PICTURE = re.compile(r"url\(|gradient\(|image\(|image-set\(|element\(|paint\(|var\(|attr\(|env\(")
_COLOURS = (
    "aliceblue=f0f8ff antiquewhite=faebd7 aqua=00ffff aquamarine=7fffd4 azure=f0ffff beige=f5f5dc bisque=ffe4c4 "
    "black=000000 blanchedalmond=ffebcd blue=0000ff blueviolet=8a2be2 brown=a52a2a burlywood=deb887 cadetblue=5f9ea0 "
    "canvas=ffffff canvastext=000000 chartreuse=7fff00 chocolate=d2691e coral=ff7f50 cornflowerblue=6495ed "
    "cornsilk=fff8dc crimson=dc143c cyan=00ffff darkblue=00008b darkcyan=008b8b darkgoldenrod=b8860b darkgray=a9a9a9 "
    "darkgreen=006400 darkgrey=a9a9a9 darkkhaki=bdb76b darkmagenta=8b008b darkolivegreen=556b2f darkorange=ff8c00 "
    "darkorchid=9932cc darkred=8b0000 darksalmon=e9967a darkseagreen=8fbc8f darkslateblue=483d8b "
    "darkslategray=2f4f4f darkslategrey=2f4f4f darkturquoise=00ced1 darkviolet=9400d3 deeppink=ff1493 "
    "deepskyblue=00bfff dimgray=696969 dimgrey=696969 dodgerblue=1e90ff firebrick=b22222 floralwhite=fffaf0 "
    "forestgreen=228b22 fuchsia=ff00ff gainsboro=dcdcdc ghostwhite=f8f8ff gold=ffd700 goldenrod=daa520 gray=808080 "
    "green=008000 greenyellow=adff2f grey=808080 honeydew=f0fff0 hotpink=ff69b4 indianred=cd5c5c indigo=4b0082 "
    "ivory=fffff0 khaki=f0e68c lavender=e6e6fa lavenderblush=fff0f5 lawngreen=7cfc00 lemonchiffon=fffacd "
    "lightblue=add8e6 lightcoral=f08080 lightcyan=e0ffff lightgoldenrodyellow=fafad2 lightgray=d3d3d3 "
    "lightgreen=90ee90 lightgrey=d3d3d3 lightpink=ffb6c1 lightsalmon=ffa07a lightseagreen=20b2aa lightskyblue=87cefa "
    "lightslategray=778899 lightslategrey=778899 lightsteelblue=b0c4de lightyellow=ffffe0 lime=00ff00 "
    "limegreen=32cd32 linen=faf0e6 magenta=ff00ff maroon=800000 mediumaquamarine=66cdaa mediumblue=0000cd "
    "mediumorchid=ba55d3 mediumpurple=9370db mediumseagreen=3cb371 mediumslateblue=7b68ee mediumspringgreen=00fa9a "
    "mediumturquoise=48d1cc mediumvioletred=c71585 midnightblue=191970 mintcream=f5fffa mistyrose=ffe4e1 "
    "moccasin=ffe4b5 navajowhite=ffdead navy=000080 oldlace=fdf5e6 olive=808000 olivedrab=6b8e23 orange=ffa500 "
    "orangered=ff4500 orchid=da70d6 palegoldenrod=eee8aa palegreen=98fb98 paleturquoise=afeeee palevioletred=db7093 "
    "papayawhip=ffefd5 peachpuff=ffdab9 peru=cd853f pink=ffc0cb plum=dda0dd powderblue=b0e0e6 purple=800080 "
    "rebeccapurple=663399 red=ff0000 rosybrown=bc8f8f royalblue=4169e1 saddlebrown=8b4513 salmon=fa8072 "
    "sandybrown=f4a460 seagreen=2e8b57 seashell=fff5ee sienna=a0522d silver=c0c0c0 skyblue=87ceeb slateblue=6a5acd "
    "slategray=708090 slategrey=708090 snow=fffafa springgreen=00ff7f steelblue=4682b4 tan=d2b48c teal=008080 "
    "thistle=d8bfd8 tomato=ff6347 turquoise=40e0d0 violet=ee82ee wheat=f5deb3 white=ffffff whitesmoke=f5f5f5 "
    "yellow=ffff00 yellowgreen=9acd32"
)
NAMED = dict(pair.split("=") for pair in _COLOURS.split())
WIDE = frozenset({"inherit", "initial", "unset", "revert", "revert-layer"})
_SYSTEM = frozenset(
    {"currentcolor", "linktext", "visitedtext", "activetext", "buttonface", "buttontext", "buttonborder", "field"}
    | {"fieldtext", "highlight", "highlighttext", "selecteditem", "mark", "marktext", "graytext", "accentcolor"}
)
_KEYWORDS = {
    "display": frozenset(
        {"none", "block", "inline", "inline-block", "flex", "inline-flex", "grid", "inline-grid", "flow-root", "table"}
        | {"inline-table", "table-row", "table-cell", "table-row-group", "table-header-group", "table-footer-group"}
        | {"table-column", "table-column-group", "table-caption", "list-item", "contents", "ruby", "-webkit-box"}
        | {"-webkit-inline-box", "-webkit-flex", "-webkit-inline-flex", "inline flow-root", "block flow", "inline flow"}
    ),
    "visibility": frozenset({"visible", "hidden", "collapse"}),
    "content-visibility": frozenset({"visible", "hidden", "auto"}),
    "position": frozenset({"static", "relative", "absolute", "fixed", "sticky", "-webkit-sticky"}),
    "font": frozenset({"caption", "icon", "menu", "message-box", "small-caption", "status-bar"}),
    "font-size": frozenset({"smaller", "larger", "math", *_FONT_SIZES}),
}
_OVERFLOWS = frozenset({"visible", "hidden", "clip", "scroll", "auto", "overlay"})
_SIZES = frozenset({"auto", "none", "min-content", "max-content", "fit-content", "stretch", "-webkit-fill-available"})
_BOXES = frozenset({"border-box", "padding-box", "content-box", "text", "border-area"})
_BACKGROUND = _BOXES | frozenset(
    {"none", "left", "right", "top", "bottom", "center", "cover", "contain", "auto", "repeat", "no-repeat", "repeat-x"}
    | {"repeat-y", "space", "round", "fixed", "local", "scroll", "/", ","}
)
_LENGTHS = frozenset(
    {"left", "top", "right", "bottom", "text-indent", "width", "height", "max-width", "max-height", "margin-left"}
    | {"margin-top"}
)
_WORDS = re.compile(r"[^\s,/(]*+\([^()]*+(?:\([^()]*+\)[^()]*+)*+\)|,|/|[^\s,/]++")

_CONDITION = re.compile(r"\s*+(not\s+)?\(\s*+([a-z-]{1,40})\s*+:\s*+([^()]{1,100})\)\s*+")


class Colour(NamedTuple):
    """Channels from 0 to 255 and an opacity from 0 to 1."""

    red: float
    green: float
    blue: float
    opacity: float = 1.0


def is_taken(name: str, value: str, *, quirks: bool = False) -> bool:
    """Whether a browser takes a value for a property, rather than leaving the one before it in force.

    Args:
        quirks: the page is read by the rules for old ones: lengths need no unit, hexadecimal colours no hash.
    """
    if value in WIDE or "var(" in value or "env(" in value:
        return True
    if name == "font":
        return value in _KEYWORDS["font"] or _FONT_SHORTHAND.search(f" {value} ") is not None
    if name in {"background", "background-image"}:
        return all(word in _BACKGROUND or _is_length(word) or _is_paint(word) for word in _WORDS.findall(value))
    if name in {"color", "background-color", "-webkit-text-fill-color"}:
        bare = quirks and name != "-webkit-text-fill-color" and _BARE_HEX.fullmatch(value) is not None
        return bare or (_is_paint(value) and _PICTURE.search(value) is None)
    if name in _LENGTHS:
        return value in _SIZES or _is_length(value, unit_needed=not quirks)
    if name in _KEYWORDS and value in _KEYWORDS[name]:
        return True
    if name.startswith("overflow"):
        return all(word in _OVERFLOWS for word in value.split())
    if name == "background-clip":
        return all(word in _BOXES for word in value.replace(",", " ").split())
    if name == "font-size":
        return _is_length(value, unit_needed=not quirks)
    if name == "opacity":
        return _is_length(value)
    if name == "scale":
        return value == "none" or all(_is_length(word) for word in value.split())
    if name in {"clip", "clip-path", "filter", "transform"}:
        return value in {"none", "auto", *_BOXES} or all(_FUNCTION.fullmatch(word) for word in _WORDS.findall(value))
    return False


def is_supported(condition: str) -> bool | None:
    """Whether a browser meets a condition of `@supports`; None where it is not one simple property known here."""
    found = _CONDITION.fullmatch(condition)
    if found is None or not (found[2] in _LENGTHS or found[2] in _KEYWORDS or is_taken(found[2], found[3])):
        return None
    return is_taken(found[2], found[3].strip()) is not bool(found[1])


def _is_length(word: str, *, unit_needed: bool = False) -> bool:
    found = LENGTH.fullmatch(word)
    if found is None:
        return _FUNCTION.fullmatch(word) is not None
    return (found[2] or "") in PIXELS and not (unit_needed and not found[2] and number(found[1]) != 0)


def _is_paint(word: str) -> bool:
    return (
        word in NAMED
        or word in _SYSTEM
        or word == "transparent"
        or _HEX.fullmatch(word) is not None
        or _COLOUR_FUNCTION.fullmatch(word) is not None
        or _OTHER_COLOURS.fullmatch(word) is not None
        or (_PICTURE.search(word) is not None and _FUNCTION.fullmatch(word) is not None)
    )


def pixels(written: str, font: float = FONT) -> float | None:
    """A length in pixels, None where it is none."""
    found = LENGTH.fullmatch(written)
    if found is None:
        return None
    unit = found[2] or ""
    return number(found[1]) * (max(font, 1.0) if unit == "em" else PIXELS.get(unit, 1.0))


def ratio(written: str) -> float | None:
    """A number or a percentage as a share."""
    found = LENGTH.fullmatch(written)
    return None if found is None else number(found[1]) / (100 if found[2] == "%" else 1)


def font_size(written: str, outer: float) -> float:
    """A size in pixels, of `font-size` or `font`; the one outside where the value tells none."""
    found = _FONT_SHORTHAND.search(f" {written} ") if " " in written else None
    size = found[1] if found else written
    if size in _FONT_SIZES:
        return _FONT_SIZES[size]
    length = LENGTH.fullmatch(size)
    if length is None:
        return outer
    unit = length[2] or ""
    if unit in {"em", "%"}:
        return number(length[1]) * outer / (100 if unit == "%" else 1)
    return number(length[1]) * PIXELS.get(unit, 1.0)


def numbers(written: str) -> list[tuple[float, str]]:
    """The numbers of a value with their units."""
    return [(number(digits), unit) for digits, unit in _NUMBERS.findall(written)]


def number(digits: str) -> float:
    value = float(digits)
    return value if math.isfinite(value) else math.copysign(1e9, value)


def colour(written: str) -> Colour | None:
    """The colour that a value names, None where it names none or a picture beside it."""
    if _PICTURE.search(written):
        return None
    if found := _COLOUR_FUNCTION.search(written):
        return _from_function(found[1], found[2])
    for word in written.split()[:20]:
        if word == "transparent":
            return Colour(0, 0, 0, 0.0)
        found = _HEX.fullmatch(f"#{NAMED.get(word, word).removeprefix('#')}")
        if found and (word in NAMED or word[0] == "#" or _BARE_HEX.fullmatch(word)):
            digits = found[1] if len(found[1]) > 4 else "".join(digit * 2 for digit in found[1])
            channels = [int(digits[at : at + 2], 16) for at in range(0, len(digits), 2)]
            return Colour(channels[0], channels[1], channels[2], channels[3] / 255 if len(channels) == 4 else 1.0)
    return None


def _from_function(kind: str, inner: str) -> Colour | None:
    values = numbers(inner.replace("none", "0"))
    if len(values) < 3:
        return None
    opacity = values[3][0] / (100 if values[3][1] == "%" else 1) if len(values) > 3 else 1.0
    if kind == "rgb":
        red, green, blue = (value * (2.55 if unit == "%" else 1) for value, unit in values[:3])
        return Colour(red, green, blue, opacity)
    hue, saturation, light = (value for value, _ in values[:3])
    channels = colorsys.hls_to_rgb((hue % 360) / 360, min(max(light / 100, 0), 1), min(max(saturation / 100, 0), 1))
    return Colour(channels[0] * 255, channels[1] * 255, channels[2] * 255, opacity)
