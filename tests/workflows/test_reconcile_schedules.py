"""ReconcileSchedules where a source changes while it works: whatever it is doing, it compares once more."""

from __future__ import annotations

from temporalio import activity
from temporalio.testing import WorkflowEnvironment
from temporalio.worker import Worker

from domain.schedules import ScheduleChanges
from tests.workflows.skipping import skipping_server
from workflows import names
from workflows.client import reconcile_schedules
from workflows.names import Queue
from workflows.reconcile_schedules import ReconcileSchedules


class Sources:
    """The sources table, which somebody changes while the engine is looked after."""

    def __init__(self, environment: WorkflowEnvironment) -> None:
        self.environment = environment
        self.table = ["first"]
        self.seen: list[str] = []

    @activity.defn
    async def reconcile(self) -> ScheduleChanges:
        created = tuple(name for name in self.table if name not in self.seen)
        self.seen += created
        return ScheduleChanges(created=created, unchanged=len(self.seen) - len(created))

    @activity.defn
    async def ensure_engine(self) -> None:
        if "late" not in self.table:
            self.table.append("late")
            await reconcile_schedules(self.environment.client)


async def test_schedules_when_a_source_changes_at_the_very_end_then_they_are_compared_again() -> None:
    async with skipping_server() as environment:
        sources = Sources(environment)
        activities = [sources.reconcile, sources.ensure_engine]
        async with Worker(
            environment.client, task_queue=Queue.OPS, workflows=[ReconcileSchedules], activities=activities
        ):
            await reconcile_schedules(environment.client)
            handle = environment.client.get_workflow_handle_for(ReconcileSchedules.run, names.RECONCILE_SCHEDULES)
            changes = await handle.result()
    assert changes == ScheduleChanges(created=("late",), unchanged=1)
    assert sources.seen == ["first", "late"]
