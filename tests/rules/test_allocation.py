"""The proportional gate: every step by hand, and its invariants for any intents in any order."""

from collections.abc import Sequence
from dataclasses import replace
from decimal import Decimal
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.allocation import Allocation, AllocationLimits, Exposure, allocate
from domain.errors import InvalidInput

from .builders import PROPERTY, exposure, limits


def amounts(found: Sequence[Allocation]) -> list[Fraction]:
    return [one.amount for one in found]


def cut_by(one: Allocation) -> list[str]:
    return [gate.name for gate in one.gates if not gate.passed]


def test_increases_when_they_fit_then_they_are_granted_and_every_gate_is_recorded() -> None:
    (found,) = allocate([exposure("A", 2_000)], [exposure("A", 1_000)], limits(name_cap="0.05"))
    assert found.amount == 2_000
    assert [(gate.name, gate.value, gate.limit, gate.passed, gate.detail) for gate in found.gates] == [
        ("name_cap", "0.030000", "0.05", True, "A"),
        ("cluster_cap", "0.030000", "1", True, "A"),
        ("sector_cap", "0.030000", "1", True, "tech"),
        ("gross_cap", "0.030000", "1", True, ""),
        ("deployable_cash", "0.020000", "1.000000", True, ""),
    ]


def test_increases_when_one_name_asks_twice_then_both_are_scaled_to_its_cap() -> None:
    asked = [exposure("A", 2_000), exposure("B", 1_000), exposure("A", 6_000)]
    found = allocate(asked, [exposure("A", 1_000)], limits(name_cap="0.05"))
    assert amounts(found) == [1_000, 1_000, 3_000]  # room of 4,000 for 8,000
    assert [cut_by(one) for one in found] == [["name_cap"], [], ["name_cap"]]


def test_increases_when_a_cluster_is_full_then_its_members_share_the_room() -> None:
    asked = [exposure("A", 9_000, cluster="A"), exposure("B", 3_000, "oil", cluster="A"), exposure("C", 5_000)]
    found = allocate(asked, [exposure("D", 7_000, "gas", cluster="A")], limits(cluster_cap="0.15"))
    assert amounts(found) == [6_000, 2_000, 5_000]  # 8,000 of 12,000
    assert cut_by(found[0]) == cut_by(found[1]) == ["cluster_cap"]
    assert found[0].gates[1].value == "0.190000"


def test_increases_when_a_sector_is_full_then_its_members_share_the_room() -> None:
    asked = [exposure("A", 10_000), exposure("B", 20_000), exposure("C", 5_000, "oil")]
    found = allocate(asked, [exposure("D", 10_000)], limits(sector_cap="0.25"))
    assert amounts(found) == [5_000, 10_000, 5_000]
    assert cut_by(found[1]) == ["sector_cap"]


def test_increases_when_gross_and_cash_are_short_then_all_are_scaled_one_after_the_other() -> None:
    asked = [exposure("A", 30_000), exposure("B", 10_000, "oil")]
    found = allocate(asked, [exposure("C", 60_000)], limits(gross_cap="0.80", deployable="5000"))
    assert amounts(found) == [3_750, 1_250]  # 40,000 -> 20,000 -> 5,000
    assert cut_by(found[0]) == ["gross_cap", "deployable_cash"]
    assert [(gate.value, gate.limit) for gate in found[0].gates[3:]] == [("1.000000", "0.80"), ("0.200000", "0.050000")]


def test_increases_when_every_limit_binds_then_the_steps_follow_each_other() -> None:
    asked = [
        exposure("A", 8_000, cluster="A"),
        exposure("B", 8_000, cluster="A"),
        exposure("C", 4_000),
        exposure("D", 4_000, "oil"),
    ]
    bounds = limits(name_cap="0.05", cluster_cap="0.06", sector_cap="0.08", gross_cap="0.09", deployable="4500")
    # name 5000 5000 4000 4000, cluster 3000 3000, sector 10000 -> 8000: 2400 2400 3200, gross 12000 -> 9000, cash: half
    assert amounts(allocate(asked, [], bounds)) == [900, 900, 1_200, 1_500]


