"""The declarations that a page's own style sheets and attributes make for an element, in the order of the cascade.

Only properties that can hide a text are kept. `activities.adapters.visible` says what of CSS is read and what is not.
"""

from __future__ import annotations

import re
from base64 import b64decode
from collections.abc import Iterator
from typing import Any, NamedTuple
from urllib.parse import unquote_to_bytes

from activities.adapters.pages.css_media import applies, both, is_met
from activities.adapters.pages.css_values import is_taken

MAX_SELECTORS = 50_000
MAX_STEPS = 3_000_000
"""Comparisons of an element with a selector that a page may cost."""
_CACHED_CHARACTERS = 500
_NOT_READ = frozenset({"noscript", "template"})
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
_LONG = {name: same for name, same in _SAME.items() if name not in {"background", "font"}}
"""Those that are other names only: their values are those of the property itself."""
_IDENT = r"(?:\\[0-9a-fA-F]{1,6}+\s?|\\[^\n0-9a-fA-F]|[A-Za-z0-9_-]|[^\x00-\x7f])++"
_PART = re.compile(
    rf"(?P<child>\s*+>\s*+)|(?P<space>\s++)|\.(?P<cls>{_IDENT})|\#(?P<id>{_IDENT})|(?P<tag>\*|{_IDENT})"
    rf"|\[\s*+(?P<name>{_IDENT})\s*+(?:(?P<op>[~|^$*]?=)\s*+(?P<value>\"[^\"]*+\"|'[^']*+'|{_IDENT})\s*+[iIsS]?\s*+)?\]"
)
_ESCAPE = re.compile(r"\\(?:([0-9a-fA-F]{1,6})\s?|(.))", re.DOTALL)
_TOKEN = re.compile(
    r"""(?P<comment>/\*.*?(?:\*/|\Z))|(?P<string>"(?:[^"\\\n]|\\.)*+"?|'(?:[^'\\\n]|\\.)*+'?)"""
    r"""|(?P<url>url\(\s*+[^"')\s][^)]*+\)?)|(?P<mark>[{};()\[\]])|\\.|[^\\/"'{};()\[\]u]++|.""",
    re.DOTALL | re.IGNORECASE,
)
_SEPARATORS = re.compile(r"[,()\[\]]")
_CLOSERS = {"(": ")", "[": "]", "{": "}"}
_KNOWN_PSEUDOS = re.compile(
    r"(?:::?-(?:webkit|moz|ms)-[a-z-]+|::?(?:before|after|first-line|first-letter)|::(?:selection|placeholder|marker"
    r"|backdrop|cue|file-selector-button)|:(?:hover|focus|focus-within|focus-visible|active|visited|link|any-link|root"
    r"|empty|target|checked|disabled|enabled|required|optional|valid|invalid|read-only|read-write|default|indeterminate"
    r"|placeholder-shown|autofill|first-child|last-child|only-child|first-of-type|last-of-type|only-of-type|defined"
    r"|fullscreen|in-range|out-of-range|host|open|modal|(?:nth-(?:last-)?(?:child|of-type)|not|is|where|has|lang|dir"
    r"|host)\([^)]*+\)*+))(?![a-z0-9(-])"
)
_HIDING = frozenset(
    {("display", "none"), ("visibility", "hidden"), ("visibility", "collapse"), ("content-visibility", "hidden")}
    | {("opacity", "0"), ("opacity", "0%"), ("opacity", "0.0"), ("opacity", ".0"), ("font-size", "0")}
)
"""What is taken from a rule of which it is not known whether it holds."""
_INLINE = (1, 0, 0, 0)

