"""The compose file keeps its promises: schema, hardening, secrets, networks, queues, and the application's settings."""

from __future__ import annotations

import re
import subprocess
import sys
from functools import cache
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
import yaml

from workers.settings import Mode, Settings, load
from workflows.names import Queue

ROOT = Path(__file__).resolve().parents[2]
COMPOSE = ROOT / "docker-compose.yml"
REQUIRED = {"STONKS_IMAGE": "stonks-oracle:0.1.0", "STONKS_MODE": "paper"}
BROKER_SECRETS = {"broker_key_id", "broker_secret_key", "broker_control_key"}
JOBS = {
    "migrate",
    "temporal-schema",
    "temporal-namespace",
    "object-store-volume",
    "ollama-volume",
    "ollama-pull",
}
VOLUME_JOBS = {"object-store-volume", "ollama-volume"}
SECRETISH = re.compile(r"PASSWORD|PASSWD|PWD|SECRET|TOKEN|KEY", re.IGNORECASE)
VARIABLE = re.compile(r"(?<!\$)\$\{(?P<name>\w+)(?:(?P<operator>:?[-+?])(?P<word>[^}]*))?\}")

Service = dict[str, Any]


def interpolate(value: Any, variables: dict[str, str]) -> Any:
    """Fill in `${NAME}` and its forms with `-`, `+` and `?` as compose does."""
    if isinstance(value, dict):
        return {key: interpolate(item, variables) for key, item in value.items()}
    if isinstance(value, list):
        return [interpolate(item, variables) for item in value]
    if not isinstance(value, str):
        return value

    def replacement(match: re.Match[str]) -> str:
        name, operator, word = match["name"], match["operator"] or "", match["word"] or ""
        given = name in variables and (bool(variables[name]) or ":" not in operator)
        if operator.endswith("+"):
            return word if given else ""
        if given:
            return variables[name]
        if operator.endswith("-"):
            return word
        raise KeyError(f"{name}: {word}")

    return VARIABLE.sub(replacement, value)


@cache
def written() -> dict[str, Any]:
    """Return the compose file as it stands, before interpolation."""
    document: dict[str, Any] = yaml.safe_load(COMPOSE.read_text(encoding="utf-8"))
    return document


def compose(**variables: str) -> dict[str, Any]:
    resolved: dict[str, Any] = interpolate(written(), REQUIRED | variables)
    return resolved


def services(**variables: str) -> dict[str, Service]:
    found: dict[str, Service] = compose(**variables)["services"]
    return found


def application(found: dict[str, Service]) -> dict[str, Service]:
    return {name: service for name, service in found.items() if service["image"] == REQUIRED["STONKS_IMAGE"]}


def mounted_names(service: Service) -> set[str]:
    sources = (volume.split(":")[0] for volume in service.get("volumes", []))
    return {source for source in sources if not source.startswith((".", "/"))}


def referenced_variables() -> set[str]:
    return {match["name"] for match in VARIABLE.finditer(COMPOSE.read_text(encoding="utf-8"))}


ALL = sorted(services())


