"""Events, messages and configurations with sane defaults."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from domain.notification_texts import Place, compose, outgoing
from domain.notifications import Event, NotificationsConfig, OutgoingMessage

NOW = datetime(2026, 3, 2, 15, 30, tzinfo=UTC)
PLACE = Place(mode="paper", base_url="https://stonks.example.com")
MAIL: dict[str, Any] = {"kind": "email", "name": "mail", "to": ["ops@example.com"]}
HOOK: dict[str, Any] = {"kind": "webhook", "name": "hook", "url": "https://example.com/in", "signing_secret": "hook"}
TOPIC: dict[str, Any] = {"kind": "sns", "name": "topic", "topic_arn": "arn:aws:sns:us-east-1:123456789012:stonks"}


def event(name: str = "order_filled", **changes: Any) -> Event:
    values: dict[str, Any] = {
        "event_id": f"{name}/1",
        "event": name,
        "subject_id": "ab12",
        "body": {"symbol": "AAPL", "side": "buy", "filled": "10"},
        "occurred_at": NOW,
    }
    return Event.model_validate({**values, **changes})


def config(*channels: dict[str, Any], **changes: Any) -> NotificationsConfig:
    """Everything goes everywhere."""
    given = channels or (MAIL,)
    routes = [{"channel": channel["name"]} for channel in given]
    return NotificationsConfig.model_validate({"channels": list(given), "routes": routes, **changes})


def outgoing_message(name: str = "approval_requested", **changes: Any) -> OutgoingMessage:
    said = compose(event(name, **changes), PLACE)
    return outgoing(said, PLACE, notification_id="0123456789abcdef01234567", event_id=f"{name}/1")
