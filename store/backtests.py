"""Backtests: what they read of the book, and what is kept of them."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from datetime import UTC, date, datetime, time, timedelta
from typing import Any

from sqlalchemy import func, text
from sqlmodel import col, select
from sqlmodel.ext.asyncio.session import AsyncSession

from domain.backtest import BacktestRequest, Membership
from domain.backtest_data import BacktestData
from domain.backtest_run import BacktestEnd, BacktestResult, BacktestStart
from domain.bar_series import series_of
from domain.errors import InvalidInput, NotFound
from domain.extraction import ExtractorKind
from domain.market import CorporateAction, Session
from domain.sweep import SweepReport
from store import competitor_history, documents, earnings, economy, evidence, exposures, outbox, registry
from store.database import insert_new
from store.keysets import newest_first
from store.market import recorded_bars
from store.tables.market import CorporateActionRow
from store.tables.trading import Backtest

KIND, SWEEP = "backtest", "sweep"
RUNNING, FINISHED, FAILED, CANCELED, REMOVED = "running", "finished", "failed", "canceled", "removed"

_FINGERPRINT = """
    SELECT md5(concat_ws('|',
        (SELECT md5(string_agg(evidence_id, ',' ORDER BY evidence_id)) FROM evidence
            JOIN extractions USING (extraction_id)
            WHERE evidence.available_at > :after AND evidence.available_at <= :until AND NOT superseded),
        (SELECT md5(string_agg(macro_event_id, ',' ORDER BY macro_event_id)) FROM macro_events
            JOIN extractions USING (extraction_id)
            WHERE macro_events.available_at > :after AND macro_events.available_at <= :until AND NOT superseded),
        (SELECT md5(string_agg(doc_id || original_id || relation, ',' ORDER BY doc_id, original_id)) FROM document_links
            WHERE available_at <= :until AND relation IN ('correction', 'retraction')),
        (SELECT md5(string_agg(bars::text, ',' ORDER BY symbol, session)) FROM bars
            WHERE session >= :first AND session <= :last),
        (SELECT md5(string_agg(corporate_actions::text, ',' ORDER BY symbol, ex_date)) FROM corporate_actions
            WHERE ex_date >= :first AND ex_date <= :last),
        (SELECT md5(string_agg(exposure_profiles::text, ',' ORDER BY symbol, version)) FROM exposure_profiles
            WHERE created_at <= :until),
        (SELECT md5(string_agg(competitor_link_changes::text, ',' ORDER BY symbol, competitor, number))
            FROM competitor_link_changes WHERE since <= :until),
        (SELECT md5(string_agg(competitor_comovements::text, ',' ORDER BY symbol, competitor, as_of))
            FROM competitor_comovements WHERE known_at <= :until),
        (SELECT md5(string_agg(symbol, ',' ORDER BY symbol)) FROM companies WHERE followed),
        (SELECT md5(string_agg(earnings_dates::text, ',' ORDER BY symbol, report_date, number)) FROM earnings_dates
            WHERE available_at <= :until),
        (SELECT md5(string_agg(evidence_id, ',' ORDER BY evidence_id)) FROM evidence
            JOIN extractions USING (extraction_id) JOIN documents ON documents.doc_id = evidence.doc_id
            WHERE evidence.available_at <= :after AND NOT superseded AND event_type = 'earnings'
            AND evidence.role = 'subject' AND documents.credibility = 'official')
    ))
