"""What notifications say: one template an event, and the same message as plain text and as HTML.

Text from outside is data. Before it enters a message it loses what is invisible or turns the direction of writing, it
is cut, and what a mail program would make a link of is taken apart (`evil[.]example`). HTML escapes everything. The
only link is ours, from the address that the operator set.
"""

from __future__ import annotations

import json
import re
import unicodedata
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from html import escape
from typing import Any

from domain.daily_report import DailyReport
from domain.model import Model
from domain.notifications import Event, Fact, Message, OutgoingMessage, Severity
from domain.text import dollars

LONGEST_VALUE = 300
LONGEST_TITLE = 120
MOST_FACTS = 20
MOST_LINES = 50

_DROPPED = frozenset(("Cc", "Cf", "Co", "Cs", "Cn"))
_LINKED = re.compile(r"[.。．｡](?=[^\W\d_]{2,})")
_BLANKS = re.compile(r"\s+")


class Place(Model):
    """Where messages come from."""

    mode: str
    base_url: str = ""
    """Where people reach the pages, without a slash at its end; empty: messages carry no link."""


def one_line(text: str, limit: int = LONGEST_VALUE) -> str:
    """Keep what is visible, in one line of at most `limit` characters."""
    text = _BLANKS.sub(" ", text[: limit * 10])
    text = "".join(each for each in text if unicodedata.category(each) not in _DROPPED).strip()
    return text if len(text) <= limit else text[: limit - 1].rstrip() + "…"


def quoted(value: object, limit: int = LONGEST_VALUE) -> str:
    """Make text from outside harmless: as `one_line`, and nothing in it becomes a link."""
    text = value if isinstance(value, str) else json.dumps(value, default=str, ensure_ascii=False)
    text = one_line(text, limit).replace("://", "[:]//").replace("@", "[@]").replace("＠", "[@]")
    return one_line(_LINKED.sub("[.]", text), limit)


@dataclass(frozen=True)
class Template:
    title: Callable[[Event], str]
    severity: Severity | Callable[[Event], Severity] = Severity.INFO
    action: Callable[[Event], str] = field(default=lambda event: "")
    page: str = ""
    """The page that its link leads to; empty: it has none."""


def compose(event: Event, place: Place) -> Message:
    """Say what happened. An event without a template is told by its name, as information."""
    template = _TEMPLATES.get(event.event) or _FAMILIES.get(event.event.partition("_")[0]) or _UNKNOWN
    severity = template.severity if isinstance(template.severity, Severity) else template.severity(event)
    return Message(
        event=event.event,
        severity=severity,
        title=quoted(template.title(event), LONGEST_TITLE),
        facts=_facts(event.body),
        action=template.action(event),
        link=_link(place, template.page),
        occurred_at=event.occurred_at,
    )


def is_told_elsewhere(event: Event) -> bool:
    """Whether another event says the same: the end of an order that its fills, or the decision on it, have told."""
    if event.event == "order_filled":
        return "filled" not in event.body
    return event.event == "order_declined"


def compose_report(report: DailyReport, place: Place) -> Message:
    """The daily report, from the account's mark at the close."""
    facts = [Fact(label="equity", value=dollars(report.equity))]
    if report.change is not None:
        percent = f" ({report.change_percent:+.2f} %)" if report.change_percent is not None else ""
        facts.append(Fact(label="since the close before", value=_signed(report.change) + percent))
    if report.realized is not None:
        facts.append(Fact(label="realized", value=_signed(report.realized)))
    facts += [
        Fact(label="cash", value=dollars(report.cash)),
        Fact(label="orders", value=_counts(report.orders) or "none"),
        Fact(label="breakers", value=_counts(report.breakers) or "all closed"),
        Fact(label="approvals waiting", value=str(report.approvals_waiting)),
        Fact(label="dead letters", value=str(report.dead_letters)),
    ]
    fills = [
        f"{quoted(each.side, 10)} {_number(each.quantity)} {quoted(each.symbol, 20)} at {each.average_price:,.4f}"
        for each in report.fills
    ]
    held = [
        f"{quoted(each.symbol, 20)}: {_number(each.quantity)}, worth {dollars(each.value)}, "
        f"{_signed(each.unrealized)} unrealized"
        for each in report.positions
    ]
    change = "" if report.change is None else f", {_signed(report.change)}"
    return Message(
        event="daily_report",
        severity=Severity.INFO,
        title=f"{report.session}: equity {dollars(report.equity)}{change}",
        facts=tuple(facts),
        lines=_cut([f"Filled: {each}" for each in fills] + [f"Held: {each}" for each in held]),
        link=_link(place, "overview"),
        occurred_at=report.as_of,
    )


