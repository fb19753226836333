"""The API keeps to its own OpenAPI document, whatever it is sent: a fixed set of generated requests on a real port."""

from __future__ import annotations

import pytest

from cli.stack.supervisor import Stack
from tests.api import schema_run

pytestmark = pytest.mark.stack


async def test_api_when_sent_generated_requests_then_it_answers_as_its_document_says(servers: Stack) -> None:
    async with schema_run.house(servers) as address:
        outcome = await schema_run.run(address, examples=schema_run.EXAMPLES)
    assert outcome.code == 0, outcome.report[-20_000:]
