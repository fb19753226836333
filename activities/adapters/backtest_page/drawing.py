"""What charts are made of, and how they are written for plotly's script, which is all that is used of its package."""

from __future__ import annotations

import json
from collections.abc import Sequence
from decimal import Decimal
from typing import Any, NamedTuple

from plotly.offline import get_plotlyjs

from activities.adapters.backtest_page.markup import NO_BREAK, plotly_text
from activities.adapters.backtest_page.words import money

_SPIKE = {"spikecolor": "--muted", "spikethickness": 1, "spikedash": "dot"}
_FONT = "system-ui, sans-serif"

DOLLARS = "$,.6~r"
"""Ticks written out to six digits: no powers of ten, and no "m" for a thousandth."""
FEW_DAYS = 6

Json = dict[str, Any]

PERCENTS: Json = {"tickformat": ".3~f", "ticksuffix": f"{NO_BREAK}%"}
"""An axis of values in percent: with fractions, plotly's own format would leave the space out."""


class Plot(NamedTuple):
    """A chart with its heading, and what it shows in words for who does not see it."""

    id: str
    title: str
    words: str
    data: list[Json]
    layout: Json
    logarithmic: bool = False
    """Whether its scale may be switched."""
    wide: bool = False


def library() -> str:
    """Plotly's script, as its package brings it."""
    return str(get_plotlyjs())


def as_json(plots: Sequence[Plot]) -> str:
    """Write charts so that nothing in them can end the element that they stand in."""
    value = {plot.id: {"data": plot.data, "layout": plot.layout} for plot in plots}
    text = json.dumps(value, separators=(",", ":"), allow_nan=False)
    return text.replace("&", "\\u0026").replace("<", "\\u003c").replace(">", "\\u003e")


def picked(values: Sequence[Any], places: Sequence[int]) -> list[Any]:
    return [values[place] for place in places if place < len(values)]


def rounded(amounts: Sequence[Decimal]) -> list[float]:
    return [round(float(amount), 2) for amount in amounts]


def in_percent(fractions: Sequence[float | None], digits: int = 3) -> list[float | None]:
    return [None if each is None else round(each * 100, digits) for each in fractions]


def of_percents(places: int, *, sign: str = "") -> str:
    """How plotly writes a point that is in percent."""
    return f"%{{y:{sign}.{places}f}}{NO_BREAK}%"


def curve(x: Sequence[str], y: Sequence[float | None], name: str) -> Json:
    return {"type": "scatter", "mode": "lines", "x": list(x), "y": list(y), "name": plotly_text(name)}


def bars(parts: Sequence[tuple[str, Decimal]], *, signed: bool = True) -> Json:
    """Bars by place and not by name, for two names may be cut to the same; `bar_layout` names them."""
    amounts = [money(amount, signed=signed) for _, amount in parts]
    return {
        "type": "bar",
        "orientation": "h",
        "x": [round(float(amount), 2) for _, amount in parts],
        "y": list(range(len(parts))),
        "customdata": [f"{plotly_text(name)}: {amount}" for (name, _), amount in zip(parts, amounts, strict=True)],
        "marker": {"color": ["--gain" if amount >= 0 else "--loss" for _, amount in parts]},
        "hovertemplate": "%{customdata}<extra></extra>",
    }


def bar_layout(parts: Sequence[tuple[str, Decimal]], *, signed: bool = True) -> Json:
    """Lay bars out with their amounts beside their names, where there is space for them at any width."""
    names = [f"{plotly_text(name, 14)}{NO_BREAK * 2}{money(amount, signed=signed)}" for name, amount in parts]
    return layout_of(
        height=56 + 28 * max(3, len(parts)),
        xaxis={"type": "linear", "tickformat": DOLLARS, "zeroline": True, "nticks": 4},
        yaxis={
            "type": "linear",
            "autorange": "reversed",
            "showgrid": False,
            "tickvals": list(range(len(parts))),
            "ticktext": names,
        },
        bargap=0.35,
        hovermode="closest",
    )


def day_axis(days: Sequence[str]) -> Json:
    """An axis of days; with few of them each is named, so that no hours are."""
    few = {"tickvals": list(days), "tickformat": "%b %-d\n%Y"} if len(days) <= FEW_DAYS else {}
    return {"type": "date", "hoverformat": "%Y-%m-%d", **few}


def counts(most: float) -> Json:
    """Ticks of what is counted: whole numbers alone."""
    return {"tickmode": "linear", "tick0": 0, "dtick": 1} if most <= FEW_DAYS else {}


def layout_of(
    *,
    height: int = 280,
    xaxis: Json | None = None,
    yaxis: Json | None = None,
    margin: Json | None = None,
    **others: Any,
) -> Json:
    return {
        "height": height,
        "autosize": True,
        "font": {"family": _FONT, "size": 12, "color": "--ink"},
        "paper_bgcolor": "rgba(0,0,0,0)",
        "plot_bgcolor": "rgba(0,0,0,0)",
        "margin": {"l": 58, "r": 14, "t": 14, "b": 34, **(margin or {})},
        "legend": {"orientation": "h", "x": 0, "y": 1, "yanchor": "bottom"},
        "hovermode": "x unified",
        "hoverlabel": {"bgcolor": "--panel", "bordercolor": "--line", "font": {"color": "--ink"}},
        "xaxis": axis(**_SPIKE, **(xaxis or {})),
        "yaxis": axis(**{"automargin": True, **(yaxis or {})}),
        **others,
    }


def axis(**others: Any) -> Json:
    return {"gridcolor": "--grid", "linecolor": "--line", "zerolinecolor": "--line", "zeroline": False, **others}


def small_title(text: str) -> Json:
    return {"text": text, "font": {"size": 11, "color": "--muted"}}


def dotted(place: Json) -> Json:
    return {"type": "line", "line": {"color": "--muted", "width": 1, "dash": "dot"}, **place}


def noted_day(day: str, text: str) -> Json:
    """A line at a day, and what begins there."""
    note = {
        "x": day,
        "xref": "x",
        "y": 1,
        "yref": "paper",
        "yanchor": "top",
        "xanchor": "left",
        "showarrow": False,
        "text": text,
        "font": {"size": 11, "color": "--muted"},
    }
    return {
        "shapes": [dotted({"x0": day, "x1": day, "y0": 0, "y1": 1, "xref": "x", "yref": "paper"})],
        "annotations": [note],
    }
