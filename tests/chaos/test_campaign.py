"""A short campaign: every process killed once, every fault and every stop once; then books that are tampered with."""

from __future__ import annotations

import asyncio
import sqlite3
from contextlib import closing
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

import pytest
from sqlalchemy import text

from cli.paper_broker.faults import FaultKind
from domain.broker import OrderTicket
from domain.decisions import Side, TradingState
from tests.chaos.campaign import Failure, Result, run_campaign
from tests.chaos.evidence import Evidence
from tests.chaos.house import House
from tests.chaos.invariants import Invariant, Violation, violations
from tests.chaos.script import DECK, SYMBOLS, Stop, label_of, script_of
from tests.chaos.street import shares_of, together
from tests.chaos.tampering import OF_OUR_BOOK, OF_THE_BROKERS_BOOK, tamper_with_ours, tamper_with_the_brokers
from tests.chaos.trial import Trial, gather_evidence, stop_trading

pytestmark = [pytest.mark.stack, pytest.mark.crash, pytest.mark.long]

SEED = 560
"""One whose disturbances all come while there is something to disturb."""


@dataclass
class Played:
    """What the campaign came to, and what the checks said of each forgery."""

    result: Result | None = None
    found: dict[str, set[Invariant]] = field(default_factory=dict)


@pytest.fixture(scope="module")
def played(tmp_path_factory: pytest.TempPathFactory) -> Played:
    directory = tmp_path_factory.mktemp("chaos")
    played = Played()

    async def tamper(house: House, evidence: Evidence) -> None:
        database = house.parts.database
        for name, forgery in OF_OUR_BOOK.items():
            played.found[name] = _named(await tamper_with_ours(database, forgery, evidence))
        for name, forgery in OF_THE_BROKERS_BOOK.items():
            copy = directory / "forged.sqlite3"
            played.found[name] = _named(tamper_with_the_brokers(house.book, copy, forgery, evidence))
        played.found["a purchase while trading is paused"] = await _bought_while_paused(house)
        played.found["books that differ"] = await _told_by_the_product(house)

    played.result = run_campaign(directory / "state", range(len(DECK)), seed=SEED, in_flight=14.0, afterwards=tamper)
    return played


def _named(found: list[Violation]) -> set[Invariant]:
    return {each.invariant for each in found}


async def _bought_while_paused(house: House) -> set[Invariant]:
    """Place an order past the platform, under its prefix, while trading is paused."""

    async def smuggle() -> None:
        while True:
            status = await house.get("/v1/trading/status")
            if status["state"] == TradingState.REDUCING.value:
                break
            await asyncio.sleep(0.05)
        await asyncio.sleep(0.3)
        ticket = OrderTicket(
            client_order_id=f"{house.prefix}smuggled", symbol=SYMBOLS[0], side=Side.BUY, quantity=Decimal(1)
        )
        await house.parts.broker.place(ticket)

    leaked, _ = await asyncio.gather(stop_trading(house, Stop(TradingState.REDUCING, 2.0)), smuggle())
    trial = Trial(script_of(SEED, len(DECK)), opened_while_stopped=leaked)
    return _named(violations(await gather_evidence(house, trial, intents=())))


async def _told_by_the_product(house: House) -> set[Invariant]:
    """Change both books for good: the product's own comparison, its audit log and the broker's audit must tell."""
    async with house.parts.database.transaction() as session:
        connection = await session.connection()
        for statement in (
            "UPDATE positions SET quantity = quantity + 1 WHERE symbol = 'ELM'",
            "ALTER TABLE audit_log DISABLE TRIGGER USER",
            "UPDATE audit_log SET actor = 'nobody' WHERE sequence = 1",
        ):
            await connection.execute(text(statement))
    with closing(sqlite3.connect(house.book, timeout=10)) as book:
        book.execute("UPDATE account SET cash = cash + 1000000")
        book.commit()
    trial = Trial(script_of(SEED, len(DECK)))
    return _named(violations(await gather_evidence(house, trial, intents=("never heard of",))))


