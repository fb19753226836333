"""Alpaca's news and daily bars, by recorded or live answers; no I/O of its own.

sources.NEWS, BARS                 the adapters, each made of first, judge and read:
  news                             articles and their corrections
  daily_bars                       raw daily bars of chosen symbols
asking.request                     what every request has in common
bars.bars_request, read_bars       a page of daily bars
html_text.html_text                the text of an article's HTML
"""
