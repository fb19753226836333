"""Reports of backtests: of runs that were really simulated, and of any size and shape without one."""

from __future__ import annotations

import random
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from typing import Any

from domain.backtest import (
    BacktestRequest,
    DecisionEntry,
    FillEntry,
    OrderEnd,
    OrderEntry,
    TradeEntry,
)
from domain.backtest_data import BacktestData
from domain.backtest_report import (
    BacktestReport,
    Contamination,
    CostBreakdown,
    LayerResult,
    Track,
    compose,
    returns_of,
)
from domain.bar_series import KnownBar, series_of
from domain.config import TradingConfig
from domain.decisions import Action, EvidenceItem, Layer, Side
from domain.extraction import ExtractorKind
from domain.market import Bar, Session
from domain.metrics import measure
from domain.overfitting import Trials
from domain.simulation import Simulation
from tests.backtests.builders import bars_by_symbol
from tests.decisions.builders import SESSIONS, item

FIRST, LAST = date(2014, 7, 1), date(2014, 8, 29)
CUTOFF = date(2014, 7, 31)
HOSTILE = "</script><script>alert(1)</script><img src=x onerror=alert(2)>\"'&{{plotly}}\u202e\x00\ud800<!--"
"""What breaks out of markup, of JSON in markup, of a template, and of UTF-8."""


def simulated(
    *,
    symbols: tuple[str, ...] = ("ACME", "BOLT"),
    benchmark: str = "SPY",
    text: str = "Acme raises guidance",
    extractor: ExtractorKind = ExtractorKind.RULES,
    told: bool = True,
    **changes: Any,
) -> BacktestReport:
    """Run a small book: calm, liquid, rising companies, of which good news is told at times."""
    days = [day for day in SESSIONS if FIRST <= day <= LAST]
    bars = [known for symbol in (*symbols, "SPY") for known in _bars(symbol)]
    evidence = {symbol: _news(symbol, days, text, extractor) for symbol in symbols if told}
    data = BacktestData(
        sessions=tuple(_session(day) for day in days),
        session_dates=SESSIONS,
        evidence=evidence,
        bars=series_of(bars_by_symbol(bars), []),
        actions={},
    )
    request = BacktestRequest(
        name="July and August", first=FIRST, last=LAST, config=TradingConfig(), benchmark=benchmark
    ).model_copy(update=changes)
    state = Simulation(data, request, code_version="1.2.3").run()
    rules = {
        symbol: [one for one in items if one.extractor is ExtractorKind.RULES] for symbol, items in evidence.items()
    }
    alone = BacktestData(sessions=data.sessions, session_dates=SESSIONS, evidence=rules, bars=data.bars, actions={})
    control = Simulation(alone, request, code_version="1.2.3").run() if extractor is not ExtractorKind.RULES else None
    return compose(
        state,
        data,
        request,
        backtest_id="bt-1",
        code_version="1.2.3",
        data_version="data-7",
        control=control,
        trials=Trials(count=12, sharpe_variance=0.004, overfitting_probability=0.4),
        warnings=["Two symbols had no bar on one day."],
    )


def _session(day: date) -> Session:
    return Session(
        date=day,
        opens_at=datetime.combine(day, time(13, 30), UTC),
        closes_at=datetime.combine(day, time(20), UTC),
    )


def _bars(symbol: str) -> list[KnownBar]:
    moves = random.Random(symbol)
    price, found = 50.0, []
    for day in SESSIONS:
        start = price
        price *= 1 + moves.gauss(0.0008, 0.012)
        low, high = min(start, price) * 0.998, max(start, price) * 1.002
        values = [Decimal(f"{value:.2f}") for value in (start, high, low, price)]
        bar = Bar(
            symbol=symbol,
            session=day,
            open=values[0],
            high=max(values),
            low=min(values),
            close=values[3],
            volume=2_000_000,
        )
        found.append(KnownBar(bar=bar, available_at=datetime.combine(day, time(20, 15), UTC)))
    return found


def _news(symbol: str, days: list[date], text: str, extractor: ExtractorKind) -> list[EvidenceItem]:
    offset = len(symbol) % 3
    return [
        item(
            f"{symbol}-{number}",
            symbol=symbol,
            available_at=datetime.combine(day, time(15), UTC),
            sentiment=1.0 if number % 3 < 2 else -1.0,
            title=text,
            quote=text,
            publisher=text[:20],
            extractor=extractor if number % 2 else ExtractorKind.RULES,
        )
        for number, day in enumerate(days[offset::7])
    ]


