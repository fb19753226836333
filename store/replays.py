"""The report of a replay, read from the book: a function of the inputs alone, without ids of runs or times of day."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from datetime import datetime
from decimal import Decimal
from typing import Any

from sqlalchemy import func
from sqlmodel import SQLModel, col, select
from sqlmodel.ext.asyncio.session import AsyncSession

from domain.decisions import Side
from domain.documents import DocumentStatus
from domain.errors import Conflict, NotFound
from domain.replay import ReplayPlan, ReplayRequest, ReplayResult, ReplayState
from domain.universe import UniverseReport
from store import documents, portfolio, sources
from store.database import insert_new
from store.orders import RiskStage
from store.tables.decisions import Approval, OrderIntentRow, RecommendationRow, RiskDecisionRow, SignalSnapshot
from store.tables.ingestion import Document, DocumentSymbol, EvidenceRow
from store.tables.market import BarRow
from store.tables.trading import Backtest, CorporateActionEntry, FillRow, Order

REJECTS_SHOWN = 100
CENT = Decimal("0.01")
BENCHMARK = "SPY"


async def start(
    session: AsyncSession,
    request: ReplayRequest,
    *,
    inputs: Mapping[str, Mapping[str, str]],
    universe: UniverseReport | None,
    created_at: datetime,
) -> None:
    """Register a replay with its provenance. A repeat changes nothing."""
    row = Backtest(
        backtest_id=request.replay_id,
        kind="replay",
        status="running",
        request={
            "inputs": {kind: dict(values) for kind, values in inputs.items()},
            "universe": universe.model_dump(mode="json") if universe else None,
        },
        created_at=created_at,
    )
    await insert_new(session, [row])


async def finish(session: AsyncSession, replay_id: str, result: ReplayResult, *, finished_at: datetime) -> None:
    row = await require(session, replay_id)
    row.status, row.finished_at, row.result = "finished", finished_at, result.model_dump(mode="json")
    session.add(row)


async def require(session: AsyncSession, replay_id: str) -> Backtest:
    row = await session.get(Backtest, replay_id)
    if row is None:
        raise NotFound("REPLAY_NOT_FOUND", "It was never started on this stack", replay_id=replay_id)
    return row


async def require_own_book(session: AsyncSession, replay_id: str, *, source_id: str) -> None:
    """Refuse to replay into a book that holds anything else.

    Raises:
        Conflict: the database has documents of another source, or another replay.
    """
    others = select(func.count()).select_from(Document).where(Document.source_id != source_id)
    replays = (
        select(func.count()).select_from(Backtest).where(Backtest.kind == "replay", Backtest.backtest_id != replay_id)
    )
    documents_found, replays_found = (await session.exec(others)).one(), (await session.exec(replays)).one()
    if documents_found or replays_found:
        raise Conflict(
            "REPLAY_NEEDS_AN_EMPTY_BOOK",
            "Give the replay a database, a namespace and a bucket of its own",
            other_documents=documents_found,
            other_replays=replays_found,
        )


async def report(session: AsyncSession, state: ReplayState) -> tuple[bytes, ReplayResult]:
    """Compose the report and its headline. Keys are sorted and numbers are text where they are money."""
    request, plan = state.request, state.progress.plan
    if plan is None:
        raise NotFound("REPLAY_NOT_PREPARED", replay_id=request.replay_id)
    row = await require(session, request.replay_id)
    status = await documents.count_by_status(session)
    account = await _account(session, plan, request.opening_cash)
    orders = await _orders(session)
    approvals = await _count_by(session, Approval.status)
    body: dict[str, Any] = {
        "replay_id": request.replay_id,
        "period": {
            "from": request.first.isoformat(),
            "to": request.last.isoformat(),
            "sessions": [session_.date.isoformat() for session_ in plan.sessions],
        },
        "inputs": row.request["inputs"],
        "universe": row.request["universe"],
        "config_version": request.config.version(),
        "ingest": _ingest(state),
        "rejects": await _rejects(session, request.replay_id),
        "documents": {
            "by_status": status,
            "stories_on_several_tickers": await _shared_stories(session),
            "evidence": await _count(session, EvidenceRow),
        },
        "signals": await _count(session, SignalSnapshot),
        "recommendations": await _count_by(session, RecommendationRow.action),
        "decisions": await _decisions(session),
        "risk": await _count_by(session, RiskDecisionRow.outcome, RiskDecisionRow.stage == RiskStage.FIRST.value),
        "approvals": approvals,
        "orders": orders,
        "account": account,
    }
    text = json.dumps(body, indent=1, sort_keys=True, ensure_ascii=False).encode()
    result = ReplayResult(
        replay_id=request.replay_id,
        report_key=f"replays/{hashlib.sha256(text).hexdigest()}.json",
        documents=sum(status.values()) - status.get(DocumentStatus.REGISTERED.value, 0),
        signals=body["signals"],
        recommendations=sum(body["recommendations"].values()),
        orders_filled=sum(1 for order in orders if order["status"] == "filled"),
        approvals_pending=approvals.get("pending", 0),
        equity=account["equity"],
    )
    return text, result


def _ingest(state: ReplayState) -> dict[str, int]:
    """What was read; not how long that took, which no two replays share."""
    found = state.progress.ingest
    left_out = {"run_id", "source_id", "pages", "bytes", "fetch_ms", "register_ms", "facts"}
    return {} if found is None else found.model_dump(exclude=left_out)


async def _rejects(session: AsyncSession, run_id: str) -> dict[str, Any]:
    counts = await sources.count_rejects(session, run_id=run_id)
    shown = await sources.list_rejects(session, run_id=run_id, limit=REJECTS_SHOWN)
    return {
        "total": sum(counts.values()),
        "by_reason": counts,
        "first": [
            {"file": row.file, "line": row.line, "column": row.column, "reason": row.reason, "detail": row.detail}
            for row in shown
        ],
    }


async def _decisions(session: AsyncSession) -> list[dict[str, Any]]:
    """Every recommendation that changed its symbol's action, in order."""
    rows = await session.exec(
        select(RecommendationRow)
        .where(RecommendationRow.action != RecommendationRow.previous_action)
        .order_by(col(RecommendationRow.as_of), col(RecommendationRow.symbol))
    )
    return [
        {
            "recommendation_id": row.recommendation_id,
            "as_of": row.as_of.isoformat(),
            "symbol": row.symbol,
            "action": row.action,
            "previous": row.previous_action,
            "score": f"{row.score:+.9f}",
            "conviction": f"{row.conviction:.9f}",
            "reasons": row.body["reasons"],
            "thesis": row.thesis,
        }
        for row in rows
    ]


