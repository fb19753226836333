"""Feeding the paper broker on the wall clock, which knows no price but those it is told."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from datetime import datetime

import structlog

from activities.feeding import MarketFeed
from domain.errors import StonksError

log = structlog.get_logger(__name__)

PAUSE_SECONDS = 15.0


async def keep_fed(feed: MarketFeed, *, now: Callable[[], datetime], pause: float = PAUSE_SECONDS) -> None:
    """Tell the broker what is new, again and again until canceled. What failed is told at the next turn."""
    while True:
        try:
            await feed.feed(at=now())
        except StonksError as error:
            log.warning("paper_feed_failed", code=error.code, error=str(error))
        except Exception as error:  # the worker must not lose the feed while the database is away
            log.warning("paper_feed_failed", problem=type(error).__name__)
        await asyncio.sleep(pause)
