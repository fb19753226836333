from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection
from sqlmodel import SQLModel

from activities import publishing
from activities.adapters.lake import replacing
from domain.errors import ConfigurationError, InvalidInput, VendorUnavailable
from domain.lake import (
    ExportStatus,
    LakeStamp,
    LakeTable,
    LakeType,
    Partition,
    TidyRequest,
    WhyWritten,
    export_id,
    part_of,
)
from domain.lake_tables import BY_NAME, TABLES
from store import lake_exports
from tests.lake.house import DAYS, FIRST, House

AT = datetime(2013, 12, 3, 4, 5, 6, 789, tzinfo=UTC)


async def equal(house: House, table: str) -> None:
    assert await house.in_lake(table) == await house.in_book(table)


@pytest.mark.parametrize("table", [each.name for each in TABLES])
async def test_table_when_published_then_lake_has_every_row_of_the_book(house: House, table: str) -> None:
    book = await house.in_book(table)

    assert book
    assert await house.in_lake(table) == book


async def test_ledger_when_published_then_sums_are_those_of_the_book_to_the_last_digit(house: House) -> None:
    await house.make("cash_ledger", 1, amount=Decimal("0.000000000000001"), occurred_at=AT)
    await house.make("cash_ledger", 1, amount=Decimal("-99999999999999999999.99"), occurred_at=AT)
    await house.export("cash_ledger")
    async with house.database.engine.connect() as connection:
        (total,) = (await connection.execute(text("SELECT sum(amount) FROM cash_entries"))).one()

    ((found,),) = await house.query("SELECT sum(amount) FROM cash_ledger")

    assert found == total


async def test_table_when_nothing_changed_then_no_snapshot_is_made(house: House) -> None:
    before = await house.snapshots("evidence")

    done = await house.export("evidence")

    assert done.status is ExportStatus.UNCHANGED
    assert done.snapshot_id == str(before[-1])
    assert await house.snapshots("evidence") == before


async def test_publication_when_repeated_then_table_is_exported_once(house: House) -> None:
    await house.make("events", 1)
    first = await house.export("events", "test/repeated")
    await house.make("events", 1)

    again = await house.export("events", "test/repeated")

    assert again == first
    await house.export("events")
    await equal(house, "events")


async def test_order_when_it_fills_later_then_its_part_alone_is_written_again(house: House) -> None:
    (row,) = await house.make("orders", 1, created_at=AT, status="accepted")
    await house.export("orders")
    files = await _files(house, "orders")

    await house.sql("UPDATE orders SET status = 'filled' WHERE order_id = :id", id=row["order_id"])
    done = await house.export("orders")

    assert (done.reason, done.parts_written) == (WhyWritten.CHANGES, 1)
    assert len(files - await _files(house, "orders")) == 1
    await equal(house, "orders")


async def test_document_when_it_is_known_since_long_ago_then_the_old_part_has_it(house: House) -> None:
    await house.make("documents", 1, available_at=datetime(1999, 12, 31, 23, 59, 59, 999_999, tzinfo=UTC))
    await house.make("documents", 1, available_at=datetime(1969, 12, 31, 23, 59, tzinfo=UTC))

    done = await house.export("documents")

    assert done.parts_written == 2
    await equal(house, "documents")


async def test_row_when_removed_or_moved_then_neither_part_keeps_it(house: House) -> None:
    removed, moved, alone = await house.make("model_calls", 3, reserved_at=AT)
    await house.sql(
        "UPDATE model_calls SET reserved_at = :at WHERE call_key = :id",
        id=alone["call_key"],
        at=datetime(2001, 1, 1, tzinfo=UTC),
    )
    await house.export("model_calls")

    await house.sql("DELETE FROM model_calls WHERE call_key IN (:id, :alone)", id=removed["call_key"],
                    alone=alone["call_key"])  # fmt: skip
    await house.sql(
        "UPDATE model_calls SET reserved_at = :at WHERE call_key = :id",
        id=moved["call_key"],
        at=FIRST + timedelta(days=DAYS),
    )
    await house.export("model_calls")

    await equal(house, "model_calls")


async def test_table_when_all_rows_are_gone_then_lake_has_none(house: House) -> None:
    await house.sql("DELETE FROM tier_events")

    done = await house.export("tier_events")

    assert done.status is ExportStatus.COMMITTED
    assert await house.query("SELECT * FROM tier_events") == []


