"""Companies and their names at a point in time, and what a person changes about them.

Rows are never deleted: a company that is taken off is no longer followed, and a name that is taken away stays as a note
that it is not wanted, so that neither the packaged names nor a vendor bring it back.
"""

from __future__ import annotations

import csv
import uuid
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from functools import cached_property, lru_cache
from importlib import resources
from typing import Any

from sqlalchemy import literal, tuple_
from sqlmodel import SQLModel, col, select
from sqlmodel.ext.asyncio.session import AsyncSession

from domain.errors import Conflict, InvalidInput, NotFound
from domain.ids import digest
from domain.registry import CompanyChange, NameKind, NewAlias, NewCompany, TickerUse, clash, ticker_uses
from domain.resolution import CompanyName, NameIndex, ResolverCompany, canonical_label
from store import audit
from store.database import insert_new, lock
from store.tables.registry import Company, CompanyAlias, WatchlistMember

PERSON = "person"
"""The origin of what a person entered."""
_REMOVED = "removed/"
"""Before the origin of a name that a person took away."""
_LOCK = 7_203_114_904
"""Changes that may contradict each other wait for one another."""

_Days = tuple[date | None, date | None]


@dataclass(frozen=True)
class SymbolMaster:
    """Tickers and names as they were: each means a company only on the days on which it was used for it."""

    companies: dict[str, Company]
    tickers: dict[str, tuple[CompanyAlias, ...]] = field(default_factory=dict)
    """Tickers that are given with days, by their letters in capitals."""
    names: dict[str, tuple[str, ...]] = field(default_factory=dict)
    """Names of each company, the longest first, whenever they were valid."""
    spoken: tuple[CompanyAlias, ...] = ()
    """Names with their days."""

    def resolve(self, ticker: str, on: date) -> str | None:
        """Map a ticker of that day to today's symbol; None where no company used it then.

        An alias that was valid on the day wins over a company that carries the same letters today: GOOG of 2011 is the
        class A share, today's GOOGL. A company whose own letters are given with days carries them on those alone.
        """
        label = ticker.strip().upper()
        company = self.companies.get(label)
        dated = False
        for alias in self.tickers.get(label, ()):
            if _valid(alias.valid_from, alias.valid_to, on):
                return alias.symbol
            dated = dated or (company is not None and alias.symbol == company.symbol)
        if company is None or dated or not _valid(company.active_from, company.active_to, on):
            return None
        return company.symbol

    @cached_property
    def followed(self) -> frozenset[str]:
        """Companies about which something new may be concluded."""
        return frozenset(symbol for symbol, company in self.companies.items() if company.followed)

    @cached_property
    def index(self) -> NameIndex:
        """Finds companies in texts. Built on first use; masters of equal content share one."""
        companies = tuple((c.symbol, c.name, c.cik, c.active_from, c.active_to) for c in self.companies.values())
        tickers = (alias for _, rows in sorted(self.tickers.items()) for alias in rows)
        names = tuple((a.symbol, a.alias, a.kind, a.valid_from, a.valid_to) for a in (*tickers, *self.spoken))
        return _index(companies, names)


@lru_cache(maxsize=2)
def _index(
    companies: tuple[tuple[str, str, str, date | None, date | None], ...],
    names: tuple[tuple[str, str, str, date | None, date | None], ...],
) -> NameIndex:
    return NameIndex(
        (
            ResolverCompany(symbol=symbol, name=name, cik=cik, active_from=first, active_to=last)
            for symbol, name, cik, first, last in companies
        ),
        (
            CompanyName(symbol=symbol, name=name, kind=NameKind(kind), valid_from=first, valid_to=last)
            for symbol, name, kind, first, last in names
        ),
    )


async def load_master(session: AsyncSession) -> SymbolMaster:
    """Read the registry whole: some thousand rows at most."""
    rows = await session.exec(select(Company).order_by(col(Company.symbol)))
    companies = {row.symbol: row for row in rows}
    tickers: dict[str, list[CompanyAlias]] = {}
    spoken: list[CompanyAlias] = []
    names: dict[str, set[str]] = {symbol: {company.name} for symbol, company in companies.items()}
    for alias in await session.exec(_known_aliases().order_by(col(CompanyAlias.alias_id))):
        if alias.kind == NameKind.TICKER:
            tickers.setdefault(alias.alias.upper(), []).append(alias)
            continue
        spoken.append(alias)
        if alias.kind != NameKind.AMBIGUOUS:
            names.setdefault(alias.symbol, set()).add(alias.alias)
    return SymbolMaster(
        companies=companies,
        tickers={label: tuple(found) for label, found in tickers.items()},
        names={symbol: tuple(sorted(found, key=lambda n: (-len(n), n))) for symbol, found in names.items()},
        spoken=tuple(spoken),
    )


