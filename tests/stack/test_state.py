"""The state directory: permissions, credentials, ports, logs, leftovers."""

from __future__ import annotations

import json
import os
import signal
import socket
import stat
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path

import pytest

from cli.stack import credentials, ports
from cli.stack.control import DownOutcome, down
from cli.stack.names import PartName
from cli.stack.process import Command, ProcessRecord, end_leftover, spawn, tail
from cli.stack.state import LOG_LIMIT_BYTES, RunLock, StackState, StateDirectory, lock_holder, read_state, write_state
from domain.errors import ConfigurationError, Conflict


@pytest.fixture
def directory(tmp_path: Path) -> StateDirectory:
    made = StateDirectory(tmp_path / "state")
    made.create()
    return made


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


# --- directory -----------------------------------------------------------------------------------------------------


def test_directory_when_made_then_only_its_owner_may_enter(directory: StateDirectory) -> None:
    assert {mode(path) for path in (directory.root, directory.root / "data", directory.root / "logs")} == {0o700}


def test_directory_when_it_was_opened_to_others_then_it_is_closed_again(directory: StateDirectory) -> None:
    RunLock(directory).acquire().release()
    directory.root.chmod(0o775)

    directory.create()

    assert mode(directory.root) & 0o066 == 0


def test_directory_when_it_holds_something_else_then_it_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "thesis.txt").write_text("mine")
    tmp_path.chmod(0o755)

    with pytest.raises(ConfigurationError, match="STATE_DIRECTORY_NOT_OURS"):
        StateDirectory(tmp_path).create()

    assert mode(tmp_path) == 0o755
    assert [path.name for path in tmp_path.iterdir()] == ["thesis.txt"]


def test_directory_when_a_file_is_in_the_way_then_the_error_names_it(tmp_path: Path) -> None:
    (tmp_path / "state").write_text("")

    with pytest.raises(ConfigurationError, match=f"STATE_DIRECTORY_NOT_WRITABLE: path={tmp_path}/state"):
        StateDirectory(tmp_path / "state").create()


@pytest.mark.parametrize(("size", "rotated"), [(LOG_LIMIT_BYTES, False), (LOG_LIMIT_BYTES + 1, True)])
def test_log_when_above_the_limit_then_it_is_moved_aside(directory: StateDirectory, size: int, rotated: bool) -> None:
    log = directory.log(PartName.API)
    with log.open("wb") as file:
        file.truncate(size)

    directory.rotate_logs()

    assert log.exists() is not rotated
    assert (directory.root / "logs" / "api.log.1").exists() is rotated


def test_tail_when_the_log_is_long_odd_or_absent_then_it_is_one_short_line(tmp_path: Path) -> None:
    log = tmp_path / "log"
    log.write_bytes(b"\xff old\n" * 5000 + b"=== 2026 starting x\n\nlast but one\n  last \xff\n")

    assert tail(log, 2) == "last but one | last \N{REPLACEMENT CHARACTER}"
    assert tail(tmp_path / "absent") == "(no log)"


# --- credentials ---------------------------------------------------------------------------------------------------


def test_credentials_when_made_then_they_are_private_distinct_and_stable(directory: StateDirectory) -> None:
    first = credentials.load_or_create(directory.credentials)
    inode = directory.credentials.stat().st_ino

    assert credentials.load_or_create(directory.credentials) == first
    assert directory.credentials.stat().st_ino == inode
    assert mode(directory.credentials) == 0o600
    values = asdict(first).values()
    assert len(set(values)) == len(values)
    assert min(map(len, values)) >= 20
    assert not [value for value in values if value in repr(first)]


def test_credentials_when_a_release_adds_one_then_the_others_stay(directory: StateDirectory) -> None:
    first = asdict(credentials.load_or_create(directory.credentials))
    older = {name: value for name, value in first.items() if name != "api_key"}
    directory.credentials.write_text(json.dumps(older))
    directory.credentials.chmod(0o644)

    second = asdict(credentials.load_or_create(directory.credentials))

    assert {name: second[name] for name in older} == older
    assert second["api_key"] != first["api_key"]
    assert credentials.load(directory.credentials) == credentials.load_or_create(directory.credentials)
    assert mode(directory.credentials) == 0o600


@pytest.mark.parametrize("text", ["", "[]", "{", '{"api_key": ""}', '{"api_key": 3}'])
def test_credentials_when_damaged_then_they_are_not_replaced(directory: StateDirectory, text: str) -> None:
    directory.credentials.write_text(text)

    with pytest.raises(ConfigurationError, match="STACK_CREDENTIALS_UNREADABLE"):
        credentials.load_or_create(directory.credentials)

    assert directory.credentials.read_text() == text


# --- ports ---------------------------------------------------------------------------------------------------------


@pytest.fixture
def listener() -> Iterator[int]:
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield server.getsockname()[1]


def test_ports_when_remembered_and_free_then_they_are_kept() -> None:
    names = ["postgres", "api", ports.OBJECTS_ADMIN]
    first = ports.choose(names, remembered={}, fixed={})

    assert ports.choose(names, remembered=first, fixed={}) == first
    assert len(set(first.values())) == 3
    assert ports.is_free(first[ports.OBJECTS_ADMIN] + 10_000)


