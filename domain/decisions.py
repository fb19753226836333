"""The shapes that decisions travel in: assessment, recommendation, sized intent, risk decision, decision record.

How they are computed stands in `signals`, `recommendation`, `sizing` and `risk`. Scores are float64 in the computation
and integer nano-units (1e-9) where persisted, so that attributions sum exactly.
"""

from __future__ import annotations

from datetime import date, datetime
from decimal import Decimal
from enum import StrEnum
from typing import Annotated, Self

from pydantic import Field

from domain.config import TradingConfig
from domain.documents import Credibility
from domain.extraction import EntityRole, EventType, ExtractorKind, Materiality
from domain.model import Model, Utc, assembled


class Layer(StrEnum):
    COMPANY = "company"
    MACRO = "macro"
    COMPETITIVE = "competitive"
    MARKET = "market"
    """Not a layer of evidence: what market confirmation added or took."""


class EvidenceItem(Model):
    """What one document says about one symbol: the unit that layer scores are made of."""

    evidence_id: str
    doc_id: str
    extraction_id: str
    symbol: str
    available_at: Utc
    published_at: Utc
    event_type: EventType
    role: EntityRole
    materiality: Materiality
    sentiment: Annotated[float, Field(ge=-1, le=1)]
    confidence: Annotated[float, Field(ge=0, le=1)]
    quote_validity: Annotated[float, Field(ge=0, le=1)]
    credibility: Credibility
    extractor: ExtractorKind
    content_hash: str
    publisher: str = ""
    site: str = ""
    """Who answers for it: the source, and the publisher where the source itself vouches for that. Empty: the publisher.
    """
    title: str = ""
    quote: str = ""
    shingles: tuple[int, ...] = ()
    """Sorted 63-bit hashes of the document's 5-word shingles, for novelty."""


class Attribution(Model):
    """One term of a score, in nano-units. The terms of a score sum to it exactly."""

    layer: Layer
    evidence_id: str = ""
    """Empty for the market term."""
    doc_id: str = ""
    nano: int
    weight: float = 0.0
    """The decayed weight w in the layer score, averaged over the windows as they count."""
    novelty: float = 1.0
    age_td: float = 0.0
    via: str = ""
    """The factor or the competitor; empty in the company layer."""

    @classmethod
    def made(
        cls,
        *,
        layer: Layer,
        nano: int,
        evidence_id: str = "",
        doc_id: str = "",
        weight: float = 0.0,
        novelty: float = 1.0,
        age_td: float = 0.0,
        via: str = "",
    ) -> Self:
        """As the constructor, for values that are of these types for sure; so are those of other models here."""
        return assembled(
            cls,
            {
                "layer": layer,
                "evidence_id": evidence_id,
                "doc_id": doc_id,
                "nano": nano,
                "weight": weight,
                "novelty": novelty,
                "age_td": age_td,
                "via": via,
            },
        )


class LayerTerm(Model):
    """One statement's part of the macro or the competitive layer's score of a symbol. The parts sum to it exactly."""

    layer: Layer
    evidence_id: str
    """Of the statement on the economy, or of the evidence on the competitor."""
    doc_id: str
    extraction_id: str
    content_hash: str
    available_at: Utc
    via: str
    """The factor that it moves, or the competitor that it is about."""
    transfer: Annotated[float, Field(ge=-1, le=1)]
    """The symbol's exposure to the factor, or how much of the competitor's fortune is its own."""
    value: float
    weight: float
    novelty: float
    age_td: float
    half_life: float

    @classmethod
    def made(
        cls,
        *,
        layer: Layer,
        evidence_id: str,
        doc_id: str,
        extraction_id: str,
        content_hash: str,
        available_at: datetime,
        via: str,
        transfer: float,
        value: float,
        weight: float,
        novelty: float,
        age_td: float,
        half_life: float,
    ) -> Self:
        """As the constructor, for values that are of these types for sure; so are those of other models here."""
        return assembled(
            cls,
            {
                "layer": layer,
                "evidence_id": evidence_id,
                "doc_id": doc_id,
                "extraction_id": extraction_id,
                "content_hash": content_hash,
                "available_at": available_at,
                "via": via,
                "transfer": transfer,
                "value": value,
                "weight": weight,
                "novelty": novelty,
                "age_td": age_td,
                "half_life": half_life,
            },
        )


class MarketWindow(Model):
    """The bars that a decision may see: closes and volumes up to the last finished session before `as_of`.

    Closes are split-adjusted as of that session; oldest first; equal lengths. The last close is the raw close.
    """

    symbol: str
    sessions: tuple[str, ...]
    closes: tuple[float, ...]
    volumes: tuple[float, ...]


