"""Replay a period, backtest it on the book that the replay leaves, and tell whether both decide and trade the same."""

from __future__ import annotations

import argparse
import asyncio
import sys
import tempfile
import time
from datetime import date
from pathlib import Path

from tests.backtest_runs.comparing import Both, assert_same, backtested, replayed

LONGEST_SECONDS = 4 * 3600


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.backtest_runs", description=__doc__)
    parser.add_argument("--documents", type=Path, required=True, help="CSV or JSONL, as `stonks replay` reads it")
    parser.add_argument("--bars", type=Path, required=True, help="CSV of daily bars, raw as traded")
    parser.add_argument("--actions", type=Path, required=True, help="CSV of splits and dividends")
    parser.add_argument("--from", dest="first", type=date.fromisoformat, required=True, help="first session")
    parser.add_argument("--to", dest="last", type=date.fromisoformat, required=True, help="last session")
    parser.add_argument("--set", dest="changes", action="append", default=[], metavar="NAME=VALUE")
    parser.add_argument("--state", type=Path, help="where the replay's stack lives; a directory of its own otherwise")
    chosen = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="stonks-compared-") as own:
        state = chosen.state or Path(own)
        began = time.monotonic()
        replay = replayed(
            *(state, chosen.documents, chosen.bars, chosen.actions, chosen.first, chosen.last),
            *(each for change in chosen.changes for each in ("--set", change)),
            timeout=LONGEST_SECONDS,
        )
        print(f"replayed in {time.monotonic() - began:.0f} s: {replay['signals']} assessments", flush=True)
        began = time.monotonic()
        backtest = asyncio.run(backtested(state, chosen.first, chosen.last))
        print(f"backtested in {time.monotonic() - began:.0f} s: {backtest.assessed} assessments", flush=True)
        assert_same(Both(replay, backtest))
    print(f"the same: {len(backtest.decisions)} decisions, {len(backtest.orders)} orders, every day's equity")
    return 0


if __name__ == "__main__":
    sys.exit(main())
