"""Clusters: symbols that move together count as one bet.

Exponentially weighted correlations -> half-shrunk to the mean of their sectors -> linked above .7 -> connected
components. Every sum is a correctly rounded `math.fsum`, so that neither the order of the symbols nor which others are
looked at changes a bit of a pair's correlation. Rounded sums are taken where no pair is so near the threshold that they
could give other clusters. Sources: quantitative specification, section 3; RiskMetrics technical document (1996) for
correlations about a mean of 0; Elton and Gruber (1973) for sector means as forecasts.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from functools import lru_cache
from itertools import combinations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from domain.errors import InvalidInput
from domain.rules_config import ClusterRules

Floats = NDArray[np.float64]
Flags = NDArray[np.bool_]

NEAR = 1e-9
"""A correlation this near to the threshold is computed exactly."""
STILL = 1e-100
"""Root of a sum of squared returns below which products may be too small to be represented."""


def clusters(
    returns: ArrayLike, symbols: Sequence[str], sectors: Mapping[str, str], rules: ClusterRules
) -> dict[str, str]:
    """Name every symbol's cluster by the smallest symbol in it; sorted by symbol. Alone, a symbol is its own cluster.

    Args:
        returns: (T, N) daily log returns, oldest first; NaN where there is none.
        symbols: of the N columns.
        sectors: by symbol; without one, or with an empty one, a pair is not shrunk.

    Raises:
        InvalidInput: a symbol is not unique, the shapes differ, or a return is infinite.
    """
    table = _table(returns, symbols)
    neighbours: dict[str, list[str]] = {symbol: [] for symbol in sorted(symbols)}
    for i, j in np.argwhere(np.triu(_linked(table, symbols, sectors, rules), 1)).tolist():
        neighbours[symbols[i]].append(symbols[j])
        neighbours[symbols[j]].append(symbols[i])
    labels: dict[str, str] = {}
    for symbol in neighbours:  # ascending: the first symbol of a component to be met is its smallest
        waiting = [symbol]
        while waiting:
            found = waiting.pop()
            if found not in labels:
                labels[found] = symbol
                waiting.extend(neighbours[found])
    return {symbol: labels[symbol] for symbol in neighbours}


def shrunk_correlations(
    returns: ArrayLike, symbols: Sequence[str], sectors: Mapping[str, str], rules: ClusterRules
) -> Floats:
    """Move every correlation halfway to the mean of all pairs of the same two sectors; (N, N), 1 on the diagonal.

    A pair that is unknown, because one of the two is too young or never moves, gets the mean itself, and 0 where there
    is no mean either: a new listing belongs to its sector until it has shown otherwise.

    Raises:
        InvalidInput: as `clusters`.
    """
    return _shrunk(ewma_correlations(_table(returns, symbols), rules), symbols, sectors, rules)


def _linked(table: Floats, symbols: Sequence[str], sectors: Mapping[str, str], rules: ClusterRules) -> Flags:
    """Which pairs are linked, (N, N): rounded sums tell, exact ones where a pair is too near the threshold."""
    nearly = _rounded_correlations(table, rules)
    if nearly is not None:
        shrunk = _shrunk(nearly, symbols, sectors, rules)
        if not (np.abs(shrunk - rules.threshold) < NEAR).any():
            return shrunk > rules.threshold
    return shrunk_correlations(table, symbols, sectors, rules) > rules.threshold


def _rounded_correlations(table: Floats, rules: ClusterRules) -> Floats | None:
    """What `ewma_correlations` gives, to 1e-12; None where a return is missing or a symbol hardly moves."""
    recent = table[-rules.window :]
    if len(recent) < rules.minimum_sessions or bool(np.isnan(recent).any()):
        return None
    scaled = recent * _roots(len(recent), rules.span)[:, np.newaxis]
    products = scaled.T @ scaled
    moves = np.sqrt(np.diag(products))
    if (moves < STILL).any():
        return None
    found: Floats = np.clip(products / np.outer(moves, moves), -1.0, 1.0)
    return found


def _shrunk(known: Floats, symbols: Sequence[str], sectors: Mapping[str, str], rules: ClusterRules) -> Floats:
    if not any(map(sectors.get, symbols)):  # no pair has a mean, and each counts as its own
        alone = np.nan_to_num((1.0 - rules.shrinkage) * known + rules.shrinkage * known, nan=0.0)
        np.fill_diagonal(alone, 1.0)
        return alone
    pairs = list(combinations(range(len(symbols)), 2))
    grouped: dict[tuple[str, str], list[float]] = {}
    for i, j in pairs:
        if not math.isnan(known[i, j]):
            grouped.setdefault(_sector_pair(symbols[i], symbols[j], sectors), []).append(float(known[i, j]))
    means = {pair: math.fsum(found) / len(found) for pair, found in grouped.items() if all(pair)}
    shrunk = np.eye(len(symbols))
    for i, j in pairs:
        own = float(known[i, j])
        mean = means.get(_sector_pair(symbols[i], symbols[j], sectors), 0.0 if math.isnan(own) else own)
        value = mean if math.isnan(own) else (1.0 - rules.shrinkage) * own + rules.shrinkage * mean
        shrunk[i, j] = shrunk[j, i] = value
    return shrunk


def ewma_correlations(returns: ArrayLike, rules: ClusterRules) -> Floats:
    """Correlate columns about 0 with weights (1 - alpha)^age, alpha = 2 / (span + 1), over the sessions both have.

    Reads the last `rules.window` sessions. "EWMA-60" is taken as a span of 60: its mean age is that of a plain window
    of 60 sessions, the one that s60 is measured over.

    Args:
        returns: (T, N) daily log returns, oldest first; NaN where there is none.

    Returns:
        (N, N), symmetric, 1 on the diagonal; NaN where there are too few common sessions or one never moves.
    """
    recent = np.asarray(returns, dtype=np.float64)[-rules.window :]
    present = ~np.isnan(recent)
    scaled = np.where(present, recent, 0.0) * _roots(len(recent), rules.span)[:, np.newaxis]
    count = recent.shape[1]
    found = np.eye(count)
    whole = [_fsum(scaled[:, i] * scaled[:, i]) for i in range(count)]
    if bool(present.all()) and len(recent) >= rules.minimum_sessions:
        for i in range(count - 1):
            products = (scaled[:, i : i + 1] * scaled[:, i + 1 :]).T.tolist()
            for j, product in enumerate(products, start=i + 1):
                found[i, j] = found[j, i] = _ratio(math.fsum(product), whole[i], whole[j])
        return found
    for i, j in combinations(range(count), 2):
        both = present[:, i] & present[:, j]
        if int(both.sum()) < rules.minimum_sessions:
            value = math.nan
        else:
            squares = [
                whole[k] if bool(np.array_equal(both, present[:, k])) else _fsum(scaled[:, k] ** 2 * both)
                for k in (i, j)
            ]
            value = _ratio(_fsum(scaled[:, i] * scaled[:, j]), squares[0], squares[1])
        found[i, j] = found[j, i] = value
    return found


@lru_cache(maxsize=16)
def _roots(sessions: int, span: float) -> Floats:
    """Square roots of the weights, oldest first, (T,), to be read alone."""
    decay = 1.0 - 2.0 / (span + 1.0)
    roots = np.array([math.sqrt(decay**age) for age in range(sessions - 1, -1, -1)], dtype=np.float64)
    roots.setflags(write=False)
    return roots


def _ratio(product: float, one: float, other: float) -> float:
    """Give product / (sqrt(one) sqrt(other)) in [-1, 1]; NaN where one of them does not move."""
    scale = math.sqrt(one) * math.sqrt(other)
    return math.nan if scale == 0.0 else max(-1.0, min(1.0, product / scale))


def _fsum(values: Floats) -> float:
    return math.fsum(values.tolist())


def _sector_pair(one: str, other: str, sectors: Mapping[str, str]) -> tuple[str, str]:
    first, second = sorted((sectors.get(one, ""), sectors.get(other, "")))
    return first, second


def _table(returns: ArrayLike, symbols: Sequence[str]) -> Floats:
    table = np.asarray(returns, dtype=np.float64)
    if len(set(symbols)) != len(symbols):
        raise InvalidInput("SYMBOL_REPEATED", "Pass one column a symbol.", symbols=" ".join(sorted(symbols)))
    if table.ndim != 2 or table.shape[1] != len(symbols):
        raise InvalidInput("UNEQUAL_SERIES", found=table.shape, expected=f"(T, {len(symbols)})")
    if bool(np.isinf(table).any()):
        raise InvalidInput("RETURN_NOT_FINITE", "A missing return is NaN.")
    return table
