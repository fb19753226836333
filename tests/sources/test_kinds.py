"""Every kind of source through Temporal, from answers of its vendor to rows in the book."""

from __future__ import annotations

import gzip
import json
from collections.abc import AsyncIterator
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from sqlmodel import col, select

from domain.fetching import MailRequest
from store.tables.ingestion import DocumentSymbol, Reject
from store.tables.market import BarRow, CorporateActionRow, MacroFigureRow, ReportedFigureRow
from store.tables.registry import Company, CompanyAlias
from tests.conftest import shared_data
from tests.fed import pages as fed
from tests.imap.server import PASSWORD, USER, Mail, MailServer
from tests.sources.newsroom import Newsroom
from tests.web.server import reply

AGENT = "Example Research ops@example.com"
POLYGON = "api/polygon/client-python-mocks"


@pytest.fixture
async def mailbox() -> AsyncIterator[MailServer]:
    async with MailServer() as server:
        yield server


def _json(body: Any) -> Any:
    return reply(200, json.dumps(body).encode(), [("Content-Type", "application/json")])


async def _rows(newsroom: Newsroom, table: Any, *conditions: Any) -> list[Any]:
    async with newsroom.parts.database.transaction() as session:
        return list((await session.exec(select(table).where(*conditions))).all())


async def test_filings_when_listed_then_each_becomes_a_document_of_its_company(newsroom: Newsroom) -> None:
    text = shared_data("sec/filings/10-Q/2000-05-11_APPLE-COMPUTER-INC.txt").read_bytes()
    listing = {
        "cik": "320193",
        "name": "Apple Inc.",
        "tickers": ["AAPL"],
        "filings": {
            "recent": {
                "accessionNumber": ["0000912057-00-023442"],
                "filingDate": ["2000-05-11"],
                "reportDate": ["2000-04-01"],
                "acceptanceDateTime": ["2000-05-11T00:00:00.000Z"],
                "form": ["10-Q"],
                "primaryDocument": [""],
                "items": [""],
            },
            "files": [],
        },
    }
    newsroom.vendor.replies["/submissions/CIK0000320193.json"] = _json(listing)
    path = "/Archives/edgar/data/320193/000091205700023442/0000912057-00-023442.txt"
    newsroom.vendor.replies[path] = reply(200, text)
    source_id = await newsroom.source(
        {
            "kind": "edgar_filings",
            "user_agent": AGENT,
            "data_url": newsroom.url,
            "archive_url": newsroom.url,
            "ciks": ["320193"],
            "forms": ["10-Q"],
            "since": "2000-01-01",
        }
    )

    async with newsroom.working():
        report = await newsroom.run(source_id)

    assert (report.pages, report.registered, report.rejected) == (2, 1, 0)
    (row,) = await newsroom.documents(source_id)
    assert row.title.startswith("10-Q")
    assert row.credibility == "official"
    assert "MANAGEMENT'S DISCUSSION" in " ".join(
        section["heading"].upper().replace("’", "'") for section in row.sections
    )
    assert [each.symbol for each in await _rows(newsroom, DocumentSymbol, DocumentSymbol.doc_id == row.doc_id)] == [
        "AAPL"
    ]
    assert {headers["user-agent"] for _, headers in newsroom.vendor.requests} == {AGENT}


async def test_latest_filings_when_nobody_is_named_then_those_of_the_registry_are_taken(newsroom: Newsroom) -> None:
    text = shared_data("sec/filings/10-Q/2000-05-11_APPLE-COMPUTER-INC.txt").read_bytes()
    now = datetime.now(UTC).replace(microsecond=0)

    def entry(name: str, cik: str, accession: str) -> str:
        link = f"{newsroom.url}/Archives/edgar/data/{int(cik)}/{accession.replace('-', '')}/{accession}-index.htm"
        return (
            f"<entry><title>10-Q - {name} ({cik}) (Filer)</title><link rel='alternate' href=\"{link}\"/>"
            f"<summary type='html'>&lt;b&gt;Filed:&lt;/b&gt; {now:%Y-%m-%d} </summary>"
            f"<updated>{now.isoformat()}</updated><category term='10-Q'/>"
            f"<id>urn:tag:sec.gov,2008:accession-number={accession}</id></entry>"
        )

    entries = entry("APPLE INC", "0000320193", "0000912057-00-023442")
    entries += entry("NOBODY WE FOLLOW", "0009999999", "0009999999-00-000001")
    feed = f"<feed xmlns='http://www.w3.org/2005/Atom'><title>Latest</title>{entries}</feed>"
    newsroom.vendor.replies["/cgi-bin/browse-edgar"] = reply(200, feed.encode())
    path = "/Archives/edgar/data/320193/000091205700023442/0000912057-00-023442.txt"
    newsroom.vendor.replies[path] = reply(200, text)
    source_id = await newsroom.source(
        {"kind": "edgar_current", "user_agent": AGENT, "archive_url": newsroom.url, "forms": ["10-Q"]}
    )

    async with newsroom.working():
        report = await newsroom.run(source_id)

    assert report.pages == 2
    assert report.registered + report.duplicates == 1
    assert [target.partition("?")[0] for target, _ in newsroom.vendor.requests] == ["/cgi-bin/browse-edgar", path]


