"""One measured figure."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Figure:
    """A value, its unit, the goal it is held to (None: none; at least or at most), and how it was measured."""

    name: str
    value: float
    unit: str
    how: str
    at_least: float | None = None
    at_most: float | None = None

    @property
    def goal(self) -> str | None:
        if self.at_most is not None:
            return f"<= {self.at_most}"
        return None if self.at_least is None else f">= {self.at_least}"

    @property
    def met(self) -> bool | None:
        if self.at_most is not None:
            return self.value <= self.at_most
        return None if self.at_least is None else self.value >= self.at_least

    def as_json(self) -> dict[str, Any]:
        return {
            "name": self.name,
            "value": round(self.value, 4),
            "unit": self.unit,
            "goal": self.goal,
            "met": self.met,
            "how": self.how,
        }
