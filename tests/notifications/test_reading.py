"""Events read once and in order, messages planned once, held, listed, handed out."""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncIterator
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from sqlalchemy import text
from temporalio.testing import ActivityEnvironment

from cli.stack.supervisor import Stack
from domain.notifications import BURST, FailedWorkflow, PlanReport, PlanRequest
from store import daily_report, notifications, outbox
from store.database import insert_new, upsert
from store.notifications import HANDED_AGAIN_AFTER, STUCK_AFTER
from store.tables.platform import DeadLetterNote, OutboxCursor
from store.tables.trading import AccountSnapshot, BreakerEventRow
from tests.notifications.office import Office, office

pytestmark = pytest.mark.stack

NOW = datetime(2026, 3, 2, 15, 30, tzinfo=UTC)


@pytest.fixture
async def desk(servers: Stack) -> AsyncIterator[Office]:
    async with office(servers) as opened:
        yield opened


async def read(desk: Office, **changes: Any) -> PlanReport:
    return await ActivityEnvironment().run(desk.activities(**changes).plan_notifications, PlanRequest(wait_seconds=0))


def ids(report: PlanReport) -> set[str]:
    return {ticket.notification_id for ticket in report.ready}


async def test_event_when_read_then_a_message_is_planned_and_handed_out_once(desk: Office) -> None:
    await desk.configure("one", "two")
    event_id = await desk.publish()

    first, again = await read(desk), await read(desk)

    rows = await desk.rows()
    assert (first.events, again.events) == (1, 0)
    assert {ticket.channel for ticket in first.ready} == {"one", "two"}
    assert again.ready == ()
    assert {(row.event_id, row.status) for row in rows} == {(event_id, "planned")}
    assert all(row.subject.startswith("[stonks paper] ") and "AAPL" in row.body for row in rows)


async def test_event_when_two_read_at_once_then_it_is_planned_and_handed_out_once(desk: Office) -> None:
    await desk.configure()
    for _ in range(5):
        await desk.publish()

    reports = await asyncio.gather(*(read(desk) for _ in range(4)))

    handed = [ticket.notification_id for report in reports for ticket in report.ready]
    assert len(handed) == len(set(handed)) == len(await desk.rows()) == 5
    assert sum(report.events for report in reports) == 5


async def test_event_when_published_twice_then_it_is_new_once(desk: Office) -> None:
    async def write() -> bool:
        async with desk.parts.database.transaction() as session:
            return await outbox.publish(
                session, event_id=f"{desk.kind}/same", event=desk.kind, subject_id="", body={}, occurred_at=NOW
            )

    assert [await write(), await write()] == [True, False]


async def test_event_when_a_later_one_commits_first_then_neither_is_lost(desk: Office) -> None:
    await desk.configure()
    async with desk.parts.database.transaction() as slow:
        await outbox.publish(
            slow, event_id=f"{desk.kind}/slow", event=desk.kind, subject_id="", body={}, occurred_at=datetime.now(UTC)
        )
        fast = await desk.publish()
        assert (await read(desk)).events == 0
    report = await read(desk)

    assert report.events == 2
    assert {row.event_id for row in await desk.rows()} == {f"{desk.kind}/slow", fast}


async def test_outbox_when_many_write_with_delays_and_roll_back_then_a_reader_sees_each_once_in_order(
    desk: Office,
) -> None:
    chance, written, seen = random.Random(7), set[str](), list[tuple[int, str]]()

    async def write(number: int) -> None:
        await asyncio.sleep(chance.random() * 0.5)
        event_id, fails = f"{desk.kind}/{number}", number % 7 == 3
        try:
            async with desk.parts.database.transaction() as session:
                await outbox.publish(
                    session, event_id=event_id, event=desk.kind, subject_id="", body={}, occurred_at=NOW
                )
                await asyncio.sleep(chance.random() * 0.05)
                if fails:
                    raise RuntimeError("the transaction fails")
            written.add(event_id)
        except RuntimeError:
            assert fails

    async def follow(writers: asyncio.Task[Any]) -> None:
        reader = f"reader-{desk.kind}"
        while True:
            ended = writers.done()
            until = await outbox.horizon(desk.parts.database, patience=0)
            async with desk.parts.database.transaction() as session:
                cursor = await outbox.cursor(session, reader, at=NOW)
                if until is not None:
                    rows = await outbox.after(session, cursor.sequence, until=until, limit=3)
                    for row in rows:
                        seen.append((row.sequence or 0, row.event_id))
                        cursor.sequence = row.sequence or 0
                        session.add(cursor)
                    if ended and not rows:
                        return
            await asyncio.sleep(0.002)

    async with desk.parts.database.transaction() as session:
        await insert_new(
            session,
            [OutboxCursor(reader=f"reader-{desk.kind}", sequence=await outbox.newest(session), moved_at=NOW)],
        )
    writers = asyncio.ensure_future(asyncio.gather(*(write(number) for number in range(80))))
    await asyncio.gather(writers, follow(writers))  # type: ignore[arg-type]

    ours = [event_id for _, event_id in seen if event_id.startswith(desk.kind)]
    assert len(ours) == len(set(ours))
    assert set(ours) == written
    assert [sequence for sequence, _ in seen] == sorted(sequence for sequence, _ in seen)


