"""How the account looks on a terminal: at most 80 columns, gains and losses by colour and sign."""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal

from rich.table import Table
from rich.text import Text

from api.numbers import money, shares
from api.operations.account import AccountReport, AccountState, CashEntryView
from api.operations.performance import PerformancePointView, PerformanceView
from api.operations.positions import PositionDetail, PositionView
from cli.output import err, out, percent
from domain.metrics import PerformanceMetrics

WIDTH = 80
NONE = "–"
NOT_MARKED = "Nothing was marked yet: that happens at the first close."


def show_account(found: AccountReport) -> None:
    facts = _facts()
    facts.add_row("Mode", found.mode)
    account = found.account
    if account is None:
        facts.add_row("Account", NOT_MARKED)
    else:
        _state(facts, account)
    ledger = found.ledger
    facts.add_row("Ledger", f"{_dollars(ledger.balance)}, of which paid in {_dollars(ledger.paid_in)}")
    for kind, amount in ledger.by_kind.items():
        facts.add_row(f"  {kind.replace('_', ' ')}", _signed(amount))
    if ledger.unexplained:
        facts.add_row("Unexplained", Text(money(ledger.unexplained), style="bold yellow"))
    out.print(facts, width=WIDTH)
    if ledger.unexplained:
        err.print("Enter what it was with `stonks account enter`.", markup=False)


def show_history(found: Sequence[AccountState]) -> None:
    if not found:
        out.print(NOT_MARKED)
        return
    table = _table("as of", "equity", "cash", "gross", "drawdown", "deployable")
    for each in found:
        table.add_row(
            f"{each.as_of:%Y-%m-%d %H:%M}",
            f"{each.equity:,.2f}",
            f"{each.cash:,.2f}",
            f"{each.gross_exposure:,.2f}",
            f"{Decimal(each.drawdown_pct):.2f} %",
            f"{each.buckets.deployable:,.2f}" if each.buckets else NONE,
        )
    out.print(table, width=WIDTH)


def show_ledger(found: Sequence[CashEntryView]) -> None:
    if not found:
        out.print("No movement of money.")
        return
    table = _table("when (UTC)", "kind", "amount", "balance", "symbol", "note", words=("kind", "symbol", "note"))
    for each in found:
        table.add_row(
            f"{each.occurred_at:%Y-%m-%d %H:%M}",
            each.kind.value.replace("_", " "),
            _signed(each.amount),
            f"{each.balance:,.2f}",
            each.symbol,
            _printable(each.note),
        )
    out.print(table, width=WIDTH)


def show_positions(found: Sequence[PositionView]) -> None:
    if not found:
        out.print("Nothing is held.")
        return
    table = _table("position", "shares", "bought at", "last", "value", "open", "final", "final, fifo")
    for column in table.columns:
        column.no_wrap = True
    table.padding = (0, 1, 0, 0)
    for each in found:
        table.add_row(
            Text(each.symbol, style="bold"),
            shares(each.quantity),
            f"{each.average_price:,.2f}",
            f"{each.last_price:,.2f}",
            f"{each.market_value:,.2f}",
            _signed(each.average_cost.unrealized_pnl),
            _signed(each.average_cost.realized_pnl),
            _signed(each.fifo.realized_pnl),
        )
    out.print(table, width=WIDTH)


def show_position(found: PositionDetail) -> None:
    facts = _facts()
    held = f"{shares(found.quantity)} shares, bought at {found.average_price:,.2f} on average"
    facts.add_row(Text(found.symbol, style="bold"), f"{held}, last {found.last_price:,.2f}")
    weight = f", {Decimal(found.weight_pct):.2f} % of equity" if found.weight_pct is not None else ""
    facts.add_row("Value", f"{_dollars(found.market_value)}{weight}, sector {found.sector}")
    for name, method in (("Average cost", found.average_cost), ("First in, first out", found.fifo)):
        line = Text.assemble("open ", _signed(method.unrealized_pnl), ", final ", _signed(method.realized_pnl))
        facts.add_row(name, line.append(", together ").append_text(_signed(method.total)))
    out.print(facts, width=WIDTH)
    if found.lots:
        table = _table("lot of", "shares", "of", "paid a share", "cost", "value", "gain")
        for lot in found.lots:
            table.add_row(
                f"{lot.opened_at:%Y-%m-%d %H:%M}",
                shares(lot.quantity),
                shares(lot.bought),
                f"{lot.price:,.2f}",
                f"{lot.cost:,.2f}",
                f"{lot.market_value:,.2f}",
                _signed(lot.unrealized_pnl),
            )
        out.print(table, width=WIDTH)
    if found.closings:
        table = _table("sold", "lot of", "shares", "proceeds", "cost", "gain", "term")
        for each in found.closings:
            table.add_row(
                f"{each.closed_at:%Y-%m-%d %H:%M}",
                f"{each.opened_at:%Y-%m-%d}",
                shares(each.quantity),
                f"{each.proceeds:,.2f}",
                f"{each.cost:,.2f}",
                _signed(each.gain),
                "long" if each.long_term else "short",
            )
        out.print(table, width=WIDTH)


