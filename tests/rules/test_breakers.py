"""Every row of the breaker table, by hand."""

import math
from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest

from domain.breaker_state import Breaker, BreakerEvent, Breakers
from domain.breakers import permission, release
from domain.errors import InvalidInput
from domain.rules_config import BreakerRules

from .builders import Desk, at

NORMAL = Decimal(1)
LATE = ({"feed": "prices", "age_seconds": 121.0, "expected_seconds": 60.0},)


def tripped(**changes: Any) -> Desk:
    desk = Desk()
    desk.tick(0, **changes)
    return desk


def size(desk: Desk) -> Decimal:
    return permission(desk.breakers, desk.rules).size


def failures(count: int, of: int = 50) -> tuple[bool, ...]:
    return (False,) * count + (True,) * (of - count)


@pytest.mark.parametrize(
    ("breaker", "changes", "trips"),
    [
        (Breaker.DAILY_LOSS, {"equity": "98000.01"}, False),
        (Breaker.DAILY_LOSS, {"equity": "98000"}, True),
        (Breaker.DAILY_LOSS, {"equity": "97999.99"}, True),
        (Breaker.DAILY_LOSS, {"prior_close_equity": "0"}, False),
        (Breaker.DRAWDOWN, {"high_water_mark": "111111.11"}, False),
        (Breaker.DRAWDOWN, {"high_water_mark": "111111.12"}, True),
        (Breaker.DRAWDOWN, {"equity": "90000", "prior_close_equity": "90000"}, True),
        (Breaker.LOSS_STREAK, {"consecutive_losses": 4}, False),
        (Breaker.LOSS_STREAK, {"consecutive_losses": 5}, True),
        (Breaker.LOSS_STREAK, {"consecutive_losses": 8}, True),
        (Breaker.VOLATILITY, {"short_volatility": 0.025, "long_volatility": 0.01}, False),
        (Breaker.VOLATILITY, {"short_volatility": 0.0251, "long_volatility": 0.01}, True),
        (Breaker.VOLATILITY, {"index_move": 4.0}, False),
        (Breaker.VOLATILITY, {"index_move": 4.01}, True),
        (Breaker.VOLATILITY, {"index_move": -4.01}, True),
        (Breaker.VOLATILITY, {"short_volatility": None, "index_move": None}, False),
        (Breaker.VOLATILITY, {"short_volatility": 0.1, "long_volatility": 0.0}, False),
        (Breaker.STALE_DATA, {"feeds": ({**LATE[0], "age_seconds": 120.0},)}, False),
        (Breaker.STALE_DATA, {"feeds": LATE}, True),
        (Breaker.STALE_DATA, {"feeds": ({**LATE[0], "age_seconds": math.inf},)}, True),
        (Breaker.STALE_DATA, {"feeds": ()}, False),
        (Breaker.STALE_DATA, {"clock_skew_seconds": 5.0}, False),
        (Breaker.STALE_DATA, {"clock_skew_seconds": -5.1}, True),
        (Breaker.STALE_DATA, {"clock_skew_seconds": math.nan}, True),
        (Breaker.BROKER, {"broker_errors": (at(0, -300), at(0))}, False),
        (Breaker.BROKER, {"broker_errors": (at(0, -300), at(0, -1), at(0))}, True),
        (Breaker.BROKER, {"broker_errors": (at(0, -301), at(0, -1), at(0))}, False),
        (Breaker.BROKER, {"broker_errors": (at(0, 1), at(0, -1), at(0))}, False),
        (Breaker.BROKER, {"reconciliation_mismatch": True}, True),
        (Breaker.MODEL, {"model_outcomes": failures(10)}, False),
        (Breaker.MODEL, {"model_outcomes": failures(11)}, True),
        (Breaker.MODEL, {"model_outcomes": failures(10, of=10)}, False),
        (Breaker.MODEL, {"model_outcomes": failures(11, of=11)}, True),
        (Breaker.MODEL, {"model_outcomes": failures(20) + (True,) * 40}, False),
        (Breaker.MODEL, {"model_outcomes": ()}, False),
    ],
)
def test_breaker_when_its_limit_is_met_then_it_trips(breaker: Breaker, changes: dict[str, Any], trips: bool) -> None:
    desk = tripped(**changes)
    assert [event.breaker for event in desk.events] == ([breaker] if trips else [])
    assert permission(desk.breakers, desk.rules).tripped == ((breaker,) if trips else ())


