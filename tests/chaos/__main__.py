"""Run a campaign, print what it came to, write `build/chaos.json`; ends with 1 at the first violated invariant."""

from __future__ import annotations

import argparse
import json
import secrets
import shutil
import sys
import tempfile
from pathlib import Path

from tests.chaos.campaign import table
from tests.chaos.street import run_street

RESULT = Path("build") / "chaos.json"


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.chaos", description=__doc__)
    parser.add_argument("--trials", type=int, default=100, help="how many")
    parser.add_argument("--minutes", type=float, help="begin no trial after so many minutes")
    parser.add_argument("--seed", type=int, help="the trials are a function of it; chosen by chance when not given")
    parser.add_argument("--only", type=int, metavar="NUMBER", help="play just the trial with this number")
    parser.add_argument("--houses", type=int, default=1, help="stacks beside each other, each with its share of them")
    parser.add_argument("--in-flight", type=float, metavar="SECONDS", help="a post is over then (product: 120)")
    parser.add_argument("--keep", action="store_true", help="leave the stack's directory, with its logs, behind")
    chosen = parser.parse_args()
    seed = secrets.randbelow(1_000_000) if chosen.seed is None else chosen.seed
    numbers = range(chosen.trials) if chosen.only is None else [chosen.only]
    directory = Path(tempfile.mkdtemp(prefix="chaos-"))
    result = run_street(
        directory,
        numbers,
        houses=max(1, min(chosen.houses, len(numbers))),
        seed=seed,
        minutes=chosen.minutes,
        in_flight=chosen.in_flight,
    )
    RESULT.parent.mkdir(exist_ok=True)
    RESULT.write_text(json.dumps(result.as_json(), indent=1) + "\n", encoding="utf-8")
    print("\n".join(table(result)))
    print(f"written to {RESULT}")
    if result.failure is not None:
        print("\n".join(result.failure.lines()), file=sys.stderr)
    if result.failure is not None or chosen.keep:
        print(f"logs: {directory}, of each house", file=sys.stderr)
    else:
        shutil.rmtree(directory, ignore_errors=True)
    return 0 if result.failure is None else 1


if __name__ == "__main__":
    sys.exit(main())
