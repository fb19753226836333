"""The proofs of a backtest: they pass on an honest engine, and each of them catches what it is there to catch."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import date, datetime, timedelta
from decimal import Decimal
from itertools import count
from typing import Any

import pytest

import domain.backtest_data
import domain.backtest_refills
import domain.recommendation
import domain.signals
import domain.simulation
from domain.backtest_checks import (
    CheckName,
    CheckResult,
    check_costs,
    check_future,
    check_relabelling,
    check_replayability,
    check_truncation,
    run_checks,
    spread_cuts,
)
from domain.backtest_data import BacktestData
from domain.backtest_mutations import PLANTED, another_future, cut_at, new_names, relabelled, symbols_of
from domain.backtest_play import play
from domain.backtest_rows import Difference, Kind
from domain.backtest_stamps import StampCode
from domain.bar_series import BarSeries
from domain.config import RiskLimits, SizingConfig, TradingConfig
from domain.costs import CostModel, Execution
from domain.decisions import EvidenceItem, Recommendation, SizedIntent
from domain.market import CorporateAction, Session
from domain.simulation import Simulation
from tests.decisions.builders import SESSIONS
from tests.layers.builders import statement

from .builders import CODE, EAGER, WARM_UP, at, bar, by_symbol, data_of, market, news, request_for, run, walk

A_DAY = timedelta(days=1)


def truncation(data: BacktestData, *, cuts: Sequence[int], reach: int | None = 1, **request: Any) -> CheckResult:
    return check_truncation(data, request_for(data, **request), code_version=CODE, cuts=cuts, reach=reach)


def relabelling(data: BacktestData, **request: Any) -> CheckResult:
    return check_relabelling(data, request_for(data, **request), code_version=CODE)


# -- an honest engine -------------------------------------------------------------------------------------------------


def test_checks_when_the_engine_is_honest_then_all_pass_and_say_how_much_they_compared() -> None:
    data, told = market(), []
    results = run_checks(
        data, request_for(data), code_version=CODE, cuts=(3, 8), progress=lambda *step: told.append(step)
    )
    assert [one.name for one in results] == list(CheckName)
    assert [one.difference for one in results] == [None] * 5
    assert all(one.passed for one in results)
    truncated, renamed, costs, future, replayed = (one.compared for one in results)
    assert (truncated.sessions, renamed.sessions) == (2 * (3 + 8), 8)
    assert min(truncated.decisions, truncated.orders, truncated.fills) > 0
    assert truncated.facts > 100
    assert min(renamed.decisions, renamed.orders, renamed.fills, renamed.facts) > 0
    assert costs.fills >= 4
    assert future.facts > 300
    assert replayed.decisions > 20
    assert told[0] == (None, 1, 8)
    assert told[8] == (CheckName.TRUNCATION, 1, 22)
    assert told[-1] == (CheckName.RELABELLING, 8, 8)


def test_checks_when_there_is_nothing_then_they_pass_and_say_so() -> None:
    data = data_of(3)
    results = {one.name: one for one in run_checks(data, request_for(data), code_version=CODE)}
    assert all(one.passed for one in results.values())
    assert results[CheckName.COSTS].note.startswith("nothing was bought or sold")
    assert results[CheckName.REPLAYABILITY].note == "nothing was decided"


def test_cuts_when_spread_then_the_last_session_is_among_them() -> None:
    assert spread_cuts(10) == (2, 4, 6, 8, 10)
    assert spread_cuts(3) == (1, 2, 3)
    assert spread_cuts(0) == ()


def test_other_future_when_it_is_played_on_then_it_does_change_results() -> None:
    """What would pass with a future that changes nothing would prove nothing."""
    data = market()
    changed, facts = another_future(data, 4, cut_at(data, 4, before_open=False))
    assert facts > 50
    longer = replace(changed, sessions=data.sessions)
    before, after = run(data), run(longer)
    assert before.marks[:4] == after.marks[:4]
    assert before.marks[4:] != after.marks[4:]


# -- truncation catches ----------------------------------------------------------------------------------------------


def test_truncation_when_evidence_is_read_ahead_then_the_first_thing_read_too_early_is_named(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    honest, cut = domain.signals.eligible_evidence, domain.backtest_data._cut

    def ahead(evidence: Sequence[EvidenceItem], *, as_of: datetime, config: Any) -> tuple[EvidenceItem, ...]:
        return honest(evidence, as_of=as_of + A_DAY, config=config)

    monkeypatch.setattr(domain.backtest_data, "_cut", lambda items, oldest, as_of: cut(items, oldest, as_of + A_DAY))
    monkeypatch.setattr(domain.signals, "eligible_evidence", ahead)
    monkeypatch.setattr(domain.recommendation, "eligible_evidence", ahead)
    found = truncation(market(), cuts=(5,)).difference
    assert found is not None
    assert Difference.model_validate_json(found.model_dump_json()) == found
    assert (found.session, found.kind, found.field) == (SESSIONS[WARM_UP + 4], Kind.ASSESSMENT, "newest_evidence")
    assert found.found.startswith(PLANTED)
    assert str(found).startswith("2014-04-30, assessment of ACME, newest_evidence: expected ev-ACME-")


def test_truncation_when_only_the_universe_reads_ahead_then_it_is_caught(monkeypatch: pytest.MonkeyPatch) -> None:
    cut = domain.backtest_data._cut
    monkeypatch.setattr(domain.backtest_data, "_cut", lambda items, oldest, as_of: cut(items, oldest, as_of + A_DAY))
    found = truncation(market(), cuts=(2,)).difference
    assert found is not None
    assert (found.kind, found.field, found.expected) == (Kind.ASSESSMENT, "", "nothing")


def test_truncation_when_bars_are_read_one_session_ahead_then_it_is_caught(monkeypatch: pytest.MonkeyPatch) -> None:
    """The session's own close, known before its open: the leak that a cut at the close alone would miss."""
    honest = BarSeries.window
    monkeypatch.setattr(BarSeries, "window", lambda self, as_of, sessions: honest(self, as_of + A_DAY, sessions))
    found = truncation(market(), cuts=(5,)).difference
    assert found is not None
    assert found.kind is Kind.ASSESSMENT
    assert found.field in ("last_bar", "bars", "last_close")
    assert found.detail.endswith("before the open")


