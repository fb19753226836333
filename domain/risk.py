"""Risk disposes: an ordered list of checks that allow an intent, cut it, or deny it.

Every check is recorded with the value found and the limit, also when it passes. Checks never raise a quantity, and a
reduction is let through under every limit unless trading is halted. Exact arithmetic throughout: at a limit is within
it, except for losses, which trip at it.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from fractions import Fraction
from functools import cached_property

from domain.config import TradingConfig
from domain.decisions import (
    Holding,
    Portfolio,
    RiskCheck,
    RiskDecision,
    RiskOutcome,
    Side,
    SizedIntent,
    TradingState,
)
from domain.entries import BLACKOUT, DATE_UNKNOWN, Entry, earnings_gates, spread_gate
from domain.ids import digest
from domain.portfolio import gross, product
from domain.sizing import floor_to_step


@dataclass(frozen=True)
class RiskCase:
    """One intent and everything it is judged by. Amounts are dollars."""

    intent: SizedIntent
    portfolio: Portfolio
    state: TradingState
    conviction: float
    average_dollar_volume: float
    config: TradingConfig
    entry_size: Decimal = Decimal(1)
    groups: Mapping[str, tuple[str, str]] = field(default_factory=dict)
    leaving: str = ""
    entry: Entry = field(default_factory=Entry)

    @property
    def opening(self) -> bool:
        return self.intent.side is Side.BUY

    @cached_property
    def price(self) -> Fraction:
        return Fraction(self.intent.reference_price)

    @cached_property
    def equity(self) -> Fraction:
        return Fraction(self.portfolio.equity)

    @cached_property
    def held_quantity(self) -> Decimal:
        return sum((one.quantity for one in self.portfolio.holdings if one.symbol == self.intent.symbol), Decimal(0))

    @cached_property
    def held_value(self) -> Fraction:
        return sum((_worth(one) for one in self.portfolio.holdings if one.symbol == self.intent.symbol), Fraction(0))

    @cached_property
    def gross_value(self) -> Fraction:
        return Fraction(gross(self.portfolio.holdings))

    def in_group(self, which: int) -> Fraction:
        """Dollars held and being bought in the intent's sector (0) or cluster (1)."""
        own = self.groups[self.intent.symbol][which]
        alike = {symbol for symbol, found in self.groups.items() if found[which] == own} | {self.intent.symbol}
        held = Fraction(gross(one for one in self.portfolio.holdings if one.symbol in alike))
        bought = (Fraction(amount) for symbol, amount in self.portfolio.open_buys.items() if symbol in alike)
        return held + sum(bought, Fraction(0))

    @cached_property
    def being_bought(self) -> Fraction:
        return Fraction(self.portfolio.open_buys.get(self.intent.symbol, Decimal(0)))

    @cached_property
    def reserved(self) -> Fraction:
        return sum((Fraction(amount) for amount in self.portfolio.open_buys.values()), Fraction(0))


Check = Callable[[RiskCase, Decimal], tuple[RiskCheck, Decimal]]
"""Judges a case at the quantity that earlier checks left, and gives the quantity that it leaves itself.

A denial leaves the quantity as it is, so that the checks after it still say something about the order.
"""


def decide_risk(
    intent: SizedIntent,
    portfolio: Portfolio,
    *,
    state: TradingState,
    conviction: float,
    average_dollar_volume: float,
    config: TradingConfig,
    as_of: datetime,
    entry_size: Decimal = Decimal(1),
    groups: Mapping[str, tuple[str, str]] | None = None,
    leaving: str = "",
    entry: Entry | None = None,
) -> RiskDecision:
    """Judge an intent against the account as it is now.

    Args:
        portfolio: the account without this intent: `open_buys` and `open_sells` must not contain its own order.
        conviction: the recommendation's, in [0, 1].
        average_dollar_volume: of 20 sessions, in dollars.
        entry_size: what the circuit breakers leave of entries, in [0, 1]; they were sized with it, so only 0 denies.
        leaving: why the symbol is being left, or was left since the intent was planned; empty: it is not.
        groups: sector and cluster by symbol, of everything held or being bought; without the intent's, neither counts.
        entry: the company's reports and the quote; None: no report is known, and no quote.
    """
    case = RiskCase(
        intent=intent,
        portfolio=portfolio,
        state=state,
        conviction=conviction,
        average_dollar_volume=average_dollar_volume,
        config=config,
        entry_size=entry_size,
        groups=groups or {},
        leaving=leaving,
        entry=entry or Entry(),
    )
    quantity, checks = intent.quantity, []
    for check in CHECKS:
        recorded, quantity = check(case, quantity)
        checks.append(recorded)
    outcomes = {recorded.outcome for recorded in checks}
    outcome = next(one for one in (RiskOutcome.DENY, RiskOutcome.CLAMP, RiskOutcome.ALLOW) if one in outcomes)
    allowed = Decimal(0) if outcome is RiskOutcome.DENY else quantity
    return RiskDecision(
        decision_id=digest("risk", intent.intent_id, as_of),
        intent_id=intent.intent_id,
        outcome=outcome,
        checks=tuple(checks),
        allowed_quantity=allowed,
        as_of=as_of,
    )


