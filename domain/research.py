"""Messages of research: evidence arrives, a symbol is assessed, the engine is told."""

from __future__ import annotations

from domain.agents import Assignment
from domain.decisions import Action
from domain.model import Model, Utc


class EvidenceNotice(Model):
    """A document said something about a symbol."""

    symbol: str
    doc_id: str
    available_at: Utc


class SymbolState(Model):
    """What `ResearchSymbol` carries from run to run.

    A driven symbol never looks by itself: somebody (a replay) asks it to assess at an instant of the past.
    """

    symbol: str
    driven: bool = False
    quiet_seconds: float = 20.0
    """How long no evidence must have arrived before the symbol is assessed."""
    maximum_wait_seconds: float = 120.0
    """How long evidence waits at most, however much keeps arriving."""
    pending: tuple[str, ...] = ()
    assessments: int = 0


class AssessRequest(Model):
    symbol: str
    as_of: Utc


class RecommendationNotice(Model):
    """A recommendation was made: the id to look it up by, and whether the action changed."""

    recommendation_id: str
    symbol: str
    as_of: Utc
    action: Action
    previous_action: Action
    score: float
    conviction: float

    @property
    def changed(self) -> bool:
        return self.action is not self.previous_action


class AssessAllRequest(Model):
    """Assess every symbol that has evidence in the window or is held."""

    as_of: Utc


class AssessAllReport(Model):
    as_of: Utc
    assessed: int
    changed: int


class ThesisRequest(Model):
    """Write a recommendation's thesis in plain words."""

    recommendation_id: str
    variant: Assignment
    shadow: bool = False
    """Written for comparison alone, and not kept."""


class ThesisOutcome(Model):
    """Whether there is a thesis in a model's words; the rules' own stands in any case."""

    recommendation_id: str
    thesis_id: str = ""
    problem: str = ""