"""
"""What a backtest of a period reads, as one value: any change of it is another."""

WARM_UP = timedelta(days=420)
"""Bars from before the first session: clusters and average true ranges read 250 sessions."""


async def load(
    session: AsyncSession,
    *,
    sessions: Sequence[Session],
    session_dates: Sequence[date],
    lookback_days: int,
    only_rules: bool = False,
    universe: Sequence[Membership] = (),
) -> BacktestData:
    """Read all that the book came to know up to the last close of a period, and as far back as decisions look.

    Args:
        session_dates: of the exchange, from before the period's first look-back to some days after its end.
        only_rules: leave out what models read.
        universe: what may be bought, and when; without any, everything.

    Raises:
        InvalidInput: there are no bars in the period.
    """
    first, last = sessions[0], sessions[-1]
    after = first.opens_at - timedelta(days=lookback_days + 1)
    until = last.closes_at
    found = await evidence.evidence_between(session, after=after, until=until, only_rules=only_rules)
    statements = await economy.items_between(session, after=after, until=until)
    if only_rules:
        statements = [item for item in statements if item.extractor is ExtractorKind.RULES]
    bars = await recorded_bars(session, first=first.date - WARM_UP, last=last.date)
    if not any(packed.days.each[-1] >= first.date for packed in bars.values()):
        raise InvalidInput(
            "NO_BARS_IN_PERIOD",
            "Backfill bars of the period first: `stonks sources` and `stonks backfill` show how",
            first=first.date,
            last=last.date,
        )
    actions = [
        CorporateAction(
            symbol=row.symbol, ex_date=row.ex_date, cash_dividend=row.cash_dividend, split_ratio=row.split_ratio
        )
        for row in await session.exec(
            select(CorporateActionRow)
            .where(CorporateActionRow.ex_date >= first.date - WARM_UP, CorporateActionRow.ex_date <= last.date)
            .order_by(col(CorporateActionRow.ex_date), col(CorporateActionRow.symbol))
        )
    ]
    by_day: dict[date, list[CorporateAction]] = {}
    for action in actions:
        by_day.setdefault(action.ex_date, []).append(action)
    return BacktestData(
        sessions=tuple(sessions),
        session_dates=tuple(session_dates),
        evidence=found,
        bars=series_of(bars, actions),
        actions=by_day,
        taken_back=await documents.takings_back(session, until=until),
        economy=statements,
        exposures=await exposures.histories(session, until=until),
        links=await competitor_history.links(session, until=until),
        comovements=await competitor_history.comovements(session, after=after, until=until),
        sectors=await registry.sectors(session),
        members=_members(universe, bars.keys()) if universe else {},
        reports=await earnings.known_reports(session, until=until, only_rules=only_rules),
    )


async def fingerprint(session: AsyncSession, *, first: date, last: date, lookback_days: int) -> str:
    """Name what the book holds of a period, all that `load` reads of it: equal names are equal data."""
    connection = await session.connection()
    found = await connection.execute(
        text(_FINGERPRINT),
        {
            "after": _midnight(first) - timedelta(days=lookback_days + 1),
            "until": _midnight(last) + timedelta(days=1, hours=6),
            "first": first - WARM_UP,
            "last": last,
        },
    )
    return str(found.scalar_one())


def _midnight(day: date) -> datetime:
    return datetime.combine(day, time(), UTC)


# -- what is kept of them ---------------------------------------------------------------------------------------------


async def begin(session: AsyncSession, start: BacktestStart, *, requested_by: str, now: datetime) -> Backtest:
    """Note that a backtest was asked for: as running, also where it had failed or been canceled before."""
    row = Backtest(
        backtest_id=start.backtest_id,
        kind=KIND,
        status=RUNNING,
        request=start.request.model_dump(mode="json"),
        data_version=start.data_version,
        requested_by=requested_by,
        created_at=now,
    )
    await insert_new(session, [row])
    known = await session.get(Backtest, start.backtest_id, with_for_update=True)
    assert known is not None
    fresh = known.created_at == now
    if known.status in (FAILED, CANCELED):
        known.status, known.error, known.finished_at = RUNNING, "", None
        session.add(known)
        fresh = True
    if fresh:
        await _tell(session, known.backtest_id, "started", {"status": RUNNING}, key=now.isoformat(), at=now)
    return known


async def tell_progress(session: AsyncSession, backtest_id: str, body: dict[str, Any], *, key: str) -> None:
    """Say how far a backtest has come."""
    await _tell(session, backtest_id, "progress", body, key=key, at=datetime.now(UTC))


async def _tell(
    session: AsyncSession, backtest_id: str, what: str, body: dict[str, Any], *, key: str, at: datetime
) -> None:
    await outbox.publish(
        session,
        event_id=f"backtest/{backtest_id}/{what}/{key}",
        event=f"backtest_{what}",
        subject_id=backtest_id,
        body=body,
        occurred_at=at,
    )


async def require(session: AsyncSession, backtest_id: str) -> Backtest:
    """Read a backtest.

    Raises:
        NotFound: there is none.
    """
    row = await session.get(Backtest, backtest_id)
    if row is None or row.kind != KIND:
        raise NotFound("BACKTEST_NOT_FOUND", "`stonks backtest list` shows them", backtest_id=backtest_id[:100])
    return row


async def finish(
    session: AsyncSession, backtest_id: str, result: BacktestResult, returns: Sequence[float], *, now: datetime
) -> None:
    row = await require(session, backtest_id)
    row.status, row.finished_at, row.error = FINISHED, now, ""
    row.result, row.returns = result.model_dump(mode="json"), list(returns)
    session.add(row)
    body = {"status": FINISHED, "sessions": result.sessions, "equity": result.equity}
    await _tell(session, backtest_id, "finished", body, key=now.isoformat(), at=now)


async def end(session: AsyncSession, ended: BacktestEnd, *, now: datetime) -> None:
    """Note how a backtest ended that did not finish. One that has a result keeps it."""
    row = await require(session, ended.backtest_id)
    if row.status == RUNNING:
        row.status, row.finished_at, row.error = ended.status, now, ended.error[:2_000]
        session.add(row)
        what = CANCELED if ended.status == CANCELED else FAILED
        await _tell(session, ended.backtest_id, what, {"status": ended.status}, key=now.isoformat(), at=now)


async def list_recent(
    session: AsyncSession, *, limit: int, before: tuple[datetime, str] | None = None
) -> Sequence[Backtest]:
    """Backtests, newest first; `before` is the instant and the id of the last row of the page before."""
    statement = select(Backtest).where(Backtest.kind == KIND)
    page = newest_first(statement, Backtest.created_at, Backtest.backtest_id, limit=limit, before=before)
    return list((await session.exec(page)).all())


async def trials(
    session: AsyncSession, request: BacktestRequest, *, besides: str
) -> tuple[int, list[tuple[float, ...]]]:
    """How many other backtests of the same period were ever begun, and the returns of those that finished."""
    same = (
        (Backtest.kind == KIND)
        & (col(Backtest.request)["first"].astext == request.first.isoformat())
        & (col(Backtest.request)["last"].astext == request.last.isoformat())
        & (Backtest.backtest_id != besides)
    )
    count = (await session.exec(select(func.count()).select_from(Backtest).where(same))).one()
    rows = await session.exec(
        select(Backtest.returns).where(same, Backtest.status == FINISHED).order_by(col(Backtest.backtest_id))
    )
    return count, [tuple(returns) for returns in rows]


async def returns_of(session: AsyncSession, backtest_ids: Sequence[str]) -> dict[str, tuple[float, ...]]:
    """Return of each session of each backtest."""
    rows = await session.exec(
        select(Backtest.backtest_id, Backtest.returns).where(col(Backtest.backtest_id).in_(backtest_ids))
    )
    return {backtest_id: tuple(returns) for backtest_id, returns in rows.all()}


async def save_sweep(session: AsyncSession, report: SweepReport, *, requested_by: str, now: datetime) -> None:
    """Keep what a sweep found; a repeat writes the same."""
    row = Backtest(
        backtest_id=report.sweep_id,
        kind=SWEEP,
        status=FINISHED,
        request=report.request.model_dump(mode="json"),
        result=report.model_dump(mode="json"),
        requested_by=requested_by,
        created_at=now,
        finished_at=now,
    )
    await insert_new(session, [row])


async def sweep(session: AsyncSession, sweep_id: str) -> SweepReport:
    """What a sweep found.

    Raises:
        NotFound: there is no finished one.
    """
    row = await session.get(Backtest, sweep_id)
    if row is None or row.kind != SWEEP:
        raise NotFound("SWEEP_NOT_FOUND", "`stonks backtest sweep` prints its id", sweep_id=sweep_id[:100])
    return SweepReport.model_validate(row.result)


async def remove(session: AsyncSession, backtest_id: str) -> None:
    """Forget a backtest's result. That it was tried stays: it counts for how far later ones are believed."""
    row = await require(session, backtest_id)
    row.status, row.result, row.returns = REMOVED, {}, []
    session.add(row)


def _members(universe: Sequence[Membership], symbols: Collection[str]) -> dict[str, list[tuple[date, date | None]]]:
    """By symbol its days; what is not named never belonged to it."""
    found: dict[str, list[tuple[date, date | None]]] = {symbol: [] for symbol in sorted(symbols)}
    for each in sorted(universe, key=lambda one: (one.symbol, one.first)):
        found.setdefault(each.symbol, []).append((each.first, each.last))
    return found
