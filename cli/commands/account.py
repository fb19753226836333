"""The account: what it is worth, what is held, how it fared."""

from __future__ import annotations

import sys
from datetime import date, datetime
from decimal import Decimal, InvalidOperation
from typing import TYPE_CHECKING, Annotated, Any

import typer
from pydantic import ValidationError

from cli import acting
from cli.commands.operate import ask
from cli.commands.stack import DEFAULT_STATE, Json, State
from cli.groups import Commands
from cli.instants import read_instant
from cli.output import err, print_json
from domain.errors import InvalidInput

if TYPE_CHECKING:
    from api.operations.account import NewCashEntry

From = Annotated[str | None, typer.Option("--from", metavar="DATE", help="First day, as 2024-03-01")]
To = Annotated[str | None, typer.Option("--to", metavar="DATE", help="Last day")]
Limit = Annotated[int, typer.Option(min=1, max=1_000, help="How many at most")]

GOES_OUT = ("fee", "transfer_out")


def register(app: typer.Typer) -> None:
    commands = typer.Typer(cls=Commands, help="Show the account: equity, cash and what it is for, exposures.")
    commands.callback(invoke_without_command=True)(account)
    commands.command(name="history")(history)
    commands.command(name="ledger")(ledger)
    commands.command(name="enter")(enter)
    app.add_typer(commands, name="account")
    app.command()(positions)
    app.command()(performance)


def account(context: typer.Context, state: State = DEFAULT_STATE, json: Json = False) -> None:
    """Show the account: equity, cash and what it is for, exposures."""
    from api.operations import account
    from cli import account_views as views

    if context.invoked_subcommand is not None:
        return
    found = ask(state, lambda parts: account.account(parts.database, mode=parts.settings.mode.value))
    if json:
        print_json(found.model_dump(mode="json"))
    else:
        views.show_account(found)


def history(
    first: From = None, last: To = None, limit: Limit = 30, state: State = DEFAULT_STATE, json: Json = False
) -> None:
    """List the account at every mark, the newest first."""
    from api.operations import account
    from cli import account_views as views

    begin, end = _instant(first, "--from"), _instant(last, "--to")
    found = ask(state, lambda parts: account.history(parts.database, limit=limit, first=begin, last=end))
    if json:
        print_json({"data": [each.model_dump(mode="json") for each in found]})
    else:
        views.show_history(found)


def ledger(
    kind: Annotated[str | None, typer.Option(help="fill, fee, dividend, interest, transfer_in, ...")] = None,
    symbol: Annotated[str | None, typer.Option(help="Of one symbol")] = None,
    first: From = None,
    last: To = None,
    limit: Limit = 30,
    state: State = DEFAULT_STATE,
    json: Json = False,
) -> None:
    """List every movement of money with the balance after it, the newest first."""
    from api.operations import account
    from cli import account_views as views
    from domain.cash import CashKind

    if kind is not None and kind not in set(CashKind):
        raise InvalidInput("CHOICE_INVALID", f"Use one of: {', '.join(CashKind)}", option="--kind", found=kind)
    begin, end = _instant(first, "--from"), _instant(last, "--to")
    rows = ask(
        state,
        lambda parts: account.ledger(
            parts.database,
            limit=limit,
            kind=CashKind(kind) if kind else None,
            symbol=symbol.upper() if symbol else None,
            first=begin,
            last=end,
        ),
    )
    found = [account.view_of(row) for row in rows]
    if json:
        print_json({"data": [each.model_dump(mode="json") for each in found]})
    else:
        views.show_ledger(found)