async def test_reader_when_it_is_new_then_it_begins_behind_what_is_there(desk: Office) -> None:
    await desk.publish()
    async with desk.parts.database.transaction() as session:
        newest = await outbox.newest(session)
        assert (await outbox.cursor(session, f"new-{desk.kind}", at=NOW)).sequence == newest


async def test_event_when_nothing_is_configured_for_it_then_it_is_read_and_told_to_nobody(desk: Office) -> None:
    await desk.configure(routes=[])
    await desk.publish()

    assert (await read(desk)).events == 1
    assert await desk.rows() == []


async def test_events_when_held_are_due_then_a_channel_gets_one_list_of_them(desk: Office) -> None:
    await desk.configure("one", "two")
    for _ in range(BURST + 1):
        await desk.publish()

    report = await read(desk)

    rows = await desk.rows()
    assert {row.status for row in rows} == {"listed"}
    assert len(report.ready) == 2
    for ticket in report.ready:
        async with desk.parts.database.transaction() as session:
            listed = await notifications.require(session, ticket.notification_id)
        assert listed.event == "notification_list"
        assert f"{BURST + 1} messages" in listed.subject
        assert {row.list_id for row in rows if row.channel == ticket.channel} == {ticket.notification_id}
    assert (await read(desk)).ready == ()


async def test_events_when_held_for_the_night_then_they_wait_and_one_alone_is_sent_as_it_is(desk: Office) -> None:
    hour = datetime.now(UTC).hour
    quiet = {"start": f"{hour:02}:00", "end": f"{(hour + 2) % 24:02}:00", "time_zone": "UTC"}
    await desk.configure(quiet_hours=quiet)
    await desk.publish()
    assert (await read(desk)).ready == ()
    (held,) = await desk.rows()
    assert held.status == "held"
    assert held.due_at is not None
    assert held.due_at > datetime.now(UTC)

    async with desk.parts.database.transaction() as session:
        await session.exec(
            text("UPDATE notifications SET due_at = now() WHERE notification_id = :id"),  # type: ignore[call-overload]
            params={"id": held.notification_id},
        )
    report = await read(desk)

    assert ids(report) == {held.notification_id}
    assert [row.status for row in await desk.rows()] == ["planned"]


@pytest.mark.parametrize(
    ("status", "column", "age", "again"),
    [
        ("planned", "handed_at", HANDED_AGAIN_AFTER - timedelta(seconds=10), False),
        ("planned", "handed_at", HANDED_AGAIN_AFTER + timedelta(seconds=1), True),
        ("sending", "claimed_at", STUCK_AFTER - timedelta(minutes=1), False),
        ("sending", "claimed_at", STUCK_AFTER + timedelta(seconds=1), True),
        ("sent", "claimed_at", STUCK_AFTER * 2, False),
        ("failed", "claimed_at", STUCK_AFTER * 2, False),
    ],
)
async def test_notification_when_it_was_lost_on_the_way_then_it_is_handed_out_again_in_the_end(
    desk: Office, status: str, column: str, age: timedelta, again: bool
) -> None:
    await desk.configure()
    await desk.publish()
    await read(desk)
    (row,) = await desk.rows()
    async with desk.parts.database.transaction() as session:
        found = await notifications.require(session, row.notification_id)
        found.status = status
        setattr(found, column, datetime.now(UTC) - age)
        session.add(found)

    assert (row.notification_id in ids(await read(desk))) == again


