"""The document: one file that asks nobody for anything, says first what matters, and is the same for equal reports."""

from __future__ import annotations

import base64
import hashlib
import re
from datetime import date
from decimal import Decimal
from itertools import pairwise

import pytest
from lxml import html

from activities.adapters.backtest_page import render
from domain.backtest import ReadBy
from domain.backtest_report import BacktestReport
from domain.costs import CostModel
from domain.extraction import ExtractorKind
from tests.backtest_page.builders import CUTOFF, drawn, simulated

MODEL = next(kind for kind in ExtractorKind if kind is not ExtractorKind.RULES)


def parsed(report: BacktestReport) -> html.HtmlElement:
    return html.document_fromstring(render(report).decode())


def text_of(report: BacktestReport, target: str = "") -> str:
    """What a reader sees, of the page or of one section."""
    page = parsed(report)
    found = page.get_element_by_id(target) if target else page.body
    for hidden in found.xpath(".//script"):
        hidden.drop_tree()
    return " ".join(found.text_content().replace("\N{NO-BREAK SPACE}", " ").split())


# -- one file --------------------------------------------------------------------------------------------------------


def test_page_when_it_is_opened_then_nothing_is_loaded_from_elsewhere() -> None:
    page = parsed(simulated())
    addresses = page.xpath("//@src | //@href | //@action | //@data | //@srcset | //link | //iframe | //form")
    assert [address for address in addresses if not str(address).startswith("#")] == []
    style = page.xpath("//style")[0].text
    assert "url(" not in style
    assert "@import" not in style


def test_page_when_links_lead_somewhere_then_it_is_a_section_of_the_page() -> None:
    page = parsed(simulated())
    targets = [address[1:] for address in page.xpath("//a/@href")]
    assert targets
    assert all(page.get_element_by_id(target) is not None for target in targets)
    ids = page.xpath("//@id")
    assert len(ids) == len(set(ids))


def test_policy_when_it_is_read_then_it_allows_exactly_the_scripts_and_styles_that_are_there() -> None:
    page = render(simulated()).decode()
    policy = html.document_fromstring(page).xpath("//meta[@http-equiv='Content-Security-Policy']/@content")[0]
    rules = {rule.split()[0]: rule.split()[1:] for rule in policy.split("; ")}
    assert rules["default-src"] == ["'none'"]
    assert not any(
        "unsafe" in source or "http" in source or source == "*" for found in rules.values() for source in found
    )
    scripts, styles = (
        re.findall(r"<script>(.*?)</script>", page, re.DOTALL),
        re.findall(r"<style>(.*?)</style>", page, re.DOTALL),
    )
    assert len(scripts) == 2
    assert rules["script-src"] == [hashed(script) for script in scripts]
    assert rules["style-src"] == [*(hashed(style) for style in styles), hashed("")]


def hashed(text: str) -> str:
    return f"'sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}'"


def test_page_when_it_is_written_then_no_style_and_no_handler_stands_in_an_attribute() -> None:
    page = parsed(drawn(80, 10, models=True, cutoff=30))
    assert page.xpath("//@style") == []
    assert [name for element in page.iter() for name in element.attrib if name.startswith("on")] == []


def test_page_when_reports_are_equal_then_their_bytes_are_equal() -> None:
    assert render(simulated()) == render(simulated())
    report = drawn(100, 30, models=True, cutoff=50)
    again = BacktestReport.model_validate_json(report.model_dump_json())
    assert render(report) == render(again)


def test_page_when_it_is_read_by_a_machine_then_it_has_a_language_headings_and_captions() -> None:
    page = parsed(drawn(80, 10, models=True, cutoff=30))
    assert page.get("lang") == "en"
    assert len(page.xpath("//h1")) == 1
    levels = [int(element.tag[1]) for element in page.xpath("//h1 | //h2 | //h3")]
    assert all(after - before <= 1 for before, after in pairwise(levels))
    assert all(table.xpath("./caption") for table in page.xpath("//table"))
    assert all(head.get("scope") for head in page.xpath("//th"))
    assert all(plot.get("aria-label") for plot in page.xpath("//*[@data-plot]"))


# -- what it says ----------------------------------------------------------------------------------------------------


def test_head_when_a_run_is_shown_then_its_name_period_versions_and_money_stand_there() -> None:
    report = simulated()
    head = " ".join(parsed(report).xpath("//header")[0].text_content().split())
    for shown in (
        "July and August",
        "2014-07-01 to 2014-08-29",
        "$100,000.00",
        f"${report.strategy.equity[-1]:,.2f}",
        report.config_version,
        report.code_version,
        report.data_version,
        report.backtest_id,
    ):
        assert shown in head


