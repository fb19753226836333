"""The double answers as the real server does: through the official client and as plain HTTP."""

from __future__ import annotations

import asyncio
import json
import sys
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from ollama import AsyncClient, ResponseError

from tests.model_server import calls
from tests.model_server.calls import Fault, Switches, Turn
from tests.model_server.catalogue import digest_of_model
from tests.model_server.conftest import Target
from tests.model_server.server import MODEL, ModelServerDouble

SAID: list[dict[str, Any]] = [{"role": "user", "content": "Say hello as JSON with one key, answer."}]
HELLO = '{"answer": "hello, hello, hello"}'
OPTIONS = {"num_ctx": 2_048, "num_predict": 64, "temperature": 0, "seed": 1}
THINKER = "thinker:8b"


@pytest.fixture
async def http(target: Target) -> AsyncIterator[httpx.AsyncClient]:
    async with httpx.AsyncClient(base_url=target.url, trust_env=False, timeout=120.0) as client:
        yield client


def body(target: Target, **changes: Any) -> dict[str, Any]:
    return {"model": target.model, "messages": SAID, "options": OPTIONS, "format": "json", **changes}


# -- what the real server does as well ---------------------------------------------------------------------------------


async def test_chat_when_it_streams_then_lines_of_json_end_with_the_counts(
    http: httpx.AsyncClient, target: Target
) -> None:
    answer = await http.post("/api/chat", json=body(target))
    assert (answer.status_code, answer.headers["content-type"]) == (200, "application/x-ndjson")
    *pieces, last = [json.loads(line) for line in answer.text.splitlines()]
    assert pieces
    assert all(piece["done"] is False and piece["message"]["role"] == "assistant" for piece in pieces)
    assert (last["done"], last["done_reason"]) == (True, "stop")
    assert last["prompt_eval_count"] > 0
    assert last["eval_count"] > 0


async def test_chat_when_it_does_not_stream_then_one_object_holds_everything(
    http: httpx.AsyncClient, target: Target
) -> None:
    answer = await http.post("/api/chat", json=body(target, stream=False))
    assert answer.headers["content-type"].startswith("application/json")
    whole = answer.json()
    assert json.loads(whole["message"]["content"])
    assert (whole["done"], whole["done_reason"]) == (True, "stop")


async def test_chat_when_both_modes_are_asked_through_the_client_then_the_answers_are_the_same(target: Target) -> None:
    client = AsyncClient(host=target.url, trust_env=False)
    whole = await client.chat(model=target.model, messages=SAID, format="json", options=OPTIONS)
    streamed = [
        part
        async for part in await client.chat(
            model=target.model, messages=SAID, format="json", options=OPTIONS, stream=True
        )
    ]
    assert "".join(part.message.content or "" for part in streamed) == whole.message.content
    assert (streamed[-1].done_reason, streamed[-1].eval_count) == (whole.done_reason, whole.eval_count)
    await client.close()


@pytest.mark.parametrize("stream", [True, False])
async def test_generate_when_it_is_asked_then_it_answers_as_chat_does(
    http: httpx.AsyncClient, target: Target, stream: bool
) -> None:
    asked = {"model": target.model, "prompt": SAID[0]["content"], "options": OPTIONS, "format": "json"}
    lines = (await http.post("/api/generate", json=asked | {"stream": stream})).text.splitlines()
    pieces = [json.loads(line) for line in lines]
    assert json.loads("".join(piece["response"] for piece in pieces))
    assert pieces[-1]["done"]


async def test_models_when_the_client_asks_then_it_understands_the_answers(target: Target) -> None:
    client = AsyncClient(host=target.url, trust_env=False)
    assert target.model in {model.model for model in (await client.list()).models}
    assert "completion" in ((await client.show(target.model)).capabilities or ())
    await client.chat(model=target.model, messages=SAID, options=OPTIONS)
    (loaded, *_) = (await client.ps()).models
    assert loaded.context_length
    assert loaded.expires_at is not None
    await client.close()


async def test_version_when_it_is_asked_then_it_is_told(http: httpx.AsyncClient) -> None:
    assert (await http.get("/api/version")).json()["version"]


