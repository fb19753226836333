"""`stonks replay` as a person runs it: bad records are named and stop nothing; a split changes no value."""

from __future__ import annotations

import csv
from decimal import Decimal
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from cli.demo_data import actions_path, bars_path
from tests.conftest import shared_data, stonks, stonks_json

pytestmark = pytest.mark.long

STORIES = (
    (
        "2014-06-04",
        "Apple profit rises 40 percent and beats estimates",
        "Apple raised its forecast after record sales.",
    ),
    (
        "2014-06-04",
        "Brokers upgrade Apple after strong results",
        "Apple sales growth beat expectations in every region.",
    ),
    ("2014-06-04", "Apple wins large contract with bank", "Apple said revenue will rise and margins will improve."),
    ("2014-06-04", "Apple increases dividend and share buyback", "Apple raised its quarterly dividend by 8 percent."),
    ("2014-06-04", "Apple sees higher revenue, lifts outlook", "Apple raised its full-year outlook above estimates."),
)
BAD_LINES = (
    b'AAPL,2014-06-04,"an unclosed quote\n',
    b"NOSUCH,2014-06-04,A company that nobody knows,text\n",
    b"AAPL,2014-06-31,The thirty-first of June,text\n",
    b"AAPL,2999-01-01,News from the future,text\n",
    b"AAPL,2014-06-04\n",
    b"AAPL,2014-06-04," + b"x" * 3_000_000 + b",one line of three megabytes\n",
    b"AAPL,2014-06-04,\xff\xfe\xfa not text,text\n",
    ",".join(("AAPL", *STORIES[0])).encode() + b"\n",
)
BAD_BARS = (
    "AAPL,2014-06-02,630.0,620.0,640.0,625.0,100\n",  # high below low
    "AAPL,2014-06-03,-1,630,600,620,100\n",
    "AAPL,2014-06-04,abc,630,600,620,100\n",
    "AAPL,2014-06-07,90,91,89,90,100\n",  # a Saturday
)


def _documents(path: Path) -> Path:
    good = "".join(f'AAPL,{day},{title},"{text}"\n' if "," not in title else f'AAPL,{day},"{title}","{text}"\n'
                   for day, title, text in STORIES)  # fmt: skip
    path.write_bytes(b"ticker,date,headline,lead\n" + good.encode() + b"".join(BAD_LINES[1:]) + BAD_LINES[0])
    return path


def _bars(path: Path) -> Path:
    with bars_path().open(encoding="utf-8", newline="") as file:
        rows = [row for row in csv.DictReader(file) if row["symbol"] in ("AAPL", "SPY")]
    names = ("symbol", "session", "open", "high", "low", "close", "volume")
    lines = [",".join(names) + "\n", *BAD_BARS, *(",".join(row[name] for name in names) + "\n" for row in rows)]
    path.write_text("".join(lines), encoding="utf-8")
    return path


@pytest.fixture(scope="module")
def report(tmp_path_factory: pytest.TempPathFactory) -> Any:
    """One replay over Apple's split of 9 June 2014, from files that hold every kind of bad record."""
    folder = tmp_path_factory.mktemp("replay")
    return stonks_json(
        *("replay", "--documents", str(_documents(folder / "news.csv")), "--bars", str(_bars(folder / "bars.csv"))),
        *("--actions", str(actions_path()), "--from", "2014-06-05", "--to", "2014-06-10"),
        *("--tier", "aggressive", "--credibility", "official", "--state", str(folder / "state")),
        timeout=180,
    )


def _rejects(report: Any, file: str) -> set[tuple[int, str]]:
    return {(each["line"], each["reason"]) for each in report["rejects"]["first"] if each["file"] == file}


def test_replay_when_documents_are_bad_then_each_is_named_with_its_line(report: Any) -> None:
    first_bad = 2 + len(STORIES)
    assert _rejects(report, "news.csv") == {
        (first_bad, "UNKNOWN_TICKER"),
        (first_bad + 1, "INVALID_DATE"),
        (first_bad + 2, "DATE_IN_FUTURE"),
        (first_bad + 3, "MALFORMED_ROW"),
        (first_bad + 4, "LINE_TOO_LONG"),
        (first_bad + 5, "INVALID_ENCODING"),
        (first_bad + 6, "DUPLICATE_DOCUMENT"),
        (first_bad + 7, "MALFORMED_ROW"),
    }