def test_trip_when_recorded_then_it_carries_value_and_limit() -> None:
    desk = tripped(equity="97000", reconciliation_mismatch=True)
    assert [(event.value, event.limit) for event in desk.events] == [
        ("0.03", "0.02"),
        ("errors=0, mismatch=yes", "errors=3 in 300 s, mismatch=no"),
    ]
    first = desk.events[0]
    assert (first.as_of, first.session, first.is_trip) == (at(0), 0, True)


def test_daily_loss_when_the_next_session_comes_then_it_is_half_open_for_one_and_closed_after_it() -> None:
    desk = tripped(equity="97000")
    assert size(desk) == 0
    assert desk.tick(0, 60) == []  # it stays open all session, also when the loss is made good
    assert size(desk) == 0
    assert desk.tick(1) == ["daily_loss: open -> half_open"]
    assert size(desk) == Decimal("0.25")
    assert desk.tick(1, 60) == []
    assert desk.tick(2) == ["daily_loss: half_open -> closed"]
    assert size(desk) == NORMAL


def test_daily_loss_when_the_next_session_loses_too_then_it_is_another_trip() -> None:
    desk = tripped(equity="97000")
    assert desk.tick(1, equity="97000") == ["daily_loss: open -> open"]
    assert desk.tick(1, 60, equity="97000") == []
    assert sum(event.is_trip for event in desk.events) == 2
    assert desk.tick(2) == ["daily_loss: open -> half_open"]
    assert desk.tick(2, 60, equity="98000") == ["daily_loss: half_open -> open"]


def test_drawdown_when_released_after_its_rest_then_the_mark_is_rebased() -> None:
    fallen = {"equity": "89000", "prior_close_equity": "89000"}
    desk = tripped(**fallen)
    assert desk.tick(40, **fallen) == []  # nobody released it
    desk.breakers = release(desk.breakers, Breaker.DRAWDOWN, operator="ada", rules=desk.rules, session=40)
    assert desk.tick(40, 60, **fallen) == ["drawdown: open -> half_open"]
    event = desk.events[-1]
    assert (event.operator, event.is_trip) == ("ada", False)
    assert event.value == "40 sessions, released by ada, mark 89000"
    assert (desk.breakers.mark, desk.breakers.released_by) == (Decimal(89_000), "")
    assert desk.tick(41, **fallen) == ["drawdown: half_open -> closed"]
    grown = {"equity": "95000", "prior_close_equity": "95000"}
    desk.tick(42, **grown)
    assert desk.breakers.mark == Decimal(95_000)
    assert desk.tick(43, equity="85500", prior_close_equity="85500") == ["drawdown: closed -> open"]  # 10 % of 95,000


def test_drawdown_when_the_account_exceeds_its_old_mark_then_that_mark_counts_again() -> None:
    desk = Desk()
    desk.breakers = Breakers(mark=Decimal(90_000))
    desk.tick(0, equity="100000")
    assert desk.breakers.mark is None


def test_drawdown_when_released_too_early_or_by_nobody_then_it_is_refused() -> None:
    desk = tripped(equity="89000", prior_close_equity="89000")
    for session, breaker, operator, code in (
        (20, Breaker.DRAWDOWN, "ada", "BREAKER_RESTING"),
        (21, Breaker.DRAWDOWN, " ", "OPERATOR_MISSING"),
        (21, Breaker.BROKER, "ada", "BREAKER_RESETS_ITSELF"),
    ):
        with pytest.raises(InvalidInput, match=code):
            release(desk.breakers, breaker, operator=operator, rules=desk.rules, session=session)
    assert release(desk.breakers, Breaker.DRAWDOWN, operator="ada", rules=desk.rules, session=21).released_by == "ada"
    with pytest.raises(InvalidInput, match="BREAKER_NOT_OPEN"):
        release(Breakers(), Breaker.DRAWDOWN, operator="ada", rules=desk.rules, session=21)


