"""From everything known of some companies at an instant to their recommendations: live, in a replay, in a backtest."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime

from domain.config import TradingConfig
from domain.decisions import Action, DecisionRecord, EvidenceItem, MarketWindow, PositionView, Recommendation
from domain.layer_terms import OtherLayers
from domain.recommendation import SharedByRecords, decide
from domain.signals import SymbolInputs, assess_cut, cut

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
    given_cut = cut(inputs, as_of=as_of, session_dates=given.session_dates, config=given.config.signals)
    shared = SharedByRecords.of(given.config, given_cut.session_dates, code_version)
    decided = []
    for one, assessment in zip(given_cut.inputs, assess_cut(given_cut, config=given.config), strict=True):
        record = shared.record(
            symbol=one.symbol,
            as_of=as_of,
            evidence=one.evidence,
            market=one.market,
            position=given.positions.get(one.symbol, NEVER_HELD),
            previous=given.previous.get(one.symbol, Action.NONE),
            macro=one.macro,
            competitive=one.competitive,
            terms=one.terms,
        )
        decided.append((decide(record, assessment, shared.hash_of(record)), record))
    return decided
