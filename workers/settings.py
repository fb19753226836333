"""Settings: the only place that reads the environment. Any variable may also come from a file, as `NAME_FILE`."""

from __future__ import annotations

import os
from collections.abc import Mapping
from enum import StrEnum
from pathlib import Path
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, SecretStr, ValidationError

from domain.errors import ConfigurationError
from store.database import DatabaseSettings
from store.objects import ObjectSettings

PREFIX = "STONKS_"


class Mode(StrEnum):
    REPLAY = "replay"
    """A past period: nothing waits for the clock, the paper broker's time is virtual."""
    PAPER = "paper"
    LIVE = "live"


class Settings(BaseModel):
    """Everything that differs between one installation and another. Field names are the variables without `STONKS_`."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    mode: Mode = Mode.PAPER
    state_dir: Path = Path(".stonks")

    db_host: str = ""
    db_port: int = 5432
    db_name: str = "stonks"
    db_user: str = "stonks"
    db_password: SecretStr = SecretStr("")

    temporal_address: str = ""
    temporal_namespace: str = "stonks"
    temporal_ui_url: str = ""

    s3_endpoint: str = ""
    s3_access_key: SecretStr = SecretStr("")
    s3_secret_key: SecretStr = SecretStr("")
    s3_bucket: str = "stonks"

    broker_url: str = ""
    """Empty: Alpaca's own host for the mode."""
    broker_key_id: SecretStr = SecretStr("")
    broker_secret_key: SecretStr = SecretStr("")
    broker_control_key: SecretStr = SecretStr("")
    """Set only for the paper broker, whose clock and prices it moves."""
    broker_host: str = "127.0.0.1"
    broker_port: int = 0
    """Where the paper broker listens; 0: the port of `broker_url`."""
    broker_book: Path = Path("paper-broker.db")
    broker_clock: Annotated[str, Field(pattern="^(wall|virtual)$")] = "wall"

    api_host: str = "127.0.0.1"
    api_port: int = 8000
    api_key: SecretStr = SecretStr("")
    """A first key with every scope; further keys are made with it."""

    worker_health_host: str = "127.0.0.1"
    worker_health_port: int = 0
    """0: no health endpoint."""

    ollama_url: str = ""
    ollama_model: str = ""

    log_format: Annotated[str, Field(pattern="^(json|console)$")] = "json"

    @property
    def driven(self) -> bool:
        """Whether time is told (a replay) and not read."""
        return self.mode is Mode.REPLAY

    def database(self) -> DatabaseSettings:
        self._need("db_host")
        return DatabaseSettings(
            host=self.db_host,
            port=self.db_port,
            name=self.db_name,
            user=self.db_user,
            password=self.db_password,
        )

    def objects(self) -> ObjectSettings:
        self._need("s3_endpoint")
        return ObjectSettings(
            endpoint=self.s3_endpoint,
            access_key=self.s3_access_key,
            secret_key=self.s3_secret_key,
            bucket=self.s3_bucket,
        )

    def _need(self, name: str) -> None:
        if not getattr(self, name):
            raise ConfigurationError(
                "SETTING_MISSING",
                "Set it, or use `stonks up`, which starts everything and sets it",
                variable=PREFIX + name.upper(),
            )


def load(environment: Mapping[str, str] | None = None) -> Settings:
    """Read the settings from the environment.

    Raises:
        ConfigurationError: naming the variable, what was found (never a secret) and what is allowed.
    """
    source = os.environ if environment is None else environment
    values: dict[str, str] = {}
    for name in Settings.model_fields:
        variable = PREFIX + name.upper()
        if value := source.get(variable, ""):
            values[name] = value
        elif file := source.get(f"{variable}_FILE", ""):
            values[name] = _read_secret(variable, Path(file))
    try:
        return Settings.model_validate(values)
    except ValidationError as error:
        first = error.errors(include_input=False, include_url=False)[0]
        variable = PREFIX + str(first["loc"][0]).upper()
        raise ConfigurationError("SETTING_INVALID", str(first["msg"]), variable=variable) from None


def _read_secret(variable: str, path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8").strip()
    except OSError as error:
        raise ConfigurationError(
            "SECRET_FILE_UNREADABLE", str(error.strerror), variable=f"{variable}_FILE", path=path
        ) from None
