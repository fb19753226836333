"""Objects on any S3: raw bytes, parsed text, answers, records. Content-addressed: writing twice is harmless."""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from io import BytesIO
from typing import Any, TypeVar
from urllib.parse import urlsplit

import urllib3
from minio import Minio
from minio.error import MinioException, S3Error
from pydantic import BaseModel, ConfigDict, SecretStr

from domain.errors import NotFound, VendorUnavailable

T = TypeVar("T")

PARALLEL_PUTS = 8


class ObjectSettings(BaseModel):
    """Where the S3 service is and how to sign in. `endpoint` is a URL: `http://127.0.0.1:8333`."""

    model_config = ConfigDict(frozen=True)

    endpoint: str
    access_key: SecretStr
    secret_key: SecretStr
    bucket: str = "stonks"


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
        self._threads = ThreadPoolExecutor(PARALLEL_PUTS, thread_name_prefix="objects")

    async def ensure_bucket(self) -> None:
        """Create the bucket where it does not exist."""
        await self._call(self._ensure_bucket)

    async def put(self, key: str, body: bytes, content_type: str = "application/octet-stream") -> str:
        """Store bytes and return their key."""
        await self._call(self._put, key, body, content_type)
        self._kept.add(key, body)
        return key

    async def put_many(self, items: Sequence[tuple[str, bytes]], content_type: str) -> None:
        """Store many objects, a few at a time."""
        await asyncio.gather(*(self._call(self._put, key, body, content_type) for key, body in items))

    async def get(self, key: str) -> bytes:
        """Read an object; `NotFound` where there is none."""
        body = self._kept.get(key)
        if body is None:
            body = await self._call(self._get, key)
            self._kept.add(key, body)
        return body

    async def exists(self, key: str) -> bool:
        try:
            await self._call(self._client.stat_object, self.settings.bucket, key)
        except NotFound:
            return False
        return True

    def close(self) -> None:
        self._threads.shutdown(wait=False, cancel_futures=True)

    def _ensure_bucket(self) -> None:
        if self._client.bucket_exists(bucket_name=self.settings.bucket):
            return
        try:
            self._client.make_bucket(bucket_name=self.settings.bucket)
        except S3Error as error:
            if error.code not in ("BucketAlreadyOwnedByYou", "BucketAlreadyExists"):
                raise

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

    async def _call(self, function: Callable[..., T], *arguments: Any) -> T:
        loop = asyncio.get_running_loop()
        try:
            return await loop.run_in_executor(self._threads, function, *arguments)
        except S3Error as error:
            if error.code in ("NoSuchKey", "NoSuchObject", "NotFound"):
                raise NotFound(
                    "OBJECT_NOT_FOUND", "It was never written or the bucket was changed", key=arguments[-1]
                ) from None
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
