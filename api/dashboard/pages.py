"""How a page is written: the templates, the headers around it, and what stands in place of a page that failed."""

from __future__ import annotations

import hashlib
import secrets
import traceback
from collections.abc import Callable, Coroutine, Mapping
from functools import cache
from http import HTTPStatus
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlencode

import structlog
from fastapi import Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import HTMLResponse, RedirectResponse, Response
from fastapi.routing import APIRoute
from jinja2 import Environment, FileSystemLoader, StrictUndefined, select_autoescape
from starlette.exceptions import HTTPException

from api.dashboard import formats
from api.dashboard.client import ApiProblem

log = structlog.get_logger(__name__)

HERE = Path(__file__).parent
STATIC = HERE / "static"

PLACES = (
    ("overview", "/", "Overview", "o"),
    ("inbox", "/inbox", "Inbox", "i"),
    ("decisions", "/decisions", "Decisions", "d"),
    ("orders", "/orders", "Orders", "r"),
    ("symbols", "/symbols", "Symbols", "s"),
    ("documents", "/documents", "Documents", "t"),
    ("agents", "/agents", "Agents", "a"),
    ("backtests", "/backtests", "Backtests", "b"),
    ("jobs", "/jobs", "Jobs", "j"),
    ("dead-letters", "/dead-letters", "Dead letters", "l"),
    ("people", "/people", "People", "u"),
    ("settings", "/settings", "Settings", "e"),
    ("welcome", "/welcome", "Welcome", "w"),
)
"""The navigation: section, address, label, and the letter that follows `g`."""

HEADERS: Mapping[str, str] = {
    "Content-Security-Policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; "
        "form-action 'self'; frame-ancestors 'none'; base-uri 'none'"
    ),
    "Referrer-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(), geolocation=(), microphone=(), payment=(), usb=()",
    "X-Content-Type-Options": "nosniff",
}
"""Of every answer of the dashboard: nothing but its own files is loaded, run or framed."""


class SignInNeeded(Exception):
    """Nobody is signed in; the page that was wanted is shown afterwards."""


@cache
def templates() -> Environment:
    environment = Environment(
        loader=FileSystemLoader(HERE / "templates"),
        autoescape=select_autoescape(default=True, default_for_string=True),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters.update(formats.FILTERS)
    environment.globals.update(asset=asset, places=PLACES, quoted=_quoted, query=_query, fresh_key=_fresh_key)
    for part in ("forms", "panels", "orders", "access"):  # known also where a block is rendered alone
        environment.globals[part] = environment.get_template(f"parts/{part}.html").module
    return environment


@cache
def asset(name: str) -> str:
    """Address of a file of ours that changes with its content, so that it may be kept for ever."""
    content = hashlib.sha256((STATIC / name).read_bytes()).hexdigest()[:12]
    return f"/static/{name}?v={content}"


def _fresh_key() -> str:
    """Of one showing of one form: sending it twice acts once."""
    return secrets.token_hex(12)


def _quoted(value: Any) -> str:
    return quote(str(value), safe="")


def _query(**values: Any) -> str:
    """A query string of what has a value, with its question mark."""
    given = {name: value for name, value in values.items() if value not in (None, "")}
    return f"?{urlencode(given)}" if given else ""


def render(name: str, context: Mapping[str, Any], *, status: int = 200, fragments: str = "") -> HTMLResponse:
    """Render a page, or of it only the blocks named in `fragments`, with commas between them."""
    template = templates().get_template(name)
    if not fragments:
        return HTMLResponse(template.render(context), status_code=status)
    prepared = template.new_context(dict(context))
    blocks = {**templates().get_template("frame.html").blocks, **template.blocks}
    wanted = [blocks[f"live_{each}"] for each in fragments.split(",") if f"live_{each}" in blocks]
    return HTMLResponse("".join("".join(block(prepared)) for block in wanted), status_code=status)


class PageRoute(APIRoute):
    """A route whose answers are pages: its refusals too, and all with the headers of the dashboard."""

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        handle = super().get_route_handler()

        async def handled(request: Request) -> Response:
            try:
                answer = await handle(request)
            except SignInNeeded:
                answer = to_sign_in(request)
            except ApiProblem as problem:
                answer = to_sign_in(request) if problem.status == 401 else await _framed(request, problem)
            except RequestValidationError as error:
                answer = await _framed(request, _invalid(request, error))
            except HTTPException:
                raise
            except Exception as error:
                answer = await _framed(request, _crashed(request, error))
            for name, value in HEADERS.items():
                answer.headers.setdefault(name, value)
            return answer

        return handled


async def _framed(request: Request, problem: ApiProblem) -> Response:
    """The problem within the page's frame, where the person is known and the frame can be made."""
    frame = getattr(request.state, "frame", None)
    if frame is None:
        return problem_page(problem)
    try:
        return problem_page(problem, **await frame(""))
    except ApiProblem:
        return problem_page(problem)


def to_sign_in(request: Request) -> Response:
    wanted = request.url.path if request.method == "GET" else "/"
    if request.method == "GET" and request.url.query and "fragment=" not in request.url.query:
        wanted += f"?{request.url.query}"
    return RedirectResponse(f"/sign-in?{urlencode({'next': wanted})}", status_code=HTTPStatus.SEE_OTHER)


def problem_page(problem: ApiProblem, **context: Any) -> HTMLResponse:
    """Say what was refused: its code, what to do, and the id under which the log has it."""
    return render(
        "problem.html", {"session": None, "theme": "system", "problem": problem, **context}, status=problem.status
    )


def not_found(request: Request) -> HTMLResponse:
    answer = problem_page(
        ApiProblem(
            404,
            "NOT_FOUND",
            "Nothing lives at this address",
            "The navigation lists every page",
            str(getattr(request.state, "request_id", "")),
        )
    )
    answer.headers.update(HEADERS)
    return answer


def safe_path(path: str, otherwise: str = "/") -> str:
    """A path of this dashboard to go on to: never another host's, whoever wrote it."""
    if not path.startswith("/") or path.startswith(("//", "/\\")) or any(sign in path for sign in "\\\r\n\t"):
        return otherwise
    return path


def see(path: str, done: str = "") -> RedirectResponse:
    """Go on to a page after an act, with the name of what was done."""
    target = safe_path(path)
    if done:
        target += f"{'&' if '?' in target else '?'}{urlencode({'done': done})}"
    return RedirectResponse(target, status_code=HTTPStatus.SEE_OTHER)


def _crashed(request: Request, error: Exception) -> ApiProblem:
    # As text: a renderer that is given the exception itself may print local variables, and keys with them.
    log.error("page_crashed", path=request.url.path, trace="".join(traceback.format_exception(error)))
    return ApiProblem(
        500,
        "INTERNAL_ERROR",
        "Something failed that should not. The log has the details under this request id",
        "Load the page again; the API and the command line work without it",
        str(getattr(request.state, "request_id", "")),
    )


def _invalid(request: Request, error: RequestValidationError) -> ApiProblem:
    fields = [
        {"field": ".".join(str(part) for part in each["loc"]), "message": str(each["msg"])} for each in error.errors()
    ]
    return ApiProblem(
        422,
        "REQUEST_INVALID",
        "; ".join(f"{each['field']}: {each['message']}" for each in fields),
        "Correct what is named and send it again",
        str(getattr(request.state, "request_id", "")),
        tuple(fields),
    )
