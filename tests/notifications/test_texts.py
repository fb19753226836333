"""What notifications say, and that text from outside stays text."""

from __future__ import annotations

import re
import unicodedata
from datetime import date
from decimal import Decimal
from html.parser import HTMLParser
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.daily_report import DailyReport, ReportFill, ReportPosition
from domain.notification_texts import (
    LONGEST_VALUE,
    MOST_LINES,
    Place,
    as_html,
    as_text,
    compose,
    compose_list,
    compose_report,
    is_told_elsewhere,
    quoted,
    subject,
)
from domain.notifications import Message, Severity
from tests.notifications.builders import NOW, PLACE, event

AUTOLINK = re.compile(r"https?://|www\.|[\w.+-]+@[\w-]+\.\w|[\w-]+\.(?:com|example|io|net|org|co)\b", re.IGNORECASE)
HOSTILE = st.one_of(
    st.text(max_size=400),
    st.sampled_from(
        [
            "<script>alert(1)</script>",
            '"><img src=x onerror=alert(1)>',
            "see https://evil.example/a?b=c now",
            "mail boss@evil.com",
            "evil.com/login",
            "a\r\nBcc: other@evil.com",
            "\u202egnp.exe\u202c",
            "ev\u200bil.com",
            "evil。com",
        ]
    ),
)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | HOSTILE,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=20), inner, max_size=4),
    max_leaves=8,
)


class Reading(HTMLParser):
    """Tags, link targets and the text of a page."""

    def __init__(self) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.targets: list[str | None] = []
        self.words: list[str] = []
        self.attributes: set[str] = set()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.attributes |= {name for name, _ in attrs}
        self.targets += [value for name, value in attrs if name in ("href", "src")]

    def handle_data(self, data: str) -> None:
        self.words.append(data)


def read(html: str) -> Reading:
    reading = Reading()
    reading.feed(html)
    reading.close()
    return reading


@given(HOSTILE)
def test_quoted_when_given_anything_then_one_visible_line_without_anything_to_click(text: str) -> None:
    said = quoted(text)

    assert len(said) <= LONGEST_VALUE
    assert not any(unicodedata.category(each) in ("Cc", "Cf", "Zl", "Zp") for each in said)
    assert AUTOLINK.search(said) is None


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("BRK.B at 12.50", "BRK.B at 12.50"),
        ("TRADING_HALTED: nothing may be sent", "TRADING_HALTED: nothing may be sent"),
        ("go to https://evil.example/x", "go to https[:]//evil[.]example/x"),
        ("boss@evil.com", "boss[@]evil[.]com"),
        ("ev\u200bil.com", "evil[.]com"),
        ("one\r\ntwo\x00", "one two"),
    ],
)
def test_quoted_when_given_an_example_then_ours_stays_and_a_link_is_taken_apart(text: str, said: str) -> None:
    assert quoted(text) == said


@given(st.sampled_from(["approval_requested", "dead_letter", "something_new", "breaker_tripped"]), st.data())
def test_message_when_the_body_is_hostile_then_the_only_link_is_ours_and_no_tag_is_from_outside(
    name: str, data: st.DataObject
) -> None:
    body: dict[str, Any] = data.draw(st.dictionaries(HOSTILE, JSON, max_size=25))
    subject_id = data.draw(HOSTILE)
    message = compose(event(name, body=body, subject_id=subject_id), PLACE)

    page = read(as_html(message, PLACE, event_id=subject_id))
    assert set(page.targets) <= {
        "https://stonks.example.com/inbox",
        "https://stonks.example.com/overview",
        "https://stonks.example.com/dead-letters",
    }
    assert set(page.tags) <= {"html", "head", "meta", "body", "h2", "table", "tr", "td", "p", "small", "a"}
    assert page.attributes <= {"charset", "style", "href"}
    text = as_text(message, PLACE, event_id=subject_id).replace(message.link or "\0", "")
    assert AUTOLINK.search(text) is None
    assert "\n" not in subject(message, PLACE)
    assert "\r" not in text


