"""The vendor's rate limit: so many requests in a minute."""

from __future__ import annotations

import time
from collections.abc import Callable

WINDOW_SECONDS = 60


class Throttle:
    """Counts requests in fixed windows of a minute of real time. A limit of 0 lets everything pass."""

    def __init__(self, limit: int, clock: Callable[[], float] = time.time) -> None:
        self._limit = limit
        self._clock = clock
        self._window = 0
        self._used = 0

    def admit(self) -> bool:
        """Count a request; False when the window is used up."""
        if not self._limit:
            return True
        window = int(self._clock()) // WINDOW_SECONDS
        if window != self._window:
            self._window, self._used = window, 0
        self._used += 1
        return self._used <= self._limit

    def headers(self) -> list[tuple[bytes, bytes]]:
        """What is left, and when the window ends (seconds since 1970)."""
        if not self._limit:
            return []
        ends = (self._window + 1) * WINDOW_SECONDS
        left = max(self._limit - self._used, 0)
        return [
            (b"x-ratelimit-limit", str(self._limit).encode()),
            (b"x-ratelimit-remaining", str(left).encode()),
            (b"x-ratelimit-reset", str(ends).encode()),
        ]
