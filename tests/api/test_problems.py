"""Every error is a problem document: what was wrong, what to do, an id, and nothing that should not be seen."""

from __future__ import annotations

from typing import Any

import asyncpg
import pytest
from temporalio.service import RPCError, RPCStatusCode

from api.keys import Scope
from api.policy import BODY_BYTES
from domain.errors import (
    ConfigurationError,
    Conflict,
    InvalidInput,
    ModelOutputInvalid,
    NotFound,
    StonksError,
    VendorRejected,
    VendorThrottled,
    VendorUnavailable,
)
from store.database import Database
from store.objects import ObjectStore
from tests.api.harness import BOOTSTRAP_KEY, Caller, Platform, assert_problem, caller
from workflows.client import connect

pytestmark = pytest.mark.stack


class Raising:
    """Stands in for the database: whatever is asked of it raises the error it was given."""

    def __init__(self, error: Exception) -> None:
        self._error = error

    def transaction(self) -> Any:
        raise self._error

    async def run(self, statement: str, *values: Any) -> Any:
        raise self._error


async def test_address_when_nothing_lives_there_then_404(api: Caller) -> None:
    assert_problem(await api("GET", "/v1/nothing"), 404, "NOT_FOUND")


async def test_method_when_not_taken_then_405_and_the_header_says_which_are(api: Caller) -> None:
    answer = await api("PUT", "/v1/overview")
    assert_problem(answer, 405, "METHOD_NOT_ALLOWED")
    assert answer.headers["allow"] == "GET"


async def test_filter_when_unknown_then_422_names_it(api: Caller) -> None:
    body = assert_problem(await api("GET", "/v1/documents", params={"ticker": "AAPL"}), 422, "REQUEST_INVALID")
    assert [each["field"] for each in body["errors"]] == ["query.ticker"]


@pytest.mark.parametrize("limit", ["0", "201", "-1", "many", ""])
async def test_limit_when_out_of_range_then_422(api: Caller, limit: str) -> None:
    body = assert_problem(await api("GET", "/v1/orders", params={"limit": limit}), 422, "REQUEST_INVALID")
    assert body["errors"][0]["field"] == "query.limit"


async def test_body_when_invalid_then_422_names_fields_and_echoes_nothing(api: Caller) -> None:
    answer = await api("POST", "/v1/trading/pause", json={"reason": ["hush-hush"], "password": "hush-hush"})
    body = assert_problem(answer, 422, "REQUEST_INVALID")
    assert {each["field"] for each in body["errors"]} == {"body.reason", "body.password"}
    assert "hush" not in answer.text


async def test_body_when_not_json_then_422(api: Caller) -> None:
    answer = await api("POST", "/v1/trading/pause", content=b"{hush", headers={"Content-Type": "application/json"})
    assert_problem(answer, 422, "REQUEST_INVALID")
    assert "hush" not in answer.text


@pytest.mark.parametrize("reason", ["", "x" * 501])
async def test_reason_when_too_short_or_too_long_then_422(api: Caller, reason: str) -> None:
    assert_problem(await api("POST", "/v1/trading/pause", json={"reason": reason}), 422, "REQUEST_INVALID")


