"""The report of a backtest as one HTML file that needs nothing else: no network, no server, no other file."""

from activities.adapters.backtest_page.page import render

__all__ = ["render"]
