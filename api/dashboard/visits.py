"""One request of one person: who it is, what every page shows around its own content, and what a form carries."""

from __future__ import annotations

import asyncio
import hashlib
import json
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Annotated, Any, cast

import httpx
from fastapi import Depends, Request
from fastapi.responses import HTMLResponse, Response

from api.dashboard import formats, notices, sessions
from api.dashboard.client import COOKIE, Api, ApiProblem, Backend, Identity, Reading
from api.dashboard.pages import SignInNeeded, problem_page, render, safe_path, see
from api.dashboard.sessions import Session

THEME_COOKIE = "stonks-theme"
THEMES = ("system", "dark", "light")
ENGINE_SECONDS = 1.5
LATE = timedelta(minutes=5)
"""Past its announced time by more than this, the engine's last look counts as stale."""


@dataclass(frozen=True)
class Form:
    """What was posted, as text."""

    fields: Mapping[str, str]

    def __getitem__(self, name: str) -> str:
        return self.fields.get(name, "").strip()

    @property
    def key(self) -> str:
        """Of this one showing of the form."""
        return self["key"]

    def present(self, *names: str) -> dict[str, str]:
        """Those of the fields that hold something."""
        return {name: self[name] for name in names if self[name]}


@dataclass(frozen=True)
class Visit:
    """A request of somebody who is signed in."""

    request: Request
    api: Api
    session: Session
    form: Form
    now: datetime

    async def page(
        self,
        template: str,
        *,
        section: str,
        readings: Mapping[str, Reading] | None = None,
        answer: int = 200,
        **context: Any,
    ) -> HTMLResponse:
        """Render a page in its frame."""
        return render(
            template,
            {**await self.frame(section), **(readings or {}), **context},
            status=answer,
            fragments=self.request.query_params.get("fragment", ""),
        )

    async def frame(self, section: str) -> dict[str, Any]:
        """What stands around every page: mode, trading state, breakers, age of the data, who looks."""
        found, status = await asyncio.gather(
            self.api.read(overview="/v1/overview", protection="/v1/trading/protection"), self._status()
        )
        return {
            **plain_context(self.request),
            "section": section,
            "session": self.session,
            "now": self.now,
            "banner": banner({**found, "status": status}, self.now),
            "done": notices.text(self.request.query_params.get("done", "")),
        }

    async def _status(self) -> Reading:
        """What the engine says of itself, without waiting long: the book has the trading state in any case."""
        try:
            async with asyncio.timeout(ENGINE_SECONDS):
                return (await self.api.read(status="/v1/trading/status"))["status"]
        except TimeoutError:
            detail = f"The engine has not answered for {ENGINE_SECONDS} s"
            return Reading(problem=ApiProblem(504, "ENGINE_SLOW", detail, "No worker may be running: `stonks status`"))

    def see(self, path: str, done: str = "") -> Response:
        """Go on after an act."""
        return see(self.form["next"] or path, done)


def plain_context(request: Request) -> dict[str, Any]:
    """What a page needs also where nobody is signed in."""
    theme = request.cookies.get(THEME_COOKIE, "")
    return {
        "theme": theme if theme in THEMES else "system",
        "path": request.url.path,
        "here": request.url.path + (f"?{request.url.query}" if request.url.query else ""),
        "session": None,
    }


def banner(found: Mapping[str, Reading], now: datetime) -> dict[str, Any]:
    """Put together what the head of a page says; what could not be read is None, not a guess."""
    overview, status = found["overview"].value, found["status"].value
    trading = status or (overview or {}).get("trading")
    engine = (status or {}).get("engine")
    protection = found["protection"].value
    mode = (overview or status or {}).get("mode")
    due = formats.moment((engine or {}).get("next_tick_at"))
    return {
        "mode": mode,
        "trading": trading,
        "breakers": None if protection is None else protection["breakers"],
        "tripped": [] if protection is None else [one for one in protection["breakers"] if one["phase"] != "closed"],
        "approvals": None if overview is None else overview["approvals_pending"],
        "as_of": ((overview or {}).get("account") or {}).get("as_of"),
        "unpriced": [order["symbol"] for order in (status or {}).get("unpriced_orders", [])],
        "looked_at": (engine or {}).get("last_tick_at"),
        "stale_since": due if mode != "replay" and due is not None and now - due > LATE else None,
        "problem": next((reading.problem for reading in found.values() if reading.problem is not None), None),
    }


