"""The declarations that a page's own style sheets and attributes make for an element, in the order of the cascade.

Only properties that can hide a text are kept. `activities.adapters.visible` says what of CSS is read and what is not.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any, NamedTuple

MAX_SELECTORS = 50_000
MAX_STEPS = 3_000_000
"""Comparisons of an element with a selector that a page may cost."""
_CACHED_CHARACTERS = 500
_SCREEN = {"width": 1_280.0, "height": 800.0}
_PROPERTIES = frozenset(
    {"display", "visibility", "content-visibility", "opacity", "filter", "font-size", "color", "background-color"}
    | {"background-image", "background-clip", "position", "left", "top", "right", "bottom", "text-indent", "transform"}
    | {"scale", "clip", "clip-path", "width", "height", "max-width", "max-height", "overflow", "overflow-x"}
    | {"overflow-y", "margin-left", "margin-top", "-webkit-text-fill-color"}
)
_SAME = {
    "background": "background-color",
    "font": "font-size",
    "-webkit-background-clip": "background-clip",
    "inset-inline-start": "left",
    "inset-block-start": "top",
    "-webkit-clip-path": "clip-path",
    "-webkit-transform": "transform",
    "-ms-transform": "transform",
    "-webkit-filter": "filter",
}
"""Shorthands and other names; of a shorthand the part that matters is found where its value is read."""
_IDENT = r"(?:\\[0-9a-fA-F]{1,6}+\s?|\\[^\n0-9a-fA-F]|[A-Za-z0-9_-]|[^\x00-\x7f])++"
_PART = re.compile(
    rf"(?P<child>\s*+>\s*+)|(?P<space>\s++)|\.(?P<cls>{_IDENT})|\#(?P<id>{_IDENT})|(?P<tag>\*|{_IDENT})"
    rf"|\[\s*+(?P<name>{_IDENT})\s*+(?:(?P<op>[~|^$*]?=)\s*+(?P<value>\"[^\"]*+\"|'[^']*+'|{_IDENT})\s*+[iIsS]?\s*+)?\]"
)
_ESCAPE = re.compile(r"\\(?:([0-9a-fA-F]{1,6})\s?|(.))", re.DOTALL)
_TOKEN = re.compile(
    r"""(?P<comment>/\*.*?(?:\*/|\Z))|(?P<string>"(?:[^"\\\n]|\\.)*+"?|'(?:[^'\\\n]|\\.)*+'?)"""
    r"""|(?P<url>url\(\s*+[^"')\s][^)]*+\)?)|(?P<mark>[{};])|\\.|[^\\/"'{};u]++|.""",
    re.DOTALL | re.IGNORECASE,
)
_SEPARATORS = re.compile(r"[,()\[\]]")
_GROUPS = ("@supports", "@layer", "@container", "@scope")
_FEATURE = re.compile(r"(min-|max-)?(width|height)\s*:\s*([0-9.]{1,10})(px|em|rem)?")
_RANGE = re.compile(r"(width|height)\s*([<>])=?\s*([0-9.]{1,10})(px|em|rem)?")
_NOT_HERE = re.compile(
    r"prefers-|forced-colors|inverted|display-mode|orientation\s*:\s*portrait|monochrome|-ms-|device-width|update|grid"
    r"|hover\s*:\s*none|pointer\s*:\s*coarse|scripting\s*:\s*none"
)
_INLINE = (1, 0, 0, 0)

_Rank = tuple[bool, tuple[int, int, int, int], int]
"""Important before not; then the selector's weight; then the later one."""


class HidingUnclear(Exception):
    """A page's style asks for more work than is spent on it."""


class Facts(NamedTuple):
    """What a selector can ask of an element."""

    tag: str
    id: str
    classes: frozenset[str]
    element: Any


class _Compound(NamedTuple):
    is_parent: bool
    """Whether it must be the parent of what follows, rather than any ancestor."""
    tag: str
    id: str
    classes: frozenset[str]
    attributes: tuple[tuple[str, str, str], ...]


