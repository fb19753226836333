"""People: who may come in, with what rights, and a link that lets one in."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Annotated, Any

import typer
from pydantic import SecretStr
from rich.table import Table
from rich.text import Text

from cli import acting
from cli.commands.operate import ask
from cli.commands.stack import DEFAULT_STATE, Json, State
from cli.groups import Commands
from cli.output import err, out, print_json
from domain.actors import OWNER
from domain.errors import InvalidInput

if TYPE_CHECKING:
    from api.keys import Scope
    from api.operations.people import PersonDetail

Name = Annotated[str, typer.Argument(metavar="NAME", help="As `stonks people list` shows it")]
Scopes = Annotated[list[str], typer.Argument(metavar="SCOPE...", help="read, trade:control, approve, admin, ...")]
MOST_SHOWN = 200


def register(app: typer.Typer) -> None:
    people = typer.Typer(cls=Commands, no_args_is_help=True, help="People who may act, with what rights.")
    people.command(name="list")(list_people)
    people.command()(add)
    people.command()(disable)
    people.command()(enable)
    people.command(name="sign-out")(sign_out)
    people.command(name="set-password")(set_password)
    people.command(name="scopes")(set_scopes)
    app.add_typer(people, name="people")
    app.command(name="sign-in-link")(sign_in_link)


def list_people(state: State = DEFAULT_STATE, json: Json = False) -> None:
    """List people, the disabled ones too."""
    from api.operations import people

    found = ask(state, lambda parts: people.list_people(parts.database, limit=MOST_SHOWN))
    if json:
        print_json([each.model_dump(mode="json") for each in found])
        return
    table = Table(box=None, padding=(0, 2, 0, 0))
    for column in ("name", "signs in with", "state", "scopes"):
        table.add_column(column)
    for each in found:
        ways = [word for word, has in (("password", each.has_password), ("oidc", each.oidc_subject)) if has]
        table.add_row(
            Text(each.name),
            ", ".join(ways) or "links",
            "disabled" if each.disabled_at else "active",
            Text(", ".join(each.scopes)),
        )
    out.print(table)


def add(name: Name, scopes: Scopes, state: State = DEFAULT_STATE, json: Json = False) -> None:
    """Add a person, for whom `stonks sign-in-link NAME` then makes a link.

    Example: stonks people add anna read approve
    """
    from api.operations.people import PersonDetail
    from domain.people import valid_name

    body = {"name": valid_name(name), "scopes": _scopes(scopes)}
    _show(acting.act(state, PersonDetail, "POST", "/v1/people", body), json)


def set_scopes(name: Name, scopes: Scopes, state: State = DEFAULT_STATE, json: Json = False) -> None:
    """Replace what a person may do, with every key and session.

    Example: stonks people scopes anna read
    """
    _change(name, {"scopes": _scopes(scopes)}, state, json)


def disable(name: Name, state: State = DEFAULT_STATE, json: Json = False) -> None:
    """Shut a person out, with every key and session. The last administrator stays."""
    _change(name, {"disabled": True}, state, json)


def enable(name: Name, state: State = DEFAULT_STATE, json: Json = False) -> None:
    """Let a disabled person in again."""
    _change(name, {"disabled": False}, state, json)


def sign_out(
    name: Annotated[str, typer.Argument(metavar="NAME", help="Whom; left out: whoever's key the command uses")] = "",
    state: State = DEFAULT_STATE,
    json: Json = False,
) -> None:
    """Sign a person out everywhere: sessions, proofs and unused links end, keys stay.

    Another person than oneself needs the scope admin.

    Example: stonks people sign-out anna
    """
    acting.send(state, "DELETE", f"{_path(name)}/sessions" if name else "/v1/sessions")
    if json:
        print_json({"name": name or None, "signed_out": True})
        return
    out.print(f"{name or 'You'}: signed out everywhere", markup=False)


def set_password(
    name: Name,
    remove: Annotated[bool, typer.Option("--remove", help="Take the password away")] = False,
    state: State = DEFAULT_STATE,
    json: Json = False,
) -> None:
    """Give a person a password: asked for at a terminal, otherwise the first line of standard input.

    Every session of the person ends.
    """
    from api.operations.people import PersonDetail

    body = {"password": None if remove else _password().get_secret_value()}
    _show(acting.act(state, PersonDetail, "PUT", f"{_path(name)}/password", body), json)


def sign_in_link(
    name: Annotated[str, typer.Argument(metavar="NAME", help="Whom it signs in")] = OWNER,
    state: State = DEFAULT_STATE,
    json: Json = False,
) -> None:
    """Make a link that signs a person in once, within 15 minutes."""
    from api.operations.people import LinkMade

    link = acting.act(state, LinkMade, "POST", f"{_path(name)}/sign-in-links")
    address = f"{_dashboard(state)}{link.path}"
    if json:
        print_json({"url": address, "expires_at": link.expires_at.isoformat(), "name": name})
        return
    out.print(address, markup=False, soft_wrap=True, highlight=False)
    err.print(f"It signs {name} in once, until {link.expires_at:%H:%M} UTC.", markup=False)


def _change(name: str, wanted: dict[str, Any], state: State, json: bool) -> None:
    from api.operations.people import PersonDetail

    _show(acting.act(state, PersonDetail, "PATCH", _path(name), wanted), json)


def _path(name: str) -> str:
    from domain.people import valid_name

    return f"/v1/people/{acting.segment(valid_name(name))}"


def _dashboard(state: State) -> str:
    """Where people reach the dashboard."""
    from cli.stack.application import api_address
    from cli.stack.names import PartName
    from cli.stack.state import read_state
    from workers.settings import load

    settings = load()
    if settings.public_url:
        return settings.public_url.rstrip("/")
    running = read_state(state)
    if running is not None and PartName.API in running.addresses:
        return running.addresses[PartName.API]
    return api_address({"STONKS_API_HOST": settings.api_host, "STONKS_API_PORT": str(settings.api_port)})


def _password() -> SecretStr:
    if not sys.stdin.isatty():
        return SecretStr(sys.stdin.readline().rstrip("\r\n"))
    return SecretStr(typer.prompt("Password", hide_input=True, confirmation_prompt=True))


def _scopes(given: list[str]) -> list[Scope]:
    from api.keys import Scope

    known = [scope.value for scope in Scope]
    for word in given:
        if word not in known:
            raise InvalidInput("SCOPE_UNKNOWN", f"Use some of: {', '.join(known)}", field="SCOPE", found=word)
    return [Scope(word) for word in given]


def _show(person: PersonDetail, json: bool) -> None:
    if json:
        print_json(person.model_dump(mode="json"))
        return
    words = "disabled" if person.disabled_at else ", ".join(person.scopes) or "no scope"
    out.print(f"{person.name}: {words}", markup=False)
