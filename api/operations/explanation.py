"""Explain a recommendation to the billionth: evidence -> layers -> market -> score -> gates -> size -> risk -> order.

Everything is read from what was stored: the recommendation, and the decision record that it was computed from. The
record is computed again on the way, so that an explanation says itself whether it still follows from its inputs.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache

from pydantic import BaseModel, Field

from api.numbers import Money, Shares, from_nano
from api.operations.links import TemporalLinks
from domain.decisions import (
    Attribution,
    DecisionRecord,
    Gate,
    Layer,
    Recommendation,
    RiskCheck,
)
from domain.errors import StonksError
from domain.recommendation import replay
from domain.record_text import stored_hash
from domain.signals import layer_weights
from store import explanations as store
from store.database import Database, Run
from store.objects import ObjectStore
from workflows import names

RECORDS_KEPT = 128
"""Records whose recommendation stays computed: a page that is looked at again asks for the same one."""


class EvidenceShare(BaseModel):
    """What one statement of one document added to the score."""

    evidence_id: str
    doc_id: str
    title: str
    publisher: str
    url: str
    published_at: datetime
    available_at: datetime
    event_type: str
    role: str
    sentiment: float
    quote: str
    nano: int
    share: str
    """`nano` as decimal text. All shares and the market's sum to the score exactly."""
    weight: float
    novelty: float
    age_td: float
    """Age in trading days."""
    extractor: str
    extractor_version: str
    via: str = Field(default="", description="the factor that it moves, or the competitor that it is about")
    transfer: float = Field(
        default=1.0, description="the company's exposure to the factor, or how far it shares the competitor's fortune"
    )


class LayerShare(BaseModel):
    layer: Layer
    score: float
    """The layer's own score in [-1, 1]."""
    weight: float
    """What the layer counts in the composite."""
    nano: int
    share: str
    evidence: list[EvidenceShare]


class MarketShare(BaseModel):
    """What prices and volume added to the news, or took from it."""

    confirmation: float
    trend: float
    daily_volatility: float
    last_close: float
    nano: int
    share: str


class Score(BaseModel):
    nano: int
    value: str
    window_scores: tuple[float, float, float]
    contradiction: float
    effective_documents: float
    conviction: float
    probability: float
    horizon_td: float
    edge_bp: float
    cost_bp: float


class RiskView(BaseModel):
    decision_id: str
    outcome: str
    allowed_quantity: Shares
    checks: list[RiskCheck]
    needs_approval: bool
    approval_reason: str


class ApprovalStep(BaseModel):
    approval_id: str
    status: str
    reason: str
    requested_at: datetime
    expires_at: datetime
    decided_at: datetime | None
    decided_by: str
    decision_reason: str


class FillStep(BaseModel):
    fill_id: str
    quantity: Shares
    price: Money
    fee: Money
    filled_at: datetime


class OrderStep(BaseModel):
    order_id: str
    client_order_id: str
    status: str
    quantity: Shares
    filled_quantity: Shares
    filled_average_price: Money | None
    reason: str
    submitted_at: datetime | None
    closed_at: datetime | None
    fills: list[FillStep]


class IntentStep(BaseModel):
    """The sized wish that followed, and what became of it."""

    intent_id: str
    side: str
    quantity: Shares
    reference_price: Money
    notional: Money
    target_weight: float
    reason: str
    state: str
    clamps: list[Gate]
    """Every bound that was looked at; `passed` false where it cut the size."""
    risk: RiskView | None
    approval: ApprovalStep | None
    order: OrderStep | None
    temporal_url: str


class Citation(BaseModel):
    """A sentence, and the evidence that it is from."""

    text: str
    evidence: list[str] = []


class PlainThesis(BaseModel):
    """The thesis in a model's words: every number in it was found in what it was written from."""

    sentences: list[Citation]
    invalidation: list[Citation]
    written_by: str
    recorded_at: datetime


class Versions(BaseModel):
    config: str
    code: str
    extractors: list[str]


class Explanation(BaseModel):
    recommendation_id: str
    symbol: str
    as_of: datetime
    action: str
    previous_action: str
    thesis: str
    plain_thesis: PlainThesis | None = Field(description="null where no model wrote one: the rules' thesis stands")
    reasons: list[str]
    invalidation: list[str]
    layers: list[LayerShare]
    market: MarketShare
    score: Score
    gates: list[Gate]
    intents: list[IntentStep]
    versions: Versions
    record_hash: str
    record_key: str
    reproduced: bool = Field(description="computing the stored record again gave this same recommendation")
    temporal_url: str