def compose_list(messages: Sequence[Message], place: Place, *, at: datetime) -> Message:
    """Several messages in one: those that came in quiet hours, too late, or too many at once."""
    most = max((message.severity for message in messages), key=lambda each: each.rank)
    lines = [f"{message.occurred_at:%d %b %H:%M} UTC  {message.title}" for message in messages]
    return Message(
        event="notification_list",
        severity=most,
        title=f"{len(messages)} messages",
        lines=_cut(lines),
        link=_link(place, "overview"),
        occurred_at=at,
    )


def outgoing(message: Message, place: Place, *, notification_id: str, event_id: str) -> OutgoingMessage:
    return OutgoingMessage(
        notification_id=notification_id,
        event_id=event_id,
        subject=subject(message, place),
        text=as_text(message, place, event_id=event_id),
        html=as_html(message, place, event_id=event_id),
        mode=place.mode,
        message=message,
    )


def subject(message: Message, place: Place) -> str:
    """One line, with the mode, so that nobody takes paper for live."""
    mark = "URGENT " if message.severity is Severity.URGENT else ""
    mode = place.mode.upper() if place.mode == "live" else place.mode
    return f"[stonks {mode}] {mark}{message.title}"


def as_text(message: Message, place: Place, *, event_id: str) -> str:
    parts = [message.title]
    if message.facts:
        width = max(len(fact.label) for fact in message.facts)
        parts.append("\n".join(f"{fact.label:<{width}}  {fact.value}" for fact in message.facts))
    if message.lines:
        parts.append("\n".join(message.lines))
    if message.action:
        parts.append(message.action)
    if message.link:
        parts.append(message.link)
    return "\n\n".join([*parts, "-- \n" + _footer(message, place, event_id)]) + "\n"


def as_html(message: Message, place: Place, *, event_id: str) -> str:
    """No script, no style sheet, no picture, nothing fetched; every text escaped."""
    rows = "".join(
        f'<tr><td style="padding-right:1em">{escape(fact.label)}</td><td>{escape(fact.value)}</td></tr>'
        for fact in message.facts
    )
    parts = [f"<h2>{escape(message.title)}</h2>"]
    if rows:
        parts.append(f"<table>{rows}</table>")
    if message.lines:
        parts.append("<ul>" + "".join(f"<li>{escape(line)}</li>" for line in message.lines) + "</ul>")
    if message.action:
        parts.append(f"<p>{escape(message.action)}</p>")
    if message.link:
        parts.append(f'<p><a href="{escape(message.link, quote=True)}">{escape(message.link)}</a></p>')
    parts.append(f"<p><small>{escape(_footer(message, place, event_id))}</small></p>")
    return f'<!doctype html><html><head><meta charset="utf-8"></head><body>{"".join(parts)}</body></html>'


def _footer(message: Message, place: Place, event_id: str) -> str:
    at = message.occurred_at.strftime("%Y-%m-%d %H:%M:%S")
    return f"{place.mode} · {message.severity} · {message.event} · {at} UTC · {quoted(event_id, 120)}"


def _facts(body: Mapping[str, Any]) -> tuple[Fact, ...]:
    facts = [
        Fact(label=quoted(str(name).replace("_", " "), 40), value=quoted(value))
        for name, value in body.items()
        if value not in ("", None, [], {})
    ]
    return tuple(facts[:MOST_FACTS])


def _link(place: Place, page: str) -> str:
    return f"{place.base_url}/{page}" if place.base_url and page else ""


def _cut(lines: Sequence[str]) -> tuple[str, ...]:
    if len(lines) <= MOST_LINES:
        return tuple(lines)
    return (*lines[: MOST_LINES - 1], f"and {len(lines) - MOST_LINES + 1} more")


def _counts(counts: Mapping[str, object]) -> str:
    return ", ".join(f"{quoted(name, 40)} {quoted(value, 40)}" for name, value in counts.items())


def _signed(amount: Decimal) -> str:
    return dollars(amount) if amount < 0 else f"+{dollars(amount)}"


def _number(quantity: Decimal) -> str:
    return f"{quantity.normalize():f}"


def _what(event: Event) -> str:
    """`buy AAPL`, as far as the event says it."""
    return " ".join(str(event.body[name]) for name in ("side", "symbol") if event.body.get(name))


def _about(words: str) -> Callable[[Event], str]:
    def title(event: Event) -> str:
        return f"{words}: {what}" if (what := _what(event)) else words

    return title


def _say(words: str) -> Callable[[Event], str]:
    return lambda event: words


def _decide(event: Event) -> str:
    ours = quoted(event.subject_id, 40)
    return f"Look with `stonks inbox`; decide with `stonks approve {ours}` or `stonks decline {ours}`."


def _state_title(event: Event) -> str:
    words = {"active": "Trading is active", "reducing": "Trading is paused", "halted": "Trading is halted"}
    return words.get(str(event.body.get("state", "")), "The trading state has changed")


