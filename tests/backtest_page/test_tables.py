"""Tables: every row of the report, or the first of them and how many more there are."""

from __future__ import annotations

from decimal import Decimal

from lxml import html

from activities.adapters.backtest_page import tables
from activities.adapters.backtest_page.markup import Html
from activities.adapters.backtest_page.words import money
from domain.backtest import OrderEnd
from tests.backtest_page.builders import drawn, simulated


def rows(markup: Html) -> list[list[str]]:
    found = html.fragment_fromstring(markup, create_parent="div").xpath(".//tbody/tr")
    return [[cell.text_content().replace("\N{NO-BREAK SPACE}", " ") for cell in row.xpath("./td")] for row in found]


def test_trades_when_they_are_listed_then_their_amounts_are_those_of_the_report() -> None:
    report = simulated()
    found = rows(tables.trades(report))
    assert len(found) == len(report.trades) > 0
    for row, trade in zip(found, report.trades, strict=True):
        assert row[0] == trade.symbol
        assert row[4] == money(trade.cost)
        assert row[7] == money(trade.result, signed=True)
        assert row[2] == (trade.closed.isoformat() if trade.closed else f"open, worth {money(trade.open_value)}")


def test_trades_when_one_cost_nothing_then_it_has_no_return() -> None:
    report = drawn(30, 1)
    free = report.model_copy(update={"trades": (report.trades[0].model_copy(update={"cost": Decimal(0)}),)})
    assert rows(tables.trades(free))[0][8] == "–"


def test_decisions_when_they_are_listed_then_each_shows_its_change_reasons_and_thesis() -> None:
    report = simulated()
    found = rows(tables.decisions(report))
    assert len(found) == len(report.decisions) > 0
    for row, one in zip(found, report.decisions, strict=True):
        assert row[2] == f"{one.previous} → {one.action}"
        assert all(reason in row[7] for reason in one.reasons)
        assert one.thesis in row[7]


def test_orders_when_they_are_listed_then_each_shows_its_end_and_its_fills() -> None:
    report = drawn(30, 8)
    found = rows(tables.orders(report))
    for row, order in zip(found, report.orders, strict=True):
        assert row[9] == order.end
        assert ("51.23" in row[10]) is (order.end is OrderEnd.FILLED)
        assert row[7] == ("$51.23" if order.fills else "–")
    assert "2 denied, 2 expired, 2 filled, 2 rejected" in tables.orders(report)


def test_orders_when_one_still_works_then_it_says_so() -> None:
    report = drawn(30, 1)
    working = report.model_copy(update={"orders": (report.orders[0].model_copy(update={"end": None}),)})
    assert rows(tables.orders(working))[0][9] == "still working"


def test_tables_when_they_are_long_then_they_say_how_many_rows_are_left_out() -> None:
    at, above = drawn(30, tables.MOST_ROWS), drawn(30, tables.MOST_ROWS + 1)
    for table in (tables.trades, tables.decisions, tables.orders):
        assert len(rows(table(at))) == len(rows(table(above))) == tables.MOST_ROWS
        assert "more are in the JSON" not in table(at)
        assert "1 more is in the JSON" in table(above)
        assert "the first 200 of 201" in table(above)


def test_drawdowns_when_there_are_many_then_the_five_deepest_are_shown() -> None:
    report = drawn(300, 0)
    depths = [row[0] for row in rows(tables.drawdowns(report))]
    assert len(depths) == tables.DEEPEST
    assert depths == sorted(depths, key=lambda text: float(text.strip("− %")), reverse=True)
    assert "shallower" in tables.drawdowns(report)


def test_cells_when_they_are_sorted_then_numbers_are_known_to_the_script() -> None:
    found = html.fragment_fromstring(tables.trades(drawn(30, 3)), create_parent="div")
    for row in found.xpath(".//tbody/tr"):
        assert [cell.get("data-v") is not None for cell in row.xpath("./td")][3:10] == [True] * 7