async def explain(database: Database, objects: ObjectStore, links: TemporalLinks, wanted: str) -> Explanation:
    """Explain a recommendation by its id, or the newest one of a symbol.

    Raises:
        NotFound: neither an id nor a symbol with a recommendation.
    """
    kept = await store.concluded(database.run, wanted)
    recommendation = Recommendation.model_validate(kept["body"])
    again = _again(await objects.get(kept["record_key"]))
    async with database.runner() as run:
        told = await _told(run, again.record)
        followed = await store.followed(run, recommendation.recommendation_id)
    return Explanation(
        recommendation_id=recommendation.recommendation_id,
        symbol=recommendation.symbol,
        as_of=recommendation.as_of,
        action=recommendation.action.value,
        previous_action=recommendation.previous_action.value,
        thesis=recommendation.thesis,
        plain_thesis=_plain(kept) if kept["engine_version"] is not None else None,
        reasons=list(recommendation.reasons),
        invalidation=list(recommendation.invalidation),
        layers=_layers(recommendation, again.record, told),
        market=_market(recommendation),
        score=_score(recommendation),
        gates=list(recommendation.gates),
        intents=[_intent(each, links) for each in followed],
        versions=Versions(
            config=recommendation.config_version,
            code=again.record.code_version,
            extractors=sorted({one.extractor_version for one in told.values() if one.extractor_version}),
        ),
        record_hash=recommendation.record_hash,
        record_key=kept["record_key"],
        reproduced=_reproduced(recommendation, again),
        temporal_url=links.workflow(kept["decided_by"] or names.symbol_id(recommendation.symbol)),
    )


def _plain(written: store.Row) -> PlainThesis:
    return PlainThesis(
        sentences=[Citation.model_validate(each) for each in written["sentences"]],
        invalidation=[Citation.model_validate(each) for each in written["invalidation"]],
        written_by=written["engine_version"],
        recorded_at=written["recorded_at"],
    )


@dataclass(frozen=True)
class _Told:
    """What a statement says, and who says it: what the terms of a score do not carry themselves."""

    title: str
    publisher: str
    url: str
    published_at: datetime
    available_at: datetime
    event_type: str
    role: str
    sentiment: float
    quote: str
    extractor: str
    extractor_version: str


async def _told(run: Run, record: DecisionRecord) -> dict[str, _Told]:
    """By evidence id: from the record what it carries, from the book what its other layers' terms name."""
    named = {(item.doc_id, item.extraction_id) for item in record.evidence}
    named |= {(term.doc_id, term.extraction_id) for term in record.terms}
    known = await store.named(
        run,
        documents={doc_id for doc_id, _ in named},
        extractions={extraction_id for _, extraction_id in named},
        on_economy={term.evidence_id for term in record.terms if term.layer is Layer.MACRO},
        on_rivals={term.evidence_id for term in record.terms if term.layer is Layer.COMPETITIVE},
    )
    documents, extractions = known.documents, known.extractions
    found = {}
    for item in record.evidence:
        document, extraction = documents.get(item.doc_id), extractions.get(item.extraction_id)
        found[item.evidence_id] = _Told(
            title=item.title,
            publisher=item.publisher,
            url=document["url"] if document else "",
            published_at=item.published_at,
            available_at=item.available_at,
            event_type=item.event_type.value,
            role=item.role.value,
            sentiment=item.sentiment,
            quote=item.quote,
            extractor=item.extractor.value,
            extractor_version=extraction["extractor_version"] if extraction else "",
        )
    for term in record.terms:
        document, extraction = documents.get(term.doc_id), extractions.get(term.extraction_id)
        said = known.statements.get(term.evidence_id, _NOTHING_SAID)
        found[term.evidence_id] = _Told(
            title=document["title"] if document else "",
            publisher=document["publisher"] if document else "",
            url=document["url"] if document else "",
            published_at=document["published_at"] if document else term.available_at,
            available_at=term.available_at,
            event_type=said["event_type"],
            role=said["role"],
            sentiment=said["sentiment"],
            quote=said["quote"],
            extractor=extraction["extractor"] if extraction else "",
            extractor_version=extraction["extractor_version"] if extraction else "",
        )
    return found


