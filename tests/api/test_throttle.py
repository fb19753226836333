"""Buckets and delays, on a clock of the tests' own."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from api.errors import TooManyRequests
from api.throttle import MOST_REMEMBERED, Buckets, Gate, Limits, Rate, network_of
from domain.passwords import NOBODYS, hash_password, password_matches
from domain.sign_in_delays import FIRST_DELAY, FORGOTTEN_AFTER, LONGEST_DELAY, Attempts, counted, wait

NOW = datetime(2026, 3, 1, tzinfo=UTC)


def test_bucket_when_empty_then_it_fills_at_its_rate_and_no_further_than_its_size() -> None:
    buckets, rate = Buckets(), Rate(per_minute=60, burst=3)
    assert [buckets.take("a", rate, now=0.0) for _ in range(4)] == [0.0, 0.0, 0.0, 1.0]
    assert buckets.take("b", rate, now=0.0) == 0.0
    assert buckets.take("a", rate, now=0.5) == 0.5
    assert buckets.take("a", rate, now=1.0) == 0.0
    assert [buckets.take("a", rate, now=1_000.0) for _ in range(4)] == [0.0, 0.0, 0.0, 1.0]


def test_bucket_when_there_are_very_many_then_the_quietest_are_forgotten() -> None:
    buckets, rate = Buckets(), Rate(per_minute=1, burst=1)
    assert buckets.take("first", rate, now=0.0) == 0.0
    for number in range(MOST_REMEMBERED):
        buckets.take(str(number), rate, now=0.0)
    assert len(buckets._left) == MOST_REMEMBERED
    assert buckets.take("first", rate, now=0.0) == 0.0
    assert buckets.take(str(MOST_REMEMBERED - 1), rate, now=0.0) > 0


def test_delay_when_attempts_go_on_then_it_doubles_up_to_its_longest() -> None:
    attempts, now, waited = Attempts(count=0, last_at=NOW), NOW, []
    for _ in range(20):
        waited.append(wait(attempts, free=3, now=now))
        now += waited[-1]
        attempts = counted(attempts, now=now)
    assert [each.total_seconds() for each in waited[:7]] == [0, 0, 0, 2, 4, 8, 16]
    assert max(waited) == waited[-1] == LONGEST_DELAY
    assert wait(attempts.model_copy(update={"count": 10**9}), free=3, now=now) == LONGEST_DELAY


def test_delay_when_it_has_been_quiet_for_an_hour_then_nothing_is_remembered() -> None:
    attempts = Attempts(count=20, last_at=NOW)
    moment = timedelta(microseconds=1)
    assert wait(attempts, free=1, now=NOW + LONGEST_DELAY - moment) == moment
    assert wait(attempts, free=1, now=NOW + LONGEST_DELAY) == timedelta(0)
    assert counted(attempts, now=NOW + FORGOTTEN_AFTER - moment).count == 21
    assert counted(attempts, now=NOW + FORGOTTEN_AFTER).count == 1
    assert wait(attempts, free=1, now=NOW + FORGOTTEN_AFTER) == timedelta(0)


@pytest.mark.parametrize("ahead", [timedelta(seconds=1), timedelta(days=400)])
def test_delay_when_the_clock_was_set_back_then_nobody_waits_longer_than_the_delay_itself(ahead: timedelta) -> None:
    attempts = Attempts(count=6, last_at=NOW + ahead)
    assert wait(attempts, free=5, now=NOW) == 2 * FIRST_DELAY


def test_sign_in_when_a_bucket_is_empty_then_it_waits_although_nothing_failed() -> None:
    gate, limits = Gate(clock=lambda: 0.0), Limits(sign_in=Rate(per_minute=6, burst=1))
    gate.count_sign_in(address="here", limits=limits)
    with pytest.raises(TooManyRequests) as refused:
        gate.count_sign_in(address="here", limits=limits)
    assert refused.value.retry_after_seconds == 10.0
    gate.count_sign_in(address="there", limits=limits)


@pytest.mark.parametrize(
    ("address", "network"),
    [
        ("203.0.113.7", "203.0.113.7"),
        ("::ffff:203.0.113.7", "203.0.113.7"),
        ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::/64"),
        ("2001:db8:1:2::", "2001:db8:1:2::/64"),
        ("fe80::1%eth0", "fe80::/64"),
        ("unknown", "unknown"),
        ("", ""),
    ],
)
def test_address_when_of_ipv6_then_its_whole_network_is_one_caller(address: str, network: str) -> None:
    assert network_of(address) == network


@pytest.mark.parametrize("kept", ["", "x", "scrypt$15$8$3$AA$", "scrypt$99$8$3$AAAA$AAAA", "bcrypt$15$8$3$AAAA$AAAA"])
def test_password_when_the_hash_is_none_of_ours_then_it_never_matches(kept: str) -> None:
    assert not password_matches("anything", kept)
    assert not password_matches("", kept)


def test_password_when_hashed_then_only_it_matches_and_the_salt_makes_each_hash_another() -> None:
    one, other = (hash_password("päss—word and more", salt=bytes([number]) * 16) for number in (1, 2))
    assert one != other
    assert one.startswith("scrypt$15$8$3$")
    assert password_matches("päss—word and more", one)
    assert not password_matches("päss-word and more", one)
    assert not password_matches("päss—word and more", NOBODYS)