def test_truncation_when_a_split_takes_effect_a_day_early_then_it_is_caught(monkeypatch: pytest.MonkeyPatch) -> None:
    honest = BarSeries._adjust
    monkeypatch.setattr(BarSeries, "_adjust", lambda self, today: honest(self, today + A_DAY))
    found = truncation(market(), cuts=(6,)).difference
    assert found is not None
    assert (found.kind, found.field) == (Kind.ASSESSMENT, "last_close")


def test_truncation_when_orders_fill_at_the_next_open_then_the_fill_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    def tomorrows(self: BacktestData, symbol: str, day: date) -> Any:
        return self.bars[symbol].on(SESSIONS[SESSIONS.index(day) + 1])

    monkeypatch.setattr(BacktestData, "bar_on", tomorrows)
    found = truncation(market(), cuts=(1,)).difference
    assert found is not None
    assert (found.session, found.kind, found.symbol) == (SESSIONS[WARM_UP], Kind.FILL, "ACME")
    assert found.expected.startswith("at=2014-04-24 13:30:00+00:00, session=2014-04-24, quantity=143, price=")


def test_truncation_when_dividends_are_paid_early_then_it_is_caught(monkeypatch: pytest.MonkeyPatch) -> None:
    honest = Simulation._play

    def early(self: Simulation, session: Session) -> None:
        honest(self, session)
        tomorrow = SESSIONS[SESSIONS.index(session.date) + 1]
        self._account.apply([one for one in self._data.actions.get(tomorrow, ()) if one.cash_dividend])

    monkeypatch.setattr(Simulation, "_play", early)
    found = truncation(market(), cuts=(3,)).difference
    assert found is not None
    assert found.kind in (Kind.TRADE, Kind.POSITION)


