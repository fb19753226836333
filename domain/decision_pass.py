"""From everything known of some companies at an instant to their recommendations: live, in a replay, in a backtest."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime

from domain.config import TradingConfig
from domain.decisions import Action, DecisionRecord, EvidenceItem, MarketWindow, PositionView, Recommendation
from domain.layer_terms import OtherLayers
from domain.recommendation import recommend
from domain.signals import SymbolInputs, assess_many

NOTHING_ELSE = OtherLayers()
NEVER_HELD = PositionView()


@dataclass(frozen=True)
class PassInputs:
    """What some symbols are decided from at an instant; every table is by symbol, and what is missing is nothing."""

    config: TradingConfig
    session_dates: Sequence[date]
    evidence: Mapping[str, Sequence[EvidenceItem]]
    others: Mapping[str, OtherLayers]
    windows: Mapping[str, MarketWindow]
    previous: Mapping[str, Action]
    positions: Mapping[str, PositionView]


def decide_all(
    symbols: Sequence[str], as_of: datetime, given: PassInputs, *, code_version: str
) -> list[tuple[Recommendation, DecisionRecord]]:
    """Assess and recommend, in the order of the symbols. Which others are decided with a symbol changes nothing."""
    inputs = [
        SymbolInputs(
            symbol=symbol,
            evidence=given.evidence.get(symbol, ()),
            market=given.windows.get(symbol),
            macro=others.macro,
            competitive=others.competitive,
            terms=others.terms,
        )
        for symbol in symbols
        for others in (given.others.get(symbol, NOTHING_ELSE),)
    ]
    assessed = assess_many(inputs, as_of=as_of, session_dates=given.session_dates, config=given.config)
    return [
        recommend(
            assessment,
            previous=given.previous.get(one.symbol, Action.NONE),
            position=given.positions.get(one.symbol, NEVER_HELD),
            config=given.config,
            evidence=one.evidence,
            market=one.market,
            session_dates=given.session_dates,
            code_version=code_version,
            terms=one.terms,
        )
        for one, assessment in zip(inputs, assessed, strict=True)
    ]
