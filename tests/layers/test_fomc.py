"""Real statements of the Federal Reserve, read by the rules, through to the state of rates."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta

import pytest

from activities.adapters.rules.economy import RulesClassifier
from domain.documents import Credibility
from domain.extraction import document_text
from domain.macro import MacroInput, validate_macro
from domain.macro_items import MacroItem, telling_quote
from domain.macro_layer import macro_scores
from domain.novelty import shingles
from tests.conftest import shared_data

from .builders import states

HIKES = ("2018-03-21", "2018-06-13", "2018-09-26", "2018-12-19")
CUTS = ("2019-07-31", "2019-09-18", "2019-10-30", "2020-03-15")
WEEKDAYS = [
    day for day in (date(2017, 11, 1) + timedelta(days=n) for n in range(1_200)) if day.weekday() < 5
]  # fmt: skip


@pytest.fixture(scope="module")
def spoken() -> list[MacroItem]:
    """What the rules read in every statement of 2018-2020, as the book would hold it."""
    items = []
    for path in sorted(shared_data("macro/fomc_statements").glob("*.txt")):
        at = datetime.fromisoformat(f"{path.stem}T19:00:00+00:00")
        text = document_text("Federal Reserve issues FOMC statement", path.read_text(encoding="utf-8"))
        source = MacroInput(doc_id=path.stem, text=text, published_at=at)
        valid = validate_macro(RulesClassifier().classify(source), source)
        for number, event in enumerate(valid.reading.events):
            quotes = [each.quote for each in event.evidence]
            items.append(
                MacroItem(
                    macro_event_id=f"{path.stem}/{number}",
                    doc_id=path.stem,
                    extraction_id=f"ex-{path.stem}",
                    available_at=at,
                    topic=event.topic,
                    factor=event.factor,
                    name=event.name,
                    region=event.region,
                    direction=event.direction,
                    confidence=event.confidence,
                    quote_validity=valid.quotes_valid / valid.quotes_total,
                    surprise=event.surprise,
                    credibility=Credibility.OFFICIAL,
                    extractor=valid.reading.extractor,
                    content_hash=path.stem,
                    publisher="Federal Reserve",
                    title="FOMC statement",
                    quote=telling_quote(quotes, event.surprise),
                    shingles=shingles(text),
                )
            )
    return items


def rates(items: list[MacroItem], day: str, *, hours: int = 1) -> float:
    at = datetime.fromisoformat(f"{day}T19:00:00+00:00").astimezone(UTC) + timedelta(hours=hours)
    found = states(items, as_of=at, session_dates=WEEKDAYS)
    return found["rates"].score if "rates" in found else 0.0


@pytest.mark.parametrize("day", HIKES)
def test_rates_when_the_committee_raised_them_then_their_state_is_positive(spoken: list[MacroItem], day: str) -> None:
    assert 0.02 < rates(spoken, day) < 0.5


@pytest.mark.parametrize("day", CUTS)
def test_rates_when_the_committee_cut_them_then_their_state_is_negative(spoken: list[MacroItem], day: str) -> None:
    assert -0.5 < rates(spoken, day) < -0.02


def test_rates_when_a_statement_ages_then_their_state_decays_and_ends(spoken: list[MacroItem]) -> None:
    only = [item for item in spoken if item.doc_id == "2018-12-19"]
    state = [rates(only, "2018-12-19", hours=hours) for hours in (0, 24, 24 * 10, 24 * 30, 24 * 50)]
    assert state == sorted(state, reverse=True)
    assert state[-1] == 0.0


def test_rates_when_the_future_is_known_to_the_book_then_the_past_keeps_every_bit(spoken: list[MacroItem]) -> None:
    for day in (*HIKES, *CUTS):
        known = [item for item in spoken if item.available_at.date().isoformat() <= day]
        assert rates(spoken, day) == rates(known, day)


def test_scores_when_rates_are_cut_then_a_utility_gains_and_a_bank_loses(spoken: list[MacroItem]) -> None:
    at = datetime(2019, 7, 31, 20, tzinfo=UTC)
    found = macro_scores(
        states(spoken, as_of=at, session_dates=WEEKDAYS), {"BAC": {"rates": 0.4}, "D": {"rates": -0.4}, "X": {}}
    )
    assert found["D"].score > 0.0 > found["BAC"].score
    assert found["X"].score == 0.0
    assert {part.doc_id for part in found["D"].contributions} == {"2019-07-31"}
