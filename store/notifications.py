"""Notifications: what is planned, held, sent and failed; and the versions of their configuration."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta

from sqlalchemy import or_, update
from sqlmodel import col, select
from sqlmodel.ext.asyncio.session import AsyncSession

from domain.errors import Conflict, NotFound
from domain.notification_texts import Place, as_text, subject
from domain.notifications import Message, NotificationsConfig, NotificationStatus, PlannedNotification
from store import audit
from store.database import insert_new
from store.keysets import newest_first
from store.tables.platform import Notification, NotificationsConfigRow

HANDED_AGAIN_AFTER = timedelta(seconds=20)
"""A planned notification whose workflow did not begin is handed out again; one that has begun is left alone."""
STUCK_AFTER = timedelta(hours=4)
"""So is one whose attempts ended without a word, as when somebody terminates its workflow: longer than they last."""


async def config(session: AsyncSession) -> tuple[int, NotificationsConfig]:
    """The version in force; 0 with no channel where none was ever written."""
    row = await newest_config(session)
    return (row.version, NotificationsConfig.model_validate(row.body)) if row else (0, NotificationsConfig())


async def newest_config(session: AsyncSession) -> NotificationsConfigRow | None:
    statement = select(NotificationsConfigRow).order_by(col(NotificationsConfigRow.version).desc()).limit(1)
    return (await session.exec(statement)).first()


async def put_config(
    session: AsyncSession, wanted: NotificationsConfig, *, actor: str, reason: str, now: datetime
) -> NotificationsConfigRow:
    """Write a new version with its audit entry, unless the newest says the same. Two writers at once: Conflict."""
    newest = await newest_config(session)
    body = wanted.model_dump(mode="json")
    if newest is not None and newest.body == body:
        return newest
    version = newest.version + 1 if newest else 1
    row = NotificationsConfigRow(version=version, body=body, created_at=now, created_by=actor, reason=reason)
    if not await insert_new(session, [row]):
        raise Conflict("CONFIG_CHANGED", "Somebody changed it meanwhile: read it again", version=version)
    await audit.append(
        session,
        key=f"notifications-config/{version}",
        actor=actor,
        action="notifications_config_changed",
        subject=f"version {version}",
        body={"reason": reason, "channels": [channel.name for channel in wanted.channels]},
        recorded_at=now,
    )
    return row


async def save_planned(
    session: AsyncSession, planned: Sequence[PlannedNotification], place: Place, *, now: datetime
) -> int:
    """Write what is not there yet. Returns how many were new."""
    new = 0
    for each in planned:
        row = Notification(
            notification_id=each.notification_id,
            event=each.message.event,
            event_id=each.event_id,
            channel=each.channel,
            severity=each.message.severity.value,
            status=each.status.value,
            subject=subject(each.message, place),
            body=as_text(each.message, place, event_id=each.event_id),
            message=each.message.model_dump(mode="json"),
            created_at=now,
            due_at=each.due_at,
        )
        new += await insert_new(session, [row])
    return new


async def held(session: AsyncSession, *, now: datetime) -> Sequence[Notification]:
    """What was held back and is due, oldest event first."""
    statement = select(Notification).where(
        Notification.status == NotificationStatus.HELD.value, col(Notification.due_at) <= now
    )
    return (
        await session.exec(statement.order_by(col(Notification.created_at), col(Notification.notification_id)))
    ).all()


async def mark_listed(session: AsyncSession, ids: Sequence[str], *, list_id: str) -> None:
    statement = update(Notification).where(col(Notification.notification_id).in_(ids))
    await session.exec(statement.values(status=NotificationStatus.LISTED.value, list_id=list_id))


async def release(session: AsyncSession, notification_id: str) -> None:
    """Let a held notification be sent by itself."""
    statement = update(Notification).where(col(Notification.notification_id) == notification_id)
    await session.exec(statement.values(status=NotificationStatus.PLANNED.value))


async def hand_out(session: AsyncSession, *, now: datetime, limit: int) -> Sequence[Notification]:
    """Take what is to be sent, and note that it was handed out; what was lost on the way comes again later."""
    status, handed = col(Notification.status), col(Notification.handed_at)
    lost = (status == NotificationStatus.SENDING.value) & (col(Notification.claimed_at) < now - STUCK_AFTER)
    ready = (
        (status == NotificationStatus.PLANNED.value)
        & (col(Notification.due_at) <= now)
        & or_(handed.is_(None), handed < now - HANDED_AGAIN_AFTER)
    )
    statement = select(Notification).where(or_(ready, lost)).order_by(col(Notification.created_at)).limit(limit)
    rows = (await session.exec(statement.with_for_update(skip_locked=True))).all()
    for row in rows:
        row.handed_at = now
        if row.status == NotificationStatus.SENDING.value:
            row.status = NotificationStatus.PLANNED.value
        session.add(row)
    return rows


async def claim(session: AsyncSession, notification_id: str, *, now: datetime) -> Notification | None:
    """Begin an attempt; None where there is nothing to send any more."""
    row = await _locked(session, notification_id)
    if row.status not in (NotificationStatus.PLANNED.value, NotificationStatus.SENDING.value):
        return None
    row.status, row.claimed_at = NotificationStatus.SENDING.value, now
    row.attempts += 1
    session.add(row)
    return row


async def mark_sent(session: AsyncSession, notification_id: str, *, receipt: str, now: datetime) -> None:
    row = await _locked(session, notification_id)
    row.status, row.sent_at, row.receipt, row.error = NotificationStatus.SENT.value, now, receipt, ""
    session.add(row)


async def note_error(session: AsyncSession, notification_id: str, error: str) -> None:
    """Write down why an attempt failed; the next one is on its way."""
    row = await _locked(session, notification_id)
    row.error = error
    session.add(row)


async def mark_failed(session: AsyncSession, notification_id: str, error: str) -> None:
    """Give up, unless it was sent after all."""
    row = await _locked(session, notification_id)
    if row.status == NotificationStatus.SENT.value:
        return
    row.status, row.error = NotificationStatus.FAILED.value, row.error or error
    session.add(row)


async def retry(session: AsyncSession, notification_id: str, *, actor: str, now: datetime) -> Notification:
    """Let a failed notification be sent again, under its own id.

    Raises:
        NotFound: there is none with this id.
        Conflict: it did not fail.
    """
    row = await _locked(session, notification_id)
    if row.status != NotificationStatus.FAILED.value:
        raise Conflict(
            "NOT_FAILED", "Only a failed one can be retried", notification=row.notification_id, status=row.status
        )
    row.status, row.due_at, row.handed_at = NotificationStatus.PLANNED.value, now, None
    session.add(row)
    await audit.append(
        session,
        key=f"notification/{notification_id}/retry/{row.attempts}",
        actor=actor,
        action="notification_retried",
        subject=notification_id,
        body={"channel": row.channel, "attempts": row.attempts},
        recorded_at=now,
    )
    return row


async def require(session: AsyncSession, notification_id: str) -> Notification:
    row = await session.get(Notification, notification_id)
    if row is None:
        raise _unknown(notification_id)
    return row


async def find(session: AsyncSession, beginning: str) -> Notification:
    """The one notification whose id begins so.

    Raises:
        NotFound, Conflict: none does, or several do.
    """
    statement = select(Notification).where(col(Notification.notification_id).startswith(beginning, autoescape=True))
    rows = (await session.exec(statement.limit(2))).all()
    if not rows:
        raise _unknown(beginning)
    if len(rows) > 1:
        raise Conflict("NOTIFICATION_AMBIGUOUS", "Write more of its id", notification=beginning)
    return rows[0]


async def list_recent(
    session: AsyncSession,
    *,
    limit: int,
    status: NotificationStatus | None = None,
    channel: str = "",
    event: str = "",
    before: tuple[datetime, str] | None = None,
) -> Sequence[Notification]:
    """Notifications, the newest first."""
    statement = select(Notification)
    if status is not None:
        statement = statement.where(Notification.status == status.value)
    if channel:
        statement = statement.where(Notification.channel == channel)
    if event:
        statement = statement.where(Notification.event == event)
    page = newest_first(statement, Notification.created_at, Notification.notification_id, limit=limit, before=before)
    return list((await session.exec(page)).all())


def message_of(row: Notification) -> Message:
    return Message.model_validate(row.message)


async def _locked(session: AsyncSession, notification_id: str) -> Notification:
    row = await session.get(Notification, notification_id, with_for_update=True)
    if row is None:
        raise _unknown(notification_id)
    return row


def _unknown(notification_id: str) -> NotFound:
    hint = "`stonks notifications history` shows them"
    return NotFound("NOTIFICATION_NOT_FOUND", hint, notification=notification_id)
