"""Secrets: where they enter a request, and how they are kept out of everything else."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from urllib.parse import quote, quote_plus, unquote, unquote_plus

from pydantic import SecretStr

from domain.errors import ConfigurationError, InvalidInput, VendorRejected
from domain.fetching import Credential, CredentialPlace

MASK = "***"
SHORTEST_RECOGNISED = 6
"""Characters of a secret from which on it is looked for in what a server sends; a shorter one occurs by chance."""

_TOKEN = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]{1,200}\Z")
_VALUE = re.compile(r"[\x21-\x7e](?:[\x20-\x7e]{0,7998}[\x21-\x7e])?\Z")


@dataclass(frozen=True)
class Secrets:
    """One request's secrets, filled in. Shows nothing of them."""

    headers: Mapping[str, str] = field(default_factory=dict, repr=False)
    query: Mapping[str, str] = field(default_factory=dict, repr=False)
    values: tuple[str, ...] = field(default=(), repr=False)

    @property
    def present(self) -> bool:
        """Tell whether there is any."""
        return bool(self.headers or self.query)

    def without_secrets(self, url: str) -> str:
        """Take the secrets out of the query of a URL that a server sent, or may have sent.

        Raises:
            VendorRejected: `URL_CARRIES_SECRET`: one stands elsewhere in it.
        """
        before, question, query = url.partition("#")[0].partition("?")
        if self._holds_secret(before):
            raise VendorRejected("URL_CARRIES_SECRET", "A key belongs in a header or in the query")
        kept = [piece for piece in query.split("&") if not (self._names(piece) or self._holds_secret(piece))]
        return before + question + "&".join(kept)

    def masked(self, text: str) -> str:
        """Replace the secrets in a text for people or adapters."""
        for value in self._recognised():
            for spelling in sorted({value, quote(value, safe=""), quote_plus(value), quote(value)}, key=len)[::-1]:
                text = re.sub(re.escape(spelling), MASK, text, flags=re.IGNORECASE)
        return text

    def with_query(self, query: str) -> str:
        """Add the secrets that belong in the query; what stands there under their names is replaced."""
        kept = [piece for piece in query.split("&") if piece and not self._names(piece)]
        return "&".join(kept + [f"{quote_plus(name)}={quote_plus(value)}" for name, value in self.query.items()])

    def _names(self, piece: str) -> bool:
        return unquote_plus(piece.partition("=")[0]) in self.query

    def _holds_secret(self, text: str) -> bool:
        spellings = {text, unquote(text), unquote_plus(text), unquote(unquote(text))}
        folded = [spelling.casefold() for spelling in spellings]
        return any(value.casefold() in spelling for value in self._recognised() for spelling in folded)

    def _recognised(self) -> list[str]:
        return [value for value in self.values if len(value) >= SHORTEST_RECOGNISED]


def fill_in(credentials: tuple[Credential, ...], known: Mapping[str, SecretStr]) -> Secrets:
    """Look the secrets up by their references.

    Raises:
        ConfigurationError: `CREDENTIAL_MISSING` or `CREDENTIAL_INVALID`, naming the reference.
    """
    headers: dict[str, str] = {}
    query: dict[str, str] = {}
    values: list[str] = []
    for credential in credentials:
        secret = known.get(credential.reference)
        value = secret.get_secret_value() if secret is not None else ""
        if not value:
            raise ConfigurationError("CREDENTIAL_MISSING", "Set it", reference=credential.reference)
        if not is_sendable(credential.prefix + value):
            hint = "It is not empty, has no blank at its ends and only printable ASCII characters"
            raise ConfigurationError("CREDENTIAL_INVALID", hint, reference=credential.reference)
        if credential.place is CredentialPlace.HEADER:
            headers[header_name(credential.name)] = credential.prefix + value
        else:
            query[credential.name] = credential.prefix + value
        values.append(value)
    return Secrets(headers, query, tuple(values))


def header_name(name: str) -> str:
    """Return a header's name in lower case.

    Raises:
        InvalidInput: `HEADER_INVALID`: it is no name, or one that only the fetcher sets.
    """
    lowered = name.lower()
    if not _TOKEN.match(name) or lowered in _FETCHER_SETS:
        raise InvalidInput("HEADER_INVALID", "A name that the fetcher does not set itself is allowed", name=name[:60])
    return lowered


def header_value(name: str, value: str) -> str:
    """Return a header's value as it is.

    Raises:
        InvalidInput: `HEADER_INVALID`: it cannot be sent; the value is not told.
    """
    if value and not is_sendable(value):
        raise InvalidInput("HEADER_INVALID", "A value of printable ASCII characters is allowed", name=name)
    return value


def is_sendable(value: str) -> bool:
    """Tell whether it is a header value of printable ASCII characters, and not empty."""
    return _VALUE.match(value) is not None


_FETCHER_SETS = frozenset(
    {
        "accept-encoding",
        "connection",
        "content-length",
        "expect",
        "host",
        "keep-alive",
        "proxy-authorization",
        "proxy-connection",
        "te",
        "trailer",
        "transfer-encoding",
        "upgrade",
    }
)
