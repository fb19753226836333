"""A small mail server on a free loopback port that misbehaves where it is told to, and a way to it from outside."""

from __future__ import annotations

import asyncio
import re
import shutil
import socket
import ssl
import subprocess
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from pathlib import Path

import pytest

Misbehaviour = Callable[[asyncio.StreamWriter, bytes], Awaitable[None]]
"""What the server does instead of answering a command with that tag."""
USER, PASSWORD = "reader@example.com", 'se"cr\\et pass'
_ARGUMENT = re.compile(rb'"((?:[^"\\]|\\.)*)"|(\S+)')


@dataclass
class Mail:
    body: bytes
    arrived: str = "30-Apr-2024 10:00:05 +0000"
    claimed_size: int | None = None
    flags: set[str] = field(default_factory=set)


class MailServer:
    """Speaks enough IMAP to be read, remembers what it was told, and sets flags as a real server would."""

    def __init__(self, tls: ssl.SSLContext | None = None, *, capabilities: str = "IMAP4rev1") -> None:
        self.mails: dict[int, Mail] = {}
        self.uid_validity = 7
        self.mailboxes = {"INBOX"}
        self.instead: dict[str, Misbehaviour] = {}
        """By command: GREETING, CAPABILITY, LOGIN, EXAMINE, SEARCH, SIZE, BODY, LOGOUT."""
        self.commands: list[str] = []
        self.encrypted: list[bool] = []
        """Of each login, whether it came over TLS."""
        self.connections = 0
        self.start_tls: ssl.SSLContext | None = None
        self._tls = tls
        self._capabilities = capabilities
        self._server: asyncio.Server | None = None
        self._running: set[asyncio.Task[None]] = set()

    @property
    def port(self) -> int:
        assert self._server is not None
        return int(self._server.sockets[0].getsockname()[1])

    async def __aenter__(self) -> MailServer:
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0, ssl=self._tls, limit=2**20)
        return self

    async def __aexit__(self, *_: object) -> None:
        assert self._server is not None
        self._server.close()
        for task in self._running:
            task.cancel()
        await asyncio.gather(*self._running, return_exceptions=True)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._running.add(task)
        self.connections += 1
        try:
            if not await self._misbehaves("GREETING", writer, b"*"):
                writer.write(b"* OK ready\r\n")
            read_only = True
            while line := await reader.readline():
                tag, _, rest = line.rstrip(b"\r\n").partition(b" ")
                self.commands.append(rest.decode("ascii", "replace"))
                read_only = await self._answer(writer, tag, rest, read_only)
                await writer.drain()
        except (OSError, asyncio.IncompleteReadError, asyncio.CancelledError, ValueError):
            pass
        finally:
            writer.close()
            self._running.discard(task)

    async def _answer(self, writer: asyncio.StreamWriter, tag: bytes, rest: bytes, read_only: bool) -> bool:
        words = rest.upper().split(b" ")
        name = words[0].decode("ascii", "replace")
        if name == "UID":
            name = "SEARCH" if words[1] == b"SEARCH" else "BODY" if b"BODY" in rest.upper() else "SIZE"
        if await self._misbehaves(name, writer, tag):
            return read_only
        if name == "CAPABILITY":
            writer.write(b"* CAPABILITY " + self._capabilities.encode() + b"\r\n")
        elif name == "STARTTLS" and self.start_tls is not None:
            writer.write(tag + b" OK begin\r\n")
            await writer.drain()
            await writer.start_tls(self.start_tls)
            self._capabilities = "IMAP4rev1"
            return read_only
        elif name == "LOGIN":
            self.encrypted.append(writer.get_extra_info("ssl_object") is not None)
            given = [_unquoted(match) for match in _ARGUMENT.finditer(rest)][1:]
            if given != [USER, PASSWORD]:
                writer.write(tag + b" NO [AUTHENTICATIONFAILED] not " + given[-1].encode() + b"\r\n")
                return read_only
        elif name in ("SELECT", "EXAMINE"):
            read_only = name == "EXAMINE"
            if [_unquoted(match) for match in _ARGUMENT.finditer(rest)][1] not in self.mailboxes:
                writer.write(tag + b" NO [NONEXISTENT] no such mailbox\r\n")
                return read_only
            writer.write(b"* FLAGS (\\Seen)\r\n* %d EXISTS\r\n" % len(self.mails))
            writer.write(b"* OK [UIDVALIDITY %d] valid\r\n" % self.uid_validity)
        elif name == "SEARCH":
            self._search(writer, rest)
        elif name in ("SIZE", "BODY"):
            self._fetch(writer, name, int(words[2]), read_only or b"PEEK" in rest.upper())
        elif name == "LOGOUT":
            writer.write(b"* BYE\r\n")
        writer.write(tag + b" OK done\r\n")
        return read_only

    def _search(self, writer: asyncio.StreamWriter, rest: bytes) -> None:
        asked = re.search(rb"UID (\d+):\* SINCE (\S+)", rest)
        assert asked is not None
        found = [uid for uid in sorted(self.mails) if uid >= int(asked[1])]
        last = max(self.mails, default=0)
        found = found or ([last] if last else [])  # a range beyond the end means the last message
        writer.write(b"* SEARCH " + " ".join(map(str, found)).encode() + b"\r\n")

    def _fetch(self, writer: asyncio.StreamWriter, name: str, uid: int, leaves_flags: bool) -> None:
        mail = self.mails.get(uid)
        if mail is None:
            return
        if name == "SIZE":
            size = len(mail.body) if mail.claimed_size is None else mail.claimed_size
            writer.write(f'* 1 FETCH (UID {uid} RFC822.SIZE {size} INTERNALDATE "{mail.arrived}")\r\n'.encode())
            return
        if not leaves_flags:
            mail.flags.add("Seen")
        writer.write(b"* 9 FETCH (FLAGS ())\r\n")
        writer.write(b"* 1 FETCH (BODY[] {%d}\r\n" % len(mail.body) + mail.body + b" UID %d)\r\n" % uid)

    async def _misbehaves(self, name: str, writer: asyncio.StreamWriter, tag: bytes) -> bool:
        misbehaviour = self.instead.get(name)
        if misbehaviour is None:
            return False
        await misbehaviour(writer, tag)
        await writer.drain()
        return True