async def test_notification_when_it_is_sent_then_nobody_can_claim_it_or_call_it_failed(desk: Office) -> None:
    await desk.configure()
    await desk.publish()
    await read(desk)
    (row,) = await desk.rows()
    async with desk.parts.database.transaction() as session:
        assert await notifications.claim(session, row.notification_id, now=NOW) is not None
        await notifications.mark_sent(session, row.notification_id, receipt="status 200", now=NOW)
        assert await notifications.claim(session, row.notification_id, now=NOW) is None
        await notifications.mark_failed(session, row.notification_id, "late word")
    (row,) = await desk.rows()

    assert (row.status, row.attempts, row.error, row.receipt) == ("sent", 1, "", "status 200")


async def test_failures_when_looked_for_twice_then_each_is_in_the_outbox_once(desk: Office) -> None:
    failed = FailedWorkflow(
        workflow_id=f"document/{desk.kind}",
        run_id=desk.kind,
        workflow_type="ProcessDocument",
        status="failed",
        closed_at=datetime.now(UTC),
    )
    old = failed.model_copy(update={"run_id": "old", "closed_at": datetime.now(UTC) - timedelta(days=2)})
    look = desk.activities(failed, old).publish_failures

    assert [await ActivityEnvironment().run(look), await ActivityEnvironment().run(look)] == [1, 0]


def snapshot(as_of: datetime, equity: str, realized: str) -> AccountSnapshot:
    return AccountSnapshot(
        as_of=as_of,
        cash=Decimal(500),
        equity=Decimal(equity),
        peak_equity=Decimal(equity),
        gross_exposure=Decimal(0),
        realized_pnl=Decimal(realized),
        unrealized_pnl=Decimal(0),
    )


async def test_daily_report_when_the_account_is_marked_then_it_is_composed_from_the_book(desk: Office) -> None:
    close = datetime(1998, 3, 3, 21, tzinfo=UTC)  # older than what other tests write
    async with desk.parts.database.transaction() as session:
        await upsert(session, [snapshot(close - timedelta(days=1), "1000", "5"), snapshot(close, "1010.50", "7.25")])
        await upsert(
            session,
            [
                BreakerEventRow(event_id="old", breaker="daily_loss", state="open", as_of=close - timedelta(hours=3)),
                BreakerEventRow(event_id="new", breaker="daily_loss", state="closed", as_of=close - timedelta(hours=2)),
                BreakerEventRow(event_id="b", breaker="drawdown", state="open", as_of=close - timedelta(hours=1)),
            ],
        )
        for run in ("waits", "noted"):
            await outbox.publish(
                session,
                event_id=f"dead-letter/{desk.kind}/{run}",
                event="dead_letter",
                subject_id=desk.kind,
                body={"workflow_id": desk.kind, "run_id": run},
                occurred_at=close - timedelta(hours=1),
            )
        note = DeadLetterNote(workflow_id=desk.kind, run_id="noted", action="discarded", actor="x", recorded_at=close)
        await insert_new(session, [note])

        report = await daily_report.compose(session, as_of=close)
        nothing = await daily_report.compose(session, as_of=close + timedelta(seconds=1))

    assert nothing is None
    assert report is not None
    assert report.session == date(1998, 3, 3)
    assert (report.change, report.realized) == (Decimal("10.50"), Decimal("2.25"))
    assert report.breakers == {"drawdown": "open"}
    assert report.dead_letters == 1
    assert (report.orders, report.fills) == ({}, ())


async def test_account_marked_when_read_then_the_daily_report_is_planned(desk: Office) -> None:
    close = datetime.now(UTC).replace(microsecond=0)
    await desk.configure(routes=[{"channel": "hook", "events": ["daily_report"]}])
    async with desk.parts.database.transaction() as session:
        await upsert(session, [snapshot(close, "1010.50", "7.25")])
    event_id = await desk.publish(event="account_marked", occurred_at=close, subject_id="2014-07-17")

    await read(desk)

    async with desk.parts.database.transaction() as session:
        rows = await notifications.list_recent(session, limit=10, event="daily_report")
    (ours,) = [row for row in rows if row.event_id == event_id]
    assert "equity $1,010.50" in ours.subject


async def test_outbox_row_when_its_body_is_hostile_then_reading_goes_on(desk: Office) -> None:
    await desk.configure()
    await desk.publish(body={"reason": "<script>\r\nhttps://evil.example" * 500, "n": None, "list": [{"a": [1] * 999}]})
    await desk.publish(suffix="_two", subject_id="\u202e" * 50, body={})

    report = await read(desk)

    assert report.events == 2
    assert len(report.ready) == 2
    assert all("https://evil" not in row.body for row in await desk.rows())
