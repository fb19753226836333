"""What operators see: tables of at most 80 columns, numbers aligned, gains and losses by colour and sign."""

from __future__ import annotations

import textwrap
from collections.abc import Sequence
from datetime import datetime
from decimal import Decimal

from rich.table import Table
from rich.text import Text

from api.numbers import shares
from api.operations.approvals import ApprovalView
from api.operations.dead_letters import BulkReport, DeadLetter
from api.operations.explanation import EvidenceShare, Explanation, IntentStep
from api.operations.overview import Overview
from api.operations.trading import AcknowledgedBy, CommandReport, TradingStatus
from cli.output import err, out, percent
from domain.actors import spoken
from domain.approvals import ENGINE
from domain.decisions import TradingState

WIDTH = 80
EVIDENCE_SHOWN = 8
CHECK, CROSS = "✓", "✗"

_STATE_STYLE = {
    TradingState.ACTIVE: "bold green",
    TradingState.REDUCING: "bold yellow",
    TradingState.HALTED: "bold red",
}
_STATE_WORDS = {
    TradingState.ACTIVE: "active",
    TradingState.REDUCING: "paused: nothing is opened, positions may be reduced",
    TradingState.HALTED: "halted: nothing is sent",
}
_MODE_STYLE = {"live": "bold white on red"}


def show_status(seen: Overview, trading: TradingStatus) -> None:
    facts = _facts()
    facts.add_row("Mode", Text(seen.mode, style=_MODE_STYLE.get(seen.mode, "bold")))
    facts.add_row("Trading", Text(_STATE_WORDS[trading.state], style=_STATE_STYLE[trading.state]))
    if trading.since is not None:
        facts.add_row("", _plain(f"since {_when(trading.since)}, {spoken(trading.changed_by)}: {trading.reason}"))
    facts.add_row("Engine", _engine(trading))
    facts.add_row("Broker", _compared(trading))
    if seen.account is None:
        facts.add_row("Account", "not marked yet: that happens at the first close")
    else:
        account = seen.account
        equity = Text(f"${account.equity:,.2f}  ")
        if account.return_pct is not None:
            equity.append_text(_signed(Decimal(account.return_pct), " %", places=2))
        facts.add_row("Equity", equity)
        facts.add_row("Cash", f"${account.cash:,.2f}, drawdown {Decimal(account.drawdown_pct):.2f} %")
        facts.add_row("Marked", _when(account.as_of))
    facts.add_row("Open orders", str(seen.open_orders))
    for each in trading.unpriced_orders:
        has = each.newest_bar.isoformat() if each.newest_bar is not None else "none"
        words = f"{each.side} {each.symbol} waits for the bar of {each.session}; the newest is {has}"
        facts.add_row("", Text(words, style="bold yellow"))
    waiting = f"{seen.approvals_pending}" + ("  (stonks inbox)" if seen.approvals_pending else "")
    facts.add_row("Approvals", Text(waiting, style="bold yellow" if seen.approvals_pending else ""))
    facts.add_row("Documents", _counts(seen.documents) or "none yet")
    if seen.recommendations is not None:
        newest = seen.recommendations
        facts.add_row("Recommended", f"{_counts(newest.by_action)}, as of {_when(newest.as_of)}")
    out.print(facts, width=WIDTH)
    if seen.positions:
        out.print(_positions(seen), width=WIDTH)


def show_command(report: CommandReport) -> None:
    words = Text(f"Trading is {_STATE_WORDS[report.state]}.", style=_STATE_STYLE[report.state])
    out.print(words)
    if report.canceled_orders:
        out.print(f"Orders at the broker that were canceled: {report.canceled_orders}")
    for each in report.may_arrive:
        err.print(f"left before and not heard of, look at the broker: {each}", style="bold red", markup=False)
    for each in report.not_canceled:
        err.print(f"not canceled, look at the broker: {each}", style="bold red", markup=False)
    if report.acknowledged_by is AcknowledgedBy.DATABASE:
        err.print(
            "The engine did not answer, so the kill switch was thrown in the database: nothing leaves that it "
            "forbids. The engine finds the command when it is back; open orders are canceled only then."
        )