def denial_of(decision: RiskDecision) -> str:
    """Say why an intent was denied, `CODE: value=..., limit=...` of the first check that did; empty when it was not."""
    return next(
        (
            f"{check.code}: value={check.value}, limit={check.limit}"
            for check in decision.checks
            if check.outcome is RiskOutcome.DENY
        ),
        "",
    )


def order_is_valid(case: RiskCase, quantity: Decimal) -> tuple[RiskCheck, Decimal]:
    """Deny a quantity that is not positive, and a purchase without a price or an account without equity."""
    valid = quantity > 0 and (not case.opening or (case.price > 0 and case.equity > 0))
    value = f"quantity={quantity}, price={case.intent.reference_price}, equity={case.portfolio.equity}"
    return _verdict("ORDER_INVALID", valid, value, "> 0"), quantity


def trading_is_not_halted(case: RiskCase, quantity: Decimal) -> tuple[RiskCheck, Decimal]:
    passed = case.state is not TradingState.HALTED
    return _verdict("TRADING_HALTED", passed, case.state.value, "active or reducing"), quantity


def openings_are_not_paused(case: RiskCase, quantity: Decimal) -> tuple[RiskCheck, Decimal]:
    passed = not case.opening or case.state is TradingState.ACTIVE
    return _verdict("TRADING_PAUSED", passed, case.state.value, "active for openings"), quantity


def breakers_are_closed(case: RiskCase, quantity: Decimal) -> tuple[RiskCheck, Decimal]:
    """Deny an opening while a circuit breaker stops entries."""
    passed = not case.opening or case.entry_size > 0
    return _verdict("BREAKER_OPEN", passed, f"entries at {case.entry_size} of their size", "> 0"), quantity


def symbol_is_not_being_left(case: RiskCase, quantity: Decimal) -> tuple[RiskCheck, Decimal]:
    """Deny a purchase of what a stop wants sold, or what was left after the purchase was thought of."""
    passed = not case.opening or not case.leaving
    return _verdict("SYMBOL_BEING_LEFT", passed, case.leaving or "no", "not due, not left since"), quantity


def sale_is_covered(case: RiskCase, quantity: Decimal) -> tuple[RiskCheck, Decimal]:
    """Cut a sale to what is held and not already being sold."""
    code = "SELL_EXCEEDS_POSITION"
    if case.opening:
        return _exempt(code, "opening"), quantity
    free = case.held_quantity - case.portfolio.open_sells.get(case.intent.symbol, Decimal(0))
    return _cut(code, quantity, max(Decimal(0), free), value=f"{quantity}", limit=f"{free}")


def cash_is_kept(case: RiskCase, quantity: Decimal) -> tuple[RiskCheck, Decimal]:
    """Cut a purchase to the cash above max(reserve, cash floor), open purchases deducted."""
    code = "INSUFFICIENT_BUYING_POWER"
    if not case.opening:
        return _exempt(code, "reduction"), quantity
    floor = max(Fraction(case.portfolio.reserve), Fraction(case.config.limits.cash_floor) * case.equity)
    return _room(case, code, quantity, Fraction(0), Fraction(case.portfolio.cash) - case.reserved - floor)


def name_cap_holds(case: RiskCase, quantity: Decimal) -> tuple[RiskCheck, Decimal]:
    """Cut a purchase so that the position, open purchases included, stays within the cap on one name."""
    code = "POSITION_LIMIT_EXCEEDED"
    if not case.opening:
        return _exempt(code, "reduction"), quantity
    cap = Fraction(case.config.limits.name_cap) * case.equity
    return _room(case, code, quantity, case.held_value + case.being_bought, cap)


def cluster_cap_holds(case: RiskCase, quantity: Decimal) -> tuple[RiskCheck, Decimal]:
    """Cut a purchase so that what moves together stays within the cap on a cluster."""
    return _group(case, quantity, "CLUSTER_LIMIT_EXCEEDED", 1, case.config.caps.cluster_cap)


def sector_cap_holds(case: RiskCase, quantity: Decimal) -> tuple[RiskCheck, Decimal]:
    """Cut a purchase so that its sector stays within the cap on a sector."""
    return _group(case, quantity, "SECTOR_LIMIT_EXCEEDED", 0, case.config.caps.sector_cap)


