"""Every table of the book of record. Importing this package fills `SQLModel.metadata`."""

from store.tables import agents, decisions, ingestion, market, platform, registry, trading

__all__ = ["agents", "decisions", "ingestion", "market", "platform", "registry", "trading"]
