"""BackfillDocuments: a file of historical documents, from a few to millions, in batches.

    plan -> register all, batch after batch -> read, a few batches at a time -> tell each symbol once -> note the end

Id: `backfill/<id>`. The same code as for live documents decides, so that the same documents come out of it. All are
registered before any is read: which of two is the copy does not depend on who was faster. Ends with a report. A batch
that gives up fails the workflow, which is the dead letter: what was done stays, and a retry goes on at that batch.
Cancelled, it ends after the batches that are under way. Continues as new after some hundred batches. Reading spreads
over all workers of the queue; registering is one at a time.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any

from temporalio import workflow
from temporalio.exceptions import ActivityError, is_cancelled_exception

with workflow.unsafe.imports_passed_through():
    from activities.backfill import BackfillActivities
    from domain.backfill import (
        BackfillEnd,
        BackfillProgress,
        BackfillReport,
        BackfillRun,
        BackfillState,
        BackfillStep,
        EndTask,
        ReadTask,
        RegisterTask,
        TellTask,
    )
    from domain.ingestion import IngestReport
    from workflows import names, options

IN_FLIGHT = 4
"""Batches at a time: while one is computed, others are fetched and written."""
STEPS_A_RUN = 300


@workflow.defn
class BackfillDocuments:
    @workflow.init
    def __init__(self, state: BackfillState) -> None:
        now, request = workflow.now(), state.request
        run_id = names.backfill_run_id(request.source_id, now, as_published=request.as_published)
        self._run = state.run or BackfillRun(run_id=run_id, as_of=now, request=request)
        self._report = state.report or IngestReport(run_id=self._run.run_id, source_id=request.source_id)
        self._state = state.model_copy(update={"run": self._run, "report": self._report})
        self._steps = 0

    @workflow.run
    async def run(self, state: BackfillState) -> BackfillReport:
        try:
            if self._state.step is BackfillStep.PLAN:
                await self._plan()
            if self._state.step is BackfillStep.REGISTER:
                await self._register()
            if self._state.step is BackfillStep.READ:
                await self._read()
            symbols = await self._tell()
        except (ActivityError, asyncio.CancelledError) as error:
            if is_cancelled_exception(error):
                await self._end(BackfillEnd.CANCELED, "stopped by a person")
            else:
                await self._end(BackfillEnd.FAILED, str(error.__cause__ or error))
            raise
        reasons = await self._end(BackfillEnd.FINISHED)
        self._note(step=BackfillStep.DONE)
        return BackfillReport(
            backfill_id=self._run.request.backfill_id,
            run_id=self._run.run_id,
            source_id=self._run.request.source_id,
            as_published=self._run.request.as_published,
            report=self._report,
            reasons=reasons,
            read=self._state.read,
            symbols=symbols,
            seconds=(workflow.now() - self._run.as_of).total_seconds(),
        )

    @workflow.query
    def progress(self) -> BackfillProgress:
        state = self._state
        return BackfillProgress(
            step=state.step,
            records=state.plan.records,
            report=self._report,
            batches=sum(len(segment.ends) for segment in state.segments),
            batches_read=state.batches_read,
            read=state.read,
        )

    async def _plan(self) -> None:
        plan = await workflow.execute_activity_method(
            BackfillActivities.plan_backfill, self._run, summary="see the file, note the run", **options.PLAN_BACKFILL
        )
        self._note(plan=plan, step=BackfillStep.REGISTER)

    async def _register(self) -> None:
        last = False
        while not last:
            if self._is_long():
                workflow.continue_as_new(self._state)
            state = self._state
            self._steps += 1
            step = asyncio.create_task(
                workflow.execute_activity_method(
                    BackfillActivities.register_batches,
                    RegisterTask(run=self._run, plan=state.plan, batches=state.batches, records=state.records),
                    summary=f"register from record {state.records}",
                    **options.REGISTER_BATCHES,
                )
            )
            await _ended([step])
            done = step.result()
            self._report, last = done.report, done.last
            added = () if done.segment is None else (done.segment,)
            self._note(
                batches=done.batches,
                records=done.records,
                report=done.report,
                segments=(*state.segments, *added),
                step=BackfillStep.READ if last else BackfillStep.REGISTER,
            )

    async def _read(self) -> None:
        """Read batches in a window that slides: as one ends, the next one begins."""
        waiting = self._batches()[self._state.batches_read :]
        running: list[asyncio.Task[None]] = []
        try:
            while waiting or running:
                if waiting and not running and self._is_long():
                    workflow.continue_as_new(self._state)
                while waiting and len(running) < IN_FLIGHT and not self._is_long():
                    running.append(asyncio.create_task(self._read_batch(waiting.pop(0))))
                done, running = await workflow.wait(running, return_when=asyncio.FIRST_COMPLETED)
                for task in done:
                    task.result()
        finally:
            await _ended(running)

    async def _read_batch(self, task: ReadTask) -> None:
        self._steps += 1
        counts = await workflow.execute_activity_method(
            BackfillActivities.read_batch, task, summary=f"read {task.end - task.start} documents", **options.READ_BATCH
        )
        self._note(batches_read=self._state.batches_read + 1, read=self._state.read.plus(counts))

    async def _tell(self) -> int:
        self._note(step=BackfillStep.TELL)
        told = await workflow.execute_activity_method(
            BackfillActivities.tell_symbols,
            TellTask(run_id=self._run.run_id, segments=self._state.segments),
            summary="each symbol once",
            **options.TELL_SYMBOLS,
        )
        return told.symbols

    async def _end(self, end: BackfillEnd, error: str = "") -> dict[str, int]:
        ended = await workflow.execute_activity_method(
            BackfillActivities.end_backfill,
            EndTask(run_id=self._run.run_id, end=end, error=error),
            summary=f"the run is {end.value}",
            **options.on(names.BACKFILL_QUEUE, options.END_RUN),
        )
        return ended.reasons

    def _batches(self) -> list[ReadTask]:
        return [
            ReadTask(run_id=self._run.run_id, key=segment.key, start=start, end=end)
            for segment in self._state.segments
            for start, end in zip((0, *segment.ends), segment.ends, strict=False)
        ]

    def _is_long(self) -> bool:
        return self._steps >= STEPS_A_RUN or workflow.info().is_continue_as_new_suggested()

    def _note(self, **changes: object) -> None:
        self._state = self._state.model_copy(update=changes)
        workflow.set_current_details(self.progress().told())


async def _ended(tasks: Sequence[asyncio.Task[Any]]) -> None:
    """Wait until tasks have ended, whichever way, also when cancelled meanwhile."""
    canceled: asyncio.CancelledError | None = None
    while tasks:
        try:
            _, tasks = await workflow.wait(tasks)
        except asyncio.CancelledError as error:
            canceled = error
    if canceled is not None:
        raise canceled
