"""The environment contract between the stack, the application's processes and the commands that talk to them."""

from __future__ import annotations

import contextlib
from collections.abc import Collection, Mapping
from pathlib import Path
from urllib.parse import urlsplit

from cli.stack import packages
from cli.stack.credentials import Credentials
from cli.stack.names import (
    BUCKET,
    DATABASE,
    DATABASE_USER,
    EXTERNAL_MARKERS,
    LOOPBACK,
    NAMESPACE,
    PartName,
)
from cli.stack.state import StateDirectory
from domain.errors import ConfigurationError

VARIABLES: Mapping[PartName, tuple[str, ...]] = {
    PartName.POSTGRES: (
        "STONKS_DB_HOST",
        "STONKS_DB_PORT",
        "STONKS_DB_NAME",
        "STONKS_DB_USER",
        "STONKS_DB_PASSWORD",
    ),
    PartName.TEMPORAL: ("STONKS_TEMPORAL_ADDRESS", "STONKS_TEMPORAL_NAMESPACE", "STONKS_TEMPORAL_UI_URL"),
    PartName.OBJECTS: ("STONKS_S3_ENDPOINT", "STONKS_S3_ACCESS_KEY", "STONKS_S3_SECRET_KEY", "STONKS_S3_BUCKET"),
    PartName.BROKER: (
        "STONKS_BROKER_URL",
        "STONKS_BROKER_KEY_ID",
        "STONKS_BROKER_SECRET_KEY",
        "STONKS_BROKER_CONTROL_KEY",
        "STONKS_BROKER_BOOK",
        "STONKS_BROKER_CLOCK",
    ),
    PartName.WORKER: ("STONKS_WORKER_HEALTH_PORT",),
    PartName.API: ("STONKS_API_HOST", "STONKS_API_PORT", "STONKS_API_KEY"),
}

SECRETS = frozenset(
    {
        "STONKS_DB_PASSWORD",
        "STONKS_S3_ACCESS_KEY",
        "STONKS_S3_SECRET_KEY",
        "STONKS_BROKER_KEY_ID",
        "STONKS_BROKER_SECRET_KEY",
        "STONKS_BROKER_CONTROL_KEY",
        "STONKS_API_KEY",
    }
)
"""Never written to state.json. Each may also be given as `<NAME>_FILE`, the path of a file that holds it."""

_BROKER_KEYS = frozenset({"STONKS_BROKER_KEY_ID", "STONKS_BROKER_SECRET_KEY", "STONKS_BROKER_CONTROL_KEY"})

PERSON_KEY = "STONKS_PERSON_KEY"
"""A person's own key, which commands act with: no process of the platform is given it."""

SOURCE_CREDENTIALS = "STONKS_CREDENTIAL_"
"""Keys of news and market data vendors: the worker's alone."""

_OFFSITE_KEYS = frozenset({"STONKS_BACKUP_S3_ACCESS_KEY", "STONKS_BACKUP_S3_SECRET_KEY"})

WITHHELD: Mapping[PartName, frozenset[str]] = {
    PartName.API: _BROKER_KEYS | _OFFSITE_KEYS,
    PartName.BROKER: frozenset({"STONKS_API_KEY", "STONKS_OIDC_CLIENT_SECRET"}) | _OFFSITE_KEYS,
    PartName.WORKER: frozenset({"STONKS_OIDC_CLIENT_SECRET"}),
}
"""What a process has no need to know. Only the worker that trades holds the broker's keys."""


def external_parts(inherited: Mapping[str, str]) -> frozenset[PartName]:
    """Return the parts that the calling environment says run elsewhere."""
    return frozenset(part for part, marker in EXTERNAL_MARKERS.items() if inherited.get(marker))


def inherited_variables(parts: Collection[PartName], inherited: Mapping[str, str]) -> dict[str, str]:
    """Return what the caller set for these parts, the `_FILE` forms included."""
    names = [name for part in parts for plain in VARIABLES[part] for name in (plain, f"{plain}_FILE")]
    return {name: inherited[name] for name in names if inherited.get(name)}


def embedded_variables(
    parts: Collection[PartName],
    *,
    directory: StateDirectory,
    ports: Mapping[str, int],
    credentials: Credentials,
    virtual_clock: bool,
    api_host: str,
) -> dict[str, str]:
    """Return the variables of the parts that the supervisor runs itself, secrets included."""
    values: dict[str, str] = {}
    if PartName.POSTGRES in parts:
        values |= {
            "STONKS_DB_HOST": LOOPBACK,
            "STONKS_DB_PORT": str(ports[PartName.POSTGRES]),
            "STONKS_DB_NAME": DATABASE,
            "STONKS_DB_USER": DATABASE_USER,
        }
    if PartName.TEMPORAL in parts:
        values |= {
            "STONKS_TEMPORAL_ADDRESS": f"{LOOPBACK}:{ports[PartName.TEMPORAL]}",
            "STONKS_TEMPORAL_NAMESPACE": NAMESPACE,
            "STONKS_TEMPORAL_UI_URL": f"http://{LOOPBACK}:{ports['temporal_ui']}",
        }
    if PartName.OBJECTS in parts:
        values |= {
            "STONKS_S3_ENDPOINT": f"http://{LOOPBACK}:{ports[PartName.OBJECTS]}",
            "STONKS_S3_BUCKET": BUCKET,
        }
    if PartName.BROKER in parts:
        values |= {
            "STONKS_BROKER_URL": f"http://{LOOPBACK}:{ports[PartName.BROKER]}",
            "STONKS_BROKER_BOOK": str(directory.data(PartName.BROKER) / "book.sqlite3"),
            "STONKS_BROKER_CLOCK": "virtual" if virtual_clock else "wall",
        }
    if PartName.WORKER in parts:
        values["STONKS_WORKER_HEALTH_PORT"] = str(ports[PartName.WORKER])
    if PartName.API in parts:
        values |= {"STONKS_API_HOST": api_host, "STONKS_API_PORT": str(ports[PartName.API])}
    return values | secret_variables(parts, credentials)


