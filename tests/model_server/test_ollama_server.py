"""The adapter against a server that answers as Ollama does, well and badly; where one is named, a real one too."""

from __future__ import annotations

import asyncio
import json
import time
from typing import Any

import pytest
from pydantic import SecretStr

from activities.adapters import ollama
from activities.adapters.ollama import NOTHING_COMPUTED, OllamaServer
from domain.errors import ConfigurationError, StonksError, VendorRejected, VendorThrottled, VendorUnavailable
from tests.model_server import calls
from tests.model_server.builders import SCHEMA, SECRET, question
from tests.model_server.calls import Fault, Turn
from tests.model_server.catalogue import digest_of_model
from tests.model_server.conftest import Target
from tests.model_server.server import MODEL, ModelServerDouble

THINKER, LEVELS = "thinker:8b", "gpt-oss:20b"
LONG = json.dumps({"answer": "word " * 40})


# -- what holds for the double and for a real server -------------------------------------------------------------------


async def test_chat_when_it_is_asked_then_the_answer_satisfies_the_schema(
    target: Target, target_server: OllamaServer
) -> None:
    reply = await target_server.chat(question(model=target.model, timeout_seconds=120.0))
    assert set(json.loads(reply.text)) == {"answer"}
    assert (reply.cut, reply.tokens_in > 0, reply.tokens_out > 0) == (False, True, True)


async def test_chat_when_pieces_come_then_the_progress_grows_to_the_whole_answer(
    target: Target, target_server: OllamaServer
) -> None:
    told: list[int] = []
    reply = await target_server.chat(question(model=target.model, timeout_seconds=120.0), on_progress=told.append)
    assert told == sorted(told)
    assert told[-1] == len(reply.text)


async def test_chat_when_there_is_little_room_then_the_answer_is_cut(
    target: Target, target_server: OllamaServer
) -> None:
    reply = await target_server.chat(question(model=target.model, num_predict=2, timeout_seconds=120.0))
    assert reply.cut
    assert reply.tokens_out <= 2


async def test_digest_when_the_model_is_held_then_it_is_a_whole_sha256(
    target: Target, target_server: OllamaServer
) -> None:
    digest = await target_server.digest_of(target.model)
    assert len(digest) == 64
    assert set(digest) <= set("0123456789abcdef")
    assert (await target_server.check(target.model)).digest == digest


async def test_chat_when_the_model_is_not_held_then_the_error_names_the_pull(target_server: OllamaServer) -> None:
    with pytest.raises(ConfigurationError, match=r"MODEL_MISSING: .*ollama pull nobody/none:1b"):
        await target_server.chat(question(model="nobody/none:1b"))
    with pytest.raises(ConfigurationError, match="MODEL_MISSING"):
        await target_server.digest_of("nobody/none:1b")


async def test_running_when_a_model_has_answered_then_it_is_among_the_loaded(
    target: Target, target_server: OllamaServer
) -> None:
    await target_server.chat(question(model=target.model, timeout_seconds=120.0))
    loaded = {model.name: model for model in await target_server.running()}
    assert loaded[target.model].digest == await target_server.digest_of(target.model)
    assert loaded[target.model].context >= 2_048


# -- the question ------------------------------------------------------------------------------------------------------


async def test_chat_when_it_asks_then_schema_options_and_streaming_are_explicit(
    double: ModelServerDouble, server: OllamaServer
) -> None:
    await server.chat(question(num_ctx=4_096, num_predict=512, seed=11, temperature=0.5))
    (asked,) = double.calls
    assert asked.options == {"num_ctx": 4_096, "num_predict": 512, "seed": 11, "temperature": 0.5}
    assert (asked.stream, asked.schema) == (True, SCHEMA)
    assert "think" not in asked.body
    assert [said["role"] for said in asked.messages] == ["system", "user"]


@pytest.mark.parametrize(("model", "said"), [(THINKER, False), (LEVELS, "low")])
async def test_chat_when_a_model_thinks_then_it_is_told_not_to_and_its_thoughts_are_no_answer(
    model: str, said: Any
) -> None:
    async with ModelServerDouble(models=(THINKER, LEVELS), thinking=(THINKER,), levels_only=(LEVELS,)) as double:
        double.script(Turn('{"answer": "x"}', thinking="hm " * 50))
        server = OllamaServer(double.url)
        told: list[int] = []
        for _ in range(2):
            reply = await server.chat(question(model=model), on_progress=told.append)
            double.script(Turn('{"answer": "x"}', thinking="hm " * 50))
        assert reply.text == '{"answer": "x"}'
        assert [call.think for call in double.calls] == [said, said]
        assert (max(told), double.counts.shows) == (len(reply.text), 1)
        await server.close()


