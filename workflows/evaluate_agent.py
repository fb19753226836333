"""EvaluateAgent: an agent judges labelled sentences, and its record is kept for comparison and for the gate.

    judge a batch, a few at a time -> figures -> record

Id: `evaluate-agent/<evaluation_id>`. Ends with the report. A model may take hours: a crash costs one sentence at most,
and documents go first.
"""

from __future__ import annotations

import asyncio

from temporalio import workflow

with workflow.unsafe.imports_passed_through():
    from activities.evaluation import EvaluationActivities
    from domain.agent_evaluation import (
        BATCH,
        BatchOutcome,
        EvaluationBatch,
        EvaluationEnd,
        EvaluationReport,
        EvaluationRequest,
    )
    from workflows import options

PARALLEL = 4


@workflow.defn
class EvaluateAgent:
    @workflow.run
    async def run(self, request: EvaluationRequest) -> EvaluationReport:
        slots = asyncio.Semaphore(PARALLEL)
        done = 0

        async def one(start: int) -> BatchOutcome:
            nonlocal done
            end = min(start + BATCH, request.count)
            async with slots:
                outcome = await workflow.execute_activity_method(
                    EvaluationActivities.judge_batch,
                    EvaluationBatch(request=request, start=start, end=end),
                    summary=f"sentences {start + 1} to {end}",
                    **options.reading(request.settings.engine, options.JUDGE),
                )
            done += end - start
            workflow.set_current_details(f"{done} of {request.count} sentences of {request.dataset}")
            return outcome

        batches = await asyncio.gather(*(one(start) for start in range(0, request.count, BATCH)))
        return await workflow.execute_activity_method(
            EvaluationActivities.record_evaluation,
            EvaluationEnd(request=request, batches=tuple(batches)),
            summary="accuracy, macro F1, calibration",
            **options.EXTRACT,
        )
