"""What an entry needs of the calendar and of the market: no report close by, a narrow spread, room in the volume.

Every condition is recorded as a gate. What is not known does not pass. Source: quantitative specification, section 3.
"""

from __future__ import annotations

from decimal import Decimal
from fractions import Fraction
from typing import Annotated

from pydantic import Field

from domain.decisions import Gate
from domain.model import Model
from domain.rules_config import EntryRules

BASIS_POINTS = 10_000


class EarningsView(Model):
    """What is known of a company's reports at one instant. Sessions are indices of the trading calendar."""

    reports: tuple[int, ...] = ()
    """Sessions T of the reports that are scheduled or have just been made; one after the close belongs to its day."""
    next_is_known: bool
    """False: nobody has said when the next report comes."""
    days_since_report: Annotated[int | None, Field(ge=0)] = None
    """Calendar days since the last report; None: no report is known."""
    reports_earnings: bool = True
    """False: a fund, or whatever else never reports."""


def earnings_gates(view: EarningsView, rules: EntryRules, *, session: int, at_open: bool) -> tuple[Gate, ...]:
    """Judge an entry that would be filled in a session: none from T-2 to the open of T+1, none when a report is due.

    The specification's 80 days since the last report are calendar days: quarterly reports are about 91 of them apart,
    80 trading days would begin after the next one.

    Args:
        at_open: the entry would be filled in the opening auction rather than later in the session.
    """
    if not view.reports_earnings:
        return (Gate(name="earnings", value="never reports", limit="none", passed=True),)
    near = [report for report in view.reports if _in_blackout(report, rules, session, at_open)]
    blackout = Gate(
        name="earnings_blackout",
        value=f"report in {near[0] - session} sessions" if near else "no report near",
        limit=f"T-{rules.blackout_before} to T+{rules.blackout_after} open",
        passed=not near,
    )
    days = view.days_since_report
    unknown = Gate(
        name="earnings_date",
        value="known" if view.next_is_known else f"unknown, last report {'unknown' if days is None else days}",
        limit=f"unknown: < {rules.unknown_report_days} days since the last report",
        passed=view.next_is_known or (days is not None and days < rules.unknown_report_days),
    )
    return blackout, unknown


def earnings_trim(
    view: EarningsView, rules: EntryRules, *, session: int, weight: Fraction, name_cap: Decimal
) -> Decimal:
    """Give the part of a holding to sell before a report: half of one above half the name cap, from T-2 to T.

    Args:
        weight: the holding's share of equity.
    """
    ahead = any(0 <= report - session <= rules.blackout_before for report in view.reports)
    large = weight > Fraction(rules.trim_above) * Fraction(name_cap)
    return rules.trim_share if view.reports_earnings and ahead and large else Decimal(0)


def spread_gate(bid: Decimal | None, ask: Decimal | None, rules: EntryRules) -> Gate:
    """Judge a quote by its spread over its middle, in basis points; at the limit is within it."""
    limit = f"{rules.max_spread_bp:g} bp"
    if bid is None or ask is None or not 0 < bid <= ask:
        return Gate(name="spread", value=f"no quote: bid={bid}, ask={ask}", limit=limit, passed=False)
    spread = BASIS_POINTS * 2 * (Fraction(ask) - Fraction(bid)) / (Fraction(ask) + Fraction(bid))
    return Gate(
        name="spread", value=f"{float(spread):.6g} bp", limit=limit, passed=spread <= Fraction(rules.max_spread_bp)
    )


def volume_gate(position: Fraction, average_dollar_volume: Decimal, rules: EntryRules) -> Gate:
    """Judge a position, pending purchases included, by a day's average dollar volume; at the limit is within it."""
    limit = Fraction(rules.max_position_adv) * Fraction(average_dollar_volume)
    return Gate(
        name="position_volume", value=f"{float(position):.6f}", limit=f"{float(limit):.6f}", passed=position <= limit
    )


def _in_blackout(report: int, rules: EntryRules, session: int, at_open: bool) -> bool:
    last = report + rules.blackout_after
    return report - rules.blackout_before <= session < last or (session == last and at_open)
