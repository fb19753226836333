"""Sign-in at a provider of OpenID Connect: authorization code with PKCE, the ID token verified with its keys.

Everything is fetched through the URL guard; a provider inside one's own network is named as an own server. What the
provider says of itself and its keys are kept for a while; keys are fetched anew when a token names an unknown one.
"""

from __future__ import annotations

import asyncio
import hashlib
import hmac
import json
import math
import ssl
from base64 import b64encode, urlsafe_b64encode
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, TypeGuard
from urllib.parse import quote_plus, urlencode

import httpcore
import httpx
import jwt
from pydantic import SecretStr

from activities.adapters.web.guard import CheckedUrl, UrlGuard
from activities.adapters.web.transport import GuardedTransport, vendor_errors
from domain.errors import ConfigurationError, StonksError, VendorRejected, VendorUnavailable

ALGORITHMS = {"RS256": "RSA", "ES256": "EC"}
"""What a token may be signed with, and the kind of key that it takes: none of them can be made with a public key."""
LEEWAY = timedelta(seconds=60)
KEPT_FOR = timedelta(hours=1)
KEYS_AGAIN_AFTER = timedelta(seconds=30)
"""Unknown key ids make us ask for keys this often at most."""
TOTAL_SECONDS = 15.0
LARGEST_ANSWER = 512 * 1024
LONGEST_CODE = 4_000


@dataclass(frozen=True)
class OidcConfig:
    """What the operator registered at the provider.

    Args:
        issuer: exactly as the provider writes it in its tokens.
        client_secret: empty for a public client, which PKCE alone protects.
        redirect_url: where the provider sends browsers back to.
        name: what the button says.
    """

    issuer: str
    client_id: str
    client_secret: SecretStr
    redirect_url: str
    name: str


@dataclass(frozen=True)
class OidcIdentity:
    """Who somebody is, as the provider vouches for it."""

    issuer: str
    subject: str
    email: str
    """Empty where the provider does not say that it verified it."""


@dataclass
class _Kept:
    value: dict[str, Any]
    fetched_at: datetime


