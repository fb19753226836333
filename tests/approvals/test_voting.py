"""Votes: who may vote on what, and what the votes come to."""

from __future__ import annotations

import doctest

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain import actors, voting
from domain.actors import spoken
from domain.approvals import ApprovalStatus
from domain.voting import VoteVia, person_of, tally, vote_problem
from tests.approvals.builders import NOW, ticket, vote

ACTORS = st.sampled_from(
    ["api:anna/1", "session:anna/7", "api:anna/2", "cli:anna", "cli:ben", "api:clara/9", "temporal-cli"]
)


def _code(problem: str) -> str:
    return problem.partition(":")[0]


@pytest.mark.parametrize(
    ("actor", "person"),
    [
        ("api:anna/0a1b", "anna"),
        ("api:desk/night/0a1b", "desk/night"),
        ("cli:anna", "anna"),
        ("cli:Anna", "anna"),
        ("temporal-cli", "temporal-cli"),
        ("replay-2", "replay-2"),
        ("api:bootstrap/bootstrap", "owner"),
        ("session:anna/0a1b", "anna"),
        ("session:owner/link", "owner"),
        ("cli:owner/anna", "owner"),
    ],
)
def test_person_when_named_by_a_principal_then_keys_and_terminals_of_one_name_are_one(actor: str, person: str) -> None:
    assert person_of(actor) == person


@pytest.mark.parametrize(
    ("actor", "words"),
    [
        ("session:anna/3f2a", "anna"),
        ("api:anna/9c1e", "anna (key)"),
        ("api:bootstrap/bootstrap", "the installation's key"),
        ("cli:owner/anna", "owner (terminal)"),
        ("cli:anna", "anna (terminal)"),
        ("temporal-cli", "temporal-cli"),
        ("system", "system"),
        ("session:", "session:"),
        ("", ""),
    ],
)
def test_actor_when_shown_to_people_then_it_is_a_name_and_a_way(actor: str, words: str) -> None:
    assert spoken(actor) == words


def test_proposer_when_approving_with_another_key_then_four_eyes_still_hold() -> None:
    question = ticket(proposers=("engine", "api:anna/1"))
    for actor in ("api:anna/1", "api:anna/2", "cli:anna"):
        assert _code(vote_problem(vote(actor), question, [], now=NOW)) == "FOUR_EYES"
    assert vote_problem(vote("cli:ben"), question, [], now=NOW) == ""
    assert vote_problem(vote("api:anna/1", approved=False), question, [], now=NOW) == ""


def test_proposer_when_the_house_is_one_persons_then_approves_alone() -> None:
    assert vote_problem(vote(), ticket(proposers=("api:anna/1",), solo=True), [], now=NOW) == ""


def test_person_when_voting_twice_then_the_second_does_not_count() -> None:
    for again in (vote("cli:anna"), vote("api:anna/2", approved=False)):
        assert _code(vote_problem(again, ticket(people=2), [vote()], now=NOW)) == "ALREADY_VOTED"


def test_vote_when_the_time_is_up_then_it_does_not_count() -> None:
    question = ticket()
    late = vote_problem(vote(), question, [], now=question.expires_at)
    assert _code(late) == "APPROVAL_EXPIRED"


@pytest.mark.parametrize("shown", ["", "another"])
def test_vote_when_another_order_was_shown_then_it_does_not_count(shown: str) -> None:
    for approved in (True, False):
        problem = vote_problem(vote(approved=approved, order_hash=shown), ticket(), [], now=NOW)
        assert _code(problem) == "ORDER_HASH_MISMATCH"


def test_plain_signal_when_nobody_signs_it_then_it_approves_only_where_one_person_and_the_policy_allow_it() -> None:
    signed_by_nobody = vote("temporal-cli", via=VoteVia.SIGNAL)
    assert vote_problem(signed_by_nobody, ticket(), [], now=NOW) == ""
    for strict in (ticket(people=2), ticket(signals_approve=False)):
        assert _code(vote_problem(signed_by_nobody, strict, [], now=NOW)) == "SIGNAL_CANNOT_APPROVE"
        decline = vote("temporal-cli", approved=False, via=VoteVia.SIGNAL)
        assert vote_problem(decline, strict, [], now=NOW) == ""


@pytest.mark.parametrize("proposer", ["api:anna/1", "cli:anna", "temporal-cli", "operator"])
def test_plain_signal_when_a_person_proposed_then_it_declines_but_does_not_approve(proposer: str) -> None:
    question = ticket(proposers=("engine", proposer))
    signal = vote("temporal-cli", via=VoteVia.SIGNAL)
    assert _code(vote_problem(signal, question, [], now=NOW)) == "SIGNAL_UNSIGNED"
    assert vote_problem(signal.model_copy(update={"approved": False}), question, [], now=NOW) == ""
    assert vote_problem(signal, question.model_copy(update={"solo": True}), [], now=NOW) == ""


@pytest.mark.parametrize("actor", ["engine", " Engine", "trading-engine", "system", ""])
def test_vote_when_it_is_signed_as_the_platform_signs_then_it_does_not_count(actor: str) -> None:
    for approved in (True, False):
        assert _code(vote_problem(vote(actor, approved=approved), ticket(), [], now=NOW)) == "ACTOR_INVALID"


@pytest.mark.parametrize("actor", ["temporal-cli", "operator"])
def test_vote_when_it_names_nobody_in_particular_then_it_does_not_approve(actor: str) -> None:
    assert _code(vote_problem(vote(actor), ticket(), [], now=NOW)) == "ACTOR_INVALID"
    assert vote_problem(vote(actor, approved=False), ticket(), [], now=NOW) == ""


@given(st.lists(st.tuples(ACTORS, st.booleans()), max_size=6), st.integers(1, 2))
def test_votes_when_counted_then_a_decline_ends_it_and_only_different_people_add_up(
    cast: list[tuple[str, bool]], people: int
) -> None:
    found = tally([vote(actor, approved=approved) for actor, approved in cast], people=people)
    if not all(approved for _, approved in cast):
        assert found is ApprovalStatus.DECLINED
    else:
        enough = len({person_of(actor) for actor, _ in cast}) >= people
        assert found is (ApprovalStatus.APPROVED if enough else ApprovalStatus.PENDING)


def test_examples_in_the_module_when_run_then_they_hold() -> None:
    assert [doctest.testmod(each).failed for each in (actors, voting)] == [0, 0]
