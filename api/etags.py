"""Versions over HTTP: every row that several people may change has one, and `If-Match` keeps them from each other.

A GET answers with `ETag: "7"`. Whoever changes the row sends that back as `If-Match: "7"`: 428 where it is missing,
412 where the row has changed meanwhile.
"""

from __future__ import annotations

import re
from http import HTTPStatus
from typing import Annotated

from fastapi import FastAPI, Header, Request, Response
from fastapi.responses import JSONResponse

from api.errors import problem
from domain.errors import InvalidInput, StonksError

IfMatch = Annotated[
    str | None,
    Header(alias="If-Match", max_length=1_000, description='The ETag of what was read, for example `"7"`'),
]
"""The header as a parameter of a route."""

_TAGS = re.compile(r'\s*(?:\*|(?:W/)?"[^"]*"(?:\s*,\s*(?:W/)?"[^"]*")*)\s*')
_STRONG = re.compile(r'(?<!/)"([^"]*)"')


class PreconditionFailure(StonksError):
    """The request says of which version it speaks: not at all, or of another one."""

    status = HTTPStatus.PRECONDITION_FAILED


class PreconditionRequired(PreconditionFailure):
    status = HTTPStatus.PRECONDITION_REQUIRED


class VersionMismatch(PreconditionFailure):
    status = HTTPStatus.PRECONDITION_FAILED


def etag(version: int | str) -> str:
    """The strong validator of a version: `"7"`."""
    return f'"{version}"'


def tag(response: Response, version: int | str) -> None:
    """Send the version along as `ETag`."""
    response.headers["ETag"] = etag(version)


def require_version(if_match: str | None, current: int) -> None:
    """Refuse a change unless it was made with the version that is there.

    Raises:
        PreconditionRequired: the header is missing.
        VersionMismatch: the row has changed since, or the tag is a weak one.
        InvalidInput: the header is no list of tags.
    """
    if if_match is None:
        raise PreconditionRequired(
            "PRECONDITION_REQUIRED", "Send the ETag of what you read as If-Match", header="If-Match"
        )
    check_version(if_match, current)


def check_version(if_match: str | None, current: int | str) -> None:
    """The same where the header may be left out, and then no version is meant.

    Raises:
        VersionMismatch, InvalidInput: as `require_version` does.
    """
    if if_match is None:
        return
    if not _TAGS.fullmatch(if_match):
        raise InvalidInput("IF_MATCH_INVALID", "Send the ETag with its quotation marks, unchanged", allowed='"7", or *')
    if if_match.strip() != "*" and str(current) not in _STRONG.findall(if_match):
        raise VersionMismatch(
            "VERSION_MISMATCH", "Somebody changed it meanwhile: read it again and decide anew", current=etag(current)
        )


def install(app: FastAPI) -> None:
    """Register how a failed precondition is answered."""
    app.add_exception_handler(PreconditionFailure, _of_precondition)


async def _of_precondition(request: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, PreconditionFailure)
    fields = {name: str(value) for name, value in error.fields.items()}
    detail = ", ".join(f"{name}={value}" for name, value in fields.items())
    headers = {"ETag": fields["current"]} if "current" in fields else None
    return problem(
        request, error.status, error.code, detail, headers=headers, hint=error.hint or None, fields=fields or None
    )
