"""The shell scripts parse, and do what the containers need, with small programs in place of the vendors' tools."""

from __future__ import annotations

import json
import os
import shutil
import stat
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
DEPLOY = ROOT / "deploy"
SCRIPTS = sorted(path for path in DEPLOY.rglob("*.sh"))


def run(script: str, *arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        ["sh", str(DEPLOY / script), *arguments],
        env={"PATH": os.environ["PATH"]} | environment,
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )


def stand_in(directory: Path, name: str, body: str) -> None:
    directory.mkdir(exist_ok=True)
    program = directory / name
    program.write_text(f"#!/bin/sh\n{body}\n", encoding="utf-8")
    program.chmod(0o755)


def path_with(directory: Path) -> str:
    return f"{directory}{os.pathsep}{os.environ['PATH']}"


@pytest.mark.parametrize("script", [pytest.param(path, id=str(path.relative_to(ROOT))) for path in SCRIPTS])
def test_script_when_parsed_then_it_is_posix_shell_that_stops_at_errors(script: Path) -> None:
    parsed = subprocess.run(["sh", "-n", str(script)], capture_output=True, text=True, timeout=10, check=False)
    text = script.read_text(encoding="utf-8")

    assert parsed.returncode == 0, parsed.stderr
    assert text.startswith("#!/bin/sh\n")
    assert "\nset -eu\n" in text
    assert script.stat().st_mode & stat.S_IXUSR


def test_scripts_when_listed_then_none_is_missing() -> None:
    assert len(SCRIPTS) == 6


def values(directory: Path) -> dict[str, str]:
    return {path.name: path.read_text(encoding="utf-8") for path in directory.iterdir() if path.is_file()}


def test_make_secrets_when_run_then_files_are_readable_in_a_directory_that_is_not(tmp_path: Path) -> None:
    directory = tmp_path / "secrets"

    made = run("make-secrets.sh", str(directory))

    assert made.returncode == 0, made.stderr
    assert stat.S_IMODE(directory.stat().st_mode) == 0o700
    assert {stat.S_IMODE(path.stat().st_mode) for path in directory.iterdir() if path.is_file()} == {0o644}
    assert all(len(value) >= 20 for value in values(directory).values())
    assert not any(value in made.stdout + made.stderr for value in values(directory).values())


def test_make_secrets_when_run_then_it_writes_what_compose_mounts(tmp_path: Path) -> None:
    run("make-secrets.sh", str(tmp_path / "secrets"))
    compose = (ROOT / "docker-compose.yml").read_text(encoding="utf-8")
    mounted = {
        line.split("STONKS_SECRETS_DIR")[1].split("/")[-1].rstrip('"}')
        for line in compose.splitlines()
        if "_DIR:-" in line and "volumes:" not in line
    }

    assert set(values(tmp_path / "secrets")) == mounted


def test_make_secrets_when_run_again_then_everything_is_kept_and_only_the_missing_is_made(tmp_path: Path) -> None:
    run("make-secrets.sh", str(tmp_path))
    first = values(tmp_path)
    (tmp_path / "api_key").unlink()
    (tmp_path / "broker_key_id").write_text("the account's own", encoding="utf-8")

    run("make-secrets.sh", str(tmp_path))
    second = values(tmp_path)

    assert second["broker_key_id"] == "the account's own"
    assert second["api_key"] != first["api_key"]
    changed = {"api_key", "broker_key_id"}
    assert {name: second[name] for name in second.keys() - changed} == {
        name: first[name] for name in first.keys() - changed
    }


def test_make_secrets_when_run_for_two_installations_then_no_secret_is_shared(tmp_path: Path) -> None:
    run("make-secrets.sh", str(tmp_path / "one"))
    run("make-secrets.sh", str(tmp_path / "two"))

    assert not set(values(tmp_path / "one").values()) & set(values(tmp_path / "two").values())


def test_make_secrets_when_the_identity_is_written_then_it_agrees_with_the_keys(tmp_path: Path) -> None:
    run("make-secrets.sh", str(tmp_path))
    found = values(tmp_path)

    (identity,) = json.loads(found["s3_identities.json"])["identities"]

    assert identity["credentials"] == [{"accessKey": found["s3_access_key"], "secretKey": found["s3_secret_key"]}]


