"""The broker itself: every request of a client and every control message as one transaction on the book."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import date, datetime
from decimal import Decimal
from typing import Any, TypeVar

from cli.paper_broker import answers, exchange
from cli.paper_broker.actions import CorporateActions, apply_ex_date, takes_effect
from cli.paper_broker.amounts import micros
from cli.paper_broker.announcements import AnnouncementQuery, announcement, announcements
from cli.paper_broker.assets import AssetMessage, asset_of
from cli.paper_broker.audit import violations
from cli.paper_broker.book import Book
from cli.paper_broker.clock import calendar_answer, clock_answer, make_clock, utc_now
from cli.paper_broker.configurations import read_configurations
from cli.paper_broker.entry import OrderEntry
from cli.paper_broker.execution import Costs, Desk
from cli.paper_broker.finished import FinishedSession, apply_finished
from cli.paper_broker.history import HistoryQuery, history
from cli.paper_broker.intake import read_ticket
from cli.paper_broker.ledger import Ledger, stamp
from cli.paper_broker.lifecycle import OrderStatus
from cli.paper_broker.listing import ActivityQuery, AssetQuery, CalendarQuery, OrderQuery
from cli.paper_broker.market_data import MarketData
from cli.paper_broker.market_messages import MarketDataMessage
from cli.paper_broker.records import MarketState, Order, Position
from cli.paper_broker.refusals import Refusal, already, missing
from cli.paper_broker.sessions import SeenPrice, SessionMessage, advance, apply_prices, apply_session
from cli.paper_broker.settings import BrokerSettings, ClockMode
from cli.paper_broker.tape import Tape
from cli.paper_broker.valuation import standing
from cli.paper_broker.watchlists import Watchlists
from domain.errors import Conflict

Answer = TypeVar("Answer")


class PaperBroker:
    """Answers in the vendor's shapes; raises `Refusal` for the vendor's errors, `StonksError` for control messages."""

    def __init__(self, settings: BrokerSettings, *, now: Callable[[], datetime] = utc_now) -> None:
        self._settings = settings
        self._clock = make_clock(settings, now)
        self._costs = Costs.of(settings)
        self.book = Book(
            settings.book,
            key_id=settings.key_id.get_secret_value(),
            opening_cash=settings.opening_cash,
            opened_at=now() if settings.clock is ClockMode.WALL else settings.starts_at,
        )

    def close(self) -> None:
        self.book.close()

    @contextmanager
    def _at_work(self) -> Iterator[tuple[Ledger, MarketState]]:
        with self.book.transaction() as ledger:
            market = self._clock.market(ledger)
            if self._settings.clock is ClockMode.WALL:
                advance(ledger, market, self._settings)
            yield ledger, market

    def _entry(self, ledger: Ledger, market: MarketState) -> OrderEntry:
        return OrderEntry(ledger, market, self._clock, self._settings, self._costs)

    # orders

    def submit(self, body: Any, *, reject_later: bool = False, fill_partly: bool = False) -> dict[str, Any]:
        """Take an order; `reject_later` and `fill_partly` are faults that strike it after its acceptance."""
        ticket = read_ticket(body)
        with self._at_work() as (ledger, market):
            entry = self._entry(ledger, market)
            return entry.submit(ticket, reject_later=reject_later, fill_partly=fill_partly)

    def replace(self, order_id: str, body: Any, *, fill_first: bool = False) -> dict[str, Any]:
        """Replace an open order; with the fault `fill_first` it fills before the replacement arrives."""
        with self._at_work() as (ledger, market):
            order = _require_order(ledger, order_id)
            return self._entry(ledger, market).replace(order, body, fill_first=fill_first)

    def order(self, order_id: str, *, nested: bool = False) -> dict[str, Any]:
        """One order; `nested` shows its legs with it."""
        with self._at_work() as (ledger, _):
            return _shown(ledger, _require_order(ledger, order_id), nested=nested)

    def order_by_client_id(self, client_order_id: str, *, nested: bool = False) -> dict[str, Any]:
        """The newest order that carries the id."""
        with self._at_work() as (ledger, _):
            found = ledger.orders_with_client_id(client_order_id)
            if not found:
                raise missing(f"order not found for {client_order_id}")
            return _shown(ledger, found[0], nested=nested)

    def orders(self, query: OrderQuery) -> list[dict[str, Any]]:
        with self._at_work() as (ledger, _):
            return [_shown(ledger, order, nested=query.nested) for order in query.run(ledger)]

    def cancel(self, order_id: str) -> None:
        """Cancel an open order; a canceled one stays canceled, any other ended one is refused."""
        with self._at_work() as (ledger, market):
            order = _require_order(ledger, order_id)
            if order.status is OrderStatus.CANCELED:
                return
            if order.closed:
                raise already(order.status)
            Desk(ledger, market, self._costs).cancel(order)

    def cancel_all(self) -> list[dict[str, Any]]:
        with self._at_work() as (ledger, market):
            return _cancel_open(Desk(ledger, market, self._costs))

    # account

    def account(self) -> dict[str, Any]:
        with self._at_work() as (ledger, _):
            return self._account(ledger)

    def _account(self, ledger: Ledger) -> dict[str, Any]:
        worth = standing(ledger, fee_per_share=self._costs.fee_per_share)
        shorting = self._settings.shorting and not ledger.configurations().no_shorting
        return answers.account(worth, shorting=shorting)

    def positions(self) -> list[dict[str, Any]]:
        with self._at_work() as (ledger, _):
            return [answers.position(ledger, position) for position in ledger.list_positions()]

    def position(self, symbol_or_id: str) -> dict[str, Any]:
        with self._at_work() as (ledger, _):
            return answers.position(ledger, _require_position(ledger, symbol_or_id))

    def close_position(
        self, symbol_or_id: str, *, quantity: int | None = None, percentage: Decimal | None = None
    ) -> dict[str, Any]:
        """Sell or buy back a position, or part of it, at the market; the answer is the order."""
        with self._at_work() as (ledger, market):
            position = _require_position(ledger, symbol_or_id)
            return self._entry(ledger, market).close(position, quantity=quantity, percentage=percentage)

    def close_all_positions(self, *, cancel_orders: bool) -> list[dict[str, Any]]:
        """Close every position; one that cannot be closed has its refusal in place of an order."""
        with self._at_work() as (ledger, market):
            if cancel_orders:
                _cancel_open(Desk(ledger, market, self._costs))
            entry = self._entry(ledger, market)
            closed = []
            for position in ledger.list_positions():
                try:
                    status, body = 200, entry.close(position)
                except Refusal as refusal:
                    status, body = refusal.status, refusal.body()
                closed.append({"symbol": position.symbol, "status": status, "body": body})
            return closed

    def configurations(self) -> dict[str, Any]:
        with self.book.reading() as ledger:
            return answers.configurations(ledger)

    def configure(self, body: Any) -> dict[str, Any]:
        """Change the account's settings; what the body leaves out stays."""
        changes = read_configurations(body)
        with self._at_work() as (ledger, _):
            suspended = changes.pop("suspend_trade", None)
            if suspended is not None:
                ledger.update_account(suspended=suspended)
            if changes:
                ledger.update_configurations(**changes)
            return answers.configurations(ledger)

    def announcements(self, query: AnnouncementQuery) -> list[dict[str, Any]]:
        with self.book.reading() as ledger:
            return announcements(ledger, query)

    def announcement(self, action_id: str) -> dict[str, Any]:
        with self.book.reading() as ledger:
            return announcement(ledger, action_id)

    def portfolio_history(self, query: HistoryQuery) -> dict[str, Any]:
        with self._at_work() as (ledger, market):
            return history(ledger, query, now=market.now, days=exchange.calendar(self._clock.today()))

    def work_on_watchlists(self, step: Callable[[Watchlists], Answer]) -> Answer:
        """Do something with the account's watchlists, in a transaction of its own."""
        with self._at_work() as (ledger, market):
            return step(Watchlists(ledger, market.now))

    def activities(self, query: ActivityQuery) -> list[dict[str, Any]]:
        with self._at_work() as (ledger, _):
            return [answers.activity(ledger, activity) for activity in query.run(ledger)]

    # market

    def clock(self) -> dict[str, Any]:
        with self._at_work() as (_, market):
            pass
        return clock_answer(self._clock, market)

    def calendar(self, query: CalendarQuery) -> list[dict[str, Any]]:
        return calendar_answer(self._clock, query.start, query.end)

    def assets(self, query: AssetQuery) -> list[dict[str, Any]]:
        with self._at_work() as (ledger, _):
            return [answers.asset(asset) for asset in ledger.list_assets() if query.accepts(asset)]

    def asset(self, symbol_or_id: str) -> dict[str, Any]:
        with self._at_work() as (ledger, _):
            asset = ledger.asset(symbol_or_id)
            if asset is None:
                raise missing(f"asset not found for {symbol_or_id}")
            return answers.asset(asset)

    def market_data(self, step: Callable[[MarketData], Answer]) -> Answer:
        """Look at the market's data, as far as they are known now."""
        with self.book.reading() as ledger:
            return step(MarketData(ledger, self._clock.market(ledger)))

    # stream

    def catch_up(self) -> None:
        """Do what real time has made due, so that its updates are in the outbox."""
        with self._at_work():
            pass

    def last_update(self) -> int:
        with self.book.reading() as ledger:
            return ledger.last_update()

    def updates_after(self, sequence: int) -> list[tuple[int, str]]:
        with self.book.reading() as ledger:
            return ledger.updates_after(sequence)

    # control

    def apply_session(self, message: SessionMessage) -> dict[str, Any]:
        self._clock.require_virtual()
        with self.book.transaction() as ledger:
            return apply_session(ledger, message, self._settings)

    def move_clock(self, at: datetime) -> dict[str, Any]:
        """Move the virtual clock forward between phases; an earlier instant changes nothing."""
        self._clock.require_virtual()
        with self.book.transaction() as ledger:
            market = ledger.market()
            if at > market.now:
                if market.is_open and market.closes_at is not None and at > market.closes_at:
                    raise Conflict("SESSION_STILL_OPEN", "Close the session first", session=market.session)
                market = replace(market, now=at)
                ledger.set_market(market)
            return {"now": stamp(market.now), "is_open": market.is_open, "session": market.session}

    def set_prices(self, prices: Iterable[SeenPrice]) -> dict[str, Any]:
        self._clock.require_wall()
        with self._at_work() as (ledger, market):
            return {"executions": apply_prices(ledger, prices, market, self._settings)}

    def finish_session(self, message: FinishedSession) -> dict[str, Any]:
        """Let orders meet the bars of a session that is over."""
        self._clock.require_wall()
        day = self._clock.session_on(message.session)
        with self._at_work() as (ledger, market):
            if day is None or day.closes_at > market.now:
                raise Conflict(
                    "SESSION_NOT_OVER",
                    "Send bars of a session of the exchange, and not before its close",
                    session=message.session,
                    now=stamp(market.now),
                )
            return apply_finished(ledger, message, day, market, self._settings)

    def finished_sessions(self) -> dict[str, str]:
        with self.book.reading() as ledger:
            return ledger.finished_sessions()

    def apply_corporate_actions(self, message: CorporateActions) -> dict[str, Any]:
        """Let splits and dividends take effect whose hour has come."""
        self._clock.require_wall()
        day = self._clock.session_on(message.ex_date)
        with self._at_work() as (ledger, market):
            if day is None or takes_effect(message.ex_date) > market.now:
                raise Conflict(
                    "EX_DATE_AHEAD",
                    "Send actions of a session of the exchange, from five in the morning in New York on",
                    ex_date=message.ex_date,
                    now=stamp(market.now),
                )
            desk = Desk(ledger, market, Costs.of(self._settings))
            return apply_ex_date(desk, message, cash_in_lieu=self._settings.cash_in_lieu)

    def applied_actions(self, since: date) -> list[dict[str, str]]:
        with self.book.reading() as ledger:
            found = ledger.applied_actions(since.isoformat())
        return [{"symbol": symbol, "ex_date": ex_date} for symbol, ex_date in found]

    def set_account(self, *, cash: Decimal | None, suspended: bool | None) -> dict[str, Any]:
        """Set the opening cash of an untouched book, or suspend new orders. Repeating the same values is fine."""
        with self.book.transaction() as ledger:
            account = ledger.account()
            if cash is not None and micros(cash) != account.opening_cash:
                if not ledger.is_empty():
                    raise Conflict(
                        "BOOK_IN_USE", "Opening cash can be set only before the first order", opening_cash=cash
                    )
                amount = micros(cash)
                ledger.update_account(opening_cash=amount, cash=amount, last_equity=amount)
            if suspended is not None:
                ledger.update_account(suspended=suspended)
            return self._account(ledger)

    def put_market_data(self, message: MarketDataMessage) -> dict[str, int]:
        """Keep bars and corporate actions as market data; nothing fills from them."""
        with self.book.transaction() as ledger:
            return message.keep(Tape(ledger), ledger, exchange.calendar(self._clock.today()))

    def put_assets(self, messages: Iterable[AssetMessage]) -> list[dict[str, Any]]:
        with self.book.transaction() as ledger:
            ledger.put_assets([asset_of(message) for message in messages])
            return [answers.asset(asset) for asset in ledger.list_assets()]

    def list_assets(self) -> list[dict[str, Any]]:
        with self.book.reading() as ledger:
            return [answers.asset(asset) for asset in ledger.list_assets()]

    def audit(self) -> list[str]:
        with self.book.reading() as ledger:
            return violations(ledger)


def _require_order(ledger: Ledger, order_id: str) -> Order:
    order = ledger.order(order_id)
    if order is None:
        raise missing(f"order not found for {order_id}")
    return order


def _require_position(ledger: Ledger, symbol_or_id: str) -> Position:
    asset = ledger.asset(symbol_or_id)
    if asset is None:
        raise missing(f"symbol not found: {symbol_or_id}")
    position = ledger.position(asset.symbol)
    if position is None:
        raise missing("position does not exist")
    return position


def _cancel_open(desk: Desk) -> list[dict[str, Any]]:
    """Cancel every open order, legs with their parents."""
    listed = [order.id for order in desk.ledger.open_orders()]
    for order in desk.open_orders():
        desk.cancel(order, "canceled with all others")
    return [{"id": order_id, "status": 200} for order_id in listed]


def _shown(ledger: Ledger, order: Order, *, nested: bool) -> dict[str, Any]:
    asset = ledger.asset(order.symbol)
    assert asset is not None
    return answers.order(order, asset, ledger.legs(order.id) if nested else ())
