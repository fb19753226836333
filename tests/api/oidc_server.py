"""A provider of OpenID Connect on this machine, as strict as a real one; tests tell it what to do wrong."""

from __future__ import annotations

import base64
import hashlib
import json
import secrets
import time
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import Any
from urllib.parse import parse_qs, unquote_plus, urlencode, urlsplit

import jwt
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from jwt.algorithms import ECAlgorithm, RSAAlgorithm

CLIENT, SECRET = "stonks", "s3cret:with/signs"


@dataclass
class Grant:
    nonce: str
    challenge: str
    redirect: str


@dataclass
class Wishes:
    """What the next token is like."""

    subject: str = "248289761001"
    claims: dict[str, Any] = field(default_factory=dict)
    """Put over the right ones; None takes one out."""
    algorithm: str = "RS256"
    key_id: str | None = ""
    """Empty: the right one; None: none is named."""
    raw: str | None = None
    """Sent as it is, in place of a token."""
    down: bool = False
    moved: bool = False
    """Whether tokens name a key that is published only when keys are asked for again."""


class Provider:
    """Runs in a thread until `stop`."""

    def __init__(self) -> None:
        self.rsa = rsa.generate_private_key(public_exponent=65537, key_size=2048)
        self.ec = ec.generate_private_key(ec.SECP256R1())
        self.published = ["rsa-1", "ec-1"]
        self.wishes = Wishes()
        self.grants: dict[str, Grant] = {}
        self.asked: list[str] = []
        self.issuer_told = ""
        provider = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                provider.answer(self)

            def do_POST(self) -> None:
                provider.answer(self)

            def log_message(self, format: str, *args: Any) -> None:
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.port = self.server.server_address[1]
        self.issuer = f"http://127.0.0.1:{self.port}"
        Thread(target=self.server.serve_forever, daemon=True).start()

    def stop(self) -> None:
        self.server.shutdown()
        self.server.server_close()

    @property
    def public_pem(self) -> bytes:
        return self.rsa.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)

    def authorize(self, url: str) -> dict[str, str]:
        """What a browser does whose owner says yes: the query that it is sent back with."""
        asked = {name: values[0] for name, values in parse_qs(urlsplit(url).query).items()}
        assert url.startswith(f"{self.issuer}/authorize?")
        assert (asked["response_type"], asked["client_id"]) == ("code", CLIENT)
        assert asked["code_challenge_method"] == "S256"
        assert "openid" in asked["scope"].split()
        code = secrets.token_urlsafe(16)
        self.grants[code] = Grant(asked["nonce"], asked["code_challenge"], asked["redirect_uri"])
        return {"code": code, "state": asked["state"]}

    def answer(self, request: BaseHTTPRequestHandler) -> None:
        path = urlsplit(request.path).path
        self.asked.append(path)
        body = request.rfile.read(int(request.headers.get("content-length", "0")))
        status, found = 503 if self.wishes.down else 200, {}
        if status == 200 and path == "/.well-known/openid-configuration":
            found = {
                "issuer": self.issuer_told or self.issuer,
                "authorization_endpoint": f"{self.issuer}/authorize",
                "token_endpoint": f"{self.issuer}/token",
                "jwks_uri": f"{self.issuer}/keys",
            }
        elif status == 200 and path == "/keys":
            found = {"keys": self.keys()}
        elif status == 200 and path == "/token" and request.command == "POST":
            status, found = self.exchange(request.headers.get("authorization", ""), body.decode())
        elif status == 200:
            status = 404
        text = json.dumps(found).encode()
        request.send_response(status)
        request.send_header("content-type", "application/json")
        request.send_header("content-length", str(len(text)))
        request.end_headers()
        request.wfile.write(text)

    def keys(self) -> list[dict[str, Any]]:
        made = {
            "rsa-1": RSAAlgorithm.to_jwk(self.rsa.public_key(), as_dict=True),
            "rsa-2": RSAAlgorithm.to_jwk(self.rsa.public_key(), as_dict=True),
            "ec-1": ECAlgorithm.to_jwk(self.ec.public_key(), as_dict=True),
        }
        return [{**made[name], "kid": name, "use": "sig"} for name in self.published]

    def exchange(self, authorization: str, body: str) -> tuple[int, dict[str, Any]]:
        form = {name: values[0] for name, values in parse_qs(body).items()}
        scheme, _, pair = authorization.partition(" ")
        name, _, secret = base64.b64decode(pair).decode().partition(":") if scheme == "Basic" else ("", "", "")
        if (unquote_plus(name), unquote_plus(secret)) != (CLIENT, SECRET):
            return 401, {"error": "invalid_client"}
        grant = self.grants.pop(form.get("code", ""), None)
        challenge = base64.urlsafe_b64encode(hashlib.sha256(form.get("code_verifier", "").encode()).digest())
        if (
            grant is None
            or grant.redirect != form.get("redirect_uri")
            or grant.challenge != challenge.decode().rstrip("=")
        ):
            return 400, {"error": "invalid_grant"}
        return 200, {"access_token": "unused", "token_type": "Bearer", "id_token": self.token(grant)}

    def token(self, grant: Grant) -> str:
        wishes, now = self.wishes, int(time.time())
        if wishes.raw is not None:
            return wishes.raw
        claims = {
            "iss": self.issuer,
            "sub": wishes.subject,
            "aud": CLIENT,
            "exp": now + 300,
            "iat": now,
            "nonce": grant.nonce,
            **wishes.claims,
        }
        claims = {name: value for name, value in claims.items() if value is not None}
        key: Any = {"RS256": self.rsa, "ES256": self.ec, "PS256": self.rsa}.get(wishes.algorithm)
        named = wishes.key_id or {"ES256": "ec-1"}.get(wishes.algorithm, "rsa-1")
        headers = {"kid": named} if wishes.key_id is not None else {}
        if wishes.algorithm == "none":
            return jwt.encode(claims, None, algorithm="none", headers=headers)
        if wishes.algorithm == "HS256":  # signed by hand: the library refuses a public key as a secret
            parts = [{"alg": "HS256", "typ": "JWT", **headers}, claims]
            text = ".".join(base64.urlsafe_b64encode(json.dumps(part).encode()).decode().rstrip("=") for part in parts)
            return f"{text}.{_hmac(self.public_pem, text)}"
        return jwt.encode(claims, key, algorithm=wishes.algorithm, headers=headers)


def query(values: dict[str, str]) -> str:
    return urlencode(values)


def _hmac(key: bytes, text: str) -> str:
    import hmac

    return base64.urlsafe_b64encode(hmac.new(key, text.encode(), "sha256").digest()).decode().rstrip("=")
