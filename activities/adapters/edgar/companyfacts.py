"""A company's reported figures: XBRL company facts, and what of them was known on a day.

A figure is reported more than once: in its own report, as a comparison in later ones, and sometimes restated. Each of
these is a fact of its own with the day it was filed. `known_on` never uses one that was filed later.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from datetime import date
from decimal import Decimal
from typing import Any

from activities.adapters.edgar.fields import (
    Refused,
    parse_accession,
    parse_cik,
    parse_day,
    parse_decimal,
    parse_optional_day,
    parse_text,
    reject,
    shown,
)
from domain.documents import Reject, RejectReason
from domain.errors import SourceFormatError
from domain.model import Model

MAXIMUM_BYTES = 200_000_000
MAXIMUM_FACTS = 2_000_000
_MAXIMUM_REJECTS = 10_000


class Fact(Model):
    """One reported value. `start` is None for a value at an instant, such as a balance."""

    taxonomy: str
    tag: str
    unit: str
    start: date | None = None
    end: date
    value: Decimal
    accession: str
    fiscal_year: int | None = None
    """Of the report it stood in, not of the value."""
    fiscal_period: str = ""
    form: str
    filed: date

    def period(self) -> tuple[date | None, date]:
        """What the value is about."""
        return self.start, self.end


class CompanyFacts(Model):
    """All facts of a company, in the order of the file."""

    cik: str
    company: str
    facts: tuple[Fact, ...] = ()
    rejects: tuple[Reject, ...] = ()

    def of(self, tag: str, *, unit: str, taxonomy: str = "us-gaap") -> tuple[Fact, ...]:
        """The facts of one tag in one unit."""
        return tuple(fact for fact in self.facts if (fact.taxonomy, fact.tag, fact.unit) == (taxonomy, tag, unit))


def known_on(facts: Iterable[Fact], day: date) -> tuple[Fact, ...]:
    """For each period of each tag and unit, the value as last filed on or before a day; ordered by period.

    A filing of that day counts: whoever acts during the day itself asks for the day before. Of two values filed on one
    day the one of the higher accession number counts.
    """
    known: dict[tuple[str, str, str, date | None, date], Fact] = {}
    for fact in facts:
        if fact.filed > day:
            continue
        key = (fact.taxonomy, fact.tag, fact.unit, fact.start, fact.end)
        before = known.get(key)
        if before is None or (before.filed, before.accession) <= (fact.filed, fact.accession):
            known[key] = fact
    return tuple(sorted(known.values(), key=_by_period))


def latest_known_on(facts: Iterable[Fact], day: date) -> Fact | None:
    """The value of the latest period that was known on a day; of periods that end together, the shortest."""
    known = known_on(facts, day)
    return max(known, key=lambda fact: (fact.end, fact.start or fact.end), default=None)


def _by_period(fact: Fact) -> tuple[str, str, str, date, date]:
    return fact.taxonomy, fact.tag, fact.unit, fact.end, fact.start or fact.end


def parse_company_facts(body: bytes) -> CompanyFacts:
    """Read a company's facts.

    Raises:
        SourceFormatError: it is no JSON object with a CIK, a name and facts, or too large.
    """
    found = _json_object(body)
    try:
        cik = parse_cik(found.get("cik"), "cik")
        company = parse_text(found.get("entityName"), "entityName")
    except Refused as refused:
        raise SourceFormatError("EDGAR_FACTS_UNUSABLE", field=refused.field, detail=refused.detail) from None
    facts: list[Fact] = []
    rejects: list[Reject] = []
    file = f"CIK{cik}.json"
    for number, (taxonomy, tag, unit, record) in enumerate(_records(found.get("facts")), 1):
        if number > MAXIMUM_FACTS:
            raise SourceFormatError("EDGAR_FACTS_TOO_LARGE", limit=MAXIMUM_FACTS)
        try:
            facts.append(_fact(taxonomy, tag, unit, record))
        except Refused as refused:
            if len(rejects) < _MAXIMUM_REJECTS:
                rejects.append(reject(file, number, refused, f"{taxonomy}:{tag} {unit}"))
    return CompanyFacts(cik=cik, company=company, facts=tuple(facts), rejects=tuple(rejects))


def _json_object(body: bytes) -> dict[str, Any]:
    if len(body) > MAXIMUM_BYTES:
        raise SourceFormatError("EDGAR_FACTS_TOO_LARGE", found=len(body), limit=MAXIMUM_BYTES)
    try:
        # Numbers stay text until they are checked: neither rounded as floats nor expanded as huge integers.
        found = json.loads(body, parse_float=str, parse_int=str, parse_constant=str)
    except (ValueError, RecursionError):
        raise SourceFormatError("EDGAR_FACTS_UNUSABLE", "Company facts are JSON", found=shown(body[:40])) from None
    if not isinstance(found, dict):
        raise SourceFormatError("EDGAR_FACTS_UNUSABLE", "Company facts are a JSON object", found=shown(found))
    return found


def _records(taxonomies: object) -> Iterable[tuple[str, str, str, object]]:
    if not isinstance(taxonomies, dict):
        raise SourceFormatError("EDGAR_FACTS_UNUSABLE", "Company facts have facts by taxonomy", found=shown(taxonomies))
    for taxonomy, tags in taxonomies.items():
        for tag, described in _items(tags):
            for unit, records in _items(described.get("units") if isinstance(described, dict) else None):
                for record in records if isinstance(records, list) else [records]:
                    yield taxonomy, tag, unit, record


def _items(value: object) -> Iterable[tuple[str, Any]]:
    return value.items() if isinstance(value, dict) else ()


def _fact(taxonomy: str, tag: str, unit: str, record: object) -> Fact:
    if not isinstance(record, dict):
        raise Refused(RejectReason.MALFORMED_ROW, f"{shown(record)} found, allowed is an object", "fact")
    start = parse_optional_day(record.get("start"), "start")
    end = parse_day(record.get("end"), "end")
    if start is not None and start > end:
        raise Refused(RejectReason.INVALID_DATE, f"{start} found, allowed is a day up to the end {end}", "start")
    year = record.get("fy")
    if year is not None and not (isinstance(year, str) and year.isascii() and year.isdigit() and len(year) == 4):
        raise Refused(RejectReason.INVALID_NUMBER, f"{shown(year)} found, allowed is a year", "fy")
    return Fact(
        taxonomy=parse_text(taxonomy, "taxonomy"),
        tag=parse_text(tag, "tag"),
        unit=parse_text(unit, "unit"),
        start=start,
        end=end,
        value=parse_decimal(record.get("val"), "val"),
        accession=parse_accession(record.get("accn"), "accn"),
        fiscal_year=None if year is None else int(year),
        fiscal_period=parse_text(record.get("fp"), "fp", required=False),
        form=parse_text(record.get("form"), "form", longest=40),
        filed=parse_day(record.get("filed"), "filed"),
    )
