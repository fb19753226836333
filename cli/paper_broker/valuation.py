"""What the account is worth and what it may still spend."""

from __future__ import annotations

from dataclasses import dataclass

from cli.paper_broker.amounts import divide, value_of
from cli.paper_broker.ledger import Ledger
from cli.paper_broker.records import Account


@dataclass(frozen=True, slots=True)
class Standing:
    """Money in millionths of a dollar; `short_value` is negative or zero, `reserved` is what open orders keep."""

    account: Account
    long_value: int
    short_value: int
    reserved: int

    @property
    def equity(self) -> int:
        return self.account.cash + self.long_value + self.short_value

    @property
    def buying_power(self) -> int:
        """Cash less what open orders keep and 1.5 times what is sold short, whose proceeds are not spendable."""
        return max(self.account.cash - self.reserved - divide(-3 * self.short_value, 2), 0)

    @property
    def initial_margin(self) -> int:
        return self.long_value + divide(-3 * self.short_value, 2)

    @property
    def maintenance_margin(self) -> int:
        return divide(3 * (self.long_value - self.short_value), 10)


def standing(ledger: Ledger, *, fee_per_share: int, without: str = "") -> Standing:
    """Value the account at the latest prices. `without` names an order whose own reservation is left out."""
    long_value = short_value = 0
    for position in ledger.list_positions():
        price = ledger.price(position.symbol)
        worth = position.cost if price is None else value_of(price.last, position.quantity)
        if position.quantity > 0:
            long_value += worth
        else:
            short_value += worth
    reserved = sum(order.reserved(fee_per_share) for order in ledger.open_orders() if order.id != without)
    return Standing(ledger.account(), long_value, short_value, reserved)
