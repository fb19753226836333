"""What trading costs in a backtest: spread, market impact and fees; and how much of a session one may be.

Impact is the square-root law, Y sd sqrt(Q / ADV), with the numbers that decisions estimate their costs with.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from decimal import ROUND_CEILING, ROUND_FLOOR, Decimal
from typing import Annotated

from pydantic import Field

from domain.decisions import Side
from domain.portfolio import MICRO, product
from domain.settings import Settings

BASIS_POINTS = 10_000


class CostModel(Settings):
    """Costs of one execution. The defaults are those that recommendations weigh their edge against."""

    half_spread_bp: Annotated[float, Field(ge=0, le=1_000, description="paid on every execution")] = 2.5
    impact: Annotated[float, Field(ge=0, le=10, description="Y of the square-root law")] = 0.7
    fee_bp: Annotated[float, Field(ge=0, le=1_000, description="of the notional")] = 0.0
    fee_per_share: Annotated[Decimal, Field(ge=0, le=10, decimal_places=6)] = Decimal(0)
    participation: Annotated[
        float, Field(gt=0, le=1, description="most of a session's volume that one order may be")
    ] = 0.10

    @classmethod
    def none(cls) -> CostModel:
        """Fill everything at the open, for nothing: what the paper broker does in a replay."""
        return cls(half_spread_bp=0.0, impact=0.0, participation=1.0)


@dataclass(frozen=True)
class Execution:
    """What an order was filled at. The parts are dollars in total; price x quantity contains spread and impact."""

    quantity: Decimal
    price: Decimal
    spread: Decimal
    impact: Decimal
    fee: Decimal


def fillable(quantity: Decimal, volume: int, costs: CostModel) -> Decimal:
    """Cap an order to its share of a session's volume: whole shares, or all that is wanted where that is less."""
    if costs.participation >= 1.0:
        return quantity
    most = Decimal(math.floor(volume * costs.participation))
    return min(quantity, most)


def execute(
    side: Side,
    quantity: Decimal,
    price: Decimal,
    *,
    daily_volatility: float,
    average_dollar_volume: float,
    costs: CostModel,
) -> Execution:
    """Fill at a price made worse by half the spread and by the impact, rounded against us to the micro-dollar.

    Args:
        price: the market's, in dollars a share.
        daily_volatility: standard deviation of daily log returns; 0 where unknown, which leaves impact out.
        average_dollar_volume: of 20 sessions; where it is 0, the order counts as a whole day's volume.
    """
    share = float(quantity * price) / average_dollar_volume if average_dollar_volume > 0.0 else 1.0
    impact_bp = BASIS_POINTS * costs.impact * daily_volatility * math.sqrt(share)
    worse_by = Decimal(repr(costs.half_spread_bp + impact_bp)) / BASIS_POINTS
    if side is Side.BUY:
        paid = (price * (1 + worse_by)).quantize(MICRO, ROUND_CEILING)
    else:
        paid = max(MICRO, (price * (1 - worse_by)).quantize(MICRO, ROUND_FLOOR))
    slippage = product(quantity, abs(paid - price))
    spread_share = costs.half_spread_bp / (costs.half_spread_bp + impact_bp) if slippage else 0.0
    spread = (slippage * Decimal(repr(spread_share))).quantize(MICRO, ROUND_FLOOR)
    notional = product(quantity, paid)
    fee = product(quantity, costs.fee_per_share) + notional * Decimal(repr(costs.fee_bp)) / BASIS_POINTS
    return Execution(
        quantity=quantity,
        price=paid,
        spread=spread,
        impact=slippage - spread,
        fee=fee.quantize(MICRO, ROUND_CEILING),
    )
