"""Questions with sane defaults."""

from __future__ import annotations

from typing import Any

from domain.prompting import Message, ModelRequest, Speaker
from tests.model_server.server import MODEL

SCHEMA: dict[str, Any] = {
    "type": "object",
    "properties": {"answer": {"type": "string", "maxLength": 60}},
    "required": ["answer"],
}
SECRET = "the merger is secret"


def question(**changes: Any) -> ModelRequest:
    wanted: dict[str, Any] = {
        "model": MODEL,
        "messages": (
            Message(role=Speaker.SYSTEM, content='Answer with JSON: {"answer": "..."}.'),
            Message(role=Speaker.USER, content=f"Say one word of this: {SECRET}."),
        ),
        "json_schema": SCHEMA,
        "num_ctx": 2_048,
        "num_predict": 256,
        "seed": 7,
        "temperature": 0.0,
        "timeout_seconds": 30.0,
    }
    return ModelRequest(**{**wanted, **changes})
