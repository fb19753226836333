"""A backup put back: every row and object as it was, trading halted, and nothing of before lost or done twice."""

from __future__ import annotations

import asyncio
import json
import sqlite3
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import text
from temporalio.testing import ActivityEnvironment

from activities.adapters.postgres_programs import PostgresPrograms
from activities.backing_up import Backups, flaws_of
from activities.reconciliation import ReconciliationActivities
from activities.release import release_due
from activities.schedules import ScheduleActivities
from api.operations import backups as operations
from cli.backup_findings import backup_findings
from cli.commands.backups import temporal_set_aside
from cli.migrate import migrate
from cli.stack.supervisor import Stack
from domain.backups import BackupState
from domain.decisions import Side, TradingState
from domain.errors import Conflict, InvalidInput, NotFound, StonksError, VendorUnavailable
from domain.ids import client_order_id
from domain.lake import ExportRequest, WhyWritten
from domain.reconciliation import ReconcileReport
from domain.sources import FileSourceConfig
from store import audit, backups, control, lake_exports, sources
from store import migrate as schema
from store.database import Database
from store.objects import ObjectStore
from store.tables.access import SignInSession
from store.tables.decisions import Approval, OrderIntentRow, RiskDecisionRow
from store.tables.trading import Order
from tests.api.harness import eventually
from tests.asking.platform import register, working
from tests.backups.vault import Vault, contents, copied, empty_book, restore, step
from tests.conftest import stonks
from tests.namespaces import new_namespace
from workers.backups import backups_of, elsewhere_of
from workers.parts import Parts
from workers.schedules import TemporalSchedules
from workers.settings import load
from workflows import names

pytestmark = pytest.mark.stack

SETTLED = {"trading_control", "restorations", "audit_log", "outbox", "backups", "documents", "sessions"}
"""Tables that a restoration itself writes to."""


@pytest.fixture
async def room(servers: Stack, vault: Vault) -> AsyncIterator[dict[str, str]]:
    """An empty database and a bucket that is not there yet."""
    async with empty_book(servers, vault.root) as environment:
        yield environment


async def _state(environment: dict[str, str]) -> TradingState:
    database = Database(load(environment).database())
    try:
        async with database.transaction() as session:
            return await control.leaving(session)
    finally:
        await database.close()


async def test_book_when_lost_and_restored_then_every_row_and_object_is_as_it_was_and_trading_halts(
    vault: Vault, room: dict[str, str]
) -> None:
    before = await contents(vault.environment)
    done = await vault.back_up()
    report = await restore(room, vault.files(done.backup_id))
    after = await contents(room)
    assert {table for table in before if before[table] != after[table]} <= SETTLED
    assert (report.rows, report.objects, report.set_aside) == (done.rows, done.objects, "")
    there, here = ObjectStore(load(room).objects()), vault.parts.objects
    for key in vault.files(done.backup_id).hashes():
        assert await there.get(key) == await here.get(key)
    assert await _state(room) is TradingState.HALTED
    database = Database(load(room).database())
    async with database.transaction() as session:
        assert (await backups.require(session, done.backup_id)).state == BackupState.VERIFIED
        assert (await audit.verify(session)).whole
        reason = (await control.state(session)).reason
        assert await backups.standing_restoration(session) is not None
    assert "reconcile, then resume" in reason
    await database.close()
    there.close()


async def test_lake_when_the_book_is_restored_then_it_is_made_anew(vault: Vault, room: dict[str, str]) -> None:
    asked = ExportRequest(publication_id="publish-lake/by-hand", table="documents")
    published = await ActivityEnvironment().run(vault.parts.publishing_activities().publish_table, asked)
    done = await vault.back_up()
    assert not [table for table in vault.files(done.backup_id).manifest().tables if not table.startswith("public.")]
    await restore(room, vault.files(done.backup_id))
    parts = Parts(load(room), client=vault.parts.client)
    try:
        async with parts.database.transaction() as session:
            assert await lake_exports.newest(session) == {}
        again = await ActivityEnvironment().run(parts.publishing_activities().publish_table, asked)
    finally:
        await parts.close()
    assert (again.reason, again.rows) == (WhyWritten.FIRST, published.rows)
    assert again.rows_written == published.rows > 0


