"""Secrets of messengers by their names, and the only word that is said about a missing one."""

from __future__ import annotations

from collections.abc import Mapping

from pydantic import SecretStr

from domain.errors import ConfigurationError


def require_secret(secrets: Mapping[str, SecretStr], name: str) -> str:
    """Return what is sent.

    Raises:
        ConfigurationError: nothing stands under the name.
    """
    value = secrets[name].get_secret_value() if name in secrets else ""
    if not value:
        raise ConfigurationError(
            "NOTIFY_SECRET_MISSING",
            f"Set STONKS_NOTIFY_SECRET_{name.upper()}, or a file {name} in STONKS_NOTIFY_DIR, and restart the worker",
            name=name,
        )
    return value
