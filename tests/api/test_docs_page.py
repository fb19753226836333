"""The documentation page loads nothing from elsewhere: a trading machine may have no way out."""

from __future__ import annotations

import re

import pytest

from tests.api.harness import Caller

pytestmark = pytest.mark.stack

ADDRESS = re.compile(r"""(?:src|href|url)\s*[=:]\s*["']([^"']+)["']""")


async def test_docs_when_opened_then_every_part_of_the_page_is_served_here(api: Caller) -> None:
    page = await api("GET", "/docs")
    assert page.status_code == 200
    parts = ADDRESS.findall(page.text)
    assert any(part.endswith(".js") for part in parts)
    assert any(part.endswith(".css") for part in parts)
    for part in parts:
        assert part.startswith("/"), f"{part} is somebody else's server"
        assert (await api("GET", part)).status_code == 200, part
