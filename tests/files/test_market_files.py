"""Bars and corporate actions from CSV files, and what identifies a file."""

from __future__ import annotations

import gzip
import hashlib
import io
import pickle
import tracemalloc
from collections.abc import Callable
from datetime import date, timedelta
from decimal import Decimal
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from activities.adapters.files import bars
from activities.adapters.files.actions import read_actions
from activities.adapters.files.bars import read_bars
from activities.adapters.files.fingerprint import fingerprint
from domain.documents import Reject, RejectReason
from domain.errors import SourceFormatError
from domain.market import Bar, CorporateAction

HEADER = b"symbol,date,open,high,low,close,volume\n"
BEFORE = b"GE,2014-07-14,26.5,26.9,26.4,26.8,100\n"
AFTER = b"GE,2014-07-16,26.5,26.9,26.4,26.8,100\n"
ACTIONS = b"symbol,ex_date,cash_dividend,split_ratio\n"
Write = Callable[[str, str | bytes], Path]

BAD_BARS = {
    "a negative price": (b"A,2014-07-15,1,2,-0.5,1,5\n", "low", RejectReason.NEGATIVE_PRICE),
    "a price of zero": (b"A,2014-07-15,0.00,2,1,1,5\n", "open", RejectReason.NEGATIVE_PRICE),
    "NaN": (b"A,2014-07-15,1,NaN,1,1,5\n", "high", RejectReason.INVALID_NUMBER),
    "infinity": (b"A,2014-07-15,1,inf,1,1,5\n", "high", RejectReason.INVALID_NUMBER),
    "text": (b"A,2014-07-15,1,2,1,n/a,5\n", "close", RejectReason.INVALID_NUMBER),
    "digits of another script": ("A,2014-07-15,1,2,1,١,5\n".encode(), "close", RejectReason.INVALID_NUMBER),
    "underscores": (b"A,2014-07-15,1_0,20,1,1,5\n", "open", RejectReason.INVALID_NUMBER),
    "seven decimals": (b"A,2014-07-15,1.0000001,2,1,1,5\n", "open", RejectReason.INVALID_NUMBER),
    "thirteen digits": (b"A,2014-07-15,1,1000000000000,1,1,5\n", "high", RejectReason.INVALID_NUMBER),
    "a great exponent": (b"A,2014-07-15,1,1e999,1,1,5\n", "high", RejectReason.INVALID_NUMBER),
    "no price": (b"A,2014-07-15,1,2,,1,5\n", "low", RejectReason.MISSING_VALUE),
    "high below low": (b"A,2014-07-15,1,1,2,1,5\n", "high", RejectReason.INCONSISTENT_BAR),
    "open above high": (b"A,2014-07-15,2.01,2,1,1,5\n", "open", RejectReason.INCONSISTENT_BAR),
    "open below low": (b"A,2014-07-15,0.99,2,1,1,5\n", "open", RejectReason.INCONSISTENT_BAR),
    "close above high": (b"A,2014-07-15,1,2,1,2.000001,5\n", "close", RejectReason.INCONSISTENT_BAR),
    "close below low": (b"A,2014-07-15,1,2,1,0.999999,5\n", "close", RejectReason.INCONSISTENT_BAR),
    "a negative volume": (b"A,2014-07-15,1,2,1,1,-5\n", "volume", RejectReason.INVALID_NUMBER),
    "a fraction of a share": (b"A,2014-07-15,1,2,1,1,5.5\n", "volume", RejectReason.INVALID_NUMBER),
    "a volume beyond 64 bits": (b"A,2014-07-15,1,2,1,1,9223372036854775808\n", "volume", RejectReason.INVALID_NUMBER),
    "no volume": (b"A,2014-07-15,1,2,1,1, \n", "volume", RejectReason.MISSING_VALUE),
    "a repeated session": (BEFORE.replace(b"26.5", b"26.6"), "date", RejectReason.DUPLICATE_BAR),
    "a day that does not exist": (b"A,2014-02-30,1,2,1,1,5\n", "date", RejectReason.INVALID_DATE),
    "an hour": (b"A,2014-07-15T09:30:00,1,2,1,1,5\n", "date", RejectReason.INVALID_DATE),
    "no day": (b"A,,1,2,1,1,5\n", "date", RejectReason.MISSING_VALUE),
    "no symbol": (b",2014-07-15,1,2,1,1,5\n", "symbol", RejectReason.MISSING_VALUE),
    "a sentence for a symbol": (b"not a symbol,2014-07-15,1,2,1,1,5\n", "symbol", RejectReason.MALFORMED_ROW),
    "too few fields": (b"A,2014-07-15,1,2,1,1\n", "", RejectReason.MALFORMED_ROW),
    "an unclosed quote": (b'A,2014-07-15,"1,2,1,1,5\n', "open", RejectReason.MALFORMED_ROW),
    "too long": (b"A," + b"x" * 70_000 + b"\n", "", RejectReason.LINE_TOO_LONG),
    "bytes that are no UTF-8": (b"\xe9,2014-07-15,1,2,1,1,5\n", "symbol", RejectReason.INVALID_ENCODING),
    "a NUL byte": (b"A,2014-07-15,1,2,1,1,5\0\n", "volume", RejectReason.INVALID_ENCODING),
}


