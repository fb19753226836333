"""Figures of the economy and prices as they were known at an instant."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import UTC, date, datetime
from decimal import Decimal

import pytest

from cli.stack.supervisor import Stack
from domain.market import MacroFigure
from domain.registry import NewCompany
from store import economy, exposures, facts, registry
from store.database import Database
from workers.settings import load

pytestmark = pytest.mark.stack

SERIES = "ZFIGURES"
ONE, OTHER = date(2001, 3, 5), date(2001, 3, 6)


@pytest.fixture
async def database(servers: Stack) -> AsyncIterator[Database]:
    found = Database(load(servers.environment()).database())
    yield found
    await found.close()


def figure(period: date, value: str | None, known_from: date) -> MacroFigure:
    return MacroFigure(
        series=SERIES,
        period=period,
        value=None if value is None else Decimal(value),
        known_from=known_from,
        known_to=date.max,
    )


async def test_figures_when_revised_then_each_instant_sees_its_own_vintage(database: Database) -> None:
    async with database.transaction() as session:
        await facts.save_macro(
            session,
            [
                figure(ONE, "5.25", date(2001, 3, 6)),
                figure(ONE, "5.50", date(2001, 4, 2)),
                figure(OTHER, None, date(2001, 3, 7)),
                figure(OTHER, "5.75", date(2001, 3, 9)),
                figure(date(2001, 1, 2), "1", date(2001, 1, 3)),
            ],
        )

    async def at(as_of: datetime) -> dict[date, float]:
        async with database.transaction() as session:
            found = await economy.figures_at(session, series=[SERIES, "NONE"], first=ONE, as_of=as_of)
        assert found.keys() <= {SERIES}
        return found.get(SERIES, {})

    assert await at(datetime(2001, 3, 6, 12, tzinfo=UTC)) == {}  # known from the end of that day in New York
    assert await at(datetime(2001, 3, 8, 12, tzinfo=UTC)) == {ONE: 5.25}
    assert await at(datetime(2001, 4, 1, 12, tzinfo=UTC)) == {ONE: 5.25, OTHER: 5.75}
    assert await at(datetime(2001, 4, 4, 12, tzinfo=UTC)) == {ONE: 5.5, OTHER: 5.75}


async def test_sector_when_profiles_differ_in_time_then_only_the_others_of_the_instant_count(
    database: Database,
) -> None:
    early, late = datetime(2001, 5, 1, tzinfo=UTC), datetime(2001, 6, 1, tzinfo=UTC)
    async with database.transaction() as session:
        for number, sector in enumerate(("Looms", "Looms", "Looms", "Yarn", "")):
            symbol = f"ZSEC{number}"
            wanted = NewCompany(symbol=symbol, name=symbol, sector=sector)
            await registry.create(session, wanted=wanted, actor="test", now=early)
            company = await registry.require(session, symbol, for_change=True)
            given = {"oil": number / 10}
            await exposures.replace(
                session, company, exposures=given, provenance="", actor="test", now=late if number == 2 else early
            )
        assert await exposures.of_sector(session, "Looms", besides="ZSEC0", as_of=early) == [{"oil": 0.1}]
        assert await exposures.of_sector(session, "Looms", besides="ZSEC0", as_of=late) == [{"oil": 0.1}, {"oil": 0.2}]
        assert await exposures.of_sector(session, "", besides="ZSEC0", as_of=late) == []
