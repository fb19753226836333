"""Record what quantstats and empyrical-reloaded say about the fixed series, into `oracles.json`. Run by hand:

    python3 -m venv DIR && DIR/bin/pip install quantstats==0.0.86 empyrical-reloaded==0.7.1
    DIR/bin/python -m tests.metrics.record_oracles

They have an environment of their own because they need scipy, matplotlib, seaborn, yfinance and thirteen more packages,
some 290 MB, none of which the project needs for anything else.
"""

from __future__ import annotations

import hashlib
import json
from importlib.metadata import version
from pathlib import Path

import empyrical
import pandas
import quantstats.stats

from tests.metrics.series import CASES, RF, Case

RECORDED = Path(__file__).with_name("oracles.json")
PACKAGES = ("quantstats", "empyrical-reloaded", "pandas", "numpy")


def series_of(values: list[float]) -> pandas.Series:
    return pandas.Series(values, index=pandas.bdate_range("2020-01-01", periods=len(values)))


def by_quantstats(case: Case) -> dict[str, float]:
    returns, benchmark = series_of(case.returns), series_of(case.benchmark)
    stats = quantstats.stats
    yearly = (1 + RF) ** 252 - 1  # quantstats takes the risk-free return of a year and spreads it geometrically
    line = stats.greeks(returns, benchmark)
    return {
        "sharpe": stats.sharpe(returns),
        "sharpe_rf": stats.sharpe(returns, rf=yearly),
        "sortino": stats.sortino(returns),
        "sortino_rf": stats.sortino(returns, rf=yearly),
        "cagr": stats.cagr(returns),
        "total_return": stats.comp(returns),
        "volatility": stats.volatility(returns),
        "max_drawdown": stats.max_drawdown(returns),
        "calmar": stats.calmar(returns),
        "hit_rate": stats.win_rate(returns),
        "cvar_parametric": stats.cvar(returns),
        "cvar_historical": stats.cvar(returns, method="historical"),
        "skewness": stats.skew(returns),
        "excess_kurtosis": stats.kurtosis(returns),
        "probabilistic_sharpe": stats.probabilistic_sharpe_ratio(returns),
        "beta": line["beta"],
        "alpha": line["alpha"],
    }


def by_empyrical(case: Case) -> dict[str, float]:
    returns, benchmark = series_of(case.returns), series_of(case.benchmark)
    return {
        "sharpe": empyrical.sharpe_ratio(returns),
        "sharpe_rf": empyrical.sharpe_ratio(returns, risk_free=RF),
        "sortino": empyrical.sortino_ratio(returns),
        "sortino_rf": empyrical.sortino_ratio(returns, required_return=RF),
        "cagr": empyrical.cagr(returns),
        "total_return": empyrical.cum_returns_final(returns),
        "volatility": empyrical.annual_volatility(returns),
        "max_drawdown": empyrical.max_drawdown(returns),
        "calmar": empyrical.calmar_ratio(returns),
        "cvar": empyrical.conditional_value_at_risk(returns),
        "beta": empyrical.beta(returns, benchmark),
        "alpha": empyrical.alpha(returns, benchmark),
        "alpha_rf": empyrical.alpha(returns, benchmark, risk_free=RF),
    }


def digest(case: Case) -> str:
    return hashlib.sha256(json.dumps(case).encode()).hexdigest()


def main() -> None:
    recorded = {
        "versions": {name: version(name) for name in PACKAGES},
        "series": {
            name: {
                "digest": digest(case),
                "quantstats": {key: float(value) for key, value in by_quantstats(case).items()},
                "empyrical": {key: float(value) for key, value in by_empyrical(case).items()},
            }
            for name, case in CASES.items()
        },
    }
    RECORDED.write_text(json.dumps(recorded, indent=1) + "\n")


if __name__ == "__main__":
    main()
