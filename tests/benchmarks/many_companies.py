"""A market of many companies with news, made from a seed: what benchmarks of the backtest play.

Prices that walk, and documents at random instants: a dozen sites of which few tell most, filings, a crowd; copies of
what others told just before. Half of the events have no sign, as most real news has none; what is said of a company is
good in some months and bad in others.
"""

from __future__ import annotations

import gc
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, date, datetime, time, timedelta

import numpy as np
from numpy.typing import NDArray

from domain.backtest import BacktestRequest
from domain.backtest_data import BacktestData
from domain.bar_series import PackedBars, series_of
from domain.config import TradingConfig
from domain.documents import NEW_YORK, Credibility
from domain.evidence_columns import (
    CLAIM_CODES,
    EVENTS,
    READER_CODES,
    ROLE_CODES,
    TRUST_CODES,
    EvidenceColumns,
    RecordedEvidence,
    Written,
    coded,
    micros_since_1970,
)
from domain.extraction import EntityRole, ExtractorKind, Materiality
from domain.market import Session
from domain.packed_texts import PackedTexts

FIRST = date(2005, 1, 3)
WARM_UP = 75
SITES = (
    *((f"wire{n}", Credibility.WIRE) for n in range(3)),
    *((f"press{n}", Credibility.MAJOR_PRESS) for n in range(4)),
    *((f"trade{n}", Credibility.TRADE_PRESS) for n in range(3)),
    ("aggregator", Credibility.AGGREGATOR),
    ("forum", Credibility.UNKNOWN),
)
LINK = 0.5
"""Strength of a confirmed link."""
FILINGS = 0.05
COPIES = 0.08
ROLES = (EntityRole.SUBJECT, EntityRole.SUBJECT, EntityRole.SUPPLIER, EntityRole.MENTION)
MATERIALITY = (Materiality.LOW, Materiality.MEDIUM, Materiality.HIGH)


@contextmanager
def quiet_collector() -> Iterator[None]:
    """Millions of objects are made that all live on: looking through them again and again would take most of it."""
    gc.disable()
    try:
        yield
    finally:
        gc.freeze()
        gc.enable()


def weekdays(count: int) -> list[date]:
    days = (FIRST + timedelta(days=n) for n in range(2 * count + 20))
    return [day for day in days if day.weekday() < 5][:count]