_NOTHING_SAID = {"event_type": "", "role": "", "sentiment": 0.0, "quote": ""}


def _layers(recommendation: Recommendation, record: DecisionRecord, told: Mapping[str, _Told]) -> list[LayerShare]:
    assessment = recommendation.assessment
    scores = (assessment.company, assessment.macro, assessment.competitive)
    weights = layer_weights(record.config.signals)
    transfers = {(term.evidence_id, term.via): term.transfer for term in record.terms}
    layers = []
    for layer, score, weight in zip((Layer.COMPANY, Layer.MACRO, Layer.COMPETITIVE), scores, weights, strict=True):
        terms = [term for term in assessment.attributions if term.layer is layer]
        nano = sum(term.nano for term in terms)
        shares = [
            _evidence(term, told[term.evidence_id], transfers.get((term.evidence_id, term.via), 1.0))
            for term in terms
            if term.evidence_id
        ]
        shares.sort(key=lambda share: (-abs(share.nano), share.evidence_id))
        layers.append(
            LayerShare(layer=layer, score=score, weight=weight, nano=nano, share=from_nano(nano), evidence=shares)
        )
    return layers


def _evidence(term: Attribution, told: _Told, transfer: float) -> EvidenceShare:
    return EvidenceShare(
        evidence_id=term.evidence_id,
        doc_id=term.doc_id,
        title=told.title,
        publisher=told.publisher,
        url=told.url,
        published_at=told.published_at,
        available_at=told.available_at,
        event_type=told.event_type,
        role=told.role,
        sentiment=told.sentiment,
        quote=told.quote,
        nano=term.nano,
        share=from_nano(term.nano),
        weight=term.weight,
        novelty=term.novelty,
        age_td=term.age_td,
        extractor=told.extractor,
        extractor_version=told.extractor_version,
        via=term.via,
        transfer=transfer,
    )


def _market(recommendation: Recommendation) -> MarketShare:
    assessment = recommendation.assessment
    nano = sum(term.nano for term in assessment.attributions if term.layer is Layer.MARKET)
    return MarketShare(
        confirmation=assessment.confirmation,
        trend=assessment.trend,
        daily_volatility=assessment.daily_volatility,
        last_close=assessment.last_close,
        nano=nano,
        share=from_nano(nano),
    )


def _score(recommendation: Recommendation) -> Score:
    assessment = recommendation.assessment
    return Score(
        nano=assessment.score_nano,
        value=from_nano(assessment.score_nano),
        window_scores=assessment.window_scores,
        contradiction=assessment.contradiction,
        effective_documents=assessment.effective_documents,
        conviction=assessment.conviction,
        probability=assessment.probability,
        horizon_td=assessment.horizon_td,
        edge_bp=recommendation.edge_bp,
        cost_bp=recommendation.cost_bp,
    )


@dataclass(frozen=True)
class _Again:
    """A stored record, and what this code computes from it."""

    record: DecisionRecord
    identity: str
    recommendation: Recommendation | None
    """None: it cannot compute the record any more."""


@lru_cache(maxsize=RECORDS_KEPT)
def _again(body: bytes) -> _Again:
    """Compute a record again from its very bytes, which are read from the store at every request."""
    record = DecisionRecord.model_validate_json(body)
    try:
        identity = stored_hash(body)
        return _Again(record, identity, replay(record, identity=identity))
    except (StonksError, ValueError):
        return _Again(record, "", None)


def _reproduced(recommendation: Recommendation, again: _Again) -> bool:
    """Whether record and recommendation still belong together, under the code that runs now."""
    return again.identity == recommendation.record_hash and again.recommendation == recommendation


def _intent(found: store.Followed, links: TemporalLinks) -> IntentStep:
    intent = found.intent
    return IntentStep(
        **intent,
        risk=RiskView.model_validate(found.risk) if found.risk else None,
        approval=ApprovalStep.model_validate(found.asked) if found.asked else None,
        order=OrderStep.model_validate({**found.order, "fills": found.fills}) if found.order else None,
        temporal_url=links.workflow(names.order_id(intent["intent_id"])),
    )
