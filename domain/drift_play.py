"""One day through the backtest engine, from a given morning and at a given instant, with all that it decides."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import datetime

from domain.backtest import BacktestRequest, BacktestState
from domain.backtest_data import BacktestData
from domain.decisions import DecisionRecord, Recommendation
from domain.drift import PlayedDay, PlayedDecision
from domain.drift_inputs import inputs_of
from domain.simulation import PRE_OPEN, Simulation


def play_day(
    data: BacktestData,
    request: BacktestRequest,
    opening: BacktestState,
    decided_at: datetime,
    progress: Callable[[int], None] | None = None,
    *,
    config_version: str,
    code_version: str,
    data_version: str,
) -> PlayedDay:
    """Play the one session of the data.

    Args:
        decided_at: when the companies were assessed. The engine decides a fixed time before the open that it is given,
            so it is given one that long after; the session's date, close and prices stay what they are.
        config_version: what the request's configuration was called when it was written down. Code that knows more
            settings calls the same one otherwise.
    """
    (session,) = data.sessions
    seen: list[PlayedDecision] = []

    def observe(one: Recommendation, record: DecisionRecord) -> None:
        seen.append(
            PlayedDecision(
                symbol=one.symbol,
                action=one.action,
                previous=one.previous_action,
                score=one.assessment.score,
                conviction=one.assessment.conviction,
                record_hash=one.record_hash,
                inputs=inputs_of(record).model_copy(update={"config_version": config_version}),
            )
        )

    moved = session.model_copy(update={"opens_at": decided_at + PRE_OPEN})
    at = replace(data, sessions=(moved,))
    run = Simulation(at, request, code_version=code_version, state=opening, observe=observe)
    state = run.run(progress=progress)
    closes = {symbol: data.last_close(symbol, session.closes_at) for symbol in data.bars}
    return PlayedDay(
        opening=opening,
        state=state,
        decisions=tuple(seen),
        closes={symbol: close for symbol, close in closes.items() if close is not None},
        config_version=config_version,
        data_version=data_version,
        code_version=code_version,
    )