def identity(request: Request, form: Form | None = None) -> Identity:
    return Identity(
        cookie=request.cookies.get(COOKIE, ""),
        csrf_token="" if form is None else form["csrf_token"],
        client=(request.client.host, request.client.port) if request.client else ("127.0.0.1", 0),
        request_id=str(getattr(request.state, "request_id", "")),
        base_url=str(request.base_url) if backend(request).inside else "",
    )


def backend(request: Request) -> Backend:
    return cast(Backend, request.app.state.dashboard)


def http_of(request: Request) -> httpx.AsyncClient:
    return backend(request).http


async def posted(request: Request) -> Form:
    """Read the form, and refuse one that another site sent: the browser says where a post comes from.

    Raises:
        ApiProblem: it comes from elsewhere.
    """
    if request.method != "POST":
        return Form({})
    origin = request.headers.get("origin", "")
    elsewhere = request.headers.get("sec-fetch-site", "same-origin") not in ("same-origin", "none")
    if elsewhere or (origin not in ("", "null") and origin.split("://")[-1] != request.headers.get("host", "")):
        raise ApiProblem(403, "FORM_FROM_ELSEWHERE", f"origin={origin or 'unknown'}", "Use the form on the page itself")
    data = await request.form()
    return Form({name: value for name, value in data.items() if isinstance(value, str)})


async def visit(request: Request, form: Annotated[Form, Depends(posted)]) -> Visit:
    """Find out who asks.

    Raises:
        SignInNeeded: nobody.
        ApiProblem: a form without the session's token, or the API did not answer.
    """
    who = identity(request, form)
    if request.method == "POST" and who.cookie and not who.csrf_token:
        raise ApiProblem(403, "CSRF_INVALID", "The form carries no token", "Load the page again", who.request_id)
    api, session = await sessions.current(http_of(request), who)
    if session is None:
        raise SignInNeeded
    found = Visit(request=request, api=api, session=session, form=form, now=datetime.now(UTC))
    request.state.frame = found.frame
    return found


Visiting = Annotated[Visit, Depends(visit)]


Refusing = Callable[[ApiProblem], Awaitable[Response]]
"""Makes the page that says what was refused."""


async def send(
    visit: Visit,
    method: str,
    path: str,
    body: Any = None,
    *,
    version: str | None = None,
    refusing: Refusing | None = None,
) -> Response | Any:
    """Send what a form asks for, once however often it is sent with the same words; see `act` for what comes back."""
    said = hashlib.sha256(json.dumps(body, sort_keys=True).encode()).hexdigest()[:16]
    key = f"{visit.form.key}-{said}" if visit.form.key else ""
    return await act(visit, visit.api.send(method, path, body, key=key, version=version), refusing)


async def act(visit: Visit, acting: Any, refusing: Refusing | None = None) -> Response | Any:
    """Do what a form asks. Where the API wants to know again who it is, ask, and then do it.

    Gives the act's result, or the page to answer with instead: a refusal's own, unless `refusing` makes another.
    """
    try:
        return await acting
    except ApiProblem as problem:
        if problem.code == "STEP_UP_REQUIRED":
            return await visit.page(
                "step_up.html",
                section="",
                answer=problem.status,
                wanted=visit.request.url.path,
                fields={name: value for name, value in visit.form.fields.items() if name not in _NOT_REPEATED},
                problem=None,
            )
        if problem.status == 401:
            raise
        return await (refusing(problem) if refusing is not None else refused(visit, problem))


_NOT_REPEATED = frozenset({"csrf_token", "password", "step_up_key"})


async def refused(visit: Visit, problem: ApiProblem) -> Response:
    """Say what was refused, with what was typed so that it can be sent again."""
    again = {name: value for name, value in visit.form.fields.items() if name not in _NOT_REPEATED}
    return problem_page(
        problem,
        **await visit.frame(""),
        back=safe_path(visit.form["next"]),
        fields=again,
        wanted=visit.request.url.path,
    )
