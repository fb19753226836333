"""Clusters: the correlation by hand, the shrinkage by hand, and what the order of symbols must not do."""

import math
from fractions import Fraction
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.clusters import clusters, ewma_correlations, shrunk_correlations
from domain.errors import InvalidInput
from domain.rules_config import ClusterRules

from .builders import PROPERTY

RULES = ClusterRules()
FEW = ClusterRules(minimum_sessions=2)


def market(*, sessions: int = 120, seed: int = 7, loads: tuple[float, ...]) -> np.ndarray[Any, Any]:
    """(T, N) returns with one common factor; a load of .95 gives a correlation of about .9 with another such one."""
    generator = np.random.default_rng(seed)
    common, own = generator.normal(size=(sessions, 1)), generator.normal(size=(sessions, len(loads)))
    weights = np.array(loads)
    return 0.01 * (weights * common + np.sqrt(1 - weights**2) * own)


def test_correlation_when_computed_by_hand_then_it_agrees() -> None:
    # alpha = 2/(3+1) = .5, ages 2, 1, 0: weights .25, .5, 1. Products 1, -2, 4; squares 1, 4, 4 and 1, 1, 4.
    found = ewma_correlations([[1, 1], [2, -1], [2, 2]], ClusterRules(span=3, minimum_sessions=2))
    expected = (0.25 - 1 + 4) / math.sqrt((0.25 + 2 + 4) * (0.25 + 0.5 + 4))
    assert found[0, 1] == pytest.approx(expected, rel=1e-15)
    assert found[1, 0] == found[0, 1]
    assert found[0, 0] == found[1, 1] == 1.0


def test_correlation_when_returns_are_missing_then_common_sessions_count() -> None:
    table = market(loads=(0.9, 0.9))
    table[5::7, 0] = math.nan
    together = ~np.isnan(table[:, 0])
    weights = (1 - 2 / 61) ** np.arange(119, -1, -1)[together]
    one, other = table[together].T
    expected = (weights * one * other).sum() / math.sqrt((weights * one**2).sum() * (weights * other**2).sum())
    assert ewma_correlations(table, RULES)[0, 1] == pytest.approx(expected, rel=1e-12)


def test_correlation_when_summed_then_every_sum_is_correctly_rounded() -> None:
    table = market(loads=(0.9, 0.9, 0.1))
    roots = [math.sqrt((1.0 - 2.0 / 61.0) ** age) for age in range(119, -1, -1)]
    first, second, third = ([root * value for root, value in zip(roots, column, strict=True)] for column in table.T)

    def exact(one: list[float], other: list[float]) -> float:
        return float(sum((Fraction(x * y) for x, y in zip(one, other, strict=True)), Fraction(0)))

    found = ewma_correlations(table, RULES)
    for at, (one, other) in {(0, 1): (first, second), (0, 2): (first, third), (1, 2): (second, third)}.items():
        scale = math.sqrt(exact(one, one)) * math.sqrt(exact(other, other))
        assert found[at] == exact(one, other) / scale


def test_correlation_when_sessions_are_old_then_they_are_not_read() -> None:
    table = market(sessions=260, loads=(0.9, 0.5, 0.9))
    assert ewma_correlations(table, RULES).tobytes() == ewma_correlations(table[-250:], RULES).tobytes()


@pytest.mark.parametrize("sessions", [0, 1, 59])
def test_correlation_when_there_are_too_few_sessions_then_it_is_unknown(sessions: int) -> None:
    found = ewma_correlations(market(loads=(0.9, 0.9))[:sessions], RULES)
    assert math.isnan(found[0, 1])
    assert not math.isnan(ewma_correlations(market(loads=(0.9, 0.9))[:60], RULES)[0, 1])


def test_correlation_when_a_symbol_never_moves_then_it_is_unknown() -> None:
    table = market(loads=(0.9, 0.9))
    table[:, 1] = 0.0
    assert math.isnan(ewma_correlations(table, RULES)[0, 1])


def test_shrinkage_when_computed_by_hand_then_it_agrees() -> None:
    table = market(loads=(0.95, 0.6, 0.2, 0.9))
    own = ewma_correlations(table, RULES)
    sectors = {"A": "tech", "B": "tech", "C": "tech", "D": "oil"}
    found = shrunk_correlations(table, "ABCD", sectors, RULES)
    within = (own[0, 1] + own[0, 2] + own[1, 2]) / 3
    across = (own[0, 3] + own[1, 3] + own[2, 3]) / 3
    assert found[0, 1] == pytest.approx((own[0, 1] + within) / 2)
    assert found[2, 3] == pytest.approx((own[2, 3] + across) / 2)
    assert np.array_equal(found, found.T)


def test_shrinkage_when_a_listing_is_new_then_it_has_the_mean_of_its_sector() -> None:
    table = market(loads=(0.95, 0.95, 0.95))
    table[:100, 2] = math.nan
    found = shrunk_correlations(table, "ABC", dict.fromkeys("ABC", "tech"), RULES)
    assert found[0, 2] == found[1, 2] == found[0, 1] > 0.7
    alone = shrunk_correlations(table, "ABC", {"A": "tech", "B": "tech"}, RULES)
    assert alone[0, 2] == 0.0


