"""Who reads a document: a pure function of document and experiment; what settings come out of which layers."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.agents import (
    AgentBudget,
    AgentKind,
    AgentSettings,
    Engine,
    ResolvedAgent,
    Variant,
    assign,
    check_shares,
    merged,
    position,
)
from domain.errors import InvalidInput
from store.model_calls import BudgetUse

RULES = AgentSettings()
MODEL = AgentSettings(engine=Engine.OLLAMA, model="stub:1b")
subjects = st.text(st.characters(codec="utf-8"), min_size=1, max_size=30)


def variant(name: str, share: float = 0.0, **changes: Any) -> Variant:
    return Variant(variant_id=name, settings=MODEL, share=share, **changes)


def agent(*variants: Variant) -> ResolvedAgent:
    return ResolvedAgent(
        agent_id="document-extractor", kind=AgentKind.DOCUMENT_EXTRACTOR, settings=RULES, variants=variants
    )


@given(subjects, st.floats(0, 1), st.floats(0, 1))
def test_assign_when_it_is_asked_again_then_the_same_variant_reads(subject: str, one: float, other: float) -> None:
    found = agent(variant("a", one / 2), variant("b", other / 2))
    turned = agent(variant("b", other / 2), variant("a", one / 2))
    assert assign(subject, found) == assign(subject, found) == assign(subject, turned)


@given(subjects)
def test_assign_when_nobody_has_a_share_then_the_agents_own_settings_read(subject: str) -> None:
    who = assign(subject, agent(variant("a"), variant("s", shadow=True)))
    assert (who.variant_id, who.engine, who.experiment, who.shadows) == ("", Engine.RULES, "", ("s",))


@given(subjects)
def test_assign_when_one_has_everything_then_it_reads_everything(subject: str) -> None:
    who = assign(subject, agent(variant("a", 1.0), variant("s", shadow=True)))
    assert (who.variant_id, who.engine, who.shadows) == ("a", Engine.OLLAMA, ("s",))


def test_assign_when_many_documents_come_then_each_variant_reads_about_its_share() -> None:
    found = agent(variant("a", 0.2), variant("b", 0.3))
    read = [assign(f"document-{number}", found).variant_id for number in range(4_000)]
    assert read.count("a") / 4_000 == pytest.approx(0.2, abs=0.03)
    assert read.count("b") / 4_000 == pytest.approx(0.3, abs=0.03)


def test_assign_when_the_shares_change_then_it_is_another_experiment_with_its_own_order() -> None:
    first, second = agent(variant("a", 0.5)), agent(variant("a", 0.4))
    assert first.experiment != second.experiment
    same = sum(
        assign(str(number), first).variant_id == assign(str(number), second).variant_id for number in range(1_000)
    )
    assert same < 650  # independent draws agree in about half


@given(subjects, subjects)
def test_position_when_a_subject_is_any_then_it_lies_in_the_unit_interval(subject: str, experiment: str) -> None:
    assert 0 <= position(subject, experiment) < 1


def test_shares_when_they_are_more_than_everything_then_the_error_names_the_field() -> None:
    check_shares([0.5, 0.5])
    with pytest.raises(InvalidInput, match=r"TRAFFIC_SHARES_TOO_LARGE: field=traffic_share, found=1\.1"):
        check_shares([0.6, 0.5])


def test_settings_when_layers_are_merged_then_the_later_field_wins_and_none_gives_way() -> None:
    found = merged(
        {"engine": "ollama", "model": "base:1b", "seed": 1}, {"model": "agent:1b", "seed": None}, {"temperature": 0.5}
    )
    assert (found.model, found.seed, found.temperature) == ("agent:1b", 1, 0.5)


@pytest.mark.parametrize(
    ("values", "field"),
    [
        ({"engine": "ollama"}, "settings"),
        ({"num_predict": 8_192}, "settings"),
        ({"temperature": 3}, "temperature"),
        ({"modell": "x"}, "modell"),
    ],
)
def test_settings_when_they_are_wrong_then_the_error_names_the_field(values: dict[str, Any], field: str) -> None:
    with pytest.raises(InvalidInput, match=rf"AGENT_SETTING_INVALID: field={field}"):
        merged(values)


def test_cost_when_prices_are_given_then_it_is_exact_to_the_micro_dollar() -> None:
    priced = merged({"dollars_per_million_tokens_in": "0.15", "dollars_per_million_tokens_out": "0.6"})
    assert priced.cost(1_000, 500) == Decimal("0.000450")
    assert RULES.cost(1_000_000, 1_000_000) == 0


@pytest.mark.parametrize(
    ("calls", "tokens", "lacking"),
    [(10, 1_000, ""), (11, 1_000, "calls_per_day"), (10, 1_001, "tokens_per_day")],
)
def test_budget_when_use_is_at_and_above_its_limits_then_the_limit_is_named(
    calls: int, tokens: int, lacking: str
) -> None:
    assert BudgetUse(calls, tokens).lacks(AgentBudget(calls_per_day=10, tokens_per_day=1_000)) == lacking
    assert BudgetUse(calls, tokens).lacks(AgentBudget()) == ""
