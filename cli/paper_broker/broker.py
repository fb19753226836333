"""The broker itself: every request of a client and every control message as one transaction on the book."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import datetime
from decimal import Decimal
from typing import Any

from cli.paper_broker import answers
from cli.paper_broker.amounts import micros
from cli.paper_broker.assets import AssetMessage, asset_of
from cli.paper_broker.audit import violations
from cli.paper_broker.book import Book, derived_id
from cli.paper_broker.clock import calendar_answer, clock_answer, make_clock, utc_now
from cli.paper_broker.execution import Costs, Desk, splits_in_phase
from cli.paper_broker.intake import Ticket, read_ticket
from cli.paper_broker.ledger import Ledger, stamp
from cli.paper_broker.lifecycle import OrderEvent, OrderStatus
from cli.paper_broker.listing import ActivityQuery, AssetQuery, CalendarQuery, OrderQuery
from cli.paper_broker.matching import at_price
from cli.paper_broker.records import MarketState, Order, OrderType, Split, TimeInForce
from cli.paper_broker.refusals import already, missing, unprocessable
from cli.paper_broker.rules import Placement, Terms, assess, reject_duplicates
from cli.paper_broker.sessions import SeenPrice, SessionMessage, advance, apply_prices, apply_session
from cli.paper_broker.settings import BrokerSettings, ClockMode
from cli.paper_broker.valuation import standing
from domain.errors import Conflict

REJECTED_BY_VENUE = "rejected by the venue"


class PaperBroker:
    """Answers in the vendor's shapes; raises `Refusal` for the vendor's errors, `StonksError` for control messages."""

    def __init__(self, settings: BrokerSettings, *, now: Callable[[], datetime] = utc_now) -> None:
        self._settings = settings
        self._clock = make_clock(settings, now)
        self._costs = Costs.of(settings)
        self._terms = Terms(settings.client_id_scope, settings.shorting, self._costs.fee_per_share)
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

    # orders

    def submit(self, body: Any, *, reject_later: bool = False, fill_partly: bool = False) -> dict[str, Any]:
        """Take an order and let it work at once if the market is open; the answer shows it as it was received.

        `reject_later` and `fill_partly` are faults: the order is rejected after its acceptance was answered, or only
        half of it fills at first.
        """
        ticket = read_ticket(body)
        with self._at_work() as (ledger, market):
            reject_duplicates(ledger, ticket.client_order_id, self._settings.client_id_scope)
            placement = self._place(ledger, market, ticket)
            assess(placement)
            order = self._draft(placement, fill_partly=fill_partly)
            desk = Desk(ledger, market, self._costs)
            received = desk.admit(order, OrderEvent.PENDING_NEW if market.is_open else OrderEvent.ACCEPTED)
            if reject_later:
                desk.reject(received, REJECTED_BY_VENUE)
            elif market.is_open:
                self._work(desk, desk.release(received))
            return answers.order(received, placement.asset)

    def _place(self, ledger: Ledger, market: MarketState, ticket: Ticket) -> Placement:
        asset = ledger.asset(ticket.symbol)
        if asset is None:
            raise unprocessable(f'asset "{ticket.symbol}" not found')
        price = ledger.price(asset.symbol)
        position = ledger.position(asset.symbol)
        known = None if price is None else price.last
        return Placement(
            ticket=ticket,
            asset=asset,
            held_quantity=0 if position is None else position.quantity,
            price=ticket.limit_price or ticket.stop_price or known,
            open_orders=tuple(ledger.open_orders(asset.symbol)),
            market=market,
            ledger=ledger,
            terms=self._terms,
        )

    def _draft(self, placement: Placement, *, fill_partly: bool) -> Order:
        ticket, market, ledger = placement.ticket, placement.market, placement.ledger
        account = ledger.account().id
        client_order_id = ticket.client_order_id or derived_id("client", account, ledger.next_sequence())
        uses = len(ledger.orders_with_client_id(client_order_id))
        order_id = derived_id("order", account, client_order_id, *([uses] if uses else []))
        split = Split.NONE
        if fill_partly:
            split = Split.LATER
        elif ticket.type is OrderType.MARKET and splits_in_phase(client_order_id, self._settings.partial_fill_share):
            split = Split.SAME_PHASE
        return Order(
            id=order_id,
            client_order_id=client_order_id,
            symbol=placement.asset.symbol,
            side=ticket.side,
            type=ticket.type,
            time_in_force=ticket.time_in_force,
            quantity=ticket.quantity,
            notional=ticket.notional,
            limit_price=ticket.limit_price,
            stop_price=ticket.stop_price,
            extended_hours=ticket.extended_hours,
            order_class=ticket.order_class,
            position_intent=placement.intent,
            status=OrderStatus.ACCEPTED,
            filled_quantity=0,
            filled_value=0,
            executions=0,
            reserve_price=placement.price,
            triggered=False,
            split=split,
            reason="",
            created_at=market.now,
            submitted_at=market.now,
            updated_at=market.now,
            expires_at=self._clock.expiry(ticket.time_in_force, market),
            filled_at=None,
            canceled_at=None,
            expired_at=None,
            failed_at=None,
        )

    def _work(self, desk: Desk, order: Order) -> None:
        """Fill a new order at the latest price, if that price belongs to the session under way."""
        price = desk.ledger.price(order.symbol)
        if price is None or order.time_in_force is TimeInForce.CLS:
            return
        if self._clock.is_current(seen_at=price.at, session=price.session, market=desk.market):
            desk.settle(order, at_price(order, price.last))

    def order(self, order_id: str) -> dict[str, Any]:
        with self._at_work() as (ledger, _):
            return _shown(ledger, _require_order(ledger, order_id))

    def order_by_client_id(self, client_order_id: str) -> dict[str, Any]:
        """The newest order that carries the id."""
        with self._at_work() as (ledger, _):
            found = ledger.orders_with_client_id(client_order_id)
            if not found:
                raise missing(f"order not found for {client_order_id}")
            return _shown(ledger, found[0])

    def orders(self, query: OrderQuery) -> list[dict[str, Any]]:
        with self._at_work() as (ledger, _):
            return [_shown(ledger, order) for order in query.run(ledger)]

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
            desk = Desk(ledger, market, self._costs)
            return [{"id": desk.cancel(order).id, "status": 200} for order in ledger.open_orders()]

    # account

    def account(self) -> dict[str, Any]:
        with self._at_work() as (ledger, _):
            worth = standing(ledger, fee_per_share=self._costs.fee_per_share)
            return answers.account(worth, shorting=self._settings.shorting)

    def positions(self) -> list[dict[str, Any]]:
        with self._at_work() as (ledger, _):
            return [answers.position(ledger, position) for position in ledger.list_positions()]

    def position(self, symbol_or_id: str) -> dict[str, Any]:
        with self._at_work() as (ledger, _):
            asset = ledger.asset(symbol_or_id)
            if asset is None:
                raise missing(f"symbol not found: {symbol_or_id}")
            position = ledger.position(asset.symbol)
            if position is None:
                raise missing("position does not exist")
            return answers.position(ledger, position)

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
            worth = standing(ledger, fee_per_share=self._costs.fee_per_share)
            return answers.account(worth, shorting=self._settings.shorting)

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


def _shown(ledger: Ledger, order: Order) -> dict[str, Any]:
    asset = ledger.asset(order.symbol)
    assert asset is not None
    return answers.order(order, asset)
