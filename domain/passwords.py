"""Passwords are kept as scrypt hashes that carry their own parameters: `scrypt$15$8$3$<salt>$<hash>`."""

from __future__ import annotations

import hashlib
import hmac
from base64 import b64decode, b64encode

_COST, _BLOCK, _LANES = 15, 8, 3
"""log2 of the rounds, block size, lanes: 32 MiB and about a fifth of a second."""
_LARGEST_COST, _LARGEST_BLOCK, _LARGEST_LANES = 20, 16, 8
SALT_BYTES = 16
_KEY_BYTES = 32
NOBODYS = f"scrypt${_COST}${_BLOCK}${_LANES}${'A' * 22}==${'A' * 43}="
"""What a password is compared with where there is none: an unknown name costs the same time as a wrong password."""


def hash_password(password: str, *, salt: bytes) -> str:
    """Hash with today's parameters.

    Args:
        salt: random, `SALT_BYTES` long, never used before.
    """
    found = _scrypt(password, salt, _COST, _BLOCK, _LANES)
    return "$".join(("scrypt", str(_COST), str(_BLOCK), str(_LANES), _text(salt), _text(found)))


def password_matches(password: str, kept: str) -> bool:
    """Compare in constant time. False for a hash that is none of ours."""
    try:
        kind, cost, block, lanes, salt, expected = kept.split("$")
        numbers = int(cost), int(block), int(lanes)
        salted, hashed = b64decode(salt, validate=True), b64decode(expected, validate=True)
    except ValueError:
        return False
    largest = (_LARGEST_COST, _LARGEST_BLOCK, _LARGEST_LANES)
    if kind != "scrypt" or not all(0 < number <= limit for number, limit in zip(numbers, largest, strict=True)):
        return False
    return hmac.compare_digest(_scrypt(password, salted, *numbers), hashed)


def _scrypt(password: str, salt: bytes, cost: int, block: int, lanes: int) -> bytes:
    memory = 128 * block * (2**cost + lanes + 2)
    return hashlib.scrypt(
        password.encode("utf-8", "surrogatepass"),
        salt=salt,
        n=2**cost,
        r=block,
        p=lanes,
        maxmem=memory + 1024 * 1024,
        dklen=_KEY_BYTES,
    )


def _text(value: bytes) -> str:
    return b64encode(value).decode()
