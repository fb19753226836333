"""The real price files, each read once."""

from __future__ import annotations

import csv
import gzip
from datetime import date
from decimal import Decimal
from typing import NamedTuple

import numpy as np
import pytest
from numpy.typing import NDArray

from activities.adapters.files.actions import read_actions
from activities.adapters.files.bars import read_bars
from domain.market import Bar, CorporateAction
from domain.price_panel import PricePanel, from_bars
from tests.conftest import shared_data

from .lean import lean_actions


class RealMarket(NamedTuple):
    """Forty-three stocks with the vendor's actions; three index funds with the distributions of another vendor."""

    sessions: tuple[date, ...]
    bars: tuple[Bar, ...]
    actions: tuple[CorporateAction, ...]
    """The stocks' alone: the vendor has none for the funds."""
    panel: PricePanel
    """With the funds' distributions."""


@pytest.fixture(scope="session")
def real() -> RealMarket:
    bars = tuple(bar for bar in read_bars(shared_data("prices/daily_bars.csv.gz")) if isinstance(bar, Bar))
    found = read_actions(shared_data("prices/corporate_actions.csv"))
    actions = tuple(action for action in found if isinstance(action, CorporateAction))
    sessions = tuple(sorted(bar.session for bar in bars if bar.symbol == "SPY"))
    paid = [action for fund in ("SPY", "IWM") for action in lean_actions(fund, sessions)]
    return RealMarket(sessions, bars, actions, from_bars(bars, [*actions, *paid], sessions))


@pytest.fixture(scope="session")
def vendor_adjusted(real: RealMarket) -> NDArray[np.float64]:
    """The vendor's adjusted closes, (T, N) of the panel; NaN where there is none."""
    adjusted = np.full(real.panel.close.shape, np.nan)
    columns = {symbol: index for index, symbol in enumerate(real.panel.symbols)}
    rows = {session.isoformat(): index for index, session in enumerate(real.sessions)}
    with gzip.open(shared_data("prices/vendor_adjusted_close.csv.gz"), "rt", newline="") as file:
        for row in csv.DictReader(file):
            adjusted[rows[row["date"]], columns[row["symbol"]]] = float(row["adj_close"])
    return adjusted


@pytest.fixture(scope="session")
def raw_spy() -> dict[str, dict[str, Decimal]]:
    """SPY's rows as they stand in the file, read without any code of the project."""
    with gzip.open(shared_data("prices/daily_bars.csv.gz"), "rt", newline="") as file:
        return {
            row["date"]: {name: Decimal(row[name]) for name in ("open", "close")}
            for row in csv.DictReader(file)
            if row["symbol"] == "SPY"
        }
