"""Where the lake is and how to sign in."""

from __future__ import annotations

from urllib.parse import quote

from pydantic import BaseModel, ConfigDict, SecretStr

from domain.lake import CATALOG_SCHEMA

CATALOG = "stonks"
NAMESPACE = "stonks"
FOLDER = "lake"
"""Of the bucket."""
REGION = "us-east-1"
"""Servers of one's own take any; it is part of the signature."""
CONNECT_SECONDS = "5"
REQUEST_SECONDS = "60"


class LakeSettings(BaseModel):
    """The book's own database and object store: the lake needs no server."""

    model_config = ConfigDict(frozen=True)

    db_host: str
    db_port: int
    db_name: str
    db_user: str
    db_password: SecretStr
    endpoint: str
    access_key: SecretStr
    secret_key: SecretStr
    bucket: str
    read_only: bool = False
    """The database refuses to change a row of the catalog."""

    def catalog_properties(self) -> dict[str, str]:
        """What pyiceberg's catalog is made of; the password is in it."""
        who = f"{quote(self.db_user, safe='')}:{quote(self.db_password.get_secret_value(), safe='')}"
        where = f"{self.db_host}:{self.db_port}/{quote(self.db_name, safe='')}"
        given = f"-csearch_path={CATALOG_SCHEMA}" + (" -cdefault_transaction_read_only=on" if self.read_only else "")
        options = f"connect_timeout={CONNECT_SECONDS}&options={quote(given)}&application_name=stonks-lake"
        return {
            "uri": f"postgresql+psycopg2://{who}@{where}?{options}",
            "pool_pre_ping": "true",
            "init_catalog_tables": "false" if self.read_only else "true",
            "warehouse": f"s3://{self.bucket}/{FOLDER}",
            "py-io-impl": "pyiceberg.io.pyarrow.PyArrowFileIO",
            "s3.endpoint": self.endpoint,
            "s3.access-key-id": self.access_key.get_secret_value(),
            "s3.secret-access-key": self.secret_key.get_secret_value(),
            "s3.region": REGION,
            "s3.force-virtual-addressing": "false",
            "s3.connect-timeout": CONNECT_SECONDS,
            "s3.request-timeout": REQUEST_SECONDS,
        }