@pytest.mark.parametrize("savepoint", [False, True])
async def test_row_when_committed_after_a_later_one_was_published_then_it_is_published_too(
    house: House, savepoint: bool
) -> None:
    """The first to begin is the last to commit: a watermark made of ids, or of times in rows, would skip its row."""
    async with _open(house) as slow, _open(house) as fast:
        await slow.execute(text("SELECT pg_current_xact_id()"))
        if savepoint:
            await slow.execute(text("SAVEPOINT inner_part"))
        await _vote(slow, f"slow-{savepoint}", AT)
        await _vote(fast, f"fast-{savepoint}", AT + timedelta(days=60))
        await fast.commit()
        await house.export("approval_votes")
        assert await _votes(house, savepoint) == [f"fast-{savepoint}"]
        await slow.commit()

    done = await house.export("approval_votes")

    assert done.reason is WhyWritten.CHANGES
    assert await _votes(house, savepoint) == [f"fast-{savepoint}", f"slow-{savepoint}"]
    await equal(house, "approval_votes")


async def test_row_when_its_transaction_is_rolled_back_then_lake_never_has_it(house: House) -> None:
    async with _open(house) as given_up:
        await _vote(given_up, "given-up", AT)
        await house.export("approval_votes")
        await given_up.rollback()

    await house.export("approval_votes")

    await equal(house, "approval_votes")


