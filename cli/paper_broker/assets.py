"""What can be traded."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated

from pydantic import Field

from cli.paper_broker.book import derived_id
from cli.paper_broker.records import Asset
from domain.model import Model

Symbol = Annotated[str, Field(pattern=r"^[A-Z0-9][A-Z0-9.\-/]{0,31}$")]


class Exchange(StrEnum):
    """The exchanges the vendor names."""

    AMEX = "AMEX"
    ARCA = "ARCA"
    BATS = "BATS"
    NYSE = "NYSE"
    NASDAQ = "NASDAQ"
    NYSEARCA = "NYSEARCA"
    OTC = "OTC"


class AssetMessage(Model):
    """A tradable symbol, as control messages bring it."""

    symbol: Symbol
    name: str = ""
    exchange: Exchange = Exchange.NASDAQ
    fractionable: bool = True
    shortable: bool = True


def asset_of(message: AssetMessage) -> Asset:
    return Asset(
        id=derived_id("asset", message.symbol),
        symbol=message.symbol,
        name=message.name or message.symbol,
        exchange=message.exchange,
        fractionable=message.fractionable,
        shortable=message.shortable,
    )


def asset_for(symbol: str) -> Asset:
    """What is assumed of a symbol of which only a price is known."""
    return Asset(derived_id("asset", symbol), symbol, symbol, Exchange.NASDAQ, fractionable=True, shortable=True)
