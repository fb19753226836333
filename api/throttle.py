"""How often somebody may ask: a bucket of requests for every key and session, and of sign-ins for every address.

Kept in the memory of one process, for as many callers as fit; whoever has been quiet longest is forgotten first. What
holds a guesser back is not kept here but in the book: `store.sign_in_attempts`.
"""

from __future__ import annotations

import asyncio
import math
import time
from collections import OrderedDict
from collections.abc import Callable
from datetime import timedelta
from ipaddress import IPv6Address, ip_address

from pydantic import BaseModel, ConfigDict, Field

from api import policy
from api.errors import TooManyRequests

MOST_REMEMBERED = 10_000
NETWORK_BITS = 64
"""Of an address of IPv6, what one customer has at least: whoever has one address there has all of them."""
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


class Gate:
    """What one process remembers of its callers.

    Args:
        clock: seconds that never go back.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._buckets = Buckets()
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

    def count_sign_in(self, *, address: str, limits: Limits) -> None:
        """Count a step of a sign-in, failed or not.

        Raises:
            TooManyRequests: too many of this address.
        """
        wait = self._buckets.take(f"sign-in/{network_of(address)}", limits.sign_in, now=self._clock())
        if wait:
            raise sign_in_throttled(timedelta(seconds=wait))


def sign_in_throttled(wait: timedelta) -> TooManyRequests:
    hint = "Wait, or use a link of `stonks sign-in-link`"
    return _too_many("SIGN_IN_THROTTLED", hint, wait.total_seconds())


def network_of(address: str) -> str:
    """What counts as one caller: an address of IPv4, or the network of one of IPv6."""
    try:
        found = ip_address(address.partition("%")[0])
    except ValueError:
        return address[:100]
    if not isinstance(found, IPv6Address):
        return str(found)
    if found.ipv4_mapped is not None:
        return str(found.ipv4_mapped)
    host_bits = found.max_prefixlen - NETWORK_BITS
    return f"{IPv6Address(int(found) >> host_bits << host_bits)}/{NETWORK_BITS}"


def _too_many(code: str, hint: str, wait: float) -> TooManyRequests:
    return TooManyRequests(code, hint, retry_after_seconds=wait, retry_after=f"{math.ceil(wait)} s")
