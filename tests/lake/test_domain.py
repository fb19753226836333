from __future__ import annotations

from datetime import UTC, date, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.errors import InvalidInput
from domain.lake import (
    TRANSACTIONS_TOLD_APART,
    BookCut,
    BookPart,
    LakeStamp,
    LakeState,
    LakeType,
    Partition,
    WhyWritten,
    bounds,
    part_of,
    parts_to_write,
    why,
)
from domain.lake_tables import BY_NAME, require_table

AT = datetime(2014, 7, 16, tzinfo=UTC)
TABLE = BY_NAME["fills"]


LAST = datetime(9990, 1, 1)  # noqa: DTZ001 - as the library wants it


@given(at=st.datetimes(timezones=st.just(UTC), max_value=LAST), by=st.sampled_from(["year", "month"]))
def test_part_when_an_instant_is_in_it_then_it_lies_between_its_bounds(at: datetime, by: str) -> None:
    partition = Partition(by)
    number = part_of(partition, at)

    first, after = bounds(partition, number)

    assert first <= at < after
    assert part_of(partition, after) == number + 1
    assert part_of(partition, first - timedelta(microseconds=1)) == number - 1 if at.year > 1 else True


@pytest.mark.parametrize(
    ("at", "month", "year"),
    [(date(1970, 1, 1), 0, 0), (date(1969, 12, 31), -1, -1), (date(2014, 7, 16), 534, 44)],
)
def test_part_when_counted_then_as_iceberg_counts(at: date, month: int, year: int) -> None:
    assert (part_of(Partition.MONTH, at), part_of(Partition.YEAR, at)) == (month, year)


@given(
    before=st.dictionaries(st.sampled_from("abcdefgh"), st.integers(0, 3)),
    after=st.dictionaries(st.sampled_from("abcdefgh"), st.tuples(st.integers(0, 3), st.booleans())),
)
def test_parts_when_rows_come_go_and_move_then_all_that_differ_are_written(
    before: dict[str, int], after: dict[str, tuple[int, bool]]
) -> None:
    """The lake has `before`, the book `after`; a row that is new, moved or rewritten is of a new transaction."""
    now = {key: part for key, (part, _) in after.items()}
    new = {key for key, (part, rewritten) in after.items() if rewritten or before.get(key) != part}
    book = [
        BookPart(
            number=number,
            rows=sum(part == number for part in now.values()),
            changed=sum(now[key] == number for key in new),
        )
        for number in sorted(set(now.values()))
    ]
    lake = {number: sum(part == number for part in before.values()) for number in set(before.values())}

    stale, emptied = parts_to_write(book, lake, WhyWritten.CHANGES)

    for number in range(4):
        had = {key for key, part in before.items() if part == number}
        has = {key for key, part in now.items() if part == number}
        if had != has or has & new:
            assert number in (stale if has else emptied)
        else:
            assert number not in (*stale, *emptied)


def cut(**changes: object) -> BookCut:
    return BookCut(**{"cluster": "1/5", "horizon": 900, "next_transaction": 1_000, "at": AT, **changes})  # type: ignore[arg-type]


def state(**changes: object) -> LakeState:
    stamp = {
        "export_id": "e",
        "cluster": "1/5",
        "horizon": 700,
        "schema_version": TABLE.schema_version,
        "up_to": AT,
        "reason": WhyWritten.FIRST,
        "rows": 1,
        **changes,
    }
    return LakeState(snapshot_id="7", stamp=LakeStamp.model_validate(stamp))


@pytest.mark.parametrize(
    ("found", "looked", "known", "expected"),
    [
        (LakeState(), cut(), False, WhyWritten.FIRST),
        (state(), cut(), True, WhyWritten.CHANGES),
        (state(), cut(), False, WhyWritten.OTHER_BOOK),
        (LakeState(snapshot_id="7"), cut(), True, WhyWritten.OTHER_BOOK),  # somebody else wrote to it
        (state(), cut(cluster="2/5"), True, WhyWritten.OTHER_BOOK),
        (state(horizon=1_001), cut(), True, WhyWritten.OTHER_BOOK),  # the database went back
        (state(), cut(next_transaction=700 + TRANSACTIONS_TOLD_APART - 1), True, WhyWritten.CHANGES),
        (state(), cut(next_transaction=700 + TRANSACTIONS_TOLD_APART), True, WhyWritten.OTHER_BOOK),
        (state(schema_version="older"), cut(), True, WhyWritten.SCHEMA),
    ],
)
def test_reason_when_lake_and_book_are_compared_then_whole_or_by_parts(
    found: LakeState, looked: BookCut, known: bool, expected: WhyWritten
) -> None:
    assert why(found, looked, TABLE, known=known) is expected


def test_schema_version_when_a_column_is_added_or_computed_otherwise_then_it_changes() -> None:
    more = TABLE.model_copy(update={"columns": TABLE.columns[:-1]})
    other = TABLE.columns[0].model_copy(update={"source": "lower(fill_id)"})
    changed = TABLE.model_copy(update={"columns": (other, *TABLE.columns[1:])})
    explained = TABLE.columns[0].model_copy(update={"says": "other words"})

    assert len({TABLE.schema_version, more.schema_version, changed.schema_version}) == 3
    assert TABLE.model_copy(update={"columns": (explained, *TABLE.columns[1:])}).schema_version == TABLE.schema_version


def test_table_when_there_is_none_of_that_name_then_the_error_lists_them() -> None:
    with pytest.raises(InvalidInput, match=r"LAKE_TABLE_UNKNOWN: found=fill, allowed=account_snapshots agent_calls"):
        require_table("fill")


def test_types_when_decimal_then_they_say_their_digits() -> None:
    assert (LakeType.DOLLARS.digits, LakeType.EXACT_DOLLARS.digits, LakeType.TEXT.digits) == ((20, 6), (38, 15), None)