async def test_export_when_killed_after_its_commit_then_retry_writes_the_row_alone(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    await house.make("fills", 5)

    async def die(*_: Any, **__: Any) -> None:
        raise asyncio.CancelledError

    with monkeypatch.context() as patched:
        patched.setattr(lake_exports, "finish", die)
        with pytest.raises(asyncio.CancelledError):
            await house.export("fills", "test/killed")
    snapshots = await house.snapshots("fills")
    async with house.database.transaction() as session:
        row = await lake_exports.require(session, export_id("test/killed", "fills"))
        assert row.status == ExportStatus.RUNNING.value
    await house.make("fills", 5)  # not part of what was committed

    done = await house.export("fills", "test/killed")

    assert (done.status, done.snapshot_id) == (ExportStatus.COMMITTED, str(snapshots[-1]))
    assert await house.snapshots("fills") == snapshots
    await house.export("fills")
    await equal(house, "fills")


async def test_export_when_killed_before_its_commit_then_nothing_of_it_is_seen(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    from activities.adapters.lake.iceberg import OpenTable

    before = await house.in_lake("bars")
    await house.make("bars", 5)

    def die(*_: Any, **__: Any) -> None:
        raise InterruptedError

    with monkeypatch.context() as patched:
        patched.setattr(OpenTable, "commit", die)
        with pytest.raises(InterruptedError):
            await house.export("bars", "test/killed-early")

    assert await house.in_lake("bars") == before
    await house.export("bars", "test/killed-early")
    await equal(house, "bars")


async def test_exports_when_several_run_at_once_then_rows_are_there_once(house: House) -> None:
    await house.make("recommendations", 20)

    left = [f"test/at-once-{number}" for number in range(4)]
    while left:  # what is refused Temporal tries again
        outcomes = await asyncio.gather(
            *(house.export("recommendations", each) for each in left), return_exceptions=True
        )
        failed = [each for each in outcomes if isinstance(each, BaseException)]
        assert all(isinstance(each, VendorUnavailable) and each.code == "LAKE_COMMIT_REFUSED" for each in failed)
        assert len(failed) < len(left)
        left = [each for each, outcome in zip(left, outcomes, strict=True) if isinstance(outcome, BaseException)]

    await equal(house, "recommendations")


async def test_commit_when_another_came_first_then_it_is_refused_also_in_an_empty_table(house: House) -> None:
    spec = _other(BY_NAME["fills"], "contested")
    (row, *_) = await house.in_book("fills")
    first = await asyncio.to_thread(house.lake.open, spec)
    second = await asyncio.to_thread(house.lake.open, spec)
    for opened in (first, second):
        await asyncio.to_thread(opened.write, 528, [row])

    await asyncio.to_thread(first.commit, _stamp("one"), replaced=[528])
    with pytest.raises(VendorUnavailable, match="LAKE_COMMIT_REFUSED"):
        await asyncio.to_thread(second.commit, _stamp("two"), replaced=[528])

    opened = await asyncio.to_thread(house.lake.open, spec)
    assert opened.state.parts == {528: 1}


async def test_manifests_when_parts_were_replaced_many_times_then_they_stay_few(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(replacing, "MANIFESTS", 5)
    spec = _other(BY_NAME["fills"], "replaced")
    (row, *_) = await house.in_book("fills")
    for number in range(14):
        opened = await asyncio.to_thread(house.lake.open, spec)
        at = datetime(2014, 1 + number % 3, 1, tzinfo=UTC)
        part = part_of(Partition.MONTH, at)
        await asyncio.to_thread(opened.write, part, [(*row[:-1], at)])
        await asyncio.to_thread(opened.commit, _stamp(str(number)), replaced=[part])

    table = await asyncio.to_thread(house.lake.find, spec)
    assert table is not None
    snapshot = table.current_snapshot()
    assert snapshot is not None
    manifests = snapshot.manifests(table.io)
    assert len(manifests) < 5
    assert sum(each.added_files_count + each.existing_files_count for each in manifests) == 3
    assert (await asyncio.to_thread(table.scan().to_arrow)).num_rows == 3
    opened = await asyncio.to_thread(house.lake.open, spec)
    assert set(opened.state.parts.values()) == {1}


async def test_lake_when_the_book_does_not_know_its_last_export_then_all_is_written_again(house: House) -> None:
    await house.make("lot_closings", 1)
    last = await house.export("lot_closings")
    await house.sql("DELETE FROM lake_exports WHERE export_id = :id", id=last.export_id)  # as after a restore
    await house.sql("DELETE FROM lot_closings WHERE closing_id IN (SELECT closing_id FROM lot_closings LIMIT 3)")

    done = await house.export("lot_closings")

    assert (done.reason, done.rows_written) == (WhyWritten.OTHER_BOOK, done.rows)
    await equal(house, "lot_closings")


async def test_table_when_its_files_are_gone_then_it_says_so_and_is_made_anew_once_out_of_the_catalog(
    house: House,
) -> None:
    await house.make("breaker_events", 1)
    await house.export("breaker_events")
    moved = "UPDATE lake.iceberg_tables SET metadata_location = metadata_location || '.gone' WHERE table_name = :name"
    await house.sql(moved, name="breaker_events")
    with pytest.raises(VendorUnavailable, match="LAKE_UNAVAILABLE: table=breaker_events"):
        await house.export("breaker_events", "test/gone")

    await house.sql("DELETE FROM lake.iceberg_tables WHERE table_name = :name", name="breaker_events")
    done = await house.export("breaker_events", "test/gone")

    assert (done.status, done.reason) == (ExportStatus.COMMITTED, WhyWritten.FIRST)
    await equal(house, "breaker_events")


async def test_columns_when_one_is_added_then_old_rows_have_its_values_too(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = _other(BY_NAME["risk_decisions"], "widened")
    narrow = whole.model_copy(update={"columns": tuple(each for each in whole.columns if each.name != "price")})
    spec = {"widened": narrow}
    monkeypatch.setattr(publishing, "require_table", spec.__getitem__)
    monkeypatch.setitem(BY_NAME, "widened", whole)  # type: ignore[attr-defined]
    await house.export("widened")

    spec["widened"] = whole
    done = await house.export("widened")

    assert done.reason is WhyWritten.SCHEMA
    await equal(house, "widened")
    spec["widened"] = narrow  # one that is described no longer stays, and is empty
    await house.export("widened")
    assert await house.query("SELECT count(*), count(price) FROM widened") == [(done.rows, 0)]


async def test_columns_when_one_has_another_type_then_export_is_refused_and_noted(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    table = BY_NAME["stop_events"]
    changed = [
        each.model_copy(update={"type": LakeType.NUMBER}) if each.name == "price" else each for each in table.columns
    ]
    other = table.model_copy(update={"columns": tuple(changed)})
    monkeypatch.setattr(publishing, "require_table", {"stop_events": other}.__getitem__)

    with pytest.raises(ConfigurationError, match=r"LAKE_SCHEMA_CONFLICT: .*column=price, found=decimal\(20, 6\)"):
        await house.export("stop_events", "test/conflict")

    async with house.database.transaction() as session:
        row = await lake_exports.require(session, export_id("test/conflict", "stop_events"))
        assert (row.status, row.error[:20]) == (ExportStatus.FAILED.value, "LAKE_SCHEMA_CONFLICT")


async def test_value_when_it_has_more_digits_than_its_column_then_it_is_refused_and_not_rounded(house: House) -> None:
    spec = _other(BY_NAME["fills"], "precise")
    row = list((await house.in_book("fills"))[0])
    row[5] = Decimal("1.0000001")
    opened = await asyncio.to_thread(house.lake.open, spec)

    with pytest.raises(InvalidInput, match="LAKE_VALUE_INVALID: table=precise, column=price"):
        await asyncio.to_thread(opened.write, 528, [row])


async def test_parts_when_another_reader_filters_by_time_then_it_opens_those_alone(house: House) -> None:
    table = await asyncio.to_thread(house.lake.find, BY_NAME["signals"])
    assert table is not None
    scan = table.scan(row_filter="as_of >= '2013-12-01T00:00:00+00:00' and as_of < '2014-01-01T00:00:00+00:00'")

    files = await asyncio.to_thread(lambda: list(scan.plan_files()))
    rows = await asyncio.to_thread(scan.to_arrow)

    assert len(files) == 1
    assert 0 < rows.num_rows == files[0].file.record_count
    ((expected,),) = await house.query(
        "SELECT count(*) FROM signals WHERE as_of >= '2013-12-01' AND as_of < '2014-01-01'"
    )
    assert rows.num_rows == expected


async def test_tidying_when_snapshots_are_old_then_they_and_what_they_alone_had_are_removed(house: House) -> None:
    for _ in range(2):
        await house.make("earnings_dates", 1)
        await house.export("earnings_dates")
    lost = await asyncio.to_thread(house.lake.open, BY_NAME["earnings_dates"])
    await asyncio.to_thread(lost.write, 0, await house.in_book("earnings_dates"))
    await asyncio.to_thread(lost.end_part)  # and never committed
    objects = await _objects(house, "earnings_dates")
    soon = datetime.now(UTC) + timedelta(minutes=5)

    young = await house.activities.tidy_table(TidyRequest(table="earnings_dates", at=soon))
    assert (young.snapshots_expired, young.files_removed) == (0, 0)
    later = TidyRequest(table="earnings_dates", at=soon + timedelta(days=8))
    old = await house.activities.tidy_table(later)

    assert old.snapshots_expired == 2
    assert old.files_removed >= 3  # two replaced files and the one that was lost, with what led to them
    assert await _objects(house, "earnings_dates") == objects + 1 - old.files_removed  # one says what was expired
    await equal(house, "earnings_dates")
    assert (await house.export("earnings_dates")).status is ExportStatus.UNCHANGED


async def test_schema_when_compared_with_the_book_then_no_value_can_be_too_long() -> None:
    for table in TABLES:
        source = SQLModel.metadata.tables[table.source]
        for column in table.columns:
            if column.source:
                continue
            kind = source.columns[column.name].type
            if column.type.digits is not None:
                assert (kind.precision, kind.scale) == column.type.digits, (table.name, column.name)
            assert not (column.name in table.key and source.columns[column.name].nullable)
        assert {column.name for column in source.primary_key} == set(table.key), table.name


def _other(table: LakeTable, name: str) -> LakeTable:
    return table.model_copy(update={"name": name})


def _stamp(name: str) -> LakeStamp:
    return LakeStamp(
        export_id=name, cluster="1/1", horizon=1, schema_version="x", up_to=AT, reason=WhyWritten.FIRST, rows=1
    )


@asynccontextmanager
async def _open(house: House) -> AsyncIterator[AsyncConnection]:
    async with house.database.engine.connect() as connection:
        yield connection


async def _vote(connection: AsyncConnection, person: str, at: datetime) -> None:
    await connection.execute(
        text(
            "INSERT INTO approval_votes"
            " (vote_id, approval_id, person, actor, approved, reason, order_hash, via, voted_at)"
            " VALUES (CAST(:person AS text), CAST(:person AS text), CAST(:person AS text), '', true, '', '', '', :at)"
        ),
        {"person": person, "at": at},
    )


async def _votes(house: House, savepoint: bool) -> list[str]:
    rows = await house.query(f"SELECT person FROM approval_votes WHERE person LIKE '%-{savepoint}' ORDER BY 1")
    return [person for (person,) in rows]


async def _files(house: House, table: str) -> set[str]:
    found = await asyncio.to_thread(house.lake.find, BY_NAME[table])
    assert found is not None
    return {task.file.file_path for task in found.scan().plan_files()}


async def _objects(house: House, table: str) -> int:
    from pyarrow.fs import FileSelector, FileType

    from activities.adapters.lake.tidying import filesystem

    found = await asyncio.to_thread(house.lake.find, BY_NAME[table])
    assert found is not None
    system, folder = filesystem(found, found.location())
    listed = await asyncio.to_thread(system.get_file_info, FileSelector(folder, recursive=True))
    return sum(each.type is FileType.File for each in listed)
