"""The API as a process: served until it is told to stop, then every open request is finished."""

from __future__ import annotations

import asyncio
import contextlib
import signal
import socket
from collections.abc import Callable, Iterator
from typing import Literal

import structlog
import uvicorn
from fastapi import FastAPI

from api.app import create_app
from api.dependencies import Dependencies
from api.metering import HttpMeter
from domain.errors import ConfigurationError

log = structlog.get_logger(__name__)

GRACE_SECONDS = 8
BACKLOG = 512
LOOPBACK = "127.0.0.1"
_STOPPING = (signal.SIGTERM, signal.SIGINT)


class _Server(uvicorn.Server):
    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Leave signals alone: `serve` handles them, and returns so that its caller can close what it opened."""
        yield


async def serve(
    dependencies: Dependencies,
    host: str,
    port: int,
    *,
    trusted_proxies: str = LOOPBACK,
    meter: HttpMeter | None = None,
) -> None:
    """Answer requests until SIGTERM or SIGINT.

    Args:
        trusted_proxies: addresses, separated by commas, that may say for whom they ask and whether over TLS.
        meter: counts requests.

    Raises:
        ConfigurationError: the address cannot be listened on.
    """
    app = create_app(dependencies, meter=meter)
    # Streams would last for ever.
    await serve_app(
        app,
        host,
        port,
        mode=dependencies.mode,
        lifespan="off",
        stopping=app.state.tail.close,
        trusted_proxies=trusted_proxies,
    )


async def serve_app(
    app: FastAPI,
    host: str,
    port: int,
    *,
    mode: str,
    lifespan: Literal["off", "on"] = "on",
    stopping: Callable[[], None] = lambda: None,
    trusted_proxies: str = LOOPBACK,
) -> None:
    """Serve an application that is made already. `stopping` is called when the process is told to stop.

    Raises:
        ConfigurationError: the address cannot be listened on.
    """
    server = _Server(
        uvicorn.Config(
            app,
            log_config=None,
            access_log=False,
            server_header=False,
            forwarded_allow_ips=trusted_proxies,
            lifespan=lifespan,
            timeout_graceful_shutdown=GRACE_SECONDS,
        )
    )
    loop = asyncio.get_running_loop()

    def stop() -> None:
        server.force_exit = server.should_exit  # asked a second time: at once
        server.should_exit = True
        stopping()

    with _listen(host, port) as listening:
        for number in _STOPPING:
            loop.add_signal_handler(number, stop)
        try:
            log.info("api_started", host=host, port=listening.getsockname()[1], mode=mode)
            await server.serve(sockets=[listening])
        finally:
            for number in _STOPPING:
                loop.remove_signal_handler(number)
    log.info("api_stopped")


def _listen(host: str, port: int) -> socket.socket:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        listening = socket.create_server((host, port), family=family, backlog=BACKLOG)
        # Connections inherit it. asyncio sets it only where it made the socket itself, and without it an answer in two
        # segments waits 40 ms for the client's acknowledgement of the first.
        listening.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        return listening
    except OSError as error:
        raise ConfigurationError(
            "ADDRESS_NOT_AVAILABLE",
            "Another process listens there, or the address is not this machine's: "
            "change STONKS_API_HOST or STONKS_API_PORT",
            host=host,
            port=port,
            error=error.strerror,
        ) from error
