"""Where the rules that protect the account stand, and everything they did."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, datetime, timedelta

from sqlmodel import SQLModel, col, select
from sqlmodel.ext.asyncio.session import AsyncSession

from domain.adjustment import adjusted_close, split_factor
from domain.bar_series import BarSeries, KnownBar, series_of
from domain.breaker_state import BreakerEvent
from domain.decisions import Holding
from domain.ids import digest
from domain.live_protection import LiveProtection, StopInputs, trimmed
from domain.market import Bar, CorporateAction
from domain.portfolio import as_decimal
from domain.rules_config import StopRules
from domain.surroundings import ATR_SESSIONS
from store import outbox
from store.database import insert_new, upsert
from store.market import NEW_YORK, known_bars
from store.tables.agents import AgentPerformance
from store.tables.market import CorporateActionRow
from store.tables.trading import BreakerEventRow, ProtectionRow, ReserveEntry, StopEventRow, TierEvent

_ONLY = 1
ATR_DAYS = timedelta(days=420)
"""Calendar days that hold as many sessions, and those that clusters are made from."""


async def load(session: AsyncSession, *, for_update: bool = False) -> LiveProtection | None:
    """The state after the last look; None where nobody has looked yet."""
    row = await session.get(ProtectionRow, _ONLY, with_for_update=for_update)
    return LiveProtection.model_validate(row.body) if row is not None else None


async def save(session: AsyncSession, before: LiveProtection, after: LiveProtection, *, at: datetime) -> None:
    """Write the state, a row for everything that the rules did since `before`, and an event for what people must know.

    Idempotent: the ids of rows and events are functions of what happened.
    """
    was, now = before.state, after.state
    trips = now.breaker_events[len(was.breaker_events) :]
    rows: list[SQLModel] = [_breaker_row(event) for event in trips]
    rows += [
        StopEventRow(
            event_id=digest("stop", record.symbol, record.as_of, record.event.kind),
            symbol=record.symbol,
            as_of=record.as_of,
            kind=record.event.kind.value,
            price=record.event.price,
            level=record.event.level,
            share=record.event.share,
        )
        for record in now.stop_events[len(was.stop_events) :]
    ]
    rows += [
        ReserveEntry(
            entry_id=digest("reserve", move.kind, move.as_of, move.amount),
            as_of=move.as_of,
            amount=move.amount if move.kind == "skim" else -move.amount,
            balance=move.balance,
            reason=move.reason if not move.operator else f"{move.reason} ({move.operator})",
        )
        for move in now.reserve_moves[len(was.reserve_moves) :]
    ]
    steps = now.tier_changes[len(was.tier_changes) :]
    rows += [
        TierEvent(
            event_id=digest("tier", change.session, change.before, change.after),
            as_of=at,
            from_tier=change.before.value,
            to_tier=change.after.value,
            reason="; ".join(f"{gate.name} {gate.value}, {gate.limit}" for gate in change.gates if not gate.passed)
            or "everything that a step up needs is met",
        )
        for change in steps
    ]
    for row in rows:
        await insert_new(session, [row])
    await upsert(session, [ProtectionRow(state_id=_ONLY, body=trimmed(after).model_dump(mode="json"), updated_at=at)])
    for event in trips:
        await outbox.publish(
            session,
            event_id=f"breaker/{_breaker_id(event)}",
            event="breaker_tripped" if event.is_trip else "breaker_reset",
            subject_id=event.breaker.value,
            body={"from": event.before.value, "to": event.after.value, "value": event.value, "limit": event.limit},
            occurred_at=event.as_of,
        )
    for change in steps:
        await outbox.publish(
            session,
            event_id=f"tier/{change.session}/{change.after}",
            event="tier_changed",
            subject_id=change.after.value,
            body={"from": change.before.value, "to": change.after.value},
            occurred_at=at,
        )


def _breaker_id(event: BreakerEvent) -> str:
    return digest("breaker", event.breaker, event.as_of, event.after)


def _breaker_row(event: BreakerEvent) -> BreakerEventRow:
    return BreakerEventRow(
        event_id=_breaker_id(event),
        breaker=event.breaker.value,
        state=event.after.value,
        as_of=event.as_of,
        value=event.value,
        limit=event.limit,
        reason=f"{event.before.value} to {event.after.value}{f' by {event.operator}' if event.operator else ''}",
    )


# -- what the rules look at -------------------------------------------------------------------------------------------


async def series(session: AsyncSession, *, symbols: Sequence[str], as_of: datetime) -> dict[str, BarSeries]:
    """Bars of some symbols that were known at an instant, as far back as average true ranges look."""
    first = (as_of - ATR_DAYS).date()
    bars = await known_bars(session, symbols=symbols, first=first, as_of=as_of)
    actions = [
        CorporateAction(
            symbol=row.symbol, ex_date=row.ex_date, cash_dividend=row.cash_dividend, split_ratio=row.split_ratio
        )
        for row in await session.exec(
            select(CorporateActionRow).where(
                col(CorporateActionRow.symbol).in_(symbols),
                CorporateActionRow.ex_date >= first,
                CorporateActionRow.split_ratio != 1,
            )
        )
    ]
    return series_of(bars, actions)


def stop_inputs(
    holding: Holding, known: BarSeries | None, *, horizon_td: float, as_of: datetime, rules: StopRules
) -> StopInputs:
    """What stops are judged by, of one position: everything in the shares of the day."""
    opened = date.fromisoformat(holding.opened_session) if holding.opened_session else _day(as_of)
    if known is None:
        return StopInputs(holding=holding, opened=opened, horizon_td=horizon_td)
    today = _day(as_of)
    since = [each for each in known.bars if opened <= each.bar.session]
    ranges = {each.bar.session: found for each in since if (found := _range(known, each, rules, today)) is not None}
    before = [each for each in known.bars if each.bar.session < opened]
    return StopInputs(
        holding=holding,
        opened=opened,
        horizon_td=horizon_td,
        bars=tuple(_in_shares_of(each.bar, known, today) for each in since),
        ranges=ranges,
        entry_range=_range(known, before[-1], rules, today) if before else None,
    )


def _range(known: BarSeries, at: KnownBar, rules: StopRules, today: date) -> float | None:
    """The average true range once a bar was known."""
    found = known.average_true_range(at.available_at, rules, ATR_SESSIONS)
    return found and found / float(split_factor(_day(at.available_at), known.splits, today))


def _in_shares_of(bar: Bar, known: BarSeries, today: date) -> Bar:
    factor = split_factor(bar.session, known.splits, today)
    if factor == 1:
        return bar
    names = ("open", "high", "low", "close")
    return bar.model_copy(update={name: as_decimal(adjusted_close(getattr(bar, name), factor)) for name in names})


def _day(as_of: datetime) -> date:
    return as_of.astimezone(NEW_YORK).date()


async def model_outcomes(session: AsyncSession, *, as_of: datetime, window: int) -> tuple[bool, ...]:
    """Whether the last answers of models were valid and their quotes found, oldest first; cached ones count once."""
    rows = await session.exec(
        select(col(AgentPerformance.valid) & (col(AgentPerformance.quotes_valid) == col(AgentPerformance.quotes_total)))
        .where(
            AgentPerformance.recorded_at <= as_of,
            col(AgentPerformance.shadow).is_(False),
            col(AgentPerformance.cached).is_(False),
            AgentPerformance.tokens_in > 0,
        )
        .order_by(col(AgentPerformance.recorded_at).desc())
        .limit(window)
    )
    return tuple(reversed(rows.all()))
