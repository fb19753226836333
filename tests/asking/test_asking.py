"""Every question is set aside before it is asked, asked once, and logged; no crash doubles or loses anything of it."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import Any

import pytest

from activities.adapters.ollama import OllamaServer
from activities.asking import ModelDesk
from activities.metering import WorkMeter
from domain.errors import (
    BudgetExhausted,
    ConfigurationError,
    ModelOutputInvalid,
    VendorThrottled,
    VendorUnavailable,
)
from store import model_calls
from store.database import Database
from store.model_calls import Question
from tests.asking.desk import SETTINGS, ask, asker, budget, budget_rows, calls, log, story
from tests.model_server.calls import Fault, Turn
from tests.model_server.server import ModelServerDouble

pytestmark = pytest.mark.stack

SCHEMA_BROKEN = '{"events": [{"type": "no such type"}]}'


async def test_ask_when_the_answer_is_good_then_it_is_charged_and_logged_once(
    desk: ModelDesk, database: Database, model: ModelServerDouble
) -> None:
    who = asker()
    asked = await ask(desk, story(), who)
    (call,), (row,), ((number, tokens),) = (
        await calls(database, who.agent_id),
        await log(database, who.agent_id),
        await budget_rows(database, who.agent_id),
    )
    assert [event.type for event in asked.value.events] == ["earnings"]
    assert (number, tokens) == (1, call["tokens_in"] + call["tokens_out"])
    assert call["answer"]
    assert tokens > 0
    assert (row["valid"], row["kind"], row["cached"], row["quotes_valid"]) == (True, "first", False, 1)
    assert row["extractor_version"] == asked.version == asked.value.extractor_version
    assert (row["tokens_in"], row["tokens_out"]) == (call["tokens_in"], call["tokens_out"])
    assert model.counts.completed == 1


async def test_ask_when_the_same_is_asked_again_then_the_known_answer_is_given_and_nothing_spent(
    desk: ModelDesk, database: Database, model: ModelServerDouble
) -> None:
    who, source = asker(), story()
    first = await ask(desk, source, who)
    spent = await budget_rows(database, who.agent_id)
    again = await ask(desk, source, who, attempt=2)
    assert again.value == first.value
    assert await budget_rows(database, who.agent_id) == spent
    assert [row["cached"] for row in await log(database, who.agent_id)] == [False, True]
    assert model.counts.completed == 1


async def test_ask_when_metered_then_the_tokens_are_those_of_the_book_and_a_known_answer_takes_none(
    database: Database, model: ModelServerDouble
) -> None:
    meter = WorkMeter()
    server = OllamaServer(model.url)
    desk = ModelDesk(database, server, slots=1, meter=meter)
    who, source = asker(), story()
    try:
        await ask(desk, source, who)
        await ask(desk, source, who, attempt=2)
        await ask(desk, story(), replace(who, trial="t-metered"))
    finally:
        await server.close()

    found = await calls(database, who.agent_id)
    metered = {
        sample.labels["direction"]: sample.value
        for family in meter.registry.collect()
        for sample in family.samples
        if sample.name == "stonks_llm_tokens_total" and sample.labels["model"] == SETTINGS.model
    }
    assert len(found) == 2
    assert metered == {
        "in": sum(call["tokens_in"] for call in found),
        "out": sum(call["tokens_out"] for call in found),
    }


async def test_ask_when_anything_of_the_question_differs_then_it_is_another_question(
    desk: ModelDesk, model: ModelServerDouble
) -> None:
    source = story()
    for settings in (SETTINGS, *(SETTINGS.model_copy(update=c) for c in ({"seed": 8}, {"instructions": "Look."}))):
        await ask(desk, source, asker(settings=settings))
    assert model.counts.completed == 3


@pytest.mark.parametrize("limit", ["calls_per_day", "tokens_per_day"])
async def test_ask_when_the_budget_is_used_up_then_nothing_is_asked(
    desk: ModelDesk, database: Database, model: ModelServerDouble, limit: str
) -> None:
    who = asker()
    await ask(desk, story(), who)
    spent = await budget_rows(database, who.agent_id)
    allowed = 1 if limit == "calls_per_day" else spent[0][1] + 100
    who = asker(agent_id=who.agent_id, budget=budget(**{limit: allowed}))
    with pytest.raises(BudgetExhausted, match="MODEL_BUDGET_EXHAUSTED"):
        await ask(desk, story(), who)
    assert await budget_rows(database, who.agent_id) == spent
    assert model.counts.completed == 1


async def test_ask_when_many_ask_at_once_then_no_more_than_the_budget_are_answered(
    desk: ModelDesk, database: Database, model: ModelServerDouble
) -> None:
    who = asker(budget=budget(calls_per_day=5))
    found = await asyncio.gather(*(ask(desk, story(), who) for _ in range(12)), return_exceptions=True)
    assert sum(isinstance(each, BudgetExhausted) for each in found) == 7
    assert (await budget_rows(database, who.agent_id))[0][0] == 5
    assert model.counts.completed == 5


async def test_ask_when_many_ask_at_once_then_the_server_is_asked_as_much_as_it_has_slots(
    desk: ModelDesk, model: ModelServerDouble
) -> None:
    model.switches.latency = 0.05
    await asyncio.gather(*(ask(desk, story(), asker()) for _ in range(10)))
    assert model.counts.most_running == 2
    assert model.counts.most_waiting == 0


async def test_ask_when_an_attempt_died_before_its_answer_then_the_next_uses_what_it_set_aside(
    desk: ModelDesk, database: Database, model: ModelServerDouble
) -> None:
    who, source = asker(budget=budget(calls_per_day=1)), story()
    model.switches.latency = 5.0
    dying = asyncio.create_task(ask(desk, source, who))
    while not model.counts.running:
        await asyncio.sleep(0.01)
    dying.cancel()
    with pytest.raises(asyncio.CancelledError):
        await dying
    await model.quiet()
    (set_aside,) = await calls(database, who.agent_id)
    assert set_aside["answer"] is None
    assert set_aside["reserved_tokens"] > 0
    model.switches.latency = 0.0
    await ask(desk, source, who, attempt=2)
    (call,) = await calls(database, who.agent_id)
    assert await budget_rows(database, who.agent_id) == [(1, call["tokens_in"] + call["tokens_out"])]
    assert model.counts.cancelled == 1


async def test_settle_when_it_is_repeated_then_the_day_is_charged_once(desk: ModelDesk, database: Database) -> None:
    who, source = asker(), story()
    await ask(desk, source, who)
    spent = await budget_rows(database, who.agent_id)
    (call,) = await calls(database, who.agent_id)
    reply = await model_calls.answered(database, call["call_key"])
    assert reply is not None
    await model_calls.settle(database, _question(call), reply, log=None, now=call["answered_at"])
    await model_calls.give_back(database, call["call_key"])
    assert await budget_rows(database, who.agent_id) == spent


async def test_settle_when_another_attempt_gave_the_question_back_then_what_was_computed_is_charged_all_the_same(
    desk: ModelDesk, database: Database
) -> None:
    who, source = asker(), story()
    await ask(desk, source, who)
    (call,) = await calls(database, who.agent_id)
    reply = await model_calls.answered(database, call["call_key"])
    assert reply is not None
    lost = replace(_question(call), key=f"{call['call_key']}-lost")
    await model_calls.settle(database, lost, reply, log=None, now=call["answered_at"])
    spent = call["tokens_in"] + call["tokens_out"]
    assert await budget_rows(database, who.agent_id) == [(2, 2 * spent)]
    assert await model_calls.answered(database, lost.key) == reply


def _question(call: dict[str, Any]) -> Question:
    return Question(
        key=call["call_key"],
        agent_id=call["agent_id"],
        model=call["model"],
        model_digest=call["model_digest"],
        tokens=call["reserved_tokens"],
    )


async def test_ask_when_the_answer_breaks_the_schema_then_it_is_repaired_once(
    desk: ModelDesk, database: Database, model: ModelServerDouble
) -> None:
    who = asker()
    model.script(SCHEMA_BROKEN)
    asked = await ask(desk, story(), who)
    assert len(asked.value.events) == 1
    rows = await log(database, who.agent_id)
    assert [(row["kind"], row["valid"]) for row in rows] == [("first", False), ("repair", True)]
    assert "no such type" not in rows[0]["problem"]
    assert (await budget_rows(database, who.agent_id))[0][0] == 2


async def test_ask_when_the_repair_is_broken_too_then_the_output_is_invalid_and_never_asked_a_third_time(
    desk: ModelDesk, model: ModelServerDouble
) -> None:
    model.script(SCHEMA_BROKEN, SCHEMA_BROKEN)
    with pytest.raises(ModelOutputInvalid, match="MODEL_OUTPUT_INVALID"):
        await ask(desk, story(), asker())
    assert model.counts.completed == 2


async def test_ask_when_the_answer_is_cut_then_it_gets_more_room_once(
    desk: ModelDesk, database: Database, model: ModelServerDouble
) -> None:
    who = asker()
    model.script(Turn(fault=Fault.CUT))
    await ask(desk, story(), who)
    assert [call.options["num_predict"] for call in model.calls] == [512, 1_024]
    assert [row["kind"] for row in await log(database, who.agent_id)] == ["first", "more-room"]


async def test_ask_when_it_is_cut_twice_then_that_is_said(desk: ModelDesk, model: ModelServerDouble) -> None:
    model.script(Turn(fault=Fault.CUT), Turn(fault=Fault.CUT))
    with pytest.raises(ModelOutputInvalid, match="MODEL_OUTPUT_CUT"):
        await ask(desk, story(), asker())
    assert len(model.calls) == 2


@pytest.mark.parametrize("fault", [Fault.BUSY, Fault.THROTTLED])
async def test_ask_when_the_server_is_busy_then_what_was_set_aside_is_given_back(
    desk: ModelDesk, database: Database, model: ModelServerDouble, fault: Fault
) -> None:
    who = asker()
    model.script(Turn(fault=fault))
    with pytest.raises(VendorThrottled):
        await ask(desk, story(), who)
    assert await calls(database, who.agent_id) == []
    assert await budget_rows(database, who.agent_id) == [(0, 0)]
    assert [row["valid"] for row in await log(database, who.agent_id)] == [False]


@pytest.mark.parametrize("fault", [Fault.RESET_BEFORE, Fault.RESET_MIDDLE, Fault.ERROR, Fault.ERROR_MIDDLE])
async def test_ask_when_nobody_knows_what_was_computed_then_it_stays_set_aside_for_the_next_attempt(
    desk: ModelDesk, database: Database, model: ModelServerDouble, fault: Fault
) -> None:
    who, source = asker(), story()
    model.script(Turn(fault=fault))
    with pytest.raises(VendorUnavailable):
        await ask(desk, source, who)
    ((number, reserved),) = await budget_rows(database, who.agent_id)
    assert (number, reserved > 0) == (1, True)
    await ask(desk, source, who, attempt=2)
    (call,) = await calls(database, who.agent_id)
    assert await budget_rows(database, who.agent_id) == [(1, call["tokens_in"] + call["tokens_out"])]


async def test_ask_when_it_is_a_trial_then_it_is_charged_and_leaves_no_answer_and_no_log(
    desk: ModelDesk, database: Database, model: ModelServerDouble
) -> None:
    source = story()
    for number in range(2):
        who = asker(agent_id="trier", trial=f"trial-{number}-{source.text[-33:]}")
        await ask(desk, source, who)
    assert model.counts.completed == 2
    assert {call["answer"] for call in await calls(database, "trier")} == {""}
    assert await log(database, "trier") == []


async def test_ask_when_no_server_is_set_then_the_error_says_which_variable(database: Database) -> None:
    with pytest.raises(ConfigurationError, match="STONKS_OLLAMA_URL"):
        await ask(ModelDesk(database, None, slots=1), story(), asker())


async def test_ask_when_the_model_is_not_there_then_nothing_is_set_aside(desk: ModelDesk, database: Database) -> None:
    who = asker(settings=SETTINGS.model_copy(update={"model": "nobody:1b"}))
    with pytest.raises(ConfigurationError, match="ollama pull nobody:1b"):
        await ask(desk, story(), who)
    assert await calls(database, who.agent_id) == []


async def test_ask_when_nobody_listens_then_what_was_set_aside_is_given_back(database: Database) -> None:
    server = OllamaServer("http://127.0.0.1:1")
    who = asker()
    with pytest.raises(VendorUnavailable):
        await ask(ModelDesk(database, server, slots=1), story(), who)
    assert await budget_rows(database, who.agent_id) in ([], [(0, 0)])
    await server.close()
