"""Values as people read them. What is not known is a dash that says so, never a zero."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal, InvalidOperation
from typing import Any
from zoneinfo import ZoneInfo

from markupsafe import Markup, escape

NEW_YORK = ZoneInfo("America/New_York")
UNKNOWN = Markup('<span class="unknown" title="not known">–</span>')
_MINUS = "\N{MINUS SIGN}"
_NUMBERS = re.compile(r"(?<![\w.:-])-?\d+(?:\.\d+)?(?![\w.:-])")
_COMPARISONS = (
    ("=>= ", " \N{GREATER-THAN OR EQUAL TO} "),
    ("=<= ", " \N{LESS-THAN OR EQUAL TO} "),
    ("=> ", " > "),
    ("=< ", " < "),
)
"""How reasons write what was allowed, and how a person reads it."""
_INSTALLATION = "api:bootstrap/bootstrap"
_WAYS = {"session": "", "api": " (key)", "cli": " (terminal)"}
_UP, _DOWN, _FLAT = "\N{BLACK UP-POINTING TRIANGLE}", "\N{BLACK DOWN-POINTING TRIANGLE}", ""


def number(value: Any) -> Decimal | None:
    """A value of the API as a number; None where it has none."""
    if value is None or value == "" or isinstance(value, bool):
        return None
    try:
        found = Decimal(str(value))
    except InvalidOperation:
        return None
    return found if found.is_finite() else None


def plain(value: Any, digits: int = 2) -> str | Markup:
    """Thousands separated: 12,345.68."""
    found = number(value)
    return UNKNOWN if found is None else _grouped(found, digits)


def money(value: Any, digits: int = 2) -> str | Markup:
    """Dollars: $1,234.50."""
    found = number(value)
    if found is None:
        return UNKNOWN
    sign = _MINUS if found < 0 else ""
    return f"{sign}${_grouped(abs(found), digits)}"


def shares(value: Any) -> str | Markup:
    """A quantity, without trailing zeros."""
    found = number(value)
    if found is None:
        return UNKNOWN
    text = f"{found.normalize():,f}"
    return text.replace("-", _MINUS)


def percent(value: Any, digits: int = 1) -> str | Markup:
    """A fraction as a percentage: 0.125 -> 12.5 %."""
    found = number(value)
    return UNKNOWN if found is None else f"{_grouped(found * 100, digits)} %"


def signed(value: Any, digits: int = 4) -> str | Markup:
    """A number whose sign matters: colour, sign and shape say it alike."""
    found = number(value)
    return UNKNOWN if found is None else _marked(found, _with_sign(found, digits))


def signed_money(value: Any, digits: int = 2) -> str | Markup:
    """Gain or loss in dollars."""
    found = number(value)
    if found is None:
        return UNKNOWN
    sign = _MINUS if found < 0 else "+" if found > 0 else ""
    return _marked(found, f"{sign}${_grouped(abs(found), digits)}")


def signed_percent(value: Any, digits: int = 2) -> str | Markup:
    """Gain or loss as a percentage of a fraction."""
    found = number(value)
    return UNKNOWN if found is None else _marked(found, f"{_with_sign(found * 100, digits)} %")


def instant(value: Any) -> str | Markup:
    """Date and time in UTC; New York's on hovering."""
    found = moment(value)
    if found is None:
        return UNKNOWN
    there = found.astimezone(NEW_YORK)
    return Markup('<time datetime="{}" title="{} in New York">{}</time>').format(
        found.isoformat(), f"{there:%a %d %b %Y, %H:%M}", f"{found:%d %b %Y %H:%M} UTC"
    )


def short_instant(value: Any) -> str | Markup:
    """Day and time without the year, for dense lists."""
    found = moment(value)
    if found is None:
        return UNKNOWN
    there = found.astimezone(NEW_YORK)
    return Markup('<time datetime="{}" title="{} UTC, {} in New York">{}</time>').format(
        found.isoformat(), f"{found:%a %d %b %Y %H:%M:%S}", f"{there:%H:%M}", f"{found:%d %b %H:%M}"
    )


def day(value: Any) -> str | Markup:
    """A date, or the UTC date of an instant."""
    if not value:
        return UNKNOWN
    found = moment(value)
    on = found.date() if found is not None else date.fromisoformat(str(value))
    return Markup('<time datetime="{}">{}</time>').format(on.isoformat(), f"{on:%d %b %Y}")


def span(seconds: float) -> str:
    """How long: 45 s, 12 min, 3 h 20 min, 5 d."""
    whole = round(abs(seconds))
    if whole < 60:
        return f"{whole} s"
    minutes, hours = whole // 60, whole // 3600
    if hours < 1:
        return f"{minutes} min"
    if hours < 24:
        return f"{hours} h {minutes % 60} min" if minutes % 60 else f"{hours} h"
    return f"{hours // 24} d {hours % 24} h" if hours < 72 and hours % 24 else f"{hours // 24} d"


