"""The parts of the embedded stack and the names they share."""

from __future__ import annotations

from enum import StrEnum


class PartName(StrEnum):
    POSTGRES = "postgres"
    TEMPORAL = "temporal"
    OBJECTS = "objects"
    BROKER = "broker"
    WORKER = "worker"
    API = "api"


SERVICES = (PartName.TEMPORAL, PartName.OBJECTS, PartName.BROKER, PartName.POSTGRES)
"""Independent of each other, spawned in this order: Postgres last, because making its first cluster blocks."""

APPLICATION = (PartName.WORKER, PartName.API)
"""Spawned once every service answers and the migrations have run."""

STOP_ORDER: tuple[tuple[PartName, ...], ...] = (
    (PartName.API, PartName.WORKER),
    (PartName.BROKER,),
    (PartName.TEMPORAL, PartName.OBJECTS, PartName.POSTGRES),
)
"""Groups are stopped one after the other; the parts of a group together. The broker outlives a worker's last call."""

METRICS_PORTS = {PartName.WORKER: "worker_metrics", PartName.API: "api_metrics"}
"""What the port is called on which a part serves its metrics."""

EXTERNAL_MARKERS = {
    PartName.POSTGRES: "STONKS_DB_HOST",
    PartName.TEMPORAL: "STONKS_TEMPORAL_ADDRESS",
    PartName.OBJECTS: "STONKS_S3_ENDPOINT",
    PartName.BROKER: "STONKS_BROKER_URL",
}
"""A part whose variable is set by the caller runs elsewhere: it is checked, never spawned."""

MODES = ("replay", "paper", "live")

DATABASE = "stonks"
DATABASE_USER = "stonks"
NAMESPACE = "stonks"
BUCKET = "stonks"
LOOPBACK = "127.0.0.1"

SEARCH_ATTRIBUTES = ("StonksStage", "StonksSymbol", "StonksSource", "StonksState", "StonksDecision")
"""All of type Keyword."""

RETENTION_HOURS = 720
"""How long closed workflows are kept. After it a reject-duplicate start forgets a closed id."""
