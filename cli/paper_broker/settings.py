"""What the paper broker is told at its start. Reading the environment is the caller's business."""

from __future__ import annotations

from datetime import UTC, datetime
from decimal import Decimal
from enum import StrEnum
from pathlib import Path
from typing import Annotated

from pydantic import Field, SecretStr

from domain.model import Model, Utc

VENDOR_RATE_LIMIT = 200
"""Requests a minute and account, as the vendor documents it."""


class ClockMode(StrEnum):
    WALL = "wall"
    """Real time and the exchange's calendar."""
    VIRTUAL = "virtual"
    """Time moves by control messages only, so that a replayed past is exact."""


class ClientIdScope(StrEnum):
    """How long a client order id stays taken."""

    FOREVER = "forever"
    ACTIVE = "active"
    """Only while the order that carries it is open."""


class BrokerSettings(Model):
    """Where the broker listens, where its book lies, and how it fills.

    `rate_limit` counts requests a minute; None means the vendor's limit on the wall clock and none on the virtual one,
    0 means none. `partial_fill_share` is the share of market orders that execute in two parts, chosen by a hash of the
    client order id.
    """

    host: str = "127.0.0.1"
    port: Annotated[int, Field(ge=0, le=65535)]
    book: Path
    key_id: SecretStr
    secret_key: SecretStr
    control_key: SecretStr
    clock: ClockMode = ClockMode.WALL
    starts_at: Utc = datetime(2000, 1, 1, tzinfo=UTC)
    """The virtual clock's reading before the first control message."""
    opening_cash: Annotated[Decimal, Field(ge=0, decimal_places=6, max_digits=18)] = Decimal(100_000)
    client_id_scope: ClientIdScope = ClientIdScope.FOREVER
    shorting: bool = False
    partial_fill_share: Annotated[Decimal, Field(ge=0, le=1)] = Decimal("0.1")
    slippage_bps: Annotated[Decimal, Field(ge=0, lt=10_000)] = Decimal(0)
    """Added to the price of market and stop buys, taken from that of sells; one hundredth of a percent."""
    fee_per_share: Annotated[Decimal, Field(ge=0, decimal_places=6, max_digits=12)] = Decimal(0)
    cash_in_lieu: bool = False
    """Whether a split pays out the fraction of a share in cash; otherwise the fraction stays in the position."""
    rate_limit: Annotated[int, Field(ge=0)] | None = None

    def requests_per_minute(self) -> int:
        """The limit in force; 0 means none."""
        if self.rate_limit is not None:
            return self.rate_limit
        return VENDOR_RATE_LIMIT if self.clock is ClockMode.WALL else 0