_Selector = tuple[_Compound, ...]
"""From the element outwards."""
_Made = dict[str, tuple[_Rank, str]]


class _Entry(NamedTuple):
    selector: _Selector
    made: _Made


class Sheet:
    """All the rules of a page that can hide something."""

    def __init__(self) -> None:
        self._entries: dict[_Selector, _Entry] = {}
        self._index: dict[tuple[str, str], list[_Entry]] = {}
        self._plain: dict[tuple[str, str, str], _Made] = {}
        self._count = 0
        self._steps = 0

    @classmethod
    def of(cls, tree: Any) -> Sheet:
        """Read the `style` elements of a page, whether the tree is all of it or a part.

        Raises:
            HidingUnclear: there are too many rules.
        """
        sheet = cls()
        for element in tree.getroottree().getroot().iter("style"):
            if _applies(element.get("media") or "") and not any(
                above.tag in {"noscript", "template"} for above in element.iterancestors()
            ):
                sheet.add("".join(element.itertext()))
        return sheet

    def add(self, text: str) -> None:
        """Read a sheet."""
        for selectors, block in _rules(text):
            made = declarations(block)
            if not made:
                continue
            for written in _listed(selectors):
                self._count += 1
                if self._count > MAX_SELECTORS:
                    raise HidingUnclear(f"more than {MAX_SELECTORS:,} selectors")
                selector = _selector(written.strip())
                if selector:
                    self._enter(selector, made)

    def _enter(self, selector: _Selector, made: list[tuple[str, str, bool]]) -> None:
        entry = self._entries.get(selector)
        if entry is None:
            entry = self._entries[selector] = _Entry(selector, {})
            self._index.setdefault(_key(selector[0]), []).append(entry)
        weight = _weight(selector)
        for name, value, important in made:
            _make(entry.made, name, value, (important, weight, self._count))

    def facts(self, element: Any, tag: str) -> Facts:
        """What later calls want of an element as an ancestor."""
        return Facts(tag, element.get("id") or "", frozenset((element.get("class") or "").split()), element)

    def style_of(self, facts: Facts, ancestors: list[Facts]) -> dict[str, str]:
        """The values that hold for an element, lower case; `ancestors` from the outermost inwards.

        Raises:
            HidingUnclear: the page has cost too much by now.
        """
        made = self._matched(facts, ancestors) if self._index else {}
        if inline := facts.element.get("style"):
            made = dict(made)
            for at, (name, value, important) in enumerate(declarations(inline)):
                _make(made, name, value, (important, _INLINE, at))
        return {name: value for name, (_, value) in made.items()}

    def _matched(self, facts: Facts, ancestors: list[Facts]) -> _Made:
        classes = facts.element.get("class") or ""
        known = (facts.tag, facts.id, classes)
        if (found := self._plain.get(known)) is not None:
            return found
        made: _Made = {}
        depends = len(classes) > _CACHED_CHARACTERS
        keys = [("tag", facts.tag), ("tag", "*"), ("id", facts.id), *(("class", name) for name in facts.classes)]
        for entry in (entry for key in keys for entry in self._index.get(key, ())):
            depends = depends or len(entry.selector) > 1 or bool(entry.selector[0].attributes)
            if self._meets(facts, entry.selector[0]) and self._climbs(entry.selector, 1, ancestors, len(ancestors)):
                for name, (rank, value) in entry.made.items():
                    _make(made, name, value, rank)
        if not depends:
            self._plain[known] = made
        return made

    def _climbs(self, selector: _Selector, at: int, ancestors: list[Facts], below: int) -> bool:
        if at == len(selector):
            return True
        for number in range(below - 1, -1, -1):
            if self._meets(ancestors[number], selector[at]) and self._climbs(selector, at + 1, ancestors, number):
                return True
            if selector[at].is_parent:
                break
        return False

    def _meets(self, facts: Facts, compound: _Compound) -> bool:
        self._steps += 1
        if self._steps > MAX_STEPS:
            raise HidingUnclear(f"more than {MAX_STEPS:,} comparisons with selectors")
        return (
            compound.tag in {"", "*", facts.tag}
            and compound.id in {"", facts.id}
            and compound.classes <= facts.classes
            and all(_holds(facts.element, *attribute) for attribute in compound.attributes)
        )


