"""A copy off this host: files under names in a bucket of any S3."""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar
from urllib.parse import urlsplit

import urllib3
from minio import Minio
from minio.deleteobjects import DeleteObject
from minio.error import MinioException, S3Error
from pydantic import SecretStr

from domain.errors import ConfigurationError, NotFound, VendorUnavailable

T = TypeVar("T")
THREADS = 4
CHUNK = 1024 * 1024
_MISSING = frozenset({"NoSuchKey", "NoSuchObject", "NotFound"})
_REFUSED = frozenset({"AccessDenied", "InvalidAccessKeyId", "SignatureDoesNotMatch", "NoSuchBucket"})


@dataclass(frozen=True)
class OffsiteSettings:
    """Where it is and how to sign in. Names begin with `prefix`."""

    endpoint: str
    bucket: str
    access_key: SecretStr = field(repr=False)
    secret_key: SecretStr = field(repr=False)
    prefix: str = ""


class OffsiteStore:
    """Files are streamed: a dump need not fit into memory."""

    def __init__(self, settings: OffsiteSettings) -> None:
        self.settings = settings
        parts = urlsplit(settings.endpoint)
        self._client = Minio(
            parts.netloc,
            access_key=settings.access_key.get_secret_value(),
            secret_key=settings.secret_key.get_secret_value(),
            secure=parts.scheme == "https",
            http_client=urllib3.PoolManager(
                timeout=urllib3.Timeout(connect=5, read=60),
                maxsize=8,
                retries=urllib3.Retry(total=2, backoff_factor=0.2),
            ),
        )
        self._threads = ThreadPoolExecutor(THREADS, thread_name_prefix="offsite")

    async def names(self, folder: str) -> dict[str, int]:
        """What lies under a folder (`objects/`), with lengths; names are without the prefix."""
        return await self._call(folder, self._names, folder)

    async def put(self, name: str, path: Path) -> None:
        await self._call(name, self._put, name, path)

    async def get(self, name: str, path: Path) -> None:
        """Write a file's bytes to a path.

        Raises:
            NotFound: there is none of the name.
        """
        await self._call(name, self._get, name, path)

    async def sha256(self, name: str) -> str:
        """The hash of what lies there, read back."""
        return await self._call(name, self._sha256, name)

    async def remove(self, names: Sequence[str]) -> None:
        await self._call("", self._remove, names)

    def close(self) -> None:
        self._threads.shutdown(wait=False, cancel_futures=True)

    def _names(self, folder: str) -> dict[str, int]:
        prefix = self.settings.prefix
        found = self._client.list_objects(bucket_name=self.settings.bucket, prefix=f"{prefix}{folder}", recursive=True)
        return {each.object_name.removeprefix(prefix): each.size or 0 for each in found if each.object_name}

    def _put(self, name: str, path: Path) -> None:
        self._client.fput_object(
            bucket_name=self.settings.bucket, object_name=self.settings.prefix + name, file_path=str(path)
        )

    def _get(self, name: str, path: Path) -> None:
        answer = self._client.get_object(bucket_name=self.settings.bucket, object_name=self.settings.prefix + name)
        try:
            with path.open("wb") as file:
                for chunk in answer.stream(CHUNK):
                    file.write(chunk)
        finally:
            answer.close()
            answer.release_conn()

    def _sha256(self, name: str) -> str:
        digest = hashlib.sha256()
        answer = self._client.get_object(bucket_name=self.settings.bucket, object_name=self.settings.prefix + name)
        try:
            for chunk in answer.stream(CHUNK):
                digest.update(chunk)
        finally:
            answer.close()
            answer.release_conn()
        return digest.hexdigest()

    def _remove(self, names: Sequence[str]) -> None:
        wanted = [DeleteObject(self.settings.prefix + name) for name in names]
        errors = list(self._client.remove_objects(bucket_name=self.settings.bucket, delete_object_list=wanted))
        if errors:
            raise VendorUnavailable(
                "OFFSITE_NOT_REMOVED", "It is tried again with the next backup", reply=errors[0].code
            )

    async def _call(self, name: str, function: Callable[..., T], *arguments: Any) -> T:
        loop = asyncio.get_running_loop()
        try:
            return await loop.run_in_executor(self._threads, function, *arguments)
        except S3Error as error:
            if error.code in _MISSING:
                raise NotFound("OFFSITE_NOT_FOUND", "It is not there any more, or never was", name=name) from None
            if error.code in _REFUSED:
                raise ConfigurationError(
                    "OFFSITE_REFUSES",
                    "Check STONKS_BACKUP_S3_BUCKET, STONKS_BACKUP_S3_ACCESS_KEY and STONKS_BACKUP_S3_SECRET_KEY",
                    reply=error.code,
                    bucket=self.settings.bucket,
                ) from None
            raise VendorUnavailable("OFFSITE_ERROR", "See that server's log", reply=error.code) from error
        except (MinioException, urllib3.exceptions.HTTPError, OSError) as error:
            raise VendorUnavailable(
                "OFFSITE_UNREACHABLE",
                "Does the worker that serves ops have a way out to it?",
                endpoint=self.settings.endpoint,
            ) from error
