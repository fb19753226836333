"""Checks of a vendor's corporate actions against its bars: what looks wrong, and what to do about it.

Prices tell what happened overnight: a split divides them by its ratio, a cash dividend lowers them by about as much. A
finding is a question for a person. What the company announced decides, and nothing is corrected here.
"""

from __future__ import annotations

import itertools
import math
import statistics
from bisect import bisect_left
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from enum import StrEnum
from fractions import Fraction
from typing import Annotated

from pydantic import Field

from domain.errors import InvalidInput
from domain.market import Bar, CorporateAction
from domain.model import Model
from domain.settings import Positive, Settings


class FindingCode(StrEnum):
    """What is wrong, or looks so. `value` and `expected` of a finding mean what is said here."""

    ACTION_ON_NO_SESSION = "action_on_no_session"
    """The exchange was closed on the ex-date."""
    ACTION_WITHOUT_BAR = "action_without_bar"
    """The exchange was open, but the symbol has no bar."""
    ACTION_REPEATED = "action_repeated"
    """The same action stands twice. Value: how often."""
    ACTIONS_ON_ONE_DAY = "actions_on_one_day"
    """A dividend and a split share their day. Value: the dividend."""
    SPLIT_NOT_IN_PRICES = "split_not_in_prices"
    """The price did not move as the split says. Value: its ratio; expected: close before / open."""
    SPLIT_RATIO_INEXACT = "split_ratio_inexact"
    """A plain ratio that lost digits. Value: the ratio; expected: the plain one."""
    SPLIT_RATIO_ODD = "split_ratio_odd"
    """No ratio of small whole numbers. Value: the ratio; expected: the nearest plain one."""
    SPLIT_VOLUME_IN_OLD_SHARES = "split_volume_in_old_shares"
    """The volume of the ex-date counts shares from before the split. Value: the volume; expected: in new shares."""
    SPLIT_MISSING = "split_missing"
    """The price jumped as if split, without an action. Value: close before / open; expected: the plain ratio."""
    SPLIT_AS_DIVIDEND = "split_as_dividend"
    """A dividend that takes exactly what a split takes. Value: the dividend; expected: the plain ratio."""
    SPIN_OFF_AS_DIVIDEND = "spin_off_as_dividend"
    """A dividend so large that it rather was shares of another company. Value: the dividend; expected: at most that."""
    SPECIAL_DIVIDEND = "special_dividend"
    """A dividend larger than a regular one. Value: the dividend; expected: at most that."""
    DIVIDEND_NOT_IN_PRICES = "dividend_not_in_prices"
    """A large dividend on whose ex-date the price did not fall. Value: the dividend; expected: close before - open."""
    DIVIDENDS_CLOSE_TOGETHER = "dividends_close_together"
    """Two dividends in less than a quarter. Value: the first, on the finding's day; expected: the second."""
    SYMBOL_REUSED = "symbol_reused"
    """A long time without bars. Value: days; expected: at most that."""
    SYMBOL_WITHOUT_ACTIONS = "symbol_without_actions"
    """Bars for more than a year and not one action. Value: days."""


_ADVICE = {
    FindingCode.ACTION_ON_NO_SESSION: "Correct the ex-date: it is a session of the exchange.",
    FindingCode.ACTION_WITHOUT_BAR: "Correct the ex-date or the symbol, or add the bar if the symbol did trade.",
    FindingCode.ACTION_REPEATED: "Remove all but one, unless the company paid as often.",
    FindingCode.ACTIONS_ON_ONE_DAY: "Make sure that the dividend is per share before the split; it is booked so.",
    FindingCode.SPLIT_NOT_IN_PRICES: "Look up the ex-date and the ratio, and whether the bars are raw.",
    FindingCode.SPLIT_RATIO_INEXACT: "Replace the ratio by the plain one, or holdings get fractions of shares.",
    FindingCode.SPLIT_RATIO_ODD: "Look up what was distributed: a spin-off or a stock dividend is no split.",
    FindingCode.SPLIT_VOLUME_IN_OLD_SHARES: "Replace the volume, or orders are sized by shares that were not there.",
    FindingCode.SPLIT_MISSING: "Look for a split on that day and add it; without one the price really moved so.",
    FindingCode.SPLIT_AS_DIVIDEND: "Book a split, or the new share class: holders received shares, no cash.",
    FindingCode.SPIN_OFF_AS_DIVIDEND: "Look up what was distributed: shares or warrants are not cash.",
    FindingCode.SPECIAL_DIVIDEND: "Confirm it with a second source: a special dividend, a spin-off or an error.",
    FindingCode.DIVIDEND_NOT_IN_PRICES: "Look up amount, unit and ex-date: such a payment lowers the price.",
    FindingCode.DIVIDENDS_CLOSE_TOGETHER: "Confirm both: one may be special, a spin-off, or the other on a wrong day.",
    FindingCode.SYMBOL_REUSED: "If the symbol passed to another company, give the earlier bars another symbol.",
    FindingCode.SYMBOL_WITHOUT_ACTIONS: "Confirm that it paid no dividend; a fund nearly always does.",
}