def test_replay_when_bars_are_bad_then_each_is_named_and_the_rest_is_used(report: Any) -> None:
    assert _rejects(report, "bars.csv") == {
        (2, "INCONSISTENT_BAR"),
        (3, "NEGATIVE_PRICE"),
        (4, "INVALID_NUMBER"),
        (5, "INVALID_DATE"),
    }
    assert report["period"]["sessions"] == ["2014-06-05", "2014-06-06", "2014-06-09", "2014-06-10"]


def test_replay_when_records_are_refused_then_the_counts_add_up(report: Any) -> None:
    ingest = report["ingest"]
    parts = ("registered", "linked", "duplicates", "rejected", "skipped")
    assert ingest["read"] == sum(ingest[name] for name in parts)
    assert report["documents"]["by_status"]["processed"] == ingest["registered"] == len(STORIES)


def test_replay_when_a_position_is_split_then_its_value_stays(report: Any) -> None:
    bought = report["orders"][0]
    assert (bought["symbol"], bought["side"], bought["status"]) == ("AAPL", "buy", "filled")
    assert bought["as_of"] < "2014-06-09"
    (held,) = report["account"]["positions"]
    assert Decimal(held["quantity"]) == 7 * Decimal(bought["quantity"])
    assert Decimal(held["average_price"]) == (Decimal(bought["fills"][0]["price"]) / 7).quantize(Decimal("0.01"))
    equity = [Decimal(point["equity"]) for point in report["account"]["curve"]]
    assert all(abs(after / before - 1) < Decimal("0.01") for before, after in pairwise(equity))
    assert report["account"]["books_balance"] is True


def test_replay_when_documents_name_only_their_day_then_no_order_is_older_than_the_next_open(report: Any) -> None:
    """The stories are of 4 June, so the first morning is the 5th; some tell of results, which bar that open, too."""
    assert [order["as_of"][:16] for order in report["orders"]][:1] == ["2014-06-06T13:25"]


def test_replay_when_real_headlines_are_given_then_one_story_on_several_tickers_is_one_document(tmp_path: Path) -> None:
    report = stonks_json(
        *("replay", "--documents", str(shared_data("news/reuters_ticker_headlines_2011H2.csv"))),
        *("--bars", str(shared_data("prices/daily_bars.csv.gz"))),
        *("--actions", str(shared_data("prices/corporate_actions.csv"))),
        *("--from", "2011-07-07", "--to", "2011-07-07", "--state", str(tmp_path)),
        timeout=180,
    )
    assert report["ingest"]["read"] == 13_626
    assert report["documents"]["stories_on_several_tickers"] > 0
    assert report["universe"]["survivorship_biased"] is True
    assert report["account"]["books_balance"] is True


@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        (("--documents", "nowhere.csv", "--from", "2014-06-05", "--to", "2014-06-10"), "FILE_NOT_FOUND"),
        (("--documents", str(bars_path()), "--from", "2014-06-05", "--to", "yesterday"), "DATE_INVALID"),
        (("--documents", str(bars_path()), "--from", "2014-06-10", "--to", "2014-06-05"), "PERIOD_INVALID"),
        (
            ("--documents", str(bars_path()), "--from", "2014-06-05", "--to", "2014-06-10", "--tier", "bold"),
            "CHOICE_INVALID",
        ),
        (
            (
                "--documents",
                str(bars_path()),
                "--from",
                "2014-06-05",
                "--to",
                "2014-06-10",
                "--set",
                "limits.name_cap=9",
            ),
            "CONFIG_INVALID",
        ),
    ],
)
def test_replay_when_an_option_is_wrong_then_one_clear_line_says_so(
    tmp_path: Path, arguments: tuple[str, ...], code: str
) -> None:
    done = stonks("replay", "--bars", str(bars_path()), "--state", str(tmp_path), *arguments)
    assert done.returncode == 1
    assert done.stderr.startswith(code)
    assert "Traceback" not in done.stderr
