"""DiscardOrder: what is left of an order whose workflow failed, brought to its end.

    nothing more is sent -> ask the broker, book or cancel what is there -> close the intent

Id: `discard/<intent_id>/<failed run>`. Started where a person discards the dead letter of an order. Ends when the
broker has nothing open of the order and nothing can arrive any more; until then it asks again.
"""

from __future__ import annotations

from temporalio import workflow

with workflow.unsafe.imports_passed_through():
    from activities.discarding import DiscardActivities
    from domain.submission import DiscardReport, DiscardRequest
    from workflows import options


@workflow.defn
class DiscardOrder:
    @workflow.run
    async def run(self, request: DiscardRequest) -> DiscardReport:
        report = await workflow.execute_activity_method(
            DiscardActivities.discard_order,
            request,
            summary=f"discarded by {request.actor}",
            **options.CHANGE_ORDER,
        )
        workflow.set_current_details(f"{report.state}, {report.filled_quantity} filled")
        return report
