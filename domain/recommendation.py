"""From an assessment to an action with its reasons, and the record it can be computed from again.

`recommend` writes the record first and decides from the record alone, so that `replay` is the same computation.
Long only: a position is opened, held or sold, never shorted. Formulas: quantitative specification, section 2.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import NamedTuple, Self

from domain.config import TradingConfig
from domain.decisions import (
    Action,
    Assessment,
    DecisionRecord,
    EvidenceItem,
    Gate,
    LayerTerm,
    MarketWindow,
    PositionView,
    Recommendation,
)
from domain.errors import InvalidInput
from domain.ids import digest
from domain.market_stats import bars_used
from domain.portfolio import as_decimal
from domain.record_text import canonical, record_hash
from domain.signals import assess, eligible_evidence, eligible_sessions
from domain.sizing import weight_without_edge
from domain.thesis import invalidation_of, number, thesis_of
from domain.weak_memo import WeakMemo

BASIS_POINTS = 1e4


def recommend(
    assessment: Assessment,
    *,
    previous: Action,
    position: PositionView,
    config: TradingConfig,
    evidence: Sequence[EvidenceItem],
    market: MarketWindow | None,
    code_version: str,
    session_dates: Sequence[date],
    terms: Sequence[LayerTerm] = (),
) -> tuple[Recommendation, DecisionRecord]:
    """Decide what to do with a symbol, and record everything the decision was computed from.

    `evidence`, `market`, `session_dates`, `config` and `terms` are those the assessment was made from; it is made
    again from the record and must come out the same.

    Raises:
        InvalidInput: the assessment does not follow from these inputs.
    """
    shared = SharedByRecords.of(
        config, eligible_sessions(session_dates, as_of=assessment.as_of, config=config.signals), code_version
    )
    record = shared.record(
        symbol=assessment.symbol,
        as_of=assessment.as_of,
        evidence=eligible_evidence(evidence, as_of=assessment.as_of, config=config.signals),
        market=None if market is None else bars_used(market, config.signals.confirmation),
        position=position,
        previous=previous,
        macro=assessment.macro,
        competitive=assessment.competitive,
        terms=terms,
    )
    again = _assess(record)
    if again != assessment:
        raise InvalidInput(
            "ASSESSMENT_NOT_REPRODUCIBLE",
            "Pass the evidence, market, session dates and configuration that the assessment was made from.",
            symbol=assessment.symbol,
            as_of=assessment.as_of.isoformat(),
            differs=_first_difference(again, assessment),
        )
    return decide(record, again, shared.hash_of(record)), record


@dataclass(frozen=True)
class SharedByRecords:
    """What all records of a pass have in common, and its part of their canonical bytes."""

    config: TradingConfig
    session_dates: tuple[date, ...]
    code_version: str
    config_version: str
    text: Mapping[str, str]

    @classmethod
    def of(cls, config: TradingConfig, session_dates: tuple[date, ...], code_version: str) -> Self:
        """Take what is shared; the session dates are those that can matter at the instant."""
        version, config_text = _config_text(config)
        text = {"config": config_text, "session_dates": canonical([day.isoformat() for day in session_dates])}
        return cls(config, session_dates, code_version, version, text)

    def record(
        self,
        *,
        symbol: str,
        as_of: datetime,
        evidence: Sequence[EvidenceItem],
        market: MarketWindow | None,
        position: PositionView,
        previous: Action,
        macro: float,
        competitive: float,
        terms: Sequence[LayerTerm],
    ) -> DecisionRecord:
        """Record one decision's inputs, which are cut to what can be read at the instant (`domain.signals.cut`)."""
        return DecisionRecord(
            symbol=symbol,
            as_of=as_of,
            evidence=tuple(evidence),
            market=market or MarketWindow(symbol=symbol, sessions=(), closes=(), volumes=()),
            position=position,
            previous_action=previous,
            config=self.config,
            config_version=self.config_version,
            code_version=self.code_version,
            session_dates=self.session_dates,
            macro=macro,
            competitive=competitive,
            terms=tuple(terms),
        )

    def hash_of(self, record: DecisionRecord) -> str:
        """Hash a record that was made here: what `record_hash` gives."""
        return record_hash(record, self.text)


def replay(record: DecisionRecord, *, identity: str = "") -> Recommendation:
    """Compute the recommendation again from its record alone: byte-equal to the first time.

    Args:
        identity: hash of the record as it was stored (`stored_hash`), where that may be by an earlier version, which
            knew fewer settings; empty: the record is of this version.
    """
    return decide(record, _assess(record), identity or record_hash(record))


