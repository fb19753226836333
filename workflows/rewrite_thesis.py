"""RewriteThesis: a recommendation's thesis in a model's words, beside the rules' own.

    gather numbers and quotes -> ask -> check every number -> save -> let challengers write in shadow

Id: `thesis/<recommendation_id>`. Nobody waits for it: the engine is told before. It ends with the thesis, or with the
reason why there is none.
"""

from __future__ import annotations

from temporalio import workflow
from temporalio.exceptions import ActivityError, is_cancelled_exception

with workflow.unsafe.imports_passed_through():
    from activities.theses import ThesisActivities
    from domain.research import ThesisOutcome, ThesisRequest
    from workflows import options


@workflow.defn
class RewriteThesis:
    @workflow.run
    async def run(self, request: ThesisRequest) -> ThesisOutcome:
        outcome = await workflow.execute_activity_method(
            ThesisActivities.rewrite_thesis,
            request,
            summary="from attributions, quotes and gates",
            **options.reading(request.variant.engine, options.EXTRACT),
        )
        for variant_id in request.variant.shadows:
            await self._write_in_shadow(request, variant_id)
        return outcome

    async def _write_in_shadow(self, request: ThesisRequest, variant_id: str) -> None:
        """Let a challenger write too; one that gives up only leaves its attempts in the log."""
        variant = request.variant.model_copy(update={"variant_id": variant_id, "shadows": ()})
        try:
            await workflow.execute_activity_method(
                ThesisActivities.rewrite_thesis,
                request.model_copy(update={"variant": variant, "shadow": True}),
                summary=f"in shadow by {variant_id}",
                **options.SHADOW,
            )
        except ActivityError as error:
            if is_cancelled_exception(error):
                raise
            workflow.logger.warning("a challenger gave up: %s", error.cause or error)