class ActionFinding(Model):
    """One thing to look into."""

    code: FindingCode
    symbol: str
    date: date
    """The ex-date, or the first session after what was noticed."""
    value: Decimal | None = None
    """What was found; its meaning stands at the code."""
    expected: Decimal | None = None
    """What would have been in order."""
    advice: str


Part = Annotated[float, Field(gt=0, lt=1)]


class ActionCheckSettings(Settings):
    """From where on something looks wrong. Prices move for other reasons too: too narrow a limit cries wolf."""

    plain_term: Annotated[int, Field(ge=2, le=1000)] = 20
    """A plain ratio is a whole number, one over a whole number, or a fraction with terms up to this."""
    inexact_ratio: Part = 1e-4
    """Relative distance to a plain ratio that is lost digits rather than another ratio."""
    split_misfit: Positive = 0.25
    """|ln(observed / recorded ratio)| that a night may add to a split; never more than half the split itself."""
    least_split: Positive = 0.1
    """|ln(ratio)| below which an ordinary night hides a split."""
    split_fit: Positive = 0.02
    """|ln(observed / plain ratio)| up to which a jump looks like a split."""
    special_dividend: Part = 0.03
    """Part of the close before above which a dividend is not a regular one."""
    spin_off: Part = 0.10
    """Part of the close before above which it rather was shares of another company."""
    least_drop: Part = 0.3
    """Part of a large dividend that the price must fall by."""
    dividends_apart_days: Annotated[int, Field(ge=0)] = 45
    longest_gap_days: Annotated[int, Field(ge=1)] = 30
    """Calendar days from one bar to the next."""
    volume_split: Positive = 5.0
    """Splits from this ratio on, either way, are told from the volume."""
    volume_sessions: Annotated[int, Field(ge=1)] = 20
    """Sessions after the split whose median volume is compared."""
    no_action_days: Annotated[int, Field(ge=1)] = 365


DEFAULTS = ActionCheckSettings()

_LOST_DIGITS = 1e-9
"""Relative distance that a ratio like 2:3 has to its own decimals."""
_LEAST_JUMP = math.log(1.5)


def check_actions(
    bars: Iterable[Bar],
    actions: Iterable[CorporateAction],
    sessions: Sequence[date],
    settings: ActionCheckSettings = DEFAULTS,
) -> tuple[ActionFinding, ...]:
    """Compare corporate actions with bars, in any order; findings by symbol, day and code.

    Actions of symbols without a bar, and outside the first and last session, cannot be checked and are passed over.

    Raises:
        InvalidInput: there are no sessions, or a symbol has two bars for one session.
    """
    if not sessions:
        raise InvalidInput("NO_SESSIONS", "Pass the sessions of the exchange.")
    found = [
        finding
        for history in _histories(bars, actions, frozenset(sessions))
        for check in _CHECKS
        for finding in check(history, settings)
    ]
    return tuple(sorted(found, key=lambda finding: (finding.symbol, finding.date, finding.code)))


def plain_ratio(ratio: Decimal, settings: ActionCheckSettings = DEFAULTS) -> Fraction:
    """Find the nearest ratio that a company would announce: n:1, 1:n, or a:b with small terms."""
    exact = Fraction(ratio)
    smaller = min(exact, 1 / exact)
    whole = 1 / Fraction(round(1 / smaller))
    nearest = min(whole, smaller.limit_denominator(settings.plain_term), key=lambda plain: abs(plain / smaller - 1))
    return nearest if exact < 1 else 1 / nearest