def reconfigured(record: DecisionRecord, config: TradingConfig) -> DecisionRecord:
    """Ask the same frozen inputs under another configuration: replay the result to see what would have changed."""
    return record.model_copy(update={"config": config, "config_version": config.version()})


def recommendation_id(symbol: str, as_of: datetime, hash_of_record: str) -> str:
    """Identify a recommendation by what it was computed from."""
    return digest("recommendation", symbol, as_of, hash_of_record)


def edge_bp(assessment: Assessment, config: TradingConfig) -> float:
    """Estimate the expected return over the horizon: 1e4 IC sd sqrt(H) clip(S*/.2, -2, 2) basis points."""
    rules = config.recommendation
    standard = assessment.score / rules.edge_score_scale
    standard = min(rules.edge_score_limit, max(-rules.edge_score_limit, standard))
    spread = assessment.daily_volatility * math.sqrt(assessment.horizon_td)
    return BASIS_POINTS * rules.information_coefficient * spread * standard + 0.0


def cost_bp(assessment: Assessment, config: TradingConfig) -> float:
    """Estimate entering and leaving: 2 (half spread + fee + 1e4 Y sd sqrt(Q/ADV)) basis points.

    Q is the position that sizing would want on its own in an account of the configured opening cash, so that the cost
    does not depend on the present account. Where the dollar volume is unknown, Q counts as a whole day's volume.
    """
    rules = config.recommendation
    wanted = weight_without_edge(assessment, config.sizing) * float(config.engine.opening_cash)
    volume = assessment.average_dollar_volume
    participation = wanted / volume if volume > 0.0 else 1.0
    impact = BASIS_POINTS * rules.impact * assessment.daily_volatility * math.sqrt(participation)
    return 2.0 * (rules.half_spread_bp + rules.fee_bp + impact)


_config_text: WeakMemo[TradingConfig, tuple[str, str]] = WeakMemo(
    lambda config: (config.version(), canonical(config.model_dump(mode="json")))
)
"""A configuration's version and text: it is the same in all passes."""


# Deciding: from here on everything is a function of the record.


def _assess(record: DecisionRecord) -> Assessment:
    return assess(
        record.evidence,
        as_of=record.as_of,
        session_dates=record.session_dates,
        market=record.market,
        config=record.config,
        symbol=record.symbol,
        macro=record.macro,
        competitive=record.competitive,
        terms=record.terms,
    )


def _first_difference(left: Assessment, right: Assessment) -> str:
    names = (name for name in Assessment.model_fields if getattr(left, name) != getattr(right, name))
    return next(names, "nothing")


class _Judged(NamedTuple):
    """A gate with the code that is given as a reason when it does not pass."""

    code: str
    gate: Gate

    @property
    def passed(self) -> bool:
        return self.gate.passed

    @property
    def reason(self) -> str:
        detail = f", {self.gate.detail}" if self.gate.detail else ""
        return f"{self.code}: value={self.gate.value}, limit={self.gate.limit}{detail}"


def decide(record: DecisionRecord, assessment: Assessment, identity: str) -> Recommendation:
    """Decide what to do from a record and the assessment that follows from it. `identity` is the record's hash."""
    config = record.config
    edge, cost = edge_bp(assessment, config), cost_bp(assessment, config)
    entry = _entry_gates(assessment, record.position, edge, cost, config)
    stay, settled = _exit_gates(assessment, record.position, config)
    action, reasons = _action(assessment, record.position, entry, stay, settled, config)
    return Recommendation(
        recommendation_id=recommendation_id(record.symbol, record.as_of, identity),
        symbol=record.symbol,
        as_of=record.as_of,
        action=action,
        previous_action=record.previous_action,
        assessment=assessment,
        edge_bp=edge,
        cost_bp=cost,
        gates=tuple(judged.gate for judged in (*entry, stay, settled)),
        reasons=reasons,
        thesis=thesis_of(
            action,
            assessment,
            record.evidence,
            previous=record.previous_action,
            edge=edge,
            cost=cost,
            cited=config.recommendation.cited_documents,
        ),
        invalidation=invalidation_of(action, assessment, record.evidence, config.recommendation),
        config_version=record.config_version,
        record_hash=identity,
    )


