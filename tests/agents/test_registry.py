"""Agents in the book: variants that never change, shares that fit together, the gate, and what is counted."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from sqlalchemy import inspect
from sqlalchemy.exc import DBAPIError
from sqlmodel import SQLModel, col, select
from sqlmodel.ext.asyncio.session import AsyncSession

from domain.agents import AgentBudget, AgentKind, Engine, assign
from domain.comparison import Criterion, GateDecision, VariantFigures
from domain.errors import Conflict, InvalidInput, NotFound
from store import agent_figures, agents, promotions
from store.agent_figures import Window
from store.database import Database
from store.tables.agents import AgentVariant, AiAgent
from store.tables.platform import AuditEntry
from tests.agents.readings import agent_id, attempt, evaluated, log
from tests.api.harness import Platform

pytestmark = pytest.mark.stack

MODEL = {"engine": "ollama", "model": "qwen3:8b"}
PASSED = GateDecision(
    passed=True, criteria=(Criterion(name="valid_rate", value=0.0, limit=-0.02, passed=True, detail="well"),)
)
FAILED = GateDecision(
    passed=False,
    criteria=(
        Criterion(name="valid_rate", value=-0.1, limit=-0.02, passed=False, detail="far too poor"),
        Criterion(name="accuracy", value=0.0, limit=-0.01, passed=True, detail="well"),
    ),
)


class Keeper:
    """Changes one agent, each change in a transaction of its own, as the API does."""

    def __init__(self, database: Database) -> None:
        self.database = database
        self.agent = agent_id()

    @asynccontextmanager
    async def opened(self) -> AsyncIterator[tuple[AsyncSession, AiAgent]]:
        async with self.database.transaction() as session:
            yield session, await agents.require(session, self.agent, for_change=True)

    async def made(self, **changes: Any) -> AiAgent:
        values: dict[str, Any] = {
            "agent_id": self.agent,
            "name": self.agent,
            "kind": AgentKind.DOCUMENT_EXTRACTOR,
            "purpose": "",
            "settings": {},
            "budget": AgentBudget(),
            "defaults": {},
            **changes,
        }
        async with self.database.transaction() as session:
            return await agents.create(session, actor="test", now=datetime.now(UTC), **values)

    async def changed(self, **changes: Any) -> AiAgent:
        async with self.opened() as (session, row):
            return await agents.change(session, row, changes=changes, defaults={}, actor="test", now=datetime.now(UTC))

    async def variant(self, name: str = "", **settings: Any) -> str:
        async with self.opened() as (session, row):
            made, _ = await agents.create_variant(
                session, row, name=name, settings=settings, defaults={}, actor="test", now=datetime.now(UTC)
            )
        return made.variant_id

    async def activated(
        self, variant: str, share: float = 0.0, *, shadow: bool = False, now: datetime | None = None
    ) -> AgentVariant:
        async with self.opened() as (session, row):
            return await agents.activate(
                session,
                row,
                await agents.require_variant(session, self.agent, variant),
                share=share,
                shadow=shadow,
                defaults={},
                actor="test",
                now=now or datetime.now(UTC),
            )

    async def deactivated(self, variant: str) -> AgentVariant:
        async with self.opened() as (session, _):
            row = await agents.require_variant(session, self.agent, variant)
            return await agents.deactivate(session, row, actor="test", now=datetime.now(UTC))

    async def judged(self, variant: str, decision: GateDecision, *, against: str = "") -> None:
        async with self.opened() as (session, row):
            await promotions.record(
                session,
                row.agent_id,
                variant_id=variant,
                against=against,
                decision=decision,
                actor="test",
                now=datetime.now(UTC),
            )

    async def promoted(self, variant: str, share: float, *, against: str = "") -> AgentVariant:
        await self.judged(variant, PASSED, against=against)
        return await self.activated(variant, share)

    async def shares(self) -> dict[str, float]:
        async with self.database.transaction() as session:
            rows = (await agents.active_variants(session, [self.agent]))[self.agent]
        return {row.variant_id: row.traffic_share for row in rows}

    async def figures(self, *variants: str, **window: Any) -> dict[str, VariantFigures]:
        async with self.database.transaction() as session:
            return await agent_figures.figures(session, self.agent, variants, _window(**window))

    async def actions(self) -> list[str]:
        async with self.database.transaction() as session:
            rows = await session.exec(
                select(AuditEntry)
                .where(col(AuditEntry.subject).startswith(self.agent))
                .order_by(col(AuditEntry.sequence))
            )
            return [row.action for row in rows]


def _window(**changes: Any) -> Window:
    now = datetime.now(UTC)
    values = {"since": now - timedelta(days=1), "until": now, "evaluated_since": now - timedelta(days=1), **changes}
    return Window(**values)


@pytest.fixture
async def keeper(platform: Platform) -> Keeper:
    keeper = Keeper(platform.parts.database)
    await keeper.made()
    return keeper


# -- agents ------------------------------------------------------------------------------------------------------------


async def test_agent_when_made_then_its_settings_are_kept_as_they_are_checked(platform: Platform) -> None:
    keeper = Keeper(platform.parts.database)
    row = await keeper.made(
        settings={**MODEL, "temperature": 0, "dollars_per_million_tokens_in": 0.15, "seed": None},
        budget=AgentBudget(calls_per_day=10),
    )
    assert row.settings == {**MODEL, "temperature": 0.0, "dollars_per_million_tokens_in": "0.15"}
    assert (row.origin, row.version, row.budget) == ("person", 1, {"calls_per_day": 10})
    with pytest.raises(Conflict, match="AGENT_EXISTS"):
        await keeper.made()
    with pytest.raises(Conflict, match="AGENT_NAME_TAKEN"):
        await keeper.made(agent_id=agent_id())
    other = Keeper(platform.parts.database)
    for settings in ({"colour": 1}, {"engine": "ollama"}, {"num_ctx": 1}, {"instructions": "a\x00b"}):
        with pytest.raises(InvalidInput, match="AGENT_SETTING_INVALID"):
            await other.made(settings=settings)
    with pytest.raises(NotFound, match="AGENT_NOT_FOUND"):
        await other.changed(name="x")


async def test_agent_when_changed_then_only_other_settings_make_old_figures_worthless(keeper: Keeper) -> None:
    assert (await keeper.changed(purpose="", settings={})).version == 1
    assert (await keeper.changed(name=f"{keeper.agent} again", budget={"calls_per_day": 5})).version == 2
    async with keeper.opened() as (session, _):
        assert await promotions.settings_changed_at(session, keeper.agent) is None
    changed = await keeper.changed(settings={"seed": 3})
    async with keeper.opened() as (session, _):
        assert await promotions.settings_changed_at(session, keeper.agent) == changed.updated_at
    await keeper.changed(archived=True)
    await keeper.changed(archived=False)
    assert await keeper.actions() == [
        "agent_created",
        "agent_changed",
        "agent_settings_changed",
        "agent_archived",
        "agent_restored",
    ]


async def test_agent_when_somebody_changes_it_then_what_refers_to_it_is_written_without_waiting(keeper: Keeper) -> None:
    async with keeper.opened() as (session, row):
        await agents.change(session, row, changes={"purpose": "x"}, defaults={}, actor="test", now=datetime.now(UTC))
        await asyncio.wait_for(evaluated(keeper.database, keeper.agent, "", {"a": True}), timeout=5)
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(keeper.changed(purpose="y"), timeout=0.5)


@pytest.mark.parametrize("table", ["agent_performance_log", "extractions"])
async def test_figures_when_a_window_of_a_variant_is_looked_for_then_there_is_an_index_of_it(
    platform: Platform, table: str
) -> None:
    async with platform.parts.database.engine.connect() as connection:
        found = await connection.run_sync(lambda each: inspect(each).get_indexes(table))
    kept = {each["name"]: each["column_names"] for each in found}
    assert kept[f"ix_{table}_variant"] == ["agent", "variant_id", "recorded_at"]
    wanted = {str(each.name): list(each.columns.keys()) for each in SQLModel.metadata.tables[table].indexes}
    assert wanted == kept


async def test_agent_of_the_platform_when_archived_then_it_is_refused(platform: Platform) -> None:
    async with platform.parts.database.transaction() as session:
        row = await agents.require(session, "event-classifier", for_change=True)
        with pytest.raises(Conflict, match="AGENT_IS_SYSTEM"):
            await agents.archive(session, row, actor="test", now=datetime.now(UTC))


async def test_agent_when_archived_then_no_variant_of_it_is_made_or_activated(keeper: Keeper) -> None:
    variant = await keeper.variant(seed=1)
    await keeper.changed(archived=True)
    with pytest.raises(Conflict, match="AGENT_ARCHIVED"):
        await keeper.activated(variant, 0.1)
    with pytest.raises(Conflict, match="AGENT_ARCHIVED"):
        await keeper.variant(seed=2)


async def test_agent_when_its_settings_would_break_an_active_variant_then_they_are_refused(keeper: Keeper) -> None:
    variant = await keeper.variant(num_predict=8_000)
    await keeper.activated(variant, 0.1)
    with pytest.raises(InvalidInput, match="AGENT_SETTING_INVALID") as refused:
        await keeper.changed(settings={"num_ctx": 4_096})
    assert variant in str(refused.value)
    await keeper.deactivated(variant)
    await keeper.changed(settings={"num_ctx": 4_096})
    with pytest.raises(InvalidInput, match="AGENT_SETTING_INVALID"):
        await keeper.activated(variant, 0.1)


# -- variants ----------------------------------------------------------------------------------------------------------


async def test_variant_when_made_again_then_it_is_the_same_and_another_name_is_another(keeper: Keeper) -> None:
    one = await keeper.variant("small", temperature=0, **MODEL)
    assert one == await keeper.variant("small", **MODEL, temperature=0.0)
    assert one != await keeper.variant("other", temperature=0, **MODEL)
    assert one != await keeper.variant("small", temperature=0.1, **MODEL)
    assert (await keeper.actions()).count("variant_created") == 3
    with pytest.raises(InvalidInput, match="AGENT_SETTING_INVALID"):
        await keeper.variant(engine="abacus")


async def test_variant_when_its_settings_are_changed_then_the_database_refuses(keeper: Keeper) -> None:
    variant = await keeper.variant(seed=1)
    async with keeper.database.transaction() as session:
        row = await agents.require_variant(session, keeper.agent, variant)
    row.settings = {"seed": 2}

    async def write() -> None:
        async with keeper.database.transaction() as session:
            session.add(row)

    with pytest.raises(DBAPIError, match="VARIANT_IMMUTABLE"):
        await write()


async def test_variant_when_activated_then_documents_meet_it_by_its_share(keeper: Keeper) -> None:
    variant = await keeper.variant("small", **MODEL)
    shadow = await keeper.variant("shadow", seed=2)
    await keeper.activated(variant, 0.25)
    await keeper.activated(shadow, shadow=True)
    async with keeper.opened() as (session, _):
        resolved = await agents.resolve(session, keeper.agent, defaults={"timeout_seconds": 30})
    met = [assign(f"doc-{n}", resolved) for n in range(2_000)]
    assert 0.2 < sum(each.variant_id == variant for each in met) / 2_000 < 0.3
    assert {each.engine for each in met if each.variant_id == variant} == {Engine.OLLAMA}
    assert {each.shadows for each in met} == {(shadow,)}
    assert resolved.settings_of(variant).timeout_seconds == 30


@pytest.mark.parametrize(("share", "shadow"), [(0.0, False), (0.1, True), (1.0, True)])
async def test_variant_when_activated_with_neither_or_both_then_it_is_refused(
    keeper: Keeper, share: float, shadow: bool
) -> None:
    variant = await keeper.variant(seed=1)
    with pytest.raises(InvalidInput, match="TRAFFIC_SHARE_INVALID"):
        await keeper.activated(variant, share, shadow=shadow)


async def test_variant_of_another_agent_when_activated_then_it_is_not_found(keeper: Keeper) -> None:
    other = Keeper(keeper.database)
    await other.made()
    variant = await other.variant(seed=1)
    with pytest.raises(NotFound, match="VARIANT_NOT_FOUND"):
        await keeper.activated(variant, 0.1)


async def test_shares_when_more_than_everything_then_they_are_refused_also_at_the_same_time(keeper: Keeper) -> None:
    variants = [await keeper.variant(seed=seed) for seed in range(5)]
    done = await asyncio.gather(*(keeper.activated(each, 0.3) for each in variants), return_exceptions=True)
    refused = [each for each in done if isinstance(each, BaseException)]
    assert len(refused) == 2
    assert all(isinstance(each, InvalidInput) and each.code == "TRAFFIC_SHARES_TOO_LARGE" for each in refused)
    shares = await keeper.shares()
    assert sorted(shares.values()) == [0.3, 0.3, 0.3]
    free = next(each for each in variants if each not in shares)
    await keeper.activated(free, 0.1)
    await keeper.activated(next(iter(shares)), 0.2)
    assert sum((await keeper.shares()).values()) == pytest.approx(0.9)


async def test_variant_when_activated_as_it_is_then_nothing_is_written(keeper: Keeper) -> None:
    variant = await keeper.variant(seed=1)
    first = await keeper.activated(variant, 0.2)
    again = await keeper.activated(variant, 0.2)
    assert again.changed_at == first.changed_at
    await keeper.deactivated(variant)
    await keeper.deactivated(variant)
    assert (await keeper.actions())[1:] == ["variant_created", "variant_activated", "variant_deactivated"]


# -- promotions --------------------------------------------------------------------------------------------------------


async def test_share_when_at_a_half_then_no_gate_is_asked_and_above_it_is(keeper: Keeper) -> None:
    variant = await keeper.variant(seed=1)
    await keeper.activated(variant, 0.5)
    with pytest.raises(Conflict, match="PROMOTION_GATE") as refused:
        await keeper.activated(variant, 0.500001)
    assert refused.value.fields["gate"] == "never asked against this champion"
    await keeper.activated(variant, 0.4)


async def test_promotion_when_the_newest_decision_failed_then_its_criteria_are_told(keeper: Keeper) -> None:
    variant = await keeper.variant(seed=1)
    await keeper.judged(variant, PASSED)
    await keeper.judged(variant, FAILED)
    with pytest.raises(Conflict, match="PROMOTION_GATE") as refused:
        await keeper.activated(variant, 1.0)
    assert refused.value.fields["valid_rate"] == "far too poor"
    assert "accuracy" not in refused.value.fields
    await keeper.judged(variant, PASSED)
    assert (await keeper.activated(variant, 1.0)).traffic_share == 1.0


@pytest.mark.parametrize("what", ["variant", "settings"])
async def test_promotion_when_something_changed_since_then_the_gate_is_asked_again(keeper: Keeper, what: str) -> None:
    variant = await keeper.variant(seed=1)
    await keeper.judged(variant, PASSED)
    if what == "variant":
        await keeper.activated(variant, 0.1)
    else:
        await keeper.changed(settings={"seed": 9})
    with pytest.raises(Conflict, match="PROMOTION_GATE"):
        await keeper.activated(variant, 0.9)
    await keeper.judged(variant, PASSED)
    await keeper.changed(name=f"{keeper.agent} renamed", budget={"calls_per_day": 1})
    await keeper.activated(variant, 0.9)


async def test_promotion_when_a_month_old_then_the_gate_is_asked_again(keeper: Keeper) -> None:
    variant = await keeper.variant(seed=1)
    await keeper.judged(variant, PASSED)
    with pytest.raises(Conflict, match="PROMOTION_GATE"):
        await keeper.activated(variant, 0.9, now=datetime.now(UTC) + timedelta(days=30, seconds=1))
    await keeper.activated(variant, 0.9, now=datetime.now(UTC) + timedelta(days=29))


async def test_promotion_when_there_is_a_champion_then_it_is_asked_against_it_and_takes_its_place(
    keeper: Keeper,
) -> None:
    first, second = await keeper.variant(seed=1), await keeper.variant(seed=2)
    experiment = await keeper.variant(seed=3)
    await keeper.promoted(first, 0.8)
    await keeper.activated(experiment, 0.1)
    await keeper.judged(second, PASSED)  # against the agent's own settings, which read the least
    with pytest.raises(Conflict, match="PROMOTION_GATE"):
        await keeper.activated(second, 0.6)
    await keeper.promoted(second, 0.6, against=first)
    assert await keeper.shares() == {first: pytest.approx(0.3), second: 0.6, experiment: 0.1}
    with pytest.raises(InvalidInput, match="TRAFFIC_SHARES_TOO_LARGE"):  # the experiment keeps its part
        await keeper.promoted(first, 1.0, against=second)
    assert await keeper.shares() == {first: pytest.approx(0.3), second: 0.6, experiment: 0.1}
    await keeper.promoted(first, 0.9, against=second)
    assert await keeper.shares() == {first: 0.9, experiment: 0.1}
    async with keeper.opened() as (session, _):
        active = (await agents.active_variants(session, [keeper.agent]))[keeper.agent]
        assert agents.champion_among(active) == first


async def test_champion_when_its_own_share_is_raised_or_lowered_then_no_gate_is_asked(keeper: Keeper) -> None:
    variant = await keeper.variant(seed=1)
    await keeper.promoted(variant, 0.6)
    await keeper.activated(variant, 0.9)
    await keeper.activated(variant, 0.3)
    with pytest.raises(Conflict, match="PROMOTION_GATE"):  # no longer the champion
        await keeper.activated(variant, 0.9)
    await keeper.deactivated(variant)
    assert await keeper.shares() == {}


# -- figures -----------------------------------------------------------------------------------------------------------


async def test_figures_when_counted_then_a_document_counts_with_its_newest_attempt(keeper: Keeper) -> None:
    now = datetime.now(UTC)

    def later(seconds: int) -> datetime:
        return now - timedelta(seconds=100 - seconds)

    def row(document: str, seconds: int, **changes: Any) -> Any:
        return attempt(keeper.agent, "v", document, recorded_at=later(seconds), **changes)

    cut = {"valid": False, "problem": "MODEL_OUTPUT_CUT", "quotes_total": 0, "quotes_valid": 0}
    await log(
        keeper.database,
        [
            row("well", 0, latency_ms=100),
            row("repaired", 0, valid=False, problem="events.0.type: Input should be", latency_ms=200),
            row("repaired", 1, kind="repair", quotes_valid=1, latency_ms=300),
            row("cut", 0, latency_ms=400, **cut),
            row("cut", 1, kind="more-room", latency_ms=500, **cut),
            # The rules took over: no attempt of the model's, and its quotes are not the model's.
            row(
                "cut",
                2,
                extractor_version="rules-7",
                latency_ms=9_000,
                tokens_in=0,
                tokens_out=0,
                cost_dollars=Decimal(0),
                valid=False,
                problem="MODEL_OUTPUT_CUT: model=qwen3:8b",
                quotes_total=7,
                quotes_valid=0,
            ),
            row("known", 0, latency_ms=600),
            row("known", 1, cached=True, latency_ms=0, tokens_in=0, tokens_out=0, cost_dollars=Decimal(0)),
            row("long ago", -200_000, valid=False, problem="MODEL_SERVER_BUSY: x"),
            attempt(keeper.agent, "other", "well"),
            attempt("another-agent", "v", "well"),
            attempt(keeper.agent, "v", ""),
            attempt(keeper.agent, "v", "sentence/0123", latency_ms=1),
        ],
    )
    found = (await keeper.figures("v", "silent"))["v"]
    assert (found.documents, found.attempts) == (4, 7)
    assert (found.valid.count, found.valid.total, found.valid.value) == (3, 4, 0.75)
    assert (found.first_try.count, found.first_try.total) == (2, 4)
    assert (found.repaired.count, found.repaired.total) == (1, 2)
    assert (found.quotes.count, found.quotes.total) == (5, 6)
    assert (found.latency_p50.readings, found.latency_p50.value) == (6, 300)
    assert (found.latency_p50.low, found.latency_p50.high) == (100, 600)
    assert (found.latency_p95.value, found.latency_p95.high) == (600, None)
    assert (found.tokens_in_per_document, found.tokens_out_per_document) == (1_200, 150)
    assert (found.cost_total, found.cost_per_document) == (Decimal("0.006000"), Decimal("0.001500"))
    assert found.problems == {"ANSWER_INVALID": 1, "MODEL_OUTPUT_CUT": 1}
    silent = (await keeper.figures("silent"))["silent"]
    assert silent == VariantFigures(variant_id="silent")
    assert (await keeper.figures("v", since=now - timedelta(days=5)))["v"].problems["MODEL_SERVER_BUSY"] == 1
    assert (await keeper.figures("v", until=later(0)))["v"].documents == 4
    assert (await keeper.figures("v", until=later(-1)))["v"].documents == 0


async def test_comparison_when_both_read_a_document_then_only_those_are_paired(keeper: Keeper) -> None:
    variant = await keeper.variant("small", seed=1)
    idle = await keeper.variant("idle", seed=2)
    waiting = await keeper.variant("waiting", seed=3)
    await keeper.activated(waiting, shadow=True)
    pairs = [(True, True)] * 5 + [(True, False)] * 3 + [(False, True)] * 2 + [(False, False)]
    rows = []
    for number, (one, two) in enumerate(pairs):
        stands = 1 if number == 0 else 2
        rows.append(attempt(keeper.agent, variant, f"doc-{number}", valid=one, quotes_valid=stands, shadow=True))
        rows.append(attempt(keeper.agent, "", f"doc-{number}", valid=two))
    rows += [attempt(keeper.agent, variant, "mine"), attempt(keeper.agent, "", "yours", valid=False)]
    rows.append(attempt(keeper.agent, variant, "without quotes", quotes_total=0, quotes_valid=0))
    rows.append(attempt(keeper.agent, "", "without quotes"))
    await log(keeper.database, rows)
    async with keeper.opened() as (session, _):
        variants = await agents.variants_to_compare(session, keeper.agent, limit=20)
        found = await agent_figures.compare(session, keeper.agent, champion="", variants=variants, window=_window())
    assert found.champion.documents == 13
    by_id = {each.figures.variant_id: each for each in found.challengers}
    assert set(by_id) == {variant, waiting}
    assert idle not in by_id
    paired = by_id[variant].paired
    assert by_id[variant].figures.name == "small"
    assert paired.documents == 12
    assert paired.valid.value == pytest.approx((3 - 2) / 12)
    assert (paired.quotes.total, paired.quotes.value) == (5, pytest.approx(-0.2))
    assert paired.accuracy.value is None
    assert by_id[variant].valid_unpaired.value == pytest.approx(10 / 13 - 8 / 13)
    assert by_id[waiting].paired.documents == 0


async def test_comparison_when_both_judged_a_sample_then_the_newest_evaluations_are_paired_sentence_by_sentence(
    keeper: Keeper,
) -> None:
    variant = await keeper.variant(seed=1)
    old = datetime.now(UTC) - timedelta(hours=2)
    await evaluated(keeper.database, keeper.agent, "", {"a": False, "b": False}, at=old)
    await evaluated(keeper.database, keeper.agent, "", {"a": True, "b": False, "c": True, "only mine": True})
    await evaluated(keeper.database, keeper.agent, variant, {"a": True, "b": True, "c": True, "only theirs": True})
    # A sentence that another sample holds too counts once; a sample that one alone has judged counts nothing.
    for judge in ("", variant):
        await evaluated(keeper.database, keeper.agent, judge, {"a": False, "z": True}, dataset_hash="second")
    await evaluated(keeper.database, keeper.agent, variant, {"q": True}, dataset_hash="third")

    async def accuracy(**window: Any) -> Any:
        async with keeper.opened() as (session, _):
            variants = await agents.variants_to_compare(session, keeper.agent, limit=20)
            found = await agent_figures.compare(
                session, keeper.agent, champion="", variants=variants, window=_window(**window)
            )
        return found.challengers[0].paired.accuracy if found.challengers else None

    found = await accuracy()
    assert (found.total, found.value) == (4, 0.25)
    assert await accuracy(evaluated_since=datetime.now(UTC)) is None


async def test_figures_when_many_attempts_are_counted_then_the_quantiles_are_exact(keeper: Keeper) -> None:
    latencies = [(n * 7_919) % 1_000 for n in range(1_000)]  # every number below 1000 once
    await log(
        keeper.database,
        [attempt(keeper.agent, "v", f"doc-{n}", latency_ms=latency) for n, latency in enumerate(latencies)],
    )
    found = (await keeper.figures("v"))["v"]
    assert (found.latency_p50.value, found.latency_p50.low, found.latency_p50.high) == (499, 468, 531)
    assert (found.latency_p95.value, found.latency_p95.readings) == (949, 1_000)
