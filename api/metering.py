"""Requests of the HTTP API, counted by route, method and class of status, with the time until their answers began.

A request is answered in a millisecond or less, so it is counted without locks or objects of its own: the loop that
serves requests is the only one that writes.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterator
from itertools import accumulate

from prometheus_client import CollectorRegistry
from prometheus_client.core import CounterMetricFamily, HistogramMetricFamily, Metric
from prometheus_client.registry import Collector
from starlette.types import Scope

REQUEST_SECONDS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 1.0, 5.0)
NO_ROUTE = "none"
"""An address that no route of ours has, or one that was refused before a route was looked for."""
METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})
OTHER = "other"
_CLASSES = ("1xx", "2xx", "3xx", "4xx", "5xx")
_BOUNDS = (*map(str, REQUEST_SECONDS), "+Inf")


class _Seen:
    """One route asked by one method."""

    __slots__ = ("codes", "seconds", "within")

    def __init__(self) -> None:
        self.codes = [0] * len(_CLASSES)
        self.within = [0] * len(_BOUNDS)
        """Of each bucket alone."""
        self.seconds = 0.0


class HttpMeter(Collector):
    """The metrics of one API process, in a registry of their own."""

    def __init__(self) -> None:
        self._seen: dict[tuple[str, str], _Seen] = {}
        self.registry = CollectorRegistry(auto_describe=True)
        self.registry.register(self)

    def answered(self, route: str, method: str, status: int, seconds: float) -> None:
        """Count a request. The envelope around every request calls it when an answer begins (see `errors`)."""
        key = (route, method if method in METHODS else OTHER)
        seen = self._seen.get(key)
        if seen is None:
            seen = self._seen[key] = _Seen()
        seen.codes[min(max(status // 100, 1), 5) - 1] += 1
        seen.within[bisect_left(REQUEST_SECONDS, seconds)] += 1
        seen.seconds += seconds

    def collect(self) -> Iterator[Metric]:
        requests = CounterMetricFamily(
            "stonks_http_requests",
            "Requests that were answered, by route, method and class of status",
            labels=("route", "method", "code"),
        )
        seconds = HistogramMetricFamily(
            "stonks_http_request_duration_seconds",
            "From a request's arrival until its answer begins",
            labels=("route", "method"),
        )
        for key, seen in list(self._seen.items()):
            for code, number in zip(_CLASSES, seen.codes, strict=True):
                if number:
                    requests.add_metric((*key, code), number)
            within = zip(_BOUNDS, accumulate(seen.within), strict=True)
            seconds.add_metric(key, [(bound, float(number)) for bound, number in within], seen.seconds)
        yield requests
        yield seconds


def route_of(scope: Scope) -> str:
    """The template of the route that a request went to, such as `/v1/orders/{order_id}`."""
    path = getattr(scope.get("route"), "path", None)
    return path if isinstance(path, str) else NO_ROUTE
