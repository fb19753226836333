"""Every change that lets more happen is named; a tightening is never held up."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.config import Tier, TradingConfig, changed
from domain.loosening import (
    ANY_CHANGE,
    BY_RANK,
    DIRECTIONS,
    NEUTRAL,
    SECTIONS,
    SWITCHES,
    loosened,
    loosened_anywhere,
)
from domain.protection import config_in

from .builders import PROPERTY

BASE = TradingConfig()


def paths(before: TradingConfig, after: TradingConfig) -> list[str]:
    return [one.path for one in loosened(before, after)]


def leaves(values: Any, path: str) -> Iterator[str]:
    """The paths of the single settings; a table with free keys is one."""
    if isinstance(values, dict) and values:
        for name, inner in values.items():
            yield from leaves(inner, f"{path}.{name}")
    else:
        yield path


@pytest.mark.parametrize("path", [*DIRECTIONS, *SWITCHES, *ANY_CHANGE, *BY_RANK, *NEUTRAL])
def test_path_when_it_is_looked_up_then_the_configuration_has_it(path: str) -> None:
    values: Any = BASE.model_dump()
    for name in path.split("."):
        assert name in values
        values = values[name]


def test_every_setting_when_its_section_bounds_risk_then_it_has_one_direction_or_is_neutral() -> None:
    body = BASE.model_dump()
    settings = [path for section in SECTIONS for path in leaves(body[section], section)]
    assert sorted(settings) == sorted([*DIRECTIONS, *SWITCHES, *ANY_CHANGE, *BY_RANK, *NEUTRAL])


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"limits": {"daily_loss": "0.03"}}, ["limits.daily_loss"]),
        ({"limits": {"daily_loss": "0.01"}}, []),
        ({"limits": {"min_price": "1"}}, ["limits.min_price"]),
        ({"protection": {"breakers": None}}, ["protection.breakers"]),
        ({"protection": {"stops": None}}, ["protection.stops"]),
        ({"protection": {"tiers": None}}, ["protection.tiers"]),
        ({"protection": {"tiers": {"demotion_drawdown_divisor": 1}}}, ["protection.tiers.demotion_drawdown_divisor"]),
        ({"tier": "aggressive"}, ["tier"]),
        ({"engine": {"tick_seconds": 86_400}}, ["engine.tick_seconds"]),
        ({"engine": {"benchmark": "XXXX"}}, ["engine.benchmark"]),
        ({"engine": {"opening_cash": 5, "tick_seconds": 60}}, []),
        ({"sizing": {"target_positions": 1}}, ["sizing.target_positions"]),
        ({"approval": {"price_look_seconds": 86_400}}, ["approval.price_look_seconds"]),
        ({"clusters": {"threshold": 1.0}}, ["clusters.threshold"]),
        ({"approval": {"solo": True}}, ["approval.solo"]),
        ({"approval": {"notional_above": "30000", "first_trade": 1}}, ["approval.notional_above"]),
        ({"approval": {"live": {"two_people_above": None}}}, ["approval.live.two_people_above"]),
        ({"protection": {"tiers": {"highest": "aggressive"}}}, ["protection.tiers.highest"]),
        ({"entries": {"blackout_before": 1, "blackout_after": 2}}, ["entries.blackout_before"]),
        ({"entries": {"quote_needed": True}}, []),
        ({"signals": {"kappa": 2.0}, "recommendation": {"buy_score": 0.3}}, []),
    ],
)
def test_change_when_made_then_what_it_loosens_is_named(changes: dict[str, Any], expected: list[str]) -> None:
    assert paths(BASE, changed(BASE, changes)) == expected


def test_quotes_when_they_are_no_longer_needed_then_that_is_named() -> None:
    needed = changed(BASE, {"entries": {"quote_needed": True}})
    assert paths(needed, BASE) == ["entries.quote_needed"]


def test_tier_when_it_is_wider_then_the_tier_itself_is_named() -> None:
    wider = TradingConfig.for_tier(Tier.AGGRESSIVE)
    assert "tier" in paths(BASE, wider)
    assert "tier" not in paths(wider, BASE)


@pytest.mark.parametrize("changes", [{"tier": "conservative"}, {"protection": {"tiers": None}}])
def test_demoted_account_when_the_wider_limits_come_into_force_then_that_is_named(changes: dict[str, Any]) -> None:
    after = changed(BASE, changes)
    named = {one.path: one for one in loosened_anywhere((BASE, after), (config_in(Tier.CONSERVATIVE, BASE), after))}
    assert {"limits.name_cap", "limits.gross_cap", "limits.drawdown", "protection.breakers.daily_loss"} <= named.keys()
    assert (named["limits.name_cap"].before, named["limits.name_cap"].after) == ("0.03", "0.05")


def test_demoted_account_when_only_the_configured_limit_is_wider_then_that_is_named_too() -> None:
    after = changed(BASE, {"limits": {"name_cap": "0.06"}})
    views = [(BASE, after), (config_in(Tier.CONSERVATIVE, BASE), config_in(Tier.CONSERVATIVE, after))]
    assert loosened(*views[1]) == ()
    assert [one.path for one in loosened_anywhere(*views)] == ["limits.name_cap"]


LIMITS = st.fixed_dictionaries(
    {},
    optional={
        "daily_loss": st.sampled_from(["0.01", "0.02", "0.03"]),
        "drawdown": st.sampled_from(["0.05", "0.10", "0.2"]),
        "max_adv_share": st.sampled_from(["0.01", "0.02", "0.05"]),
        "min_price": st.sampled_from(["1", "5", "10"]),
        "min_conviction": st.sampled_from([0.1, 0.25, 0.5]),
    },
)


@PROPERTY
@given(LIMITS, LIMITS)
def test_changes_when_there_and_back_then_each_loosens_what_the_other_tightens(
    one: dict[str, Any], other: dict[str, Any]
) -> None:
    first, second = changed(BASE, {"limits": one}), changed(BASE, {"limits": other})
    there, back = set(paths(first, second)), set(paths(second, first))
    differing = {
        f"limits.{name}"
        for name in first.limits.model_dump()
        if first.limits.model_dump()[name] != second.limits.model_dump()[name]
    }
    assert there.isdisjoint(back)
    assert there | back == differing
