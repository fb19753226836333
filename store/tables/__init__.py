"""Every table of the book of record. Importing this package fills `SQLModel.metadata`."""

from store.tables import decisions, ingestion, market, platform, registry, trading

__all__ = ["decisions", "ingestion", "market", "platform", "registry", "trading"]
