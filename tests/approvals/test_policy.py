"""The approval policy: who must be asked, and what an answer covers."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.approvals import ApprovalFacts, approval_hash, needed_approval, price_band, question_id, terms
from domain.config import ApprovalPolicy, LiveApprovals, Tier, TradingConfig, changed
from domain.errors import InvalidInput
from tests.approvals.builders import DOLLARS, NOW, PEOPLE, SHARES, any_facts, any_policy, facts

LIMITS = ("notional_above", "two_people_above", "conviction_below", "first_trade", "by_hand")


def _rule(found: Any, code: str) -> Any:
    return next(rule for rule in found.rules if rule.code == code)


@pytest.mark.parametrize(("notional", "people"), [("24999.99", 0), ("25000", 0), ("25000.01", 1), ("900000", 1)])
def test_default_policy_when_on_paper_then_only_the_size_asks_one_person(notional: str, people: int) -> None:
    new = facts(notional=Decimal(notional), traded_before=False, conviction=0.01)
    found = needed_approval(new, ApprovalPolicy())
    assert found.people == people
    wanted = f"NOTIONAL_ABOVE_THRESHOLD: notional={Decimal(notional):.2f}, limit=25000.00"
    assert found.reason == (wanted if people else "")


@pytest.mark.parametrize(
    ("changes", "code", "people"),
    [
        ({"notional": Decimal(10_000)}, "NOTIONAL_ABOVE_THRESHOLD", 0),
        ({"notional": Decimal("10000.01")}, "NOTIONAL_ABOVE_THRESHOLD", 1),
        ({"notional": Decimal(100_000)}, "NOTIONAL_NEEDS_TWO_PEOPLE", 0),
        ({"notional": Decimal("100000.01")}, "NOTIONAL_NEEDS_TWO_PEOPLE", 2),
        ({"conviction": 0.35}, "CONVICTION_BELOW_THRESHOLD", 0),
        ({"conviction": 0.3499}, "CONVICTION_BELOW_THRESHOLD", 1),
        ({"traded_before": False}, "FIRST_TRADE", 1),
        ({"traded_before": True}, "FIRST_TRADE", 0),
        ({"proposers": ("engine", "cli:anna")}, "ORDER_BY_HAND", 1),
    ],
)
def test_default_policy_when_live_then_each_rule_asks_at_its_limit(
    changes: dict[str, Any], code: str, people: int
) -> None:
    found = needed_approval(facts(live=True, **changes), ApprovalPolicy())
    assert _rule(found, code).people == people
    assert found.people >= people


@pytest.mark.parametrize("proposer", ["temporal-cli", "operator"])
@pytest.mark.parametrize("live", [False, True])
def test_proposer_when_it_may_be_anybody_then_two_people_are_asked(proposer: str, live: bool) -> None:
    case = facts(proposers=("engine", proposer), live=live)
    found = needed_approval(case, ApprovalPolicy(by_hand=0))
    assert (found.people, _rule(found, "ORDER_BY_HAND").limit) == (2, "2 people")
    assert needed_approval(case, ApprovalPolicy(solo=True)).people == 1
    sale = case.model_copy(update={"opening": False})
    assert [needed_approval(sale, ApprovalPolicy(reductions=asked)).people for asked in (0, 1)] == [0, 2]


def test_tiers_limit_when_it_is_lower_then_it_asks_in_that_tier_only() -> None:
    policy = ApprovalPolicy(notional_above_by_tier={Tier.AGGRESSIVE: Decimal(500)})
    assert needed_approval(facts(tier=Tier.AGGRESSIVE), policy).people == 1
    assert needed_approval(facts(tier=Tier.MODERATE), policy).people == 0


@given(any_facts, any_policy)
def test_policy_when_applied_then_every_rule_is_recorded_and_the_strictest_counts(
    case: ApprovalFacts, policy: ApprovalPolicy
) -> None:
    found = needed_approval(case, policy)
    most = max(rule.people for rule in found.rules)
    assert found.people == (min(most, 1) if policy.solo else most)
    assert len(found.rules) == (6 if case.opening else 1)
    assert all(rule.value and rule.limit for rule in found.rules)
    assert bool(found.reason) is bool(most)


@given(any_facts, any_policy)
def test_reduction_when_the_policy_does_not_name_it_then_nobody_is_asked(
    case: ApprovalFacts, policy: ApprovalPolicy
) -> None:
    sale = case.model_copy(update={"opening": False})
    assert needed_approval(sale, policy.model_copy(update={"reductions": 0})).people == 0


@given(any_facts, any_policy)
def test_policy_when_real_money_is_at_stake_then_it_never_asks_fewer(
    case: ApprovalFacts, policy: ApprovalPolicy
) -> None:
    paper, live = (needed_approval(case.model_copy(update={"live": live}), policy) for live in (False, True))
    assert live.people >= paper.people


@st.composite
def _tightened(draw: st.DrawFn) -> tuple[ApprovalPolicy, ApprovalPolicy]:
    """A policy, and one in which some limits are as tight or tighter."""
    loose = draw(any_policy)
    live = {
        name: draw(_tighter(name, getattr(loose.live, name))) if draw(st.booleans()) else getattr(loose.live, name)
        for name in LIMITS
    }
    tighter: dict[str, Any] = {"live": loose.live.model_copy(update=live)}
    for name in (*LIMITS, "reductions"):
        if draw(st.booleans()):
            tighter[name] = draw(_tighter(name, getattr(loose, name)))
    if draw(st.booleans()):
        tighter["solo"] = False
    tiers = dict(loose.notional_above_by_tier)
    for tier in draw(st.lists(st.sampled_from(Tier), unique=True)):
        tiers[tier] = draw(_tighter("notional_above", tiers.get(tier)))
    return loose, loose.model_copy(update=tighter | {"notional_above_by_tier": tiers})


def _tighter(name: str, now: Any) -> st.SearchStrategy[Any]:
    if name in ("notional_above", "two_people_above"):
        return DOLLARS.map(lambda drawn: drawn if now is None else min(drawn, now))
    if name == "conviction_below":
        return SHARES.map(lambda drawn: max(drawn, now))
    return PEOPLE.map(lambda drawn: max(drawn, now))


@given(any_facts, _tightened())
def test_limit_when_tightened_then_no_required_approval_goes_away(
    case: ApprovalFacts, policies: tuple[ApprovalPolicy, ApprovalPolicy]
) -> None:
    loose, tight = policies
    assert needed_approval(case, tight).people >= needed_approval(case, loose).people


def test_solo_house_when_two_people_would_be_asked_then_one_is_enough() -> None:
    policy = ApprovalPolicy(solo=True, two_people_above=Decimal(10))
    found = needed_approval(facts(), policy)
    assert (found.people, found.solo) == (1, True)
    assert _rule(found, "NOTIONAL_NEEDS_TWO_PEOPLE").people == 2


BOUND: dict[str, Any] = {
    "intent_id": "i",
    "ask": 1,
    "symbol": "ACME",
    "side": "buy",
    "quantity": Decimal(10),
    "band": price_band(Decimal(50), Decimal("0.02")),
    "recommendation_id": "r",
    "record_hash": "f00",
}


@pytest.mark.parametrize(
    ("field", "other"),
    [
        ("intent_id", "j"),
        ("ask", 2),
        ("symbol", "ACMF"),
        ("side", "sell"),
        ("quantity", Decimal("10.000000001")),
        ("band", price_band(Decimal("50.01"), Decimal("0.02"))),
        ("band", price_band(Decimal(50), Decimal("0.03"))),
        ("recommendation_id", "s"),
        ("record_hash", "f01"),
    ],
)
def test_hash_when_any_bound_field_changes_then_it_changes(field: str, other: Any) -> None:
    assert approval_hash(**{**BOUND, field: other}) != approval_hash(**BOUND)


@given(st.decimals(min_value="0.000000001", max_value=10**9, places=9), st.decimals(1, 10**6, places=6))
def test_hash_when_amounts_come_back_from_the_book_then_it_is_the_same(quantity: Decimal, price: Decimal) -> None:
    """The book keeps nine and six decimal places, with trailing zeros."""
    band = price_band(price, Decimal("0.0173"))
    micro = Decimal("0.000001")
    stored = band.model_copy(update={"low": band.low.quantize(micro), "high": band.high.quantize(micro)})
    kept = {**BOUND, "quantity": quantity.quantize(Decimal("0.000000001")), "band": stored}
    assert approval_hash(**{**BOUND, "quantity": quantity.normalize(), "band": band}) == approval_hash(**kept)


@given(st.decimals("0.01", 10**5, places=2), st.decimals(0, 1, places=4), st.decimals("0.01", 10**5, places=2))
def test_band_when_a_price_is_seen_then_it_covers_it_up_to_the_share(
    price: Decimal, share: Decimal, seen: Decimal
) -> None:
    band = price_band(price, share)
    assert band.covers(price)
    assert band.covers(seen) is (abs(seen - price) <= (price * share).quantize(Decimal("0.000001")))
    assert (band.departure(seen, needed=True) == "") is band.covers(seen)


def test_band_when_no_price_is_known_then_it_matters_only_where_one_is_needed() -> None:
    band = price_band(Decimal(50), Decimal("0.02"))
    assert band.departure(None, needed=False) == ""
    assert band.departure(None, needed=True).startswith("PRICE_UNKNOWN: ")


def test_terms_when_set_then_others_are_told_within_the_time() -> None:
    found = terms(ApprovalPolicy(), as_of=NOW)
    assert found.expires_at == NOW + timedelta(hours=4)
    assert found.escalates_at == NOW + timedelta(hours=2)
    assert found.look_seconds == 300
    assert terms(ApprovalPolicy(escalate_after=1), as_of=NOW).escalates_at is None
    assert terms(ApprovalPolicy(expires_after_seconds=7 * 86_400), as_of=NOW).look_seconds == 6_048


def test_question_when_asked_again_then_it_has_an_id_of_its_own() -> None:
    assert len({question_id("i", "d", ask) for ask in (1, 2, 3)}) == 3


@pytest.mark.parametrize(
    ("approval", "field"),
    [
        ({"first_trade": 3}, "approval.first_trade"),
        ({"live": {"by_hand": -1}}, "approval.live.by_hand"),
        ({"maximum_asks": 0}, "approval.maximum_asks"),
        ({"escalation_audience": "Not a name"}, "approval.escalation_audience"),
    ],
)
def test_policy_when_a_value_is_not_allowed_then_the_field_is_named(approval: dict[str, Any], field: str) -> None:
    with pytest.raises(InvalidInput) as refused:
        changed(TradingConfig(), {"approval": approval})
    assert refused.value.fields["field"] == field


def test_live_rules_when_loosened_below_the_policys_then_the_policy_still_counts() -> None:
    policy = ApprovalPolicy(notional_above=Decimal(100), live=LiveApprovals(notional_above=Decimal(10**6)))
    assert needed_approval(facts(live=True, notional=Decimal(101)), policy).people == 1
