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


class UniverseState(Model):
    """What `ResearchUniverse` carries from run to run. A driven one assesses only when asked."""

    driven: bool = False
    lead_seconds: float = 900.0
    """How long before the open everything is assessed, so that the engine's first look finds it done."""
    quiet_seconds: float = 60.0
    maximum_wait_seconds: float = 600.0
    """How long news of the economy waits for more of it, as for `SymbolState`: a pass is work on every company."""
    pending: tuple[str, ...] = ()
    passes: int = 0


class EconomyNotice(Model):
    """A document said something on the economy: every company with exposures is judged anew."""

    doc_id: str
    available_at: Utc


class AssessAllRequest(Model):
    """Assess every company of which anything is known, in one pass."""

    as_of: Utc


class AssessAllReport(Model):
    as_of: Utc
    assessed: int
    changed: int
    """Those whose action is another than before."""
    notices: tuple[RecommendationNotice, ...] = ()
    """Of those that changed, by symbol."""


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
