"""A platform for the tests: real servers and workflows, a hand-written broker, calendar and extractor."""

from __future__ import annotations

import asyncio
import itertools
import uuid
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from functools import cached_property
from typing import Any

import httpx
from fastapi import FastAPI
from pydantic import SecretStr
from temporalio import activity
from temporalio.common import WorkflowIDReusePolicy
from temporalio.service import RPCError, RPCStatusCode

from activities.adapters.agents.document_extractor import DocumentExtractor
from activities.documents import DocumentActivities
from activities.extraction import ExtractionActivities
from activities.prices import BookPrices
from api import keys
from api.app import create_app
from api.dependencies import Dependencies
from api.keys import Scope
from api.operations.approvals import inbox
from api.operations.links import TemporalLinks
from api.throttle import NO_LIMITS
from domain.broker import BrokerAccount, BrokerFill, BrokerOrder, BrokerPosition, MarketDay, OrderTicket
from domain.config import TradingConfig
from domain.decisions import Action, PositionView, Recommendation, Side, SizedIntent
from domain.documents import DocumentStatus
from domain.extraction import Extraction, ExtractionInput, ExtractorKind
from domain.ids import digest
from domain.ingestion import DocumentRequest, ParsedDocument
from domain.market import Session
from domain.portfolio import OrderStatus
from domain.recommendation import recommend
from domain.signals import assess
from domain.sizing import intent_id
from domain.sources import FileSourceConfig
from domain.trading import OrderRequest
from store import documents, orders, people, recommendations, sources
from store.objects import key_for
from store.tables.ingestion import Document, DocumentSymbol, ExtractionRow
from tests.decisions import builders
from workers.main import build_workers
from workers.parts import Parts
from workflows import names
from workflows.execute_order import ExecuteOrder
from workflows.names import Queue
from workflows.process_document import ProcessDocument

BOOTSTRAP_KEY = "bootstrap-0f6e1c94a7"
NOW = datetime.now(UTC)


class FakeBroker:
    """Fills every order at once at $50; remembers what was placed and canceled."""

    def __init__(self) -> None:
        self.placed: list[OrderTicket] = []
        self.canceled: list[str] = []
        self.fill = True
        self.answering = asyncio.Event()
        self.answering.set()
        self._orders: dict[str, BrokerOrder] = {}

    async def find(self, client_order_id: str) -> BrokerOrder | None:
        return self._orders.get(client_order_id)

    async def place(self, ticket: OrderTicket) -> BrokerOrder:
        self.placed.append(ticket)
        order = BrokerOrder(
            broker_order_id=f"b-{ticket.client_order_id}",
            client_order_id=ticket.client_order_id,
            symbol=ticket.symbol,
            side=ticket.side,
            quantity=ticket.quantity,
            status=OrderStatus.FILLED if self.fill else OrderStatus.ACCEPTED,
            filled_quantity=ticket.quantity if self.fill else Decimal(0),
            filled_average_price=Decimal(50) if self.fill else None,
            submitted_at=datetime.now(UTC),
        )
        self._orders[ticket.client_order_id] = order
        await self.answering.wait()
        return order

    async def cancel(self, broker_order_id: str) -> None:
        self.canceled.append(broker_order_id)
        for key, order in self._orders.items():
            if order.broker_order_id == broker_order_id:
                self._orders[key] = order.model_copy(update={"status": OrderStatus.CANCELED})

    async def fills(self, broker_order_id: str, *, since: datetime) -> list[BrokerFill]:
        order = next(each for each in self._orders.values() if each.broker_order_id == broker_order_id)
        return [
            BrokerFill(
                execution_id=f"x-{broker_order_id}",
                broker_order_id=broker_order_id,
                symbol=order.symbol,
                side=order.side,
                quantity=order.quantity,
                price=Decimal(50),
                filled_at=order.submitted_at,
            )
        ]

    async def account(self) -> BrokerAccount:
        return BrokerAccount(cash=Decimal(10**9), equity=Decimal(10**9), buying_power=Decimal(10**9))

    async def positions(self) -> list[BrokerPosition]:
        held: dict[str, Decimal] = {}
        for order in self._orders.values():
            sign = 1 if order.side is Side.BUY else -1
            held[order.symbol] = held.get(order.symbol, Decimal(0)) + sign * order.filled_quantity
        return [
            BrokerPosition(symbol=symbol, quantity=quantity, average_price=Decimal(50))
            for symbol, quantity in held.items()
            if quantity
        ]

    async def calendar(self, first: date, last: date) -> list[MarketDay]:
        return []


