"""Generated requests against the API on a real port: every route of its own OpenAPI document, valid and invalid ones.

It has a database and a Temporal namespace of its own, because it changes whatever it can, and a worker that trades.
`python -m tests.api.schema_run --examples 100` runs it for long, on servers that it starts.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import socket
import sys
import tempfile
import uuid
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from unittest.mock import patch

import uvicorn
from google.protobuf.duration_pb2 import Duration
from temporalio.api.workflowservice.v1 import RegisterNamespaceRequest
from temporalio.client import Client

from api.app import create_app
from api.operations import backtests
from cli.migrate import migrate
from cli.stack.supervisor import Stack
from store.book_cut import connect
from tests.api.harness import BOOTSTRAP_KEY, Platform
from tests.api.openapi import document
from tests.conftest import clean_environment, running_servers
from tests.databases import drop
from workers.main import register_search_attributes
from workers.parts import Parts
from workers.settings import load
from workflows.names import Queue

SEED = 20_260_301
EXAMPLES = 1
PHASES = "fuzzing"
LONG = "examples,coverage,fuzzing"
UNTOUCHED = ("/v1/sources/{source_id}/test", "/v1/agents/{agent_id}/test", "/v1/stream")
"""Two ask servers out there, the last answers for ever."""
CONFIG = """
[checks.positive_data_acceptance]
expected-statuses = ["2xx", "3xx", "401", "403", "404", "409", "412", "422", "428", "429", "502", "503"]

[checks.negative_data_rejection]
expected-statuses = ["400", "401", "403", "404", "405", "406", "409", "413", "415", "422", "428", "429"]

[checks.missing_required_header]
expected-statuses = ["400", "401", "403", "422", "428"]
"""
"""A schema cannot say all that the domain refuses, such as a version that is missing. 400, 405 and 500 fail."""


@dataclass(frozen=True)
class Outcome:
    code: int
    report: str


@asynccontextmanager
async def house(servers: Stack) -> AsyncIterator[str]:
    """The address of an API whose book and whose workflows are nobody else's."""
    environment = servers.environment()
    name = f"schema_{uuid.uuid4().hex[:12]}"
    settings = load(environment).database()
    connection = await connect(settings)
    await connection.execute(f"CREATE DATABASE {name}")
    await connection.close()
    environment |= {"STONKS_DB_NAME": name, "STONKS_TEMPORAL_NAMESPACE": name.replace("_", "-")}
    try:
        await asyncio.to_thread(migrate, environment)
        await _register(environment["STONKS_TEMPORAL_ADDRESS"], environment["STONKS_TEMPORAL_NAMESPACE"])
        parts = await Parts.connect(load(environment))
        try:
            await parts.objects.ensure_bucket()
            await register_search_attributes(parts.client)
            platform = Platform(parts)
            with patch.object(backtests, "PROGRESS_TIMEOUT", timedelta(seconds=0.2)):  # nobody plays any
                async with platform.working(Queue.TRADING), _served(platform) as address:
                    yield address
        finally:
            await parts.close()
    finally:
        await drop(settings, name)


async def run(address: str, *, examples: int, seconds: int | None = None, phases: str = PHASES) -> Outcome:
    """Send the requests and say what was found."""
    with tempfile.TemporaryDirectory() as folder:
        described = Path(folder) / "openapi.json"
        (Path(folder) / "schemathesis.toml").write_text(CONFIG, encoding="utf-8")
        described.write_text(json.dumps(document()), encoding="utf-8")
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "schemathesis.cli", "run", str(described), "--url", address),
            *("--header", f"Authorization: Bearer {BOOTSTRAP_KEY}"),
            *("--checks", "all", "--seed", str(SEED), "--max-examples", str(examples)),
            *("--phases", phases, "--continue-on-failure", "--no-color"),
            *("--generation-database", "none", "--request-timeout", "60", "--warnings", "off"),
            *("--suppress-health-check", "filter_too_much"),  # ids of workflows have slashes, which it leaves out
            *(word for path in UNTOUCHED for word in ("--exclude-path", path)),
            *(("--max-time", str(seconds)) if seconds else ()),
            cwd=folder,
            env=clean_environment(),
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
        )
        try:
            out, _ = await process.communicate()
        finally:
            if process.returncode is None:
                process.kill()
                await process.wait()
    assert process.returncode is not None
    return Outcome(process.returncode, out.decode(errors="replace"))


async def _register(address: str, namespace: str) -> None:
    client = await Client.connect(address)
    retention = Duration()
    retention.FromTimedelta(timedelta(days=1))
    request = RegisterNamespaceRequest(namespace=namespace, workflow_execution_retention_period=retention)
    await client.workflow_service.register_namespace(request)


@asynccontextmanager
async def _served(platform: Platform) -> AsyncIterator[str]:
    listening = socket.create_server(("127.0.0.1", 0), backlog=512)
    config = uvicorn.Config(create_app(platform.dependencies()), log_config=None, access_log=False, lifespan="off")
    server = uvicorn.Server(config)
    serving = asyncio.create_task(server.serve(sockets=[listening]))
    try:
        yield f"http://127.0.0.1:{listening.getsockname()[1]}"
    finally:
        server.should_exit = True
        await serving


async def _long(servers: Stack, examples: int, seconds: int | None) -> int:
    async with house(servers) as address:
        outcome = await run(address, examples=examples, seconds=seconds, phases=LONG)
    sys.stdout.write(outcome.report)
    return outcome.code


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--examples", type=int, default=100, help="for each route")
    parser.add_argument("--seconds", type=int, default=None, help="budget of the whole run")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder, running_servers(Path(folder) / "servers") as servers:
        code = asyncio.run(_long(servers, given.examples, given.seconds))
    sys.exit(code)


if __name__ == "__main__":
    main()
