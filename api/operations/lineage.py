"""The lineage of a document: from the run that brought it to the fills that followed, as nodes and edges.

    run -> answer -> document -> extraction -> event -> evidence -> signal -> recommendation -> intent -> order -> fill

Statements on the economy stand beside the events. Everything is read from the book, and of each kind a bounded number:
of signals first those that an order followed, then the newest.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from enum import StrEnum
from typing import Any

from pydantic import BaseModel, Field
from sqlalchemy import cast, func, or_
from sqlalchemy.dialects.postgresql import JSONPATH
from sqlmodel import col, select
from sqlmodel.ext.asyncio.session import AsyncSession

from api.numbers import from_nano, money, shares
from api.operations.document_texts import require
from store.database import Database
from store.tables.decisions import OrderIntentRow, RecommendationRow, SignalSnapshot
from store.tables.ingestion import (
    Document,
    DocumentLink,
    EventRow,
    EvidenceRow,
    ExtractionRow,
    IngestionRun,
    MacroEventRow,
)
from store.tables.trading import FillRow, Order

MOST_OF_A_KIND = 200


class NodeKind(StrEnum):
    RUN = "run"
    ANSWER = "answer"
    DOCUMENT = "document"
    EXTRACTION = "extraction"
    EVENT = "event"
    STATEMENT = "statement"
    EVIDENCE = "evidence"
    SIGNAL = "signal"
    RECOMMENDATION = "recommendation"
    INTENT = "intent"
    ORDER = "order"
    FILL = "fill"


class Node(BaseModel):
    id: str = Field(description="its kind and key: what edges name", examples=["event:5f0c6e1c94a7b2d3580f6e1c"])
    kind: NodeKind
    key: str
    label: str = Field(description="in a few words", examples=["buyback_dividend, high"])
    at: datetime | None
    symbol: str = Field(description="empty where it is about no company alone")
    facts: dict[str, str] = Field(description="what else is to be known, as text", examples=[{"status": "filled"}])


class Edge(BaseModel):
    source: str
    target: str
    relation: str = Field(
        description="fetched, held, brought, read, found, means, counted, concluded, planned, placed, executed; "
        "between documents duplicate, update, correction or retraction",
        examples=["counted"],
    )
    facts: dict[str, str] = Field(default_factory=dict, examples=[{"share": "0.109300000"}])


class Lineage(BaseModel):
    doc_id: str
    nodes: list[Node] = Field(description="in the order of the steps, and of time within a step")
    edges: list[Edge]
    truncated: list[NodeKind] = Field(description=f"of these there are more than {MOST_OF_A_KIND}")


async def lineage(database: Database, doc_id: str) -> Lineage:
    """Follow a document from its source to what was bought and sold. Raises NotFound."""
    async with database.transaction() as session:
        row = await require(session, doc_id)
        graph = _Graph(doc_id)
        await _source(session, graph, row)
        await _related(session, graph, row)
        await _readings(session, graph, row)
        await _signals(session, graph, row)
        await _conclusions(session, graph)
        await _trades(session, graph)
    return graph.lineage()


class _Graph:
    """Nodes by kind and key, and the edges between those that are there."""

    def __init__(self, doc_id: str) -> None:
        self._doc_id = doc_id
        self._nodes: dict[str, Node] = {}
        self._edges: list[Edge] = []
        self._truncated: set[NodeKind] = set()

    def add(
        self, kind: NodeKind, key: str, label: str, *, at: datetime | None = None, symbol: str = "", **facts: object
    ) -> None:
        node = Node(
            id=f"{kind}:{key}",
            kind=kind,
            key=key,
            label=label,
            at=at,
            symbol=symbol,
            facts={name: str(value) for name, value in facts.items() if value not in ("", None)},
        )
        self._nodes.setdefault(node.id, node)

    def join(self, source: NodeKind, key: str, target: NodeKind, to: str, relation: str, **facts: object) -> None:
        """Draw an edge; nothing where one of its ends was left out."""
        ends = f"{source}:{key}", f"{target}:{to}"
        if ends[0] in self._nodes and ends[1] in self._nodes:
            said = {name: str(value) for name, value in facts.items() if value not in ("", None)}
            self._edges.append(Edge(source=ends[0], target=ends[1], relation=relation, facts=said))

    def keys(self, kind: NodeKind) -> list[str]:
        return [node.key for node in self._nodes.values() if node.kind is kind]

    def cut(self, kind: NodeKind, rows: Sequence[Any]) -> list[Any]:
        """As many of the rows as are shown; they were read with one more."""
        if len(rows) > MOST_OF_A_KIND:
            self._truncated.add(kind)
        return list(rows[:MOST_OF_A_KIND])

    def lineage(self) -> Lineage:
        places = {kind: place for place, kind in enumerate(NodeKind)}
        nodes = sorted(
            self._nodes.values(),
            key=lambda node: (
                places[node.kind],
                node.at is not None,
                node.at.timestamp() if node.at else 0.0,
                node.key,
            ),
        )
        return Lineage(
            doc_id=self._doc_id,
            nodes=nodes,
            edges=sorted(
                self._edges, key=lambda edge: (edge.source, edge.target, edge.relation, sorted(edge.facts.items()))
            ),
            truncated=[kind for kind in NodeKind if kind in self._truncated],
        )


async def _source(session: AsyncSession, graph: _Graph, row: Document) -> None:
    _document(graph, row)
    run = await session.get(IngestionRun, row.run_id)
    label = f"{row.source_id}, {run.status}" if run is not None else row.source_id
    graph.add(
        NodeKind.RUN,
        row.run_id,
        label,
        at=run.started_at if run is not None else None,
        source=row.source_id,
        workflow=run.workflow_id if run is not None else "",
    )
    if not row.answer_key:
        graph.join(NodeKind.RUN, row.run_id, NodeKind.DOCUMENT, row.doc_id, "brought", location=row.location)
        return
    graph.add(NodeKind.ANSWER, row.answer_key, "the vendor's answer, byte for byte")
    graph.join(NodeKind.RUN, row.run_id, NodeKind.ANSWER, row.answer_key, "fetched")
    graph.join(NodeKind.ANSWER, row.answer_key, NodeKind.DOCUMENT, row.doc_id, "held", location=row.location)


def _document(graph: _Graph, row: Document) -> None:
    graph.add(
        NodeKind.DOCUMENT,
        row.doc_id,
        row.title,
        at=row.available_at,
        status=row.status,
        publisher=row.publisher,
        content_hash=row.content_hash,
        error=row.error,
    )


async def _related(session: AsyncSession, graph: _Graph, row: Document) -> None:
    found = await session.exec(
        select(DocumentLink)
        .where(or_(col(DocumentLink.doc_id) == row.doc_id, col(DocumentLink.original_id) == row.doc_id))
        .order_by(col(DocumentLink.available_at), col(DocumentLink.doc_id), col(DocumentLink.original_id))
        .limit(MOST_OF_A_KIND + 1)
    )
    links = graph.cut(NodeKind.DOCUMENT, found.all())
    others = {link.doc_id for link in links} | {link.original_id for link in links}
    for other in await session.exec(select(Document).where(col(Document.doc_id).in_(others))):
        _document(graph, other)
    for link in links:
        graph.join(
            NodeKind.DOCUMENT, link.original_id, NodeKind.DOCUMENT, link.doc_id, link.relation, reason=link.reason
        )


async def _readings(session: AsyncSession, graph: _Graph, row: Document) -> None:
    """Readings, what they found, and what that means for companies: the newest readings first where there are many."""
    for reading in await _some(session, graph, NodeKind.EXTRACTION, ExtractionRow, row, ExtractionRow.recorded_at):
        graph.add(
            NodeKind.EXTRACTION,
            reading.extraction_id,
            f"{reading.agent}, {reading.extractor}",
            at=reading.recorded_at,
            version=reading.extractor_version,
            variant=reading.variant_id,
            status=reading.status,
            superseded="true" if reading.superseded else "",
            shadow="true" if reading.shadow else "",
            quotes=f"{reading.quotes_valid} of {reading.quotes_total}",
        )
        graph.join(NodeKind.DOCUMENT, row.doc_id, NodeKind.EXTRACTION, reading.extraction_id, "read")
    for event in await _some(session, graph, NodeKind.EVENT, EventRow, row, EventRow.event_id):
        graph.add(
            NodeKind.EVENT,
            event.event_id,
            f"{event.type}, {event.materiality}",
            at=event.available_at,
            confidence=event.confidence,
            quote=event.quotes[0]["quote"] if event.quotes else "",
        )
        graph.join(NodeKind.EXTRACTION, event.extraction_id, NodeKind.EVENT, event.event_id, "found")
    for said in await _some(session, graph, NodeKind.STATEMENT, MacroEventRow, row, MacroEventRow.macro_event_id):
        graph.add(
            NodeKind.STATEMENT,
            said.macro_event_id,
            f"{said.factor} {said.name}".strip(),
            at=said.available_at,
            topic=said.topic,
            direction=said.direction,
            quote=said.quotes[0]["quote"] if said.quotes else "",
        )
        graph.join(NodeKind.EXTRACTION, said.extraction_id, NodeKind.STATEMENT, said.macro_event_id, "found")
    for item in await _some(session, graph, NodeKind.EVIDENCE, EvidenceRow, row, EvidenceRow.evidence_id):
        graph.add(
            NodeKind.EVIDENCE,
            item.evidence_id,
            f"{item.symbol} as {item.role}, {item.sentiment:+.2f}",
            at=item.available_at,
            symbol=item.symbol,
            quote=item.quote,
        )
        graph.join(NodeKind.EVENT, item.event_id, NodeKind.EVIDENCE, item.evidence_id, "means")


async def _some(
    session: AsyncSession, graph: _Graph, kind: NodeKind, table: Any, row: Document, order: Any
) -> list[Any]:
    rows = await session.exec(
        select(table).where(table.doc_id == row.doc_id).order_by(col(order).desc()).limit(MOST_OF_A_KIND + 1)
    )
    return graph.cut(kind, rows.all())


async def _signals(session: AsyncSession, graph: _Graph, row: Document) -> None:
    """Signals that the document is a term of, and with how much."""
    terms: Any = func.jsonb_path_query_array(
        SignalSnapshot.assessment,
        cast("$.attributions[*] ? (@.doc_id == $doc)", JSONPATH),
        func.jsonb_build_object("doc", row.doc_id),
    )
    planned = (
        select(OrderIntentRow.intent_id)
        .join(RecommendationRow, col(RecommendationRow.recommendation_id) == col(OrderIntentRow.recommendation_id))
        .where(RecommendationRow.symbol == SignalSnapshot.symbol, RecommendationRow.as_of == SignalSnapshot.as_of)
        .exists()
    )
    wanted: Any = (
        select(SignalSnapshot.snapshot_id, SignalSnapshot.symbol, SignalSnapshot.as_of)
        .add_columns(col(SignalSnapshot.score_nano), terms)
        .where(col(SignalSnapshot.doc_ids).contains([row.doc_id]))
        .order_by(planned.desc(), col(SignalSnapshot.as_of).desc(), col(SignalSnapshot.snapshot_id).desc())
        .limit(MOST_OF_A_KIND + 1)
    )
    found = await session.exec(wanted)
    for snapshot_id, symbol, as_of, score_nano, counted in graph.cut(NodeKind.SIGNAL, found.all()):
        score = from_nano(score_nano)
        graph.add(NodeKind.SIGNAL, snapshot_id, f"{symbol}, score {score}", at=as_of, symbol=symbol, score=score)
        for term in counted:
            kind = NodeKind.STATEMENT if term["layer"] == "macro" else NodeKind.EVIDENCE
            _counted(graph, kind, snapshot_id, term)


def _counted(graph: _Graph, kind: NodeKind, snapshot_id: str, term: Mapping[str, Any]) -> None:
    graph.join(
        kind,
        term["evidence_id"],
        NodeKind.SIGNAL,
        snapshot_id,
        "counted",
        layer=term["layer"],
        via=term.get("via", ""),
        share=from_nano(term["nano"]),
    )


async def _conclusions(session: AsyncSession, graph: _Graph) -> None:
    """What was recommended on each signal, and what was planned from it."""
    found = await session.exec(
        select(RecommendationRow, SignalSnapshot.snapshot_id)
        .join(
            SignalSnapshot,
            (col(SignalSnapshot.symbol) == col(RecommendationRow.symbol))
            & (col(SignalSnapshot.as_of) == col(RecommendationRow.as_of)),
        )
        .where(col(SignalSnapshot.snapshot_id).in_(graph.keys(NodeKind.SIGNAL)))
        .order_by(col(RecommendationRow.as_of).desc(), col(RecommendationRow.recommendation_id))
        .limit(MOST_OF_A_KIND + 1)
    )
    for row, snapshot_id in graph.cut(NodeKind.RECOMMENDATION, found.all()):
        graph.add(
            NodeKind.RECOMMENDATION,
            row.recommendation_id,
            f"{row.symbol}: {row.action}",
            at=row.as_of,
            symbol=row.symbol,
            action=row.action,
            record_hash=row.record_hash,
        )
        graph.join(NodeKind.SIGNAL, snapshot_id, NodeKind.RECOMMENDATION, row.recommendation_id, "concluded")
    planned = await session.exec(
        select(OrderIntentRow)
        .where(col(OrderIntentRow.recommendation_id).in_(graph.keys(NodeKind.RECOMMENDATION)))
        .order_by(col(OrderIntentRow.as_of).desc(), col(OrderIntentRow.intent_id))
        .limit(MOST_OF_A_KIND + 1)
    )
    for intent in graph.cut(NodeKind.INTENT, planned.all()):
        graph.add(
            NodeKind.INTENT,
            intent.intent_id,
            f"{intent.side} {shares(intent.quantity)} {intent.symbol}, {intent.state}",
            at=intent.as_of,
            symbol=intent.symbol,
            state=intent.state,
            notional=money(intent.notional),
        )
        graph.join(NodeKind.RECOMMENDATION, intent.recommendation_id, NodeKind.INTENT, intent.intent_id, "planned")


async def _trades(session: AsyncSession, graph: _Graph) -> None:
    """Orders of the intents, one each at the most, and their executions."""
    for order in await session.exec(select(Order).where(col(Order.intent_id).in_(graph.keys(NodeKind.INTENT)))):
        graph.add(
            NodeKind.ORDER,
            order.order_id,
            f"{order.side} {shares(order.quantity)} {order.symbol}, {order.status}",
            at=order.created_at,
            symbol=order.symbol,
            status=order.status,
            client_order_id=order.client_order_id,
        )
        graph.join(NodeKind.INTENT, order.intent_id, NodeKind.ORDER, order.order_id, "placed")
    found = await session.exec(
        select(FillRow)
        .where(col(FillRow.order_id).in_(graph.keys(NodeKind.ORDER)))
        .order_by(col(FillRow.filled_at).desc(), col(FillRow.fill_id))
        .limit(MOST_OF_A_KIND + 1)
    )
    for fill in graph.cut(NodeKind.FILL, found.all()):
        graph.add(
            NodeKind.FILL,
            fill.fill_id,
            f"{fill.side} {shares(fill.quantity)} {fill.symbol} at {money(fill.price)}",
            at=fill.filled_at,
            symbol=fill.symbol,
            fee=money(fill.fee),
        )
        graph.join(NodeKind.ORDER, fill.order_id, NodeKind.FILL, fill.fill_id, "executed")
