"""From everything known of some companies at an instant to their recommendations: live, in a replay, in a backtest."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime

from domain.config import TradingConfig
from domain.decisions import (
    Action,
    Assessment,
    DecisionRecord,
    EvidenceItem,
    MarketWindow,
    PositionView,
    Recommendation,
)
from domain.layer_terms import OtherLayers
from domain.recommendation import SharedByRecords, decide
from domain.signals import Cut, SymbolInputs, assess_cut, cut

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
    previous: Mapping[str, Action] = field(default_factory=dict)
    positions: Mapping[str, PositionView] = field(default_factory=dict)


def decide_all(
    symbols: Sequence[str], as_of: datetime, given: PassInputs, *, code_version: str
) -> list[tuple[Recommendation, DecisionRecord]]:
    """Assess and recommend, in the order of the symbols. Which others are decided with a symbol changes nothing."""
    read = read_all(symbols, as_of, given)
    return conclude(
        read,
        assess_cut(read, config=given.config),
        previous=given.previous,
        positions=given.positions,
        config=given.config,
        code_version=code_version,
    )


def read_all(symbols: Sequence[str], as_of: datetime, given: PassInputs) -> Cut:
    """Gather what symbols are assessed from; it does not depend on what is held or was thought before."""
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
    return cut(inputs, as_of=as_of, session_dates=given.session_dates, config=given.config.signals)


def conclude(
    read: Cut,
    assessments: Sequence[Assessment],
    *,
    previous: Mapping[str, Action],
    positions: Mapping[str, PositionView],
    config: TradingConfig,
    code_version: str,
) -> list[tuple[Recommendation, DecisionRecord]]:
    """Recommend what follows from assessments, which were made of what was read with the same configuration."""
    shared = SharedByRecords.of(config, read.session_dates, code_version)
    decided = []
    for one, assessment in zip(read.inputs, assessments, strict=True):
        record = shared.record(
            symbol=one.symbol,
            as_of=read.as_of,
            evidence=one.evidence,
            market=one.market,
            position=positions.get(one.symbol, NEVER_HELD),
            previous=previous.get(one.symbol, Action.NONE),
            macro=one.macro,
            competitive=one.competitive,
            terms=one.terms,
        )
        decided.append((decide(record, assessment, shared.hash_of(record)), record))
    return decided
