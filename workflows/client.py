"""The Temporal client as activities, the API and the CLI use it: starts, signals and updates of other workflows."""

from __future__ import annotations

import asyncio
from datetime import datetime, timedelta

from temporalio.client import Client, WorkflowExecutionStatus, WorkflowHandle, WorkflowUpdateFailedError
from temporalio.common import (
    SearchAttributePair,
    TypedSearchAttributes,
    WorkflowIDConflictPolicy,
    WorkflowIDReusePolicy,
)
from temporalio.contrib.pydantic import pydantic_data_converter
from temporalio.exceptions import WorkflowAlreadyStartedError
from temporalio.runtime import Runtime
from temporalio.service import RPCError, RPCStatusCode

from domain.ids import digest
from domain.ingestion import DocumentRequest
from domain.lake import PublishReport, PublishRequest
from domain.notifications import FailedWorkflow, NotifyState
from domain.reconciliation import BeginReconciliation, ReconcileReport
from domain.research import (
    AssessAllReport,
    AssessAllRequest,
    AssessRequest,
    EconomyNotice,
    EvidenceNotice,
    RecommendationNotice,
    SymbolState,
    ThesisRequest,
    UniverseState,
)
from domain.submission import DiscardReport, DiscardRequest
from domain.trading import (
    ApprovalDecision,
    EngineState,
    RefreshReport,
    RefreshRequest,
    TickReport,
    TickRequest,
)
from workflows import names
from workflows.discard_order import DiscardOrder
from workflows.execute_order import ExecuteOrder
from workflows.index_documents import IndexDocuments
from workflows.notify import Notify
from workflows.process_document import ProcessDocument
from workflows.publish_lake import PublishLake
from workflows.reconcile_broker import ReconcileBroker
from workflows.reconcile_schedules import ReconcileSchedules
from workflows.request_ids import RequestIdsOfClient
from workflows.research_symbol import ResearchSymbol
from workflows.research_universe import ResearchUniverse
from workflows.rewrite_thesis import RewriteThesis
from workflows.trading_engine import TradingEngine

RPC_TIMEOUT = timedelta(seconds=30)
ENDING_POLLS, ENDING_POLL_SECONDS = 50, 0.1
"""How long a workflow that is about to end is waited for before its document is read again."""


async def connect(address: str, namespace: str, *, runtime: Runtime | None = None) -> Client:
    """Connect with the payload converter that every part of the platform uses.

    `runtime` is one that exports metrics; without it, the process's default one, which does not.
    """
    return await Client.connect(
        address,
        namespace=namespace,
        data_converter=pydantic_data_converter,
        interceptors=[RequestIdsOfClient()],
        runtime=runtime,
    )


async def reconcile_schedules(client: Client) -> None:
    """Have the schedules made equal to the sources table, now or, where that is under way, once more."""
    await client.start_workflow(
        ReconcileSchedules.run,
        id=names.RECONCILE_SCHEDULES,
        task_queue=names.Queue.OPS,
        id_conflict_policy=WorkflowIDConflictPolicy.USE_EXISTING,
        start_signal="changed",
        static_summary="schedules equal the sources table",
        rpc_timeout=RPC_TIMEOUT,
    )


async def index_documents(client: Client) -> None:
    """Have documents indexed that were read before there was an index; nothing happens where there are none."""
    await client.start_workflow(
        IndexDocuments.run,
        id=names.INDEX_DOCUMENTS,
        task_queue=names.Queue.OPS,
        id_conflict_policy=WorkflowIDConflictPolicy.USE_EXISTING,
        static_summary="every document that was read can be found",
        rpc_timeout=RPC_TIMEOUT,
    )


async def begin_broker_reconciliation(
    client: Client, *, trigger: str, at: datetime
) -> WorkflowHandle[ReconcileBroker, ReconcileReport]:
    """Start a comparison with the broker. `at` names it; it is as of the moment it runs."""
    return await client.start_workflow(
        ReconcileBroker.run,
        BeginReconciliation(trigger=trigger),
        id=names.reconcile_id(at),
        task_queue=names.Queue.TRADING,
        id_conflict_policy=WorkflowIDConflictPolicy.USE_EXISTING,
        search_attributes=_attributes(stage="reconcile"),
        static_summary=f"book against broker, asked for by {trigger}",
        rpc_timeout=RPC_TIMEOUT,
    )


