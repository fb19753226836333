"""How often somebody may ask: a bucket of requests for every key and session, a growing delay after failed sign-ins.

Kept in the memory of one process, for as many callers as fit; whoever has been quiet longest is forgotten first.
"""

from __future__ import annotations

import asyncio
import math
import time
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass

from pydantic import BaseModel, ConfigDict, Field

from api import policy
from api.errors import TooManyRequests

MOST_REMEMBERED = 10_000
FREE_FOR_A_NAME = 5
FREE_FOR_AN_ADDRESS = 20
LONGEST_DELAY_SECONDS = 900.0
FIRST_DELAY_SECONDS = 2.0
FORGOTTEN_AFTER_SECONDS = 3_600.0
HASHES_AT_ONCE = 2
"""Passwords that are checked at a time: each takes 32 MiB and a core."""


class Rate(BaseModel):
    """So many a minute on average, so many at once."""

    model_config = ConfigDict(frozen=True)

    per_minute: float = Field(ge=0)
    """0: no limit."""
    burst: int = Field(ge=1)


class Limits(BaseModel):
    """What one key or session may ask, and one address try to sign in."""

    model_config = ConfigDict(frozen=True)

    requests: Rate = Rate(per_minute=1_200, burst=300)
    heavy: Rate = Rate(per_minute=30, burst=15)
    """What asks a model, starts a backtest, or asks a vendor."""
    sign_in: Rate = Rate(per_minute=30, burst=30)
    """Attempts of one address, failed or not."""


NO_LIMITS = Limits(
    requests=Rate(per_minute=0, burst=1), heavy=Rate(per_minute=0, burst=1), sign_in=Rate(per_minute=0, burst=1)
)


class Buckets:
    """Token buckets by key. `now` is any clock in seconds that never goes back."""

    def __init__(self) -> None:
        self._left: OrderedDict[str, tuple[float, float]] = OrderedDict()

    def take(self, key: str, rate: Rate, *, now: float) -> float:
        """Take one and return 0, or take nothing and return after how many seconds there is one."""
        if not rate.per_minute:
            return 0.0
        left, since = self._left.pop(key, (float(rate.burst), now))
        left = min(float(rate.burst), left + (now - since) * rate.per_minute / 60)
        allowed = left >= 1
        self._left[key] = (left - 1 if allowed else left, now)
        if len(self._left) > MOST_REMEMBERED:
            self._left.popitem(last=False)
        return 0.0 if allowed else (1 - left) * 60 / rate.per_minute


@dataclass
class _Tries:
    count: int
    last: float


class GrowingDelay:
    """After so many failures in a row each further attempt waits twice as long as the one before.

    An attempt counts when it begins, so that many at the same moment are not many guesses for free.
    """

    def __init__(self, *, free: int) -> None:
        self._free = free
        self._tries: OrderedDict[str, _Tries] = OrderedDict()

    def wait(self, key: str, *, now: float) -> float:
        """Seconds until the next attempt is allowed; 0 where it is now."""
        tries = self._tries.get(key)
        if tries is None or now - tries.last >= FORGOTTEN_AFTER_SECONDS:
            return 0.0
        return max(0.0, tries.last + self._delay(tries.count) - now)

    def begin(self, key: str, *, now: float) -> None:
        """Count an attempt."""
        tries = self._tries.pop(key, None)
        if tries is None or now - tries.last >= FORGOTTEN_AFTER_SECONDS:
            tries = _Tries(0, now)
        self._tries[key] = _Tries(tries.count + 1, now)
        if len(self._tries) > MOST_REMEMBERED:
            self._tries.popitem(last=False)

    def clear(self, key: str) -> None:
        """Forget every attempt: the last one succeeded."""
        self._tries.pop(key, None)

    def give_back(self, key: str) -> None:
        """Forget one attempt, which succeeded, and no other: somebody else may be behind the same key."""
        tries = self._tries.get(key)
        if tries is not None:
            tries.count = max(0, tries.count - 1)

    def _delay(self, count: int) -> float:
        beyond = count - self._free
        return 0.0 if beyond < 0 else min(LONGEST_DELAY_SECONDS, FIRST_DELAY_SECONDS * 2.0 ** min(beyond, 20))


class Gate:
    """What one process remembers of its callers.

    Args:
        clock: seconds that never go back.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._buckets = Buckets()
        self._names = GrowingDelay(free=FREE_FOR_A_NAME)
        self._addresses = GrowingDelay(free=FREE_FOR_AN_ADDRESS)
        self._hashing: asyncio.Semaphore | None = None

    @property
    def hashing(self) -> asyncio.Semaphore:
        if self._hashing is None:
            self._hashing = asyncio.Semaphore(HASHES_AT_ONCE)
        return self._hashing

    def admit(self, caller: str, *, method: str, path: str, limits: Limits) -> None:
        """Count a request.

        Raises:
            TooManyRequests: the caller has none left. Never for what stops trading.
        """
        if (method, path) in policy.NEVER_LIMITED:
            return
        heavy, now = (method, path) in policy.HEAVY, self._clock()
        wait = self._buckets.take(f"requests/{caller}", limits.requests, now=now)
        if heavy and not wait:
            wait = self._buckets.take(f"heavy/{caller}", limits.heavy, now=now)
        if wait:
            raise _too_many("RATE_LIMITED", "Ask less often; pausing and halting are never limited", wait)

    def begin_sign_in(self, *, name: str, address: str, limits: Limits) -> None:
        """Count an attempt to sign in, or to prove again who one is.

        Passwords alone can be guessed, so they alone wait for failures; links and keys are only counted.

        Args:
            name: whose password it is; empty where it is none.

        Raises:
            TooManyRequests: too many failed before it.
        """
        now = self._clock()
        self.count_sign_in(address=address, limits=limits)
        if not name:
            return
        wait = max(self._names.wait(name, now=now), self._addresses.wait(address, now=now))
        if wait:
            raise _too_many("SIGN_IN_THROTTLED", "Wait, or use a link of `stonks sign-in-link`", wait)
        self._names.begin(name, now=now)
        self._addresses.begin(address, now=now)

    def count_sign_in(self, *, address: str, limits: Limits) -> None:
        """Count a step of a sign-in that proves nothing by itself.

        Raises:
            TooManyRequests: too many of this address.
        """
        wait = self._buckets.take(f"sign-in/{address}", limits.sign_in, now=self._clock())
        if wait:
            raise _too_many("SIGN_IN_THROTTLED", "Wait, or use a link of `stonks sign-in-link`", wait)

    def signed_in(self, *, name: str, address: str) -> None:
        """Forget the attempt: it succeeded."""
        if name:
            self._names.clear(name)
            self._addresses.give_back(address)


def _too_many(code: str, hint: str, wait: float) -> TooManyRequests:
    return TooManyRequests(code, hint, retry_after_seconds=wait, retry_after=f"{math.ceil(wait)} s")
