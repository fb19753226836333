"""Alpaca's news and daily bars, by recorded or live answers; no I/O of its own.

config.AlpacaNewsConfig            host, symbols, key references
news.first_request, read, read_news  articles and their corrections
bars.bars_request, read_bars       daily bars
html_text.html_text                the text of an article's HTML
"""
