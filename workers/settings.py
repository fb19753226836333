"""Settings: the only place that reads the environment. Any variable may also come from a file, as `NAME_FILE`."""

from __future__ import annotations

import os
from collections.abc import Mapping
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, SecretStr, ValidationError

from domain.agents import AgentKind, Engine
from domain.errors import ConfigurationError
from domain.sources import RateGroup, SourceKind
from store.database import DatabaseSettings
from store.objects import ObjectSettings

PREFIX = "STONKS_"
CREDENTIALS = PREFIX + "CREDENTIAL_"
"""`STONKS_CREDENTIAL_POLYGON_API_KEY` is the secret that sources name `polygon_api_key`."""
NOTIFY_SECRETS = PREFIX + "NOTIFY_SECRET_"
"""`STONKS_NOTIFY_SECRET_HOOK` is the secret that channels of notifications name `hook`."""


Rate = Annotated[float, Field(gt=0, le=1_000)]
"""Requests a second."""


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
    s3_public_endpoint: str = ""
    """Where people reach the object store, for signed links; empty: at `s3_endpoint`."""

    broker_url: str = ""
    """Empty: Alpaca's own host for the mode."""
    broker_key_id: SecretStr = SecretStr("")
    broker_secret_key: SecretStr = SecretStr("")
    broker_control_key: SecretStr = SecretStr("")
    """Set only for the paper broker, whose clock and prices it moves."""
    i_understand_live_trading: bool = False
    """Live mode refuses to start without it: real money is at stake."""
    broker_host: str = "127.0.0.1"
    broker_port: int = 0
    """Where the paper broker listens; 0: the port of `broker_url`."""
    broker_book: Path = Path("paper-broker.db")
    broker_clock: Annotated[str, Field(pattern="^(wall|virtual)$")] = "wall"

    api_host: str = "127.0.0.1"
    api_port: int = 8000
    api_key: SecretStr = SecretStr("")
    """A first key with every scope; further keys are made with it."""
    person_key: SecretStr = SecretStr("")
    """A person's own key: commands act with it instead of `api_key`."""

    api_trusted_proxies: str = "127.0.0.1"
    """Addresses of proxies, separated by commas, that may say for whom they ask and whether over TLS."""
    api_requests_per_minute: Annotated[float, Field(ge=0)] = 1_200
    """Of one key or session; 0: no limit. Pausing and halting are never limited."""
    api_heavy_per_minute: Annotated[float, Field(ge=0)] = 30
    """Of these, what asks a model or a vendor, starts a backtest, or reads the whole audit log; 0: no limit."""
    api_sign_ins_per_minute: Annotated[float, Field(ge=0)] = 30
    """Attempts of one address; 0: no limit. Failed ones are slowed down besides."""

    oidc_issuer: str = ""
    """Empty: nobody signs in at a provider of OpenID Connect."""
    oidc_client_id: str = ""
    oidc_client_secret: SecretStr = SecretStr("")
    oidc_name: Annotated[str, Field(max_length=60)] = "single sign-on"
    """What the button on the sign-in page says."""
    oidc_people: str = ""
    """Who is whom: `anna@example.com=anna, sub:248289761001=ben`. Addresses count only where the provider verified
    them; after the first time the provider's subject alone counts."""
    oidc_own_server: Annotated[str, Field(pattern=r"^([^\s,]+:[0-9]+)?$")] = ""
    """`host:port` of a provider inside one's own network: it may be private and without TLS."""

    worker_health_host: str = "127.0.0.1"
    worker_health_port: int = 0
    """0: no health endpoint."""

    metrics_host: str = "127.0.0.1"
    """Where each process serves `/metrics`, which asks for no key: beyond one's own machine keep it inside."""
    metrics_port: Annotated[int, Field(ge=0, le=65_535)] = 0
    """0: no metrics. Processes on one machine need a port each."""

    credentials: dict[str, SecretStr] = Field(default_factory=dict)
    """Secrets of sources by their references, from `STONKS_CREDENTIAL_<NAME>`. Only the `fetch` worker needs them."""
    credentials_dir: Path | None = None
    """A directory with a file for each such secret, named by its reference: how containers are given them."""
    fetch_own_servers: str = ""
    """`host:port` of one's own servers, separated by commas: sources there may be private and without TLS."""
    fetch_allow_http: bool = False
    """Whether public sources may be read without TLS."""
    fetch_seconds: Annotated[float, Field(gt=0, le=80)] = 60.0
    """How long one request may take, its redirects and its whole body included."""
    fetch_user_agent: Annotated[str, Field(max_length=200)] = "stonks-oracle"

    rate_web: Rate = 5.0
    """Requests a second to feeds and pages, over all workers; so with each of the following."""
    rate_mail: Rate = 2.0
    rate_edgar: Annotated[float, Field(gt=0, le=10)] = 8.0
    """The SEC blocks whoever asks more than ten times a second."""
    rate_fred: Rate = 1.5
    rate_alpaca: Rate = 3.0
    rate_polygon: Rate = 5 / 60
    """The free plan's five a minute; a paid plan allows more."""
    rate_polygon_news: Rate = 3 / 60
    """Of all requests to Polygon, as many for news at the most; so with each of the following."""
    rate_polygon_bars: Rate = 3 / 60
    rate_polygon_actions: Rate = 2 / 60
    rate_polygon_tickers: Rate = 2 / 60

    ollama_url: str = ""
    """Empty: no model is asked, the rules read everything."""
    ollama_model: str = ""
    """What the three agents use unless their own settings name another model."""
    ollama_slots: Annotated[int, Field(ge=1, le=64)] = 1
    """Questions at a time of one extract worker; over all of them together the server's OLLAMA_NUM_PARALLEL."""

    public_url: Annotated[str, Field(pattern=r"^(https?://[A-Za-z0-9.\-:\[\]]+(/[A-Za-z0-9._~/\-]*)?)?$")] = ""
    """Where people reach the dashboard, for links in notifications; empty: they carry none."""
    notify_secrets: dict[str, SecretStr] = Field(default_factory=dict)
    """Secrets of channels by their names, from `STONKS_NOTIFY_SECRET_<NAME>`: `smtp_password`, `sns_access_key`,
    `sns_secret_key`, and what webhooks name. Only the `notify` worker needs them."""
    notify_dir: Path | None = None
    """A directory with a file for each such secret."""
    notify_own_servers: str = ""
    """`host:port` of one's own receivers, separated by commas: they may be private and without TLS."""
    smtp_host: str = ""
    """Empty: no mail is sent."""
    smtp_port: Annotated[int, Field(ge=1, le=65_535)] = 587
    smtp_security: Annotated[str, Field(pattern="^(starttls|tls|none)$")] = "starttls"
    smtp_user: str = ""
    smtp_from: str = ""
    """Empty: the user."""
    sns_endpoint: str = ""
    """Empty: Amazon's own."""

    lake_keep_days: Annotated[int, Field(ge=1, le=3_650)] = 7
    """How long a snapshot of the lake can be read after another has taken its place."""
    backup_directory: Path | None = None
    """Where backups lie; None: `backups` in the state directory."""
    backup_programs: Path | None = None
    """The directory of pg_dump and pg_restore; None: the search path."""
    backup_s3_endpoint: str = ""
    """Empty: no copy of backups is kept elsewhere."""
    backup_s3_bucket: Annotated[str, Field(pattern=r"^([a-z0-9][a-z0-9.\-]{1,61}[a-z0-9])?$")] = ""
    backup_s3_prefix: Annotated[str, Field(pattern=r"^([A-Za-z0-9._\-]+/)*$")] = ""
    """What names in the bucket begin with: `stonks/`."""
    backup_s3_access_key: SecretStr = SecretStr("")
    backup_s3_secret_key: SecretStr = SecretStr("")

    log_format: Annotated[str, Field(pattern="^(json|console)$")] = "json"

    @property
    def driven(self) -> bool:
        """Whether time is told (a replay) and not read."""
        return self.mode is Mode.REPLAY

    def database(self, *, read_only: bool = False) -> DatabaseSettings:
        self._need("db_host")
        return DatabaseSettings(
            host=self.db_host,
            port=self.db_port,
            name=self.db_name,
            user=self.db_user,
            password=self.db_password,
            read_only=read_only,
        )

    def objects(self, *, read_only: bool = False) -> ObjectSettings:
        self._need("s3_endpoint")
        return ObjectSettings(
            endpoint=self.s3_endpoint,
            access_key=self.s3_access_key,
            secret_key=self.s3_secret_key,
            bucket=self.s3_bucket,
            public_endpoint=self.s3_public_endpoint,
            read_only=read_only,
        )

    @property
    def backups(self) -> Path:
        """The directory that backups lie in."""
        return self.backup_directory or self.state_dir / "backups"

    def rate(self, group: RateGroup) -> float | None:
        """Requests a second that a group may make over all workers; None: no limit."""
        return None if group is RateGroup.FILES else float(getattr(self, f"rate_{group.value}"))

    def rate_of_kind(self, kind: SourceKind) -> float:
        """Requests a second of one of the kinds that have a limit of their own."""
        return float(getattr(self, f"rate_{kind.value}"))

    def agent_defaults(self) -> dict[AgentKind, dict[str, Any]]:
        """The built-in settings of the agents: a model where a server and one are named, the rules otherwise."""
        if not self.ollama_url:
            return {kind: {} for kind in AgentKind}
        if not self.ollama_model:
            raise ConfigurationError(
                "SETTING_MISSING", "Name the model to use, for example qwen3:8b", variable=PREFIX + "OLLAMA_MODEL"
            )
        return {kind: {"engine": Engine.OLLAMA, "model": self.ollama_model} for kind in AgentKind}

    def own_servers(self) -> frozenset[str]:
        return _listed(self.fetch_own_servers)

    def own_receivers(self) -> frozenset[str]:
        return _listed(self.notify_own_servers)

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
    values: dict[str, Any] = {}
    if credentials := _named(source, CREDENTIALS, f"{PREFIX}CREDENTIALS_DIR"):
        values["credentials"] = credentials
    if secrets := _named(source, NOTIFY_SECRETS, f"{PREFIX}NOTIFY_DIR"):
        values["notify_secrets"] = secrets
    for name in Settings.model_fields:
        if name in ("credentials", "notify_secrets"):
            continue
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


def _listed(text: str) -> frozenset[str]:
    return frozenset(each.strip() for each in text.split(",") if each.strip())


def _named(source: Mapping[str, str], prefix: str, directory: str) -> dict[str, str]:
    """Secrets by their names: the files of a directory, then variables with a prefix."""
    found: dict[str, str] = {}
    if folder := source.get(directory, ""):
        files = sorted(Path(folder).iterdir()) if Path(folder).is_dir() else []
        for file in files:
            if not file.name.startswith(".") and file.is_file():
                found[file.name.lower()] = _read_secret(directory, file)
    for variable, value in source.items():
        name = variable.removeprefix(prefix)
        if name == variable or not value:
            continue
        if name.endswith("_FILE"):
            found.setdefault(name.removesuffix("_FILE").lower(), _read_secret(variable, Path(value)))
        else:
            found[name.lower()] = value
    return found


def _read_secret(variable: str, path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8").strip()
    except OSError as error:
        raise ConfigurationError(
            "SECRET_FILE_UNREADABLE", str(error.strerror), variable=f"{variable}_FILE", path=path
        ) from None
