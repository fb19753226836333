"""The paper broker on an exchange with a session every ten seconds: `python -m tests.broker.short_sessions` serves it.

Only the opening hours differ from `stonks paper-broker`: so a session ends, and its bar comes, while a test waits.
"""

from __future__ import annotations

import dataclasses
import sys
from datetime import UTC, date, datetime, time, timedelta
from urllib.parse import urlsplit

from cli.paper_broker.clock import WallClock
from cli.paper_broker.exchange import ExchangeCalendar, TradingDay
from cli.paper_broker.server import serve
from cli.paper_broker.settings import BrokerSettings
from cli.stack.application import Broker
from cli.stack.process import Command
from tests.conftest import REPOSITORY
from workers import telemetry
from workers.settings import load

LENGTH = timedelta(seconds=10)
A_DAY = timedelta(days=1)


class ShortSessions(Broker):
    """The broker's part of a stack, with this program in place of the product's command."""

    def command(self) -> Command:
        given = super().command()
        return dataclasses.replace(
            given,
            argv=(sys.executable, "-m", "tests.broker.short_sessions"),
            environment={**given.environment, "PYTHONPATH": str(REPOSITORY)},
        )


def short_sessions(today: date) -> ExchangeCalendar:
    """Sessions without a gap for two days, each under a date of its own: the first one's is today's."""
    midnight = datetime.combine(today, time(), tzinfo=UTC)
    count = int(2 * A_DAY / LENGTH)
    return ExchangeCalendar(
        [
            TradingDay(today + number * A_DAY, midnight + number * LENGTH, midnight + (number + 1) * LENGTH)
            for number in range(count)
        ]
    )


def main() -> None:
    settings = load()
    telemetry.configure(settings.log_format)
    port = urlsplit(settings.broker_url).port
    assert port is not None
    days = short_sessions(datetime.now(UTC).date())
    WallClock._calendar = lambda clock: days  # type: ignore[method-assign]
    serve(
        BrokerSettings(
            port=port,
            book=settings.broker_book,
            key_id=settings.broker_key_id,
            secret_key=settings.broker_secret_key,
            control_key=settings.broker_control_key,
        )
    )


if __name__ == "__main__":
    main()
