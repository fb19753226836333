"""What was last written or read stays in memory, within its bound."""

from __future__ import annotations

import pytest
from pydantic import SecretStr

from domain.errors import VendorUnavailable
from store.objects import ObjectSettings, ObjectStore

SETTINGS = ObjectSettings(endpoint="http://127.0.0.1:9", access_key=SecretStr("a"), secret_key=SecretStr("b"))


async def _store(monkeypatch: pytest.MonkeyPatch, *, keep_bytes: int, bodies: dict[str, bytes]) -> ObjectStore:
    """A store to which the bodies were written, and whose server is gone since."""
    store = ObjectStore(SETTINGS, keep_bytes=keep_bytes)
    with monkeypatch.context() as patched:
        patched.setattr(store, "_put", lambda key, body, content_type: None)
        for key, body in bodies.items():
            await store.put(key, body)

    def gone(key: str) -> bytes:
        raise OSError(key)

    monkeypatch.setattr(store, "_get", gone)
    return store


async def test_object_when_written_a_moment_ago_then_no_server_is_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    store = await _store(monkeypatch, keep_bytes=10, bodies={"raw/aa/1": b"12345"})
    assert await store.get("raw/aa/1") == b"12345"


async def test_memory_when_full_then_the_least_recent_leaves(monkeypatch: pytest.MonkeyPatch) -> None:
    store = await _store(monkeypatch, keep_bytes=10, bodies={"a": b"1234", "b": b"5678", "c": b"9012"})
    with pytest.raises(VendorUnavailable):
        await store.get("a")
    assert await store.get("b") == b"5678"
    assert await store.get("c") == b"9012"


@pytest.mark.parametrize("keep_bytes", [0, 4])
async def test_object_when_larger_than_the_memory_then_it_is_not_kept(
    monkeypatch: pytest.MonkeyPatch, keep_bytes: int
) -> None:
    store = await _store(monkeypatch, keep_bytes=keep_bytes, bodies={"a": b"12345"})
    with pytest.raises(VendorUnavailable):
        await store.get("a")


async def test_objects_when_many_were_written_then_they_are_in_memory_too(monkeypatch: pytest.MonkeyPatch) -> None:
    store = ObjectStore(SETTINGS, keep_bytes=10)
    monkeypatch.setattr(store, "_put", lambda key, body, content_type: None)
    await store.put_many([("a", b"1234"), ("b", b"5678")], "text/plain")
    assert (store.kept("a"), store.kept("b")) == (b"1234", b"5678")


async def test_bytes_when_only_kept_then_memory_may_lose_them() -> None:
    store = ObjectStore(SETTINGS, keep_bytes=10)
    store.keep("a", b"12345678")
    assert store.kept("a") == b"12345678"
    store.keep("b", b"12345678")
    assert store.kept("a") is None