_Rank = tuple[bool, bool, tuple[int, int, int, int], int]
"""Important before not; then, of layers, which of them wins; then the selector's weight; then the later one."""


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
    """All the rules of a page that can hide something.

    Args:
        quirks: the page is read by the rules for old ones: names of classes are the same in any case.
    """

    def __init__(self, *, quirks: bool = False) -> None:
        self._quirks = quirks
        self._entries: dict[_Selector, _Entry] = {}
        self._index: dict[tuple[str, str], list[_Entry]] = {}
        self._plain: dict[tuple[str, str, str], _Made] = {}
        self._count = 0
        self._steps = 0

    @classmethod
    def of(cls, tree: Any) -> Sheet:
        """Read the sheets that a page brings with it, whether the tree is all of it or a part.

        Raises:
            HidingUnclear: there are too many rules.
        """
        page = tree.getroottree()
        sheet = cls(quirks=_is_old(page.docinfo))
        for element in page.getroot().iter("style", "link"):
            text = "".join(element.itertext()) if element.tag == "style" else _linked(element)
            holds = applies(element.get("media") or "") if text else False
            if holds is not False and not any(above.tag in _NOT_READ for above in element.iterancestors()):
                sheet.add(text, is_sure=holds is True and _is_in_force(element))
        return sheet

    def add(self, text: str, *, is_sure: bool = True) -> None:
        """Read a sheet; of one that may not hold, only what hides."""
        for selectors, block, holds, layered in _rules(text):
            made = declarations(block, quirks=self._quirks)
            if not made:
                continue
            listed = [written.strip() for written in _listed(selectors)]
            self._count += len(listed)
            if self._count > MAX_SELECTORS:
                raise HidingUnclear(f"more than {MAX_SELECTORS:,} selectors")
            read = [_selector(written.lower() if self._quirks else written) for written in listed]
            # A list with a selector that a browser does not know is left out whole.
            doubtful = any(not each and not _is_known(written) for each, written in zip(read, listed, strict=True))
            if doubtful or not holds or not is_sure:
                made = [each for each in made if each[:2] in _HIDING]
            for selector in filter(None, read):
                self._enter(selector, made, layered)

    def _enter(self, selector: _Selector, made: list[tuple[str, str, bool]], layered: bool) -> None:
        entry = self._entries.get(selector)
        if entry is None:
            entry = self._entries[selector] = _Entry(selector, {})
            self._index.setdefault(_key(selector[0]), []).append(entry)
        weight = _weight(selector)
        for name, value, important in made:
            _make(entry.made, name, value, (important, important is layered, weight, self._count))

    def facts(self, element: Any, tag: str) -> Facts:
        """What later calls want of an element as an ancestor."""
        name, classes = element.get("id") or "", element.get("class") or ""
        if self._quirks:
            name, classes = name.lower(), classes.lower()
        return Facts(tag, name, frozenset(classes.split()), element)

    def style_of(self, facts: Facts, ancestors: list[Facts]) -> dict[str, str]:
        """The values that hold for an element, lower case; `ancestors` from the outermost inwards.

        Raises:
            HidingUnclear: the page has cost too much by now.
        """
        made = self._matched(facts, ancestors) if self._index else {}
        if inline := facts.element.get("style"):
            made = dict(made)
            for at, (name, value, important) in enumerate(declarations(inline, quirks=self._quirks)):
                _make(made, name, value, (important, True, _INLINE, at))
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


def declarations(block: str, *, quirks: bool = False) -> list[tuple[str, str, bool]]:
    """The properties that a block states, each with its value, lower case, and whether it is important.

    Values that a browser does not take are left out, as they leave those before them in force.
    """
    found: list[tuple[str, str, bool]] = []
    for written in _split(block):
        raw, colon, value = written.partition(":")
        name = _unescaped(raw).strip().lower()
        if not colon or (name not in _PROPERTIES and name not in _SAME and name != "inset"):
            continue
        value, bang, mark = _unescaped(value).lower().partition("!")
        value = " ".join(value.split())
        important = mark.strip() == "important"
        if not value or (bang and not important):
            continue
        if name == "inset":
            sides = value.split()
            named = zip(
                ("top", "right", "bottom", "left"), (sides * 4 if len(sides) < 3 else [*sides, sides[1]]), strict=False
            )
            found += [(side, length, important) for side, length in named]
        elif is_taken(_LONG.get(name, name), value, quirks=quirks):
            found.append((_SAME.get(name, name), value, important))
    return found


def _split(block: str) -> Iterator[str]:
    """What stands between the semicolons outside of brackets; comments and texts hold none."""
    parts: list[str] = []
    open_brackets: list[str] = []
    for token in _TOKEN.finditer(block):
        kind, written = token.lastgroup, token[0]
        if kind == "mark" and _is_inside(open_brackets, written):
            parts.append(" " if written in ";{}" else written)
        elif written == ";":
            yield "".join(parts)
            parts.clear()
        else:
            parts.append({"comment": " ", "string": '""', "url": "url()"}.get(kind or "", written))
    yield "".join(parts)


