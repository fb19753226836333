"""What a backtest costs: deciding with foresight against deciding everything, a large portfolio, and a plain rule.

Seconds are processor time of one process. What is foreseen and what is decided in full give the same bytes; the first
benchmark checks that, too.
"""

from __future__ import annotations

import gc
import json
import pickle
import subprocess
import sys
import tempfile
import time
import venv
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from activities.simulating import rarely_collected
from domain.backtest import BacktestRequest, BacktestState, Noted
from domain.backtest_data import BacktestData
from domain.config import TradingConfig
from domain.costs import CostModel
from domain.panel import Codes, Layout, Layouts, lay_out_all
from domain.panel_targets import fill_targets, moving_average_targets
from domain.simulated_assessments import MARKET_SESSIONS
from domain.simulation import PRE_OPEN, Simulation
from tests.benchmarks.figure import Figure
from tests.benchmarks.many_companies import WARM_UP, market_of, request_for

GOAL_SECONDS = 1.0
COMPANIES, SESSIONS, DOCUMENTS = 500, 2_520, 1_000_000
FEW_COMPANIES, FEW_SESSIONS = 40, 260
LINKED_COMPANIES, LINKED_SESSIONS, RIVALS = 20, 63, 5
DENSITY = DOCUMENTS / COMPANIES / SESSIONS
"""Documents a company and session."""
HALF_A_YEAR = 126
CODE = "bench"
PEERS = Path(__file__).parent / "peers"
ENVIRONMENTS = Path("build") / "peers"
INSTALL_SECONDS = 900
RUNS = 5


@dataclass(frozen=True)
class Timed:
    state: BacktestState
    seconds: float


def deciding() -> Iterable[Figure]:
    """The two ways to decide on a size that both can do, in one run."""
    yield from _deciding("deciding", FEW_COMPANIES, FEW_SESSIONS, rivals=0)
    yield from _deciding("deciding.rivals", LINKED_COMPANIES, LINKED_SESSIONS, rivals=RIVALS)


def _deciding(name: str, companies: int, played: int, *, rivals: int) -> Iterable[Figure]:
    sessions = played + WARM_UP
    data = market_of(companies, sessions, round(DENSITY * companies * sessions), rivals=rivals)
    request = request_for(data)
    every = _run(data, request, watched=True)
    changes, trades = _run(data, request), _run(data, request.model_copy(update={"noted": Noted.TRADES}))
    if changes.state.model_dump_json() != every.state.model_dump_json():
        raise AssertionError("what was foreseen differs from what was decided in full")
    assessed = every.state.assessed
    linked = f", {rivals} competitors each" if rivals else ""
    how = f"{companies} companies{linked}, {played} sessions, {assessed} assessments, processor time; equal bytes"
    yield Figure(f"{name}.everything", 1e6 * every.seconds / assessed, "us/assessment", how)
    yield Figure(f"{name}.foreseen", 1e6 * changes.seconds / assessed, "us/assessment", how)
    yield Figure(f"{name}.trades_noted", 1e6 * trades.seconds / assessed, "us/assessment", how)
    yield Figure(f"{name}.ratio", every.seconds / changes.seconds, "ratio", how)
    yield Figure(f"{name}.ratio.trades_noted", every.seconds / trades.seconds, "ratio", how)


def portfolio() -> Iterable[Figure]:
    """Ten years of five hundred companies with a million documents.

    It begins where a run does once the book is read: with evidence and bars as the columns that the store makes of its
    queries.
    """
    data = market_of(COMPANIES, SESSIONS + WARM_UP, round(DENSITY * COMPANIES * (SESSIONS + WARM_UP)))
    documents = sum(len(items) for items in data.evidence.values())
    request = request_for(data)
    passes = [session.opens_at - PRE_OPEN for session in data.sessions]
    prepared, layout = _timed(partial(lay_out_all, data, passes, request.config.signals, sessions=MARKET_SESSIONS))
    scored, _ = _timed(partial(_foresee, layout, request.config))
    layout = None
    plain = request.model_copy(update={"noted": Noted.TRADES})
    trades = _run(data, plain)
    protected = _run(data, plain.model_copy(update={"protection": request.config.protection}))
    layouts = Layouts(data)
    _run(data, plain, layouts=layouts)
    rules = request.config.recommendation.model_copy(update={"minimum_hold_sessions": 10})
    other = plain.model_copy(update={"config": request.config.model_copy(update={"recommendation": rules})})
    trial = _run(data, other, layouts=layouts)
    changes = _run(replace(data, sessions=data.sessions[:HALF_A_YEAR]), request)
    how = f"{COMPANIES} companies, {SESSIONS} sessions, {documents} documents, numpy alone"
    noted = f"{how}; {len(trades.state.orders)} orders"
    yield Figure(
        "portfolio.prepared", prepared, "s", f"{how}; from the columns of the book's query to passes and pieces"
    )
    yield Figure("portfolio.scored", scored, "s", f"{how}; scores and actions of {trades.state.assessed} assessments")
    yield Figure("portfolio.played", trades.seconds - prepared, "s", f"{noted}; scored and played, trades noted")
    yield Figure("portfolio.together", trades.seconds, "s", f"{noted}; prepared, scored and played, trades noted")
    again = f"{how}; the next trial of a sweep, which scores alike; {len(trial.state.orders)} orders"
    yield Figure("portfolio.next_trial", trial.seconds, "s", again)
    handed, _ = _timed(lambda: pickle.loads(pickle.dumps(data)))
    guarded = f"{how}; with stops, breakers, the reserve and tiers; {len(protected.state.orders)} orders"
    yield Figure("portfolio.protected", protected.seconds, "s", guarded)
    yield Figure("portfolio.handed_over", handed, "s", f"{how}; to the process that plays, and taken there")
    some = f"the first {HALF_A_YEAR} sessions, {len(changes.state.decisions)} changes noted"
    yield Figure("portfolio.changes_noted", changes.seconds / HALF_A_YEAR, "s/session", some)
    yield Figure("portfolio.goal", GOAL_SECONDS / trades.seconds, "ratio", f"{GOAL_SECONDS} s / together", at_least=1.0)
    yield Figure("portfolio.goal.scored", GOAL_SECONDS / scored, "ratio", f"{GOAL_SECONDS} s / scored alone")
    gc.unfreeze()


