"""Markets drawn at random with everything that can happen in one, and a run through each of the two ways to decide."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from random import Random
from typing import Any

from domain.backtest import BacktestRequest, BacktestState
from domain.backtest_data import BacktestData
from domain.bar_series import KnownBar, series_of
from domain.config import (
    ConfirmationConfig,
    RecommendationConfig,
    RiskLimits,
    SignalConfig,
    SizingConfig,
    Tier,
    TradingConfig,
)
from domain.costs import CostModel
from domain.decisions import EvidenceItem
from domain.documents import Credibility
from domain.entries import KnownReport
from domain.extraction import EntityRole, EventType, Materiality
from domain.macro_items import MacroItem
from domain.market import Bar, CorporateAction, Session
from domain.protection import Protection
from domain.registry import MacroFactor
from domain.simulation import Simulation
from tests.decisions.builders import SESSIONS, item
from tests.layers.builders import statement

from .builders import bars_by_symbol

NAMES = ("ACME", "BOLT", "CORE", "DYNE", "EDGE")
SUMMER = date(2014, 3, 9)
"""First day on which New York opens at 13:30 UTC."""
HALF_DAY = date(2014, 7, 3)
SITES = ("alpha", "beta", "gamma", "delta", "blog", "forum", "board")
CLASSES = (
    Credibility.OFFICIAL,
    Credibility.WIRE,
    Credibility.WIRE,
    Credibility.MAJOR_PRESS,
    Credibility.TRADE_PRESS,
    Credibility.AGGREGATOR,
    Credibility.UNKNOWN,
    Credibility.SOCIAL,
)
CODE = "test"


def session_of(day: date) -> Session:
    opens = time(13, 30) if day >= SUMMER else time(14, 30)
    closes = time(17) if day == HALF_DAY else time(20) if day >= SUMMER else time(21)
    return Session(
        date=day,
        opens_at=datetime.combine(day, opens, tzinfo=UTC),
        closes_at=datetime.combine(day, closes, tzinfo=UTC),
    )


class AnyMarket:
    """A market that a seed determines."""

    def __init__(self, seed: int, *, days: int = 0) -> None:
        self._random = Random(seed)
        draw = self._random
        self.start = draw.choice((0, 30, 38, 61, 75, 75, 100, 125))
        self.days = days or draw.choice((3, 6, 12, 25))
        self.names = NAMES[: draw.randint(1, len(NAMES))]
        self.period = SESSIONS[self.start : self.start + self.days]
        self.calm = draw.random() < 0.5
        self._documents: list[str] = []

    def build(self) -> tuple[BacktestData, BacktestRequest]:
        evidence = {name: self._evidence(name) for name in self.names}
        actions = self._actions()
        by_day: dict[date, list[CorporateAction]] = {}
        for action in sorted(actions, key=lambda one: (one.ex_date, one.symbol)):
            by_day.setdefault(action.ex_date, []).append(action)
        bars = [known for name in self.names if not self._chance(0.05) for known in self._bars(name)]
        data = BacktestData(
            sessions=tuple(session_of(day) for day in self.period),
            session_dates=SESSIONS,
            evidence={name: items for name, items in evidence.items() if items},
            bars=series_of(bars_by_symbol(bars), actions),
            actions=by_day,
            taken_back=self._taken_back(),
            economy=self._economy(),
            exposures=self._exposures(),
            links=self._links(),
            members=self._members(),
            reports=self._reports(),
            sectors={name: self._random.choice(("tech", "banks")) for name in self.names if self._chance(0.5)},
        )
        return data, self._request()

    def _chance(self, probability: float) -> bool:
        return self._random.random() < probability

    # -- what is told -------------------------------------------------------------------------------------------------

    def _instant(self) -> datetime:
        draw = self._random
        day = self.period[0] + timedelta(days=draw.randint(-50, (self.period[-1] - self.period[0]).days + 1))
        opens = session_of(day).opens_at
        exact = (
            opens,
            opens - timedelta(minutes=5),
            opens - timedelta(minutes=5, microseconds=-1),
            datetime.combine(day, time(13, 30), tzinfo=UTC),
            datetime.combine(day, time(21), tzinfo=UTC),
            datetime.combine(day, time(), tzinfo=UTC),
        )
        return draw.choice(exact) if self._chance(0.3) else opens + timedelta(seconds=draw.randint(-50_000, 30_000))

    def _evidence(self, name: str) -> list[EvidenceItem]:
        draw, found = self._random, []
        lean = draw.choice((1.0, 1.0, 1.0, 0.5, -1.0))
        for number in range(draw.choice((0, 3, 8, 20, 40))):
            made = self._statement(name, f"{name}{number}", lean)
            found.append(made)
            if self._chance(0.15):  # another event in the same document, read at once or later
                later = timedelta(hours=draw.choice((0, 0, 30)))
                found.append(
                    made.model_copy(
                        update={
                            "evidence_id": f"{made.evidence_id}-2",
                            "available_at": made.available_at + later,
                            "event_type": draw.choice(tuple(EventType)),
                            "sentiment": draw.choice((-1.0, 0.3, 1.0)),
                        }
                    )
                )
            if self._chance(0.01):
                found.append(made)
        return sorted(found, key=lambda one: (one.available_at, one.evidence_id))

    def _statement(self, name: str, label: str, lean: float) -> EvidenceItem:
        draw = self._random
        credibility = draw.choice(CLASSES)
        when = self._instant()
        story = draw.randint(0, 5)
        own = tuple(draw.randint(100, 10**9) for _ in range(4))
        texts = ((), own, own, own, self._words(story, 0), self._words(story, draw.randint(0, 3)))
        self._documents.append(f"doc-{label}")
        return item(
            label,
            symbol=name,
            available_at=when,
            published_at=when - timedelta(minutes=3),
            credibility=credibility,
            publisher=draw.choice(SITES),
            site=draw.choice(("", *SITES)),
            event_type=draw.choice((EventType.GUIDANCE, EventType.EARNINGS, EventType.CONTRACT, EventType.RUMOUR)),
            role=draw.choice((EntityRole.SUBJECT, EntityRole.SUBJECT, EntityRole.MENTION)),
            materiality=draw.choice((Materiality.HIGH, Materiality.HIGH, Materiality.MEDIUM, Materiality.LOW)),
            sentiment=draw.choice((lean, lean, lean, lean, lean, 1.0, 0.4, 0.0, -0.3, -1.0)),
            confidence=draw.choice((1.0, 0.9, 0.6)),
            quote_validity=draw.choice((1.0, 1.0, 0.5)),
            shingles=tuple(sorted(set(draw.choice(texts)))),
        )

    def _words(self, story: int, changed: int) -> tuple[int, ...]:
        kept = range(1_000 * story, 1_000 * story + 8 - changed)
        return (*kept, *(self._random.randint(10**6, 10**9) for _ in range(changed)))

    def _taken_back(self) -> dict[str, datetime]:
        return {document: self._instant() for document in self._documents if self._chance(0.1)}

    def _economy(self) -> list[MacroItem]:
        if self._chance(0.5):
            return []
        found = [
            statement(
                f"m{number}",
                available_at=self._instant(),
                direction=self._random.choice((-1.0, 0.5, 1.0)),
                factor=self._random.choice((MacroFactor.RATES, MacroFactor.USD)),
            )
            for number in range(self._random.randint(1, 8))
        ]
        return sorted(found, key=lambda one: (one.available_at, one.macro_event_id))

    def _exposures(self) -> dict[str, list[tuple[datetime, dict[str, float]]]]:
        found = {}
        for name in NAMES:
            if self._chance(0.3):
                whens = sorted(self._instant() for _ in range(self._random.randint(1, 2)))
                found[name] = [(when, {"rates": self._random.uniform(-1, 1), "usd": 0.7}) for when in whens]
        return found

    def _links(self) -> dict[str, dict[str, list[tuple[datetime, float | None]]]]:
        if self._chance(0.75):
            return {}
        history = [(when, self._random.choice((0.8, 0.3, None))) for when in sorted((self._instant(), self._instant()))]
        return {self._random.choice(NAMES): {self._random.choice(self.names): history}}

    # -- the market ---------------------------------------------------------------------------------------------------

    def _bars(self, name: str) -> list[KnownBar]:
        draw = self._random
        price = draw.choice((5.02, 20.0, 60.0, 60.0, 300.0))
        volume = draw.choice((20_000_000, 20_000_000, 1_000_000, 40_000))
        ends = self.start + self.days + 5
        if self._chance(0.2):
            ends = self.start + draw.randint(0, self.days)
        steady, drift = self._chance(0.1), draw.choice((0.0, 0.004, -0.004))
        late = self._chance(0.1)
        found = []
        for number in range(draw.choice((0, 0, 0, 12)), ends):
            day = SESSIONS[number]
            if not steady:
                price = max(0.5, price * (1 + drift + draw.gauss(0, 0.012)))
            if self._chance(0.02):
                continue
            opened = Decimal(f"{max(0.5, price * (1 + draw.choice((0.0, 0.0, 0.03, -0.1)))):.2f}")
            close = Decimal(f"{price:.2f}")
            made = Bar(
                symbol=name,
                session=day,
                open=opened,
                high=max(opened, close) + Decimal("0.40"),
                low=min(opened, close) - Decimal("0.20"),
                close=close,
                volume=volume if steady or self._chance(0.03) else int(volume * draw.choice((0.8, 1.0, 1.3, 2.0))),
            )
            delay = timedelta(hours=draw.choice((0, 20, 70))) if late and self._chance(0.2) else timedelta()
            found.append(KnownBar(made, session_of(day).closes_at + delay))
        return found

    def _actions(self) -> list[CorporateAction]:
        found: dict[tuple[str, date], CorporateAction] = {}
        for name in self.names:
            for _ in range(self._random.choice((0, 0, 1, 2))):
                day = SESSIONS[self.start + self._random.randint(-8, self.days + 2) if self.start > 10 else self.start]
                action = CorporateAction(
                    symbol=name,
                    ex_date=day,
                    split_ratio=Decimal(self._random.choice(("1", "2", "3", "0.1"))),
                    cash_dividend=Decimal(self._random.choice(("0", "0.35"))),
                )
                if action.split_ratio != 1 or action.cash_dividend:
                    found[name, day] = action
        return list(found.values())

    def _members(self) -> dict[str, list[tuple[date, date | None]]]:
        return {
            name: [(self._random.choice(self.period), self._random.choice((None, self.period[-1])))]
            for name in self.names
            if self._chance(0.1)
        }

    def _reports(self) -> dict[str, list[KnownReport]]:
        return {
            name: [
                KnownReport(
                    day=self._random.choice(SESSIONS[max(0, self.start - 70) : self.start + self.days + 5]),
                    made=self._chance(0.5),
                    since=self._instant(),
                    until=self._random.choice((None, self.period[-1])) and session_of(self.period[-1]).opens_at,
                )
            ]
            for name in self.names
            if self._chance(0.15)
        }

    # -- what is asked ------------------------------------------------------------------------------------------------

    def _request(self) -> BacktestRequest:
        draw = self._random
        return BacktestRequest(
            first=self.period[0],
            last=self.period[-1],
            config=self._config(),
            costs=draw.choice(
                (CostModel(), CostModel.none(), CostModel(fee_per_share=Decimal("0.01"), participation=0.02))
            ),
            opening_cash=draw.choice((Decimal(100_000), Decimal("25000.01"), Decimal(10**9))),
            protection=draw.choice((None, None, Protection(), Protection.for_tier(Tier.AGGRESSIVE))),
            benchmark=draw.choice(("SPY", self.names[0])),
        )

    def _config(self) -> TradingConfig:
        draw = self._random
        signals: dict[str, Any] = {"kappa": draw.choice((0.1, 0.1, 0.3, 1.0))}
        for changes in (
            {"windows": draw.choice(((0.5, 3.0, 12.0), (1.0, 7.0, 45.0), (2.0, 2.0, 2.0)))},
            {"lookback_days": draw.choice((5, 20, 129, 200))},
            {"novelty_window_days": draw.choice((1.0, 3.5, 30.0)), "novelty_documents": draw.choice((1, 2))},
            {"site_share": draw.choice((0.15, 0.7)), "document_share": draw.choice((0.2, 0.8))},
            {"crowd_credibility": draw.choice((0.0, 0.95))},
            {"negative_half_life": 1.0},
            {"macro_enabled": False, "competitive_enabled": False},
            {"confirmation": ConfirmationConfig(volatility_sessions=20, burst_sessions=5, liquidity_sessions=70)},
            {"session_opens_minute": 0, "session_closes_minute": 1440},
        ):
            if self._chance(0.12):
                signals |= changes
        rules: dict[str, Any] = {"edge_over_cost": draw.choice((0.05, 0.05, 0.5, 1.5))}
        if self._chance(0.6):
            rules |= {"buy_score": 0.16, "maximum_contradiction": 0.9}
        if self._chance(0.2):
            rules |= {"exit_score": draw.choice((-0.1, 0.0, 0.1)), "minimum_hold_sessions": draw.choice((0, 3))}
        if self._chance(0.2):
            rules |= {"cool_down_sessions": draw.choice((0, 6)), "watch_score": 0.16}
        limits = RiskLimits(
            min_price=draw.choice((Decimal(5), Decimal(0))), min_conviction=draw.choice((0.25, 0.1, 0.1))
        )
        base = TradingConfig(
            signals=SignalConfig(**signals),
            recommendation=RecommendationConfig(**rules),
            limits=limits,
            sizing=SizingConfig(
                fractional=self._chance(0.3),
                rebalance_band=draw.choice((Decimal("0.25"), Decimal(0))),
                volatility_target=draw.choice((Decimal("0.1"), Decimal(1))),
            ),
        )
        if self._chance(0.15):
            preset = TradingConfig.for_tier(Tier.AGGRESSIVE)
            return base.model_copy(update={"tier": preset.tier, "sizing": preset.sizing, "limits": preset.limits})
        return base


def run_foreseen(data: BacktestData, request: BacktestRequest, *, stop: int | None = None) -> BacktestState:
    """As users run it; with a stop, the state goes through JSON there."""
    state = None
    if stop is not None:
        state = Simulation(data, request, code_version=CODE).run(stop)
        state = BacktestState.model_validate_json(state.model_dump_json())
    return Simulation(data, request, code_version=CODE, state=state).run()


def run_watched(
    data: BacktestData, request: BacktestRequest, watch: Callable[..., None] = lambda *_: None
) -> BacktestState:
    """With everything decided in full, because somebody is shown all of it."""
    return Simulation(data, request, code_version=CODE, observe=watch).run()
