"""`/v1/people`: who may come in, and with what rights."""

from __future__ import annotations

from http import HTTPStatus
from typing import Annotated

from fastapi import Path, Query, Request
from pydantic import BaseModel, ConfigDict, Field, SecretStr

from api.auth import Principal, gate_of, require
from api.dependencies import Provided
from api.errors import problems
from api.keys import Scope
from api.keysets import key_of, keyed_page
from api.operations import people
from api.operations.people import LinkMade, OwnSession, PersonDetail
from api.paging import Page, PageQuery
from api.routing import Router
from domain.people import LONGEST_PASSWORD

KIND = "people"

router = Router(prefix="/v1/people", tags=["people"])

Administrator = Annotated[Principal, require(Scope.ADMIN)]
Name = Annotated[str, Path(pattern=r"^[a-z0-9][a-z0-9._@-]{0,63}$", examples=["anna"])]
Scopes = Annotated[list[Scope], Field(max_length=len(Scope))]


class NewPerson(BaseModel):
    model_config = ConfigDict(extra="forbid")

    name: Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9._@-]{0,63}$", description="given once, for good")]
    scopes: Scopes


class PersonChange(BaseModel):
    """What is left out stays."""

    model_config = ConfigDict(extra="forbid")

    scopes: Scopes | None = None
    disabled: bool | None = None


class PasswordChange(BaseModel):
    model_config = ConfigDict(extra="forbid")

    password: Annotated[SecretStr, Field(min_length=1, max_length=LONGEST_PASSWORD)] | None
    """null: no password signs in."""


@router.get("", dependencies=[require(Scope.ADMIN)], responses=problems(422, 503))
async def list_people(dependencies: Provided, query: Annotated[PageQuery, Query()]) -> Page[PersonDetail]:
    """People by name, the disabled ones too."""
    after = key_of(KIND, query.cursor)
    rows = await people.list_people(dependencies.database, limit=query.limit + 1, after=after[0] if after else None)
    return keyed_page(KIND, rows, query.limit, key=lambda row: (row.name,), view=lambda row: row)


@router.post("", status_code=HTTPStatus.CREATED, responses=problems(409, 422, 503))
async def add_person(dependencies: Provided, principal: Administrator, body: NewPerson) -> PersonDetail:
    """Make a person. A link, a password or a key of one's own is how the person comes in."""
    return await people.add(dependencies.database, name=body.name, scopes=body.scopes, actor=principal.actor)


@router.get("/{name}", dependencies=[require(Scope.ADMIN)], responses=problems(404, 422, 503))
async def read_person(dependencies: Provided, name: Name) -> PersonDetail:
    """One person."""
    return await people.read(dependencies.database, name)


@router.patch("/{name}", responses=problems(404, 409, 422, 503))
async def change_person(
    dependencies: Provided, principal: Administrator, name: Name, body: PersonChange
) -> PersonDetail:
    """Change scopes, or shut the person out with every key and session. The last administrator stays: 409."""
    return await people.change(
        dependencies.database, name=name, actor=principal.actor, scopes=body.scopes, disabled=body.disabled
    )


@router.put("/{name}/password", responses=problems(404, 422, 503))
async def set_password(
    request: Request, dependencies: Provided, principal: Administrator, name: Name, body: PasswordChange
) -> PersonDetail:
    """Give a password, or take it away. Every session of the person ends."""
    return await people.set_password(
        dependencies.database, gate_of(request), name=name, password=body.password, actor=principal.actor
    )


@router.post("/{name}/sign-in-links", status_code=HTTPStatus.CREATED, responses=problems(404, 422, 503))
async def make_link(dependencies: Provided, principal: Administrator, name: Name) -> LinkMade:
    """Make a link that signs the person in once within 15 minutes. It is shown once, here."""
    return await people.make_link(dependencies.database, name=name, actor=principal.actor)


@router.get("/{name}/sessions", responses=problems(404, 422, 503))
async def list_sessions_of(dependencies: Provided, principal: Administrator, name: Name) -> list[OwnSession]:
    """Where a person is signed in, the newest first."""
    return await people.sessions_of(dependencies, principal, name)


@router.delete("/{name}/sessions", status_code=HTTPStatus.NO_CONTENT, responses=problems(404, 422, 503))
async def end_sessions_of(dependencies: Provided, principal: Administrator, name: Name) -> None:
    """Sign a person out everywhere; links that were not used yet end too. Keys stay."""
    await people.end_sessions(dependencies.database, name=name, actor=principal.actor)
