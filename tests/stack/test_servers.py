"""The three real servers: what they promise, and what they keep when they are killed."""

from __future__ import annotations

import asyncio
import io
import json
import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import asyncpg
import httpx
import psutil
import pytest
from minio import Minio
from minio.error import S3Error
from temporalio.api.workflowservice.v1 import DescribeNamespaceRequest
from temporalio.client import Client
from temporalio.common import SearchAttributeKey, SearchAttributePair, TypedSearchAttributes

from cli.stack import process, runner
from cli.stack.control import DownOutcome, client_environment, down
from cli.stack.doctor import diagnose
from cli.stack.environment import SECRETS
from cli.stack.names import SEARCH_ATTRIBUTES, PartName
from cli.stack.state import read_state
from cli.stack.supervisor import Stack
from domain.errors import ConfigurationError, Conflict, NotFound

from .processes import processes_of, wait_until_none

pytestmark = [pytest.mark.stack]

SERVERS = (PartName.POSTGRES, PartName.TEMPORAL, PartName.OBJECTS)


@pytest.fixture(scope="module")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    # Deeper than the path of a socket file may be.
    state_dir = tmp_path_factory.mktemp("stack") / ("a" * 70) / ("b" * 70) / "state"
    before = {path for path in sockets() if abandoned(path)}  # by others that were killed
    with Stack(state_dir, inherited=os.environ, parts=SERVERS) as running:
        running.start()
        yield running
    assert processes_of(state_dir) == []
    state = read_state(state_dir)
    assert state is not None
    numbers = {*state.ports.values(), state.ports["objects_admin"] + 10_000}
    found = [path for path in sockets() if int(path.stem.split("-")[-1]) in numbers]
    assert not [path for path in found if path not in before and abandoned(path)]


def sockets() -> list[Path]:
    return list(Path("/tmp").glob("seaweedfs-*.sock"))


def abandoned(path: Path) -> bool:
    """Whether nobody listens at a socket file: another stack may have been given one of the numbers since."""
    with socket.socket(socket.AF_UNIX) as probe:
        try:
            probe.connect(str(path))
        except FileNotFoundError:
            return False
        except ConnectionRefusedError:
            return True
    return False


def database(environment: dict[str, str], query: str) -> Any:
    async def ask() -> Any:
        connection = await asyncpg.connect(
            host=environment["STONKS_DB_HOST"],
            port=int(environment["STONKS_DB_PORT"]),
            user=environment["STONKS_DB_USER"],
            password=environment["STONKS_DB_PASSWORD"],
            database=environment["STONKS_DB_NAME"],
        )
        try:
            return await connection.fetchval(query)
        finally:
            await connection.close()

    return asyncio.run(ask())


def store(environment: dict[str, str], secret_key: str | None = None) -> Minio:
    return Minio(
        environment["STONKS_S3_ENDPOINT"].removeprefix("http://"),
        access_key=environment["STONKS_S3_ACCESS_KEY"],
        secret_key=secret_key or environment["STONKS_S3_SECRET_KEY"],
        secure=False,
    )


async def temporal(environment: dict[str, str]) -> Client:
    return await Client.connect(
        environment["STONKS_TEMPORAL_ADDRESS"], namespace=environment["STONKS_TEMPORAL_NAMESPACE"]
    )


def write(part: PartName, environment: dict[str, str]) -> None:
    """Leave something behind in a server."""
    if part is PartName.POSTGRES:
        database(environment, "CREATE TABLE IF NOT EXISTS kept (value text)")
        database(environment, "INSERT INTO kept VALUES ('before') RETURNING value")
    elif part is PartName.OBJECTS:
        store(environment).put_object(environment["STONKS_S3_BUCKET"], "kept", io.BytesIO(b"before"), 6)
    else:
        attributes = TypedSearchAttributes(
            [SearchAttributePair(SearchAttributeKey.for_keyword(name), "before") for name in SEARCH_ATTRIBUTES]
        )

        async def begin() -> None:
            client = await temporal(environment)
            await client.start_workflow("Kept", id="kept", task_queue="nobody", search_attributes=attributes)

        asyncio.run(begin())


