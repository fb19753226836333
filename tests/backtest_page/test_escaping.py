"""Texts from outside are data wherever they stand: in markup, attributes, the charts' JSON and plotly's labels."""

from __future__ import annotations

import json

import pytest
from lxml import html

from activities.adapters.backtest_page import render
from activities.adapters.backtest_page.drawing import Plot, as_json
from activities.adapters.backtest_page.markup import Html, el, joined, plotly_text
from domain.backtest_report import BacktestReport
from tests.backtest_page.builders import HOSTILE, drawn, simulated

NAME = HOSTILE.replace("\ud800", "")
LINK = '<a href="https://example.com">SYM</a>'


def hostile() -> BacktestReport:
    """A report in which every text that comes from outside is a bad one."""
    report = drawn(70, 12, text=HOSTILE)
    track = report.benchmarks[0].model_copy(update={"name": HOSTILE, "note": HOSTILE})
    return report.model_copy(
        update={
            "request": report.request.model_copy(update={"name": NAME, "benchmark": NAME}),
            "benchmarks": (track,),
            "backtest_id": HOSTILE,
            "code_version": HOSTILE,
            "data_version": HOSTILE,
            "warnings": (HOSTILE,),
            "contamination": report.contamination.model_copy(update={"verdict": HOSTILE}),
            "trades": tuple(one.model_copy(update={"symbol": HOSTILE}) for one in report.trades),
            "orders": tuple(one.model_copy(update={"symbol": HOSTILE, "intent_id": HOSTILE}) for one in report.orders),
            "decisions": tuple(
                one.model_copy(update={"symbol": HOSTILE, "reasons": (HOSTILE,), "documents": (HOSTILE,)})
                for one in report.decisions
            ),
        }
    )


def test_page_when_texts_are_hostile_then_they_make_no_element() -> None:
    plain, bad = (html.document_fromstring(render(report).decode()) for report in (drawn(70, 12), hostile()))
    for tag in ("script", "style", "img", "iframe", "a", "meta", "title"):
        assert len(bad.xpath(f"//{tag}")) == len(plain.xpath(f"//{tag}")), tag
    assert [name for element in bad.iter() for name in element.attrib if name.startswith("on")] == []
    assert "alert(1)" in bad.body.text_content()


def test_page_when_texts_are_hostile_then_scripts_and_policy_are_the_same_as_ever() -> None:
    plain, bad = (html.document_fromstring(render(report).decode()) for report in (drawn(70, 12), hostile()))
    for place in ("//script[not(@type)]/text()", "//meta[@http-equiv]/@content", "//style/text()"):
        assert [str(found) for found in bad.xpath(place)] == [str(found) for found in plain.xpath(place)]


def test_page_when_a_text_holds_a_slot_of_the_template_then_it_is_not_filled() -> None:
    page = render(hostile()).decode()
    assert page.count("plotly.js v") == render(drawn(70, 12)).decode().count("plotly.js v")
    assert "{{plotly}}" in page


def test_page_when_a_text_cannot_be_seen_or_turns_around_what_follows_then_a_space_stands_for_it() -> None:
    page = render(hostile()).decode()
    assert not {"\u202e", "\x00", "\ud800"} & set(page)


def test_charts_when_texts_are_hostile_then_their_json_is_whole_and_ends_no_element() -> None:
    page = html.document_fromstring(render(hostile()).decode())
    (source,) = page.xpath("//script[@type='application/json']/text()")
    assert not set("<>&") & set(source)
    plots = json.loads(source)
    assert "equity" in plots
    assert plots["equity"]["data"][1]["name"].startswith("&lt;/script&gt;&lt;script&gt;alert")


def test_json_when_a_text_would_close_the_script_then_it_is_read_back_the_same() -> None:
    text = "</script><!-- \u2028 & <b>"
    source = as_json([Plot("a", "", "", [{"text": [text]}], {})])
    assert "<" not in source
    assert json.loads(source)["a"]["data"][0]["text"] == [text]


def test_label_when_it_holds_markup_then_plotly_shows_it_and_makes_no_link() -> None:
    assert plotly_text(LINK, 100) == '&lt;a href="https://example.com"&gt;SYM&lt;/a&gt;'
    assert plotly_text("x" * 50) == "x" * 39 + "…"
    assert plotly_text("A&B\n\tC") == "A&amp;B C"


def test_plots_when_symbols_hold_markup_then_no_label_does() -> None:
    report = simulated(symbols=(LINK, "BOLT"))
    page = html.document_fromstring(render(report).decode())
    (source,) = page.xpath("//script[@type='application/json']/text()")
    assert any(trade.symbol == LINK for trade in report.trades)
    assert "&lt;a href" in json.dumps(json.loads(source)["symbols"])
    assert all("<" not in text for text in _texts(json.loads(source)) if "extra" not in text)


def _texts(value: object) -> list[str]:
    if isinstance(value, str):
        return [value]
    parts = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    return [text for part in parts for text in _texts(part)]


@pytest.mark.parametrize(
    ("made", "written"),
    [
        (el("td", "<3 & \"'"), "<td>&lt;3 &amp; &quot;&#x27;</td>"),
        (el("td", title='"><script>'), '<td title="&quot;&gt;&lt;script&gt;"></td>'),
        (
            el("th", "a", class_="num", data_v=1, hidden=True, scope=None, open=False),
            '<th class="num" data-v="1" hidden>a</th>',
        ),
        (el("p", el("b", "x"), None, ["<", el("i", "y")]), "<p><b>x</b>&lt;<i>y</i></p>"),
        (joined("a", Html("<br>")), "a<br>"),
    ],
)
def test_element_when_it_is_made_then_texts_are_escaped_and_markup_is_not(made: Html, written: str) -> None:
    assert made == written
