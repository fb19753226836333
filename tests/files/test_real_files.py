"""The real news and price files are read as they are."""

from __future__ import annotations

from collections import Counter
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from pathlib import Path

from activities.adapters.files.actions import read_actions
from activities.adapters.files.bars import read_bars
from activities.adapters.files.documents import count_records, read_documents
from domain.documents import DatePrecision, Reject, RejectReason, SourceDocument
from domain.market import Bar, CorporateAction
from domain.sources import FileSourceConfig

NOT_AFTER = datetime(2025, 1, 1, tzinfo=UTC)


def test_reuters_headlines_when_read_then_every_row_is_a_day_precise_document(shared_data: Path) -> None:
    config = FileSourceConfig(path=str(shared_data / "news" / "reuters_ticker_headlines_2011H2.csv"))
    records = list(read_documents(config, not_after=NOT_AFTER))
    documents = [record for record in records if isinstance(record, SourceDocument)]
    assert len(documents) == len(records) == 13_626
    assert {document.precision for document in documents} == {DatePrecision.DAY}
    assert len({document.tickers for document in documents}) == 43
    assert [document.line for document in documents] == list(range(2, 13_628))
    assert documents[1] == SourceDocument(
        title="UPDATE 5-Facebook launches video chat with Skype",
        text="* Microsoft  Google shares rise  (Rewrites  adds Skype executive comments  analyst comment)",
        published_at=datetime(2011, 7, 7, 4, 0, tzinfo=UTC),
        precision=DatePrecision.DAY,
        tickers=("GOOG",),
        location="reuters_ticker_headlines_2011H2.csv:3",
        line=3,
    )
    assert sum(not document.text for document in documents) == 30
    counted = count_records(config)
    assert counted is not None
    assert 12_000 < counted < 15_000


def test_reuters_headlines_when_read_as_of_a_past_day_then_later_ones_are_in_the_future(shared_data: Path) -> None:
    config = FileSourceConfig(path=str(shared_data / "news" / "reuters_ticker_headlines_2011H2.csv"))
    now = datetime(2011, 10, 1, tzinfo=UTC)
    kinds = Counter(
        record.reason if isinstance(record, Reject) else record.published_at - timedelta(days=1) <= now
        for record in read_documents(config, not_after=now)
    )
    assert set(kinds) == {True, RejectReason.DATE_IN_FUTURE}
    assert sum(kinds.values()) == 13_626


def test_article_summaries_when_read_then_titles_are_first_sentences(shared_data: Path) -> None:
    config = FileSourceConfig(path=str(shared_data / "news" / "fnspid_aa_articles_summarised.csv"))
    records = list(read_documents(config, not_after=NOT_AFTER))
    documents = [record for record in records if isinstance(record, SourceDocument)]
    assert len(documents) == len(records) == 1_502
    assert {document.precision for document in documents} == {DatePrecision.INSTANT}
    assert all(0 < len(document.title) <= 200 for document in documents)
    assert all(document.url.startswith("http") for document in documents)
    first = documents[0]
    assert first.title == (
        "On the earnings front, notable companies like Prologis (PLD), Charles Schwab (SCHW), U.S. Bancorp (USB), "
        "Kinder Morgan (KMI), and Alcoa (AA) are set to report their quarterly figures today."
    )
    assert first.published_at == datetime(2024, 1, 17, 3, 52, tzinfo=UTC)
    assert first.text.startswith(first.title)


def test_daily_bars_when_read_then_every_row_is_a_consistent_bar(shared_data: Path) -> None:
    path = shared_data / "prices" / "daily_bars.csv.gz"
    records = list(read_bars(path))
    bars = [record for record in records if isinstance(record, Bar)]
    assert len(bars) == len(records) == 113_704
    assert len({bar.symbol for bar in bars}) == 46
    assert bars[0] == Bar(
        symbol="AAPL",
        session=date(2007, 1, 3),
        open=Decimal("86.29"),
        high=Decimal("86.58"),
        low=Decimal("81.9"),
        close=Decimal("83.8"),
        volume=44_225_700,
    )
    assert (min(bar.session for bar in bars), max(bar.session for bar in bars)) == (
        date(2007, 1, 3),
        date(2016, 12, 30),
    )
    for bar in bars[::500]:
        assert Bar.model_validate(bar.model_dump()) == bar
    wanted = frozenset({"IBM", "SPY"})
    start, end = date(2011, 7, 1), date(2011, 12, 31)
    assert list(read_bars(path, start=start, end=end, symbols=wanted)) == [
        bar for bar in bars if bar.symbol in wanted and start <= bar.session <= end
    ]


def test_adjusted_float_prices_when_read_as_bars_then_they_are_refused_not_rounded(shared_data: Path) -> None:
    records = list(read_bars(shared_data / "prices" / "yahoo_aa_2016_2024.csv"))
    assert len(records) == 2_035
    assert {record.reason for record in records if isinstance(record, Reject)} == {RejectReason.INVALID_NUMBER}
    assert all(isinstance(record, Reject) for record in records)


def test_corporate_actions_when_read_then_every_row_is_one(shared_data: Path) -> None:
    records = list(read_actions(shared_data / "prices" / "corporate_actions.csv"))
    actions = [record for record in records if isinstance(record, CorporateAction)]
    assert len(actions) == len(records) == 1_429
    assert actions[0] == CorporateAction(symbol="AAPL", ex_date=date(2012, 8, 9), cash_dividend=Decimal("2.65"))
    assert {(action.symbol, action.split_ratio) for action in actions if action.split_ratio < 1} == {
        ("C", Decimal("0.1")),
        ("AIG", Decimal("0.05")),
    }