def read(part: PartName, environment: dict[str, str]) -> str:
    """Return what `write` left behind."""
    if part is PartName.POSTGRES:
        return str(database(environment, "SELECT value FROM kept"))
    if part is PartName.OBJECTS:
        with store(environment).get_object(environment["STONKS_S3_BUCKET"], "kept") as answer:
            return answer.read().decode()

    async def describe() -> str:
        client = await temporal(environment)
        found = await client.get_workflow_handle("kept").describe()
        return found.typed_search_attributes[SearchAttributeKey.for_keyword("StonksState")]

    return asyncio.run(describe())


def watch_until_working(stack: Stack, part: PartName, former: int | None) -> None:
    deadline = time.monotonic() + 30
    while time.monotonic() < deadline:
        stack.watch_once()
        if stack.pid(part) not in {None, former} and stack._runners[part].phase is runner.Phase.READY:
            return
        time.sleep(0.02)
    raise AssertionError(f"{part} did not come back")


@pytest.mark.crash
@pytest.mark.parametrize("part", SERVERS)
def test_part_when_killed_then_it_is_started_again_with_its_data(stack: Stack, part: PartName) -> None:
    environment = stack.environment()
    write(part, environment)
    former = stack.pid(part)

    stack.kill(part)
    watch_until_working(stack, part, former)

    assert read(part, environment) == "before"
    assert stack.environment() == environment


@pytest.mark.crash
def test_database_when_its_old_process_number_is_taken_by_another_then_it_starts_all_the_same(stack: Stack) -> None:
    note = stack.directory.data(PartName.POSTGRES) / "postmaster.pid"
    stack.kill(PartName.POSTGRES)
    stranger, *rest = note.read_text().splitlines()
    note.write_text("\n".join([str(stack.pid(PartName.TEMPORAL)), *rest]) + "\n")

    stack.restart(PartName.POSTGRES)

    assert database(stack.environment(), "SELECT 1") == 1
    assert note.read_text().splitlines()[0] not in {stranger, str(stack.pid(PartName.TEMPORAL))}


def test_database_when_asked_as_the_application_then_it_is_no_superuser_and_not_open(stack: Stack) -> None:
    environment = stack.environment()
    role = "SELECT rolsuper::text || rolcreatedb::text FROM pg_roles WHERE rolname = current_user"

    assert database(environment, role) == "falsetrue"
    assert database(environment, "SHOW server_version").startswith("18")
    assert database(environment, "SHOW TimeZone") == "UTC"
    with pytest.raises(asyncpg.InvalidPasswordError):
        database({**environment, "STONKS_DB_PASSWORD": "guessed"}, "SELECT 1")


async def test_temporal_when_started_then_retention_is_thirty_days(stack: Stack) -> None:
    client = await temporal(stack.environment())

    found = await client.workflow_service.describe_namespace(DescribeNamespaceRequest(namespace="stonks"))

    assert found.config.workflow_execution_retention_ttl.ToTimedelta().days == 30


def test_objects_when_the_key_is_wrong_or_missing_then_every_door_is_closed(stack: Stack) -> None:
    environment = stack.environment()
    write(PartName.OBJECTS, environment)
    state = read_state(stack.directory.root)
    assert state is not None
    inner = f"http://127.0.0.1:{state.ports['objects_filer']}/buckets/{environment['STONKS_S3_BUCKET']}/kept"

    with pytest.raises(S3Error, match="SignatureDoesNotMatch"):
        list(store(environment, secret_key="guessed").list_objects(environment["STONKS_S3_BUCKET"]))
    assert httpx.get(f"{environment['STONKS_S3_ENDPOINT']}/{environment['STONKS_S3_BUCKET']}/kept").status_code == 403
    assert httpx.get(inner).status_code == 401
    assert httpx.put(inner, content=b"after").status_code == 401
    assert read(PartName.OBJECTS, environment) == "before"


def test_stack_when_started_twice_then_the_second_names_process_and_addresses(stack: Stack) -> None:
    second = Stack(stack.directory.root, inherited={}, parts=SERVERS)

    with pytest.raises(Conflict) as refused:
        second.start()

    message = str(refused.value)
    assert refused.value.code == "STACK_ALREADY_RUNNING"
    assert f"pid={os.getpid()}" in message
    assert stack.environment()["STONKS_TEMPORAL_ADDRESS"] in message
    assert stack.pid(PartName.POSTGRES) is not None


