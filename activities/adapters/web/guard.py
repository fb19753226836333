"""The URL guard: what may be fetched, decided on the URL's text and on every address that its host resolves to.

A URL is taken apart here, once, and the connection is made from the parts: no second parser can read it differently.
What more than one reading exists for is refused: addresses in decimal, octal or hexadecimal, percent signs in the host.
"""

from __future__ import annotations

import asyncio
import re
import socket
from collections.abc import Awaitable, Callable, Sequence
from ipaddress import IPv6Address
from urllib.parse import quote

import idna

from activities.adapters.web.addresses import refusal
from domain.errors import ConfigurationError, InvalidInput, VendorUnavailable
from domain.model import Model

Resolver = Callable[[str, int], Awaitable[Sequence[str]]]
"""Host and port -> all addresses of the host. Raises OSError where it does not resolve."""

DEFAULT_PORTS = {"http": 80, "https": 443}
MAXIMUM_URL_CHARACTERS = 8_000
MAXIMUM_HOST_CHARACTERS = 253
MAXIMUM_ADDRESSES = 64

_URL = re.compile(r"([A-Za-z][A-Za-z0-9+.-]*)://([^/?#]*)([^?#]*)(\?[^#]*)?(?:#.*)?\Z")
_LABEL = re.compile(r"[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?\Z")
_NUMERIC = re.compile(r"(?:[0-9]+|0x[0-9a-f]*)\Z")
_QUAD = re.compile(r"(?:(?:0|[1-9][0-9]{0,2})\.){3}(?:0|[1-9][0-9]{0,2})\Z")
_KEPT = "".join(map(chr, range(0x21, 0x7F)))


class GuardPolicy(Model):
    """What the operator allows beyond public HTTPS servers on the ports 80 and 443."""

    allow_http: bool = False
    ports: frozenset[int] = frozenset()
    own_servers: frozenset[str] = frozenset()
    """`host:port` of the operator's own servers: any port, plain HTTP and private addresses are allowed for these."""