def enter(
    kind: Annotated[str, typer.Argument(metavar="KIND", help="transfer_in, transfer_out, interest, fee or adjustment")],
    amount: Annotated[
        str,
        typer.Argument(
            metavar="DOLLARS", help="Dollars; a fee or transfer_out needs no sign, a negative interest stands after --"
        ),
    ],
    source: Annotated[str, typer.Option(help="The movement's id at the broker; the same one is entered once")],
    reason: Annotated[str, typer.Option(help="Why; it stands in the audit log")],
    at: Annotated[str | None, typer.Option(metavar="TIME", help="When it happened, as 2024-03-01T15:00Z; now")] = None,
    state: State = DEFAULT_STATE,
    json: Json = False,
) -> None:
    """Enter a movement at the broker that no execution and no dividend explains."""
    from api.numbers import money
    from api.operations.account import Entered

    wanted = _entry(kind, amount, source, reason, _instant(at, "--at"))
    done = acting.act(state, Entered, "POST", "/v1/account/ledger", wanted)
    if json:
        print_json(done.model_dump(mode="json"))
    else:
        words = "Entered" if done.new else "It was entered before"
        err.print(f"{words}. The ledger's balance is ${money(done.balance)}.", markup=False)


def positions(
    symbol: Annotated[str | None, typer.Argument(metavar="SYMBOL", help="One position, with its lots")] = None,
    closed: Annotated[bool, typer.Option("--closed", help="Also what is held no more")] = False,
    state: State = DEFAULT_STATE,
    json: Json = False,
) -> None:
    """Show what is held, by average cost and first in, first out."""
    from api.operations import positions
    from cli import account_views as views

    if symbol is not None:
        one = ask(state, lambda parts: positions.position(parts.database, symbol.strip()))
        if json:
            print_json(one.model_dump(mode="json"))
        else:
            views.show_position(one)
        return
    found = ask(state, lambda parts: positions.positions(parts.database, limit=sys.maxsize, closed=closed))
    if json:
        print_json({"data": [each.model_dump(mode="json") for each in found]})
    else:
        views.show_positions(found)


def performance(
    first: From = None,
    last: To = None,
    benchmark: Annotated[str, typer.Option(help="A symbol whose bars the book has")] = "SPY",
    sessions: Annotated[bool, typer.Option("--sessions", help="Session by session")] = False,
    state: State = DEFAULT_STATE,
    json: Json = False,
) -> None:
    """Show how the account fared, net of transfers, beside a benchmark."""
    from api.operations import performance
    from cli import account_views as views

    begin, end = _day(first, "--from"), _day(last, "--to")
    if sessions:
        points = ask(
            state, lambda parts: performance.series(parts.database, first=begin, last=end, benchmark=benchmark)
        )
        if json:
            print_json({"data": [each.model_dump(mode="json") for each in points]})
        else:
            views.show_sessions(points)
        return
    found = ask(
        state, lambda parts: performance.performance(parts.database, first=begin, last=end, benchmark=benchmark)
    )
    if json:
        print_json(found.model_dump(mode="json"))
    else:
        views.show_performance(found)


def _entry(kind: str, amount: str, source: str, reason: str, at: datetime | None) -> NewCashEntry:
    from api.operations.account import NewCashEntry

    body: dict[str, Any] = {"kind": kind, "source_id": source, "reason": reason, "occurred_at": at}
    try:
        dollars = Decimal(amount)
        return NewCashEntry.model_validate(body | {"amount": -abs(dollars) if kind in GOES_OUT else dollars})
    except InvalidOperation:
        raise InvalidInput("AMOUNT_INVALID", "Give dollars, as 1500.00", option="AMOUNT", found=amount) from None
    except ValidationError as error:
        first = error.errors()[0]
        field = ".".join(str(part) for part in first["loc"])
        raise InvalidInput("CASH_ENTRY_INVALID", first["msg"], field=field, found=first["input"]) from None


def _instant(text: str | None, option: str) -> datetime | None:
    return None if text is None else read_instant(text, option)


def _day(text: str | None, option: str) -> date | None:
    if text is None:
        return None
    try:
        return date.fromisoformat(text)
    except ValueError:
        raise InvalidInput("DAY_INVALID", "Give it as 2024-03-01", option=option, found=text) from None
