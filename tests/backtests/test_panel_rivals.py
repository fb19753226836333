"""The competitive layer over arrays, against the layer that decides, and runs that are foreseen with it."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta

from hypothesis import given, settings
from hypothesis import strategies as st

from domain.backtest import BacktestRequest
from domain.backtest_data import BacktestData
from domain.comovement import CoMovement
from domain.config import SignalConfig, TradingConfig
from domain.decisions import EvidenceItem
from domain.panel_passes import ClockFace, Passes
from domain.panel_rivals import Rivals
from domain.panel_voices import Tables
from domain.simulation import PRE_OPEN
from tests.backtests.any_market import NAMES, AnyMarket, run_foreseen, run_watched
from tests.backtests.builders import at, data_of, news

SEEDS = st.integers(0, 2**32)
CLOSE = 1e-12


class LinkedMarket(AnyMarket):
    """Where most companies have competitors, and documents speak of several of them."""

    def __init__(self, seed: int) -> None:
        super().__init__(seed)
        self.names = NAMES[: self._random.randint(2, len(NAMES))]

    def linked(self) -> tuple[BacktestData, BacktestRequest]:
        data, request = self.build()
        links = {name: self._rivals(name) for name in self.names if self._chance(0.8)}
        moves = {
            name: {rival: self._measured() for rival in rivals if self._chance(0.6)} for name, rivals in links.items()
        }
        return replace(data, links=links, comovements=moves, evidence=self._shared(data)), request

    def _rivals(self, name: str) -> dict[str, list[tuple[datetime, float | None]]]:
        found = {}
        for rival in NAMES if self._chance(0.1) else self.names:
            if (rival != name or self._chance(0.05)) and self._chance(0.7):
                whens = sorted(self._instant() for _ in range(self._random.choice((1, 1, 1, 2, 3))))
                found[rival] = [(when, self._random.choice((1.0, 0.8, 0.3, 0.0, None))) for when in whens]
        return found

    def _measured(self) -> list[tuple[datetime, CoMovement]]:
        draw = self._random
        whens = sorted(self._instant() for _ in range(draw.randint(1, 3)))
        return [(when, CoMovement(rho=draw.uniform(-1, 1), n=draw.randint(0, 40))) for when in whens]

    def _shared(self, data: BacktestData) -> dict[str, list[EvidenceItem]]:
        """What one company is told of is told of another in the same document, at once or later, or in a copy."""
        told = {name: list(items) for name, items in data.evidence.items()}
        for name, items in data.evidence.items():
            for item in items:
                if not self._chance(0.25):
                    continue
                other = self._random.choice(self.names)
                again = {"evidence_id": f"{item.evidence_id}-{other}", "symbol": other}
                if self._chance(0.3):
                    again["doc_id"] = f"{item.doc_id}-{other}"
                if self._chance(0.2):
                    again["available_at"] = self._instant()
                if other != name:
                    told.setdefault(other, []).append(item.model_copy(update=again))
        return {
            name: sorted(
                {one.evidence_id: one for one in items}.values(), key=lambda one: (one.available_at, one.evidence_id)
            )
            for name, items in told.items()
        }


def rivals_of(data: BacktestData, config: SignalConfig) -> tuple[Passes, Rivals]:
    face = ClockFace(data.session_dates, config)
    passes = Passes.of([session.opens_at - PRE_OPEN for session in data.sessions], face)
    return passes, Rivals(data, passes, face, config, Tables.of(config))


@settings(deadline=None, max_examples=150, derandomize=True)
@given(SEEDS)
def test_scores_when_the_market_is_any_then_they_are_those_of_the_layer_itself(seed: int) -> None:
    (data, _), config = LinkedMarket(seed).linked(), TradingConfig().signals
    passes, rivals = rivals_of(data, config)
    found = {symbol: rivals.score(symbol) for symbol in data.links}
    for number, as_of in enumerate(passes.as_of):
        evidence = {symbol: data.evidence_at(symbol, as_of, config) for symbol in data.links}
        for symbol, layers in data.others_at(evidence, as_of, config).items():
            score = found[symbol]
            assert score is not None
            assert abs(score[number] - layers.competitive) < CLOSE, (symbol, as_of)


@settings(deadline=None, max_examples=25, derandomize=True)
@given(SEEDS)
def test_run_when_companies_have_competitors_then_every_byte_is_that_of_a_run_with_all_decided(seed: int) -> None:
    data, request = LinkedMarket(seed).linked()
    assert run_foreseen(data, request).model_dump_json() == run_watched(data, request).model_dump_json()


def test_score_when_a_document_of_the_company_is_gone_and_seen_again_then_arrays_do_not_tell_it() -> None:
    config = TradingConfig().signals
    early = at(1) - timedelta(days=config.lookback_days)
    told = [
        news("ACME", early, "early", doc_id="both"),
        news("ACME", at(6), "late", doc_id="both"),
        news("BOLT", at(0), "rival", doc_id="both"),
    ]
    links = {"ACME": {"BOLT": [(early, 0.5)]}}
    assert rivals_of(data_of(12, evidence=told, links=links), config)[1].score("ACME") is None
    again = data_of(12, evidence=[told[0], told[2]], links=links)
    score = rivals_of(again, config)[1].score("ACME")
    assert score is not None
    assert score[0] == 0.0
    assert (score[1:] > 0.0).all()