def backup_variables(directory: StateDirectory, inherited: Mapping[str, str]) -> dict[str, str]:
    """Where backups lie, and PostgreSQL's programs where its package brings them: the operator's word comes first."""
    values = {"STONKS_BACKUP_DIRECTORY": str(directory.root / "backups")}
    with contextlib.suppress(ConfigurationError):
        values["STONKS_BACKUP_PROGRAMS"] = str(packages.postgres_program("pg_dump").parent)
    return values | {name: inherited[name] for name in values if inherited.get(name)}


MODEL_VARIABLES = ("STONKS_OLLAMA_URL", "STONKS_OLLAMA_MODEL", "STONKS_OLLAMA_SLOTS")
"""What the agents use by default: commands must know it as the worker does."""


def secret_variables(parts: Collection[PartName], credentials: Credentials) -> dict[str, str]:
    values: dict[str, str] = {}
    if PartName.POSTGRES in parts:
        values["STONKS_DB_PASSWORD"] = credentials.database_password
    if PartName.OBJECTS in parts:
        values |= {
            "STONKS_S3_ACCESS_KEY": credentials.objects_access_key,
            "STONKS_S3_SECRET_KEY": credentials.objects_secret_key,
        }
    if PartName.BROKER in parts:
        values |= {
            "STONKS_BROKER_KEY_ID": credentials.broker_key_id,
            "STONKS_BROKER_SECRET_KEY": credentials.broker_secret_key,
            "STONKS_BROKER_CONTROL_KEY": credentials.broker_control_key,
        }
    if PartName.API in parts:
        values["STONKS_API_KEY"] = credentials.api_key
    return values


def metrics_wanted(inherited: Mapping[str, str]) -> bool:
    """Whether worker and API serve metrics, on ports that the stack chooses: unless the caller says 0.

    Raises:
        ConfigurationError: the caller names a port, which only one of the two could have.
    """
    found = inherited.get("STONKS_METRICS_PORT", "")
    if found not in ("", "0"):
        raise ConfigurationError(
            "METRICS_PORT_SHARED",
            "Leave it out: the stack chooses a port for each process and keeps it in state.json. 0 turns metrics off",
            variable="STONKS_METRICS_PORT",
            found=found,
        )
    return not found


def without_secrets(environment: Mapping[str, str]) -> dict[str, str]:
    return {name: value for name, value in environment.items() if name not in SECRETS}


def child_environment(part: PartName, inherited: Mapping[str, str], contract: Mapping[str, str]) -> dict[str, str]:
    """Return the environment of an application process: the caller's, with the contract in place of its own names."""
    ours = {name for names in VARIABLES.values() for plain in names for name in (plain, f"{plain}_FILE")}
    ours |= {PERSON_KEY, f"{PERSON_KEY}_FILE"}
    values = {name: value for name, value in inherited.items() if name not in ours} | dict(contract)
    for name in WITHHELD.get(part, ()):
        values.pop(name, None)
        values.pop(f"{name}_FILE", None)
    if part is not PartName.WORKER:
        values = {name: value for name, value in values.items() if not name.startswith(SOURCE_CREDENTIALS)}
    return values


def server_environment(directory: StateDirectory, inherited: Mapping[str, str]) -> dict[str, str]:
    """Return the environment of a server: none of the application's secrets, and a mark that says whose it is."""
    kept = {name: inherited[name] for name in ("PATH", "HOME", "TMPDIR") if inherited.get(name)}
    return kept | {"LC_ALL": "C", "TZ": "UTC", "STONKS_STATE_DIR": str(directory.root)}


def secret(environment: Mapping[str, str], name: str) -> str | None:
    """Return a secret given directly or as the path of a file.

    Raises:
        ConfigurationError: the file cannot be read.
    """
    if value := environment.get(name):
        return value
    if not (path := environment.get(f"{name}_FILE")):
        return None
    try:
        return Path(path).read_text(encoding="utf-8").strip()
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigurationError(
            "SECRET_FILE_UNREADABLE",
            f"Set {name}, or let {name}_FILE name a text file that this user can read",
            variable=f"{name}_FILE",
            path=path,
            error=error,
        ) from error


def integer(environment: Mapping[str, str], name: str, default: int) -> int:
    """Return a port number from the environment.

    Raises:
        ConfigurationError: not a whole number from 1 to 65535.
    """
    text = environment.get(name) or str(default)
    if not text.isdecimal() or not 1 <= int(text) <= 65_535:
        raise ConfigurationError("PORT_INVALID", "Give a whole number from 1 to 65535", variable=name, found=text)
    return int(text)


def host_and_port(url: str, variable: str) -> tuple[str, int, bool]:
    """Split an http or https address into host, port and whether it is encrypted.

    Raises:
        ConfigurationError: the address has another form.
    """
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        parts, port = urlsplit(""), None
    if parts.scheme not in {"http", "https"} or not parts.hostname:
        raise ConfigurationError(
            "ADDRESS_INVALID", "Give it as http://host:port or https://host", variable=variable, found=url
        )
    encrypted = parts.scheme == "https"
    return parts.hostname, port or (443 if encrypted else 80), encrypted
