"""A small market with news, and strategies that draw others."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from functools import lru_cache
from typing import Any

from hypothesis import HealthCheck, Phase, given, seed, settings
from hypothesis import strategies as st

from domain.backtest import BacktestRequest, BacktestState
from domain.backtest_data import BacktestData
from domain.bar_series import KnownBar, series_of
from domain.comovement import CoMovement
from domain.config import RecommendationConfig, RiskLimits, SizingConfig, TradingConfig
from domain.costs import CostModel
from domain.decisions import EvidenceItem
from domain.ids import digest
from domain.market import Bar, CorporateAction, Session
from domain.simulation import Simulation
from tests.decisions.builders import SESSIONS, item
from tests.layers.builders import statement

CODE = "test"
WARM_UP = 75
"""Sessions with bars before the first of a period."""
WORLDS = 30
"""Drawn for the properties, each played once."""
OPEN, CLOSE = time(13, 30, tzinfo=UTC), time(20, 0, tzinfo=UTC)
EAGER = TradingConfig(recommendation=RecommendationConfig(edge_over_cost=0.5))
"""Buys on less than by default, so that a small market trades."""


def session(day: date) -> Session:
    return Session(date=day, opens_at=datetime.combine(day, OPEN), closes_at=datetime.combine(day, CLOSE))


def period(days: int) -> tuple[Session, ...]:
    return tuple(session(day) for day in SESSIONS[WARM_UP : WARM_UP + days])


def at(day: int, hour: float = 12.0) -> datetime:
    """An hour of the UTC day of a session of the period; orders are planned at 13:25, the open is at 13:30."""
    return datetime.combine(SESSIONS[WARM_UP + day], time(tzinfo=UTC)) + timedelta(hours=hour)


def bar(symbol: str, day: date, price: float, *, gap: float = 0.0, volume: int = 2_000_000) -> KnownBar:
    """A bar that closes at a price, known at the close."""
    close = Decimal(f"{price:.2f}")
    opened = Decimal(f"{price * (1 + gap):.2f}")
    made = Bar(
        symbol=symbol,
        session=day,
        open=opened,
        high=max(opened, close) + Decimal("0.50"),
        low=min(opened, close) - Decimal("0.50"),
        close=close,
        volume=volume,
    )
    return KnownBar(made, datetime.combine(day, CLOSE))


def walk(
    symbol: str, days: int, *, start: float = 40.0, seed: int = 0, volume: int = 2_000_000, split_on: int | None = None
) -> list[KnownBar]:
    """Rising prices with some movement, from the warm-up to the end of a period; halved from a session on."""
    found, price = [], start
    for number, day in enumerate(SESSIONS[: WARM_UP + days]):
        if split_on is not None and number == WARM_UP + split_on:
            price /= 2
        price *= 1.0 + 0.002 + 0.008 * math.sin(1.7 * number + seed)
        gap = 0.004 * math.cos(2.3 * number + seed)
        found.append(bar(symbol, day, price, gap=gap, volume=volume + 1_000 * ((number * 7 + seed) % 11)))
    return found


def by_symbol(items: Iterable[EvidenceItem]) -> dict[str, list[EvidenceItem]]:
    found: dict[str, list[EvidenceItem]] = {}
    for one in sorted(items, key=lambda one: (one.available_at, one.evidence_id)):
        found.setdefault(one.symbol, []).append(one)
    return dict(sorted(found.items()))


def bars_by_symbol(bars: Iterable[KnownBar]) -> dict[str, list[KnownBar]]:
    found: dict[str, list[KnownBar]] = {}
    for known in bars:
        found.setdefault(known.bar.symbol, []).append(known)
    return found


def data_of(
    days: int,
    *,
    bars: Sequence[KnownBar] = (),
    evidence: Iterable[EvidenceItem] = (),
    actions: Sequence[CorporateAction] = (),
    **others: Any,
) -> BacktestData:
    by_day: dict[date, list[CorporateAction]] = {}
    for action in sorted(actions, key=lambda one: (one.ex_date, one.symbol)):
        by_day.setdefault(action.ex_date, []).append(action)
    values: dict[str, Any] = {
        "sessions": period(days),
        "session_dates": SESSIONS,
        "evidence": by_symbol(evidence),
        "bars": series_of(bars_by_symbol(bars), actions),
        "actions": by_day,
    }
    return BacktestData(**{**values, **others})


def request_for(data: BacktestData, **changes: Any) -> BacktestRequest:
    values: dict[str, Any] = {
        "first": data.sessions[0].date,
        "last": data.sessions[-1].date,
        "config": EAGER,
    }
    return BacktestRequest(**{**values, **changes})


def run(data: BacktestData, request: BacktestRequest | None = None, **options: Any) -> BacktestState:
    return Simulation(data, request or request_for(data), code_version=CODE).run(**options)


def news(symbol: str, when: datetime, name: str = "", **changes: Any) -> EvidenceItem:
    """A strong filing on a company, with words of its own."""
    label = name or f"{symbol}-{when.isoformat()}"
    words = tuple(sorted(int(digest(label, n, length=12), 16) for n in range(6)))
    return item(label, symbol=symbol, available_at=when, **{"shingles": words, **changes})


def market(days: int = 8, symbols: Sequence[str] = ("ACME", "BOLT", "CORE", "DYNE"), **others: Any) -> BacktestData:
    """Four companies of which some are bought, one is sold, one splits, with an economy and competitors."""
    bars = [
        known
        for seed, symbol in enumerate(symbols)
        for known in walk(symbol, days, seed=seed, start=30 + 9 * seed, split_on=3 if symbol == "ACME" else None)
    ]
    evidence = [
        news(symbol, at(day, hour), sentiment=sign, event_type=event)
        for symbol, day, hour, sign, event in _NEWS
        if symbol in symbols and day < days
    ]
    actions = [
        CorporateAction(symbol="ACME", ex_date=SESSIONS[WARM_UP + 3], split_ratio=Decimal(2)),
        CorporateAction(symbol="BOLT", ex_date=SESSIONS[WARM_UP + 4], cash_dividend=Decimal("0.35")),
    ]
    values: dict[str, Any] = {
        "economy": [statement("a", available_at=at(1, 3)), statement("b", available_at=at(4, 3), direction=-1.0)],
        "exposures": {"ACME": [(at(0, 1), {"rates": 0.8})], "EDGE": [(at(2, 1), {"rates": -0.5})]},
        "links": {
            "DYNE": {"ACME": [(at(0, 0), 0.9)], "BOLT": [(at(0, 0), 0.4), (at(5, 1), None)]},
            "EDGE": {"CORE": [(at(0, 0), 0.2), (at(2, 1), 1.0)]},
        },
        "comovements": {
            "DYNE": {"ACME": [(at(1, 1), CoMovement(rho=0.5, n=20)), (at(4, 1), CoMovement(rho=-0.4, n=24))]}
        },
        "taken_back": {"doc-CORE-first": at(5, 3)},
    }
    return data_of(days, bars=bars, evidence=evidence, actions=actions, **{**values, **others})


_NEWS = (
    ("ACME", 0, 2.0, 1.0, "guidance"),
    ("ACME", 0, 3.0, 0.9, "contract"),
    ("BOLT", 0, 4.0, 1.0, "earnings"),
    ("BOLT", 1, 5.0, 0.9, "guidance"),
    ("CORE", 1, 6.0, 0.9, "guidance"),
    ("CORE", 2, 6.0, 0.8, "contract"),
    ("ACME", 4, 7.0, -1.0, "litigation_firm"),
    ("ACME", 4, 8.0, -1.0, "guidance"),
    ("ACME", 4, 9.0, -1.0, "earnings"),
    ("DYNE", 5, 9.0, 1.0, "guidance"),
    ("BOLT", 6, 9.0, -0.4, "earnings"),
)


# -- any world --------------------------------------------------------------------------------------------------------

SPENDING = TradingConfig(
    recommendation=EAGER.recommendation,
    sizing=SizingConfig(
        cash_floor=Decimal(0), gross_cap=Decimal(1), name_cap=Decimal("0.5"), volatility_target=Decimal(1)
    ),
    limits=RiskLimits(
        cash_floor=Decimal(0),
        gross_cap=Decimal(1),
        name_cap=Decimal("0.5"),
        max_adv_share=Decimal(1),
        daily_loss=Decimal(1),
        drawdown=Decimal(1),
    ),
)
"""Spends all cash, in up to two names."""
COSTS = (
    CostModel(),
    CostModel.none(),
    CostModel(half_spread_bp=30.0, impact=2.0, fee_bp=3.0, fee_per_share=Decimal("0.013"), participation=0.05),
)
NAMES = ("ACME", "BOLT", "CORE")


@dataclass(frozen=True)
class World:
    """What a market and a request are made from; every table is by symbol and session of the period."""

    days: int
    gaps: tuple[tuple[float, ...], ...]
    volumes: tuple[tuple[int | None, ...], ...]
    """None: no bar."""
    told: tuple[tuple[int, int, float, float], ...]
    """Symbol, session, hour and sentiment of news."""
    splits: tuple[tuple[int, int, str], ...]
    dividends: tuple[tuple[int, int, str], ...]
    members: tuple[tuple[int, int], ...]
    """Sessions from which and up to which a symbol is in the universe."""
    spending: bool
    fractional: bool
    costs: int
    opening: str

    def build(self) -> tuple[BacktestData, BacktestRequest]:
        days = SESSIONS[WARM_UP : WARM_UP + self.days]
        bars = []
        for number, symbol in enumerate(NAMES):
            known = walk(symbol, 0, seed=number, start=30 + 9 * number, volume=20_000_000)
            bars += known
            price = float(known[-1].bar.close)
            for day, gap, volume in zip(days, self.gaps[number], self.volumes[number], strict=False):
                for _, on, ratio in (one for one in self.splits if one[0] == number):
                    price = price / float(ratio) if days[on] == day else price
                price *= 1 + gap / 3
                if volume is not None:
                    bars.append(bar(symbol, day, price, gap=gap, volume=volume))
        actions: dict[tuple[int, int], CorporateAction] = {}
        for number, on, ratio in self.splits:
            actions[number, on] = CorporateAction(symbol=NAMES[number], ex_date=days[on], split_ratio=Decimal(ratio))
        for number, on, cash in self.dividends:
            paid = CorporateAction(symbol=NAMES[number], ex_date=days[on], cash_dividend=Decimal(cash))
            actions[number, on] = actions[number, on].with_also(paid) if (number, on) in actions else paid
        config = SPENDING if self.spending else EAGER
        sizing = config.sizing.model_copy(update={"fractional": self.fractional})
        data = data_of(
            self.days,
            bars=bars,
            evidence=[
                news(NAMES[number], at(on, hour), f"n{nth}", sentiment=sentiment)
                for nth, (number, on, hour, sentiment) in enumerate(self.told)
            ],
            actions=list(actions.values()),
            members={
                symbol: [(days[first], days[last])] for symbol, (first, last) in zip(NAMES, self.members, strict=True)
            },
        )
        request = request_for(
            data,
            config=config.model_copy(update={"sizing": sizing}),
            costs=COSTS[self.costs],
            opening_cash=Decimal(self.opening),
        )
        return data, request


@st.composite
def worlds(draw: st.DrawFn) -> World:
    """Markets in which something is bought nearly always, with gaps, holes, thin days, splits and dividends."""
    days = draw(st.integers(4, 7))
    session_of = st.integers(0, days - 1)
    symbol_of = st.integers(0, len(NAMES) - 1)
    gap = st.one_of(st.just(0.0), st.sampled_from((0.03, -0.03, 0.01, -0.12, 0.2)))
    volume = st.sampled_from((20_000_000, 20_000_000, 3_000, 700, 15, 0, None))
    opening_news = [(number, 0, 1.0 + number, 1.0) for number in draw(st.sets(symbol_of, min_size=2))]
    later_news = draw(
        st.lists(
            st.tuples(symbol_of, session_of, st.floats(0, 23), st.sampled_from((-1.0, -0.6, 0.5, 1.0))), max_size=8
        )
    )
    ratios = st.sampled_from(("2", "3", "0.1", "1.5", "0.33"))
    cash = st.sampled_from(("0.35", "0.123456", "4"))
    spans = st.tuples(session_of, session_of).map(lambda both: (min(both), max(both)))
    whole = st.just((0, days - 1))

    def once_a_day(amounts: st.SearchStrategy[str]) -> st.SearchStrategy[list[tuple[int, int, str]]]:
        return st.lists(st.tuples(symbol_of, session_of, amounts), max_size=3, unique_by=lambda one: one[:2])

    jump = draw(st.sampled_from((0.0, 0.04, 0.1)))  # all opens of the first session, which takes more cash than planned
    return World(
        days=days,
        gaps=tuple((jump, *(draw(gap) for _ in range(days - 1))) for _ in NAMES),
        volumes=tuple(tuple(draw(volume) for _ in range(days)) for _ in NAMES),
        told=(*opening_news, *later_news),
        splits=tuple(
            draw(st.lists(st.tuples(symbol_of, session_of, ratios), max_size=3, unique_by=lambda one: one[:2]))
        ),
        dividends=tuple(
            draw(st.lists(st.tuples(symbol_of, session_of, cash), max_size=3, unique_by=lambda one: one[:2]))
        ),
        members=tuple(draw(st.one_of(whole, whole, whole, spans)) for _ in NAMES),
        spending=draw(st.sampled_from((True, True, False))),
        fractional=draw(st.booleans()),
        costs=draw(st.sampled_from(range(len(COSTS)))),
        opening=draw(st.sampled_from(("100000", "25000.01", "1000000000000"))),
    )


@lru_cache(maxsize=200)
def played(world: World) -> tuple[BacktestData, BacktestRequest, tuple[BacktestState, ...]]:
    """A world's run with its states after 0, 1, 2 ... sessions; kept, as all properties are of the same worlds."""
    data, request = world.build()
    simulation = Simulation(data, request, code_version=CODE)
    return data, request, tuple(simulation.run(until=done) for done in range(world.days + 1))


def in_any_world(test: Callable[..., None]) -> Callable[..., None]:
    """Make a test a property of the same few dozen worlds as its neighbours, so that each is played once."""
    same = settings(
        deadline=None,
        max_examples=WORLDS,
        database=None,
        phases=[Phase.generate],
        suppress_health_check=[HealthCheck.too_slow],
    )
    return seed(20140716)(same(given(worlds())(test)))
