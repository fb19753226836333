"""A run of a backtest that is watched: the states it stops at, all it assesses, and a sample of its decisions."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass

from domain.backtest import BacktestRequest, BacktestState
from domain.backtest_data import BacktestData
from domain.backtest_rows import Row, assessment_row
from domain.decisions import DecisionRecord, Recommendation
from domain.simulation import Simulation


@dataclass(frozen=True)
class Played:
    """A run, and what was seen of it on the way."""

    states: Mapping[int, BacktestState]
    """By sessions done: where it was asked to stop."""
    assessments: tuple[Row, ...]
    sample: tuple[tuple[Recommendation, DecisionRecord], ...] = ()

    @property
    def end(self) -> BacktestState:
        return self.states[max(self.states)]


def play(
    data: BacktestData,
    request: BacktestRequest,
    *,
    code_version: str,
    stops: Collection[int] = (),
    state: BacktestState | None = None,
    sample: int = 0,
    advance: Callable[[], None] | None = None,
) -> Played:
    """Run a backtest to its last stop, or to its end without any, and watch all that it decides.

    Args:
        stops: numbers of sessions done at which the state is kept; 0 is the opening.
        state: to go on from.
        sample: decisions that are kept with their records.
        advance: called after each session.
    """
    seen: list[Row] = []
    drawn = _Sample(sample)

    def observe(recommendation: Recommendation, record: DecisionRecord) -> None:
        seen.append(assessment_row(recommendation, record))
        drawn.offer(recommendation, record)

    simulation = Simulation(data, request, code_version=code_version, state=state, observe=observe)
    progress = (lambda _: advance()) if advance is not None else None
    ends = sorted({min(stop, len(data.sessions)) for stop in stops} or {len(data.sessions)})
    states = {end: simulation.run(until=end, progress=progress) for end in ends}
    return Played(states=states, assessments=tuple(seen), sample=drawn.kept)


class _Sample:
    """Draws decisions by the hashes of their records: those with the smallest, whatever their order."""

    def __init__(self, size: int) -> None:
        self._size = size
        self._found: dict[str, tuple[Recommendation, DecisionRecord]] = {}

    def offer(self, recommendation: Recommendation, record: DecisionRecord) -> None:
        if not self._size:
            return
        self._found[recommendation.record_hash] = (recommendation, record)
        if len(self._found) > 2 * self._size:
            self._keep()

    @property
    def kept(self) -> tuple[tuple[Recommendation, DecisionRecord], ...]:
        self._keep()
        return tuple(self._found.values())

    def _keep(self) -> None:
        self._found = {key: self._found[key] for key in sorted(self._found)[: self._size]}
