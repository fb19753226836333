"""The supervisor's care for this project's own processes, with small stand-ins for them."""

from __future__ import annotations

import json
import os
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import httpx
import pytest

from cli.stack import application, ports, process, runner
from cli.stack.names import PartName
from cli.stack.state import read_state
from cli.stack.supervisor import Stack, StackInterrupted, stop_on_signals
from domain.errors import ConfigurationError, Conflict

from .processes import processes_of

PARTS = (PartName.BROKER, PartName.WORKER, PartName.API)
Make = Callable[..., Stack]


@pytest.fixture
def make(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Make]:
    """Make stacks of stand-ins in one state directory; afterwards nothing of them may be left."""
    program = (sys.executable, "-S", str(Path(__file__).parent / "fake_application.py"))
    monkeypatch.setattr(application, "PROGRAM", program)
    monkeypatch.setattr(runner, "_FIRST_BACKOFF_SECONDS", 0.01)
    made: list[Stack] = []

    def stack(mode: str = "paper", virtual_clock: bool = False, **inherited: str) -> Stack:
        parts = None if "only" not in inherited else [PartName(part) for part in inherited.pop("only").split()]
        made.append(
            Stack(
                tmp_path / "state",
                mode=mode,
                inherited={"PATH": os.environ["PATH"], **inherited},
                parts=PARTS if parts is None else parts,
                virtual_clock=virtual_clock,
            )
        )
        return made[-1]

    yield stack
    for each in made:
        each.stop()
    assert processes_of(tmp_path / "state") == []


def seen_by(stack: Stack, part: PartName) -> dict[str, str]:
    """Return the environment that a stand-in got."""
    state = json.loads(stack.directory.state.read_text())
    answer: dict[str, str] = httpx.get(state["addresses"][part]).json()
    return answer


