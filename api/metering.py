"""Requests of the HTTP API, counted by route, method and class of status, with the time until their answers began.

A request is on its way for a millisecond or less, so this costs two dictionary look-ups, a counter and a histogram.
"""

from __future__ import annotations

import time
from typing import Any

from prometheus_client import CollectorRegistry, Counter, Histogram
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from activities import metering

REQUEST_SECONDS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 1, 5)
NO_ROUTE = "none"
"""An address that no route of ours has, or one that was refused before a route was looked for."""
METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})
_CLASSES = ("1xx", "2xx", "3xx", "4xx", "5xx")


class HttpMeter:
    """The metrics of one API process, in a registry of their own."""

    def __init__(self, registry: CollectorRegistry | None = None) -> None:
        self.registry = registry or CollectorRegistry(auto_describe=True)
        self._requests = Counter(
            "stonks_http_requests",
            "Requests that were answered, by route, method and class of status",
            ("route", "method", "code"),
            registry=self.registry,
        )
        self._seconds = Histogram(
            "stonks_http_request_duration_seconds",
            "From a request's arrival until its answer begins",
            ("route", "method"),
            buckets=REQUEST_SECONDS,
            registry=self.registry,
        )
        self._counters: dict[tuple[str, str, int], Counter] = {}
        self._histograms: dict[tuple[str, str], Histogram] = {}

    def answered(self, route: str, method: str, status: int, seconds: float) -> None:
        counter = self._counters.get((route, method, status))
        if counter is None:
            known = method if method in METHODS else metering.OTHER
            counter = self._requests.labels(route, known, _CLASSES[min(max(status // 100, 1), 5) - 1])
            if known == method:  # what nobody expects is not kept, so that it cannot fill the memory
                self._counters[(route, method, status)] = counter
        counter.inc()
        histogram = self._histograms.get((route, method))
        if histogram is None:
            known = method if method in METHODS else metering.OTHER
            histogram = self._seconds.labels(route, known)
            if known == method:
                self._histograms[(route, method)] = histogram
        histogram.observe(seconds)


class Metered:
    """Put the meter around an application: the outermost, so that what the others refuse is counted too."""

    def __init__(self, app: ASGIApp, meter: HttpMeter) -> None:
        self._app = app
        self._meter = meter

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        began = time.perf_counter()

        async def send_counted(message: Message) -> None:
            if message["type"] == "http.response.start":
                self._meter.answered(_route(scope), scope["method"], message["status"], time.perf_counter() - began)
            await send(message)

        await self._app(scope, receive, send_counted)


def _route(scope: Scope) -> str:
    """The route's template, such as `/v1/orders/{order_id}`."""
    route: Any = scope.get("route")
    path = getattr(route, "path", None)
    return path if isinstance(path, str) else NO_ROUTE
