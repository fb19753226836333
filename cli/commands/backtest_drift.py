"""`stonks backtest drift`: a day as it was traded, beside the same day played again."""

from __future__ import annotations

from datetime import date
from typing import TYPE_CHECKING, Annotated

import typer

from cli.commands.operate import ask
from cli.commands.stack import DEFAULT_STATE, Json, State
from cli.output import err, print_json
from domain.errors import InvalidInput

if TYPE_CHECKING:
    from domain.drift import DriftReport
    from workers.parts import Parts


def drift(
    session: Annotated[str, typer.Argument(metavar="SESSION", help="A day, YYYY-MM-DD; without it the last")] = "",
    run: Annotated[bool, typer.Option("--run", help="Compare now, on what the book holds now, and wait")] = False,
    state: State = DEFAULT_STATE,
    json: Json = False,
) -> None:
    """Show what a day's trading and the same day played again differ in, and why.

    Every gap has a label: data (other inputs), fill (other quantity or price), timing (decided or ordered at another
    instant), approval (a person said no, or nothing). The dollars of the gaps explain the difference of the account's
    change; what is left is shown. The last session is compared every night by itself.

    Example: stonks backtest drift

    Example: stonks backtest drift 2014-07-18 --run --json
    """
    from api.operations import drift as reports
    from cli.drift_views import show_drift

    wanted = _day(session) if session else None

    async def read(parts: Parts) -> DriftReport:
        day = wanted
        if run:
            err.print("The day is played again...", style="dim")
            day = (await reports.compare_now(parts.client, wanted)).session
        return await reports.report(parts.database, day)

    report = ask(state, read)
    if json:
        print_json(report.model_dump(mode="json"))
    else:
        show_drift(report)


def _day(value: str) -> date:
    try:
        return date.fromisoformat(value)
    except ValueError as error:
        raise InvalidInput("DATE_INVALID", field="SESSION", found=value, allowed="YYYY-MM-DD") from error
