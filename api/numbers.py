"""Exact numbers leave the API as plain decimal text: no exponent, no binary rounding."""

from __future__ import annotations

from decimal import Decimal
from typing import Annotated

from pydantic import PlainSerializer

NANO = 10**9


def money(value: Decimal) -> str:
    """Dollars with at least two decimals: 12.5 -> `12.50`, 0.123456 -> `0.123456`."""
    plain = f"{value.normalize():f}"
    whole, _, cents = plain.partition(".")
    return f"{whole}.{cents:0<2}"


def shares(value: Decimal) -> str:
    """A quantity without trailing zeros: 10.000000000 -> `10`."""
    return f"{value.normalize():f}"


def from_nano(nano: int) -> str:
    """A score in billionths as decimal text: 250000000 -> `0.250000000`."""
    sign = "-" if nano < 0 else ""
    return f"{sign}{abs(nano) // NANO}.{abs(nano) % NANO:09d}"


Money = Annotated[Decimal, PlainSerializer(money, return_type=str, when_used="json")]
Shares = Annotated[Decimal, PlainSerializer(shares, return_type=str, when_used="json")]
