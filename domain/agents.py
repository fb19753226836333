"""Agents: what reads a document or writes a thesis, its settings, its variants, and which variant a document meets.

An agent's settings are merged field by field: the built-in defaults, what the agent says, what the variant says.
Which variant reads a document is a pure function of the document and the experiment, so that a retry meets the same.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from decimal import Decimal
from enum import StrEnum
from typing import Annotated, Any

from pydantic import Field, ValidationError, model_validator

from domain.errors import InvalidInput
from domain.ids import digest
from domain.model import Model


class AgentKind(StrEnum):
    """What an agent is given and what it answers."""

    DOCUMENT_EXTRACTOR = "document-extractor"
    """Text and candidate companies in; events with quotes out."""
    EVENT_CLASSIFIER = "event-classifier"
    """Text on the economy or a sector in; factors with direction and surprise out."""
    THESIS_REWRITER = "thesis-rewriter"
    """Attributions, quotes and gates in (never an article); a thesis in plain words out."""


class Engine(StrEnum):
    """Who answers."""

    RULES = "rules"
    """Our own word lists and rules: no model, no network."""
    OLLAMA = "ollama"


class AgentSettings(Model):
    """How an agent answers, complete."""

    engine: Engine = Engine.RULES
    model: Annotated[str, Field(max_length=200)] = ""
    """A model's name on its server, such as `qwen3:8b`; empty for rules."""
    instructions: Annotated[str, Field(max_length=20_000)] = ""
    """What to look for, in place of the built-in words. The frame stays: schema, marks, and that text gives no orders.
    """
    temperature: Annotated[float, Field(ge=0, le=2, allow_inf_nan=False)] = 0.0
    seed: Annotated[int, Field(ge=0, le=2**31 - 1)] = 7
    num_ctx: Annotated[int, Field(ge=512, le=1_048_576)] = 8_192
    """Context in tokens, question and answer together; always sent, because the server's own default cuts silently."""
    num_predict: Annotated[int, Field(ge=64, le=65_536)] = 2_048
    """Longest answer in tokens."""
    maximum_characters: Annotated[int, Field(ge=200, le=400_000)] = 12_000
    """Longest stretch of a document that is shown, from its start."""
    timeout_seconds: Annotated[float, Field(gt=0, le=600, allow_inf_nan=False)] = 110.0
    """Longest wait for one answer, from the question to its last word."""
    dollars_per_million_tokens_in: Annotated[Decimal, Field(ge=0, le=10_000, decimal_places=6)] = Decimal(0)
    dollars_per_million_tokens_out: Annotated[Decimal, Field(ge=0, le=10_000, decimal_places=6)] = Decimal(0)

    @model_validator(mode="after")
    def _consistent(self) -> AgentSettings:
        if self.engine is Engine.OLLAMA and not self.model:
            raise ValueError("engine ollama needs a model: name one that its server holds, such as qwen3:8b")
        if self.num_predict >= self.num_ctx:
            raise ValueError(f"num_predict {self.num_predict} must be below num_ctx {self.num_ctx}: both share it")
        return self

    def cost(self, tokens_in: int, tokens_out: int) -> Decimal:
        """What a call costs, in dollars to the micro-dollar; 0 where no price is given."""
        total = tokens_in * self.dollars_per_million_tokens_in + tokens_out * self.dollars_per_million_tokens_out
        return (total / 1_000_000).quantize(Decimal("0.000001"))


class AgentBudget(Model):
    """What an agent may use between two midnights UTC, over all its variants and workers. None: no limit."""

    calls_per_day: Annotated[int, Field(ge=0)] | None = None
    tokens_per_day: Annotated[int, Field(ge=0)] | None = None
    """Tokens in and out together. A call reserves the most it may use, and gives back what it did not."""


def merged(*layers: Mapping[str, Any]) -> AgentSettings:
    """Merge settings field by field, later layers over earlier ones; a field that is absent or None gives way.

    Raises:
        InvalidInput: a field that settings do not have, or a value that they do not allow.
    """
    values: dict[str, Any] = {}
    for layer in layers:
        values.update({name: value for name, value in layer.items() if value is not None})
    return checked_settings(values)


