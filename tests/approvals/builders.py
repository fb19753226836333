"""Questions, votes and facts with sane defaults."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

from hypothesis import strategies as st

from domain.approvals import ApprovalFacts
from domain.config import ApprovalPolicy, LiveApprovals, Tier
from domain.trading import ApprovalTicket
from domain.voting import Vote

NOW = datetime(2026, 3, 2, 15, 0, tzinfo=UTC)
DOLLARS = st.decimals(min_value=0, max_value=10**6, places=2)
PEOPLE = st.integers(min_value=0, max_value=2)
SHARES = st.floats(min_value=0, max_value=1, allow_nan=False)


def facts(**changes: Any) -> ApprovalFacts:
    values: dict[str, Any] = {
        "opening": True,
        "notional": Decimal(1_000),
        "tier": Tier.MODERATE,
        "conviction": 0.5,
        "traded_before": True,
        "live": False,
    }
    return ApprovalFacts(**{**values, **changes})


def ticket(**changes: Any) -> ApprovalTicket:
    values: dict[str, Any] = {
        "approval_id": "a",
        "order_hash": "h",
        "expires_at": NOW + timedelta(hours=4),
        "proposers": ("engine",),
    }
    return ApprovalTicket(**{**values, **changes})


def vote(actor: str = "api:anna/1", *, approved: bool = True, **changes: Any) -> Vote:
    values: dict[str, Any] = {"approved": approved, "actor": actor, "reason": "looked at it", "order_hash": "h"}
    return Vote(**{**values, **changes})


any_facts = st.builds(
    ApprovalFacts,
    opening=st.booleans(),
    notional=DOLLARS,
    tier=st.sampled_from(Tier),
    conviction=SHARES,
    traded_before=st.booleans(),
    live=st.booleans(),
    proposers=st.sampled_from([("engine",), ("engine", "cli:anna"), ("api:ben/1",), ("temporal-cli",)]),
)
any_policy = st.builds(
    ApprovalPolicy,
    notional_above=DOLLARS,
    notional_above_by_tier=st.dictionaries(st.sampled_from(Tier), DOLLARS),
    two_people_above=st.none() | DOLLARS,
    conviction_below=SHARES,
    first_trade=PEOPLE,
    by_hand=PEOPLE,
    reductions=PEOPLE,
    solo=st.booleans(),
    live=st.builds(
        LiveApprovals,
        notional_above=DOLLARS,
        two_people_above=st.none() | DOLLARS,
        conviction_below=SHARES,
        first_trade=PEOPLE,
        by_hand=PEOPLE,
    ),
)
