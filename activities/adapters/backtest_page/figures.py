"""The figures of a run beside those of its benchmarks and of its control, over the same sessions."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple

from activities.adapters.backtest_page.markup import NO_BREAK, Content, Html, el, joined
from activities.adapters.backtest_page.series import first_out_of_sample, returns_while_solvent, trade_days
from activities.adapters.backtest_page.words import money, number, percent, plural, undefined
from domain.backtest_report import BacktestReport, Track
from domain.metrics import Drawdown, PerformanceMetrics, measure

FEW_SESSIONS = 126
"""Below it, what is stated a year is mostly extrapolation."""


class Column(NamedTuple):
    """One series: what it is called, what was measured, and what the points of its equity are called."""

    name: str
    metrics: PerformanceMetrics
    points: Sequence[str]
    held: bool = False
    """Bought at the start and never traded: a benchmark."""
    partial: bool = False
    """Over a part of the period, where returns alone are measured."""


class Sheet(NamedTuple):
    """Columns over the same sessions, that of the strategy first."""

    title: str
    columns: Sequence[Column]

    @property
    def strategy(self) -> Column:
        return self.columns[0]


class Row(NamedTuple):
    """A measure: its field, its name, how a value of it is shown, and what it means."""

    field: str
    label: str
    show: Callable[[float], str]
    meaning: str


def _signed(value: float) -> str:
    return percent(value, signed=True)


def _chance(value: float) -> str:
    return percent(value, 1)


ROWS = (
    Row("total_return", "Total return", _signed, "over all sessions"),
    Row("cagr", "CAGR", _signed, "compound growth a year"),
    Row("volatility", "Volatility", percent, "standard deviation of returns a year"),
    Row("sharpe", "Sharpe ratio", lambda value: number(value, signed=True), "a year, over cash that earns nothing"),
    Row("probabilistic_sharpe", "Probabilistic Sharpe", _chance, "chance that the true ratio is above 0"),
    Row("deflated_sharpe", "Deflated Sharpe", _chance, "chance that it is above what the best of all trials owes luck"),
    Row("sortino", "Sortino ratio", lambda value: number(value, signed=True), "as Sharpe, losses alone count as risk"),
    Row("max_drawdown", "Maximum drawdown", _signed, "deepest fall below the highest equity until then"),
    Row("calmar", "Calmar ratio", lambda value: number(value, signed=True), "CAGR over maximum drawdown"),
    Row("cvar_95", "CVaR 95 %", _signed, "mean return of the worst 5 % of sessions"),
    Row("hit_rate", "Hit rate", _chance, "sessions with a gain, of those with a gain or a loss"),
    Row("turnover", "Turnover", lambda value: f"{number(value)} ×", "times a year that the equity is turned over"),
    Row("exposure", "Exposure", _chance, "mean of what is held over equity"),
    Row("beta", "Beta", lambda value: number(value, signed=True), "to the first benchmark"),
    Row("alpha", "Alpha", _signed, "a year, to the first benchmark"),
    Row("skewness", "Skewness", lambda value: number(value, signed=True), "of returns; negative: large losses"),
    Row("kurtosis", "Kurtosis", number, "of returns; 3 is normal, more is fat tails"),
    Row(
        "minimum_track_record", "Minimum track record", lambda value: f"{number(value, 0)} sessions", "for 95 % belief"
    ),
    Row("trials", "Trials", lambda value: number(value, 0), "logged before this one was chosen"),
    Row("overfitting_probability", "Probability of overfitting", _chance, "of the set of trials"),
)
BY_FIELD = {row.field: row for row in ROWS}
_TRADED = frozenset({"exposure", "turnover"})
"""Figures of what trades, known of the whole period alone."""
_WHOLE_PERIOD = frozenset({*_TRADED, "beta", "alpha", "trials", "deflated_sharpe", "overfitting_probability"})
CARDS = ("total_return", "cagr", "sharpe", "max_drawdown", "volatility", "exposure", "turnover", "hit_rate")


def sheets(report: BacktestReport) -> list[Sheet]:
    """Lay the figures out, the ones to believe first: after the model's training, then over the whole period."""
    points = ("the start", *(session.isoformat() for session in report.sessions))
    others = [*((track, True) for track in report.benchmarks), *([(report.control, False)] if report.control else [])]
    whole = Sheet(
        "Whole period",
        [
            Column(report.strategy.name, report.strategy.metrics, points),
            *(Column(track.name, track.metrics, points, held=held) for track, held in others),
        ],
    )
    if report.out_of_sample is None:
        return [whole]
    first = first_out_of_sample(report)
    after = Sheet(
        "Out of sample",
        [
            Column(report.strategy.name, report.out_of_sample, points[first:], partial=True),
            *(Column(track.name, _since(track, first), points[first:], held, partial=True) for track, held in others),
        ],
    )
    return [after, whole._replace(title="Whole period, partly in sample")]


