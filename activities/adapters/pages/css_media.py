"""Whether conditions of style sheets are met, on a desktop's screen of 1280 x 800; None where that is not known."""

from __future__ import annotations

import re

from activities.adapters.pages.css_values import is_supported

_SCREEN = {"width": 1_280.0, "height": 800.0}
_SIZE = re.compile(r"(min-|max-)?(?:device-)?(width|height) ?: ?([0-9]{1,6}(?:\.[0-9]{1,6})?)(px|r?em)")
_RANGE = re.compile(r"(width|height) ?([<>])=? ?([0-9]{1,6}(?:\.[0-9]{1,6})?)(px|r?em)")
_HOLDING = frozenset(
    {"color", "width", "height", "hover", "hover: hover", "any-hover", "any-hover: hover", "pointer", "pointer: fine"}
    | {"any-pointer", "any-pointer: fine", "orientation: landscape", "scripting", "scripting: enabled", "update"}
    | {"update: fast", "prefers-color-scheme: light", "display-mode: browser", "forced-colors: none"}
    | {"prefers-reduced-motion: no-preference", "prefers-contrast: no-preference"}
)
_FAILING = re.compile(
    r"(?:monochrome|prefers-[a-z-]+|forced-colors|inverted-colors|display-mode|orientation|hover|any-hover|pointer"
    r"|any-pointer|update|scripting|-ms-[a-z-]+)(?:: .*)?"
)
_MEDIA = {"all": True, "screen": True} | dict.fromkeys(
    ("print", "speech", "aural", "tty", "tv", "braille", "embossed", "handheld", "projection"), False
)


def is_met(prelude: str) -> bool | None:
    """Whether what stands in a block after `@media` and the like holds."""
    if prelude.startswith("@media"):
        return applies(prelude.removeprefix("@media"))
    if prelude.startswith("@layer"):
        return True
    if prelude.startswith("@supports"):
        return is_supported(prelude.removeprefix("@supports"))
    return None if prelude.startswith(("@container", "@scope")) else False


def applies(media: str) -> bool | None:
    """Whether a list of media queries is met by a screen of a desktop; None where that is not known."""
    if not media.strip():
        return True
    held = [_query_holds(" ".join(query.split())) for query in media.lower().split(",")]
    return True if True in held else None if None in held else False


def _query_holds(query: str) -> bool | None:
    negated = query.startswith("not ")
    held: bool | None = True
    for part in re.split(r" ?\band\b ?", query.removeprefix("not ").removeprefix("only ")):
        held = both(held, _feature_holds(part[1:-1]) if part[:1] + part[-1:] == "()" else _MEDIA.get(part))
    return held if held is None else held is not negated


def _feature_holds(written: str) -> bool | None:
    feature = re.sub(r" ?: ?", ": ", written.strip())
    if feature in _HOLDING:
        return True
    if found := _SIZE.fullmatch(feature):
        asked, actual = _pixels(found[3], found[4]), _SCREEN[found[2]]
        return actual >= asked if found[1] == "min-" else actual <= asked if found[1] else actual == asked
    if found := _RANGE.fullmatch(feature):
        asked, actual = _pixels(found[3], found[4]), _SCREEN[found[1]]
        return actual > asked if found[2] == ">" else actual < asked
    return False if _FAILING.fullmatch(feature) else None


def _pixels(digits: str, unit: str) -> float:
    return float(digits) * (1 if unit == "px" else 16)


def both(one: bool | None, other: bool | None) -> bool | None:
    if one is False or other is False:
        return False
    return None if one is None or other is None else True
