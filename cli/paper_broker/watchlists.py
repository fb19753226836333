"""The account's watchlists: named, ordered lists of assets."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from cli.paper_broker import answers
from cli.paper_broker.book import derived_id
from cli.paper_broker.ledger import Ledger, stamp
from cli.paper_broker.refusals import invalid, missing, unprocessable

_MAX_NAME = 64


@dataclass(frozen=True)
class Watchlists:
    """Reads and changes watchlists inside one transaction. `key` names the list: by `id` or by `name`."""

    ledger: Ledger
    now: datetime

    def every(self) -> list[dict[str, Any]]:
        """All lists, without their assets."""
        return [self._head(row) for row in self.ledger.execute("SELECT * FROM watchlists ORDER BY sequence")]

    def get(self, key: str, value: str) -> dict[str, Any]:
        return self._shown(self._require(key, value))

    def create(self, body: Any) -> dict[str, Any]:
        fields = _read(body)
        name = _name(fields)
        if name is None:
            raise invalid("name is required")
        self._require_free(name)
        (row,) = self.ledger.execute("SELECT coalesce(max(sequence), 0) + 1 AS following FROM watchlists")
        watchlist_id = derived_id("watchlist", self.ledger.account().id, row["following"])
        at = stamp(self.now)
        self.ledger.execute(
            "INSERT INTO watchlists (id, name, symbols, created_at, updated_at) VALUES (?, ?, ?, ?, ?)",
            (watchlist_id, name, json.dumps(self._symbols(fields.get("symbols") or [])), at, at),
        )
        return self.get("id", watchlist_id)

    def update(self, key: str, value: str, body: Any) -> dict[str, Any]:
        """Rename a list, or give it other assets; what the body leaves out stays."""
        row, fields = self._require(key, value), _read(body)
        name = _name(fields) or row["name"]
        if name != row["name"]:
            self._require_free(name)
        symbols = json.loads(row["symbols"])
        if fields.get("symbols") is not None:
            symbols = self._symbols(fields["symbols"])
        return self._save(row["id"], name, symbols)

    def add(self, key: str, value: str, body: Any) -> dict[str, Any]:
        row, fields = self._require(key, value), _read(body)
        (symbol,) = self._symbols([fields.get("symbol")])
        symbols = json.loads(row["symbols"])
        if symbol in symbols:
            raise unprocessable("duplicate symbol")
        return self._save(row["id"], row["name"], [*symbols, symbol])

    def remove(self, key: str, value: str, symbol: str) -> dict[str, Any]:
        row = self._require(key, value)
        symbols = json.loads(row["symbols"])
        if symbol not in symbols:
            raise missing("asset not found in the watchlist")
        return self._save(row["id"], row["name"], [other for other in symbols if other != symbol])

    def delete(self, key: str, value: str) -> None:
        self.ledger.execute("DELETE FROM watchlists WHERE id = ?", (self._require(key, value)["id"],))

    def _require(self, key: str, value: str) -> Any:
        column = {"id": "id", "name": "name"}[key]
        rows = self.ledger.execute(f"SELECT * FROM watchlists WHERE {column} = ?", (value,))  # noqa: S608
        if not rows:
            raise missing("watchlist not found")
        return rows[0]

    def _require_free(self, name: str) -> None:
        if self.ledger.execute("SELECT 1 FROM watchlists WHERE name = ?", (name,)):
            raise unprocessable("watchlist name must be unique")

    def _symbols(self, symbols: Any) -> list[str]:
        if not isinstance(symbols, list):
            raise invalid("symbols must be a list")
        found = []
        for symbol in symbols:
            asset = self.ledger.asset(symbol.upper()) if isinstance(symbol, str) else None
            if asset is None:
                raise unprocessable(f'asset "{symbol}" not found')
            found.append(asset.symbol)
        return list(dict.fromkeys(found))

    def _save(self, watchlist_id: str, name: str, symbols: list[str]) -> dict[str, Any]:
        self.ledger.execute(
            "UPDATE watchlists SET name = ?, symbols = ?, updated_at = ? WHERE id = ?",
            (name, json.dumps(symbols), stamp(self.now), watchlist_id),
        )
        return self.get("id", watchlist_id)

    def _head(self, row: Any) -> dict[str, Any]:
        return {
            "id": row["id"],
            "account_id": self.ledger.account().id,
            "created_at": row["created_at"],
            "updated_at": row["updated_at"],
            "name": row["name"],
        }

    def _shown(self, row: Any) -> dict[str, Any]:
        assets = [self.ledger.asset(symbol) for symbol in json.loads(row["symbols"])]
        return self._head(row) | {"assets": [answers.asset(asset) for asset in assets if asset is not None]}


def _read(body: Any) -> Mapping[str, Any]:
    if not isinstance(body, Mapping):
        raise invalid("request body format is invalid")
    return body


def _name(fields: Mapping[str, Any]) -> str | None:
    name = fields.get("name")
    if name is None or name == "":
        return None
    if not isinstance(name, str) or len(name) > _MAX_NAME:
        raise invalid(f"name must be a string of no more than {_MAX_NAME} characters")
    return name
