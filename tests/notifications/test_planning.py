"""Who is told what, when, and under which id."""

from __future__ import annotations

from datetime import UTC, datetime, time, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from domain.notification_texts import compose
from domain.notifications import (
    BURST,
    LATE,
    NotificationsConfig,
    NotificationStatus,
    QuietHours,
    Severity,
    chunks,
    notification_id,
    plan,
    quiet_until,
)
from tests.notifications.builders import HOOK, MAIL, NOW, PLACE, TOPIC, config, event

NIGHT = {"start": "22:00", "end": "07:00", "time_zone": "America/New_York"}
ASLEEP = datetime(2026, 3, 3, 4, 0, tzinfo=UTC)  # 23:00 in New York
BEGIN = datetime(2020, 1, 1, tzinfo=UTC)
STEADY = ["Asia/Kolkata", "Asia/Tokyo", "UTC"]
CHANGING = ["America/New_York", "Europe/Berlin", "Australia/Lord_Howe"]
CLOCKS = st.times(min_value=time(0), max_value=time(23, 59)).map(lambda each: each.replace(second=0, microsecond=0))
INSTANTS = st.integers(0, 10 * 365 * 24 * 60).map(lambda minutes: BEGIN + timedelta(minutes=minutes))


def said(*events: Any) -> list[tuple[str, Any]]:
    return [(each.event_id, compose(each, PLACE)) for each in events]


def test_plan_when_an_event_goes_to_two_channels_then_each_has_its_own_id() -> None:
    planned = plan(said(event()), config(MAIL, HOOK), now=NOW)

    assert [(each.channel, each.status, each.due_at) for each in planned] == [
        ("mail", NotificationStatus.PLANNED, NOW),
        ("hook", NotificationStatus.PLANNED, NOW),
    ]
    assert [each.notification_id for each in planned] == [
        notification_id("order_filled/1", "mail"),
        notification_id("order_filled/1", "hook"),
    ]
    assert plan(said(event()), config(MAIL, HOOK), now=NOW + timedelta(seconds=9))[0].notification_id == (
        planned[0].notification_id
    )


@pytest.mark.parametrize(
    ("route", "told"),
    [
        ({}, True),
        ({"events": ["order_*"]}, True),
        ({"events": ["approval_*", "order_filled"]}, True),
        ({"events": ["approval_*"]}, False),
        ({"minimum": "warning"}, False),
        ({"minimum": "info", "events": ["*filled"]}, True),
    ],
)
def test_plan_when_a_route_names_events_and_a_severity_then_both_must_fit(route: dict[str, Any], told: bool) -> None:
    wanted = NotificationsConfig.model_validate({"channels": [MAIL], "routes": [{"channel": "mail", **route}]})

    assert bool(plan(said(event()), wanted, now=NOW)) == told


def test_plan_when_two_routes_fit_then_the_channel_is_told_once() -> None:
    wanted = NotificationsConfig.model_validate(
        {"channels": [MAIL], "routes": [{"channel": "mail"}, {"channel": "mail", "events": ["order_*"]}]}
    )

    assert len(plan(said(event()), wanted, now=NOW)) == 1


def test_plan_when_the_operator_changes_a_severity_then_it_counts_for_routes_and_quiet_hours() -> None:
    wanted = config(severities={"order_filled": "urgent"}, quiet_hours=NIGHT)
    filled = event(occurred_at=ASLEEP)

    (planned,) = plan(said(filled), wanted, now=ASLEEP)

    assert planned.status is NotificationStatus.PLANNED
    assert planned.message.severity is Severity.URGENT


def test_plan_when_it_is_quiet_then_ordinary_ones_wait_and_urgent_ones_pass() -> None:
    filled, asked = event(occurred_at=ASLEEP), event("approval_requested", occurred_at=ASLEEP)

    held, passed = plan(said(filled, asked), config(quiet_hours=NIGHT), now=ASLEEP)

    assert (held.status, held.due_at) == (NotificationStatus.HELD, datetime(2026, 3, 3, 12, 0, tzinfo=UTC))
    assert (passed.status, passed.due_at) == (NotificationStatus.PLANNED, ASLEEP)


@pytest.mark.parametrize(("count", "status"), [(BURST, "planned"), (BURST + 1, "held")])
def test_plan_when_many_come_at_once_then_above_the_limit_they_are_listed_at_once(count: int, status: str) -> None:
    events = [event(event_id=f"fill/{number}") for number in range(count)]
    asked = event("approval_requested")

    *ordinary, urgent = plan(said(*events, asked), config(), now=NOW)

    assert {(each.status.value, each.due_at) for each in ordinary} == {(status, NOW)}
    assert urgent.status is NotificationStatus.PLANNED


@pytest.mark.parametrize(("age", "status"), [(LATE, "planned"), (LATE + timedelta(seconds=1), "held")])
def test_plan_when_an_event_is_read_late_then_it_is_listed(age: timedelta, status: str) -> None:
    (planned,) = plan(said(event(occurred_at=NOW - age)), config(), now=NOW)

    assert (planned.status.value, planned.due_at) == (status, NOW)


