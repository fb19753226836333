"""How notifications look on a terminal."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from rich.table import Table
from rich.text import Text

from cli.output import err, out
from domain.actors import spoken
from domain.notifications import EmailChannel, NotificationStatus, SnsChannel, WebhookChannel

if TYPE_CHECKING:
    from api.operations.notifications import ConfigView, NotificationView


def show_config(view: ConfigView) -> None:
    config = view.config
    if not config.channels:
        err.print("Nobody is told anything. docs/notifications.md shows how to set a channel up.")
        return
    when = f" since {view.created_at:%Y-%m-%d %H:%M} UTC by {spoken(view.created_by)}" if view.created_at else ""
    out.print(f"Version {view.version}{when}", style="dim", markup=False)
    table = _table("channel", "kind", "to")
    for channel in config.channels:
        table.add_row(channel.name, channel.kind, _address(channel))
    out.print(table)
    routes = _table("route to", "events", "from")
    for route in config.routes:
        routes.add_row(route.channel, ", ".join(route.events), route.minimum.value)
    if config.routes:
        out.print(routes)
    else:
        err.print("No route leads to a channel: only tests are sent.")
    for event, severity in sorted(config.severities.items()):
        out.print(f"{event} counts as {severity}", markup=False)
    if quiet := config.quiet_hours:
        out.print(f"Quiet from {quiet.start:%H:%M} to {quiet.end:%H:%M}, {quiet.time_zone}", markup=False)


def show_notifications(seen: Sequence[NotificationView]) -> None:
    if not seen:
        err.print("None.")
        return
    table = _table("id", "planned (UTC)", "channel", "status", "tries", "subject")
    for each in seen:
        table.add_row(
            each.notification_id[:8],
            f"{each.created_at:%m-%d %H:%M:%S}",
            each.channel,
            each.status.value,
            str(each.attempts),
            Text(each.subject),  # its brackets are no markup
        )
    out.print(table)
    for each in seen:
        if each.error:
            until = " (tried again)" if each.status is NotificationStatus.SENDING else ""
            out.print(f"  {each.notification_id[:8]}: {each.error}{until}", style="dim", markup=False)


def _address(channel: EmailChannel | SnsChannel | WebhookChannel) -> str:
    if isinstance(channel, EmailChannel):
        return ", ".join(channel.to)
    if isinstance(channel, SnsChannel):
        return channel.topic_arn
    signed = f", signed with {channel.signing_secret}" if channel.signing_secret else ""
    return (channel.url or f"the URL in {channel.url_secret}") + signed


def _table(*columns: str) -> Table:
    table = Table(box=None, pad_edge=False, header_style="bold")
    for column in columns:
        table.add_column(column, overflow="fold", no_wrap=column not in ("subject", "to", "events"))
    return table
