"""Prices of a symbol: a candle a session, volume below, and marks where something was written, decided or traded."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date

from markupsafe import Markup

from api.dashboard.charts import scales, svg

HEIGHT = 300
_PRICES = 0.8
"""Part of the height that prices have; volume has what is left below."""
_BODY = 0.62
_SHAPES = {
    "document": "M0-5a5 5 0 1 0 .01 0z",
    "decision": "M0-6L6 0 0 6-6 0z",
    "order": "M-5-5h10v10h-10z",
    "fill": "M0-6L6 5H-6z",
}


@dataclass(frozen=True)
class Bar:
    session: date
    open: float
    high: float
    low: float
    close: float
    volume: float


@dataclass(frozen=True)
class Mark:
    """Something that happened on a day; `kind` is document, decision, order or fill, each with a shape of its own."""

    on: date
    kind: str
    text: str
    href: str = ""


def candle_chart(*, key: str, title: str, description: str, bars: Sequence[Bar], marks: Sequence[Mark]) -> Markup:
    """Draw the bars in order. A rise is hollow and a fall is filled, so that colour is not needed to tell them."""
    axis = scales.scale([bar.low for bar in bars] + [bar.high for bar in bars], wanted=5)
    most = max((bar.volume for bar in bars), default=0.0)
    width = 1 / max(1, len(bars))
    parts = [_grid(axis), _days(bars, width)]
    for index, bar in enumerate(bars):
        parts.append(_candle(bar, index * width, width, axis, most))
    parts += _marks(bars, marks, width, axis)
    return svg.element(
        "svg",
        svg.element("title", title, id=f"{key}-title"),
        svg.element("desc", description, id=f"{key}-desc"),
        *parts,
        class_="chart candles",
        role="group",
        aria_labelledby=f"{key}-title {key}-desc",
        width="100%",
        height=HEIGHT,
    )


def _at(axis: scales.Scale, price: float) -> float:
    return axis.down(price) * _PRICES


def _grid(axis: scales.Scale) -> Markup:
    parts = []
    for tick in axis.ticks:
        at = svg.share(_at(axis, tick))
        parts.append(svg.element("line", class_="grid", x1="0", x2="100%", y1=at, y2=at))
        parts.append(svg.element("text", f"{tick:,.10g}", class_="tick", x="100%", y=at, dx="8", dy="0.32em"))
    return svg.group(parts)


def _days(bars: Sequence[Bar], width: float) -> Markup:
    parts = []
    for index in scales.spread(len(bars), 4):
        anchor = "start" if index == 0 else "end" if index == len(bars) - 1 else "middle"
        parts.append(
            svg.element(
                "text",
                f"{bars[index].session:%d %b}",
                class_=f"tick {anchor}",
                x=svg.share((index + 0.5) * width),
                y="100%",
                dy="1.5em",
            )
        )
    return svg.group(parts)


def _candle(bar: Bar, left: float, width: float, axis: scales.Scale, most: float) -> Markup:
    kind = "up" if bar.close > bar.open else "down" if bar.close < bar.open else "flat"
    centre = svg.share(left + width / 2)
    top, bottom = _at(axis, max(bar.open, bar.close)), _at(axis, min(bar.open, bar.close))
    tall = (bar.volume / most if most else 0.0) * (1 - _PRICES) * 0.85
    body = {"x": svg.share(left + width * (1 - _BODY) / 2), "width": svg.share(width * _BODY)}
    told = (
        f"{bar.session:%d %b %Y}: open {bar.open:,.2f}, high {bar.high:,.2f}, low {bar.low:,.2f}, "
        f"close {bar.close:,.2f}, volume {bar.volume:,.0f}"
    )
    return svg.element(
        "g",
        svg.element("title", told),
        svg.element("rect", class_="volume", y=svg.share(1 - tall), height=svg.share(tall), **body),
        svg.element(
            "line",
            class_="wick",
            x1=centre,
            x2=centre,
            y1=svg.share(_at(axis, bar.high)),
            y2=svg.share(_at(axis, bar.low)),
        ),
        svg.element("rect", class_="body", y=svg.share(top), height=svg.share(max(bottom - top, 0.002)), **body),
        class_=f"candle {kind}",
    )


def _marks(bars: Sequence[Bar], marks: Sequence[Mark], width: float, axis: scales.Scale) -> list[Markup]:
    """Marks stand above their session's candle, or above the next session's where there was none on the day."""
    stacked: dict[int, int] = {}
    parts = []
    for mark in sorted(marks, key=lambda each: (each.on, each.kind, each.text)):
        index = next((number for number, bar in enumerate(bars) if bar.session >= mark.on), None)
        if index is None or mark.on < bars[0].session or stacked.get(index, 0) >= 5:
            continue
        above = 14 + 14 * stacked.get(index, 0)
        stacked[index] = stacked.get(index, 0) + 1
        shape = svg.element(
            "svg",
            svg.element("title", mark.text),
            svg.element("path", class_=f"marker {mark.kind}", d=_SHAPES[mark.kind], transform=f"translate(0 -{above})"),
            x=svg.share((index + 0.5) * width),
            y=svg.share(_at(axis, bars[index].high)),
            overflow="visible",
        )
        parts.append(svg.element("a", shape, href=mark.href, aria_label=mark.text) if mark.href else shape)
    return parts