def test_loss_streak_when_it_grows_then_the_size_is_halved_and_then_nothing() -> None:
    desk = tripped(consecutive_losses=5)
    assert size(desk) == Decimal("0.5")
    assert desk.tick(1, consecutive_losses=7) == []
    assert desk.tick(1, 60, consecutive_losses=8) == ["loss_streak: reduced -> open"]
    assert size(desk) == 0
    assert desk.tick(2, consecutive_losses=9) == []
    assert desk.tick(3, consecutive_losses=9) == ["loss_streak: open -> half_open"]
    assert desk.tick(3, 60, consecutive_losses=10) == ["loss_streak: half_open -> open"]


def test_loss_streak_when_rested_then_only_another_loss_trips_again() -> None:
    desk = tripped(consecutive_losses=5)
    assert desk.tick(1, consecutive_losses=5) == []
    assert desk.tick(2, consecutive_losses=5) == ["loss_streak: reduced -> closed"]
    assert desk.tick(3, consecutive_losses=5) == []
    assert desk.tick(3, 60, consecutive_losses=6) == ["loss_streak: closed -> reduced"]
    assert desk.tick(5, consecutive_losses=0) == ["loss_streak: reduced -> closed"]
    assert desk.tick(6, consecutive_losses=4) == []
    assert desk.tick(7, consecutive_losses=5) == ["loss_streak: closed -> reduced"]


def test_volatility_when_calm_for_two_sessions_then_it_resets() -> None:
    wild = {"short_volatility": 0.03, "long_volatility": 0.01}
    uneasy = {"short_volatility": 0.015, "long_volatility": 0.01}
    desk = tripped(**wild)
    assert desk.tick(0, 60) == []  # the session of the trip is not a calm one
    assert desk.tick(1) == []
    assert desk.tick(2, **uneasy) == []  # 1.5 is not below 1.5: the count begins again
    assert desk.tick(3) == []
    assert desk.tick(4, short_volatility=None) == []  # neither is what nobody knows
    assert desk.tick(5) == []
    assert desk.tick(6, 60) == []
    assert desk.tick(7) == ["volatility: open -> half_open"]
    assert desk.tick(8) == ["volatility: half_open -> closed"]


def test_stale_data_when_three_ticks_are_fresh_then_it_resets() -> None:
    desk = tripped(feeds=LATE)
    assert desk.events[0].value == "feed=prices 2.01666667 intervals, skew=0 s"
    assert [desk.tick(0, 60), desk.tick(0, 120), desk.tick(0, 180, clock_skew_seconds=6.0)] == [[], [], []]
    assert [desk.tick(0, 240), desk.tick(0, 300)] == [[], []]
    assert desk.tick(0, 360) == ["stale_data: open -> half_open"]
    assert desk.tick(0, 420) == []
    assert desk.tick(1) == ["stale_data: half_open -> closed"]


def test_broker_when_reconciled_and_quiet_for_ten_minutes_then_it_resets() -> None:
    errors = (at(0, -120), at(0, -60), at(0))
    desk = tripped(broker_errors=errors)
    assert desk.tick(0, 900, broker_errors=errors, reconciled_at=at(0, -30)) == []  # from before the last error
    assert desk.tick(0, 930, broker_errors=errors, reconciled_at=at(0, 930)) == []
    assert desk.tick(0, 1_529, broker_errors=errors, reconciled_at=at(0, 1_500)) == []
    assert desk.tick(0, 1_530, broker_errors=errors, reconciled_at=at(0, 1_500)) == ["broker: open -> half_open"]
    assert desk.events[-1].value == "600 s"


def test_broker_when_there_is_an_error_in_the_rest_then_it_begins_again() -> None:
    desk = tripped(reconciliation_mismatch=True)
    desk.tick(0, 60, reconciled_at=at(0, 60))
    desk.tick(0, 120, broker_errors=(at(0, 100),), reconciled_at=at(0, 60))
    assert desk.breakers.clean_since is None
    assert desk.tick(0, 700, broker_errors=(at(0, 100),), reconciled_at=at(0, 60)) == []
    assert desk.tick(0, 800, reconciled_at=at(0, 200)) == ["broker: open -> half_open"]


