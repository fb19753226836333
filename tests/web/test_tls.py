"""TLS: the name of the URL is what is verified, whatever address the connection goes to."""

from __future__ import annotations

import asyncio
import shutil
import ssl
import subprocess
from datetime import UTC, datetime
from pathlib import Path

import pytest

from activities.adapters.web.fetch import FetchLimits, WebFetcher
from activities.adapters.web.guard import UrlGuard
from domain.errors import ConfigurationError, StonksError, VendorRejected, VendorUnavailable
from domain.fetching import HttpRequest
from tests.web.server import PUBLIC, HostileServer, Internet, Names, reply

NOW = datetime(2026, 3, 2, 15, 30, tzinfo=UTC)
LIMITS = FetchLimits(total_seconds=5)


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A fresh self-signed certificate for example.com, with its key in the same file."""
    openssl = shutil.which("openssl")
    if openssl is None:
        pytest.skip("openssl not here")
    file = tmp_path_factory.mktemp("tls") / "server.pem"
    command = f"{openssl} req -x509 -newkey rsa:2048 -nodes -days 2 -subj /CN=example.com".split()
    names = ["-addext", "subjectAltName=DNS:example.com"]
    subprocess.run([*command, *names, "-keyout", str(file), "-out", f"{file}.crt"], check=True, capture_output=True)
    file.write_text(file.read_text() + Path(f"{file}.crt").read_text())
    return file


def serving(certificate: Path) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate)
    return context


def fetcher(port: int, tls: ssl.SSLContext | None) -> WebFetcher:
    names = Names(example_com=[[PUBLIC]], other_example=[[PUBLIC]])
    return WebFetcher(UrlGuard(resolver=names), limits=LIMITS, tls=tls, network=Internet(port))


async def test_fetch_when_the_certificate_fits_the_name_then_it_is_fetched(certificate: Path) -> None:
    context = serving(certificate)
    asked: list[str | None] = []
    context.sni_callback = lambda _socket, name, _context: asked.append(name)
    async with HostileServer(context) as server:
        server.replies["/a"] = reply(body=b"safe")
        async with fetcher(server.port, ssl.create_default_context(cafile=str(certificate))) as web:
            answer = await web.fetch(HttpRequest(url="https://example.com./a"), now=NOW)
            assert (answer.body, answer.url, asked) == (b"safe", "https://example.com/a", ["example.com"])
            with pytest.raises(VendorRejected, match="TLS_FAILED"):
                await web.fetch(HttpRequest(url="https://other.example/a"), now=NOW)
        assert len(server.requests) == 1


async def test_fetch_when_the_certificate_is_unknown_then_it_is_refused(certificate: Path) -> None:
    async with HostileServer(serving(certificate)) as server, fetcher(server.port, None) as web:
        with pytest.raises(VendorRejected, match="reason=CERTIFICATE_VERIFY_FAILED"):
            await web.fetch(HttpRequest(url="https://example.com/a"), now=NOW)
    assert server.requests == []


@pytest.mark.parametrize(
    ("greeting", "kind", "code"),
    [(b"HTTP/1.1 400 Bad\r\n\r\n", VendorRejected, "TLS_FAILED"), (b"", VendorUnavailable, "VENDOR_UNREACHABLE")],
)
async def test_fetch_when_the_server_speaks_no_tls_then_it_is_refused(
    greeting: bytes, kind: type[StonksError], code: str
) -> None:
    async def greet(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read(1)
        writer.write(greeting)
        writer.close()

    server = await asyncio.start_server(greet, "127.0.0.1", 0)
    async with server, fetcher(server.sockets[0].getsockname()[1], None) as web:
        with pytest.raises(kind) as raised:
            await web.fetch(HttpRequest(url="https://example.com/a"), now=NOW)
    assert raised.value.code == code


def test_fetcher_when_certificates_would_not_be_verified_then_it_is_not_made() -> None:
    unverified = ssl.create_default_context()
    unverified.check_hostname = False
    with pytest.raises(ConfigurationError, match="TLS_NOT_VERIFIED"):
        WebFetcher(UrlGuard(), tls=unverified)
