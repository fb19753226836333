"""Bytes over HTTP: a whole text, a part of it, or nothing where the reader has it already (RFC 9110, 13 and 14)."""

from __future__ import annotations

import re
from http import HTTPStatus

from fastapi import Request, Response

from api.errors import problem

_RANGE = re.compile(r"bytes=\s*(?:(\d{1,18})-(\d{0,18})|-(\d{1,18}))\s*", re.IGNORECASE)
_TAG = re.compile(r'(?:W/)?("[^"]*")')


Asked = tuple[str | None, str | None, str | None]
"""The headers `Range`, `If-None-Match` and `If-Range` of a request."""


def answer_bytes(
    request: Request, body: bytes, *, media_type: str, tag: str, asked: Asked, headers: dict[str, str]
) -> Response:
    """Answer with the body, or with the one range of it that is asked for.

    A range of another unit, several at once, or one that belongs to another version (`If-Range`) means the whole.
    """
    range_, if_none_match, if_range = asked
    sent = {"ETag": tag, "Accept-Ranges": "bytes", **headers}
    if _known(if_none_match, tag):
        return Response(status_code=HTTPStatus.NOT_MODIFIED, headers=sent)
    wanted = _RANGE.fullmatch(range_ or "")
    if wanted is None or if_range not in (None, tag):
        return Response(body, media_type=media_type, headers=sent)
    bounds = _bounds(wanted, len(body))
    if bounds is None:
        return problem(
            request,
            HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE,
            "RANGE_UNSATISFIABLE",
            f"field=Range, found={wanted[0].strip()}, allowed=0-{max(len(body) - 1, 0)}",
            headers={"Content-Range": f"bytes */{len(body)}", "ETag": tag},
            hint="Ask for bytes that the text has; Content-Range says how many there are",
        )
    first, last = bounds
    sent["Content-Range"] = f"bytes {first}-{last}/{len(body)}"
    part = body[first : last + 1]
    return Response(part, status_code=HTTPStatus.PARTIAL_CONTENT, media_type=media_type, headers=sent)


def _bounds(wanted: re.Match[str], size: int) -> tuple[int, int] | None:
    """First and last byte; None where the body has none of them."""
    if wanted[3] is not None:
        length = min(int(wanted[3]), size)
        return (size - length, size - 1) if length else None
    first = int(wanted[1])
    last = min(int(wanted[2]), size - 1) if wanted[2] else size - 1
    if wanted[2] and int(wanted[2]) < first:
        return None
    return (first, last) if first <= last else None


def _known(header: str | None, tag: str) -> bool:
    return header is not None and (header.strip() == "*" or tag in _TAG.findall(header))
