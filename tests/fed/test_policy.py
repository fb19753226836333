"""What 28 real statements and 48 real minutes say was decided, against known ranges and the discount rate."""

from __future__ import annotations

import csv
import time
from datetime import date, timedelta
from decimal import Decimal
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from activities.adapters.fed.policy import PolicyDirection, PolicyStatement, read_policy
from tests.conftest import shared_data

DAY = date(2026, 9, 16)
RAISE, LOWER, MAINTAIN = PolicyDirection.RAISE, PolicyDirection.LOWER, PolicyDirection.MAINTAIN
RANGES = [
    ("2008-12-16", "0", "0.25"),
    ("2015-12-16", "0.25", "0.5"),
    ("2016-12-14", "0.5", "0.75"),
    ("2017-12-13", "1.25", "1.5"),
    ("2018-03-21", "1.5", "1.75"),
    ("2018-06-13", "1.75", "2"),
    ("2018-09-26", "2", "2.25"),
    ("2018-12-19", "2.25", "2.5"),
    ("2019-07-31", "2", "2.25"),
    ("2019-09-18", "1.75", "2"),
    ("2019-10-30", "1.5", "1.75"),
    ("2020-03-03", "1", "1.25"),
    ("2020-03-15", "0", "0.25"),
]
"""The Committee's target ranges from each day on, as far as the texts at hand reach."""
WITHOUT_DECISION = {
    "2019-10-11": "buys Treasury bills; its directive repeats the range",
    "2020-03-23": "buys securities without limit; its directive repeats the range",
    "2020-03-31": "opens a repurchase facility for foreign authorities",
    "2020-08-27": "revises the strategy",
}
DISSENTS = {
    "2019-06-19": ("James Bullard",),
    "2019-07-31": ("Esther L. George", "Eric S. Rosengren"),
    "2019-09-18": ("James Bullard", "Esther L. George", "Eric S. Rosengren"),
    "2019-10-30": ("Esther L. George", "Eric S. Rosengren"),
    "2020-03-15": ("Loretta J. Mester",),
    "2020-09-16": ("Robert S. Kaplan", "Neel Kashkari"),
    "2011-08-09": ("Richard W. Fisher", "Narayana Kocherlakota", "Charles I. Plosser"),
    "2011-09-21": ("Richard W. Fisher", "Narayana Kocherlakota", "Charles I. Plosser"),
    "2011-11-02": ("Charles L. Evans",),
    "2011-12-13": ("Charles L. Evans",),
    **dict.fromkeys(["2012-01-25", "2012-03-13", "2012-04-25", "2012-06-20", "2012-08-01"], ("Jeffrey M. Lacker",)),
    **dict.fromkeys(["2012-09-13", "2012-10-24", "2012-12-12"], ("Jeffrey M. Lacker",)),
    **dict.fromkeys(["2013-01-30", "2013-03-20", "2013-05-01", "2013-07-31"], ("Esther L. George",)),
    **dict.fromkeys(["2013-09-18", "2013-10-30"], ("Esther L. George",)),
    "2013-06-19": ("James Bullard", "Esther L. George"),
    "2013-12-18": ("Eric Rosengren",),
    "2014-03-19": ("Narayana Kocherlakota",),
    "2014-07-30": ("Charles I. Plosser",),
    "2014-09-17": ("Richard W. Fisher", "Charles I. Plosser"),
    "2014-10-29": ("Narayana Kocherlakota",),
    "2014-12-17": ("Richard W. Fisher", "Narayana Kocherlakota", "Charles I. Plosser"),
    "2015-09-17": ("Jeffrey M. Lacker",),
    "2015-10-28": ("Jeffrey M. Lacker",),
    "2016-03-16": ("Esther L. George",),
    "2016-04-27": ("Esther L. George",),
    "2016-07-27": ("Esther L. George",),
    "2016-09-21": ("Esther L. George", "Loretta J. Mester", "Eric Rosengren"),
    "2016-11-02": ("Esther L. George", "Loretta J. Mester"),
}


def known_range(day: date) -> tuple[Decimal, Decimal]:
    return next((Decimal(low), Decimal(high)) for since, low, high in reversed(RANGES) if since <= day.isoformat())


def texts() -> list[tuple[date, str]]:
    files = [file for kind in ("statements", "minutes") for file in sorted(shared_data(f"macro/fomc_{kind}").iterdir())]
    return [(date.fromisoformat(file.stem), file.read_text(encoding="utf-8")) for file in files]


def test_texts_when_real_then_every_range_direction_and_dissent_is_read() -> None:
    read = {day.isoformat(): read_policy(day, text) for day, text in texts()}
    assert len(read) == 28 + 48
    for name, policy in read.items():
        low, high = known_range(policy.day)
        if name in ("2020-03-31", "2020-08-27"):
            assert (policy.target_low, policy.target_high) == (None, None), name
        else:
            assert (policy.target_low, policy.target_high) == (low, high), name
        if name in WITHOUT_DECISION:
            assert policy.direction is None, name
            continue
        before = known_range(policy.day - timedelta(days=1))
        expected = MAINTAIN if before == (low, high) else RAISE if before[0] < low else LOWER
        assert policy.direction is expected, name
        assert policy.votes_against == DISSENTS.get(name, ()), name
        assert policy.count_for == len(policy.votes_for) >= 7, name
        assert policy.count_against == len(policy.votes_against), name


