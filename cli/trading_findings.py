"""What the doctor says of trading: differences with the broker that wait for a person, orders that wait for a price.

And whether the balances that are kept of the cash ledger are what its entries come to.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from api.failures import as_stonks_error
from cli.connection import settings_of
from cli.stack.doctor import Finding, failed
from domain.actors import spoken
from domain.errors import ConfigurationError, NotFound

if TYPE_CHECKING:
    from activities.ports import Calendar
    from api.operations.broker_standing import UnpricedOrder
    from api.operations.reconciliations import StandingDifference
    from store.cash_ledger import Misstated
    from workers.settings import Settings


def trading_findings(state_dir: Path) -> list[Finding]:
    """Look into the book of a running platform; nothing where none runs, or where the book cannot be read."""
    try:
        settings = settings_of(state_dir)
    except NotFound:
        return []
    except ConfigurationError as error:
        return [failed("settings", error)]
    try:
        differences, unpriced, misstated = asyncio.run(_read(settings))
    except Exception as error:
        if as_stonks_error(error) is None:
            raise
        return []  # the doctor's look at the database says why
    return [_of_differences(differences), _of_orders(unpriced), _of_balances(misstated)]


async def _read(settings: Settings) -> tuple[list[StandingDifference], list[UnpricedOrder], list[Misstated]]:
    from api.operations.broker_standing import unpriced_orders
    from api.operations.reconciliations import standing_differences
    from api.operations.trading import REPLAY
    from store import cash_ledger
    from store.database import Database

    database = Database(settings.database(read_only=True))
    now = datetime.now(UTC)
    try:
        async with database.transaction() as session:
            differences = await standing_differences(session)
            misstated = await cash_ledger.misstated(session)
        told = settings.mode.value == REPLAY
        unpriced = [] if told else await unpriced_orders(database, _calendar, now=now)
        return differences, unpriced, misstated
    finally:
        await database.close()


def _calendar() -> Calendar:
    from activities.adapters.calendar import ExchangeCalendar

    return ExchangeCalendar(today=datetime.now(UTC).date())


def _of_differences(standing: Sequence[StandingDifference]) -> Finding:
    from domain.reconciliation import Treatment

    waiting = [each for each in standing if each.treatment is Treatment.ALARMED]
    if not waiting:
        return Finding("reconciliation", True, "no difference with the broker waits for anybody")
    said = "; ".join(_difference(each) for each in waiting)
    fix = "`stonks reconcile` compares again and shows them with their ids; accept or decline there what is to stay"
    return Finding("reconciliation", False, f"{len(waiting)} differences with the broker wait: {said}", fix)


def _difference(each: StandingDifference) -> str:
    what = f"{each.kind.value.replace('_', ' ')} {each.symbol or each.subject}"
    return f"{what}, accepted by {spoken(each.accepted_by)}, a second person must decide" if each.acceptance else what


def _of_orders(unpriced: Sequence[UnpricedOrder]) -> Finding:
    if not unpriced:
        return Finding("orders", True, "none waits for the price of a session that is over")
    said = "; ".join(
        f"{each.side} {each.symbol} waits for the bar of {each.session}, the newest is {each.newest_bar or 'none'}"
        for each in unpriced
    )
    fix = "A source of bars must bring it: `stonks sources list` shows how they fare, `stonks sources run ID` reads one"
    return Finding("orders", False, said, fix)


def _of_balances(misstated: Sequence[Misstated]) -> Finding:
    from store.cash_ledger import SUM_AGAIN

    if not misstated:
        return Finding("ledger", True, "every balance that is kept is what its entries come to")
    first = misstated[0]
    what = (
        f"{len(misstated)} balances of the cash ledger are not what their entries come to; the first, {first.kind} of "
        f"{first.day}, is kept as {first.kept}, its entries come to {first.summed}"
    )
    return Finding("ledger", False, what, f"No entry is lost. Have the balances made anew, in psql: {SUM_AGAIN}")
