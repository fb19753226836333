"""`stonks reconcile`: our book against the broker's, now."""

from __future__ import annotations

from typing import TYPE_CHECKING

import typer

from cli.commands.operate import actor, ask
from cli.commands.stack import DEFAULT_STATE, Json, State
from cli.output import err, print_json

if TYPE_CHECKING:
    from api.operations.reconciliations import ReconciliationDetail
    from workers.parts import Parts


def register(app: typer.Typer) -> None:
    app.command()(reconcile)


def reconcile(state: State = DEFAULT_STATE, json: Json = False) -> None:
    """Compare the book with the broker, take over what the broker proves, and show the rest.

    Orders and shares of yours that are not the platform's are recorded and left alone. What neither side proves is
    shown as an alarm, and blocks until the two agree. The same runs by itself at every start, after every loss of the
    broker's stream, and every quarter of an hour while the exchange is open.

    Example: stonks reconcile
    Example: stonks reconcile --json
    """
    from api.operations import reconciliations
    from cli.reconciliation_views import show_reconciliation

    async def compare(parts: Parts) -> ReconciliationDetail:
        begun = await reconciliations.begin(parts.client, actor=actor())
        if not json:
            err.print("The broker is asked...", style="dim")
        await reconciliations.wait(parts.client, begun)
        return await reconciliations.detail(parts.database, begun.reconciliation_id)

    found = ask(state, compare)
    if json:
        print_json(found.model_dump(mode="json"))
    else:
        show_reconciliation(found)
