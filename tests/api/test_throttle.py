"""Buckets and delays, on a clock of the tests' own."""

from __future__ import annotations

import pytest

from api.errors import TooManyRequests
from api.throttle import (
    FREE_FOR_AN_ADDRESS,
    LONGEST_DELAY_SECONDS,
    MOST_REMEMBERED,
    NO_LIMITS,
    Buckets,
    Gate,
    GrowingDelay,
    Limits,
    Rate,
)
from domain.passwords import NOBODYS, hash_password, password_matches


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


def test_delay_when_attempts_go_on_then_it_doubles_up_to_its_longest_and_success_ends_it() -> None:
    delay, now, waited = GrowingDelay(free=3), 0.0, []
    for _ in range(14):
        wait = delay.wait("anna", now=now)
        waited.append(wait)
        now += wait
        delay.begin("anna", now=now)
    assert waited[:7] == [0.0, 0.0, 0.0, 2.0, 4.0, 8.0, 16.0]
    assert max(waited) == waited[-1] == LONGEST_DELAY_SECONDS
    assert delay.wait("ben", now=now) == 0.0
    delay.clear("anna")
    assert delay.wait("anna", now=now) == 0.0


def test_delay_when_many_begin_at_once_then_only_the_free_ones_are_taken() -> None:
    delay, taken = GrowingDelay(free=5), 0
    for _ in range(50):
        if delay.wait("anna", now=7.0) == 0.0:
            delay.begin("anna", now=7.0)
            taken += 1
    assert taken == 5


def test_delay_when_it_has_been_quiet_for_an_hour_then_nothing_is_remembered() -> None:
    delay = GrowingDelay(free=1)
    for _ in range(20):
        delay.begin("anna", now=0.0)
    assert delay.wait("anna", now=3_599.0 - 3_000) > 0
    assert delay.wait("anna", now=3_600.0) == 0.0


def test_address_when_one_of_its_people_signs_in_then_the_failures_of_others_still_count() -> None:
    gate = Gate(clock=lambda: 0.0)
    limits = NO_LIMITS
    for number in range(FREE_FOR_AN_ADDRESS - 1):
        gate.begin_sign_in(name=f"guess{number}", address="here", limits=limits)
    gate.begin_sign_in(name="anna", address="here", limits=limits)
    gate.signed_in(name="anna", address="here")
    gate.begin_sign_in(name="another", address="here", limits=limits)
    with pytest.raises(TooManyRequests, match="SIGN_IN_THROTTLED"):
        gate.begin_sign_in(name="one-more", address="here", limits=limits)
    gate.begin_sign_in(name="one-more", address="there", limits=limits)
    gate.begin_sign_in(name="", address="here", limits=limits)  # a link, or a key


def test_sign_in_when_a_bucket_is_empty_then_it_waits_although_nothing_failed() -> None:
    gate, limits = Gate(clock=lambda: 0.0), Limits(sign_in=Rate(per_minute=6, burst=1))
    gate.begin_sign_in(name="", address="here", limits=limits)
    gate.signed_in(name="", address="here")
    with pytest.raises(TooManyRequests) as refused:
        gate.begin_sign_in(name="", address="here", limits=limits)
    assert refused.value.retry_after_seconds == 10.0


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