def checked_settings(values: Mapping[str, Any]) -> AgentSettings:
    """Read settings, with an error that names the field and what is allowed."""
    try:
        return AgentSettings.model_validate(dict(values))
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        field = ".".join(str(part) for part in first["loc"]) or "settings"
        known = ", ".join(AgentSettings.model_fields)
        found = "" if field == "settings" else repr(first.get("input"))[:80]
        raise InvalidInput(
            "AGENT_SETTING_INVALID", f"{first['msg']}. Known fields: {known}", field=field, found=found
        ) from None


# -- which variant ---------------------------------------------------------------------------------------------------


class Variant(Model):
    """An immutable configuration of an agent, and the part of the documents that it is given.

    `share` in [0, 1] of the documents are read by it; a shadow reads what others read, and its answers are kept apart.
    """

    variant_id: str
    name: str = ""
    settings: AgentSettings
    share: Annotated[float, Field(ge=0, le=1)] = 0.0
    shadow: bool = False


class ResolvedAgent(Model):
    """An agent as it is at the moment: its own settings (the baseline) and the variants that are active."""

    agent_id: str
    kind: AgentKind
    settings: AgentSettings
    variants: tuple[Variant, ...] = ()
    budget: AgentBudget = AgentBudget()
    origin: str = "registry"
    """`registry`; `defaults` where the database could not be asked and never was."""

    @property
    def experiment(self) -> str:
        """Names who reads which part of the documents: any change of shares is another experiment."""
        return digest("experiment", self.agent_id, *((v.variant_id, v.share) for v in self._reading()), length=16)

    def _reading(self) -> list[Variant]:
        reading = (each for each in self.variants if each.share > 0 and not each.shadow)
        return sorted(reading, key=lambda each: each.variant_id)

    def settings_of(self, variant_id: str) -> AgentSettings:
        """Settings of a variant, or the agent's own for the empty id.

        Raises:
            InvalidInput: no such variant is active.
        """
        if not variant_id:
            return self.settings
        for each in self.variants:
            if each.variant_id == variant_id:
                return each.settings
        raise InvalidInput(
            "VARIANT_NOT_ACTIVE",
            "`stonks agents variants` shows those that are",
            agent=self.agent_id,
            variant=variant_id,
        )


BASELINE = ""
"""The variant id of an agent's own settings."""


class Assignment(Model):
    """Who reads a document."""

    agent_id: str
    experiment: str = ""
    """Empty where the agent's own settings read everything."""
    variant_id: str = BASELINE
    engine: Engine = Engine.RULES
    shadows: tuple[str, ...] = ()
    """Variants that read it besides, whose answers count for nothing but comparison."""


def assign(subject: str, agent: ResolvedAgent) -> Assignment:
    """Choose the variant for a document or another subject: a pure function of the subject and the experiment."""
    reading = agent._reading()
    experiment = agent.experiment if reading else ""
    point = position(subject, experiment)
    variant_id, edge = BASELINE, 0.0
    for each in reading:
        edge += each.share
        if point < edge:
            variant_id = each.variant_id
            break
    shadows = tuple(sorted(v.variant_id for v in agent.variants if v.shadow and v.variant_id != variant_id))
    return Assignment(
        agent_id=agent.agent_id,
        experiment=experiment,
        variant_id=variant_id,
        engine=agent.settings_of(variant_id).engine,
        shadows=shadows,
    )


RULES_READER, BASELINE_READER = "rules", "baseline"
"""Readers that a person may name besides a variant."""


def by_rules(agent_id: str) -> Assignment:
    """The rules read, whatever the agent says, and nobody besides. They count for no variant."""
    return Assignment(agent_id=agent_id, variant_id=RULES_READER)


def position(subject: str, experiment: str) -> float:
    """Where a subject stands in [0, 1) in an experiment: evenly spread, and independent between experiments."""
    hashed = hashlib.sha256(f"{experiment}\n{subject}".encode()).digest()
    return int.from_bytes(hashed[:7], "big") / 2**56


def check_shares(shares: Sequence[float]) -> None:
    """Refuse shares that are more than everything.

    Raises:
        InvalidInput: they sum to more than 1.
    """
    total = sum(shares)
    if total > 1 + 1e-9:
        raise InvalidInput(
            "TRAFFIC_SHARES_TOO_LARGE",
            "Deactivate a variant or give this one a smaller share",
            field="traffic_share",
            found=round(total, 6),
            allowed="a sum of at most 1 over the agent's active variants",
        )