async def test_reported_figures_when_read_then_each_filing_states_its_own(newsroom: Newsroom) -> None:
    body = gzip.decompress(shared_data("sec/companyfacts/snow_facts.json.gz").read_bytes())
    cik = str(json.loads(body)["cik"]).zfill(10)
    newsroom.vendor.replies[f"/api/xbrl/companyfacts/CIK{cik}.json"] = reply(200, body)
    source_id = await newsroom.source(
        {"kind": "edgar_facts", "user_agent": AGENT, "data_url": newsroom.url, "ciks": [cik], "tags": ["NetIncomeLoss"]}
    )
    wanted = json.loads(body)["facts"]["us-gaap"]["NetIncomeLoss"]["units"]["USD"]

    async with newsroom.working():
        report = await newsroom.run(source_id)
        again = await newsroom.run(source_id)

    rows = await _rows(newsroom, ReportedFigureRow, ReportedFigureRow.cik == cik)
    assert {row.tag for row in rows} == {"NetIncomeLoss"}
    assert {(row.period_end.isoformat(), row.accession, int(row.value)) for row in rows} == {
        (each["end"], each["accn"], each["val"]) for each in wanted
    }
    assert (report.facts, again.facts) == (len(rows), 0)


async def test_bars_and_actions_when_read_then_raw_and_once(newsroom: Newsroom) -> None:
    recorded = json.loads(
        shared_data(f"{POLYGON}/v2/aggs/ticker/AAPL/range/1/day/2005-04-01/2005-04-04.json").read_text()
    )
    recorded["adjusted"] = False

    async def aggregates(writer: Any) -> None:
        await _json(recorded)(writer)
        newsroom.vendor.replies[newsroom.vendor.requests[-1][0].partition("?")[0]] = _json(
            {"status": "OK", "adjusted": False, "ticker": "AAPL", "resultsCount": 0}
        )

    for day in range(10):  # the last session that can be complete depends on the day and the hour
        end = (datetime.now(UTC) - timedelta(days=day)).date()
        newsroom.vendor.replies[f"/v2/aggs/ticker/AAPL/range/1/day/2005-04-01/{end}"] = aggregates
    split = {"ticker": "AAPL", "execution_date": "2005-02-28", "split_from": 1, "split_to": 2}
    dividend = {"ticker": "AAPL", "ex_dividend_date": "2012-08-09", "cash_amount": 2.65, "currency": "USD"}
    newsroom.vendor.replies["/v3/reference/splits"] = _json({"status": "OK", "results": [split]})
    newsroom.vendor.replies["/v3/reference/dividends"] = _json({"status": "OK", "results": [dividend]})
    account = {"base_url": newsroom.url, "symbols": ["AAPL"]}
    bars = await newsroom.source({"kind": "polygon_bars", "since": "2005-04-01", **account})
    actions = await newsroom.source({"kind": "polygon_actions", "since": "2005-01-01", **account})

    async with newsroom.working():
        first = await newsroom.run(bars)
        await newsroom.run(actions)
        again = await newsroom.run(actions)

    rows = await _rows(newsroom, BarRow, BarRow.symbol == "AAPL", col(BarRow.session) < date(2006, 1, 1))
    assert [(row.session, row.open) for row in rows] == [
        (date(2005, 4, 1), Decimal(str(recorded["results"][0]["o"]))),
        (date(2005, 4, 4), Decimal(str(recorded["results"][1]["o"]))),
    ][: len(rows)]
    assert first.facts == len(rows) > 0
    known = {row.ex_date: row for row in await _rows(newsroom, CorporateActionRow, CorporateActionRow.symbol == "AAPL")}
    assert known[date(2005, 2, 28)].split_ratio == 2
    assert known[date(2012, 8, 9)].cash_dividend == Decimal("2.65")
    assert again.facts == 0


