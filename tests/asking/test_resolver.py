"""What settings an agent has now: kept for a minute, and known even where the database is away."""

from __future__ import annotations

import pytest
from pydantic import SecretStr
from sqlalchemy import text

from activities.agent_resolver import AgentResolver
from domain.agents import AgentKind, Engine
from domain.errors import NotFound
from store.database import Database, DatabaseSettings
from tests.asking.platform import add_variant, remove_variants
from workers.parts import Parts

pytestmark = pytest.mark.stack

KIND = AgentKind.EVENT_CLASSIFIER
DEFAULTS = {KIND: {"engine": "ollama", "model": "default:1b"}}


class Clock:
    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


async def test_agent_when_resolved_then_variant_lies_over_agent_over_default_field_by_field(parts: Parts) -> None:
    variant = await add_variant(parts, KIND.value, {"temperature": 0.7}, share=0.3)
    found = await AgentResolver(parts.database, DEFAULTS).resolve(KIND)
    (active,) = found.variants
    assert (found.settings.model, found.settings.temperature) == ("default:1b", 0.0)
    assert (active.variant_id, active.settings.model, active.settings.temperature) == (variant, "default:1b", 0.7)


async def test_agent_when_it_changes_then_that_is_seen_after_a_minute(parts: Parts) -> None:
    clock = Clock()
    resolver = AgentResolver(parts.database, DEFAULTS, clock=clock)
    assert (await resolver.resolve(KIND)).variants == ()
    await add_variant(parts, KIND.value, {"seed": 1}, share=0.3)
    clock.now = 59.9
    assert (await resolver.resolve(KIND)).variants == ()
    clock.now = 60.0
    assert len((await resolver.resolve(KIND)).variants) == 1


async def test_variant_when_it_is_active_no_more_then_what_was_assigned_to_it_still_finds_its_settings(
    parts: Parts,
) -> None:
    variant = await add_variant(parts, KIND.value, {"seed": 77}, share=0.3)
    await remove_variants(parts)
    resolver = AgentResolver(parts.database, DEFAULTS)
    assert (await resolver.settings(KIND, variant)).seed == 77
    with pytest.raises(NotFound, match="VARIANT_NOT_FOUND"):
        await resolver.settings(KIND, "nobody")


async def test_agent_when_the_database_goes_away_then_what_was_known_last_stands(parts: Parts) -> None:
    clock = Clock()
    resolver = AgentResolver(parts.database, DEFAULTS, clock=clock)
    await add_variant(parts, KIND.value, {"seed": 1}, share=0.3)
    known = await resolver.resolve(KIND)
    resolver._database = _nowhere()
    clock.now = 61.0
    assert await resolver.resolve(KIND) == known


async def test_agent_when_the_database_never_was_there_then_the_default_stands() -> None:
    found = await AgentResolver(_nowhere(), DEFAULTS).resolve(KIND)
    assert (found.origin, found.settings.engine, found.variants) == ("defaults", Engine.OLLAMA, ())


async def test_agent_when_its_settings_make_no_sense_then_the_default_stands(parts: Parts) -> None:
    broken = {KIND: {"engine": "ollama", "model": "default:1b", "num_ctx": 512, "num_predict": 256}}
    await add_variant(parts, KIND.value, {"num_predict": 600}, share=0.3)
    found = await AgentResolver(parts.database, broken).resolve(KIND)
    assert (found.origin, found.settings.num_predict) == ("defaults", 256)


async def test_variant_when_somebody_would_change_it_then_the_database_refuses(parts: Parts) -> None:
    variant = await add_variant(parts, KIND.value, {"seed": 1})
    with pytest.raises(Exception, match="VARIANT_IMMUTABLE"):
        async with parts.database.engine.begin() as connection:
            await connection.execute(
                text("UPDATE agent_variants SET settings = '{}' WHERE variant_id = :id"), {"id": variant}
            )


def _nowhere() -> Database:
    return Database(DatabaseSettings(host="127.0.0.1", port=1, password=SecretStr("x")))
