"""Recorded answers and filings, read as they lie beside the repository."""

from __future__ import annotations

import gzip
from collections.abc import Callable
from datetime import UTC, datetime

import pytest

from domain.fetching import HttpAnswer
from tests.conftest import shared_data

NOW = datetime(2026, 11, 1, tzinfo=UTC)


@pytest.fixture
def sec() -> Callable[[str], bytes]:
    """The bytes of a file in the shared `sec` folder, unpacked; the test is skipped where it is absent."""

    def _read(name: str) -> bytes:
        body = shared_data(f"sec/{name}").read_bytes()
        return gzip.decompress(body) if name.endswith(".gz") else body

    return _read


def answered(body: bytes, status: int = 200, url: str = "https://data.sec.gov/x?y=1") -> HttpAnswer:
    """An answer as the fetcher hands it over."""
    return HttpAnswer(status=status, url=url, body=body, fetched_at=NOW)
