"""How far a document may move a symbol's score, and how far evidence does move it."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, date, datetime, timedelta

from domain.config import TradingConfig
from domain.decisions import Action, Assessment, EvidenceItem, MarketWindow, PositionView
from domain.documents import Credibility
from domain.extraction import EntityRole, EventType, ExtractorKind, Materiality
from domain.novelty import shingles
from domain.recommendation import recommend
from domain.signals import assess

AS_OF = datetime(2024, 5, 13, 20, 0, tzinfo=UTC)
"""A Monday, at the close."""
SESSIONS = tuple(day for day in (date(2024, 1, 2) + timedelta(days=n) for n in range(150)) if day.weekday() < 5)
CONFIG = TradingConfig()
ROUNDING = 1e-9


def cap(credibility: Credibility, config: TradingConfig = CONFIG) -> float:
    """The most by which one document of a source may move a score: fully relevant, material, new and sure."""
    signals = config.signals
    weight = signals.credibility[credibility]
    return signals.company_weight * weight / (signals.kappa + weight) * (1.0 + signals.confirmation.strength)


def score(evidence: Sequence[EvidenceItem], symbol: str, market: MarketWindow | None) -> float:
    return _assessed(evidence, symbol, market, CONFIG).score


def action(
    evidence: Sequence[EvidenceItem], symbol: str, market: MarketWindow | None, config: TradingConfig = CONFIG
) -> Action:
    """What would be done by somebody who does not hold the symbol."""
    assessment = _assessed(evidence, symbol, market, config)
    recommendation, _ = recommend(
        assessment,
        previous=Action.NONE,
        position=PositionView(),
        config=config,
        evidence=evidence,
        market=market,
        code_version="redteam",
        session_dates=SESSIONS,
    )
    return recommendation.action


def _assessed(
    evidence: Sequence[EvidenceItem], symbol: str, market: MarketWindow | None, config: TradingConfig
) -> Assessment:
    return assess(evidence, as_of=AS_OF, session_dates=SESSIONS, market=market, config=config, symbol=symbol)


def trending(symbol: str, daily: float, *, lively: bool = True) -> MarketWindow:
    """Eighty liquid sessions that rise or fall.

    A lively market makes a purchase worth its cost; a calm one confirms as strongly as a market can.
    """
    noise = 0.012 if lively else 0.002
    days = [day for day in SESSIONS if day < AS_OF.date()][-80:]
    closes = [50.0 * (1.0 + daily) ** n * (1.0 + noise * (-1) ** n) for n in range(len(days))]
    volumes = [3_000_000.0 + 50_000.0 * (n % 7) for n in range(len(days) - 1)] + [6_000_000.0]
    sessions = tuple(day.isoformat() for day in days)
    return MarketWindow(symbol=symbol, sessions=sessions, closes=tuple(closes), volumes=tuple(volumes))


def background(symbol: str, mood: float) -> list[EvidenceItem]:
    """What honest sources told of the symbol in the last fortnight, mostly in one mood."""
    told = (
        ("quarter", 3, Credibility.WIRE, EventType.EARNINGS, Materiality.HIGH, 0.6),
        ("rating", 6, Credibility.MAJOR_PRESS, EventType.ANALYST_ACTION, Materiality.MEDIUM, 0.4),
        ("filing", 20, Credibility.OFFICIAL, EventType.GUIDANCE, Materiality.MEDIUM, 0.5),
        ("strike", 100, Credibility.TRADE_PRESS, EventType.LABOUR, Materiality.MEDIUM, -0.3),
        ("contract", 240, Credibility.WIRE, EventType.CONTRACT, Materiality.MEDIUM, 0.3),
    )
    return [
        EvidenceItem(
            evidence_id=f"honest-{name}",
            doc_id=f"honest-{name}",
            extraction_id="honest",
            symbol=symbol,
            available_at=AS_OF - timedelta(hours=hours),
            published_at=AS_OF - timedelta(hours=hours),
            event_type=kind,
            role=EntityRole.SUBJECT,
            materiality=materiality,
            sentiment=sentiment * mood,
            confidence=0.8,
            quote_validity=1.0,
            credibility=credibility,
            extractor=ExtractorKind.RULES,
            content_hash=name,
            publisher=f"{name}.example",
            shingles=shingles(f"an honest story about the {name} of {symbol} told {hours} hours ago by a reporter"),
        )
        for name, hours, credibility, kind, materiality, sentiment in told
    ]
