"""Every table of the book of record. Importing this package fills `SQLModel.metadata`."""

from store.tables import (
    access,
    accounting,
    agents,
    broker,
    decisions,
    ingestion,
    market,
    platform,
    registry,
    requests,
    trading,
)

__all__ = [
    "access",
    "accounting",
    "agents",
    "broker",
    "decisions",
    "ingestion",
    "market",
    "platform",
    "registry",
    "requests",
    "trading",
]
