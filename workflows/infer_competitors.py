"""InferCompetitors: search for a company's competitors in what was known at an instant; a person decides on each.

    read the book and the newest annual report -> propose links -> measure how they move together

Id: `infer-competitors/<inference_id>`. Ends when the proposals are written and measured, or fails and says so at the
search.
"""

from __future__ import annotations

from temporalio import workflow
from temporalio.exceptions import ActivityError

with workflow.unsafe.imports_passed_through():
    from activities.comovement import ComovementActivities
    from activities.competitors import CompetitorActivities
    from domain.comovement_measurement import ComovementRequest
    from domain.competitors import InferenceFailure, InferenceReport, InferenceRequest
    from workflows import options


@workflow.defn
class InferCompetitors:
    @workflow.run
    async def run(self, request: InferenceRequest) -> InferenceReport:
        report = await self._propose(request)
        if workflow.patched("measure-comovement"):
            await workflow.execute_activity_method(
                ComovementActivities.measure_comovement,
                ComovementRequest(symbol=request.symbol, as_of=request.as_of),
                summary=f"moves of {request.symbol} at its competitors' events",
                **options.COMOVEMENT,
            )
        return report

    async def _propose(self, request: InferenceRequest) -> InferenceReport:
        try:
            return await workflow.execute_activity_method(
                CompetitorActivities.propose_competitors,
                request,
                summary=f"industry, documents in common, annual report of {request.symbol}",
                **options.INFER,
            )
        except ActivityError as error:
            await workflow.execute_activity_method(
                CompetitorActivities.record_inference_failure,
                InferenceFailure(request=request, error=str(error.cause or error)),
                summary="gave up",
                **options.RECORD_INFERENCE,
            )
            raise
