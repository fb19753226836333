"""Messages of a replay: a past period, driven through the production workflows session by session."""

from __future__ import annotations

from datetime import date
from decimal import Decimal
from enum import StrEnum

from domain.config import TradingConfig
from domain.documents import Credibility
from domain.ingestion import IngestReport
from domain.market import Session
from domain.model import Model, Utc


class ReplayApprovals(StrEnum):
    """Who answers approval requests in a past where nobody was asked."""

    GRANT = "grant"
    """Granted at once, recorded as granted by the replay."""
    HOLD_LAST = "hold_last"
    """Granted, except on the last session, whose requests stay in the inbox."""
    DECLINE = "decline"


class ReplayRequest(Model):
    """A period and the files that hold what was known in it. Paths are readable by the ops and ingest workers."""

    replay_id: str
    documents: str
    bars: str
    actions: str = ""
    first: date
    last: date
    opening_cash: Decimal = Decimal(100_000)
    config: TradingConfig
    approvals: ReplayApprovals = ReplayApprovals.GRANT
    credibility: Credibility = Credibility.WIRE
    publisher: str = ""


class ReplayPlan(Model):
    """What the preparation found: the sessions to walk through and the source to read."""

    source_id: str
    sessions: tuple[Session, ...]
    available_after: Utc
    available_until: Utc


class ReplayProgress(Model):
    """What `ReplayPeriod` carries between sessions and shows to who asks."""

    plan: ReplayPlan | None = None
    ingest: IngestReport | None = None
    sessions_done: int = 0
    documents_released: int = 0
    step: str = "preparing"


class ReplayState(Model):
    request: ReplayRequest
    progress: ReplayProgress = ReplayProgress()


class MarketStep(Model):
    """Move the paper broker's clock to a session's open or close."""

    session: Session
    phase: str


class OrdersStep(Model):
    """Bring every open order to rest as of an instant, answering approvals as the replay says."""

    as_of: Utc
    approvals: ReplayApprovals
    last_session: bool = False


class OrdersReport(Model):
    open: int
    awaiting_approval: int
    approved: int = 0
    declined: int = 0


class ReplayResult(Model):
    """Where the report lies, and its headline numbers."""

    replay_id: str
    report_key: str
    documents: int
    signals: int
    recommendations: int
    orders_filled: int
    approvals_pending: int
    equity: str
