"""The pages on the servers that the tests of the API use, looked at as a browser without scripts would."""

from __future__ import annotations

import itertools
from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Any

import pytest

from tests.api.conftest import platform
from tests.api.harness import Platform
from tests.dashboard.visitor import Visitor, sign_in

__all__ = ["platform"]

_SHIFTS = itertools.count(40_000)
"""Seconds that no other test uses: an order's ids follow from when it was decided."""


@pytest.fixture(scope="session")
async def visitor(platform: Platform) -> AsyncIterator[Visitor]:
    """A browser in which somebody with every right is signed in."""
    async with Visitor(platform.app) as browser:
        await sign_in(browser)
        yield browser


@pytest.fixture
def unlike() -> dict[str, Any]:
    """What makes an order of this test another one than any order before."""
    return {"later": timedelta(seconds=next(_SHIFTS)), "publish": True}