# -- reading ----------------------------------------------------------------------------------------------------------


async def require(session: AsyncSession, symbol: str, *, for_change: bool = False) -> Company:
    """Read a company, whether it is followed or not; `for_change` keeps others from changing it meanwhile.

    Raises:
        NotFound: the registry has no such company.
    """
    row = await session.get(Company, symbol, with_for_update=for_change or None)
    if row is None:
        raise NotFound("COMPANY_NOT_FOUND", "`stonks companies list` and /v1/companies show them", symbol=symbol)
    return row


async def list_companies(
    session: AsyncSession,
    *,
    limit: int,
    text: str | None = None,
    sector: str | None = None,
    followed: bool | None = None,
    watchlist_id: str | None = None,
    after: str | None = None,
) -> Sequence[Company]:
    """Companies by symbol. `text` is looked for in symbols, names and aliases, however it is written."""
    statement = select(Company)
    if text is not None:
        named = _known_aliases(CompanyAlias.symbol).where(col(CompanyAlias.alias).icontains(text, autoescape=True))
        statement = statement.where(
            col(Company.symbol).icontains(text, autoescape=True)
            | col(Company.name).icontains(text, autoescape=True)
            | col(Company.symbol).in_(named)
        )
    if sector is not None:
        statement = statement.where(Company.sector == sector)
    if followed is not None:
        statement = statement.where(Company.followed == followed)
    if watchlist_id is not None:
        members = select(WatchlistMember.symbol).where(WatchlistMember.watchlist_id == watchlist_id)
        statement = statement.where(col(Company.symbol).in_(members))
    if after is not None:
        statement = statement.where(col(Company.symbol) > after)
    return (await session.exec(statement.order_by(col(Company.symbol)).limit(limit))).all()


async def list_aliases(
    session: AsyncSession, *, symbol: str, limit: int, after: tuple[str, str] | None = None
) -> Sequence[CompanyAlias]:
    """A company's names and former tickers, in the alphabet's order; `after` is the alias and the id of one."""
    statement = _known_aliases().where(CompanyAlias.symbol == symbol)
    if after is not None:
        place = tuple_(literal(after[0]), literal(after[1]))
        statement = statement.where(tuple_(col(CompanyAlias.alias), col(CompanyAlias.alias_id)) > place)
    rows = await session.exec(statement.order_by(col(CompanyAlias.alias), col(CompanyAlias.alias_id)).limit(limit))
    return list(rows.all())


# -- what a person changes --------------------------------------------------------------------------------------------


async def create(session: AsyncSession, *, wanted: NewCompany, actor: str, now: datetime) -> Company:
    """Add a company.

    Raises:
        Conflict: the symbol is known, or another company carries the ticker on one of its days.
    """
    await lock(session, _LOCK)
    fresh = Company(**wanted.model_dump(), origin=PERSON, created_at=now, updated_at=now)
    new = await insert_new(session, [fresh])
    row = await require(session, wanted.symbol)
    if not new:
        hint = "Change it instead" if row.followed else "It was taken off: follow it again with `followed: true`"
        raise Conflict("COMPANY_EXISTS", hint, symbol=row.symbol, name=row.name)
    await _refuse_clash(session, row.symbol, row.symbol)
    await note(session, actor=actor, action="company_created", row=row, subject=row.symbol, before=None, now=now)
    return row


