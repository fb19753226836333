"""WhatIf: a recommendation's frozen documents read by other settings, and the decision made again from them.

    plan from the record -> read each document again, a few at a time -> decide again -> report

Id: `what-if/<what_if_id>`. Ends with the report, or fails and says so where it was asked. It changes nothing.
"""

from __future__ import annotations

import asyncio

from temporalio import workflow
from temporalio.exceptions import ActivityError, ApplicationError

with workflow.unsafe.imports_passed_through():
    from activities.what_if import WhatIfActivities
    from domain.what_if import (
        DecideAgainTask,
        FrozenDocument,
        ReadAgain,
        ReadAgainTask,
        WhatIfFailure,
        WhatIfOutcome,
        WhatIfPlan,
        WhatIfRequest,
    )
    from workflows import options

PARALLEL = 8


@workflow.defn
class WhatIf:
    @workflow.run
    async def run(self, request: WhatIfRequest) -> WhatIfOutcome:
        try:
            plan = await workflow.execute_activity_method(
                WhatIfActivities.plan_what_if, request, summary="what the decision knew", **options.WHAT_IF
            )
            readings = await self._read(request, plan)
            return await workflow.execute_activity_method(
                WhatIfActivities.decide_again,
                DecideAgainTask(request=request, plan=plan, readings=readings),
                summary="decide again from the same record",
                **options.WHAT_IF,
            )
        except ActivityError as error:
            await workflow.execute_activity_method(
                WhatIfActivities.record_what_if_failure,
                WhatIfFailure(request=request, error=_said(error)),
                summary="gave up",
                **options.STORE,
            )
            raise

    async def _read(self, request: WhatIfRequest, plan: WhatIfPlan) -> tuple[ReadAgain, ...]:
        slots = asyncio.Semaphore(PARALLEL)

        async def one(document: FrozenDocument) -> ReadAgain:
            async with slots:
                return await workflow.execute_activity_method(
                    WhatIfActivities.read_again,
                    ReadAgainTask(request=request, as_of=plan.as_of, document=document),
                    summary=f"read {document.doc_id} again",
                    **options.reading(request.settings.engine, options.EXTRACT),
                )

        tasks = [asyncio.create_task(one(document)) for document in plan.documents]
        try:
            return tuple(await asyncio.gather(*tasks))
        finally:  # where one gives up the others need not ask any more
            for task in tasks:
                task.cancel()


def _said(error: ActivityError) -> str:
    return error.cause.message if isinstance(error.cause, ApplicationError) else str(error.cause or error)
