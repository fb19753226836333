"""A decision record's canonical text: the bytes that its hash, and with it the id of what was decided, are made of.

JSON with sorted keys and no blanks. Most of it is evidence, which is written by a table of its fields: a general
encoder takes several times as long, and a backtest writes a hundred thousand of them.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping
from datetime import datetime
from json.encoder import encode_basestring
from typing import Any

from domain.decisions import DecisionRecord, EvidenceItem, MarketWindow
from domain.weak_memo import WeakMemo

canonical = json.JSONEncoder(ensure_ascii=False, sort_keys=True, separators=(",", ":")).encode


def canonical_bytes(record: DecisionRecord, known: Mapping[str, str] | None = None) -> bytes:
    """Give the bytes that identify a record.

    Args:
        known: texts of some of its fields that are at hand.
    """
    known = known or {}
    values = record.model_dump(mode="json", exclude={"evidence", "market", *known})
    texts = {name: _value(value) for name, value in values.items()}
    texts |= known
    texts["market"] = _market(record.market)
    texts["evidence"] = f"[{','.join(map(_item, record.evidence))}]"
    fields = [f'"{name}":{texts[name]}' for name in sorted(texts)]
    return f"{{{','.join(fields)}}}".encode()


def record_hash(record: DecisionRecord, known: Mapping[str, str] | None = None) -> str:
    """Hash a record's canonical bytes: sha256, hex."""
    return hashlib.sha256(canonical_bytes(record, known)).hexdigest()


def stored_hash(body: bytes) -> str:
    """Hash a record as it lies in the store, whichever version wrote it: what `record_hash` gave then."""
    return hashlib.sha256(canonical(json.loads(body)).encode()).hexdigest()


def _value(value: Any) -> str:
    return encode_basestring(value) if type(value) is str else canonical(value)


def _instant(value: datetime) -> str:
    """As `model_dump` writes it."""
    return f'"{value.isoformat().replace("+00:00", "Z")}"'


def _numbers(values: tuple[int, ...]) -> str:
    return f"[{','.join(map(str, values))}]"


def _market(window: MarketWindow) -> str:
    return (
        f'{{"closes":{_floats(window.closes)},"sessions":[{",".join(map(encode_basestring, window.sessions))}],'
        f'"symbol":{encode_basestring(window.symbol)},"volumes":{_floats(window.volumes)}}}'
    )


def _floats(values: tuple[float, ...]) -> str:
    return f"[{','.join(map(float.__repr__, values))}]"


_WRITERS: dict[str, Callable[[Any], str]] = {
    "available_at": _instant,
    "published_at": _instant,
    "sentiment": float.__repr__,
    "confidence": float.__repr__,
    "quote_validity": float.__repr__,
    "shingles": _numbers,
}
"""How a field of evidence is written that is no string."""
_FIELDS = [(name, f'"{name}":', _WRITERS.get(name, encode_basestring)) for name in sorted(EvidenceItem.model_fields)]


def _item_text(item: EvidenceItem) -> str:
    values = item.__dict__
    return f"{{{','.join([head + write(values[name]) for name, head, write in _FIELDS])}}}"


_item: WeakMemo[EvidenceItem, str] = WeakMemo(_item_text)
"""The same evidence stands in the records of many sessions."""
