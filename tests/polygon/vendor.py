"""Polygon as a function: what its endpoints answer for facts that a test knows, in pages of any size."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Sequence
from datetime import UTC, date, datetime, time
from typing import Any

from domain.documents import NEW_YORK
from domain.fetching import HttpAnswer, HttpRequest

BASE = "https://api.massive.com"
NOW = datetime(2026, 11, 1, tzinfo=UTC)


def answer(body: object, status: int = 200, url: str = f"{BASE}/v2/x") -> HttpAnswer:
    data = body if isinstance(body, bytes) else json.dumps(body).encode()
    return HttpAnswer(status=status, url=url, body=data, fetched_at=NOW)


def paged(request: HttpRequest, records: Sequence[Any], size: int, **more: object) -> HttpAnswer:
    """The page of the records that a request stands at; the next one begins after it."""
    url, _, place = request.url.partition("?cursor=")
    start = int(place or 0)
    body: dict[str, object] = {"status": "OK", "results": list(records[start : start + size]), **more}
    if start + size < len(records):
        body["next_url"] = f"{url}?cursor={start + size}"
    return answer(body, url=request.url)


def milliseconds(day: date, at: time = time(0)) -> int:
    return int(datetime.combine(day, at, NEW_YORK).timestamp()) * 1000


def bar(day: date, symbol: str = "", at: time = time(0), **changes: object) -> dict[str, object]:
    record = {"o": 2, "h": 3, "l": 1, "c": 2, "v": day.toordinal(), "t": milliseconds(day, at)}
    return record | ({"T": symbol} if symbol else {}) | changes


def ranges(traded: dict[str, list[date]], size: int = 50_000) -> Callable[[HttpRequest], HttpAnswer]:
    """The range endpoint; symbols that are not in `traded` are not found."""

    def _ask(request: HttpRequest) -> HttpAnswer:
        found = re.search(r"/v2/aggs/ticker/([^/]+)/range/1/day/([0-9-]+)/([0-9-]+)", request.url)
        assert found is not None
        symbol, start, end = found[1], date.fromisoformat(found[2]), date.fromisoformat(found[3])
        if symbol not in traded:
            return answer({"status": "NOT_FOUND"}, 404, request.url)
        records = [bar(day) for day in sorted(traded[symbol]) if start <= day <= end]
        return paged(request, records, size, ticker=symbol, adjusted=False)

    return _ask


def sessions(traded: dict[date, list[str]], hour: time = time(16)) -> Callable[[HttpRequest], HttpAnswer]:
    """The grouped endpoint."""

    def _ask(request: HttpRequest) -> HttpAnswer:
        day = date.fromisoformat(request.url.rpartition("/")[2])
        assert request.params == {"adjusted": "false"}
        records = [bar(day, symbol, hour) for symbol in traded.get(day, ())]
        return answer({"status": "OK", "adjusted": False, "results": records}, url=request.url)

    return _ask


def actions(records: list[dict[str, Any]], size: int = 1_000) -> Callable[[HttpRequest], HttpAnswer]:
    """The endpoints of splits and dividends."""

    def _ask(request: HttpRequest) -> HttpAnswer:
        name = "execution_date" if request.url.endswith("/splits") else "ex_dividend_date"
        params = request.params
        found = [
            each
            for each in records
            if each["ticker"] == params["ticker"] and name in each and each[name] >= params[f"{name}.gte"]
        ]
        assert (params["order"], params["sort"]) == ("asc", name)
        return paged(request, sorted(found, key=lambda each: each[name]), size)

    return _ask


def news(articles: list[dict[str, Any]], size: int) -> Callable[[HttpRequest], HttpAnswer]:
    """The endpoint of articles; a page's place names what was asked for, as the vendor's own does."""

    def _ask(request: HttpRequest) -> HttpAnswer:
        url, _, place = request.url.partition("?cursor=")
        since, _, start = place.partition("/") if place else (request.params["published_utc.gte"], "", "0")
        found = [each for each in articles if each["published_utc"] >= since.replace("+00:00", "Z")]
        body: dict[str, object] = {"status": "OK", "results": found[int(start) : int(start) + size]}
        if int(start) + size < len(found):
            body["next_url"] = f"{url}?cursor={since}/{int(start) + size}"
        return answer(body, url=request.url)

    return _ask
