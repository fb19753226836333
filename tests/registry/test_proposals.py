"""Proposals: bounds, no company against itself, and nothing that depends on the order of what is known."""

from __future__ import annotations

import random
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.competitors import (
    DEFAULTS,
    AnnualReport,
    CommonDocuments,
    CompanyFacts,
    CompetitorConfig,
    CompetitorEvidence,
    RivalStatement,
    association,
    propose,
)
from domain.registry import CompetitorProposal

KNOWN = datetime(2024, 11, 1, tzinfo=UTC)
SYMBOLS = ("OWN", "A", "B", "C", "D", "E")


def company(symbol: str, **details: Any) -> CompanyFacts:
    return CompanyFacts(symbol=symbol, **details)


def evidence(*candidates: CompanyFacts, own: CompanyFacts | None = None, **details: Any) -> CompetitorEvidence:
    return CompetitorEvidence(company=own or company("OWN"), candidates=candidates, **details)


def report(*statements: tuple[str, bool, str]) -> AnnualReport:
    found = tuple(RivalStatement(symbol=symbol, direct=direct, quote=quote) for symbol, direct, quote in statements)
    return AnnualReport(doc_id="d", title="10-K OWN INC", available_at=KNOWN, statements=found)


def strengths(known: CompetitorEvidence, config: CompetitorConfig = DEFAULTS) -> dict[str, float]:
    return {each.competitor: each.strength for each in propose(known, config)}


facts = st.builds(
    CompanyFacts,
    symbol=st.just("OWN"),
    kind=st.sampled_from(["stock", "stock", "etf"]),
    sector=st.sampled_from(["", "Energy", "Utilities"]),
    industry=st.sampled_from(["", "Oil", "Gas", "OIL"]),
    cik=st.sampled_from(["", "1", "2"]),
    followed=st.booleans(),
)


@st.composite
def known(draw: st.DrawFn) -> CompetitorEvidence:
    candidates = [draw(facts).model_copy(update={"symbol": symbol}) for symbol in SYMBOLS if draw(st.booleans())]
    total = draw(st.integers(0, 50))
    counts = st.integers(0, 60)
    statements = st.builds(
        RivalStatement,
        symbol=st.sampled_from(SYMBOLS),
        direct=st.booleans(),
        quote=st.sampled_from(["one", "two", "three", "four"]),
    )
    return CompetitorEvidence(
        company=draw(facts),
        candidates=tuple(candidates),
        documents=total,
        own_documents=draw(counts),
        common=tuple(
            CommonDocuments(symbol=symbol, documents=draw(counts), together=draw(counts))
            for symbol in draw(st.sets(st.sampled_from(SYMBOLS)))
        ),
        report=draw(
            st.one_of(
                st.none(),
                st.lists(statements, max_size=6).map(
                    lambda found: AnnualReport(
                        doc_id="d", title="10-K OWN INC", available_at=KNOWN, statements=tuple(found)
                    )
                ),
            )
        ),
    )


@given(known())
def test_proposals_when_made_then_they_are_bounded_reasoned_and_never_of_the_company_itself(
    found: CompetitorEvidence,
) -> None:
    proposals = propose(found)
    assert [(-each.strength, each.competitor) for each in proposals] == sorted(
        (-each.strength, each.competitor) for each in proposals
    )
    candidates = {each.symbol: each for each in found.candidates}
    for each in proposals:
        assert each.symbol == found.company.symbol
        assert DEFAULTS.minimum <= each.strength <= 1
        assert each.reasons
        assert all(each.reasons)
        candidate = candidates[each.competitor]
        assert candidate.followed
        assert candidate.symbol != found.company.symbol
        assert not candidate.cik or candidate.cik != found.company.cik
        assert "etf" not in (candidate.kind, found.company.kind)
    assert len({each.competitor for each in proposals}) == len(proposals)


@given(known(), st.randoms(use_true_random=False))
def test_proposals_when_what_is_known_comes_in_another_order_then_they_are_equal_to_the_bit(
    found: CompetitorEvidence, chance: random.Random
) -> None:
    def shuffled(rows: Any) -> Any:
        rows = list(rows)
        chance.shuffle(rows)
        return tuple(rows)

    mixed = found.model_copy(
        update={
            "candidates": shuffled(found.candidates),
            "common": shuffled(found.common),
            "report": found.report
            and found.report.model_copy(update={"statements": shuffled(found.report.statements)}),
        }
    )
    assert propose(mixed) == propose(found)


