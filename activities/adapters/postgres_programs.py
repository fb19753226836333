"""PostgreSQL's own programs: `pg_dump` and `pg_restore`, run as children that are told everything in their environment.

No password stands on a command line, where every user of the machine can read it. A child that outlives whoever waits
for it is ended.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import re
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from pydantic import SecretStr

from domain.errors import ConfigurationError, StonksError, VendorUnavailable

DUMP, RESTORE = "pg_dump", "pg_restore"
END_SECONDS = 10.0
LAST_WORDS = 2_000
_VERSION = re.compile(r"\(PostgreSQL\)\s+(\d+)(\S*)")
_KEPT = ("PATH", "HOME", "TMPDIR", "LD_LIBRARY_PATH", "PGSSLMODE", "PGSSLROOTCERT")


@dataclass(frozen=True)
class Place:
    """A database, and how to sign in."""

    host: str
    port: int
    user: str
    password: SecretStr = field(repr=False)
    name: str

    def environment(self) -> dict[str, str]:
        kept = {name: os.environ[name] for name in _KEPT if os.environ.get(name)}
        return kept | {
            "LC_ALL": "C",
            "PGHOST": self.host,
            "PGPORT": str(self.port),
            "PGUSER": self.user,
            "PGPASSWORD": self.password.get_secret_value(),
            "PGDATABASE": self.name,
            "PGCONNECT_TIMEOUT": "10",
            "PGPASSFILE": os.devnull,
            "PGAPPNAME": "stonks-backup",
        }


class PostgresPrograms:
    """Where the programs are: a directory, or the search path where none is named."""

    def __init__(self, directory: Path | None = None) -> None:
        self._directory = directory

    async def require(self, *, server: str) -> str:
        """Both programs, new enough for a server: `17.6`. Returns the version of the one that dumps.

        Raises:
            ConfigurationError: one is missing, cannot be run, or is older than the server.
        """
        needed = int(server.partition(".")[0])
        found = ""
        for program in (RESTORE, DUMP):
            found = await self._version(program)
            if int(found.partition(".")[0]) < needed:
                raise ConfigurationError(
                    "PROGRAM_TOO_OLD",
                    "Install the client programs of the server's release, or name their directory in "
                    "STONKS_BACKUP_PROGRAMS",
                    program=self._find(program),
                    found=found,
                    needed=needed,
                )
        return found

    async def dump(self, place: Place, file: Path, *, snapshot: str, without: Sequence[str]) -> None:
        """Write a database as it is in a snapshot into a file, compressed.

        Args:
            without: patterns of schemas that are left out.
        """
        words = ["--format=custom", "--no-password", f"--snapshot={snapshot}", f"--file={file}"]
        words += [f"--exclude-schema={pattern}" for pattern in without]
        await self._run(DUMP, words, place.environment())

    async def listed(self, file: Path) -> int:
        """How many entries the table of contents of a dump has.

        Raises:
            StonksError: it is not readable as a dump.
        """
        text = await self._run(RESTORE, ["--list", str(file)], _plain())
        return sum(1 for line in text.splitlines() if line and not line.startswith(";"))

    async def restore(self, place: Place, file: Path) -> None:
        """Restore a dump into an empty database: all of it, or nothing."""
        words = ["--exit-on-error", "--single-transaction", "--no-owner", "--no-privileges", "--no-password"]
        await self._run(RESTORE, [*words, f"--dbname={place.name}", str(file)], place.environment())

    async def _version(self, program: str) -> str:
        text = await self._run(program, ["--version"], _plain())
        found = _VERSION.search(text)
        if found is None:
            raise ConfigurationError(
                "PROGRAM_UNKNOWN", "Name the directory of PostgreSQL's own", program=self._find(program), said=text[:80]
            )
        return found[1] + found[2]

    def _find(self, program: str) -> Path:
        named = shutil.which(program, path=str(self._directory) if self._directory else None)
        if named is None:
            raise ConfigurationError(
                "PROGRAM_MISSING",
                "Install PostgreSQL's client programs, or name their directory in STONKS_BACKUP_PROGRAMS",
                program=program,
                looked_in=self._directory or "PATH",
            )
        return Path(named)

    async def _run(self, program: str, words: Sequence[str], environment: Mapping[str, str]) -> str:
        """Run a program to its end and return what it printed."""
        try:
            child = await asyncio.create_subprocess_exec(
                self._find(program),
                *words,
                env=dict(environment),
                stdin=asyncio.subprocess.DEVNULL,
                stdout=asyncio.subprocess.PIPE,
                stderr=asyncio.subprocess.PIPE,
            )
        except OSError as error:
            raise ConfigurationError(
                "PROGRAM_NOT_EXECUTABLE", "Install it again", program=self._find(program), problem=error.strerror
            ) from error
        try:
            out, err = await child.communicate()
        finally:
            await _ended(child)
        if child.returncode == 0:
            return out.decode(errors="replace")
        said = err.decode(errors="replace").strip()[-LAST_WORDS:]
        kind = VendorUnavailable if "connection to server" in said else StonksError
        raise kind("PROGRAM_FAILED", f"Its last words: {said}", program=program, exit_code=child.returncode)


async def _ended(child: asyncio.subprocess.Process) -> None:
    if child.returncode is not None:
        return
    with contextlib.suppress(ProcessLookupError):
        child.terminate()
    try:
        async with asyncio.timeout(END_SECONDS):
            await child.wait()
    except TimeoutError:
        with contextlib.suppress(ProcessLookupError):
            child.kill()
        await child.wait()


def _plain() -> dict[str, str]:
    return {name: os.environ[name] for name in _KEPT if os.environ.get(name)} | {"LC_ALL": "C"}