def test_increases_when_a_limit_is_already_exceeded_then_nothing_is_granted() -> None:
    found = allocate([exposure("A", 1_000)], [exposure("A", 6_000)], limits(name_cap="0.05"))
    assert amounts(found) == [0]
    assert amounts(allocate([exposure("A", 1_000)], [], limits(deployable="-500"))) == [0]


def test_increases_when_a_cluster_crosses_sectors_then_another_intent_lifts_nobody() -> None:
    """Scaling A for C's sake makes room in A's sector; B must not get it, or C's asking would have raised B."""
    bounds = limits(cluster_cap="0.10", sector_cap="0.10")
    first, second = exposure("A", 10_000, cluster="A"), exposure("B", 10_000)
    third = exposure("C", 10_000, "oil", cluster="A")
    assert amounts(allocate([first, second], [], bounds)) == [5_000, 5_000]
    assert amounts(allocate([first, second, third], [], bounds)) == [2_500, 5_000, 5_000]


def test_increases_when_there_are_none_then_nothing_is_allocated() -> None:
    assert allocate([], [exposure("A", 1_000)], limits()) == ()
    assert amounts(allocate([exposure("A", 0)], [], limits(deployable="0"))) == [0]


@pytest.mark.parametrize(
    ("asked", "bounds", "code"),
    [
        ([exposure("A", 1)], limits(equity="0"), "EQUITY_NOT_POSITIVE"),
        ([exposure("A", -1)], limits(), "AMOUNT_NEGATIVE"),
        ([exposure("A", 1), exposure("A", 1, "oil")], limits(), "GROUP_AMBIGUOUS"),
        ([exposure("A", 1), exposure("A", 1, cluster="B")], limits(), "GROUP_AMBIGUOUS"),
    ],
)
def test_increases_when_the_input_is_impossible_then_it_is_refused(
    asked: list[Exposure], bounds: AllocationLimits, code: str
) -> None:
    with pytest.raises(InvalidInput, match=code):
        allocate(asked, [], bounds)


SYMBOLS = tuple("ABCDEFGH")
dollars = st.integers(0, 3_000_000).map(lambda number: Fraction(number, 100))
shares = st.integers(1, 100).map(lambda number: str(Decimal(number) / 100))


@st.composite
def cases(draw: st.DrawFn) -> tuple[list[Exposure], list[Exposure], AllocationLimits]:
    """Intents and holdings of a few symbols whose clusters cross their sectors, and any limits."""
    homes = {
        symbol: (draw(st.sampled_from(["tech", "oil", ""])), draw(st.sampled_from(["A", "B", symbol])))
        for symbol in SYMBOLS
    }

    def some(most: int) -> list[Exposure]:
        chosen = draw(st.lists(st.sampled_from(SYMBOLS), max_size=most))
        return [exposure(symbol, draw(dollars), *homes[symbol]) for symbol in chosen]

    names = ("name_cap", "cluster_cap", "sector_cap", "gross_cap")
    bounds = limits(**{name: draw(shares) for name in names}, deployable=str(draw(st.integers(-1_000, 120_000))))
    return some(8), some(4), bounds


def used(exposures: Sequence[Exposure], name: str) -> dict[str, Fraction]:
    sums: dict[str, Fraction] = {}
    for one in exposures:
        group = "" if name == "gross" else getattr(one, name)
        sums[group] = sums.get(group, Fraction(0)) + one.amount
    return sums


def assert_within(
    granted: Sequence[Exposure], present: Sequence[Exposure], bounds: AllocationLimits, spent: Fraction
) -> None:
    """No group grew beyond its cap; what was beyond it before did not grow."""
    caps = (("symbol", "name_cap"), ("cluster", "cluster_cap"), ("sector", "sector_cap"), ("gross", "gross_cap"))
    for name, cap in caps:
        limit = Fraction(getattr(bounds, cap)) * Fraction(bounds.equity)
        before = used(present, name)
        for group, amount in used([*present, *granted], name).items():
            assert amount <= max(limit, before.get(group, Fraction(0)))
    assert spent <= max(Fraction(0), Fraction(bounds.deployable))


