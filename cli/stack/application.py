"""This project's own processes: paper broker, worker and API."""

from __future__ import annotations

import signal
import sys
from collections.abc import Mapping, Sequence
from typing import ClassVar

import httpx

from cli.stack.environment import child_environment, host_and_port, integer, secret
from cli.stack.names import LOOPBACK, METRICS_PORTS, PartName
from cli.stack.parts import PROBE_TIMEOUT_SECONDS, NotReady, Part
from cli.stack.process import Command
from domain.errors import ConfigurationError

# -P: a folder named `api` or `store` where the operator happens to stand must not be imported instead of ours.
PROGRAM: Sequence[str] = (sys.executable, "-P", "-m", "cli.main")


class _Application(Part):
    subcommand: ClassVar[str]

    def command(self) -> Command:
        context = self._context
        return Command(
            argv=(*PROGRAM, self.subcommand),
            environment={
                **child_environment(self.name, context.inherited, context.environment),
                "PYTHONUNBUFFERED": "1",  # the last words before a crash belong into the log
                **self._metrics(),
            },
            death_signal=signal.SIGKILL,
        )

    def _metrics(self) -> dict[str, str]:
        """Each process has a port of its own under the same variable, so it is no part of the contract."""
        port = self._context.ports.get(METRICS_PORTS.get(self.name, ""), 0)
        return {"STONKS_METRICS_HOST": LOOPBACK, "STONKS_METRICS_PORT": str(port)}


class Broker(_Application):
    name = PartName.BROKER
    subcommand = "paper-broker"

    @property
    def address(self) -> str:
        return self._context.environment["STONKS_BROKER_URL"]

    def prepare(self) -> None:
        self._context.directory.data(self.name).mkdir(mode=0o700, exist_ok=True)

    def probe(self) -> None:
        if self.external:
            check_broker(self._context.environment)
        else:
            require_ok(f"{self.address}/healthz")


class Worker(_Application):
    name = PartName.WORKER
    subcommand = "worker"

    @property
    def address(self) -> str:
        return worker_address(self._context.environment)

    def probe(self) -> None:
        require_ok(f"{self.address}/healthz")


class Api(_Application):
    name = PartName.API
    subcommand = "api"

    @property
    def address(self) -> str:
        return api_address(self._context.environment)

    def probe(self) -> None:
        require_ok(f"{self.address}/readyz")


def worker_address(environment: Mapping[str, str]) -> str:
    return f"http://{LOOPBACK}:{integer(environment, 'STONKS_WORKER_HEALTH_PORT', 9100)}"


def api_address(environment: Mapping[str, str]) -> str:
    host = environment.get("STONKS_API_HOST", LOOPBACK)
    if host in {"0.0.0.0", "::"}:  # noqa: S104 - listening everywhere includes the loopback address
        host = LOOPBACK
    if ":" in host:
        host = f"[{host}]"
    return f"http://{host}:{integer(environment, 'STONKS_API_PORT', 8000)}"


def metrics_address(port: int) -> str:
    return f"http://{LOOPBACK}:{port}/metrics"


def require_ok(url: str) -> None:
    """Raise NotReady unless the address answers with a status of 200."""
    answer = httpx.get(url, timeout=PROBE_TIMEOUT_SECONDS, trust_env=False)
    if answer.status_code != httpx.codes.OK:
        raise NotReady(f"{url} answered {answer.status_code}: {answer.text[:300]}")


def check_broker(environment: Mapping[str, str]) -> None:
    """Read the clock of a broker that runs elsewhere, with the account's keys.

    Raises:
        ConfigurationError: the broker refuses the keys.
    """
    url = environment["STONKS_BROKER_URL"].rstrip("/")
    host_and_port(url, "STONKS_BROKER_URL")
    headers = {
        "APCA-API-KEY-ID": secret(environment, "STONKS_BROKER_KEY_ID") or "",
        "APCA-API-SECRET-KEY": secret(environment, "STONKS_BROKER_SECRET_KEY") or "",
    }
    answer = httpx.get(f"{url}/v2/clock", headers=headers, timeout=2 * PROBE_TIMEOUT_SECONDS)
    if answer.status_code in {httpx.codes.UNAUTHORIZED, httpx.codes.FORBIDDEN}:
        raise ConfigurationError(
            "BROKER_REFUSES",
            "Check STONKS_BROKER_KEY_ID and STONKS_BROKER_SECRET_KEY (or their _FILE forms)",
            url=url,
            status=answer.status_code,
        )
    if answer.status_code != httpx.codes.OK:
        raise NotReady(f"{url}/v2/clock answered {answer.status_code}")
