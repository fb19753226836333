"""Exact amounts as integers: money and prices in millionths of a dollar, quantities in billionths of a share."""

from __future__ import annotations

from decimal import ROUND_HALF_EVEN, Decimal
from fractions import Fraction

DOLLAR = 1_000_000
SHARE = 1_000_000_000
CENT = 10_000
_MAX = 2**63 - 1


def micros(amount: Decimal) -> int:
    """Convert dollars to millionths; raises ValueError below a millionth or beyond what the book can hold."""
    return _scaled(amount, DOLLAR)


def nanos(quantity: Decimal) -> int:
    """Convert shares to billionths; raises ValueError below that or beyond what the book can hold."""
    return _scaled(quantity, SHARE)


def _scaled(value: Decimal, unit: int) -> int:
    scaled = Fraction(value) * unit
    if scaled.denominator != 1:
        raise ValueError(f"{value} is finer than one part in {unit}")
    if abs(scaled.numerator) > _MAX:
        raise ValueError(f"{value} is too large")
    return scaled.numerator


def divide(numerator: int, denominator: int) -> int:
    """Divide and round half to even."""
    return round(Fraction(numerator, denominator))


def value_of(price: int, quantity: int) -> int:
    """Price times quantity in millionths of a dollar, rounded half to even; the sign follows the quantity."""
    return divide(price * quantity, SHARE)


def quantity_for(money: int, price: int) -> int:
    """The largest quantity whose value is not above `money`."""
    return money * SHARE // price


def scale(amount: int, ratio: Fraction) -> int:
    """Multiply exactly and round half to even."""
    return round(amount * ratio)


def dollars(amount: int) -> str:
    """Write an amount as the vendor does: plain decimal digits, no trailing zeros."""
    return _plain(amount, DOLLAR, 6)


def shares(quantity: int) -> str:
    return _plain(quantity, SHARE, 9)


def tick_down(price: int) -> int:
    """Round down to what may be quoted: a cent, or a hundredth of one below a dollar."""
    tick = CENT if price >= DOLLAR else CENT // 100
    return price // tick * tick


def tick_up(price: int) -> int:
    tick = CENT if price >= DOLLAR else CENT // 100
    return -(-price // tick) * tick


def ratio_text(numerator: int, denominator: int) -> str:
    """Write a fraction with six decimals; 0 where there is nothing to divide by."""
    return dollars(divide(numerator * DOLLAR, denominator)) if denominator else "0"


def _plain(amount: int, unit: int, places: int) -> str:
    whole, rest = divmod(abs(amount), unit)
    digits = f"{rest:0{places}d}".rstrip("0")
    sign = "-" if amount < 0 else ""
    return f"{sign}{whole}.{digits}" if digits else f"{sign}{whole}"


def slipped(price: int, *, buy: bool, basis_points: Decimal) -> int:
    """Worsen a price by so many hundredths of a percent."""
    factor = 1 + basis_points / 10_000 if buy else 1 - basis_points / 10_000
    return micros((Decimal(price) * factor / DOLLAR).quantize(Decimal("0.000001"), ROUND_HALF_EVEN))
