"""The paper broker on an exchange that never closes, in real time: `python -m tests.chaos.market` serves it.

Only the opening hours differ from `stonks paper-broker`, and that requests are not counted: trials come faster than two
hundred requests a minute, and storms of 429 are ordered where they are wanted.
"""

from __future__ import annotations

import dataclasses
import sys
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
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

OPENING_CASH = Decimal(1_000_000)
DAY = timedelta(days=1)


class OpenBroker(Broker):
    """The broker's part of a stack, with this program in place of the product's command."""

    def command(self) -> Command:
        given = super().command()
        return dataclasses.replace(
            given,
            argv=(sys.executable, "-m", "tests.chaos.market"),
            environment={**given.environment, "PYTHONPATH": str(REPOSITORY)},
        )


def always_open(today: date) -> ExchangeCalendar:
    """Sessions from midnight to midnight (UTC), a week back and a month ahead, without a gap."""
    midnights = [datetime.combine(today + number * DAY, time(), tzinfo=UTC) for number in range(-7, 31)]
    return ExchangeCalendar([TradingDay(opens.date(), opens, opens + DAY) for opens in midnights])


def main() -> None:
    settings = load()
    telemetry.configure(settings.log_format)
    port = urlsplit(settings.broker_url).port
    assert port is not None
    WallClock._calendar = lambda clock: always_open(clock.today())  # type: ignore[assignment,method-assign]
    serve(
        BrokerSettings(
            port=port,
            book=settings.broker_book,
            key_id=settings.broker_key_id,
            secret_key=settings.broker_secret_key,
            control_key=settings.broker_control_key,
            opening_cash=OPENING_CASH,
            rate_limit=0,
        )
    )


if __name__ == "__main__":
    main()