@pytest.mark.parametrize("path", ["/api/chat", "/api/show"])
async def test_chat_when_the_model_is_not_held_then_404_says_so(http: httpx.AsyncClient, path: str) -> None:
    answer = await http.post(path, json={"model": "none:1b", "messages": SAID})
    assert (answer.status_code, answer.json()) == (404, {"error": "model 'none:1b' not found"})


async def test_chat_when_no_model_is_named_then_400_says_so(http: httpx.AsyncClient) -> None:
    answer = await http.post("/api/chat", json={"messages": SAID})
    assert (answer.status_code, answer.json()) == (400, {"error": "model is required"})


async def test_chat_when_a_model_that_cannot_think_is_told_not_to_then_it_answers(
    http: httpx.AsyncClient, target: Target
) -> None:
    assert (await http.post("/api/chat", json=body(target, think=False))).status_code == 200


# -- the double's own switches -----------------------------------------------------------------------------------------


@pytest.fixture
async def plain(double: ModelServerDouble) -> AsyncIterator[httpx.AsyncClient]:
    async with httpx.AsyncClient(base_url=double.url, trust_env=False, timeout=10.0) as client:
        yield client


def chat(**changes: Any) -> dict[str, Any]:
    return {"model": MODEL, "messages": SAID, **changes}


@pytest.mark.parametrize(
    ("fault", "status", "words"),
    [
        (Fault.ERROR, 500, calls.CRASHED),
        (Fault.REFUSED, 400, calls.BAD_OPTIONS),
        (Fault.BUSY, 503, calls.BUSY),
        (Fault.THROTTLED, 429, calls.OVERLOADED),
    ],
)
async def test_fault_when_it_is_before_the_answer_then_the_status_tells(
    double: ModelServerDouble, plain: httpx.AsyncClient, fault: Fault, status: int, words: str
) -> None:
    double.script(Turn(fault=fault))
    answer = await plain.post("/api/chat", json=chat())
    assert (answer.status_code, answer.json()) == (status, {"error": words})
    assert double.counts.completed == 0


async def test_fault_when_it_is_in_mid_stream_then_the_last_line_tells(
    double: ModelServerDouble, plain: httpx.AsyncClient
) -> None:
    double.script(Turn(HELLO, fault=Fault.ERROR_MIDDLE))
    answer = await plain.post("/api/chat", json=chat())
    lines = [json.loads(line) for line in answer.text.splitlines()]
    assert (answer.status_code, lines[-1]) == (200, {"error": calls.MID_STREAM})
    assert len(lines) > 1
    double.script(Turn(HELLO, fault=Fault.ERROR_MIDDLE))
    with pytest.raises(ResponseError):
        _ = [part async for part in await AsyncClient(host=double.url).chat(MODEL, SAID, stream=True)]


@pytest.mark.parametrize(
    ("fault", "error"), [(Fault.RESET_BEFORE, httpx.ReadError), (Fault.RESET_MIDDLE, httpx.ReadError)]
)
async def test_fault_when_the_connection_is_reset_then_the_client_meets_a_reset(
    double: ModelServerDouble, plain: httpx.AsyncClient, fault: Fault, error: type[Exception]
) -> None:
    double.script(Turn(HELLO, fault=fault, latency=0.1))
    with pytest.raises(error):
        await plain.post("/api/chat", json=chat())
    assert (double.counts.failed, double.counts.running) == (1, 0)


async def test_fault_when_the_stream_ends_early_then_no_line_says_that_it_is_done(
    double: ModelServerDouble, plain: httpx.AsyncClient
) -> None:
    double.script(Turn(HELLO, fault=Fault.ENDS_EARLY))
    lines = (await plain.post("/api/chat", json=chat())).text.splitlines()
    assert not any(json.loads(line)["done"] for line in lines)


@pytest.mark.parametrize("stream", [True, False])
async def test_length_when_the_answer_is_longer_than_its_room_then_it_is_cut(
    double: ModelServerDouble, plain: httpx.AsyncClient, stream: bool
) -> None:
    double.script(HELLO)
    answer = await plain.post("/api/chat", json=chat(stream=stream, options={"num_predict": 3}))
    lines = [json.loads(line) for line in answer.text.splitlines()]
    assert "".join(line["message"]["content"] for line in lines) == HELLO[:12]
    assert (lines[-1]["done_reason"], lines[-1]["eval_count"]) == ("length", 3)


