"""Signing in and out, proving again who one is, and the theme."""

from __future__ import annotations

from http import HTTPStatus
from typing import Annotated

from fastapi import Depends, Request
from fastapi.responses import RedirectResponse, Response

from api.dashboard import sessions
from api.dashboard.client import Api, ApiProblem
from api.dashboard.pages import PageRoute, render, safe_path, see
from api.dashboard.visits import THEME_COOKIE, THEMES, Form, Visiting, http_of, identity, plain_context, posted
from api.errors import Forbidden
from api.origins import require_private_way
from api.routing import Router

router = Router(route_class=PageRoute)

Posted = Annotated[Form, Depends(posted)]
_YEAR = 365 * 24 * 3600


@router.get("/sign-in")
async def sign_in_page(request: Request, link: str = "", next: str = "/") -> Response:
    """Show the ways in. Opening a link does not use it up: only its form does, so a mail scanner may look."""
    return await _page(request, link=link, wanted=safe_path(next), problem=None)


@router.post("/sign-in")
async def sign_in(request: Request, form: Posted) -> Response:
    body = form.present("link") or form.present("key") or form.present("name", "password")
    wanted = safe_path(form["next"] or "/")
    try:
        _require_private_way(request)
        cookies = await sessions.sign_in(Api(http_of(request), identity(request)), body)
    except ApiProblem as problem:
        return await _page(request, link="", wanted=wanted, problem=problem)
    return _with(see(wanted), cookies)


@router.post("/sign-out")
async def sign_out(visit: Visiting) -> Response:
    return _with(see("/sign-in"), await sessions.sign_out(visit.api))


@router.post("/sign-out/everywhere")
async def sign_out_everywhere(visit: Visiting) -> Response:
    return _with(see("/sign-in"), await sessions.sign_out(visit.api, everywhere=True))


@router.post("/step-up")
async def step_up(visit: Visiting) -> Response:
    """Prove again who one is, then have the browser repeat what it wanted with the same form."""
    form = visit.form
    given = form.present("password")
    if not given and form["step_up_key"]:
        given = {"key": form["step_up_key"]}
    wanted = safe_path(form["wanted"], "/")
    try:
        await visit.api.send("POST", "/v1/session/step-up", given)
    except ApiProblem as problem:
        kept = ("csrf_token", "password", "step_up_key", "wanted")
        fields = {name: value for name, value in form.fields.items() if name not in kept}
        return await visit.page(
            "step_up.html", section="", answer=problem.status, wanted=wanted, fields=fields, problem=problem
        )
    return RedirectResponse(wanted, status_code=HTTPStatus.TEMPORARY_REDIRECT)


@router.post("/theme")
async def theme(form: Posted) -> Response:
    chosen = form["theme"] if form["theme"] in THEMES else "system"
    answer = see(form["next"] or "/settings")
    answer.set_cookie(THEME_COOKIE, chosen, max_age=_YEAR, path="/", httponly=True, samesite="lax")
    return answer


def _require_private_way(request: Request) -> None:
    """The API checks its own address; where the dashboard is another process, the browser's way leads here."""
    try:
        require_private_way(request)
    except Forbidden as refused:
        detail = ", ".join(f"{name}={value}" for name, value in refused.fields.items())
        raise ApiProblem(
            HTTPStatus.FORBIDDEN, refused.code, detail, refused.hint, identity(request).request_id
        ) from refused


async def _page(request: Request, *, link: str, wanted: str, problem: ApiProblem | None) -> Response:
    api = Api(http_of(request), identity(request))
    return render(
        "sign_in.html",
        {
            **plain_context(request),
            "link": link,
            "next": wanted,
            "methods": await api.get("/v1/session/methods"),
            "problem": problem,
        },
        status=HTTPStatus.OK if problem is None else problem.status,
    )


def _with(answer: RedirectResponse, cookies: list[str]) -> Response:
    for cookie in cookies:
        answer.headers.append("set-cookie", cookie)
    return answer
