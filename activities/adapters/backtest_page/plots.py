"""Charts as plotly reads them. Colours are names of the page's style (`--gain`), so that both themes have their own.

Nothing here needs plotly itself but its script: a chart is a plain value, and the page's own script draws it.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, timedelta
from itertools import cycle, islice

from activities.adapters.backtest_page.drawing import (
    DOLLARS,
    PERCENTS,
    Json,
    Plot,
    axis,
    bar_layout,
    bars,
    counts,
    curve,
    day_axis,
    dotted,
    in_percent,
    layout_of,
    noted_day,
    of_percents,
    picked,
    rounded,
    small_title,
)
from activities.adapters.backtest_page.markup import plotly_text
from activities.adapters.backtest_page.series import (
    by_period,
    drawdowns,
    first_out_of_sample,
    histogram,
    kept_places,
    month_of,
    result_by_symbol,
    returns_while_solvent,
    rolling,
    trade_days,
    trade_return,
    year_of,
)
from activities.adapters.backtest_page.words import money, number, percent, plural
from domain.backtest import TradeEntry
from domain.backtest_report import BacktestReport, Track
from domain.metrics import volatility
from domain.sharpe import sharpe_ratio

WINDOW = 63
"""Sessions of a rolling measure: a quarter."""
MOST_POINTS = 3_000
"""Of one curve."""
MOST_DOTS = 2_000
"""Trades that are drawn."""
SYMBOLS_AT_EACH_END = 12
MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")
_LINES = (("--benchmark", "dash"), ("--benchmark-2", "dot"))


def plots_of(report: BacktestReport) -> list[Plot]:
    """Draw what there is something to draw of."""
    found = [equity(report), drawdown(report), exposure(report), months(report), *rolling_pair(report)]
    found += [distribution(report), layers(report), costs(report), symbols(report), trades(report)]
    return [plot for plot in found if plot is not None]


# -- over time -------------------------------------------------------------------------------------------------------


def equity(report: BacktestReport) -> Plot:
    tracks = _tracks(report)
    places = kept_places([float(amount) for amount in report.strategy.equity], MOST_POINTS)
    days = _points(report.sessions)
    data = [
        {
            **curve(picked(days, places), rounded(picked(track.equity, places)), track.name),
            "line": line,
            "hovertemplate": "%{y:$,.2f}",
        }
        for track, line in zip(tracks, _styles(report), strict=True)
    ]
    ends = "; ".join(f"{track.name} {money(track.equity[-1])}" for track in tracks)
    layout = layout_of(height=380, xaxis=day_axis(days), yaxis={"tickformat": DOLLARS})
    if report.out_of_sample is not None:
        layout |= noted_day(days[first_out_of_sample(report)], "out of sample →")
    return Plot("equity", "Equity", f"Worth at the end: {ends}.", data, layout, logarithmic=True)


def drawdown(report: BacktestReport) -> Plot:
    tracks = _tracks(report)
    days = _points(report.sessions)
    data = []
    for at, (track, line) in enumerate(zip(tracks, _styles(report), strict=True)):
        below = drawdowns(track.equity)
        places = kept_places(below, MOST_POINTS)
        trace = curve(picked(days, places), in_percent(picked(below, places)), track.name)
        filled = {"fill": "tozeroy", "fillcolor": "--wash"} if at == 0 else {}
        data.append({**trace, **filled, "line": line, "hovertemplate": of_percents(2)})
    deepest = percent(min(drawdowns(report.strategy.equity), default=0.0))
    flat = {} if any(below for trace in data for below in trace["y"]) else {"range": [-1, 0]}
    layout = layout_of(xaxis=day_axis(days), yaxis={**PERCENTS, "rangemode": "tozero", **flat})
    return Plot("drawdown", "Drawdown", f"Below the highest equity until then; at most {deepest}.", data, layout)


def exposure(report: BacktestReport) -> Plot | None:
    held = [
        round(float(gross / worth), 4) if worth > 0 else None
        for gross, worth in zip(report.gross, report.strategy.equity[1:], strict=False)
    ]
    if len(held) < 2:
        return None
    days = [session.isoformat() for session in report.sessions]
    shares = [share for share in held if share is not None]
    words = (
        f"What is held over equity: {percent(sum(shares) / max(1, len(shares)), 1)} on average, "
        f"{percent(max(shares, default=0.0), 1)} at most; at most "
        f"{plural(max(report.positions, default=0), 'position')} at once."
    )
    data = [
        {
            **curve(days, in_percent(held, 2), "Exposure"),
            "line": {"color": "--strategy", "width": 1.6},
            "fill": "tozeroy",
            "fillcolor": "--wash",
            "hovertemplate": of_percents(1),
        },
        {
            **curve(days, list(report.positions), "Positions"),
            "yaxis": "y2",
            "line": {"color": "--benchmark", "width": 1.3, "shape": "hv", "dash": "dot"},
            "hovertemplate": "%{y}",
        },
    ]
    most = max(report.positions, default=0)
    second = axis(
        overlaying="y",
        side="right",
        showgrid=False,
        range=[0, most + max(1, most // 8)],
        tickmode="linear",
        dtick=max(1, -(-most // 4)),
        title=small_title("positions"),
    )
    layout = layout_of(
        xaxis=day_axis(days),
        yaxis={**PERCENTS, "rangemode": "tozero", "title": small_title("of equity")},
        yaxis2=second,
        margin={"r": 52},
    )
    return Plot("exposure", "Exposure and positions", words, data, layout)


def rolling_pair(report: BacktestReport) -> list[Plot]:
    returns = returns_while_solvent(report.strategy.equity)
    if len(returns) < WINDOW + 1:
        return []
    days = [session.isoformat() for session in report.sessions[WINDOW - 1 : len(returns)]]
    return [
        _rolled(
            "rolling-sharpe", "Rolling Sharpe ratio", days, rolling(returns, WINDOW, sharpe_ratio), "%{y:+.2f}", {}
        ),
        _rolled(
            "rolling-volatility",
            "Rolling volatility",
            days,
            in_percent(rolling(returns, WINDOW, volatility)),
            of_percents(1),
            PERCENTS,
        ),
    ]


def _rolled(id_: str, title: str, days: Sequence[str], values: Sequence[float | None], hover: str, scale: Json) -> Plot:
    places = kept_places([value or 0.0 for value in values], MOST_POINTS)
    shown = [None if (value := values[place]) is None else round(value, 4) for place in places]
    trace = curve(picked(days, places), shown, title)
    data = [{**trace, "line": {"color": "--strategy", "width": 1.6}, "hovertemplate": hover, "showlegend": False}]
    layout = layout_of(xaxis=day_axis(days), yaxis={**scale, "zeroline": True})
    return Plot(id_, title, f"A year, over the {WINDOW} sessions up to each.", data, layout)


# -- returns ---------------------------------------------------------------------------------------------------------


def months(report: BacktestReport) -> Plot | None:
    monthly = by_period(report.sessions, report.strategy.equity, month_of)
    yearly = by_period(report.sessions, report.strategy.equity, year_of)
    if not monthly:
        return None
    years = sorted(year for (year,) in yearly)
    names = [*MONTHS, "Year"]
    rows = [[*(monthly.get((year, month)) for month in range(1, 13)), yearly.get((year,))] for year in years]
    strongest = max(abs(value) for value in monthly.values()) or 0.01
    text = [["" if value is None else number(value * 100, 1, signed=True) for value in row] for row in rows]
    data = [
        {
            "type": "heatmap",
            "x": names,
            "y": [str(year) for year in years],
            "z": [[None if value is None else round(value, 5) for value in row] for row in rows],
            "text": text,
            "texttemplate": "%{text}",
            "textfont": {"color": "--ink", "size": 12},
            "hovertemplate": "%{x} %{y}: %{text} %<extra></extra>",
            "colorscale": [[0, "--heat-loss"], [0.5, "--paper"], [1, "--heat-gain"]],
            "zmid": 0,
            "zmin": -round(strongest, 5),
            "zmax": round(strongest, 5),
            "xgap": 2,
            "ygap": 2,
            "showscale": False,
        }
    ]
    layout = layout_of(
        height=72 + 32 * len(years),
        margin={"t": 34, "b": 8},
        xaxis={"type": "category", "side": "top", "fixedrange": True, "showgrid": False},
        yaxis={"type": "category", "autorange": "reversed", "fixedrange": True, "showgrid": False},
        shapes=[dotted({"x0": 11.5, "x1": 11.5, "y0": 0, "y1": 1, "xref": "x", "yref": "paper"})],
    )
    words = "Percent; months and years that are not whole count with the sessions that they have."
    return Plot("months", "Returns by month and year", words, data, layout, wide=True)


def distribution(report: BacktestReport) -> Plot | None:
    returns = returns_while_solvent(report.strategy.equity)
    if not returns:
        return None
    bins = histogram(returns)
    data = [
        {
            "type": "bar",
            "x": in_percent([(each.low + each.high) / 2 for each in bins], 5),
            "y": [each.sessions for each in bins],
            "width": in_percent([each.high - each.low for each in bins], 5),
            "customdata": [f"{percent(each.low, signed=True)} to {percent(each.high, signed=True)}" for each in bins],
            "marker": {
                "color": ["--loss" if each.high <= 0 else "--gain" for each in bins],
                "line": {"width": 1, "color": "--paper"},
            },
            "hovertemplate": "%{customdata}: %{y} sessions<extra></extra>",
        }
    ]
    mean = sum(returns) / len(returns)
    words = (
        f"Best {percent(max(returns), signed=True)}, worst {percent(min(returns), signed=True)}, mean "
        f"{percent(mean, 3, signed=True)}; losses stand left of zero, gains right of it."
    )
    layout = layout_of(
        xaxis={"type": "linear", **PERCENTS, "zeroline": True},
        yaxis={"title": small_title("sessions"), **counts(max(each.sessions for each in bins))},
        bargap=0,
    )
    return Plot("distribution", "Distribution of daily returns", words, data, layout)


# -- where results came from -----------------------------------------------------------------------------------------


def layers(report: BacktestReport) -> Plot | None:
    if not report.trades or not report.layers:
        return None
    results = [(str(each.layer), each.result) for each in report.layers]
    words = "Each trade's result, shared among the layers as they shared the score that opened it."
    return Plot("layers", "Result by layer", words, [bars(results)], bar_layout(results))


def costs(report: BacktestReport) -> Plot | None:
    if not report.costs.traded:
        return None
    parts = [("spread", report.costs.spread), ("impact", report.costs.impact), ("fees", report.costs.fees)]
    shown = {**bars(parts, signed=False), "marker": {"color": "--benchmark"}}
    words = f"{money(report.costs.total)} in all, for {money(report.costs.traded)} bought and sold."
    return Plot("costs", "Costs", words, [shown], bar_layout(parts, signed=False))


def symbols(report: BacktestReport) -> Plot | None:
    results = result_by_symbol(report.trades)
    if not results:
        return None
    cut = len(results) > 2 * SYMBOLS_AT_EACH_END
    ends = [*results[:SYMBOLS_AT_EACH_END], *results[-SYMBOLS_AT_EACH_END:]] if cut else results
    words = (
        f"The best and the worst {SYMBOLS_AT_EACH_END} of {len(results):,} symbols; the JSON has all."
        if cut
        else f"All {plural(len(results), 'symbol')} that were traded."
        if len(results) > 1
        else "The only symbol that was traded."
    )
    return Plot("symbols", "Result by symbol", words, [bars(ends)], bar_layout(ends))


def trades(report: BacktestReport) -> Plot | None:
    drawn = [trade for trade in report.trades if trade_return(trade) is not None]
    if not drawn:
        return None
    every = -(-len(drawn) // MOST_DOTS)
    last = report.sessions[-1] if report.sessions else None
    groups = [
        ("closed", "circle", [trade for trade in drawn[::every] if trade.closed is not None]),
        ("still open", "diamond", [trade for trade in drawn[::every] if trade.closed is None]),
    ]
    data = [_dots(name, symbol, found, last) for name, symbol, found in groups if found]
    words = "Days between the first share and the last, and result over what was paid."
    if every > 1:
        words += f" One of every {every} of {len(drawn):,} trades is drawn; the JSON has all."
    layout = layout_of(
        xaxis={
            "type": "linear",
            "title": small_title("days"),
            "rangemode": "tozero",
            **counts(max(trade_days(trade, last) for trade in drawn)),
        },
        yaxis={**PERCENTS, "zeroline": True},
        hovermode="closest",
        margin={"b": 48},
    )
    return Plot("trades", "Trades by days and return", words, data, layout)


def _dots(name: str, symbol: str, found: Sequence[TradeEntry], last: date | None) -> Json:
    returns = [trade_return(trade) or 0.0 for trade in found]
    return {
        "type": "scatter",
        "mode": "markers",
        "showlegend": True,
        "cliponaxis": False,
        "name": name,
        "x": [trade_days(trade, last) for trade in found],
        "y": in_percent(returns, 2),
        "text": [f"{plotly_text(trade.symbol)}, {trade.opened}" for trade in found],
        "hovertemplate": f"%{{text}}: %{{x}} days, {of_percents(2, sign='+')}<extra></extra>",
        "marker": {
            "symbol": symbol,
            "size": 8,
            "opacity": 0.75,
            "color": ["--gain" if value >= 0 else "--loss" for value in returns],
        },
    }


# -- parts of several ------------------------------------------------------------------------------------------------


def _tracks(report: BacktestReport) -> list[Track]:
    return [report.strategy, *report.benchmarks, *([report.control] if report.control else [])]


def _styles(report: BacktestReport) -> list[Json]:
    """Lines that can be told apart without their colours."""
    dashed = [
        {"color": colour, "width": 1.4, "dash": dash} for colour, dash in islice(cycle(_LINES), len(report.benchmarks))
    ]
    control = [{"color": "--control", "width": 1.4, "dash": "longdashdot"}] if report.control else []
    return [{"color": "--strategy", "width": 2.2}, *dashed, *control]


def _points(sessions: Sequence[date]) -> list[str]:
    """Days of an equity curve's points; the start stands on the day before the first session."""
    start = [(sessions[0] - timedelta(days=1)).isoformat()] if sessions else ["1970-01-01"]
    return [*start, *(session.isoformat() for session in sessions)]