def declarations(block: str) -> list[tuple[str, str, bool]]:
    """The properties that a block states, each with its value, lower case, and whether it is important."""
    found: list[tuple[str, str, bool]] = []
    plain = "".join(_plain(token) for token in _TOKEN.finditer(block))
    for written in plain.split(";"):
        name, _, value = written.partition(":")
        name = _unescaped(name).strip().lower()
        name = _SAME.get(name, name)
        if name == "inset":
            sides = _unescaped(value).lower().split()[:4]
            found += [(side, sides[at % len(sides)], False) for at, side in enumerate(("top", "right")) if sides]
            found += [("left", sides[-1] if len(sides) != 3 else sides[1], False)] if sides else []
        if name not in _PROPERTIES:
            continue
        value, _, mark = _unescaped(value).lower().partition("!")
        if value := " ".join(value.split()):
            found.append((name, value, mark.strip() == "important"))
    return found


def _plain(token: re.Match[str]) -> str:
    """A token of a block; marks in comments, texts and addresses are none."""
    kind = token.lastgroup
    return " " if kind == "comment" else '""' if kind == "string" else "url()" if kind == "url" else token[0]


def _make(made: _Made, name: str, value: str, rank: _Rank) -> None:
    if name not in made or made[name][0] <= rank:
        made[name] = (rank, value)


def _unescaped(text: str) -> str:
    if "\\" not in text:
        return text
    return _ESCAPE.sub(lambda found: found[2] or _character(int(found[1], 16)), text)


def _character(code: int) -> str:
    return chr(code) if 0 < code <= 0x10FFFF and not 0xD800 <= code <= 0xDFFF else "\N{REPLACEMENT CHARACTER}"


# -- sheets --------------------------------------------------------------------------------------------------------


def _rules(text: str) -> Iterator[tuple[str, str]]:
    """The selectors and declarations of the rules that hold on a screen. What is not closed ends with the sheet."""
    blocks: list[tuple[bool, str | None]] = []
    """Whether a block's content holds, and of a rule its selectors."""
    before: list[str] = []
    inner: list[str] = []
    for token in _TOKEN.finditer(text.replace("<!--", " ").replace("-->", " ")):
        kind, written = token.lastgroup, token[0]
        if kind == "comment":
            before.append(" ")
        elif kind != "mark":
            before.append(written)
        elif written == "{":
            prelude = "".join(before).strip()
            before.clear()
            holds = not blocks or (blocks[-1][0] and blocks[-1][1] is None)
            if prelude.startswith("@"):
                blocks.append((holds and _is_met(prelude.lower()), None))
            else:
                blocks.append((holds, prelude))
                if holds:
                    inner.clear()
        elif written == ";":
            if blocks and blocks[-1][1] is not None and blocks[-1][0]:
                inner.append("".join(before))
            before.clear()
        elif blocks:
            holds, selectors = blocks.pop()
            if holds and selectors is not None:
                inner.append("".join(before))
                yield selectors, ";".join(inner)
                inner.clear()
            before.clear()
    if blocks and blocks[-1][0] and blocks[-1][1] is not None:
        yield blocks[-1][1], ";".join([*inner, "".join(before)])


def _is_met(prelude: str) -> bool:
    if prelude.startswith("@media"):
        return _applies(prelude.removeprefix("@media"))
    return prelude.startswith(_GROUPS) and re.match(r"@supports\s+not\b", prelude) is None


def _applies(media: str) -> bool:
    """Whether a list of media queries is met by a screen of a desktop."""
    return not media.strip() or any(_query_holds(query.strip()) for query in media.lower().split(","))


