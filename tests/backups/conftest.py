"""One book for the tests of a file, with documents in it that were read by real workers."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from cli.stack.supervisor import Stack
from tests.backups.vault import Vault, open_vault


@pytest.fixture(scope="module")
async def vault(servers: Stack, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Vault]:
    async with open_vault(servers, tmp_path_factory.mktemp("backups") / "here") as made:
        await made.documents(3)
        yield made
