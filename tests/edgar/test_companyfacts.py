"""Reported figures and what of them was known when."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import date
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from activities.adapters.edgar.companyfacts import known_on, latest_known_on, parse_company_facts
from domain.errors import SourceFormatError, StonksError

Read = Callable[[str], bytes]
FACT = {
    "end": "2024-03-31",
    "val": 5,
    "accn": "0000000077-24-000001",
    "fy": 2024,
    "fp": "Q1",
    "form": "10-Q",
    "filed": "2024-05-01",
}


def _facts(*records: Any) -> bytes:
    facts = {"us-gaap": {"Assets": {"label": None, "units": {"USD": list(records)}}}}
    return json.dumps({"cik": 77, "entityName": "ACME", "facts": facts}).encode()


@pytest.mark.parametrize("name", ["CIK0001835632.json.gz", "snow_facts.json.gz"])
def test_real_facts_when_parsed_then_every_value_is_exact(sec: Read, name: str) -> None:
    body = sec(f"companyfacts/{name}")
    found = parse_company_facts(body)
    plain = json.loads(body, parse_float=Decimal)
    expected = [
        (taxonomy, tag, unit, Decimal(record["val"]), record["accn"], record["filed"], record.get("start"))
        for taxonomy, tags in plain["facts"].items()
        for tag, described in tags.items()
        for unit, records in described["units"].items()
        for record in records
    ]
    assert found.rejects == ()
    assert len(expected) > 8_000
    assert expected == [
        (
            fact.taxonomy,
            fact.tag,
            fact.unit,
            fact.value,
            fact.accession,
            str(fact.filed),
            str(fact.start) if fact.start else None,
        )
        for fact in found.facts
    ]


def test_real_restated_assets_when_asked_as_of_a_day_then_later_values_are_unknown(sec: Read) -> None:
    assets = parse_company_facts(sec("companyfacts/CIK0001835632.json.gz")).of("Assets", unit="USD")

    def value(day: date) -> Decimal | None:
        known = {fact.end: fact.value for fact in known_on(assets, day)}
        return known.get(date(2022, 1, 29))

    assert value(date(2022, 3, 9)) is None
    assert value(date(2022, 3, 10)) == Decimal(22_108_597_000)
    assert value(date(2022, 5, 26)) == Decimal(22_108_597_000)
    assert value(date(2022, 5, 27)) == Decimal(22_108_600_000)
    latest = latest_known_on(assets, date(2021, 8, 26))
    assert latest is not None
    assert (latest.end, latest.value) == (date(2021, 5, 1), Decimal(21_229_937_000))
    assert all(fact.filed <= date(2021, 8, 26) for fact in known_on(assets, date(2021, 8, 26)))
    assert latest_known_on(assets, date(2000, 1, 1)) is None


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("val", None),
        ("val", "five"),
        ("val", True),
        ("val", float("nan")),
        ("val", 10**40),
        ("end", "2024-02-30"),
        ("start", "2025-01-01"),
        ("accn", 7),
        ("filed", ""),
        ("form", None),
        ("fy", "soon"),
    ],
)
def test_fact_when_a_value_is_wrong_then_it_alone_is_refused_by_name(field: str, value: Any) -> None:
    found = parse_company_facts(_facts({**FACT, field: value}, FACT))
    (refused,) = found.rejects
    assert (refused.column, refused.line, refused.file) == (field, 1, "CIK0000000077.json")
    (fact,) = found.facts
    assert (fact.value, fact.fiscal_year) == (Decimal(5), 2024)


@pytest.mark.parametrize("body", [b"", b"[]", b"{}", b"[" * 99_999, b'{"cik":1,"entityName":"a"}'])
def test_facts_when_unusable_then_it_is_an_error(body: bytes) -> None:
    with pytest.raises(SourceFormatError, match="EDGAR_FACTS_UNUSABLE"):
        parse_company_facts(body)


_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
)


@given(st.binary(max_size=100), st.sampled_from([*FACT]), _VALUES)
def test_any_value_when_parsed_then_nothing_but_our_errors_is_raised(noise: bytes, field: str, value: Any) -> None:
    for body in (noise, _facts(value, {**FACT, field: value})):
        try:
            known_on(parse_company_facts(body).facts, date(2024, 6, 1))
        except StonksError:
            continue
