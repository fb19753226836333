"""What people and programs are told as it happens: the outbox as a stream, by kind, with what a row of a list needs.

Text of documents, reasons and problems stay in the book: an event names what to read, and who may read it asks for it.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from enum import StrEnum
from itertools import groupby
from typing import Any

from domain.model import Model
from domain.notifications import Event

LONGEST_VALUE = 120
MOST_IDS = 50
"""Documents that one message names; it counts the others."""


class FeedKind(StrEnum):
    """What a message is about: the name of its event in the stream."""

    DECISION = "decision"
    """A recommendation that changed."""
    APPROVAL = "approval"
    ORDER = "order"
    FILL = "fill"
    BREAKER = "breaker"
    """Breakers, tiers and the reserve."""
    TRADING = "trading"
    """The trading state, settings, the engine, and what reconciliation found."""
    ACCOUNT = "account"
    DOCUMENT = "document"
    JOB = "job"
    """Failed work and what people did about it, schedules, backfills, backups."""
    BACKTEST = "backtest"
    OTHER = "other"


QUIET = frozenset(
    {
        "recommendation_changed",
        "order_updated",
        "order_cancel_requested",
        "document_processed",
        "document_failed",
        "documents_processed",
        "backtest_started",
        "backtest_progress",
        "backtest_finished",
        "backtest_failed",
        "backtest_canceled",
        "dead_letter_retried",
        "dead_letter_discarded",
        "job_cancel_requested",
        "schedule_changed",
        "backup_verified",
        "backup_drill_passed",
    }
)
"""Events that streams alone tell: nobody is sent a message about them."""

_FAMILIES: Mapping[str, FeedKind] = {
    "recommendation": FeedKind.DECISION,
    "approval": FeedKind.APPROVAL,
    "order": FeedKind.ORDER,
    "breaker": FeedKind.BREAKER,
    "tier": FeedKind.BREAKER,
    "reserve": FeedKind.BREAKER,
    "trading": FeedKind.TRADING,
    "config": FeedKind.TRADING,
    "engine": FeedKind.TRADING,
    "reconciliation": FeedKind.TRADING,
    "calendar": FeedKind.TRADING,
    "account": FeedKind.ACCOUNT,
    "document": FeedKind.DOCUMENT,
    "documents": FeedKind.DOCUMENT,
    "dead": FeedKind.JOB,
    "job": FeedKind.JOB,
    "schedule": FeedKind.JOB,
    "backtest": FeedKind.BACKTEST,
    "drift": FeedKind.BACKTEST,
    "backup": FeedKind.JOB,
}
"""By the first word of an event's name."""
_FILLS = frozenset({"order_filled", "order_partially_filled"})

_FIELDS = frozenset(
    {
        "action",
        "ask",
        "average_price",
        "blocking",
        "cash",
        "conviction",
        "count",
        "equity",
        "filled",
        "from",
        "intent_id",
        "kind",
        "limit",
        "order_id",
        "paused",
        "people",
        "positions",
        "previous_action",
        "quantity",
        "score",
        "sessions",
        "sessions_done",
        "side",
        "source_id",
        "state",
        "status",
        "step",
        "symbol",
        "to",
        "treatment",
        "urgent",
        "value",
        "version",
        "vote",
        "workflow_type",
    }
)
"""What of an event's body is told: what is not named here may be text, or anything that is added later."""


class Happened(Model):
    """An event with its place in the order of all."""

    sequence: int
    event: Event


class FeedMessage(Model):
    """What a stream sends. A client that has read it has read everything up to its sequence number."""

    sequence: int
    kind: FeedKind
    body: dict[str, Any]


def kind_of(event: Event) -> FeedKind:
    if event.event in _FILLS and "filled" in event.body:  # else it is the order that has ended so
        return FeedKind.FILL
    return _FAMILIES.get(event.event.partition("_")[0], FeedKind.OTHER)


def messages(happened: Sequence[Happened]) -> list[FeedMessage]:
    """One message an event, in order; documents that follow each other are one message, as they come in crowds."""
    found: list[FeedMessage] = []
    for kind, together in groupby(happened, key=lambda each: kind_of(each.event)):
        group = list(together)
        found += [_documents(group)] if kind is FeedKind.DOCUMENT else _single(kind, group)
    return found


def _single(kind: FeedKind, group: Sequence[Happened]) -> list[FeedMessage]:
    return [
        FeedMessage(
            sequence=each.sequence,
            kind=kind,
            body={
                "event": each.event.event,
                "subject_id": _clipped(each.event.subject_id),
                "occurred_at": each.event.occurred_at.isoformat(),
                **{
                    name: _clipped(value)
                    for name, value in sorted(each.event.body.items())
                    if name in _FIELDS and isinstance(value, str | int | float | None)
                },
            },
        )
        for each in group
    ]


def _documents(group: Sequence[Happened]) -> FeedMessage:
    """Several documents as one message: how many of each status, and the first of them by id."""
    counts: Counter[str] = Counter()
    ids: list[str] = []
    for each in group:
        body = each.event.body
        count = body.get("count", 1)
        counts[_clipped(str(body.get("status", "processed")))] += count if isinstance(count, int) else 1
        if "count" not in body:
            ids.append(_clipped(each.event.subject_id))
    return FeedMessage(
        sequence=group[-1].sequence,
        kind=FeedKind.DOCUMENT,
        body={
            "event": "documents_processed",
            "occurred_at": max(each.event.occurred_at for each in group).isoformat(),
            "count": counts.total(),
            "by_status": dict(sorted(counts.items())),
            "doc_ids": ids[:MOST_IDS],
        },
    )


def _clipped(value: Any) -> Any:
    return value[:LONGEST_VALUE] if isinstance(value, str) else value
