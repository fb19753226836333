"""Facts of filings and covers; the index of the real filings and EDGAR's own extracts are the independent witnesses."""

from __future__ import annotations

import csv
import io
import re
from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from datetime import date
from decimal import Decimal
from html import unescape

import pytest
from hypothesis import given
from hypothesis import strategies as st

from activities.adapters.edgar.filing_facts import cover, document_facts, filing_facts
from activities.adapters.edgar.full_submission import FullSubmission, SubmissionDocument, parse_full_submission
from activities.adapters.edgar.xbrl import XbrlFact, XbrlReport
from activities.adapters.edgar.xbrl_instance import is_xbrl_instance, parse_xbrl_instance
from domain.errors import SourceFormatError, StonksError

Read = Callable[[str], bytes]
INSTANCE = """<?xml version="1.0"?><x:xbrl xmlns:x="http://www.xbrl.org/2003/instance"
 xmlns:us-gaap="http://fasb.org/us-gaap/2012-01-31" xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance">
<x:context id="c"><x:entity><x:identifier scheme="http://www.sec.gov/CIK">0000000077</x:identifier></x:entity>
<x:period><x:instant>2012-12-31</x:instant></x:period></x:context>
<x:unit id="u"><x:measure>iso4217:USD</x:measure></x:unit>
<us-gaap:Assets contextRef="c" unitRef="u" decimals="-3">{0}</us-gaap:Assets>
<us-gaap:Liabilities contextRef="c" unitRef="u" xsi:nil="true"/>
<us-gaap:Policy contextRef="c">&lt;p&gt;We &lt;b&gt;sell&lt;/b&gt;&lt;/p&gt;&lt;p&gt;things&lt;/p&gt;</us-gaap:Policy>
</x:xbrl>"""


def _key(fact: XbrlFact) -> tuple[object, ...]:
    value = re.sub(r"\s", "", fact.text) if fact.number is None else fact.number
    return fact.concept, value, fact.unit, fact.start, fact.end, fact.dimensions, fact.entity, fact.nil


def test_real_covers_when_read_then_they_equal_the_rows_of_the_index(sec: Read) -> None:
    rows = [
        row
        for row in csv.DictReader(io.StringIO(sec("filings_index.csv").decode()))
        if row["metadata_from"] == "inline XBRL dei tags"
    ]
    assert len(rows) == 14
    for row in rows:
        found = cover(document_facts(sec(row["path"].removeprefix("sec/")).decode()))
        assert found is not None
        assert (found.form, found.company, found.cik) == (row["form"], unescape(row["company"]), row["cik"])
        assert found.period is not None
        # The index holds what stands before the first tag within the day's tag: at times without its year.
        assert f"{found.period:%B} {found.period.day}, {found.period.year}".upper().startswith(row["period"].upper())
        assert found.symbols
        assert set(found.exchanges) <= {"NASDAQ", "NYSE", "CHX"}


def test_real_submissions_when_read_then_covers_equal_their_headers(sec: Read) -> None:
    read = 0
    for name in (
        "2023-03-06_NORDSTROM-INC.txt",
        "2024-03-08_3M-CO.txt",
        "2024-12-27_1895-Bancorp-of-Wisconsin.txt",
        "2025-01-08_Acorn-Energy.nc.txt",
        "2025-12-19_Meta-Platforms-Inc.txt",
    ):
        submission = parse_full_submission(sec(f"filings/8-K/{name}"))
        inline = filing_facts(submission)
        found = cover(inline)
        assert found is not None
        assert (found.form, found.period) == (submission.form, submission.period)
        assert found.cik == submission.parties[0].cik
        # EDGAR itself extracts an instance from each inline document and adds it to the submission.
        (extract,) = (document for document in submission.documents if document.filename.endswith("_htm.xml"))
        extracted = parse_xbrl_instance(extract.body)
        assert Counter(map(_key, inline.facts)) == Counter(map(_key, extracted.facts))
        assert (inline.rejected, extracted.rejected) == (0, 0)
        read += len(extracted.facts)
    assert read == 123