def watch_until(stack: Stack, condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 10
    while not condition():
        assert time.monotonic() < deadline
        stack.watch_once()
        time.sleep(0.01)


def test_application_when_started_then_migrations_run_between_services_and_processes(make: Make) -> None:
    stack = make()
    told: list[tuple[str, str]] = []

    def migrate(environment: Mapping[str, str]) -> None:
        assert httpx.get(f"{environment['STONKS_BROKER_URL']}/healthz").status_code == 200
        assert stack.pid(PartName.WORKER) is None
        told.append(("migrations", "run"))

    report = stack.start(lambda part, what: told.append((part.value, what.split()[0])), migrate)

    order = [("broker", "starting"), ("broker", "ready"), ("migrations", "run"), ("worker", "starting")]
    assert told[:4] == order
    assert sorted(report.seconds) == sorted(PARTS)
    assert 0 < report.seconds[PartName.BROKER] <= report.total_seconds


def test_application_when_started_then_each_process_knows_only_the_secrets_it_needs(make: Make) -> None:
    stack = make(
        STONKS_OLLAMA_URL="http://models",
        STONKS_DB_PASSWORD="stray",
        STONKS_API_KEY_FILE="",
        STONKS_PERSON_KEY="Anna's",
    )
    stack.start()
    contract = stack.environment()

    worker, api, broker = (seen_by(stack, part) for part in (PartName.WORKER, PartName.API, PartName.BROKER))

    assert contract.items() <= worker.items()
    assert worker["STONKS_OLLAMA_URL"] == "http://models"
    assert worker["STONKS_MODE"] == "paper"
    assert "STONKS_DB_PASSWORD" not in worker  # of a database that nobody named
    assert not {"STONKS_BROKER_KEY_ID", "STONKS_BROKER_SECRET_KEY", "STONKS_BROKER_CONTROL_KEY"} & api.keys()
    assert api["STONKS_API_KEY"] == contract["STONKS_API_KEY"]
    assert "STONKS_API_KEY" not in broker
    assert not any("STONKS_PERSON_KEY" in each for each in (worker, api, broker))
    assert broker["STONKS_BROKER_CLOCK"] == "wall"
    assert broker["STONKS_BROKER_BOOK"].startswith(str(stack.directory.root))


def test_application_when_the_operator_chose_port_and_key_then_they_are_used(make: Make) -> None:
    port = ports.choose(["api"], remembered={}, fixed={})["api"]
    stack = make(only="api", STONKS_API_PORT=str(port), STONKS_API_KEY="chosen")

    stack.start()

    assert seen_by(stack, PartName.API)["STONKS_API_KEY"] == "chosen"
    assert stack.environment()["STONKS_API_PORT"] == str(port)
    assert "chosen" not in stack.directory.state.read_text()
    other = Stack(
        stack.directory.root.with_name("other"), inherited={"STONKS_API_PORT": str(port)}, parts=[PartName.API]
    )
    with pytest.raises(Conflict, match=f"PORT_TAKEN: part=api, port={port}"):
        other.start()


def test_metrics_when_a_stack_starts_then_worker_and_api_have_a_port_each_that_is_kept_and_told(make: Make) -> None:
    stack = make()
    stack.start()
    seen = {part: seen_by(stack, part)["STONKS_METRICS_PORT"] for part in PARTS}
    state = read_state(stack.directory.root)
    targets = json.loads(stack.directory.metrics_targets.read_text())

    assert state is not None
    assert seen[PartName.BROKER] == "0"
    assert len(set(seen.values())) == 3
    assert {name: url for name, url in state.urls.items() if "metrics" in name} == {
        f"{part}_metrics": f"http://127.0.0.1:{seen[part]}/metrics" for part in (PartName.WORKER, PartName.API)
    }
    assert targets == [
        {"targets": [f"127.0.0.1:{seen[part]}"], "labels": {"process": part}}
        for part in (PartName.WORKER, PartName.API)
    ]
    assert not {"STONKS_METRICS_HOST", "STONKS_METRICS_PORT"} & stack.environment().keys()

    stack.stop()
    assert json.loads(stack.directory.metrics_targets.read_text()) == []
    again = make()
    again.start()
    assert {part: seen_by(again, part)["STONKS_METRICS_PORT"] for part in PARTS} == seen


def test_metrics_when_they_are_turned_off_then_no_process_serves_them(make: Make) -> None:
    stack = make(only="worker api", STONKS_METRICS_PORT="0")
    stack.start()
    state = read_state(stack.directory.root)

    assert {seen_by(stack, part)["STONKS_METRICS_PORT"] for part in (PartName.WORKER, PartName.API)} == {"0"}
    assert state is not None
    assert not [name for name in (*state.urls, *state.ports) if "metrics" in name]


def test_metrics_when_one_port_is_named_for_both_then_the_error_says_what_to_do(make: Make) -> None:
    with pytest.raises(ConfigurationError, match="METRICS_PORT_SHARED: variable=STONKS_METRICS_PORT, found=9464"):
        make(STONKS_METRICS_PORT="9464")


@pytest.mark.crash
def test_worker_when_it_dies_then_watch_starts_it_again_on_the_same_port(make: Make) -> None:
    stack = make()
    stack.start()
    before, former = stack.environment(), stack.pid(PartName.WORKER)
    assert former is not None
    others = (stack.pid(PartName.API), stack.pid(PartName.BROKER))

    os.kill(former, signal.SIGKILL)
    watch_until(stack, lambda: stack.pid(PartName.WORKER) not in {None, former})

    assert stack.environment() == before
    assert (stack.pid(PartName.API), stack.pid(PartName.BROKER)) == others


@pytest.mark.crash
def test_worker_when_it_dies_a_fifth_time_in_a_minute_then_watch_gives_up_and_names_the_log(make: Make) -> None:
    stack = make(only="worker")
    stack.start()
    for _ in range(4):
        former = stack.pid(PartName.WORKER)
        stack.kill(PartName.WORKER)
        watch_until(stack, lambda former=former: stack.pid(PartName.WORKER) not in {None, former})  # type: ignore[misc]

    stack.kill(PartName.WORKER)
    with pytest.raises(ConfigurationError) as given_up:
        watch_until(stack, lambda: False)

    assert given_up.value.code == "PART_KEEPS_DYING"
    assert str(stack.directory.log(PartName.WORKER)) in str(given_up.value)
    assert "SIGKILL" in str(given_up.value)


def test_worker_when_it_ends_at_once_then_start_fails_with_its_last_words_and_stops_the_rest(make: Make) -> None:
    stack = make(FAKE_WORKER="exit")

    with pytest.raises(ConfigurationError, match="exit code 3") as failed:
        stack.start()

    assert "no such setting: FANCY" in str(failed.value)
    assert processes_of(stack.directory.root) == []


def test_api_when_it_never_becomes_ready_then_start_fails_with_its_answer(
    make: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(runner, "_START_LIMIT_SECONDS", 1.5)

    with pytest.raises(ConfigurationError, match=r"PART_NOT_READY.*answered 503"):
        make(FAKE_API="sick", only="api").start()


@pytest.mark.crash
def test_part_when_it_listens_but_does_not_work_then_it_is_started_again_with_more_patience(
    make: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(application.Worker, "stall_seconds", 0.2)
    stack = make(FAKE_WORKER="sick", only="worker")
    restarted: list[float] = []

    def told(part: PartName, what: str) -> None:
        if "does not work" in what:
            restarted.append(time.monotonic())
        if len(restarted) == 3:
            stack.request_stop()

    with pytest.raises(StackInterrupted):
        stack.start(told)

    assert restarted[1] - restarted[0] > 0.3
    assert restarted[2] - restarted[1] > 0.45


def test_stop_when_a_process_ignores_it_then_it_is_killed_and_the_broker_ends_last(
    make: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(application.Worker, "grace_seconds", 0.5)
    stack = make(FAKE_WORKER="deaf")
    stack.start()

    stack.stop()

    assert (stack.directory.root / "ended").read_text().split() == ["api", "paper-broker"]
    assert processes_of(stack.directory.root) == []
    stack.stop()


def test_start_when_asked_to_stop_meanwhile_then_it_is_interrupted_and_nothing_is_left(make: Make) -> None:
    stack = make()

    with pytest.raises(StackInterrupted):
        stack.start(before_application=lambda environment: stack.request_stop())

    assert processes_of(stack.directory.root) == []
    stack.start()


def test_watch_when_a_signal_arrives_then_it_returns_and_the_former_handlers_are_back(make: Make) -> None:
    stack = make(only="worker")
    stack.start()
    before = signal.getsignal(signal.SIGTERM)

    with stop_on_signals(stack):
        threading.Timer(0.1, os.kill, (os.getpid(), signal.SIGTERM)).start()
        stack.watch()

    assert signal.getsignal(signal.SIGTERM) is before


def test_children_when_started_then_ctrl_c_in_the_terminal_does_not_reach_them(make: Make) -> None:
    stack = make()
    stack.start()

    pids = [stack.pid(part) for part in PARTS]
    groups = {os.getpgid(pid) for pid in pids if pid}

    assert len(groups) == 3
    assert os.getpgrp() not in groups


def test_spawn_when_called_from_another_thread_then_it_refuses(tmp_path: Path) -> None:
    # The kernel ties the death signal to the spawning thread: such a child would die with the thread.
    refused: list[Exception] = []

    def attempt() -> None:
        try:
            process.spawn(process.Command(("sleep", "9"), os.environ), tmp_path / "log")
        except RuntimeError as error:
            refused.append(error)

    thread = threading.Thread(target=attempt)
    thread.start()
    thread.join()

    assert "main thread" in str(refused[0])


def test_mode_when_live_then_the_paper_broker_never_runs_and_the_operators_keys_pass(make: Make) -> None:
    with pytest.raises(ConfigurationError, match="PAPER_BROKER_IN_LIVE_MODE"):
        make(mode="live")
    with pytest.raises(ConfigurationError, match="MODE_UNKNOWN: mode=test"):
        make(mode="test")

    stack = make(mode="live", only="worker", STONKS_BROKER_KEY_ID="AK1", STONKS_BROKER_SECRET_KEY="s")
    stack.start()

    seen = seen_by(stack, PartName.WORKER)
    assert (seen["STONKS_MODE"], seen["STONKS_BROKER_KEY_ID"]) == ("live", "AK1")
    assert "STONKS_BROKER_URL" not in seen


def test_broker_when_the_clock_is_virtual_then_it_is_told(make: Make) -> None:
    stack = make(mode="replay", virtual_clock=True, only="broker")
    stack.start()

    assert seen_by(stack, PartName.BROKER)["STONKS_BROKER_CLOCK"] == "virtual"


@pytest.fixture
def vendor() -> Iterator[tuple[str, dict[str, int]]]:
    """A broker elsewhere; its answer to the clock is changed through the dictionary."""
    answers = {"status": 200}

    class Clock(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            known = self.path == "/v2/clock" and self.headers["APCA-API-SECRET-KEY"] == "right"
            self.send_response(answers["status"] if known else 401)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, format: str, *args: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Clock)
    threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}", answers
    server.shutdown()
    server.server_close()


def test_broker_when_it_runs_elsewhere_then_its_keys_are_tried(
    make: Make, vendor: tuple[str, dict[str, int]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    url, answers = vendor
    (tmp_path / "key").write_text("right\n")
    right = {"only": "broker", "STONKS_BROKER_URL": url, "STONKS_BROKER_SECRET_KEY_FILE": str(tmp_path / "key")}

    for mode in ("paper", "live"):
        stack = make(mode, **right)
        assert stack.start().addresses == {PartName.BROKER: url}
        assert stack.pid(PartName.BROKER) is None
        stack.stop()
    with pytest.raises(ConfigurationError, match="BROKER_REFUSES"):
        make(only="broker", STONKS_BROKER_URL=url, STONKS_BROKER_SECRET_KEY="guessed").start()
    with pytest.raises(ConfigurationError, match="SECRET_FILE_UNREADABLE: variable=STONKS_BROKER_SECRET_KEY_FILE"):
        make(**{**right, "STONKS_BROKER_SECRET_KEY_FILE": str(tmp_path / "absent")}).start()
    answers["status"] = 500
    monkeypatch.setattr(runner, "_EXTERNAL_LIMIT_SECONDS", 1.0)
    with pytest.raises(ConfigurationError, match=r"EXTERNAL_PART_UNREACHABLE.*answered 500"):
        make(**right).start()