def says(data: bytes, *, closes: bool = False) -> Misbehaviour:
    """Send this; `%t` is the tag."""

    async def misbehave(writer: asyncio.StreamWriter, tag: bytes) -> None:
        writer.write(data.replace(b"%t", tag))
        if closes:
            await writer.drain()
            writer.close()

    return misbehave


def floods(data: bytes) -> Misbehaviour:
    """Send this for ever, as fast as it is taken."""

    async def misbehave(writer: asyncio.StreamWriter, tag: bytes) -> None:
        while not writer.is_closing():
            writer.write(data)
            await writer.drain()
            await asyncio.sleep(0)

    return misbehave


def drips(data: bytes, seconds: float) -> Misbehaviour:
    """Send this for ever, a little at a time."""

    async def misbehave(writer: asyncio.StreamWriter, tag: bytes) -> None:
        while not writer.is_closing():
            writer.write(data)
            await writer.drain()
            await asyncio.sleep(seconds)

    return misbehave


async def hangs(writer: asyncio.StreamWriter, tag: bytes) -> None:
    await asyncio.sleep(3_600)


class Opener:
    """Leads every connection to the server, and remembers which address was asked for."""

    def __init__(self, port: int, dead: tuple[str, ...] = ()) -> None:
        self.connected: list[tuple[str, int]] = []
        self._port = port
        self._dead = dead

    def __call__(self, address: str, port: int, seconds: float) -> socket.socket:
        self.connected.append((address, port))
        if address in self._dead:
            raise ConnectionRefusedError
        return socket.create_connection(("127.0.0.1", self._port), seconds)


def make_certificate(directory: Path, name: str) -> Path:
    """A fresh self-signed certificate, its own authority, with its key in the same file."""
    openssl = shutil.which("openssl")
    if openssl is None:
        pytest.skip("openssl not here")
    file = directory / f"{name}.pem"
    command = f"{openssl} req -x509 -newkey rsa:2048 -nodes -days 2 -subj /CN={name}".split()
    names = ["-addext", f"subjectAltName=DNS:{name}"]
    subprocess.run([*command, *names, "-keyout", str(file), "-out", f"{file}.crt"], check=True, capture_output=True)
    file.write_text(file.read_text() + Path(f"{file}.crt").read_text())
    return file


def _unquoted(match: re.Match[bytes]) -> str:
    quoted, bare = match[1], match[2]
    return (re.sub(rb"\\(.)", rb"\1", quoted) if quoted is not None else bare).decode()