async def change(session: AsyncSession, row: Company, *, wanted: CompanyChange, actor: str, now: datetime) -> Company:
    """Change what is given of a company that was read `for_change`; nothing happens where nothing differs.

    Raises:
        Conflict: another company carries the ticker on one of its new days.
        InvalidInput: its first day would lie behind its last.
    """
    before = row.model_dump(mode="json")
    for name in wanted.model_fields_set:
        setattr(row, name, getattr(wanted, name))
    if row.model_dump(mode="json") == before:
        return row
    if row.active_from is not None and row.active_to is not None and row.active_to < row.active_from:
        raise InvalidInput(
            "DAYS_REVERSED", "Give the first day before the last", first=row.active_from, last=row.active_to
        )
    await _write(session, row, now=now)
    if wanted.model_fields_set & {"active_from", "active_to"}:
        await lock(session, _LOCK)
        await _refuse_clash(session, row.symbol, row.symbol)
    action = "company_changed"
    if row.followed != before["followed"]:
        action = "company_followed" if row.followed else "company_deactivated"
    await note(session, actor=actor, action=action, row=row, subject=row.symbol, before=before, now=now)
    return row


async def deactivate(session: AsyncSession, row: Company, *, actor: str, now: datetime) -> Company:
    """Take a company off: nothing new is concluded about it, and all that is known stays."""
    return await change(session, row, wanted=CompanyChange(followed=False), actor=actor, now=now)


async def add_alias(
    session: AsyncSession, company: Company, *, wanted: NewAlias, actor: str, now: datetime
) -> CompanyAlias:
    """Add a name or a former ticker to a company that was read `for_change`.

    Raises:
        Conflict: it has the alias on one of these days, or another company carries the ticker then.
    """
    await lock(session, _LOCK)
    days = (wanted.valid_from, wanted.valid_to)
    key = _spelling(wanted.kind, wanted.alias)
    for other in await session.exec(_known_aliases().where(CompanyAlias.symbol == company.symbol)):
        if other.kind == wanted.kind and _spelling(other.kind, other.alias) == key and _share(days, other):
            raise Conflict(
                "ALIAS_EXISTS",
                "Take it away first, or give days that do not overlap",
                symbol=company.symbol,
                alias=other.alias,
                alias_id=other.alias_id,
            )
    fresh = CompanyAlias(
        alias_id=digest(company.symbol, wanted.alias, wanted.kind.value, wanted.valid_from or "", length=16),
        symbol=company.symbol,
        **wanted.model_dump(),
        origin=PERSON,
    )
    row = await session.get(CompanyAlias, fresh.alias_id)  # one that was taken away
    if row is None:
        row = fresh
    row.origin, row.valid_to = PERSON, wanted.valid_to
    session.add(row)
    await session.flush()
    if wanted.kind is NameKind.TICKER:
        await _refuse_clash(session, company.symbol, wanted.alias)
    await _note_alias(session, company, row, actor=actor, action="alias_added", now=now)
    return row


async def remove_alias(session: AsyncSession, company: Company, *, alias_id: str, actor: str, now: datetime) -> None:
    """Take a name away from a company that was read `for_change`.

    Raises:
        NotFound: it has no such alias.
        Conflict: without it, it would carry a ticker on days of another company.
    """
    await lock(session, _LOCK)
    row = await session.get(CompanyAlias, alias_id)
    if row is None or row.symbol != company.symbol or row.origin.startswith(_REMOVED):
        raise NotFound(
            "ALIAS_NOT_FOUND", "Its list of aliases shows their ids", symbol=company.symbol, alias_id=alias_id
        )
    row.origin = _REMOVED + row.origin
    session.add(row)
    await session.flush()
    if row.kind == NameKind.TICKER:
        await _refuse_clash(session, company.symbol, row.alias)
    await _note_alias(session, company, row, actor=actor, action="alias_removed", now=now)


async def note(
    session: AsyncSession,
    *,
    actor: str,
    action: str,
    subject: str,
    row: SQLModel | None,
    before: dict[str, Any] | None,
    now: datetime,
) -> None:
    """Write a person's change of the registry to the audit log: of a change of a row what differs, else all of it."""
    after = row.model_dump(mode="json") if row is not None else None
    if before is not None and after is not None:
        differing = {name for name in after if before.get(name) != after[name]}
        before = {name: value for name, value in before.items() if name in differing}
        after = {name: value for name, value in after.items() if name in differing}
    await audit.append(
        session,
        key=f"registry/{uuid.uuid4().hex}",
        actor=actor,
        action=action,
        subject=subject,
        body={"before": before, "after": after},
        recorded_at=now,
    )


async def _write(session: AsyncSession, row: Company, *, now: datetime) -> None:
    row.version += 1
    row.updated_at = now
    session.add(row)
    await session.flush()


