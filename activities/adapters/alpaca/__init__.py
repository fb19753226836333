"""Alpaca through the vendor's own SDK: the only broker client, for the vendor's hosts and the paper broker alike."""

import activities.adapters.pandas_alone  # noqa: F401 - before whatever imports pandas

# isort: split
from activities.adapters.alpaca.broker import AlpacaBroker
from activities.adapters.alpaca.session import AlpacaSettings

__all__ = ["AlpacaBroker", "AlpacaSettings"]
