"""The whole path on a stack of its own with real time: stream, worker, kill -9, comparison, API and command."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import AsyncIterator, Iterator
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any
from unittest.mock import patch

import httpx
import pytest

from activities.adapters.files.bars import read_bars
from api import keys
from api.keys import Scope
from cli.migrate import migrate
from cli.stack import supervisor
from cli.stack.names import PartName
from cli.stack.supervisor import Stack
from domain.actors import BOOTSTRAP_ACTOR
from domain.ids import client_order_id
from domain.market import Bar
from domain.reconciliation import ReconcileReport
from domain.trading import OrderRequest
from store import people, reconciliations
from store.database import insert_new
from store.tables.market import BarRow
from tests.broker.short_sessions import ShortSessions, short_sessions
from tests.conftest import clean_environment, stonks
from tests.orders.desk import Desk
from workers.parts import Parts
from workers.settings import load
from workflows import names
from workflows.client import begin_broker_reconciliation
from workflows.execute_order import ExecuteOrder
from workflows.reconcile_broker import ReconcileBroker

pytestmark = pytest.mark.stack

PATIENT = {"poll_seconds": 300.0, "maximum_poll_seconds": 300.0}
"""Polling alone would find nothing within a test."""


@pytest.fixture(scope="module")
def paper(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    directory = tmp_path_factory.mktemp("paper")
    with (
        patch.dict(supervisor._PARTS, {PartName.BROKER: ShortSessions}),
        Stack(directory, mode="paper", inherited=clean_environment()) as stack,
    ):
        stack.start(before_application=migrate)
        yield stack


class Real(Desk):
    """A desk whose orders rest at any hour: nobody has ever told the broker a price of the symbol."""

    async def rest(self) -> tuple[str, Any]:
        """An order of ours that the broker holds."""
        self.now = datetime.now(UTC)
        intent_id = await self.intend("10", price="50")
        request = OrderRequest(intent_id=intent_id, symbol=self.symbol, side="buy", as_of=self.now, **PATIENT)
        handle = await self.parts.client.start_workflow(
            ExecuteOrder.run, request, id=names.order_id(intent_id), task_queue=names.Queue.TRADING
        )
        deadline = time.monotonic() + 20
        while (found := (await handle.query(ExecuteOrder.status)).state.value) != "working":
            assert found != "closed", await handle.result()
            assert time.monotonic() < deadline, found
            await asyncio.sleep(0.05)
        return intent_id, handle

    def vendor(self) -> httpx.AsyncClient:
        settings = self.parts.settings
        headers = {
            "APCA-API-KEY-ID": settings.broker_key_id.get_secret_value(),
            "APCA-API-SECRET-KEY": settings.broker_secret_key.get_secret_value(),
        }
        return httpx.AsyncClient(base_url=settings.broker_url, headers=headers, trust_env=False, timeout=30)

    async def cancel_by_hand(self, intent_id: str) -> None:
        wanted = client_order_id("paper", intent_id)
        async with self.vendor() as client:
            found = await client.get("/v2/orders:by_client_order_id", params={"client_order_id": wanted})
            (await client.delete(f"/v2/orders/{found.json()['id']}")).raise_for_status()


@pytest.fixture
async def desk(paper: Stack) -> AsyncIterator[Real]:
    parts = await Parts.connect(load(paper.environment()))
    key = parts.settings.broker_control_key.get_secret_value()
    async with httpx.AsyncClient(
        base_url=parts.settings.broker_url, headers={"X-Control-Key": key}, trust_env=False
    ) as control:
        made = Real(parts, control, "RESTS")
        made.now = datetime.now(UTC)
        asset = [{"symbol": "RESTS", "name": "Rests Inc."}]
        (await control.post("/control/assets", json=asset)).raise_for_status()
        yield made
    await parts.close()


async def _publish(desk: Real, closes_at: datetime, folder: Path) -> date:
    """Put the bar of the session that closes then into the book, as a file of bars has it."""
    session = short_sessions(closes_at.date()).open_session(closes_at - timedelta(microseconds=1))
    assert session is not None
    day = session.day
    file = folder / "bars.csv"
    file.write_text(f"symbol,date,open,high,low,close,volume\nRESTS,{day},51,53,50,52,1000\n")
    (bar,) = read_bars(file)
    assert isinstance(bar, Bar)
    async with desk.parts.database.transaction() as session:
        await insert_new(session, [BarRow(**bar.model_dump(), available_at=closes_at)])
    return day


async def _runs(desk: Real) -> list[Any]:
    async with desk.parts.database.transaction() as session:
        return await reconciliations.list_recent(session, limit=200)


async def _key_of(desk: Real, name: str) -> str:
    """Add a person who approves, and return a key of that person."""
    scopes, now = (Scope.READ, Scope.APPROVE), datetime.now(UTC)
    async with desk.parts.database.transaction() as session:
        await people.add(session, name=name, scopes=scopes, actor="test", now=now)
        person = await people.require(session, name)
        _, secret = await keys.issue(
            session, name=name, scopes=scopes, expires_at=None, actor="test", now=now, person=person, unattended=True
        )
    return secret.get_secret_value()


async def _until(condition: Any, *, seconds: float = 30.0) -> None:
    deadline = time.monotonic() + seconds
    while not await condition():
        assert time.monotonic() < deadline, "it did not happen in time"
        await asyncio.sleep(0.1)


async def test_order_when_it_changes_at_the_broker_then_the_stream_makes_its_workflow_look(desk: Real) -> None:
    intent_id, handle = await desk.rest()
    began = time.monotonic()
    await desk.cancel_by_hand(intent_id)
    outcome = await asyncio.wait_for(handle.result(), timeout=20)
    assert (outcome.status, time.monotonic() - began < 20) == ("canceled", True)


async def test_worker_when_it_starts_then_book_and_broker_are_compared_for_the_start_and_for_the_stream(
    desk: Real,
) -> None:
    async def both() -> bool:
        return {"start", "stream"} <= {run.trigger for run in await _runs(desk)}

    await _until(both)
    assert all(run.clean for run in await _runs(desk))


async def test_order_when_it_changes_while_the_worker_is_dead_then_the_comparison_at_the_start_finds_it(
    paper: Stack, desk: Real
) -> None:
    intent_id, handle = await desk.rest()
    paper.kill(PartName.WORKER)
    await desk.cancel_by_hand(intent_id)
    paper.restart(PartName.WORKER)
    outcome = await asyncio.wait_for(handle.result(), timeout=60)
    assert outcome.status == "canceled"
    assert len(await desk.broker_orders(intent_id)) == 1


async def test_stream_when_the_broker_is_killed_then_it_is_followed_again_and_the_book_compared(
    paper: Stack, desk: Real
) -> None:
    before = len([run for run in await _runs(desk) if run.trigger == "stream"])
    paper.kill(PartName.BROKER)
    paper.restart(PartName.BROKER)

    async def again() -> bool:
        return len([run for run in await _runs(desk) if run.trigger == "stream"]) > before

    await _until(again, seconds=60)
    intent_id, handle = await desk.rest()
    await desk.cancel_by_hand(intent_id)
    assert (await asyncio.wait_for(handle.result(), timeout=20)).status == "canceled"


async def test_order_when_the_bar_of_its_session_comes_into_the_book_then_it_fills_at_the_bar(
    desk: Real, tmp_path: Path
) -> None:
    intent_id, handle = await desk.rest()
    (placed,) = await desk.broker_orders(intent_id)
    await _publish(desk, datetime.fromisoformat(placed["expires_at"]), tmp_path)
    outcome = await asyncio.wait_for(handle.result(), timeout=90)
    assert (outcome.status, outcome.filled_quantity, outcome.filled_average_price) == ("filled", "10", "52")
    (filled,) = await desk.broker_orders(intent_id)
    assert (filled["status"], filled["filled_avg_price"]) == ("filled", "52")


async def test_comparison_when_asked_by_update_then_the_report_comes_back(desk: Real) -> None:
    handle = await begin_broker_reconciliation(desk.parts.client, trigger="engine", at=datetime.now(UTC))
    report = await handle.execute_update(ReconcileBroker.report)
    assert isinstance(report, ReconcileReport)
    assert report.clean
    assert (await handle.result()) == report


async def test_api_when_a_comparison_is_asked_for_then_it_is_listed_with_what_it_found(desk: Real) -> None:
    async with desk.vendor() as client:
        body = {
            "symbol": "RESTS",
            "qty": "1",
            "side": "buy",
            "type": "limit",
            "limit_price": "1",
            "time_in_force": "gtc",
        }
        foreign = (await client.post("/v2/orders", json=body)).json()
    settings = desk.parts.settings
    address = f"http://{settings.api_host}:{settings.api_port}"
    headers = {"Authorization": f"Bearer {settings.api_key.get_secret_value()}"}
    async with httpx.AsyncClient(base_url=address, headers=headers, trust_env=False, timeout=30) as api:
        begun = await api.post("/v1/trading/reconcile")
        assert begun.status_code == 202
        wanted = begun.json()["reconciliation_id"]

        async def done() -> bool:
            return (await api.get(f"/v1/trading/reconciliations/{wanted}")).status_code == 200

        await _until(done)
        found = (await api.get(f"/v1/trading/reconciliations/{wanted}")).json()
        assert found["clean"]
        assert [(each["kind"], each["subject"]) for each in found["differences"]] == [("foreign_order", foreign["id"])]
        listed = (await api.get("/v1/trading/reconciliations", params={"limit": 1})).json()
        assert listed["data"][0]["reconciliation_id"] == wanted
        assert listed["has_more"]
        following = await api.get("/v1/trading/reconciliations", params={"limit": 1, "cursor": listed["next_cursor"]})
        assert following.json()["data"][0]["reconciliation_id"] != wanted
        assert (await api.get("/v1/trading/reconciliations/nothing")).json()["code"] == "RECONCILIATION_NOT_FOUND"
    async with httpx.AsyncClient(base_url=address, trust_env=False, timeout=30) as stranger:
        assert (await stranger.post("/v1/trading/reconcile")).status_code == 401


async def test_command_when_run_then_it_shows_what_is_left_alone(paper: Stack, desk: Real, tmp_path: Any) -> None:
    state = str(paper.directory.root)
    done = await asyncio.to_thread(stonks, "reconcile", "--state", state, "--json")
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    assert found["clean"]
    assert found["trigger"] == BOOTSTRAP_ACTOR
    shown = await asyncio.to_thread(stonks, "reconcile", "--state", state)
    assert "book and broker agree" in shown.stdout


async def test_difference_when_two_people_accept_it_by_command_and_by_api_then_the_alarm_ends(
    paper: Stack, desk: Real
) -> None:
    state = str(paper.directory.root)
    async with desk.vendor() as client:
        body = {"symbol": "RESTS", "qty": "1", "side": "buy", "type": "limit", "limit_price": "1"}
        stray = {**body, "time_in_force": "gtc", "client_order_id": client_order_id("paper", "nobody")}
        (await client.post("/v2/orders", json=stray)).raise_for_status()
    found = json.loads((await asyncio.to_thread(stonks, "reconcile", "--state", state, "--json")).stdout)
    assert not found["clean"]
    (open_one,) = found["standing"]
    words = await asyncio.to_thread(stonks, "status", "--state", state)
    assert "1 differences need you" in words.stdout
    accept = ("reconcile", "accept", open_one["difference_id"][:10], "--reason", "placed by hand", "--state", state)
    said = await asyncio.to_thread(stonks, *accept)
    assert "Somebody else must accept it too" in said.stderr, said.stderr
    decline = ("reconcile", "decline", *accept[2:])
    said = await asyncio.to_thread(stonks, *decline)
    assert "The difference stays an alarm" in said.stderr, said.stderr
    said = await asyncio.to_thread(stonks, *decline)
    assert (said.returncode, said.stderr.partition(":")[0]) == (1, "ACCEPTANCE_NOT_PENDING")
    said = await asyncio.to_thread(stonks, *accept)
    assert "Somebody else must accept it too" in said.stderr, said.stderr
    settings = desk.parts.settings
    address = f"http://{settings.api_host}:{settings.api_port}"
    headers = {"Authorization": f"Bearer {settings.api_key.get_secret_value()}"}
    path = f"/v1/trading/reconciliations/{found['reconciliation_id']}/differences/{open_one['difference_id']}/accept"
    async with httpx.AsyncClient(base_url=address, headers=headers, trust_env=False, timeout=30) as api:
        noted = (await api.get("/v1/audit", params={"action": "difference_acceptance_declined"})).json()["data"]
        assert [each["actor"] for each in noted] == [BOOTSTRAP_ACTOR]
        again = await api.post(path, json={"reason": "so it was"})
        assert (again.status_code, again.json()["status"]) == (200, "pending"), "the owner's key is the owner too"
        assert (await api.get("/v1/trading/status")).json()["reconciliation"]["open_differences"] == 1
        theirs = {"Authorization": f"Bearer {await _key_of(desk, 'anna')}"}
        done = await api.post(path, json={"reason": "so it was"}, headers=theirs)
        assert (done.status_code, done.json()["status"]) == (200, "accepted"), done.text
        standing = (await api.get("/v1/trading/status")).json()["reconciliation"]
    assert (standing["clean"], standing["open_differences"]) == (True, 0)
