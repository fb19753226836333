"""The model extractor: an Ollama server asked through its official client, its answers checked and located by us.

The model returns quotes without offsets; each is looked up in the text here, and the hard checks of the domain run
after that as for any extractor. Document text is untrusted: it goes to the model line by line behind a mark that the
document cannot know, has no tools, and can only ever become an answer of the schema's shape.
"""

from __future__ import annotations

import hashlib
import json
from decimal import Decimal, InvalidOperation
from typing import Annotated, Any

import httpx
from ollama import AsyncClient, ChatResponse, ResponseError
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from activities.adapters.prompts.document_extractor import REPAIR, SYSTEM, USER
from domain.errors import (
    ConfigurationError,
    ModelOutputInvalid,
    StonksError,
    VendorRejected,
    VendorThrottled,
    VendorUnavailable,
)
from domain.extraction import (
    Entity,
    EntityRole,
    Event,
    EventType,
    Evidence,
    Extraction,
    ExtractionInput,
    ExtractorKind,
    Fact,
    Horizon,
    Materiality,
)
from domain.ids import digest
from domain.model import Model
from domain.text import strip_invisible
from domain.validation import FACT_METRICS

DIGEST_LENGTH = 12
"""Hex digits of the model's digest and of the prompt's hash in a version."""
_CHECK_TIMEOUT_SECONDS = 5.0
_RETRY_AFTER_SECONDS = 5.0
"""What an overloaded server is given when it names no time itself."""
_MORE_ROOM = 2
"""A cut answer is asked for again with this many times the context and the output."""
_CHARACTERS_PER_TOKEN = 3
"""A careful guess for English with numbers; the truth is nearer to four."""
_LEAST_CHARACTERS = 600
"""Shown of a document however small the context is: its headline and lead."""
_TELLING_QUOTE = 20
"""A quote that occurs more than once must be at least this long."""
_PROBLEM_CHARS = 1_500


class OllamaSettings(Model):
    """Which server and model to ask, and how."""

    base_url: str = "http://127.0.0.1:11434"
    model: str
    num_ctx: Annotated[int, Field(ge=512, le=1_048_576)] = 8_192
    """Context in tokens, prompt and answer together; always sent, because the server's default cuts silently."""
    num_predict: Annotated[int, Field(ge=64, le=65_536)] = 2_048
    """Longest answer in tokens."""
    maximum_characters: Annotated[int, Field(ge=200)] = 12_000
    """Longest stretch of the document shown to the model, from its start."""
    timeout_seconds: Annotated[float, Field(gt=0, le=3_600)] = 110.0
    seed: int = 7
    temperature: Annotated[float, Field(ge=0, le=2)] = 0.0


class ModelHealth(Model):
    """Whether the server answers and holds the model, and otherwise what to do."""

    reachable: bool
    model_present: bool
    digest: str = ""
    fix: str = ""
    """A command or setting that would help; empty when all is well."""


class _Answer(BaseModel):
    """Base of what the model may answer: unknown fields are dropped, everything else is checked."""

    model_config = ConfigDict(extra="ignore", frozen=True)


class _AnsweredEntity(_Answer):
    symbol: Annotated[str, Field(min_length=1, max_length=20)]
    surface: Annotated[str, Field(min_length=1, max_length=200)]
    role: EntityRole
    sentiment: Annotated[float, Field(ge=-1, le=1)]


class _AnsweredFact(_Answer):
    metric: Annotated[str, Field(json_schema_extra={"enum": sorted(FACT_METRICS)})]
    value: Annotated[float, Field(allow_inf_nan=False)]
    unit: Annotated[str, Field(max_length=40)] = ""
    currency: Annotated[str, Field(max_length=10)] = ""
    scale: Annotated[str, Field(max_length=20)] = ""
    period: Annotated[str, Field(max_length=40)] = ""
    basis: Annotated[str, Field(max_length=20)] = ""
    comparator: Annotated[str, Field(max_length=20)] = ""
    quote: Annotated[str, Field(min_length=1, max_length=1_000)]


