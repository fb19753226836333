"""Read the packaged files as the domain's own types, so that a bad row fails where it stands."""

from __future__ import annotations

import csv
import json
from datetime import date, datetime
from pathlib import Path

from cli.demo_data import actions_path, bars_path, documents_path
from domain.documents import DatePrecision, SourceDocument
from domain.market import Bar, CorporateAction

REPOSITORY = Path(__file__).resolve().parents[2]
SEEDS = REPOSITORY / "store" / "seeds"
DEVELOPMENT_PRICES = REPOSITORY.parent / "shared" / "data" / "prices"

COMPANIES = frozenset(
    ["AAPL", "AMZN", "BA", "CAT", "GM", "GOOGL", "GS", "IBM", "INTC", "JPM", "MCD", "MSFT", "NFLX", "SBUX"]
)
MARKET = "SPY"
FORTNIGHT = tuple(date(2014, 7, day) for day in (14, 15, 16, 17, 18, 21, 22, 23, 24, 25))


def rows(path: Path) -> list[dict[str, str]]:
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def bars() -> list[Bar]:
    return [Bar.model_validate(row) for row in rows(bars_path())]


def actions() -> list[CorporateAction]:
    return [CorporateAction.model_validate(row) for row in rows(actions_path())]


def documents() -> list[SourceDocument]:
    path = documents_path()
    found = []
    for line, text in enumerate(path.read_text(encoding="utf-8").splitlines(), start=1):
        record = json.loads(text)
        record["published_at"] = datetime.fromisoformat(record["published_at"])
        found.append(
            SourceDocument(**record, precision=DatePrecision.INSTANT, location=f"{path.name}:{line}", line=line)
        )
    return found
