"""A server that skips time: a day passes as soon as nothing is left to do."""

from __future__ import annotations

import sysconfig
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from pathlib import Path

from temporalio.api.enums.v1 import IndexedValueType
from temporalio.api.operatorservice.v1 import AddSearchAttributesRequest
from temporalio.contrib.pydantic import pydantic_data_converter
from temporalio.testing import WorkflowEnvironment

from workflows import names

ATTEMPTS = 3
"""The server's clock goes on jumping while a worker still works on a task, and such a task can time out in skipped time
without anything being wrong. What is wrong fails every time.
"""
SERVER = Path(sysconfig.get_path("scripts")) / "temporal-test-server"


@asynccontextmanager
async def skipping_server() -> AsyncIterator[WorkflowEnvironment]:
    keyword = IndexedValueType.INDEXED_VALUE_TYPE_KEYWORD
    async with await WorkflowEnvironment.start_time_skipping(
        test_server_existing_path=str(SERVER), data_converter=pydantic_data_converter
    ) as environment:
        await environment.client.operator_service.add_search_attributes(
            AddSearchAttributesRequest(
                namespace=environment.client.namespace,
                search_attributes={key.name: keyword for key in names.SEARCH_ATTRIBUTES},
            )
        )
        yield environment


async def now(environment: WorkflowEnvironment) -> datetime:
    return (await environment.get_current_time()).astimezone(UTC)
