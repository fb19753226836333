"""`/metrics` of a process, on a port of its own: our metrics and those of Temporal's SDK on one page.

The SDK keeps its metrics where Python does not reach and serves them itself, so it does that on a loopback port that
nobody needs to know, and what it says is put on our page. Asked for OpenMetrics, the page is OpenMetrics.
"""

from __future__ import annotations

import asyncio
import contextlib
import socket
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Iterator
from contextlib import asynccontextmanager
from importlib.metadata import version

import httpx
import structlog
import uvicorn
from prometheus_client import CollectorRegistry, Info, Metric, ProcessCollector
from prometheus_client.exposition import choose_encoder
from prometheus_client.parser import text_string_to_metric_families
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route
from temporalio.runtime import PrometheusConfig, Runtime, TelemetryConfig

from domain.errors import ConfigurationError
from workers.settings import Settings

log = structlog.get_logger(__name__)

Read = Callable[[], Awaitable[Iterable[Metric]]]
"""Reads families of metrics when somebody asks."""

LOOPBACK = "127.0.0.1"
PORTS_TRIED = 5
SDK_SECONDS = 2.0
AT_ONCE = 16
"""Connections; a scrape too many is refused, and costs nothing."""


class Exposition:
    """What one process shows. `runtime` is the one to connect to Temporal with, so that the SDK's metrics are there.

    Raises:
        ConfigurationError: the SDK found no port to export on.
    """

    def __init__(self, host: str, port: int, *, mode: str) -> None:
        self._host, self._port = host, port
        self.runtime, self._sdk_port = _exporting()
        self._own = CollectorRegistry(auto_describe=True)
        ProcessCollector(registry=self._own)
        Info("stonks_build", "What runs here", registry=self._own).info(
            {"version": version("stonks-oracle"), "mode": mode}
        )
        self._registries = [self._own]
        self._readers: list[Read] = []
        self._one = asyncio.Lock()

    def show(self, registry: CollectorRegistry) -> None:
        """Show the metrics of a registry too."""
        self._registries.append(registry)

    def show_read(self, read: Read) -> None:
        """Show what is read when somebody asks."""
        self._readers.append(read)

    @asynccontextmanager
    async def serving(self) -> AsyncIterator[int]:
        """Serve the page while the block runs; gives the port, which was chosen where 0 was asked for.

        Raises:
            ConfigurationError: the address cannot be listened on.
        """
        app = Starlette(routes=[Route("/metrics", self._answer, methods=["GET"])])
        server = _Server(
            uvicorn.Config(
                app, log_config=None, access_log=False, server_header=False, lifespan="off", limit_concurrency=AT_ONCE
            )
        )
        with _listen(self._host, self._port) as listening:
            task = asyncio.create_task(server.serve(sockets=[listening]), name="metrics")
            port = int(listening.getsockname()[1])
            log.info("metrics_served", host=self._host, port=port)
            try:
                yield port
            finally:
                server.should_exit = server.force_exit = True
                await task

    async def _answer(self, request: Request) -> Response:
        body, media_type = await self.page(request.headers.get("accept", ""))
        return Response(body, headers={"Content-Type": media_type, "Cache-Control": "no-store"})

    async def page(self, accept: str = "") -> tuple[bytes, str]:
        """The page in the form that the `Accept` header asks for, and its media type. One is made at a time."""
        async with self._one:
            found = [family for read in self._readers for family in await read()]
            encode, media_type = choose_encoder(accept)
            # Some thousand lines are tens of milliseconds, for which whoever else this loop serves need not wait.
            return await asyncio.to_thread(lambda: encode(_Together(self._collect(found)))), media_type

    def _collect(self, read: Iterable[Metric]) -> Iterator[Metric]:
        for registry in self._registries:
            yield from registry.collect()
        yield from read
        yield from _of_the_sdk(self._sdk_port)


def exposition(settings: Settings) -> Exposition | None:
    """What the settings ask for; None where metrics are off."""
    if not settings.metrics_port:
        return None
    return Exposition(settings.metrics_host, settings.metrics_port, mode=settings.mode.value)


class _Together:
    """Families as a collector: what an encoder asks for."""

    def __init__(self, families: Iterable[Metric]) -> None:
        self._families = families

    def collect(self) -> Iterable[Metric]:
        return self._families


class _Server(uvicorn.Server):
    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Leave signals alone: the process that this is served beside handles them."""
        yield


def _exporting() -> tuple[Runtime, int]:
    """Make a runtime whose SDK exports its metrics on a free loopback port.

    Of its own and not the process's default, which may be set only once and may be somebody else's.
    """
    error: Exception | None = None
    for _ in range(PORTS_TRIED):
        with socket.create_server((LOOPBACK, 0)) as free:
            port = int(free.getsockname()[1])
        config = PrometheusConfig(
            bind_address=f"{LOOPBACK}:{port}",
            counters_total_suffix=True,
            unit_suffix=True,
            durations_as_seconds=True,
        )
        try:
            return Runtime(telemetry=TelemetryConfig(metrics=config, attach_service_name=False)), port
        except ValueError as taken:  # somebody was faster
            error = taken
    raise ConfigurationError(
        "METRICS_EXPORTER_FAILED", "Free some ports of 127.0.0.1, or set STONKS_METRICS_PORT=0", error=error
    )


def _of_the_sdk(port: int) -> list[Metric]:
    try:
        answer = httpx.get(f"http://{LOOPBACK}:{port}/metrics", timeout=SDK_SECONDS, trust_env=False)
        answer.raise_for_status()
        return list(text_string_to_metric_families(answer.text))
    except (httpx.HTTPError, ValueError) as error:
        log.warning("sdk_metrics_not_read", error=str(error))
        return []


def _listen(host: str, port: int) -> socket.socket:
    try:
        return socket.create_server((host, port), family=socket.AF_INET6 if ":" in host else socket.AF_INET)
    except OSError as error:
        raise ConfigurationError(
            "ADDRESS_NOT_AVAILABLE",
            "Another process listens there, or the address is not this machine's: each process needs a port of its "
            "own; change STONKS_METRICS_HOST or STONKS_METRICS_PORT",
            host=host,
            port=port,
            error=error.strerror,
        ) from error
