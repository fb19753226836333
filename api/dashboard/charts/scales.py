"""From values to places in a box, and round numbers to label it with."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

_STEPS = (1.0, 2.0, 2.5, 5.0, 10.0)


@dataclass(frozen=True)
class Scale:
    """Values from `low` to `high` onto [0, 1]."""

    low: float
    high: float
    ticks: tuple[float, ...]

    def at(self, value: float) -> float:
        return (value - self.low) / (self.high - self.low)

    def down(self, value: float) -> float:
        """The same for an axis that grows upwards in a box whose origin is at the top."""
        return 1.0 - self.at(value)


def scale(values: Sequence[float], *, wanted: int = 4, include: Sequence[float] = ()) -> Scale:
    """Choose bounds at round numbers around the values, about `wanted` steps apart.

    One value alone, or none, still gets a box with a height.
    """
    everything = [*values, *include] or [0.0, 1.0]
    low, high = min(everything), max(everything)
    if math.isclose(low, high, rel_tol=1e-9, abs_tol=1e-9):
        room = max(abs(low) * 0.01, 1e-3)
        low, high = low - room, high + room
    step = nice_step((high - low) / wanted)
    first, last = math.floor(low / step + 1e-9), math.ceil(high / step - 1e-9)
    ticks = tuple(float(f"{number * step:.12g}") for number in range(first, last + 1))
    return Scale(low=ticks[0], high=ticks[-1], ticks=ticks)


def nice_step(rough: float) -> float:
    """The smallest of 1, 2, 2.5, 5 times a power of ten that is not below `rough`."""
    power = 10.0 ** math.floor(math.log10(rough))
    return next(step * power for step in _STEPS if step * power >= rough * (1 - 1e-9))


def spread(count: int, wanted: int) -> list[int]:
    """Indices of at most `wanted` entries, evenly spread, the first and the last among them."""
    if count <= 0:
        return []
    if count <= wanted or wanted < 2:
        return list(range(min(count, max(wanted, 1)))) if wanted < 2 else list(range(count))
    return sorted({round(number * (count - 1) / (wanted - 1)) for number in range(wanted)})