class QuietCalendar:
    """The next session is tomorrow: the engine sleeps, and only commands wake it."""

    def sessions(self, first: date, last: date) -> list[Session]:
        return []

    def next_session(self, after: datetime) -> Session:
        opens = (after + timedelta(days=1)).replace(microsecond=0)
        return Session(date=opens.date(), opens_at=opens, closes_at=opens + timedelta(hours=6))


@dataclass
class FakeExtractor:
    """Raises what it was given for a document, one error a call; then finds nothing in it."""

    errors: dict[str, list[Exception]] = field(default_factory=dict)
    calls: list[str] = field(default_factory=list)

    async def extract(self, source: ExtractionInput) -> Extraction:
        self.calls.append(source.doc_id)
        waiting = self.errors.get(source.doc_id)
        if waiting:
            raise waiting.pop(0)
        return Extraction(doc_id=source.doc_id, extractor=ExtractorKind.RULES, extractor_version="fake-1")


class CountingDocuments(DocumentActivities):
    def __init__(self, *arguments: Any) -> None:
        super().__init__(*arguments)
        self.parsed: list[str] = []

    @activity.defn
    async def parse(self, request: DocumentRequest) -> ParsedDocument:
        self.parsed.append(request.doc_id)
        return await super().parse(request)


class Platform:
    """Real servers with the application's parts on them, workers in this process, and the HTTP application."""

    def __init__(self, parts: Parts) -> None:
        self.parts = parts
        self._numbers = itertools.count(1)
        self.broker = FakeBroker()
        self.extractor = FakeExtractor()
        changed: Any = parts
        changed.broker = self.broker
        changed.prices = BookPrices(parts.database)
        changed.calendar = QuietCalendar()
        self.documents = CountingDocuments(parts.database, parts.objects, parts.flows, parts.resolver)
        extraction = ExtractionActivities(
            parts.database, parts.objects, parts.resolver, self.extractor, parts.desk, DocumentExtractor()
        )
        changed.document_activities = lambda: self.documents
        changed.extraction_activities = lambda: extraction

    def dependencies(self, **changes: Any) -> Dependencies:
        values: dict[str, Any] = {
            "database": self.parts.database,
            "objects": self.parts.objects,
            "client": self.parts.client,
            "ui_url": "http://ui.test",
            "mode": "paper",
            "bootstrap_key": SecretStr(BOOTSTRAP_KEY),
            "calendar": lambda: self.parts.calendar,
            "limits": NO_LIMITS,
        }
        return Dependencies(**{**values, **changes})

    @cached_property
    def app(self) -> FastAPI:
        return create_app(self.dependencies())

    @asynccontextmanager
    async def working(self, *queues: Queue, engine_stays: bool = False) -> AsyncIterator[None]:
        """Serve the queues for a while. An engine ends with its worker: whoever asked it afterwards would wait."""
        async with AsyncExitStack() as running:
            if Queue.TRADING in queues and not engine_stays:
                running.push_async_callback(self.end_engine)
            for queue in queues:
                for worker in build_workers(queue, self.parts):
                    await running.enter_async_context(worker)
            yield

    async def end_engine(self) -> None:
        """Leave no engine behind, so that the next command has to start one."""
        try:
            await self.parts.client.get_workflow_handle(names.TRADING_ENGINE).terminate("end of the test")
        except RPCError as error:
            if error.status is not RPCStatusCode.NOT_FOUND:
                raise

    async def key(
        self,
        *scopes: Scope,
        name: str = "test",
        expires_at: datetime | None = None,
        person: str = "",
        unattended: bool = True,
    ) -> str:
        async with self.parts.database.transaction() as session:
            _, secret = await keys.issue(
                session,
                name=name,
                scopes=scopes,
                expires_at=expires_at,
                actor="test",
                now=datetime.now(UTC),
                person=await people.require(session, person) if person else None,
                unattended=unattended,
            )
        return secret.get_secret_value()

    async def document(self, title: str, *, at: datetime, symbols: tuple[str, ...] = (), **changes: Any) -> Document:
        """Register a document of the source `wire` whose raw bytes are in the object store."""
        content = digest(title, at, length=64)
        body = f'{{"title": "{title}", "text": "{title}."}}'.encode()
        await self.parts.objects.put(key_for("raw", content), body, "application/json")
        values: dict[str, Any] = {
            "doc_id": content[:24],
            "content_hash": content,
            "source_id": "wire",
            "run_id": "run",
            "title": title,
            "publisher": "wire",
            "published_at": at,
            "precision": "instant",
            "available_at": at,
            "recorded_at": at,
            "raw_key": key_for("raw", content),
        }
        row = Document(**{**values, **changes})
        async with self.parts.database.transaction() as session:
            await sources.save(session, source_id="wire", config=FileSourceConfig(path="wire.csv"), created_at=NOW)
            if row.source_id != "wire":
                await sources.save(
                    session, source_id=row.source_id, config=FileSourceConfig(path="other.csv"), created_at=NOW
                )
            await documents.register(
                session,
                documents=[row],
                symbols=[DocumentSymbol(doc_id=row.doc_id, symbol=symbol, label=symbol) for symbol in symbols],
            )
        return row

    async def process(self, document: Document) -> None:
        """Start the document's workflow and wait until it ends, well or not."""
        request = DocumentRequest(doc_id=document.doc_id, source_id=document.source_id)
        await self.parts.flows.start_document(request)
        handle = self.parts.client.get_workflow_handle_for(ProcessDocument.run, names.document_id(document.doc_id))
        await asyncio.gather(handle.result(), return_exceptions=True)

    async def recommendation(
        self, symbol: str, *, later: timedelta = timedelta(0), publish: bool = False
    ) -> Recommendation:
        """Make and save a purchase that follows from four stories and calm prices, with its record.

        With `publish`, its documents and extractions stand in the book too.
        """
        as_of = builders.AS_OF + later
        evidence = [
            builders.item(
                f"{symbol}{number}", symbol=symbol, available_at=as_of - timedelta(minutes=minutes), sentiment=sentiment
            )
            for number, (minutes, sentiment) in enumerate([(10, 1.0), (30, 1.0), (300, 0.9), (2_000, -0.1)])
        ]
        market = builders.window(symbol=symbol)
        config = TradingConfig()
        found, record = recommend(
            assess(evidence, as_of=as_of, session_dates=builders.SESSIONS, market=market, config=config),
            previous=Action.NONE,
            position=PositionView(),
            config=config,
            evidence=evidence,
            market=market,
            code_version="1.2.3",
            session_dates=builders.SESSIONS,
        )
        body = record.model_dump_json().encode()
        key = await self.parts.objects.put(key_for("records", digest(body.decode(), length=64)), body)
        if publish:
            for item in evidence:
                await self.document(
                    item.title,
                    at=item.published_at,
                    symbols=(symbol,),
                    doc_id=item.doc_id,
                    url=f"https://wire.test/{item.doc_id}",
                    status=DocumentStatus.PROCESSED.value,
                )
                await documents.save_extraction(
                    self.parts.database,
                    extraction=ExtractionRow(
                        extraction_id=item.extraction_id,
                        doc_id=item.doc_id,
                        extractor="rules",
                        extractor_version="rules-7",
                        status="processed",
                        recorded_at=NOW,
                    ),
                    events=[],
                    evidence=[],
                    status=DocumentStatus.PROCESSED,
                )
        async with self.parts.database.transaction() as session:
            await recommendations.save(session, [(found, key)], decided_by="", recorded_at=NOW)
        return found

    async def order(
        self, symbol: str, *, quantity: int = 700, later: timedelta | None = None, publish: bool = False
    ) -> OrderRequest:
        """Plan an order of `quantity` at $50 and start its workflow; above 500 shares it needs approval."""
        shift = timedelta(seconds=next(self._numbers)) if later is None else later
        recommendation = await self.recommendation(symbol, later=shift, publish=publish)
        intent = SizedIntent(
            intent_id=intent_id(recommendation.recommendation_id, symbol, Side.BUY),
            recommendation_id=recommendation.recommendation_id,
            symbol=symbol,
            side=Side.BUY,
            quantity=Decimal(quantity),
            reference_price=Decimal(50),
            notional=Decimal(quantity) * 50,
            target_weight=0.03,
            as_of=datetime.now(UTC),  # an order is sent within the session that it was planned for
        )
        async with self.parts.database.transaction() as session:
            await orders.save_intents(session, [intent])
        request = OrderRequest(
            intent_id=intent.intent_id, symbol=symbol, side="buy", as_of=intent.as_of, poll_seconds=0.2
        )
        await self.parts.client.start_workflow(
            ExecuteOrder.run,
            request,
            id=names.order_id(intent.intent_id),
            task_queue=Queue.TRADING,
            id_reuse_policy=WorkflowIDReusePolicy.REJECT_DUPLICATE,
        )
        return request

    async def waiting(self, symbol: str, **options: Any) -> dict[str, Any]:
        """Plan an order that needs approval and give its approval as the inbox shows it."""
        request = await self.order(symbol, **options)
        links = TemporalLinks("http://ui.test", "stonks")

        async def asked() -> Any:
            rows = await inbox(self.parts.database, links)
            return next((row for row in rows if row.intent_id == request.intent_id), None)

        return (await eventually(asked)).model_dump(mode="json")


