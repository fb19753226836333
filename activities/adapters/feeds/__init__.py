"""Documents from RSS and Atom feeds of any dialect.

feed.first    FeedConfig, cursor -> HttpRequest
feed.read     an answer -> SourcePage

decoding -> outline (what feedparser would lose) -> entries: dates, tickers, plain
"""