@pytest.mark.parametrize("name", ["bars.csv", "bars.csv.gz"])
@pytest.mark.parametrize(("bad", "column", "reason"), BAD_BARS.values(), ids=BAD_BARS.keys())
def test_bars_when_a_row_is_bad_then_it_is_reported_and_its_neighbours_are_read(
    write: Write, bad: bytes, column: str, reason: RejectReason, name: str
) -> None:
    before, refused, after = read_bars(write(name, HEADER + BEFORE + bad + AFTER))
    assert isinstance(before, Bar)
    assert isinstance(after, Bar)
    assert (before.session, after.session) == (date(2014, 7, 14), date(2014, 7, 16))
    assert isinstance(refused, Reject)
    assert (refused.file, refused.line, refused.column, refused.reason) == (name, 3, column, reason)


@pytest.mark.parametrize(
    ("row", "volume"),
    [
        (b"ge,2014-07-15,26.50,26.9,26.400000,26.8,44225700\n", 44_225_700),
        (b" GE ,07/15/2014,26.5,26.9,26.4,26.80000000,44225700.0\n", 44_225_700),
        (b'"GE","2014-07-15","26.5","26.9","26.4","26.8","4.42257E7"\n', 44_225_700),
        (b"GE,2014-07-15 00:00:00-04:00,+26.5,2.69e1,26.4,26.8,0\n", 0),
        (b"GE,2014-07-15,26.4,26.9,26.4,26.9,9223372036854775807\n", 2**63 - 1),
    ],
)
def test_bars_when_a_row_is_good_then_it_is_exact_and_equal_to_a_validated_bar(
    write: Write, row: bytes, volume: int
) -> None:
    (bar,) = read_bars(write("bars.csv", HEADER + row))
    assert isinstance(bar, Bar)
    assert bar == Bar.model_validate(bar.model_dump())
    assert (bar.symbol, bar.session, bar.high, bar.low, bar.volume) == (
        "GE",
        date(2014, 7, 15),
        Decimal("26.9"),
        Decimal("26.4"),
        volume,
    )
    assert bar.model_fields_set == set(Bar.model_fields)
    assert Bar.model_validate_json(bar.model_dump_json()) == pickle.loads(pickle.dumps(bar)) == bar
    assert bar.model_copy(update={"symbol": "AA"}).symbol == "AA"
    assert hash(bar) == hash(Bar.model_validate(bar.model_dump()))
    with pytest.raises(ValidationError):
        bar.symbol = "AA"  # type: ignore[misc]


def test_bars_when_columns_are_named_and_ordered_otherwise_then_they_are_recognised(write: Write) -> None:
    content = b"Volume;Ticker;Adj Close;Close;Low;High;Open;Timestamp\n7;A;9;1.5;1;2;1.2;2014-07-15\n"
    (bar,) = read_bars(write("bars.csv", content))
    assert bar == Bar(
        symbol="A",
        session=date(2014, 7, 15),
        open=Decimal("1.2"),
        high=Decimal(2),
        low=Decimal(1),
        close=Decimal("1.5"),
        volume=7,
    )


def test_bars_when_filtered_then_only_wanted_rows_are_read_and_checked(write: Write) -> None:
    rows = [
        b"A,2014-07-13,x,x,x,x,x\n",
        b"A,2014-07-14,1,2,1,1,1\n",
        b"a,2014-07-15,1,2,1,1,2\n",
        b"A,2014-07-16,x,x,x,x,x\n",
        b"B,nonsense,x,x,x,x,x\n",
        b"A,2014-07-15,1,2,1,1,3\n",
    ]
    found = list(
        read_bars(
            write("bars.csv", HEADER + b"".join(rows)),
            start=date(2014, 7, 14),
            end=date(2014, 7, 15),
            symbols=frozenset({"A"}),
        )
    )
    assert [bar.volume for bar in found if isinstance(bar, Bar)] == [1, 2]
    assert [(r.line, r.reason) for r in found if isinstance(r, Reject)] == [(7, RejectReason.DUPLICATE_BAR)]