def show_inbox(waiting: Sequence[ApprovalView]) -> None:
    if not waiting:
        out.print("Nothing waits for you.")
        return
    table = _table()
    for name in ("id", "side", "symbol"):
        table.add_column(name, no_wrap=True)
    for name in ("shares", "dollars"):
        table.add_column(name, justify="right", no_wrap=True)
    table.add_column("votes", justify="right", no_wrap=True)
    table.add_column("decide before", no_wrap=True)
    for each in waiting:
        table.add_row(
            each.approval_id,
            _side(each.side),
            Text(each.symbol, style="bold"),
            shares(each.quantity),
            f"{each.notional:,.2f}",
            _votes_so_far(each),
            _when(each.expires_at),
        )
    out.print(table, width=WIDTH)
    for each in waiting:
        out.print()
        out.print(_plain(f"{each.approval_id}  {each.reason}"), width=WIDTH)
        for line in _terms(each):
            out.print(_plain(line), width=WIDTH)
        if each.thesis:
            _paragraph(each.thesis)
    err.print("Decide with `stonks approve ID --reason ...` or `stonks decline ID --reason ...`", markup=False)


def show_review(done: ApprovalView) -> None:
    style = "green" if done.status == "approved" else "yellow"
    out.print(
        Text(f"{done.status}: {done.side} {shares(done.quantity)} {done.symbol}, ${done.notional:,.2f}", style=style)
    )
    if done.status == "pending":
        out.print(_plain(f"{_votes_so_far(done)} people have approved: another person must approve it too"))


def _votes_so_far(each: ApprovalView) -> str:
    return f"{sum(vote.approved for vote in each.votes)} of {each.people}"


def _terms(each: ApprovalView) -> list[str]:
    """What an answer covers, who has voted, and who else was told."""
    lines = []
    if each.band_low is not None and each.band_high is not None:
        lines.append(f"good from {each.band_low:,.2f} to {each.band_high:,.2f} a share; asked anew outside")
    if each.ask > 1:
        lines.append(f"question {each.ask}: it replaces {each.replaces}")
    hands = [spoken(proposer) for proposer in each.proposers if proposer != ENGINE]
    if hands:
        who = "may approve it alone: solo mode" if each.solo else "cannot approve it"
        lines.append(f"proposed by {', '.join(hands)}, who {who}")
    lines += [
        f"{'approved' if vote.approved else 'declined'} by {spoken(vote.actor)}: {vote.reason}" for vote in each.votes
    ]
    if each.escalated_at is not None:
        lines.append(f"nobody had answered by {_when(each.escalated_at)}: {each.escalation_audience} was told")
    elif each.escalates_at is not None:
        lines.append(f"unanswered at {_when(each.escalates_at)}, {each.escalation_audience} is told, too")
    return lines


def show_explanation(found: Explanation) -> None:
    head = Text.assemble((found.symbol, "bold"), "  ", _action(found.action), f"  as of {_when(found.as_of)}")
    out.print(head)
    if found.plain_thesis is not None:
        _paragraph(" ".join(each.text for each in found.plain_thesis.sentences))
        for condition in found.plain_thesis.invalidation:
            _paragraph(f"Wrong if: {condition.text}")
        out.print(_plain(f"(written by {found.plain_thesis.written_by}, every number checked; by rule:)"), style="dim")
    _paragraph(found.thesis)
    out.print("\n[bold]How the score came about[/]")
    out.print(_waterfall(found), width=WIDTH)
    _evidence(found)
    score = found.score
    out.print(
        f"\nConviction {score.conviction:.3f}, probability {score.probability:.3f}, "
        f"contradiction {score.contradiction:.3f}"
    )
    out.print(f"Edge {score.edge_bp:.1f} bp against cost {score.cost_bp:.1f} bp, horizon {score.horizon_td:.1f} days")
    out.print("\n[bold]Gates[/]")
    out.print(_gates([(gate.name, gate.passed, gate.value, gate.limit) for gate in found.gates]), width=WIDTH)
    for intent in found.intents:
        _intent(intent)
    if not found.intents:
        out.print("\nNo order followed.")
    for line in found.invalidation:
        _paragraph(f"Wrong if: {line}")
    _provenance(found)


def show_dead_letters(letters: Sequence[DeadLetter], *, more: bool) -> None:
    if not letters:
        out.print("No dead letters.")
        return
    for letter in letters:
        out.print(Text(letter.workflow_id, style="bold"), overflow="fold")
        facts = _facts(indent=2)
        step = letter.stage if letter.failed_step in ("", letter.stage) else f"{letter.stage} ({letter.failed_step})"
        tries = "" if letter.attempts is None else f", {letter.attempts} {_plural('attempt', letter.attempts)}"
        facts.add_row("failed at", _plain(f"{step}{tries}, {letter.status.replace('_', ' ')}"))
        facts.add_row("error", Text(letter.error_type, style="red"))
        facts.add_row("", _plain(letter.message.removeprefix(f"{letter.error_type}: ")))
        closed = _when(letter.closed_at) if letter.closed_at else "?"
        facts.add_row("ran", f"{_when(letter.started_at)} to {closed}")
        out.print(facts, width=WIDTH)
        if letter.temporal_url:
            out.print(f"  {letter.temporal_url}", markup=False, soft_wrap=True)
    if more:
        err.print("There are more: raise --limit, or filter by --type, --stage, --error")
    err.print("`stonks dead-letters retry ID` starts again at the failed step", markup=False)


