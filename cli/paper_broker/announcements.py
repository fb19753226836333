"""Corporate actions as the trading host announces them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any

from cli.paper_broker.amounts import dollars
from cli.paper_broker.ledger import Ledger
from cli.paper_broker.listing import names_in
from cli.paper_broker.refusals import invalid, missing
from cli.paper_broker.tape import StoredAction, Tape

_TYPES = {"DIVIDEND", "SPLIT", "MERGER", "SPINOFF"}
_LONGEST = timedelta(days=90)


@dataclass(frozen=True)
class AnnouncementQuery:
    types: frozenset[str]
    since: date
    until: date
    symbols: tuple[str, ...]

    @classmethod
    def read(cls, parameters: Mapping[str, str]) -> AnnouncementQuery:
        types = frozenset(names_in(parameters, "ca_types"))
        if not types or not types <= _TYPES:
            raise invalid(f"invalid ca_types: {parameters.get('ca_types', '')}")
        since, until = _day(parameters, "since"), _day(parameters, "until")
        if until - since > _LONGEST:
            raise invalid(f"date range is limited to {_LONGEST.days} days")
        return cls(types, since, until, names_in(parameters, "symbol"))


def announcements(ledger: Ledger, query: AnnouncementQuery) -> list[dict[str, Any]]:
    found = Tape(ledger).actions(first=query.since, last=query.until, symbols=query.symbols)
    return [_shown(action) for action in found if _type(action).upper() in query.types]


def announcement(ledger: Ledger, action_id: str) -> dict[str, Any]:
    found = Tape(ledger).action(action_id.lower())
    if found is None:
        raise missing(f"announcement not found for {action_id}")
    return _shown(found)


def _day(parameters: Mapping[str, str], name: str) -> date:
    text = parameters.get(name, "")
    try:
        return date.fromisoformat(text[:10])
    except ValueError:
        raise invalid(f"invalid {name}: {text}") from None


def _type(action: StoredAction) -> str:
    return "dividend" if action.ratio is None else "split"


def _shown(action: StoredAction) -> dict[str, Any]:
    """An announcement; of its dates only the ex-date is known."""
    sub_type, old, new = "cash", 1, 1
    if action.ratio is not None:
        sub_type = "stock_split" if action.ratio > 1 else "reverse_split"
        old, new = action.ratio.denominator, action.ratio.numerator
    return {
        "id": action.id,
        "corporate_action_id": action.id,
        "corporate_actions_id": action.id,
        "ca_type": _type(action),
        "ca_sub_type": sub_type,
        "initiating_symbol": action.symbol,
        "initiating_original_cusip": "",
        "target_symbol": action.symbol,
        "target_original_cusip": "",
        "ex_date": action.ex_date.isoformat(),
        "cash": dollars(action.dividend or 0),
        "old_rate": str(old),
        "new_rate": str(new),
    }