def _entry_gates(
    assessment: Assessment, position: PositionView, edge: float, cost: float, config: TradingConfig
) -> tuple[_Judged, ...]:
    """List what a purchase needs, in a fixed order."""
    rules, limits = config.recommendation, config.limits
    needed = rules.edge_over_cost * cost
    away = position.sessions_since_exit
    cooled = away is None or position.quantity > 0 or away >= rules.cool_down_sessions
    price, volume = as_decimal(assessment.last_close), as_decimal(assessment.average_dollar_volume)
    return (
        _at_least("score", "SCORE_TOO_LOW", assessment.score, rules.buy_score),
        _at_least("conviction", "CONVICTION_TOO_LOW", assessment.conviction, limits.min_conviction),
        _Judged(
            "CONTRADICTORY_EVIDENCE",
            Gate.made(
                name="contradiction",
                value=number(assessment.contradiction),
                limit=f"<= {number(rules.maximum_contradiction)}",
                passed=assessment.contradiction <= rules.maximum_contradiction,
            ),
        ),
        _Judged(
            "EDGE_BELOW_COST",
            Gate.made(
                name="edge",
                value=number(edge),
                limit=f">= {number(needed)}",
                passed=edge >= needed,
                detail=f"cost_bp={number(cost)}",
            ),
        ),
        _Judged(
            "TOO_FEW_BARS",
            Gate.made(
                name="price_history",
                value=number(assessment.daily_volatility),
                limit="> 0",
                passed=assessment.daily_volatility > 0.0,
                detail="daily volatility",
            ),
        ),
        _Judged(
            "PRICE_TOO_LOW",
            Gate.made(name="price", value=str(price), limit=f">= {limits.min_price}", passed=price >= limits.min_price),
        ),
        _Judged(
            "LIQUIDITY_TOO_LOW",
            Gate.made(
                name="liquidity",
                value=str(volume),
                limit=f">= {limits.min_adv20}",
                passed=volume >= limits.min_adv20,
                detail="average dollar volume",
            ),
        ),
        _Judged(
            "COOLING_DOWN",
            Gate.made(
                name="cool_down",
                value="never held" if away is None else str(away),
                limit=f">= {rules.cool_down_sessions}",
                passed=cooled,
                detail="sessions since the exit",
            ),
        ),
    )


def _exit_gates(assessment: Assessment, position: PositionView, config: TradingConfig) -> tuple[_Judged, _Judged]:
    """List what keeps a position: its score, and the minimum hold."""
    rules = config.recommendation
    stay = _Judged(
        "EXIT_SCORE_REACHED",
        Gate.made(
            name="exit_score",
            value=number(assessment.score),
            limit=f"> {number(rules.exit_score)}",
            passed=assessment.score > rules.exit_score,
        ),
    )
    settled = _Judged(
        "MINIMUM_HOLD",
        Gate.made(
            name="minimum_hold",
            value=str(position.sessions_held) if position.quantity > 0 else "no position",
            limit=f">= {rules.minimum_hold_sessions}",
            passed=position.quantity <= 0 or position.sessions_held >= rules.minimum_hold_sessions,
            detail="sessions held",
        ),
    )
    return stay, settled


def _at_least(name: str, code: str, value: float, limit: float) -> _Judged:
    return _Judged(code, Gate.made(name=name, value=number(value), limit=f">= {number(limit)}", passed=value >= limit))


def _action(
    assessment: Assessment,
    position: PositionView,
    entry: tuple[_Judged, ...],
    stay: _Judged,
    settled: _Judged,
    config: TradingConfig,
) -> tuple[Action, tuple[str, ...]]:
    """Choose the action, and say why.

    A position is kept above the exit score and opened at the buy score; between the two neither happens, which is the
    hysteresis. A score too small to watch gives no action, whatever else is wrong.
    """
    blocked = tuple(judged.reason for judged in entry if not judged.passed)
    if position.quantity > 0 and not stay.passed:
        return (Action.SELL, (stay.reason,)) if settled.passed else (Action.HOLD, (settled.reason, stay.reason))
    if not blocked:
        return Action.BUY, (f"ALL_GATES_PASSED: score={number(assessment.score)}",)
    if position.quantity > 0:
        return Action.HOLD, (f"ABOVE_EXIT_SCORE: value={stay.gate.value}, limit={stay.gate.limit}", *blocked)
    if abs(assessment.score) >= config.recommendation.watch_score:
        return Action.WATCH, blocked
    return Action.NONE, (
        f"SCORE_TOO_SMALL: value={number(assessment.score)}, limit={number(config.recommendation.watch_score)}",
    )
