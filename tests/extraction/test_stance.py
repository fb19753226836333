"""What sentences about the economy imply for monetary policy."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from activities.adapters.rules.stance import (
    CALLED,
    judge_stance,
    read_stance,
    stance,
    stance_confidence,
    stance_label,
)
from domain.evaluation import DOVISH, HAWKISH, NEUTRAL, STANCE_LABELS


@pytest.mark.parametrize(
    "sentence",
    [
        "Inflation rose sharply last month.",
        "Core inflation remains elevated.",
        "Higher energy prices are pushing up consumer prices.",
        "Wage pressures have intensified.",
        "Economic activity expanded at a rapid rate.",
        "The labor market is very tight.",
        "The Committee decided to raise the target range for the federal funds rate.",
        "Further policy firming will be needed.",
        "Upside risks to inflation predominate.",
        "Inflation was 5.4 percent over the past year.",
        "The trade deficit widened and imports surged.",
    ],
)
def test_stance_when_policy_would_lean_against_it_then_it_is_hawkish(sentence: str) -> None:
    assert stance(sentence) >= CALLED


@pytest.mark.parametrize(
    "sentence",
    [
        "Inflation fell in the second quarter.",
        "Inflation remained subdued.",
        "The unemployment rate rose to 9 percent.",
        "Economic growth has weakened considerably.",
        "Consumer spending remained weak.",
        "The Committee lowered the federal funds rate.",
        "Policy should remain accommodative for some time.",
        "Downside risks to the outlook have grown.",
        "The economy slipped into recession.",
        "Inflation was running below our objective.",
        "Resource slack is substantial and layoffs increased.",
    ],
)
def test_stance_when_policy_would_support_then_it_is_dovish(sentence: str) -> None:
    assert stance(sentence) <= -CALLED


@pytest.mark.parametrize(
    "sentence",
    [
        "",
        "   ",
        "....",
        "The meeting was held on Tuesday.",
        "The manager reported on developments in foreign exchange markets.",
        "The minutes will be published in three weeks.",
    ],
)
def test_stance_when_nothing_follows_for_policy_then_it_is_near_zero(sentence: str) -> None:
    assert abs(stance(sentence)) < 0.5


@pytest.mark.parametrize(
    ("plain", "opposite"),
    [
        ("Inflation rose.", "Inflation fell."),
        ("Unemployment fell.", "Unemployment rose."),
        ("Employment was strong.", "Employment was weak."),
        ("The dollar depreciated.", "The dollar appreciated."),
        ("Asset purchases were reduced.", "Asset purchases were increased."),
    ],
)
def test_stance_when_the_movement_turns_then_the_sign_turns(plain: str, opposite: str) -> None:
    assert stance(plain) > 0 > stance(opposite)


def test_stance_when_the_statement_is_negated_then_the_sign_turns() -> None:
    assert stance("Inflation will increase.") > 0 > stance("Inflation will not increase.")


def test_stance_when_the_statement_is_hedged_or_conceded_then_it_is_weaker_of_the_same_sign() -> None:
    assert 0 < stance("Inflation might rise.") < stance("Inflation rose.")
    assert 0 < stance("Although inflation rose, the outlook is for the Board to judge.") < stance("Inflation rose.")
    assert 0 < stance("Inflation rose slightly.") < stance("Inflation rose.")


@pytest.mark.parametrize(
    ("rate", "label"), [("1.7", DOVISH), ("1.8", NEUTRAL), ("2.0", NEUTRAL), ("2.6", NEUTRAL), ("2.7", HAWKISH)]
)
def test_stance_when_a_rate_of_inflation_is_stated_then_only_one_off_target_counts(rate: str, label: str) -> None:
    assert stance_label(stance(f"Inflation was {rate} percent.")) == label


def test_stance_when_both_sides_are_told_then_they_offset_each_other() -> None:
    both = stance("Inflation rose, and unemployment rose.")
    assert stance("Unemployment rose.") < both < stance("Inflation rose.")


@pytest.mark.parametrize(
    ("score", "label"),
    [(CALLED, HAWKISH), (CALLED - 1e-9, NEUTRAL), (0.0, NEUTRAL), (1e-9 - CALLED, NEUTRAL), (-CALLED, DOVISH)],
)
def test_label_when_the_score_lies_at_the_limit_then_it_is_called(score: float, label: str) -> None:
    assert stance_label(score) == label


def test_confidence_when_the_stance_is_clear_then_it_is_higher_than_when_it_is_faint() -> None:
    clear = read_stance("Inflation rose sharply and wage pressures intensified.")
    faint = read_stance("Inflation may have increased slightly.")
    assert stance_confidence(clear) > stance_confidence(faint)


def test_confidence_when_nothing_is_found_then_neutral_is_surer_than_when_signs_cancel() -> None:
    empty = read_stance("The minutes will be published.")
    cancelled = read_stance("Employment rose strongly, but unemployment rose.")
    assert abs(cancelled.score) < CALLED
    assert stance_confidence(empty) > stance_confidence(cancelled)


@given(st.text(max_size=300))
def test_stance_when_text_is_anything_then_it_stays_in_range_and_repeats(text: str) -> None:
    label, sure = judge_stance(text)
    assert label in STANCE_LABELS
    assert 0 <= sure <= 1
    assert -1 <= stance(text) <= 1
    assert judge_stance(text) == (label, sure)


@given(st.integers(0, 30), st.sampled_from(["Inflation rose.", "Unemployment rose.", "Rates may rise."]))
def test_stance_when_a_stretch_of_a_text_is_read_then_what_surrounds_it_does_not_count(pad: int, text: str) -> None:
    around = "x" * pad + " "
    reading = read_stance(around + text + " Inflation fell.", len(around), len(around) + len(text))
    assert reading.score == stance(text)