def grant(asked: Sequence[Exposure], found: Sequence[Allocation]) -> list[Exposure]:
    return [replace(one, amount=granted.amount) for one, granted in zip(asked, found, strict=True)]


@PROPERTY
@given(cases())
def test_increases_when_they_are_any_then_every_limit_holds_and_nobody_gets_more_than_asked(
    case: tuple[list[Exposure], list[Exposure], AllocationLimits],
) -> None:
    asked, present, bounds = case
    found = allocate(asked, present, bounds)
    granted = grant(asked, found)
    assert_within(granted, present, bounds, sum(amounts(found), Fraction(0)))
    for one, other in zip(asked, found, strict=True):
        assert other.symbol == one.symbol
        assert 0 <= other.amount <= one.amount
        assert (other.amount == one.amount) or cut_by(other)


@PROPERTY
@given(cases(), st.randoms(use_true_random=False))
def test_increases_when_they_arrive_one_after_the_other_in_any_order_then_every_limit_holds(
    case: tuple[list[Exposure], list[Exposure], AllocationLimits], random: object
) -> None:
    asked, present, bounds = case
    random.shuffle(asked)  # type: ignore[attr-defined]
    pending: list[Exposure] = []
    for at in range(0, len(asked), 2):
        batch = asked[at : at + 2]
        spent = sum((one.amount for one in pending), Fraction(0))
        left = replace(bounds, deployable=bounds.deployable - Decimal(-(-spent // 1)))  # rounded against ourselves
        pending += grant(batch, allocate(batch, [*present, *pending], left))
    assert_within(pending, present, bounds, sum((one.amount for one in pending), Fraction(0)))


@PROPERTY
@given(cases(), st.permutations(range(8)), st.permutations(SYMBOLS))
def test_increases_when_symbols_are_relabelled_and_reordered_then_amounts_are_equal_exactly(
    case: tuple[list[Exposure], list[Exposure], AllocationLimits], order: list[int], names: list[str]
) -> None:
    asked, present, bounds = case
    label = dict(zip(SYMBOLS, names, strict=True))
    groups = {name: f"cluster of {name}" for name in SYMBOLS}

    def renamed(exposures: Sequence[Exposure]) -> list[Exposure]:
        return [replace(one, symbol=label[one.symbol], cluster=groups[one.cluster]) for one in exposures]

    before = allocate(asked, present, bounds)
    places = [at for at in order if at < len(asked)]
    after = allocate([renamed(asked)[at] for at in places], renamed(present)[::-1], bounds)
    assert amounts(after) == [before[at].amount for at in places]
    plain = [[(gate.name, gate.value, gate.passed) for gate in one.gates] for one in after]
    assert plain == [[(gate.name, gate.value, gate.passed) for gate in before[at].gates] for at in places]


@PROPERTY
@given(cases())
def test_increases_when_one_is_left_out_then_no_other_gets_less(
    case: tuple[list[Exposure], list[Exposure], AllocationLimits],
) -> None:
    asked, present, bounds = case
    everything = amounts(allocate(asked, present, bounds))
    for at in range(len(asked)):
        without = amounts(allocate([*asked[:at], *asked[at + 1 :]], present, bounds))
        for alone, together in zip(without, [*everything[:at], *everything[at + 1 :]], strict=True):
            assert together <= alone


@PROPERTY
@given(cases(), st.integers(0, 7), st.integers(1, 100))
def test_increases_when_one_asks_for_more_then_no_other_gets_more(
    case: tuple[list[Exposure], list[Exposure], AllocationLimits], which: int, more: int
) -> None:
    asked, present, bounds = case
    if not asked:
        return
    at = which % len(asked)
    greedy = [replace(one, amount=one.amount + more * 100) if n == at else one for n, one in enumerate(asked)]
    before, after = amounts(allocate(asked, present, bounds)), amounts(allocate(greedy, present, bounds))
    for n, (one, other) in enumerate(zip(before, after, strict=True)):
        assert n == at or other <= one
