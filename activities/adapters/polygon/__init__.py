"""Polygon, since renamed Massive, by recorded or live answers; no I/O of its own.

sources.NEWS, BARS, ACTIONS, TICKERS     the adapters, each made of first, judge and read:
  news                                   articles, with the vendor's insights
  daily_bars                             raw daily bars of chosen symbols or of everything
  actions                                splits and cash dividends, whole days at a time
  tickers                                who a symbol is, and its former tickers
asking.request, read_answer, next_page   what every request and answer has in common
market.read_bars, read_splits, read_dividends
reference.read_details, read_tickers, read_history
rounds.Marks                             how far each of many symbols was read
"""
