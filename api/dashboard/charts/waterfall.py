"""Bars of a waterfall: each begins where the one before it ended, and the last is what they come to."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from markupsafe import Markup

from api.dashboard.charts import scales, svg


@dataclass(frozen=True)
class Step:
    """One contribution, or a total that stands on zero."""

    value: float
    total: bool = False


def bars(steps: Sequence[Step]) -> list[Markup]:
    """Draw one bar a step, all on one scale; they stand in the rows of a table that names them."""
    reached, spans = 0.0, []
    for step in steps:
        begin = 0.0 if step.total else reached
        reached = step.value if step.total else reached + step.value
        spans.append((begin, reached))
    axis = scales.scale([end for span in spans for end in span], include=(0.0,), wanted=6)
    zero = svg.share(axis.at(0.0))
    return [_bar(step, span, axis, zero) for step, span in zip(steps, spans, strict=True)]


def _bar(step: Step, span: tuple[float, float], axis: scales.Scale, zero: str) -> Markup:
    low, high = min(span), max(span)
    kind = "total" if step.total else "up" if step.value > 0 else "down" if step.value < 0 else "flat"
    end = svg.share(axis.at(span[1]))
    return svg.element(
        "svg",
        svg.element("line", class_="zero", x1=zero, x2=zero, y1="0", y2="100%"),
        svg.element(
            "rect",
            class_=f"bar {kind}",
            x=svg.share(axis.at(low)),
            width=svg.share(axis.at(high) - axis.at(low)),
            y="22%",
            height="56%",
            rx="2",
        ),
        svg.element("line", class_="reach", x1=end, x2=end, y1="0", y2="100%"),
        class_="waterfall",
        width="100%",
        height="22",
        aria_hidden="true",
    )


def meter(value: float, limit: float) -> Markup:
    """How much of a limit is used; a value beyond it fills the bar and is marked."""
    used = 0.0 if limit <= 0 else max(0.0, min(1.0, value / limit))
    kind = "over" if limit > 0 and value >= limit else "near" if used >= 0.8 else "within"
    return svg.element(
        "svg",
        svg.element("rect", class_="track", x="0", width="100%", height="100%", rx="3"),
        svg.element("rect", class_=f"used {kind}", x="0", width=svg.share(used), height="100%", rx="3"),
        class_="meter",
        width="100%",
        height="6",
        aria_hidden="true",
    )
