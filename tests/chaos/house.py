"""One embedded stack that is killed piece by piece, and the people and programs that use it meanwhile.

Whoever asks insists: a request that meets a dead server is made again, under the same key, until it is answered.
"""

from __future__ import annotations

import asyncio
import os
import signal
import time
import uuid
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from http import HTTPStatus
from pathlib import Path
from typing import Any, TypeVar
from unittest.mock import patch

import asyncpg
import httpx
from sqlalchemy import text
from sqlalchemy.exc import SQLAlchemyError
from temporalio.client import WorkflowFailureError
from temporalio.exceptions import WorkflowAlreadyStartedError
from temporalio.service import RPCError

from cli.migrate import migrate
from cli.paper_broker.faults import FaultKind
from cli.stack import supervisor
from cli.stack.application import worker_address
from cli.stack.names import PartName
from cli.stack.parts import Part
from cli.stack.supervisor import Stack
from domain import submission
from domain.config import TradingConfig, changed
from domain.decisions import Side, SizedIntent
from domain.errors import VendorThrottled, VendorUnavailable
from domain.ids import digest
from domain.reconciliation import ReconcileReport, ReconcileRequest
from domain.submission import CancelRequest, ReplaceRequest
from domain.trading import OrderOutcome, OrderRequest
from store import config, orders, portfolio, registry
from store.database import insert_new
from store.tables.market import BarRow
from store.tables.trading import Order
from tests.chaos.evidence import WATCHED_TRANSITIONS
from tests.chaos.market import OPENING_CASH, OpenBroker
from tests.chaos.script import APPROVAL_ABOVE, PRICE, SYMBOLS, Fault
from tests.chaos.trader import part_with, shorten
from tests.conftest import clean_environment
from workers.parts import Parts
from workers.settings import load
from workflows import names
from workflows.execute_order import ExecuteOrder

T = TypeVar("T")
PATIENCE_SECONDS = 420.0
"""Longer than the platform waits: for the timeout of what a dead worker did, and three times for a post to be over."""
ASK_AGAIN_SECONDS = 5.0
"""A long poll that a dead server left behind is given up after so long."""
SEED_SHARES = 300
VOLUME = 10_000_000


class Unanswered(Exception):
    """A server is there, and cannot reach what it needs."""


class Impatient(AssertionError):
    """Something did not come to an end: what it was, and for how long it was waited for."""


TROUBLE = (
    Unanswered,
    httpx.HTTPError,
    RPCError,
    SQLAlchemyError,
    asyncpg.PostgresError,
    asyncpg.InterfaceError,
    VendorUnavailable,
    VendorThrottled,
    OSError,
    asyncio.TimeoutError,
)

CONFIGURED = {
    # A breaker would stop purchases after the third failure of the broker, and every trial makes some.
    "protection": {"breakers": None, "stops": None, "reserve": None, "tiers": None},
    "limits": {"daily_loss": "1", "drawdown": "1"},
    "caps": {"sector_cap": "1", "cluster_cap": "1"},
}


@contextmanager
def running_stack(directory: Path, *, in_flight: float | None = None) -> Iterator[Stack]:
    """The whole stack in paper mode, with real time, on an exchange that never closes.

    Args:
        in_flight: seconds after which a post counts as over; the product's own time where it is None.
    """
    parts: dict[PartName, type[Part]] = {PartName.BROKER: OpenBroker}
    if in_flight is not None:
        parts[PartName.WORKER] = part_with(in_flight)
    with (
        patch.object(submission, "LONGEST_IN_FLIGHT", submission.LONGEST_IN_FLIGHT),
        patch.dict(supervisor._PARTS, parts),
        Stack(directory, mode="paper", inherited=clean_environment()) as stack,
    ):
        if in_flight is not None:
            shorten(in_flight)  # for what this process does to orders itself; undone afterwards
        stack.start(before_application=migrate)
        yield stack


