"""The numbers of the macro and the competitive layer, and of the estimates that they read.

What all layers share (windows, kappa, credibility, voice caps, novelty) stays in `domain.config.SignalConfig`.
"""

from __future__ import annotations

from typing import Annotated, Any, Self

from pydantic import Field, field_validator, model_validator

from domain.extraction import EventType
from domain.macro import MacroTopic
from domain.settings import Positive, Settings, Unit
from domain.taxonomy import TAXONOMY, half_life_of

TOPIC_EVENTS: dict[MacroTopic, EventType] = {
    MacroTopic.POLICY_RATE: EventType.POLICY_RATE,
    MacroTopic.INFLATION: EventType.MACRO_RELEASE,
    MacroTopic.EMPLOYMENT: EventType.MACRO_RELEASE,
    MacroTopic.GROWTH: EventType.MACRO_RELEASE,
    MacroTopic.CURRENCY: EventType.MACRO_RELEASE,
    MacroTopic.OIL: EventType.COMMODITY_GEOPOLITICS,
    MacroTopic.TRADE: EventType.COMMODITY_GEOPOLITICS,
    MacroTopic.REGULATION: EventType.SECTOR_REGULATION,
    MacroTopic.GEOPOLITICS: EventType.COMMODITY_GEOPOLITICS,
    MacroTopic.SECTOR: EventType.KPI_SALES,
}
"""What kind of event a topic's statements are. Currencies are quoted all day, so that what is said of them ages like a
release; tariffs and sanctions last like a conflict, rules like rules; a sector's demand ages like sales figures.
"""

TOPIC_HALF_LIVES: dict[MacroTopic, float] = {topic: half_life_of(event) for topic, event in TOPIC_EVENTS.items()}
PEER_SIGNS: dict[EventType, float] = {event: float(traits.peer) for event, traits in TAXONOMY.items()}

Signed = Annotated[float, Field(ge=-1, le=1, allow_inf_nan=False)]
Count = Annotated[int, Field(ge=1, le=2_000)]


class MacroLayerConfig(Settings):
    """From statements on the economy to the states of its factors."""

    half_lives: Annotated[dict[MacroTopic, Positive], Field(description="trading days; partial tables are filled")] = (
        TOPIC_HALF_LIVES
    )
    surprise_scale: Annotated[Positive, Field(description="standard surprises that make tanh(1)")] = 2.0
    surprise_minimum: Annotated[Count, Field(description="past surprises without which their deviation is unknown")] = 8
    home: Annotated[str, Field(max_length=60, description="economy whose rates and rules count in full")] = (
        "United States"
    )
    abroad: Annotated[Unit, Field(description="relevance of rates and rules of another economy: a mention")] = 0.3

    @field_validator("half_lives", mode="before")
    @classmethod
    def _all_topics(cls, given: Any) -> Any:
        return _filled(given, TOPIC_HALF_LIVES)


class CompetitiveLayerConfig(Settings):
    """From what happens to competitors to a score."""

    peer_signs: Annotated[
        dict[EventType, Signed], Field(description="sign at competitors of what is good for a company")
    ] = PEER_SIGNS
    sign_weight: Annotated[Unit, Field(description="weight of the kind of event in b")] = 0.5
    comovement_weight: Annotated[Unit, Field(description="weight of the measured co-movement in b")] = 0.5
    comovement_prior: Annotated[Positive, Field(description="events at which half of a co-movement counts")] = 8.0
    lag_rise: Annotated[Positive, Field(description="trading days in which half of the reaction arrives")] = 1.0
    lag_fall: Annotated[Positive, Field(description="trading days after which what has arrived weighs half")] = 15.0
    window: Annotated[Positive, Field(description="age in trading days above which nothing is read")] = 30.0

    @field_validator("peer_signs", mode="before")
    @classmethod
    def _all_events(cls, given: Any) -> Any:
        return _filled(given, PEER_SIGNS)

    @model_validator(mode="after")
    def _at_most_one(self) -> Self:
        if self.sign_weight + self.comovement_weight > 1 + 1e-9:
            raise ValueError(
                f"sign_weight and comovement_weight sum to {self.sign_weight + self.comovement_weight}, "
                "allowed is at most 1"
            )
        return self


class ComovementConfig(Settings):
    """How abnormal returns around events are measured; lengths in sessions."""

    estimation_sessions: Annotated[Count, Field(description="sessions of the market model before an event")] = 120
    minimum_sessions: Annotated[Count, Field(ge=20, description="fewer give no abnormal return")] = 60
    gap_sessions: Annotated[int, Field(ge=0, le=60, description="sessions before an event that are left out")] = 5
    event_sessions: Annotated[Count, Field(description="sessions of an event, its first one included")] = 1
    limit: Annotated[Positive, Field(description="deviations at which an abnormal return is cut")] = 3.0
    window_sessions: Annotated[Count, Field(description="sessions before the instant whose events count")] = 756
    benchmark: Annotated[str, Field(max_length=20, description="symbol whose returns are the market's")] = "SPY"

    @model_validator(mode="after")
    def _ordered(self) -> Self:
        if self.minimum_sessions > self.estimation_sessions:
            raise ValueError(
                f"minimum_sessions {self.minimum_sessions} is above estimation_sessions {self.estimation_sessions}"
            )
        return self


class ExposureConfig(Settings):
    """How exposures are estimated from weekly returns."""

    penalty_weeks: Annotated[
        float, Field(gt=0, le=10_000, description="lambda: weeks of data that the sector prior weighs as")
    ] = 52.0
    minimum_weeks: Annotated[Count, Field(ge=10, description="shorter series are refused")] = 52
    window_weeks: Annotated[Count, Field(description="the newest weeks that are read")] = 156

    @model_validator(mode="after")
    def _ordered(self) -> Self:
        if self.minimum_weeks > self.window_weeks:
            raise ValueError(f"minimum_weeks {self.minimum_weeks} is above window_weeks {self.window_weeks}")
        return self


def _filled(given: Any, defaults: dict[Any, float]) -> Any:
    """Complete a partial table in the defaults' order, so that equal settings are equal byte for byte."""
    if not isinstance(given, dict):
        return given
    named = {str(key): value for key, value in given.items()}
    known = {str(key): named.pop(str(key), default) for key, default in defaults.items()}
    return {**known, **named}
