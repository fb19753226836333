"""Charts: legal to plotly, of the report's numbers, and none where there is nothing to draw."""

from __future__ import annotations

import json
import re
from typing import Any

import pytest
from plotly import graph_objects

from activities.adapters.backtest_page.drawing import as_json
from activities.adapters.backtest_page.markup import NO_BREAK
from activities.adapters.backtest_page.page import _template
from activities.adapters.backtest_page.plots import MOST_DOTS, MOST_POINTS, WINDOW, plots_of
from activities.adapters.backtest_page.series import drawdowns
from domain.backtest_report import BacktestReport
from tests.backtest_page.builders import drawn, simulated


def by_id(report: BacktestReport) -> dict[str, Any]:
    return {plot.id: plot for plot in plots_of(report)}


def coloured(value: Any) -> Any:
    """As the page's script does it: names of colours become colours."""
    if isinstance(value, dict):
        return {key: coloured(each) for key, each in value.items()}
    if isinstance(value, list):
        return [coloured(each) for each in value]
    return "#123456" if isinstance(value, str) and value.startswith("--") else value


@pytest.mark.parametrize(
    "report",
    [
        simulated(),
        drawn(0, 0),
        drawn(1, 1),
        drawn(300, 40, models=True, cutoff=100),
        drawn(40, 9, drift=-0.5, swing=0.2),
    ],
    ids=["simulated", "empty", "one session", "out of sample", "lost"],
)
def test_plots_when_a_report_is_any_then_plotly_knows_all_that_they_say(report: BacktestReport) -> None:
    for plot in plots_of(report):
        figure = graph_objects.Figure(coloured(plot.data), coloured(plot.layout))
        assert len(figure.data) == len(plot.data)


def test_colours_when_charts_name_them_then_the_page_has_them_in_both_themes() -> None:
    report = drawn(300, 40, models=True, cutoff=100)
    used = set(re.findall(r'"(--[a-z0-9-]+)"', as_json(plots_of(report))))
    light, dark = _template().split("prefers-color-scheme: dark", 1)
    for name in used:
        assert f"{name}:" in light
        assert f"{name}:" in dark.partition("}")[0]


def test_equity_when_it_is_drawn_then_its_points_are_those_of_the_report() -> None:
    report = simulated()
    equity = by_id(report)["equity"].data
    assert [trace["name"] for trace in equity] == ["strategy", "SPY", "equal-weight buy and hold"]
    assert equity[0]["y"] == [round(float(amount), 2) for amount in report.strategy.equity]
    assert equity[0]["x"][1:] == [session.isoformat() for session in report.sessions]


def test_percents_when_drawn_then_they_are_written_as_in_the_words() -> None:
    report = drawn(300, 40)
    plots = by_id(report)
    below = plots["drawdown"].data[0]["y"]
    assert below == [round(each * 100, 3) for each in drawdowns(report.strategy.equity)]
    assert f"{-min(below):.2f}{NO_BREAK}%" in plots["drawdown"].words
    for axis, chart in (
        ("yaxis", "drawdown"),
        ("yaxis", "exposure"),
        ("yaxis", "rolling-volatility"),
        ("xaxis", "distribution"),
        ("yaxis", "trades"),
    ):
        assert plots[chart].layout[axis]["ticksuffix"] == f"{NO_BREAK}%"
    written = json.dumps(json.loads(as_json(list(plots.values()))), ensure_ascii=False)
    assert f"{{y:.2f}}{NO_BREAK}%" in written
    assert re.findall(r"[0-9}~]%", written) == []


def test_plots_when_sessions_are_too_few_then_nothing_is_rolled() -> None:
    assert "rolling-sharpe" not in by_id(drawn(WINDOW, 0))
    rolled = by_id(drawn(WINDOW + 1, 0))["rolling-sharpe"].data[0]
    assert len(rolled["y"]) == 2


def test_plots_when_nothing_was_traded_then_no_result_is_shared_out() -> None:
    assert set(by_id(simulated(told=False))) == {"equity", "drawdown", "exposure", "months", "distribution"}


def test_months_when_they_are_drawn_then_the_year_stands_beside_them() -> None:
    heat = by_id(drawn(300, 0))["months"].data[0]
    assert heat["y"] == ["2014", "2015"]
    assert heat["x"][-1] == "Year"
    assert all(len(row) == 13 for row in heat["z"])
    assert heat["z"][0][0] is None


def test_plots_when_the_report_is_large_then_what_is_left_out_is_said() -> None:
    plots = by_id(drawn(6_000, 5_000))
    assert len(plots["equity"].data[0]["x"]) <= MOST_POINTS + 4
    dots = sum(len(trace["x"]) for trace in plots["trades"].data)
    assert dots <= MOST_DOTS
    assert "One of every 3 of 5,000 trades is drawn; the JSON has all." in plots["trades"].words
    assert "The best and the worst 12 of 37 symbols" in plots["symbols"].words


def test_json_when_it_is_written_then_no_number_in_it_is_longer_than_it_needs_to_be() -> None:
    numbers = re.findall(r"-?\d+\.\d{8,}", as_json(plots_of(drawn(300, 40, models=True, cutoff=100))))
    assert numbers == []
    json.loads(as_json(plots_of(drawn(0, 0))))
