"""`/v1/api-keys`: make, list and revoke keys."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from http import HTTPStatus
from typing import Annotated

from fastapi import Query
from pydantic import BaseModel, ConfigDict, Field

from api import keys
from api.auth import Principal, require
from api.dependencies import Provided
from api.errors import problems
from api.keys import Scope
from api.paging import Page, PageQuery, page, position
from api.routing import Router
from store import people
from store.tables.platform import ApiKey

KIND = "api-keys"

router = Router(prefix="/v1/api-keys", tags=["API keys"])

Administrator = Annotated[Principal, require(Scope.ADMIN)]


class NewKey(BaseModel):
    model_config = ConfigDict(extra="forbid")

    name: Annotated[str, Field(min_length=1, max_length=100, pattern=r"^[\w .:@-]+$")]
    scopes: Annotated[list[Scope], Field(min_length=1)]
    expires_in_days: Annotated[int | None, Field(ge=1, le=3650, description="null: never")] = 365
    person: Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9._@-]{0,63}$")] | None = None
    """Whose it is; null: nobody's, a service with a name of its own."""
    unattended: bool = False
    """Whether it may do what asks for a fresh proof without anybody being there."""


class KeyQuery(PageQuery):
    person: Annotated[str | None, Field(pattern=r"^[a-z0-9][a-z0-9._@-]{0,63}$", description="whose")] = None


class KeyView(BaseModel):
    key_id: str
    name: str
    person: str | None
    """Whose it is: it may never do more than that person."""
    unattended: bool
    scopes: list[str]
    created_at: datetime
    expires_at: datetime | None
    revoked_at: datetime | None
    last_used_at: datetime | None


class KeyCreated(KeyView):
    key: Annotated[
        str | None,
        Field(description="shown this once, only its hash is kept; null where the answer is given again"),
    ]


@router.get("", dependencies=[require(Scope.ADMIN)], responses=problems(404, 422, 503))
async def list_keys(dependencies: Provided, query: Annotated[KeyQuery, Query()]) -> Page[KeyView]:
    """Keys, newest first, the revoked ones too."""
    async with dependencies.database.transaction() as session:
        rows = await keys.list_all(
            session,
            limit=query.limit + 1,
            before=position(KIND, query.cursor),
            person_id=(await people.require(session, query.person)).person_id if query.person else None,
        )
        names = await people.names(session, {row.person_id for row in rows if row.person_id is not None})
    return page(
        KIND,
        rows,
        query.limit,
        at=lambda row: (row.created_at, row.key_id),
        view=lambda row: _view(row, names.get(row.person_id or "")),
    )


@router.post("", status_code=HTTPStatus.CREATED, responses=problems(404, 422, 503))
async def create_key(dependencies: Provided, principal: Administrator, body: NewKey) -> KeyCreated:
    """Make a key. It is shown once, here."""
    now = datetime.now(UTC)
    async with dependencies.database.transaction() as session:
        person = await people.require(session, body.person) if body.person is not None else None
        row, secret = await keys.issue(
            session,
            name=body.name,
            scopes=body.scopes,
            expires_at=now + timedelta(days=body.expires_in_days) if body.expires_in_days else None,
            actor=principal.actor,
            now=now,
            person=person,
            unattended=body.unattended,
        )
    return KeyCreated(**_view(row, body.person).model_dump(), key=secret.get_secret_value())


@router.delete("/{key_id}", status_code=HTTPStatus.NO_CONTENT, responses=problems(404, 422, 503))
async def revoke_key(dependencies: Provided, principal: Administrator, key_id: str) -> None:
    """End a key for good, from the next request on."""
    async with dependencies.database.transaction() as session:
        await keys.revoke(session, key_id=key_id, actor=principal.actor, now=datetime.now(UTC))


def _view(row: ApiKey, person: str | None) -> KeyView:
    kept = set(KeyView.model_fields) - {"scopes", "person"}
    return KeyView(**row.model_dump(include=kept), person=person, scopes=row.scopes.get("scopes", []))
