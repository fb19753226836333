"""Numbers as a report shows them: thousands apart, signs that can be seen, and a dash where nothing is defined."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date
from decimal import Decimal

from activities.adapters.backtest_page.markup import NO_BREAK, Html, el
from domain.decisions import Layer

MINUS = "−"
NANO = 1e-9
_UNREADABLE = 1e9
"""From here on digits tell less than a power of ten."""


def undefined(why: str) -> Html:
    """An en dash that says why there is no number."""
    return el("abbr", "–", class_="none", title=f"not defined: {why}")


def number(value: float | Decimal, digits: int = 2, *, signed: bool = False) -> str:
    """Write a number with its thousands apart; `signed` for those where a gain and a loss must be told apart."""
    if isinstance(value, float) and abs(value) >= _UNREADABLE:
        return _with_sign(f"{value:+.3g}" if signed else f"{value:.3g}")
    shown = f"{value:+,.{digits}f}" if signed else f"{value:,.{digits}f}"
    return _with_sign(_without_sign_of_zero(shown))


def percent(fraction: float | Decimal, digits: int = 2, *, signed: bool = False) -> str:
    return f"{number(fraction * 100, digits, signed=signed)}{NO_BREAK}%"


def money(amount: Decimal | float, *, signed: bool = False) -> str:
    """Dollars and cents, the sign before the dollar."""
    shown = number(amount, 2, signed=signed)
    sign = shown[0] if shown[:1] in (MINUS, "+") else ""
    return f"{sign}${shown[len(sign) :]}"


def quantity(amount: Decimal) -> str:
    """Shares, to six places and without the zeros that say nothing."""
    shown = number(amount, 6)
    return shown.rstrip("0").rstrip(".") if "." in shown else shown


def tone(amount: float | Decimal) -> str | None:
    """The class of a cell, for its colour; the sign says the same."""
    if amount == 0:
        return "num"
    return "num gain" if amount > 0 else "num loss"


def day(value: date | None) -> str:
    return "" if value is None else value.isoformat()


def layers(parts: Mapping[Layer, int]) -> str:
    """A score's parts by layer: those that are not nothing."""
    found = [f"{layer} {number(parts[layer] * NANO, 3, signed=True)}" for layer in Layer if parts.get(layer)]
    return ", ".join(found)


def plural(count: int, one: str, many: str | None = None) -> str:
    return f"{count:,} {one if count == 1 else many or one + 's'}"


def _without_sign_of_zero(shown: str) -> str:
    return shown if any(char in "123456789" for char in shown) else shown.lstrip("+-")


def _with_sign(shown: str) -> str:
    return shown.replace("-", MINUS)