# -- one symbol's history --------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class _History:
    symbol: str
    bars: tuple[Bar, ...]
    """At least one, by session."""
    listed: tuple[CorporateAction, ...]
    """As the vendor has them, by ex-date."""
    by_day: dict[date, CorporateAction]
    """Joined, and each repeated one once."""
    sessions: frozenset[date]

    def nights(self) -> Iterator[tuple[Bar, Bar]]:
        return itertools.pairwise(self.bars)

    def night_of(self, action: CorporateAction) -> tuple[Bar, Bar] | None:
        """The bars before and on the ex-date; None where either is missing."""
        index = bisect_left(self.bars, action.ex_date, key=lambda bar: bar.session)
        if index == 0 or index == len(self.bars) or self.bars[index].session != action.ex_date:
            return None
        return self.bars[index - 1], self.bars[index]

    def finding(
        self, code: FindingCode, day: date, value: Decimal | int | None = None, expected: Decimal | int | None = None
    ) -> ActionFinding:
        return ActionFinding(
            code=code,
            symbol=self.symbol,
            date=day,
            value=None if value is None else Decimal(value),
            expected=None if expected is None else Decimal(expected),
            advice=_ADVICE[code],
        )


def _histories(
    bars: Iterable[Bar], actions: Iterable[CorporateAction], sessions: frozenset[date]
) -> Iterator[_History]:
    bars_of: dict[str, list[Bar]] = {}
    for bar in bars:
        bars_of.setdefault(bar.symbol, []).append(bar)
    first, last = min(sessions), max(sessions)
    actions_of: dict[str, list[CorporateAction]] = {}
    for action in actions:
        if first <= action.ex_date <= last:
            actions_of.setdefault(action.symbol, []).append(action)
    for symbol, own in bars_of.items():
        own.sort(key=lambda bar: bar.session)
        for before, after in itertools.pairwise(own):
            if before.session == after.session:
                raise InvalidInput("DUPLICATE_BAR", "Keep one of them.", symbol=symbol, session=before.session)
        listed = sorted(actions_of.get(symbol, ()), key=lambda action: action.ex_date)
        by_day: dict[date, CorporateAction] = {}
        for action in dict.fromkeys(listed):
            by_day[action.ex_date] = by_day[action.ex_date].with_also(action) if action.ex_date in by_day else action
        yield _History(symbol=symbol, bars=tuple(own), listed=tuple(listed), by_day=by_day, sessions=sessions)


# -- checks ----------------------------------------------------------------------------------------------------------


def _days(history: _History, settings: ActionCheckSettings) -> Iterator[ActionFinding]:
    days = {bar.session for bar in history.bars}
    for day in history.by_day:
        if day not in history.sessions:
            yield history.finding(FindingCode.ACTION_ON_NO_SESSION, day)
        elif day not in days:
            yield history.finding(FindingCode.ACTION_WITHOUT_BAR, day)


def _repetitions(history: _History, settings: ActionCheckSettings) -> Iterator[ActionFinding]:
    for action in dict.fromkeys(history.listed):
        times = history.listed.count(action)
        if times > 1:
            yield history.finding(FindingCode.ACTION_REPEATED, action.ex_date, times, 1)
    for day, action in history.by_day.items():
        if action.cash_dividend and action.split_ratio != 1:
            yield history.finding(FindingCode.ACTIONS_ON_ONE_DAY, day, action.cash_dividend)


def _ratios(history: _History, settings: ActionCheckSettings) -> Iterator[ActionFinding]:
    for day, action in history.by_day.items():
        plain = plain_ratio(action.split_ratio, settings)
        distance = abs(plain / Fraction(action.split_ratio) - 1)
        if distance > _LOST_DIGITS:
            inexact = distance <= settings.inexact_ratio
            code = FindingCode.SPLIT_RATIO_INEXACT if inexact else FindingCode.SPLIT_RATIO_ODD
            yield history.finding(code, day, action.split_ratio, _decimal(plain))


def _splits(history: _History, settings: ActionCheckSettings) -> Iterator[ActionFinding]:
    for day, action in history.by_day.items():
        night = history.night_of(action)
        size = abs(math.log(action.split_ratio))
        if night is None or size < settings.least_split:
            continue
        observed = night[0].close / night[1].open
        if _distance(observed, action.split_ratio) > min(settings.split_misfit, size / 2):
            yield history.finding(FindingCode.SPLIT_NOT_IN_PRICES, day, action.split_ratio, _rounded(observed))


def _split_volumes(history: _History, settings: ActionCheckSettings) -> Iterator[ActionFinding]:
    for day, action in history.by_day.items():
        night = history.night_of(action)
        if night is None or abs(math.log(action.split_ratio)) < math.log(settings.volume_split):
            continue
        index = history.bars.index(night[1])
        after = [bar.volume for bar in history.bars[index + 1 : index + 1 + settings.volume_sessions] if bar.volume]
        if not after or not night[1].volume:
            continue
        usual = Decimal(statistics.median(after))
        volume = Decimal(night[1].volume)
        if _distance(volume * action.split_ratio, usual) < _distance(volume, usual):
            yield history.finding(
                FindingCode.SPLIT_VOLUME_IN_OLD_SHARES, day, volume, _rounded(volume * action.split_ratio)
            )