async def test_companies_when_described_then_the_registry_is_completed_and_a_persons_word_stays(
    newsroom: Newsroom,
) -> None:
    details = json.loads(shared_data(f"{POLYGON}/v3/reference/tickers/AAPL.json").read_text())
    details["results"] |= {"ticker": "META", "name": "Meta Example", "cik": "0001326801"}
    events = json.loads(
        shared_data(f"{POLYGON}/vX/reference/tickers/META/events_and_types-ticker_change.json").read_text()
    )
    newsroom.vendor.replies["/v3/reference/tickers/META"] = _json(details)
    newsroom.vendor.replies["/vX/reference/tickers/META/events"] = _json(events)
    async with newsroom.parts.database.transaction() as session:
        session.add(Company(symbol="META", name="What a person wrote"))
    source_id = await newsroom.source({"kind": "polygon_tickers", "base_url": newsroom.url, "symbols": ["META"]})

    async with newsroom.working():
        report = await newsroom.run(source_id)

    (company,) = await _rows(newsroom, Company, Company.symbol == "META")
    assert (company.name, company.cik, company.exchange) == ("What a person wrote", "0001326801", "NASDAQ")
    aliases = await _rows(newsroom, CompanyAlias, CompanyAlias.symbol == "META", CompanyAlias.kind == "ticker")
    assert {(alias.alias, alias.valid_from, alias.valid_to) for alias in aliases} == {
        ("FB", date(2012, 5, 18), date(2022, 6, 10)),
        ("META", date(2022, 6, 11), None),
    }
    assert report.facts == 1


async def test_macro_releases_when_read_then_vintages_and_documents(newsroom: Newsroom) -> None:
    recorded = json.loads(shared_data("api/fred/pyfredapi_series_observations_all_vintages_GDP.json").read_text())
    newsroom.vendor.replies["/fred/series/observations"] = _json(recorded)
    source_id = await newsroom.source(
        {
            "kind": "fred",
            "base_url": newsroom.url,
            "series": [{"id": "GDP", "title": "Gross domestic product"}],
            "since": "2022-01-01",
        }
    )

    async with newsroom.working(STONKS_CREDENTIAL_FRED_API_KEY="canary-fred", STONKS_RATE_FRED="100"):
        report = await newsroom.run(source_id)

    figures = await _rows(newsroom, MacroFigureRow, MacroFigureRow.series == "GDP")
    assert report.registered > 0
    assert report.facts == len(figures) > 0
    assert all(row.available_at.date() > row.known_from for row in figures)
    assert "canary" not in "".join(row.url + row.location for row in await newsroom.documents(source_id))


async def test_alpaca_when_news_and_bars_are_read_then_documents_and_bars(newsroom: Newsroom) -> None:
    at = (datetime.now(UTC) - timedelta(days=2)).replace(microsecond=0).isoformat().replace("+00:00", "Z")
    article = {
        "id": 24_843_171,
        "headline": f"Apple sells more phones, as of {at}",
        "summary": "It does.",
        "created_at": at,
        "updated_at": at,
        "symbols": ["AAPL"],
        "source": "example",
        "url": "https://example.com/a",
    }
    newsroom.vendor.replies["/v1beta1/news"] = _json({"news": [article], "next_page_token": None})
    bar = {"t": "2022-02-01T05:00:00Z", "o": 174.01, "h": 174.84, "l": 172.31, "c": 174.61, "v": 86_213_911}
    newsroom.vendor.replies["/v2/stocks/bars"] = _json({"bars": {"AAPL": [bar]}, "next_page_token": None})
    news = await newsroom.source({"kind": "alpaca_news", "base_url": newsroom.url, "since": "2022-01-01T00:00:00Z"})
    bars = await newsroom.source(
        {"kind": "alpaca_bars", "base_url": newsroom.url, "symbols": ["AAPL"], "since": "2022-01-31"}
    )
    keys = {"STONKS_CREDENTIAL_ALPACA_API_KEY": "k", "STONKS_CREDENTIAL_ALPACA_API_SECRET": "s"}

    async with newsroom.working(STONKS_RATE_ALPACA="100", **keys):
        await newsroom.run(news)
        await newsroom.run(bars)

    (row,) = await newsroom.documents(news)
    assert (row.story, row.credibility) == ("alpaca:24843171", "wire")
    (found,) = await _rows(newsroom, BarRow, BarRow.symbol == "AAPL", BarRow.session == date(2022, 2, 1))
    assert (found.close, found.volume) == (Decimal("174.61"), 86_213_911)
    assert found.available_at == datetime(2022, 2, 1, 21, tzinfo=UTC)