async def begin_publication(
    client: Client, request: PublishRequest, *, at: datetime, actor: str
) -> WorkflowHandle[PublishLake, PublishReport]:
    """Have the lake brought up to date. `at` names the publication."""
    return await client.start_workflow(
        PublishLake.run,
        request,
        id=names.publication_id(at),
        task_queue=names.Queue.LAKE,
        id_conflict_policy=WorkflowIDConflictPolicy.USE_EXISTING,
        search_attributes=_attributes(stage="lake"),
        static_summary=f"the lake, asked for by {actor}",
        rpc_timeout=RPC_TIMEOUT,
    )


async def begin_discard(
    client: Client, request: DiscardRequest, *, failed_run: str
) -> WorkflowHandle[DiscardOrder, DiscardReport]:
    """Have what is left of an order ended; a repeat finds the run that is under way, or that did it."""
    workflow_id = names.discard_id(request.intent_id, failed_run)
    try:
        return await client.start_workflow(
            DiscardOrder.run,
            request,
            id=workflow_id,
            task_queue=names.Queue.TRADING,
            id_reuse_policy=WorkflowIDReusePolicy.ALLOW_DUPLICATE_FAILED_ONLY,
            id_conflict_policy=WorkflowIDConflictPolicy.USE_EXISTING,
            search_attributes=_attributes(stage="order"),
            static_summary=f"discarded by {request.actor}",
            rpc_timeout=RPC_TIMEOUT,
        )
    except WorkflowAlreadyStartedError:
        return client.get_workflow_handle(workflow_id, result_type=DiscardReport)


