"""Votes on a question: who may vote, what the votes come to, and the messages between a question and its book."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from enum import StrEnum

from domain.actors import BOOTSTRAP_ACTOR, OWNER, actor_problem, is_named
from domain.approvals import ENGINE, ApprovalStatus
from domain.model import Model, Utc
from domain.trading import ApprovalTicket, RiskVerdict

SIGNAL_UNSIGNED = "SIGNAL_UNSIGNED"
"""Refusal: a plain signal would approve what a person proposed."""


class VoteVia(StrEnum):
    UPDATE = "update"
    SIGNAL = "signal"


class Vote(Model):
    """One person's word on one question."""

    approved: bool
    actor: str
    """How the audit log names the principal: `api:anna/<key id>`, `session:anna/<session id>`, `cli:anna`."""
    reason: str
    order_hash: str
    via: VoteVia = VoteVia.UPDATE

    @property
    def person(self) -> str:
        return person_of(self.actor)


class VoteRecord(Model):
    """Write a vote down and say what the question stands at then."""

    approval_id: str
    symbol: str
    vote: Vote
    as_of: Utc


class QuestionAt(Model):
    """A question and the instant at which something is done about it."""

    approval_id: str
    symbol: str
    as_of: Utc


class ApprovalStanding(Model):
    """Where a question stands in the book."""

    status: ApprovalStatus
    reason: str = ""
    refusal: str = ""
    """Why the vote that was just given does not count: `CODE: found`. Empty where it does."""


class RecheckRequest(Model):
    """Judge an order again, right before it is sent or asked about anew."""

    intent_id: str
    symbol: str
    decision_id: str
    """The verdict before. The new one never allows more than that."""
    approval_id: str = ""
    """The answer that the order would be sent on; empty where nobody was asked."""
    as_of: Utc


class RecheckReport(Model):
    verdict: RiskVerdict
    voided: str = ""
    """Why the answer covers the order no more: it must be asked again. Empty where it does."""


def person_of(actor: str) -> str:
    """Name the person behind a principal: two keys, a key and a session, or a terminal of one name are one person.

    >>> person_of("api:Anna/0a1b2c"), person_of("session:anna/9f8e7d"), person_of("cli:anna")
    ('anna', 'anna', 'anna')
    >>> person_of("cli:owner/anna"), person_of("api:bootstrap/bootstrap")
    ('owner', 'owner')
    """
    kind, separator, rest = actor.partition(":")
    name = rest if separator and kind in ("api", "cli", "session") else actor
    if separator and kind in ("api", "session"):
        name = name.rpartition("/")[0] or name
    elif separator and kind == "cli":
        name = name.partition("/")[0]
    if actor == BOOTSTRAP_ACTOR:
        return OWNER
    return name.strip().casefold()


def vote_problem(vote: Vote, ticket: ApprovalTicket, votes: Sequence[Vote], *, now: datetime) -> str:
    """Say why a vote does not count, `CODE: what was found. What to do`; empty where it does.

    Declining is open to everybody, the proposer included. Approving needs another person than the proposers, and one
    with a name, unless the house is explicitly one person's.
    """
    if problem := actor_problem(vote.actor):
        return problem
    if now >= ticket.expires_at:
        return f"APPROVAL_EXPIRED: expired_at={ticket.expires_at.isoformat()}. Nothing is left to decide"
    if vote.order_hash != ticket.order_hash:
        return (
            f"ORDER_HASH_MISMATCH: shown={vote.order_hash or 'nothing'}, pending={ticket.order_hash}. "
            "The order changed since it was shown: look at it again"
        )
    if any(vote.person == known.person for known in votes):
        return f"ALREADY_VOTED: person={vote.person}, needed={ticket.people} different people"
    if not vote.approved:
        return ""
    if vote.via is VoteVia.SIGNAL and (not ticket.signals_approve or ticket.people > 1):
        return "SIGNAL_CANNOT_APPROVE: Nobody signs a plain signal. Approve with `stonks approve` or the API"
    proposers = proposing_people(ticket.proposers)
    if vote.via is VoteVia.SIGNAL and proposers and not ticket.solo:
        return (
            f"{SIGNAL_UNSIGNED}: proposer={', '.join(sorted(proposers))}. "
            "The signal may be the proposer's own: approve with `stonks approve` or the API"
        )
    if vote.via is VoteVia.UPDATE and not is_named(vote.actor) and not ticket.solo:
        return f"ACTOR_INVALID: actor={vote.actor}, allowed=a person's name. Approve with `stonks approve` or the API"
    if vote.person in proposers and not ticket.solo:
        return f"FOUR_EYES: proposer={vote.person}. Another person must approve what you proposed"
    return ""


def tally(votes: Sequence[Vote], *, people: int) -> ApprovalStatus:
    """Count: one decline ends it, the approvals of enough different people approve."""
    if any(not vote.approved for vote in votes):
        return ApprovalStatus.DECLINED
    approving = {vote.person for vote in votes}
    return ApprovalStatus.APPROVED if len(approving) >= max(people, 1) else ApprovalStatus.PENDING


def proposing_people(proposers: Sequence[str]) -> frozenset[str]:
    """The people among proposers; the engine is none."""
    return frozenset(person_of(proposer) for proposer in proposers if proposer != ENGINE)
