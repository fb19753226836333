"""Notifications: the outbox read once, planned into messages, and each message sent effectively once.

Effectively once. Reading an event, moving the cursor and planning its messages is one transaction. A message is
claimed before it is sent and marked after it. Where a process dies between the two, or an answer is lost, it is sent
again under the same id: a webhook's receiver recognises the key, a FIFO topic drops it, a mail carries the same
Message-ID, an ordinary topic shows it twice. Rather twice than never.
"""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta

import structlog
from sqlmodel.ext.asyncio.session import AsyncSession
from temporalio import activity

from activities.ports import FailedWorkflows, Messenger
from domain.errors import ConfigurationError, StonksError
from domain.feed import QUIET
from domain.notification_texts import (
    MOST_LINES,
    Place,
    compose,
    compose_list,
    compose_report,
    is_told_elsewhere,
    one_line,
    outgoing,
)
from domain.notifications import (
    Event,
    Message,
    NotificationStatus,
    PlannedNotification,
    PlanReport,
    PlanRequest,
    SendFailure,
    SendReport,
    SendTicket,
    chunks,
    list_id,
    plan,
)
from store import daily_report, notifications, outbox
from store.database import Database
from store.tables.platform import Notification, OutboxEvent

log = structlog.get_logger(__name__)

READER = "notifications"
READ_AT_ONCE = 200
HAND_OUT_AT_ONCE = 50
POLL_SECONDS = 2.0
HORIZON_SECONDS = 1.0
"""So long what is published at the moment is waited for; what takes longer is read the next time."""
FAILURES = "failed-workflows"
FAILURES_OVERLAP = timedelta(minutes=10)
"""Temporal's list lags: each look goes back behind the one before, and what is in the outbox already stays there."""
FAILURES_AT_ONCE = 1_000
LONGEST_ERROR = 500