def _since(track: Track, first: int) -> PerformanceMetrics:
    return measure(returns_while_solvent(track.equity[first:]))


def cards(report: BacktestReport, sheet: Sheet) -> Html:
    """Show the figures that are looked at first, each beside the others' of the same name."""
    measured = [
        _traded_card(report, BY_FIELD[field]) if field in _TRADED else _measure_card(sheet, BY_FIELD[field])
        for field in CARDS
    ]
    return el("div", measured, _trades_card(report), _costs_card(report), class_="cards")


def _measure_card(sheet: Sheet, row: Row) -> Html:
    beside = [(column.name, shown(column, row.field)) for column in sheet.columns[1:]]
    return _card(row.label, shown(sheet.strategy, row.field), _beneath(sheet.strategy, row), beside)


def _traded_card(report: BacktestReport, row: Row) -> Html:
    whole = sheets(report)[-1]
    beside = [(column.name, shown(column, row.field)) for column in whole.columns[1:] if not column.held]
    return _card(row.label, shown(whole.strategy, row.field), f"{row.meaning}, over the whole period", beside)


def _card(label: str, figure: Content, beneath: Content, beside: Sequence[tuple[str, Content]]) -> Html:
    others = [el("div", el("dt", name), el("dd", value)) for name, value in beside]
    return el(
        "section",
        el("h3", label),
        el("p", figure, class_="figure"),
        el("p", beneath, class_="beneath"),
        el("dl", others, class_="beside") if others else None,
        class_="card",
    )


def _beneath(column: Column, row: Row) -> Html:
    metrics = column.metrics
    if row.field == "sharpe":
        tried = f" of {plural(metrics.trials, 'trial')}" if metrics.trials is not None else ""
        return joined(
            "probabilistic ",
            shown(column, "probabilistic_sharpe"),
            ", deflated ",
            shown(column, "deflated_sharpe"),
            tried,
        )
    if row.field == "max_drawdown":
        return joined(fall_in_words(metrics.max_drawdown, column.points))
    if row.field in ("cagr", "volatility") and 0 < metrics.sessions < FEW_SESSIONS:
        return joined(f"a year, from {plural(metrics.sessions, 'session')} only")
    return joined(row.meaning)


def table(sheet: Sheet) -> Html:
    """List all figures, the series side by side."""
    head = [
        el("th", "Figure", scope="col"),
        *(el("th", column.name, scope="col", class_="num") for column in sheet.columns),
    ]
    body = [
        el(
            "tr",
            el("th", row.label, el("small", row.meaning), scope="row"),
            [el("td", shown(column, row.field, dated=True), class_="num") for column in sheet.columns],
        )
        for row in ROWS
    ]
    sessions = plural(sheet.strategy.metrics.sessions, "session")
    return el(
        "div",
        el("table", el("caption", f"{sheet.title}: {sessions}"), el("thead", el("tr", head)), el("tbody", body)),
        class_="scroll",
        tabindex=0,
        role="region",
        aria_label=f"All figures, {sheet.title.lower()}",
    )


def shown(column: Column, field: str, *, dated: bool = False) -> Html:
    """Show a measure, or a dash with the reason why there is none."""
    value = getattr(column.metrics, field)
    if value is None:
        return undefined(why_undefined(column, field))
    if isinstance(value, Drawdown):
        depth = percent(-value.depth)
        days = el("small", fall_in_words(value, column.points)) if dated and value.start is not None else None
        return joined(depth, days)
    return joined(BY_FIELD[field].show(value))