@given(st.lists(st.tuples(st.sampled_from(["A", "B", "C"]), st.integers(0, 20)), max_size=40))
def test_bars_when_sessions_repeat_in_any_order_then_each_is_read_once(
    tmp_path_factory: pytest.TempPathFactory, keys: list[tuple[str, int]]
) -> None:
    path = tmp_path_factory.mktemp("bars") / "bars.csv"
    day = date(2014, 7, 1)
    path.write_bytes(HEADER + "".join(f"{symbol},{day + timedelta(days=n)},1,2,1,1,5\n" for symbol, n in keys).encode())
    found = list(read_bars(path))
    keys_read = [(bar.symbol, (bar.session - day).days) for bar in found if isinstance(bar, Bar)]
    assert keys_read == list(dict.fromkeys(keys))
    assert sum(isinstance(r, Reject) and r.reason is RejectReason.DUPLICATE_BAR for r in found) == len(keys) - len(
        keys_read
    )


def test_bars_when_more_symbols_than_are_watched_then_repeats_within_a_run_are_still_refused(
    write: Write, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bars, "_MAX_WATCHED_SYMBOLS", 2)
    order = ["A", "B", "A", "C", "C", "D", "C", "B"]
    path = write("bars.csv", HEADER + "".join(f"{symbol},2014-07-15,1,2,1,1,5\n" for symbol in order).encode())
    refused = [record.line for record in read_bars(path) if isinstance(record, Reject)]
    assert refused == [4, 6, 9]  # the second A, the C right after C, the second B; not the C after D


def test_bars_when_cells_are_padded_beyond_reason_then_memory_stays_bounded(tmp_path: Path) -> None:
    path = tmp_path / "bars.csv"
    with path.open("wb") as stream:
        stream.write(HEADER)
        for number in range(1_000):
            blanks = b" " * (15_000 + number)
            price = b"%d.5" % (number + 1)
            cells = (b"A" + blanks, b"2014-07-15", price + blanks, price + blanks, price, price, b"5")
            stream.write(b",".join(cells) + b"\n")
    tracemalloc.start()
    try:
        found = list(read_bars(path))
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert [isinstance(record, Bar) for record in found] == [True] + [False] * 999
    assert peak < 16 * 1_048_576