class Assessment(Model):
    """Everything between evidence and score for one symbol at one instant."""

    symbol: str
    as_of: Utc
    company: float
    macro: float = 0.0
    competitive: float = 0.0
    composite: float
    confirmation: float
    """m in [-1, 1]; 0 where there are too few bars."""
    score: float
    """S* in [-1, 1]."""
    contradiction: float
    effective_documents: float
    conviction: float
    probability: float
    """Probability that the direction is right; .5 means no opinion."""
    horizon_td: float
    window_scores: tuple[float, float, float]
    """S over 1, 7 and 30 days."""
    trend: float
    daily_volatility: float
    """Standard deviation of daily log returns over 60 sessions; 0 where there are too few bars."""
    average_dollar_volume: float
    last_close: float
    score_nano: int
    attributions: tuple[Attribution, ...]
    evidence_count: int


class Action(StrEnum):
    BUY = "buy"
    HOLD = "hold"
    SELL = "sell"
    WATCH = "watch"
    NONE = "none"


class Gate(Model):
    """One condition of a decision: the value found, the limit, and whether it passed."""

    name: str
    value: str
    limit: str
    passed: bool
    detail: str = ""

    @classmethod
    def made(cls, *, name: str, value: str, limit: str, passed: bool, detail: str = "") -> Self:
        return assembled(cls, {"name": name, "value": value, "limit": limit, "passed": passed, "detail": detail})


class PositionView(Model):
    """What a decision needs to know about a holding."""

    quantity: Decimal = Decimal(0)
    average_price: Decimal = Decimal(0)
    sessions_held: int = 0
    sessions_since_exit: int | None = None
    """None: never held."""


class Recommendation(Model):
    """What should be done with a symbol, why, and what would make it wrong."""

    recommendation_id: str
    symbol: str
    as_of: Utc
    action: Action
    previous_action: Action
    assessment: Assessment
    edge_bp: float
    cost_bp: float
    gates: tuple[Gate, ...]
    reasons: tuple[str, ...]
    thesis: str
    invalidation: tuple[str, ...] = ()
    config_version: str
    record_hash: str
    """sha256 of the decision record's canonical bytes."""


class DecisionRecord(Model):
    """Everything a recommendation was computed from, so that it can be computed again byte for byte."""

    symbol: str
    as_of: Utc
    evidence: tuple[EvidenceItem, ...]
    market: MarketWindow
    position: PositionView
    previous_action: Action
    config: TradingConfig
    config_version: str
    code_version: str
    session_dates: tuple[date, ...] = ()
    """Sessions of the exchange that ages were counted on."""
    macro: float = 0.0
    competitive: float = 0.0
    terms: tuple[LayerTerm, ...] = ()
    """What the macro and the competitive score are made of."""


class Side(StrEnum):
    BUY = "buy"
    SELL = "sell"


class SizedIntent(Model):
    """An order we wish to place, before risk has spoken. `quantity` is positive."""

    intent_id: str
    recommendation_id: str
    symbol: str
    side: Side
    quantity: Decimal
    reference_price: Decimal
    """Price the size was computed at, in dollars a share."""
    notional: Decimal
    target_weight: float
    """Share of equity wanted after the order, in [0, 1]."""
    clamps: tuple[Gate, ...] = ()
    """Every bound that was looked at, `passed` False where it cut the size."""
    as_of: Utc
    reason: str = ""


class RiskOutcome(StrEnum):
    ALLOW = "allow"
    CLAMP = "clamp"
    DENY = "deny"


class RiskCheck(Model):
    """One check of a risk decision, as recorded. `code` is stable: `POSITION_LIMIT_EXCEEDED`."""

    code: str
    outcome: RiskOutcome
    value: str
    limit: str
    detail: str = ""

    @classmethod
    def made(cls, *, code: str, outcome: RiskOutcome, value: str, limit: str, detail: str = "") -> Self:
        return assembled(cls, {"code": code, "outcome": outcome, "value": value, "limit": limit, "detail": detail})


class RiskDecision(Model):
    decision_id: str
    intent_id: str
    outcome: RiskOutcome
    checks: tuple[RiskCheck, ...]
    allowed_quantity: Decimal
    needs_approval: bool = False
    """As the approval policy says, which looks at what risk allows."""
    approval_reason: str = ""
    as_of: Utc

    @property
    def denied(self) -> bool:
        return self.outcome is RiskOutcome.DENY


class TradingState(StrEnum):
    ACTIVE = "active"
    REDUCING = "reducing"
    """Paused: positions may be reduced, nothing may be opened."""
    HALTED = "halted"
    """Nothing may be sent; open orders are canceled."""


class Holding(Model):
    """A position as the book knows it."""

    symbol: str
    quantity: Decimal
    average_price: Decimal
    last_price: Decimal
    opened_session: str = ""

    @property
    def market_value(self) -> Decimal:
        return self.quantity * self.last_price


class Portfolio(Model):
    """The account at one instant. `open_buys` is the notional of buy orders not yet filled, by symbol."""

    as_of: Utc
    cash: Decimal
    equity: Decimal
    prior_close_equity: Decimal
    peak_equity: Decimal
    holdings: tuple[Holding, ...] = ()
    open_buys: dict[str, Decimal] = Field(default_factory=dict)
    open_sells: dict[str, Decimal] = Field(default_factory=dict)
    """Shares in open sell orders, by symbol."""
    reserve: Decimal = Decimal(0)
