"""InferCompetitors: search for a company's competitors in what was known at an instant; a person decides on each.

    read the book and the newest annual report -> propose links

Id: `infer-competitors/<inference_id>`. Ends when the proposals are written, or fails and says so at the search.
"""

from __future__ import annotations

from temporalio import workflow
from temporalio.exceptions import ActivityError

with workflow.unsafe.imports_passed_through():
    from activities.competitors import CompetitorActivities
    from domain.competitors import InferenceFailure, InferenceReport, InferenceRequest
    from workflows import options


@workflow.defn
class InferCompetitors:
    @workflow.run
    async def run(self, request: InferenceRequest) -> InferenceReport:
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
