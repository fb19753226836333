"""What an entry needs of the calendar and of the market: no report close by, a narrow spread, room in the volume.

Every condition is recorded as a gate. What is not known does not pass, with one exception: a company of which no report
is known at all, neither scheduled nor made, is let through, as is a fund, which never reports; else a book without
filings could buy nothing. Source: quantitative specification, section 3.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from decimal import Decimal
from enum import StrEnum
from fractions import Fraction
from typing import Annotated

import numpy as np
from pydantic import Field

from domain.decisions import Gate
from domain.model import Model, Utc
from domain.rules_config import EntryRules

BASIS_POINTS = 10_000
BLACKOUT, DATE_UNKNOWN = "earnings_blackout", "earnings_date"
"""Names of the gates that `earnings_gates` gives."""
A_DAY = timedelta(days=1)


class ReportTiming(StrEnum):
    """When on its day a report comes. The day counts from end to end, whichever it is."""

    BEFORE_OPEN = "bmo"
    AFTER_CLOSE = "amc"
    UNKNOWN = "unknown"


class KnownReport(Model):
    """A day on which a company reports or has reported, and when the book knew of it."""

    day: date
    """In New York."""
    made: bool
    """True: an official document of the report is there; False: somebody has said that it will come."""
    since: Utc
    until: Utc | None = None
    """When it was taken back; None: it stands."""

    def is_known(self, as_of: datetime) -> bool:
        return self.since <= as_of and (self.until is None or as_of < self.until)


class EarningsView(Model):
    """What is known of a company's reports at one instant. Sessions are indices of the trading calendar."""

    reports: tuple[int, ...] = ()
    """Sessions T of the reports that are scheduled or were made; one after the close belongs to its day."""
    made: tuple[int, ...] = ()
    """Those of them that were made."""
    next_is_known: bool
    """False: nobody has said when the next report comes."""
    days_since_report: Annotated[int | None, Field(ge=0)] = None
    """Calendar days since the last report; None: no report is known."""
    reports_earnings: bool = True
    """False: no report of it is known at all, neither scheduled nor made."""


NO_REPORTS = EarningsView(next_is_known=False, reports_earnings=False)


class Entry(Model):
    """What is known of an entry besides the account: the company's reports, when it would be filled, the quote."""

    earnings: EarningsView = NO_REPORTS
    session: int = 0
    """That it would be filled in, an index as those of the reports are."""
    at_open: bool = True
    """It would be filled in the opening auction rather than later in the session."""
    bid: Decimal | None = None
    ask: Decimal | None = None
    real_money: bool = False

    @property
    def is_quoted(self) -> bool:
        return self.bid is not None and self.ask is not None and 0 < self.bid <= self.ask


def earnings_view(
    known: Sequence[KnownReport], *, session: date, session_dates: Sequence[date], as_of: datetime
) -> EarningsView:
    """See a company's reports from an instant. A scheduled day that has passed counts as a report that was made.

    Args:
        session: that an entry would be filled in.
        session_dates: of the exchange, ascending. Reports before the first are too old to be near; behind the last
            every weekday counts as a session. A report on a day without a session belongs to the next one.
    """
    held = [one for one in known if one.is_known(as_of)]
    past = [one.day for one in held if one.made or one.day < session]
    return EarningsView(
        reports=_sessions((one.day for one in held), session_dates),
        made=_sessions((one.day for one in held if one.made), session_dates),
        next_is_known=any(not one.made and one.day >= session for one in held),
        days_since_report=max(0, (session - max(past)).days) if past else None,
        reports_earnings=bool(held),
    )


@dataclass(frozen=True)
class EarningsCalendar:
    """The reports of companies as known at an instant, for entries that would be filled in one session."""

    known: Mapping[str, Sequence[KnownReport]]
    """By symbol; also what was known only later, which is not looked at."""
    session: date
    session_dates: Sequence[date]
    at_open: bool
    as_of: datetime

    def view(self, symbol: str) -> EarningsView:
        return earnings_view(
            self.known.get(symbol, ()), session=self.session, session_dates=self.session_dates, as_of=self.as_of
        )

    def entry(self, symbol: str) -> Entry:
        return Entry(earnings=self.view(symbol), session=self.number, at_open=self.at_open)

    def gates(self, symbol: str, rules: EntryRules) -> tuple[Gate, ...]:
        return earnings_gates(self.view(symbol), rules, session=self.number, at_open=self.at_open)

    def trim(self, symbol: str, rules: EntryRules, *, weight: Fraction, name_cap: Decimal) -> Decimal:
        """The part of a holding to sell before the next report; see `earnings_trim`."""
        return earnings_trim(self.view(symbol), rules, session=self.number, weight=weight, name_cap=name_cap)

    def next_report(self, symbol: str) -> date | None:
        """The first day, from the session's own on, on which a report is scheduled."""
        known = self.known.get(symbol, ())
        days = [one.day for one in known if not one.made and one.day >= self.session and one.is_known(self.as_of)]
        return min(days, default=None)

    @property
    def number(self) -> int:
        return bisect_left(self.session_dates, self.session)


def _sessions(days: Iterable[date], session_dates: Sequence[date]) -> tuple[int, ...]:
    """The numbers of the sessions that days belong to, ascending."""
    found = set()
    for day in days:
        if not session_dates or day < session_dates[0]:
            continue
        number = bisect_left(session_dates, day)
        if day > session_dates[-1]:
            number += int(np.busday_count(session_dates[-1] + A_DAY, day))
        found.add(number)
    return tuple(sorted(found))


def earnings_gates(view: EarningsView, rules: EntryRules, *, session: int, at_open: bool) -> tuple[Gate, ...]:
    """Judge an entry that would be filled in a session: none from T-2 to the open of T+1, none when a report is due.

    The specification's 80 days since the last report are calendar days: quarterly reports are about 91 of them apart,
    80 trading days would begin after the next one.

    Args:
        at_open: the entry would be filled in the opening auction rather than later in the session.
    """
    blackout_limit = f"T-{rules.blackout_before} to T+{rules.blackout_after} open"
    date_limit = f"unknown: < {rules.unknown_report_days} days since the last report"
    if not view.reports_earnings:
        value = "no report known, neither scheduled nor made"
        return (
            Gate(name=BLACKOUT, value=value, limit=blackout_limit, passed=True),
            Gate(name=DATE_UNKNOWN, value=value, limit=date_limit, passed=True),
        )
    near = [report for report in view.reports if _in_blackout(report, rules, session, at_open)]
    blackout = Gate(
        name=BLACKOUT,
        value=f"report in {near[0] - session} sessions" if near else "no report near",
        limit=blackout_limit,
        passed=not near,
    )
    days = view.days_since_report
    unknown = Gate(
        name=DATE_UNKNOWN,
        value="known" if view.next_is_known else f"unknown, last report {'unknown' if days is None else days}",
        limit=date_limit,
        passed=view.next_is_known or (days is not None and days < rules.unknown_report_days),
    )
    return blackout, unknown


def earnings_trim(
    view: EarningsView, rules: EntryRules, *, session: int, weight: Fraction, name_cap: Decimal
) -> Decimal:
    """Give the part of a holding to sell before a report: half of one above half the name cap, from T-2 to T.

    Before a report that was made already nothing is sold any more.

    Args:
        weight: the holding's share of equity.
    """
    coming = set(view.reports) - set(view.made)
    ahead = any(0 <= report - session <= rules.blackout_before for report in coming)
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