def show_retries(report: BulkReport) -> None:
    for each in report.retried:
        out.print(Text.assemble((CHECK, "green"), f" {each.workflow_id} runs again from {each.stage}"), soft_wrap=True)
    for failed in report.not_retried:
        out.print(Text.assemble((CROSS, "red"), f" {failed.workflow_id}: {failed.detail}"), soft_wrap=True)
    if not report.retried and not report.not_retried:
        out.print("Nothing matched.")


def _compared(trading: TradingStatus) -> Text:
    """When book and broker were compared, and what is open since."""
    last = trading.reconciliation
    if last is None:
        return Text("never compared with the book")
    if last.open_differences:
        words = f"{last.open_differences} differences need you  (stonks reconcile)"
    else:
        words = "agrees with the book" if last.clean else "differs from the book  (stonks reconcile)"
    style = "bold red" if last.open_differences or not last.clean else ""
    return Text(f"{words}, {_ago(last.age_seconds)}", style=style)


def _ago(seconds: int) -> str:
    minutes = seconds // 60
    if minutes < 120:
        return f"{minutes} min ago"
    return f"{minutes // 60} h ago" if minutes < 48 * 60 else f"{minutes // 1440} days ago"


def _engine(trading: TradingStatus) -> str:
    engine = trading.engine
    if engine is None:
        return "does not answer (no worker, or not started yet)"
    looked = f", looked last at {_when(engine.last_tick_at)}" if engine.last_tick_at else ""
    coming = f", next at {_when(engine.next_tick_at)}" if engine.next_tick_at else ""
    return f"{engine.ticks} {_plural('look', engine.ticks)} at the book{looked}{coming}"


def _positions(seen: Overview) -> Table:
    table = _table()
    table.add_column("position", no_wrap=True)
    for name in ("shares", "bought at", "last", "value", "gain"):
        table.add_column(name, justify="right", no_wrap=True)
    for each in seen.positions:
        table.add_row(
            Text(each.symbol, style="bold"),
            shares(each.quantity),
            f"{each.average_price:,.2f}",
            f"{each.last_price:,.2f}",
            f"{each.market_value:,.2f}",
            _signed(each.unrealized_pnl),
        )
    return table


def _waterfall(found: Explanation) -> Table:
    table = _table(header=False)
    table.add_column()
    table.add_column(justify="right")
    table.add_column(overflow="fold", style="dim")
    for layer in found.layers:
        statements = f", {len(layer.evidence)} {_plural('statement', len(layer.evidence))}" if layer.evidence else ""
        table.add_row(
            layer.layer.value,
            _signed(Decimal(layer.share), places=9),
            f"layer score {layer.score:+.4f} x weight {layer.weight:.2f}{statements}",
        )
    table.add_row(
        "market",
        _signed(Decimal(found.market.share), places=9),
        f"confirmation {found.market.confirmation:+.4f}, last close {found.market.last_close:,.2f}",
    )
    table.add_row(Text("score", style="bold"), _signed(Decimal(found.score.value), places=9), "the sum, exactly")
    return table


def _evidence(found: Explanation) -> None:
    shown = [share for layer in found.layers for share in layer.evidence]
    shown.sort(key=lambda share: -abs(share.nano))
    if not shown:
        return
    out.print("\n[bold]Evidence, strongest first[/]")
    for share in shown[:EVIDENCE_SHOWN]:
        _one_evidence(share)
    if len(shown) > EVIDENCE_SHOWN:
        out.print(f"  and {len(shown) - EVIDENCE_SHOWN} more; --json has them all")


def _one_evidence(share: EvidenceShare) -> None:
    line = Text.assemble("  ", _signed(Decimal(share.share), places=9), "  ")
    line.append(f"{share.event_type} as {share.role}, weight {share.weight:.3f}, novelty {share.novelty:.2f}")
    if share.via:
        line.append(f", via {share.via} at {share.transfer:+.2f}")
    out.print(line)
    source = share.publisher or "unknown publisher"
    _paragraph(f"{share.title} ({source}, {_when(share.published_at)}, {share.age_td:.1f} days old)")
    if share.quote:
        _paragraph(f"“{share.quote}”")


