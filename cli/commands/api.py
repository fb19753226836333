"""The API from the terminal: one request, or the stream of what happens."""

from __future__ import annotations

import json as json_library
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from cli.commands.stack import DEFAULT_STATE, Json, State
from cli.output import err, out, print_json
from domain.errors import InvalidInput, StonksError, VendorUnavailable

if TYPE_CHECKING:
    from cli.http import Api, StreamEvent

METHODS = ("GET", "POST", "PUT", "PATCH", "DELETE")
RETRY_SECONDS = 2.0
_FINAL = frozenset({"KEY_INVALID", "KEY_MISSING", "SCOPE_MISSING", "TYPE_UNKNOWN"})


def register(app: typer.Typer) -> None:
    app.command(name="api")(request)
    app.command()(events)


def request(
    method: Annotated[str | None, typer.Argument(metavar="METHOD", help=", ".join(METHODS))] = None,
    path: Annotated[str, typer.Argument(metavar="PATH", help="For example /v1/orders?status=accepted")] = "",
    body: Annotated[str, typer.Option("--body", help="JSON; @FILE reads a file, @- standard input")] = "",
    key: Annotated[
        str, typer.Option("--idempotency-key", help="The same again is the same act; without one each is a new one")
    ] = "",
    state: State = DEFAULT_STATE,
) -> None:
    """Send a request to the API with your key or the installation's, and print the JSON that it answers.

    Without METHOD and PATH this process serves the API itself, as the containers and `stonks up` have it do.

    Ends with 1 where the API refuses; the problem is then what is printed. Where the key's person has to prove that it
    is there, the password is asked for.

        Example: stonks api GET /v1/jobs?status=running

        Example: stonks api POST /v1/trading/pause --body '{"reason": "lunch"}'
    """
    from cli.commands.processes import serve_api
    from cli.http import api_of

    if method is None:
        serve_api()
        return
    wanted = method.upper()
    if wanted not in METHODS:
        raise InvalidInput("CHOICE_INVALID", field="METHOD", found=method, allowed=", ".join(METHODS))
    if not path.startswith("/"):
        raise InvalidInput("PATH_INVALID", field="PATH", found=path, allowed="a path such as /v1/overview")
    content = _json(body)
    with api_of(state) as api:
        answer = api.request_proven(wanted, path, content, key=key)
    if answer.needs_proof:
        err.print("STEP_UP_REQUIRED: run it at a terminal, which asks for the password, or use an unattended key")
    if isinstance(answer.body, str):
        sys.stdout.write(answer.body + ("" if answer.body.endswith("\n") else "\n"))
    elif answer.body is not None:
        print_json(answer.body)
    if not answer.ok:
        raise typer.Exit(1)


def events(
    follow: Annotated[
        bool, typer.Option("--follow", "-f", help="Go on until Ctrl-C, also when the API restarts")
    ] = False,
    types: Annotated[str, typer.Option("--types", help="For example order,fill; without any, all")] = "",
    after: Annotated[int | None, typer.Option("--after", min=0, help="Behind this event's number")] = None,
    last: Annotated[int, typer.Option("--last", min=0, max=10_000, help="How far back to begin, in numbers")] = 20,
    state: State = DEFAULT_STATE,
    json: Json = False,
) -> None:
    """Show what happened last, and with --follow what happens. With --json one object a line.

    Example: stonks events --follow --types order,fill
    """
    from cli.http import api_of

    try:
        with api_of(state) as api:
            begin = after if after is not None else _back(api, last)
            for event in _followed(api, types, begin) if follow else _until_ready(api.stream(types=types, after=begin)):
                _show(event, json)
    except KeyboardInterrupt:
        return


def _back(api: Api, numbers: int) -> int | None:
    """The number that lies so many before the newest."""
    for event in api.stream():
        if event.event == "ready":
            return max(int(event.data["position"]) - numbers, 0)
    return None


def _until_ready(events: Iterator[StreamEvent]) -> Iterator[StreamEvent]:
    for event in events:
        if event.event == "ready":
            return
        yield event


def _followed(api: Api, types: str, at: int | None) -> Iterator[StreamEvent]:
    """Events without an end: a connection that is lost is made again where it was lost."""
    while True:
        try:
            for event in api.stream(types=types, after=at):
                at = event.id if event.id is not None else at
                if event.event == "problem" and event.data.get("code") in _FINAL:
                    raise StonksError(str(event.data["code"]), str(event.data.get("hint", "")))
                if event.event != "ready":
                    yield event
        except VendorUnavailable as error:
            err.print(f"{error.code}, trying again", style="dim")
        time.sleep(RETRY_SECONDS)


def _show(event: StreamEvent, json: bool) -> None:
    if json:
        sys.stdout.write(json_library.dumps({"id": event.id, "kind": event.event, **event.data}, sort_keys=True) + "\n")
        sys.stdout.flush()
        return
    data = dict(event.data)
    if event.event == "problem":
        err.print(f"{data.get('code')}: {data.get('hint')}", style="yellow", markup=False)
        return
    at = str(data.pop("occurred_at", ""))[:19].replace("T", " ")
    what, subject = data.pop("event", event.event), data.pop("subject_id", "")
    rest = " ".join(f"{name}={value}" for name, value in data.items() if value not in (None, "", [], {}))
    out.print(f"{at}  {what}  {rest or subject}", markup=False, overflow="fold")


def _json(given: str) -> str | None:
    """The body as text, checked to be JSON."""
    if not given:
        return None
    try:
        if given == "@-":
            text = sys.stdin.read()
        else:
            text = Path(given[1:]).read_text(encoding="utf-8") if given.startswith("@") else given
        json_library.loads(text)
    except OSError as error:
        raise InvalidInput("FILE_UNREADABLE", str(error.strerror), option="--body", found=given[1:]) from error
    except ValueError as error:
        raise InvalidInput("JSON_INVALID", str(error), option="--body") from error
    return text
