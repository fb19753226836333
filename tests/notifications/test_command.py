"""`stonks notifications` on real servers: set, show, test, history, retry."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from cli.stack.supervisor import Stack
from tests.notifications.builders import MAIL
from tests.notifications.office import SECRET, open_office
from tests.operate.conftest import Stonks

pytestmark = pytest.mark.stack


def hook(url: str) -> dict[str, Any]:
    return {"kind": "webhook", "name": "hook", "url": url, "signing_secret": "hook"}


async def test_notifications_when_set_tested_failed_and_retried_then_every_step_is_shown(
    servers: Stack, cli: Stonks, tmp_path: Path
) -> None:
    async with open_office(servers) as desk:
        config = {
            "channels": [hook(desk.receiver.url), MAIL],
            "routes": [{"channel": "hook", "events": [f"{desk.kind}*"], "minimum": "warning"}],
            "severities": {"order_filled": "warning"},
            "quiet_hours": {"start": "22:00", "end": "07:00", "time_zone": "America/New_York"},
        }
        file = tmp_path / "notifications.json"
        file.write_text(json.dumps(config), encoding="utf-8")

        shown = await cli.text("notifications", "set", "--config", f"@{file}", "--reason", "first")
        for said in (
            "hook",
            "ops@example.com",
            "warning",
            "Quiet from 22:00 to 07:00, America/New_York",
            "order_filled",
        ):
            assert said in shown
        assert SECRET not in shown
        assert await cli.text("notifications", "show") == shown
        again = (await cli.json("notifications", "show"))["config"]
        assert (await cli.json("notifications", "set", "--config", json.dumps(again)))["config"] == again

        (sent,) = (await cli.json("notifications", "test", "--channel", "hook"))["data"]
        assert (sent["status"], desk.receiver.events) == ("sent", ["notification_test"])

        desk.receiver.answers = [(410, {})]
        failed = await cli("notifications", "test", "--channel", "hook")
        assert failed.code == 1
        assert "WEBHOOK_REFUSED" in failed.out
        listed = (await cli.json("notifications", "history", "--status", "failed", "--channel", "hook"))["data"]
        assert listed[0]["error"].startswith("WEBHOOK_REFUSED")
        desk.receiver.answers = [(200, {})]
        (retried,) = (await cli.json("notifications", "retry", listed[0]["notification_id"][:10]))["data"]
        assert (retried["status"], retried["attempts"]) == ("sent", 2)
        mail = await cli("notifications", "test", "--channel", "mail")
        assert "SMTP_NOT_SET" in mail.out
        assert mail.code == 1
        history = await cli.text("notifications", "history")
        assert "[stonks paper]" in history


@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        (("set", "--config", "{"), "CONFIG_INVALID"),
        (("set", "--config", '{"routes": [{"channel": "nobody"}]}'), "CONFIG_INVALID"),
        (("set", "--config", "@/no/such/file"), "FILE_UNREADABLE"),
        (("history", "--status", "lost"), "STATUS_UNKNOWN"),
        (("retry", "ffffffffffff"), "NOTIFICATION_NOT_FOUND"),
        (("test", "--channel", "nobody"), "CHANNEL_NOT_FOUND"),
    ],
)
async def test_notifications_when_asked_wrongly_then_one_clear_line(
    servers: Stack, cli: Stonks, arguments: tuple[str, ...], code: str
) -> None:
    async with open_office(servers) as desk:
        await desk.configure()
        done = await cli("notifications", *arguments)

    assert done.code == 1
    assert done.err.startswith(code)
