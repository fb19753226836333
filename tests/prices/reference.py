"""Buying and holding through the platform's own accounting, one session after the other: slow, and plainly right."""

from __future__ import annotations

from datetime import UTC, datetime, time
from decimal import ROUND_FLOOR, Decimal

from domain.decisions import Holding, Side
from domain.portfolio import SHARE_UNIT, Fill, apply_dividend, apply_fill, apply_split, value
from domain.price_panel import PricePanel


def buy_and_hold(
    panel: PricePanel, symbol: str, first: int, last: int, *, reinvest: bool, shares: Decimal = Decimal(100)
) -> list[Decimal]:
    """Equity at every close from row `first`, where the shares are bought at the close, to row `last`.

    Cash starts with nothing beyond the purchase. Reinvested is at the close of the ex-date, in parts of a share.
    """
    column = panel.column(symbol)
    change = apply_fill(None, _buy(panel, symbol, first, column, shares))
    holding, cash = change.holding, Decimal(0)
    equity = [value(cash, [holding])]
    for row in range(first + 1, last + 1):
        paid = apply_dividend(holding, exact(panel.dividend[row, column]))
        cash += paid.cash_change
        holding = apply_split(holding, exact(panel.split_ratio[row, column])).holding
        if panel.traded[row, column]:
            holding = marked(holding, exact(panel.close[row, column]))
            bought = (cash / holding.last_price).quantize(SHARE_UNIT, rounding=ROUND_FLOOR)
            if reinvest and bought:
                more = apply_fill(holding, _buy(panel, symbol, row, column, bought))
                holding, cash = more.holding, cash + more.cash_change
        equity.append(value(cash, [holding]))
    return equity


def marked(holding: Holding, price: Decimal) -> Holding:
    return holding.model_copy(update={"last_price": price})


def exact(number: float) -> Decimal:
    """The decimal that a float of the panel was written with."""
    return Decimal(repr(float(number)))


def _buy(panel: PricePanel, symbol: str, row: int, column: int, shares: Decimal) -> Fill:
    return Fill(
        fill_id=f"{symbol}-{row}",
        order_id="o",
        intent_id="i",
        symbol=symbol,
        side=Side.BUY,
        quantity=shares,
        price=exact(panel.close[row, column]),
        filled_at=datetime.combine(panel.sessions[row], time(21), tzinfo=UTC),
    )
