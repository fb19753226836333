"""SendNotification: one message to one channel, tried again until it arrives or is given up.

    send, with retries -> or write down why not

Id: `notification/<notification_id>`. Ends when the book says sent or failed. A person's retry starts it again under the
same id, which receivers know the message by.
"""

from __future__ import annotations

from temporalio import workflow
from temporalio.exceptions import ActivityError, ApplicationError

with workflow.unsafe.imports_passed_through():
    from activities.notifications import NotificationActivities
    from domain.notifications import NotificationStatus, SendFailure, SendReport, SendTicket
    from workflows import options


@workflow.defn
class SendNotification:
    @workflow.run
    async def run(self, ticket: SendTicket) -> SendReport:
        try:
            return await workflow.execute_activity_method(
                NotificationActivities.send_notification,
                ticket,
                summary=f"{ticket.event} to {ticket.channel}",
                **options.NOTIFY,
            )
        except ActivityError as error:
            await workflow.execute_activity_method(
                NotificationActivities.give_up_notification,
                SendFailure(notification_id=ticket.notification_id, reason=_reason(error)),
                summary="given up",
                **options.RECORD_NOTIFICATION,
            )
            return SendReport(status=NotificationStatus.FAILED)


def _reason(error: ActivityError) -> str:
    """The activity's own words; where it had none, what Temporal says, such as a timeout."""
    cause = error.cause
    return cause.message if isinstance(cause, ApplicationError) else str(cause or error)
