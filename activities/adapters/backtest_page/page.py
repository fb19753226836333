"""The page: what was run and what came of it, how far to believe it, charts, and the tables behind them.

The document allows nothing from the network: its own style and its two scripts by their hashes, charts' data as JSON.
"""

from __future__ import annotations

import base64
import hashlib
import json
import re
from collections.abc import Mapping, Sequence
from decimal import Decimal
from functools import cache
from importlib.resources import files
from types import MappingProxyType

from activities.adapters.backtest_page import tables
from activities.adapters.backtest_page.belief import alarm, belief
from activities.adapters.backtest_page.drawing import Plot, as_json, library
from activities.adapters.backtest_page.figures import cards, sheets, table
from activities.adapters.backtest_page.markup import Content, Html, el, joined
from activities.adapters.backtest_page.plots import plots_of
from activities.adapters.backtest_page.words import day, money, number, plural
from domain.backtest import ReadBy
from domain.backtest_report import BacktestReport

_SLOT = re.compile(r"\{\{(\w+)\}\}")
_UNKNOWN = "not known"
_OVER_TIME = ("equity", "drawdown", "exposure", "rolling-sharpe", "rolling-volatility")
_RETURNS = ("months", "distribution")
_ORIGINS = ("layers", "costs", "symbols", "trades")


def render(report: BacktestReport) -> bytes:
    """Write a report as an HTML file, UTF-8. Equal reports give equal bytes."""
    plots = plots_of(report)
    page = _template()
    return _filled(
        page,
        {
            "policy": _policy(page),
            "title": joined(f"{_name(report)}: backtest {_period(report)}"),
            "body": _body(report, {plot.id: plot for plot in plots}),
            "plotly": library(),
            "plots": as_json(plots),
        },
    ).encode()


@cache
def _template() -> str:
    return files(__package__).joinpath("page.html").read_text(encoding="utf-8")


def _filled(page: str, slots: Mapping[str, str]) -> str:
    """Fill the slots in one pass, so that what is put in is never looked at again."""
    return _SLOT.sub(lambda found: slots[found[1]], page)


@cache
def _policy(page: str) -> str:
    """Allow the page's own scripts and styles by what they are, and nothing else.

    Plotly adds an empty style element and fills it by script, hence the hash of nothing. Pictures are of charts that
    the reader saves. Style attributes stay forbidden: plotly sets styles as properties, which no policy is about.
    The style that plotly's maps would add is refused, which a browser's console tells once; there are no maps here.
    """
    script, style = re.findall(r"<script>(.*?)</script>", page, re.DOTALL)[-1], _between(page, "<style>", "</style>")
    scripts = " ".join(_hash(text) for text in (library(), script))
    styles = " ".join(_hash(text) for text in (style, ""))
    return (
        f"default-src 'none'; script-src {scripts}; style-src {styles}; img-src data: blob:; "
        "base-uri 'none'; form-action 'none'"
    )


def _between(page: str, start: str, end: str) -> str:
    return page.partition(start)[2].partition(end)[0]


def _hash(text: str) -> str:
    return f"'sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}'"


# -- head ------------------------------------------------------------------------------------------------------------


def _name(report: BacktestReport) -> str:
    return report.request.name.strip() or "Backtest without a name"


def _period(report: BacktestReport) -> str:
    return f"{day(report.request.first)} to {day(report.request.last)}"


def _body(report: BacktestReport, plots: Mapping[str, Plot]) -> Html:
    laid_out = sheets(report)
    first = laid_out[0]
    return joined(
        _head(report),
        el(
            "main",
            alarm(report),
            _section("figures", _title(report), cards(report, first)),
            _section("belief", "How far to believe it", belief(report, first.strategy.metrics)),
            _section("time", "Over time", _charts(plots, _OVER_TIME)),
            _section("drawdowns", "Times of drawdown", tables.drawdowns(report)),
            _section("returns", "Returns", _charts(plots, _RETURNS, {"months": tables.months(report)})),
            _section("origins", "Where the result came from", _charts(plots, _ORIGINS) or _no_origins()),
            _section("all-figures", "All figures", [table(sheet) for sheet in laid_out]),
            _section("trades", "Trades", tables.trades(report)),
            _section("decisions", "Decisions", tables.decisions(report)),
            _section("orders", "Orders and fills", tables.orders(report)),
            _section("settings", "What was run", _settings(report)),
        ),
        el("footer", el("p", "Made of the request, the data and the code named above, and of nothing else.")),
    )


