"""Days that production traded, compared with themselves by the workflow on real servers."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from pathlib import Path

import pytest
from temporalio.client import (
    ScheduleActionStartWorkflow,
    ScheduleOverlapPolicy,
    WorkflowExecutionStatus,
    WorkflowFailureError,
    WorkflowHandle,
)
from temporalio.common import WorkflowIDReusePolicy

from api.operations import drift
from domain.config import TradingConfig
from domain.documents import NEW_YORK, DocumentStatus
from domain.drift import DriftReport, GapKind, Subject
from domain.drift_run import DriftOutcome, DriftRequest
from domain.errors import NotFound, VendorRejected
from store import config
from store import drift as days
from tests.api.harness import eventually
from tests.asking.platform import process, register, working
from tests.drift.books import BOUGHT, FIRST, HELD, LAST, Book, bring_bars, changed, compared, sql, traded, without_bars
from tests.operate.conftest import Stonks
from workers.parts import Parts
from workers.schedules import ensure_comparison
from workflows import compare_day, names
from workflows.compare_day import CompareDay
from workflows.names import Queue

pytestmark = [pytest.mark.stack, pytest.mark.long]

WEEK = [date(2014, 7, day) for day in (14, 15, 16, 17, 18)]


@pytest.fixture(scope="module")
def book(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Book]:
    with traded(tmp_path_factory.mktemp("drift")) as found:
        yield found


@pytest.fixture(scope="module")
async def parts(book: Book) -> AsyncIterator[Parts]:
    async with working(book.servers.environment(), Queue.OPS, Queue.INGEST, Queue.EXTRACT, Queue.RESEARCH) as found:
        yield found


def _of(report: DriftReport, kind: GapKind) -> list[tuple[str, Subject]]:
    return [(gap.symbol, gap.what) for gap in report.gaps if gap.kind is kind]


async def _start(parts: Parts, request: DriftRequest, workflow_id: str) -> WorkflowHandle[CompareDay, DriftOutcome]:
    return await parts.client.start_workflow(
        CompareDay.run,
        request,
        id=workflow_id,
        task_queue=Queue.OPS,
        id_reuse_policy=WorkflowIDReusePolicy.ALLOW_DUPLICATE,
    )


async def _events(parts: Parts) -> int:
    rows = await parts.database.run("SELECT count(*) AS found FROM outbox WHERE event = 'drift_found'")
    return int(rows[0]["found"])


# -- nothing ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("session", WEEK, ids=str)
async def test_day_when_production_traded_it_then_every_label_is_none_and_nothing_is_left(
    book: Book, parts: Parts, session: date
) -> None:
    before = await _events(parts)
    report = await compared(parts, session)
    assert report.found == ()
    assert report.equity.difference == report.equity.unexplained == 0
    curve = {point["as_of"][:10]: Decimal(point["equity"]) for point in book.replay["account"]["curve"]}
    assert report.equity.before + report.equity.played_change == curve[session.isoformat()]
    assert report.assessed > 0
    assert await _events(parts) == before  # nobody is told of nothing


async def test_day_when_orders_were_filled_then_they_are_among_what_is_equal(book: Book, parts: Parts) -> None:
    report = await compared(parts, BOUGHT)
    ordered = {each["symbol"] for each in book.replay["orders"] if each["as_of"].startswith(BOUGHT.isoformat())}
    assert {symbol for symbol, what in _of(report, GapKind.NONE) if what is Subject.ORDER} == ordered != set()
    assert report.equity.played_change != 0


async def test_day_when_the_configuration_changed_since_then_it_is_played_with_its_own(parts: Parts) -> None:
    async with parts.database.transaction() as session:
        before = await config.current(session)
        version = await config.put(
            session, TradingConfig.for_tier("conservative"), created_at=datetime.now(UTC), created_by="t", reason="t"
        )
    try:
        report = await compared(parts, BOUGHT)
    finally:
        await sql(parts, "DELETE FROM trading_config WHERE version = :version", version=version)
    assert report.found == ()
    assert report.config_version == before.version()


# -- data -------------------------------------------------------------------------------------------------------------


async def test_decision_when_a_bar_was_corrected_later_then_it_is_data_and_names_the_bars(parts: Parts) -> None:
    values = {"symbol": "GS", "session": date(2014, 7, 15)}
    where = "WHERE symbol = :symbol AND session = :session"
    async with changed(
        parts,
        f"UPDATE bars SET close = close - 1, low = low - 1 {where}",
        f"UPDATE bars SET close = close + 1, low = low + 1 {where}",
        **values,
    ):
        report = await compared(parts, BOUGHT)
    gap = next(gap for gap in report.found if gap.what is Subject.DECISION)
    assert (gap.kind, gap.symbol) == (GapKind.DATA, "GS")
    assert gap.detail == "bars: other prices or volumes up to 2014-07-15"
    assert {gap.symbol for gap in report.found} == {"GS"}
    assert report.equity.unexplained == 0


async def test_decision_when_a_document_is_read_later_then_it_is_data_and_names_the_document(parts: Parts) -> None:
    before = await _events(parts)
    late = await register(
        parts, "Intel profit falls, cuts its outlook", "Intel cut its forecast.", ("INTC",), note="from Santa Clara"
    )
    (outcome,) = await process(parts, late)
    assert outcome.status == DocumentStatus.PROCESSED
    try:
        report = await compared(parts, BOUGHT)
        again = await compared(parts, BOUGHT)
    finally:
        await sql(parts, "DELETE FROM evidence WHERE doc_id = :doc", doc=late.doc_id)
    gap = next(gap for gap in report.found if (gap.symbol, gap.what) == ("INTC", Subject.DECISION))
    assert gap.kind is GapKind.DATA
    assert f"evidence: document {late.doc_id} came later" in gap.detail
    order = next(gap for gap in report.found if (gap.symbol, gap.what) == ("INTC", Subject.ORDER))
    assert (order.kind, order.live[:7]) == (GapKind.DATA, "buy 252")
    assert report.equity.explained[GapKind.DATA] == report.equity.difference != 0
    assert report.equity.unexplained == 0
    assert again == report
    assert await _events(parts) == before + 1  # told once, however often it is found


# -- fill -------------------------------------------------------------------------------------------------------------


async def test_order_when_the_broker_filled_it_dearer_then_it_is_fill_and_costs_what_it_says(parts: Parts) -> None:
    """Ten cents on 47 shares, as the broker's account shows it too."""
    fills = "UPDATE fills SET price = price {} 0.1 WHERE symbol = 'GS' AND filled_at::date = :day"
    marks = "UPDATE account_snapshots SET cash = cash {0} 4.7, equity = equity {0} 4.7 WHERE as_of::date = :day"
    async with (
        changed(parts, fills.format("+"), fills.format("-"), day=BOUGHT),
        changed(parts, marks.format("-"), marks.format("+"), day=BOUGHT),
    ):
        report = await compared(parts, BOUGHT)
    (gap,) = report.found
    assert (gap.kind, gap.symbol, gap.what) == (GapKind.FILL, "GS", Subject.ORDER)
    assert gap.dollars == report.equity.difference == report.equity.explained[GapKind.FILL] == Decimal("-4.7")
    assert gap.basis_points == pytest.approx(10_000 * 0.1 / 169.2)
    assert report.equity.unexplained == 0


