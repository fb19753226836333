"""How Polygon answers."""

from __future__ import annotations

from activities.adapters.json_answers import JsonAnswers

ANSWERS = JsonAnswers("polygon", words=("status", "error", "message"))
