"""Run the benchmarks, print a table, write `build/bench.json`."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Callable, Iterable
from pathlib import Path

from tests.benchmarks.api import api_on_a_large_book
from tests.benchmarks.backfill import backfill
from tests.benchmarks.backtests import deciding, moving_averages, portfolio
from tests.benchmarks.documents import document_throughput
from tests.benchmarks.figure import Figure
from tests.benchmarks.lake import lake
from tests.benchmarks.metering import metering
from tests.benchmarks.models import model_throughput
from tests.benchmarks.reading import reading
from tests.benchmarks.startup import startup
from tests.benchmarks.stream import stream_to_many

BENCHMARKS: dict[str, Callable[[], Iterable[Figure]]] = {
    "startup": startup,
    "documents": document_throughput,
    "backfill": backfill,
    "models": model_throughput,
    "deciding": deciding,
    "portfolio": portfolio,
    "reading": reading,
    "sma": moving_averages,
    "api": api_on_a_large_book,
    "stream": stream_to_many,
    "metering": metering,
    "lake": lake,
}
RESULT = Path("build") / "bench.json"


def main() -> int:
    parser = argparse.ArgumentParser(prog="make bench", description=__doc__)
    parser.add_argument("--only", choices=sorted(BENCHMARKS), help="run one benchmark")
    chosen = parser.parse_args().only
    figures: list[Figure] = []
    for name, benchmark in BENCHMARKS.items():
        if chosen in (None, name):
            figures += benchmark()
    RESULT.parent.mkdir(exist_ok=True)
    RESULT.write_text(json.dumps([figure.as_json() for figure in figures], indent=1) + "\n", encoding="utf-8")
    width = max(len(figure.name) for figure in figures)
    for figure in figures:
        goal = "" if figure.goal is None else f"  goal {figure.goal}: {'met' if figure.met else 'MISSED'}"
        print(f"{figure.name:<{width}}  {figure.value:>10.3f} {figure.unit:<12}{goal}")
    print(f"written to {RESULT}")
    return 1 if any(figure.met is False for figure in figures) else 0


if __name__ == "__main__":
    sys.exit(main())
