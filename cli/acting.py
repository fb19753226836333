"""How a command acts: by a request to the API, so that scopes, fresh proofs, limits, four eyes and the audit log are
those of everybody. What a command reads, it reads from the book itself."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar
from urllib.parse import quote

from pydantic import BaseModel
from pydantic_core import to_json

if TYPE_CHECKING:
    from cli.http import Answer

M = TypeVar("M", bound=BaseModel)


def act(
    state: Path,
    expected: type[M],
    method: str,
    path: str,
    body: BaseModel | Mapping[str, Any] | None = None,
    *,
    version: int | str = "",
) -> M:
    """Send a request that changes something, and read its answer.

    Args:
        body: of a model, what was given; defaults are the API's to fill in.
        version: of what was read before, where the change is only meant for that.

    Raises:
        StonksError: the API refuses; code, hint and fields are those of its problem.
        VendorUnavailable: it does not answer, or what it needs does not.
    """
    return expected.model_validate(send(state, method, path, body, version=version).body)


def send(
    state: Path,
    method: str,
    path: str,
    body: BaseModel | Mapping[str, Any] | None = None,
    *,
    version: int | str = "",
) -> Answer:
    """The same where the answer is looked at as it is. Raises as `act` does."""
    from cli.http import api_of, refusal

    with api_of(state) as api:
        answer = api.request_proven(method, path, _text(body), version=str(version))
    if not answer.ok:
        raise refusal(answer)
    return answer


def segment(given: str) -> str:
    """Text of a person as one segment of a path."""
    return quote(given, safe="")


def workflow(given: str) -> str:
    """The id of a workflow or a schedule, whose slashes stand in the path as they are."""
    return quote(given, safe="/")


def _text(body: BaseModel | Mapping[str, Any] | None) -> str | None:
    if body is None:
        return None
    given = body.model_dump(mode="json", exclude_unset=True) if isinstance(body, BaseModel) else body
    return to_json(given).decode()