def moving_averages() -> Iterable[Figure]:
    """The crossing of two averages on the same bars here, in vectorbt and in backtrader."""
    make = np.random.default_rng(5)
    size = make.uniform(0.008, 0.025, COMPANIES)
    walks = np.exp(np.cumsum(make.normal(0.0003, 1, (SESSIONS, COMPANIES)) * size, axis=0))
    closes = np.round(make.uniform(15, 200, COMPANIES) * walks, 2).clip(0.2)
    opens = np.round(closes * np.exp(make.normal(0, 1, closes.shape) * size / 3), 2).clip(0.2)
    seconds, worth = _own_rule(opens, closes)
    how = f"20/50 on {COMPANIES} x {SESSIONS} bars, next open, half a spread of 2.5 bp, an account a symbol"
    own = opens.size / seconds
    yield Figure("sma.own", own, "bars/s", f"{how}; best of {RUNS} runs, ${worth:,.0f} in the end")
    for peer, columns, goal in (("vectorbt", COMPANIES, 1.0), ("backtrader", 10, 200.0)):
        few = opens[:, :columns], closes[:, :columns]
        answer = _peer(peer, *few)
        if isinstance(answer, str):
            print(f"sma: {peer} SKIPPED, {answer}", file=sys.stderr)
            yield Figure(f"sma.{peer}.skipped", 1, "benchmarks", answer)
            continue
        rate = few[0].size / min(answer["seconds"])
        _, same = _own_rule(*few)
        told = f"{how}, {columns} symbols; {peer} {answer['version']}, best of {len(answer['seconds'])} runs"
        yield Figure(f"sma.{peer}", rate, "bars/s", f"{told}, ${answer['worth']:,.0f} in the end, here ${same:,.0f}")
        yield Figure(f"sma.{peer}.ratio", own / rate, "ratio", told, at_least=goal)


def _run(
    data: BacktestData, request: BacktestRequest, *, watched: bool = False, layouts: Layouts | None = None
) -> Timed:
    observe = (lambda *_: None) if watched else None
    simulation = Simulation(data, request, code_version=CODE, observe=observe, layouts=layouts)
    seconds, state = _timed(simulation.run)
    return Timed(state, seconds)


def _foresee(layout: Layout, config: TradingConfig) -> Codes:
    return layout.panel(config).codes(config)


def _timed(work: Callable[[], Any]) -> tuple[float, Any]:
    gc.collect()
    with rarely_collected():
        began = time.process_time()
        found = work()
        return time.process_time() - began, found


def _own_rule(opens: np.ndarray, closes: np.ndarray) -> tuple[float, float]:
    """The best time of a few runs, and the worth in the end."""
    traded, costs = np.ones(closes.shape, dtype=np.bool_), CostModel(half_spread_bp=2.5)

    def rule() -> float:
        targets = moving_average_targets(closes, 20, 50)
        run = fill_targets(targets, opens, closes, traded, opening=100_000 * 10**6, costs=costs)
        return float(run.equity[-1].sum()) / 1e6

    found = [_timed(rule) for _ in range(RUNS)]
    return min(seconds for seconds, _ in found), found[0][1]


def _peer(name: str, opens: np.ndarray, closes: np.ndarray) -> dict[str, Any] | str:
    """Run a peer's script in an environment of its own; a text says why that was not possible."""
    python = ENVIRONMENTS / name / "bin" / "python"
    try:
        if not python.exists():
            venv.create(ENVIRONMENTS / name, with_pip=True)
        installed = [python, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", name, "pandas"]
        subprocess.run(installed, check=True, capture_output=True, timeout=INSTALL_SECONDS)
    except (OSError, subprocess.SubprocessError) as error:
        return f"could not be installed: {type(error).__name__}"
    with tempfile.TemporaryDirectory(prefix="stonks-bench-") as directory:
        bars = Path(directory) / "bars.npz"
        np.savez(bars, open=opens, close=closes)
        ran = subprocess.run(
            [python, PEERS / f"{name}_sma.py", bars],
            capture_output=True,
            text=True,
            timeout=INSTALL_SECONDS,
            check=False,
        )
    if ran.returncode:
        return f"did not run: {ran.stderr.strip().splitlines()[-1] if ran.stderr.strip() else ran.returncode}"
    answer: dict[str, Any] = json.loads(ran.stdout.strip().splitlines()[-1])
    return answer