def _head(report: BacktestReport) -> Html:
    end = report.strategy.equity[-1]
    facts = (
        ("Period", f"{_period(report)}, {plural(len(report.sessions), 'session')}"),
        ("Opening cash", money(report.request.opening_cash)),
        ("Equity at the end", money(end)),
        (
            "Benchmark",
            ", ".join(track.name for track in report.benchmarks) or f"none: no bars of {report.request.benchmark}",
        ),
        ("Read by", _readers(report)),
        ("Configuration", report.config_version),
        ("Code", report.code_version),
        ("Data", report.data_version),
        ("Backtest", report.backtest_id),
    )
    return el(
        "header",
        el("p", "Backtest", class_="kicker"),
        el("h1", _name(report)),
        el("dl", [el("div", el("dt", label), el("dd", value)) for label, value in facts], class_="facts"),
        el(
            "nav",
            [joined(el("a", label, href=f"#{target}"), " ") for target, label in _LINKS],
            aria_label="On this page",
        ),
    )


_LINKS = (
    ("figures", "Figures"),
    ("belief", "Belief"),
    ("time", "Over time"),
    ("returns", "Returns"),
    ("origins", "Origins"),
    ("all-figures", "All figures"),
    ("trades", "Trades"),
    ("decisions", "Decisions"),
    ("orders", "Orders"),
    ("settings", "What was run"),
)


def _readers(report: BacktestReport) -> str:
    if report.request.read_by is ReadBy.RULES:
        return "rules alone"
    return "rules and models" if report.contamination.by_models else "all readers; no model was among them"


def _title(report: BacktestReport) -> str:
    if report.out_of_sample is None:
        return "Figures in sample" if report.contamination.by_models else "Figures"
    return f"Figures out of sample, after {day(report.request.model_cutoff)}"


# -- charts and settings ---------------------------------------------------------------------------------------------


def _section(target: str, title: str, *content: Content) -> Html:
    return el("section", el("h2", title, id=f"{target}-title"), *content, id=target, aria_labelledby=f"{target}-title")


def _charts(
    plots: Mapping[str, Plot], ids: Sequence[str], tables_of: Mapping[str, Html | None] = MappingProxyType({})
) -> Html | None:
    found = [_chart(plots[each], tables_of.get(each)) for each in ids if each in plots]
    return el("div", found, class_="charts") if found else None


def _chart(plot: Plot, same: Html | None) -> Html:
    switch = el("button", "Logarithmic scale", type="button", class_="switch", aria_pressed="false", data_for=plot.id)
    drawn = el(
        "div",
        id=f"plot-{plot.id}",
        class_="plot",
        data_plot=plot.id,
        role="img",
        aria_label=f"Chart: {plot.title}. {plot.words}",
    )
    return el(
        "figure",
        el("figcaption", el("h3", plot.title), el("p", plot.words)),
        switch if plot.logarithmic else None,
        el("div", drawn, class_="scroll wide" if plot.wide else "scroll"),
        same,
        class_=f"chart {plot.id}",
    )


def _no_origins() -> Html:
    return el("p", "Nothing was traded, so that there is no result to share out.", class_="empty")


def _settings(report: BacktestReport) -> Html:
    costs = report.request.costs
    charged = (
        f"Half-spread {number(costs.half_spread_bp, 1)} bp, impact factor {number(costs.impact)}, fees "
        f"{number(costs.fee_bp, 1)} bp and {money(costs.fee_per_share)} a share; one order takes at most "
        f"{number(Decimal(repr(costs.participation)) * 100, 0)} % of a session's volume."
    )
    cutoff = day(report.request.model_cutoff) or _UNKNOWN
    request = json.dumps(report.request.model_dump(mode="json"), indent=1, ensure_ascii=False)
    return joined(
        el("p", charged),
        el("p", f"End of the model's training: {cutoff}."),
        el(
            "details",
            el("summary", "The request with its whole configuration"),
            el("pre", [joined(line, Html("\n")) for line in request.splitlines()]),
        ),
    )
