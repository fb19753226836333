"""How long a further attempt with a password waits: a few are free, then each waits twice as long as the one before.

An attempt counts when it begins, so that many at the same moment are not many guesses for free. No delay is longer than
`LONGEST_DELAY`, however many attempts there were, so that nobody is shut out for good by somebody else's guesses.
"""

from __future__ import annotations

from datetime import datetime, timedelta

from domain.model import Model

FREE_FOR_A_NAME = 5
FREE_FOR_AN_ADDRESS = 20
FIRST_DELAY = timedelta(seconds=2)
LONGEST_DELAY = timedelta(minutes=15)
FORGOTTEN_AFTER = timedelta(hours=1)
_MOST_DOUBLINGS = 20


class Attempts(Model):
    """Attempts in a row on one name, or from one address."""

    count: int
    last_at: datetime


def wait(attempts: Attempts, *, free: int, now: datetime) -> timedelta:
    """Time until the next attempt is allowed; zero where it is now.

    Never more than the delay itself, even where the last attempt was written down by a clock that runs ahead.
    """
    beyond = attempts.count - free
    if beyond < 0 or now - attempts.last_at >= FORGOTTEN_AFTER:
        return timedelta(0)
    delay = min(LONGEST_DELAY, FIRST_DELAY * (1 << min(beyond, _MOST_DOUBLINGS)))
    return min(delay, max(timedelta(0), attempts.last_at + delay - now))


def counted(attempts: Attempts, *, now: datetime) -> Attempts:
    """With one more, that begins now."""
    before = 0 if now - attempts.last_at >= FORGOTTEN_AFTER else attempts.count
    return Attempts(count=before + 1, last_at=now)