def size(count: Any) -> str:
    """How many bytes: 512 B, 3.4 kB, 12 MB, 1.7 GB."""
    whole = int(count)
    for unit, above in (("GB", 10**9), ("MB", 10**6), ("kB", 10**3)):
        if whole >= above:
            found = whole / above
            return f"{found:.0f} {unit}" if found >= 10 else f"{found:.1f} {unit}"
    return f"{whole} B"


def ago(value: Any, now: datetime) -> str | Markup:
    """How long before `now`."""
    found = moment(value)
    return UNKNOWN if found is None else f"{span((now - found).total_seconds())} ago"


def lasted(value: Any, since: Any) -> str | Markup:
    """How long it was from one instant to another."""
    ended, began = moment(value), moment(since)
    return UNKNOWN if ended is None or began is None else span((ended - began).total_seconds())


def moment(value: Any) -> datetime | None:
    """An instant of the API; None where there is none, or only a date."""
    if isinstance(value, datetime):
        return value
    if not value or "T" not in str(value):
        return None
    return datetime.fromisoformat(str(value)).astimezone(UTC)


def words(value: Any) -> str:
    """An identifier as words: `name_cap` -> `name cap`."""
    return str(value or "").replace("_", " ").replace("-", " ")


def code_and_rest(value: Any) -> tuple[str, str]:
    """A reason of ours apart: `CODE: key=value` -> (`CODE`, `key=value`)."""
    code, found, rest = str(value or "").partition(":")
    said = rest.strip()
    for written, sign in _COMPARISONS:
        said = said.replace(written, sign)
    return (code, said) if found and code.replace("_", "").isupper() else ("", str(value or ""))


def ticked(value: Any) -> Markup:
    """A sentence of the API whose `commands` stand between backticks, with these as code."""
    parts = str(value or "").split("`")
    if len(parts) % 2 == 0:  # one is not closed
        return escape(value)
    return Markup("").join(
        Markup("<code>{}</code>").format(part) if index % 2 else escape(part) for index, part in enumerate(parts)
    )


def bound(value: Any) -> str:
    """A value or limit of a gate: long numbers grouped and without trailing zeros, comparisons as one sign."""
    text = str(value).replace(">=", "\N{GREATER-THAN OR EQUAL TO}").replace("<=", "\N{LESS-THAN OR EQUAL TO}")
    return _NUMBERS.sub(lambda found: _tidy(found.group()), text)


def _tidy(text: str) -> str:
    found = Decimal(text)
    whole, _, rest = f"{found:,f}".partition(".")
    rest = rest.rstrip("0")[:6]
    return (f"{whole}.{rest}" if rest else whole).replace("-", _MINUS)


def _grouped(value: Decimal, digits: int) -> str:
    return f"{value:,.{digits}f}".replace("-", _MINUS)


def _with_sign(value: Decimal, digits: int) -> str:
    return f"{value:+,.{digits}f}".replace("-", _MINUS) if value else f"{value:.{digits}f}"


def _marked(value: Decimal, text: str) -> Markup:
    direction, shape = ("up", _UP) if value > 0 else ("down", _DOWN) if value < 0 else ("flat", _FLAT)
    mark = Markup('<span class="shape" aria-hidden="true">{}</span>').format(shape) if shape else Markup("")
    return Markup('<span class="{}">{}{}</span>').format(direction, mark, escape(text))


def is_past(value: Any, now: datetime) -> bool:
    """Whether an instant has come."""
    found = moment(value)
    return found is not None and found <= now


def until(value: Any, now: datetime) -> timedelta | None:
    """How long from `now`; negative when it is over."""
    found = moment(value)
    return None if found is None else found - now


def who(actor: Any) -> str:
    """Somebody who acted, by name, as commands say it too (docs/access.md); empty where nobody has."""
    text = str(actor or "")
    if text == _INSTALLATION:
        return "the installation's key"
    way, _, whose = text.partition(":")
    name = whose.partition("/")[0]
    return f"{name}{_WAYS[way]}" if name and way in _WAYS else text


FILTERS: Mapping[str, Callable[..., Any]] = {
    "plain": plain,
    "money": money,
    "shares": shares,
    "percent": percent,
    "signed": signed,
    "signed_money": signed_money,
    "signed_percent": signed_percent,
    "instant": instant,
    "short_instant": short_instant,
    "day": day,
    "span": span,
    "size": size,
    "lasted": lasted,
    "is_past": is_past,
    "ago": ago,
    "words": words,
    "who": who,
    "bound": bound,
    "ticked": ticked,
    "code_and_rest": code_and_rest,
}