@given(INSTANTS, CLOCKS, CLOCKS, st.sampled_from(STEADY))
def test_quiet_until_when_the_clocks_never_change_then_it_is_what_they_show(
    now: datetime, start: time, end: time, zone: str
) -> None:
    if start == end:
        return
    shown = now.astimezone(ZoneInfo(zone)).time()
    inside = start <= shown < end if start < end else not end <= shown < start

    ends = quiet_until(now, QuietHours(start=start, end=end, time_zone=zone))

    assert (ends is not None) == inside
    if ends is not None:
        assert now < ends <= now + timedelta(hours=24)
        assert ends.astimezone(ZoneInfo(zone)).time() == end


@given(INSTANTS, CLOCKS, CLOCKS, st.sampled_from(CHANGING))
def test_quiet_until_when_the_clocks_change_then_nobody_waits_longer_than_a_day_and_the_change(
    now: datetime, start: time, end: time, zone: str
) -> None:
    if start == end:
        return
    quiet = QuietHours(start=start, end=end, time_zone=zone)

    ends = quiet_until(now, quiet)

    if ends is not None:
        assert now < ends <= now + timedelta(hours=25)
        again = quiet_until(ends, quiet)
        assert again is None or again > ends


@pytest.mark.parametrize(
    ("now", "ends"),
    [
        ("2026-03-03T02:59:59+00:00", None),  # 21:59:59 in New York
        ("2026-03-03T03:00:00+00:00", "2026-03-03T12:00:00+00:00"),
        ("2026-03-03T11:59:59+00:00", "2026-03-03T12:00:00+00:00"),
        ("2026-03-03T12:00:00+00:00", None),
        ("2026-03-08T06:00:00+00:00", "2026-03-08T11:00:00+00:00"),  # the night in which the clocks go forward
        ("2026-11-01T04:00:00+00:00", "2026-11-01T12:00:00+00:00"),  # and back
    ],
)
def test_quiet_until_when_asked_at_an_edge_then_the_start_counts_and_the_end_does_not(
    now: str, ends: str | None
) -> None:
    found = quiet_until(datetime.fromisoformat(now), QuietHours.model_validate(NIGHT))

    assert (found.isoformat() if found else None) == ends


@pytest.mark.parametrize(
    ("end", "ends"),
    [
        ("02:30", "2026-03-08T07:30:00+00:00"),  # a reading that is skipped: 03:30 there
    ],
)
def test_quiet_until_when_the_clocks_skip_the_end_then_it_comes_later(end: str, ends: str) -> None:
    quiet = QuietHours.model_validate({**NIGHT, "end": end})

    assert quiet_until(datetime(2026, 3, 8, 5, tzinfo=UTC), quiet) == datetime.fromisoformat(ends)


def test_quiet_until_when_the_clocks_show_the_end_twice_then_the_second_time_counts() -> None:
    quiet = QuietHours.model_validate({**NIGHT, "end": "01:30"})

    assert quiet_until(datetime(2026, 11, 1, 5, 45, tzinfo=UTC), quiet) == datetime(2026, 11, 1, 6, 30, tzinfo=UTC)


@pytest.mark.parametrize(
    "body",
    [
        {"channels": [MAIL, MAIL]},
        {"channels": [MAIL], "routes": [{"channel": "other"}]},
        {"channels": [{**MAIL, "to": []}]},
        {"channels": [{**MAIL, "to": ["Ops <ops@example.com>"]}]},
        {"channels": [{**MAIL, "to": ["ops@example.com\nBcc: x@example.com"]}]},
        {"channels": [{**HOOK, "url": "https://example.com/in?key=secret"}]},
        {"channels": [{**HOOK, "url": ""}]},
        {"channels": [{**HOOK, "url_secret": "other"}]},
        {"channels": [{**HOOK, "signing_secret": ""}]},
        {"channels": [{**HOOK, "signing_secret": "whsec_VGhlIHNlY3JldA=="}]},
        {"channels": [{**TOPIC, "topic_arn": "arn:aws:sqs:us-east-1:123456789012:stonks"}]},
        {"channels": [MAIL], "severities": {"order_filled": "loud"}},
        {"quiet_hours": {**NIGHT, "time_zone": "Mars/Olympus"}},
        {"quiet_hours": {**NIGHT, "end": "22:00"}},
        {"quiet_hours": {**NIGHT, "end": "07:00+02:00"}},
        {"channel": []},
    ],
)
def test_config_when_something_is_wrong_then_it_is_refused(body: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        NotificationsConfig.model_validate(body)


def test_config_when_it_goes_through_json_then_it_is_the_same() -> None:
    wanted = config(MAIL, HOOK, TOPIC, quiet_hours=NIGHT, severities={"order_filled": "warning"})

    assert NotificationsConfig.model_validate(wanted.model_dump(mode="json")) == wanted


@given(st.dictionaries(st.sampled_from("abc"), st.lists(st.integers(), unique=True, max_size=30)), st.integers(1, 7))
def test_chunks_when_cut_then_nothing_is_lost_and_none_is_too_long(members: dict[str, list[int]], size: int) -> None:
    texts = {name: [str(each) for each in each_list] for name, each_list in members.items()}

    cut = chunks(texts, size)

    assert all(1 <= len(ids) <= size for _, ids in cut)
    found = {name: [each for other, ids in cut if other == name for each in ids] for name in texts}
    assert found == texts
