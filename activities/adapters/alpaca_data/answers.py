"""How Alpaca answers."""

from __future__ import annotations

from activities.adapters.json_answers import JsonAnswers

ANSWERS = JsonAnswers("alpaca", words=("message",))