def show_performance(found: PerformanceView) -> None:
    if found.first is None:
        out.print("No session was closed in this period.")
        return
    out.print(Text(f"{found.first} to {found.last}, {found.metrics.sessions} sessions", style="bold"))
    facts = _facts()
    facts.add_row("Equity", f"{_dollars(found.opening)} to {_dollars(found.closing)}")
    facts.add_row("Transfers", _signed(found.transfers))
    facts.add_row("Result", _signed(found.result))
    rate = "" if found.fees_bp is None else f", {found.fees_bp:.2f} bp of {_dollars(found.traded)} traded"
    facts.add_row("Fees", f"{_dollars(found.fees)}{rate}")
    facts.add_row("Dividends", f"{_dollars(found.dividends)}, interest {_dollars(found.interest)}")
    lots = found.lots
    if lots.count:
        facts.add_row(
            "Sold",
            Text.assemble(f"{lots.winners} of {lots.count} lots with a gain, together ", _signed(lots.gain)),
        )
    out.print(facts, width=WIDTH)
    out.print(_figures(found), width=WIDTH)
    if found.benchmark is not None and found.benchmark.excess is not None:
        excess = percent(found.benchmark.excess, sign="+")
        out.print(f"Total return less that of {found.benchmark.symbol}: {excess}", markup=False)
    if found.benchmark is None:
        err.print("No benchmark: the book lacks its bars of some session.")
    if found.unmeasured:
        err.print(f"Sessions without anything to earn on, left out: {found.unmeasured}")


def show_sessions(points: Sequence[PerformancePointView]) -> None:
    if not points:
        out.print("No session was closed in this period.")
        return
    table = _table("session", "equity", "transfers", "result", "return", "drawdown", "benchmark")
    for each in points:
        table.add_row(
            str(each.session),
            f"{each.equity:,.2f}",
            _signed(each.transfers) if each.transfers else NONE,
            _signed(each.result),
            _percent(each.change),
            percent(each.drawdown),
            _percent(each.benchmark),
        )
    out.print(table, width=WIDTH)


def _state(facts: Table, account: AccountState) -> None:
    facts.add_row("Marked", f"{account.as_of:%Y-%m-%d %H:%M} UTC")
    facts.add_row("Equity", f"{_dollars(account.equity)}, drawdown {Decimal(account.drawdown_pct):.2f} %")
    facts.add_row("Cash", _dollars(account.cash))
    if account.buckets is not None:
        buckets = account.buckets
        for name in ("reserve", "floor", "reservations", "deployable"):
            facts.add_row(f"  {name}", _dollars(getattr(buckets, name)))
    net = "" if account.net_exposure is None else f", net {_dollars(account.net_exposure)}"
    facts.add_row("Exposure", f"gross {_dollars(account.gross_exposure)}{net}")
    for sector, amount in account.sectors.items():
        facts.add_row(f"  {sector}", _dollars(amount))
    facts.add_row(
        "Result",
        Text.assemble("final ", _signed(account.realized_pnl), ", open ").append_text(_signed(account.unrealized_pnl)),
    )


def _figures(found: PerformanceView) -> Table:
    beside = found.benchmark
    tracks = [found.metrics, *([beside.metrics] if beside else [])]
    table = _table("", "account", *([beside.symbol] if beside else []))

    def row(label: str, texts: Sequence[str]) -> None:
        table.add_row(label, *texts)

    row("total return", [_percent(each.total_return) for each in tracks])
    row("a year", [_percent(each.cagr) for each in tracks])
    row("volatility", [_percent(each.volatility, sign="") for each in tracks])
    row("deepest drawdown", [_percent(_depth(each), sign="") for each in tracks])
    row("drawdown now", [_percent(found.drawdown, sign="")])
    row("Sharpe", [_ratio(each.sharpe) for each in tracks])
    interval = found.sharpe_interval
    row("  with 95 % between", [NONE if interval is None else f"{interval.low:.2f} and {interval.high:.2f}"])
    row("Sortino", [_ratio(each.sortino) for each in tracks])
    row("days with a gain", [_percent(each.hit_rate, sign="") for each in tracks])
    row("turnover a year", [_ratio(found.metrics.turnover)])
    row("gross exposure", [_percent(found.metrics.exposure, sign="")])
    row("net exposure", [_percent(found.net_exposure, sign="")])
    row("beta, alpha a year", [f"{_ratio(found.metrics.beta)}, {_percent(found.metrics.alpha)}"])
    return table


def _depth(metrics: PerformanceMetrics) -> float | None:
    return metrics.max_drawdown.depth if metrics.max_drawdown is not None else None


def _facts() -> Table:
    table = Table(box=None, show_header=False, padding=(0, 2, 0, 0))
    table.add_column(style="dim", no_wrap=True)
    table.add_column(overflow="fold")
    return table


def _table(*columns: str, words: Sequence[str] = ()) -> Table:
    """The first column and those of words to the left, numbers to the right."""
    table = Table(box=None, padding=(0, 1), header_style="dim")
    for place, column in enumerate(columns):
        left = place == 0 or column in words
        table.add_column(column, justify="left" if left else "right", no_wrap=place == 0, overflow="fold")
    return table


def _signed(value: Decimal) -> Text:
    style = "green" if value > 0 else "red" if value < 0 else ""
    return Text(f"{value:+,.2f}", style=style)


def _dollars(value: Decimal) -> str:
    return f"-${-value:,.2f}" if value < 0 else f"${value:,.2f}"


def _percent(value: float | None, *, sign: str = "+") -> str:
    return NONE if value is None else percent(value, sign=sign)


def _ratio(value: float | None) -> str:
    return NONE if value is None else f"{value:.2f}"


def _printable(text: str) -> Text:
    """Without control characters: what others wrote must not be able to steer the terminal."""
    return Text("".join(char if char.isprintable() else " " for char in text))
