"""A request's id is in the log context of every activity that came of it, and of none that did not."""

from __future__ import annotations

import uuid

import pytest
import structlog
from temporalio.client import Client
from temporalio.contrib.pydantic import pydantic_data_converter
from temporalio.worker import Replayer, UnsandboxedWorkflowRunner, Worker, WorkflowRunner
from temporalio.worker.workflow_sandbox import SandboxedWorkflowRunner

from cli.stack.supervisor import Stack
from tests.observability.flows import SEEN, Child, Entity, Job, note
from workflows.client import connect
from workflows.request_ids import RequestIdsOfWorker

pytestmark = pytest.mark.stack


@pytest.fixture(scope="module")
async def client(servers: Stack) -> Client:
    environment = servers.environment()
    return await connect(environment["STONKS_TEMPORAL_ADDRESS"], environment["STONKS_TEMPORAL_NAMESPACE"])


async def seen(client: Client, kind: type, runner: WorkflowRunner, *, starter: str) -> dict[str, list[str]]:
    """Start, ask and tell a workflow, each in a request of its own; returns what its steps knew."""
    name = uuid.uuid4().hex[:8]
    async with Worker(
        client,
        task_queue=f"requests-{name}",
        workflows=[kind, Child],
        activities=[note],
        workflow_runner=runner,
        interceptors=[RequestIdsOfWorker()],
        max_cached_workflows=0,  # every task begins with a replay
    ):
        with structlog.contextvars.bound_contextvars(**({"request_id": starter} if starter else {})):
            handle = await client.start_workflow(
                "Job" if kind is Job else "TradingEngine", name, id=name, task_queue=f"requests-{name}"
            )
        with structlog.contextvars.bound_contextvars(request_id="req-update"):
            await handle.execute_update("ask", name)
        with structlog.contextvars.bound_contextvars(request_id="req-signal"):
            await handle.signal("tell", name)
        await handle.result()
    history = await handle.fetch_history()
    await Replayer(  # by a version that knows nothing of ids
        workflows=[kind], workflow_runner=runner, data_converter=pydantic_data_converter
    ).replay_workflow(history)
    return {key.partition("/")[2]: ids for key, ids in SEEN.items() if key.startswith(name)}


@pytest.mark.parametrize("runner", [UnsandboxedWorkflowRunner(), SandboxedWorkflowRunner()], ids=["plain", "sandbox"])
async def test_request_when_it_starts_a_workflow_then_its_id_is_with_every_step_but_those_of_other_requests(
    client: Client, runner: WorkflowRunner
) -> None:
    assert await seen(client, Job, runner, starter="req-start") == {
        "start": ["req-start"],
        "child": ["req-start"],
        "update": ["req-update"],
        "signal": ["req-signal"],
        "end": ["req-start"],
    }


async def test_request_when_it_starts_what_lives_long_then_only_what_it_asks_has_its_id(client: Client) -> None:
    assert await seen(client, Entity, UnsandboxedWorkflowRunner(), starter="req-start") == {
        "start": [""],
        "child": [""],
        "update": ["req-update"],
        "signal": ["req-signal"],
        "end": [""],
    }


async def test_workflow_when_no_request_started_it_then_its_steps_have_no_id(client: Client) -> None:
    found = await seen(client, Job, UnsandboxedWorkflowRunner(), starter="")

    assert (found["start"], found["child"], found["update"]) == ([""], [""], ["req-update"])
    assert "request_id" not in structlog.contextvars.get_contextvars()
