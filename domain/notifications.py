"""Notifications: which event is told to whom, when, and under which id.

    event -> message -> one notification a channel that a route leads to -> now, or held until the quiet hours end

A notification's id is a function of its event and its channel, so that reading an event twice tells it once.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from datetime import UTC, date, datetime, time, timedelta
from enum import StrEnum
from fnmatch import fnmatchcase
from typing import Annotated, Any, Literal, Self
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from pydantic import AfterValidator, Field, model_validator

from domain.ids import digest
from domain.model import Model, Utc

BURST = 10
"""Messages of one channel that are sent one by one at a time; where more come together, one message lists them."""
LATE = timedelta(hours=24)
"""An event that is read later than this, after a long outage, is told in a list and not by itself."""
SHORTEST_SIGNING_SECRET = 24


class Severity(StrEnum):
    INFO = "info"
    WARNING = "warning"
    URGENT = "urgent"
    """Passes through quiet hours."""

    @property
    def rank(self) -> int:
        return list(Severity).index(self)


class NotificationStatus(StrEnum):
    """Where a notification stands."""

    PLANNED = "planned"
    HELD = "held"
    """Waits for the end of the quiet hours, then stands in a list with the others."""
    SENDING = "sending"
    """An attempt is under way, or the next one is waited for."""
    SENT = "sent"
    LISTED = "listed"
    """Told in the list of another notification."""
    FAILED = "failed"
    """Given up; a person may retry it."""


class Event(Model):
    """What happened, as the outbox has it. The body is data: nothing in it is trusted."""

    event_id: str
    event: str
    subject_id: str = ""
    body: dict[str, Any] = Field(default_factory=dict)
    occurred_at: Utc


class Fact(Model):
    label: str
    value: str


class Message(Model):
    """What is said, before it is written as text or HTML. Everything from outside was made harmless already."""

    event: str
    severity: Severity
    title: str
    facts: tuple[Fact, ...] = ()
    lines: tuple[str, ...] = ()
    action: str = ""
    """What the reader can do."""
    link: str = ""
    """Ours, the only one that may be clickable."""
    occurred_at: Utc


_EMAIL = re.compile(r"[A-Za-z0-9._%+\-]{1,64}@[A-Za-z0-9](?:[A-Za-z0-9.\-]{0,251}[A-Za-z0-9])?\Z")


def _require_address(value: str) -> str:
    if not _EMAIL.match(value):
        raise ValueError("an address like ops@example.com is allowed, without a name or blanks")
    return value


def _require_zone(value: str) -> str:
    try:
        ZoneInfo(value)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        raise ValueError("a name of the time zone database is allowed, for example America/New_York") from None
    return value


def _require_url(value: str) -> str:
    if "?" in value or "@" in value or "#" in value:
        raise ValueError("a URL without `?`, `#` and `@` is allowed: one that holds a secret is named in url_secret")
    return value


ChannelName = Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9\-]{0,30}$", examples=["mail"])]
SecretName = Annotated[
    str,
    Field(
        pattern=r"^(?:[a-z][a-z0-9_]{0,62})?$",
        description="`hook` stands for what STONKS_NOTIFY_SECRET_HOOK holds; the value itself is never kept here",
    ),
]
EventName = Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]{0,62}$")]
EventPattern = Annotated[str, Field(pattern=r"^[a-z0-9_*]{1,64}$", examples=["order_*"])]
EmailAddress = Annotated[str, AfterValidator(_require_address)]
TimeZone = Annotated[str, AfterValidator(_require_zone)]


class EmailChannel(Model):
    """Mail through the server that the environment names."""

    kind: Literal["email"] = "email"
    name: ChannelName
    to: Annotated[tuple[EmailAddress, ...], Field(min_length=1, max_length=20)]


class SnsChannel(Model):
    """A topic of Amazon SNS; its region stands in its ARN."""

    kind: Literal["sns"] = "sns"
    name: ChannelName
    topic_arn: Annotated[
        str,
        Field(
            pattern=r"^arn:aws[a-z\-]*:sns:[a-z0-9\-]{1,30}:[0-9]{12}:[A-Za-z0-9_\-]{1,256}(?:\.fifo)?$",
            examples=["arn:aws:sns:us-east-1:123456789012:stonks"],
        ),
    ]


class WebhookChannel(Model):
    """A POST of JSON: the whole event, signed, or `{"text": ...}` as chat servers take it."""

    kind: Literal["webhook"] = "webhook"
    name: ChannelName
    url: Annotated[str, Field(max_length=2_000), AfterValidator(_require_url)] = ""
    url_secret: SecretName = ""
    """In place of `url`, where the URL itself is the secret, as with chat servers."""
    format: Literal["event", "text"] = "event"
    signing_secret: SecretName = ""

    @model_validator(mode="after")
    def _complete(self) -> Self:
        if bool(self.url) == bool(self.url_secret):
            raise ValueError("exactly one of url and url_secret is needed")
        if self.format == "event" and not self.signing_secret:
            raise ValueError("signing_secret is needed with the format event, so that the receiver knows who sends")
        return self


Channel = Annotated[EmailChannel | SnsChannel | WebhookChannel, Field(discriminator="kind")]


class Route(Model):
    """Events that go to a channel, from a severity on."""

    channel: ChannelName
    events: Annotated[tuple[EventPattern, ...], Field(min_length=1, max_length=50)] = ("*",)
    minimum: Severity = Severity.INFO


class QuietHours(Model):
    """From `start` to before `end`, by the clocks of the time zone; over midnight where `end` is the earlier one."""

    start: time
    end: time
    time_zone: TimeZone

    @model_validator(mode="after")
    def _naive_and_not_empty(self) -> Self:
        if self.start.tzinfo is not None or self.end.tzinfo is not None:
            raise ValueError("start and end are clock times without an offset, for example 22:00")
        if self.start == self.end:
            raise ValueError("start and end must differ")
        return self


class NotificationsConfig(Model):
    """Channels and what goes to them. Without channels nobody is told anything."""

    channels: Annotated[tuple[Channel, ...], Field(max_length=20)] = ()
    routes: Annotated[tuple[Route, ...], Field(max_length=100)] = ()
    severities: Annotated[dict[EventName, Severity], Field(max_length=100)] = Field(default_factory=dict)
    """By event, in place of the built-in ones."""
    quiet_hours: QuietHours | None = None

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        known = Counter(channel.name for channel in self.channels)
        if twice := sorted(name for name, count in known.items() if count > 1):
            raise ValueError(f"channels: the name {twice[0]} stands there twice")
        if strange := sorted({route.channel for route in self.routes} - set(known)):
            raise ValueError(f"routes: there is no channel {strange[0]}")
        return self

    def channel(self, name: str) -> EmailChannel | SnsChannel | WebhookChannel | None:
        return next((channel for channel in self.channels if channel.name == name), None)


class PlannedNotification(Model):
    """A message for one channel."""

    notification_id: str
    event_id: str
    channel: str
    status: NotificationStatus
    due_at: Utc
    message: Message


class PlanRequest(Model):
    """Plan what is new; where nothing is, wait for it so long."""

    wait_seconds: Annotated[float, Field(ge=0)] = 120.0


class SendTicket(Model):
    notification_id: str
    channel: str
    event: str


class PlanReport(Model):
    events: int = 0
    """That were read."""
    ready: tuple[SendTicket, ...] = ()


class SendReport(Model):
    status: NotificationStatus
    receipt: str = ""


class SendFailure(Model):
    notification_id: str
    reason: str


class NotifyState(Model):
    """What `Notify` carries from run to run: nothing that the book has not."""

    wait_seconds: float = 120.0


class FailedWorkflow(Model):
    workflow_id: str
    run_id: str
    workflow_type: str
    status: str
    closed_at: Utc


class OutgoingMessage(Model):
    """A notification as a messenger sends it."""

    notification_id: str
    event_id: str
    subject: str
    text: str
    html: str
    mode: str
    message: Message


def notification_id(event_id: str, channel: str) -> str:
    return digest("notification", event_id, channel)


def severity_of(message: Message, config: NotificationsConfig) -> Severity:
    """The operator's word on an event, else the built-in one."""
    return config.severities.get(message.event, message.severity)