class OidcProvider:
    """One provider. Made once a process.

    Args:
        tls: what certificates are checked against; the public authorities where it is None. It must verify.
        network: what opens connections to the addresses that were checked; the machine's own where it is None.
    """

    def __init__(
        self,
        config: OidcConfig,
        guard: UrlGuard,
        *,
        tls: ssl.SSLContext | None = None,
        network: httpcore.AsyncNetworkBackend | None = None,
    ) -> None:
        self.config = config
        self._guard = guard
        tls = tls or httpx.create_ssl_context(trust_env=False)
        if tls.verify_mode is not ssl.CERT_REQUIRED or not tls.check_hostname:
            raise ConfigurationError("TLS_NOT_VERIFIED", "Trust the server's certificate instead of any")
        self._client = httpx.AsyncClient(
            transport=GuardedTransport(guard, tls, network or httpcore.AnyIOBackend()),
            timeout=httpx.Timeout(TOTAL_SECONDS),
            follow_redirects=False,
            trust_env=False,
        )
        self._metadata: _Kept | None = None
        self._keys: _Kept | None = None

    async def aclose(self) -> None:
        """Close the connections."""
        await self._client.aclose()

    async def authorization_url(self, *, state: str, nonce: str, verifier: str, now: datetime) -> str:
        """Where the browser goes to sign in.

        Raises:
            VendorUnavailable: the provider does not answer.
            VendorRejected: it is not the issuer that was configured.
        """
        endpoint = _text(await self._discovered(now), "authorization_endpoint")
        self._guard.check(endpoint)
        asked = {
            "response_type": "code",
            "client_id": self.config.client_id,
            "redirect_uri": self.config.redirect_url,
            "scope": "openid email",
            "state": state,
            "nonce": nonce,
            "code_challenge": challenge(verifier),
            "code_challenge_method": "S256",
        }
        return f"{endpoint}{'&' if '?' in endpoint else '?'}{urlencode(asked)}"

    async def identity(self, *, code: str, nonce: str, verifier: str, now: datetime) -> OidcIdentity:
        """Exchange a code for an ID token, and say who it speaks of.

        Raises:
            VendorRejected: `OIDC_CODE_REFUSED`, or `OIDC_TOKEN_INVALID` with the reason.
            VendorUnavailable: the provider does not answer.
        """
        metadata = await self._discovered(now)
        token = await self._exchange(metadata, code[:LONGEST_CODE], verifier)
        claims = await self._verified(metadata, token, now)
        check_claims(claims, self.config, nonce=nonce, now=now)
        email = claims.get("email") if claims.get("email_verified") is True else ""
        return OidcIdentity(
            issuer=self.config.issuer, subject=claims["sub"], email=email if isinstance(email, str) else ""
        )

    async def _discovered(self, now: datetime) -> Mapping[str, Any]:
        if self._metadata is None or now - self._metadata.fetched_at >= KEPT_FOR:
            url = self.config.issuer.rstrip("/") + "/.well-known/openid-configuration"
            found = await self._ask("GET", url)
            if found.get("issuer") != self.config.issuer:
                raise VendorRejected(
                    "OIDC_ISSUER_MISMATCH",
                    "Set STONKS_OIDC_ISSUER to what the provider calls itself, letter by letter",
                    configured=self.config.issuer,
                    found=str(found.get("issuer"))[:200],
                )
            self._metadata = _Kept(found, now)
        return self._metadata.value

    async def _exchange(self, metadata: Mapping[str, Any], code: str, verifier: str) -> str:
        form = {
            "grant_type": "authorization_code",
            "code": code,
            "redirect_uri": self.config.redirect_url,
            "client_id": self.config.client_id,
            "code_verifier": verifier,
        }
        headers = {"content-type": "application/x-www-form-urlencoded"}
        secret = self.config.client_secret.get_secret_value()
        ways = metadata.get("token_endpoint_auth_methods_supported") or ["client_secret_basic"]
        if secret and "client_secret_basic" in ways:
            pair = f"{quote_plus(self.config.client_id)}:{quote_plus(secret)}"
            headers["authorization"] = f"Basic {b64encode(pair.encode()).decode()}"
        elif secret:
            form["client_secret"] = secret
        answer = await self._ask(
            "POST", _text(metadata, "token_endpoint"), headers=headers, body=urlencode(form).encode()
        )
        return _text(answer, "id_token")

    async def _verified(self, metadata: Mapping[str, Any], token: str, now: datetime) -> dict[str, Any]:
        """The claims of a token whose signature holds. Nothing in it is judged here."""
        try:
            header = jwt.get_unverified_header(token)
        except jwt.PyJWTError:
            raise _invalid("it is no signed token") from None
        algorithm = header.get("alg")
        if algorithm not in ALGORITHMS:
            raise _invalid(f"alg={str(algorithm)[:20]}, allowed={', '.join(ALGORITHMS)}")
        key = await self._key(metadata, header.get("kid"), algorithm, now)
        unjudged = dict.fromkeys(("verify_exp", "verify_nbf", "verify_iat", "verify_aud", "verify_iss"), False)
        try:
            claims = jwt.decode(token, key, algorithms=[algorithm], options={**unjudged, "verify_signature": True})  # type: ignore[arg-type]
        except (jwt.PyJWTError, ValueError, TypeError):
            raise _invalid("its signature does not hold") from None
        return dict(claims)

    async def _key(self, metadata: Mapping[str, Any], key_id: object, algorithm: str, now: datetime) -> jwt.PyJWK:
        """The provider's key that a token names, of the kind that its algorithm takes."""
        url = _text(metadata, "jwks_uri")
        if self._keys is None or now - self._keys.fetched_at >= KEPT_FOR:
            self._keys = _Kept(await self._ask("GET", url), now)
        found = _choose(self._keys.value, key_id, algorithm)
        if found is None and now - self._keys.fetched_at >= KEYS_AGAIN_AFTER:
            self._keys = _Kept(await self._ask("GET", url), now)
            found = _choose(self._keys.value, key_id, algorithm)
        if found is None:
            raise _invalid(f"the provider has no key {str(key_id)[:80]} for {algorithm}")
        return found

    async def _ask(
        self, method: str, address: str, *, headers: Mapping[str, str] | None = None, body: bytes = b""
    ) -> dict[str, Any]:
        """Send one request and read a JSON object, whatever its size no more than the cap. No redirect is followed."""
        url = self._guard.check(address)
        status, text = await self._send(method, url, headers or {}, body)
        try:
            found = json.loads(text)
        except (ValueError, RecursionError):
            found = None
        if status in (400, 401, 403) and method == "POST":
            reason = found.get("error") if isinstance(found, dict) else None
            raise VendorRejected(
                "OIDC_CODE_REFUSED", "Begin again; a code works once", status=status, error=str(reason)[:80]
            )
        if status != 200:
            raise VendorUnavailable("OIDC_PROVIDER_AWAY", "Sign in another way meanwhile", host=url.host, status=status)
        if not isinstance(found, dict):
            raise VendorRejected("OIDC_ANSWER_INVALID", "It is no JSON object", host=url.host)
        return found

    async def _send(self, method: str, url: CheckedUrl, headers: Mapping[str, str], body: bytes) -> tuple[int, bytes]:
        sent = {"accept": "application/json", "accept-encoding": "identity", **headers}
        read = bytearray()
        try:
            async with asyncio.timeout(TOTAL_SECONDS):
                with vendor_errors(url.host):
                    async with self._client.stream(
                        method, url.origin, headers=sent, content=body, extensions={"target": url.target.encode()}
                    ) as answer:
                        async for part in answer.aiter_raw():
                            read += part
                            if len(read) > LARGEST_ANSWER:
                                raise VendorRejected("OIDC_ANSWER_INVALID", "It is too large", host=url.host)
                        return answer.status_code, bytes(read)
        except TimeoutError:
            raise VendorUnavailable("VENDOR_TIMEOUT", "Sign in another way meanwhile", host=url.host) from None