def _gates(rows: Sequence[tuple[str, bool, str, str]]) -> Table:
    table = _table(header=False)
    table.add_column(no_wrap=True)
    table.add_column()
    table.add_column(justify="right")
    table.add_column()
    for name, passed, value, limit in rows:
        mark = Text(CHECK, style="green") if passed else Text(CROSS, style="red")
        table.add_row(mark, _plain(name), _plain(value), _plain(limit))
    return table


def _intent(intent: IntentStep) -> None:
    out.print()
    out.print(
        Text.assemble(
            ("Order: ", "bold"),
            _side(intent.side),
            f" {shares(intent.quantity)} at about {intent.reference_price:,.2f} = ${intent.notional:,.2f}, "
            f"target {percent(intent.target_weight)} of equity",
        ),
        width=WIDTH,
    )
    if intent.clamps:
        out.print(_gates([(each.name, each.passed, each.value, each.limit) for each in intent.clamps]), width=WIDTH)
    facts = _facts(indent=2)
    if intent.risk is not None:
        facts.add_row("risk", f"{intent.risk.outcome}, {shares(intent.risk.allowed_quantity)} shares")
        for check in intent.risk.checks:
            if check.outcome.value != "allow":
                facts.add_row("", _plain(f"{check.code}: {check.value}, limit {check.limit} {check.detail}"))
    if intent.approval is not None:
        by = (
            f" by {spoken(intent.approval.decided_by)}: {intent.approval.decision_reason}"
            if intent.approval.decided_by
            else ""
        )
        facts.add_row("approval", _plain(f"{intent.approval.status}{by}"))
    if intent.order is None:
        facts.add_row("order", intent.state)
    else:
        facts.add_row("order", _plain(f"{intent.order.status} {intent.order.reason}".strip()))
        for fill in intent.order.fills:
            facts.add_row("fill", f"{shares(fill.quantity)} at {fill.price:,.2f}, {_when(fill.filled_at)}")
    out.print(facts, width=WIDTH)


def _provenance(found: Explanation) -> None:
    out.print()
    facts = _facts()
    facts.add_row("Recommendation", found.recommendation_id)
    facts.add_row("Record", found.record_hash)
    again = Text(f"{CHECK} the same result", style="green")
    if not found.reproduced:
        again = Text(f"{CROSS} ANOTHER result: the code or the record has changed", style="bold red")
    facts.add_row("Computed again", again)
    versions = found.versions
    facts.add_row("Versions", _plain(f"configuration {versions.config}, code {versions.code}"))
    if versions.extractors:
        facts.add_row("", _plain(f"extractor {', '.join(versions.extractors)}"))
    out.print(facts, width=WIDTH)
    if found.temporal_url:
        out.print(f"Temporal UI: {found.temporal_url}", markup=False, soft_wrap=True)


def _facts(indent: int = 0) -> Table:
    table = Table(box=None, show_header=False, padding=(0, 2, 0, indent), pad_edge=indent > 0)
    table.add_column(style="dim", no_wrap=True)
    table.add_column(overflow="fold")
    return table


def _table(*, header: bool = True) -> Table:
    return Table(box=None, show_header=header, padding=(0, 1), header_style="dim")


def _paragraph(text: str) -> None:
    """Running text, indented; what documents say is never read as markup."""
    wrapped = textwrap.wrap(
        " ".join(_printable(text).split()),
        WIDTH - 4,
        initial_indent="    ",
        subsequent_indent="    ",
        break_on_hyphens=False,
    )
    out.print(Text("\n".join(wrapped)))


def _signed(value: Decimal, unit: str = "", places: int = 2) -> Text:
    """A gain or a loss: its sign says the same as its colour."""
    style = "green" if value > 0 else "red" if value < 0 else ""
    return Text(f"{value:+,.{places}f}{unit}", style=style)


def _side(side: str) -> Text:
    return Text(side, style="green" if side == "buy" else "red")


def _action(action: str) -> Text:
    return Text(action, style={"buy": "bold green", "sell": "bold red"}.get(action, "bold"))


def _plain(text: str) -> Text:
    return Text(_printable(text), overflow="fold")


def _printable(text: str) -> str:
    """Without control characters: a document or an error must not be able to steer the terminal."""
    return "".join(char if char.isprintable() else " " for char in text)


def _when(instant: datetime) -> str:
    return instant.strftime("%Y-%m-%d %H:%M UTC")


def _counts(counts: dict[str, int]) -> str:
    return ", ".join(f"{count} {name.replace('_', ' ')}" for name, count in counts.items())


def _plural(noun: str, count: int) -> str:
    return noun if count == 1 else f"{noun}s"
