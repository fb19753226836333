"""Taking orders in: from a ticket to an order with its legs in the book, and the replacement of one by another."""

from __future__ import annotations

from dataclasses import dataclass, replace
from decimal import Decimal
from typing import Any

from cli.paper_broker import answers
from cli.paper_broker.amounts import SHARE
from cli.paper_broker.book import derived_id
from cli.paper_broker.clock import BrokerClock
from cli.paper_broker.execution import Costs, Desk, splits_in_phase
from cli.paper_broker.intake import Ticket, read_replacement
from cli.paper_broker.ledger import Ledger
from cli.paper_broker.lifecycle import OrderEvent, OrderStatus
from cli.paper_broker.matching import Verdict, trailed
from cli.paper_broker.records import (
    MarketState,
    Order,
    OrderClass,
    OrderType,
    Position,
    Price,
    Side,
    Split,
    TimeInForce,
)
from cli.paper_broker.refusals import already, unprocessable
from cli.paper_broker.rules import Placement, Terms, assess, reject_duplicates
from cli.paper_broker.settings import BrokerSettings

REJECTED_BY_VENUE = "rejected by the venue"
FILLED_BEFORE = "the order was filled before it could be replaced"
NOT_AT_ONCE = "not filled at once"


@dataclass(frozen=True)
class OrderEntry:
    """Takes orders at one instant of the market, inside one transaction."""

    ledger: Ledger
    market: MarketState
    clock: BrokerClock
    settings: BrokerSettings
    costs: Costs

    @property
    def desk(self) -> Desk:
        return Desk(self.ledger, self.market, self.costs)

    def submit(self, ticket: Ticket, *, reject_later: bool = False, fill_partly: bool = False) -> dict[str, Any]:
        """Take an order and let it work at once if the market is open; the answer shows it as it was received."""
        reject_duplicates(self.ledger, ticket.client_order_id, self.settings.client_id_scope)
        placement = self._place(ticket)
        assess(placement)
        desk = self.desk
        received = desk.admit(self._draft(placement, fill_partly=fill_partly), self._arrival)
        legs = [desk.admit(leg, OrderEvent.HELD) for leg in self._legs(ticket, received)]
        if reject_later:
            desk.reject(received, REJECTED_BY_VENUE)
        else:
            self._start(desk, received)
        return answers.order(received, placement.asset, legs)

    def replace(self, order: Order, body: Any, *, fill_first: bool = False) -> dict[str, Any]:
        """Replace an open order by a new one; the answer shows the new one as it was received.

        With `fill_first` the order fills before the replacement reaches the venue, which is then rejected: the answer
        is the same.
        """
        if order.closed:
            raise already(order.status)
        if order.status in (OrderStatus.ACCEPTED, OrderStatus.PENDING_NEW):
            raise unprocessable("unable to replace order, order isn't sent to exchange yet")
        ticket = read_replacement(body, order)
        reject_duplicates(self.ledger, ticket.client_order_id, self.settings.client_id_scope)
        placement = self._place(ticket, instead_of=order)
        held = order.status is OrderStatus.HELD
        if not held:
            assess(placement)
        desk = self.desk
        lost_race = fill_first and self._fill_whole(desk, order)
        order = self.ledger.order(order.id) or order
        draft = replace(
            self._draft(placement, fill_partly=False),
            order_class=order.order_class,
            position_intent=order.position_intent if held else placement.intent,
            triggered=order.triggered,
            split=Split.NONE,
            parent_id=None if lost_race else order.parent_id,
            replaces=order.id,
        )
        if order.type is OrderType.TRAILING_STOP and order.hwm is not None:
            draft = trailed(replace(draft, hwm=None, stop_price=None), order.hwm)
        if held:
            draft = replace(draft, expires_at=order.expires_at)
        received = desk.admit(draft, OrderEvent.HELD if held else self._arrival)
        if lost_race:
            desk.reject(received, FILLED_BEFORE)
        else:
            desk.supersede(order, received)
            if not held:
                self._start(desk, received)
        return answers.order(received, placement.asset, self.ledger.legs(received.id))

    def close(
        self, position: Position, *, quantity: int | None = None, percentage: Decimal | None = None
    ) -> dict[str, Any]:
        """Close a position, or part of it, by a market order.

        A percentage of whole shares is rounded down to whole shares; a fraction is closed only where one is held.
        """
        size = abs(position.quantity)
        if percentage is not None:
            quantity = int(size * percentage / 100)
            quantity -= quantity % SHARE if size % SHARE == 0 else 0
        if quantity == 0:
            raise unprocessable("qty must be > 0")
        ticket = Ticket(
            symbol=position.symbol,
            side=Side.SELL if position.quantity > 0 else Side.BUY,
            type=OrderType.MARKET,
            time_in_force=TimeInForce.DAY,
            quantity=size if quantity is None else quantity,
            notional=None,
            limit_price=None,
            stop_price=None,
            extended_hours=False,
            client_order_id="",
            order_class="",
            position_intent="",
        )
        return self.submit(ticket)

    @property
    def _arrival(self) -> OrderEvent:
        return OrderEvent.PENDING_NEW if self.market.is_open else OrderEvent.ACCEPTED

    def _terms(self) -> Terms:
        chosen = self.ledger.configurations()
        return Terms(
            client_id_scope=self.settings.client_id_scope,
            shorting=self.settings.shorting and not chosen.no_shorting,
            fractional_trading=chosen.fractional_trading,
            fee_per_share=self.costs.fee_per_share,
        )

    def _place(self, ticket: Ticket, *, instead_of: Order | None = None) -> Placement:
        ledger = self.ledger
        asset = ledger.asset(ticket.symbol)
        if asset is None:
            raise unprocessable(f'asset "{ticket.symbol}" not found')
        price = ledger.price(asset.symbol)
        position = ledger.position(asset.symbol)
        known = None if price is None else price.last
        replaced = "" if instead_of is None else instead_of.id
        return Placement(
            ticket=ticket,
            asset=asset,
            held_quantity=0 if position is None else position.quantity,
            price=ticket.limit_price or ticket.stop_price or known,
            open_orders=tuple(order for order in ledger.open_orders(asset.symbol) if order.id != replaced),
            market=self.market,
            ledger=ledger,
            terms=self._terms(),
            replaces=replaced,
        )

    def _draft(self, placement: Placement, *, fill_partly: bool) -> Order:
        ticket, market = placement.ticket, placement.market
        client_order_id = ticket.client_order_id or self._new_client_id()
        split = Split.LATER if fill_partly else Split.NONE
        if ticket.type is OrderType.MARKET and splits_in_phase(client_order_id, self.settings.partial_fill_share):
            split = split if fill_partly else Split.SAME_PHASE
        if ticket.time_in_force is TimeInForce.FOK:
            split = Split.NONE
        order = Order(
            id=self._new_id(client_order_id),
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
            expires_at=self.clock.expiry(ticket.time_in_force, market),
            filled_at=None,
            canceled_at=None,
            expired_at=None,
            failed_at=None,
            trail_price=ticket.trail_price,
            trail_percent=ticket.trail_percent,
        )
        return order if placement.price is None else trailed(order, placement.price)

    def _new_client_id(self) -> str:
        return derived_id("client", self.ledger.account().id, self.ledger.next_sequence())

    def _new_id(self, client_order_id: str) -> str:
        uses = len(self.ledger.orders_with_client_id(client_order_id))
        return derived_id("order", self.ledger.account().id, client_order_id, *([uses] if uses else []))

    def _legs(self, ticket: Ticket, head: Order) -> list[Order]:
        """The exits that hang on an order; a pair of exits is led by its take profit, which is the order itself."""
        if ticket.simple:
            return []
        legs = []
        if ticket.take_profit is not None and ticket.order_class != OrderClass.OCO:
            legs.append(replace(head, type=OrderType.LIMIT, limit_price=ticket.take_profit, stop_price=None))
        if ticket.stop_loss is not None:
            kind = OrderType.STOP if ticket.stop_loss.limit_price is None else OrderType.STOP_LIMIT
            stop, limit = ticket.stop_loss.stop_price, ticket.stop_loss.limit_price
            legs.append(replace(head, type=kind, stop_price=stop, limit_price=limit))
        return [self._leg(leg, head, number) for number, leg in enumerate(legs, start=1)]

    def _leg(self, leg: Order, head: Order, number: int) -> Order:
        client_order_id = derived_id("leg", head.id, number)
        closing = head.order_class == OrderClass.OCO
        side = head.side if closing else head.side.other
        return replace(
            leg,
            id=self._new_id(client_order_id),
            client_order_id=client_order_id,
            side=side,
            position_intent=f"{side}_to_close",
            split=Split.NONE,
            reserve_price=leg.limit_price or leg.stop_price,
            parent_id=head.id,
            hwm=None,
        )

    def _start(self, desk: Desk, received: Order) -> None:
        """Let a new order work if the market is open, and end what had to fill at once."""
        order = received
        if self.market.is_open:
            order = desk.release(order)
            price = self.ledger.price(order.symbol)
            if price is not None and order.time_in_force is not TimeInForce.CLS and self._is_current(price):
                order = desk.meet_price(order, price.last)
        if order.time_in_force.immediate and not order.closed:
            desk.cancel(order, NOT_AT_ONCE)

    def _is_current(self, price: Price) -> bool:
        return self.clock.is_current(seen_at=price.at, session=price.session, market=self.market)

    def _fill_whole(self, desk: Desk, order: Order) -> bool:
        """Fill an open order at its limit or the latest price; returns whether it is filled."""
        known = self.ledger.price(order.symbol)
        price = order.limit_price or (known.last if known else None)
        if price is None or order.status is OrderStatus.HELD:
            return False
        return desk.settle(replace(order, split=Split.NONE), Verdict(price)).status is OrderStatus.FILLED
