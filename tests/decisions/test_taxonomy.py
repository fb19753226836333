"""Every kind of event has its traits, and the configuration takes its half-lives from them."""

from domain.config import HALF_LIVES
from domain.extraction import EventType
from domain.taxonomy import TAXONOMY, half_life_of


def test_taxonomy_when_an_event_is_of_any_kind_then_it_has_traits() -> None:
    assert set(TAXONOMY) == set(EventType) == set(HALF_LIVES)
    assert all(traits.half_life > 0 and traits.peer in (-1, 0, 1) for traits in TAXONOMY.values())


def test_half_life_when_a_company_is_small_then_only_earnings_last_longer() -> None:
    longer = [event for event in EventType if half_life_of(event, small=True) > half_life_of(event)]
    assert longer == [EventType.EARNINGS]
    assert half_life_of(EventType.EARNINGS, small=True) == 20.0
