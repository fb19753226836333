"""Facts of XBRL, whichever way they are written, and the contexts and units that they refer to."""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import date, timedelta
from decimal import Decimal
from itertools import islice
from typing import Any, NamedTuple

from activities.adapters.edgar.fields import Refused, parse_day, parse_text, shown
from domain.documents import Reject, RejectReason
from domain.model import Model

MAXIMUM_CHARACTERS = 80_000_000
MAXIMUM_TAGS = 2_000_000
MAXIMUM_FACTS = 200_000
MAXIMUM_REJECTS = 1_000
_LARGEST_PART = 500
"""Elements of one context or unit."""
_CIK_SCHEME = "sec.gov/cik"
_MIDNIGHT = re.compile(r"([0-9-]{10})T([0-9:.]{5,16})(?:Z|[+-][0-9]{2}:[0-9]{2})?")
_NAMESPACES = {
    "http://www.xbrl.org/2013/inlinexbrl": "ix",
    "http://www.xbrl.org/2008/inlinexbrl": "ix",
    "http://www.xbrl.org/2003/instance": "xbrli",
    "http://xbrl.org/2006/xbrldi": "xbrldi",
    "http://www.w3.org/2001/xmlschema-instance": "xsi",
}


class Dimension(Model):
    """What a fact is about besides the company and the period: an axis and where on it."""

    axis: str
    """`us-gaap:StatementBusinessSegmentsAxis`."""
    member: str
    """A name such as `aapl:JapanSegmentMember`, or the value where the axis has values."""


class XbrlFact(Model):
    """One reported value. A number has a unit; a text has none.

    `start` is None for a value at an instant, and both are None for one that holds for ever.
    """

    concept: str
    """As the report names it: `us-gaap:Assets`, `dei:TradingSymbol`."""
    number: Decimal | None = None
    """Exact and in whole units, with its sign."""
    text: str = ""
    """Of a fact that is no number: as it reads, a day as `2024-09-28`, a duration as `P10Y`."""
    nil: bool = False
    """Reported as having no value."""
    truncated: bool = False
    """The text was longer than what is kept of it."""
    unit: str = ""
    """`USD`, `shares`, `USD/shares`, `pure`."""
    decimals: int | None = None
    """Places that are accurate: -6 is to the million. None where it is exact or not said."""
    entity: str
    """Whom it is about: a CIK of ten digits."""
    start: date | None = None
    end: date | None = None
    dimensions: tuple[Dimension, ...] = ()
    hidden: bool = False
    """Stands in no place that a reader of the report sees."""

    @property
    def value(self) -> Decimal | str | None:
        """The number, or else the text; None where it is nil."""
        if self.nil:
            return None
        return self.text if self.number is None else self.number

    def period(self) -> tuple[date | None, date | None]:
        """What the value is about, as `companyfacts.Fact` has it."""
        return self.start, self.end


class XbrlReport(Model):
    """All facts of a document in their order, and those that could not be read."""

    facts: tuple[XbrlFact, ...] = ()
    rejects: tuple[Reject, ...] = ()
    rejected: int = 0
    """How many were refused; at most a thousand of them are told."""

    def of(self, concept: str, *, dimensions: bool = False) -> tuple[XbrlFact, ...]:
        """The facts of a concept; those with dimensions only when asked for."""
        return tuple(fact for fact in self.facts if fact.concept == concept and (dimensions or not fact.dimensions))


class Context(NamedTuple):
    entity: str
    start: date | None
    end: date | None
    dimensions: tuple[Dimension, ...]


def kind_and_name(tag: object, prefixes: dict[str, str]) -> tuple[str, str]:
    """What vocabulary a tag or attribute is of (`ix`, `xbrli`, `xbrldi`, `xsi` or empty), and its name in lower case.

    XML trees write `{namespace}name`, HTML trees `prefix:name`; `prefixes` are those that the document declares.
    """
    if not isinstance(tag, str):
        return "", ""
    if tag.startswith("{"):
        namespace, _, name = tag[1:].partition("}")
        return _NAMESPACES.get(namespace.lower(), ""), name.lower()
    prefix, colon, name = tag.lower().partition(":")
    return (prefixes.get(prefix, prefix if prefix in _NAMESPACES.values() else ""), name) if colon else ("", prefix)


def declared_prefixes(attributes: Any) -> dict[str, str]:
    """Prefixes of an HTML tree's root that stand for one of the vocabularies."""
    return {
        str(name)[6:].lower(): kind
        for name, uri in attributes.items()
        if str(name).lower().startswith("xmlns:") and (kind := _NAMESPACES.get(str(uri).strip().lower()))
    }


