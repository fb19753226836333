"""A Temporal namespace of a test's own on the shared servers: no workflow of another test is in it."""

from __future__ import annotations

import asyncio
from datetime import timedelta

from google.protobuf.duration_pb2 import Duration
from temporalio.api.workflowservice.v1 import RegisterNamespaceRequest
from temporalio.client import Client
from temporalio.service import RPCError, RPCStatusCode

from cli.stack.supervisor import Stack
from workers.main import register_search_attributes
from workers.settings import load
from workflows import names

PATIENCE_SECONDS = 60
RETENTION = timedelta(days=1)


async def new_namespace(servers: Stack, name: str) -> Client:
    """Register a namespace with the platform's search attributes, wait until it can be used, and connect to it."""
    settings = load(servers.environment())
    client = await Client.connect(settings.temporal_address, namespace=name)
    retention = Duration()
    retention.FromTimedelta(RETENTION)
    await client.workflow_service.register_namespace(
        RegisterNamespaceRequest(namespace=name, workflow_execution_retention_period=retention)
    )
    await register_search_attributes(client)
    query = " OR ".join(f"{key.name} = 'none'" for key in names.SEARCH_ATTRIBUTES)
    async with asyncio.timeout(PATIENCE_SECONDS):
        while True:
            try:
                await client.count_workflows(query)
            except RPCError as error:
                if error.status is not RPCStatusCode.INVALID_ARGUMENT:  # the server has not heard of them yet
                    raise
                await asyncio.sleep(0.05)
            else:
                return client