def channels_for(event: str, severity: Severity, config: NotificationsConfig) -> tuple[str, ...]:
    """Names of the channels that an event goes to, each once, in the order of the configuration."""
    wanted = {
        route.channel
        for route in config.routes
        if severity.rank >= route.minimum.rank and any(fnmatchcase(event, pattern) for pattern in route.events)
    }
    return tuple(channel.name for channel in config.channels if channel.name in wanted)


def quiet_until(now: datetime, quiet: QuietHours | None) -> datetime | None:
    """When the quiet hours end that an instant lies in; None outside of them.

    Where the clocks skip an end it comes later by as much as they skip; where they show it twice, the second time.
    """
    if quiet is None:
        return None
    zone = ZoneInfo(quiet.time_zone)
    today = now.astimezone(zone).date()
    for day in (today - timedelta(days=1), today):
        last = day if quiet.end > quiet.start else day + timedelta(days=1)
        ends = max(_readings(last, quiet.end, zone))
        if min(_readings(day, quiet.start, zone)) <= now < ends:
            return ends
    return None


def _readings(day: date, clock: time, zone: ZoneInfo) -> tuple[datetime, datetime]:
    """The instants in UTC that a clock's reading may mean; they differ where the clocks change."""
    first, second = (datetime.combine(day, clock.replace(fold=fold), zone).astimezone(UTC) for fold in (0, 1))
    return first, second