def challenge(verifier: str) -> str:
    """What PKCE shows of its secret (S256)."""
    return urlsafe_b64encode(hashlib.sha256(verifier.encode()).digest()).decode().rstrip("=")


def check_claims(claims: Mapping[str, Any], config: OidcConfig, *, nonce: str, now: datetime) -> None:
    """Refuse a token that is not this provider's word, to us, about this sign-in, now.

    Raises:
        VendorRejected: `OIDC_TOKEN_INVALID`, with the reason.
    """
    if claims.get("iss") != config.issuer:
        raise _invalid(f"iss={str(claims.get('iss'))[:100]}, allowed={config.issuer}")
    audience = claims.get("aud")
    audiences = audience if isinstance(audience, list) else [audience]
    if config.client_id not in audiences:
        raise _invalid("aud is another client")
    party = claims.get("azp")
    if (party is not None or len(audiences) > 1) and party != config.client_id:
        raise _invalid("azp is another client")
    moment = now.timestamp()
    expires, issued, begins = (claims.get(name) for name in ("exp", "iat", "nbf"))
    if not _is_number(expires) or moment > expires + LEEWAY.total_seconds():
        raise _invalid("it has expired, or does not say when it does")
    if not _is_number(issued) or issued > moment + LEEWAY.total_seconds():
        raise _invalid("it is from the future, or does not say from when")
    if begins is not None and (not _is_number(begins) or begins > moment + LEEWAY.total_seconds()):
        raise _invalid("it does not hold yet")
    given = claims.get("nonce")
    if not isinstance(given, str) or not hmac.compare_digest(given.encode(), nonce.encode()):
        raise _invalid("nonce is another sign-in's")
    subject = claims.get("sub")
    if not isinstance(subject, str) or not 0 < len(subject) <= 255:
        raise _invalid("sub is missing")


def _choose(keys: Mapping[str, Any], key_id: object, algorithm: str) -> jwt.PyJWK | None:
    listed = keys.get("keys")
    fitting = [
        key
        for key in (listed if isinstance(listed, list) else [])
        if isinstance(key, dict)
        and key.get("kty") == ALGORITHMS[algorithm]
        and key.get("use", "sig") == "sig"
        and key.get("alg", algorithm) == algorithm
        and (key_id is None or key.get("kid") == key_id)
    ]
    if len(fitting) != 1:  # a token that names no key fits one only where there is no other
        return None
    try:
        return jwt.PyJWK(fitting[0], algorithm)
    except (jwt.PyJWTError, ValueError, TypeError, KeyError):
        return None


def _text(found: Mapping[str, Any], name: str) -> str:
    value = found.get(name)
    if not isinstance(value, str) or not value:
        raise VendorRejected("OIDC_ANSWER_INVALID", "The provider leaves it out", field=name)
    return value


def _is_number(value: object) -> TypeGuard[float]:
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)


def _invalid(reason: str) -> StonksError:
    return VendorRejected("OIDC_TOKEN_INVALID", "Begin again; if it stays, check the provider", reason=reason)