def gross_cap_holds(case: RiskCase, quantity: Decimal) -> tuple[RiskCheck, Decimal]:
    """Cut a purchase so that all positions and open purchases together stay within the gross cap."""
    code = "GROSS_LIMIT_EXCEEDED"
    if not case.opening:
        return _exempt(code, "reduction"), quantity
    cap = Fraction(case.config.limits.gross_cap) * case.equity
    return _room(case, code, quantity, case.gross_value + case.reserved, cap)


def participation_is_small(case: RiskCase, quantity: Decimal) -> tuple[RiskCheck, Decimal]:
    """Cut a purchase to a share of the average dollar volume."""
    code = "PARTICIPATION_LIMIT_EXCEEDED"
    if not case.opening:
        return _exempt(code, "reduction"), quantity
    cap = Fraction(case.config.limits.max_adv_share) * _dollar_volume(case)
    return _room(case, code, quantity, Fraction(0), cap)


def position_is_small_for_its_market(case: RiskCase, quantity: Decimal) -> tuple[RiskCheck, Decimal]:
    """Cut a purchase so that the position, open purchases included, stays within a share of a day's dollar volume."""
    code = "POSITION_VOLUME_EXCEEDED"
    if not case.opening:
        return _exempt(code, "reduction"), quantity
    cap = Fraction(case.config.entries.max_position_adv) * _dollar_volume(case)
    return _room(case, code, quantity, case.held_value + case.being_bought, cap)


def no_report_is_near(case: RiskCase, quantity: Decimal) -> tuple[RiskCheck, Decimal]:
    """Deny an opening from two sessions before an earnings report to the open after it."""
    return _earnings(case, "EARNINGS_BLACKOUT", BLACKOUT), quantity


def next_report_is_known(case: RiskCase, quantity: Decimal) -> tuple[RiskCheck, Decimal]:
    """Deny an opening when a report is due and nobody has said when it comes."""
    return _earnings(case, "EARNINGS_DATE_UNKNOWN", DATE_UNKNOWN), quantity


def spread_is_narrow(case: RiskCase, quantity: Decimal) -> tuple[RiskCheck, Decimal]:
    """Deny an opening in the session at a wide quote. The opening auction has one price: no quote is asked for."""
    code, entry, rules = "SPREAD_TOO_WIDE", case.entry, case.config.entries
    if not case.opening or entry.at_open:
        return _exempt(code, "opening auction" if case.opening else "reduction"), quantity
    if not entry.is_quoted and not (entry.real_money and rules.quote_needed):
        return _exempt(code, "purchase without a quote"), quantity
    gate = spread_gate(entry.bid, entry.ask, rules)
    return _verdict(code, gate.passed, gate.value, gate.limit), quantity


def price_is_high_enough(case: RiskCase, quantity: Decimal) -> tuple[RiskCheck, Decimal]:
    limit, price = case.config.limits.min_price, case.intent.reference_price
    return _verdict("PRICE_TOO_LOW", not case.opening or price >= limit, str(price), str(limit)), quantity


def market_is_liquid(case: RiskCase, quantity: Decimal) -> tuple[RiskCheck, Decimal]:
    limit, volume = case.config.limits.min_adv20, _dollar_volume(case)
    passed = not case.opening or volume >= Fraction(limit)
    return _verdict("LIQUIDITY_TOO_LOW", passed, _money(volume), str(limit)), quantity


def conviction_is_enough(case: RiskCase, quantity: Decimal) -> tuple[RiskCheck, Decimal]:
    limit = case.config.limits.min_conviction
    passed = not case.opening or case.conviction >= limit
    return _verdict("CONVICTION_TOO_LOW", passed, f"{case.conviction:.9g}", f"{limit:.9g}"), quantity


def day_is_not_lost(case: RiskCase, quantity: Decimal) -> tuple[RiskCheck, Decimal]:
    """Deny an opening when equity has fallen by the limit since the prior close."""
    loss = _fall(case.portfolio.prior_close_equity, case.portfolio.equity)
    limit = case.config.limits.daily_loss
    passed = not case.opening or loss < Fraction(limit)
    return _verdict("DAILY_LOSS_LIMIT", passed, _share(loss), str(limit)), quantity


def drawdown_is_bearable(case: RiskCase, quantity: Decimal) -> tuple[RiskCheck, Decimal]:
    """Deny an opening when equity has fallen by the limit from its peak."""
    loss = _fall(case.portfolio.peak_equity, case.portfolio.equity)
    limit = case.config.limits.drawdown
    passed = not case.opening or loss < Fraction(limit)
    return _verdict("DRAWDOWN_LIMIT", passed, _share(loss), str(limit)), quantity