def _query_holds(query: str) -> bool:
    negated = query.startswith("not ")
    parts = re.split(r"\band\b", query.removeprefix("not ").removeprefix("only "))
    return all(_part_holds(part.strip(" ()")) for part in parts) is not negated


def _part_holds(part: str) -> bool:
    if part in {"", "all", "screen"}:
        return True
    if found := _FEATURE.search(part):
        at = float(found[3].rstrip(".") or 0) if found[3].count(".") <= 1 else 0.0
        at *= 1 if found[4] in {None, "px"} else 16
        actual = _SCREEN[found[2]]
        return actual >= at if found[1] == "min-" else actual <= at if found[1] else actual == at
    if found := _RANGE.search(part):
        at = float(found[3].rstrip(".") or 0) if found[3].count(".") <= 1 else 0.0
        at *= 1 if found[4] in {None, "px"} else 16
        return _SCREEN[found[1]] > at if found[2] == ">" else _SCREEN[found[1]] < at
    if part in {"print", "speech", "aural", "tty", "tv", "braille", "embossed", "handheld", "projection"}:
        return False
    return _NOT_HERE.search(part) is None


# -- selectors -----------------------------------------------------------------------------------------------------


def _listed(selectors: str) -> Iterator[str]:
    """The selectors between the commas that stand in no brackets."""
    depth = begin = 0
    for found in _SEPARATORS.finditer(selectors):
        if found[0] != ",":
            depth = depth + 1 if found[0] in "([" else max(depth - 1, 0)
        elif depth == 0:
            yield selectors[begin : found.start()]
            begin = found.end()
    yield selectors[begin:]


def _selector(written: str) -> _Selector:
    """Read a selector; empty where it asks for more than is read here."""
    compounds: list[_Compound] = []
    tag, name, classes, attributes = "", "", set[str](), list[tuple[str, str, str]]()
    at = 0
    while at < len(written):
        found = _PART.match(written, at)
        if found is None:
            return ()
        at = found.end()
        kind = found.lastgroup
        if kind in {"child", "space"}:
            compounds.append(_Compound(kind == "child", tag, name, frozenset(classes), tuple(attributes)))
            tag, name, classes, attributes = "", "", set(), []
        elif kind == "cls":
            classes.add(_unescaped(found["cls"]))
        elif kind == "id":
            name = _unescaped(found["id"])
        elif kind == "tag":
            tag = _unescaped(found["tag"]).lower()
        else:
            attributes.append((_unescaped(found["name"]).lower(), found["op"] or "", _value(found["value"] or "")))
    compounds.append(_Compound(False, tag, name, frozenset(classes), tuple(attributes)))
    if any(not any(compound[1:]) for compound in compounds):
        return ()
    return tuple(reversed(compounds))


def _value(written: str) -> str:
    return _unescaped(written[1:-1] if written[:1] in {'"', "'"} else written)


def _key(compound: _Compound) -> tuple[str, str]:
    if compound.id:
        return "id", compound.id
    if compound.classes:
        return "class", min(compound.classes)
    return "tag", compound.tag or "*"


def _weight(selector: _Selector) -> tuple[int, int, int, int]:
    return (
        0,
        sum(bool(compound.id) for compound in selector),
        sum(len(compound.classes) + len(compound.attributes) for compound in selector),
        sum(compound.tag not in {"", "*"} for compound in selector),
    )


def _holds(element: Any, name: str, operator: str, wanted: str) -> bool:
    actual = element.get(name)
    if actual is None:
        return False
    match operator:
        case "":
            return True
        case "=":
            return bool(actual == wanted)
        case "~=":
            return wanted in actual.split()
        case "^=":
            return bool(wanted) and actual.startswith(wanted)
        case "$=":
            return bool(wanted) and actual.endswith(wanted)
        case "*=":
            return bool(wanted) and wanted in actual
        case _:
            return bool(actual == wanted or actual.startswith(f"{wanted}-"))
