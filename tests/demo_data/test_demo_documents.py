"""The packaged documents: unique, in time, about known companies, and true where the bars can tell."""

from __future__ import annotations

import json
import re
from collections import Counter
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from itertools import combinations
from zoneinfo import ZoneInfo

from cli.demo_data import documents_path
from domain.documents import SourceDocument
from domain.extraction import document_text
from domain.novelty import shingles

from .readers import COMPANIES, FORTNIGHT, MARKET, SEEDS, bars, documents, rows

NEW_YORK = ZoneInfo("America/New_York")
HOSTILE = "Unverified Forum"
MOVE = re.compile(
    r"(?P<name>[A-Z][\w'.& ]*?)(?: class A)? shares (?:\w+ )?"
    r"(?P<verb>rose|gained|jumped|surged|climbed|fell|lost|slid|slipped|plunged) "
    r"(?P<percent>[\d.]+) percent(?: to (?P<price>\$[\d.]+))?"
)
DOWN = frozenset({"fell", "lost", "slid", "slipped", "plunged"})
MARKET_MOVE = re.compile(
    r"S&P 500 (?P<verb>rose|gained|fell|dropped|slipped) (?P<percent>[\d.]+) percent(?: to (?P<level>[\d,]+\.\d\d))?"
)


def similarity(left: SourceDocument, right: SourceDocument) -> float:
    one, two = (set(shingles(document_text(each.title, each.text))) for each in (left, right))
    return len(one & two) / len(one | two)


def symbol_of(name: str) -> str:
    names = {row["alias"]: row["symbol"] for row in rows(SEEDS / "aliases.csv") if row["kind"] == "name"}
    return names[max((known for known in names if name.endswith(known)), key=len)]


def test_documents_when_read_then_each_is_whole_and_unique() -> None:
    found = documents()
    assert 55 <= len(found) <= 75
    assert len({document.content_hash() for document in found}) == len(found)
    assert len({document.doc_id() for document in found}) == len(found)
    assert [document.published_at for document in found] == sorted(document.published_at for document in found)
    for document in found:
        assert document.title.strip(), document.location
        assert 2 <= len(re.findall(r"[.!?](?:\s|$)", document.text)) <= 6, document.location
        assert document.publisher.startswith("Demo ") or document.publisher == HOSTILE
        assert not document.url
    keys = {"title", "text", "published_at", "tickers", "publisher", "url"}
    assert all(set(json.loads(line)) == keys for line in documents_path().read_text(encoding="utf-8").splitlines())


def test_documents_when_dated_then_they_lie_between_the_friday_before_and_the_last_close() -> None:
    first = datetime(2014, 7, 11, tzinfo=UTC)
    last = datetime(2014, 7, 25, 21, tzinfo=UTC)
    assert all(first <= document.published_at <= last for document in documents())


def test_documents_when_counted_then_every_company_has_a_story_to_tell() -> None:
    found = documents()
    counts = Counter(ticker for document in found for ticker in document.tickers)
    assert set(counts) == COMPANIES | {MARKET}
    assert min(counts[symbol] for symbol in COMPANIES) >= 4
    assert sum(len(document.tickers) >= 2 for document in found) >= 6
    for symbol in COMPANIES:
        desks = Counter(document.publisher for document in found if symbol in document.tickers)
        assert len(desks) >= 3, symbol


def test_documents_when_labelled_then_the_text_names_the_company() -> None:
    names: dict[str, set[str]] = {}
    for row in rows(SEEDS / "aliases.csv"):
        names.setdefault(row["symbol"], set()).add(row["alias"])
    for document in documents():
        if document.publisher == HOSTILE:
            continue
        text = document_text(document.title, document.text)
        for ticker in set(document.tickers) - {MARKET}:
            assert any(name in text for name in names[ticker]), (document.location, ticker)


def test_documents_when_compared_then_exactly_two_stories_are_told_twice() -> None:
    found = documents()
    pairs = [(one, two, similarity(one, two)) for one, two in combinations(found, 2)]
    repeated = [(one, two) for one, two, alike in pairs if alike >= 0.8]
    assert sorted(one.tickers for one, _ in repeated) == [("JPM",), ("MCD",)]
    for one, two in repeated:
        assert one.publisher != two.publisher
        assert timedelta(hours=2) <= two.published_at - one.published_at <= timedelta(hours=8)
    assert max(alike for _, _, alike in pairs if alike < 0.8) < 0.2


def test_documents_when_hostile_then_there_is_one_and_it_gives_orders() -> None:
    hostile = [document for document in documents() if document.publisher == HOSTILE]
    assert len(hostile) == 1
    assert "IGNORE ALL PREVIOUS INSTRUCTIONS" in hostile[0].text
    assert hostile[0].tickers == ("MCD",)


def test_documents_when_late_then_the_last_session_has_good_and_bad_news_to_act_on() -> None:
    closed = datetime(2014, 7, 24, 20, tzinfo=UTC)
    opens = datetime(2014, 7, 25, 13, 30, tzinfo=UTC)
    late = Counter(
        ticker for document in documents() if closed < document.published_at < opens for ticker in document.tickers
    )
    assert late["AMZN"] >= 3
    assert late["SBUX"] >= 4
    assert late["AAPL"] >= 1
    assert late["INTC"] >= 1


def test_documents_when_they_tell_a_days_move_then_the_bars_agree_and_the_session_was_over() -> None:
    closes: dict[str, list[tuple[str, Decimal]]] = {}
    for bar in bars():
        closes.setdefault(bar.symbol, []).append((bar.session.isoformat(), bar.close))
    checked = 0
    for document in documents():
        moves = [(symbol_of(match["name"]), match) for match in MOVE.finditer(document.text) if match["price"]]
        moves += [(MARKET, match) for match in MARKET_MOVE.finditer(document.text)]
        for symbol, match in moves:
            told = document.published_at.astimezone(NEW_YORK)
            assert told.date() in FORTNIGHT, document.location
            assert told.hour >= 16, document.location
            series = closes[symbol]
            today = next(n for n, (session, _) in enumerate(series) if session == told.date().isoformat())
            actual = 100 * (series[today][1] / series[today - 1][1] - 1)
            percent = Decimal(match["percent"]) * (-1 if match["verb"] in DOWN | {"dropped"} else 1)
            tolerance = Decimal("0.15") if symbol == MARKET else Decimal("0.06")
            assert abs(actual - percent) < tolerance, (document.location, match[0], actual)
            if symbol != MARKET:
                price = Decimal(match["price"].strip("$."))
                assert abs(series[today][1] - price) <= Decimal("0.005"), (document.location, match[0])
            checked += 1
    assert checked >= 20
