"""The Temporal development server with a file behind it, tuned by measurement."""

from __future__ import annotations

import asyncio
import functools
import signal
from collections.abc import Mapping
from datetime import timedelta
from pathlib import Path
from typing import ClassVar

from google.protobuf.duration_pb2 import Duration
from temporalio.api.enums.v1 import IndexedValueType
from temporalio.api.namespace.v1 import NamespaceConfig
from temporalio.api.operatorservice.v1 import AddSearchAttributesRequest, ListSearchAttributesRequest
from temporalio.api.workflowservice.v1 import DescribeNamespaceRequest, UpdateNamespaceRequest
from temporalio.client import Client
from temporalio.runtime import Runtime, TelemetryConfig
from temporalio.service import RPCError, RPCStatusCode

from cli.stack import packages
from cli.stack.environment import server_environment
from cli.stack.names import LOOPBACK, NAMESPACE, RETENTION_HOURS, SEARCH_ATTRIBUTES, PartName
from cli.stack.parts import NotReady, Part
from cli.stack.process import Command
from domain.errors import ConfigurationError

PRAGMAS = ("journal_mode=wal", "synchronous=normal")
"""Twice the throughput of the defaults; safe against a killed process, not against a loss of power."""

DYNAMIC_CONFIG = (
    # Three times quicker to answer: 77 instead of 250 ms for a workflow of four activities.
    "history.transferProcessorMaxPollRPS=1000",
    "history.timerProcessorMaxPollRPS=1000",
    "history.visibilityProcessorMaxPollRPS=1000",
    "system.forceSearchAttributesCacheRefreshOnRead=false",
    # A task queue's rate limit is divided among its partitions: one, so that five a minute are five and not one or two.
    "matching.numTaskqueueReadPartitions=1",
    "matching.numTaskqueueWritePartitions=1",
)

_PROBE_SECONDS = 5.0


class Temporal(Part):
    name = PartName.TEMPORAL
    grace_seconds: ClassVar[float] = 5.0

    @property
    def address(self) -> str:
        return self._context.environment["STONKS_TEMPORAL_ADDRESS"]

    @property
    def _database(self) -> Path:
        return self._context.directory.data(self.name) / "temporal.db"

    def check_installed(self) -> None:
        packages.temporal_program()

    def prepare(self) -> None:
        self._database.parent.mkdir(mode=0o700, exist_ok=True)

    def command(self) -> Command:
        ports = self._context.ports
        repeated = (
            *(("--sqlite-pragma", pragma) for pragma in PRAGMAS),
            *(("--dynamic-config-value", value) for value in DYNAMIC_CONFIG),
            *(("--search-attribute", f"{name}=Keyword") for name in SEARCH_ATTRIBUTES),
        )
        return Command(
            argv=(
                packages.temporal_program(),
                *("server", "start-dev"),
                *("--db-filename", self._database),
                *("--ip", LOOPBACK),
                *("--port", str(ports[self.name])),
                *("--ui-port", str(ports["temporal_ui"])),
                *("--metrics-port", str(ports["temporal_metrics"])),
                *("--http-port", str(ports["temporal_http"])),
                *("--namespace", NAMESPACE),
                "--ui-disable-news-fetch",
                # Settings of the operator's own Temporal client must not reach this server.
                *("--disable-config-file", "--disable-config-env"),
                *(word for pair in repeated for word in pair),
            ),
            environment=server_environment(self._context.directory, self._context.inherited),
            death_signal=signal.SIGKILL,
        )

    def probe(self) -> None:
        check(self._context.environment, ours=not self.external)


def check(environment: Mapping[str, str], *, ours: bool) -> None:
    """Describe the namespace and register missing search attributes; on our own server set the retention too.

    Raises:
        ConfigurationError: an external server lacks the namespace, or does not let us add the attributes.
    """
    asyncio.run(asyncio.wait_for(_check(environment, ours=ours), _PROBE_SECONDS))


async def _check(environment: Mapping[str, str], *, ours: bool) -> None:
    address = environment["STONKS_TEMPORAL_ADDRESS"]
    namespace = environment.get("STONKS_TEMPORAL_NAMESPACE", NAMESPACE)
    client = await Client.connect(address, namespace=namespace, runtime=_runtime())
    try:
        found = await client.workflow_service.describe_namespace(DescribeNamespaceRequest(namespace=namespace))
    except RPCError as error:
        if ours or error.status is not RPCStatusCode.NOT_FOUND:
            raise
        raise ConfigurationError(
            "TEMPORAL_NAMESPACE_MISSING",
            f"Run: temporal operator namespace create --address {address} --namespace {namespace} "
            f"--retention {RETENTION_HOURS}h",
            address=address,
            namespace=namespace,
        ) from error
    await _require_search_attributes(client, address, ours=ours)
    wanted = timedelta(hours=RETENTION_HOURS)
    if ours and found.config.workflow_execution_retention_ttl.ToTimedelta() != wanted:
        retention = Duration()
        retention.FromTimedelta(wanted)
        await client.workflow_service.update_namespace(
            UpdateNamespaceRequest(
                namespace=namespace, config=NamespaceConfig(workflow_execution_retention_ttl=retention)
            )
        )


async def _require_search_attributes(client: Client, address: str, *, ours: bool) -> None:
    registered = await client.operator_service.list_search_attributes(
        ListSearchAttributesRequest(namespace=client.namespace)
    )
    keyword = IndexedValueType.INDEXED_VALUE_TYPE_KEYWORD
    wrong = [name for name in SEARCH_ATTRIBUTES if registered.custom_attributes.get(name, keyword) != keyword]
    if wrong:
        raise ConfigurationError(
            "SEARCH_ATTRIBUTE_TYPE",
            "Remove it with `temporal operator search-attribute remove` and start again",
            address=address,
            found=", ".join(wrong),
            allowed="Keyword",
        )
    absent = [name for name in SEARCH_ATTRIBUTES if name not in registered.custom_attributes]
    if not absent:
        return
    try:
        await client.operator_service.add_search_attributes(
            AddSearchAttributesRequest(namespace=client.namespace, search_attributes=dict.fromkeys(absent, keyword))
        )
    except RPCError as error:
        if ours:
            raise
        flags = " ".join(f"--name {name} --type Keyword" for name in absent)
        raise ConfigurationError(
            "SEARCH_ATTRIBUTES_MISSING",
            f"Run: temporal operator search-attribute create --address {address} "
            f"--namespace {client.namespace} {flags}",
            address=address,
            missing=", ".join(absent),
            error=error.message,
        ) from error
    raise NotReady("search attributes were just registered")


@functools.cache
def _runtime() -> Runtime:
    # Of its own: a process may set its default runtime only once, and that choice is the application's.
    return Runtime(telemetry=TelemetryConfig())
