"""Two people change settings at the same moment; an account was demoted; a proposal is made again."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import AsyncIterator
from contextlib import suppress
from datetime import UTC, date, datetime
from typing import Any

import pytest
from sqlalchemy import text

from activities.commands import CommandActivities
from domain.config import Tier, TradingConfig
from domain.errors import Conflict
from domain.live_protection import begun
from domain.trading_commands import (
    ConfigOutcome,
    ConfigReport,
    Configure,
    ConfigureStep,
    ReviewConfig,
    ReviewConfigStep,
)
from store import config, protection
from store.database import Database
from tests.api.harness import Platform

pytestmark = pytest.mark.stack

_KEYS = itertools.count(1)


class Office:
    """Two people and the configuration, from its default on."""

    def __init__(self, database: Database) -> None:
        self.database = database
        self.commands = CommandActivities(database, live=False)

    async def change(self, changes: dict[str, Any], *, actor: str = "api:anna/1", key: str = "") -> ConfigReport:
        command = Configure(reason="a test", actor=actor, changes=changes)
        return await self.commands.change_config(
            ConfigureStep(command=command, key=key or f"change-{next(_KEYS)}", as_of=datetime.now(UTC))
        )

    async def review(self, report: ConfigReport, *, approved: bool) -> ConfigReport:
        command = ReviewConfig(reason="a test", actor="api:ben/1", proposal_id=report.proposal_id, approved=approved)
        return await self.commands.review_config(
            ReviewConfigStep(command=command, key=f"review-{next(_KEYS)}", as_of=datetime.now(UTC))
        )

    async def status(self, report: ConfigReport) -> str:
        async with self.database.transaction() as session:
            return (await config.require_proposal(session, report.proposal_id)).status


@pytest.fixture
async def desk(platform: Platform) -> AsyncIterator[Office]:
    database = platform.parts.database

    async def clear() -> None:
        async with database.engine.begin() as connection:
            await connection.execute(text("TRUNCATE trading_config, config_proposals, protection_state"))

    async with database.transaction() as session:
        before = await config.configured(session)
    await clear()
    yield Office(database)
    await clear()
    async with database.transaction() as session:
        await config.put(session, before, created_at=datetime.now(UTC), created_by="test", reason="as before")


async def test_tightening_when_a_review_is_written_at_the_same_moment_then_neither_is_lost(
    desk: Office, monkeypatch: pytest.MonkeyPatch
) -> None:
    put, writing, tightened = config.put, asyncio.Event(), asyncio.Event()

    async def slow(session: Any, wanted: TradingConfig, **named: Any) -> int:
        """Write the reviewed change late: long enough for another change to be made from the version before."""
        if named["created_by"] == "api:anna/1":
            writing.set()
            with suppress(TimeoutError):
                await asyncio.wait_for(tightened.wait(), 1)
        return await put(session, wanted, **named)

    loosened = await desk.change({"limits": {"daily_loss": "0.03"}})
    monkeypatch.setattr(config, "put", slow)
    review = asyncio.create_task(desk.review(loosened, approved=True))
    await writing.wait()
    tightening = asyncio.create_task(desk.change({"limits": {"min_price": "50"}}, actor="api:clara/1"))
    tightening.add_done_callback(lambda _: tightened.set())
    assert (await tightening).outcome is ConfigOutcome.IN_FORCE
    await review
    async with desk.database.transaction() as session:
        limits = (await config.configured(session)).limits
        assert (str(limits.min_price), str(limits.daily_loss)) == ("50", "0.03")
        assert await config.version(session) == 2


async def test_versions_when_written_at_the_same_moment_then_each_has_a_number_of_its_own(desk: Office) -> None:
    wanted = [{"limits": {"min_price": str(10 + number)}} for number in range(5)]
    found = await asyncio.gather(*(desk.change(changes) for changes in wanted), return_exceptions=True)
    reports = [each for each in found if isinstance(each, ConfigReport)]
    assert len(reports) == 5
    in_force = [each.version for each in reports if each.outcome is ConfigOutcome.IN_FORCE]
    assert sorted(in_force) == list(range(1, len(in_force) + 1))


async def test_proposal_when_made_again_after_a_decline_then_it_waits_anew(desk: Office) -> None:
    changes = {"limits": {"daily_loss": "0.03"}}
    first = await desk.change(changes, key="once")
    assert (await desk.change(changes)).proposal_id == first.proposal_id
    await desk.review(first, approved=False)
    again = await desk.change(changes)
    assert again.outcome is ConfigOutcome.PROPOSED
    assert again.proposal_id != first.proposal_id
    assert [await desk.status(each) for each in (first, again)] == ["declined", "pending"]
    with pytest.raises(Conflict, match="PROPOSAL_DECIDED"):
        await desk.review(first, approved=True)
    assert (await desk.review(again, approved=True)).outcome is ConfigOutcome.IN_FORCE


@pytest.mark.parametrize("changes", [{"tier": "conservative"}, {"protection": {"tiers": None}}])
async def test_demoted_account_when_a_change_would_give_it_wider_limits_then_a_second_person_decides(
    desk: Office, changes: dict[str, Any]
) -> None:
    live = begun(date(2014, 7, 14), Tier.MODERATE)
    tier = live.state.tier.model_copy(update={"tier": Tier.CONSERVATIVE})
    demoted = live.model_copy(update={"state": live.state.model_copy(update={"tier": tier})})
    async with desk.database.transaction() as session:
        await protection.save(session, demoted, demoted, at=datetime.now(UTC))
        assert str((await config.current(session)).limits.name_cap) == "0.03"
    report = await desk.change(changes)
    assert report.outcome is ConfigOutcome.PROPOSED
    assert {"limits.name_cap", "limits.drawdown"} <= {each.path for each in report.loosened}
    async with desk.database.transaction() as session:
        assert str((await config.current(session)).limits.name_cap) == "0.03"
