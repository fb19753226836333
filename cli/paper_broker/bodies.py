"""Reading the bodies of requests."""

from __future__ import annotations

import json
from decimal import Decimal
from typing import Any

from cli.paper_broker.refusals import Refusal


def read_body(body: bytes) -> Any:
    """Read JSON with exact numbers; no float ever carries a price."""
    try:
        return json.loads(body, parse_float=Decimal, parse_constant=_no_constant)
    except (ValueError, RecursionError):
        raise Refusal(400, 40010000, "request body format is invalid") from None


def _no_constant(name: str) -> Any:
    raise ValueError(f"{name} is not a number")