class TemporalFlows:
    """Fulfils `activities.ports.Flows`."""

    def __init__(self, client: Client, *, driven: bool) -> None:
        self._client = client
        self._driven = driven
        self._symbols_started: set[str] = set()

    async def start_document(self, request: DocumentRequest, *, again: bool = False) -> bool:
        if not again:
            await self._start_document(
                request,
                WorkflowIDReusePolicy.ALLOW_DUPLICATE_FAILED_ONLY,
                WorkflowIDConflictPolicy.USE_EXISTING,
            )
            return True  # or it was processed before: the id absorbs the repeat
        for _ in range(ENDING_POLLS):
            if await self._start_document(
                request, WorkflowIDReusePolicy.ALLOW_DUPLICATE, WorkflowIDConflictPolicy.FAIL
            ):
                return True
            await asyncio.sleep(ENDING_POLL_SECONDS)  # it has saved what it read, and is about to end
        return False

    async def _start_document(
        self, request: DocumentRequest, reuse: WorkflowIDReusePolicy, conflict: WorkflowIDConflictPolicy
    ) -> bool:
        try:
            await self._client.start_workflow(
                ProcessDocument.run,
                request,
                id=names.document_id(request.doc_id),
                task_queue=names.Queue.INGEST,
                id_reuse_policy=reuse,
                id_conflict_policy=conflict,
                search_attributes=_attributes(stage="document", source=request.source_id),
                static_summary=f"document of {request.source_id}",
                rpc_timeout=RPC_TIMEOUT,
            )
        except WorkflowAlreadyStartedError:
            return False
        return True

    async def failed_document(self, doc_id: str) -> str | None:
        handle = self._client.get_workflow_handle(names.document_id(doc_id))
        try:
            status = (await handle.describe(rpc_timeout=RPC_TIMEOUT)).status
        except RPCError as error:
            if error.status is RPCStatusCode.NOT_FOUND:
                return "its workflow does not exist any more"
            raise
        if status in (None, WorkflowExecutionStatus.RUNNING, WorkflowExecutionStatus.COMPLETED):
            return None
        return f"its workflow ended as {status.name.lower()}"

    async def reconcile_schedules(self) -> None:
        if not self._driven:  # a replay has none
            await reconcile_schedules(self._client)

    async def tell_symbol(self, notice: EvidenceNotice) -> None:
        await self._client.start_workflow(
            ResearchSymbol.run,
            SymbolState(symbol=notice.symbol, driven=self._driven),
            id=names.symbol_id(notice.symbol),
            task_queue=names.Queue.RESEARCH,
            id_conflict_policy=WorkflowIDConflictPolicy.USE_EXISTING,
            start_signal="evidence",
            start_signal_args=[notice],
            search_attributes=_attributes(stage="symbol", symbol=notice.symbol),
            static_summary=notice.symbol,
            rpc_timeout=RPC_TIMEOUT,
        )

    async def assess_symbol(self, request: AssessRequest) -> RecommendationNotice:
        await self._ensure_symbol(request.symbol)
        handle = self._client.get_workflow_handle(names.symbol_id(request.symbol))
        return await handle.execute_update(
            ResearchSymbol.assess,
            request,
            id=f"assess-{names.run_stamp(request.as_of)}",
            rpc_timeout=timedelta(minutes=5),
        )

    async def tell_universe(self, notice: EconomyNotice) -> None:
        await self._start_universe(notice)

    async def ensure_universe(self) -> None:
        await self._start_universe(None)

    async def _start_universe(self, notice: EconomyNotice | None) -> None:
        await self._client.start_workflow(
            ResearchUniverse.run,
            UniverseState(driven=self._driven),
            id=names.RESEARCH_UNIVERSE,
            task_queue=names.Queue.RESEARCH,
            id_conflict_policy=WorkflowIDConflictPolicy.USE_EXISTING,
            start_signal="economy" if notice is not None else None,
            start_signal_args=[notice] if notice is not None else [],
            search_attributes=_attributes(stage="universe"),
            static_summary="every company, before the open and when the economy moves",
            rpc_timeout=RPC_TIMEOUT,
        )

    async def assess_universe(self, request: AssessAllRequest) -> AssessAllReport:
        await self.ensure_universe()
        handle = self._client.get_workflow_handle(names.RESEARCH_UNIVERSE)
        return await handle.execute_update(
            ResearchUniverse.assess,
            request,
            id=f"assess-{names.run_stamp(request.as_of)}",
            rpc_timeout=timedelta(minutes=30),
        )

    async def tell_engine(self, notice: RecommendationNotice) -> None:
        await self.ensure_engine()
        handle = self._client.get_workflow_handle(names.TRADING_ENGINE)
        await handle.signal(TradingEngine.recommendation, notice, rpc_timeout=RPC_TIMEOUT)

    async def start_thesis(self, request: ThesisRequest) -> None:
        try:
            await self._client.start_workflow(
                RewriteThesis.run,
                request,
                id=names.thesis_id(request.recommendation_id),
                task_queue=names.Queue.RESEARCH,
                id_reuse_policy=WorkflowIDReusePolicy.ALLOW_DUPLICATE_FAILED_ONLY,
                id_conflict_policy=WorkflowIDConflictPolicy.USE_EXISTING,
                search_attributes=_attributes(stage="thesis"),
                static_summary="a thesis in plain words",
                rpc_timeout=RPC_TIMEOUT,
            )
        except WorkflowAlreadyStartedError:
            return  # it was written before

    async def ensure_engine(self) -> None:
        await self._client.start_workflow(
            TradingEngine.run,
            EngineState(driven=self._driven),
            id=names.TRADING_ENGINE,
            task_queue=names.Queue.TRADING,
            id_conflict_policy=WorkflowIDConflictPolicy.USE_EXISTING,
            search_attributes=_attributes(stage="engine"),
            static_summary="the trading loop",
            rpc_timeout=RPC_TIMEOUT,
        )

    async def ensure_notifications(self) -> None:
        if self._driven:  # the past is told to nobody
            return
        await self._client.start_workflow(
            Notify.run,
            NotifyState(),
            id=names.NOTIFICATIONS,
            task_queue=names.Queue.NOTIFY,
            id_conflict_policy=WorkflowIDConflictPolicy.USE_EXISTING,
            search_attributes=_attributes(stage="notify"),
            static_summary="the outbox, told to people",
            rpc_timeout=RPC_TIMEOUT,
        )

    async def failed_since(self, instant: datetime, *, limit: int) -> list[FailedWorkflow]:
        """Dead letters that closed since then. The server's list lags behind by a moment."""
        types = ", ".join(repr(name) for name in names.DEAD_LETTER_TYPES)
        query = (
            f"WorkflowType IN ({types}) AND ExecutionStatus IN ('Failed', 'TimedOut', 'Terminated') "
            f"AND CloseTime > '{instant.strftime('%Y-%m-%dT%H:%M:%SZ')}'"
        )
        return [
            FailedWorkflow(
                workflow_id=each.id,
                run_id=each.run_id,
                workflow_type=each.workflow_type,
                status=each.status.name.lower() if each.status else "unknown",
                closed_at=each.close_time or each.start_time,
            )
            async for each in self._client.list_workflows(query, limit=limit, rpc_timeout=RPC_TIMEOUT)
        ]

    async def tick_engine(self, request: TickRequest) -> TickReport:
        handle = self._client.get_workflow_handle(names.TRADING_ENGINE)
        return await handle.execute_update(
            TradingEngine.tick,
            request,
            id=f"tick-{request.phase.value}-{names.run_stamp(request.as_of)}",
            rpc_timeout=timedelta(minutes=5),
        )

    async def refresh_order(self, intent_id: str, request: RefreshRequest) -> RefreshReport | None:
        handle = self._client.get_workflow_handle(names.order_id(intent_id))
        try:
            return await handle.execute_update(ExecuteOrder.refresh, request, rpc_timeout=timedelta(minutes=5))
        except WorkflowUpdateFailedError:  # it ended while it was asked
            return None
        except RPCError as error:
            if error.status is RPCStatusCode.NOT_FOUND:  # it ended, or its start is still on the way
                return None
            raise

    async def decide_order(self, intent_id: str, decision: ApprovalDecision) -> bool:
        handle = self._client.get_workflow_handle(names.order_id(intent_id))
        update_id = f"decide-{digest(decision.order_hash, decision.actor)}"
        try:
            await handle.execute_update(ExecuteOrder.decide, decision, id=update_id, rpc_timeout=timedelta(minutes=5))
        except WorkflowUpdateFailedError:  # the price left its band, or the question ended
            return False
        return True

    async def order_changed(self, intent_id: str) -> bool:
        handle = self._client.get_workflow_handle(names.order_id(intent_id))
        try:
            await handle.signal(ExecuteOrder.order_changed, rpc_timeout=RPC_TIMEOUT)
        except RPCError as error:
            if error.status is RPCStatusCode.NOT_FOUND:  # it ended, or never was
                return False
            raise
        return True

    async def _ensure_symbol(self, symbol: str) -> None:
        """Start a symbol that has no evidence yet, or whose workflow was ended by hand."""
        if symbol in self._symbols_started:
            return
        await self._client.start_workflow(
            ResearchSymbol.run,
            SymbolState(symbol=symbol, driven=self._driven),
            id=names.symbol_id(symbol),
            task_queue=names.Queue.RESEARCH,
            id_conflict_policy=WorkflowIDConflictPolicy.USE_EXISTING,
            search_attributes=_attributes(stage="symbol", symbol=symbol),
            static_summary=symbol,
            rpc_timeout=RPC_TIMEOUT,
        )
        self._symbols_started.add(symbol)


def _attributes(*, stage: str, symbol: str = "", source: str = "") -> TypedSearchAttributes:
    pairs = [SearchAttributePair(names.STAGE, stage)]
    if symbol:
        pairs.append(SearchAttributePair(names.SYMBOL, symbol))
    if source:
        pairs.append(SearchAttributePair(names.SOURCE, source))
    return TypedSearchAttributes(pairs)