async def test_length_when_the_question_is_longer_than_its_context_then_it_is_counted(
    double: ModelServerDouble, plain: httpx.AsyncClient
) -> None:
    long = [{"role": "user", "content": "word " * 2_000}]
    await plain.post("/api/chat", json=chat(messages=long, options={"num_ctx": 512}))
    assert double.counts.cut_prompts == 1


async def test_thinking_when_nothing_is_said_of_it_then_a_model_that_can_does() -> None:
    async with (
        ModelServerDouble(models=(THINKER, MODEL), thinking=(THINKER,), answer=lambda call: HELLO) as double,
        httpx.AsyncClient(base_url=double.url, trust_env=False) as plain,
    ):
        answers = [
            (await plain.post("/api/chat", json=chat(model=THINKER, stream=False, **said))).json()["message"]
            for said in ({}, {"think": False}, {"think": True})
        ]
        assert ["thinking" in answer for answer in answers] == [True, False, True]
        assert {answer["content"] for answer in answers} == {HELLO}
        refused = await plain.post("/api/chat", json=chat(think=True))
        assert (refused.status_code, refused.json()) == (400, {"error": f'"{MODEL}" does not support thinking'})


async def test_queue_when_it_is_full_then_the_next_is_sent_away_and_the_others_are_served_in_turn(
    double: ModelServerDouble, plain: httpx.AsyncClient
) -> None:
    double.switches = Switches(slots=2, max_queue=3, latency=0.1)
    answers = await asyncio.gather(*(plain.post("/api/chat", json=chat()) for _ in range(7)))
    assert sorted(answer.status_code for answer in answers) == [200] * 5 + [503] * 2
    counts = double.counts
    assert (counts.most_running, counts.most_waiting, counts.completed, counts.refused) == (2, 3, 5, 2)


@pytest.mark.parametrize("stream", [True, False])
async def test_client_when_it_goes_away_then_the_slot_is_free_at_once(
    double: ModelServerDouble, plain: httpx.AsyncClient, stream: bool
) -> None:
    double.switches.slots = 1
    double.script(Turn(HELLO, latency=60.0), Turn(HELLO, latency=60.0))
    asked = [asyncio.create_task(plain.post("/api/chat", json=chat(stream=stream))) for _ in range(2)]
    async with asyncio.timeout(5.0):
        while (double.counts.running, double.counts.waiting) != (1, 1):
            await asyncio.sleep(0.005)
    for task in asked:
        task.cancel()
    await asyncio.wait(asked)
    await double.quiet(1.0)
    assert (double.counts.cancelled, double.counts.completed) == (2, 0)
    assert (await plain.post("/api/chat", json=chat())).status_code == 200


async def test_slots_when_more_are_given_then_those_who_wait_are_served(
    double: ModelServerDouble, plain: httpx.AsyncClient
) -> None:
    double.switches.slots = 0
    asked = asyncio.create_task(plain.post("/api/chat", json=chat()))
    async with asyncio.timeout(5.0):
        while not double.counts.waiting:
            await asyncio.sleep(0.005)
    told = await plain.post("/double/switches", json={"slots": 1})
    assert told.json()["slots"] == 1
    assert (await asked).status_code == 200
    assert (await plain.post("/double/switches", json={"slits": 1})).status_code == 400
    assert (await plain.get("/double/counts")).json()["completed"] == 1


async def test_process_when_it_is_started_by_itself_then_it_serves_and_ends_on_a_signal(tmp_path: Path) -> None:
    answer = tmp_path / "answer.json"
    answer.write_text(HELLO)
    arguments = ["-m", "tests.model_server", "--slots", "1", "--latency", "0.01", "--answer", str(answer)]
    process = await asyncio.create_subprocess_exec(
        sys.executable, *arguments, "--model", "other:2b", stdout=asyncio.subprocess.PIPE
    )
    try:
        assert process.stdout is not None
        url = (await asyncio.wait_for(process.stdout.readline(), 30.0)).decode().strip()
        client = AsyncClient(host=url, trust_env=False)
        assert (await client.chat("other:2b", SAID)).message.content == HELLO
        assert (await client.list()).models[0].digest == digest_of_model("other:2b")
        await client.close()
    finally:
        process.terminate()
        assert await asyncio.wait_for(process.wait(), 30.0) == 0
