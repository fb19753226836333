"""From when links held and how pairs moved: rows that are only added, read as of an instant, rebuilt from the log."""

from __future__ import annotations

import asyncio
import itertools
import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from importlib import import_module
from typing import Any

import asyncpg
import pytest
from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import Connection
from sqlmodel import SQLModel

from cli.stack.supervisor import Stack
from domain.backtest_data import BacktestData
from domain.comovement import CoMovement
from domain.comovement_measurement import MeasuredPair
from domain.registry import CompanyChange, LinkChange, LinkStatus, NewCompany, NewCompetitor
from store import competitor_history, competitors, exposures, migrate, registry
from store.database import Database, DatabaseSettings
from tests.decisions.builders import PROPERTY
from workers.settings import load

pytestmark = pytest.mark.stack

OURS = {"competitor_link_changes", "competitor_comovements", "exposure_profiles", "competitor_links"}
START = datetime(2014, 3, 3, 12, tzinfo=UTC)
LATE = datetime(2030, 1, 1, tzinfo=UTC)
_numbers = itertools.count(1)


def day(number: float) -> datetime:
    return START + timedelta(days=number)


@pytest.fixture
async def database(servers: Stack) -> Any:
    found = Database(load(servers.environment()).database())
    yield found
    await found.close()


async def made(database: Database, count: int) -> list[str]:
    """Companies that no other test knows."""
    symbols = [f"ZHIST{next(_numbers)}" for _ in range(count)]
    async with database.transaction() as session:
        for symbol in symbols:
            await registry.create(session, wanted=NewCompany(symbol=symbol, name=symbol), actor="test", now=START)
    return symbols


async def decided(database: Database, link_id: str, at: datetime, **change: Any) -> None:
    async with database.transaction() as session:
        row = await competitors.require_link(session, link_id, for_change=True)
        await competitors.change_link(session, row, wanted=LinkChange(**change), actor="test", now=at)


async def added(database: Database, symbol: str, competitor: str, at: datetime, **details: Any) -> str:
    async with database.transaction() as session:
        wanted = NewCompetitor(competitor=competitor, **{"strength": 0.5, **details})
        row = await competitors.add_link(session, symbol=symbol, wanted=wanted, actor="test", now=at)
    return row.link_id


async def removed(database: Database, link_id: str, at: datetime) -> None:
    async with database.transaction() as session:
        row = await competitors.require_link(session, link_id, for_change=True)
        await competitors.remove_link(session, row, actor="test", now=at)


async def live(database: Database, symbol: str, as_of: datetime) -> dict[str, float]:
    async with database.transaction() as session:
        return (await competitor_history.in_force(session, [symbol], as_of=as_of))[symbol]


async def played(database: Database, after: datetime = START) -> BacktestData:
    """What a backtest reads of the competitors."""
    async with database.transaction() as session:
        return BacktestData(
            sessions=(),
            session_dates=(),
            evidence={},
            bars={},
            actions={},
            links=await competitor_history.links(session, until=LATE),
            comovements=await competitor_history.comovements(session, after=after, until=LATE),
        )


# -- links ------------------------------------------------------------------------------------------------------------


async def test_link_when_decided_on_and_taken_back_then_every_instant_sees_its_own(database: Database) -> None:
    one, other, third = await made(database, 3)
    link = await added(database, one, other, day(0), status=LinkStatus.PROPOSED)
    await decided(database, link, day(1), status=LinkStatus.CONFIRMED)
    await decided(database, link, day(2), strength=0.8)
    await decided(database, link, day(3), status=LinkStatus.REJECTED)
    await decided(database, link, day(4), status=LinkStatus.CONFIRMED, strength=0.3)
    await removed(database, link, day(5))
    await added(database, one, other, day(6), strength=0.9)
    await added(database, one, third, day(2), strength=0.1)
    expected = {0.0: {}, 0.9: {}, 1.0: {other: 0.5}, 2.5: {other: 0.8, third: 0.1}, 3.0: {third: 0.1},
                4.5: {other: 0.3, third: 0.1}, 5.0: {third: 0.1}, 6.0: {other: 0.9, third: 0.1}}  # fmt: skip
    data = await played(database)
    for number, strengths in expected.items():
        assert await live(database, one, day(number)) == strengths, number
        assert data.links_at(one, day(number)) == strengths, number
        async with database.transaction() as session:
            naming = await competitor_history.naming(session, as_of=day(number))
        assert (one in naming.get(other, [])) == (other in strengths), number
    async with database.transaction() as session:
        newest = await competitor_history.list_changes(session, symbol=one, limit=3)
        rest = await competitor_history.list_changes(
            session, symbol=one, limit=9, before=(newest[2].since, newest[2].competitor, newest[2].number)
        )
    everything = [(row.since, row.competitor, row.strength) for row in (*newest, *rest)]
    assert everything == [
        (day(6), other, 0.9),
        (day(5), other, None),
        (day(4), other, 0.3),
        (day(3), other, None),
        (day(2), other, 0.8),
        (day(2), third, 0.1),
        (day(1), other, 0.5),
    ]


