"""Ids are pure functions of their inputs, so that repeating a step finds its own earlier result."""

from __future__ import annotations

import hashlib
import json
from datetime import datetime
from typing import Any


def digest(*parts: Any, length: int = 24) -> str:
    """Hash the parts, in order and unambiguously, to `length` hex digits (sha256)."""
    body = json.dumps([_plain(part) for part in parts], ensure_ascii=False, separators=(",", ":"))
    return hashlib.sha256(body.encode()).hexdigest()[:length]


def _plain(part: Any) -> Any:
    return part.isoformat() if isinstance(part, datetime) else str(part)


def client_order_id(mode: str, intent_id: str) -> str:
    """The id the broker knows an order by: fixed before the first attempt, the same for every attempt."""
    return f"so-{mode}-{intent_id}"


def approval_id(intent_id: str, decision_id: str) -> str:
    return digest("approval", intent_id, decision_id, length=16)


def order_hash(*, symbol: str, side: str, quantity: str, reference_price: str, recommendation_id: str) -> str:
    """Bind an approval to one exact order: any change of these voids it."""
    return digest("order", symbol, side, quantity, reference_price, recommendation_id, length=32)