def test_client_environment_when_a_stack_runs_then_it_is_what_the_application_got(stack: Stack) -> None:
    assert client_environment(stack.directory.root) == stack.environment()


def test_state_file_when_a_stack_runs_then_it_names_processes_and_holds_no_secret(stack: Stack) -> None:
    text = stack.directory.state.read_text()
    state = read_state(stack.directory.root)

    assert state is not None
    assert state.alive
    assert state.ready
    assert {part: record.pid for part, record in state.processes.items()} == {part: stack.pid(part) for part in SERVERS}
    assert not [name for name in SECRETS if (value := stack.environment().get(name)) and value in text]


def test_processes_when_listed_then_no_command_line_holds_a_secret(stack: Stack) -> None:
    secrets = set(json.loads(stack.directory.credentials.read_text()).values())

    for part in SERVERS:
        pid = stack.pid(part)
        assert pid is not None
        words = " ".join(psutil.Process(pid).cmdline())
        assert not [secret for secret in secrets if secret in words]


def test_doctor_when_a_part_is_dead_then_it_shows_its_last_words_and_the_others_work(stack: Stack) -> None:
    state_dir, former = stack.directory.root, stack.pid(PartName.TEMPORAL)
    assert [finding for finding in diagnose(state_dir, {}) if not finding.ok] == []

    stack.kill(PartName.TEMPORAL)
    findings = diagnose(state_dir, {})

    (wrong,) = [finding for finding in findings if not finding.ok]
    assert wrong.part == "temporal"
    assert "/metrics" in wrong.what
    assert str(stack.directory.log(PartName.TEMPORAL)) in wrong.fix
    assert {"postgres", "objects"} <= {finding.part for finding in findings if finding.ok}
    watch_until_working(stack, PartName.TEMPORAL, former)


# --- parts that run elsewhere --------------------------------------------------------------------------------------


def test_part_when_its_address_is_set_then_it_is_checked_and_not_spawned(stack: Stack, tmp_path: Path) -> None:
    elsewhere = stack.environment()
    password = tmp_path / "password"
    password.write_text(elsewhere.pop("STONKS_DB_PASSWORD") + "\n")
    elsewhere["STONKS_DB_PASSWORD_FILE"] = str(password)

    with Stack(tmp_path / "state", inherited=elsewhere, parts=SERVERS) as second:
        report = second.start()

        assert report.external == set(SERVERS)
        assert [second.pid(part) for part in SERVERS] == [None, None, None]
        assert report.addresses[PartName.OBJECTS] == elsewhere["STONKS_S3_ENDPOINT"]
        assert second.environment()["STONKS_DB_PASSWORD_FILE"] == str(password)
        assert "STONKS_DB_PASSWORD" not in second.environment()
        assert "STONKS_S3_SECRET_KEY" not in client_environment(tmp_path / "state")
        with pytest.raises(ConfigurationError, match="PART_NOT_RUN_HERE"):
            second.kill(PartName.POSTGRES)
    assert stack.pid(PartName.POSTGRES) is not None


@pytest.mark.parametrize(
    ("part", "changed", "code", "advice"),
    [
        (PartName.POSTGRES, {"STONKS_DB_PASSWORD": "wrong"}, "DATABASE_REFUSES", "STONKS_DB_PASSWORD"),
        (PartName.POSTGRES, {"STONKS_DB_NAME": "absent"}, "DATABASE_REFUSES", "STONKS_DB_NAME"),
        (PartName.POSTGRES, {"STONKS_DB_PORT": "70000"}, "PORT_INVALID", "65535"),
        (PartName.OBJECTS, {"STONKS_S3_SECRET_KEY": "wrong"}, "OBJECT_STORE_REFUSES", "STONKS_S3_SECRET_KEY"),
        (PartName.OBJECTS, {"STONKS_S3_ENDPOINT": "127.0.0.1:1"}, "ADDRESS_INVALID", "http://host:port"),
        (
            PartName.TEMPORAL,
            {"STONKS_TEMPORAL_NAMESPACE": "absent"},
            "TEMPORAL_NAMESPACE_MISSING",
            "temporal operator namespace create",
        ),
        (PartName.TEMPORAL, {"STONKS_TEMPORAL_ADDRESS": "127.0.0.1:1"}, "EXTERNAL_PART_UNREACHABLE", "unset"),
    ],
)
def test_external_part_when_it_cannot_work_then_the_error_says_what_to_change(
    stack: Stack,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    part: PartName,
    changed: dict[str, str],
    code: str,
    advice: str,
) -> None:
    if code == "EXTERNAL_PART_UNREACHABLE":
        monkeypatch.setattr(runner, "_EXTERNAL_LIMIT_SECONDS", 0.3)
    with pytest.raises(ConfigurationError) as refused:
        Stack(tmp_path / "state", inherited={**stack.environment(), **changed}, parts=[part]).start()

    assert refused.value.code == code
    assert advice in str(refused.value)
    assert "wrong" not in str(refused.value)


