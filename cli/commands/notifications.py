"""Notifications: who is told what; a test; what was told; sending a failed one again."""

from __future__ import annotations

import json as jsonlib
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from cli import acting
from cli.commands.operate import ask
from cli.commands.stack import DEFAULT_STATE, Json, State
from cli.groups import Commands
from cli.output import err, print_json
from domain.errors import InvalidInput

if TYPE_CHECKING:
    from api.operations.notifications import NotificationView


def register(app: typer.Typer) -> None:
    notifications = typer.Typer(cls=Commands, help="Who is told what: mail, SNS, webhooks.", no_args_is_help=True)
    notifications.command(name="show")(show)
    notifications.command(name="set")(set_config)
    notifications.command(name="test")(send_test)
    notifications.command(name="history")(history)
    notifications.command(name="retry")(retry)
    app.add_typer(notifications, name="notifications")


def show(state: State = DEFAULT_STATE, json: Json = False) -> None:
    """Show channels, routes and quiet hours. With --json, `config` is what `set` takes."""
    from api.operations import notifications
    from cli import notification_views as views

    view = ask(state, lambda parts: notifications.read_config(parts.database))
    if json:
        print_json(view.model_dump(mode="json"))
    else:
        views.show_config(view)


def set_config(
    config: Annotated[str, typer.Option("--config", help="JSON, or @FILE: the whole configuration")],
    reason: Annotated[str, typer.Option("--reason", help="Why; it stands in the audit log")] = "",
    state: State = DEFAULT_STATE,
    json: Json = False,
) -> None:
    """Replace the configuration. Its fields stand in docs/notifications.md.

    Example: stonks notifications set --config @notifications.json
    """
    from api.operations import notifications
    from cli import notification_views as views

    wanted = _checked(config, reason)
    view = acting.act(state, notifications.ConfigView, "PUT", "/v1/notifications/config", wanted)
    if json:
        print_json(view.model_dump(mode="json"))
    else:
        err.print(f"Version {view.version} is in force.")
        views.show_config(view)


def send_test(
    channel: Annotated[list[str] | None, typer.Option("--channel", help="By name; all when not given")] = None,
    state: State = DEFAULT_STATE,
    json: Json = False,
) -> None:
    """Send a message to channels now, past routes and quiet hours, and wait up to a minute for what becomes of it.

    Exit code 1 where it did not arrive everywhere.
    """
    from api.operations import notifications
    from domain.notifications import NotificationStatus

    wanted = notifications.TestRequest(channels=channel or [])
    report = acting.act(state, notifications.TestReport, "POST", "/v1/notifications/test", wanted)
    ids = [each.notification_id for each in report.notifications]
    seen = ask(state, lambda parts: notifications.wait(parts.database, ids))
    _print(seen, json)
    if any(each.status is not NotificationStatus.SENT for each in seen):
        raise typer.Exit(1)


def history(
    status: Annotated[str, typer.Option("--status", help="planned, held, sending, sent, listed or failed")] = "",
    channel: Annotated[str, typer.Option("--channel", help="By name")] = "",
    limit: Annotated[int, typer.Option("--limit", min=1, max=1_000)] = 30,
    state: State = DEFAULT_STATE,
    json: Json = False,
) -> None:
    """List notifications, the newest first."""
    from api.operations import notifications
    from domain.notifications import NotificationStatus

    if status and status not in set(NotificationStatus):
        allowed = ", ".join(NotificationStatus)
        raise InvalidInput("STATUS_UNKNOWN", field="--status", found=status, allowed=allowed)
    wanted = NotificationStatus(status) if status else None
    _print(
        ask(
            state,
            lambda parts: notifications.history(parts.database, limit=limit, status=wanted, channel=channel),
        ),
        json,
    )


def retry(
    notification: Annotated[str, typer.Argument(metavar="ID", help="The notification, or the beginning of its id")],
    state: State = DEFAULT_STATE,
    json: Json = False,
) -> None:
    """Send a failed notification again, and wait up to a minute for what becomes of it."""
    from api.operations import notifications

    path = f"/v1/notifications/history/{acting.segment(notification)}/retry"
    sent = acting.act(state, notifications.NotificationView, "POST", path)
    _print(ask(state, lambda parts: notifications.wait(parts.database, [sent.notification_id])), json)


def _print(seen: list[NotificationView], json: bool) -> None:
    from cli import notification_views as views

    if json:
        print_json({"data": [each.model_dump(mode="json") for each in seen]})
    else:
        views.show_notifications(seen)


def _checked(config: str, reason: str) -> Any:
    from pydantic import ValidationError

    from api.operations.notifications import ConfigChange

    text = config
    if config.startswith("@"):
        path = Path(config[1:])
        try:
            text = path.read_text(encoding="utf-8")
        except (OSError, UnicodeDecodeError) as error:
            raise InvalidInput("FILE_UNREADABLE", str(error), path=path) from error
    try:
        return ConfigChange.model_validate({"config": jsonlib.loads(text), "reason": reason})
    except jsonlib.JSONDecodeError as error:
        raise InvalidInput("CONFIG_INVALID", f"It is not JSON: {error}", field="--config") from error
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        where = ".".join(str(part) for part in first["loc"])
        raise InvalidInput("CONFIG_INVALID", first["msg"], field=where) from error