def _figures(played: Played) -> dict[str, Any]:
    assert played.result is not None
    return played.result.as_json()


def test_campaign_when_every_process_and_fault_strikes_once_then_every_invariant_holds(played: Played) -> None:
    assert played.result is not None
    assert played.result.failure is None, "\n".join(played.result.failure.lines())
    figures = _figures(played)
    assert figures["disturbances"] == {label_of(each): 1 for each in DECK}
    struck = figures["disturbances_that_struck"]
    assert sum(struck.values()) >= len(DECK) / 2, "the orders were done before anything could happen to them"
    assert (figures["kills"], figures["duplicates"], figures["lost"], figures["cash_difference"]) == (6, 0, 0, "0")
    assert figures["fills_not_booked"] == 0
    assert figures["outcomes"]["filled"] > len(DECK)
    assert figures["outcomes"]["declined"] > 0
    assert "rejected" in figures["outcomes"] or not struck[FaultKind.REJECT_AFTER_200.value]


@pytest.mark.parametrize("name", [*OF_OUR_BOOK, *OF_THE_BROKERS_BOOK])
def test_checks_when_a_book_is_tampered_with_then_each_broken_invariant_is_named(played: Played, name: str) -> None:
    forgery = (OF_OUR_BOOK | OF_THE_BROKERS_BOOK)[name]  # type: ignore[operator]
    assert forgery.breaks <= played.found[name]


def test_checks_when_something_is_bought_while_paused_then_it_is_named(played: Played) -> None:
    found = played.found["a purchase while trading is paused"]
    assert {Invariant.OPENED_WHILE_STOPPED, Invariant.STRANGER, Invariant.RECONCILIATION} <= found


def test_checks_when_the_books_differ_then_comparison_and_audit_log_are_named(played: Played) -> None:
    found = played.found["books that differ"]
    assert {
        Invariant.RECONCILIATION,
        Invariant.BROKER_AUDIT,
        Invariant.AUDIT_CHAIN,
        Invariant.LOST_INTENT,
        Invariant.LEDGER_CASH,
    } <= found


def test_failure_when_shown_then_it_names_the_invariant_the_trial_and_how_to_play_it_again() -> None:
    broken = Violation(Invariant.LEDGER_CASH, "ledger=1, broker=2, difference=-1")
    shown = "\n".join(Failure(script_of(7, 3), (broken,)).lines())
    assert "LEDGER_CASH" in shown
    assert "difference=-1" in shown
    assert "trial 3 of seed 7" in shown
    assert "make chaos SEED=7 ONLY=3" in shown


def test_scripts_when_made_twice_then_they_are_the_same_and_differ_by_seed_and_number() -> None:
    scripts = [script_of(seed, number) for seed in range(3) for number in range(60)]
    assert scripts == [script_of(seed, number) for seed in range(3) for number in range(60)]
    assert len(set(scripts)) == len(scripts)


def test_deck_when_any_turn_is_dealt_then_each_disturbance_comes_once() -> None:
    for turn in range(5):
        dealt = [label_of(script_of(4, turn * len(DECK) + place).disturbance) for place in range(len(DECK))]
        assert sorted(dealt) == sorted(label_of(each) for each in DECK)


def test_street_when_it_has_several_houses_then_each_trial_is_played_once_and_figures_add_up() -> None:
    shares = shares_of(range(10), 3)
    assert [list(share) for share in shares] == [[0, 1, 2, 3], [4, 5, 6], [7, 8, 9]]
    first, second = Result(5, trials=4, seconds=3.0), Result(5, trials=3, seconds=7.0)
    for result, cash in ((first, "-1.5"), (second, "1.5")):
        result.played["hang"] = 2
        result.final = {"fills": 4, "cash_difference": cash, "turnover": "10"}
    second.failure = Failure(script_of(5, 6), stuck="it waits")
    total = together(5, [first, second])
    assert (total.trials, total.seconds, total.played["hang"]) == (7, 7.0, 4)
    assert total.final == {"fills": 8, "cash_difference": "3.0", "turnover": "20"}
    assert total.failure == second.failure