def plan(
    messages: Sequence[tuple[str, Message]], config: NotificationsConfig, *, now: datetime
) -> tuple[PlannedNotification, ...]:
    """Decide who is told what, and when.

    Args:
        messages: event ids with what is said of them, in the order of the events.
        now: UTC.
    """
    quiet_ends = quiet_until(now, config.quiet_hours)
    wanted: list[PlannedNotification] = []
    for event_id, message in messages:
        severity = severity_of(message, config)
        urgent = severity is Severity.URGENT
        waits = quiet_ends is not None and not urgent
        late = now - message.occurred_at > LATE
        for channel in channels_for(message.event, severity, config):
            wanted.append(
                PlannedNotification(
                    notification_id=notification_id(event_id, channel),
                    event_id=event_id,
                    channel=channel,
                    status=NotificationStatus.HELD if waits or late else NotificationStatus.PLANNED,
                    due_at=quiet_ends if waits and quiet_ends is not None else now,
                    message=message.model_copy(update={"severity": severity}),
                )
            )
    return _gathered(wanted)


def list_id(channel: str, members: Sequence[str]) -> str:
    """The id of the notification that lists others."""
    return digest("notification-list", channel, *sorted(members))


def chunks(members: Mapping[str, Sequence[str]], size: int) -> list[tuple[str, tuple[str, ...]]]:
    """Held notifications by channel, in lists of at most `size`."""
    return [
        (channel, tuple(ids[start : start + size]))
        for channel, ids in sorted(members.items())
        for start in range(0, len(ids), size)
    ]


def _gathered(wanted: Sequence[PlannedNotification]) -> tuple[PlannedNotification, ...]:
    """Hold back what would be a burst; the list of it is due at once."""
    ordinary = Counter(each.channel for each in wanted if _may_wait(each))
    return tuple(
        each.model_copy(update={"status": NotificationStatus.HELD})
        if _may_wait(each) and ordinary[each.channel] > BURST
        else each
        for each in wanted
    )


def _may_wait(each: PlannedNotification) -> bool:
    return each.status is NotificationStatus.PLANNED and each.message.severity is not Severity.URGENT
