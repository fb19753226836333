"""A server of language models: Ollama, asked through its official client.

An answer is streamed, so that progress can be told and a caller who goes away stops the server: its connection closes,
and the server ends what nobody will read. No error repeats what the server said of a request, nor has it as its cause,
because it may quote the document; a few of its sentences are known and are said in our own words.
"""

from __future__ import annotations

import asyncio
import re
import time
from collections.abc import AsyncGenerator, AsyncIterator, Callable
from contextlib import aclosing
from typing import Any, Literal, cast
from urllib.parse import urlsplit

import httpx
from ollama import AsyncClient, ChatResponse, ResponseError
from pydantic import SecretStr

from domain.errors import (
    ConfigurationError,
    StonksError,
    VendorRejected,
    VendorThrottled,
    VendorUnavailable,
)
from domain.model import Model
from domain.prompting import NOTHING_COMPUTED, ModelReply, ModelRequest

_CHECK_SECONDS = 5.0
_RETRY_AFTER_SECONDS = 5.0
"""What an overloaded server is given when it names no time itself."""
_LONGEST_RETRY_AFTER_SECONDS = 300.0
_REMEMBERED_SECONDS = 600.0
"""A name may be pulled again at any time and then means other weights."""
_BUSY = frozenset({429, 503})
_UNDECIDED = frozenset({408, 499})
"""Refusals by number that are none: too slow, or ended by the server itself."""
_LEVELS_ONLY = frozenset({"gptoss", "gpt-oss"})
"""Families that cannot go without thinking: they only know how long."""

Think = Literal[False, "low"]

_MEANINGS = (
    (re.compile(r"more system memory|out of memory|cudaMalloc", re.I), "the model does not fit into its memory"),
    (re.compile(r"(?:runner|server)\b.*\b(?:terminated|stopped|exited)", re.I), "the model crashed"),
    (re.compile(r"does not support (?:chat|completion)", re.I), "the model cannot chat"),
    (re.compile(r"does not support thinking", re.I), "the model cannot think"),
    (re.compile(r"context (?:length|size|window)|input length|too long", re.I), "the question is longer than num_ctx"),
    (re.compile(r"\bgrammar\b|\bformat\b", re.I), "the server cannot enforce the schema"),
    (re.compile(r"timed out|timeout", re.I), "the model took too long to load"),
    (re.compile(r"unauthorized|forbidden|api key", re.I), "the server wants credentials"),
)


class ModelHealth(Model):
    """Whether the server answers and holds the model, and otherwise what to do."""

    reachable: bool
    model_present: bool
    digest: str = ""
    fix: str = ""
    """A command or setting that would help; empty when all is well."""


class LoadedModel(Model):
    """A model that the server holds in memory now."""

    name: str
    digest: str = ""
    size_bytes: int = 0
    context: int = 0
    """Tokens it was loaded for; 0 where the server does not say."""


class _Busy(Exception):
    """The server has no room for another question."""

    def __init__(self, status: int, retry_after_seconds: float) -> None:
        self.status = status
        self.retry_after_seconds = retry_after_seconds
        super().__init__(status)


_CLIENT_ERRORS = (
    _Busy,
    ResponseError,
    httpx.HTTPError,
    OSError,
    ValueError,
    # The client takes what it read for objects without looking: a page of HTML or a list of numbers ends in these.
    AttributeError,
    TypeError,
)