def test_truncation_when_exposures_are_read_ahead_then_it_is_caught(monkeypatch: pytest.MonkeyPatch) -> None:
    def newest(self: BacktestData, symbol: str, as_of: datetime) -> Any:
        versions = self.exposures.get(symbol, ())
        return versions[-1][1] if versions else None

    monkeypatch.setattr(BacktestData, "_exposures_at", newest)
    found = truncation(market(), cuts=(2,)).difference
    assert found is not None
    assert (found.kind, found.symbol, found.field) == (Kind.ASSESSMENT, "ACME", "macro")


def test_truncation_when_corrections_are_read_ahead_then_it_is_caught(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(BacktestData, "_is_taken_back", lambda self, doc_id, as_of: doc_id in self.taken_back)
    found = truncation(market(), cuts=(2,)).difference
    assert found is not None
    assert (found.kind, found.field, found.found) == (Kind.ASSESSMENT, "newest_evidence", "nothing")


def test_truncation_when_the_universe_of_later_is_bought_then_it_is_caught(monkeypatch: pytest.MonkeyPatch) -> None:
    def survives(self: BacktestData, symbol: str, day: date) -> bool:
        return all(last is None for _, last in self.members.get(symbol, ()))

    monkeypatch.setattr(BacktestData, "is_member", survives)
    found = truncation(market(), cuts=(1,)).difference
    assert found is not None
    assert (found.kind, found.symbol, found.field, found.found) == (Kind.ORDER, "ACME", "", "nothing")


def test_truncation_when_the_economy_is_read_ahead_then_it_is_caught(monkeypatch: pytest.MonkeyPatch) -> None:
    honest = BacktestData.others_at
    monkeypatch.setattr(
        BacktestData, "others_at", lambda self, evidence, as_of, config: honest(self, evidence, as_of + A_DAY, config)
    )
    found = truncation(market(), cuts=(4,)).difference
    assert found is not None
    assert found.kind is Kind.ASSESSMENT
    assert found.field in ("newest_of_other_layers", "macro")


@pytest.mark.parametrize("table", ["links_at", "comovements_at"])
def test_truncation_when_competitors_are_read_ahead_then_it_is_caught(
    monkeypatch: pytest.MonkeyPatch, table: str
) -> None:
    honest = getattr(BacktestData, table)
    monkeypatch.setattr(BacktestData, table, lambda self, symbol, as_of: honest(self, symbol, as_of + A_DAY))
    found = truncation(market(), cuts=(5,)).difference
    assert found is not None
    assert found.kind is Kind.ASSESSMENT
    assert found.field in ("newest_of_other_layers", "competitive", "")


# -- relabelling catches ----------------------------------------------------------------------------------------------


def test_relabelling_when_names_are_mixed_then_their_order_changes_and_nothing_else() -> None:
    data = market()
    symbols = symbols_of(data)
    for seed in range(6):
        names = new_names(symbols, seed)
        assert sorted(names) == sorted(names.values()) == symbols
        assert list(names.values()) != symbols
    assert new_names(["ACME"], 1) == {"ACME": "XACME"}
    back = {new: old for old, new in names.items()}
    again = relabelled(relabelled(data, names), back)
    assert again.evidence == data.evidence
    assert again.links == data.links
    assert again.comovements == data.comovements
    assert {s: series.bars for s, series in again.bars.items()} == {s: one.bars for s, one in data.bars.items()}


def test_relabelling_when_sizing_serves_the_first_name_only_then_the_order_is_named(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    honest = domain.simulation.size

    def first_come(recommendations: Sequence[Recommendation], *given: Any, **options: Any) -> tuple[SizedIntent, ...]:
        return honest(recommendations, *given, **options)[:1]

    monkeypatch.setattr(domain.simulation, "size", first_come)
    found = relabelling(market()).difference
    assert found is not None
    assert found.kind is Kind.ORDER
    assert "nothing" in (found.expected, found.found)


def test_relabelling_when_scores_depend_on_the_name_then_it_is_caught(monkeypatch: pytest.MonkeyPatch) -> None:
    honest = BacktestData.evidence_at

    def partial(self: BacktestData, symbol: str, as_of: datetime, config: Any) -> list[EvidenceItem]:
        return [item for item in honest(self, symbol, as_of, config) if symbol < "C" or item.sentiment != 0.9]

    monkeypatch.setattr(BacktestData, "evidence_at", partial)
    found = relabelling(market()).difference
    assert found is not None
    assert (found.kind, found.field) == (Kind.ASSESSMENT, "newest_evidence")


GREEDY = TradingConfig(
    recommendation=EAGER.recommendation,
    sizing=SizingConfig(
        cash_floor=Decimal(0), gross_cap=Decimal(1), name_cap=Decimal("0.5"), volatility_target=Decimal(1)
    ),
    limits=RiskLimits(cash_floor=Decimal(0), gross_cap=Decimal(1), name_cap=Decimal("0.5"), max_adv_share=Decimal(1)),
)
"""Spends everything."""


def gapping_up() -> BacktestData:
    """Three companies that are bought with all cash at once, and open 4 % higher than they closed."""
    symbols = ("ACME", "BOLT", "CORE")
    bars = [known for seed, symbol in enumerate(symbols) for known in walk(symbol, 0, seed=seed, start=30 + 9 * seed)]
    closes = {known.bar.symbol: float(known.bar.close) for known in bars}
    days = SESSIONS[WARM_UP : WARM_UP + 3]
    bars += [bar(symbol, day, close, gap=0.04) for symbol, close in closes.items() for day in days]
    return data_of(3, bars=bars, evidence=[news(symbol, at(0, 3)) for symbol in symbols])


def test_relabelling_when_the_open_takes_more_cash_than_there_is_then_nothing_depends_on_names() -> None:
    found = relabelling(gapping_up(), config=GREEDY)
    assert found.passed, str(found.difference)


# -- costs catch ------------------------------------------------------------------------------------------------------


def test_costs_when_a_request_has_negative_costs_then_the_session_and_both_curves_are_named() -> None:
    data = market()
    costs = CostModel.model_construct(
        half_spread_bp=-20.0, impact=0.0, fee_bp=0.0, fee_per_share=Decimal(0), participation=0.1
    )
    request = request_for(data).model_copy(update={"costs": costs})
    found = check_costs(run(data, request), data, request).difference
    assert found is not None
    assert (found.session, found.kind, found.field) == (
        SESSIONS[WARM_UP], Kind.MARK, "equity with the costs of the run",
    )  # fmt: skip
    assert found.expected.endswith("as with no costs")


def test_costs_when_impact_helps_then_it_is_caught(monkeypatch: pytest.MonkeyPatch) -> None:
    data = market()
    request = request_for(data)
    state = run(data, request)
    honest = domain.backtest_refills.execute

    def rebate(*given: Any, costs: CostModel, **options: Any) -> Execution:
        return honest(*given, costs=costs.model_copy(update={"impact": max(0.0, 1.4 - costs.impact)}), **options)

    monkeypatch.setattr(domain.backtest_refills, "execute", rebate)
    found = check_costs(state, data, request).difference
    assert found is not None
    assert found.field == "equity with a higher impact"


def test_costs_when_the_run_forgot_a_fee_then_its_own_equity_is_the_difference() -> None:
    data = market()
    request = request_for(data)
    state = run(data, request)
    dearer = request.model_copy(update={"costs": CostModel(fee_per_share=Decimal("0.05"))})
    found = check_costs(state, data, dearer).difference
    assert found is not None
    assert found.field == "equity"
    assert found.expected == f"{state.marks[0].equity}, as the run has it"


# -- future catches ---------------------------------------------------------------------------------------------------


def test_future_when_a_document_is_known_before_it_was_published_then_it_is_named_although_truncation_passes() -> None:
    planted = news("ACME", at(1, 3), "leak", published_at=at(6, 3))
    data = market()
    data = replace(data, evidence=by_symbol([*(one for own in data.evidence.values() for one in own), planted]))
    assert truncation(data, cuts=(3,), reach=None).passed
    result = check_future(data)
    assert not result.passed
    assert CheckResult.model_validate_json(result.model_dump_json()) == result
    (finding,) = result.findings
    assert (finding.code, finding.symbol, finding.fact) == (StampCode.KNOWN_BEFORE_PUBLISHED, "ACME", "ev-leak")
    assert (finding.stamp, finding.earliest) == (at(1, 3).isoformat(), at(6, 3).isoformat())
    assert "Correct the document's dates" in str(finding)


def test_future_when_a_statement_on_the_economy_precedes_its_document_then_it_is_named() -> None:
    data = market(economy=[statement("a", doc_id="doc-x", available_at=at(1, 3))])
    data = replace(data, evidence={"ACME": [news("ACME", at(2, 3), doc_id="doc-x")]})
    (finding,) = check_future(data).findings
    assert (finding.code, finding.fact) == (StampCode.ECONOMY_KNOWN_BEFORE_PUBLISHED, "me-a")


def test_future_when_a_bar_is_known_before_its_close_then_it_is_named() -> None:
    bars = walk("ACME", 3)
    early = replace(bars[-1], available_at=bars[-1].available_at - timedelta(seconds=1))
    older = replace(bars[5], available_at=bars[5].available_at - 2 * A_DAY)
    result = check_future(data_of(3, bars=[*bars[:5], older, *bars[6:-1], early]))
    assert not result.passed
    assert [(one.code, one.fact) for one in result.findings] == [
        (StampCode.BAR_KNOWN_BEFORE_CLOSE, SESSIONS[5].isoformat()),
        (StampCode.BAR_KNOWN_BEFORE_CLOSE, SESSIONS[WARM_UP + 2].isoformat()),
    ]


def test_future_when_facts_only_ask_for_a_look_then_they_are_told_and_the_check_passes() -> None:
    bars = [*walk("ACME", 4), *walk("NEWB", 4)[WARM_UP + 2 :]]
    evidence = [news("NEWB", at(0, 3), "before"), news("ACME", at(1, 3), "late")]
    action = CorporateAction(symbol="NEWB", ex_date=SESSIONS[WARM_UP], cash_dividend=Decimal(1))
    data = data_of(4, bars=bars, evidence=evidence, actions=[action], taken_back={"doc-late": at(0, 3)})
    result = check_future(data)
    assert result.passed
    assert [(one.code, one.symbol) for one in result.findings] == [
        (StampCode.ACTION_BEFORE_LISTING, "NEWB"),
        (StampCode.EVIDENCE_BEFORE_LISTING, "NEWB"),
        (StampCode.TAKEN_BACK_BEFORE_KNOWN, "ACME"),
    ]


# -- replayability catches --------------------------------------------------------------------------------------------


def test_replayability_when_a_thesis_is_not_a_function_of_its_record_then_it_is_named(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    numbers, honest = count(), domain.recommendation.thesis_of
    monkeypatch.setattr(
        domain.recommendation, "thesis_of", lambda *given, **options: f"{honest(*given, **options)} {next(numbers)}"
    )
    data = market(3)
    found = check_replayability(data, request_for(data), code_version=CODE, sample=5)
    assert found.compared.decisions == 5
    assert found.difference is not None
    assert (found.difference.kind, found.difference.field) == (Kind.DECISION, "thesis")
    assert found.difference.detail.startswith("replay of recommendation ")


def test_sample_when_it_is_smaller_than_the_run_then_it_is_the_same_each_time_and_no_larger() -> None:
    data = market(3)
    first, again = (play(data, request_for(data), code_version=CODE, sample=4).sample for _ in range(2))
    assert first == again
    assert len(first) == 4