def fall_in_words(fall: Drawdown | None, points: Sequence[str]) -> str:
    """When it began, was deepest and was made up for."""
    if fall is None:
        return "no session"
    if fall.start is None or fall.trough is None:
        return "equity never fell"
    span = f"from {_point(points, fall.start)}, deepest {_point(points, fall.trough)}"
    return f"{span}, {f'recovered {_point(points, fall.recovery)}' if fall.recovery is not None else 'not recovered'}"


def _point(points: Sequence[str], place: int) -> str:
    return points[place] if place < len(points) else f"point {place}"


def why_undefined(column: Column, field: str) -> str:
    """Say what a measure lacks, as far as the other measures tell."""
    metrics = column.metrics
    if not metrics.sessions and field not in ("trials", "overfitting_probability"):
        return "there is no session"
    if column.held and field in _TRADED:
        return "it is held throughout and never traded"
    if column.partial and field in _WHOLE_PERIOD:
        return "only measured over the whole period"
    if column.held and field in ("beta", "alpha"):
        return "it is what the others are compared with, or there is nothing to compare it with"
    flat = not metrics.volatility
    reasons = {
        "total_return": "the number is too large",
        "cagr": "the number is too large",
        "volatility": "it takes two sessions",
        "sharpe": "it takes two sessions with different returns",
        "sortino": "no session lost anything",
        "calmar": "equity never fell",
        "hit_rate": "equity never moved",
        "beta": "no benchmark with bars from the first session on, or it did not vary",
        "alpha": "no benchmark with bars from the first session on, or it did not vary",
        "skewness": "it takes four sessions with different returns",
        "kurtosis": "it takes four sessions with different returns",
        "trials": "no log of trials was given for it",
        "overfitting_probability": "it takes two trials with records that are long enough",
        "minimum_track_record": "no record is long enough for a Sharpe ratio that is not above 0",
        "probabilistic_sharpe": "so few returns say nothing about their tails",
        "deflated_sharpe": "fewer than two of the trials have a Sharpe ratio",
    }
    if field in ("probabilistic_sharpe", "deflated_sharpe", "minimum_track_record") and (
        flat or metrics.skewness is None
    ):
        return "it takes four sessions with different returns"
    if field in ("deflated_sharpe", "overfitting_probability") and metrics.trials is None:
        return reasons["trials"]
    if field == "deflated_sharpe" and metrics.probabilistic_sharpe is None:
        return reasons["probabilistic_sharpe"]
    return reasons.get(field, "it was not measured")


def _trades_card(report: BacktestReport) -> Html:
    trades = report.trades
    if not trades:
        return _card("Trades", "0", "positions opened, over the whole period", ())
    last = report.sessions[-1] if report.sessions else None
    won = sum(1 for trade in trades if trade.result > 0)
    beside = [
        ("with a gain", f"{won:,} ({percent(won / len(trades), 0)})"),
        ("days held, mean", number(sum(trade_days(trade, last) for trade in trades) / len(trades), 1)),
        ("still open", f"{sum(1 for trade in trades if trade.closed is None):,}"),
    ]
    return _card("Trades", f"{len(trades):,}", "positions opened, over the whole period", beside)


def _costs_card(report: BacktestReport) -> Html:
    """Show what trading cost: of what was traded, and of what was gained before it."""
    costs = report.costs
    gained = report.strategy.equity[-1] - report.strategy.equity[0] + costs.total
    of_traded: Content = undefined("nothing was traded")
    if costs.traded > 0:
        of_traded = f"{number(costs.total / costs.traded * 10_000, 1)}{NO_BREAK}bp"
    of_gain: Content = undefined("there was no gain before costs that they could be a share of")
    if gained > 0:
        of_gain = percent(costs.total / gained, 1)
    beside = [("in all", money(costs.total)), ("of the gain before costs", of_gain)]
    return _card("Costs", of_traded, "of what was traded, over the whole period", beside)
