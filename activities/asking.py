"""Asking models: cached, within the day's budget, as many at a time as the server has slots, every attempt logged.

    known answer? -> set aside -> wait for a slot -> ask (heartbeats) -> judge -> settle and log

An answer cut by its length is asked for once more with more room; one that breaks the schema once more with the
problem shown. A question is named by its whole content, so that a retry after a crash uses what the attempt before set
aside, and gets its answer where there was one.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import partial
from typing import Generic, Protocol, TypeVar

from temporalio import activity

from activities.heartbeats import alive
from activities.metering import WorkMeter
from activities.ports import ModelServer
from domain.agents import AgentBudget, AgentKind, AgentSettings
from domain.errors import BudgetExhausted, ConfigurationError, ModelOutputInvalid, StonksError, VendorUnavailable
from domain.ids import digest
from domain.prompting import (
    NOTHING_COMPUTED,
    AttemptKind,
    Judged,
    Message,
    ModelCall,
    ModelReply,
    ModelRequest,
    Prompt,
    Speaker,
    version_of,
)
from store import model_calls
from store.database import Database
from store.model_calls import Question
from store.tables.agents import AgentPerformance

MORE_ROOM = 2
"""A cut answer is asked for again with this many times the output. The context stays, and less of the text is shown:
with another context the server would load the model again, for this question and for the next one.
"""
MOST_FOR_ANSWERS = 0.8
"""Where two answers would take more of the context than this, an answer that broke the schema is not repaired."""
REPAIR_TOKENS = 600
"""What saying what is wrong takes at the most."""
TURN_SECONDS = 18 * 60.0
"""All questions of one turn and the waits between them; the activity that asks is given a little longer."""
CHARACTERS_PER_TOKEN = 3
"""A careful guess for English with numbers; the truth is nearer to four. Only reservations depend on it."""

In = TypeVar("In", contravariant=True)
Out = TypeVar("Out")


class Agent(Protocol[In, Out]):
    """What an agent asks and what it makes of an answer: pure."""

    @property
    def kind(self) -> AgentKind: ...

    def prompt(self, source: In, settings: AgentSettings) -> Prompt: ...

    def repair(self, problem: str) -> Message: ...

    def judge(self, text: str, source: In, version: str) -> Judged[Out]: ...


@dataclass(frozen=True)
class Asker:
    """On whose behalf a model is asked."""

    agent_id: str
    settings: AgentSettings
    variant_id: str = ""
    budget: AgentBudget = field(default_factory=AgentBudget)
    subject: str = ""
    """The document or the recommendation."""
    shadow: bool = False
    trial: str = ""
    """A trial's id: its answers are neither kept nor looked up nor logged, but charged."""


@dataclass
class Asked(Generic[Out]):
    """What came of it."""

    value: Out
    version: str
    calls: list[ModelCall]


