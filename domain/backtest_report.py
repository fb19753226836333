"""What a backtest is judged by: figures beside benchmarks and controls, costs, and what the results came from."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date
from decimal import Decimal
from itertools import pairwise

from domain.backtest import BacktestRequest, BacktestState, DecisionEntry, OrderEntry, TradeEntry
from domain.backtest_data import BacktestData
from domain.decisions import EvidenceItem, Layer
from domain.evidence_columns import read_by_models
from domain.kernels import largest_remainder
from domain.market import CorporateAction
from domain.metrics import PerformanceMetrics, measure
from domain.model import Model
from domain.overfitting import Trials
from domain.portfolio import MICRO
from domain.protection import ProtectionState
from domain.universe import SymbolSpan, UniverseReport, describe_universe

_Actions = Mapping[date, Sequence[CorporateAction]]
"""Of one symbol, by ex-date."""
SYMBOLS_HELD = "equal-weight buy and hold"


class Track(Model):
    """The worth of something over the period, beside its figures. The first point is before the first session."""

    name: str
    equity: tuple[Decimal, ...]
    """Dollars: the opening, then each session's close."""
    metrics: PerformanceMetrics
    note: str = ""


class CostBreakdown(Model):
    """Dollars over the whole period. Spread and impact are in the prices paid, fees are beside them."""

    spread: Decimal
    impact: Decimal
    fees: Decimal
    traded: Decimal

    @property
    def total(self) -> Decimal:
        return self.spread + self.impact + self.fees


class LayerResult(Model):
    """The part of all trades' results that is a layer's, by its part of the score that opened each of them."""

    layer: Layer
    result: Decimal


class Contamination(Model):
    """How much of what decided was read by a model that may have known the future.

    What a model read of the time that its training saw is in sample: it may remember what happened next.
    """

    evidence: int
    by_models: int
    in_sample: int
    """Of those by models, from before the cut-off; all where the cut-off is not known."""
    cutoff: date | None
    verdict: str


class BacktestReport(Model):
    """A function of the request, the data and the code."""

    backtest_id: str
    request: BacktestRequest
    code_version: str
    config_version: str
    data_version: str
    sessions: tuple[date, ...]
    strategy: Track
    out_of_sample: PerformanceMetrics | None = None
    """The strategy's figures after the model's cut-off alone; None where there are no such sessions or no model."""
    benchmarks: tuple[Track, ...] = ()
    control: Track | None = None
    """The same with what the rules read alone; None where models read nothing."""
    costs: CostBreakdown
    layers: tuple[LayerResult, ...]
    trades: tuple[TradeEntry, ...]
    orders: tuple[OrderEntry, ...]
    decisions: tuple[DecisionEntry, ...]
    cash: tuple[Decimal, ...]
    """At each session's close."""
    gross: tuple[Decimal, ...]
    positions: tuple[int, ...]
    assessed: int
    evidence: int
    symbols: int
    protection: ProtectionState | None = None
    """What stops, breakers, the reserve and tiers did; None where none took part."""
    contamination: Contamination
    universe: UniverseReport | None = None
    warnings: tuple[str, ...] = ()


def compose(
    state: BacktestState,
    data: BacktestData,
    request: BacktestRequest,
    *,
    backtest_id: str,
    code_version: str,
    data_version: str,
    control: BacktestState | None = None,
    trials: Trials | None = None,
    warnings: Sequence[str] = (),
) -> BacktestReport:
    """Compose the report of a run that has ended.

    Args:
        state: after the last session.
        control: of the same request with the readings of rules alone.
        trials: of everything that was tried on these data.
    """
    sessions = tuple(mark.session for mark in state.marks)
    actions = _actions_of(data)
    index = _held(request.benchmark, data, actions.get(request.benchmark, {}), sessions, request.opening_cash)
    benchmark = returns_of(index) if index else None
    everything = _equal_weight(data, actions, sessions, request.opening_cash)
    benchmarks = []
    if index:
        benchmarks.append(
            Track(
                name=request.benchmark, equity=index, metrics=measure(returns_of(index)), note=_dividends(request, data)
            )
        )
    if everything:
        metrics = measure(returns_of(everything), benchmark=benchmark)
        benchmarks.append(Track(name=SYMBOLS_HELD, equity=everything, metrics=metrics))
    contamination = contamination_of(data.evidence, request)
    return BacktestReport(
        backtest_id=backtest_id,
        request=request,
        code_version=code_version,
        config_version=request.config.version(),
        data_version=data_version,
        sessions=sessions,
        strategy=track_of("strategy", state, request.opening_cash, benchmark=benchmark, trials=trials),
        out_of_sample=_out_of_sample(state, request, contamination),
        benchmarks=tuple(benchmarks),
        control=track_of("rules alone", control, request.opening_cash, benchmark=benchmark) if control else None,
        costs=costs_of(state),
        layers=results_by_layer(state.trades),
        trades=state.trades,
        orders=tuple(sorted((*state.orders, *state.working), key=lambda one: (one.as_of, one.symbol, one.side))),
        decisions=state.decisions,
        cash=tuple(mark.cash for mark in state.marks),
        gross=tuple(mark.gross for mark in state.marks),
        positions=tuple(mark.positions for mark in state.marks),
        assessed=state.assessed,
        evidence=sum(len(items) for items in data.evidence.values()),
        symbols=len(data.bars),
        protection=state.protection,
        contamination=contamination,
        universe=_universe(data, sessions),
        warnings=tuple(warnings),
    )


