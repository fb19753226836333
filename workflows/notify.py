"""Notify: read the outbox, and have people told.

    dead letters into the outbox -> new events -> messages, planned in the book -> a workflow for each

Id: `notifications`. Never ends; continues as new when its history grows long. Where it stands is in the book, so that
it may be ended and started again at any time: an event is told once, because a message's id is a function of it.
"""

from __future__ import annotations

from datetime import datetime, timedelta

from temporalio import workflow
from temporalio.common import WorkflowIDReusePolicy
from temporalio.exceptions import WorkflowAlreadyStartedError

with workflow.unsafe.imports_passed_through():
    from activities.notifications import NotificationActivities
    from domain.notifications import NotifyState, PlanRequest, SendTicket
    from workflows import names, options
    from workflows.send_notification import SendNotification

LOOK_FOR_FAILURES_EVERY = timedelta(minutes=2)


@workflow.defn
class Notify:
    def __init__(self) -> None:
        self._looked_at: datetime | None = None
        self._handed_out = 0

    @workflow.run
    async def run(self, state: NotifyState) -> None:
        while not workflow.info().is_continue_as_new_suggested():
            await self._look_for_failures()
            report = await workflow.execute_activity_method(
                NotificationActivities.plan_notifications,
                PlanRequest(wait_seconds=state.wait_seconds),
                summary="wait for events",
                **options.PLAN_NOTIFICATIONS,
            )
            for ticket in report.ready:
                await self._hand_out(ticket)
        workflow.continue_as_new(state)

    async def _look_for_failures(self) -> None:
        """What gave up publishes nothing itself: Temporal's list is asked now and then."""
        now = workflow.now()
        if self._looked_at is not None and now - self._looked_at < LOOK_FOR_FAILURES_EVERY:
            return
        self._looked_at = now
        await workflow.execute_activity_method(
            NotificationActivities.publish_failures, summary="look for dead letters", **options.RECORD_NOTIFICATION
        )

    async def _hand_out(self, ticket: SendTicket) -> None:
        """Start the message's own workflow; it outlives this run. One that is under way is left alone."""
        try:
            await workflow.start_child_workflow(
                SendNotification.run,
                ticket,
                id=names.notification_id(ticket.notification_id),
                id_reuse_policy=WorkflowIDReusePolicy.ALLOW_DUPLICATE,
                parent_close_policy=workflow.ParentClosePolicy.ABANDON,
                static_summary=f"{ticket.event} to {ticket.channel}",
            )
        except WorkflowAlreadyStartedError:
            workflow.logger.info("is being sent already", extra={"notification_id": ticket.notification_id})
            return
        self._handed_out += 1
        workflow.set_current_details(f"{self._handed_out} handed out in this run, the last to {ticket.channel}")
