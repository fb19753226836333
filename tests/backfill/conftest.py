"""Files in a directory of their own, and the platform's workers over real Temporal, PostgreSQL and S3."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from cli.stack.supervisor import Stack
from tests.backfill.archive import Archive, opened


@pytest.fixture
async def archive(servers: Stack, tmp_path: Path) -> AsyncIterator[Archive]:
    async with opened(servers.environment(), tmp_path) as archive:
        yield archive
