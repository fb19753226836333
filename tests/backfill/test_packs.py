"""Many small objects as one: keys of slices, and reading them from a real S3 as any other object."""

from __future__ import annotations

import hashlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.errors import NotFound
from store.objects import ObjectStore, Pack, Slice, key_for, pack_of, slice_of
from tests.backfill.archive import Archive

BODIES = [b'{"title":"one"}', b"", "zwei: \N{SNOWMAN}".encode(), b"three" * 1_000]


@given(st.lists(st.binary(max_size=50), max_size=20))
def test_pack_when_cut_at_its_keys_then_every_body_is_found_again(bodies: list[bytes]) -> None:
    pack = pack_of(bodies)
    assert pack.key == key_for("packs", hashlib.sha256(b"".join(bodies)).hexdigest())
    parts = [slice_of(key) for key in pack.keys]
    assert [part.of(pack.body) for part in parts if part is not None] == bodies
    assert [part.key() for part in parts if part is not None] == list(pack.keys)


@pytest.mark.parametrize(
    "key",
    [
        "raw/ab/" + "ab" * 32,
        "packs/ab/" + "ab" * 32,
        "packs/ab/" + "ab" * 32 + "@1",
        "packs/ab/" + "ab" * 32 + "@-1+5",
        "packs/ab/" + "ab" * 32 + "@1+5 ",
        "packs/ab/" + "AB" * 32 + "@1+5",
        "raw/ab/" + "ab" * 32 + "@1+5",
    ],
)
def test_key_when_it_is_not_that_of_a_slice_then_it_means_an_object_of_its_own(key: str) -> None:
    assert slice_of(key) is None


@pytest.mark.parametrize("keep_bytes", [0, 1_000_000])
async def test_slice_when_read_then_it_is_an_object_like_any_other(archive: Archive, keep_bytes: int) -> None:
    store = ObjectStore(archive.parts.objects.settings, keep_bytes=keep_bytes)
    pack = pack_of(BODIES)
    await store.put_pack(pack)

    assert [await store.get(key) for key in pack.keys] == BODIES
    assert [await store.exists(key) for key in pack.keys] == [True] * 4
    assert await store.get(pack.key) == b"".join(BODIES)
    assert [await store.get(key) for key in pack.keys] == BODIES
    assert store.kept(pack.keys[3]) == (BODIES[3] if keep_bytes else None)


async def test_slices_when_read_together_then_their_packs_are_read_once(
    archive: Archive, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = archive.parts.objects
    one, two = pack_of(BODIES), pack_of([b"other", b"things"])
    await store.put_pack(one)
    await store.put_pack(two)
    plain = await store.put(key_for("raw", hashlib.sha256(b"plain").hexdigest()), b"plain")
    asked: list[str] = []
    get = store._get
    monkeypatch.setattr(store, "_get", lambda key: (asked.append(key), get(key))[1])

    found = await store.get_many([*one.keys, *two.keys, plain, plain])

    assert found == {**dict(zip((*one.keys, *two.keys), [*BODIES, b"other", b"things"], strict=True)), plain: b"plain"}
    assert sorted(asked) == sorted([one.key, two.key, plain])


async def test_slice_when_its_pack_was_never_written_then_it_is_not_found(archive: Archive) -> None:
    key = pack_of([b"never", b"written"]).keys[1]
    assert not await archive.parts.objects.exists(key)
    with pytest.raises(NotFound, match="OBJECT_NOT_FOUND"):
        await archive.parts.objects.get(key)
    with pytest.raises(NotFound, match="OBJECT_NOT_FOUND"):
        await archive.parts.objects.get_many([key])


@pytest.mark.parametrize("start", [3, 4, 5, 1_000])
async def test_slice_when_it_lies_beyond_its_pack_then_it_is_not_found(archive: Archive, start: int) -> None:
    pack = pack_of([b"short"])
    await archive.parts.objects.put_pack(pack)
    beyond = Slice(pack.key, start, 10).key()
    assert not await archive.parts.objects.exists(beyond)
    with pytest.raises(NotFound, match="OBJECT_NOT_FOUND"):
        await archive.parts.objects.get(beyond)
    with pytest.raises(NotFound, match="OBJECT_NOT_FOUND"):
        await archive.parts.objects.get_many([beyond])


async def test_pack_when_empty_then_nothing_is_written(archive: Archive, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object) -> None:
        raise AssertionError("nothing to write")

    monkeypatch.setattr(archive.parts.objects, "_put", fail)
    await archive.parts.objects.put_pack(pack_of([]))
    assert await archive.parts.objects.get_many([]) == {}
    assert Pack("", b"", ()).keys == ()