async def test_link_when_changed_by_a_clock_that_goes_back_then_the_history_stays_in_order(database: Database) -> None:
    one, other = await made(database, 2)
    link = await added(database, one, other, day(3))
    await decided(database, link, day(1), strength=0.7)
    assert await live(database, one, day(2)) == {}
    assert await live(database, one, day(3)) == {other: 0.7}
    assert (await played(database)).links_at(one, day(3)) == {other: 0.7}


async def test_link_when_one_of_both_is_not_followed_then_neither_live_nor_backtest_sees_it(database: Database) -> None:
    one, other, third = await made(database, 3)
    await added(database, one, other, day(0))
    await added(database, third, one, day(0))
    async with database.transaction() as session:
        for symbol in (one, other):
            company = await registry.require(session, symbol, for_change=True)
            await exposures.replace(session, company, exposures={"oil": 0.5}, provenance="", actor="test", now=day(0))
        await registry.deactivate(
            session, await registry.require(session, one, for_change=True), actor="test", now=day(1)
        )
    data = await played(database)
    for symbol in (one, third):
        assert await live(database, symbol, day(2)) == data.links_at(symbol, day(2)) == {}
    async with database.transaction() as session:
        assert not {one, third} & {name for names in (await competitor_history.naming(session, as_of=day(2))).values()
                                   for name in names}  # fmt: skip
        in_force = await exposures.in_force(session, [one, other], as_of=day(2))
        histories = await exposures.histories(session, until=day(2))
        assert set(in_force) == {one, other} & histories.keys() == {other}
        company = await registry.require(session, one, for_change=True)
        await registry.change(session, company, wanted=CompanyChange(followed=True), actor="test", now=day(3))
    assert await live(database, one, day(2)) == {other: 0.5}


# -- co-movements -----------------------------------------------------------------------------------------------------


def measured(symbol: str, competitor: str, as_of: datetime, rho: float, n: int = 9) -> MeasuredPair:
    return MeasuredPair(
        symbol=symbol,
        competitor=competitor,
        as_of=as_of,
        comovement=CoMovement(rho=rho, n=n),
        told=n,
        benchmark="SPY",
    )


async def kept(database: Database, pair: MeasuredPair, known_at: datetime) -> int:
    async with database.transaction() as session:
        return await competitor_history.save_comovements(session, [pair], now=known_at)


async def test_comovement_when_measured_again_and_again_then_every_instant_sees_its_own(database: Database) -> None:
    one, other = await made(database, 2)
    assert await kept(database, measured(one, other, day(7), 0.25), day(7.1)) == 1
    assert await kept(database, measured(one, other, day(7), 0.99), day(7.2)) == 0  # a repeat
    assert await kept(database, measured(one, other, day(14), 0.5), day(14.1)) == 1
    assert await kept(database, measured(one, other, day(3), -1.0), day(15)) == 1  # of an earlier instant
    assert await kept(database, measured(one, other, day(21), 0.0, 0), day(21.1)) == 1
    expected = {7.0: None, 7.1: 0.25, 14.0: 0.25, 14.1: 0.5, 15.0: 0.5, 22.0: 0.0}
    data = await played(database)
    for number, rho in expected.items():
        async with database.transaction() as session:
            rows = (await competitor_history.newest_comovements(session, [one], as_of=day(number)))[one]
        now = {rival: competitor_history.comovement_of(row) for rival, row in rows.items()}
        assert now == data.comovements_at(one, day(number)), number
        assert (now[other].rho if other in now else None) == rho, number
    for after in (7.15, 14.1, 16.0, 30.0):
        late = await played(database, day(after))
        for number in (after, 21.05, 21.2, 31.0):
            if number >= after:
                assert late.comovements_at(one, day(number)) == data.comovements_at(one, day(number)), (after, number)


# -- what stood before there was a history ----------------------------------------------------------------------------

history_of = import_module("store.migrations.versions.0006_comovement").history_of
links = st.lists(
    st.sampled_from(["propose", "confirm", "reject", "weigh", "remove", "add", "add proposed"]), max_size=12
)


