"""Small files written into a temporary folder and read back."""

from __future__ import annotations

import gzip
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from activities.adapters.files.documents import read_documents
from domain.documents import Reject, SourceDocument
from domain.sources import FileSourceConfig

Records = list[SourceDocument | Reject]


@pytest.fixture
def write(tmp_path: Path) -> Callable[[str, str | bytes], Path]:
    """Write a file of that name, compressed if it ends in `.gz`."""

    def _write(name: str, content: str | bytes) -> Path:
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        data = content.encode() if isinstance(content, str) else content
        path.write_bytes(gzip.compress(data) if name.endswith(".gz") else data)
        return path

    return _write


@pytest.fixture
def read(write: Callable[[str, str | bytes], Path]) -> Callable[..., Records]:
    """Write a file and read its documents, as of the start of 2020 unless told otherwise."""

    def _read(
        name: str, content: str | bytes, *, not_after: datetime = datetime(2020, 1, 1, tzinfo=UTC), **config: Any
    ) -> Records:
        path = write(name, content)
        return list(read_documents(FileSourceConfig(path=str(path), **config), not_after=not_after))

    return _read


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """The folder of real files beside the repository."""
    folder = Path(__file__).resolve().parents[2].parent / "shared" / "data"
    if not folder.is_dir():
        pytest.skip("the shared data folder is not beside the repository")
    return folder