async def _note_alias(
    session: AsyncSession, company: Company, alias: CompanyAlias, *, actor: str, action: str, now: datetime
) -> None:
    await _write(session, company, now=now)
    await note(session, actor=actor, action=action, subject=company.symbol, row=alias, before=None, now=now)


async def _refuse_clash(session: AsyncSession, symbol: str, ticker: str) -> None:
    """Refuse a ticker that means two companies on one day."""
    label = canonical_label(ticker)
    given: dict[str, list[TickerUse]] = {}
    for alias in await session.exec(_known_aliases().where(CompanyAlias.kind == NameKind.TICKER.value)):
        if canonical_label(alias.alias) == label:
            given.setdefault(alias.symbol, []).append(_use(label, alias.symbol, alias.valid_from, alias.valid_to))
    rows = await session.exec(select(Company.symbol, col(Company.active_from), col(Company.active_to)))
    own = [_use(canonical_label(each), each, first, last) for each, first, last in rows]
    uses = [use for one in own for use in ticker_uses(one, given.get(one.symbol, ())) if use.ticker == label]
    found = clash((use for use in uses if use.symbol == symbol), uses)
    if found is None:
        return
    use, other = found
    raise Conflict(
        "TICKER_IN_USE",
        f"A ticker means one company a day. Give days that do not overlap; where {other.symbol} has no days for it, "
        f"add {label} to {other.symbol} as an alias of kind ticker with its days",
        ticker=label,
        symbol=use.symbol,
        days=use.days(),
        other=other.symbol,
        other_days=other.days(),
    )


def _use(label: str, symbol: str, first: date | None, last: date | None) -> TickerUse:
    return TickerUse(ticker=label, symbol=symbol, valid_from=first, valid_to=last)


def _known_aliases(what: Any = CompanyAlias) -> Any:
    """A selection of aliases that nobody took away."""
    return select(what).where(~col(CompanyAlias.origin).startswith(_REMOVED))


def _spelling(kind: str, alias: str) -> str:
    return canonical_label(alias) if kind == NameKind.TICKER else alias.casefold()


def _share(days: _Days, other: CompanyAlias) -> bool:
    return _use("", "", *days).overlaps(_use("", "", other.valid_from, other.valid_to))


def _valid(first: date | None, last: date | None, on: date) -> bool:
    return (first is None or first <= on) and (last is None or on <= last)


# -- packaged and found companies -------------------------------------------------------------------------------------


async def seed(session: AsyncSession) -> int:
    """Add the packaged companies and aliases that are not there yet; what a person changed stays."""
    folder = resources.files("store") / "seeds"
    with (folder / "companies.csv").open(encoding="utf-8") as file:
        companies = [
            Company(
                symbol=row["symbol"],
                name=row["name"],
                kind=row["kind"] or "stock",
                sector=row["sector"],
                industry=row["industry"],
                cik=row["cik"],
                exchange=row["exchange"],
                active_from=_date(row["active_from"]),
            )
            for row in csv.DictReader(file)
        ]
    with (folder / "aliases.csv").open(encoding="utf-8") as file:
        aliases = [
            CompanyAlias(
                alias_id=digest(row["symbol"], row["alias"], row["kind"], row["valid_from"], length=16),
                symbol=row["symbol"],
                alias=row["alias"],
                kind=row["kind"],
                valid_from=_date(row["valid_from"]),
                valid_to=_date(row["valid_to"]),
            )
            for row in csv.DictReader(file)
        ]
    added = await insert_new(session, companies)
    await insert_new(session, aliases)
    return added


async def add_unnamed(session: AsyncSession, symbols: Sequence[str], *, origin: str) -> int:
    """Add symbols that only a bar file knows, under their ticker as name."""
    rows = [Company(symbol=symbol, name=symbol, origin=origin) for symbol in sorted(set(symbols))]
    return await insert_new(session, rows)


def _date(value: str) -> date | None:
    return date.fromisoformat(value) if value else None


async def sectors(session: AsyncSession) -> dict[str, str]:
    """What each company belongs to: its sector, else its industry; companies of which neither is known are left out."""
    rows = await session.exec(select(Company.symbol, Company.sector, Company.industry))
    return {symbol: sector or industry for symbol, sector, industry in rows.all() if sector or industry}
