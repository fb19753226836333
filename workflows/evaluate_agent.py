"""EvaluateAgent: an agent judges labelled sentences, and its record is kept for comparison and for the gate.

    judge batch by batch -> figures -> record

Id: `evaluate-agent/<evaluation_id>`. Ends with the report. A model may take hours: a crash costs one sentence at most,
and documents get their turns between a few sentences.
"""

from __future__ import annotations

from temporalio import workflow

with workflow.unsafe.imports_passed_through():
    from activities.evaluation import EvaluationActivities
    from domain.agent_evaluation import (
        BatchOutcome,
        EvaluationBatch,
        EvaluationEnd,
        EvaluationReport,
        EvaluationStart,
        batch_of,
    )
    from workflows import options


@workflow.defn
class EvaluateAgent:
    @workflow.run
    async def run(self, start: EvaluationStart) -> EvaluationReport:
        batches: list[BatchOutcome] = []
        size = batch_of(start.engine)
        for begin in range(0, start.count, size):  # one at a time: an evaluation never keeps documents waiting
            end = min(begin + size, start.count)
            batches.append(
                await workflow.execute_activity_method(
                    EvaluationActivities.judge_batch,
                    EvaluationBatch(request_key=start.request_key, start=begin, end=end),
                    summary=f"sentences {begin + 1} to {end}",
                    **options.reading(start.engine, options.JUDGE),
                )
            )
            workflow.set_current_details(f"{end} of {start.count} sentences of {start.dataset}")
        return await workflow.execute_activity_method(
            EvaluationActivities.record_evaluation,
            EvaluationEnd(request_key=start.request_key, batches=tuple(batches)),
            summary="accuracy, macro F1, calibration",
            **options.EXTRACT,
        )
