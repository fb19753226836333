"""Messages of a backtest's workflow: what is begun, its steps, and how it ended."""

from __future__ import annotations

from domain.backtest import BacktestRequest, ReadBy
from domain.ids import digest
from domain.model import Model, Utc

SESSIONS_A_STEP = 252
"""A year: what a crash costs at the most."""


class BacktestStart(Model):
    backtest_id: str
    request: BacktestRequest
    data_version: str
    """What the book held of the period when it was begun: it is read again at every step and must be the same."""


def start_of(request: BacktestRequest, data_version: str, code_version: str) -> BacktestStart:
    """Name a backtest by all that it depends on; what it is called is not of that."""
    return BacktestStart(
        backtest_id=digest("backtest", request.model_dump_json(exclude={"name"}), data_version, code_version),
        request=request,
        data_version=data_version,
    )


class BacktestPlan(Model):
    """What there is to play."""

    sessions: int
    with_control: bool
    """Whether models read anything, so that the rules alone are played beside it."""


class SimulateStep(Model):
    """Some sessions more, from where the state stands."""

    start: BacktestStart
    read_by: ReadBy
    until: int
    state_key: str = ""
    """Empty: from the first session."""


class StepReport(Model):
    state_key: str
    sessions_done: int
    equity: str


class ReportStep(Model):
    start: BacktestStart
    state_key: str
    control_key: str = ""


class BacktestEnd(Model):
    """How a backtest ended; written once."""

    backtest_id: str
    status: str
    error: str = ""


class BacktestResult(Model):
    """Where the report lies, and its headline. Ratios are a year's; None: not defined."""

    report_key: str
    page_key: str
    sessions: int
    trades: int
    orders: int
    equity: str
    total_return: float | None
    cagr: float | None
    sharpe: float | None
    deflated_sharpe: float | None
    max_drawdown: float | None
    benchmark_return: float | None
    costs: str
    out_of_sample: bool
    """Whether nothing that decided may have known the future."""
    trials: int


class BacktestProgress(Model):
    """What the workflow answers when asked."""

    sessions: int = 0
    sessions_done: int = 0
    step: str = "planning"
    equity: str = ""
    begun_at: Utc | None = None