def test_choose_when_another_stack_has_claimed_a_port_then_it_is_left_alone_until_that_stack_ends() -> None:
    first, second = ports.Claims(), ports.Claims()
    port = ports.choose(["api"], remembered={}, fixed={}, claims=first)["api"]
    assert ports.is_free(port)
    assert ports.choose(["api"], remembered={"api": port}, fixed={}, claims=second)["api"] != port
    assert ports.choose(["api"], remembered={"api": port}, fixed={}, claims=first)["api"] == port
    first.release()
    assert ports.choose(["api"], remembered={"api": port}, fixed={}, claims=second)["api"] == port
    second.release()


def test_ports_when_a_remembered_one_is_taken_then_another_is_chosen(listener: int) -> None:
    chosen = ports.choose(["api"], remembered={"api": listener}, fixed={})

    assert chosen["api"] != listener
    assert ports.is_free(chosen["api"])


def test_ports_when_a_fixed_one_is_taken_then_the_error_names_it(listener: int) -> None:
    with pytest.raises(Conflict, match=f"PORT_TAKEN: part=api, port={listener}"):
        ports.choose(["api"], remembered={}, fixed={"api": ("127.0.0.1", listener)})


# --- lock and state ------------------------------------------------------------------------------------------------


def test_state_when_absent_or_damaged_then_it_reads_as_nothing(directory: StateDirectory) -> None:
    assert read_state(directory.root) is None
    directory.state.write_text('{"mode": ')
    assert read_state(directory.root) is None


def test_state_when_the_process_number_was_reused_then_it_is_not_alive() -> None:
    me = ProcessRecord.of(os.getpid())

    assert StackState(mode="paper", supervisor=me).alive
    assert not StackState(mode="paper", supervisor=me.model_copy(update={"birth": "another"})).alive
    assert not StackState(mode="paper").alive


def test_lock_when_held_then_others_see_its_holder_and_may_not_take_it(directory: StateDirectory) -> None:
    assert lock_holder(directory) is None
    lock = RunLock(directory).acquire()

    assert lock_holder(directory) == ProcessRecord.of(os.getpid())
    with pytest.raises(Conflict, match=f"pid={os.getpid()}"):
        RunLock(directory).acquire()
    lock.release()
    assert lock_holder(directory) is None
    RunLock(directory).acquire().release()


# --- leftovers -----------------------------------------------------------------------------------------------------


@pytest.fixture
def sleeper(directory: StateDirectory) -> Iterator[subprocess.Popen[bytes]]:
    """A process that seems to be left over from an earlier supervisor of the directory."""
    child = subprocess.Popen(["sleep", "60"], env={"STONKS_STATE_DIR": str(directory.root)})
    yield child
    child.kill()
    child.wait()


def test_down_when_only_leftovers_are_there_then_it_ends_them(
    directory: StateDirectory, sleeper: subprocess.Popen[bytes]
) -> None:
    RunLock(directory).acquire().release()
    record = ProcessRecord.of(sleeper.pid)
    write_state(directory, StackState(mode="paper", processes={PartName.OBJECTS: record}))

    assert down(directory.root) is DownOutcome.LEFTOVERS_ENDED

    assert sleeper.wait(1) == -signal.SIGKILL
    assert down(directory.root) is DownOutcome.NOTHING_RAN


def test_leftover_when_the_number_belongs_to_another_process_then_it_lives(
    directory: StateDirectory, sleeper: subprocess.Popen[bytes]
) -> None:
    record = ProcessRecord.of(sleeper.pid)

    reused = record.model_copy(update={"birth": "another"})
    assert not end_leftover(reused, directory.root, signal.SIGKILL, 1.0)
    assert not end_leftover(record, directory.root.with_name("state2"), signal.SIGKILL, 1.0)
    assert sleeper.poll() is None
    assert end_leftover(record, directory.root, signal.SIGTERM, 1.0)
    assert sleeper.wait(1) == -signal.SIGTERM


@pytest.mark.crash
@pytest.mark.skipif(sys.platform != "linux", reason="only Linux ends children with their parent")
def test_child_when_its_parent_is_killed_then_the_kernel_ends_it(tmp_path: Path) -> None:
    parent = subprocess.Popen(
        [sys.executable, "-c", PARENT, str(tmp_path)], stdout=subprocess.PIPE, text=True, cwd=Path(__file__).parents[2]
    )
    assert parent.stdout is not None
    record = ProcessRecord.of(int(parent.stdout.readline()))
    assert record.alive

    parent.kill()
    parent.wait()
    parent.stdout.close()

    deadline = time.monotonic() + 3
    while record.alive:
        assert time.monotonic() < deadline
        time.sleep(0.01)


PARENT = """
import sys, time
from pathlib import Path
from cli.stack.process import Command, spawn
print(spawn(Command(("sleep", "60"), {"PATH": "/usr/bin:/bin"}), Path(sys.argv[1]) / "log").pid, flush=True)
time.sleep(60)
"""


def test_spawn_when_a_child_writes_then_its_words_are_in_a_private_log(tmp_path: Path) -> None:
    child = spawn(Command(("sh", "-c", "echo out; echo err >&2"), {"PATH": "/usr/bin:/bin"}), tmp_path / "log")
    child.wait(5)

    assert mode(tmp_path / "log") == 0o600
    assert tail(tmp_path / "log") == "out | err"