async def test_database_when_it_holds_a_book_then_it_is_refused_until_it_may_be_set_aside(
    vault: Vault, room: dict[str, str]
) -> None:
    done = await vault.back_up()
    files = vault.files(done.backup_id)
    await restore(room, files)
    before = await contents(room)
    with pytest.raises(Conflict, match="DATABASE_NOT_EMPTY"):
        await restore(room, files)
    assert await contents(room) == before
    report = await restore(room, files, replace=True, at=datetime.now(UTC) + timedelta(seconds=5))
    database = Database(load(room).database())
    async with database.engine.connect() as connection:
        kept = await connection.execute(text(f'SELECT count(*) FROM "{report.set_aside}".restorations'))
        now = await connection.execute(text("SELECT count(*) FROM restorations"))
        assert (kept.scalar_one(), now.scalar_one()) == (1, 1)
    await database.close()


async def test_restore_when_it_fails_then_what_was_there_is_there_again(
    vault: Vault, room: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    done = await vault.back_up()
    await restore(room, vault.files(done.backup_id))
    before = await contents(room)

    async def broken(*_: object, **__: object) -> None:
        raise StonksError("PROGRAM_FAILED", "in the middle")

    monkeypatch.setattr(PostgresPrograms, "restore", broken)
    with pytest.raises(StonksError, match="in the middle"):
        await restore(room, vault.files(done.backup_id), replace=True)
    assert await contents(room) == before
    await asyncio.to_thread(migrate, room)  # and it may start


async def test_restore_when_interrupted_then_nothing_starts_until_it_is_done_again(
    vault: Vault, room: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    done = await vault.back_up()
    await asyncio.to_thread(migrate, room)  # an installation that was only started counts as empty

    def ended(*_: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(schema, "upgrade", ended)
        with pytest.raises(KeyboardInterrupt):
            await restore(room, vault.files(done.backup_id))
    with pytest.raises(Conflict, match="RESTORE_NOT_FINISHED"):
        await asyncio.to_thread(migrate, room)
    assert (await restore(room, vault.files(done.backup_id))).set_aside == ""
    await asyncio.to_thread(migrate, room)
    assert await _state(room) is TradingState.HALTED


async def test_database_when_somebody_is_connected_then_it_is_refused(vault: Vault, room: dict[str, str]) -> None:
    done = await vault.back_up()
    database = Database(load(room).database())
    await database.ping()
    try:
        with pytest.raises(Conflict, match="DATABASE_IN_USE"):
            await restore(room, vault.files(done.backup_id))
    finally:
        await database.close()


async def test_backup_when_spoilt_then_it_is_not_restored(vault: Vault, room: dict[str, str], tmp_path: Path) -> None:
    done = await vault.back_up()
    files = copied(vault.files(done.backup_id), tmp_path)
    key = sorted(files.hashes())[0]
    files.object_path(key).write_bytes(b"not this")
    with pytest.raises(InvalidInput, match=f"BACKUP_NOT_AS_WRITTEN.*OBJECT_CHANGED: {key}"):
        await restore(room, files)
    assert await contents(room) == {}


# -- what was under way -----------------------------------------------------------------------------------------------


async def _leave_work(parts: Parts) -> dict[str, str]:
    """Work under way as a running platform has it, whose workflows will not be there after a restoration."""
    now, old = datetime.now(UTC), datetime.now(UTC) - timedelta(hours=1)
    document = await register(parts)
    async with parts.database.transaction() as session:
        await sources.save(
            session, source_id="wire", config=FileSourceConfig(path="x.csv"), created_at=now, cadence_seconds=3_600
        )
        for name in ("never-sent", "asked", "given-up", "open"):
            session.add(
                OrderIntentRow(
                    intent_id=name,
                    recommendation_id="",
                    symbol="AAPL",
                    side=Side.BUY.value,
                    quantity=Decimal(1),
                    reference_price=Decimal(50),
                    notional=Decimal(50),
                    target_weight=0.1,
                    as_of=old,
                )
            )
        await session.flush()
        for name, status, abandoned, known in (("given-up", "unknown", old, ""), ("open", "accepted", None, "b-1")):
            session.add(
                Order(
                    order_id=name,
                    intent_id=name,
                    client_order_id=client_order_id("paper", name),
                    broker_order_id=known,
                    symbol="AAPL",
                    side=Side.BUY.value,
                    quantity=Decimal(1),
                    status=status,
                    filled_quantity=Decimal(0),
                    body_hash="",
                    created_at=old,
                    abandoned_at=abandoned,
                )
            )
        session.add(
            RiskDecisionRow(
                decision_id="d-asked",
                intent_id="asked",
                outcome="allow",
                allowed_quantity=Decimal(1),
                needs_approval=True,
                checks=[],
                as_of=old,
            )
        )
        await session.flush()
        session.add(
            Approval(
                approval_id="q-asked",
                intent_id="asked",
                decision_id="d-asked",
                symbol="AAPL",
                side=Side.BUY.value,
                quantity=Decimal(1),
                notional=Decimal(50),
                reason="FIRST_TRADE",
                order_hash="h",
                status="pending",
                requested_at=old,
                expires_at=now + timedelta(days=1),
            )
        )
        session.add(
            SignInSession(
                session_id="s",
                token_hash="t",
                person_id="p",
                method="link",
                csrf_token="c",
                created_at=now,
                last_seen_at=now,
                expires_at=now,
                step_up_at=now,
            )
        )
    async with parts.database.engine.begin() as connection:
        await connection.execute(
            text("UPDATE documents SET status = 'released' WHERE doc_id = :id"), {"id": document.doc_id}
        )
        await connection.execute(
            text(
                "INSERT INTO ingestion_runs (run_id, source_id, workflow_id, status, started_at, pages, bytes, "
                "fetch_ms, register_ms, read, registered, linked, duplicates, rejected, skipped, copies, facts, error) "
                "VALUES ('r', 'wire', '', 'running', now(), 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, '')"
            )
        )
    return {"document": document.doc_id}


async def test_work_under_way_when_restored_then_it_is_ended_followed_or_done_and_the_doctor_names_it(
    servers: Stack, vault: Vault, room: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    left = await _leave_work(vault.parts)
    done = await vault.back_up()
    room = {**room, "STONKS_TEMPORAL_NAMESPACE": room["STONKS_S3_BUCKET"]}
    await new_namespace(servers, room["STONKS_TEMPORAL_NAMESPACE"])
    settled = (await restore(room, vault.files(done.backup_id))).settled
    assert (settled.open_intents, settled.pending_approvals, settled.runs, settled.sessions) == (4, 1, 1, 1)
    assert settled.documents >= 1
    async with working(room) as parts:
        now = datetime.now(UTC)
        rows = parts.database.run
        assert [row["status"] for row in await rows("SELECT status FROM ingestion_runs")] == ["failed"]

        def found() -> dict[str, tuple[bool, str, str]]:
            for name, value in room.items():
                monkeypatch.setenv(name, value)
            return {each.part: (each.ok, each.what, each.fix) for each in backup_findings(Path("nowhere"))}

        ok, what, fix = (await asyncio.to_thread(found))["restore"]
        assert not ok
        for said in ("4 orders of before", "1 questions of before", "documents of before", "not compared"):
            assert said in what
        assert "`stonks reconcile`" in fix

        # Schedules of sources rest, until somebody resumes.
        schedules = ScheduleActivities(parts.database, TemporalSchedules(parts.client), parts.flows, parts.calendar)
        await schedules.reconcile()
        handle = parts.client.get_schedule_handle(names.source_schedule_id("wire"))
        assert (await handle.describe()).schedule.state.paused

        # The first comparison ends what nobody carries; what the broker has stays followed by every later one.
        nobody: Any = None
        auditor = ReconciliationActivities(parts.database, nobody, parts.flows, mode="paper", now=lambda: now)
        report = ReconcileReport(
            reconciliation_id="first", at=now, clean=True, mismatches=0, adopted=0, left_alone=0, changed_intents=()
        )
        for _ in range(2):
            assert await auditor.tell_orders(report) == 0
        states = {row["intent_id"]: row["state"] for row in await rows("SELECT intent_id, state FROM order_intents")}
        assert states == {
            "never-sent": "abandoned",
            "asked": "abandoned",
            "given-up": "abandoned",
            "open": "open",
        }
        assert [row["status"] for row in await rows("SELECT status FROM approvals")] == ["voided"]

        # Documents that were being read are read by the next run of any source, each once.
        released = await release_due(parts.database, parts.flows, until=now, heartbeat=lambda count: None)
        assert left["document"] in released

        async def read() -> bool:
            states = await rows("SELECT status FROM documents WHERE doc_id = $1", left["document"])
            return [row["status"] for row in states] == ["processed"]

        assert await eventually(read)

        # Once a person resumes, schedules go on, and the doctor has nothing to say of the restoration.
        async with parts.database.transaction() as session:
            at = datetime.now(UTC)
            await control.change(session, wanted=TradingState.ACTIVE, reason="as it should be", actor="anna", at=at)
        await schedules.reconcile()
        assert not (await handle.describe()).schedule.state.paused
        assert await operations.restoration(parts.database) is None
        assert "restore" not in await asyncio.to_thread(found)
        await handle.delete()


# -- a copy elsewhere -------------------------------------------------------------------------------------------------


async def test_backup_when_another_place_is_named_then_it_can_be_brought_back_from_there(
    vault: Vault, tmp_path: Path
) -> None:
    settings = vault.parts.settings
    other = ObjectStore(settings.objects().model_copy(update={"bucket": f"{settings.s3_bucket}-elsewhere"}))
    await other.ensure_bucket()
    named = settings.model_copy(
        update={
            "backup_s3_endpoint": settings.s3_endpoint,
            "backup_s3_bucket": other.settings.bucket,
            "backup_s3_prefix": "stonks/",
            "backup_s3_access_key": settings.s3_access_key,
            "backup_s3_secret_key": settings.s3_secret_key,
        }
    )
    async with AsyncExitStack() as until:
        made: Backups = backups_of(named, vault.parts.database, vault.parts.objects, until)
        first = await made.run(step())
        assert first.offsite == "stored"
        empty = named.model_copy(update={"backup_directory": tmp_path / "new"})
        elsewhere, directory = elsewhere_of(empty, until)
        with pytest.raises(NotFound, match="OFFSITE_NOT_FOUND"):
            await elsewhere.fetch("20000101T000000Z")
        await elsewhere.fetch(first.backup_id)
        fetched = directory.of(first.backup_id)
        assert await flaws_of(fetched, vault.parts.postgres_programs) == []
        assert fetched.manifest() == vault.files(first.backup_id).manifest()
        second = await made.run(step())
        await elsewhere.remove([first.backup_id])
        with pytest.raises(NotFound):
            await elsewhere.fetch(first.backup_id)
        await elsewhere.fetch(second.backup_id)
        assert await flaws_of(directory.of(second.backup_id), vault.parts.postgres_programs) == []
    other.close()


async def test_backup_when_the_other_place_is_away_then_it_counts_and_that_is_told(
    vault: Vault, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Backups, "pauses", (0.0, 0.0))
    named = vault.parts.settings.model_copy(
        update={"backup_s3_endpoint": "http://127.0.0.1:1", "backup_s3_bucket": "elsewhere"}
    )
    async with AsyncExitStack() as until:
        done = await backups_of(named, vault.parts.database, vault.parts.objects, until).run(step())
        elsewhere, _ = elsewhere_of(named, until)
        with pytest.raises(VendorUnavailable, match="OFFSITE_UNREACHABLE"):
            await elsewhere.store(done.backup_id)
    assert (done.state, done.offsite.partition(":")[0]) == (BackupState.VERIFIED, "OFFSITE_UNREACHABLE")
    assert await vault.events(done.backup_id) == ["backup_verified", "backup_not_stored_elsewhere"]


# -- what a person types ----------------------------------------------------------------------------------------------


async def test_installation_when_lost_then_a_new_state_directory_is_filled_from_the_backup(
    vault: Vault, tmp_path: Path
) -> None:
    book = tmp_path / "broker.sqlite3"
    with sqlite3.connect(book) as broker:
        broker.execute("CREATE TABLE positions (symbol TEXT)")
        broker.execute("INSERT INTO positions VALUES ('AAPL')")
    named = vault.parts.settings.model_copy(update={"broker_book": book})
    async with AsyncExitStack() as until:
        done = await backups_of(named, vault.parts.database, vault.parts.objects, until).run(step())
    files, state = vault.files(done.backup_id), tmp_path / "state"

    restored = stonks("restore", str(files.root), "--state", str(state), "--json")
    assert restored.returncode == 0, restored.stderr
    report = json.loads(restored.stdout)
    assert (report["rows"], report["objects"], report["broker_book"]) == (done.rows, done.objects, True)
    with sqlite3.connect(state / "data" / "broker" / "book.sqlite3") as broker:
        assert broker.execute("SELECT symbol FROM positions").fetchall() == [("AAPL",)]


def test_temporal_when_a_book_is_restored_beside_it_then_it_begins_anew_and_comes_back_where_that_fails(
    tmp_path: Path,
) -> None:
    there = tmp_path / "data" / "temporal"
    there.mkdir(parents=True)
    (there / "temporal.db").write_text("workflows of another book")

    def ended_in_the_middle() -> None:
        with temporal_set_aside(tmp_path, ours=True):
            assert not there.exists()
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        ended_in_the_middle()
    assert (there / "temporal.db").exists()
    with temporal_set_aside(tmp_path, ours=False):
        assert there.exists()  # servers elsewhere are not ours to move
    with temporal_set_aside(tmp_path, ours=True):
        pass
    (aside,) = (tmp_path / "data").iterdir()
    assert (aside.name.startswith("temporal.before-"), (aside / "temporal.db").exists()) == (True, True)
