"""MeasureComovement: how companies move at their competitors' events, measured anew.

    read events and prices -> measure every link -> add to the history

Id: `measure-comovement-<time>`, started by its schedule once a week, when the week's prices have come.
Ends with how many links could be measured; decisions know the measurements from then on.
"""

from __future__ import annotations

from temporalio import workflow

with workflow.unsafe.imports_passed_through():
    from activities.comovement import ComovementActivities
    from domain.comovement_measurement import ComovementReport, ComovementRequest
    from workflows import options


@workflow.defn
class MeasureComovement:
    @workflow.run
    async def run(self, request: ComovementRequest) -> ComovementReport:
        report = await workflow.execute_activity_method(
            ComovementActivities.measure_comovement,
            request.model_copy(update={"as_of": request.as_of or workflow.now()}),
            summary=f"links of {request.symbol or 'all companies'}",
            **options.COMOVEMENT,
        )
        workflow.set_current_details(f"{report.measured} of {report.links} links measured")
        return report
