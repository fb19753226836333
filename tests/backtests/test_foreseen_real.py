"""Real headlines of 2011 and real prices through both ways to decide."""

from __future__ import annotations

import csv
import gzip
from collections.abc import Iterator
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from typing import Any

from activities.adapters.rules.extractor import RulesExtractor
from domain.backtest import BacktestRequest, BacktestState
from domain.backtest_data import BacktestData
from domain.bar_series import KnownBar, series_of
from domain.comovement import CoMovement
from domain.config import Tier, TradingConfig, changed
from domain.decisions import EvidenceItem
from domain.documents import NEW_YORK, Credibility
from domain.evidence import evidence_values
from domain.extraction import Candidate, ExtractionInput, ExtractorKind
from domain.ids import digest
from domain.market import Bar, Session
from domain.novelty import shingles
from domain.protection import Protection
from domain.validation import validate_extraction
from tests.conftest import shared_data

from .any_market import run_foreseen, run_watched
from .builders import bars_by_symbol, by_symbol

SYMBOLS = frozenset({"AAPL", "BAC", "JPM", "GS", "C", "BA", "MSFT", "XOM", "WFC", "AIG"})
FIRST, LAST = date(2011, 9, 1), date(2011, 10, 28)
NEWS_FROM = FIRST - timedelta(days=60)
BANKS = ("BAC", "JPM", "C")
LAST_OF_BANKS = date(2011, 9, 23)
"""To decide about them in full takes a tenth of a second each time."""


def _evidence() -> Iterator[EvidenceItem]:
    extractor = RulesExtractor()
    told: dict[str, datetime] = {}
    with shared_data("news/reuters_ticker_headlines_2011H2.csv").open(encoding="utf-8", newline="") as file:
        for number, row in enumerate(csv.DictReader(file)):
            day = date.fromisoformat(row["date"])
            if row["ticker"] not in SYMBOLS or not NEWS_FROM <= day <= LAST:
                continue
            text = f"{row['headline']}\n\n{row['lead']}"
            # Only days are known: stories come one minute after the other, those about several companies once.
            at = told.setdefault(text, datetime.combine(day, time(11), tzinfo=UTC) + timedelta(minutes=number % 480))
            source = ExtractionInput(
                doc_id=digest("document", text),
                text=text,
                published_at=at,
                candidates=(Candidate(symbol=row["ticker"], names=(row["company"],), labelled=True),),
            )
            valid = validate_extraction(extractor.extract(source), source)
            values = evidence_values(valid, extraction_id=f"ex-{number}", doc_id=source.doc_id, available_at=at)
            for found in values.evidence:
                kept = {name: value for name, value in found.items() if name != "event_id"}
                yield EvidenceItem(
                    **kept,
                    published_at=at,
                    quote_validity=valid.quote_validity,
                    credibility=Credibility.WIRE,
                    extractor=ExtractorKind.RULES,
                    content_hash=source.doc_id,
                    publisher="Reuters",
                    title=row["headline"],
                    shingles=shingles(text),
                )


def _bars() -> list[KnownBar]:
    found = []
    with gzip.open(shared_data("prices/daily_bars.csv.gz"), "rt", encoding="utf-8", newline="") as file:
        for row in csv.DictReader(file):
            day = date.fromisoformat(row["date"])
            if row["symbol"] in SYMBOLS | {"SPY"} and date(2011, 4, 1) <= day <= LAST:
                prices = {name: Decimal(row[name]) for name in ("open", "high", "low", "close")}
                made = Bar(symbol=row["symbol"], session=day, volume=int(float(row["volume"])), **prices)
                found.append(KnownBar(made, _session(day).closes_at))
    return found


def _session(day: date) -> Session:
    opens, closes = (datetime.combine(day, hour, tzinfo=NEW_YORK).astimezone(UTC) for hour in (time(9, 30), time(16)))
    return Session(date=day, opens_at=opens, closes_at=closes)


def _links() -> dict[str, Any]:
    """Banks compete with each other; how they move together is measured in the middle of it."""
    since, measured = (datetime.combine(day, time(12), tzinfo=UTC) for day in (date(2011, 9, 6), date(2011, 9, 14)))
    others = {bank: [rival for rival in BANKS if rival != bank] for bank in BANKS}
    moves = [(since, CoMovement(rho=0.4, n=12)), (measured, CoMovement(rho=-0.2, n=15))]
    return {
        "links": {bank: {rival: [(since, 0.7)] for rival in rivals} for bank, rivals in others.items()},
        "comovements": {bank: dict.fromkeys(rivals, moves) for bank, rivals in others.items()},
    }


def test_run_when_news_and_prices_are_real_then_every_byte_is_that_of_a_run_with_all_decided() -> None:
    found = _both_ways(LAST)
    assert found.assessed > 350
    assert len(found.decisions) > 20
    assert found.orders


def test_run_when_banks_compete_then_every_byte_is_that_of_a_run_with_all_decided() -> None:
    found = _both_ways(LAST_OF_BANKS, **_links())
    assert found.assessed > 100
    assert found.decisions != _both_ways(LAST_OF_BANKS).decisions


def _both_ways(last: date, **others: Any) -> BacktestState:
    bars = _bars()
    days = sorted({known.bar.session for known in bars})
    data = BacktestData(
        sessions=tuple(_session(day) for day in days if FIRST <= day <= last),
        session_dates=tuple(days),
        evidence=by_symbol(_evidence()),
        bars=series_of(bars_by_symbol(bars), ()),
        actions={},
        **others,
    )
    tier = Tier.AGGRESSIVE
    eager = {
        "recommendation": {
            "buy_score": 0.06,
            "watch_score": 0.04,
            "exit_score": 0.01,
            "edge_over_cost": 0.2,
            "maximum_contradiction": 0.95,
        },
        "limits": {"min_conviction": 0.02},
        "signals": {"kappa": 0.3},
    }
    config = changed(TradingConfig.for_tier(tier), eager)
    request = BacktestRequest(first=FIRST, last=last, config=config, protection=Protection.for_tier(tier))
    found = run_foreseen(data, request)
    assert found.model_dump_json() == run_watched(data, request).model_dump_json()
    print(f"\n{found.assessed} assessed, {len(found.decisions)} changes, {len(found.orders)} orders")
    return found
