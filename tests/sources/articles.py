"""Polygon's news as pages that name the next one."""

from __future__ import annotations

import hashlib
import json
import uuid
from datetime import UTC, datetime, timedelta
from typing import Any

from tests.web.server import Reply, reply

BEGIN = datetime.now(UTC).replace(minute=0, second=0, microsecond=0) - timedelta(days=2)


class Articles:
    """Articles that no other test has: documents are known by their content."""

    def __init__(self) -> None:
        self.mark = uuid.uuid4().hex[:8]

    def article(self, number: int, **changes: Any) -> dict[str, Any]:
        at = BEGIN + timedelta(minutes=number)
        words = " ".join(hashlib.sha256(f"{self.mark}{number}{word}".encode()).hexdigest()[:6] for word in range(20))
        return {
            "id": f"{self.mark}-{number}",
            "title": f"Article {self.mark} {number} about Example Corp",
            "description": f"Words of no other article: {words}.",
            "published_utc": at.isoformat().replace("+00:00", "Z"),
            "publisher": {"name": "Example Wire"},
            "article_url": f"https://example.com/{number}",
            "tickers": ["AAPL"],
            "insights": [{"ticker": "AAPL", "sentiment": "mixed", "sentiment_reasoning": "Both sides."}],
            **changes,
        }

    def page(self, *numbers: int, next_url: str = "") -> Reply:
        return self.answer(*(self.article(number) for number in numbers), next_url=next_url)

    def answer(self, *articles: dict[str, Any], next_url: str = "") -> Reply:
        body: dict[str, Any] = {"status": "OK", "results": list(articles)}
        if next_url:
            body["next_url"] = next_url
        return reply(200, json.dumps(body).encode())

    def stories(self, *numbers: int) -> list[str]:
        return [f"polygon:{self.mark}-{number}" for number in numbers]
