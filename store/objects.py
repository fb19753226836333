"""Objects on any S3: raw bytes, parsed text, answers, records. Content-addressed: writing twice is harmless.

A key is `<kind>/<two digits>/<hash>`. Where many small objects are written at once they are laid end to end into one, a
*pack*, and each is a slice of it, whose key adds where it begins and how long it is: `packs/ab/abcdef...@1024+311`.
Slices are read like any other object.
"""

from __future__ import annotations

import asyncio
import hashlib
import re
from collections import OrderedDict
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from io import BytesIO
from typing import Any, NamedTuple, TypeVar
from urllib.parse import urlsplit

import urllib3
from minio import Minio
from minio.error import MinioException, S3Error
from pydantic import BaseModel, ConfigDict, SecretStr

from domain.errors import NotFound, StonksError, VendorUnavailable

T = TypeVar("T")

PARALLEL_PUTS = 8
SIGNING_REGION = "us-east-1"
"""Servers of one's own take any; it is part of the signature."""
_PACKS = "packs"
_SLICE = re.compile(rf"({_PACKS}/[0-9a-f]{{2}}/[0-9a-f]{{64}})@([0-9]{{1,15}})\+([0-9]{{1,15}})")


class ObjectSettings(BaseModel):
    """Where the S3 service is and how to sign in. `endpoint` is a URL: `http://127.0.0.1:8333`."""

    model_config = ConfigDict(frozen=True)

    endpoint: str
    access_key: SecretStr
    secret_key: SecretStr
    bucket: str = "stonks"
    public_endpoint: str = ""
    """Where people reach the service, for signed links; empty: at `endpoint`."""
    read_only: bool = False
    """Whether writing is refused."""


class Slice(NamedTuple):
    """A part of a pack."""

    pack: str
    start: int
    length: int

    @property
    def end(self) -> int:
        return self.start + self.length

    def key(self) -> str:
        return f"{self.pack}@{self.start}+{self.length}"

    def of(self, pack: bytes) -> bytes:
        """Cut the slice out of its pack.

        Raises:
            NotFound: the pack is shorter.
        """
        if self.end > len(pack):
            raise _no_such_slice(self)
        return pack[self.start : self.end]


class Pack(NamedTuple):
    """Small objects as one."""

    key: str
    body: bytes
    keys: tuple[str, ...]
    """Of the objects in it, in order."""


