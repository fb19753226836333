"""Figures: those of the report, as it has them, and a dash that says why where there is none."""

from __future__ import annotations

from decimal import Decimal

import pytest
from lxml import html

from activities.adapters.backtest_page import render
from activities.adapters.backtest_page.figures import ROWS, Column, fall_in_words, sheets, shown, why_undefined
from activities.adapters.backtest_page.words import layers, money, number, percent, quantity
from domain.backtest_report import BacktestReport
from domain.decisions import Layer
from domain.extraction import ExtractorKind
from domain.metrics import Drawdown, PerformanceMetrics, measure
from tests.backtest_page.builders import CUTOFF, drawn, simulated

MODEL = next(kind for kind in ExtractorKind if kind is not ExtractorKind.RULES)


def cells(report: BacktestReport, sheet: int = 0) -> dict[str, list[str]]:
    """The table of all figures, by the names of its rows."""
    page = html.document_fromstring(render(report).decode())
    table = page.xpath("//section[@id='all-figures']//table")[sheet]
    rows = {"": [cell.text_content() for cell in table.xpath("./thead//th")]}
    for row in table.xpath("./tbody/tr"):
        rows[row.xpath("./th/text()")[0]] = [plain(cell.text_content()) for cell in row.xpath("./td")]
    return rows


def plain(text: str) -> str:
    return text.replace("\N{NO-BREAK SPACE}", " ")


def test_figures_when_a_run_is_shown_then_they_are_those_of_the_report() -> None:
    report = simulated(extractor=MODEL)
    found, tracks = cells(report), [report.strategy, *report.benchmarks, report.control]
    assert found[""] == ["Figure", "strategy", "SPY", "equal-weight buy and hold", "rules alone"]
    for at, track in enumerate(tracks):
        assert track is not None
        metrics = track.metrics
        assert found["Total return"][at] == plain(percent(metrics.total_return or 0.0, signed=True))
        assert found["Sharpe ratio"][at] == number(metrics.sharpe or 0.0, signed=True)
        assert found["Volatility"][at] == plain(percent(metrics.volatility or 0.0))
        assert metrics.max_drawdown is not None
        assert found["Maximum drawdown"][at].startswith(plain(percent(-metrics.max_drawdown.depth)))
    assert found["Trials"] == ["12", "–", "–", "–"]


def test_figures_when_a_part_is_out_of_sample_then_all_columns_are_of_the_same_sessions() -> None:
    report = simulated(extractor=MODEL, model_cutoff=CUTOFF)
    after, whole = sheets(report)
    assert report.out_of_sample == after.strategy.metrics
    assert whole.strategy.metrics == report.strategy.metrics
    assert {column.metrics.sessions for column in after.columns} == {report.out_of_sample.sessions}
    first = len(report.sessions) - after.strategy.metrics.sessions
    spy = report.benchmarks[0].equity
    assert after.columns[1].metrics.total_return == pytest.approx(float(spy[-1] / spy[first]) - 1)
    assert after.strategy.points[0] == "2014-07-31"


def test_cards_when_costs_are_known_then_they_are_shares_of_trading_and_of_the_gain() -> None:
    page = plain(html.document_fromstring(render(drawn(60, 5)).decode()).get_element_by_id("figures").text_content())
    report = drawn(60, 5)
    gained = report.strategy.equity[-1] - report.strategy.equity[0] + report.costs.total
    assert "3.9 bp" in page
    assert plain(percent(report.costs.total / gained, 1)) in page


def test_drawdown_when_it_is_told_then_its_days_are_those_of_its_places() -> None:
    points = ("the start", "2014-07-01", "2014-07-02", "2014-07-03")
    assert fall_in_words(Drawdown(depth=0.1, start=0, trough=1, recovery=3), points) == (
        "from the start, deepest 2014-07-01, recovered 2014-07-03"
    )
    assert fall_in_words(Drawdown(depth=0.1, start=1, trough=3), points).endswith("deepest 2014-07-03, not recovered")
    assert fall_in_words(Drawdown(depth=0.0), points) == "equity never fell"


@pytest.mark.parametrize("field", [row.field for row in ROWS])
@pytest.mark.parametrize(
    "metrics",
    [
        PerformanceMetrics(sessions=0),
        measure([0.01]),
        measure([0.0, 0.0, 0.0, 0.0, 0.0]),
        measure([-0.01, -0.02, -0.01, -0.03, -0.01]),
        PerformanceMetrics(sessions=9, volatility=0.1),
    ],
)
def test_figure_when_it_is_not_defined_then_a_dash_says_why(field: str, metrics: PerformanceMetrics) -> None:
    for held, partial in ((False, False), (True, False), (False, True)):
        column = Column("strategy", metrics, ("the start",), held, partial)
        cell = shown(column, field)
        assert not any(word in cell for word in ("None", "nan", "inf"))
        if getattr(metrics, field) is None:
            assert cell.startswith('<abbr class="none" title="not defined: ')
            assert cell.endswith(">–</abbr>")


@pytest.mark.parametrize(
    ("field", "metrics", "why"),
    [
        ("sharpe", PerformanceMetrics(sessions=0), "no session"),
        ("sharpe", measure([0.01]), "two sessions"),
        ("sortino", measure([0.01, 0.02]), "no session lost"),
        ("calmar", measure([0.01, 0.02]), "never fell"),
        ("minimum_track_record", measure([-0.01, -0.02, -0.01, -0.03, -0.01]), "not above 0"),
        ("deflated_sharpe", measure([0.01, 0.02, -0.01, 0.03, 0.0]), "no log of trials"),
        ("beta", measure([0.01, 0.02]), "no benchmark"),
    ],
)
def test_reason_when_a_figure_is_not_defined_then_it_names_what_is_missing(
    field: str, metrics: PerformanceMetrics, why: str
) -> None:
    assert why in why_undefined(Column("strategy", metrics, ()), field)


# -- numbers ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("written", "expected"),
    [
        (money(Decimal("1234567.891")), "$1,234,567.89"),
        (money(Decimal("-12.3")), "−$12.30"),
        (money(Decimal("12.3"), signed=True), "+$12.30"),
        (money(Decimal(0), signed=True), "$0.00"),
        (money(Decimal("-0.001")), "$0.00"),
        (plain(percent(0.1234, signed=True)), "+12.34 %"),
        (plain(percent(-0.1234)), "−12.34 %"),
        (plain(percent(0.00001, signed=True)), "0.00 %"),
        (number(1e30), "1e+30"),
        (number(-2.5e12, signed=True), "−2.5e+12"),
        (quantity(Decimal("1500.000000")), "1,500"),
        (quantity(Decimal("0.125")), "0.125"),
        (
            layers({Layer.COMPANY: 310_000_000, Layer.MARKET: -20_000_000, Layer.MACRO: 0}),
            "company +0.310, market −0.020",
        ),
    ],
)
def test_number_when_it_is_written_then_thousands_and_signs_can_be_seen(written: str, expected: str) -> None:
    assert written == expected
