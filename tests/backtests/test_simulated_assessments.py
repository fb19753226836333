"""What is assessed together with what is asked for: it is the same as alone, and it is made once."""

from __future__ import annotations

from datetime import datetime

import pytest

from domain import simulated_assessments
from domain.backtest_data import BacktestData
from domain.config import SignalConfig, TradingConfig
from domain.signals import Cut, assess_cuts
from domain.simulated_assessments import Assessor, Place
from domain.simulation import PRE_OPEN

from .any_market import AnyMarket

CONFIG = TradingConfig()


@pytest.fixture
def data() -> BacktestData:
    found, _ = AnyMarket(3).build()
    assert len(found.sessions) > 3
    assert len(found.evidence) > 1
    return found


def passes(data: BacktestData) -> list[datetime]:
    return [session.opens_at - PRE_OPEN for session in data.sessions]


def asked(monkeypatch: pytest.MonkeyPatch) -> list[Place]:
    """What is made from now on."""
    made: list[Place] = []

    def counted(given: list[Cut], *, config: TradingConfig) -> object:
        made.extend((each.as_of, one.symbol) for each in given for one in each.inputs)
        return assess_cuts(given, config=config)

    monkeypatch.setattr(simulated_assessments, "assess_cuts", counted)
    return made


def test_assessment_when_it_was_made_with_others_then_every_byte_is_that_of_one_made_alone(data: BacktestData) -> None:
    symbols, at = sorted(data.evidence), passes(data)
    likely = [(as_of, symbol) for as_of in at for symbol in symbols]
    together = Assessor(data)
    for as_of in at:
        read, found = together.assess(symbols, as_of, CONFIG, lambda: likely)
        alone, own = Assessor(data).assess(symbols, as_of, CONFIG)
        assert read == alone
        assert [one.model_dump_json() for one in found] == [one.model_dump_json() for one in own]


def test_assessment_when_it_was_foreseen_then_it_is_not_made_again(
    data: BacktestData, monkeypatch: pytest.MonkeyPatch
) -> None:
    symbol, at, made = sorted(data.evidence)[0], passes(data), asked(monkeypatch)
    assessor = Assessor(data)
    assessor.assess([symbol], at[0], CONFIG, lambda: [(at[0], symbol), (at[2], symbol)])
    assessor.assess([symbol], at[1], CONFIG, lambda: [(at[2], symbol), (at[3], symbol)])
    assessor.assess([symbol], at[2], CONFIG)
    assert made == [(as_of, symbol) for as_of in (at[0], at[2], at[1], at[3])]


def test_assessment_when_signals_are_configured_otherwise_then_it_is_made_again(
    data: BacktestData, monkeypatch: pytest.MonkeyPatch
) -> None:
    symbol, at, made = sorted(data.evidence)[0], passes(data), asked(monkeypatch)
    assessor, other = Assessor(data), CONFIG.model_copy(update={"signals": SignalConfig(company_enabled=False)})
    assessor.assess([symbol], at[-1], CONFIG)
    _, (found,) = assessor.assess([symbol], at[-1], other)
    assert made == [(at[-1], symbol), (at[-1], symbol)]
    assert found.composite == 0.0


def test_assessment_when_more_is_likely_than_is_made_at_once_then_the_first_of_it_is_made(
    data: BacktestData, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(simulated_assessments, "TOGETHER", 3)
    symbol, at, made = sorted(data.evidence)[0], passes(data), asked(monkeypatch)
    Assessor(data).assess([symbol], at[0], CONFIG, lambda: [(as_of, symbol) for as_of in at])
    assert made == [(as_of, symbol) for as_of in at[:3]]
