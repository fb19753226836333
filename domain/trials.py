"""Trying an agent on a text: what is asked, and what came of it. Nothing of it enters the book."""

from __future__ import annotations

from decimal import Decimal
from typing import Annotated, Any

from pydantic import Field

from domain.agents import AgentKind, AgentSettings
from domain.model import Model, Utc
from domain.prompting import ModelCall


class AgentTrialRequest(Model):
    """What to read, and with which settings. A thesis rewriter is given a recommendation instead of a text."""

    trial_id: str
    agent_id: str
    kind: AgentKind
    variant_id: str = ""
    settings: AgentSettings
    title: Annotated[str, Field(max_length=2_000)] = ""
    text: Annotated[str, Field(max_length=200_000)] = ""
    language: str = "en"
    symbols: tuple[str, ...] = ()
    """Symbols that the source would have attached; the text is searched for others."""
    published_at: Utc
    recommendation_id: str = ""


class AgentTrialReport(Model):
    """What the agent answered, and what the hard checks left of it."""

    agent_id: str
    variant_id: str
    engine_version: str
    answer: dict[str, Any] = Field(default_factory=dict)
    """After the checks: an extraction, a reading of the economy or a thesis. Empty where there was none."""
    dropped: tuple[str, ...] = ()
    """What the checks took out, and why."""
    problem: str = ""
    quotes_total: int = 0
    quotes_valid: int = 0
    calls: tuple[ModelCall, ...] = ()
    latency_ms: int = 0
    tokens_in: int = 0
    tokens_out: int = 0
    cost_dollars: Decimal = Decimal(0)