def test_compose_when_checked_against_the_specification_then_it_is_valid() -> None:
    checked = subprocess.run(
        [sys.executable, "-m", "check_jsonschema", "--builtin-schema", "vendor.compose-spec", str(COMPOSE)],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert checked.returncode == 0, checked.stdout + checked.stderr


@pytest.mark.parametrize("name", ALL)
def test_service_when_started_then_it_is_hardened(name: str) -> None:
    service = services()[name]
    limits = service["deploy"]["resources"]["limits"]

    assert service["cap_drop"] == ["ALL"]
    assert service.get("cap_add", []) == (["CHOWN"] if name in VOLUME_JOBS else [])
    assert service["security_opt"] == ["no-new-privileges:true"]
    assert service["read_only"] is True
    assert service["init"] is True
    assert "privileged" not in service
    assert set(limits) == {"cpus", "memory", "pids"}
    assert service["logging"]["options"] == {"max-size": "10m", "max-file": "5"}
    user, group = service["user"].split(":")
    assert user.isdecimal()
    assert group.isdecimal()
    assert (user == "0") == (name in VOLUME_JOBS)


@pytest.mark.parametrize("name", sorted(application(services())))
def test_application_service_when_started_then_it_has_the_images_user_and_a_writable_tmp(name: str) -> None:
    service = services()[name]

    assert service["user"] == "10001:10001"
    assert any(mount.startswith("/tmp:") for mount in service["tmpfs"])
    assert service["command"][0] == "stonks"


@pytest.mark.parametrize("name", ALL)
def test_service_when_it_ends_then_jobs_stop_trying_and_servers_come_back(name: str) -> None:
    service = services()[name]

    if name in JOBS:
        assert re.fullmatch(r"on-failure:\d+", service["restart"])
    else:
        assert service["restart"] == "unless-stopped"
        assert "healthcheck" in service or name == "temporal-ui"


@pytest.mark.parametrize("name", ALL)
def test_service_when_it_publishes_a_port_then_on_loopback_and_through_edge(name: str) -> None:
    service = services()[name]
    ports = service.get("ports", [])

    assert all(re.fullmatch(r"127\.0\.0\.1:\d+:\d+", port) for port in ports), ports
    assert bool(ports) == ("edge" in service.get("networks", []))


def test_networks_when_a_service_has_a_way_out_then_it_is_one_that_calls_vendors() -> None:
    found = compose()
    way_out = {name for name, service in found["services"].items() if "egress" in service.get("networks", [])}

    assert way_out == {"worker-fetch", "worker-trading", "worker-notify", "ollama-pull"}
    assert found["networks"]["backend"]["internal"] == "true"
    assert found["networks"]["edge"]["driver_opts"] == {"com.docker.network.bridge.enable_ip_masquerade": "false"}


def test_compose_when_a_name_is_used_then_it_is_declared_and_every_declared_name_is_used() -> None:
    found = compose()
    used: dict[str, set[str]] = {"networks": set(), "secrets": set(), "volumes": set()}
    for service in found["services"].values():
        used["networks"] |= set(service.get("networks", []))
        used["secrets"] |= set(service.get("secrets", []))
        used["volumes"] |= mounted_names(service)

    for kind, names in used.items():
        assert names == set(found[kind]), kind


@pytest.mark.parametrize("name", ALL)
def test_service_when_it_mounts_a_file_of_the_repository_then_it_exists_and_is_read_only(name: str) -> None:
    for volume in services()[name].get("volumes", []):
        source, _, rest = volume.partition(":")
        if source.startswith("."):
            secret = source.startswith("./deploy/secrets/")  # made by make-secrets.sh, never in the repository
            assert secret or (ROOT / source).exists(), source
            assert rest.endswith(":ro"), volume


@pytest.mark.parametrize("name", ALL)
def test_service_when_it_waits_for_another_then_that_one_exists_and_only_other_profiles_are_optional(name: str) -> None:
    found = services()
    own = set(found[name].get("profiles", []))
    for other, wait in found[name].get("depends_on", {}).items():
        needed = set(found[other].get("profiles", []))
        condition = "service_completed_successfully" if other in JOBS else "service_healthy"
        assert wait["condition"] == condition, other
        assert wait.get("required", True) == (needed <= own), other
        if condition == "service_healthy":
            assert "healthcheck" in found[other], other


@pytest.mark.parametrize("name", ALL)
def test_service_when_it_needs_a_secret_then_it_reads_a_mounted_file(name: str) -> None:
    service = services()[name]
    secrets = set(service.get("secrets", []))
    named: set[str] = set()
    for variable, value in service.get("environment", {}).items():
        if variable.endswith("_FILE") and value.startswith("/run/secrets/"):
            named.add(value.removeprefix("/run/secrets/"))
        else:
            assert not SECRETISH.search(variable), f"{variable} would carry a secret in plain sight"

    assert "env_file" not in service
    assert named <= secrets
    if name in application(services()):
        assert named == secrets


def test_broker_keys_when_mounted_then_by_the_trading_worker_and_the_paper_broker_alone() -> None:
    holders = {name for name, service in services().items() if BROKER_SECRETS & set(service.get("secrets", []))}

    assert holders == {"worker-trading", "paper-broker"}


def test_broker_url_when_not_set_or_empty_then_paper_broker_or_alpaca() -> None:
    default = services()["worker-trading"]["environment"]
    alpaca = services(STONKS_BROKER_URL="", STONKS_BROKER_CONTROL_KEY_FILE="")["worker-trading"]["environment"]

    assert default["STONKS_BROKER_URL"] == "http://paper-broker:8010"
    assert default["STONKS_BROKER_CONTROL_KEY_FILE"] == "/run/secrets/broker_control_key"
    assert alpaca["STONKS_BROKER_URL"] == ""
    assert alpaca["STONKS_BROKER_CONTROL_KEY_FILE"] == ""


def test_workers_when_counted_then_each_queue_has_exactly_one_service() -> None:
    commands = [service["command"] for service in services().values() if service.get("command", [])[1:2] == ["worker"]]

    assert sorted(command[3] for command in commands) == sorted(Queue)
    assert all(command[:3] == ["stonks", "worker", "--queue"] for command in commands)


@pytest.mark.parametrize("name", ALL)
def test_image_when_named_then_with_a_version_and_room_for_a_digest(name: str) -> None:
    raw = written()["services"][name]["image"]
    if raw.startswith("${STONKS_IMAGE:?"):
        return
    tag, digest = re.findall(r"\$\{(\w+):-", raw)
    pinned = services(**{digest: "sha256:" + "0" * 64})[name]["image"]

    assert re.fullmatch(r"[\w./-]+:v?\d+(\.\d+)+", services()[name]["image"])
    assert tag.endswith("_TAG")
    assert pinned == services()[name]["image"] + "@sha256:" + "0" * 64


@pytest.mark.parametrize("missing", sorted(REQUIRED))
def test_compose_when_a_required_variable_is_missing_then_it_says_what_to_do(missing: str) -> None:
    with pytest.raises(KeyError, match=r"\.env"):
        interpolate(written(), REQUIRED | {missing: ""})


def example() -> dict[str, str]:
    """Return every variable of .env.example, the commented defaults included."""
    text = (ROOT / ".env.example").read_text(encoding="utf-8")
    return dict(re.findall(r"^#?([A-Z][A-Z0-9_]*)=(.*)$", text, re.MULTILINE))


def test_example_when_compared_with_compose_then_it_lists_every_variable_with_its_default() -> None:
    text = COMPOSE.read_text(encoding="utf-8")
    defaults = {
        match["name"]: match["word"] for match in VARIABLE.finditer(text) if (match["operator"] or "")[-1:] == "-"
    }

    assert set(example()) == referenced_variables() | {"COMPOSE_PROFILES"}
    assert {name: value for name, value in example().items() if name in defaults} == defaults


def test_example_when_read_then_each_variable_has_its_own_line_of_explanation() -> None:
    lines = (ROOT / ".env.example").read_text(encoding="utf-8").splitlines()
    for before, line in pairwise(lines):
        if re.match(r"#?[A-Z][A-Z0-9_]*=", line):
            assert re.match(r"# \S", before), line


def test_profiles_when_the_example_is_used_then_all_but_the_model_server_and_prometheus_run() -> None:
    declared = {profile for service in services().values() for profile in service.get("profiles", [])}

    assert set(example()["COMPOSE_PROFILES"].split(",")) == declared - {"llm", "observability"}


@pytest.mark.parametrize("name", sorted(application(services())))
def test_settings_when_an_application_service_starts_then_they_load_from_its_environment(
    name: str, tmp_path: Path
) -> None:
    for secret in services()[name].get("secrets", []):
        (tmp_path / secret).write_text(f"value of {secret}\n", encoding="utf-8")
    given = services()[name]["environment"]
    environment = {variable: value.replace("/run/secrets", str(tmp_path)) for variable, value in given.items()}

    settings = load(environment)

    known = {f"STONKS_{field.upper()}" for field in Settings.model_fields}
    assert {variable.removesuffix("_FILE") for variable in given} <= known
    assert settings.mode is Mode.PAPER
    if "STONKS_DB_HOST" in given:
        assert settings.database().password.get_secret_value() == "value of db_password"
    if "STONKS_S3_ENDPOINT" in given:
        assert settings.objects().bucket == "stonks"
    if name.startswith("worker-"):
        assert settings.worker_health_port == 8001
