"""How links between competitors held over time, and how the pairs were measured to move. Rows are only ever added."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy.dialects.postgresql import distinct_on
from sqlalchemy.orm import aliased
from sqlmodel import col, select
from sqlmodel.ext.asyncio.session import AsyncSession

from domain.comovement import CoMovement
from domain.comovement_measurement import MeasuredPair
from domain.extraction import EntityRole, Materiality
from domain.registry import LinkStatus
from store.database import insert_new
from store.documents import taken_back
from store.tables.ingestion import Document, EvidenceRow, ExtractionRow
from store.tables.registry import Company, CompetitorComovement, CompetitorLink, CompetitorLinkChange

_ABOUT = (EntityRole.SUBJECT.value, EntityRole.ACQUIRER.value, EntityRole.TARGET.value)
"""Roles in which a document is about a company."""


# -- links ------------------------------------------------------------------------------------------------------------


async def note_link(
    session: AsyncSession, symbol: str, competitor: str, strength: float | None, *, actor: str, now: datetime
) -> None:
    """Note from when a link holds with a strength, None: no longer. Whoever calls holds the link's row."""
    rows = await session.exec(
        select(CompetitorLinkChange)
        .where(CompetitorLinkChange.symbol == symbol, CompetitorLinkChange.competitor == competitor)
        .order_by(col(CompetitorLinkChange.number).desc())
        .limit(1)
    )
    last = rows.first()
    if strength == (last.strength if last is not None else None):
        return
    session.add(
        CompetitorLinkChange(
            symbol=symbol,
            competitor=competitor,
            number=last.number + 1 if last is not None else 1,
            since=max(now, last.since) if last is not None else now,
            strength=strength,
            actor=actor,
        )
    )
    await session.flush()


async def in_force(session: AsyncSession, symbols: Sequence[str], *, as_of: datetime) -> dict[str, dict[str, float]]:
    """Strength by competitor of the links that held at an instant between followed companies, of some companies."""
    statement = _newest(as_of).where(col(CompetitorLinkChange.symbol).in_(symbols))
    found: dict[str, dict[str, float]] = {symbol: {} for symbol in symbols}
    for row in await session.exec(statement):
        if row.strength is not None:
            found[row.symbol][row.competitor] = row.strength
    return found


async def naming(session: AsyncSession, *, as_of: datetime) -> dict[str, list[str]]:
    """By company, the companies that held it to be a competitor at an instant: its news moves them."""
    found: dict[str, list[str]] = {}
    for row in await session.exec(_newest(as_of)):
        if row.strength is not None:
            found.setdefault(row.competitor, []).append(row.symbol)
    return found


async def links(session: AsyncSession, *, until: datetime) -> dict[str, dict[str, list[tuple[datetime, float | None]]]]:
    """Every change of the links between followed companies up to an instant, by company and competitor."""
    rows = await session.exec(
        _between_followed(select(CompetitorLinkChange))
        .where(CompetitorLinkChange.since <= until)
        .order_by(
            col(CompetitorLinkChange.symbol), col(CompetitorLinkChange.competitor), col(CompetitorLinkChange.number)
        )
    )
    found: dict[str, dict[str, list[tuple[datetime, float | None]]]] = {}
    for row in rows:
        found.setdefault(row.symbol, {}).setdefault(row.competitor, []).append((row.since, row.strength))
    return found


async def list_changes(
    session: AsyncSession, *, symbol: str, limit: int, before: tuple[datetime, str, int] | None = None
) -> Sequence[CompetitorLinkChange]:
    """Changes of a company's links, the newest first; `before` is the last one of the page before."""
    statement = select(CompetitorLinkChange).where(CompetitorLinkChange.symbol == symbol)
    if before is not None:
        since, competitor, number = before
        same = col(CompetitorLinkChange.since) == since
        statement = statement.where(
            (col(CompetitorLinkChange.since) < since)
            | (same & (col(CompetitorLinkChange.competitor) > competitor))
            | (
                same
                & (col(CompetitorLinkChange.competitor) == competitor)
                & (col(CompetitorLinkChange.number) < number)
            )
        )
    ordered = statement.order_by(
        col(CompetitorLinkChange.since).desc(),
        col(CompetitorLinkChange.competitor),
        col(CompetitorLinkChange.number).desc(),
    )
    return (await session.exec(ordered.limit(limit))).all()


def _newest(as_of: datetime) -> Any:
    """The last change of every pair of followed companies at an instant."""
    return (
        _between_followed(select(CompetitorLinkChange))
        .where(CompetitorLinkChange.since <= as_of)
        .ext(distinct_on(col(CompetitorLinkChange.symbol), col(CompetitorLinkChange.competitor)))
        .order_by(
            col(CompetitorLinkChange.symbol),
            col(CompetitorLinkChange.competitor),
            col(CompetitorLinkChange.number).desc(),
        )
    )


def _between_followed(statement: Any) -> Any:
    company, competitor = aliased(Company), aliased(Company)
    return (
        statement.join(company, col(company.symbol) == col(CompetitorLinkChange.symbol))
        .join(competitor, col(competitor.symbol) == col(CompetitorLinkChange.competitor))
        .where(col(company.followed), col(competitor.followed))
    )


# -- co-movements -----------------------------------------------------------------------------------------------------


