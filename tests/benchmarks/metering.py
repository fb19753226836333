"""What metering costs: a request of the API and a step of a worker, each with the meter and without, in this process.

Both are called without a socket and take turns in short bursts. The request is the smallest that the API has.
"""

from __future__ import annotations

import asyncio
import statistics
import time
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import replace
from typing import Any

from fastapi import FastAPI
from pydantic import SecretStr
from temporalio.testing import ActivityEnvironment
from temporalio.worker import ActivityInboundInterceptor, ExecuteActivityInput

from activities.failures import FailureInterceptor
from activities.metering import MeteringInterceptor, WorkMeter
from api.app import create_app
from api.dependencies import Dependencies
from api.metering import HttpMeter
from domain.ingestion import DocumentOutcome
from tests.benchmarks.figure import Figure

ROUNDS = 61
REQUESTS, STEPS = 200, 500
ALLOWED = 1.15
"""Of the smallest request; of one that reads the book it is a hundredth."""
_SCOPE: dict[str, Any] = {
    "type": "http",
    "asgi": {"version": "3.0"},
    "http_version": "1.1",
    "method": "GET",
    "scheme": "http",
    "path": "/healthz",
    "raw_path": b"/healthz",
    "query_string": b"",
    "root_path": "",
    "headers": [(b"host", b"bench")],
    "server": ("bench", 80),
    "client": ("bench", 1),
}

Once = Callable[[], Awaitable[None]]


def metering() -> Iterable[Figure]:
    yield from asyncio.run(_measure("request", REQUESTS, _request(HttpMeter()), _request(None), at_most=ALLOWED))
    yield from asyncio.run(_steps())


async def _steps() -> list[Figure]:
    """As an activity, which is where the interceptors look for what they are around."""
    environment = ActivityEnvironment()
    environment.info = replace(environment.info, activity_type="save_evidence")
    meter = WorkMeter()
    plain = FailureInterceptor().intercept_activity(_Nothing())
    metered = MeteringInterceptor(meter).intercept_activity(plain)

    async def run() -> list[Figure]:
        return await _measure("step", STEPS, _step(metered), _step(plain))

    return await environment.run(run)


class _Nothing(ActivityInboundInterceptor):
    def __init__(self) -> None:
        """There is no next one."""

    async def execute_activity(self, input: ExecuteActivityInput) -> Any:
        return DocumentOutcome(doc_id="d", status="processed", events=0, symbols=(), dropped=0)


def _step(interceptor: ActivityInboundInterceptor) -> Once:
    given = ExecuteActivityInput(fn=lambda: None, args=[], executor=None, headers={})

    async def once() -> None:
        await interceptor.execute_activity(given)

    return once


def _request(meter: HttpMeter | None) -> Once:
    nobody: Any = None
    app: FastAPI = create_app(
        Dependencies(
            database=nobody,
            objects=nobody,
            client=nobody,
            ui_url="",
            mode="paper",
            bootstrap_key=SecretStr(""),
            calendar=lambda: nobody,
        ),
        meter=meter,
    )

    async def receive() -> dict[str, Any]:
        return {"type": "http.request", "body": b"", "more_body": False}

    async def send(message: Any) -> None:
        assert message.get("status", 200) == 200

    async def once() -> None:
        await app({**_SCOPE, "state": {}}, receive, send)

    return once


async def _measure(name: str, number: int, metered: Once, plain: Once, *, at_most: float | None = None) -> list[Figure]:
    seconds: dict[str, list[float]] = {"metered": [], "plain": []}
    for turn in range(-1, ROUNDS):
        pair = [("metered", metered), ("plain", plain)]
        for which, once in pair if turn % 2 else reversed(pair):
            began = time.process_time()
            for _ in range(number):
                await once()
            if turn >= 0:  # the first is for getting warm
                seconds[which].append((time.process_time() - began) / number)
    costs = [one - other for one, other in zip(seconds["metered"], seconds["plain"], strict=True)]
    ratios = [one / other for one, other in zip(seconds["metered"], seconds["plain"], strict=True)]
    how = f"{ROUNDS} rounds of {number} each, taking turns in one process, no socket; processor time, medians of pairs"
    return [
        Figure(f"metering.{name}.plain", 1e6 * statistics.median(seconds["plain"]), "us", how),
        Figure(f"metering.{name}.cost", 1e6 * statistics.median(costs), "us", how),
        Figure(f"metering.{name}.ratio", statistics.median(ratios), "ratio", how, at_most=at_most),
    ]