@pytest.mark.parametrize("streamed", [True, False])
async def test_body_when_longer_than_allowed_then_413_even_without_a_key(platform: Platform, streamed: bool) -> None:
    async def pieces() -> Any:
        for _ in range(BODY_BYTES // 1024 + 1):
            yield b" " * 1024

    content = pieces() if streamed else b" " * (BODY_BYTES + 1)
    answer = await caller(platform, "")(
        "POST", "/v1/trading/pause", content=content, headers={"Content-Type": "application/json"}
    )
    assert_problem(answer, 413, "REQUEST_ENTITY_TOO_LARGE")


async def test_body_when_as_long_as_allowed_then_it_is_read(api: Caller) -> None:
    content = b'{"reason": ""}'.ljust(BODY_BYTES)
    answer = await api("POST", "/v1/trading/pause", content=content, headers={"Content-Type": "application/json"})
    assert_problem(answer, 422, "REQUEST_INVALID")


@pytest.mark.parametrize(
    ("sent", "taken"),
    [("abc-123.X_y", True), ("a" * 64, True), ("a" * 65, False), ("a b", False), ("../x", False), ("", False)],
)
async def test_request_id_when_sent_then_it_is_kept_only_where_it_is_plain(api: Caller, sent: str, taken: bool) -> None:
    answer = await api("GET", "/healthz", headers={"X-Request-Id": sent})
    assert (answer.headers["x-request-id"] == sent) is taken
    assert answer.headers["x-request-id"]


async def test_answer_when_given_then_it_is_not_cached_or_sniffed(api: Caller) -> None:
    answer = await api("GET", "/v1/overview")
    assert answer.headers["cache-control"] == "no-store"
    assert answer.headers["x-content-type-options"] == "nosniff"


@pytest.mark.parametrize(
    ("error", "status"),
    [
        (NotFound("CODE", "do this", symbol="X"), 404),
        (Conflict("CODE", "do this", symbol="X"), 409),
        (InvalidInput("CODE", "do this", symbol="X"), 422),
        (VendorThrottled("CODE", "do this", retry_after_seconds=2.6, symbol="X"), 503),
        (VendorUnavailable("CODE", "do this", symbol="X"), 503),
        (VendorRejected("CODE", "do this", symbol="X"), 502),
        (ModelOutputInvalid("CODE", "do this", symbol="X"), 502),
        (ConfigurationError("CODE", "do this", symbol="X"), 500),
        (StonksError("CODE", "do this", symbol="X"), 500),
    ],
    ids=lambda each: type(each).__name__,
)
async def test_our_error_when_raised_then_its_class_is_the_status(
    platform: Platform, error: StonksError, status: int
) -> None:
    answer = await caller(platform, database=Raising(error))("GET", "/v1/overview")
    body = assert_problem(answer, status, "CODE")
    assert body["hint"] == "do this"
    assert body["fields"]["symbol"] == "X"
    assert answer.headers.get("retry-after") == ("3" if isinstance(error, VendorThrottled) else None)


async def test_unexpected_error_when_raised_then_500_without_details(
    platform: Platform, capsys: pytest.CaptureFixture[str]
) -> None:
    ask = caller(platform, database=Raising(RuntimeError("password=hush")))
    answer = await ask("GET", "/v1/overview", headers={"X-Request-Id": "req-1"})
    body = assert_problem(answer, 500, "INTERNAL_ERROR")
    assert body["request_id"] == "req-1"
    assert "hush" not in answer.text
    assert BOOTSTRAP_KEY not in capsys.readouterr().out


@pytest.mark.parametrize(
    ("error", "status", "code"),
    [
        (RPCError("no", RPCStatusCode.UNAVAILABLE, b""), 503, "TEMPORAL_UNAVAILABLE"),
        (RPCError("no", RPCStatusCode.NOT_FOUND, b""), 404, "WORKFLOW_NOT_FOUND"),
        (RPCError("no", RPCStatusCode.INTERNAL, b""), 500, "TEMPORAL_ERROR"),
        (ConnectionRefusedError(111, "no"), 503, "DATABASE_UNAVAILABLE"),
        (asyncpg.ConnectionDoesNotExistError("closed in the middle"), 503, "DATABASE_UNAVAILABLE"),
        (asyncpg.TooManyConnectionsError("full"), 503, "DATABASE_UNAVAILABLE"),
        (asyncpg.InterfaceError("connection is closed"), 503, "DATABASE_UNAVAILABLE"),
        (asyncpg.InternalClientError("another operation is in progress"), 503, "DATABASE_UNAVAILABLE"),
        (asyncpg.UndefinedTableError("no such table"), 500, "SCHEMA_MISSING"),
        (asyncpg.CharacterNotInRepertoireError("a null"), 422, "TEXT_INVALID"),
        (asyncpg.exceptions._base.DataError("year 0"), 422, "VALUE_OUT_OF_RANGE"),
        (asyncpg.UniqueViolationError("a bug"), 500, "INTERNAL_ERROR"),
    ],
)
async def test_server_error_when_it_can_be_expected_then_it_has_a_code(
    platform: Platform, error: Exception, status: int, code: str
) -> None:
    assert_problem(await caller(platform, database=Raising(error))("GET", "/v1/overview"), status, code)


async def test_readiness_when_everything_works_then_every_dependency_says_so(platform: Platform) -> None:
    answer = await caller(platform, "")("GET", "/readyz")
    assert answer.status_code == 200, answer.text
    states = answer.json()["dependencies"]
    assert set(states) == {"database", "temporal", "object_store"}
    assert all(state["ok"] and state["seconds"] < 3 for state in states.values())


@pytest.mark.parametrize("broken", ["database", "temporal", "object_store"])
async def test_readiness_when_one_dependency_is_away_then_503_names_it_alone(platform: Platform, broken: str) -> None:
    parts = platform.parts
    dead = "127.0.0.1:1"
    changes: dict[str, Any] = {}
    if broken == "database":
        changes["database"] = Database(parts.database.settings.model_copy(update={"port": 1}))
    elif broken == "temporal":
        changes["client"] = await connect(parts.settings.temporal_address, "no-such-namespace")
    else:
        changes["objects"] = ObjectStore(parts.objects.settings.model_copy(update={"endpoint": f"http://{dead}"}))
    answer = await caller(platform, "", **changes)("GET", "/readyz")
    body = assert_problem(answer, 503, "NOT_READY")
    assert [name for name, state in body["dependencies"].items() if not state["ok"]] == [broken]
    assert body["dependencies"][broken]["code"]
    assert dead not in answer.text


async def test_liveness_when_the_database_is_away_then_200(platform: Platform) -> None:
    answer = await caller(platform, "", database=Raising(RuntimeError()))("GET", "/healthz")
    assert answer.json() == {"status": "alive"}


async def test_database_when_its_tables_are_missing_then_the_problem_says_how_to_make_them(platform: Platform) -> None:
    settings = platform.parts.database.settings.model_copy(update={"name": "postgres"})
    database = Database(settings)
    try:
        key = await platform.key(Scope.READ)
        answer = await caller(platform, key, database=database)("GET", "/v1/overview")
        body = assert_problem(answer, 500, "SCHEMA_MISSING")
        assert "stonks db upgrade" in body["hint"]
    finally:
        await database.close()


@pytest.mark.parametrize(
    ("path", "allowed"),
    [
        ("/v1/session", "DELETE, GET, POST"),
        ("/v1/people/anna", "GET, PATCH"),
        ("/v1/api-keys", "GET, POST"),
        ("/v1/trading/pause", "POST"),
        ("/v1/backtests/drift", "GET"),
        ("/v1/backtests/x", "DELETE, GET"),
        ("/v1/orders/overrides", "POST"),
        ("/v1/dead-letters/actions/retry", "POST"),
    ],
)
async def test_method_when_the_address_does_not_take_it_then_allow_names_every_one_that_it_takes(
    platform: Platform, path: str, allowed: str
) -> None:
    answer = await caller(platform)("OPTIONS", path)
    assert_problem(answer, 405, "METHOD_NOT_ALLOWED")
    assert answer.headers["allow"] == allowed


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", "/v1/dead-letters/actions/retry"),
        ("GET", "/v1/orders/overrides"),
        ("DELETE", "/v1/backtests/sweeps"),
        ("DELETE", "/v1/backtests/drift"),
    ],
)
async def test_address_when_it_is_written_out_then_it_is_never_also_somethings_id(
    platform: Platform, method: str, path: str
) -> None:
    assert_problem(await caller(platform)(method, path), 405, "METHOD_NOT_ALLOWED")


@pytest.mark.parametrize(
    ("path", "name", "found"),
    [
        ("/v1/fills", "from", "0.5"),
        ("/v1/fills", "to", "1700000000"),
        ("/v1/audit", "to", "-1."),
        ("/v1/trading/performance", "from", "20140716"),
        ("/v1/symbols/MSFT/bars", "to", "20140716"),
        ("/v1/companies/MSFT/exposure-profile/estimate", "as_of", " 7 "),
    ],
)
async def test_instant_when_it_is_a_bare_number_then_422_and_how_to_write_it(
    api: Caller, path: str, name: str, found: str
) -> None:
    body = assert_problem(await api("GET", path, params={name: found}), 422, "REQUEST_INVALID")
    assert "2014-07-16T14:30:00Z" in body["errors"][0]["message"]
