"""Asking a model: the question, its reply, and what becomes of it. Whose model it is stands in an adapter."""

from __future__ import annotations

from decimal import Decimal
from enum import StrEnum
from typing import Annotated, Any, Generic, TypeVar

from pydantic import Field

from domain.agents import AgentSettings
from domain.ids import digest
from domain.model import Model, Utc

VERSION_DIGITS = 12
"""Hex digits of a model's digest and of a prompt's hash where they name a version."""


NOTHING_COMPUTED = frozenset({"MODEL_SERVER_UNREACHABLE", "MODEL_MISSING", "MODEL_SERVER_BUSY", "MODEL_SERVER_REFUSED"})
"""Codes of errors after which it is certain that a server did not work on a question; after others nobody knows."""


class Speaker(StrEnum):
    SYSTEM = "system"
    USER = "user"
    ASSISTANT = "assistant"


class Message(Model):
    role: Speaker
    content: str


class Prompt(Model):
    """A question as an agent puts it."""

    messages: tuple[Message, ...]
    json_schema: dict[str, Any]
    """What the answer must satisfy."""
    template_hash: str
    """Of the words that do not depend on the document: names the prompt in a version."""


class ModelRequest(Model):
    """One question to a model server."""

    model: str
    messages: tuple[Message, ...]
    json_schema: dict[str, Any]
    num_ctx: int
    num_predict: int
    seed: int
    temperature: float
    timeout_seconds: float

    def key(self, model_digest: str) -> str:
        """Names the question and who was asked: the same key, the same question to the same weights."""
        asked = self.model_dump_json(exclude={"timeout_seconds"})
        return digest("model-call", model_digest, asked, length=40)


class ModelReply(Model):
    """One answer of a model server."""

    text: str
    cut: bool = False
    """It ended because there was no more room."""
    tokens_in: Annotated[int, Field(ge=0)] = 0
    tokens_out: Annotated[int, Field(ge=0)] = 0
    elapsed_ms: Annotated[int, Field(ge=0)] = 0


class AttemptKind(StrEnum):
    """Why a question was asked."""

    FIRST = "first"
    MORE_ROOM = "more-room"
    """The answer before was cut by its length."""
    REPAIR = "repair"
    """The answer before broke the schema."""


T = TypeVar("T")


class Judged(Model, Generic[T]):
    """What an agent made of an answer. Exactly one of `value` and `problem` is there."""

    value: T | None = None
    problem: str = ""
    """What is wrong, without a word of the answer: it may quote the document."""
    quotes_total: int = 0
    quotes_valid: int = 0


class ModelCall(Model):
    """One attempt, as it is logged."""

    call_id: str
    agent_id: str
    variant_id: str = ""
    subject: str = ""
    """The document, or the recommendation that a thesis is for."""
    engine_version: str = ""
    attempt: int = 1
    kind: AttemptKind = AttemptKind.FIRST
    latency_ms: int = 0
    tokens_in: int = 0
    tokens_out: int = 0
    cost_dollars: Decimal = Decimal(0)
    cached: bool = False
    valid: bool = True
    problem: str = ""
    quotes_total: int = 0
    quotes_valid: int = 0
    recorded_at: Utc


def version_of(settings: AgentSettings, model_digest: str, template_hash: str) -> str:
    """Name who answered: `<model>@<model digest>#<prompt hash>`."""
    return f"{settings.model}@{model_digest[:VERSION_DIGITS] or 'unknown'}#{template_hash[:VERSION_DIGITS]}"