def test_ranges_when_compared_with_the_discount_rate_then_they_move_together() -> None:
    with Path(shared_data("macro/lean_fed_interest_rate.csv")).open(newline="") as file:
        rates = [(date.fromisoformat(row["DATE"]), Decimal(row["PCREDIT8"])) for row in csv.DictReader(file)]
    compared = 0
    for day, text in texts():
        policy = read_policy(day, text)
        if policy.target_high is None:
            continue
        effective = next(rate for since, rate in reversed(rates) if since <= day + timedelta(days=1))
        spread = Decimal("0.5") if day < date(2020, 3, 15) else Decimal(0)
        assert policy.target_high + spread == effective, day
        compared += 1
    assert compared == 74


def test_votes_when_real_then_each_voter_is_named_without_title() -> None:
    statement = read_policy(DAY, shared_data("macro/fomc_statements/2019-09-18.txt").read_text(encoding="utf-8"))
    assert statement.votes_for == (
        "Jerome H. Powell",
        "John C. Williams",
        "Michelle W. Bowman",
        "Lael Brainard",
        "Richard H. Clarida",
        "Charles L. Evans",
        "Randal K. Quarles",
    )
    alternate = read_policy(DAY, shared_data("macro/fomc_statements/2020-11-05.txt").read_text(encoding="utf-8"))
    assert alternate.votes_for[-1] == "Randal K. Quarles"
    assert len(alternate.votes_for) == 10


@pytest.mark.parametrize(
    ("text", "direction", "low", "high"),
    [
        (
            "Committee decided today to lower its target for the funds rate 50 basis points to 1 percent.",
            LOWER,
            "1",
            "1",
        ),
        ("Committee decided to keep its target for the funds rate at 5-1/4 percent", MAINTAIN, "5.25", "5.25"),
        ("Committee decided to establish a target range for the funds rate of 0 to 1/4 percent", None, "0", "0.25"),
        ("Committee decided to lower RANGE by 1/2 percentage point, to 4-3/4 to 5 percent.", LOWER, "4.75", "5"),
        ("Committee decided to raise RANGE by 1/4 percentage point to 3\u20113/4 to 4 percent.", RAISE, "3.75", "4"),
        ("Committee decided to raise RANGE by 75 basis points to 2-1/4 to 2-1/2 percent.", RAISE, "2.25", "2.5"),
        ("Committee decided to maintain RANGE at 3½ to 3¾ percent, in support", MAINTAIN, "3.5", "3.75"),
        ("Committee decided to maintain RANGE at 1-1/4 to 1\u00e2\u0080\u00911/2 percent.", MAINTAIN, "1.25", "1.5"),
        ("Two members preferred to lower RANGE to 1 to 1-1/4 percent.", None, None, None),
        ("Committee decided to raise RANGE to 2 to 1 percent.", None, None, None),
        ("Committee decided to purchase $40 billion of securities.", None, None, None),
        ("", None, None, None),
    ],
)
def test_decision_when_worded_in_any_of_the_known_ways_then_it_is_read(
    text: str, direction: PolicyDirection | None, low: str | None, high: str | None
) -> None:
    written = text.replace("RANGE", "the target range for the funds rate").replace("funds", "federal funds")
    policy = read_policy(DAY, written)
    assert policy.direction is direction
    assert (policy.target_low, policy.target_high) == (low and Decimal(low), high and Decimal(high))


def test_vote_when_only_counted_then_the_count_is_told_and_nobody_is_named_for_it() -> None:
    unanimous = read_policy(DAY, "The Committee approved the following statement for release by a 12 \u2013 0 vote:")
    assert (unanimous.count_for, unanimous.count_against, unanimous.votes_for) == (12, 0, ())
    split = read_policy(
        DAY,
        "approved the following statement for release by a 9 - 3 vote: The Committee decided to maintain the target "
        "range for the federal funds rate at 3-1/2 to 3-3/4 percent. Voting against the monetary policy action were "
        "Beth M. Hammack, Neel Kashkari, and Lorie K. Logan, who preferred to raise the target range for the federal "
        "funds rate by 1/4 percentage point at this meeting.",
    )
    assert (split.direction, split.target_high) == (MAINTAIN, Decimal("3.75"))
    assert (split.count_for, split.count_against) == (9, 3)
    assert split.votes_against == ("Beth M. Hammack", "Neel Kashkari", "Lorie K. Logan")
    assert read_policy(DAY, "Nothing of a vote.").count_for is None


def test_range_when_half_or_reversed_then_it_is_none() -> None:
    with pytest.raises(ValidationError):
        PolicyStatement(day=DAY, target_low=Decimal(1))
    with pytest.raises(ValidationError):
        PolicyStatement(day=DAY, target_low=Decimal(1), target_high=Decimal(0))


@pytest.mark.parametrize(
    "piece",
    [
        "Committee decided to ",
        "Voting for this action: ",
        "A. ",
        "1-1/2 to ",
        "and ",
        "target range ",
        "â\x80",
        "\u2011",
    ],
)
def test_text_when_hostile_then_reading_it_ends_in_time(piece: str) -> None:
    began = time.thread_time()
    read_policy(DAY, piece * 200_000)
    read_policy(DAY, "Voting for this action: " + piece * 200_000)
    assert time.thread_time() - began < 60


PIECES = [
    "the Committee decided to ",
    "raise ",
    "maintain ",
    "the target range for the federal funds rate ",
    "at ",
    "to ",
]
PIECES += ["1-1/2 ", "9/8 ", "99 ", "percent", ". ", "Voting for ", "Voting against ", "this action: ", "A. Name"]
PIECES += [", Chair; ", "and ", "by a ", "3 - 1 vote", "¼", "\u0663"]


@settings(max_examples=200, deadline=None)
@given(st.lists(st.sampled_from(PIECES) | st.text(max_size=5), max_size=30))
def test_text_when_anything_then_it_is_read_without_an_error(pieces: list[str]) -> None:
    read_policy(DAY, "".join(pieces))