def track_of(
    name: str,
    state: BacktestState,
    opening: Decimal,
    *,
    benchmark: Sequence[float] | None = None,
    trials: Trials | None = None,
) -> Track:
    """Measure a run."""
    equity = (opening, *(mark.equity for mark in state.marks))
    metrics = measure(
        returns_of(equity),
        benchmark=benchmark,
        equity=[float(mark.equity) for mark in state.marks],
        traded=[float(mark.traded) for mark in state.marks],
        gross=[float(mark.gross) for mark in state.marks],
        trials=trials,
    )
    return Track(name=name, equity=equity, metrics=metrics)


def returns_of(equity: Sequence[Decimal]) -> list[float]:
    """Return of each session, (n,), of (n + 1,) points of an equity curve."""
    return [float(after / before - 1) for before, after in pairwise(equity)]


def costs_of(state: BacktestState) -> CostBreakdown:
    """Sum what all executions cost."""
    fills = [fill for order in (*state.orders, *state.working) for fill in order.fills]
    zero = Decimal(0)
    return CostBreakdown(
        spread=sum((fill.spread for fill in fills), zero),
        impact=sum((fill.impact for fill in fills), zero),
        fees=sum((fill.fee for fill in fills), zero),
        traded=sum((fill.quantity * fill.price for fill in fills), zero),
    )


def results_by_layer(trades: Sequence[TradeEntry]) -> tuple[LayerResult, ...]:
    """Share each trade's result among the layers as they shared its score; together they are all of it."""
    total = dict.fromkeys(Layer, Decimal(0))
    for trade in trades:
        units = int((trade.result / MICRO).to_integral_value())
        score = sum(trade.layers.values())
        if not score:
            continue
        layers = list(Layer)
        parts = largest_remainder([units * trade.layers.get(layer, 0) / score for layer in layers], units)
        for layer, part in zip(layers, parts, strict=True):
            total[layer] += part * MICRO
    return tuple(LayerResult(layer=layer, result=result) for layer, result in total.items())


def contamination_of(evidence: Mapping[str, Sequence[EvidenceItem]], request: BacktestRequest) -> Contamination:
    """Count what models read of the time that their training may have seen."""
    count = sum(len(items) for items in evidence.values())
    read = [published for items in evidence.values() for published in read_by_models(items)]
    cutoff = request.model_cutoff
    inside = [published for published in read if cutoff is None or published.date() <= cutoff]
    if not read:
        verdict = "Rules read everything: nothing can remember the future."
    elif cutoff is None:
        verdict = (
            f"Models read {len(read)} of {count} statements, and the end of their training is not known: "
            "no result counts as out of sample. Say when it ended, or look at the control by rules alone."
        )
    elif inside:
        verdict = (
            f"Models read {len(read)} of {count} statements, {len(inside)} of them from before their training "
            f"ended on {cutoff}: only what comes after it is out of sample."
        )
    else:
        verdict = f"Models read {len(read)} of {count} statements, all from after their training ended on {cutoff}."
    return Contamination(evidence=count, by_models=len(read), in_sample=len(inside), cutoff=cutoff, verdict=verdict)


def _out_of_sample(
    state: BacktestState, request: BacktestRequest, contamination: Contamination
) -> PerformanceMetrics | None:
    if not contamination.by_models or request.model_cutoff is None:
        return None
    equity = [request.opening_cash, *(mark.equity for mark in state.marks)]
    first = sum(1 for mark in state.marks if mark.session <= request.model_cutoff)
    return measure(returns_of(equity[first:])) if first < len(state.marks) else None


def _held(
    symbol: str, data: BacktestData, actions: _Actions, sessions: Sequence[date], opening: Decimal
) -> tuple[Decimal, ...]:
    """Buy at the first open, reinvest dividends at the ex-date's close, hold; empty without a bar on the first day."""
    series = data.bars.get(symbol)
    bar = series.on(sessions[0]) if series is not None and sessions else None
    if series is None or bar is None:
        return ()
    shares = opening / bar.open
    worth, price = [opening], bar.open
    for at, (session, close) in enumerate(zip(sessions, series.closes_on(sessions), strict=True)):
        for action in actions.get(session, ()) if at else ():
            cash = shares * action.cash_dividend
            shares *= action.split_ratio
            price /= action.split_ratio
            shares += cash / (price if close is None else close)
        if close is not None:
            price = close
        worth.append(shares * price)
    return tuple(amount.quantize(MICRO) for amount in worth)


def _equal_weight(
    data: BacktestData, actions: Mapping[str, _Actions], sessions: Sequence[date], opening: Decimal
) -> tuple[Decimal, ...]:
    """Hold the same amount of every symbol that has a bar on the first day, and never trade again."""
    alone = [
        curve for symbol in data.bars if (curve := _held(symbol, data, actions.get(symbol, {}), sessions, opening))
    ]
    if not alone:
        return ()
    return tuple((sum(points, Decimal(0)) / len(alone)).quantize(MICRO) for points in zip(*alone, strict=True))


def _actions_of(data: BacktestData) -> Mapping[str, _Actions]:
    """Corporate actions by symbol and ex-date."""
    found: dict[str, dict[date, list[CorporateAction]]] = {}
    for day, actions in data.actions.items():
        for action in actions:
            found.setdefault(action.symbol, {}).setdefault(day, []).append(action)
    return found


def _dividends(request: BacktestRequest, data: BacktestData) -> str:
    paid = any(
        action.cash_dividend > 0
        for actions in data.actions.values()
        for action in actions
        if action.symbol == request.benchmark
    )
    return "" if paid else "without dividends: the book has none of it"


def _universe(data: BacktestData, sessions: Sequence[date]) -> UniverseReport | None:
    spans = [
        SymbolSpan(
            symbol=symbol,
            first=series.bars[0].bar.session,
            last=series.bars[-1].bar.session,
            bars=len(series.bars),
        )
        for symbol, series in data.bars.items()
    ]
    return describe_universe(spans, first=sessions[0], last=sessions[-1]) if sessions else None