async def test_account_when_it_moved_without_an_order_then_that_is_unexplained(parts: Parts) -> None:
    marks = "UPDATE account_snapshots SET cash = cash {0} 12.34, equity = equity {0} 12.34 WHERE as_of::date = :day"
    async with changed(parts, marks.format("-"), marks.format("+"), day=HELD):
        report = await compared(parts, HELD)
    assert report.found == ()
    assert report.equity.difference == report.equity.unexplained == Decimal("-12.34")


# -- approval ---------------------------------------------------------------------------------------------------------


async def test_order_when_a_person_declined_it_then_it_is_approval_with_all_of_the_difference(tmp_path: Path) -> None:
    with traded(tmp_path, "--cash", "1000000", "--approvals", "decline", last=BOUGHT) as declined:
        assert declined.replay["account"]["positions"] == []
        async with working(declined.servers.environment(), Queue.OPS) as parts:
            report = await compared(parts, BOUGHT)
    assert {gap.kind for gap in report.found} == {GapKind.APPROVAL}
    assert {gap.symbol for gap in report.found} == {"GS", "INTC"}
    assert all(gap.detail.startswith("declined by replay: declined by the replay") for gap in report.found)
    assert report.equity.live_change == 0
    assert report.equity.difference == report.equity.explained[GapKind.APPROVAL] == -report.equity.played_change != 0
    assert report.equity.unexplained == 0


# -- the schedule, and people who ask beside it -----------------------------------------------------------------------


