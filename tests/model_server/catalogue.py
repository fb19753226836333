"""The models that the double holds, as it tells of them."""

from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from typing import Any

VERSION = "0.21.0"


def digest_of_model(name: str) -> str:
    """The digest that a model of this name has."""
    return sha256(name.encode()).hexdigest()


class Catalogue:
    """Names, digests and abilities; may be changed at any time, as by a pull on the server."""

    def __init__(self, models: Sequence[str], *, thinking: Sequence[str], levels_only: Sequence[str]) -> None:
        self.models = list(models)
        self.thinking = {*thinking, *levels_only}
        self.levels_only = set(levels_only)
        self.digests: dict[str, str] = {}
        """Digests other than the usual, by model: as after another pull."""
        self.loaded: dict[str, int] = {}
        """Models in memory, with their context in tokens."""

    def held(self, asked: str) -> str:
        """The name under which a model is held; upper and lower case are the same, and no tag means the latest."""
        wanted = {asked.casefold(), f"{asked}:latest".casefold()}
        return next((name for name in self.models if name.casefold() in wanted), "")

    def tags(self) -> dict[str, Any]:
        return {"models": [self._listed(name) for name in self.models]}

    def running(self) -> dict[str, Any]:
        until = (datetime.now(UTC) + timedelta(minutes=5)).isoformat()
        models = []
        for name, context in self.loaded.items():
            listed = self._listed(name)
            del listed["modified_at"]
            models.append({**listed, "expires_at": until, "size_vram": 0, "context_length": context})
        return {"models": models}

    def show(self, body: bytes) -> tuple[int, Any]:
        try:
            asked = json.loads(body)["model"]
        except (ValueError, KeyError):
            return 400, {"error": "model is required"}
        name = self.held(asked)
        if not name:
            return 404, {"error": f"model '{asked}' not found"}
        return 200, {
            "modelfile": "",
            "template": "{{ .Prompt }}",
            "details": self._details(name),
            "model_info": {"general.architecture": "stub", "stub.context_length": 32_768},
            "capabilities": ["completion", *(["thinking"] if name in self.thinking else [])],
            "modified_at": "2026-01-01T00:00:00Z",
        }

    def _details(self, name: str) -> dict[str, Any]:
        family = "gptoss" if name in self.levels_only else "stub"
        return {
            "parent_model": "",
            "format": "gguf",
            "family": family,
            "families": [family],
            "parameter_size": "1B",
            "quantization_level": "Q4_K_M",
        }

    def _listed(self, name: str) -> dict[str, Any]:
        return {
            "name": name,
            "model": name,
            "modified_at": "2026-01-01T00:00:00Z",
            "size": 1_000_000_000,
            "digest": self.digests.get(name, digest_of_model(name)),
            "details": self._details(name),
        }