def order_is_worth_it(case: RiskCase, quantity: Decimal) -> tuple[RiskCheck, Decimal]:
    """Deny an opening that is, after the cuts, below the smallest order."""
    notional, smallest = product(quantity, case.intent.reference_price), case.config.sizing.smallest_order
    passed = not case.opening or notional >= smallest
    return _verdict("ORDER_TOO_SMALL", passed, str(notional), str(smallest)), quantity


CHECKS: tuple[Check, ...] = (
    order_is_valid,
    trading_is_not_halted,
    openings_are_not_paused,
    breakers_are_closed,
    symbol_is_not_being_left,
    sale_is_covered,
    cash_is_kept,
    name_cap_holds,
    cluster_cap_holds,
    sector_cap_holds,
    gross_cap_holds,
    participation_is_small,
    position_is_small_for_its_market,
    price_is_high_enough,
    market_is_liquid,
    spread_is_narrow,
    no_report_is_near,
    next_report_is_known,
    conviction_is_enough,
    day_is_not_lost,
    drawdown_is_bearable,
    order_is_worth_it,
)


def _verdict(code: str, passed: bool, value: str, limit: str) -> RiskCheck:
    return RiskCheck.made(
        code=code, outcome=RiskOutcome.ALLOW if passed else RiskOutcome.DENY, value=value, limit=limit
    )


def _exempt(code: str, kind: str) -> RiskCheck:
    return RiskCheck.made(
        code=code, outcome=RiskOutcome.ALLOW, value=kind, limit="none", detail=f"no limit on a {kind}"
    )


def _earnings(case: RiskCase, code: str, name: str) -> RiskCheck:
    if not case.opening:
        return _exempt(code, "reduction")
    entry = case.entry
    gates = earnings_gates(entry.earnings, case.config.entries, session=entry.session, at_open=entry.at_open)
    gate = next(gate for gate in gates if gate.name == name)
    return _verdict(code, gate.passed, gate.value, gate.limit)


def _group(case: RiskCase, quantity: Decimal, code: str, which: int, share: Decimal) -> tuple[RiskCheck, Decimal]:
    if not case.opening:
        return _exempt(code, "reduction"), quantity
    if case.intent.symbol not in case.groups:
        return _exempt(code, "symbol without a group"), quantity
    return _room(case, code, quantity, case.in_group(which), Fraction(share) * case.equity)


def _room(case: RiskCase, code: str, quantity: Decimal, used: Fraction, cap: Fraction) -> tuple[RiskCheck, Decimal]:
    """Cut a quantity to the room between what is used and a cap, in dollars, floored to the quantity step."""
    wanted = Fraction(quantity) * case.price
    value, limit = _money(used + wanted), _money(cap)
    if used + wanted <= cap or case.price <= 0:
        return RiskCheck.made(
            code=code, outcome=RiskOutcome.ALLOW, value=value, limit=limit, detail="dollars"
        ), quantity
    fitting = floor_to_step(max(Fraction(0), cap - used) / case.price, case.config.sizing.step)
    return _cut(code, quantity, fitting, value=value, limit=limit, unit="dollars")


def _cut(
    code: str, quantity: Decimal, fitting: Decimal, *, value: str, limit: str, unit: str = "shares"
) -> tuple[RiskCheck, Decimal]:
    """Allow what fits, cut what does not, deny when nothing fits."""
    if quantity <= fitting:
        return RiskCheck.made(code=code, outcome=RiskOutcome.ALLOW, value=value, limit=limit, detail=unit), quantity
    if fitting <= 0:
        return RiskCheck.made(code=code, outcome=RiskOutcome.DENY, value=value, limit=limit, detail=unit), quantity
    detail = f"{unit}, cut from {quantity} to {fitting} shares"
    return RiskCheck.made(code=code, outcome=RiskOutcome.CLAMP, value=value, limit=limit, detail=detail), fitting


def _dollar_volume(case: RiskCase) -> Fraction:
    """Read the average dollar volume; what is no finite number counts as no volume."""
    volume = case.average_dollar_volume
    return Fraction(volume) if math.isfinite(volume) else Fraction(0)


def _fall(reference: Decimal, equity: Decimal) -> Fraction:
    """Measure how far equity is below a reference, as a share of it; 0 without a reference or above it."""
    if reference <= 0:
        return Fraction(0)
    return max(Fraction(0), 1 - Fraction(equity) / Fraction(reference))


def _worth(holding: Holding) -> Fraction:
    return Fraction(product(holding.quantity, holding.last_price))


def _money(amount: Fraction) -> str:
    return f"{float(amount):.6f}"


def _share(part: Fraction) -> str:
    return f"{float(part):.9g}"