async def eventually(ask: Callable[[], Any], *, seconds: float = 15.0) -> Any:
    """Ask until the answer is true; fails with the last answer when the time is over."""
    deadline = asyncio.get_running_loop().time() + seconds
    while True:
        found = await ask()
        if found:
            return found
        assert asyncio.get_running_loop().time() < deadline, f"still {found!r} after {seconds} s"
        await asyncio.sleep(0.05)


class Caller:
    """Speaks HTTP to the application without a socket."""

    def __init__(self, app: FastAPI, key: str = "") -> None:
        self._client = httpx.AsyncClient(
            transport=httpx.ASGITransport(app=app),
            base_url="http://api.test",
            headers={"Authorization": f"Bearer {key}"} if key else {},
        )

    async def __call__(self, method: str, path: str, **options: Any) -> httpx.Response:
        """Send a request; an act without an idempotency key gets one of its own. `idempotent=False` sends none."""
        headers = dict(options.pop("headers", {}))
        if options.pop("idempotent", True) and method in ("POST", "PUT", "PATCH"):
            headers.setdefault("Idempotency-Key", uuid.uuid4().hex)
        return await self._client.request(method, path, headers=headers, **options)

    async def get(self, path: str, **parameters: Any) -> Any:
        """Read and expect success."""
        answer = await self("GET", path, params=parameters)
        assert answer.status_code == 200, answer.text
        return answer.json()


def caller(platform: Platform, key: str = BOOTSTRAP_KEY, **changes: Any) -> Caller:
    return Caller(create_app(platform.dependencies(**changes)) if changes else platform.app, key)


def assert_problem(answer: httpx.Response, status: int, code: str) -> dict[str, Any]:
    """Check the form of a problem and return it."""
    assert answer.status_code == status, answer.text
    assert answer.headers["content-type"] == "application/problem+json"
    body: dict[str, Any] = answer.json()
    assert body["code"] == code
    assert body["type"] == f"urn:stonks:error:{code}"
    assert body["status"] == status
    assert body["title"]
    assert body["detail"]
    assert body["request_id"] == answer.headers["x-request-id"]
    return body
