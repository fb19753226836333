"""TryAgent: let an agent read a text that somebody gives it, and say what came of it; nothing of it enters the book.

    read -> report

Id: `try-agent/<agent>/<trial>`. Ends with the report, or fails with what kept the agent from answering.
"""

from __future__ import annotations

from temporalio import workflow

with workflow.unsafe.imports_passed_through():
    from activities.trials import TrialActivities
    from domain.trials import AgentTrialReport, AgentTrialRequest
    from workflows import options


@workflow.defn
class TryAgent:
    @workflow.run
    async def run(self, request: AgentTrialRequest) -> AgentTrialReport:
        return await workflow.execute_activity_method(
            TrialActivities.try_agent,
            request,
            summary=f"{request.agent_id} by {request.settings.model or request.settings.engine.value}",
            **options.reading(request.settings.engine, options.TRY_AGENT),
        )
