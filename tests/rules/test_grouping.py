"""Groups as of an instant: sectors, and clusters from the bars that were known."""

from __future__ import annotations

from datetime import date, timedelta

import numpy as np

from domain.decisions import MarketWindow
from domain.grouping import groups, sessions_read
from domain.rules_config import ClusterRules

RULES = ClusterRules()
FIRST = date(2014, 1, 2)


def window(symbol: str, returns: list[float], *, skip: tuple[int, ...] = ()) -> MarketWindow:
    closes = (100.0 * np.exp(np.cumsum(returns))).tolist()
    rows = [at for at in range(len(closes)) if at not in skip]
    return MarketWindow(
        symbol=symbol,
        sessions=tuple((FIRST + timedelta(days=at)).isoformat() for at in rows),
        closes=tuple(closes[at] for at in rows),
        volumes=tuple(1.0 for _ in rows),
    )


def market(sessions: int = 120) -> dict[str, MarketWindow]:
    """Two that follow one factor, and one that does not."""
    random = np.random.default_rng(7)
    factor, own = random.normal(0, 0.02, sessions), random.normal(0, 0.02, (3, sessions))
    return {
        "AAA": window("AAA", (factor + 0.1 * own[0]).tolist()),
        "BBB": window("BBB", (factor + 0.1 * own[1]).tolist()),
        "CCC": window("CCC", own[2].tolist()),
    }


def test_groups_when_two_move_together_then_they_are_one_cluster() -> None:
    found = groups(["CCC", "BBB", "AAA"], market(), {"AAA": "tech", "BBB": "tech"}, RULES)
    assert found == {"AAA": ("tech", "AAA"), "BBB": ("tech", "AAA"), "CCC": ("CCC", "CCC")}


def test_groups_when_a_symbol_has_no_bars_or_too_few_then_it_stands_alone() -> None:
    young = {**market(), "NEW": window("NEW", [0.01] * 10)}
    found = groups(["AAA", "NEW", "NONE"], young, {}, RULES)
    assert (found["NEW"], found["NONE"]) == (("NEW", "NEW"), ("NONE", "NONE"))


def test_groups_when_sessions_are_missing_then_no_return_spans_the_gap() -> None:
    seen = market()
    random = np.random.default_rng(7)
    factor, own = random.normal(0, 0.02, 120), random.normal(0, 0.02, (3, 120))
    gaps = window("BBB", (factor + 0.1 * own[1]).tolist(), skip=tuple(range(5, 120, 9)))
    found = groups(["AAA", "BBB"], {**seen, "BBB": gaps}, {}, RULES)
    assert found["BBB"][1] == "AAA"


def test_groups_when_older_bars_are_added_then_nothing_changes() -> None:
    long = market(sessions_read(RULES) + 40)
    read = sessions_read(RULES)
    short = {
        symbol: one.model_copy(update={name: getattr(one, name)[-read:] for name in ("sessions", "closes", "volumes")})
        for symbol, one in long.items()
    }
    assert groups(sorted(long), long, {}, RULES) == groups(sorted(short), short, {}, RULES)
