"""Ids are pure functions of their inputs, so that repeating a step finds its own earlier result."""

from __future__ import annotations

import hashlib
import json
from datetime import datetime
from typing import Any


def digest(*parts: Any, length: int = 24) -> str:
    """Hash the parts, in order and unambiguously, to `length` hex digits (sha256)."""
    body = _written([_plain(part) for part in parts])
    return hashlib.sha256(body.encode()).hexdigest()[:length]


_written = json.JSONEncoder(ensure_ascii=False, separators=(",", ":")).encode


def _plain(part: Any) -> str:
    return part.isoformat() if isinstance(part, datetime) else str(part)


def client_order_id(mode: str, intent_id: str) -> str:
    """The id the broker knows an order by: fixed before the first attempt, the same for every attempt."""
    return f"so-{mode}-{intent_id}"


def order_hash(*, symbol: str, side: str, quantity: str, reference_price: str, recommendation_id: str) -> str:
    """Identify what an order row was made of; approvals are bound by `domain.approvals.approval_hash`."""
    return digest("order", symbol, side, quantity, reference_price, recommendation_id, length=32)