@PROPERTY
@given(links)
def test_migration_when_the_audit_log_tells_of_a_link_then_its_history_is_what_would_have_been_noted(
    acts: list[str],
) -> None:
    """A link's life is acted out; the rows found from the log must be what each moment had in force."""
    row: dict[str, Any] | None = None
    noted: list[dict[str, Any]] = []
    truth: list[tuple[datetime, float | None]] = []
    for number, act in enumerate(acts):
        before = dict(row) if row is not None else None
        if act.startswith("add") and row is None:
            status = "proposed" if act.endswith("proposed") else "confirmed"
            row = {"link_id": f"l{number}", "symbol": "A", "competitor": "B", "strength": 0.5, "status": status,
                   "decided_by": "x", "created_at": day(number), "updated_at": None}  # fmt: skip
        elif row is None or act.startswith("add"):
            continue
        elif act == "remove":
            row = None
        elif act == "weigh":
            row = {**row, "strength": round(0.5 + number / 100, 2)}
        else:
            row = {**row, "status": {"propose": "proposed", "confirm": "confirmed", "reject": "rejected"}[act]}
        if row == before:
            continue
        body = {"before": before, "after": row}
        if before is not None and row is not None:
            differing = {name for name in row if row[name] != before[name]}
            body = {name: {key: side[key] for key in differing} for name, side in (("before", before), ("after", row))}
        subject = (row or before or {})["link_id"]
        noted.append({"subject": subject, "recorded_at": day(number), "actor": "x", "body": body})
        truth.append((day(number), row["strength"] if row is not None and row["status"] == "confirmed" else None))
    found = history_of([row] if row is not None else [], noted)
    steps = [(each["since"], each["strength"]) for each in found]
    changed = [step for last, step in itertools.pairwise([(START, None), *truth]) if step[1] != last[1]]
    assert steps == changed
    assert [each["number"] for each in found] == list(range(1, len(found) + 1))


def test_migration_when_nobody_noted_a_confirmed_link_then_it_counts_from_when_it_was_written() -> None:
    link = {"link_id": "l", "symbol": "A", "competitor": "B", "strength": 0.5, "status": "confirmed",
            "decided_by": "x", "created_at": day(1), "updated_at": day(2)}  # fmt: skip
    (found,) = history_of([link, {**link, "link_id": "m", "status": "rejected"}], [])
    assert (found["since"], found["strength"], found["actor"]) == (day(2), 0.5, "x")


@pytest.fixture
def empty(servers: Stack) -> Iterator[DatabaseSettings]:
    """A database without tables."""
    settings = load(servers.environment()).database()
    fresh = settings.model_copy(update={"name": f"history_{next(_numbers)}"})

    async def administer(statement: str) -> None:
        connection = await _connected(settings)
        await connection.execute(statement)
        await connection.close()

    asyncio.run(administer(f'CREATE DATABASE "{fresh.name}"'))
    yield fresh
    asyncio.run(administer(f'DROP DATABASE "{fresh.name}"'))


async def _connected(settings: DatabaseSettings) -> Any:
    return await asyncpg.connect(
        host=settings.host,
        port=settings.port,
        user=settings.user,
        password=settings.password.get_secret_value(),
        database=settings.name,
        ssl=False,
    )


def test_migration_when_run_over_a_book_with_links_then_they_have_a_history_and_it_can_be_undone(
    empty: DatabaseSettings,
) -> None:
    migrate.upgrade(empty, "0005")

    async def fill() -> None:
        connection = await _connected(empty)
        await connection.execute(
            "INSERT INTO companies (symbol, name, kind, sector, industry, cik, exchange, followed, origin, version) "
            "SELECT s, s, 'stock', '', '', '', '', true, 'test', 1 FROM unnest(array['A', 'B']) AS s"
        )
        await connection.execute(
            "INSERT INTO competitor_links (link_id, symbol, competitor, strength, status, provenance, reasons, "
            "created_at, decided_by, version) VALUES ('l', 'A', 'B', 0.7, 'confirmed', 'person', '[]', $1, 'x', 2)",
            day(0),
        )
        body = {"before": {"status": "proposed", "version": 1}, "after": {"status": "confirmed", "version": 2}}
        await connection.execute(
            "INSERT INTO audit_log (sequence, entry_key, recorded_at, actor, action, subject, body, previous_hash, "
            "entry_hash) VALUES (1, 'k', $1, 'x', 'competitor_confirmed', 'l', $2, '', '')",
            day(4),
            json.dumps(body),
        )
        await connection.close()

    async def rows() -> list[Any]:
        connection = await _connected(empty)
        found = [tuple(row) for row in await connection.fetch("SELECT * FROM competitor_link_changes")]
        await connection.close()
        return found

    asyncio.run(fill())
    for _ in range(2):
        migrate.upgrade(empty, "0006")
        assert asyncio.run(rows()) == [("A", "B", 1, day(4), 0.7, "x")]
        command.downgrade(migrate._config(empty), "0005")


async def test_migrations_when_all_are_applied_then_our_tables_are_as_the_models_say(database: Database) -> None:
    def differences(connection: Connection) -> list[Any]:
        context = MigrationContext.configure(
            connection,
            opts={
                "compare_type": True,
                "include_object": lambda thing, name, kind, *_: kind != "table" or name in OURS,
            },
        )
        return list(compare_metadata(context, SQLModel.metadata))

    async with database.engine.connect() as connection:
        assert await connection.run_sync(differences) == []
