"""PostgreSQL 18, run without its package's own launcher: passwords, TCP on the loopback address, no socket file."""

from __future__ import annotations

import asyncio
import contextlib
import os
import shutil
import signal
import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import Any, ClassVar

import asyncpg

from cli.stack import packages, process
from cli.stack.environment import integer, secret, server_environment
from cli.stack.names import DATABASE, DATABASE_USER, LOOPBACK, PartName
from cli.stack.parts import PROBE_TIMEOUT_SECONDS, NotReady, Part
from cli.stack.process import UNPRIVILEGED_ID, Command, Identity
from domain.errors import ConfigurationError

_SUPERUSER = "postgres"
_INITDB_SECONDS = 120.0


class Postgres(Part):
    name = PartName.POSTGRES
    stop_signal: ClassVar[signal.Signals] = signal.SIGINT  # "fast": ends sessions, writes a checkpoint
    grace_seconds: ClassVar[float] = 15.0

    @property
    def address(self) -> str:
        values = self._context.environment
        return f"{values['STONKS_DB_HOST']}:{integer(values, 'STONKS_DB_PORT', 5432)}"

    @property
    def _data(self) -> Path:
        return self._context.directory.data(self.name)

    def check_installed(self) -> None:
        for program in ("postgres", "initdb"):
            packages.postgres_program(program)

    def prepare(self) -> None:
        identity = process.unprivileged_identity()
        if identity is Identity.NOBODY:
            self._open_the_way()
        if (self._data / "PG_VERSION").exists():
            self._own(self._data, identity)
            self._remove_stale_pid_file()
        else:
            self._initialise(identity)

    def command(self) -> Command:
        settings = {
            "listen_addresses": LOOPBACK,
            "port": str(self._context.ports[self.name]),
            # Paths of sockets may not exceed some hundred bytes; a state directory may lie deeper.
            "unix_socket_directories": "",
            "timezone": "UTC",
            "log_timezone": "UTC",
            "log_line_prefix": "%m [%p] ",
        }
        options = [word for name, value in settings.items() for word in ("-c", f"{name}={value}")]
        return Command(
            argv=(packages.postgres_program("postgres"), "-D", self._data, *options),
            environment=server_environment(self._context.directory, self._context.inherited),
            death_signal=signal.SIGINT,
            identity=process.unprivileged_identity(),
        )

    def probe(self) -> None:
        if self.external:
            check(self._context.environment)
        else:
            asyncio.run(self._probe_embedded())

    async def _probe_embedded(self) -> None:
        environment = self._context.environment
        try:
            await _select_one(environment)
        except (asyncpg.InvalidAuthorizationSpecificationError, asyncpg.InvalidCatalogNameError):
            # A new cluster: it knows only its superuser.
            await self._provision()
            await _select_one(environment)

    async def _provision(self) -> None:
        credentials = self._context.credentials
        try:
            connection = await asyncpg.connect(
                host=LOOPBACK,
                port=self._context.ports[self.name],
                user=_SUPERUSER,
                password=credentials.database_superuser_password,
                database="postgres",
                timeout=PROBE_TIMEOUT_SECONDS,
                ssl=False,
            )
        except asyncpg.InvalidAuthorizationSpecificationError as error:
            raise ConfigurationError(
                "DATABASE_CREDENTIALS_DIFFER",
                "credentials.json is not the one this data was made with: restore it from a backup, "
                "or remove the state directory to begin again with empty data",
                path=self._context.directory.credentials,
            ) from error
        try:
            # A failing statement would be logged whole, with the password in it.
            await connection.execute("SET log_min_error_statement = 'panic'")
            verb = "ALTER" if await _exists(connection, "pg_roles", "rolname", DATABASE_USER) else "CREATE"
            statement = await connection.fetchval(
                f"SELECT format('{verb} ROLE %I LOGIN CREATEDB CREATEROLE PASSWORD %L', $1::text, $2::text)",
                DATABASE_USER,
                credentials.database_password,
            )
            await connection.execute(statement)
            if not await _exists(connection, "pg_database", "datname", DATABASE):
                await connection.execute(f'CREATE DATABASE "{DATABASE}" OWNER "{DATABASE_USER}"')
        finally:
            await connection.close(timeout=PROBE_TIMEOUT_SECONDS)

    def _initialise(self, identity: Identity) -> None:
        # In a directory beside it, so that a cluster is either whole or not there.
        unfinished = self._data.with_name(f"{self._data.name}.new")
        shutil.rmtree(unfinished, ignore_errors=True)
        unfinished.mkdir(mode=0o700)
        password = unfinished.with_suffix(".password")
        log = self._context.directory.log(self.name)
        try:
            password.unlink(missing_ok=True)
            with os.fdopen(os.open(password, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
                file.write(self._context.credentials.database_superuser_password)
            for path in (unfinished, password):
                self._own(path, identity)
            command = Command(
                argv=(
                    packages.postgres_program("initdb"),
                    f"--pgdata={unfinished}",
                    f"--username={_SUPERUSER}",
                    f"--pwfile={password}",
                    "--auth=scram-sha-256",
                    "--encoding=UTF8",
                    # The same order of texts on every machine, whatever its locales.
                    "--locale=C",
                    "--locale-provider=builtin",
                    "--builtin-locale=C.UTF-8",
                    "--no-instructions",
                ),
                environment=server_environment(self._context.directory, self._context.inherited),
                identity=identity,
            )
            code: int | str = process.run(command, log, timeout_seconds=_INITDB_SECONDS)
        except subprocess.TimeoutExpired:
            code = f"none within {_INITDB_SECONDS:.0f} s"
        finally:
            password.unlink(missing_ok=True)
        if code != 0:
            raise ConfigurationError(
                "DATABASE_NOT_INITIALISED", f"Its last words: {process.tail(log)}", exit_code=code, log=log
            )
        unfinished.rename(self._data)

    def _own(self, path: Path, identity: Identity) -> None:
        """Give the data to the user that Postgres will run as, where root changed its way of running it."""
        if os.geteuid() != 0:
            return
        owner = UNPRIVILEGED_ID if identity is Identity.NOBODY else 0
        if path.stat().st_uid == owner:
            return
        os.chown(path, owner, owner)
        for directory, names, files in os.walk(path):
            for name in (*names, *files):
                os.chown(Path(directory) / name, owner, owner, follow_symlinks=False)

    def _open_the_way(self) -> None:
        """Let the user `nobody` pass through, but not read, the directories above its data."""
        root = self._context.directory.root
        for path in (root, self._data.parent):
            path.chmod(0o711)
        program = packages.postgres_program("postgres")
        way = (root, *root.parents, *program.parents)
        blocked = [path for path in way if not path.stat().st_mode & 0o001]
        if blocked:
            raise ConfigurationError(
                "STATE_DIRECTORY_NOT_REACHABLE",
                "PostgreSQL refuses to run as root, and user namespaces are not allowed here. Run as an ordinary "
                "user, or keep state directory and installation where every user may pass through",
                path=root,
                program=program,
                blocked_by=blocked[0],
            )

    def _remove_stale_pid_file(self) -> None:
        """Remove the note of a dead server whose process number something else has by now.

        Postgres recognises a dead server by itself, but takes any live process of the same number and user for one.
        """
        note = self._data / "postmaster.pid"
        with contextlib.suppress(OSError, ValueError, IndexError):
            words = process.command_line(int(note.read_text().splitlines()[0]))
            if words and str(self._data) not in words and not process.anyone_works_in(self._data):
                note.unlink()


def check(environment: Mapping[str, str]) -> None:
    """Run `select 1` with the credentials of the environment.

    Raises:
        ConfigurationError: the server refuses the user, the password or the database.
    """
    try:
        asyncio.run(_select_one(environment))
    except (asyncpg.InvalidAuthorizationSpecificationError, asyncpg.InvalidCatalogNameError) as error:
        raise ConfigurationError(
            "DATABASE_REFUSES",
            "Check STONKS_DB_NAME, STONKS_DB_USER and STONKS_DB_PASSWORD (or STONKS_DB_PASSWORD_FILE)",
            host=environment["STONKS_DB_HOST"],
            error=error,
        ) from error


async def _select_one(environment: Mapping[str, str]) -> None:
    connection = await asyncpg.connect(
        host=environment["STONKS_DB_HOST"],
        port=integer(environment, "STONKS_DB_PORT", 5432),
        user=environment.get("STONKS_DB_USER", DATABASE_USER),
        password=secret(environment, "STONKS_DB_PASSWORD"),
        database=environment.get("STONKS_DB_NAME", DATABASE),
        timeout=PROBE_TIMEOUT_SECONDS,
        command_timeout=PROBE_TIMEOUT_SECONDS,
    )
    try:
        if await connection.fetchval("SELECT 1") != 1:
            raise NotReady("the database answered `select 1` with something else")
    finally:
        await connection.close(timeout=PROBE_TIMEOUT_SECONDS)


async def _exists(connection: Any, table: str, column: str, value: str) -> bool:
    query = f"SELECT EXISTS (SELECT 1 FROM {table} WHERE {column} = $1)"  # noqa: S608 - constants of this module
    return bool(await connection.fetchval(query, value))