def _is_inside(open_brackets: list[str], written: str, kinds: str = "([{") -> bool:
    """Whether a mark stands in brackets, or opens or closes some; keeps count of them."""
    if written in (kinds if not open_brackets else _CLOSERS):
        open_brackets.append(_CLOSERS[written])
        return True
    inside = bool(open_brackets)
    if inside and written == open_brackets[-1]:
        open_brackets.pop()
    return inside or written in ")]"


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


class _Block(NamedTuple):
    holds: bool | None
    """None where it is not known."""
    layered: bool
    selectors: str | None = None
    """Of a rule."""


def _rules(text: str) -> Iterator[tuple[str, str, bool, bool]]:
    """The selectors and declarations of rules, whether they surely hold on a screen, and whether they are in a layer.

    What is not closed ends with the sheet.
    """
    blocks: list[_Block] = []
    before: list[str] = []
    inner: list[str] = []
    open_brackets: list[str] = []
    for token in _TOKEN.finditer(text.replace("<!--", " ").replace("-->", " ")):
        kind, written = token.lastgroup, token[0]
        outer = blocks[-1] if blocks else _Block(True, False)
        if kind != "mark" or _is_inside(open_brackets, written, "(["):
            before.append(" " if kind == "comment" else written)
        elif written == "{":
            prelude = "".join(before).strip()
            before.clear()
            if outer.selectors is not None or outer.holds is False:
                blocks.append(_Block(False, False, ""))  # nested in a rule, or in what does not hold
            elif prelude.startswith("@"):
                blocks.append(_Block(both(outer.holds, is_met(prelude.lower())), outer.layered or "@layer" in prelude))
            else:
                blocks.append(_Block(outer.holds, outer.layered, prelude))
                inner.clear()
        elif written == ";":
            if outer.selectors is not None and outer.holds is not False:
                inner.append("".join(before))
            before.clear()
        elif blocks:
            block = blocks.pop()
            if block.selectors is not None and block.holds is not False:
                yield block.selectors, ";".join([*inner, "".join(before)]), block.holds is True, block.layered
                inner.clear()
            before.clear()
    last = blocks[-1] if blocks else _Block(False, False)
    if last.selectors is not None and last.holds is not False:
        yield last.selectors, ";".join([*inner, "".join(before)]), last.holds is True, last.layered


def _is_in_force(element: Any) -> bool:
    """Whether a sheet counts without anybody choosing it, and is one of style."""
    kind = (element.get("type") or "").strip().lower() in {"", "text/css"}
    address = (element.get("href") or "data:text/css,").strip().lower()
    chosen = (
        "title" in element.attrib or "disabled" in element.attrib or "alternate" in (element.get("rel") or "").lower()
    )
    return kind and not chosen and re.match(r"data:text/css[;,]", address) is not None


def _linked(element: Any) -> str:
    """The sheet that a link itself holds, as `data:text/css,...`; nothing is fetched."""
    address = (element.get("href") or "").strip()
    if "stylesheet" not in (element.get("rel") or "").lower().split() or address[:5].lower() != "data:":
        return ""
    kind, _, written = address[5:].partition(",")
    body = unquote_to_bytes(written)
    if kind.lower().endswith("base64"):
        try:
            body = b64decode(body)
        except ValueError:
            return ""
    return body.decode("utf-8", "replace")


def _is_old(docinfo: Any) -> bool:
    """Whether a page's declaration, or that it has none, has a browser read it by the rules for old ones."""
    declared = docinfo.internalDTD
    if declared is None or (declared.name or "").lower() != "html":
        return True
    public = (declared.external_id or "").lower()
    return bool(public) and (not declared.system_url or "ietf" in public or "html 3" in public)


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


def _is_known(written: str) -> bool:
    """Whether a selector that is not read here is one that browsers know."""
    plain = _KNOWN_PSEUDOS.sub("", re.sub(r"\s*+[+~]\s*+", " ", written))
    return not plain.strip(" >") or bool(_selector(plain.strip(" >")))


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
