"""What bars say of a symbol: trend, momentum, spread and liquidity, for the confirmation by the market."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from domain.config import ConfirmationConfig
from domain.decisions import MarketWindow
from domain.errors import InvalidInput


@dataclass(frozen=True)
class MarketStats:
    """What the confirmation by the market is made of; zeros where there are too few bars."""

    trend: float = 0.0
    momentum: float = 0.0
    deviation: float = 0.0
    burst: float = 0.0
    volume_z: float = 0.0
    dollar_volume: float = 0.0
    last_close: float = 0.0


def bars_used(market: MarketWindow, config: ConfirmationConfig) -> MarketWindow:
    """Keep the most recent bars: those that can have an effect on an assessment."""
    read = config.bars_read
    if max(len(market.sessions), len(market.closes), len(market.volumes)) <= read:
        return market
    return MarketWindow(
        symbol=market.symbol,
        sessions=market.sessions[-read:],
        closes=market.closes[-read:],
        volumes=market.volumes[-read:],
    )


def market_stats(market: MarketWindow | None, config: ConfirmationConfig) -> MarketStats:
    if market is None or not market.closes:
        return MarketStats()
    closes, volumes = market.closes, market.volumes
    recent = list(zip(closes, volumes, strict=True))[-config.liquidity_sessions :]
    dollar_volume = _mean([close * volume for close, volume in recent])
    if len(closes) < config.bars_needed:
        return MarketStats(dollar_volume=dollar_volume, last_close=closes[-1])
    logs = np.log(np.array(closes[-(config.volatility_sessions + 1) :], dtype=np.float64))
    returns: list[float] = np.diff(logs).tolist()
    short, long = _mean(closes[-config.short_average :]), _mean(closes[-config.long_average :])
    usual = volumes[-(config.volume_sessions + 1) : -1]
    spread = _deviation(usual)
    return MarketStats(
        trend=float(np.log(short / long)),
        momentum=math.fsum(returns[-config.momentum_sessions :]),
        deviation=_deviation(returns),
        burst=_deviation(returns[-config.burst_sessions :]),
        volume_z=(volumes[-1] - _mean(usual)) / spread if spread > 0.0 else 0.0,
        dollar_volume=dollar_volume,
        last_close=closes[-1],
    )


def checked_bars(market: MarketWindow, config: ConfirmationConfig) -> MarketWindow:
    """Keep the bars that are used, where all is as it must be; without any close there is nothing to check."""
    if not market.closes:
        return bars_used(market, config)
    lengths = (len(market.sessions), len(market.closes), len(market.volumes))
    if len(set(lengths)) != 1:
        raise InvalidInput(
            "UNEQUAL_BARS", "Pass one session, close and volume a bar.", symbol=market.symbol, found=lengths
        )
    window = bars_used(market, config)
    for session, close, volume in zip(window.sessions, window.closes, window.volumes, strict=True):
        if not (0.0 < close < math.inf and 0.0 <= volume < math.inf):
            raise InvalidInput(
                "INVALID_BAR",
                "A close must be above 0 and a volume not below it, both finite.",
                symbol=market.symbol,
                session=session,
                close=close,
                volume=volume,
            )
    return window


def _mean(values: Sequence[float]) -> float:
    return math.fsum(values) / len(values)


def _deviation(values: Sequence[float]) -> float:
    """Take the sample standard deviation (n - 1); exactly 0 for equal values."""
    if min(values) == max(values):
        return 0.0
    mean = _mean(values)
    return math.sqrt(math.fsum((value - mean) * (value - mean) for value in values) / (len(values) - 1))
