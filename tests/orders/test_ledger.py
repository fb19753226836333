"""One ledger: whatever the number of intents that are judged at once, every limit holds with all of them counted."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from decimal import Decimal

import pytest

from cli.migrate import migrate
from cli.stack.supervisor import Stack
from domain.market import Bar
from store import config, portfolio
from tests.conftest import clean_environment
from tests.orders.desk import Desk, desk

pytestmark = [pytest.mark.stack, pytest.mark.long]

INTENTS = 64


@pytest.fixture(scope="module")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    """A stack of its own: the account is full afterwards."""
    directory = tmp_path_factory.mktemp("ledger")
    with Stack(directory, mode="replay", inherited=clean_environment(), virtual_clock=True) as own:
        own.start(before_application=migrate)
        yield own


@pytest.mark.parametrize(("name", "quantity"), [("FIT", "20"), ("BIG", "90")])
async def test_intents_when_sixty_four_are_judged_at_once_then_no_limit_is_passed(
    stack: Stack, name: str, quantity: str
) -> None:
    """At $50: of the small ones all may fit, of the large ones at most some."""
    async with desk(stack, f"{name}0", approval_above="1000000") as first:
        await first.close_market()
        first.session = first.next_session()
        first.now = first.session.opens_at
        desks = [first] + [Desk(first.parts, first.control, f"{name}{number}") for number in range(1, INTENTS)]
        bars = []
        for each in desks:
            each.session, each.now = first.session, first.now
            prices = dict.fromkeys(("open", "high", "low", "close"), "50")
            bars.append(
                Bar.model_validate(
                    {"symbol": each.symbol, "session": first.session.date, **prices, "volume": 10_000_000}
                )
            )
        assert first.parts.paper is not None
        await first.parts.paper.advance(first.session, "open", bars, [])
        intents = [await each.intend(quantity) for each in desks]
        handles = await asyncio.gather(*(each.execute(intent) for each, intent in zip(desks, intents, strict=True)))
        outcomes = await asyncio.gather(*(first.finish(handle) for handle in handles))

        cash = (await first.parts.broker.account()).cash
        async with first.parts.database.transaction() as session:
            account = await portfolio.load(session, as_of=first.now, cash=cash)
            limits = (await config.current(session)).limits
        verdicts = [await first.verdict(intent) for intent in intents]
        bought = sum((each.market_value for each in account.holdings), Decimal(0))
        pending = sum(account.open_buys.values(), Decimal(0))
        assert bought + pending <= limits.gross_cap * account.equity
        assert account.cash - pending >= limits.cash_floor * account.equity
        for holding in account.holdings:
            assert holding.market_value <= limits.name_cap * account.equity
        assert {outcome.status for outcome in outcomes} <= {"filled", "denied"}, {
            outcome.reason for outcome in outcomes if outcome.status not in ("filled", "denied")
        }
        assert all(verdict.checks for verdict in verdicts)
        filled = [intent for intent, outcome in zip(intents, outcomes, strict=True) if outcome.status == "filled"]
        for intent in filled[:5]:
            assert len(await first.broker_orders(intent)) == 1