class OllamaServer:
    """One Ollama server. Safe to share between tasks of one event loop; it holds one pool of connections.

    Args:
        base_url: such as `http://127.0.0.1:11434`.
        connect_timeout: seconds until a server that does not take a connection counts as away.
        api_key: sent as a bearer token. Environment variables of the client are not heeded.
    """

    def __init__(self, base_url: str, connect_timeout: float = 5.0, *, api_key: SecretStr | None = None) -> None:
        self._shown = _without_credentials(base_url)
        self._key = api_key
        self._client = AsyncClient(
            host=base_url,
            timeout=httpx.Timeout(None, connect=connect_timeout),
            follow_redirects=False,
            trust_env=False,
            limits=httpx.Limits(max_connections=None, max_keepalive_connections=20),
            event_hooks={"request": [self._sign], "response": [_raise_when_busy]},
        )
        self._digests: dict[str, tuple[str, float]] = {}
        self._thinks: dict[str, Think | None] = {}
        self._looking = asyncio.Lock()

    def __repr__(self) -> str:
        return f"OllamaServer(base_url={self._shown!r})"

    async def close(self) -> None:
        """Close the connections; the server object is of no use afterwards."""
        await self._client.close()  # type: ignore[no-untyped-call]  # the SDK leaves it untyped

    # -- asking ------------------------------------------------------------------------------------------------------

    async def chat(self, request: ModelRequest, *, on_progress: Callable[[int], None] | None = None) -> ModelReply:
        """Ask, and wait for the whole answer; `on_progress` is told the characters that have come so far.

        It is told at every piece that comes, also while a model thinks and the number stays the same. What a model
        thinks is not part of its answer.

        Raises:
            ConfigurationError: MODEL_MISSING, the server does not hold the model.
            VendorThrottled: MODEL_SERVER_BUSY, its queue is full.
            VendorRejected: MODEL_SERVER_REFUSED, it does not take such a request.
            VendorUnavailable: MODEL_SERVER_UNREACHABLE, MODEL_SERVER_TIMEOUT, MODEL_SERVER_FAILED,
                MODEL_ANSWER_BROKEN_OFF (the connection ended before the answer did), MODEL_ANSWER_UNREADABLE (what
                answers is no Ollama server).
        """
        began = time.monotonic()
        try:
            async with asyncio.timeout(request.timeout_seconds):
                pieces, last = await self._streamed(request, on_progress)
        except TimeoutError:
            raise self._unavailable("MODEL_SERVER_TIMEOUT", request.model, seconds=request.timeout_seconds) from None
        if last is None:
            raise self._unavailable("MODEL_ANSWER_BROKEN_OFF", request.model, characters=sum(map(len, pieces)))
        return ModelReply(
            text="".join(pieces),
            cut=last.done_reason == "length",
            tokens_in=max(0, last.prompt_eval_count or 0),
            tokens_out=max(0, last.eval_count or 0),
            elapsed_ms=round((time.monotonic() - began) * 1_000),
        )

    async def _streamed(
        self, request: ModelRequest, on_progress: Callable[[int], None] | None
    ) -> tuple[list[str], ChatResponse | None]:
        """The pieces of the answer, and its last one; None where the stream ended without."""
        pieces: list[str] = []
        characters = 0
        think = await self._think_of(request.model)
        async with aclosing(self._parts(request, think)) as parts:
            async for part in parts:
                if part.message.content:
                    pieces.append(part.message.content)
                    characters += len(part.message.content)
                if on_progress is not None:
                    on_progress(characters)
                if part.done:
                    return pieces, part
        return pieces, None

    async def _parts(self, request: ModelRequest, think: Think | None) -> AsyncGenerator[ChatResponse, None]:
        try:
            answer: AsyncIterator[ChatResponse] = await self._client.chat(
                model=request.model,
                messages=[{"role": said.role.value, "content": said.content} for said in request.messages],
                stream=True,
                think=think,
                format=request.json_schema,
                options={
                    "num_ctx": request.num_ctx,
                    "num_predict": request.num_predict,
                    "seed": request.seed,
                    "temperature": request.temperature,
                },
            )
            # Closing it closes the connection, which is how the server learns that nobody waits.
            async with aclosing(cast(AsyncGenerator[ChatResponse, None], answer)) as parts:
                async for part in parts:
                    yield part
        except _CLIENT_ERRORS as error:
            raise self._translated(error, request.model) from None

    async def _think_of(self, model: str) -> Think | None:
        """What to say of thinking: nothing to a model that cannot, else no, or little where it cannot be left out.

        A server takes silence for yes and spends the room of the answer on it; older ones refuse the word for models
        without the ability, so that it is only said to those that have it.
        """
        if model not in self._thinks:
            try:
                found = await self._client.show(model)
            except _CLIENT_ERRORS as error:
                translated = self._translated(error, model)
                if translated.code in NOTHING_COMPUTED - {"MODEL_SERVER_REFUSED"}:
                    raise translated from None
                return None
            family = (found.details.family if found.details else "") or ""
            able = "thinking" in (found.capabilities or ())
            self._thinks[model] = None if not able else ("low" if family.lower() in _LEVELS_ONLY else False)
        return self._thinks[model]

    # -- what it holds -----------------------------------------------------------------------------------------------

    async def digest_of(self, model: str) -> str:
        """The digest of the weights that a model's name means now, hexadecimal and whole.

        Remembered for ten minutes, and forgotten when the server says that it holds no such model.

        Raises:
            ConfigurationError: MODEL_MISSING.
            VendorUnavailable, VendorThrottled, VendorRejected: as for `chat`.
        """
        async with self._looking:
            digest, until = self._digests.get(model, ("", 0.0))
            if digest and time.monotonic() < until:
                return digest
            self._forget(model)
            found = await self._find_digest(model)
            if not found:
                raise self._missing(model)
            self._digests[model] = (found, time.monotonic() + _REMEMBERED_SECONDS)
            return found

    async def check(self, model: str) -> ModelHealth:
        """Tell whether the server answers and holds the model; never raises for a server that is away."""
        try:
            found = await self._find_digest(model)
        except StonksError as error:
            return ModelHealth(
                reachable=False,
                model_present=False,
                fix=f"start Ollama at {self._shown} (`ollama serve`) or correct its address. {error.code}",
            )
        if not found:
            return ModelHealth(reachable=True, model_present=False, fix=_pull_command(model))
        return ModelHealth(reachable=True, model_present=True, digest=found)

    async def running(self) -> tuple[LoadedModel, ...]:
        """List the models that are loaded now, the longest to stay first."""
        try:
            async with asyncio.timeout(_CHECK_SECONDS):
                listed = await self._client.ps()
        except TimeoutError:
            raise self._unavailable("MODEL_SERVER_TIMEOUT", "", seconds=_CHECK_SECONDS) from None
        except _CLIENT_ERRORS as error:
            raise self._translated(error, "") from None
        return tuple(
            LoadedModel(
                name=model.model or model.name or "",
                digest=(model.digest or "").removeprefix("sha256:"),
                size_bytes=int(model.size or 0),
                context=model.context_length or 0,
            )
            for model in listed.models
        )

    async def _find_digest(self, model: str) -> str:
        """The digest of the model on the server; empty where the server does not hold it."""
        try:
            async with asyncio.timeout(_CHECK_SECONDS):
                listed = await self._client.list()
        except TimeoutError:
            raise self._unavailable("MODEL_SERVER_TIMEOUT", model, seconds=_CHECK_SECONDS) from None
        except _CLIENT_ERRORS as error:
            raise self._translated(error, "") from None
        wanted = {model.casefold(), f"{model}:latest".casefold()}
        for held in listed.models:
            if (held.model or "").casefold() in wanted:
                return (held.digest or "").removeprefix("sha256:") or "undigested"
        return ""

    def _forget(self, model: str) -> None:
        self._digests.pop(model, None)
        self._thinks.pop(model, None)

    # -- errors ------------------------------------------------------------------------------------------------------

    async def _sign(self, request: httpx.Request) -> None:
        """Send the key that was given, and none that the client found in the environment."""
        request.headers.pop("Authorization", None)
        if self._key is not None:
            request.headers["Authorization"] = f"Bearer {self._key.get_secret_value()}"

    def _translated(self, error: Exception, model: str) -> StonksError:
        """Turn the client's errors into ours, by what the caller must do. An empty model: none was asked for."""
        fields = self._fields(model)
        if isinstance(error, _Busy):
            return VendorThrottled(
                "MODEL_SERVER_BUSY",
                "its queue is full: fewer at a time, or a larger OLLAMA_MAX_QUEUE",
                retry_after_seconds=error.retry_after_seconds,
                status=error.status,
                **fields,
            )
        if isinstance(error, ResponseError):
            return self._of_status(error.status_code, str(error.error), model)
        if isinstance(error, httpx.ConnectError | httpx.ConnectTimeout | httpx.UnsupportedProtocol | ConnectionError):
            return VendorUnavailable(
                "MODEL_SERVER_UNREACHABLE", "start Ollama (`ollama serve`) or correct its address", **fields
            )
        if isinstance(error, httpx.TimeoutException):
            return self._unavailable("MODEL_SERVER_TIMEOUT", model)
        if isinstance(error, httpx.HTTPError | OSError):
            return self._unavailable("MODEL_ANSWER_BROKEN_OFF", model)
        return self._unavailable("MODEL_ANSWER_UNREADABLE", model, kind=type(error).__name__)

    def _of_status(self, status: int, said: str, model: str) -> StonksError:
        fields = self._fields(model)
        if model and status == 404 and "model" in said.lower():
            self._forget(model)
            return self._missing(model)
        fields["meaning"] = next((meaning for known, meaning in _MEANINGS if known.search(said)), "unknown")
        if status > 0:  # in mid-stream an error has no status of its own
            fields["status"] = status
        if 300 <= status < 500 and status not in _UNDECIDED:
            return VendorRejected("MODEL_SERVER_REFUSED", "correct the address, the model or its settings", **fields)
        return VendorUnavailable("MODEL_SERVER_FAILED", "the server's log says more", **fields)

    def _unavailable(self, code: str, model: str, **more: object) -> VendorUnavailable:
        return VendorUnavailable(code, _HINTS[code], **self._fields(model), **more)

    def _missing(self, model: str) -> ConfigurationError:
        return ConfigurationError(
            "MODEL_MISSING",
            f"run `{_pull_command(model)}` on the model server or choose a model it holds",
            **self._fields(model),
        )

    def _fields(self, model: str) -> dict[str, Any]:
        return {"server": self._shown, **({"model": model} if model else {})}


_HINTS = {
    "MODEL_SERVER_TIMEOUT": "a smaller model or document, more time, or fewer at a time",
    "MODEL_ANSWER_BROKEN_OFF": "the connection ended before the answer did; the server's log may say why",
    "MODEL_ANSWER_UNREADABLE": "what answers at this address is no Ollama server",
}


async def _raise_when_busy(response: httpx.Response) -> None:
    """Stop at the two statuses of an overloaded server, whose headers the client would not hand on."""
    if response.status_code in _BUSY:
        raise _Busy(response.status_code, _retry_after(response.headers.get("Retry-After", "")))


def _retry_after(header: str) -> float:
    """Read the seconds to wait; a date or nothing at all means our own."""
    if not re.fullmatch(r"\d{1,9}(?:\.\d{1,3})?", header.strip()):
        return _RETRY_AFTER_SECONDS
    return min(max(float(header), 0.1), _LONGEST_RETRY_AFTER_SECONDS)


def _without_credentials(url: str) -> str:
    """The address as it may be shown: user, password and query are left out."""
    parts = urlsplit(url if "://" in url else f"http://{url}")
    return f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}{parts.path}".rstrip("/")


def _pull_command(model: str) -> str:
    return f"ollama pull {model}"
