"""What time it is for the broker, and whether the market is open."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import Any

from cli.paper_broker import exchange
from cli.paper_broker.ledger import Ledger
from cli.paper_broker.records import MarketState, TimeInForce
from cli.paper_broker.settings import BrokerSettings, ClockMode
from domain.errors import Conflict

GTC_LIFE = timedelta(days=90)


class BrokerClock(ABC):
    """Tells the market's state and when orders end."""

    @abstractmethod
    def market(self, ledger: Ledger) -> MarketState:
        """The state of the market now."""

    @abstractmethod
    def today(self) -> date:
        """The real day, which bounds the exchange's calendar."""

    @abstractmethod
    def require_virtual(self) -> None:
        """Refuse messages that move time where time moves by itself."""

    @abstractmethod
    def require_wall(self) -> None:
        """Refuse messages that set prices where the bars of session messages do."""

    @abstractmethod
    def day_order_ends(self, market: MarketState) -> datetime | None:
        """When a DAY order placed now expires; None where the session it waits for is not known yet."""

    def expiry(self, time_in_force: TimeInForce, market: MarketState) -> datetime | None:
        if time_in_force is TimeInForce.GTC:
            return market.now + GTC_LIFE
        return self.day_order_ends(market)

    def session_on(self, day: date) -> exchange.TradingDay | None:
        """The exchange's session of a day; None where it is closed."""
        found = self._calendar().between(day, day)
        return found[0] if found else None

    def _calendar(self) -> exchange.ExchangeCalendar:
        return exchange.calendar(self.today())

    def is_current(self, *, seen_at: datetime, session: str, market: MarketState) -> bool:
        """Whether a price belongs to the session under way, so that orders may fill at it."""
        if not market.is_open or market.opens_at is None:
            return False
        return session == market.session and seen_at >= market.opens_at


@dataclass(frozen=True)
class VirtualClock(BrokerClock):
    """The clock of a replay: what the last control message said."""

    def market(self, ledger: Ledger) -> MarketState:
        return ledger.market()

    def today(self) -> date:
        return datetime.now(UTC).date()

    def require_virtual(self) -> None:
        return

    def require_wall(self) -> None:
        raise Conflict("CLOCK_IS_VIRTUAL", "Send the session's bars to /control/sessions instead", clock="virtual")

    def day_order_ends(self, market: MarketState) -> datetime | None:
        return market.closes_at if market.is_open else None


@dataclass(frozen=True)
class WallClock(BrokerClock):
    """Real time against the exchange's calendar."""

    now: Callable[[], datetime]

    def market(self, ledger: Ledger) -> MarketState:
        now = self.now()
        under_way = self._calendar().open_session(now)
        if under_way is None:
            return MarketState(now, False, ledger.market().session, None, None)
        return MarketState(now, True, under_way.day.isoformat(), under_way.opens_at, under_way.closes_at)

    def today(self) -> date:
        return self.now().date()

    def require_virtual(self) -> None:
        raise Conflict(
            "CLOCK_IS_WALL", "Start the broker with the virtual clock to move time by messages", clock="wall"
        )

    def require_wall(self) -> None:
        return

    def day_order_ends(self, market: MarketState) -> datetime | None:
        return self._calendar().next_close(market.now)


def utc_now() -> datetime:
    return datetime.now(UTC)


def make_clock(settings: BrokerSettings, now: Callable[[], datetime] = utc_now) -> BrokerClock:
    return WallClock(now) if settings.clock is ClockMode.WALL else VirtualClock()


def clock_answer(clock: BrokerClock, market: MarketState) -> dict[str, Any]:
    """The vendor's clock, in New York time. While open, the next close is the session's own."""
    days = exchange.calendar(clock.today())
    next_close = market.closes_at if market.is_open and market.closes_at else days.next_close(market.now)
    next_open = days.next_open(market.now)
    return {
        "timestamp": market.now.astimezone(exchange.NEW_YORK).isoformat(),
        "is_open": market.is_open,
        "next_open": next_open.astimezone(exchange.NEW_YORK).isoformat(),
        "next_close": next_close.astimezone(exchange.NEW_YORK).isoformat(),
    }


def calendar_answer(clock: BrokerClock, first: date, last: date) -> list[dict[str, Any]]:
    """The vendor's calendar: naive New York times, with the extended session around each day."""
    days = exchange.calendar(clock.today())
    return [
        {
            "date": day.day.isoformat(),
            "open": day.opens_at.astimezone(exchange.NEW_YORK).strftime("%H:%M"),
            "close": day.closes_at.astimezone(exchange.NEW_YORK).strftime("%H:%M"),
            "session_open": "0400",
            "session_close": "2000",
            "settlement_date": days.settlement(day).isoformat(),
        }
        for day in days.between(first, last)
    ]
