"""The macro layer of exposed companies at all passes at once: the states of the factors, times exposures."""

from __future__ import annotations

import numpy as np

from domain.backtest_data import BacktestData
from domain.config import SignalConfig
from domain.kernels import Floats
from domain.macro_layer import factor_states, macro_scores
from domain.panel_passes import Passes, micros_of


def macro_panel(data: BacktestData, passes: Passes, config: SignalConfig) -> dict[str, Floats]:
    """The macro score of each company that has exposures, (K,); empty where nothing is said of the economy."""
    exposed = {symbol: versions for symbol, versions in data.exposures.items() if versions}
    if not config.macro_enabled or not exposed or not data.economy:
        return {}
    states: dict[str, Floats] = {}
    for number, as_of in enumerate(passes.as_of):
        items = data.economy_at(as_of, config)
        if items:
            found = factor_states(
                items, as_of=as_of, session_dates=data.session_dates, signals=config, config=config.macro
            )
            for key, state in found.items():
                states.setdefault(key, np.zeros(len(passes)))[number] = state.score
    scores = {}
    for symbol, versions in exposed.items():
        score = np.zeros(len(passes))
        begins = passes.since(micros_of([since for since, _ in versions])).tolist()
        for begin, (_, profile) in zip(begins, versions, strict=True):
            exposures = macro_scores({}, {symbol: profile})[symbol].exposures
            divisor = max(1.0, sum(abs(value) for value in exposures.values()))
            score[begin:] = sum(
                value * states[key][begin:] / divisor for key, value in exposures.items() if key in states
            )
        scores[symbol] = score
    return scores
