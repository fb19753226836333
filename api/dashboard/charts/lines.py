"""Lines over time: equity beside its benchmark, and the small ones that stand in a row of a table."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import date

from markupsafe import Markup

from api.dashboard.charts import scales, svg

HEIGHT = 208
_BOX = 1000


@dataclass(frozen=True)
class Line:
    """A named series; `kind` is its class in the stylesheet. A gap is a value of None."""

    name: str
    kind: str
    values: Sequence[float | None]


def percent(value: float) -> str:
    """A label in percent with its sign: +1.5 %."""
    return "0 %" if abs(value) < 1e-9 else f"{value:+.1f} %".replace("-", "\N{MINUS SIGN}")


def line_chart(
    *,
    key: str,
    title: str,
    description: str,
    days: Sequence[date],
    lines: Sequence[Line],
    label: Callable[[float], str],
    reference: float | None = None,
) -> Markup:
    """Draw series that share their days. Hovering over a day gives all its values.

    Args:
        key: makes the ids of title and description unique on the page.
        reference: a level worth a line of its own, such as the beginning's.
    """
    known = [value for line in lines for value in line.values if value is not None]
    axis = scales.scale(known, include=() if reference is None else (reference,))
    parts = [_grid(axis, label), _days(days)]
    if reference is not None:
        at = svg.share(axis.down(reference))
        parts.append(svg.element("line", class_="reference", x1="0", x2="100%", y1=at, y2=at))
    parts.append(
        svg.element(
            "svg",
            *(svg.element("path", class_=f"line {line.kind}", d=_path(line.values, axis)) for line in lines),
            class_="stretched",
            width="100%",
            height="100%",
            viewBox=f"0 0 {_BOX} {_BOX}",
            preserveAspectRatio="none",
        )
    )
    parts += [_end(line, axis, len(days)) for line in lines]
    parts += _hover(days, lines, axis, label)
    return svg.element(
        "svg",
        svg.element("title", title, id=f"{key}-title"),
        svg.element("desc", description, id=f"{key}-desc"),
        *parts,
        class_="chart",
        role="img",
        aria_labelledby=f"{key}-title {key}-desc",
        width="100%",
        height=HEIGHT,
    )


def sparkline(values: Sequence[float | None], *, title: str) -> Markup:
    """A line without axes; its direction is its class."""
    known = [value for value in values if value is not None]
    if len(known) < 2:
        return Markup("")
    axis = scales.scale(known)
    kind = "up" if known[-1] > known[0] else "down" if known[-1] < known[0] else "flat"
    return svg.element(
        "svg",
        svg.element("title", title),
        svg.element("path", class_=f"line {kind}", d=_path(values, axis)),
        class_="sparkline",
        role="img",
        aria_label=title,
        viewBox=f"0 0 {_BOX} {_BOX}",
        preserveAspectRatio="none",
    )


def _path(values: Sequence[float | None], axis: scales.Scale) -> str:
    drawn, commands = False, []
    last = max(1, len(values) - 1)
    for index, value in enumerate(values):
        if value is None:
            drawn = False
            continue
        commands.append(f"{'L' if drawn else 'M'}{index / last * _BOX:.1f} {axis.down(value) * _BOX:.1f}")
        drawn = True
    return "".join(commands)


def _grid(axis: scales.Scale, label: Callable[[float], str]) -> Markup:
    parts = []
    for tick in axis.ticks:
        at = svg.share(axis.down(tick))
        parts.append(svg.element("line", class_="grid", x1="0", x2="100%", y1=at, y2=at))
        parts.append(svg.element("text", label(tick), class_="tick", x="100%", y=at, dx="8", dy="0.32em"))
    return svg.group(parts)


def _days(days: Sequence[date]) -> Markup:
    chosen = scales.spread(len(days), 4)
    parts = []
    for index in chosen:
        anchor = "start" if index == 0 else "end" if index == len(days) - 1 else "middle"
        at = svg.share(index / max(1, len(days) - 1))
        parts.append(svg.element("text", f"{days[index]:%d %b}", class_=f"tick {anchor}", x=at, y="100%", dy="1.5em"))
    return svg.group(parts)


def _end(line: Line, axis: scales.Scale, count: int) -> Markup:
    found = next(((index, value) for index, value in reversed(list(enumerate(line.values))) if value is not None), None)
    if found is None:
        return Markup("")
    index, value = found
    return svg.element(
        "circle",
        class_=f"dot {line.kind}",
        cx=svg.share(index / max(1, count - 1)),
        cy=svg.share(axis.down(value)),
        r="3.5",
    )


def _hover(
    days: Sequence[date], lines: Sequence[Line], axis: scales.Scale, label: Callable[[float], str]
) -> list[Markup]:
    width = 1 / max(1, len(days) - 1)
    parts = []
    for index, on in enumerate(days):
        told = [
            f"{line.name} {label(value)}"
            for line in lines
            if index < len(line.values) and (value := line.values[index]) is not None
        ]
        left = max(0.0, (index - 0.5) * width)
        right = min(1.0, (index + 0.5) * width)
        centre = svg.share(index * width)
        parts.append(
            svg.element(
                "g",
                svg.element("line", class_="cross", x1=centre, x2=centre, y1="0", y2="100%"),
                svg.element(
                    "rect",
                    svg.element("title", f"{on:%d %b %Y}: {', '.join(told) or 'not known'}"),
                    x=svg.share(left),
                    width=svg.share(right - left),
                    y="0",
                    height="100%",
                ),
                class_="hover",
            )
        )
    return parts
