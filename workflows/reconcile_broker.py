"""ReconcileBroker: our book against the broker's, once.

    compare and adopt -> have the orders' workflows look

Id: `reconcile/<time>`. The schedule starts one every quarter of an hour while the exchange is open, the stream one
after every connect, the worker one at its start, a person one by hand. Whoever needs the outcome asks for it by the
update `report`. Ends with the headline; what differs stands in the book.
"""

from __future__ import annotations

from temporalio import workflow

with workflow.unsafe.imports_passed_through():
    from activities.reconciliation import ReconciliationActivities
    from domain.reconciliation import BeginReconciliation, ReconcileReport, ReconcileRequest
    from workflows import names, options


@workflow.defn
class ReconcileBroker:
    @workflow.init
    def __init__(self, request: BeginReconciliation) -> None:
        self._report: ReconcileReport | None = None

    @workflow.run
    async def run(self, request: BeginReconciliation) -> ReconcileReport:
        report = await workflow.execute_activity_method(
            ReconciliationActivities.reconcile,
            ReconcileRequest(
                reconciliation_id=names.reconciliation_of(workflow.info().workflow_id),
                trigger=request.trigger,
                as_of=request.as_of or workflow.now(),
            ),
            summary=f"asked for by {request.trigger}",
            **options.RECONCILE,
        )
        self._report = report
        found = "clean" if report.clean else f"{report.mismatches} mismatches"
        workflow.set_current_details(f"{found}, {report.adopted} adopted, {report.left_alone} left alone")
        await workflow.execute_activity_method(
            ReconciliationActivities.tell_orders,
            report,
            summary=f"{len(report.changed_intents)} orders changed",
            **options.RECONCILE,
        )
        await workflow.wait_condition(workflow.all_handlers_finished)
        return report

    @workflow.update
    async def report(self) -> ReconcileReport:
        """Wait for the outcome."""
        await workflow.wait_condition(lambda: self._report is not None)
        assert self._report is not None
        return self._report