class House:
    def __init__(self, stack: Stack, parts: Parts, api: httpx.AsyncClient, control: httpx.AsyncClient) -> None:
        self.stack = stack
        self.parts = parts
        self.book = parts.settings.broker_book
        self.prefix = f"so-{parts.settings.mode.value}-"
        self._api = api
        self._control = control
        self._keeper = asyncio.create_task(self._keep(), name="supervisor")
        self._reviewer = ""
        self._orders = parts.order_activities()
        self._reconciliation = parts.reconciliation_activities()

    # -- the machine --------------------------------------------------------------------------------------------------

    async def _keep(self) -> None:
        """What `stonks up` does all day: notice parts that died and start them again."""
        while True:
            self.stack.watch_once()
            await asyncio.sleep(0.05)

    def kill(self, part: PartName) -> bool:
        """End one process with SIGKILL; False where it is down already."""
        pid = self.stack.pid(part)
        if pid is not None:
            os.kill(pid, signal.SIGKILL)
        return pid is not None

    async def stands(self) -> None:
        """Wait until every part works again."""
        settings = self.parts.settings
        environment = self.stack.environment()

        async def probe() -> None:
            if any(self.stack.pid(part) is None for part in PartName):
                raise Unanswered("a part is down")
            for address in (f"{settings.broker_url}/healthz", f"{worker_address(environment)}/healthz"):
                (await self._control.get(address)).raise_for_status()
            (await self._api.get("/readyz")).raise_for_status()

        await self.insist(probe, "every part works again")

    async def insist(self, call: Callable[[], Awaitable[T]], what: str, *, seconds: float = PATIENCE_SECONDS) -> T:
        """Make a request until it is answered.

        Raises:
            Impatient: it never is.
        """
        deadline = time.monotonic() + seconds
        while True:
            if self._keeper.done():
                await self._keeper  # the supervisor gave a part up, and says why
            try:
                async with asyncio.timeout_at(max(deadline, time.monotonic() + 1.0)):
                    return await call()
            except TROUBLE as trouble:
                if time.monotonic() > deadline:
                    problem = f"{type(trouble).__name__}: {trouble}"
                    raise Impatient(f"{what}: not within {seconds:.0f} s, {problem}") from trouble
            await asyncio.sleep(0.1)

    async def close(self) -> None:
        self._keeper.cancel()
        await asyncio.wait({self._keeper})
        await self.parts.close()

    # -- the house in order -------------------------------------------------------------------------------------------

    async def furnish(self) -> None:
        """Prices, settings, the ledger's opening, a second person, and shares to sell."""
        await self.list_symbols(SYMBOLS)
        settings = changed(TradingConfig(), CONFIGURED)
        async with self.parts.database.transaction() as session:
            now = datetime.now(UTC)
            await config.put(session, settings, created_at=now, created_by="chaos", reason="shares to begin with")
            await portfolio.snapshot(session, as_of=now, phase="close", cash=OPENING_CASH)
            for statement in WATCHED_TRANSITIONS:
                await (await session.connection()).execute(text(statement))
        await self.parts.flows.ensure_engine()
        created = await self.post(
            "/v1/api-keys", {"name": "reviewer", "scopes": ["read", "approve"], "unattended": True}
        )
        self._reviewer = created.json()["key"]
        await self.set_prices(dict.fromkeys(SYMBOLS, PRICE))
        for intent_id in [await self.plan(f"seed-{each}", each, Side.BUY, SEED_SHARES) for each in SYMBOLS]:
            outcome = await self.outcome(intent_id)
            assert outcome.status == "filled", outcome
        asking = changed(settings, {"approval": {"notional_above": str(APPROVAL_ABOVE)}})
        async with self.parts.database.transaction() as session:
            now = datetime.now(UTC)
            await config.put(session, asking, created_at=now, created_by="chaos", reason="people are asked")

    async def list_symbols(self, symbols: Sequence[str]) -> None:
        """Companies with a bar of yesterday in the book; the broker knows them as tradable."""
        now = datetime.now(UTC)

        async def write() -> None:
            async with self.parts.database.transaction() as session:
                await registry.add_unnamed(session, list(symbols), origin="chaos")
                await insert_new(
                    session,
                    [
                        BarRow(
                            symbol=symbol,
                            session=now.date() - timedelta(days=1),
                            **dict.fromkeys(("open", "high", "low", "close"), PRICE),
                            volume=VOLUME,
                            available_at=now - timedelta(hours=1),
                        )
                        for symbol in symbols
                    ],
                )

        await self.insist(write, "symbols are listed")
        await self.tell_broker("/control/assets", [{"symbol": each, "name": f"{each} Inc."} for each in symbols])

    async def cut_connections(self) -> None:
        """End every connection to the database, as its restart would: what they held is let go."""

        async def cut() -> None:
            async with self.parts.database.engine.connect() as connection:
                await connection.execute(
                    text(
                        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
                        "WHERE datname = current_database() AND pid <> pg_backend_pid()"
                    )
                )

        await self.insist(cut, "the database's connections are cut")

    # -- the broker's control side ------------------------------------------------------------------------------------

    async def tell_broker(self, path: str, body: Any) -> None:
        async def send() -> httpx.Response:
            return _answered(await self._control.post(path, json=body))

        (await self.insist(send, f"the broker takes {path}")).raise_for_status()

    async def set_prices(self, prices: dict[str, Decimal]) -> None:
        now = datetime.now(UTC).isoformat()
        seen = [{"symbol": symbol, "price": str(price), "at": now} for symbol, price in prices.items()]
        await self.tell_broker("/control/prices", {"prices": seen})

    async def order_fault(self, fault: Fault) -> None:
        body = {
            "kind": fault.kind.value,
            "path": fault.path,
            "method": fault.method,
            "count": fault.count,
            "seconds": fault.seconds,
        }
        await self.tell_broker("/control/faults", body)

    async def runs_into(self, kind: FaultKind, *, seconds: float) -> bool:
        """Wait, some seconds at the most, until a request has run into a fault that was ordered."""

        async def waiting() -> bool:
            found = (await self._control.get("/control/faults")).raise_for_status().json()
            return any(fault["kind"] == kind for fault in found)

        deadline = time.monotonic() + seconds
        while await self.insist(waiting, "the faults are listed"):
            if time.monotonic() > deadline:
                return False
            await asyncio.sleep(0.02)
        return True

    async def order_partial_fills(self, count: int) -> None:
        await self.order_fault(Fault(FaultKind.PARTIAL_FILL, count=count))

    async def clear_faults(self) -> Counter[str]:
        """Forget the faults that nothing ran into; returns how many there were, by kind."""

        async def clear() -> Counter[str]:
            waiting = (await self._control.get("/control/faults")).raise_for_status().json()
            (await self._control.delete("/control/faults")).raise_for_status()
            left: Counter[str] = Counter()
            for fault in waiting:
                left[fault["kind"]] += fault["count"]
            return left

        return await self.insist(clear, "the faults are cleared")

    async def broker_says(self, path: str) -> Any:
        """An answer of the broker, asked past our own code."""
        settings = self.parts.settings
        keys = {
            "APCA-API-KEY-ID": settings.broker_key_id.get_secret_value(),
            "APCA-API-SECRET-KEY": settings.broker_secret_key.get_secret_value(),
        }

        async def ask() -> httpx.Response:
            return _answered(await self._control.get(path, headers=keys))

        return (await self.insist(ask, f"the broker answers {path}")).raise_for_status().json()

    # -- the API ------------------------------------------------------------------------------------------------------

    async def post(self, path: str, body: Any, *, as_reviewer: bool = False) -> httpx.Response:
        """Post until somebody answers; a refusal (4xx) is an answer."""
        return await self._request("POST", path, json=body, as_reviewer=as_reviewer)

    async def get(self, path: str, **params: Any) -> Any:
        return (await self._request("GET", path, params=params)).raise_for_status().json()

    async def _request(self, method: str, path: str, *, as_reviewer: bool = False, **options: Any) -> httpx.Response:
        headers = {"Authorization": f"Bearer {self._reviewer}"} if as_reviewer else {}
        if method == "POST":
            headers["Idempotency-Key"] = uuid.uuid4().hex  # the same for every attempt

        async def send() -> httpx.Response:
            return _answered(await self._api.request(method, path, headers=headers, **options))

        return await self.insist(send, f"the API answers {method} {path}")

    # -- orders -------------------------------------------------------------------------------------------------------

    async def plan(self, name: str, symbol: str, side: Side, quantity: int) -> str:
        """Write an intent and start its workflow, as the engine's tick does; returns the intent's id."""
        now = datetime.now(UTC)
        intent = SizedIntent(
            intent_id=digest("chaos", name),
            recommendation_id="",
            symbol=symbol,
            side=side,
            quantity=Decimal(quantity),
            reference_price=PRICE,
            notional=Decimal(quantity) * PRICE,
            target_weight=0.0,
            as_of=now,
        )

        async def write() -> None:
            async with self.parts.database.transaction() as session:
                await orders.save_intents(session, [intent])

        async def start() -> None:
            request = OrderRequest(
                intent_id=intent.intent_id,
                symbol=symbol,
                side=side.value,
                as_of=now,
                poll_seconds=0.2,
                maximum_poll_seconds=2.0,
            )
            try:
                await self.parts.client.start_workflow(
                    ExecuteOrder.run, request, id=names.order_id(intent.intent_id), task_queue=names.Queue.TRADING
                )
            except WorkflowAlreadyStartedError:
                return  # the answer to an earlier attempt was lost

        await self.insist(write, "the intent is written")
        await self.insist(start, "the order's workflow is started")
        return intent.intent_id

    async def outcome(self, intent_id: str) -> OrderOutcome:
        """Wait for an order's end."""
        handle = self.parts.client.get_workflow_handle(names.order_id(intent_id), result_type=OrderOutcome)

        async def result() -> OrderOutcome:
            try:
                async with asyncio.timeout(ASK_AGAIN_SECONDS):
                    ended: OrderOutcome = await handle.result()
                    return ended
            except WorkflowFailureError as failure:
                raise Impatient(f"the workflow of {intent_id} failed: {failure.cause}") from failure

        try:
            return await self.insist(result, f"the order of {intent_id} ends")
        except Impatient as impatient:
            raise Impatient(f"{impatient}; {await self._pending(intent_id)}") from impatient

    async def _pending(self, intent_id: str) -> str:
        """What an order's workflow waits for, in the server's words."""
        try:
            found = await self.parts.client.get_workflow_handle(names.order_id(intent_id)).describe()
        except RPCError as error:
            return f"its workflow: {error}"
        waiting = [
            f"{each.activity_type.name} attempt {each.attempt} ({each.last_failure.message})"
            for each in found.raw_description.pending_activities
        ]
        return f"its workflow: status={found.status}, pending={waiting}"

    async def order_of(self, intent_id: str) -> Order | None:
        async def read() -> Order | None:
            async with self.parts.database.transaction() as session:
                return await orders.order_of(session, intent_id)

        return await self.insist(read, "our order is read")

    async def cancel(self, intent_id: str) -> str:
        """Ask for a cancel as often as it takes; returns how the order ended."""
        request = CancelRequest(intent_id=intent_id, as_of=datetime.now(UTC))
        progress = await self.insist(lambda: self._orders.cancel_order(request), f"the cancel of {intent_id}")
        return progress.status

    async def replace(self, intent_id: str, quantity: int) -> bool:
        request = ReplaceRequest(
            intent_id=intent_id,
            request_key=f"chaos/{intent_id}",
            quantity=Decimal(quantity),
            as_of=datetime.now(UTC),
        )
        report = await self.insist(lambda: self._orders.replace_order(request), f"the replacement of {intent_id}")
        return report.replaced

    async def reconcile(self, name: str) -> ReconcileReport:
        request = ReconcileRequest(reconciliation_id=name, trigger="chaos", as_of=datetime.now(UTC))
        return await self.insist(lambda: self._reconciliation.reconcile(request), "book and broker are compared")


def _answered(response: httpx.Response) -> httpx.Response:
    """Pass on what is an answer; a refusal (4xx) is one, unless an attempt that died still has the request's key."""
    under_way = response.status_code == HTTPStatus.CONFLICT and "REQUEST_IN_FLIGHT" in response.text
    if under_way or response.status_code >= HTTPStatus.INTERNAL_SERVER_ERROR:
        raise Unanswered(response.text[:300])
    return response


@asynccontextmanager
async def house_of(stack: Stack) -> AsyncIterator[House]:
    """A furnished house on a stack that has just been started."""
    parts = await Parts.connect(load(stack.environment()))
    settings = parts.settings
    control = {"X-Control-Key": settings.broker_control_key.get_secret_value()}
    bearer = {"Authorization": f"Bearer {settings.api_key.get_secret_value()}"}
    api_url = f"http://{settings.api_host}:{settings.api_port}"
    async with (
        httpx.AsyncClient(base_url=settings.broker_url, headers=control, trust_env=False, timeout=15) as desk,
        httpx.AsyncClient(base_url=api_url, headers=bearer, trust_env=False, timeout=45) as api,
    ):
        house = House(stack, parts, api, desk)
        try:
            await house.furnish()
            yield house
        finally:
            await house.close()
