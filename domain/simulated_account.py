"""The account of a backtest: cash, positions and trades, changed by fills, corporate actions and delistings."""

from __future__ import annotations

from bisect import insort
from collections.abc import Callable, Sequence
from datetime import date, datetime
from decimal import Decimal

from domain.backtest import BookPosition, OrderEntry, TradeEntry
from domain.costs import Execution
from domain.decisions import Holding, PositionView, Side
from domain.documents import NEW_YORK
from domain.ids import digest
from domain.market import CorporateAction, Session
from domain.model import assembled
from domain.portfolio import Fill, apply_dividend, apply_fill, apply_split, position_view, product, value

SILENT_SESSIONS = 20
"""Sessions without a bar after which a position counts as delisted. What comes later is not looked at."""
DELISTING_RETURN = Decimal("-0.30")
"""What a position loses of its last price then (Shumway 1997: delistings for performance)."""
DELISTED = "delisted"
ZERO = Decimal(0)


class SimulatedAccount:
    """Changes by booking alone; `positions` keeps what was sold, for cool-downs."""

    def __init__(self, cash: Decimal, positions: dict[str, BookPosition], trades: Sequence[TradeEntry]) -> None:
        self.cash = cash
        self.positions = positions
        self._open = sorted(symbol for symbol, position in positions.items() if position.holding.quantity > 0)
        self.trades = [entry.model_copy(update={"open_value": ZERO}) for entry in trades]
        """What is open is valued at the end alone: a result that is final must not contain it."""
        self.traded = ZERO
        """Dollars bought and sold since it was last set to 0."""
        self._realized: Decimal | None = None

    @property
    def held(self) -> list[Holding]:
        """Open positions, by symbol."""
        return [self.positions[symbol].holding for symbol in self._open]

    @property
    def equity(self) -> Decimal:
        return value(self.cash, self.held)

    @property
    def realized(self) -> Decimal:
        """Dollars gained on everything that was ever held, net of fees; summed anew where some of it has changed."""
        if self._realized is None:
            self._realized = sum((position.realized for position in self.positions.values()), ZERO)
        return self._realized

    def quantity(self, symbol: str) -> Decimal:
        position = self.positions.get(symbol)
        return position.holding.quantity if position is not None else ZERO

    def view(self, symbol: str, as_of: datetime, session_dates: Sequence[date]) -> PositionView:
        position = self.positions.get(symbol)
        if position is None:
            return PositionView()
        return position_view(
            position.holding.quantity,
            position.holding.average_price,
            opened=position.opened,
            closed=position.closed,
            session_dates=session_dates,
            today=as_of.astimezone(NEW_YORK).date(),
        )

    def book(self, order: OrderEntry, execution: Execution, session: Session) -> None:
        """Book an execution at the session's open."""
        before = self.positions.get(order.symbol)
        held = before is not None and before.holding.quantity > 0
        change = apply_fill(
            before.holding if before is not None else None,
            Fill(
                fill_id=digest("fill", order.intent_id, session.date),
                order_id=order.intent_id,
                intent_id=order.intent_id,
                symbol=order.symbol,
                side=order.side,
                quantity=execution.quantity,
                price=execution.price,
                fee=execution.fee,
                filled_at=session.opens_at,
            ),
        )
        if not held:
            self.trades.append(
                TradeEntry(symbol=order.symbol, opened=session.date, quantity=ZERO, cost=ZERO, layers=order.layers)
            )
        trade = before.trade if held and before is not None else len(self.trades) - 1
        left = change.holding.quantity
        self.cash += change.cash_change
        self.traded += product(execution.quantity, execution.price)
        self._note_open(order.symbol, left > 0)
        self._realized = None
        self.positions[order.symbol] = BookPosition(
            holding=change.holding,
            opened=before.opened if held and before is not None else session.date,
            closed=None if left else session.date,
            realized=(before.realized if before is not None else ZERO) + change.realized_pnl,
            trade=trade if left else None,
        )
        if trade is None:
            return
        entry = self.trades[trade]
        if order.side is Side.BUY:
            self._note(trade, cost=entry.cost - change.cash_change, quantity=max(entry.quantity, left))
        else:
            self._note(trade, proceeds=entry.proceeds + change.cash_change)
        if not left:
            self._note(trade, closed=session.date, reason=order.reason)

    def apply(self, actions: Sequence[CorporateAction]) -> dict[str, Decimal]:
        """Receive dividends and split positions, before the open. Returns the ratios of what was split, by symbol."""
        ratios = {}
        for action in actions:
            position = self.positions.get(action.symbol)
            if position is None or position.holding.quantity == 0:
                continue
            dividend = apply_dividend(position.holding, action.cash_dividend)
            split = apply_split(position.holding, action.split_ratio)
            self.cash += dividend.cash_change
            self._note_open(action.symbol, split.holding.quantity > 0)
            self._realized = None
            self.positions[action.symbol] = position.model_copy(
                update={
                    "holding": split.holding,
                    "realized": position.realized + dividend.realized_pnl + split.realized_pnl,
                }
            )
            if position.trade is not None:
                entry = self.trades[position.trade]
                self._note(
                    position.trade,
                    proceeds=entry.proceeds + dividend.cash_change,
                    dividends=entry.dividends + dividend.cash_change,
                    quantity=product(entry.quantity, action.split_ratio),
                )
            if action.split_ratio != 1:
                ratios[action.symbol] = action.split_ratio
        return ratios

    def mark(self, price_of: Callable[[str], Decimal | None]) -> None:
        """Set the last price of every open position that has one."""
        for holding in self.held:
            price = price_of(holding.symbol)
            if price is not None and price.compare_total(holding.last_price):
                position = self.positions[holding.symbol]
                self.positions[holding.symbol] = _at_price(position, price)

    def write_off(self, traded: Callable[[str], bool], session: Session) -> list[str]:
        """Take positions whose symbol has had no bar for long as delisted; returns their symbols.

        The rest is paid out at the last price less what delistings lose.
        """
        gone = []
        for holding in self.held:
            position = self.positions[holding.symbol]
            silent = 0 if traded(holding.symbol) else position.silent + 1
            if silent != position.silent:
                self.positions[holding.symbol] = position.model_copy(update={"silent": silent})
            if silent < SILENT_SESSIONS:
                continue
            gone.append(holding.symbol)
            cash = product(holding.quantity, product(holding.last_price, 1 + DELISTING_RETURN))
            self.cash += cash
            self._note_open(holding.symbol, False)
            self._realized = None
            self.positions[holding.symbol] = BookPosition(
                holding=holding.model_copy(update={"quantity": ZERO, "average_price": ZERO}),
                opened=position.opened,
                closed=session.date,
                realized=position.realized + cash - product(holding.quantity, holding.average_price),
            )
            if position.trade is not None:
                entry = self.trades[position.trade]
                self._note(position.trade, proceeds=entry.proceeds + cash, closed=session.date, reason=DELISTED)
        return gone

    def valued_trades(self) -> tuple[TradeEntry, ...]:
        """All trades, those that are open with what they are worth."""
        worth = {
            position.trade: position.holding.market_value
            for position in self.positions.values()
            if position.trade is not None
        }
        return tuple(
            entry.model_copy(update={"open_value": worth.get(at, ZERO)}) for at, entry in enumerate(self.trades)
        )

    def _note_open(self, symbol: str, is_open: bool) -> None:
        if is_open and symbol not in self._open:
            insort(self._open, symbol)
        elif not is_open and symbol in self._open:
            self._open.remove(symbol)

    def _note(self, trade: int, **changes: object) -> None:
        self.trades[trade] = self.trades[trade].model_copy(update=changes)


def _at_price(position: BookPosition, price: Decimal) -> BookPosition:
    """As `model_copy`, for every position at every session's close."""
    holding = assembled(Holding, {**position.holding.__dict__, "last_price": price})
    return assembled(BookPosition, {**position.__dict__, "holding": holding})
