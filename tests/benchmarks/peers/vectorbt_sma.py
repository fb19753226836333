"""The crossing of two averages in vectorbt, on bars from a file: run by an environment that has vectorbt.

Argument: an `.npz` with `open` and `close`, (T, N) dollars. Prints JSON: seconds a run, the first of which compiles,
and the worth of all accounts at the end. Each symbol has an account of its own; signals of a close are filled at the
next open, with half the spread as slippage.
"""

import json
import sys
import time

import numpy as np
import pandas as pd
import vectorbt as vbt

RUNS = 4
OPENING, HALF_SPREAD = 100_000.0, 2.5e-4


def run(opens: pd.DataFrame, closes: pd.DataFrame) -> float:
    short, long = vbt.MA.run(closes, 20), vbt.MA.run(closes, 50)
    held = pd.DataFrame(short.ma.to_numpy() > long.ma.to_numpy(), index=closes.index, columns=closes.columns)
    wanted = held.vbt.fshift(1, fill_value=False)
    portfolio = vbt.Portfolio.from_signals(
        closes,
        entries=wanted,
        exits=~wanted,
        price=opens,
        slippage=HALF_SPREAD,
        fees=0.0,
        init_cash=OPENING,
        size_granularity=1.0,
        freq="1D",
    )
    return float(portfolio.value().to_numpy()[-1].sum())


def main() -> None:
    bars = np.load(sys.argv[1])
    opens, closes = pd.DataFrame(bars["open"]), pd.DataFrame(bars["close"])
    seconds, worth = [], 0.0
    for _ in range(RUNS):
        began = time.process_time()
        worth = run(opens, closes)
        seconds.append(time.process_time() - began)
    print(json.dumps({"version": vbt.__version__, "seconds": seconds, "worth": worth}))


main()
