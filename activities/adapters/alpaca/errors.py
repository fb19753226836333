"""What an answer other than success means: by the status first, then by the vendor's code, message and fields.

The vendor's code 40310000 stands for most refusals of an order, so message and fields say which one it is. An answer
that is not the vendor's JSON comes from something in between (a gateway, a proxy, another host): it proves nothing, so
the outcome stays unknown.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from domain.errors import ConfigurationError, StonksError, VendorRejected, VendorThrottled, VendorUnavailable

INVALID = 40010001
FORBIDDEN = 40310000
MISSING = 40410000
UNPROCESSABLE = 42210000

ID_TAKEN = "CLIENT_ORDER_ID_TAKEN"
ORDER_CLOSED = "ORDER_IS_CLOSED"
NOT_FOUND = "BROKER_NOT_FOUND"

SHOWN = (
    "symbol",
    "available",
    "existing_qty",
    "held_for_orders",
    "buying_power",
    "cost_basis",
    "existing_order_id",
    "reject_reason",
)
"""Fields of a refusal that say why."""
LEAST_PAUSE, LONGEST_PAUSE, USUAL_PAUSE = 0.5, 60.0, 2.0
"""Seconds before a throttled request is repeated."""

Fields = Mapping[str, Any]


@dataclass(frozen=True)
class _Row:
    """A named refusal. `words` must stand in the message, or `field` among the fields."""

    status: int
    code: int
    name: str
    words: tuple[str, ...]
    hint: str
    field: str = ""

    def fits(self, status: int, code: int, message: str, fields: Fields) -> bool:
        if (status, code) != (self.status, self.code):
            return False
        return any(word in message for word in self.words) or bool(self.field and self.field in fields)


_ROWS = (
    _Row(422, INVALID, ID_TAKEN, ("client_order_id must be unique",), "An earlier attempt arrived: look it up"),
    _Row(
        403,
        FORBIDDEN,
        "SHARES_HELD",
        ("insufficient qty",),
        "Other open orders hold the shares, or fewer are there",
        "held_for_orders",
    ),
    _Row(
        403,
        FORBIDDEN,
        "WASH_TRADE",
        ("wash trade",),
        "Cancel the opposite order, or use a bracket",
        "existing_order_id",
    ),
    _Row(403, FORBIDDEN, "ORDER_TOO_SMALL", ("minimal amount",), "Ask for at least one dollar's worth"),
    _Row(
        403,
        FORBIDDEN,
        "BUYING_POWER_INSUFFICIENT",
        ("buying power",),
        "Cancel open orders or order less",
        "buying_power",
    ),
    _Row(
        403,
        FORBIDDEN,
        "TRADING_SUSPENDED",
        ("rejected by user request",),
        "Somebody suspended trading in the account's own settings: only the account's owner can end it there",
    ),
    _Row(403, FORBIDDEN, "SHORTING_NOT_ALLOWED", ("not allowed to short",), "The account may not sell short"),
    _Row(403, FORBIDDEN, "ASSET_NOT_FRACTIONABLE", ("not fractionable",), "Order whole shares"),
    _Row(403, FORBIDDEN, "OUTSIDE_ORDER_WINDOW", ("must be submitted after",), "The vendor takes it at other times"),
    _Row(422, UNPROCESSABLE, ORDER_CLOSED, ("order is already in",), "Read the order back"),
    _Row(422, UNPROCESSABLE, "PRICE_NOT_ON_TICK", ("sub-penny",), "Cents from a dollar on, 1/100 of a cent below"),
    _Row(422, UNPROCESSABLE, "FRACTION_NOT_DAY", ("must be DAY orders",), "Parts of a share only for the day"),
    _Row(422, UNPROCESSABLE, "FRACTION_NOT_SIMPLE", ("must be simple orders",), "Parts of a share have no legs"),
    _Row(422, UNPROCESSABLE, "FRACTION_SOLD_SHORT", ("cannot be sold short",), "Order whole shares, or do not short"),
    _Row(422, UNPROCESSABLE, "EXTENDED_HOURS_TERMS", ("extended hours",), "Only DAY or GTC limit orders"),
    _Row(422, UNPROCESSABLE, "ASSET_NOT_FOUND", ("not found",), "The vendor does not trade the symbol"),
    _Row(422, UNPROCESSABLE, "ASSET_NOT_TRADABLE", ("not tradable", "not active"), "The vendor does not trade it now"),
)

_OTHERS = {
    INVALID: "ORDER_REFUSED_AS_INVALID",
    FORBIDDEN: "ORDER_REFUSED_AS_FORBIDDEN",
    UNPROCESSABLE: "ORDER_REFUSED_AS_UNPROCESSABLE",
}


def classify(
    status: int, text: str, headers: Mapping[str, str], *, now: Callable[[], float] = time.time
) -> StonksError:
    """Name an answer other than success. `now` is the wall clock in seconds, for a limit that ends at an instant."""
    fields = _fields(text)
    message = str(fields.get("message", ""))
    if status == 429:
        return VendorThrottled("BROKER_THROTTLED", retry_after_seconds=_pause(headers, now), status=status)
    if status >= 500 or status in (0, 408, 425) or status < 400:
        return VendorUnavailable("BROKER_UNAVAILABLE", "The outcome is unknown; looked up by id next", status=status)
    if not message:
        return VendorUnavailable(
            "BROKER_ANSWER_UNREADABLE", "Something in between answered: the outcome is unknown", status=status
        )
    code = _code(fields)
    if status == 401 or (status == 403 and code == 0):
        return ConfigurationError("BROKER_KEYS_REFUSED", "Check the broker's key id and secret key", status=status)
    if status == 404:
        return _missing(code, message)
    return _refusal(status, code, message, fields)


def unreadable(problem: str) -> VendorUnavailable:
    """No answer, or none that can be read."""
    return VendorUnavailable(
        "BROKER_UNREACHABLE", "The outcome is unknown; the order is looked up by its id", problem=problem
    )


def _missing(code: int, message: str) -> StonksError:
    if code != MISSING or "endpoint" in message:  # another host's 404 proves nothing about an order
        return VendorUnavailable(
            "BROKER_ANSWER_UNREADABLE", "Does the broker's address point at its API?", status=404, reply=message
        )
    return VendorRejected(NOT_FOUND, status=404, code=code, reply=message)


def _refusal(status: int, code: int, message: str, fields: Fields) -> VendorRejected:
    shown = {name: fields[name] for name in SHOWN if name in fields}
    for row in _ROWS:
        if row.fits(status, code, message, fields):
            return VendorRejected(row.name, row.hint, status=status, code=code, reply=message, **shown)
    name = _OTHERS.get(code, "BROKER_REJECTED")
    return VendorRejected(name, status=status, code=code, reply=message, **shown)


def _fields(text: str) -> Fields:
    try:
        read = json.loads(text)
    except ValueError:
        return {}
    return read if isinstance(read, dict) else {}


def _code(fields: Fields) -> int:
    try:
        return int(fields.get("code", 0))
    except (TypeError, ValueError):
        return 0


def _pause(headers: Mapping[str, str], now: Callable[[], float]) -> float:
    """Seconds until the vendor takes requests again: Retry-After, or the instant at which its limit is reset."""
    known = {name.lower(): value for name, value in headers.items()}
    for name, start in (("retry-after", 0.0), ("x-ratelimit-reset", now())):
        try:
            wait = float(known[name]) - start
        except (KeyError, ValueError):
            continue
        return min(max(wait, LEAST_PAUSE), LONGEST_PAUSE)
    return USUAL_PAUSE
