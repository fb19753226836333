"""Where the price comes from that approvals are held against."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal

import pytest

from activities.prices import MarketPrices
from domain.broker import Snapshot
from domain.errors import ConfigurationError, VendorUnavailable
from tests.approvals.builders import NOW

AWAY, REFUSED = VendorUnavailable("BROKER_UNREACHABLE"), ConfigurationError("BROKER_KEYS_REFUSED")


@dataclass
class Broker:
    prices: dict[str, Decimal | None] = field(default_factory=dict)
    error: Exception | None = None

    async def snapshots(self, symbols: Sequence[str]) -> dict[str, Snapshot]:
        if self.error is not None:
            raise self.error
        return {
            symbol: Snapshot(symbol=symbol, last=self.prices[symbol]) for symbol in symbols if symbol in self.prices
        }


class Book:
    async def last(self, symbol: str, *, as_of: datetime) -> Decimal | None:
        return Decimal(40) if symbol == "ACME" else None

    async def quote(self, symbol: str) -> Snapshot | None:
        return None


def _prices(broker: Broker, *, real_money: bool = False) -> MarketPrices:
    return MarketPrices(broker, Book(), real_money=real_money)


@pytest.mark.parametrize("real_money", [False, True])
async def test_price_when_the_broker_knows_a_trade_then_that_is_it(real_money: bool) -> None:
    prices = _prices(Broker({"ACME": Decimal(50)}), real_money=real_money)
    assert await prices.last("ACME", as_of=NOW) == Decimal(50)


@pytest.mark.parametrize("broker", [Broker(), Broker({"ACME": None}), Broker(error=AWAY), Broker(error=REFUSED)])
async def test_price_when_the_broker_has_none_then_on_paper_the_last_close_does(broker: Broker) -> None:
    assert await _prices(broker).last("ACME", as_of=NOW) == Decimal(40)
    assert await _prices(broker).last("OTHER", as_of=NOW) is None


@pytest.mark.parametrize("broker", [Broker(), Broker({"ACME": None}), Broker(error=REFUSED)])
async def test_price_when_the_broker_has_none_then_with_real_money_it_is_unknown(broker: Broker) -> None:
    assert await _prices(broker, real_money=True).last("ACME", as_of=NOW) is None


async def test_price_when_the_broker_is_away_then_with_real_money_the_step_waits_for_it() -> None:
    with pytest.raises(VendorUnavailable):
        await _prices(Broker(error=AWAY), real_money=True).last("ACME", as_of=NOW)