async def test_pages_when_one_changes_then_only_it_is_a_new_document(newsroom: Newsroom) -> None:
    def page(words: str) -> Any:
        body = f"<html><head><title>Press room</title></head><body><article><h1>Press room</h1><p>{words}</p></article>"
        return reply(200, body.encode(), [("Content-Type", "text/html")])

    stamp = datetime.now(UTC).isoformat()
    newsroom.vendor.replies["/press"] = page(f"Example Corp hires a new chief executive, says a note of {stamp}.")
    newsroom.vendor.replies["/gone"] = reply(404)
    source_id = await newsroom.source(
        {"kind": "page", "urls": [f"{newsroom.url}/gone", f"{newsroom.url}/press"], "tickers": ["AAPL"]}
    )

    async with newsroom.working():
        first, second = await newsroom.run(source_id), await newsroom.run(source_id)
        newsroom.vendor.replies["/press"] = page(f"Example Corp has no chief executive any more, as of {stamp}.")
        third = await newsroom.run(source_id)

    assert (first.registered, second.registered, third.registered) == (1, 0, 1)
    assert first.rejected == 1
    (run, *_) = await newsroom.runs(source_id)
    (refused,) = await _rows(newsroom, Reject, Reject.run_id == run.run_id)
    assert "404" in refused.detail or "gone" in refused.file


async def test_fed_when_it_decides_then_its_statement_is_a_document(newsroom: Newsroom) -> None:
    text = shared_data("macro/fomc_statements/2019-07-31.txt").read_text()
    link = f"{newsroom.url}/newsevents/pressreleases/monetary20190731a.htm"
    item = fed.item(fed.STATEMENT_TITLE, link, "Wed, 31 Jul 2019 18:00:00 GMT")
    newsroom.vendor.replies["/feeds/press_monetary.xml"] = reply(200, fed.feed([item]))
    newsroom.vendor.replies["/newsevents/pressreleases/monetary20190731a.htm"] = reply(
        200, fed.page(text, day="July 31, 2019"), [("Content-Type", "text/html")]
    )
    source_id = await newsroom.source({"kind": "fed", "base_url": newsroom.url, "since": "2019-01-01"})

    async with newsroom.working():
        report = await newsroom.run(source_id)

    assert report.registered == 1
    (row,) = await newsroom.documents(source_id)
    assert row.title.startswith("FOMC statement 2019-07-31")
    assert row.published_at == datetime(2019, 7, 31, 18, tzinfo=UTC)


async def test_newsletters_when_they_arrive_then_each_is_a_document_and_the_mailbox_stays_as_it_was(
    newsroom: Newsroom, mailbox: MailServer
) -> None:
    for uid in (3, 5):
        sent = datetime(2024, 4, 30, 10, 0, uid, tzinfo=UTC)
        mailbox.mails[uid] = Mail(
            f"From: Desk <desk@letters.example>\r\nTo: {USER}\r\nSubject: Letter {uid}\r\n"
            f"Message-ID: <{uid}@letters.example>\r\nDate: {sent:%a, %d %b %Y %H:%M:%S} +0000\r\n"
            f"Content-Type: text/plain\r\n\r\nApple does well, says letter number {uid}.\r\n".encode()
        )
    source_id = await newsroom.source(
        {"kind": "imap", "host": "127.0.0.1", "port": mailbox.port, "since": "2024-01-01"}
    )
    keys = {"STONKS_CREDENTIAL_IMAP_USER": USER, "STONKS_CREDENTIAL_IMAP_PASSWORD": PASSWORD}
    own = f"127.0.0.1:{mailbox.port}"

    async with newsroom.working(STONKS_FETCH_OWN_SERVERS=own, STONKS_RATE_MAIL="100", **keys):
        report = await newsroom.run(source_id)
        again = await newsroom.run(source_id)

    assert (report.registered, again.read) == (2, 0)
    rows = await newsroom.documents(source_id)
    assert [row.title for row in rows] == ["Letter 3", "Letter 5"]
    assert all(not mail.flags for mail in mailbox.mails.values())
    assert await newsroom.parts.objects.get(rows[0].answer_key) == mailbox.mails[3].body
    assert MailRequest.model_fields["password_credential"].annotation is str