def market_of(companies: int, sessions: int, documents: int, *, rivals: int = 0, seed: int = 1) -> BacktestData:
    """Make a market.

    Args:
        sessions: bars of each company; all but the first 75 are played.
        documents: of all companies together, over all sessions.
        rivals: confirmed competitors of each company, from before the first session on.
    """
    days = weekdays(sessions + 10)
    played = [_session(day) for day in days[WARM_UP:sessions]]
    names = [f"C{number:04d}" for number in range(companies)]
    with quiet_collector():
        bars = {name: _bars(name, days[:sessions], seed * 10_000 + n) for n, name in enumerate(names)}
        evidence = {
            name: _evidence(name, days[:sessions], documents // companies, seed * 20_000 + n)
            for n, name in enumerate(names)
        }
        return BacktestData(
            sessions=tuple(played),
            session_dates=tuple(days),
            evidence=evidence,
            bars=series_of(bars, ()),
            actions={},
            links=_links(names, rivals, datetime.combine(days[0], time(), tzinfo=UTC)),
        )


def request_for(data: BacktestData, config: TradingConfig | None = None) -> BacktestRequest:
    return BacktestRequest(
        first=data.sessions[0].date, last=data.sessions[-1].date, config=config or TradingConfig(), benchmark="C0000"
    )


def _links(names: list[str], rivals: int, since: datetime) -> dict[str, dict[str, list[tuple[datetime, float | None]]]]:
    """Each company competes with those that follow it."""
    if not rivals:
        return {}
    around = [*names, *names]
    return {
        name: {rival: [(since, LINK)] for rival in around[number + 1 : number + 1 + rivals]}
        for number, name in enumerate(names)
    }


def _session(day: date) -> Session:
    opens = datetime.combine(day, time(9, 30), tzinfo=NEW_YORK).astimezone(UTC)
    return Session(date=day, opens_at=opens, closes_at=opens + timedelta(hours=6.5))


def _bars(name: str, days: list[date], seed: int) -> PackedBars:
    draw = np.random.default_rng(seed)
    size = float(draw.uniform(0.008, 0.025))
    closes = draw.uniform(15, 200) * np.exp(np.cumsum(draw.normal(0.0003, size, len(days))))
    opens = closes * np.exp(draw.normal(0, size / 3, len(days)))
    spread = np.abs(draw.normal(0, size / 2, len(days))) + 0.001
    cents = np.rint(
        100
        * np.stack([opens, np.maximum(opens, closes) * (1 + spread), np.minimum(opens, closes) * (1 - spread), closes])
    ).astype(np.int64)
    cents = np.maximum(cents, [[20], [30], [10], [20]])
    known = [micros_since_1970(datetime.combine(day, time(21), tzinfo=UTC)) for day in days]
    return PackedBars(
        name,
        np.array([day.toordinal() for day in days]),
        np.array(known),
        cents.T.copy(),
        np.full(cents.T.shape, -2, dtype=np.int8),
        (draw.lognormal(14.5, 0.4, len(days))).astype(np.int64),
    )


def _evidence(name: str, days: list[date], count: int, seed: int) -> RecordedEvidence:
    draw = np.random.default_rng(seed)
    begin = datetime.combine(days[0], time(), tzinfo=UTC)
    span = (days[-1] - days[0]).days * 86_400
    seconds = np.sort(draw.integers(0, span, count))
    sites = draw.choice(len(SITES), count, p=_popularity())
    filings, copies = draw.random(count) < FILINGS, draw.random(count) < COPIES
    signs = np.where(draw.random(count) < 0.5, 0.0, np.round(_moods(draw, seconds.tolist()), 2))
    confidence = np.round(draw.uniform(0.5, 1, count), 2)
    events, roles = draw.integers(0, len(EVENTS), count), draw.integers(0, len(ROLES), count)
    materiality = draw.choice(3, count, p=(0.5, 0.4, 0.1))
    words = np.sort(draw.integers(0, 2**62, (count, 6)), axis=1)
    for n in np.flatnonzero(copies[1:]) + 1:
        words[n] = np.sort([*words[n - 1][:5], words[n][5]])
    sites[filings] = len(SITES)
    publishers = [*(site for site, _ in SITES), "regulator"]
    trust = np.array([TRUST_CODES[each] for each in (*(trust for _, trust in SITES), Credibility.OFFICIAL)])
    labels = [f"{name}-{n}" for n in range(count)]
    columns = EvidenceColumns(
        micros=micros_since_1970(begin) + seconds * 1_000_000,
        event=coded(events),
        role=coded(np.array([ROLE_CODES[each] for each in ROLES])[roles]),
        materiality=coded(np.array([CLAIM_CODES[each] for each in MATERIALITY])[materiality]),
        credibility=coded(trust[sites]),
        sentiment=signs,
        confidence=confidence,
        validity=np.ones(count),
        site=sites,
        document=np.arange(count),
        doc_ids=PackedTexts.of(f"document/{label}" for label in labels),
        evidence_ids=PackedTexts.of(f"evidence/{label}" for label in labels),
        shingles=words.ravel(),
        ends=np.arange(1, count + 1) * words.shape[1],
        plain=True,
    )
    written = Written(
        published=columns.micros,
        extractor=np.full(count, READER_CODES[ExtractorKind.RULES], dtype=np.int8),
        extraction_id=PackedTexts.of(f"extraction/{label}" for label in labels),
        content_hash=PackedTexts.of(labels),
        publisher=PackedTexts.of(publishers[site] for site in sites.tolist()),
        site=PackedTexts.of("" for _ in labels),
        title=PackedTexts.of(f"{name} news {n}" for n in range(count)),
        quote=PackedTexts.of("It said so." for _ in labels),
    )
    return RecordedEvidence(name, columns, written)


def _moods(draw: np.random.Generator, seconds: list[int]) -> NDArray[np.float64]:
    """What is said of a company in some months is good, in others bad, and mixed in between."""
    phase, months = draw.uniform(0, 2 * np.pi), draw.uniform(4, 12)
    mood = np.sin(phase + np.array(seconds) * 2 * np.pi / (months * 30 * 86_400))
    return np.clip(mood + draw.normal(0, 0.6, len(seconds)), -1, 1)


def _popularity() -> list[float]:
    weights = [1 / (rank + 1) for rank in range(len(SITES))]
    return [weight / sum(weights) for weight in weights]