def test_clusters_when_rho_is_at_the_threshold_then_it_is_no_link() -> None:
    table, sectors = market(loads=(0.95, 0.95)), {"A": "tech", "B": "tech"}
    rho = float(shrunk_correlations(table, "AB", sectors, RULES)[0, 1])
    assert clusters(table, "AB", sectors, ClusterRules(threshold=rho)) == {"A": "A", "B": "B"}
    below = math.nextafter(rho, 0.0)
    assert clusters(table, "AB", sectors, ClusterRules(threshold=below)) == {"A": "A", "B": "A"}


def test_clusters_when_links_form_a_chain_then_they_are_one_named_by_the_smallest() -> None:
    generator = np.random.default_rng(3)
    steps = generator.normal(size=(200, 4))
    # Z-M and M-B share most of what moves them, Z and B much less; Q is alone.
    table = np.column_stack([steps[:, 0], 0.75 * steps[:, 0] + 0.75 * steps[:, 1], steps[:, 1], steps[:, 3]])
    own = ewma_correlations(table, RULES)
    rules = ClusterRules(threshold=0.6, shrinkage=0.0)
    assert own[0, 1] > 0.6 > abs(own[0, 2])
    assert own[1, 2] > 0.6
    found = clusters(table, ("Z", "M", "B", "Q"), {}, rules)
    assert found == {"B": "B", "M": "B", "Q": "Q", "Z": "B"}
    assert list(found) == sorted(found)


def test_clusters_when_there_are_no_symbols_then_there_are_none() -> None:
    assert clusters(np.empty((10, 0)), (), {}, RULES) == {}


@pytest.mark.parametrize(
    ("table", "symbols"),
    [([[0.1, 0.2]], ("A", "A")), ([[0.1, 0.2]], ("A",)), ([0.1, 0.2], ("A", "B")), ([[math.inf, 0.2]], ("A", "B"))],
)
def test_clusters_when_the_table_is_wrong_then_it_is_refused(table: Any, symbols: tuple[str, ...]) -> None:
    with pytest.raises(InvalidInput):
        clusters(table, symbols, {}, FEW)


@st.composite
def tables(draw: st.DrawFn) -> tuple[np.ndarray[Any, Any], tuple[str, ...], dict[str, str]]:
    count = draw(st.integers(2, 7))
    loads = tuple(draw(st.lists(st.floats(0, 0.99), min_size=count, max_size=count)))
    table = market(sessions=draw(st.integers(2, 90)), seed=draw(st.integers(0, 99)), loads=loads)
    for column in range(count):
        table[: draw(st.sampled_from([0, 0, 10, 80])), column] = math.nan
    symbols = tuple(f"S{n}" for n in range(count))
    return table, symbols, {symbol: draw(st.sampled_from(["tech", "oil", ""])) for symbol in symbols}


@PROPERTY
@given(tables(), st.randoms(use_true_random=False))
def test_clusters_when_symbols_are_reordered_then_every_bit_stays(given_table: Any, random: Any) -> None:
    table, symbols, sectors = given_table
    order = list(range(len(symbols)))
    random.shuffle(order)
    moved = tuple(symbols[at] for at in order)
    before = shrunk_correlations(table, symbols, sectors, FEW)
    after = shrunk_correlations(np.asfortranarray(table[:, order]), moved, sectors, FEW)
    assert after.tobytes() == before[np.ix_(order, order)].tobytes()
    assert clusters(table, symbols, sectors, FEW) == clusters(table[:, order], moved, sectors, FEW)


@PROPERTY
@given(tables())
def test_clusters_when_another_symbol_is_looked_at_then_a_pair_keeps_its_correlation(given_table: Any) -> None:
    table, _, _ = given_table
    assert np.array_equal(
        ewma_correlations(table, FEW)[:-1, :-1], ewma_correlations(table[:, :-1], FEW), equal_nan=True
    )


@PROPERTY
@given(tables())
def test_clusters_when_formed_then_they_are_a_partition_named_by_the_smallest(given_table: Any) -> None:
    table, symbols, sectors = given_table
    found = clusters(table, symbols, sectors, FEW)
    shrunk = shrunk_correlations(table, symbols, sectors, FEW)
    assert set(found) == set(symbols)
    assert bool((np.abs(shrunk) <= 1.0).all())
    for label in set(found.values()):
        assert min(symbol for symbol, own in found.items() if own == label) == label
    for i, one in enumerate(symbols):
        for j, other in enumerate(symbols):
            if shrunk[i, j] > FEW.threshold:
                assert found[one] == found[other]


@PROPERTY
@given(tables(), st.sampled_from([0.0, 0.3, 0.7, None]), st.sampled_from([1.0, 1e-99, 1e-140, 1e-170]))
def test_clusters_when_sums_are_rounded_then_links_are_those_of_exact_correlations(
    given_table: Any, threshold: float | None, size: float
) -> None:
    table, symbols, sectors = given_table
    exact = shrunk_correlations(table * size, symbols, sectors, FEW)
    limit = min(1.0, max(0.0, float(exact[0, 1]))) if threshold is None else threshold
    names = dict(zip(symbols, symbols, strict=True))
    for i, j in np.argwhere(exact > limit).tolist():
        both = {names[symbols[i]], names[symbols[j]]}
        names = {symbol: min(both) if name in both else name for symbol, name in names.items()}
    assert clusters(table * size, symbols, sectors, FEW.model_copy(update={"threshold": limit})) == names
