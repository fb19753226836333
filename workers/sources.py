"""Which adapter reads which kind of source."""

from __future__ import annotations

from collections.abc import Mapping

from activities.adapters.contract import SourceAdapter
from domain.sources import SourceKind


def adapters() -> Mapping[SourceKind, SourceAdapter]:
    """Every adapter of a live source. Imported here, late: parsers of foreign formats take their time to load."""
    from activities.adapters.alpaca_data import sources as alpaca
    from activities.adapters.edgar import adapter as edgar
    from activities.adapters.edgar.current_source import CURRENT
    from activities.adapters.edgar.facts_source import FACTS
    from activities.adapters.fed.source import ADAPTER as FED
    from activities.adapters.feeds.feed import ADAPTER as FEED
    from activities.adapters.fred import sources as fred
    from activities.adapters.imap.source import ADAPTER as IMAP
    from activities.adapters.pages.source import ADAPTER as PAGE
    from activities.adapters.polygon import sources as polygon

    return {
        SourceKind.FEED: FEED,
        SourceKind.PAGE: PAGE,
        SourceKind.IMAP: IMAP,
        SourceKind.FED: FED,
        SourceKind.POLYGON_NEWS: polygon.NEWS,
        SourceKind.POLYGON_BARS: polygon.BARS,
        SourceKind.POLYGON_ACTIONS: polygon.ACTIONS,
        SourceKind.POLYGON_TICKERS: polygon.TICKERS,
        SourceKind.EDGAR_FILINGS: edgar.FILINGS,
        SourceKind.EDGAR_CURRENT: CURRENT,
        SourceKind.EDGAR_FACTS: FACTS,
        SourceKind.FRED: fred.RELEASES,
        SourceKind.ALPACA_NEWS: alpaca.NEWS,
        SourceKind.ALPACA_BARS: alpaca.BARS,
    }
