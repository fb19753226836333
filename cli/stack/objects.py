"""SeaweedFS as the S3 object store."""

from __future__ import annotations

import contextlib
import io
import json
import signal
import uuid
from collections.abc import Mapping
from pathlib import Path
from typing import ClassVar

import urllib3
from minio import Minio
from minio.error import S3Error

from cli.stack import packages, ports
from cli.stack.environment import host_and_port, secret, server_environment
from cli.stack.names import BUCKET, LOOPBACK, PartName
from cli.stack.parts import PROBE_TIMEOUT_SECONDS, NotReady, Part
from cli.stack.process import Command
from cli.stack.state import write_private
from domain.errors import ConfigurationError

_INTERNAL_PORTS = ("master", "volume", "filer")
PORTS = (
    "objects",
    "objects_grpc",
    ports.OBJECTS_ADMIN,
    *(name for part in _INTERNAL_PORTS for name in (f"objects_{part}", f"objects_{part}_grpc")),
)

_REFUSALS = {"AccessDenied", "InvalidAccessKeyId", "SignatureDoesNotMatch"}


class Objects(Part):
    name = PartName.OBJECTS
    grace_seconds: ClassVar[float] = 5.0
    # A start can still end in a server that listens and hangs for up to 20 s: a new process is quicker.
    stall_seconds: ClassVar[float | None] = 3.0

    @property
    def address(self) -> str:
        return self._context.environment["STONKS_S3_ENDPOINT"]

    @property
    def _data(self) -> Path:
        return self._context.directory.data(self.name)

    def check_installed(self) -> None:
        packages.weed_program()

    def prepare(self) -> None:
        self._data.mkdir(mode=0o700, exist_ok=True)
        credentials = self._context.credentials
        identity = {
            "name": "stonks",
            "credentials": [{"accessKey": credentials.objects_access_key, "secretKey": credentials.objects_secret_key}],
            "actions": ["Admin", "Read", "Write", "List", "Tagging"],
        }
        write_private(self._context.directory.object_identities, json.dumps({"identities": [identity]}) + "\n")

    def command(self) -> Command:
        numbers = self._context.ports
        internal = (
            option
            for part in _INTERNAL_PORTS
            for option in (
                f"-{part}.port={numbers[f'objects_{part}']}",
                f"-{part}.port.grpc={numbers[f'objects_{part}_grpc']}",
            )
        )
        internal_key = self._context.credentials.objects_internal_key
        return Command(
            argv=(
                packages.weed_program(),
                "-logtostderr",
                "mini",
                f"-dir={self._data}",
                f"-ip={LOOPBACK}",
                f"-ip.bind={LOOPBACK}",
                "-master.telemetry=false",
                "-webdav=false",
                "-admin.ui=false",
                "-s3.port.iceberg=0",
                "-s3.port.lance=0",
                f"-s3.config={self._context.directory.object_identities}",
                "-s3.autoCreateBucket=false",
                "-s3.allowDeleteBucketNotEmpty=false",
                "-master.volumeSizeLimitMB=64",
                # Everything the master must know its volumes tell it. With the former state it sometimes counts as
                # elected before it listens for them, and the first write hangs until they report again.
                "-master.resumeState=false",
                "-volume.preStopSeconds=0",
                f"-s3.port={numbers['objects']}",
                f"-s3.port.grpc={numbers['objects_grpc']}",
                f"-admin.port={numbers[ports.OBJECTS_ADMIN]}",
                *internal,
            ),
            environment={
                **server_environment(self._context.directory, self._context.inherited),
                "GOMEMLIMIT": "320MiB",
                # Without these its inner ports serve every user of the machine without a password.
                "WEED_JWT_SIGNING_KEY": internal_key,
                "WEED_JWT_SIGNING_READ_KEY": internal_key,
                "WEED_JWT_FILER_SIGNING_KEY": internal_key,
                "WEED_JWT_FILER_SIGNING_READ_KEY": internal_key,
            },
            death_signal=signal.SIGKILL,
        )

    def probe(self) -> None:
        check(self._context.environment)

    def clean_up(self) -> None:
        """Remove its socket files: their place is fixed and it never removes them."""
        numbers = {self._context.ports[name] for name in PORTS}
        numbers.add(self._context.ports[ports.OBJECTS_ADMIN] + ports.OBJECTS_ADMIN_GRPC_OFFSET)
        for number in numbers:
            for socket in Path("/tmp").glob(f"seaweedfs-*-{number}.sock"):  # noqa: S108 - its choice, not ours
                with contextlib.suppress(OSError):
                    socket.unlink()


def check(environment: Mapping[str, str]) -> None:
    """Write an object, read it back and remove it; makes the bucket where it is missing.

    Raises:
        ConfigurationError: the store refuses the keys or the bucket, or the address has no sense.
    """
    host, port, encrypted = host_and_port(environment["STONKS_S3_ENDPOINT"], "STONKS_S3_ENDPOINT")
    bucket = environment.get("STONKS_S3_BUCKET", BUCKET)
    http = urllib3.PoolManager(
        timeout=urllib3.Timeout(connect=PROBE_TIMEOUT_SECONDS, read=PROBE_TIMEOUT_SECONDS), retries=False
    )
    client = Minio(
        f"{host}:{port}",
        access_key=secret(environment, "STONKS_S3_ACCESS_KEY"),
        secret_key=secret(environment, "STONKS_S3_SECRET_KEY"),
        secure=encrypted,
        http_client=http,
    )
    try:
        _write_and_read(client, bucket)
    except S3Error as error:
        if error.code not in _REFUSALS:
            raise
        raise ConfigurationError(
            "OBJECT_STORE_REFUSES",
            "Check STONKS_S3_ACCESS_KEY, STONKS_S3_SECRET_KEY (or their _FILE forms) and STONKS_S3_BUCKET",
            endpoint=environment["STONKS_S3_ENDPOINT"],
            bucket=bucket,
            error=error.code,
        ) from error
    finally:
        http.clear()


def _write_and_read(client: Minio, bucket: str) -> None:
    # A name of its own for every probe: two checks at once must not see each other's object.
    name, written = f"probe/{uuid.uuid4().hex}", uuid.uuid4().bytes
    try:
        client.put_object(bucket, name, io.BytesIO(written), len(written))
    except S3Error as error:
        if error.code != "NoSuchBucket":
            raise
        client.make_bucket(bucket)
        client.put_object(bucket, name, io.BytesIO(written), len(written))
    answer = client.get_object(bucket, name)
    try:
        read = answer.read()
    finally:
        answer.close()
        answer.release_conn()
    client.remove_object(bucket, name)
    if read != written:
        raise NotReady("an object was read back with other bytes than were written")