def test_message_when_an_approval_is_asked_for_then_it_says_what_to_do_and_links_to_the_inbox() -> None:
    asked = event("approval_requested", body={"symbol": "AAPL", "side": "buy", "reason": "notional above 25,000"})

    message = compose(asked, PLACE)

    assert message.severity is Severity.URGENT
    assert message.title == "Approval needed: buy AAPL"
    assert "stonks approve ab12" in message.action
    assert message.link == "https://stonks.example.com/inbox"
    assert subject(message, PLACE) == "[stonks paper] URGENT Approval needed: buy AAPL"
    assert subject(message, Place(mode="live")).startswith("[stonks LIVE]")


def test_message_when_no_address_is_set_then_it_has_no_link() -> None:
    message = compose(event("approval_requested"), Place(mode="paper"))

    assert message.link == ""
    assert read(as_html(message, Place(mode="paper"), event_id="x")).targets == []


@pytest.mark.parametrize(
    ("name", "body", "severity"),
    [
        ("trading_state_changed", {"state": "halted"}, Severity.URGENT),
        ("trading_state_changed", {"state": "active"}, Severity.INFO),
        ("breaker_tripped", {}, Severity.URGENT),
        ("breaker_reset", {}, Severity.WARNING),
        ("reconciliation_difference", {}, Severity.WARNING),
        ("order_denied", {}, Severity.WARNING),
        ("nobody_knows_it", {}, Severity.INFO),
    ],
)
def test_severity_when_an_event_is_composed_then_it_follows_from_what_happened(
    name: str, body: dict[str, Any], severity: Severity
) -> None:
    assert compose(event(name, body=body), PLACE).severity is severity


def test_end_of_a_filled_order_when_its_fills_were_told_then_it_is_not_told_again() -> None:
    assert is_told_elsewhere(event("order_filled", body={"symbol": "AAPL", "reason": ""}))
    assert not is_told_elsewhere(event("order_filled", body={"symbol": "AAPL", "filled": "10"}))
    assert not is_told_elsewhere(event("order_denied"))


def report(**changes: Any) -> DailyReport:
    values: dict[str, Any] = {
        "session": date(2026, 3, 2),
        "as_of": NOW,
        "equity": Decimal("101000"),
        "cash": Decimal("50000"),
        "previous_equity": Decimal("100000"),
        "realized": Decimal("-12.5"),
        "orders": {"filled": 2, "rejected": 1},
        "fills": (
            ReportFill(symbol="AAPL", side="buy", quantity=Decimal("10.000000000"), average_price=Decimal("50.25")),
        ),
        "positions": (
            ReportPosition(symbol="AAPL", quantity=Decimal(10), value=Decimal("502.5"), unrealized=Decimal(-3)),
        ),
        "breakers": {"daily_loss": "open"},
        "approvals_waiting": 1,
        "dead_letters": 2,
    }
    return DailyReport.model_validate({**values, **changes})


def test_daily_report_when_composed_then_every_number_stands_in_it() -> None:
    message = compose_report(report(), PLACE)
    text = as_text(message, PLACE, event_id="account/1")

    assert message.title == "2026-03-02: equity $101,000.00, +$1,000.00"
    for said in ("+$1,000.00 (+1.00 %)", "-$12.50", "$50,000.00", "filled 2, rejected 1", "daily_loss open"):
        assert said in text
    assert "Filled: buy 10 AAPL at 50.2500" in text
    assert "Held: AAPL: 10, worth $502.50, -$3.00 unrealized" in text


def test_daily_report_when_it_is_the_first_then_it_compares_with_nothing() -> None:
    message = compose_report(report(previous_equity=None, realized=None), PLACE)

    assert message.title == "2026-03-02: equity $101,000.00"
    assert [fact.label for fact in message.facts][:2] == ["equity", "cash"]


def test_daily_report_when_nothing_was_there_before_then_it_has_no_percent() -> None:
    facts = {fact.label: fact.value for fact in compose_report(report(previous_equity=Decimal(0)), PLACE).facts}

    assert facts["since the close before"] == "+$101,000.00"


def test_list_when_there_are_many_then_it_says_how_many_more_and_takes_the_highest_severity() -> None:
    calm = [compose(event(event_id=f"e/{number}"), PLACE) for number in range(MOST_LINES + 5)]
    loud = Message.model_validate({**calm[0].model_dump(), "severity": "warning"})

    listed = compose_list([*calm, loud], PLACE, at=NOW)

    assert listed.title == f"{MOST_LINES + 6} messages"
    assert len(listed.lines) == MOST_LINES
    assert listed.lines[-1] == "and 7 more"
    assert listed.severity is Severity.WARNING
