"""Polygon, since renamed Massive, by recorded or live answers; no I/O of its own.

config.PolygonConfig                     host, tickers, key reference
news.first_request, read, read_news      articles, with the vendor's insights beside them
market.read_bars, read_splits, read_dividends
reference.read_details, read_tickers, read_history
"""
