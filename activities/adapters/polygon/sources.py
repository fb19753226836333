"""The sources that Polygon, since renamed Massive, offers."""

from __future__ import annotations

from activities.adapters.contract import SourceAdapter
from activities.adapters.polygon import actions, daily_bars, news, tickers
from activities.adapters.polygon.asking import judge, judge_one

NEWS = SourceAdapter(first=news.first_request, judge=judge, read=news.read)
BARS = SourceAdapter(first=daily_bars.first, judge=judge_one, read=daily_bars.read)
ACTIONS = SourceAdapter(first=actions.first, judge=judge_one, read=actions.read)
TICKERS = SourceAdapter(first=tickers.first, judge=judge_one, read=tickers.read)