class _AnsweredEvent(_Answer):
    type: EventType
    entities: Annotated[list[_AnsweredEntity], Field(min_length=1, max_length=12)]
    materiality: Materiality
    horizon: Horizon
    confidence: Annotated[float, Field(ge=0, le=1)]
    facts: Annotated[list[_AnsweredFact], Field(max_length=12)] = []
    quotes: Annotated[list[Annotated[str, Field(min_length=1, max_length=1_000)]], Field(min_length=1, max_length=6)]


class _AnsweredDocument(_Answer):
    events: Annotated[list[_AnsweredEvent], Field(max_length=8)]


SCHEMA: dict[str, Any] = _AnsweredDocument.model_json_schema()
_SCHEMA_TEXT = json.dumps(SCHEMA, separators=(",", ":"), sort_keys=True)


class OllamaExtractor:
    """Asks one model of one Ollama server. Safe to share between tasks; it holds one connection pool."""

    def __init__(self, settings: OllamaSettings) -> None:
        self._settings = settings
        self._client = AsyncClient(host=settings.base_url, timeout=httpx.Timeout(settings.timeout_seconds, connect=5.0))
        self._digest = ""
        self._prompt_hash = _prompt_hash()

    def __repr__(self) -> str:
        return f"OllamaExtractor(base_url={self._settings.base_url!r}, model={self._settings.model!r})"

    async def close(self) -> None:
        """Close the connections; the extractor is of no use afterwards."""
        await self._client.close()  # type: ignore[no-untyped-call]  # the SDK leaves it untyped

    async def extract(self, source: ExtractionInput) -> Extraction:
        """Ask the model what the document says of its candidates.

        An answer cut by its length is asked for once more with more room, one that breaks the schema once more with the
        error shown. Quotes that do not occur in the text get impossible offsets, so that the hard checks count and drop
        them.

        Raises:
            ConfigurationError: the server does not hold the model.
            VendorUnavailable: no connection, a timeout or a server error.
            VendorThrottled: the server is overloaded.
            VendorRejected: the server refused the request.
            ModelOutputInvalid: the second answer was no better than the first.
        """
        if not self._digest:
            self._digest = await self._require_digest()
        messages = self._messages(source)
        answer = await self._ask_until_valid(messages)
        return Extraction(
            doc_id=source.doc_id,
            extractor=ExtractorKind.MODEL,
            extractor_version=self.version,
            events=tuple(_event(event, source.text) for event in answer.events),
        )

    @property
    def version(self) -> str:
        """`<model>@<model digest>#<prompt hash>`; the digest is known after the first call or check."""
        return f"{self._settings.model}@{self._digest or 'unknown'}#{self._prompt_hash}"

    async def check(self) -> ModelHealth:
        """Tell whether the server answers and holds the model; never raises for a server that is away."""
        try:
            found = await self._find_digest(_CHECK_TIMEOUT_SECONDS)
        except StonksError as error:
            return ModelHealth(
                reachable=False,
                model_present=False,
                fix=f"start Ollama at {self._settings.base_url} (`ollama serve`) or correct its address. {error.code}",
            )
        if not found:
            return ModelHealth(reachable=True, model_present=False, fix=self._pull_command())
        self._digest = found
        return ModelHealth(reachable=True, model_present=True, digest=found)

    # -- asking ------------------------------------------------------------------------------------------------------

    async def _ask_until_valid(self, messages: list[dict[str, str]]) -> _AnsweredDocument:
        response = await self._chat(messages, room=1)
        room = 1
        if _is_cut(response):
            room = _MORE_ROOM
            response = await self._chat(messages, room=room)
            if _is_cut(response):
                raise ModelOutputInvalid(
                    "MODEL_OUTPUT_CUT",
                    "raise num_ctx and num_predict, or show the model less text",
                    model=self._settings.model,
                    num_ctx=self._settings.num_ctx * room,
                    num_predict=self._settings.num_predict * room,
                )
        text = response.message.content or ""
        try:
            return _parsed(text)
        except ValidationError as first:
            repair = {"role": "user", "content": REPAIR.format(problem=_problem(first))}
            again = await self._chat([*messages, {"role": "assistant", "content": text}, repair], room=_MORE_ROOM)
            try:
                return _parsed(again.message.content or "")
            except ValidationError as second:
                raise ModelOutputInvalid(
                    "MODEL_OUTPUT_INVALID",
                    "the answer broke the schema twice; try another model or prompt",
                    model=self._settings.model,
                    problem=_problem(second)[:300],
                ) from second

    async def _chat(self, messages: list[dict[str, str]], *, room: int) -> ChatResponse:
        try:
            return await self._client.chat(
                model=self._settings.model,
                messages=messages,
                stream=False,
                format=SCHEMA,
                options={
                    "num_ctx": self._settings.num_ctx * room,
                    "num_predict": self._settings.num_predict * room,
                    "seed": self._settings.seed,
                    "temperature": self._settings.temperature,
                },
            )
        except (ResponseError, httpx.HTTPError, OSError, ValueError) as error:
            raise self._translated(error) from error

    async def _require_digest(self) -> str:
        found = await self._find_digest(self._settings.timeout_seconds)
        if not found:
            raise self._missing()
        return found

    async def _find_digest(self, timeout_seconds: float) -> str:
        """The digest of the model on the server, shortened; empty where the server does not hold it."""
        client = AsyncClient(host=self._settings.base_url, timeout=timeout_seconds)
        try:
            listed = await client.list()
        except (ResponseError, httpx.HTTPError, OSError, ValueError) as error:
            raise self._translated(error) from error
        finally:
            await client.close()  # type: ignore[no-untyped-call]  # the SDK leaves it untyped
        wanted = {self._settings.model, f"{self._settings.model}:latest"}
        for model in listed.models:
            if model.model in wanted:
                return (model.digest or "").removeprefix("sha256:")[:DIGEST_LENGTH] or "undigested"
        return ""

    def _pull_command(self) -> str:
        return f"ollama pull {self._settings.model}"

    def _missing(self) -> ConfigurationError:
        return ConfigurationError(
            "MODEL_MISSING",
            f"run `{self._pull_command()}` on the model server or choose a model it holds",
            model=self._settings.model,
            server=self._settings.base_url,
        )

    def _translated(self, error: Exception) -> StonksError:
        """Turn the client's errors into ours, by what the caller must do."""
        fields: dict[str, Any] = {"server": self._settings.base_url, "model": self._settings.model}
        if not isinstance(error, ResponseError):
            kind = "MODEL_SERVER_TIMEOUT" if isinstance(error, httpx.TimeoutException) else "MODEL_SERVER_UNREACHABLE"
            return VendorUnavailable(kind, "start Ollama (`ollama serve`) or correct its address", **fields)
        status = error.status_code
        said = str(error.error)[:200]
        if status == 404 and "model" in said.lower():
            self._digest = ""
            return self._missing()
        if status == 429:
            return VendorThrottled(
                "MODEL_SERVER_BUSY", retry_after_seconds=_RETRY_AFTER_SECONDS, status=status, **fields
            )
        if 400 <= status < 500 and status != 408:
            return VendorRejected("MODEL_SERVER_REFUSED", "see the server's answer", status=status, said=said, **fields)
        return VendorUnavailable("MODEL_SERVER_FAILED", "see the server's log", status=status, said=said, **fields)

    # -- the prompt --------------------------------------------------------------------------------------------------

    def _messages(self, source: ExtractionInput) -> list[dict[str, str]]:
        mark = mark_for(source.doc_id)
        candidates = "\n".join(
            f"{candidate.symbol}{'*' if candidate.labelled else ''}: {'; '.join(candidate.names)}"
            for candidate in source.candidates
        )
        system = _system_prompt(mark)
        shown = strip_invisible(source.text)[: self._document_room(len(system) + len(candidates))]
        user = USER.format(
            candidates=candidates or "(none)",
            published_at=source.published_at.isoformat(),
            language=source.language,
            mark=mark,
            document=datamarked(shown, mark),
        )
        return [{"role": "system", "content": system}, {"role": "user", "content": user}]

    def _document_room(self, other_characters: int) -> int:
        """Characters of the document that fit beside the prompt and the answer; a server would cut silently."""
        tokens = self._settings.num_ctx - self._settings.num_predict
        fitting = tokens * _CHARACTERS_PER_TOKEN - other_characters
        return max(_LEAST_CHARACTERS, min(self._settings.maximum_characters, fitting))


