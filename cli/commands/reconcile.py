"""`stonks reconcile`: our book against the broker's, now."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from cli import acting
from cli.commands.operate import ReasonOption, ask
from cli.commands.stack import DEFAULT_STATE, Json, State
from cli.groups import Commands
from cli.output import err, print_json

if TYPE_CHECKING:
    from pathlib import Path

    from api.operations.reconciliations import ReconciliationDetail
    from domain.acceptance import AcceptanceReport
    from workers.parts import Parts


DifferenceArgument = Annotated[
    str, typer.Argument(metavar="ID", help="The difference, or the unique beginning of its id")
]


def register(app: typer.Typer) -> None:
    group = typer.Typer(cls=Commands, invoke_without_command=True)
    group.callback()(reconcile)
    group.command()(accept)
    group.command()(decline)
    app.add_typer(group, name="reconcile")


def reconcile(context: typer.Context, state: State = DEFAULT_STATE, json: Json = False) -> None:
    """Compare the book with the broker, take over what the broker proves, and show the rest.

    Orders and shares of yours that are not the platform's are recorded and left alone. What neither side proves is
    shown as an alarm, and blocks until the two agree. The same runs by itself at every start, after every loss of the
    broker's stream, and every quarter of an hour while the exchange is open.

    Example: stonks reconcile

    Example: stonks reconcile --json
    """
    if context.invoked_subcommand is not None:
        return
    from api.operations import reconciliations
    from cli.reconciliation_views import show_reconciliation

    begun = acting.act(state, reconciliations.ReconciliationBegun, "POST", "/v1/trading/reconcile")
    if not json:
        err.print("The broker is asked...", style="dim")

    async def compare(parts: Parts) -> ReconciliationDetail:
        await reconciliations.wait(parts.client, begun)
        return await reconciliations.detail(parts.database, begun.reconciliation_id)

    found = ask(state, compare)
    if json:
        print_json(found.model_dump(mode="json"))
    else:
        show_reconciliation(found)


def accept(
    difference: DifferenceArgument, reason: ReasonOption, state: State = DEFAULT_STATE, json: Json = False
) -> None:
    """Accept a difference that book and broker cannot settle. Somebody else must accept it too.

    Shares that are gone leave the position at its average price, cash is entered in the ledger, both as adjustments.
    What cannot be booked is no alarm for as long as it stays as it is.

    Example: stonks reconcile accept 3f9a --reason "sold by hand, see the broker's statement of 4 March"
    """
    from domain.acceptance import AcceptanceStatus

    done = _decide(difference, "accept", reason, state)
    if json:
        print_json(done.model_dump(mode="json"))
    elif done.status is AcceptanceStatus.PENDING:
        err.print("Noted. Somebody else must accept it too.")
    else:
        err.print(f"Accepted{': ' + done.booked if done.booked else ''}.", markup=False)


def decline(
    difference: DifferenceArgument, reason: ReasonOption, state: State = DEFAULT_STATE, json: Json = False
) -> None:
    """Decline to accept a difference that somebody has accepted, or take your own word back.

    Nothing is booked, and the difference stays an alarm.

    Example: stonks reconcile decline 3f9a --reason "the statement shows no such sale"
    """
    done = _decide(difference, "decline", reason, state)
    if json:
        print_json(done.model_dump(mode="json"))
    else:
        err.print("Declined. The difference stays an alarm.")


def _decide(difference: str, what: str, reason: str, state: Path) -> AcceptanceReport:
    from api.operations import reconciliations
    from api.operations.trading import valid_reason
    from domain.acceptance import AcceptanceReport

    said = valid_reason(reason)
    found = ask(state, lambda parts: reconciliations.find_standing(parts.database, difference))
    shown = f"{acting.segment(found.last_reconciliation)}/differences/{found.difference_id}"
    path = f"/v1/trading/reconciliations/{shown}/{what}"
    return acting.act(state, AcceptanceReport, "POST", path, {"reason": said})
