"""What activities need from outside, as protocols: adapters and the Temporal client fulfil them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import date, datetime
from typing import Protocol

from domain.broker import BrokerAccount, BrokerFill, BrokerOrder, BrokerPosition, OrderTicket
from domain.ingestion import DocumentRequest
from domain.market import Bar, CorporateAction, Session
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

    async def place(self, ticket: OrderTicket) -> BrokerOrder: ...

    async def cancel(self, broker_order_id: str) -> None: ...

    async def fills(self, broker_order_id: str, *, since: datetime) -> list[BrokerFill]: ...

    async def account(self) -> BrokerAccount: ...

    async def positions(self) -> list[BrokerPosition]: ...


class PaperMarket(Protocol):
    """The paper broker's control side: its clock, its prices, its opening cash."""

    async def open_account(self, cash: str) -> None: ...

    async def advance(
        self, session: Session, phase: str, bars: Sequence[Bar], actions: Sequence[CorporateAction]
    ) -> None: ...


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

    async def tick_engine(self, request: TickRequest) -> TickReport: ...

    async def refresh_order(self, intent_id: str, request: RefreshRequest) -> RefreshReport | None:
        """Bring an order to rest; None when its workflow has ended."""
        ...

    async def decide_order(self, intent_id: str, decision: ApprovalDecision) -> None: ...


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
