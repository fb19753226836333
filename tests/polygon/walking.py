"""Runs an adapter against a vendor that is a function, with fetches that end anywhere and resume from the cursor."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from datetime import datetime
from typing import Any

from activities.adapters.contract import SourceAdapter
from domain.fetching import MAXIMUM_CURSOR_CHARACTERS, HttpAnswer, HttpRequest, SourcePage

Vendor = Callable[[HttpRequest], HttpAnswer]
MOST_PAGES = 2_000


def walk(
    adapter: SourceAdapter,
    config: Any,
    vendor: Vendor,
    now: datetime,
    *,
    cursor: str = "",
    interruptions: Iterable[bool] = (),
) -> list[SourcePage]:
    """Fetch one round, page by page. After each page for which `interruptions` says so the cursor alone is left."""
    interrupted = iter(interruptions)
    pages: list[SourcePage] = []
    request = adapter.first(config, cursor, now)
    while len(pages) < MOST_PAGES:
        assert isinstance(request, HttpRequest)
        answer = vendor(request)
        adapter.judge(answer)
        page = adapter.read(config, cursor, answer, now)
        pages.append(page)
        cursor = page.cursor
        assert len(cursor) <= MAXIMUM_CURSOR_CHARACTERS
        if page.next is None:
            return pages
        request = adapter.first(config, cursor, now) if next(interrupted, False) else page.next
    raise AssertionError(f"no end after {MOST_PAGES} pages")


def rounds(adapter: SourceAdapter, config: Any, vendor: Vendor, nows: Iterable[datetime]) -> list[list[SourcePage]]:
    """Fetch one round after the other, each at its time."""
    found: list[list[SourcePage]] = []
    cursor = ""
    for now in nows:
        found.append(walk(adapter, config, vendor, now, cursor=cursor))
        cursor = found[-1][-1].cursor
    return found
