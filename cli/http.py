"""How a command speaks to the API over HTTP: with a person's key or the installation's own, and an idempotency key
for each act."""

from __future__ import annotations

import json
import sys
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from http import HTTPStatus
from pathlib import Path
from typing import TYPE_CHECKING, Any

from domain.errors import ConfigurationError, StonksError, VendorUnavailable

if TYPE_CHECKING:
    import httpx

TIMEOUT_SECONDS = 160.0
"""Longer than anything that the API does while somebody waits."""
CONNECT_SECONDS = 5.0
STREAM_SILENCE_SECONDS = 60.0
"""The stream says something four times as often."""
_ACTS = ("POST", "PUT", "PATCH")


@dataclass(frozen=True)
class Answer:
    status: int
    body: Any
    """JSON where it is JSON, else text; None where there is none."""

    @property
    def ok(self) -> bool:
        return self.status < HTTPStatus.BAD_REQUEST

    @property
    def needs_proof(self) -> bool:
        """Whether the key's person has to prove that it is there."""
        return isinstance(self.body, dict) and self.body.get("code") == "STEP_UP_REQUIRED"


@dataclass(frozen=True)
class StreamEvent:
    id: int | None
    event: str
    data: dict[str, Any]


class Api:
    """The API of a running platform."""

    def __init__(self, client: httpx.Client) -> None:
        self._client = client
        self._step_up = ""

    def prove(self, password: str) -> None:
        """Exchange the password of the key's person for a token that goes along from now on.

        Raises:
            StonksError: it is wrong, or the key is nobody's.
        """
        answer = self.request("POST", "/v1/step-up", json.dumps({"password": password}))
        if not answer.ok:
            raise refusal(answer)
        self._step_up = str(answer.body["token"])

    def request_proven(
        self, method: str, path: str, body: str | None = None, *, key: str = "", version: str = ""
    ) -> Answer:
        """Send a request; where the key's person has to prove that it is there, a terminal asks for the password."""
        import typer

        key = key or uuid.uuid4().hex
        answer = self.request(method, path, body, key=key, version=version)
        if answer.needs_proof and sys.stdin.isatty():
            self.prove(typer.prompt("Password of the key's person", hide_input=True, err=True))
            answer = self.request(method, path, body, key=key, version=version)
        return answer

    def request(self, method: str, path: str, body: str | None = None, *, key: str = "", version: str = "") -> Answer:
        """Send a request. An act has an idempotency key: the one given, or a new one. `version` goes as `If-Match`.

        Raises:
            VendorUnavailable: the API does not answer.
        """
        import httpx

        headers = {} if body is None else {"Content-Type": "application/json"}
        if method in _ACTS:
            headers["Idempotency-Key"] = key or uuid.uuid4().hex
        if version:
            headers["If-Match"] = f'"{version}"'
        if self._step_up:
            headers["Step-Up"] = self._step_up
        try:
            answer = self._client.request(method, path, content=body, headers=headers)
        except httpx.HTTPError as error:
            raise _away(error) from error
        return Answer(answer.status_code, _body(answer))

    def stream(self, *, types: str = "", after: int | None = None) -> Iterator[StreamEvent]:
        """Events until the server ends the stream.

        Raises:
            VendorUnavailable: the API does not answer, or the connection was lost.
            StonksError: it refuses.
        """
        import httpx

        params: dict[str, Any] = {} if after is None else {"after": after}
        if types:
            params["types"] = types
        timeout = httpx.Timeout(TIMEOUT_SECONDS, read=STREAM_SILENCE_SECONDS)
        try:
            with self._client.stream("GET", "/v1/stream", params=params, timeout=timeout) as answer:
                if not answer.is_success:
                    answer.read()
                    raise refusal(Answer(answer.status_code, _body(answer)))
                yield from _events(answer.iter_lines())
        except httpx.HTTPError as error:
            raise _away(error) from error


@contextmanager
def api_of(state_dir: Path) -> Iterator[Api]:
    """The API of the stack of a directory, or the one that the environment names.

    Commands act as the person whose key `STONKS_PERSON_KEY` is, and without one with the installation's own key.
    Raises:
        NotFound: no stack runs in the directory.
        ConfigurationError: no key is known.
    """
    import httpx

    from cli.connection import settings_of

    settings = settings_of(state_dir)
    key = (settings.person_key or settings.api_key).get_secret_value()
    if not key:
        raise ConfigurationError(
            "SETTING_MISSING", "Give an API key with the scopes of what you do", variable="STONKS_PERSON_KEY"
        )
    host = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(settings.api_host, settings.api_host)  # noqa: S104
    address = f"http://[{host}]" if ":" in host else f"http://{host}"
    with httpx.Client(
        base_url=f"{address}:{settings.api_port}",
        headers={"Authorization": f"Bearer {key}"},
        timeout=httpx.Timeout(TIMEOUT_SECONDS, connect=CONNECT_SECONDS),
        trust_env=False,  # a proxy would be given the key
    ) as client:
        yield Api(client)


def refusal(answer: Answer) -> StonksError:
    """The problem that an answer is, as an error of ours."""
    body = answer.body if isinstance(answer.body, dict) else {}
    code = str(body.get("code", "API_REFUSED"))
    given = body.get("fields")
    fields = given if isinstance(given, dict) else {"status": answer.status}
    hint = str(body.get("hint") or ("" if given else body.get("detail", "")))
    if answer.needs_proof:
        hint = "Run it at a terminal, which asks for the password, or use an unattended key"
    if answer.status < HTTPStatus.INTERNAL_SERVER_ERROR:
        return StonksError(code, hint, **fields)
    if answer.status == HTTPStatus.INTERNAL_SERVER_ERROR and (request_id := body.get("request_id")):
        fields = {**fields, "request_id": request_id}
    return VendorUnavailable(code, hint, **fields)


def _events(lines: Iterator[str]) -> Iterator[StreamEvent]:
    last: int | None = None
    name, data = "message", ""
    for line in lines:
        field, _, value = line.partition(": ")
        if field == "id":
            last = int(value)
        elif field == "event":
            name = value
        elif field == "data":
            data = value
        elif not line:
            if data:
                yield StreamEvent(last, name, json.loads(data))
            name, data = "message", ""


def _body(answer: httpx.Response) -> Any:
    if not answer.content:
        return None
    if "json" in answer.headers.get("content-type", ""):
        return answer.json()
    return answer.text


def _away(error: httpx.HTTPError) -> VendorUnavailable:
    import httpx

    hint = "Commands act through the API. Is it running? `stonks doctor` tells, `stonks up` starts it"
    if isinstance(error, httpx.ReadError | httpx.ReadTimeout | httpx.RemoteProtocolError):
        hint = "It was asked and did not answer: look whether it took effect before you ask again"
    return VendorUnavailable("API_UNAVAILABLE", hint, error=type(error).__name__)
