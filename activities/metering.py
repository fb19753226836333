"""What a worker process has done, counted in that process: items, time, failures, tokens, orders.

Labels are few by construction: stages, outcomes and kinds are enums of ours, reasons are error codes, and what an
operator may name freely (a model) is counted under `other` beyond a limit. A symbol or an id is never a label.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import structlog
from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, disable_created_metrics
from temporalio import activity
from temporalio.exceptions import ApplicationError, is_cancelled_exception
from temporalio.worker import ActivityInboundInterceptor, ExecuteActivityInput, Interceptor

from activities.steps import DEAD_LETTER_STAGES, STEPS, Step
from domain.stages import Stage

MOST_VALUES = 100
"""Of one label whose values no enum lists."""
OTHER = "other"
STEP_SECONDS = (0.01, 0.05, 0.1, 0.5, 1, 5, 15, 60, 300, 1_800)
KEPT = 20_000
"""Steps that are remembered as counted, so that one whose answer was lost and that ran again counts once."""

log = structlog.get_logger(__name__)

disable_created_metrics()  # type: ignore[no-untyped-call]  # a second series for every counter: nothing asks for it


class Bounded:
    """Lets so many different values of a label through; those that come later are one."""

    def __init__(self, most: int = MOST_VALUES) -> None:
        self._most = most
        self._known: set[str] = set()

    def __call__(self, value: str) -> str:
        if value not in self._known:
            if len(self._known) >= self._most:
                return OTHER
            self._known.add(value)
        return value


class WorkMeter:
    """The metrics of one worker process, in a registry of their own."""

    def __init__(self, registry: CollectorRegistry | None = None) -> None:
        self.registry = registry or CollectorRegistry(auto_describe=True)
        self._reason, self._model = Bounded(), Bounded()
        self._counted: dict[tuple[str | None, str], None] = {}
        self._by_stage: dict[Stage, tuple[Gauge, Histogram]] = {}
        self._items = Counter(
            "stonks_stage_items",
            "Items that a stage has completed in this process, by what became of them",
            ("stage", "outcome"),
            registry=self.registry,
        )
        self._failures = Counter(
            "stonks_stage_failures",
            "Attempts that failed, by the error's code; most are tried again",
            ("stage", "reason"),
            registry=self.registry,
        )
        self._seconds = Histogram(
            "stonks_stage_duration_seconds",
            "How long the steps of a stage worked, each attempt for itself",
            ("stage",),
            buckets=STEP_SECONDS,
            registry=self.registry,
        )
        self._active = Gauge(
            "stonks_active_jobs",
            "Steps that are under way in this process now, those that only wait left out",
            ("stage",),
            registry=self.registry,
        )
        self._dead_letters = Counter(
            "stonks_dead_letters",
            "Workflows that gave up in this process and wait for a person, by the error's code",
            ("stage", "reason"),
            registry=self.registry,
        )
        self._requests = Counter(
            "stonks_source_requests",
            "Requests to vendors, by the kind of source: answered, or the error's code",
            ("kind", "outcome"),
            registry=self.registry,
        )
        self._tokens = Counter(
            "stonks_llm_tokens",
            "Tokens that models read (in) and wrote (out); answers that were known already took none",
            ("model", "direction"),
            registry=self.registry,
        )
        self._orders = Counter(
            "stonks_orders",
            "Orders that ended, by how",
            ("side", "outcome"),
            registry=self.registry,
        )
        for stage in Stage:
            self._active.labels(stage.value)
        for stage in {*DEAD_LETTER_STAGES.values()}:  # there from the beginning, so that rules have something to add up
            self._dead_letters.labels(stage.value, OTHER)

    @contextmanager
    def working(self, step: Step) -> Iterator[None]:
        """Time a step, and note it as under way; one that raises is noted as failed."""
        active, seconds = self._of(step.stage)
        active.inc()
        began = time.perf_counter()
        try:
            yield
        except BaseException as error:
            self._failures.labels(step.stage.value, self._reason(reason_of(error))).inc()
            raise
        finally:
            seconds.observe(time.perf_counter() - began)
            active.dec()

    def _of(self, stage: Stage) -> tuple[Gauge, Histogram]:
        """A stage's own: looking them up by their labels costs more than counting does."""
        known = self._by_stage.get(stage)
        if known is None:
            known = self._by_stage[stage] = self._active.labels(stage.value), self._seconds.labels(stage.value)
        return known

    def completed(self, step: Step, result: Any, *, run_id: str | None, activity_id: str) -> None:
        """Count the items that a step completed: once, though the step be done twice because its answer was lost."""
        if step.counts is None:
            return
        key = (run_id, activity_id)
        if key in self._counted:
            return
        self._counted[key] = None
        if len(self._counted) > KEPT:
            self._counted.pop(next(iter(self._counted)))
        try:
            counted = step.counts(result)
        except Exception:  # what was done is done: that it cannot be counted must not have it done again
            log.exception("step_not_counted", result=type(result).__name__)
            return
        for outcome, number in counted.items():
            if number > 0:
                self._items.labels(step.stage.value, outcome).inc(number)

    def asked(self, kind: str, outcome: str) -> None:
        """Count a request to a vendor."""
        self._requests.labels(kind, self._reason(outcome)).inc()

    def order_ended(self, side: str, outcome: str) -> None:
        """Count an order whose intent was open until now."""
        self._orders.labels(side, outcome).inc()
        self._items.labels(Stage.ORDER.value, outcome).inc()

    def tokens_used(self, model: str, *, tokens_in: int, tokens_out: int) -> None:
        """Count what one question to a model took."""
        name = self._model(model)
        self._tokens.labels(name, "in").inc(tokens_in)
        self._tokens.labels(name, "out").inc(tokens_out)

    def gave_up(self, workflow_type: str, reason: str) -> None:
        """Count a workflow that failed for good: see `workflows.metering`, which leaves replays out."""
        stage = DEAD_LETTER_STAGES.get(workflow_type, Stage.UPKEEP)
        self._dead_letters.labels(stage.value, self._reason(reason)).inc()

    def gauge(self, name: str, documentation: str, read: Callable[[], float]) -> None:
        """Add a figure that is read when somebody asks; not a number where it cannot be: the page has the rest."""

        def value() -> float:
            try:
                return read()
            except Exception:
                log.exception("gauge_not_read", gauge=name)
                return math.nan

        Gauge(name, documentation, registry=self.registry).set_function(value)


