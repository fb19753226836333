"""How far a result is to be believed: what may have known the future, what was tried, how long the record is."""

from __future__ import annotations

from activities.adapters.backtest_page.markup import Content, Html, el
from activities.adapters.backtest_page.words import number, percent, plural
from domain.backtest_report import BacktestReport
from domain.metrics import PerformanceMetrics


def alarm(report: BacktestReport) -> Html | None:
    """Say first of all where nothing of the result is out of sample."""
    if not report.contamination.by_models or report.out_of_sample is not None:
        return None
    control = (
        "The control by rules alone, beside each figure, is free of that."
        if report.control
        else "There is no control by rules alone to compare it with."
    )
    text = (
        "No figure here is out of sample. Models read part of what decided, and no session is known to lie after "
        f"their training: they may have remembered what happened next. {control}"
    )
    return el("p", el("strong", "Not out of sample. "), text, class_="alarm", role="note")


def belief(report: BacktestReport, metrics: PerformanceMetrics) -> Html:
    """List what speaks for and against the result.

    Args:
        metrics: those of the strategy that stand first.
    """
    items: list[tuple[str, Content]] = [("Contamination", report.contamination.verdict)]
    if report.out_of_sample is not None:
        items.append(
            (
                "Out of sample",
                f"{plural(metrics.sessions, 'session')} of {len(report.sessions):,} count; "
                "what lies before is shown second.",
            )
        )
    items.append(
        (
            "Universe",
            report.universe.verdict if report.universe else "Nothing is known of its symbols: there were no bars.",
        )
    )
    items.append(("Trials", _trials(report.strategy.metrics)))
    items.append(("Track record", _track_record(metrics)))
    if report.costs.traded > 0 and report.costs.total == 0:
        items.append(("Costs", "Nothing was charged for trading: every fill was at the price of the open."))
    items += [("Benchmark", f"{track.name}: {track.note}.") for track in report.benchmarks if track.note]
    if report.request.benchmark not in {track.name for track in report.benchmarks}:
        text = (
            f"{report.request.benchmark}: the book has no bar of it on the first session, so that it is missing here."
        )
        items.append(("Benchmark", text))
    items += [("Warning", warning) for warning in report.warnings]
    return el("dl", [el("div", el("dt", label), el("dd", text)) for label, text in items], class_="belief")


def _trials(metrics: PerformanceMetrics) -> str:
    if metrics.trials is None:
        return "No log of trials was given: how much of the result is the luck of the best of many is not known."
    if metrics.trials == 1:
        return "This was the first one: nothing was chosen among."
    text = f"{metrics.trials:,} were logged before this one was chosen; the deflated Sharpe ratio takes their luck off."
    if metrics.overfitting_probability is None:
        return text
    return (
        f"{text} In {percent(metrics.overfitting_probability, 0)} of the splits of the record into halves, the best of "
        "one half was no better than the middle of the other."
    )


def _track_record(metrics: PerformanceMetrics) -> str:
    have, need = metrics.sessions, metrics.minimum_track_record
    if metrics.skewness is None:
        return f"{plural(have, 'session')}; it takes four with different returns to say how long a record must be."
    if need is None:
        return (
            f"{plural(have, 'session')}; from returns like these, no number of them makes a true Sharpe ratio above 0 "
            "likely."
        )
    verdict = "is long enough" if have >= need else "is too short"
    return (
        f"{plural(have, 'session')}; with such returns it takes {number(need, 0)} to be 95 % sure of a true Sharpe "
        f"ratio above 0: the record {verdict}."
    )