def drawn(
    sessions: int = 60,
    trades: int = 20,
    *,
    seed: int = 1,
    drift: float = 0.0004,
    swing: float = 0.009,
    text: str = "exit score",
    cutoff: int | None = None,
    models: bool = False,
    **changes: Any,
) -> BacktestReport:
    """A report of any size, whose series and lists have nothing to do with each other.

    Args:
        cutoff: the last session, by its place, that the model's training saw.
    """
    chance = random.Random(seed)
    days = _weekdays(sessions)
    strategy = _walk(chance, sessions, drift, swing)
    control = _walk(chance, sessions, drift / 2, swing)
    spy = _walk(chance, sessions, drift, swing)
    entries = tuple(_trade(chance, days, number, text) for number in range(trades)) if days else ()
    index = returns_of(spy)
    first = 0 if cutoff is None else cutoff + 1
    request = BacktestRequest(
        name="Drawn",
        first=days[0] if days else FIRST,
        last=days[-1] if days else FIRST,
        config=TradingConfig(),
        model_cutoff=days[cutoff] if cutoff is not None else None,
    )
    values: dict[str, Any] = {
        "backtest_id": "bt-2",
        "request": request,
        "code_version": "1.2.3",
        "config_version": request.config.version(),
        "data_version": "data-8",
        "sessions": days,
        "strategy": _track("strategy", strategy, index, trades=Trials(count=5, sharpe_variance=0.002)),
        "out_of_sample": measure(returns_of(strategy[first:])) if models and cutoff is not None else None,
        "benchmarks": (
            Track(name="SPY", equity=spy, metrics=measure(index), note="without dividends: the book has none of it"),
        ),
        "control": _track("rules alone", control, index) if models else None,
        "costs": CostBreakdown(
            spread=Decimal("812.50"), impact=Decimal("431.25"), fees=Decimal("12"), traded=Decimal(3_250_000)
        ),
        "layers": tuple(
            LayerResult(layer=layer, result=Decimal(amount))
            for layer, amount in zip(Layer, (5200, -830, 410, -1200), strict=True)
        ),
        "trades": entries,
        "orders": tuple(_order(chance, days, number, text) for number in range(trades)) if days else (),
        "decisions": tuple(_decision(chance, days, number, text) for number in range(trades)) if days else (),
        "cash": tuple(amount / 2 for amount in strategy[1:]),
        "gross": tuple(amount * Decimal(f"{chance.uniform(0.2, 0.8):.4f}") for amount in strategy[1:]),
        "positions": tuple(chance.randrange(0, 12) for _ in days),
        "assessed": sessions * 40,
        "evidence": 900,
        "symbols": 40,
        "contamination": Contamination(
            evidence=900, by_models=300 if models else 0, in_sample=100, cutoff=None, verdict="The verdict on models."
        ),
    }
    return BacktestReport.model_validate({**values, **changes})


def _weekdays(count: int) -> tuple[date, ...]:
    days = (date(2014, 7, 1) + timedelta(days=number) for number in range(2 * count + 7))
    return tuple(day for day in days if day.weekday() < 5)[:count]


def _walk(chance: random.Random, sessions: int, drift: float, swing: float) -> tuple[Decimal, ...]:
    worth = [100_000.0]
    for _ in range(sessions):
        worth.append(max(0.01, worth[-1] * (1 + max(-0.999, chance.gauss(drift, swing)))))
    return tuple(Decimal(f"{amount:.6f}") for amount in worth)


def _track(name: str, equity: tuple[Decimal, ...], index: list[float], trades: Trials | None = None) -> Track:
    held = [float(amount) for amount in equity[1:]]
    metrics = measure(
        returns_of(equity),
        benchmark=index,
        equity=held,
        traded=[amount * 0.04 for amount in held],
        gross=[amount * 0.5 for amount in held],
        trials=trades,
    )
    return Track(name=name, equity=equity, metrics=metrics)


def _trade(chance: random.Random, days: tuple[date, ...], number: int, text: str) -> TradeEntry:
    opened = chance.randrange(len(days))
    closed = opened + chance.randrange(1, 30)
    cost = Decimal(f"{chance.uniform(800, 9000):.2f}")
    worth = (cost * Decimal(f"{1 + chance.gauss(0.006, 0.05):.4f}")).quantize(Decimal("0.01"))
    ended = closed < len(days)
    return TradeEntry(
        symbol=f"SYM{number % 37}",
        opened=days[opened],
        closed=days[closed] if ended else None,
        quantity=Decimal(chance.randrange(1, 400)),
        cost=cost,
        proceeds=worth if ended else Decimal(0),
        dividends=Decimal("12.34") if number % 5 == 0 and ended else Decimal(0),
        open_value=Decimal(0) if ended else worth,
        layers={Layer.COMPANY: 310_000_000, Layer.MACRO: -20_000_000, Layer.MARKET: 55_000_000},
        reason=text if ended else "",
    )


def _order(chance: random.Random, days: tuple[date, ...], number: int, text: str) -> OrderEntry:
    day = days[chance.randrange(len(days))]
    quantity = Decimal(chance.randrange(1, 300))
    end = list(OrderEnd)[number % 4]
    fill = FillEntry(
        at=datetime.combine(day, time(13, 30), UTC),
        session=day,
        quantity=quantity,
        price=Decimal("51.234500"),
        spread=Decimal("0.5"),
        impact=Decimal("0.25"),
    )
    return OrderEntry(
        intent_id=f"intent-{number}",
        recommendation_id=f"rec-{number}",
        as_of=datetime.combine(day, time(13, 25), UTC),
        symbol=f"SYM{number % 37}",
        side=Side.BUY if number % 2 else Side.SELL,
        quantity=quantity,
        allowed=quantity if end is not OrderEnd.DENIED else Decimal(0),
        reference_price=Decimal("51.20"),
        reason=text,
        end=end,
        filled=quantity if end is OrderEnd.FILLED else Decimal(0),
        fills=(fill,) if end is OrderEnd.FILLED else (),
    )


def _decision(chance: random.Random, days: tuple[date, ...], number: int, text: str) -> DecisionEntry:
    day = days[chance.randrange(len(days))]
    return DecisionEntry(
        recommendation_id=f"rec-{number}",
        as_of=datetime.combine(day, time(13, 25), UTC),
        symbol=f"SYM{number % 37}",
        action=Action.BUY if number % 2 else Action.SELL,
        previous=Action.HOLD,
        score=chance.uniform(-1, 1),
        score_nano=0,
        conviction=chance.uniform(-1, 1),
        edge_bp=chance.uniform(-50, 90),
        cost_bp=12.5,
        reasons=("ENTRY_SCORE: score=0.41, limit=0.25", text),
        thesis=f'Acme: buy (before: hold). "{text}" carries +0.2100.',
        layers={Layer.COMPANY: 210_000_000},
        documents=(f"doc-{number}",),
    )
