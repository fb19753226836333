"""ResearchUniverse: every company of which anything is known, assessed in one pass.

    before each open -> assess all -> tell the engine what changed
    news of the economy -> quiet window -> assess all -> tell

Id: `research-universe`. Never ends; continues as new when its history grows long. So a position is judged again when
nobody writes of it any more, and companies are judged when the economy moves them. What a company's own news changes is
`ResearchSymbol`'s, with the same numbers. A driven one (in a replay) assesses only when asked.
"""

from __future__ import annotations

from datetime import datetime, timedelta

from temporalio import workflow

with workflow.unsafe.imports_passed_through():
    from activities.research import ResearchActivities
    from domain.research import AssessAllReport, AssessAllRequest, EconomyNotice, UniverseState
    from domain.trading import SessionQuery
    from workflows import options


@workflow.defn
class ResearchUniverse:
    @workflow.init
    def __init__(self, state: UniverseState) -> None:
        self._state = state
        self._pending: dict[str, None] = dict.fromkeys(state.pending)
        self._arrivals = 0
        self._passes = state.passes

    @workflow.run
    async def run(self, state: UniverseState) -> None:
        while not workflow.info().is_continue_as_new_suggested():
            if state.driven:
                await workflow.wait_condition(lambda: workflow.info().is_continue_as_new_suggested())
                break
            await self._wait(await self._next_pass())
            await self._assess(AssessAllRequest(as_of=workflow.now()))
        await workflow.wait_condition(workflow.all_handlers_finished)
        workflow.continue_as_new(state.model_copy(update={"pending": tuple(self._pending), "passes": self._passes}))

    @workflow.signal
    def economy(self, notice: EconomyNotice) -> None:
        """A document was read that speaks of the economy."""
        self._arrivals += 1
        if not self._state.driven:
            self._pending[notice.doc_id] = None

    @workflow.update
    async def assess(self, request: AssessAllRequest) -> AssessAllReport:
        """Assess now, at the instant given: asked by a replay or by a person, who wait for the answer."""
        return await self._assess(request)

    @workflow.query
    def pending(self) -> list[str]:
        """Documents on the economy that were not looked at yet."""
        return list(self._pending)

    async def _next_pass(self) -> datetime:
        """The instant before the next open at which everything is assessed; at once where that is over already."""
        lead = timedelta(seconds=self._state.lead_seconds)
        session = await workflow.execute_activity_method(
            ResearchActivities.next_session,
            SessionQuery(as_of=workflow.now() + lead),
            summary="next session of the exchange",
            **options.ASSESS,
        )
        return session.opens_at - lead

    async def _wait(self, until: datetime) -> None:
        """Wait for the pass before the open, or for news of the economy and then until no more of it arrives."""
        workflow.set_current_details(f"{self._passes} passes · next at {until.isoformat()}")
        if not await self._arrives(until):
            return
        latest = min(until, workflow.now() + timedelta(seconds=self._state.maximum_wait_seconds))
        quiet = timedelta(seconds=self._state.quiet_seconds)
        while await self._arrives(min(latest, workflow.now() + quiet), more=True):
            continue

    async def _arrives(self, until: datetime, *, more: bool = False) -> bool:
        """Wait for news until an instant: what waits already, or with `more` only what comes from now on."""
        seen = self._arrivals
        if (left := until - workflow.now()) <= timedelta(0):
            return False
        try:
            await workflow.wait_condition(
                lambda: self._arrivals != seen or (not more and bool(self._pending)),
                timeout=left,
                timeout_summary="quiet window" if more else "pass before the open",
            )
        except TimeoutError:
            return False
        return True

    async def _assess(self, request: AssessAllRequest) -> AssessAllReport:
        self._pending.clear()
        report = await workflow.execute_activity_method(
            ResearchActivities.assess_universe, request, summary="score every company", **options.ASSESS_ALL
        )
        self._passes += 1
        workflow.set_current_details(
            f"{report.assessed} companies · {report.changed} changed · as of {report.as_of.isoformat()}"
        )
        if not self._state.driven:
            for notice in report.notices:
                await workflow.execute_activity_method(
                    ResearchActivities.tell_engine,
                    notice,
                    summary=f"{notice.action} {notice.symbol} to the engine",
                    **options.ASSESS,
                )
        return report