def test_page_when_models_read_and_nothing_is_out_of_sample_then_it_says_so_before_any_figure() -> None:
    report = simulated(extractor=MODEL)
    text = text_of(report)
    assert report.contamination.by_models
    assert text.index("Not out of sample.") < text.index("Total return")
    assert "Figures in sample" in text
    assert report.contamination.verdict in text


def test_page_when_there_is_a_part_out_of_sample_then_its_figures_stand_first() -> None:
    report = simulated(extractor=MODEL, model_cutoff=CUTOFF)
    assert report.out_of_sample is not None
    assert "Not out of sample." not in text_of(report)
    assert f"Figures out of sample, after {CUTOFF}" in text_of(report, "figures")
    captions = [caption.text_content() for caption in parsed(report).xpath("//section[@id='all-figures']//caption")]
    assert captions == ["Out of sample: 21 sessions", "Whole period, partly in sample: 43 sessions"]


def test_page_when_rules_read_everything_then_nothing_is_said_of_samples() -> None:
    text = text_of(simulated())
    assert "ut of sample" not in text
    assert "no model was among them" in text
    assert "rules alone" in text_of(simulated(read_by=ReadBy.RULES))


def test_belief_when_a_report_has_verdicts_then_all_of_them_are_told() -> None:
    report = simulated()
    text = text_of(report, "belief")
    assert report.universe is not None
    for told in (report.contamination.verdict, report.universe.verdict, *report.warnings, "12 were logged"):
        assert told in text
    assert "without dividends" in text


def test_belief_when_no_trials_were_logged_then_the_luck_of_the_best_is_not_known() -> None:
    report = drawn(10, 1)
    metrics = report.strategy.metrics.model_copy(update={"trials": None})
    changed = report.model_copy(update={"strategy": report.strategy.model_copy(update={"metrics": metrics})})
    assert "No log of trials was given" in text_of(changed, "belief")


@pytest.mark.parametrize(("sessions", "verdict"), [(400, "is long enough"), (112, "is too short")])
def test_belief_when_a_record_is_compared_with_the_least_it_takes_then_the_verdict_fits(
    sessions: int, verdict: str
) -> None:
    report = drawn(5, 0)
    metrics = report.strategy.metrics.model_copy(
        update={"sessions": sessions, "minimum_track_record": 112.5, "skewness": 0.0}
    )
    changed = report.model_copy(update={"strategy": report.strategy.model_copy(update={"metrics": metrics})})
    assert verdict in text_of(changed, "belief")


def test_belief_when_nothing_was_charged_for_trading_then_it_says_so() -> None:
    report = simulated(costs=CostModel.none())
    assert report.costs.traded > 0
    assert "Nothing was charged for trading" in text_of(report, "belief")


def test_belief_when_the_benchmark_has_no_bars_then_it_says_which_one_is_missing() -> None:
    text = text_of(simulated(benchmark="NOPE"), "belief")
    assert "NOPE: the book has no bar of it on the first session" in text


# -- edges -----------------------------------------------------------------------------------------------------------


def test_page_when_no_trade_was_made_then_it_says_so_and_where_to_look() -> None:
    report = simulated(told=False)
    assert report.trades == ()
    text = text_of(report)
    assert "No trade was made." in text
    assert "No order was placed." in text
    assert "Nothing was traded" in text


@pytest.mark.parametrize("sessions", [0, 1, 2])
def test_page_when_there_are_hardly_any_sessions_then_it_is_still_written(sessions: int) -> None:
    text = text_of(drawn(sessions, 1))
    assert "Total return" in text


def test_page_when_everything_was_lost_then_it_is_still_written() -> None:
    text = text_of(drawn(40, 10, drift=-0.5, swing=0.2))
    assert "−100.00 %" in text
    assert "$0.01" in text


def test_page_when_equity_came_to_nothing_or_less_then_it_is_still_written() -> None:
    report = drawn(20, 3)
    gone = (*report.strategy.equity[:10], *[Decimal(0)] * 5, *[Decimal(-10)] * 6)
    text = text_of(report.model_copy(update={"strategy": report.strategy.model_copy(update={"equity": gone})}))
    assert "−$10.00" in text


def test_page_when_a_strategy_alone_is_known_then_it_is_still_written() -> None:
    text = text_of(drawn(30, 3, benchmarks=(), layers=(), universe=None))
    assert "SPY: the book has no bar of it" in text


def test_page_when_the_report_is_large_then_it_stays_small_enough_to_open() -> None:
    report = drawn(2_520, 5_000, models=True, cutoff=1_500)
    page = render(report)
    library = max(re.findall(rb"<script>.*?</script>", page, re.DOTALL), key=len)
    assert len(page) - len(library) < 1_500_000
    text = text_of(report)
    assert text.count("4,800 more are in the JSON report") == 3
    assert report.sessions[-1] > date(2024, 1, 1)