class ObjectStore:
    """A bucket. Keys read `raw/ab/abcdef...`, the second level being the first two digits of the hash.

    `keep_bytes` is how much of what was last written or read stays in memory: an object under the hash of its content
    never changes, and the next step of a document mostly runs in the process that wrote it.
    """

    def __init__(self, settings: ObjectSettings, *, keep_bytes: int = 0) -> None:
        self.settings = settings
        self._kept = _Kept(keep_bytes)
        parts = urlsplit(settings.endpoint)
        self._client = Minio(
            parts.netloc,
            access_key=settings.access_key.get_secret_value(),
            secret_key=settings.secret_key.get_secret_value(),
            secure=parts.scheme == "https",
            http_client=urllib3.PoolManager(
                timeout=urllib3.Timeout(connect=3, read=10),
                maxsize=16,
                retries=urllib3.Retry(total=2, backoff_factor=0.2),
            ),
        )
        self._signer = self._client
        if settings.public_endpoint:
            public = urlsplit(settings.public_endpoint)
            # Connects to nobody, and so cannot ask for the region.
            self._signer = Minio(
                public.netloc,
                access_key=settings.access_key.get_secret_value(),
                secret_key=settings.secret_key.get_secret_value(),
                secure=public.scheme == "https",
                region=SIGNING_REGION,
            )
        self._threads = ThreadPoolExecutor(PARALLEL_PUTS, thread_name_prefix="objects")

    async def ensure_bucket(self) -> None:
        """Create the bucket where it does not exist."""
        self._require_writable()
        await self._call(self._ensure_bucket)

    async def put(self, key: str, body: bytes, content_type: str = "application/octet-stream") -> str:
        """Store bytes and return their key."""
        self._require_writable()
        await self._call(self._put, key, body, content_type)
        self._kept.add(key, body)
        return key

    async def put_many(self, items: Sequence[tuple[str, bytes]], content_type: str) -> None:
        """Store many objects, a few at a time."""
        await asyncio.gather(*(self.put(key, body, content_type) for key, body in items))

    async def put_pack(self, pack: Pack) -> None:
        """Store many small objects as one.

        They do not stay in memory: what is written in bulk would drive out what the next step of a document needs.
        """
        self._require_writable()
        if pack.keys:
            await self._call(self._put, pack.key, pack.body, "application/octet-stream")

    async def get(self, key: str) -> bytes:
        """Read an object or a slice of a pack; `NotFound` where there is none."""
        body = self.kept(key)
        if body is None:
            part = slice_of(key)
            body = await (self._call(self._get, key) if part is None else self._call(self._get_slice, part))
            self._kept.add(key, body)
        return body

    async def get_many(self, keys: Iterable[str]) -> dict[str, bytes]:
        """Read objects by key, each pack among them once and whole."""
        wanted = set(keys)
        parts = {key: part for key in wanted if (part := slice_of(key)) is not None}
        plain = wanted - parts.keys()
        packs = {part.pack for part in parts.values()}
        bodies = await asyncio.gather(
            *(self.get(key) for key in plain), *(self._call(self._get, pack) for pack in packs)
        )
        found = dict(zip((*plain, *packs), bodies, strict=True))
        return {key: parts[key].of(found[parts[key].pack]) if key in parts else found[key] for key in wanted}

    def keep(self, key: str, body: bytes) -> None:
        """Hold bytes in memory only, for the next step: what can be made again need not be stored."""
        self._kept.add(key, body)

    def kept(self, key: str) -> bytes | None:
        """Bytes that are still in memory, those of a slice also where its pack is."""
        body = self._kept.get(key)
        if body is None and (part := slice_of(key)) is not None:
            pack = self._kept.get(part.pack)
            body = None if pack is None else part.of(pack)
        return body

    async def exists(self, key: str) -> bool:
        part = slice_of(key)
        try:
            found = await self._call(self._client.stat_object, self.settings.bucket, part.pack if part else key)
        except NotFound:
            return False
        return part is None or (found.size or 0) >= part.end

    async def signed_url(self, key: str, *, lasts: timedelta) -> str:
        """An address at which anybody can read an object for a while; of a slice, its whole pack's.

        Browsers save what it holds and do not show it: it may be a stranger's page.
        """
        part = slice_of(key)
        return await self._call(self._sign, lasts, part.pack if part else key)

    def close(self) -> None:
        self._threads.shutdown(wait=False, cancel_futures=True)

    def _require_writable(self) -> None:
        if self.settings.read_only:
            raise StonksError("OBJECTS_READ_ONLY", "Commands only read: acting goes through the API")

    def _ensure_bucket(self) -> None:
        if self._client.bucket_exists(bucket_name=self.settings.bucket):
            return
        try:
            self._client.make_bucket(bucket_name=self.settings.bucket)
        except S3Error as error:
            if error.code not in ("BucketAlreadyOwnedByYou", "BucketAlreadyExists"):
                raise

    def _sign(self, lasts: timedelta, key: str) -> str:
        as_file: dict[str, str | list[str] | tuple[str]] = {
            "response-content-disposition": "attachment",
            "response-content-type": "application/octet-stream",
        }
        return self._signer.presigned_get_object(
            bucket_name=self.settings.bucket, object_name=key, expires=lasts, response_headers=as_file
        )

    def _put(self, key: str, body: bytes, content_type: str) -> None:
        self._client.put_object(
            bucket_name=self.settings.bucket,
            object_name=key,
            data=BytesIO(body),
            length=len(body),
            content_type=content_type,
        )

    def _get(self, key: str) -> bytes:
        answer = self._client.get_object(bucket_name=self.settings.bucket, object_name=key)
        try:
            return answer.read()
        finally:
            answer.close()
            answer.release_conn()

    def _get_slice(self, part: Slice) -> bytes:
        if not part.length:
            return b""  # a range cannot be empty
        answer = self._client.get_object(
            bucket_name=self.settings.bucket, object_name=part.pack, offset=part.start, length=part.length
        )
        try:
            body = answer.read()
        finally:
            answer.close()
            answer.release_conn()
        if len(body) != part.length:
            raise _no_such_slice(part)
        return body

    async def _call(self, function: Callable[..., T], *arguments: Any) -> T:
        loop = asyncio.get_running_loop()
        try:
            return await loop.run_in_executor(self._threads, function, *arguments)
        except S3Error as error:
            asked = arguments[-1]
            if error.code in ("NoSuchKey", "NoSuchObject", "NotFound"):
                key = asked.key() if isinstance(asked, Slice) else asked
                raise NotFound("OBJECT_NOT_FOUND", "It was never written or the bucket was changed", key=key) from None
            if error.code == "InvalidRange" and isinstance(asked, Slice):
                raise _no_such_slice(asked) from None
            raise VendorUnavailable("OBJECT_STORE_ERROR", "See the object store's log", reply=error.code) from error
        except (MinioException, urllib3.exceptions.HTTPError, OSError) as error:
            raise VendorUnavailable(
                "OBJECT_STORE_UNREACHABLE", "Is it running? `stonks doctor` tells", endpoint=self.settings.endpoint
            ) from error


class _Kept:
    """Objects in memory, the least recently used of them leaving first."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._size = 0
        self._bodies: OrderedDict[str, bytes] = OrderedDict()

    def get(self, key: str) -> bytes | None:
        body = self._bodies.get(key)
        if body is not None:
            self._bodies.move_to_end(key)
        return body

    def add(self, key: str, body: bytes) -> None:
        if key in self._bodies or len(body) > self._most:
            return
        self._bodies[key] = body
        self._size += len(body)
        while self._size > self._most:
            _, oldest = self._bodies.popitem(last=False)
            self._size -= len(oldest)


def key_for(kind: str, content_hash: str) -> str:
    """The key of an object: its kind, two digits for spreading, its hash."""
    return f"{kind}/{content_hash[:2]}/{content_hash}"


def pack_of(bodies: Sequence[bytes]) -> Pack:
    """Lay objects end to end; the pack's key is the hash of the whole."""
    body = b"".join(bodies)
    key, keys, start = key_for(_PACKS, hashlib.sha256(body).hexdigest()), [], 0
    for each in bodies:
        keys.append(Slice(key, start, len(each)).key())
        start += len(each)
    return Pack(key, body, tuple(keys))


def slice_of(key: str) -> Slice | None:
    """The part of a pack that a key means; None for the key of an object of its own."""
    found = _SLICE.fullmatch(key)
    return None if found is None else Slice(found[1], int(found[2]), int(found[3]))


def _no_such_slice(part: Slice) -> NotFound:
    return NotFound("OBJECT_NOT_FOUND", "Its pack is shorter: the bucket was changed", key=part.key())
