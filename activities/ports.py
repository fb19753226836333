"""What activities need from outside, as protocols: adapters and the Temporal client fulfil them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import date, datetime
from decimal import Decimal
from typing import Any, Protocol

from domain.broker import (
    BrokerAccount,
    BrokerActivity,
    BrokerFill,
    BrokerOrder,
    BrokerPosition,
    MarketDay,
    OrderChange,
    OrderTicket,
    Snapshot,
)
from domain.ingestion import DocumentRequest
from domain.lake import LakeStamp, LakeState, LakeTable, TidyReport
from domain.market import Bar, CorporateAction, Session
from domain.notifications import EmailChannel, FailedWorkflow, OutgoingMessage, SnsChannel, WebhookChannel
from domain.prompting import ModelReply, ModelRequest
from domain.research import (
    AssessAllReport,
    AssessAllRequest,
    AssessRequest,
    EconomyNotice,
    EvidenceNotice,
    RecommendationNotice,
    ThesisRequest,
)
from domain.trading import ApprovalDecision, RefreshReport, RefreshRequest, TickReport, TickRequest


class Broker(Protocol):
    """A place that takes orders. Errors: `VendorRejected` is final, `VendorUnavailable` means nobody knows."""

    async def find(self, client_order_id: str) -> BrokerOrder | None:
        """Look an order up by our id; None where the broker never saw it."""
        ...

    async def get(self, broker_order_id: str) -> BrokerOrder: ...

    async def place(self, ticket: OrderTicket) -> BrokerOrder: ...

    async def replace(self, broker_order_id: str, change: OrderChange) -> BrokerOrder: ...

    async def cancel(self, broker_order_id: str) -> None: ...

    async def fills(self, broker_order_id: str, *, since: datetime) -> list[BrokerFill]: ...

    async def account(self) -> BrokerAccount: ...

    async def positions(self) -> list[BrokerPosition]: ...

    async def calendar(self, first: date, last: date) -> list[MarketDay]:
        """The broker's own sessions, oldest first."""
        ...


class Prices(Protocol):
    """What a share costs."""

    async def last(self, symbol: str, *, as_of: datetime) -> Decimal | None:
        """The newest price in dollars a share that was known at an instant; None where there is none."""
        ...

    async def quote(self, symbol: str) -> Snapshot | None:
        """What the broker quotes now; None where nobody does."""
        ...


class BrokerBook(Protocol):
    """What the broker has on its own books: read to compare, never written."""

    async def find(self, client_order_id: str) -> BrokerOrder | None: ...

    async def get(self, broker_order_id: str) -> BrokerOrder: ...

    async def orders(self, *, open_only: bool, after: datetime) -> list[BrokerOrder]:
        """Orders sent after an instant, legs under their parents."""
        ...

    async def activities(self, *, since: datetime) -> tuple[list[BrokerFill], list[BrokerActivity]]: ...

    async def account(self) -> BrokerAccount: ...

    async def positions(self) -> list[BrokerPosition]: ...


class PaperMarket(Protocol):
    """The paper broker's control side: its clock, its prices, its opening cash."""

    async def open_account(self, cash: str) -> None: ...

    async def advance(
        self, session: Session, phase: str, bars: Sequence[Bar], actions: Sequence[CorporateAction]
    ) -> None: ...


class PaperFeed(Protocol):
    """The paper broker's control side on the wall clock: what it is told of sessions that are over."""

    async def finished(self) -> dict[str, date]:
        """The last session whose bar it was given, by symbol."""
        ...

    async def finish(self, session: date, bars: Sequence[Bar]) -> int:
        """Hand over bars of a session that is over; returns how many executions came of it."""
        ...

    async def applied(self, since: date) -> set[tuple[str, date]]:
        """Symbol and ex-date of the splits and dividends that took effect, from a day on."""
        ...

    async def act(self, ex_date: date, actions: Sequence[CorporateAction]) -> list[str]:
        """Let splits and dividends of an ex-date that has begun take effect; returns for which symbols it is too late.

        Idempotent per symbol and ex-date.
        """
        ...


class Calendar(Protocol):
    """The exchange's sessions."""

    def sessions(self, first: date, last: date) -> list[Session]: ...

    def next_session(self, after: datetime) -> Session:
        """The first session that closes after the instant."""
        ...