async def test_chat_when_the_server_cannot_show_models_then_nothing_is_said_of_thinking(
    double: ModelServerDouble, server: OllamaServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(double.catalogue, "show", lambda body: (404, {"error": "404 page not found"}))
    assert (await server.chat(question())).text
    assert "think" not in double.calls[0].body


async def test_chat_when_a_key_is_given_then_it_is_sent_and_never_one_of_the_environment(
    double: ModelServerDouble, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OLLAMA_API_KEY", "from-the-environment")
    for key in (None, SecretStr("k3y")):
        server = OllamaServer(double.url, api_key=key)
        await server.chat(question())
        assert "k3y" not in repr(server)
        await server.close()
    assert [call.headers.get("authorization") for call in double.calls] == [None, "Bearer k3y"]


# -- the answer --------------------------------------------------------------------------------------------------------


async def test_chat_when_it_answers_then_tokens_and_time_are_counted(
    double: ModelServerDouble, server: OllamaServer
) -> None:
    double.script(Turn('{"answer": "eight"}', latency=0.05))
    reply = await server.chat(question())
    asked = sum(len(said.content) for said in question().messages)
    assert (reply.tokens_in, reply.tokens_out) == (-(-asked // 4), 5)
    assert reply.elapsed_ms >= 40


async def test_chat_when_the_server_says_that_length_ended_it_then_it_is_cut(
    double: ModelServerDouble, server: OllamaServer
) -> None:
    double.script(Turn(LONG, fault=Fault.CUT))
    reply = await server.chat(question())
    assert reply.cut
    assert LONG.startswith(reply.text)


async def test_chat_when_the_answer_has_any_characters_then_they_come_whole(
    double: ModelServerDouble, server: OllamaServer
) -> None:
    text = json.dumps({"answer": 'Zürich — 東京 \u2028 🙂 \\ " }'}, ensure_ascii=False)
    double.script(text)
    assert (await server.chat(question())).text == text


# -- errors ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("turn", "error", "code"),
    [
        (Turn(fault=Fault.ERROR), VendorUnavailable, "MODEL_SERVER_FAILED"),
        (Turn(LONG, fault=Fault.ERROR_MIDDLE), VendorUnavailable, "MODEL_SERVER_FAILED"),
        (Turn(fault=Fault.BUSY), VendorThrottled, "MODEL_SERVER_BUSY"),
        (Turn(fault=Fault.THROTTLED), VendorThrottled, "MODEL_SERVER_BUSY"),
        (Turn(fault=Fault.REFUSED), VendorRejected, "MODEL_SERVER_REFUSED"),
        (Turn(fault=Fault.RESET_BEFORE), VendorUnavailable, "MODEL_ANSWER_BROKEN_OFF"),
        (Turn(LONG, fault=Fault.RESET_MIDDLE), VendorUnavailable, "MODEL_ANSWER_BROKEN_OFF"),
        (Turn(LONG, fault=Fault.ENDS_EARLY), VendorUnavailable, "MODEL_ANSWER_BROKEN_OFF"),
        (Turn(LONG, fault=Fault.BROKEN_LINE), VendorUnavailable, "MODEL_ANSWER_UNREADABLE"),
        (Turn(fault=Fault.HTML), VendorUnavailable, "MODEL_ANSWER_UNREADABLE"),
        (Turn(LONG, fault=Fault.STALL), VendorUnavailable, "MODEL_SERVER_TIMEOUT"),
        (Turn(first_token=9.0), VendorUnavailable, "MODEL_SERVER_TIMEOUT"),
        (Turn(LONG, latency=9.0), VendorUnavailable, "MODEL_SERVER_TIMEOUT"),
    ],
    ids=lambda each: each.fault.value if isinstance(each, Turn) else None,
)
async def test_chat_when_the_server_fails_then_the_error_says_how_and_the_next_question_is_answered(
    double: ModelServerDouble, server: OllamaServer, turn: Turn, error: type[StonksError], code: str
) -> None:
    double.script(turn)
    with pytest.raises(error) as raised:
        await server.chat(question(timeout_seconds=0.3))
    assert type(raised.value) is error
    assert raised.value.code == code
    assert (code in NOTHING_COMPUTED) == (double.counts.refused == 1)
    assert (await server.chat(question())).text
    await double.quiet()


@pytest.mark.parametrize("fault", [Fault.ERROR, Fault.ERROR_MIDDLE, Fault.REFUSED])
async def test_chat_when_the_server_quotes_the_document_then_the_error_does_not(
    double: ModelServerDouble, server: OllamaServer, fault: Fault
) -> None:
    double.script(Turn(LONG, fault=fault, error=f"error parsing tool call: raw='{SECRET}'"))
    with pytest.raises(StonksError) as raised:
        await server.chat(question())
    assert SECRET not in f"{raised.value}{raised.value.fields}"
    assert raised.value.__cause__ is None


@pytest.mark.parametrize(
    ("said", "meaning"),
    [
        (calls.CRASHED, "the model crashed"),
        ("model requires more system memory (9.1 GiB) than is available (7.8 GiB)", "does not fit into its memory"),
        ("the input length exceeds the context length", "longer than num_ctx"),
        ("failed to load model vocabulary required for format", "cannot enforce the schema"),
        ("something new", "unknown"),
    ],
)
async def test_chat_when_the_server_says_something_known_then_the_error_says_it_in_our_words(
    double: ModelServerDouble, server: OllamaServer, said: str, meaning: str
) -> None:
    double.script(Turn(fault=Fault.ERROR, error=said))
    with pytest.raises(VendorUnavailable, match=f"meaning=.*{meaning}"):
        await server.chat(question())


@pytest.mark.parametrize("line", [b'{"error": {"message": "no", "code": 7}}', b"[]", b'"text"', b"7", b"{}", b"null"])
async def test_chat_when_the_stream_holds_something_else_then_it_is_unreadable(
    double: ModelServerDouble, server: OllamaServer, line: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    double.script(Turn(LONG, fault=Fault.BROKEN_LINE))
    monkeypatch.setattr("tests.model_server.server._BROKEN", line)
    with pytest.raises(VendorUnavailable, match="MODEL_ANSWER_UNREADABLE"):
        await server.chat(question())


@pytest.mark.parametrize(
    ("header", "seconds"),
    [("", 5.0), ("17", 17.0), ("0", 0.1), ("86400", 300.0), ("Wed, 21 Oct 2026 07:28:00", 5.0)],
)
@pytest.mark.parametrize("fault", [Fault.BUSY, Fault.THROTTLED])
async def test_chat_when_the_server_is_busy_then_its_retry_after_is_heeded(
    double: ModelServerDouble, server: OllamaServer, fault: Fault, header: str, seconds: float
) -> None:
    double.script(Turn(fault=fault, retry_after=header))
    with pytest.raises(VendorThrottled) as raised:
        await server.chat(question())
    assert raised.value.retry_after_seconds == seconds


async def test_chat_when_the_queue_is_full_then_the_server_is_busy(
    double: ModelServerDouble, server: OllamaServer
) -> None:
    double.switches.slots = double.switches.max_queue = 1
    double.switches.latency = 0.2
    answers = await asyncio.gather(*(server.chat(question()) for _ in range(5)), return_exceptions=True)
    refused = [each for each in answers if isinstance(each, VendorThrottled)]
    assert len(refused) == 3
    assert {each.code for each in refused} == {"MODEL_SERVER_BUSY"}


async def test_chat_when_nobody_listens_then_nothing_was_computed() -> None:
    server = OllamaServer("http://127.0.0.1:1")
    with pytest.raises(VendorUnavailable, match="MODEL_SERVER_UNREACHABLE") as raised:
        await server.chat(question())
    assert raised.value.code in NOTHING_COMPUTED
    with pytest.raises(VendorUnavailable, match="MODEL_SERVER_UNREACHABLE"):
        await server.digest_of(MODEL)
    with pytest.raises(VendorUnavailable, match="MODEL_SERVER_UNREACHABLE"):
        await server.running()


async def test_error_when_the_address_holds_a_password_then_it_is_not_shown() -> None:
    server = OllamaServer("http://me:s3cret@127.0.0.1:1/?token=s3cret")
    with pytest.raises(VendorUnavailable) as raised:
        await server.chat(question())
    assert "s3cret" not in f"{raised.value}{server!r}{raised.value.fields}"


async def test_chat_when_another_part_of_the_caller_fails_then_its_error_comes_through(
    double: ModelServerDouble, server: OllamaServer
) -> None:
    def stop(characters: int) -> None:
        raise ValueError("heartbeat")

    double.script(Turn(LONG, latency=9.0))
    with pytest.raises(ValueError, match="heartbeat"):
        await server.chat(question(), on_progress=stop)
    await double.quiet(1.0)
    assert double.counts.cancelled == 1


# -- cancellation ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("turn", [Turn(first_token=60.0), Turn(LONG, latency=60.0), Turn(LONG, fault=Fault.STALL)])
async def test_chat_when_it_is_cancelled_then_the_server_stops_and_the_slot_is_free(
    double: ModelServerDouble, server: OllamaServer, turn: Turn
) -> None:
    double.switches.slots = 1
    double.script(turn)
    asked = asyncio.create_task(server.chat(question(timeout_seconds=60.0)))
    await _until(lambda: double.counts.running == 1)
    asked.cancel()
    with pytest.raises(asyncio.CancelledError):
        await asked
    began = time.monotonic()
    await server.chat(question())
    assert time.monotonic() - began < 30.0
    assert (double.counts.cancelled, double.counts.completed, double.counts.running) == (1, 1, 0)


async def test_chat_when_it_times_out_then_the_server_stops_too(
    double: ModelServerDouble, server: OllamaServer
) -> None:
    double.script(Turn(LONG, latency=60.0))
    with pytest.raises(VendorUnavailable, match=r"MODEL_SERVER_TIMEOUT: .*seconds=0\.2"):
        await server.chat(question(timeout_seconds=0.2))
    await double.quiet(1.0)
    assert double.counts.cancelled == 1


async def test_chat_when_it_is_cancelled_in_the_queue_then_nothing_is_computed_for_it(
    double: ModelServerDouble, server: OllamaServer
) -> None:
    double.switches.slots = 1
    double.script(Turn(LONG, latency=0.3))
    first = asyncio.create_task(server.chat(question()))
    await _until(lambda: double.counts.running == 1)
    second = asyncio.create_task(server.chat(question()))
    await _until(lambda: double.counts.waiting == 1)
    second.cancel()
    await asyncio.wait([second])
    await first
    await double.quiet()
    assert (double.counts.completed, double.counts.cancelled, double.counts.waiting) == (1, 1, 0)


async def test_chat_when_many_ask_then_no_more_than_the_slots_are_computed_at_a_time(
    double: ModelServerDouble, server: OllamaServer
) -> None:
    double.switches.slots, double.switches.latency = 3, 0.02
    await asyncio.gather(*(server.chat(question()) for _ in range(30)))
    assert (double.counts.most_running, double.counts.completed, double.counts.shows) == (3, 30, double.counts.shows)


# -- digest and health -------------------------------------------------------------------------------------------------


async def test_digest_when_it_is_asked_twice_then_the_server_is_asked_once(
    double: ModelServerDouble, server: OllamaServer
) -> None:
    digests = await asyncio.gather(*(server.digest_of(MODEL) for _ in range(10)))
    assert set(digests) == {digest_of_model(MODEL)}
    assert double.counts.lists == 1


async def test_digest_when_the_server_says_that_the_model_is_gone_then_it_is_forgotten(
    double: ModelServerDouble, server: OllamaServer
) -> None:
    await server.chat(question())
    await server.digest_of(MODEL)
    double.catalogue.models = []
    with pytest.raises(ConfigurationError, match="MODEL_MISSING"):
        await server.chat(question())
    double.catalogue.models, double.catalogue.digests = [MODEL], {MODEL: "f" * 64}
    assert await server.digest_of(MODEL) == "f" * 64


async def test_digest_when_ten_minutes_have_gone_then_it_is_asked_for_again(
    double: ModelServerDouble, server: OllamaServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ollama, "_REMEMBERED_SECONDS", 0.0)
    await server.digest_of(MODEL)
    double.catalogue.digests = {MODEL: "f" * 64}
    assert await server.digest_of(MODEL) == "f" * 64


@pytest.mark.parametrize("name", ["LLaMA3.2", "llama3.2:latest", "llama3.2"])
async def test_digest_when_the_name_is_written_otherwise_then_it_is_the_same_model(
    double: ModelServerDouble, server: OllamaServer, name: str
) -> None:
    double.catalogue.models = ["other:1b", "llama3.2:latest"]
    assert await server.digest_of(name) == digest_of_model("llama3.2:latest")


async def test_check_when_all_is_well_then_it_tells_the_digest(server: OllamaServer) -> None:
    health = await server.check(MODEL)
    assert (health.reachable, health.model_present, health.fix) == (True, True, "")
    assert health.digest == digest_of_model(MODEL)


async def test_check_when_the_model_is_missing_then_the_fix_is_the_pull(server: OllamaServer) -> None:
    health = await server.check("llama3.2")
    assert (health.reachable, health.model_present, health.fix) == (True, False, "ollama pull llama3.2")


async def test_check_when_nobody_listens_then_it_says_so_without_raising() -> None:
    health = await OllamaServer("http://127.0.0.1:1").check(MODEL)
    assert (health.reachable, health.model_present) == (False, False)
    assert "ollama serve" in health.fix


async def test_check_when_something_else_listens_then_it_says_so_without_raising(
    double: ModelServerDouble,
) -> None:
    health = await OllamaServer(f"{double.url}/elsewhere").check(MODEL)
    assert not health.reachable


async def _until(condition: Any, seconds: float = 5.0) -> None:
    async with asyncio.timeout(seconds):
        while not condition():
            await asyncio.sleep(0.005)