def _missing_splits(history: _History, settings: ActionCheckSettings) -> Iterator[ActionFinding]:
    for before, bar in history.nights():
        action = history.by_day.get(bar.session)
        dividend = action.cash_dividend if action else Decimal(0)
        known = (action is not None and action.split_ratio != 1) or _is_large(dividend, before.close, settings)
        if known or (bar.session - before.session).days > settings.longest_gap_days:
            continue
        ratio = _split_like((before.close - dividend) / bar.open, settings)
        if ratio is not None:
            yield history.finding(
                FindingCode.SPLIT_MISSING, bar.session, _rounded(before.close / bar.open), _decimal(ratio)
            )


def _large_dividends(history: _History, settings: ActionCheckSettings) -> Iterator[ActionFinding]:
    for day, action in history.by_day.items():
        night = history.night_of(action)
        if night is None or not action.cash_dividend:
            continue
        before, dividend = night[0].close, action.cash_dividend
        if not _is_large(dividend, before, settings):
            continue
        fell = max(before - night[1].open * action.split_ratio, Decimal(0))
        split = _split_like(before / (before - dividend), settings) if dividend < before else None
        if fell < Decimal(settings.least_drop) * dividend:
            yield history.finding(FindingCode.DIVIDEND_NOT_IN_PRICES, day, dividend, _rounded(fell))
        elif split is not None:
            yield history.finding(FindingCode.SPLIT_AS_DIVIDEND, day, dividend, _decimal(split))
        else:
            spun_off = float(dividend / before) > settings.spin_off
            code = FindingCode.SPIN_OFF_AS_DIVIDEND if spun_off else FindingCode.SPECIAL_DIVIDEND
            yield history.finding(code, day, dividend, _rounded(before * Decimal(settings.special_dividend)))


def _close_dividends(history: _History, settings: ActionCheckSettings) -> Iterator[ActionFinding]:
    paid = [action for action in history.by_day.values() if action.cash_dividend]
    for first, second in itertools.pairwise(paid):
        if (second.ex_date - first.ex_date).days < settings.dividends_apart_days:
            yield history.finding(
                FindingCode.DIVIDENDS_CLOSE_TOGETHER, first.ex_date, first.cash_dividend, second.cash_dividend
            )


def _gaps(history: _History, settings: ActionCheckSettings) -> Iterator[ActionFinding]:
    for before, after in history.nights():
        days = (after.session - before.session).days
        if days > settings.longest_gap_days:
            yield history.finding(FindingCode.SYMBOL_REUSED, after.session, days, settings.longest_gap_days)


def _silence(history: _History, settings: ActionCheckSettings) -> Iterator[ActionFinding]:
    days = (history.bars[-1].session - history.bars[0].session).days
    if not history.listed and days > settings.no_action_days:
        yield history.finding(FindingCode.SYMBOL_WITHOUT_ACTIONS, history.bars[0].session, days)


_CHECKS: tuple[Callable[[_History, ActionCheckSettings], Iterator[ActionFinding]], ...] = (
    _days,
    _repetitions,
    _ratios,
    _splits,
    _split_volumes,
    _missing_splits,
    _large_dividends,
    _close_dividends,
    _gaps,
    _silence,
)


def _is_large(dividend: Decimal, before: Decimal, settings: ActionCheckSettings) -> bool:
    return float(dividend / before) > settings.special_dividend


def _split_like(observed: Decimal, settings: ActionCheckSettings) -> Fraction | None:
    """The split that such a quotient of prices looks like: 3:2, n:1 or 1:n; other ratios are too rare to suspect."""
    if abs(math.log(observed)) < _LEAST_JUMP - settings.split_fit:
        return None
    plain = [Fraction(max(round(observed), 1)), 1 / Fraction(max(round(1 / observed), 1)), Fraction(3, 2)]
    nearest = min(plain, key=lambda ratio: _distance(observed, ratio))
    fits = nearest != 1 and _distance(observed, nearest) <= settings.split_fit
    return nearest if fits else None


def _distance(one: Decimal | Fraction, other: Decimal | Fraction) -> float:
    return abs(math.log(one) - math.log(other))


def _decimal(ratio: Fraction) -> Decimal:
    return _rounded(Decimal(ratio.numerator) / Decimal(ratio.denominator), 12)


def _rounded(number: Decimal, places: int = 6) -> Decimal:
    return round(number, places).normalize() + 0