class ModelDesk:
    """The only way to a model. One for each process that serves the model queue."""

    def __init__(
        self, database: Database, server: ModelServer | None, *, slots: int, meter: WorkMeter | None = None
    ) -> None:
        self._meter = meter or WorkMeter()
        self._database = database
        self._server = server
        self._slots = asyncio.Semaphore(slots)

    async def ask(self, agent: Agent[In, Out], source: In, asker: Asker) -> Asked[Out]:
        """Ask until the answer holds, at most three times: first, with more room, with the problem shown.

        Raises:
            ConfigurationError: no server is configured, or it does not hold the model.
            BudgetExhausted: the day's budget does not allow the question.
            VendorUnavailable, VendorThrottled, VendorRejected: as the server answers.
            ModelOutputInvalid: the last answer was cut or broke the schema.
        """
        if self._server is None:
            raise ConfigurationError(
                "MODEL_SERVER_NOT_SET",
                "Set STONKS_OLLAMA_URL of the extract worker, or use a variant with engine rules",
                agent=asker.agent_id,
                model=asker.settings.model,
            )
        async with alive():
            limit = asyncio.timeout(TURN_SECONDS)
            try:
                async with limit:
                    return await self._ask(self._server, agent, source, asker)
            except TimeoutError:
                if not limit.expired():
                    raise
                raise VendorUnavailable(
                    "MODEL_TURN_TOO_LONG",
                    "Lower timeout_seconds, or give the server fewer slots",
                    agent=asker.agent_id,
                    model=asker.settings.model,
                    seconds=TURN_SECONDS,
                ) from None

    async def _ask(self, server: ModelServer, agent: Agent[In, Out], source: In, asker: Asker) -> Asked[Out]:
        try:
            weights = await server.digest_of(asker.settings.model)
            prompt = agent.prompt(source, asker.settings)
        except StonksError as error:
            if asker.shadow:  # nobody takes over, so nobody else would log that it could not even ask
                await self._note(asker, _unasked(asker, error))
            raise
        return await _Turn(self, server, agent, source, asker, weights, prompt).until_valid()

    async def reply(
        self, server: ModelServer, asker: Asker, request: ModelRequest, weights: str, call: _Call[Out]
    ) -> tuple[ModelReply, Judged[Out]]:
        """One question: from the cache, or asked, judged and settled."""
        key = request.key(weights)
        if asker.trial:
            key = digest("trial", asker.trial, key, length=40)
        elif (known := await model_calls.answered(self._database, key)) is not None:
            judged = call.judged(known)
            await self._note(asker, call.row(known, judged, cached=True))
            return known, judged
        tokens = sum(len(each.content) for each in request.messages) // CHARACTERS_PER_TOKEN + request.num_predict
        question = Question(key=key, agent_id=asker.agent_id, model=request.model, model_digest=weights, tokens=tokens)
        reserved = await model_calls.reserve(self._database, question, asker.budget, now=datetime.now(UTC))
        if reserved.lacking:
            exhausted = BudgetExhausted(
                "MODEL_BUDGET_EXHAUSTED",
                "It begins anew at 00:00 UTC; `stonks agents budget` shows and changes it",
                agent=asker.agent_id,
                limit=reserved.lacking,
                allowed=getattr(asker.budget, reserved.lacking),
            )
            if asker.shadow:
                await self._note(asker, call.failed(exhausted))
            raise exhausted
        try:
            async with self._slots:
                began = time.monotonic()
                reply = await server.chat(request)
        except StonksError as error:
            if error.code in NOTHING_COMPUTED and reserved.fresh:
                await model_calls.give_back(self._database, key)
            await self._note(asker, call.failed(error))
            raise
        elapsed = reply.elapsed_ms or int((time.monotonic() - began) * 1_000)
        # The database has no place for a null character.
        reply = reply.model_copy(update={"text": reply.text.replace("\x00", ""), "elapsed_ms": elapsed})
        self._meter.tokens_used(request.model, tokens_in=reply.tokens_in, tokens_out=reply.tokens_out)
        judged = call.judged(reply)
        kept = reply.model_copy(update={"text": ""}) if asker.trial else reply
        logged = call.row(reply, judged)
        await model_calls.settle(
            self._database, question, kept, log=None if asker.trial else _log(logged, asker), now=datetime.now(UTC)
        )
        return reply, judged

    async def _note(self, asker: Asker, row: ModelCall) -> None:
        if not asker.trial:
            await model_calls.note(self._database, _log(row, asker))


