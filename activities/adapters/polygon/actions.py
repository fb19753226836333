"""Splits and cash dividends, symbol after symbol: its splits, then its dividends.

The store knows an action by its symbol, day and kind, and one day can have several: they are joined, so that a day must
never be cut in two. A page with more behind it therefore ends before its last day, and the next one begins with that.

Vendors announce actions ahead and learn of some late. Each round reads everything from some days before the round
before on, the announced future included; an action that comes again is equal to what it was.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import date, datetime, timedelta
from enum import StrEnum
from typing import Annotated

from pydantic import Field

from activities.adapters.polygon.answers import ANSWERS
from activities.adapters.polygon.asking import is_unknown, unknown
from activities.adapters.polygon.market import (
    ActionsPage,
    dividends_request,
    read_dividends,
    read_splits,
    splits_request,
)
from activities.adapters.polygon.rounds import Marks, decoded, encoded, kept
from domain.documents import NEW_YORK, Reject, RejectReason
from domain.fetching import HttpAnswer, HttpRequest, SourcePage
from domain.market import CorporateAction
from domain.model import Model
from domain.sources import PolygonActionsConfig

OVERLAP = timedelta(days=30)
"""How late an action may become known."""
_ONE_DAY = timedelta(days=1)


class ActionKind(StrEnum):
    SPLITS = "splits"
    DIVIDENDS = "dividends"


class _Cursor(Model):
    at: str = ""
    """Whose turn it is; empty: the first symbol's."""
    kind: ActionKind = ActionKind.SPLITS
    since: Annotated[date, Field(le=date(2200, 1, 1))] | None = None
    """First day still to be read of this symbol and kind; None: where the round begins."""
    began: date | None = None
    """Day on which the first answer about this symbol was read."""
    marks: Marks = Field(default_factory=dict)
    """Day on which each symbol was last read."""


def first(config: PolygonActionsConfig, cursor: str, now: datetime) -> HttpRequest:
    """Ask for whatever the cursor stands at."""
    return _request(config, _placed(config, cursor))


def read(config: PolygonActionsConfig, cursor: str, answer: HttpAnswer, now: datetime) -> SourcePage:
    """Read whole days of one symbol's splits or dividends.

    Raises:
        VendorError, NotFound: the vendor refused.
        SourceFormatError: the answer as a whole is unusable, or one with more to follow is not in order of days.
    """
    at = _placed(config, cursor)
    began = at.began or now.astimezone(NEW_YORK).date()
    at = at.model_copy(update={"began": began})
    if is_unknown(answer):
        return _page(config, _next_symbol(config, at, at.marks), (), (unknown(at.kind, at.at),))
    page = read_splits(config, answer) if at.kind is ActionKind.SPLITS else read_dividends(config, answer)
    mine = [action for action in page.actions if action.symbol == at.at]
    strangers = {action.symbol for action in page.actions} - {at.at}
    rejects = page.rejects + tuple(
        _refused(at, RejectReason.UNKNOWN_TICKER, f"{symbol} found, asked was {at.at}") for symbol in sorted(strangers)
    )
    if page.next is not None:
        return _read_part(config, at, mine, page, rejects)
    moved = at.model_copy(update={"kind": ActionKind.DIVIDENDS, "since": None})
    if at.kind is ActionKind.DIVIDENDS:
        moved = _next_symbol(config, at, at.marks | {at.at: began})
    return _page(config, moved, mine, rejects)


def _read_part(
    config: PolygonActionsConfig,
    at: _Cursor,
    mine: list[CorporateAction],
    page: ActionsPage,
    rejects: tuple[Reject, ...],
) -> SourcePage:
    """Read a page with more behind it: its days but for the last one, which may go on there."""
    days = [action.ex_date for action in mine]
    if days != sorted(days):
        raise ANSWERS.unusable(f"{at.kind} out of order", "actions in ascending order of their days")
    if not days:
        return SourcePage(rejects=rejects, cursor=encoded(at), next=page.next)
    last, start = days[-1], _start(config, at)
    if last > start:
        whole = [action for action in mine if action.ex_date < last]
        return _page(config, at.model_copy(update={"since": last}), whole, rejects)
    detail = f"more than {len(mine)} on {last} found, allowed is a day that fits into one answer"
    moved = at.model_copy(update={"since": last + _ONE_DAY})
    return _page(config, moved, (), (*rejects, _refused(at, RejectReason.MALFORMED_ROW, detail)))


def _joined(actions: Iterable[CorporateAction]) -> tuple[CorporateAction, ...]:
    """One action a day; those that change nothing are none."""
    by_day: dict[date, CorporateAction] = {}
    for action in actions:
        known = by_day.get(action.ex_date)
        by_day[action.ex_date] = action if known is None else known.with_also(action)
    return tuple(action for action in by_day.values() if action.cash_dividend or action.split_ratio != 1)


def _placed(config: PolygonActionsConfig, cursor: str) -> _Cursor:
    """The cursor, at the first symbol where it stands at none that is configured."""
    at = decoded(_Cursor, cursor)
    return at if at.at in config.symbols else _Cursor(at=config.symbols[0], marks=at.marks)


def _start(config: PolygonActionsConfig, at: _Cursor) -> date:
    if at.since is not None:
        return at.since
    mark = at.marks.get(at.at)
    return config.since if mark is None else max(config.since, mark - OVERLAP)


def _request(config: PolygonActionsConfig, at: _Cursor) -> HttpRequest:
    ask = splits_request if at.kind is ActionKind.SPLITS else dividends_request
    return ask(config, at.at, _start(config, at))


def _next_symbol(config: PolygonActionsConfig, at: _Cursor, marks: dict[str, date]) -> _Cursor:
    symbols = tuple(dict.fromkeys(config.symbols))
    following = symbols[symbols.index(at.at) + 1 :]
    return _Cursor(at=following[0] if following else "", marks=kept(marks, symbols))


def _page(
    config: PolygonActionsConfig, moved: _Cursor, actions: Iterable[CorporateAction], rejects: tuple[Reject, ...]
) -> SourcePage:
    following = _request(config, moved) if moved.at else None
    return SourcePage(actions=_joined(actions), rejects=rejects, cursor=encoded(moved), next=following)


def _refused(at: _Cursor, reason: RejectReason, detail: str) -> Reject:
    return ANSWERS.refused(at.kind, 0, "ticker" if reason is RejectReason.UNKNOWN_TICKER else "", reason, detail)
