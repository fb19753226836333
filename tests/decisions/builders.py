"""Builders with plain defaults, and hypothesis strategies, for the decision tests."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any

from hypothesis import settings
from hypothesis import strategies as st

from domain.decisions import Assessment, EvidenceItem, Holding, MarketWindow, Portfolio
from domain.documents import Credibility
from domain.extraction import EntityRole, EventType, ExtractorKind, Materiality

AS_OF = datetime(2014, 7, 16, 20, 0, tzinfo=UTC)
"""A Wednesday, at the close in New York (16:00 EDT)."""
LAST_SESSION = AS_OF.date()
HOLIDAYS = frozenset(
    {date(2014, 1, 20), date(2014, 2, 17), date(2014, 4, 18), date(2014, 5, 26), date(2014, 7, 4), date(2014, 9, 1)}
)
SESSIONS = tuple(
    day
    for day in (date(2014, 1, 6) + timedelta(days=n) for n in range(276))
    if day.weekday() < 5 and day not in HOLIDAYS
)


def item(name: str = "a", *, minutes_ago: float = 0.0, **changes: Any) -> EvidenceItem:
    """A perfect filing on ACME: subject, high materiality, sentiment 1, available at the as-of instant."""
    at = changes.pop("available_at", AS_OF - timedelta(minutes=minutes_ago))
    values: dict[str, Any] = {
        "evidence_id": f"ev-{name}",
        "doc_id": f"doc-{name}",
        "extraction_id": f"ex-{name}",
        "symbol": "ACME",
        "available_at": at,
        "published_at": at,
        "event_type": EventType.GUIDANCE,
        "role": EntityRole.SUBJECT,
        "materiality": Materiality.HIGH,
        "sentiment": 1.0,
        "confidence": 1.0,
        "quote_validity": 1.0,
        "credibility": Credibility.OFFICIAL,
        "extractor": ExtractorKind.RULES,
        "content_hash": f"hash-{name}",
        "publisher": "wire",
        "title": f"Acme raises guidance ({name})",
        "quote": "Acme raised its full-year guidance",
    }
    return EvidenceItem.model_validate({**values, **changes})


def window(
    closes: list[float] | None = None,
    volumes: list[float] | None = None,
    *,
    symbol: str = "ACME",
    last: date = LAST_SESSION,
) -> MarketWindow:
    """Bars that end with the session `last`; by default 80 of a calm, liquid stock near $50."""
    prices = closes if closes is not None else [50.0 + 0.5 * ((-1) ** n) + 0.02 * n for n in range(80)]
    traded = volumes if volumes is not None else [2_000_000.0 + 1_000.0 * (n % 7) for n in range(len(prices))]
    sessions = [day for day in SESSIONS if day <= last][-len(prices) :] if prices else []
    return MarketWindow(
        symbol=symbol,
        sessions=tuple(day.isoformat() for day in sessions),
        closes=tuple(prices),
        volumes=tuple(traded),
    )


def assessment(symbol: str = "ACME", **changes: Any) -> Assessment:
    values: dict[str, Any] = {
        "symbol": symbol,
        "as_of": AS_OF,
        "company": 0.6,
        "composite": 0.4,
        "confirmation": 0.0,
        "score": 0.4,
        "contradiction": 0.0,
        "effective_documents": 2.0,
        "conviction": 0.4,
        "probability": 0.54,
        "horizon_td": 10.0,
        "window_scores": (0.6, 0.6, 0.6),
        "trend": 0.0,
        "daily_volatility": 0.02,
        "average_dollar_volume": 100_000_000.0,
        "last_close": 50.0,
        "score_nano": 400_000_000,
        "attributions": (),
        "evidence_count": 2,
    }
    return Assessment.model_validate({**values, **changes})


def portfolio(cash: str = "100000", holdings: tuple[Holding, ...] = (), **changes: Any) -> Portfolio:
    equity = Decimal(cash) + sum((holding.market_value for holding in holdings), Decimal(0))
    values: dict[str, Any] = {
        "as_of": AS_OF,
        "cash": Decimal(cash),
        "equity": equity,
        "prior_close_equity": equity,
        "peak_equity": equity,
        "holdings": holdings,
    }
    return Portfolio.model_validate({**values, **changes})


def holding(symbol: str = "ACME", quantity: str = "10", price: str = "50") -> Holding:
    return Holding(symbol=symbol, quantity=Decimal(quantity), average_price=Decimal(price), last_price=Decimal(price))


@st.composite
def evidence_lists(draw: st.DrawFn, *, symbol: str = "ACME", max_size: int = 12) -> list[EvidenceItem]:
    """Evidence of one symbol, some of it from one document, some of it told twice, some from the future."""
    size = draw(st.integers(0, max_size))
    vocabulary = st.sets(st.integers(0, 25), max_size=12)
    return [
        item(
            f"{symbol}{n}",
            symbol=symbol,
            doc_id=f"doc-{symbol}{draw(st.integers(0, n))}",
            minutes_ago=draw(st.integers(-2_000, 100_000)),
            event_type=draw(st.sampled_from(EventType)),
            role=draw(st.sampled_from(EntityRole)),
            materiality=draw(st.sampled_from(Materiality)),
            credibility=draw(st.sampled_from(Credibility)),
            sentiment=draw(st.floats(-1, 1)),
            confidence=draw(st.floats(0, 1)),
            quote_validity=draw(st.floats(0, 1)),
            shingles=tuple(sorted(draw(vocabulary))),
        )
        for n in range(size)
    ]


@st.composite
def windows(draw: st.DrawFn, *, symbol: str = "ACME") -> MarketWindow | None:
    """Random walks of any length, some too short, some without any movement; sometimes no bars at all."""
    if draw(st.booleans()) and draw(st.booleans()):
        return None
    length = draw(st.sampled_from([0, 1, 5, 60, 61, 62, 90]))
    steps = draw(st.lists(st.floats(-0.2, 0.2), min_size=length, max_size=length))
    still = draw(st.booleans()) and draw(st.booleans())
    closes, price = [], draw(st.floats(0.5, 900))
    for step in steps:
        price = price if still else max(0.01, price * (1 + step))
        closes.append(price)
    volumes = draw(st.lists(st.floats(0, 5e7), min_size=length, max_size=length))
    return window(closes, volumes, symbol=symbol)


PROPERTY = settings(deadline=None, max_examples=60, derandomize=True)
"""Settings of every property: reproducible, and not judged by the speed of a shared machine."""