def _state_severity(event: Event) -> Severity:
    return Severity.INFO if event.body.get("state") == "active" else Severity.URGENT


def _breaker_title(event: Event) -> str:
    return f"Circuit breaker {event.subject_id}: {event.event.removeprefix('breaker_').replace('_', ' ')}"


def _breaker_severity(event: Event) -> Severity:
    return Severity.URGENT if event.event == "breaker_tripped" else Severity.WARNING


def _failed_title(event: Event) -> str:
    return f"Gave up: {event.body.get('workflow_type') or 'a workflow'}"


def _plain_title(event: Event) -> str:
    words = event.event.replace("_", " ").capitalize()
    return f"{words}: {what}" if (what := _what(event) or event.subject_id) else words


_UNKNOWN = Template(_plain_title)

_FAMILIES: Mapping[str, Template] = {
    "breaker": Template(_breaker_title, _breaker_severity, _say("`stonks status` shows the breakers."), "overview"),
    "reconciliation": Template(
        _plain_title, Severity.WARNING, _say("Compare the book with the broker: `stonks status`."), "overview"
    ),
}
"""By the first word of an event's name."""

_TEMPLATES: Mapping[str, Template] = {
    "approval_requested": Template(_about("Approval needed"), Severity.URGENT, _decide, "inbox"),
    "approval_escalated": Template(_about("Nobody has decided yet"), Severity.URGENT, _decide, "inbox"),
    "approval_expired": Template(_about("Approval expired, no order was sent"), Severity.WARNING, page="inbox"),
    "approval_approved": Template(_about("Approved")),
    "approval_declined": Template(_about("Declined")),
    "approval_voided": Template(_about("The question was withdrawn: the order has changed"), page="inbox"),
    "order_filled": Template(_about("Filled")),
    "order_partially_filled": Template(_about("Partly filled")),
    "order_denied": Template(_about("Denied by risk"), Severity.WARNING),
    "order_rejected": Template(_about("Rejected by the broker"), Severity.WARNING),
    "order_canceled": Template(_about("Canceled"), Severity.WARNING),
    "order_expired": Template(_about("Expired"), Severity.WARNING),
    "order_unknown": Template(_about("The broker's answer is unknown"), Severity.URGENT),
    "trading_state_changed": Template(
        _state_title, _state_severity, _say("`stonks status` shows it; `stonks resume` ends a pause."), "overview"
    ),
    "reconciliation_difference": Template(
        _about("Book and broker differ"), Severity.WARNING, _say("Compare them before trading goes on."), "overview"
    ),
    "difference_acceptance_proposed": Template(
        _about("A difference with the broker is to be accepted"),
        Severity.WARNING,
        _say("Somebody else must accept it too: `stonks reconcile` shows it."),
        "overview",
    ),
    "difference_acceptance_declined": Template(
        _about("A difference with the broker was not accepted"),
        Severity.INFO,
        _say("It stays an alarm: `stonks reconcile` shows it."),
        "overview",
    ),
    "difference_accepted": Template(
        _about("A difference with the broker was accepted"),
        Severity.INFO,
        lambda event: f"Booked: {quoted(str(event.body.get('booked') or 'nothing'), 120)}.",
        "overview",
    ),
    "drift_found": Template(
        _say("The day played again gives something else"),
        Severity.INFO,
        lambda event: f"`stonks backtest drift {quoted(event.subject_id, 20)}` shows each gap.",
    ),
    "backup_failed": Template(
        _say("A backup failed"),
        Severity.WARNING,
        _say("`stonks backup list` shows why; `stonks backup run` tries again."),
    ),
    "backup_has_gaps": Template(
        _say("A backup lacks objects that the book names"),
        Severity.WARNING,
        _say("Its manifest names them. Look at the object store: they are lost there, or were changed."),
    ),
    "backup_not_stored_elsewhere": Template(
        _say("A backup was not copied to the other place"),
        Severity.WARNING,
        _say("It lies in its directory. The next backup copies what is missing."),
    ),
    "backup_drill_failed": Template(
        _say("A restored backup is not what it should be"),
        Severity.URGENT,
        _say("`stonks backup list` shows what differs. Make a new one: `stonks backup run`."),
    ),
    "backup_restored": Template(
        _say("The book was restored from a backup, and trading halts"),
        Severity.URGENT,
        _say("Compare it with the broker: `stonks reconcile`; then `stonks resume`."),
        "overview",
    ),
    "dead_letter": Template(
        _failed_title,
        Severity.WARNING,
        _say("Look with `stonks dead-letters list`; retry or discard it."),
        "dead-letters",
    ),
    "notification_test": Template(_say("Test: notifications arrive here")),
}
