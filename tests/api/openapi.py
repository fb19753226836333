"""The API's own document, made once a process: making it needs no server, but a second or two."""

from __future__ import annotations

from functools import cache
from typing import Any

from api.app import create_app


@cache
def document() -> dict[str, Any]:
    """The OpenAPI document. Nobody changes it."""
    nothing: Any = None
    return create_app(nothing).openapi()