def test_bars_when_gzip_is_truncated_then_rows_before_survive_and_one_reject_follows(tmp_path: Path) -> None:
    rows = [f"S{n % 97},{date(2000, 1, 1) + timedelta(days=n)},1,2,1,1,{n * 7919 % 10_007}\n" for n in range(3_000)]
    packed = gzip.compress(HEADER + "".join(rows).encode())
    path = tmp_path / "bars.csv.gz"
    path.write_bytes(packed[: len(packed) // 2])
    *whole, last = read_bars(path)
    assert len(whole) > 1_000
    assert all(isinstance(bar, Bar) for bar in whole)
    assert isinstance(last, Reject)
    assert (last.line, last.reason) == (len(whole) + 2, RejectReason.MALFORMED_ROW)


@pytest.mark.parametrize("read", [read_bars, read_actions])
@pytest.mark.parametrize(
    ("name", "content", "code"),
    [
        ("x.csv", b"symbol,datetime_et,open\nA,1,2\n", "SOURCE_COLUMNS_UNKNOWN"),
        ("x.csv", b"A,2014-07-15,1,2,1,1,5\n", "SOURCE_COLUMNS_UNKNOWN"),
        ("x.csv", b"\0\0\0\0", "SOURCE_HEADER_UNREADABLE"),
        ("x.json", b"{}", "SOURCE_ENDING_UNKNOWN"),
    ],
)
def test_market_file_when_it_is_of_another_kind_then_it_is_refused_whole(
    write: Write, read: Callable[[Path], object], name: str, content: bytes, code: str
) -> None:
    with pytest.raises(SourceFormatError) as raised:
        list(read(write(name, content)))  # type: ignore[call-overload]
    assert raised.value.code == code
    if code == "SOURCE_COLUMNS_UNKNOWN":
        assert "symbol: symbol, ticker" in raised.value.hint


@pytest.mark.parametrize("read", [read_bars, read_actions])
def test_market_file_when_missing_a_folder_or_empty_then_that_is_told(
    tmp_path: Path, read: Callable[[Path], list[object]]
) -> None:
    with pytest.raises(SourceFormatError, match="SOURCE_NOT_FOUND"):
        list(read(tmp_path / "none.csv"))
    with pytest.raises(SourceFormatError, match="SOURCE_IS_A_FOLDER"):
        list(read(tmp_path))
    path = tmp_path / "x.csv"
    for content in (b"", HEADER.replace(b"date", b"date,dividend")):
        path.write_bytes(content)
        (refused,) = read(path)
        assert isinstance(refused, Reject)
        assert (refused.line, refused.reason) == (0, RejectReason.EMPTY_FILE)


@pytest.mark.parametrize(
    ("row", "column", "reason"),
    [
        (b"A,2014-07-15,0,0\n", "split_ratio", RejectReason.INVALID_SPLIT),
        (b"A,2014-07-15,0,-2\n", "split_ratio", RejectReason.INVALID_SPLIT),
        (b"A,2014-07-15,0,7:1\n", "split_ratio", RejectReason.INVALID_NUMBER),
        (b"A,2014-07-15,0,NaN\n", "split_ratio", RejectReason.INVALID_NUMBER),
        (b"A,2014-07-15,-0.01,1\n", "cash_dividend", RejectReason.NEGATIVE_PRICE),
        (b"A,2014-07-15,Infinity,1\n", "cash_dividend", RejectReason.INVALID_NUMBER),
        (b"A,15.07.2014,0.1,1\n", "ex_date", RejectReason.INVALID_DATE),
        (b"A,,0.1,1\n", "ex_date", RejectReason.MISSING_VALUE),
        (b",2014-07-15,0.1,1\n", "symbol", RejectReason.MISSING_VALUE),
        (b"A,2014-07-15,0.1\n", "", RejectReason.MALFORMED_ROW),
    ],
)
def test_actions_when_a_row_is_bad_then_it_is_reported_and_its_neighbours_are_read(
    write: Write, row: bytes, column: str, reason: RejectReason
) -> None:
    good = b"GE,2014-07-15,0.1,1.0\n"
    before, refused, after = read_actions(write("actions.csv", ACTIONS + good + row + good))
    assert before == after
    assert before == CorporateAction(symbol="GE", ex_date=date(2014, 7, 15), cash_dividend=Decimal("0.1"))
    assert isinstance(refused, Reject)
    assert (refused.line, refused.column, refused.reason) == (3, column, reason)


def test_actions_when_a_value_or_column_is_absent_then_it_means_nothing_happened(write: Write) -> None:
    (both,) = read_actions(write("a.csv", ACTIONS + b"A,2014-07-15,,\n"))
    (split,) = read_actions(write("b.csv", b"Ticker,Date,Split_Coefficient\nA,2014-07-15,0.05\n"))
    (dividend,) = read_actions(write("c.csv", b"ticker,date,dividend_amount\nA,2014-07-15,2.65\n"))
    none = CorporateAction(symbol="A", ex_date=date(2014, 7, 15))
    assert both == none
    assert split == none.model_copy(update={"split_ratio": Decimal("0.05")})
    assert dividend == none.model_copy(update={"cash_dividend": Decimal("2.65")})


def test_actions_when_filtered_then_only_wanted_rows_are_read(write: Write) -> None:
    rows = b"A,2014-07-14,x,1\nA,2014-07-15,1,1\nA,2014-07-16,x,1\nB,x,x,1\n"
    day = date(2014, 7, 15)
    found = list(read_actions(write("a.csv", ACTIONS + rows), start=day, end=day, symbols=frozenset({"A"})))
    assert found == [CorporateAction(symbol="A", ex_date=day, cash_dividend=Decimal(1))]


@pytest.mark.parametrize("size", [0, 1, 1_000_000])
def test_fingerprint_when_taken_then_it_is_the_sha256_of_the_bytes_on_the_disk(tmp_path: Path, size: int) -> None:
    path = tmp_path / "x.csv.gz"
    content = io.BytesIO(b"ab" * size).read(size)
    path.write_bytes(content)
    assert fingerprint(path) == hashlib.sha256(content).hexdigest()
