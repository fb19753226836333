"""The proportional gate: what share of the increases wanted fits under the limits that they share.

Name -> cluster -> sector -> gross -> cash, every step one exact factor for all that share the limit. What a group
demands of the next step is its sum *cut to its room*, and not what its scaled members happen to add up to: clusters
cross sectors, so that scaling one may relieve another, and an intent must never get more because somebody else asked.
Where clusters lie within sectors the two are the same number. Increases only; reductions are never scaled. Source:
quantitative specification, section 3.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from fractions import Fraction

from domain.decisions import Gate
from domain.errors import InvalidInput

ZERO, ONE = Fraction(0), Fraction(1)


@dataclass(frozen=True)
class Exposure:
    """Dollars in one symbol: wanted more of, or already held or being bought. Never negative.

    Symbols whose sector or cluster is unknown share the empty one, and with it one cap.
    """

    symbol: str
    sector: str
    cluster: str
    amount: Fraction


@dataclass(frozen=True)
class AllocationLimits:
    """Caps as shares of equity, and the dollars that may be spent."""

    equity: Decimal
    name_cap: Decimal
    cluster_cap: Decimal
    sector_cap: Decimal
    gross_cap: Decimal
    deployable: Decimal
    """Cash above reserve and floor, open reservations deducted; negative is nothing."""


@dataclass(frozen=True)
class Allocation:
    """What one increase gets, and every bound that it met: `passed` False where the bound cut it."""

    symbol: str
    amount: Fraction
    gates: tuple[Gate, ...]


def allocate(
    increases: Sequence[Exposure], present: Sequence[Exposure], limits: AllocationLimits
) -> tuple[Allocation, ...]:
    """Scale increases to the room under each limit; one result an increase, in the order given.

    Whatever the order: with `present` counted no limit is exceeded, relabelling the symbols changes no amount, and
    leaving out an increase never lowers another's amount. A limit that is already exceeded allows nothing.

    Args:
        increases: what is wanted, within its own bounds; a symbol may occur several times.
        present: what is held and what is pending, for every symbol; amounts are absolute values.

    Raises:
        InvalidInput: equity is not positive, an amount is negative, or a symbol has two sectors or clusters.
    """
    equity = Fraction(limits.equity)
    if equity <= 0:
        raise InvalidInput("EQUITY_NOT_POSITIVE", "Nothing is opened without equity.", equity=limits.equity)
    _check([*increases, *present])
    by_name = _Step("name_cap", limits.name_cap, equity, _name, present)
    by_cluster = _Step("cluster_cap", limits.cluster_cap, equity, _cluster, present)
    by_sector = _Step("sector_cap", limits.sector_cap, equity, _sector, present)
    whole = _Step("gross_cap", limits.gross_cap, equity, _everything, present)

    names = by_name.cut(_sums(increases, _name))
    homes = {one.symbol: one for one in increases}
    cells: dict[tuple[str, str], Fraction] = {}
    for symbol, amount in names.cut.items():
        cell = (homes[symbol].cluster, homes[symbol].sector)
        cells[cell] = cells.get(cell, ZERO) + amount
    clusters = by_cluster.cut(_fold(cells, lambda cell: cell[0]))
    within = {cell: min(amount, by_cluster.room(cell[0])) for cell, amount in cells.items()}
    sectors = by_sector.cut(_fold(within, lambda cell: cell[1]))
    demand = min(sum(clusters.cut.values(), ZERO), sum(sectors.cut.values(), ZERO))
    gross = whole.cut({"": demand})
    cash = _cash(gross.cut[""], equity, limits)

    found = []
    for one in increases:
        met = [names.met(one.symbol), clusters.met(one.cluster), sectors.met(one.sector), gross.met(""), cash]
        amount = one.amount
        for factor, _ in met:
            amount *= factor
        found.append(Allocation(symbol=one.symbol, amount=amount, gates=tuple(gate for _, gate in met)))
    return tuple(found)


@dataclass(frozen=True)
class _Cut:
    """A step's result by group: what is left of each demand, the factor on its members, and the gate."""

    cut: Mapping[str, Fraction]
    factors: Mapping[str, Fraction]
    gates: Mapping[str, Gate]

    def met(self, group: str) -> tuple[Fraction, Gate]:
        return self.factors[group], self.gates[group]


class _Step:
    """One limit, and what is there already in each of its groups."""

    def __init__(
        self, name: str, cap: Decimal, equity: Fraction, group: Callable[[Exposure], str], present: Iterable[Exposure]
    ) -> None:
        self._name = name
        self._cap = cap
        self._equity = equity
        self._there = _sums(present, group)

    def room(self, group: str) -> Fraction:
        return max(ZERO, Fraction(self._cap) * self._equity - self._there.get(group, ZERO))

    def cut(self, demands: Mapping[str, Fraction]) -> _Cut:
        factors = {group: scale(demand, self.room(group)) for group, demand in demands.items()}
        return _Cut(
            cut={group: demand * factors[group] for group, demand in demands.items()},
            factors=factors,
            gates={group: self._gate(group, demand, factors[group]) for group, demand in demands.items()},
        )

    def _gate(self, group: str, demand: Fraction, factor: Fraction) -> Gate:
        value = (self._there.get(group, ZERO) + demand) / self._equity
        return Gate.made(name=self._name, value=_share(value), limit=str(self._cap), passed=factor == 1, detail=group)


def scale(demand: Fraction, room: Fraction) -> Fraction:
    """Give the factor in [0, 1] that fits a demand into the room."""
    if demand <= room or demand == 0:
        return ONE
    return max(ZERO, room) / demand


def _cash(demand: Fraction, equity: Fraction, limits: AllocationLimits) -> tuple[Fraction, Gate]:
    room = Fraction(limits.deployable)
    factor = scale(demand, room)
    gate = Gate.made(
        name="deployable_cash", value=_share(demand / equity), limit=_share(room / equity), passed=factor == 1
    )
    return factor, gate


def _check(exposures: Sequence[Exposure]) -> None:
    homes: dict[str, tuple[str, str]] = {}
    for one in exposures:
        if one.amount < 0:
            raise InvalidInput("AMOUNT_NEGATIVE", symbol=one.symbol, found=one.amount)
        home = homes.setdefault(one.symbol, (one.sector, one.cluster))
        if home != (one.sector, one.cluster):
            raise InvalidInput("GROUP_AMBIGUOUS", symbol=one.symbol, found=(one.sector, one.cluster), first=home)


def _sums(exposures: Iterable[Exposure], group: Callable[[Exposure], str]) -> dict[str, Fraction]:
    sums: dict[str, Fraction] = {}
    for one in exposures:
        sums[group(one)] = sums.get(group(one), ZERO) + one.amount
    return sums


def _fold(cells: Mapping[tuple[str, str], Fraction], group: Callable[[tuple[str, str]], str]) -> dict[str, Fraction]:
    sums: dict[str, Fraction] = {}
    for cell, amount in cells.items():
        sums[group(cell)] = sums.get(group(cell), ZERO) + amount
    return sums


def _name(one: Exposure) -> str:
    return one.symbol


def _cluster(one: Exposure) -> str:
    return one.cluster


def _sector(one: Exposure) -> str:
    return one.sector


def _everything(one: Exposure) -> str:
    return ""


def _share(value: Fraction) -> str:
    return f"{float(value):.6f}"
