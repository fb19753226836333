"""The sources that Alpaca's data host offers."""

from __future__ import annotations

from activities.adapters.alpaca_data import daily_bars, news
from activities.adapters.alpaca_data.answers import ANSWERS
from activities.adapters.contract import SourceAdapter

NEWS = SourceAdapter(first=news.first_request, judge=ANSWERS.require_ok, read=news.read)
BARS = SourceAdapter(first=daily_bars.first, judge=ANSWERS.require_ok, read=daily_bars.read)