class CheckedUrl(Model):
    """A URL in the parts that a connection is made from. Only `UrlGuard.check` makes one."""

    scheme: str
    host: str
    """Lower case, IDNA, no trailing dot; an IPv6 address without its brackets."""
    port: int
    path: str
    query: str
    """Without its question mark."""

    @property
    def origin(self) -> str:
        """`https://example.com`, with the port where it is not the scheme's own."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{self.scheme}://{host}" + ("" if self.port == DEFAULT_PORTS[self.scheme] else f":{self.port}")

    @property
    def text(self) -> str:
        """The whole URL, without its fragment."""
        return self.origin + self.target

    @property
    def target(self) -> str:
        """What stands in the request line."""
        return self.path + (f"?{self.query}" if self.query else "")


async def system_resolver(host: str, port: int) -> Sequence[str]:
    """Ask the operating system, off the event loop."""
    found = await asyncio.get_running_loop().getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return [str(address[0]) for *_, address in found]


class UrlGuard:
    """Decides what may be fetched."""

    def __init__(self, policy: GuardPolicy | None = None, resolver: Resolver = system_resolver) -> None:
        self._policy = policy or GuardPolicy()
        self._resolve = resolver
        self._ports = self._policy.ports | {80, 443}
        self._own_servers = frozenset(map(_own_server, self._policy.own_servers))

    def check(self, url: str) -> CheckedUrl:
        """Take a URL apart and judge all that can be judged without asking a resolver.

        Raises:
            InvalidInput: `URL_REFUSED`, with the reason; the URL itself is not told, as it may hold a password.
        """
        refuse_characters(url)
        match = _URL.match(url)
        if match is None:
            raise _refused("it is not absolute", "`https://host/path` is allowed")
        scheme, authority, path, query = match[1].lower(), match[2], match[3], match[4] or ""
        if scheme not in DEFAULT_PORTS:
            raise _refused("its scheme is neither http nor https", "https is allowed")
        host, port = _split_authority(authority, DEFAULT_PORTS[scheme])
        if not self.is_own_server(host, port):
            self._check_foreign(scheme, host, port)
        elif kind := _refused_literal(host, own_server=True):
            raise _refused(f"{host} is {kind}", "a server's own address is allowed", host=host)
        return CheckedUrl(
            scheme=scheme, host=host, port=port, path=quote(path or "/", _KEPT), query=quote(query[1:], _KEPT)
        )

    def is_own_server(self, host: str, port: int) -> bool:
        """Tell whether the operator named it."""
        return (host, port) in self._own_servers

    async def addresses(self, host: str, port: int) -> tuple[str, ...]:
        """Resolve a host, once, and return its addresses if every one of them may be connected to.

        Args:
            host: as `CheckedUrl.host` spells it.

        Raises:
            InvalidInput: `ADDRESS_REFUSED`: one of the addresses is not public.
            VendorUnavailable: the host does not resolve at present.
        """
        found = [host] if _is_literal(host) else await self._resolved(host, port)
        own_server = self.is_own_server(host, port)
        for address in found:
            if kind := refusal(address, own_server=own_server):
                raise InvalidInput(
                    "ADDRESS_REFUSED",
                    "Only public addresses are fetched from; an own server is listed as `host:port`",
                    host=host,
                    port=port,
                    address=address,
                    kind=kind,
                )
        return tuple(dict.fromkeys(found))

    async def _resolved(self, host: str, port: int) -> Sequence[str]:
        try:
            found = await self._resolve(host, port)
        except (OSError, UnicodeError):
            found = ()
        if not found:
            raise VendorUnavailable("HOST_NOT_RESOLVED", "Check the address and the name server", host=host)
        if len(found) > MAXIMUM_ADDRESSES:
            hint = f"At most {MAXIMUM_ADDRESSES} are allowed"
            raise InvalidInput("ADDRESS_REFUSED", hint, host=host, addresses=len(found))
        return found

    def _check_foreign(self, scheme: str, host: str, port: int) -> None:
        if kind := _refused_literal(host):
            raise _refused(f"{host} is {kind}", "public addresses are allowed", host=host)
        if scheme == "http" and not self._policy.allow_http:
            raise _refused("its scheme is http", "https is allowed", host=host)
        if port not in self._ports:
            allowed = ", ".join(map(str, sorted(self._ports)))
            raise _refused(f"its port is {port}", f"ports {allowed} are allowed", host=host)


def refuse_characters(url: str) -> None:
    """Refuse what parsers drop, trim or read in more than one way: blanks, control characters, backslashes.

    Raises:
        InvalidInput: `URL_REFUSED`.
    """
    if len(url) > MAXIMUM_URL_CHARACTERS:
        raise _refused(f"it has {len(url):,} characters", f"{MAXIMUM_URL_CHARACTERS:,} are allowed")
    if not url.isprintable() or " " in url or "\\" in url:
        raise _refused("it holds a blank, a control character or a backslash", "percent-encoded ones are allowed")


def _split_authority(authority: str, default_port: int) -> tuple[str, int]:
    if "@" in authority:
        raise _refused("it holds a user name or a password", "credentials are allowed by reference only")
    if authority.startswith("["):
        host, bracket, rest = authority[1:].partition("]")
        if not bracket or (rest and not rest.startswith(":")):
            raise _refused("its host is not an IPv6 address", "`[address]:port` is allowed")
        return _ipv6(host), _port(rest[1:], default_port)
    host, _, port = authority.partition(":")
    return _host(host), _port(port, default_port)


def _port(text: str, default: int) -> int:
    if not text:
        return default
    if not (text.isascii() and text.isdigit() and len(text) <= 5 and 1 <= int(text) <= 65_535):
        raise _refused("its port is not a number", "1 to 65535 are allowed")
    return int(text)


def _ipv6(text: str) -> str:
    if ":" not in text or refusal(text) in ("zone id", "not an address"):
        raise _refused("its host is not an IPv6 address", "one without a zone id is allowed")
    return str(IPv6Address(text))


def _host(text: str) -> str:
    if not text or len(text) > MAXIMUM_HOST_CHARACTERS:
        raise _refused(f"its host has {len(text)} characters", f"1 to {MAXIMUM_HOST_CHARACTERS} are allowed")
    host = text.lower() if text.isascii() else _to_ascii(text)
    host = host.removesuffix(".")
    labels = host.split(".")
    if len(host) > MAXIMUM_HOST_CHARACTERS or not all(_LABEL.match(label) for label in labels):
        raise _refused("its host is not a name", "letters, digits and hyphens between dots are allowed")
    if _NUMERIC.match(labels[-1]) and not (_QUAD.match(host) and all(int(label) < 256 for label in labels)):
        raise _refused("its host is a number that is read in several ways", "four decimal numbers are allowed")
    return host


def _to_ascii(text: str) -> str:
    try:
        return idna.encode(text, uts46=True, std3_rules=True).decode("ascii")
    except UnicodeError:  # idna's own error is one
        raise _refused("its host is not an internationalised name", "IDNA 2008 names are allowed") from None


def _is_literal(host: str) -> bool:
    return ":" in host or _QUAD.match(host) is not None


def _refused_literal(host: str, *, own_server: bool = False) -> str:
    return refusal(host, own_server=own_server) if _is_literal(host) else ""


def _own_server(text: str) -> tuple[str, int]:
    try:
        host, port = _split_authority(text, 0)
    except InvalidInput as error:
        raise ConfigurationError("OWN_SERVER_INVALID", f"Write `host:port`. {error.hint}", **error.fields) from None
    if not port:
        raise ConfigurationError("OWN_SERVER_INVALID", "Write `host:port`", host=host, found="no port")
    return host, port


def _refused(found: str, allowed: str, **fields: str) -> InvalidInput:
    return InvalidInput("URL_REFUSED", f"It is refused because {found}; {allowed}", **fields)
