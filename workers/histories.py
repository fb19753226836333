"""Workflow histories from Temporal, replayed with today's code: what the drill of a backup samples."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import timedelta

from temporalio.client import Client
from temporalio.service import RPCError, RPCStatusCode
from temporalio.worker import Replayer, UnsandboxedWorkflowRunner

from domain.backups import Flaw, FlawKind

RPC_TIMEOUT = timedelta(seconds=30)


class TemporalHistories:
    """Fulfils `activities.drilling.Histories`. `workflows` gives all that workers know, when they are needed."""

    def __init__(self, client: Client, workflows: Callable[[], Sequence[type]]) -> None:
        self._client = client
        self._workflows = workflows

    async def replay(self, *, of_each: int) -> tuple[int, list[Flaw]]:
        workflows = self._workflows()
        replayer = Replayer(
            workflows=list(workflows),
            data_converter=self._client.data_converter,
            workflow_runner=UnsandboxedWorkflowRunner(),
        )
        count, flaws = 0, []
        for workflow in workflows:
            query = f"WorkflowType = '{workflow.__name__}'"
            async for each in self._client.list_workflows(query, limit=of_each, rpc_timeout=RPC_TIMEOUT):
                handle = self._client.get_workflow_handle(each.id, run_id=each.run_id)
                try:
                    history = await handle.fetch_history(rpc_timeout=RPC_TIMEOUT)
                except RPCError as error:
                    if error.status is RPCStatusCode.NOT_FOUND:  # forgotten since it was listed
                        continue
                    raise
                result = await replayer.replay_workflow(history, raise_on_replay_failure=False)
                count += 1
                if result.replay_failure is not None:
                    flaws.append(
                        Flaw(
                            kind=FlawKind.HISTORY_NOT_REPLAYABLE,
                            what=f"{each.id}, run {each.run_id}",
                            found=str(result.replay_failure)[:300],
                        )
                    )
        return count, flaws
