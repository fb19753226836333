"""Whom annual reports name as rivals: the sentences, and how well that works on real ones."""

from __future__ import annotations

import csv
import gzip
import json
from collections import Counter
from datetime import date
from functools import lru_cache

import pytest

from activities.adapters.edgar.filing_text import read_loose
from activities.adapters.edgar.sections import competition_text
from domain.competitors import QUOTE, rival_statements
from domain.resolution import NameIndex, ResolverCompany
from tests.conftest import shared_data

DAY = date(2025, 6, 2)
INDEX = NameIndex(
    ResolverCompany(symbol=symbol, name=name)
    for symbol, name in {
        "AMZN": "Amazon.com, Inc.",
        "DELL": "Dell Technologies Inc.",
        "GM": "General Motors Company",
        "IBM": "IBM Corporation",
        "MSFT": "Microsoft Corporation",
        "WMT": "Walmart Inc.",
    }.items()
)


def said(text: str) -> dict[str, bool]:
    """Whom a text names, and whether a sentence that does speaks of competition."""
    found: dict[str, bool] = {}
    for each in rival_statements(text, INDEX, DAY):
        found[each.symbol] = found.get(each.symbol, False) or each.direct
    return found


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("We compete with Walmart.", {"WMT": True}),
        ("Our rivals are Walmart, Amazon.com, Inc. and others.", {"WMT": True, "AMZN": True}),
        ("Our competitors include:\n\n• Walmart\n\n• Microsoft Corporation", {"WMT": True, "MSFT": True}),
        ("Competition comes from companies such as\n\nWalmart and General Motors.", {"WMT": True, "GM": True}),
        (
            "Competition is fierce. We buy from Dell Technologies Inc. We compete with IBM.",
            {"DELL": False, "IBM": True},
        ),
        ("We compete with Dell Technologies Inc. and IBM.", {"DELL": True, "IBM": True}),
        ("Speakers (sold by Amazon.com, Inc.) and Microsoft Xbox compete with us.", {"AMZN": True, "MSFT": True}),
        ("Our largest customer is Walmart.", {"WMT": False}),
        ("We do not compete with Walmart.", {"WMT": False}),
        ("Walmart is no longer a competitor of ours.", {"WMT": False}),
        ("We compete for talent with Microsoft Corporation.", {"MSFT": False}),
        ("Microsoft Corporation sued us for unfair competition.", {"MSFT": False}),
        ("Our non-compete agreement with Microsoft Corporation ends.", {"MSFT": False}),
        ("Selling through Walmart is a competitive advantage.", {"WMT": False}),
        ("There is much competition.", {}),
        ("", {}),
    ],
)
def test_sentence_when_it_names_a_company_then_it_is_known_whether_it_speaks_of_competition(
    text: str, expected: dict[str, bool]
) -> None:
    assert said(text) == expected


def test_sentence_when_quoted_then_it_is_one_line_and_not_too_long() -> None:
    text = "Among our competitors, " + "who are\nnumerous, " * 100 + "is Walmart, " + "a large one, " * 100 + "too."
    (found,) = rival_statements(text, INDEX, DAY)
    assert found.direct
    assert "Walmart" in found.quote
    assert "\n" not in found.quote
    assert found.quote.startswith("… ")
    assert found.quote.endswith(" …")
    assert len(found.quote) <= QUOTE + 4
    (short,) = rival_statements("Prices fell. We compete\nwith Walmart. They rose.", INDEX, DAY)
    assert short.quote == "We compete with Walmart."


@lru_cache(maxsize=1)
def relations() -> tuple[dict[str, str], ...]:
    """Relations whose company stands in the cut-off context; the rest tells nothing."""
    path = shared_data("reference/company_relations_10k_ai_labelled_train.csv")
    with path.open(encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    return tuple(row for row in rows if row["raw_mention"].casefold() in row["context"].casefold())


@lru_cache(maxsize=1)
def everybody() -> tuple[NameIndex, dict[str, str]]:
    """All companies that file with the regulator, and the key of each company's symbols."""
    listed = json.loads(shared_data("sec/company_tickers.json").read_text(encoding="utf-8"))
    found = {
        symbol: ResolverCompany(symbol=symbol, name=row["title"], cik=str(row["cik_str"]))
        for row in listed.values()
        for symbol in [row["ticker"].replace("-", ".")]
    }
    for row in relations():
        symbol = row["target_ticker"].replace("-", ".")
        found.setdefault(symbol, ResolverCompany(symbol=symbol, name=row["target_name"]))
    return NameIndex(found.values()), {symbol: each.cik or symbol for symbol, each in found.items()}


def judged(context: str, ticker: str) -> str:
    index, keys = everybody()
    symbol = ticker.replace("-", ".")
    key = keys.get(symbol, symbol)
    direct = [each.direct for each in rival_statements(context, index, DAY) if keys[each.symbol] == key]
    return "rival" if any(direct) else "named" if direct else "missed"


def test_labelled_relations_when_judged_then_rivals_are_told_from_customers_and_partners() -> None:
    counts = Counter(
        (row["relationship_type"] == "HAS_COMPETITOR", row["ai_label"], judged(row["context"], row["target_ticker"]))
        for row in relations()
    )
    rivals = {found: counts[True, "correct", found] for found in ("rival", "named", "missed")}
    assert sum(rivals.values()) == 73
    assert rivals["rival"] >= 69
    # Not one customer, supplier or partner is taken for a rival: those that are labelled as wrong are rivals in truth.
    assert counts[False, "correct", "rival"] == 0
    assert counts[True, "incorrect", "rival"] <= 5


def test_spot_check_when_a_name_only_looks_like_a_company_then_no_rival_is_found() -> None:
    """The file has no labels. In these another company is meant, an abbreviation, or a bank at work."""
    wrong = {"IDN", "VATE", "LTUM", "ASST", "HSDT", "MS", "PG", "COMP", "MRBK", "LINE"}
    path = shared_data("reference/candidate_competitor_spot_check.csv")
    with path.open(encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    found = {(row["source_ticker"], row["target_ticker"]): judged(row["context"], row["target_ticker"]) for row in rows}
    assert len(found) == 50
    rivals = {target for (_, target), result in found.items() if result == "rival"}
    assert not rivals & wrong
    assert sum(result == "rival" for result in found.values()) >= 20


@pytest.mark.parametrize(
    ("name", "rivals"),
    [
        ("2025-02-25_IBM.html.gz", {"AMZN", "MSFT", "ORCL", "SAP", "ACN", "DELL", "HPE", "INTC"}),
        ("2025-02-26_NVIDIA.html.gz", {"AMD", "AMZN", "AVGO", "CSCO", "INTC", "MSFT", "QCOM", "TSLA"}),
        ("2024-11-01_Apple.html.gz", set()),
    ],
)
def test_real_annual_report_when_read_then_the_rivals_that_it_names_are_found(name: str, rivals: set[str]) -> None:
    body = gzip.decompress(shared_data(f"sec/filings/10-K/{name}").read_bytes())
    text = competition_text(read_loose(body, "10-K").text)
    found = {each.symbol for each in rival_statements(text, everybody()[0], DAY) if each.direct}
    assert rivals <= found
    assert bool(found) == bool(rivals)