def read_context(element: Any, prefixes: dict[str, str]) -> Context:
    """Read a context: whom it is about, when, and in what respect.

    Raises:
        Refused: its entity is missing, or its period is no period.
    """
    entity = ""
    days: dict[str, str] = {}
    dimensions: list[Dimension] = []
    for part in _parts(element):
        kind, name = kind_and_name(part.tag, prefixes)
        if kind == "xbrli" and name == "identifier":
            entity = _entity(part)
        elif kind == "xbrli" and name in ("startdate", "enddate", "instant", "forever"):
            days[name] = (part.text or "").strip()
        elif kind == "xbrldi" and name in ("explicitmember", "typedmember"):
            axis = parse_text(part.get("dimension"), "dimension")
            dimensions.append(Dimension(axis=axis, member=_member(part)))
    if not entity:
        raise Refused(RejectReason.MISSING_VALUE, "nothing found, needed is an identifier", "entity")
    start, end = _period(days)
    return Context(entity, start, end, tuple(sorted(dimensions, key=lambda found: (found.axis, found.member))))


def read_unit(element: Any, prefixes: dict[str, str]) -> str:
    """Read a unit as company facts write it: `USD`, `shares`, `USD/shares`.

    Raises:
        Refused: it has no measure, or too many.
    """
    above: list[str] = []
    below: list[str] = []
    side = above
    for part in _parts(element):
        kind, name = kind_and_name(part.tag, prefixes)
        if kind != "xbrli":
            continue
        if name in ("unitnumerator", "unitdenominator"):
            side = above if name == "unitnumerator" else below
        elif name == "measure":
            side.append(parse_text((part.text or "").strip().rpartition(":")[2], "measure", longest=100))
    if not above:
        raise Refused(RejectReason.MISSING_VALUE, "nothing found, needed is a measure", "measure")
    return "*".join(above) + (f"/{'*'.join(below)}" if below else "")


def parse_decimals(value: object) -> int | None:
    """Read the attribute that says how accurate a number is."""
    text = str(value or "").strip()
    if text in ("", "INF"):
        return None
    if not re.fullmatch(r"[+-]?[0-9]{1,3}", text):
        raise Refused(RejectReason.INVALID_NUMBER, f"{shown(text)} found, allowed is INF or a number", "decimals")
    return int(text)


def exact(number: Decimal, scale: int = 0, negative: bool = False) -> Decimal:
    """The number times ten to the `scale`, exactly, and without a power of ten in how it is written."""
    sign, digits, exponent = number.as_tuple()
    exponent = int(exponent) + scale
    if exponent > 0:
        digits, exponent = (*digits, *(0,) * exponent), 0
    found = Decimal((sign ^ negative, digits, exponent))
    return found if found else abs(found)


def read_references(elements: Iterator[Any], prefixes: dict[str, str]) -> tuple[dict[str, Any], dict[str, Any]]:
    """The contexts and the units among elements, by id; a faulty one is the refusal that whoever refers to it gets."""
    contexts: dict[str, Any] = {}
    units: dict[str, Any] = {}
    readers = {"context": (contexts, read_context), "unit": (units, read_unit)}
    for element in elements:
        kind, name = kind_and_name(element.tag, prefixes)
        if kind != "xbrli" or name not in readers:
            continue
        found, reader = readers[name]
        try:
            value: object = reader(element, prefixes)
        except Refused as refused:
            value = refused
        found.setdefault(str(element.get("id") or ""), value)
    return contexts, units


def referred(found: dict[str, Any], name: str | None, field: str) -> Any:
    """What a reference stands for.

    Raises:
        Refused: there is no such context or unit, or it is faulty.
    """
    value = found.get(name or "")
    if value is None:
        raise Refused(RejectReason.MISSING_VALUE, f"{shown(name)} found, needed is one of the report", field)
    if isinstance(value, Refused):
        raise value
    return value


def _parts(element: Any) -> Iterator[Any]:
    for count, part in enumerate(element.iter()):
        if count >= _LARGEST_PART:
            detail = f"more than {_LARGEST_PART} elements found"
            raise Refused(RejectReason.MALFORMED_ROW, detail, "reference")
        yield part


def _member(element: Any) -> str:
    texts = (text[:500] for text in islice(element.itertext(), 20))
    return parse_text(" ".join("".join(texts).split())[:500], "member", required=False)


def _entity(element: Any) -> str:
    text = parse_text((element.text or "").strip(), "identifier", longest=100)
    scheme = str(element.get("scheme") or "").lower()
    is_cik = scheme.rstrip("/").endswith(_CIK_SCHEME) and text.isascii() and text.isdigit() and len(text) <= 10
    return text.zfill(10) if is_cik else text


def _period(days: dict[str, str]) -> tuple[date | None, date | None]:
    if "forever" in days:
        return None, None
    if "instant" in days:
        return None, _last_day(days["instant"], "instant")
    start = parse_day(days.get("startdate", "").partition("T")[0], "startDate")
    end = _last_day(days.get("enddate", ""), "endDate")
    if start > end:
        raise Refused(RejectReason.INVALID_DATE, f"{start} found, allowed is a day up to the end {end}", "startDate")
    return start, end


def _last_day(text: str, field: str) -> date:
    """The last day of a period: midnight ends the day before."""
    timed = _MIDNIGHT.fullmatch(text)
    if not timed:
        return parse_day(text, field)
    day = parse_day(timed[1], field)
    return day if timed[2].strip("0:.") else day - timedelta(days=1)