def test_real_exhibit_when_the_main_document_has_no_facts_then_an_exhibits_are_taken(sec: Read) -> None:
    submission = parse_full_submission(sec("filings/424B2/2025-03-31_BofA-Finance-LLC.txt"))
    facts = {fact.concept: fact.value for fact in filing_facts(submission).facts}
    assert facts["ffd:NrrtvMaxAggtOfferingPric"] == Decimal("9720000.00")
    exhibit = next(document for document in submission.documents if document.type == "EX-FILING FEES")
    inline = {fact.concept: fact.value for fact in document_facts(exhibit.body).facts}
    assert inline.pop("ffd:NrrtvDsclsr") is not None
    assert inline.items() <= facts.items()


def test_real_instance_when_read_then_its_cover_is_whole(sec: Read) -> None:
    markup = sec("filings/8-K/undated_Waters-Corp-xbrl-cover.xml").decode()
    assert is_xbrl_instance(markup)
    found = cover(document_facts(markup))
    assert found is not None
    assert (found.form, found.company, found.cik) == ("8-K", "WATERS CORP /DE/", "0001000697")
    assert (found.period, found.symbols, found.exchanges) == (date(2024, 1, 8), ("WAT",), ("NYSE",))
    assert not found.amendment


def test_instance_when_filed_as_an_exhibit_then_its_facts_are_the_filings() -> None:
    documents = (
        SubmissionDocument(type="10-K", body="<html><p>see exhibits</p></html>"),
        SubmissionDocument(type="EX-101.INS", filename="acme.xml", body=INSTANCE.format("1500000")),
    )
    submission = FullSubmission(
        accession="0000000077-13-000001", form="10-K", parties=(), filed=date(2013, 2, 1), documents=documents
    )
    assets, liabilities, policy = filing_facts(submission).facts
    assert (assets.concept, assets.number, assets.unit) == ("us-gaap:Assets", Decimal(1_500_000), "USD")
    assert (assets.end, assets.start, assets.decimals, assets.entity) == (date(2012, 12, 31), None, -3, "0000000077")
    assert (liabilities.nil, liabilities.value) == (True, None)
    assert policy.value == "We sell\nthings"


def test_instance_when_a_number_is_none_then_it_alone_is_refused() -> None:
    report = parse_xbrl_instance(INSTANCE.format("much"), "acme.xml")
    assert [fact.concept for fact in report.facts] == ["us-gaap:Liabilities", "us-gaap:Policy"]
    assert (report.rejects[0].column, report.rejects[0].file) == ("number", "acme.xml")


@pytest.mark.parametrize(
    "markup",
    [
        "",
        "<xbrl/>",
        '<!DOCTYPE a [<!ENTITY b "c">]>' + INSTANCE.format("&b;"),
        INSTANCE.format("1")[:-20],
        "<a>" * 100_000,
    ],
)
def test_instance_when_unusable_then_it_is_an_error(markup: str) -> None:
    with pytest.raises(SourceFormatError, match="EDGAR_XBRL_UNUSABLE"):
        parse_xbrl_instance(markup)


def test_cover_when_it_names_nobody_then_there_is_none() -> None:
    assert cover(XbrlReport()) is None
    fact = XbrlFact(concept="dei:DocumentType", text="8-K", entity="somebody")
    company = XbrlFact(concept="dei:EntityRegistrantName", text="ACME", entity="somebody")
    assert cover(XbrlReport(facts=(fact,))) is None
    assert cover(XbrlReport(facts=(fact, company))) is None
    with_cik = XbrlFact(concept="dei:EntityCentralIndexKey", text="77", entity="somebody")
    none = XbrlFact(concept="dei:TradingSymbol", text="N/A", entity="somebody")
    found = cover(XbrlReport(facts=(fact, company, with_cik, none)))
    assert found is not None
    assert (found.cik, found.symbols, found.period) == ("0000000077", (), None)


@given(st.text(max_size=60), st.integers(0, 1_500))
def test_any_text_when_read_then_nothing_but_our_errors_is_raised(noise: str, at: int) -> None:
    whole = INSTANCE.format("1")
    with suppress(StonksError):
        cover(document_facts(whole[:at] + noise + whole[at:]))
    with suppress(StonksError):
        parse_xbrl_instance(whole[:at] + noise + whole[at:])