class _Turn(Generic[In, Out]):
    """One conversation: at most three questions."""

    def __init__(
        self,
        desk: ModelDesk,
        server: ModelServer,
        agent: Agent[In, Out],
        source: In,
        asker: Asker,
        weights: str,
        prompt: Prompt,
    ) -> None:
        self._desk, self._server, self._agent = desk, server, agent
        self._source, self._asker, self._weights, self._prompt = source, asker, weights, prompt
        self._version = version_of(asker.settings, weights, prompt.template_hash)
        self._calls: list[ModelCall] = []

    async def until_valid(self) -> Asked[Out]:
        settings = self._asker.settings
        reply, judged = await self._ask(self._prompt.messages, AttemptKind.FIRST, settings.num_predict)
        roomy = min(settings.num_predict * MORE_ROOM, settings.num_ctx // 2)
        if reply.cut and roomy > settings.num_predict:
            reply, judged = await self._ask(self._leaving(roomy), AttemptKind.MORE_ROOM, roomy)
        if not reply.cut and judged.value is None:
            # Both answers must fit beside the text, or the server would drop its beginning without a word.
            written = reply.tokens_out or len(reply.text) // CHARACTERS_PER_TOKEN
            taken = written + settings.num_predict + REPAIR_TOKENS
            if taken < settings.num_ctx * MOST_FOR_ANSWERS:
                again = (
                    *self._leaving(taken),
                    Message(role=Speaker.ASSISTANT, content=reply.text),
                    self._agent.repair(judged.problem),
                )
                reply, judged = await self._ask(again, AttemptKind.REPAIR, settings.num_predict)
        if reply.cut:
            raise ModelOutputInvalid(
                "MODEL_OUTPUT_CUT",
                "raise num_ctx and num_predict, or show the model less text",
                model=self._asker.settings.model,
                num_predict=max(roomy, settings.num_predict),
            )
        if judged.value is None:
            raise ModelOutputInvalid(
                "MODEL_OUTPUT_INVALID",
                "the answer broke the schema twice; try another model or other instructions",
                model=self._asker.settings.model,
                version=self._version,
                problem=judged.problem[:300],
            )
        return Asked(judged.value, self._version, self._calls)

    def _leaving(self, tokens: int) -> tuple[Message, ...]:
        """The question with so little of the text that so many tokens are left for answers."""
        return self._agent.prompt(
            self._source, self._asker.settings.model_copy(update={"num_predict": tokens})
        ).messages

    async def _ask(
        self, messages: tuple[Message, ...], kind: AttemptKind, num_predict: int
    ) -> tuple[ModelReply, Judged[Out]]:
        settings = self._asker.settings
        request = ModelRequest(
            model=settings.model,
            messages=messages,
            json_schema=self._prompt.json_schema,
            num_ctx=settings.num_ctx,
            num_predict=num_predict,
            seed=settings.seed,
            temperature=settings.temperature,
            timeout_seconds=settings.timeout_seconds,
        )
        call = _Call(self._agent, self._source, self._asker, self._version, kind)
        reply, judged = await self._desk.reply(self._server, self._asker, request, self._weights, call)
        self._calls.append(call.last)
        return reply, judged


class _Call(Generic[Out]):
    """One attempt: judges its reply, and says how it went."""

    def __init__(self, agent: Agent[In, Out], source: In, asker: Asker, version: str, kind: AttemptKind) -> None:
        self._judge: Callable[[str], Judged[Out]] = partial(_judge, agent, source, version)
        self._asker, self._version, self._kind = asker, version, kind
        self._began = time.monotonic()
        self.last: ModelCall

    def judged(self, reply: ModelReply) -> Judged[Out]:
        if reply.cut:
            return Judged(problem="MODEL_OUTPUT_CUT")
        return self._judge(reply.text)

    def row(self, reply: ModelReply, judged: Judged[Out], *, cached: bool = False) -> ModelCall:
        settings = self._asker.settings
        cost = settings.cost(reply.tokens_in, reply.tokens_out)
        self.last = self._new(
            latency_ms=0 if cached else reply.elapsed_ms,
            tokens_in=0 if cached else reply.tokens_in,
            tokens_out=0 if cached else reply.tokens_out,
            cost_dollars=cost * 0 if cached else cost,
            cached=cached,
            valid=judged.value is not None,
            problem=judged.problem[:1_000],
            quotes_total=judged.quotes_total,
            quotes_valid=judged.quotes_valid,
        )
        return self.last

    def failed(self, error: StonksError) -> ModelCall:
        elapsed = int((time.monotonic() - self._began) * 1_000)
        self.last = self._new(latency_ms=elapsed, valid=False, problem=str(error)[:1_000])
        return self.last

    def _new(self, **values: object) -> ModelCall:
        info = activity.info()
        return ModelCall.model_validate(
            {
                "call_id": _call_id(self._asker, self._kind),
                "agent_id": self._asker.agent_id,
                "variant_id": self._asker.variant_id,
                "subject": self._asker.subject,
                "engine_version": self._version,
                "attempt": info.attempt,
                "kind": self._kind,
                "recorded_at": datetime.now(UTC),
                **values,
            }
        )


def _call_id(asker: Asker, kind: str) -> str:
    info = activity.info()
    return digest("call", info.workflow_run_id, info.activity_id, info.attempt, asker.subject, kind)


def _unasked(asker: Asker, error: StonksError) -> ModelCall:
    """The log line of somebody who could not even ask."""
    return ModelCall(
        call_id=_call_id(asker, AttemptKind.FIRST),
        agent_id=asker.agent_id,
        variant_id=asker.variant_id,
        subject=asker.subject,
        attempt=activity.info().attempt,
        valid=False,
        problem=str(error)[:1_000],
        recorded_at=datetime.now(UTC),
    )


def _judge(agent: Agent[In, Out], source: In, version: str, text: str) -> Judged[Out]:
    return agent.judge(text, source, version)


def _log(call: ModelCall, asker: Asker) -> AgentPerformance:
    return AgentPerformance(
        **call.model_dump(exclude={"agent_id", "subject", "engine_version", "kind"}),
        agent=call.agent_id,
        doc_id=call.subject,
        extractor_version=call.engine_version,
        kind=call.kind.value,
        shadow=asker.shadow,
    )
