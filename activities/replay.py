"""The steps of a replay: load the period's facts, drive the production workflows, write the report."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from datetime import UTC, date, datetime, time, timedelta
from pathlib import Path

from temporalio import activity

from activities.ports import Calendar, Flows, PaperMarket
from activities.release import release_due, wait_processed
from domain.documents import Reject, RejectReason
from domain.errors import ConfigurationError, InvalidInput
from domain.ingestion import ReleaseReport, ReleaseRequest
from domain.market import Bar, CorporateAction, Session
from domain.replay import (
    OrdersReport,
    OrdersStep,
    ReplayApprovals,
    ReplayPlan,
    ReplayRequest,
    ReplayResult,
    ReplayState,
)
from domain.research import AssessAllReport, AssessAllRequest
from domain.sources import FileSourceConfig
from domain.trading import ApprovalDecision, OrderState, RefreshRequest, TickReport, TickRequest
from domain.universe import SymbolSpan, describe_universe
from store import approvals, config, orders, registry, replays, sources
from store.database import Database, insert_new
from store.objects import ObjectStore
from store.tables.market import CorporateActionRow

WARM_UP = timedelta(days=150)
"""Bars from before the first session: sixty returns and twenty-day volumes need about a hundred sessions."""
SOURCE_ID = "replay-documents"
SETTLE_PAUSE_SECONDS = 0.05

BarReader = Callable[[Path], Iterator[Bar | Reject]]
ActionReader = Callable[[Path], Iterator[CorporateAction | Reject]]


class ReplayActivities:
    def __init__(
        self,
        database: Database,
        objects: ObjectStore,
        flows: Flows,
        calendar: Calendar,
        paper: PaperMarket | None,
        *,
        read_bars: BarReader,
        read_actions: ActionReader,
        fingerprint: Callable[[Path], str],
    ) -> None:
        self._database = database
        self._objects = objects
        self._flows = flows
        self._calendar = calendar
        self._paper = paper
        self._read_bars = read_bars
        self._read_actions = read_actions
        self._fingerprint = fingerprint

    @activity.defn
    async def prepare(self, request: ReplayRequest) -> ReplayPlan:
        """Load bars and actions, seed the registry, open the account. A repeat finds its own rows."""
        if self._paper is None:
            raise ConfigurationError("NO_PAPER_MARKET", "A replay needs the paper broker with a virtual clock")
        sessions = self._calendar.sessions(request.first, request.last)
        if not sessions:
            raise InvalidInput(
                "NO_SESSIONS",
                "The exchange was closed on every day of the period",
                first=request.first,
                last=request.last,
            )
        async with self._database.transaction() as session:
            await replays.require_own_book(session, request.replay_id, source_id=SOURCE_ID)
        beating = asyncio.create_task(_beat())
        try:
            spans = await self._load_bars(request)
            await self._load_actions(request)
        finally:
            beating.cancel()
        await self._describe(request, spans)
        await self._paper.open_account(str(request.opening_cash))
        await self._flows.ensure_engine()
        return ReplayPlan(
            source_id=SOURCE_ID,
            sessions=tuple(sessions),
            available_after=self._close_before(sessions[0]),
            available_until=sessions[-1].closes_at,
        )

    @activity.defn
    async def process_documents(self, request: ReleaseRequest) -> ReleaseReport:
        """Start every document that could be known by now, and wait until all are read."""
        ids = await release_due(self._database, self._flows, until=request.until, heartbeat=activity.heartbeat)
        await wait_processed(self._database, self._flows, until=request.until, heartbeat=activity.heartbeat)
        return ReleaseReport(released=len(ids))

    @activity.defn
    async def assess_all(self, request: AssessAllRequest) -> AssessAllReport:
        """Have every company of which anything is known assessed."""
        beating = asyncio.create_task(_beat())
        try:
            return await self._flows.assess_universe(request)
        finally:
            beating.cancel()

    @activity.defn
    async def tick(self, request: TickRequest) -> TickReport:
        """Have the engine act on the book as of the instant."""
        beating = asyncio.create_task(_beat())
        try:
            return await self._flows.tick_engine(request)
        finally:
            beating.cancel()

    @activity.defn
    async def settle_orders(self, step: OrdersStep) -> OrdersReport:
        """Bring every open order to rest: working at the broker, waiting for a person, or ended."""
        approved = declined = 0
        while True:
            async with self._database.transaction() as session:
                intents = await orders.open_intents(session)
                pending = {row.intent_id: row for row in await approvals.list_by_status(session, limit=10_000)}
            waiting, moving = 0, 0
            for intent in intents:
                report = await self._flows.refresh_order(intent.intent_id, RefreshRequest(as_of=step.as_of))
                activity.heartbeat(intent.intent_id)
                if report is not None and report.state is OrderState.WORKING:
                    continue
                approval = pending.get(intent.intent_id)
                if report is None or report.state is not OrderState.AWAITING_APPROVAL or approval is None:
                    moving += 1
                elif step.last_session:
                    waiting += 1
                else:
                    granted = step.approvals is not ReplayApprovals.DECLINE
                    moving += 1
                    for decision in _replay_decisions(granted, approval.order_hash, approval.people):
                        if not await self._flows.decide_order(intent.intent_id, decision):
                            break
                    else:
                        approved, declined = approved + granted, declined + (not granted)
            if not moving:
                return OrdersReport(open=len(intents), awaiting_approval=waiting, approved=approved, declined=declined)
            await asyncio.sleep(SETTLE_PAUSE_SECONDS)

    @activity.defn
    async def report(self, state: ReplayState) -> ReplayResult:
        """Write the report: a function of the inputs alone, so that a second run is equal byte for byte."""
        async with self._database.transaction() as session:
            body, result = await replays.report(session, state)
        await self._objects.put(result.report_key, body, "application/json")
        async with self._database.transaction() as session:
            await replays.finish(session, state.request.replay_id, result, finished_at=datetime.now(UTC))
        return result

    async def _load_bars(self, request: ReplayRequest) -> list[SymbolSpan]:
        """Read the whole file: the period's bars go to the table, every symbol's first and last day to the report."""
        path = Path(request.bars)
        closes = {
            session.date: session.closes_at
            for session in self._calendar.sessions(request.first - WARM_UP, request.last)
        }
        spans: dict[str, tuple[date, date, int]] = {}
        rows: list[tuple[object, ...]] = []
        rejects: list[Reject] = []

        def read() -> None:
            for number, record in enumerate(self._read_bars(path), start=2):
                if isinstance(record, Reject):
                    rejects.append(record)
                    continue
                first, last, count = spans.get(record.symbol, (record.session, record.session, 0))
                spans[record.symbol] = (min(first, record.session), max(last, record.session), count + 1)
                if not request.first - WARM_UP <= record.session <= request.last:
                    continue
                closes_at = closes.get(record.session)
                if closes_at is None:
                    rejects.append(_not_a_session(path, number, record))
                    continue
                rows.append(
                    (
                        record.symbol,
                        record.session,
                        record.open,
                        record.high,
                        record.low,
                        record.close,
                        record.volume,
                        closes_at,
                    )
                )

        await asyncio.to_thread(read)
        now = datetime.now(UTC)
        async with self._database.transaction() as session:
            await registry.seed(session)
            await registry.add_unnamed(session, list(spans), origin=f"bars file {path.name}")
            await sources.save_rejects(session, run_id=request.replay_id, rejects=rejects, recorded_at=now)
        columns = ("symbol", "session", "open", "high", "low", "close", "volume", "available_at")
        await self._database.copy("bars", columns, rows)
        return [
            SymbolSpan(symbol=symbol, first=first, last=last, bars=count)
            for symbol, (first, last, count) in sorted(spans.items())
        ]

    async def _load_actions(self, request: ReplayRequest) -> None:
        if not request.actions:
            return
        found: dict[tuple[str, date], CorporateAction] = {}
        rejects: list[Reject] = []
        for record in await asyncio.to_thread(lambda: list(self._read_actions(Path(request.actions)))):
            if isinstance(record, Reject):
                rejects.append(record)
            elif request.first - WARM_UP <= record.ex_date <= request.last:
                known = found.get((record.symbol, record.ex_date))
                found[record.symbol, record.ex_date] = record if known is None else known.with_also(record)
        rows = [CorporateActionRow(**action.model_dump()) for action in found.values()]
        async with self._database.transaction() as session:
            await insert_new(session, rows)
            await sources.save_rejects(
                session, run_id=request.replay_id, rejects=rejects, recorded_at=datetime.now(UTC)
            )

    async def _describe(self, request: ReplayRequest, spans: list[SymbolSpan]) -> None:
        """Write down what is replayed: configuration, source, provenance of the files, bias of the universe."""
        files = {"documents": request.documents, "bars": request.bars}
        if request.actions:
            files["actions"] = request.actions
        provenance = {}
        for kind, name in files.items():
            path = Path(name)
            provenance[kind] = {"file": path.name, "sha256": await asyncio.to_thread(self._fingerprint, path)}
        now = datetime.now(UTC)
        source = FileSourceConfig(path=request.documents, publisher=request.publisher, credibility=request.credibility)
        async with self._database.transaction() as session:
            await config.put(session, request.config, created_at=now, created_by="replay", reason=request.replay_id)
            await sources.save(session, source_id=SOURCE_ID, config=source, created_at=now)
            await replays.start(
                session,
                request,
                inputs=provenance,
                universe=describe_universe(spans, first=request.first, last=request.last),
                created_at=now,
            )

    def _close_before(self, session: Session) -> datetime:
        """The close of the session before: what was published after it is news to the first session."""
        start = datetime.combine(session.date - timedelta(days=10), time(), tzinfo=UTC).date()
        before = self._calendar.sessions(start, session.date - timedelta(days=1))
        return before[-1].closes_at


async def _beat() -> None:
    """Heartbeat while something else is waited for."""
    while True:
        activity.heartbeat()
        await asyncio.sleep(5)


def _replay_decisions(granted: bool, shown: str, people: int) -> list[ApprovalDecision]:
    """One decline, or the approvals of as many people as are needed."""
    word = "granted" if granted else "declined"
    actors = ["replay", *(f"replay-{number}" for number in range(2, people + 1))] if granted else ["replay"]
    return [
        ApprovalDecision(
            approved=granted, actor=actor, reason=f"{word} by the replay, as it was told to", order_hash=shown
        )
        for actor in actors
    ]


def _not_a_session(path: Path, line: int, bar: Bar) -> Reject:
    return Reject(
        file=path.name,
        line=line,
        column="date",
        reason=RejectReason.INVALID_DATE,
        detail=f"{bar.symbol} {bar.session}: the exchange was closed that day",
    )