def mark_for(doc_id: str) -> str:
    """The mark of a document's lines: looks random, is the same at every attempt, and cannot be known to its author."""
    return f"^{digest('datamark', doc_id, length=10)}^"


def datamarked(text: str, mark: str) -> str:
    """Begin every line of untrusted text with the mark, and take the mark itself out of the text."""
    clean = text.replace(mark, "")
    return "\n".join(f"{mark} {line}" for line in clean.splitlines())


def _system_prompt(mark: str) -> str:
    return SYSTEM.format(
        mark=mark,
        event_types=", ".join(EventType),
        roles=", ".join(EntityRole),
        materialities=", ".join(Materiality),
        horizons=", ".join(Horizon),
        metrics=", ".join(sorted(FACT_METRICS)),
        schema=_SCHEMA_TEXT,
    )


def _prompt_hash() -> str:
    body = "\n".join((_system_prompt("MARK"), USER, REPAIR))
    return hashlib.sha256(body.encode()).hexdigest()[:DIGEST_LENGTH]


# -- the answer ------------------------------------------------------------------------------------------------------


def _is_cut(response: ChatResponse) -> bool:
    return response.done_reason == "length"


def _parsed(text: str) -> _AnsweredDocument:
    """Read the answer; a fence or words around the one JSON object are forgiven."""
    first, last = text.find("{"), text.rfind("}")
    return _AnsweredDocument.model_validate_json(text[first : last + 1] if 0 <= first < last else text)


