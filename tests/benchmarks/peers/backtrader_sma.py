"""The crossing of two averages in backtrader, on bars from a file: run by an environment that has backtrader.

Argument: an `.npz` with `open` and `close`, (T, N) dollars. Prints JSON: seconds of the run and the worth at the end.
Every symbol is a run of its own with an account of its own; orders of a close are filled at the next open.
"""

import json
import sys
import time

import backtrader as bt
import numpy as np
import pandas as pd

OPENING, HALF_SPREAD = 100_000.0, 2.5e-4


class Crossing(bt.Strategy):
    def __init__(self) -> None:
        self.short = bt.indicators.SMA(self.data.close, period=20)
        self.long = bt.indicators.SMA(self.data.close, period=50)

    def next(self) -> None:
        if self.short[0] > self.long[0]:
            if not self.position:
                self.order_target_percent(target=0.98)  # an open above the close must be paid for, too
        elif self.position:
            self.close()


def run(frame: pd.DataFrame) -> float:
    cerebro = bt.Cerebro(stdstats=False)
    cerebro.adddata(bt.feeds.PandasData(dataname=frame))
    cerebro.addstrategy(Crossing)
    cerebro.broker.setcash(OPENING)
    cerebro.broker.set_slippage_perc(HALF_SPREAD, slip_open=True)
    cerebro.run()
    return float(cerebro.broker.getvalue())


def main() -> None:
    bars = np.load(sys.argv[1])
    opens, closes = bars["open"], bars["close"]
    days = pd.bdate_range("2005-01-03", periods=len(opens))
    frames = [
        pd.DataFrame(
            {
                "open": opens[:, n],
                "high": np.maximum(opens[:, n], closes[:, n]),
                "low": np.minimum(opens[:, n], closes[:, n]),
                "close": closes[:, n],
                "volume": 1e6,
            },
            index=days,
        )
        for n in range(opens.shape[1])
    ]
    began = time.process_time()
    worth = sum(run(frame) for frame in frames)
    seconds = time.process_time() - began
    print(json.dumps({"version": bt.__version__, "seconds": [seconds], "worth": worth}))


main()
