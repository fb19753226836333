"""A paper broker on a port of its own, with every answer to any client checked against the vendor's description."""

from __future__ import annotations

import json
import socket
import threading
import time
from collections.abc import Callable
from datetime import datetime
from typing import Any

import uvicorn

from cli.paper_broker.gate import ResettableProtocol
from cli.paper_broker.server import create_app
from cli.paper_broker.settings import BrokerSettings
from tests.paper_broker.vendor import FILE, check

_UNCHECKED = ("/control", "/healthz")


class Checked:
    """Passes requests to an application and checks what it answers, whichever client asked."""

    def __init__(self, application: Any) -> None:
        self._application = application
        self.problems: list[str] = []
        self.seen: set[tuple[str, str, int]] = set()
        self.limits: dict[str, str] = {}
        """The rate-limit headers of the latest answer."""

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] != "http" or scope["path"].startswith(_UNCHECKED):
            await self._application(scope, receive, send)
            return
        status, body = 0, b""

        async def noted(message: Any) -> None:
            nonlocal status, body
            if message["type"] == "http.response.start":
                status = message["status"]
                headers = {name.decode(): value.decode() for name, value in message["headers"]}
                self.limits = {name: value for name, value in headers.items() if name.startswith("x-ratelimit")}
            else:
                body += message.get("body", b"")
            await send(message)

        await self._application(scope, receive, noted)
        self.seen.add((scope["method"], scope["path"], status))
        if 0 < status < 500 and FILE.exists():
            answer = json.loads(body) if body else None
            self.problems += check(scope["method"], scope["path"], status, answer)


class ServedBroker:
    """One broker, served until it is stopped."""

    def __init__(self, settings: BrokerSettings, now: Callable[[], datetime] | None = None) -> None:
        self._broker_application = create_app(settings, now=now) if now else create_app(settings)
        self.checked = Checked(self._broker_application)
        self._socket = socket.create_server(("127.0.0.1", 0))
        self.address = f"http://127.0.0.1:{self._socket.getsockname()[1]}"
        config = uvicorn.Config(
            self.checked,
            interface="asgi3",
            http=ResettableProtocol,
            lifespan="off",
            access_log=False,
            log_level="warning",
            timeout_graceful_shutdown=1,
        )
        self._server = uvicorn.Server(config)
        self._thread = threading.Thread(target=self._server.run, args=([self._socket],), daemon=True)
        self._thread.start()
        deadline = time.monotonic() + 20
        while not self._server.started:
            assert time.monotonic() < deadline, "the server did not start"
            time.sleep(0.005)

    def stop(self) -> None:
        self._server.should_exit = True
        self._thread.join(10)
        self._socket.close()
        self._broker_application.state.broker.close()
