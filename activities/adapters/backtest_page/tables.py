"""The long tables: trades, times of drawdown, decisions, orders. What is left out of one is said beneath it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from datetime import datetime
from decimal import Decimal
from typing import NamedTuple

from activities.adapters.backtest_page.markup import Content, Html, el, joined
from activities.adapters.backtest_page.series import Fall, by_period, falls, month_of, trade_days, trade_return, year_of
from activities.adapters.backtest_page.words import (
    day,
    layers,
    money,
    number,
    percent,
    plural,
    quantity,
    tone,
    undefined,
)
from domain.backtest import DecisionEntry, FillEntry, OrderEntry, TradeEntry
from domain.backtest_report import BacktestReport
from domain.decisions import Side

MOST_ROWS = 200
DEEPEST = 5


class Heading(NamedTuple):
    label: str
    numeric: bool = False


class Cell(NamedTuple):
    """What a cell shows, and what it is sorted by where that is not its text."""

    content: Content
    by: float | Decimal | None = None
    class_: str | None = None


def trades(report: BacktestReport) -> Html:
    """Show every position from its first share to its last."""
    if not report.trades:
        return _nothing(report, "No trade was made.")
    won = sum(1 for trade in report.trades if trade.result > 0)
    still = sum(1 for trade in report.trades if trade.closed is None)
    total = sum((trade.result for trade in report.trades), Decimal(0))
    note = (
        f"{won:,} of {plural(len(report.trades), 'trade')} gained, {still:,} still open at the end; together "
        f"{money(total, signed=True)}. Costs and fees are in all amounts; days are of the calendar."
    )
    head = (
        Heading("Symbol"),
        Heading("Opened"),
        Heading("Closed"),
        Heading("Quantity", True),
        Heading("Cost", True),
        Heading("Proceeds", True),
        Heading("of it dividends", True),
        Heading("Result", True),
        Heading("Return", True),
        Heading("Days", True),
        Heading("Why it ended"),
        Heading("Score by layer, when opened"),
    )
    return joined(
        el("p", note),
        _table("Trades", head, [_trade(trade, report) for trade in report.trades[:MOST_ROWS]], len(report.trades)),
    )


def _trade(trade: TradeEntry, report: BacktestReport) -> list[Cell]:
    days, share = trade_days(trade, report.sessions[-1] if report.sessions else None), trade_return(trade)
    closed = Cell(day(trade.closed)) if trade.closed else Cell(f"open, worth {money(trade.open_value)}")
    return [
        Cell(trade.symbol),
        Cell(day(trade.opened)),
        closed,
        Cell(quantity(trade.quantity), trade.quantity),
        Cell(money(trade.cost), trade.cost),
        Cell(money(trade.proceeds), trade.proceeds),
        Cell(money(trade.dividends), trade.dividends),
        Cell(money(trade.result, signed=True), trade.result, tone(trade.result)),
        Cell(undefined("nothing was paid for it"))
        if share is None
        else Cell(percent(share, signed=True), share, tone(share)),
        Cell(number(days, 0), days),
        Cell(trade.reason, class_="text"),
        Cell(layers(trade.layers), class_="text"),
    ]


def drawdowns(report: BacktestReport) -> Html:
    """Show the deepest falls below the highest equity until then."""
    found = falls(report.strategy.equity)
    if not found:
        return el("p", "Equity never fell below its highest.", class_="empty")
    head = (
        Heading("Depth", True),
        Heading("Began"),
        Heading("Deepest"),
        Heading("Recovered"),
        Heading("Sessions", True),
    )
    rows = [_fall(fall, report) for fall in found[:DEEPEST]]
    left = len(found) - len(rows)
    note = f"And {plural(left, 'shallower one')}." if left else None
    return joined(_table("Deepest drawdowns", head, rows, len(rows)), el("p", note, class_="note") if note else None)


def _fall(fall: Fall, report: BacktestReport) -> list[Cell]:
    days = ("the start", *map(day, report.sessions))
    end = len(report.strategy.equity) - 1 if fall.recovery is None else fall.recovery
    return [
        Cell(percent(-fall.depth), -fall.depth, "num loss"),
        Cell(days[fall.start]),
        Cell(days[fall.trough]),
        Cell("not yet" if fall.recovery is None else days[fall.recovery]),
        Cell(number(end - fall.start, 0), end - fall.start),
    ]


def decisions(report: BacktestReport) -> Html:
    """Show each change of what should be done with a symbol, and why."""
    if not report.decisions:
        return el("p", f"Nothing changed its action in {plural(report.assessed, 'assessment')}.", class_="empty")
    head = (
        Heading("When (UTC)"),
        Heading("Symbol"),
        Heading("Action"),
        Heading("Score", True),
        Heading("Conviction", True),
        Heading("Edge, bp", True),
        Heading("Cost, bp", True),
        Heading("Reasons and thesis"),
    )
    rows = [_decision(one) for one in report.decisions[:MOST_ROWS]]
    note = (
        f"{plural(len(report.decisions), 'change')} of action in {plural(report.assessed, 'assessment')} "
        f"of {plural(report.symbols, 'symbol')}, from {plural(report.evidence, 'statement')}."
    )
    return joined(el("p", note), _table("Decisions", head, rows, len(report.decisions)))


def _decision(one: DecisionEntry) -> list[Cell]:
    parts = layers(one.layers)
    why = el(
        "details",
        el("summary", "; ".join(one.reasons) or "thesis"),
        el("p", one.thesis),
        el("p", f"Score by layer: {parts}.") if parts else None,
        el("p", f"Documents with the largest part: {', '.join(one.documents)}.") if one.documents else None,
    )
    return [
        Cell(_instant(one.as_of)),
        Cell(one.symbol),
        Cell(joined(one.previous, " → ", el("strong", one.action))),
        Cell(number(one.score, 4, signed=True), one.score, tone(one.score)),
        Cell(number(one.conviction, 4, signed=True), one.conviction),
        Cell(number(one.edge_bp, 1, signed=True), one.edge_bp),
        Cell(number(one.cost_bp, 1), one.cost_bp),
        Cell(why, class_="text"),
    ]


def orders(report: BacktestReport) -> Html:
    """Show each order from its plan to its end, with what it was filled at."""
    if not report.orders:
        return el("p", "No order was placed.", class_="empty")
    ends = Counter(str(order.end) if order.end else "still working" for order in report.orders)
    counted = ", ".join(f"{count:,} {end}" for end, count in sorted(ends.items()))
    note = f"{plural(len(report.orders), 'order')}: {counted}."
    head = (
        Heading("Planned (UTC)"),
        Heading("Symbol"),
        Heading("Side"),
        Heading("As sized", True),
        Heading("As allowed", True),
        Heading("Price then", True),
        Heading("Filled", True),
        Heading("Mean price", True),
        Heading("Costs", True),
        Heading("End"),
        Heading("Why, and fills"),
    )
    return joined(
        el("p", note),
        _table("Orders", head, [_order(order) for order in report.orders[:MOST_ROWS]], len(report.orders)),
    )


def _order(order: OrderEntry) -> list[Cell]:
    filled = sum((fill.quantity for fill in order.fills), Decimal(0))
    paid = sum((fill.quantity * fill.price for fill in order.fills), Decimal(0))
    cost = sum((fill.spread + fill.impact + fill.fee for fill in order.fills), Decimal(0))
    fills = el(
        "details",
        el(
            "summary",
            joined(order.reason or None, " " if order.reason else None, f"({plural(len(order.fills), 'fill')})"),
        ),
        el("ul", [el("li", _fill(fill)) for fill in order.fills]),
    )
    return [
        Cell(_instant(order.as_of)),
        Cell(order.symbol),
        Cell(joined("+ " if order.side is Side.BUY else "− ", str(order.side))),
        Cell(quantity(order.quantity), order.quantity),
        Cell(quantity(order.allowed), order.allowed),
        Cell(money(order.reference_price), order.reference_price),
        Cell(quantity(filled), filled),
        Cell(money(paid / filled), paid / filled) if filled else Cell(undefined("nothing of it was filled")),
        Cell(money(cost), cost),
        Cell(order.end or "still working"),
        Cell(fills if order.fills else order.reason, class_="text"),
    ]


def _fill(fill: FillEntry) -> str:
    return (
        f"{day(fill.session)}: {quantity(fill.quantity)} at {money(fill.price)}; spread {money(fill.spread)}, "
        f"impact {money(fill.impact)}, fee {money(fill.fee)}"
    )


def months(report: BacktestReport) -> Html | None:
    """Tell the returns by month once more, for who cannot see the chart."""
    monthly = by_period(report.sessions, report.strategy.equity, month_of)
    yearly = by_period(report.sessions, report.strategy.equity, year_of)
    if not monthly:
        return None
    rows = [
        [Cell(f"{year}-{month:02}"), Cell(percent(value, signed=True), value, tone(value))]
        for (year, month), value in monthly.items()
    ]
    rows += [
        [Cell(f"{year}, all"), Cell(percent(value, signed=True), value, tone(value))]
        for (year,), value in yearly.items()
    ]
    shown = _table("Returns by month and year", (Heading("Month"), Heading("Return", True)), rows, len(rows))
    return el("details", el("summary", "The same as a table"), shown)


def _nothing(report: BacktestReport, what: str) -> Html:
    placed = f"{plural(len(report.orders), 'order')} and {plural(len(report.decisions), 'decision')} below say why."
    return el("p", f"{what} The {placed}", class_="empty")


def _instant(at: datetime) -> str:
    return at.strftime("%Y-%m-%d %H:%M")


def _table(caption: str, head: Sequence[Heading], rows: Sequence[Sequence[Cell]], of: int) -> Html:
    columns = [el("th", each.label, scope="col", class_="num" if each.numeric else None) for each in head]
    body = [el("tr", [_td(cell, heading) for cell, heading in zip(row, head, strict=True)]) for row in rows]
    left = of - len(rows)
    more = "1 more is" if left == 1 else f"{left:,} more are"
    return joined(
        el(
            "div",
            el(
                "table",
                el("caption", f"{caption}, the first {len(rows):,} of {of:,}" if left else caption),
                el("thead", el("tr", columns)),
                el("tbody", body),
                class_="sortable" if len(rows) > 1 else None,
            ),
            class_="scroll",
            tabindex=0,
            role="region",
            aria_label=caption,
        ),
        el("p", f"{more} in the JSON report; sorting orders the rows shown here.", class_="note") if left else None,
    )


def _td(cell: Cell, heading: Heading) -> Html:
    by = None if cell.by is None else format(cell.by, ".10g")
    return el("td", cell.content, class_=cell.class_ or ("num" if heading.numeric else None), data_v=by)
