"""The credentials of the embedded servers: made once, kept in a file that only its owner can read."""

from __future__ import annotations

import json
import secrets
import string
from collections.abc import Callable
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path

from cli.stack.state import write_private
from domain.errors import ConfigurationError


def _vendor_key_id() -> str:
    alphabet = string.ascii_uppercase + string.digits
    return "PK" + "".join(secrets.choice(alphabet) for _ in range(18))


def _secret() -> str:
    return secrets.token_urlsafe(32)


def _made(by: Callable[[], str] = _secret) -> str:
    # A typed stand-in for dataclasses.field, which keeps every value out of repr and therefore out of logs.
    value: str = field(default_factory=by, repr=False)
    return value


@dataclass(frozen=True, slots=True)
class Credentials:
    database_superuser_password: str = _made()
    database_password: str = _made()
    objects_access_key: str = _made(lambda: "stonks" + secrets.token_hex(7))
    objects_secret_key: str = _made()
    objects_internal_key: str = _made()
    """Signs what the object store's own components say to each other."""
    broker_key_id: str = _made(_vendor_key_id)
    broker_secret_key: str = _made()
    broker_control_key: str = _made()
    api_key: str = _made()


def load(path: Path) -> Credentials | None:
    """Read the credentials, or None where no file exists. Values that a newer release added are made here.

    Raises:
        ConfigurationError: the file is not readable as credentials.
    """
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return None
    except (OSError, ValueError) as error:
        raise _unreadable(path, error) from error
    names = {item.name for item in fields(Credentials)}
    if not isinstance(found, dict) or not all(isinstance(value, str) and value for value in found.values()):
        raise _unreadable(path, "not an object of non-empty texts")
    return Credentials(**{name: value for name, value in found.items() if name in names})


def load_or_create(path: Path) -> Credentials:
    """Return the same credentials on every call, completing and tightening the file where needed."""
    credentials = load(path) or Credentials()
    text = json.dumps(asdict(credentials), indent=2) + "\n"
    if not path.exists() or path.read_text(encoding="utf-8") != text:
        write_private(path, text)
    path.chmod(0o600)
    return credentials


def _unreadable(path: Path, error: object) -> ConfigurationError:
    return ConfigurationError(
        "STACK_CREDENTIALS_UNREADABLE",
        "Restore the file from a backup; without it the data beside it cannot be opened. "
        "To begin again with empty data, remove the whole state directory",
        path=path,
        error=error,
    )
