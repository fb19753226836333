"""Approvals: which orders wait for how many people, and what exactly an answer covers.

A policy is a list of rules. Every rule is recorded with the value found and the limit, also where it asks nobody; the
rule that asks the most people counts. An answer is bound by a hash to one order within one band of prices.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta
from decimal import Decimal
from enum import StrEnum

from domain.actors import is_named
from domain.config import ApprovalPolicy, Tier
from domain.ids import digest
from domain.model import Model, Utc
from domain.portfolio import MICRO, product

ENGINE = "engine"
"""The proposer of an order that no person made or changed."""
NAMED_FOR_UNNAMED = 2
"""People asked about an order of somebody who gave no name."""
MOST_LOOKS = 100
"""Looks at the price while one question waits: a long question is looked at less often, its history stays short."""


class ApprovalStatus(StrEnum):
    """Where a question stands. `voided`: what was asked is not so any more, whatever the answer was."""

    PENDING = "pending"
    APPROVED = "approved"
    DECLINED = "declined"
    EXPIRED = "expired"
    VOIDED = "voided"


class ApprovalFacts(Model):
    """What the rules look at. Amounts are dollars, conviction is in [0, 1]."""

    opening: bool
    notional: Decimal
    tier: Tier
    conviction: float
    traded_before: bool
    live: bool
    proposers: tuple[str, ...] = (ENGINE,)
    """Whoever made the order or changed it."""


class ApprovalRule(Model):
    """One rule of a policy as it was applied."""

    code: str
    value: str
    limit: str
    people: int
    """How many people this rule asks; 0: it does not apply."""


class ApprovalNeed(Model):
    """How many people must approve, and every rule that was looked at."""

    people: int
    rules: tuple[ApprovalRule, ...]
    solo: bool = False

    @property
    def reason(self) -> str:
        """`CODE: value, limit=...` of every rule that asks somebody; empty where none does."""
        asking = (rule for rule in self.rules if rule.people)
        return "; ".join(f"{rule.code}: {rule.value}, limit={rule.limit}" for rule in asking)


class ApprovalTerms(Model):
    """How long a question waits, and who hears of it when nobody decides."""

    expires_at: Utc
    escalates_at: Utc | None
    """None: never."""
    look_seconds: float
    """Pause between two looks at the price."""


class PriceBand(Model):
    """Prices in dollars a share that an answer covers, both ends included."""

    price: Decimal
    low: Decimal
    high: Decimal

    def covers(self, price: Decimal) -> bool:
        return self.low <= price <= self.high

    def departure(self, price: Decimal | None, *, needed: bool) -> str:
        """Say why an order may not be sent at a price, None where it is unknown; empty where it may."""
        if price is None:
            return "PRICE_UNKNOWN: price=unknown, allowed=a price of today" if needed else ""
        if self.covers(price):
            return ""
        return f"PRICE_LEFT_BAND: price={plain(price)}, band={plain(self.low)} to {plain(self.high)}"


def needed_approval(facts: ApprovalFacts, policy: ApprovalPolicy) -> ApprovalNeed:
    """Apply every rule. In solo mode one person is enough for everything."""
    rules = tuple(rule(facts, policy) for rule in (_OPENING if facts.opening else _REDUCING))
    people = max(rule.people for rule in rules)
    return ApprovalNeed(people=min(people, 1) if policy.solo else people, rules=rules, solo=policy.solo)


def terms(policy: ApprovalPolicy, *, as_of: datetime) -> ApprovalTerms:
    """Set the times of a question that is asked at an instant."""
    seconds = policy.expires_after_seconds
    share = policy.escalate_after
    return ApprovalTerms(
        expires_at=as_of + timedelta(seconds=seconds),
        escalates_at=as_of + timedelta(seconds=float(share) * seconds) if share < 1 else None,
        look_seconds=max(float(policy.price_look_seconds), seconds / MOST_LOOKS),
    )


def price_band(price: Decimal, share: Decimal) -> PriceBand:
    """Give the band of prices within a share of a price, to the micro-dollar that prices are kept in."""
    width = product(price, share).quantize(MICRO)
    return PriceBand(price=price, low=price - width, high=price + width)


def approval_hash(
    *,
    intent_id: str,
    ask: int,
    symbol: str,
    side: str,
    quantity: Decimal,
    band: PriceBand,
    recommendation_id: str,
    record_hash: str,
) -> str:
    """Bind an answer to one question: the order, its size, the prices, and the thesis it is for.

    `ask` counts the questions about the intent: an answer to an earlier one never fits a later one.
    """
    return digest(
        "approval-terms",
        intent_id,
        ask,
        symbol,
        side,
        plain(quantity),
        plain(band.low),
        plain(band.high),
        recommendation_id,
        record_hash,
        length=32,
    )


def question_id(intent_id: str, decision_id: str, ask: int) -> str:
    """Identify a question. The first about an intent has the id that it always had."""
    parts = ("approval", intent_id, decision_id)
    return digest(*parts, length=16) if ask == 1 else digest(*parts, ask, length=16)


def signals_may_approve(policy: ApprovalPolicy, *, live: bool) -> bool:
    return policy.signals_approve and (not live or policy.live.signals_approve)


def price_is_needed(policy: ApprovalPolicy, *, live: bool) -> bool:
    return policy.price_needed or (live and policy.live.price_needed)


def plain(amount: Decimal) -> str:
    """An amount without trailing zeros and without an exponent, however it was stored."""
    return f"{amount.normalize():f}" if amount else "0"


def order_is_small(facts: ApprovalFacts, policy: ApprovalPolicy) -> ApprovalRule:
    limit = _stricter(facts, policy.notional_above, policy.live.notional_above)
    return _notional("NOTIONAL_ABOVE_THRESHOLD", facts, limit, people=1)


def order_is_small_for_its_tier(facts: ApprovalFacts, policy: ApprovalPolicy) -> ApprovalRule:
    limit = policy.notional_above_by_tier.get(facts.tier)
    rule = _notional("NOTIONAL_ABOVE_TIERS_THRESHOLD", facts, limit, people=1)
    return rule.model_copy(update={"value": f"tier={facts.tier.value}, {rule.value}"})


def one_person_is_enough(facts: ApprovalFacts, policy: ApprovalPolicy) -> ApprovalRule:
    limit = _stricter(facts, policy.two_people_above, policy.live.two_people_above)
    return _notional("NOTIONAL_NEEDS_TWO_PEOPLE", facts, limit, people=2)


def conviction_is_clear(facts: ApprovalFacts, policy: ApprovalPolicy) -> ApprovalRule:
    limit = max(policy.conviction_below, policy.live.conviction_below if facts.live else 0.0)
    people = int(facts.conviction < limit)
    value = f"conviction={facts.conviction:.9g}"
    return ApprovalRule(code="CONVICTION_BELOW_THRESHOLD", value=value, limit=f"{limit:.9g}", people=people)


def symbol_is_known(facts: ApprovalFacts, policy: ApprovalPolicy) -> ApprovalRule:
    asked = max(policy.first_trade, policy.live.first_trade if facts.live else 0)
    value = f"traded_before={'yes' if facts.traded_before else 'no'}"
    return ApprovalRule(
        code="FIRST_TRADE", value=value, limit=_people(asked), people=0 if facts.traded_before else asked
    )


def engine_proposed_it(facts: ApprovalFacts, policy: ApprovalPolicy) -> ApprovalRule:
    """Somebody who gave no name could be one of those who approve: two with names are asked then."""
    asked = max(policy.by_hand, policy.live.by_hand if facts.live else 0)
    hands = [proposer for proposer in facts.proposers if proposer != ENGINE]
    if not all(is_named(hand) for hand in hands):
        asked = NAMED_FOR_UNNAMED
    value = f"proposer={', '.join(hands) or ENGINE}"
    return ApprovalRule(code="ORDER_BY_HAND", value=value, limit=_people(asked), people=asked if hands else 0)


def reduction_waits(facts: ApprovalFacts, policy: ApprovalPolicy) -> ApprovalRule:
    asked = policy.reductions
    if asked and not all(is_named(proposer) for proposer in facts.proposers):
        asked = NAMED_FOR_UNNAMED
    return ApprovalRule(code="REDUCTION", value="side=sell", limit=_people(asked), people=asked)


_Rule = Callable[[ApprovalFacts, ApprovalPolicy], ApprovalRule]
_OPENING: tuple[_Rule, ...] = (
    order_is_small,
    order_is_small_for_its_tier,
    one_person_is_enough,
    conviction_is_clear,
    symbol_is_known,
    engine_proposed_it,
)
_REDUCING: tuple[_Rule, ...] = (reduction_waits,)


def _stricter(facts: ApprovalFacts, limit: Decimal | None, live: Decimal | None) -> Decimal | None:
    limits = [each for each in (limit, live if facts.live else None) if each is not None]
    return min(limits, default=None)


def _notional(code: str, facts: ApprovalFacts, limit: Decimal | None, *, people: int) -> ApprovalRule:
    above = limit is not None and facts.notional > limit
    return ApprovalRule(
        code=code,
        value=f"notional={facts.notional:.2f}",
        limit="none" if limit is None else f"{limit:.2f}",
        people=people if above else 0,
    )


def _people(count: int) -> str:
    return {0: "nobody", 1: "one person"}.get(count, f"{count} people")