def _problem(error: ValidationError) -> str:
    """Say what is wrong without repeating what was found: the answer may quote the document."""
    lines = [
        f"- {'.'.join(str(part) for part in item['loc']) or '(whole answer)'}: {item['msg']}"
        for item in error.errors(include_url=False, include_context=False, include_input=False)
    ]
    return "\n".join(lines)[:_PROBLEM_CHARS]


def _event(answered: _AnsweredEvent, text: str) -> Event:
    entities = {
        entity.symbol: Entity(
            symbol=entity.symbol, surface=entity.surface, role=entity.role, sentiment=entity.sentiment
        )
        for entity in reversed(answered.entities)
    }
    return Event(
        type=answered.type,
        entities=tuple(reversed(entities.values())),
        materiality=answered.materiality,
        horizon=answered.horizon,
        confidence=answered.confidence,
        facts=tuple(_fact(fact) for fact in answered.facts),
        evidence=tuple(located(quote, text) for quote in dict.fromkeys(answered.quotes)),
    )


def _fact(answered: _AnsweredFact) -> Fact:
    try:
        value = Decimal(str(answered.value))
    except InvalidOperation:
        value = Decimal(0)
    return Fact(value=value, **answered.model_dump(exclude={"value"}))


def located(quote: str, text: str) -> Evidence:
    """Find a quote in the text: as it stands, else without outer blanks, else without quotation marks around it.

    A passage that occurs more than once is taken at its first place, if it is long enough to say something. Any other
    quote gets offsets behind the text, at which it cannot stand.
    """
    for form in dict.fromkeys((quote, quote.strip(), quote.strip().strip("\"'“”‘’ ").strip())):
        start = text.find(form) if form else -1
        if start >= 0 and (len(form) >= _TELLING_QUOTE or text.find(form, start + 1) < 0):
            return Evidence(quote=form, start=start, end=start + len(form))
    return Evidence(quote=quote, start=len(text), end=len(text) + len(quote))
