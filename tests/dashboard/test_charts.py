"""Charts: scales, and drawings that are sound whatever the values are."""

from __future__ import annotations

from datetime import date, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st
from lxml import etree

from api.dashboard.charts import candles, lines, scales, svg, waterfall

DAY = date(2026, 3, 2)
FINITE = st.floats(-1e9, 1e9, allow_nan=False)


@given(st.lists(FINITE, min_size=1, max_size=50), st.integers(2, 8))
def test_scale_when_made_of_values_then_all_lie_within_and_ticks_are_even(values: list[float], wanted: int) -> None:
    axis = scales.scale(values, wanted=wanted)
    assert all(-1e-6 <= axis.at(value) <= 1 + 1e-6 for value in values)
    assert 2 <= len(axis.ticks) <= wanted + 3
    assert axis.ticks == tuple(sorted(axis.ticks))


@pytest.mark.parametrize(("rough", "step"), [(1, 1), (1.1, 2), (2.2, 2.5), (0.03, 0.05), (7_000, 10_000)])
def test_nice_step_when_rough_then_it_is_the_next_round_number(rough: float, step: float) -> None:
    assert scales.nice_step(rough) == pytest.approx(step)


@pytest.mark.parametrize("values", [[], [5.0], [0.0, 0.0], [-3.0, -3.0]])
def test_scale_when_values_have_no_extent_then_the_box_still_has_a_height(values: list[float]) -> None:
    axis = scales.scale(values)
    assert axis.high > axis.low


@pytest.mark.parametrize(("count", "expected"), [(0, []), (1, [0]), (3, [0, 1, 2]), (10, [0, 3, 6, 9])])
def test_spread_when_there_are_many_then_first_and_last_are_among_them(count: int, expected: list[int]) -> None:
    assert scales.spread(count, 4) == expected


def test_element_when_text_is_hostile_then_it_is_escaped() -> None:
    drawn = svg.element("text", "<script>&", x='"><b>')
    assert str(drawn) == '<text x="&#34;&gt;&lt;b&gt;">&lt;script&gt;&amp;</text>'


def test_line_chart_when_values_are_missing_then_the_line_has_a_gap_and_the_day_says_so() -> None:
    days = [DAY + timedelta(days=number) for number in range(4)]
    drawn = lines.line_chart(
        key="k",
        title="<T>",
        description="D",
        days=days,
        lines=[lines.Line("own", "own", [1.0, None, 3.0, 4.0])],
        label=lambda value: f"{value:.1f}",
    )
    tree = etree.fromstring(f'<root xmlns:xlink="x">{drawn}</root>')
    (path,) = tree.xpath("//path/@d")
    assert path.count("M") == 2
    titles = tree.xpath("//g[@class='hover']//title/text()")
    assert titles[1] == "03 Mar 2026: not known"
    assert tree.xpath("//svg[@role='img']/title/text()") == ["<T>"]
    assert tree.xpath("//@style") == []


@given(st.lists(st.tuples(FINITE, st.booleans()), min_size=1, max_size=20))
def test_bars_when_drawn_then_each_is_within_the_box(steps: list[tuple[float, bool]]) -> None:
    for bar in waterfall.bars([waterfall.Step(value, total) for value, total in steps]):
        (drawn,) = etree.fromstring(str(bar)).xpath("//rect")
        left, width = float(drawn.get("x")[:-1]), float(drawn.get("width")[:-1])
        assert left >= -0.01
        assert width >= -0.01
        assert left + width <= 100.01


@pytest.mark.parametrize(
    ("value", "limit", "kind"), [(0.1, 1, "within"), (0.8, 1, "near"), (1, 1, "over"), (5, 1, "over"), (1, 0, "within")]
)
def test_meter_when_near_or_over_its_limit_then_it_says_so(value: float, limit: float, kind: str) -> None:
    assert f'class="used {kind}"' in str(waterfall.meter(value, limit))


def bar(number: int, opened: float, closed: float) -> candles.Bar:
    day = DAY + timedelta(days=number)
    return candles.Bar(day, opened, max(opened, closed) + 1, min(opened, closed) - 1, closed, 1_000.0)


def test_candles_when_prices_rise_fall_and_stand_then_each_has_its_kind() -> None:
    drawn = candles.candle_chart(
        key="k",
        title="T",
        description="D",
        bars=[bar(0, 10, 12), bar(1, 12, 9), bar(2, 9, 9)],
        marks=[
            candles.Mark(DAY - timedelta(days=9), "document", "before the first bar"),
            candles.Mark(DAY, "document", "<hostile>", "/documents/1"),
            candles.Mark(DAY + timedelta(days=1), "fill", "filled"),
            candles.Mark(DAY + timedelta(days=30), "order", "after the last bar"),
        ],
    )
    tree = etree.fromstring(str(drawn))
    assert [each.get("class") for each in tree.xpath("//g")] == ["candle up", "candle down", "candle flat"]
    assert tree.xpath("//path/@class") == ["marker document", "marker fill"]
    assert tree.xpath("//a/@href") == ["/documents/1"]
    assert tree.xpath("//a/@aria-label") == ["<hostile>"]


def test_sparkline_when_it_ends_higher_then_it_is_up_and_of_one_value_nothing() -> None:
    assert 'class="line up"' in str(lines.sparkline([1, None, 2], title="t"))
    assert str(lines.sparkline([1], title="t")) == ""
