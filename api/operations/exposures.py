"""Exposures that are estimated from prices: a proposal beside what is in force, and a person's acceptance of it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta

from pydantic import BaseModel, ConfigDict, Field
from sqlmodel.ext.asyncio.session import AsyncSession

from api.instants import Instant
from api.operations.companies import ProfileView, profile_view
from domain.errors import Conflict, InvalidInput
from domain.exposure_proposal import ExposureInputs, ExposureProposal, propose_exposures
from domain.factor_series import RISKLESS, SeriesKind, series_for
from domain.layer_config import ExposureConfig
from store import economy, exposures, market, registry
from store.database import Database
from store.tables.registry import Company, ExposureProfile

Check = Callable[[int], None]
"""Is given the present version and raises where the caller has seen another."""

DEFAULTS = ExposureConfig()
SPARE_WEEKS = 4
"""Read besides, so that no week of the window lacks the day that it begins with."""


class EstimateView(BaseModel):
    """A proposal. Nothing of it counts before a person accepts it."""

    current: ProfileView = Field(description="what is in force")
    proposal: ExposureProposal = Field(description="its `problem` says why there is no estimate, and what to do")


class Acceptance(BaseModel):
    """Which estimate is accepted."""

    model_config = ConfigDict(extra="forbid")

    as_of: Instant = Field(description="the estimate's", examples=["2016-12-31T00:00:00Z"])
    estimate_id: str = Field(
        default="",
        max_length=40,
        description="refused where the book gives another one by now; empty: any",
        examples=["ee_bc80eda67315a11c5088"],
    )


async def estimate(
    database: Database, symbol: str, *, as_of: datetime | None = None, config: ExposureConfig = DEFAULTS
) -> EstimateView:
    """Estimate a company's exposures from what was known at an instant, by default now. Writes nothing.

    Raises:
        NotFound: no such company.
        InvalidInput: the instant lies ahead, or bars contradict themselves.
    """
    instant = _passed(as_of)
    async with database.transaction() as session:
        company = await registry.require(session, symbol)
        current = await exposures.current(session, symbol)
        inputs = await _inputs(session, company, current, instant, config)
    proposal = await asyncio.to_thread(propose_exposures, inputs, config)
    return EstimateView(current=profile_view(symbol, current), proposal=proposal)


async def accept(
    database: Database,
    symbol: str,
    wanted: Acceptance,
    *,
    actor: str,
    check: Check | None = None,
    config: ExposureConfig = DEFAULTS,
) -> tuple[ProfileView, ExposureProposal]:
    """Put an estimate in force: a new version of the profile, with what it was estimated from.

    Raises:
        NotFound: no such company.
        Conflict: there is no estimate, it is another one by now, or the company is not followed.
        InvalidInput: the instant lies ahead, or bars contradict themselves.
    """
    instant = _passed(wanted.as_of)
    async with database.transaction() as session:
        company = await registry.require(session, symbol, for_change=True)
        current = await exposures.current(session, symbol)
        if check is not None:
            check(current.version if current is not None else 0)
        if not company.followed:
            raise Conflict("COMPANY_NOT_FOLLOWED", "Follow it again first: nothing new is concluded", symbol=symbol)
        inputs = await _inputs(session, company, current, instant, config)
        proposal = (await asyncio.to_thread(propose_exposures, inputs, config)).require()
        if wanted.estimate_id and wanted.estimate_id != proposal.estimate_id:
            raise Conflict(
                "ESTIMATE_CHANGED",
                "Prices, figures or profiles of its sector came in meanwhile: look at the new estimate first",
                symbol=symbol,
                expected=wanted.estimate_id,
                found=proposal.estimate_id,
            )
        written = await exposures.replace(
            session,
            company,
            exposures=proposal.profile,
            provenance=proposal.provenance,
            actor=actor,
            now=datetime.now(UTC),
            estimate=proposal.model_dump(mode="json", exclude={"profile", "problem"}),
        )
    return profile_view(symbol, written), proposal


async def _inputs(
    session: AsyncSession,
    company: Company,
    current: ExposureProfile | None,
    as_of: datetime,
    config: ExposureConfig,
) -> ExposureInputs:
    series = series_for(company.sector)
    funds = [each.name for each in series if each.kind is SeriesKind.BARS]
    figures = [each.name for each in series if each.kind is SeriesKind.FIGURES]
    symbols = sorted({company.symbol, *funds})
    first = _first_day(as_of, config)
    return ExposureInputs(
        symbol=company.symbol,
        sector=company.sector,
        as_of=as_of,
        bars=await market.known_bars(session, symbols=symbols, first=first, as_of=as_of),
        actions=await market.actions_of(session, symbols=symbols, first=first),
        figures=await economy.figures_at(session, series=[*figures, *RISKLESS], first=first, as_of=as_of),
        sector_profiles=await exposures.of_sector(session, company.sector, besides=company.symbol, as_of=as_of),
        current=current.exposures if current is not None else {},
    )


def _first_day(as_of: datetime, config: ExposureConfig) -> date:
    return (as_of - timedelta(weeks=config.window_weeks + SPARE_WEEKS)).date()


def _passed(as_of: datetime | None) -> datetime:
    now = datetime.now(UTC)
    instant = (as_of or now.replace(microsecond=0)).astimezone(UTC)
    if instant > now:
        raise InvalidInput("AS_OF_IN_FUTURE", "Give an instant that has passed", found=instant.isoformat())
    return instant