# --- the end of a supervisor ---------------------------------------------------------------------------------------


def supervisor(state_dir: Path, *parts: PartName) -> subprocess.Popen[bytes]:
    """Start a supervisor in a process of its own and wait until its stack is ready."""
    program = Path(__file__).parent / "run_stack.py"
    log = state_dir.with_suffix(".log").open("wb")
    child = subprocess.Popen([sys.executable, program, state_dir, *parts], stdout=log, stderr=log)
    log.close()
    deadline = time.monotonic() + 30
    while not ((state := read_state(state_dir)) and state.ready and state.alive):
        assert child.poll() is None, state_dir.with_suffix(".log").read_text()
        assert time.monotonic() < deadline
        time.sleep(0.05)
    return child


@pytest.mark.crash
def test_supervisor_when_killed_then_nothing_is_orphaned_and_the_next_start_recovers(tmp_path: Path) -> None:
    state_dir = tmp_path / "state"
    child = supervisor(state_dir, *SERVERS)
    before = client_environment(state_dir)
    write(PartName.POSTGRES, before)
    write(PartName.OBJECTS, before)

    child.kill()
    child.wait()

    assert wait_until_none(state_dir, 5.0) == []
    with pytest.raises(NotFound, match="stonks up"):
        client_environment(state_dir)
    with Stack(state_dir, inherited={}, parts=SERVERS) as again:
        again.start()
        assert again.environment() == before
        assert read(PartName.POSTGRES, before) == "before"
        assert read(PartName.OBJECTS, before) == "before"
    assert (state_dir / "logs" / "postgres.log").read_text().rstrip().endswith("database system is shut down")
    assert processes_of(state_dir) == []
    assert read_state(state_dir).processes == {}  # type: ignore[union-attr]


def test_down_when_a_stack_runs_then_it_ends_cleanly_and_a_second_call_finds_nothing(tmp_path: Path) -> None:
    state_dir = tmp_path / "state"
    child = supervisor(state_dir, PartName.TEMPORAL)

    assert down(state_dir) is DownOutcome.STOPPED

    assert child.wait(5) == 0
    assert processes_of(state_dir) == []
    assert down(state_dir) is DownOutcome.NOTHING_RAN
    assert down(tmp_path / "never") is DownOutcome.NOTHING_RAN
    assert not (tmp_path / "never").exists()


@pytest.fixture
def passable() -> Iterator[Path]:
    # pytest's own directories are closed to other users.
    with tempfile.TemporaryDirectory() as name:
        yield Path(name).resolve()


@pytest.mark.skipif(sys.platform != "linux" or os.geteuid() != 0, reason="only root on Linux needs the fallback")
def test_database_when_root_may_open_no_namespace_then_it_runs_as_nobody(
    passable: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    state_dir = passable / "state"
    monkeypatch.setattr(process, "namespaces_work", lambda: False)

    passable.chmod(0o700)
    with pytest.raises(ConfigurationError, match=f"blocked_by={passable}"):
        Stack(state_dir, inherited=os.environ, parts=[PartName.POSTGRES]).start()
    passable.chmod(0o711)
    with Stack(state_dir, inherited=os.environ, parts=[PartName.POSTGRES]) as stack:
        stack.start()
        pid = stack.pid(PartName.POSTGRES)
        assert pid is not None
        assert psutil.Process(pid).uids().effective == process.UNPRIVILEGED_ID
        assert state_dir.stat().st_mode & 0o777 == 0o711
        os.kill(pid, signal.SIGQUIT)  # an immediate shutdown: the next one has to recover
        monkeypatch.undo()
        watch_until_working(stack, PartName.POSTGRES, pid)
        assert database(stack.environment(), "SELECT 1") == 1