def reason_of(error: BaseException) -> str:
    """The error's code; of what has none, its class."""
    if isinstance(error, ApplicationError) and error.type:
        return error.type
    if is_cancelled_exception(error):
        return "CANCELED"
    return type(error).__name__


class MeteringInterceptor(Interceptor):
    """Meter every activity, and let its log lines say which it is. The outermost: errors have their codes by then."""

    def __init__(self, meter: WorkMeter) -> None:
        self._meter = meter

    def intercept_activity(self, next: ActivityInboundInterceptor) -> ActivityInboundInterceptor:
        return _Metered(next, self._meter)


class _Metered(ActivityInboundInterceptor):
    def __init__(self, next: ActivityInboundInterceptor, meter: WorkMeter) -> None:
        super().__init__(next)
        self._meter = meter

    async def execute_activity(self, input: ExecuteActivityInput) -> Any:
        info = activity.info()
        step = STEPS.get(info.activity_type)
        with structlog.contextvars.bound_contextvars(
            activity=info.activity_type,
            workflow_id=info.workflow_id,
            run_id=info.workflow_run_id,
            attempt=info.attempt,
        ):
            if step is None or step.waits:
                return await self.next.execute_activity(input)
            return await self._measure(step, input, info)

    async def _measure(self, step: Step, input: ExecuteActivityInput, info: activity.Info) -> Any:
        kind = step.kind(input.args[0]) if step.kind is not None else ""
        try:
            with self._meter.working(step):
                result = await self.next.execute_activity(input)
        except BaseException as error:
            if kind:
                self._meter.asked(kind, reason_of(error))
            raise
        if kind:
            self._meter.asked(kind, "answered")
        self._meter.completed(step, result, run_id=info.workflow_run_id, activity_id=info.activity_id)
        return result
