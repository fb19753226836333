"""How a command reaches a running platform: the stack of a state directory, or the one that the environment names."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from api.failures import as_stonks_error, temporal_away
from domain.errors import StonksError

if TYPE_CHECKING:
    from workers.parts import Parts
    from workers.settings import Settings


@asynccontextmanager
async def connected(state_dir: Path, *, read_only: bool = True) -> AsyncIterator[Parts]:
    """Give the parts of a running platform, for reading, and close them afterwards.

    Neither the database nor the object store lets anything be changed: who acts asks the API (`cli/acting.py`). Only
    who stops trading while the API is away may write.

    Errors of Temporal, of the database and of the network come out as errors of ours.

    Raises:
        NotFound: no stack runs in the directory, and the environment names none.
        VendorUnavailable: a server does not answer.
    """
    from workers.parts import Parts

    settings = settings_of(state_dir)
    try:
        parts = await Parts.connect(settings, read_only=read_only)
    except RuntimeError as error:  # what the Temporal client raises where nobody listens
        raise temporal_away() from error
    try:
        yield parts
    except StonksError:
        raise
    except Exception as error:
        known = as_stonks_error(error)
        if known is None:
            raise
        raise known from error
    finally:
        await parts.close()


def servers_are_named() -> bool:
    """Whether the environment names Temporal and the database, so that no state directory is read."""
    from workers.settings import load

    settings = load()
    return bool(settings.temporal_address and settings.db_host)


def settings_of(state_dir: Path) -> Settings:
    """The environment's where it names Temporal and the database, else the running stack's."""
    from cli.stack.control import client_environment
    from workers.settings import load

    settings = load()
    if settings.temporal_address and settings.db_host:
        return settings
    # Secrets of external parts are not kept by the stack: they come from the caller's own environment.
    return load({**os.environ, **client_environment(state_dir)})