async def to_measure(session: AsyncSession, symbol: str | None) -> dict[str, list[str]]:
    """Competitors of each followed company, proposed and confirmed; of one company or of all."""
    company, competitor = aliased(Company), aliased(Company)
    statement = (
        select(CompetitorLink.symbol, CompetitorLink.competitor)
        .join(company, col(company.symbol) == col(CompetitorLink.symbol))
        .join(competitor, col(competitor.symbol) == col(CompetitorLink.competitor))
        .where(CompetitorLink.status != LinkStatus.REJECTED.value, col(company.followed), col(competitor.followed))
        .order_by(col(CompetitorLink.symbol), col(CompetitorLink.competitor))
    )
    if symbol is not None:
        statement = statement.where(CompetitorLink.symbol == symbol)
    found: dict[str, list[str]] = {}
    for one, other in await session.exec(statement):
        found.setdefault(one, []).append(other)
    return found


async def events(
    session: AsyncSession, *, symbol: str, competitors: Sequence[str], as_of: datetime, days: int
) -> dict[str, list[tuple[datetime, datetime]]]:
    """By competitor, when each document on it came out and was known: of more than low weight, not on both companies.

    Of each newest reading, without what had been taken back at the instant.
    """
    own = aliased(EvidenceRow)
    on_both = (
        select(own.evidence_id)
        .where(col(own.doc_id) == col(EvidenceRow.doc_id), col(own.symbol) == symbol, own.available_at <= as_of)
        .correlate(EvidenceRow)
        .exists()
    )
    rows = await session.exec(
        select(EvidenceRow.symbol, Document.published_at, EvidenceRow.available_at)
        .join(Document, col(Document.doc_id) == col(EvidenceRow.doc_id))
        .join(ExtractionRow, col(ExtractionRow.extraction_id) == col(EvidenceRow.extraction_id))
        .where(
            col(EvidenceRow.symbol).in_(competitors),
            col(EvidenceRow.role).in_(_ABOUT),
            EvidenceRow.materiality != Materiality.LOW.value,
            EvidenceRow.available_at <= as_of,
            Document.published_at > as_of - timedelta(days=days),
            ~col(ExtractionRow.superseded),
            ~taken_back(col(EvidenceRow.doc_id), as_of),
            ~on_both,
        )
        .distinct()
    )
    found: dict[str, list[tuple[datetime, datetime]]] = {competitor: [] for competitor in competitors}
    for competitor, published_at, available_at in sorted(rows.all()):
        found[competitor].append((published_at, available_at))
    return found


async def save_comovements(session: AsyncSession, measured: Sequence[MeasuredPair], *, now: datetime) -> int:
    """Write measurements; a pair is measured once at an instant. Returns how many were new."""
    return await insert_new(
        session,
        [
            CompetitorComovement(
                symbol=each.symbol,
                competitor=each.competitor,
                as_of=each.as_of,
                known_at=now,
                rho=each.comovement.rho,
                events=each.comovement.n,
                told=each.told,
                first_event=each.first_event,
                last_event=each.last_event,
                benchmark=each.benchmark,
            )
            for each in measured
        ],
    )


async def newest_comovements(
    session: AsyncSession, symbols: Sequence[str], *, as_of: datetime
) -> dict[str, dict[str, CompetitorComovement]]:
    """By company and competitor, of what had been measured by an instant what was measured last."""
    found: dict[str, dict[str, CompetitorComovement]] = {symbol: {} for symbol in symbols}
    for row in await session.exec(_measured_by(as_of).where(col(CompetitorComovement.symbol).in_(symbols))):
        found[row.symbol][row.competitor] = row
    return found


async def comovements(
    session: AsyncSession, *, after: datetime, until: datetime
) -> dict[str, dict[str, list[tuple[datetime, CoMovement]]]]:
    """How each pair was known to move, from when: what held at one instant, and what came up to another.

    What was measured later of an earlier instant changes nothing.
    """
    held = await session.exec(_measured_by(after))
    came = await session.exec(
        select(CompetitorComovement)
        .where(CompetitorComovement.known_at > after, CompetitorComovement.known_at <= until)
        .order_by(
            col(CompetitorComovement.symbol),
            col(CompetitorComovement.competitor),
            col(CompetitorComovement.known_at),
            col(CompetitorComovement.as_of),
        )
    )
    found: dict[str, dict[str, list[tuple[datetime, CoMovement]]]] = {}
    newest: dict[tuple[str, str], datetime] = {}
    for row in (*held, *came):
        pair = row.symbol, row.competitor
        if pair in newest and row.as_of < newest[pair]:
            continue
        newest[pair] = row.as_of
        found.setdefault(row.symbol, {}).setdefault(row.competitor, []).append((row.known_at, comovement_of(row)))
    return {symbol: dict(sorted(rivals.items())) for symbol, rivals in sorted(found.items())}


def comovement_of(row: CompetitorComovement) -> CoMovement:
    return CoMovement(rho=row.rho, n=row.events)


def _measured_by(as_of: datetime) -> Any:
    """Of every pair the last measurement that had been made by an instant."""
    return (
        select(CompetitorComovement)
        .where(CompetitorComovement.known_at <= as_of)
        .ext(distinct_on(col(CompetitorComovement.symbol), col(CompetitorComovement.competitor)))
        .order_by(
            col(CompetitorComovement.symbol),
            col(CompetitorComovement.competitor),
            col(CompetitorComovement.as_of).desc(),
        )
    )
