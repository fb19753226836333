"""Real feeds are read whole; what is expected is counted in their bytes without an XML parser."""

from __future__ import annotations

import re
from datetime import UTC, datetime

import pytest

from activities.adapters.feeds.feed import read
from domain.documents import DatePrecision
from domain.fetching import HttpAnswer, SourcePage
from domain.sources import FeedConfig
from tests.conftest import shared_data

NOW = datetime(2025, 1, 1, tzinfo=UTC)


def _read(name: str) -> SourcePage:
    body = shared_data(f"rss/{name}").read_bytes()
    answer = HttpAnswer(status=200, url="https://feeds.example/news", body=body, fetched_at=NOW)
    return read(FeedConfig(url="https://feeds.example/news?key=secret"), "", answer, NOW)


@pytest.mark.parametrize(
    "name",
    [
        "cnbc_top_news_2014-03.xml",
        "generic_encoding.rss.xml",
        "generic_feedburner.atom.xml",
        "generic_rss-1.rss.xml",
        "nasdaqtrader_trade_halts_2023-06-19.xml",
        "seekingalpha_MSFT_2017-10.xml",
        "thestreet_market_strategy_2014-03.xml",
    ],
)
def test_feed_when_real_then_every_entry_is_a_document(name: str) -> None:
    page = _read(name)
    written = len(re.findall(rb"</(?:item|entry)>", shared_data(f"rss/{name}").read_bytes()))
    assert len(page.documents) == written > 10
    assert page.rejects == ()
    assert page.next is None
    assert all(document.title and document.publisher for document in page.documents)
    assert not any("<a href" in document.text or "<table" in document.text for document in page.documents)
    assert all("secret" not in document.location for document in page.documents)


def test_seeking_alpha_when_read_then_all_symbols_of_an_entry_are_tickers() -> None:
    source = shared_data("rss/seekingalpha_MSFT_2017-10.xml").read_text()
    written = [re.findall(r"<sa:symbol>(.*?)</sa:symbol>", item) for item in source.split("<item>")[1:]]
    page = _read("seekingalpha_MSFT_2017-10.xml")
    wanted = [[name for name in dict.fromkeys(names) if name != "EYE-OLD"] for names in written]
    assert [list(document.tickers) for document in page.documents] == wanted
    assert max(len(document.tickers) for document in page.documents) == 113
    assert page.documents[0].published_at == datetime(2017, 10, 27, 1, 54, 10, tzinfo=UTC)
    assert page.documents[0].precision is DatePrecision.INSTANT


def test_trade_halts_when_read_then_the_halt_is_dated_and_not_the_days_midnight() -> None:
    page = _read("nasdaqtrader_trade_halts_2023-06-19.xml")
    source = shared_data("rss/nasdaqtrader_trade_halts_2023-06-19.xml").read_text()
    assert [document.tickers[0] for document in page.documents] == re.findall(r"<ndaq:IssueSymbol>(\w+)<", source)
    first, last = page.documents[0], page.documents[-1]
    assert (first.title, first.published_at) == ("ROCC", datetime(2023, 6, 16, 23, 50, 1, tzinfo=UTC))
    assert (last.title, last.published_at) == ("SVA", datetime(2019, 2, 22, 21, 2, 1, tzinfo=UTC))
    assert "Ranger Oil Cp Cl A Cmn" in first.text


def test_latin_feed_when_read_then_accents_and_language_are_right() -> None:
    first = _read("generic_encoding.rss.xml").documents[0]
    assert first.title == "Mãe de utente é a nova presidente da Raríssimas"
    assert first.language == "pt"
    assert first.published_at == datetime(2018, 1, 3, 13, 47, tzinfo=UTC)
    assert first.url.startswith("https://www.jn.pt/nacional/")


def test_rdf_and_atom_when_read_then_times_with_offsets_are_utc() -> None:
    science = _read("generic_rss-1.rss.xml").documents[0]
    assert (science.title, science.published_at) == ("Food for fungi", datetime(2017, 6, 15, 17, 29, 47, tzinfo=UTC))
    atom = _read("generic_feedburner.atom.xml").documents[0]
    assert atom.published_at == datetime(2016, 6, 3, 14, 38, tzinfo=UTC)
    assert atom.text.startswith("After November 2016, all releases of the Google Ads API Java Client Library")