class Flows(Protocol):
    """Other workflows, reached through the Temporal client."""

    async def start_document(self, request: DocumentRequest, *, again: bool = False) -> bool:
        """Start a document's workflow; `again` also where an earlier run succeeded (it gained a symbol).

        False where it could not be started again, because the earlier run goes on.
        """
        ...

    async def failed_document(self, doc_id: str) -> str | None:
        """The failure of a document's workflow, None while it runs or when it succeeded."""
        ...

    async def reconcile_schedules(self) -> None:
        """Have the schedules made equal to the sources table, without waiting for it."""
        ...

    async def tell_symbol(self, notice: EvidenceNotice) -> None: ...

    async def tell_engine(self, notice: RecommendationNotice) -> None: ...

    async def start_thesis(self, request: ThesisRequest) -> None:
        """Have a recommendation's thesis written in plain words, without waiting for it."""
        ...

    async def tell_universe(self, notice: EconomyNotice) -> None: ...

    async def assess_symbol(self, request: AssessRequest) -> RecommendationNotice: ...

    async def assess_universe(self, request: AssessAllRequest) -> AssessAllReport: ...

    async def ensure_universe(self) -> None: ...

    async def ensure_engine(self) -> None: ...

    async def ensure_notifications(self) -> None:
        """Have the outbox read for people, where nobody does."""
        ...

    async def tick_engine(self, request: TickRequest) -> TickReport: ...

    async def refresh_order(self, intent_id: str, request: RefreshRequest) -> RefreshReport | None:
        """Bring an order to rest; None when its workflow has ended."""
        ...

    async def decide_order(self, intent_id: str, decision: ApprovalDecision) -> bool:
        """Decide on an order that waits for people; False where the decision was refused."""
        ...

    async def order_changed(self, intent_id: str) -> bool:
        """Have an order looked at now; False when its workflow has ended or never was."""
        ...


class ModelServer(Protocol):
    """A server of language models. Errors: `VendorUnavailable` means nobody knows, `ConfigurationError` no such model.

    Both methods may be cancelled at any time: the server is then told to stop.
    """

    async def digest_of(self, model: str) -> str:
        """The digest of the weights that a model's name means now; remembered until the server says otherwise."""
        ...

    async def chat(self, request: ModelRequest, *, on_progress: Callable[[int], None] | None = None) -> ModelReply:
        """Ask, and wait for the whole answer; `on_progress` is told the characters that have come so far."""
        ...


class FailedWorkflows(Protocol):
    """Workflows that gave up, as Temporal lists them."""

    async def failed_since(self, instant: datetime, *, limit: int) -> list[FailedWorkflow]: ...


class Messenger(Protocol):
    """A way to people. Errors: `VendorUnavailable` also where nobody knows whether the message arrived."""

    async def send(
        self, channel: EmailChannel | SnsChannel | WebhookChannel, message: OutgoingMessage, *, now: datetime
    ) -> str:
        """Hand a message over; returns what the receiver calls it, or what it said of a part of the recipients."""
        ...


class OpenLakeTable(Protocol):
    """A table of the lake as it stood when it was opened, and what an export writes into it. Every method blocks."""

    @property
    def state(self) -> LakeState: ...

    def committed(self, export_id: str) -> LakeState | None:
        """The snapshot that an export made, where it did."""
        ...

    def write(self, number: int, rows: Sequence[Sequence[Any]]) -> None:
        """Add rows to a part; those of one part follow each other."""
        ...

    def end_part(self) -> None: ...

    def commit(self, stamp: LakeStamp, *, replaced: Sequence[int]) -> LakeState:
        """Replace parts by what was written, in one snapshot; refused where another commit came first."""
        ...


class Lake(Protocol):
    """Tables that analysts read. Every method blocks."""

    def open(self, spec: LakeTable) -> OpenLakeTable:
        """Open a table for an export; it is made, or given new columns, where that is needed."""
        ...

    def tidy(self, spec: LakeTable, *, before: datetime, unread_before: datetime) -> TidyReport:
        """Expire old snapshots and remove files that nothing refers to."""
        ...
