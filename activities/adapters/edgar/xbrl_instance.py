"""Facts of a traditional XBRL instance: a file of values alone, for machines."""

from __future__ import annotations

import re
from typing import Any
from xml.etree.ElementTree import ParseError, TreeBuilder

from defusedxml import DefusedXmlException
from defusedxml.ElementTree import XMLParser

from activities.adapters.edgar.fields import Refused, parse_decimal, parse_text, reject, shown
from activities.adapters.edgar.html_text import html_text
from activities.adapters.edgar.xbrl import (
    MAXIMUM_CHARACTERS,
    MAXIMUM_FACTS,
    MAXIMUM_REJECTS,
    MAXIMUM_TAGS,
    XbrlFact,
    XbrlReport,
    exact,
    kind_and_name,
    parse_decimals,
    read_references,
    referred,
)
from domain.documents import Reject
from domain.errors import SourceFormatError

MAXIMUM_TEXT = 50_000
"""Characters that are kept of one value."""
_LOOKED_AT = 20_000
_ROOT = re.compile(r"<(?:[A-Za-z_][\w.-]{0,50}:)?xbrl[\s>]")
_NAMESPACE = "http://www.xbrl.org/2003/instance"


def is_xbrl_instance(markup: str) -> bool:
    """Whether a document's root is that of an XBRL instance."""
    head = markup[:_LOOKED_AT]
    found = _ROOT.search(head)
    return found is not None and _NAMESPACE in head and "<html" not in head[: found.start()].lower()


def parse_xbrl_instance(markup: str, file: str = "") -> XbrlReport:
    """Read the facts of an instance.

    Raises:
        SourceFormatError: it is no XML without a DTD, its root is not `xbrl`, or it is too large.
    """
    root, names = _tree(markup)
    contexts, units = read_references(iter(root), {})
    facts: list[XbrlFact] = []
    rejects: list[Reject] = []
    rejected = 0
    for number, element in enumerate(root, 1):
        if element.get("contextRef") is None:
            continue
        if len(facts) >= MAXIMUM_FACTS:
            raise SourceFormatError("EDGAR_XBRL_TOO_LARGE", limit=MAXIMUM_FACTS)
        concept = _concept(str(element.tag), names)
        try:
            facts.append(_fact(element, concept, contexts, units))
        except Refused as refused:
            rejected += 1
            if rejected <= MAXIMUM_REJECTS:
                rejects.append(reject(file, number, refused, concept))
    return XbrlReport(facts=tuple(facts), rejects=tuple(rejects), rejected=rejected)


def _tree(markup: str) -> tuple[Any, dict[str, str]]:
    """The root, and the prefix of each namespace."""
    if len(markup) > MAXIMUM_CHARACTERS:
        raise SourceFormatError("EDGAR_XBRL_TOO_LARGE", found=len(markup), limit=MAXIMUM_CHARACTERS)
    if (tags := markup.count("<")) > MAXIMUM_TAGS:
        raise SourceFormatError("EDGAR_XBRL_TOO_LARGE", tags=tags, limit=MAXIMUM_TAGS)
    builder = _Builder()
    parser = XMLParser(target=builder, forbid_dtd=True)
    try:
        parser.feed(markup.strip("\ufeff \t\r\n"))
        root = parser.close()
    except (ParseError, DefusedXmlException, ValueError, LookupError, RecursionError):
        raise SourceFormatError("EDGAR_XBRL_UNUSABLE", "An instance is XML without a DTD") from None
    if kind_and_name(root.tag, {}) != ("xbrli", "xbrl"):
        raise SourceFormatError("EDGAR_XBRL_UNUSABLE", "Its root is xbrl", found=shown(root.tag))
    return root, builder.prefixes


class _Builder(TreeBuilder):
    """Builds the tree, and remembers the first prefix of each namespace: facts are named by prefixes."""

    def __init__(self) -> None:
        super().__init__()
        self.prefixes: dict[str, str] = {}

    def start_ns(self, prefix: str, uri: str) -> None:
        if prefix:
            self.prefixes.setdefault(uri, prefix)


def _concept(tag: str, prefixes: dict[str, str]) -> str:
    """`us-gaap:Assets`; a namespace without a prefix is known by its last word that is no year."""
    namespace, _, name = tag.removeprefix("{").rpartition("}")
    if prefix := prefixes.get(namespace):
        return f"{prefix}:{name}"
    words = [word for word in namespace.split("/") if word and not word[:4].isdigit()]
    return f"{words[-1][:50]}:{name}" if words else name


def _fact(element: Any, concept: str, contexts: dict[str, Any], units: dict[str, Any]) -> XbrlFact:
    context = referred(contexts, element.get("contextRef"), "contextRef")
    attributes = {kind_and_name(name, {})[1]: value for name, value in element.attrib.items()}
    nil = attributes.get("nil", "").strip() in ("true", "1")
    common: dict[str, Any] = {
        "concept": parse_text(concept, "name"),
        "nil": nil,
        "entity": context.entity,
        "start": context.start,
        "end": context.end,
        "dimensions": context.dimensions,
    }
    text = (element.text or "").strip()
    if text.startswith("<"):
        text = html_text(text)
    if element.get("unitRef") is None:
        if nil:
            return XbrlFact(**common)
        return XbrlFact(**common, text=text[:MAXIMUM_TEXT], truncated=len(text) > MAXIMUM_TEXT)
    unit = referred(units, element.get("unitRef"), "unitRef")
    decimals = parse_decimals(attributes.get("decimals"))
    if nil:
        return XbrlFact(**common, unit=unit, decimals=decimals)
    return XbrlFact(**common, unit=unit, decimals=decimals, number=exact(parse_decimal(text, "number")))
