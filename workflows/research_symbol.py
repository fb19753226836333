"""ResearchSymbol: one symbol's view, kept up to date as evidence arrives.

    evidence -> quiet window -> assess -> recommend -> tell the engine

Id: `symbol/<symbol>`. An entity that lives on: it continues as new when its history grows long. A driven symbol (in a
replay) never looks by itself; it assesses when asked, at the instant it is asked for.
"""

from __future__ import annotations

from datetime import timedelta

from temporalio import workflow

with workflow.unsafe.imports_passed_through():
    from activities.research import ResearchActivities
    from domain.research import AssessRequest, EvidenceNotice, RecommendationNotice, SymbolState
    from workflows import options


@workflow.defn
class ResearchSymbol:
    @workflow.init
    def __init__(self, state: SymbolState) -> None:
        self._state = state
        self._pending: dict[str, None] = dict.fromkeys(state.pending)
        self._arrivals = 0
        self._assessments = state.assessments

    @workflow.run
    async def run(self, state: SymbolState) -> None:
        while not workflow.info().is_continue_as_new_suggested():
            if state.driven:
                await workflow.wait_condition(lambda: workflow.info().is_continue_as_new_suggested())
                break
            await workflow.wait_condition(lambda: bool(self._pending))
            await self._quiet()
            await self._assess(AssessRequest(symbol=state.symbol, as_of=workflow.now()))
        await workflow.wait_condition(workflow.all_handlers_finished)
        workflow.continue_as_new(
            state.model_copy(update={"pending": tuple(self._pending), "assessments": self._assessments})
        )

    @workflow.signal
    def evidence(self, notice: EvidenceNotice) -> None:
        """A document was read that speaks of this symbol."""
        self._arrivals += 1
        if not self._state.driven:
            self._pending[notice.doc_id] = None

    @workflow.update
    async def assess(self, request: AssessRequest) -> RecommendationNotice:
        """Assess now, at the instant given: asked by a replay or by a person, who wait for the answer."""
        return await self._assess(request)

    @assess.validator
    def _same_symbol(self, request: AssessRequest) -> None:
        if request.symbol != self._state.symbol:
            raise ValueError(f"SYMBOL_MISMATCH: asked={request.symbol}, this workflow={self._state.symbol}")

    @workflow.query
    def pending(self) -> list[str]:
        """Documents that were not looked at yet."""
        return list(self._pending)

    async def _quiet(self) -> None:
        """Wait until evidence stops arriving, but never longer than the maximum."""
        deadline = workflow.now() + timedelta(seconds=self._state.maximum_wait_seconds)
        while (left := (deadline - workflow.now()).total_seconds()) > 0:
            seen = self._arrivals
            try:
                await workflow.wait_condition(
                    lambda seen=seen: self._arrivals != seen,  # type: ignore[misc]
                    timeout=min(self._state.quiet_seconds, left),
                    timeout_summary="quiet window",
                )
            except TimeoutError:
                return

    async def _assess(self, request: AssessRequest) -> RecommendationNotice:
        self._pending.clear()
        notice = await workflow.execute_activity_method(
            ResearchActivities.assess, request, summary=f"score {request.symbol}", **options.ASSESS
        )
        self._assessments += 1
        workflow.set_current_details(f"{notice.action} · score {notice.score:+.3f} · as of {notice.as_of.isoformat()}")
        if notice.changed and not self._state.driven:
            await workflow.execute_activity_method(
                ResearchActivities.tell_engine, notice, summary=f"{notice.action} to the engine", **options.ASSESS
            )
        return notice
