"""Reading a change of the account's settings."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from cli.paper_broker.refusals import invalid

_FLAGS = ("suspend_trade", "no_shorting", "fractional_trading", "ptp_no_exception_entry", "disable_overnight_trading")
_CHOICES: Mapping[str, tuple[str | int, ...]] = {
    "max_margin_multiplier": ("1", "2", "4"),
    "trade_confirm_email": ("all", "none"),
    "max_options_trading_level": (0, 1, 2, 3),
}
_GONE = ("dtbp_check", "pdt_check")
"""Pattern-day-trader settings, which the vendor took out in July 2026; clients that still send them lose nothing."""


def read_configurations(body: Any) -> dict[str, Any]:
    """Read the fields that are to change; raises the vendor's refusal for an unknown field or value."""
    if not isinstance(body, Mapping):
        raise invalid("request body format is invalid")
    changes = {name: value for name, value in body.items() if value is not None and name not in _GONE}
    for name, value in changes.items():
        if name in _FLAGS:
            if not isinstance(value, bool):
                raise invalid(f"{name} must be a boolean")
        elif name not in _CHOICES:
            raise invalid(f"unknown field: {name}")
        elif isinstance(value, bool) or value not in _CHOICES[name]:
            allowed = ", ".join(str(choice) for choice in _CHOICES[name])
            raise invalid(f"invalid {name}: {value}, allowed are {allowed}")
    return changes