def schema_run(tmp_path: Path, body: str) -> tuple[subprocess.CompletedProcess[str], list[str]]:
    calls = tmp_path / "calls"
    stand_in(tmp_path / "bin", "temporal-sql-tool", f'echo "$SQL_PASSWORD|$*" >> "{calls}"\n{body}')
    (tmp_path / "password").write_text("hunter2", encoding="utf-8")
    done = run(
        "temporal/schema.sh",
        PATH=path_with(tmp_path / "bin"),
        TEMPORAL_DB_HOST="db",
        TEMPORAL_DB_PORT="5433",
        TEMPORAL_DB_USER="temporal",
        TEMPORAL_DB_PASSWORD_FILE=str(tmp_path / "password"),
    )
    return done, calls.read_text(encoding="utf-8").splitlines()


def test_schema_when_run_then_both_databases_are_brought_forward_with_the_password_off_the_command_line(
    tmp_path: Path,
) -> None:
    done, calls = schema_run(tmp_path, "exit 0")
    prefix = "hunter2|--plugin postgres12 --ep db -p 5433 -u temporal --db"
    schema = "/etc/temporal/schema/postgresql/v12"

    assert done.returncode == 0
    assert calls == [
        f"{prefix} temporal setup-schema -v 0.0",
        f"{prefix} temporal update-schema -d {schema}/temporal/versioned",
        f"{prefix} temporal_visibility setup-schema -v 0.0",
        f"{prefix} temporal_visibility update-schema -d {schema}/visibility/versioned",
    ]


def test_schema_when_a_step_fails_then_the_job_fails_at_once(tmp_path: Path) -> None:
    done, calls = schema_run(tmp_path, 'case "$*" in *update-schema*) exit 3 ;; esac')

    assert done.returncode == 3
    assert len(calls) == 2


@pytest.mark.parametrize(("exists", "expected"), [(True, 2), (False, 3)])
def test_namespace_when_run_then_it_is_created_only_where_it_is_missing(
    tmp_path: Path, exists: bool, expected: int
) -> None:
    calls = tmp_path / "calls"
    answer = "0" if exists else "1"
    stand_in(
        tmp_path / "bin",
        "temporal",
        f'echo "$*" >> "{calls}"\ncase "$*" in *describe*) exit {answer} ;; esac',
    )

    done = run(
        "temporal/namespace.sh",
        PATH=path_with(tmp_path / "bin"),
        STONKS_TEMPORAL_NAMESPACE="stonks",
        STONKS_TEMPORAL_RETENTION="720h",
    )

    lines = calls.read_text(encoding="utf-8").splitlines()
    assert done.returncode == 0
    assert len(lines) == expected
    assert (lines[-1] == "operator namespace create --namespace stonks --retention 720h") is not exists


@pytest.mark.parametrize(("status", "left"), [(0, "pulled qwen3:8b"), (1, "")])
def test_pull_when_it_ends_then_its_server_ends_too_and_its_status_is_the_pulls(
    tmp_path: Path, status: int, left: str
) -> None:
    pid = tmp_path / "pid"
    pulled = "" if status else 'echo "pulled $2"; '
    stand_in(
        tmp_path / "bin",
        "ollama",
        f'case "$1" in\nserve) echo $$ > "{pid}"; exec sleep 60 ;;\nlist) [ -s "{pid}" ] ;;\n'
        f"pull) {pulled}exit {status} ;;\nesac",
    )

    done = run("ollama/pull.sh", PATH=path_with(tmp_path / "bin"), STONKS_OLLAMA_MODEL="qwen3:8b")

    assert done.returncode == status
    assert done.stdout.strip() == left
    with pytest.raises(ProcessLookupError):
        os.kill(int(pid.read_text(encoding="utf-8")), 0)


def test_server_when_started_then_temporals_entry_point_gets_the_password_from_the_file(tmp_path: Path) -> None:
    script = (DEPLOY / "temporal" / "server.sh").read_text(encoding="utf-8")
    stand_in(tmp_path / "bin", "entrypoint", 'printf "%s" "$POSTGRES_PWD"')
    adapted = tmp_path / "server.sh"
    adapted.write_text(
        script.replace("/etc/temporal/entrypoint.sh", str(tmp_path / "bin" / "entrypoint")), encoding="utf-8"
    )
    (tmp_path / "password").write_text("hunter2", encoding="utf-8")

    done = subprocess.run(
        [shutil.which("sh") or "sh", str(adapted)],
        env={"PATH": os.environ["PATH"], "POSTGRES_PWD_FILE": str(tmp_path / "password")},
        capture_output=True,
        text=True,
        timeout=10,
        check=False,
    )

    assert "exec /etc/temporal/entrypoint.sh\n" in script
    assert done.stdout == "hunter2"
