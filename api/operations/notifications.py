"""Notifications: channels and routes, a test, what was sent, and sending a failed one again."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

from domain.errors import InvalidInput, NotFound
from domain.ids import digest
from domain.notification_texts import Place, compose
from domain.notifications import (
    ChannelName,
    Event,
    NotificationsConfig,
    NotificationStatus,
    PlannedNotification,
    notification_id,
)
from domain.trading import Remark
from store import audit, notifications
from store.database import Database
from store.tables.platform import Notification

Check = Callable[[int], None]
"""Is given the present version and raises where the caller has seen another."""
WAIT_SECONDS, WAIT_POLL_SECONDS = 60.0, 0.5
ENDED = (NotificationStatus.SENT, NotificationStatus.FAILED, NotificationStatus.LISTED)


class ConfigView(BaseModel):
    """Channels and routes. Secrets stand here by name only."""

    version: int = Field(description="0: nobody ever wrote one, and nobody is told anything")
    config: NotificationsConfig
    created_at: datetime | None
    created_by: str
    reason: str


class ConfigChange(BaseModel):
    """The whole new configuration."""

    model_config = ConfigDict(extra="forbid")

    config: NotificationsConfig
    reason: Remark = ""


class TestRequest(BaseModel):
    __test__ = False
    model_config = ConfigDict(extra="forbid")

    channels: Annotated[
        list[ChannelName], Field(max_length=20, description="by name; all of them where the list is empty")
    ] = Field(default_factory=list)


class NotificationView(BaseModel):
    notification_id: str
    event: str
    event_id: str
    channel: str
    severity: str
    status: NotificationStatus
    subject: str
    text: str
    created_at: datetime
    due_at: datetime | None
    sent_at: datetime | None
    attempts: int
    error: str = Field(description="of the last attempt; empty: there was none")
    receipt: str = Field(description="what the receiver calls it")
    list_id: str = Field(description="the notification that lists this one; empty: it was sent by itself")


class TestReport(BaseModel):
    __test__ = False

    notifications: list[NotificationView]


async def read_config(database: Database) -> ConfigView:
    async with database.transaction() as session:
        row = await notifications.newest_config(session)
    if row is None:
        return ConfigView(version=0, config=NotificationsConfig(), created_at=None, created_by="", reason="")
    return ConfigView(
        version=row.version,
        config=NotificationsConfig.model_validate(row.body),
        created_at=row.created_at,
        created_by=row.created_by,
        reason=row.reason,
    )


async def put_config(database: Database, wanted: ConfigChange, *, actor: str, check: Check | None = None) -> ConfigView:
    """Write a new version, in force within seconds. The same again writes none."""
    async with database.transaction() as session:
        newest = await notifications.newest_config(session)
        if check is not None:
            check(newest.version if newest else 0)
        await notifications.put_config(session, wanted.config, actor=actor, reason=wanted.reason, now=datetime.now(UTC))
    return await read_config(database)


async def send_test(database: Database, place: Place, wanted: TestRequest, *, actor: str) -> TestReport:
    """Plan a message to channels, whatever their routes and the quiet hours; it is sent within seconds.

    Raises:
        NotFound: a channel is not configured.
        InvalidInput: none is.
    """
    now = datetime.now(UTC)
    async with database.transaction() as session:
        _, config = await notifications.config(session)
        names = wanted.channels or [channel.name for channel in config.channels]
        if not names:
            raise InvalidInput("NO_CHANNEL", "Configure one first: `stonks notifications set --config @FILE`")
        for name in names:
            if config.channel(name) is None:
                known = ", ".join(channel.name for channel in config.channels) or "none"
                raise NotFound("CHANNEL_NOT_FOUND", "Name one that is configured", channel=name, configured=known)
        event_id = f"test/{digest(actor, now, length=16)}"
        event = Event(event_id=event_id, event="notification_test", body={"asked by": actor}, occurred_at=now)
        planned = [
            PlannedNotification(
                notification_id=notification_id(event_id, name),
                event_id=event_id,
                channel=name,
                status=NotificationStatus.PLANNED,
                due_at=now,
                message=compose(event, place),
            )
            for name in dict.fromkeys(names)
        ]
        await notifications.save_planned(session, planned, place, now=now)
        await audit.append(
            session,
            key=event_id,
            actor=actor,
            action="notification_test",
            subject=", ".join(dict.fromkeys(names)),
            body={},
            recorded_at=now,
        )
        rows = [await notifications.require(session, each.notification_id) for each in planned]
    return TestReport(notifications=[_view(row) for row in rows])


async def history(
    database: Database,
    *,
    limit: int,
    status: NotificationStatus | None = None,
    channel: str = "",
    event: str = "",
    before: tuple[datetime, str] | None = None,
) -> list[NotificationView]:
    """Notifications of every status, the newest first."""
    async with database.transaction() as session:
        rows = await notifications.list_recent(
            session, limit=limit, status=status, channel=channel, event=event, before=before
        )
    return [_view(row) for row in rows]


async def get(database: Database, notification: str) -> NotificationView:
    """One notification. Raises NotFound."""
    async with database.transaction() as session:
        return _view(await notifications.require(session, notification))


async def retry(database: Database, beginning: str, *, actor: str) -> NotificationView:
    """Send a failed notification again, named by its id or the beginning of it. Raises NotFound, Conflict."""
    async with database.transaction() as session:
        found = await notifications.find(session, beginning)
        row = await notifications.retry(session, found.notification_id, actor=actor, now=datetime.now(UTC))
        return _view(row)


async def wait(database: Database, ids: Sequence[str], *, seconds: float = WAIT_SECONDS) -> list[NotificationView]:
    """Wait until all of them are sent or failed, or time is up."""
    ends = asyncio.get_running_loop().time() + seconds
    while True:
        seen = [await get(database, each) for each in ids]
        if all(each.status in ENDED for each in seen) or asyncio.get_running_loop().time() >= ends:
            return seen
        await asyncio.sleep(WAIT_POLL_SECONDS)


def _view(row: Notification) -> NotificationView:
    return NotificationView(
        notification_id=row.notification_id,
        event=row.event,
        event_id=row.event_id,
        channel=row.channel,
        severity=row.severity,
        status=NotificationStatus(row.status),
        subject=row.subject,
        text=row.body,
        created_at=row.created_at,
        due_at=row.due_at,
        sent_at=row.sent_at,
        attempts=row.attempts,
        error=row.error,
        receipt=row.receipt,
        list_id=row.list_id,
    )