async def _orders(session: AsyncSession) -> list[dict[str, Any]]:
    """Every intent with what became of it, in order."""
    rows = await session.exec(
        select(OrderIntentRow, Order)
        .join(Order, col(Order.intent_id) == col(OrderIntentRow.intent_id), isouter=True)
        .order_by(col(OrderIntentRow.as_of), col(OrderIntentRow.symbol), col(OrderIntentRow.side))
    )
    found = []
    for intent, order in rows.all():
        entry: dict[str, Any] = {
            "intent_id": intent.intent_id,
            "as_of": intent.as_of.isoformat(),
            "symbol": intent.symbol,
            "side": intent.side,
            "quantity": _plain(intent.quantity),
            "notional": str(intent.notional.quantize(CENT)),
            "status": order.status if order else intent.state,
        }
        if order is not None:
            entry["client_order_id"] = order.client_order_id
            entry["filled_quantity"] = _plain(order.filled_quantity)
            entry["fills"] = [
                {"at": fill.filled_at.isoformat(), "quantity": _plain(fill.quantity), "price": _plain(fill.price)}
                for fill in await session.exec(
                    select(FillRow)
                    .where(FillRow.order_id == order.order_id)
                    .order_by(col(FillRow.filled_at), col(FillRow.quantity).desc(), col(FillRow.price))
                )
            ]
        found.append(entry)
    return found


async def _account(session: AsyncSession, plan: ReplayPlan, opening: Decimal) -> dict[str, Any]:
    """The equity curve, the final book, and whether cash follows from the fills to the cent."""
    sessions = plan.sessions
    curve = await portfolio.list_snapshots(session, first=sessions[0].opens_at, last=sessions[-1].closes_at)
    fills = (await session.exec(select(FillRow))).all()
    spent = sum((f.quantity * f.price * (1 if f.side == Side.BUY.value else -1) + f.fee for f in fills), Decimal(0))
    dividends = sum((row for row in await session.exec(select(col(CorporateActionEntry.cash)))), Decimal(0))
    expected = opening - spent + dividends
    last = curve[-1] if curve else None
    cash = last.cash if last else opening
    equity = last.equity if last else opening
    return {
        "opening_cash": str(opening),
        "cash": str(cash.quantize(CENT)),
        "equity": str(equity.quantize(CENT)),
        "return_pct": f"{(equity / opening - 1) * 100:.4f}",
        "realized_pnl": str(last.realized_pnl.quantize(CENT)) if last else "0.00",
        "unrealized_pnl": str(last.unrealized_pnl.quantize(CENT)) if last else "0.00",
        "dividends": str(dividends.quantize(CENT)),
        "books_balance": abs(expected - cash) < CENT,
        "curve": [
            {"as_of": row.as_of.isoformat(), "equity": str(row.equity.quantize(CENT)), "positions": row.positions}
            for row in curve
        ],
        "positions": [
            {
                "symbol": holding.symbol,
                "quantity": _plain(holding.quantity),
                "average_price": str(holding.average_price.quantize(CENT)),
                "last_price": str(holding.last_price.quantize(CENT)),
            }
            for holding in await portfolio.holdings(session)
        ],
        "benchmark": await _benchmark(session, plan),
    }


async def _benchmark(session: AsyncSession, plan: ReplayPlan) -> dict[str, str] | None:
    """What holding the index from the first open to the last close returned, without dividends."""
    first, last = plan.sessions[0].date, plan.sessions[-1].date
    bought = await session.get(BarRow, (BENCHMARK, first))
    held = await session.get(BarRow, (BENCHMARK, last))
    if bought is None or held is None:
        return None
    return {"symbol": BENCHMARK, "return_pct": f"{(held.close / bought.open - 1) * 100:.4f}"}


async def _shared_stories(session: AsyncSession) -> int:
    shared = select(DocumentSymbol.doc_id).group_by(DocumentSymbol.doc_id).having(func.count() > 1).subquery()
    return int((await session.exec(select(func.count()).select_from(shared))).one())


async def _count(session: AsyncSession, table: type[SQLModel]) -> int:
    return int((await session.exec(select(func.count()).select_from(table))).one())


async def _count_by(session: AsyncSession, column: Any, *conditions: Any) -> dict[str, int]:
    rows = await session.exec(select(column, func.count()).where(*conditions).group_by(column).order_by(column))
    return {str(value): count for value, count in rows.all()}


def _plain(value: Decimal) -> str:
    """A number without trailing zeros and without an exponent."""
    return f"{value.normalize():f}"