async def test_scheduled_when_the_day_has_no_bars_yet_then_it_waits_and_compares_when_they_come(
    parts: Parts, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(compare_day, "PRICES_PAUSE", timedelta(seconds=2))
    async with without_bars(parts, LAST):
        handle = await _start(parts, DriftRequest(session=LAST, scheduled=True), names.drift_id(LAST))

        async def waits() -> bool:
            history = await handle.fetch_history()
            return any(event.HasField("timer_started_event_attributes") for event in history.events)

        await eventually(waits)
        assert (await handle.describe()).status is WorkflowExecutionStatus.RUNNING
        beside = await _start(parts, DriftRequest(), "beside")
        assert (await beside.result()).note == "is being compared"
        asked = asyncio.create_task(drift.compare_now(parts.client, None))
        await bring_bars(parts)
        outcome = await handle.result()
        assert await asked == outcome  # who asks for the same day waits for that one
    assert (outcome.session, outcome.compared, outcome.unexplained) == (LAST, True, "0.00")


async def test_scheduled_when_bars_never_come_then_it_gives_up_and_says_so(
    parts: Parts, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(compare_day, "PRICES_PAUSE", timedelta(milliseconds=10))
    async with without_bars(parts, LAST):
        handle = await _start(parts, DriftRequest(session=LAST, scheduled=True), names.drift_id(LAST))
        with pytest.raises(WorkflowFailureError) as ended:
            await handle.result()
    assert str(ended.value.__cause__) == "NO_BARS_IN_PERIOD: NO_BARS_IN_PERIOD: session=2014-07-18"
    history = await handle.fetch_history()
    looks = [event for event in history.events if event.HasField("timer_started_event_attributes")]
    assert len(looks) == compare_day.LOOKS_FOR_PRICES - 1


async def test_scheduled_when_the_last_session_has_its_report_then_nothing_is_done(parts: Parts) -> None:
    report = await compared(parts, FIRST)
    now = datetime.now(UTC)
    recent = parts.calendar.sessions((now - timedelta(days=14)).date(), now.date())
    newest = [each.date for each in recent if each.closes_at <= now][-1]
    async with parts.database.transaction() as session:
        await days.save(session, report.model_copy(update={"session": newest}), compared_at=now)
    try:
        handle = await _start(parts, DriftRequest(scheduled=True), "nightly")
        outcome = await handle.result()
    finally:
        await sql(parts, "DELETE FROM drift_reports WHERE session = :session", session=newest)
    assert outcome == DriftOutcome(session=newest, note="compared before")


async def test_schedule_when_made_twice_then_it_is_one_and_fires_at_half_past_ten_in_new_york(parts: Parts) -> None:
    for _ in range(2):
        await ensure_comparison(parts.client)
    handle = parts.client.get_schedule_handle(names.COMPARE_DAY)
    try:
        described = await handle.describe()
        coming = [each.astimezone(NEW_YORK) for each in described.info.next_action_times]
    finally:
        await handle.delete()
    assert {(each.hour, each.minute) for each in coming} == {(22, 30)}
    action = described.schedule.action
    assert isinstance(action, ScheduleActionStartWorkflow)
    assert (action.workflow, action.id, action.task_queue) == ("CompareDay", "compare-day", "ops")
    assert described.schedule.policy.overlap is ScheduleOverlapPolicy.SKIP


async def test_last_session_when_asked_for_by_hand_then_it_is_the_last_that_was_marked(parts: Parts) -> None:
    outcome = await drift.compare_now(parts.client, None)
    assert (outcome.session, outcome.compared) == (LAST, True)
    assert (await drift.report(parts.database, None)).session == LAST


async def test_day_when_it_cannot_be_compared_then_the_reason_is_named(parts: Parts) -> None:
    coming = parts.calendar.next_session(datetime.now(UTC)).date
    for session, code in (
        (coming, "SESSION_NOT_FINISHED"),
        (date(2014, 7, 4), "NO_SESSIONS"),
        (date(2014, 7, 11), "ACCOUNT_NEVER_MARKED"),
        (date(2014, 7, 21), "NO_BARS_IN_PERIOD"),
    ):
        with pytest.raises(VendorRejected, match=code) as refused:
            await drift.compare_now(parts.client, session)
        assert session.isoformat() in str(refused.value)
        with pytest.raises(NotFound, match="DRIFT_REPORT_NOT_FOUND"):
            await drift.report(parts.database, session)


# -- what a person types ----------------------------------------------------------------------------------------------


async def test_command_when_a_day_is_compared_then_it_prints_the_report(book: Book, parts: Parts) -> None:
    cli = Stonks(book.servers.directory.root)
    marks = "UPDATE account_snapshots SET equity = equity {} 12.34 WHERE as_of::date = :day"
    fills = "UPDATE fills SET price = price {} 0.1 WHERE symbol = 'GS' AND filled_at::date = :day"
    async with (
        changed(parts, fills.format("+"), fills.format("-"), day=BOUGHT),
        changed(parts, marks.format("-"), marks.format("+"), day=BOUGHT),
    ):
        shown = await cli.text("backtest", "drift", BOUGHT.isoformat(), "--run")
    assert "2014-07-16, live beside played again" in shown
    assert "3 decisions and orders equal, 1 gap." in shown
    for words in (("fill", "GS", "-4.70", "+5.9"), ("by fill", "-4.70"), ("unexplained", "-7.64")):
        assert any(all(word in line for word in words) for line in shown.splitlines()), (words, shown)
    body = await cli.json("backtest", "drift", BOUGHT.isoformat())
    assert DriftReport.model_validate(body) == await drift.report(parts.database, BOUGHT)
    assert (await cli.json("backtest", "drift"))["session"] == LAST.isoformat()
    await compared(parts, BOUGHT)


@pytest.mark.parametrize(
    ("words", "code"),
    [
        (("yesterday",), "DATE_INVALID: field=SESSION, found=yesterday, allowed=YYYY-MM-DD"),
        (("2014-07-03",), "DRIFT_REPORT_NOT_FOUND: session=2014-07-03"),
        (("2014-07-04", "--run"), "COMPARISON_ENDED: workflow=drift/2014-07-04"),
    ],
)
async def test_command_when_there_is_nothing_to_show_then_one_line_says_so(
    book: Book, parts: Parts, words: tuple[str, ...], code: str
) -> None:
    done = await Stonks(book.servers.directory.root)("backtest", "drift", *words)
    assert (done.code, done.out) == (1, "")
    assert code in done.err.replace("\n", " ")