class NotificationActivities:
    """`messengers` by the kind of channel; `place` is where messages come from."""

    def __init__(
        self, database: Database, failed: FailedWorkflows, messengers: Mapping[str, Messenger], place: Place
    ) -> None:
        self._database = database
        self._failed = failed
        self._messengers = messengers
        self._place = place

    @activity.defn
    async def publish_failures(self) -> int:
        """Put dead letters into the outbox, each once, beginning with the first look. Returns how many were new."""
        now = datetime.now(UTC)
        async with self._database.transaction() as session:
            looked_at = (await outbox.cursor(session, FAILURES, at=now)).moved_at
        found = await self._failed.failed_since(looked_at - FAILURES_OVERLAP, limit=FAILURES_AT_ONCE)
        async with self._database.transaction() as session:
            cursor = await outbox.cursor(session, FAILURES, at=now)
            cursor.moved_at = now
            session.add(cursor)
            return sum(
                [
                    await outbox.publish(
                        session,
                        event_id=f"dead-letter/{each.workflow_id}/{each.run_id}",
                        event="dead_letter",
                        subject_id=each.workflow_id,
                        body=each.model_dump(mode="json", exclude={"closed_at"}),
                        occurred_at=each.closed_at,
                    )
                    for each in found
                ]
            )

    @activity.defn
    async def plan_notifications(self, request: PlanRequest) -> PlanReport:
        """Plan the messages of new events and hand out what is due; wait until there is something, or time is up.

        A repeat finds the cursor moved and the messages planned; what was handed out and not begun comes again later.
        """
        loop = asyncio.get_running_loop()
        ends = loop.time() + request.wait_seconds
        while True:
            activity.heartbeat()
            events = await self._read()
            tickets = await self._hand_out()
            left = ends - loop.time()
            if events or tickets or left <= 0:
                return PlanReport(events=events, ready=tickets)
            try:
                async with asyncio.timeout(min(POLL_SECONDS, left)):
                    await activity.wait_for_worker_shutdown()
            except TimeoutError:
                continue
            return PlanReport()

    @activity.defn
    async def send_notification(self, ticket: SendTicket) -> SendReport:
        """Send one message. Idempotent once it is marked as sent; before that, see above."""
        now = datetime.now(UTC)
        async with self._database.transaction() as session:
            row = await notifications.claim(session, ticket.notification_id, now=now)
            _, config = await notifications.config(session)
        if row is None:
            return await self._stands(ticket)
        try:
            channel = config.channel(row.channel)
            if channel is None:
                raise ConfigurationError(
                    "CHANNEL_REMOVED", "Add it again, then retry the notification", channel=row.channel
                )
            message = outgoing(
                notifications.message_of(row),
                self._place,
                notification_id=row.notification_id,
                event_id=row.event_id,
            )
            receipt = await self._messengers[channel.kind].send(channel, message, now=now)
        except StonksError as error:
            async with self._database.transaction() as session:
                await notifications.note_error(session, row.notification_id, one_line(str(error), LONGEST_ERROR))
            raise
        async with self._database.transaction() as session:
            await notifications.mark_sent(
                session, row.notification_id, receipt=one_line(receipt), now=datetime.now(UTC)
            )
        return SendReport(status=NotificationStatus.SENT, receipt=one_line(receipt))

    @activity.defn
    async def give_up_notification(self, failure: SendFailure) -> None:
        """Mark a message as failed, with the reason; a person may retry it."""
        async with self._database.transaction() as session:
            await notifications.mark_failed(session, failure.notification_id, one_line(failure.reason, LONGEST_ERROR))
        log.warning("notification_failed", notification_id=failure.notification_id, reason=failure.reason)

    async def _read(self) -> int:
        """Read new events; plan what is said of them and move the cursor together. Returns how many were read."""
        now = datetime.now(UTC)
        async with self._database.transaction() as session:
            if not await outbox.has_news(session, READER):
                return 0  # not even what streams alone tell
        until = await outbox.horizon(self._database, patience=HORIZON_SECONDS)
        if until is None:
            return 0
        async with self._database.transaction() as session:
            cursor = await outbox.cursor(session, READER, at=now)
            rows = await outbox.after(session, cursor.sequence, until=until, limit=READ_AT_ONCE, without=QUIET)
            said = [(row.event_id, message) for row in rows if (message := await self._message(session, row))]
            _, config = await notifications.config(session)
            await notifications.save_planned(session, plan(said, config, now=now), self._place, now=now)
            read_to = (rows[-1].sequence if len(rows) == READ_AT_ONCE else until) or 0
            if read_to > cursor.sequence:
                cursor.sequence, cursor.moved_at = read_to, now
                session.add(cursor)
            await outbox.prune(session, read=cursor.sequence, at=now)
        return len(rows)

    async def _message(self, session: AsyncSession, row: OutboxEvent) -> Message | None:
        """What is said of an event; None where nothing is."""
        event = Event(
            event_id=row.event_id,
            event=row.event,
            subject_id=row.subject_id,
            body=row.body,
            occurred_at=row.occurred_at.astimezone(UTC),
        )
        if is_told_elsewhere(event):
            return None
        if event.event == "account_marked":
            report = await daily_report.compose(session, as_of=event.occurred_at)
            return None if report is None else compose_report(report, self._place)
        return compose(event, self._place)

    async def _hand_out(self) -> tuple[SendTicket, ...]:
        now = datetime.now(UTC)
        async with self._database.transaction() as session:
            await self._list_held(session, now)
            rows = await notifications.hand_out(session, now=now, limit=HAND_OUT_AT_ONCE)
            return tuple(
                SendTicket(notification_id=row.notification_id, channel=row.channel, event=row.event) for row in rows
            )

    async def _list_held(self, session: AsyncSession, now: datetime) -> None:
        """Put what was held back into lists, one a channel; what is alone is sent as it is."""
        rows = {row.notification_id: row for row in await notifications.held(session, now=now)}
        members: dict[str, list[str]] = defaultdict(list)
        for row in rows.values():
            members[row.channel].append(row.notification_id)
        for channel, ids in chunks(members, MOST_LINES):
            if len(ids) == 1:
                await notifications.release(session, ids[0])
                continue
            listed = _list_of(channel, [rows[each] for each in ids], self._place, now)
            await notifications.save_planned(session, [listed], self._place, now=now)
            await notifications.mark_listed(session, ids, list_id=listed.notification_id)

    async def _stands(self, ticket: SendTicket) -> SendReport:
        async with self._database.transaction() as session:
            row = await notifications.require(session, ticket.notification_id)
        return SendReport(status=NotificationStatus(row.status), receipt=row.receipt)


def _list_of(channel: str, rows: list[Notification], place: Place, now: datetime) -> PlannedNotification:
    key = list_id(channel, [row.notification_id for row in rows])
    return PlannedNotification(
        notification_id=key,
        event_id=f"notification-list/{key}",
        channel=channel,
        status=NotificationStatus.PLANNED,
        due_at=now,
        message=compose_list([notifications.message_of(row) for row in rows], place, at=now),
    )