def test_broker_when_its_errors_still_count_then_a_quiet_rest_is_not_enough() -> None:
    desk = Desk(BreakerRules(broker_window_seconds=3_600))
    errors = (at(0), at(0), at(0))
    desk.tick(0, broker_errors=errors)
    assert desk.tick(0, 60, broker_errors=errors, reconciled_at=at(0, 60)) == []
    assert desk.tick(0, 3_600, broker_errors=errors, reconciled_at=at(0, 60)) == []
    assert desk.tick(0, 3_601, broker_errors=errors, reconciled_at=at(0, 60)) == ["broker: open -> half_open"]


def test_broker_when_books_differ_then_a_human_is_paged_until_they_agree_and_exits_stay_permitted() -> None:
    desk = tripped(reconciliation_mismatch=True)
    found = permission(desk.breakers, desk.rules)
    assert (found.entries, found.exits, found.page_human) == (False, True, True)
    desk.tick(0, 60)
    assert permission(desk.breakers, desk.rules).page_human  # silence is no reconciliation
    desk.tick(0, 120, reconciled_at=at(0, 90))
    found = permission(desk.breakers, desk.rules)
    assert (found.entries, found.page_human) == (False, False)


def test_broker_when_it_only_errs_then_nobody_is_paged() -> None:
    desk = tripped(broker_errors=(at(0), at(0), at(0)))
    assert not permission(desk.breakers, desk.rules).page_human


def test_model_when_it_fails_then_rules_go_on_until_a_full_window_is_good() -> None:
    desk = tripped(model_outcomes=failures(11))
    found = permission(desk.breakers, desk.rules)
    assert (found.entries, found.size, found.rules_only) == (True, NORMAL, True)
    assert desk.tick(1, model_outcomes=failures(3)) == []
    assert desk.tick(1, 60, model_outcomes=failures(0, of=49)) == []
    assert desk.tick(1, 120, model_outcomes=failures(2)) == ["model: open -> half_open"]
    found = permission(desk.breakers, desk.rules)
    assert (found.size, found.rules_only) == (Decimal("0.25"), False)
    assert desk.tick(2) == ["model: half_open -> closed"]


def test_permission_when_several_have_tripped_then_the_strictest_decides() -> None:
    desk = tripped(consecutive_losses=5, model_outcomes=failures(11))
    assert size(desk) == Decimal("0.5")
    desk.tick(0, 60, consecutive_losses=5, equity="97000")
    assert size(desk) == 0
    assert permission(desk.breakers, desk.rules).tripped == (Breaker.DAILY_LOSS, Breaker.LOSS_STREAK, Breaker.MODEL)


def test_tick_when_its_session_is_over_then_it_is_refused() -> None:
    desk = tripped()
    desk.tick(3)
    with pytest.raises(InvalidInput, match="SESSION_BEFORE_LAST"):
        desk.tick(2)


def test_breakers_when_written_and_read_then_they_are_equal() -> None:
    desk = tripped(equity="80000", broker_errors=(at(0),) * 3, consecutive_losses=8)
    assert Breakers.model_validate_json(desk.breakers.model_dump_json()) == desk.breakers
    assert BreakerEvent.model_validate_json(desk.events[0].model_dump_json()) == desk.events[0]


def test_rules_when_changed_then_the_breakers_follow() -> None:
    desk = Desk(BreakerRules(daily_loss=Decimal("0.01"), half_open_sessions=2, half_open_size=Decimal("0.1")))
    assert desk.tick(0, equity="99000") == ["daily_loss: closed -> open"]
    desk.tick(1)
    assert size(desk) == Decimal("0.1")
    assert [desk.tick(2), desk.tick(3)] == [[], ["daily_loss: half_open -> closed"]]
    assert desk.events[-1].as_of - desk.events[0].as_of == timedelta(days=3)