@given(known(), st.sampled_from(SYMBOLS))
def test_proposals_when_one_more_sentence_speaks_of_competition_then_none_becomes_weaker(
    found: CompetitorEvidence, symbol: str
) -> None:
    before = found.report.statements if found.report else ()
    sentence = RivalStatement(symbol=symbol, direct=True, quote="a sentence more")
    more = found.model_copy(
        update={"report": AnnualReport(doc_id="d", title="10-K", available_at=KNOWN, statements=(*before, sentence))}
    )
    after = strengths(more)
    assert all(after[each] >= strength for each, strength in strengths(found).items())


@given(st.integers(0, 99), st.integers(0, 99), st.integers(0, 99), st.integers(0, 99))
def test_association_when_counted_then_it_lies_between_chance_and_always(a: int, b: int, c: int, d: int) -> None:
    share = association(together=a, one=b, other=c, all_=d)
    assert 0 <= share <= 1
    assert share == association(together=a, one=c, other=b, all_=d)
    if a and a * d <= b * c:
        assert share == 0


def test_association_when_they_always_come_together_then_it_is_one() -> None:
    assert association(together=5, one=5, other=5, all_=100) == pytest.approx(1)
    assert association(together=1, one=10, other=10, all_=100) == 0  # exactly chance
    assert association(together=0, one=10, other=10, all_=100) == 0


def test_industry_when_shared_then_it_is_proposed_and_a_sector_alone_is_not() -> None:
    own = company("OWN", sector="Energy", industry="Oil")
    found = propose(
        evidence(
            company("A", sector="Energy", industry="oil"),
            company("B", sector="Energy", industry="Gas"),
            company("C", sector="Utilities"),
            own=own,
        )
    )
    assert [(each.competitor, each.strength, each.reasons) for each in found] == [
        ("A", DEFAULTS.same_industry, ("Both are in the industry Oil",))
    ]
    assert strengths(evidence(company("A"), company("B"))) == {}  # unknown is not the same


def test_sentences_when_they_name_a_company_then_what_they_say_counts() -> None:
    known_ = evidence(
        company("A"),
        company("B"),
        company("C"),
        report=report(
            ("A", True, "We compete with A."), ("A", True, "A is a rival."), ("B", False, "B sells us yarn.")
        ),
    )
    found = {each.competitor: each for each in propose(known_)}
    assert found["A"].strength == pytest.approx(1 - 0.4 * 0.85)
    assert found["B"].strength == DEFAULTS.in_part
    assert "C" not in found
    assert found["A"].reasons == ("10-K OWN INC (2024-11-01) says: “A is a rival.” “We compete with A.”",)


def test_sentence_when_it_names_another_class_of_shares_then_the_company_is_meant() -> None:
    known_ = evidence(
        company("A", cik="7"), company("B", cik="7", followed=False), report=report(("B", True, "We compete with B."))
    )
    assert strengths(known_) == {"A": DEFAULTS.stated}


@pytest.mark.parametrize(("together", "proposed"), [(2, False), (3, False), (30, True)])
def test_documents_when_few_are_about_both_then_they_say_little(together: int, proposed: bool) -> None:
    common = (CommonDocuments(symbol="A", documents=40, together=together),)
    found = propose(evidence(company("A"), documents=1_000, own_documents=40, common=common))
    assert bool(found) == proposed
    if proposed:
        assert found[0].reasons == ("30 documents of 730 days are about both; 1.6 would be by chance",)


def test_kinds_of_evidence_when_they_agree_then_they_add_up_below_one() -> None:
    own = company("OWN", industry="Oil")
    common = (CommonDocuments(symbol="A", documents=40, together=40),)
    full = evidence(
        company("A", industry="Oil"),
        own=own,
        documents=1_000,
        own_documents=40,
        common=common,
        report=report(("A", True, "We compete with A.")),
    )
    (found,) = propose(full)
    assert len(found.reasons) == 3
    assert DEFAULTS.stated < found.strength < 1
    for left in ({"report": None}, {"common": ()}, {"company": company("OWN")}):
        (less,) = propose(full.model_copy(update=left))
        assert less.strength < found.strength


def test_proposals_when_there_are_many_then_the_strongest_are_kept() -> None:
    own = company("OWN", industry="Oil")
    many = [company(f"A{number:02}", industry="Oil") for number in range(40)]
    found = propose(evidence(*many, own=own, report=report(("A39", True, "We compete with it."))))
    assert len(found) == DEFAULTS.most
    assert [each.competitor for each in found[:3]] == ["A39", "A00", "A01"]
    assert isinstance(found[0], CompetitorProposal)
