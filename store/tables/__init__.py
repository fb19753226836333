"""Every table of the book of record. Importing this package fills `SQLModel.metadata`."""

from store.tables import (
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
