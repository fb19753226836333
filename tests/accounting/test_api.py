"""Account, ledger, positions, fills, performance and the decision audit over HTTP and in the command."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from sqlmodel import select

from api.keys import Scope
from domain.decisions import RiskOutcome, Side
from domain.market import CorporateAction
from domain.portfolio import OrderStatus
from domain.sizing import intent_id
from store import audit, portfolio
from store.database import insert_new
from store.tables.decisions import Approval, OrderIntentRow, RiskDecisionRow
from store.tables.market import BarRow, CorporateActionRow
from store.tables.platform import AuditEntry
from store.tables.trading import Order
from tests.api.harness import Caller, Platform, assert_problem, caller, eventually
from tests.api.test_lists import walk
from tests.operate.conftest import Stonks
from workflows.names import Queue

from .book import Book
from .builders import at, bought, sold

pytestmark = pytest.mark.stack

D = Decimal
CLOSE = timedelta(hours=6)
"""From the builders' instant, 15:00 UTC, to after the close in New York."""


def closing(day: int) -> datetime:
    return at(day) + CLOSE


@pytest.fixture
async def traded(book: Book) -> Book:
    """Three sessions: 100 AAPL at 10 and 50 at 12; 120 sold at 15 with a dividend in between; 500 paid in; 9 MSFT."""
    await book.fill(bought(100, "10", 0, fee=D(1), symbol="AAPL"))
    await book.mark(closing(0), "98999", AAPL="11")
    await book.fill(bought(50, "12", 1, fee=D(1), symbol="AAPL"), bought(9, "40", 1, symbol="MSFT", fill_id="m"))
    await book.act(date(2024, 1, 4), at(2) - timedelta(hours=2), symbol="AAPL", dividend="0.5")
    await book.mark(closing(1), "98038", AAPL="12", MSFT="41")
    await book.fill(sold(120, "15", 2, fee=D(2), symbol="AAPL"))
    await book.mark(closing(2), "100411", AAPL="16", MSFT="39.5")
    return book


async def test_account_when_asked_then_buckets_are_the_cash_and_the_ledger_tells_what_is_missing(
    traded: Book, api: Caller
) -> None:
    body = await api.get("/v1/account")
    assert body["mode"] == "paper"
    account, ledger = body["account"], body["ledger"]
    assert (account["equity"], account["cash"], account["session"]) == ("101246.50", "100411.00", "2024-01-04")
    assert sum(D(amount) for amount in account["buckets"].values()) == D(account["cash"])
    assert account["gross_exposure"] == account["net_exposure"] == "835.50"
    assert sum(D(amount) for amount in account["sectors"].values()) == D("835.50")
    assert ledger["by_kind"] == {
        "transfer_in": "100000.00",
        "dividend": "75.00",
        "fill": "-160.00",
        "fee": "-4.00",
    }
    assert (ledger["balance"], ledger["paid_in"], ledger["unexplained"]) == ("99911.00", "100000.00", "500.00")


async def test_account_when_nothing_was_marked_then_it_is_null(book: Book, api: Caller, cli: Stonks) -> None:
    body = await api.get("/v1/account")
    assert (body["account"], body["ledger"]["unexplained"], body["ledger"]["balance"]) == (None, None, "0.00")
    assert (await api.get("/v1/trading/performance"))["first"] is None
    assert "first close" in await cli.text("account")
    assert "No session was closed" in await cli.text("performance")
    assert "Nothing is held" in await cli.text("positions")


async def test_transfer_when_entered_then_it_is_explained_and_no_result(traded: Book, api: Caller) -> None:
    before = await api.get("/v1/trading/performance")
    assert before["result"] == "1246.50"
    wanted = {
        "kind": "transfer_in",
        "source_id": "CSD-1",
        "amount": "500",
        "occurred_at": at(2).isoformat(),
        "reason": "savings",
    }
    answer = await api("POST", "/v1/account/ledger", json=wanted)
    assert answer.status_code == 201, answer.text
    assert answer.json()["balance"] == "100411.00"
    again = await api("POST", "/v1/account/ledger", json=wanted)
    assert (again.status_code, again.json()) == (200, {**answer.json(), "new": False})
    assert (await api.get("/v1/account"))["ledger"]["unexplained"] == "0.00"
    after = await api.get("/v1/trading/performance")
    assert (after["result"], after["transfers"]) == ("746.50", "100500.00")
    assert D(after["closing"]) == D(after["opening"]) + D(after["transfers"]) + D(after["result"])
    assert after["metrics"]["total_return"] < before["metrics"]["total_return"]
    async with traded.database.transaction() as session:
        assert await audit.first_broken(session) is None
        rows = await session.exec(select(AuditEntry).where(AuditEntry.subject == answer.json()["entry_id"]))
        (entry,) = rows.all()
        assert (entry.action, entry.body["reason"]) == ("cash_transfer_in", "savings")
    other = await api("POST", "/v1/account/ledger", json={**wanted, "amount": "501"})
    assert_problem(other, 409, "CASH_ENTRY_EXISTS")


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ({"amount": "-5"}, "CASH_AMOUNT_INVALID"),
        ({"amount": "0"}, "CASH_AMOUNT_INVALID"),
        ({"amount": "NaN"}, "REQUEST_INVALID"),
        ({"amount": "0.0000001"}, "REQUEST_INVALID"),
        ({"kind": "fill", "amount": "5"}, "CASH_KIND_NOT_BY_HAND"),
        ({"kind": "dividend", "amount": "5"}, "CASH_KIND_NOT_BY_HAND"),
        ({"kind": "gift"}, "REQUEST_INVALID"),
        ({"occurred_at": "2999-01-01T00:00:00Z"}, "CASH_ENTRY_IN_THE_FUTURE"),
        ({"occurred_at": "2024-01-01T00:00:00"}, "REQUEST_INVALID"),
        ({"reason": "   "}, "REASON_INVALID"),
        ({"source_id": "a b"}, "REQUEST_INVALID"),
        ({"surplus": 1}, "REQUEST_INVALID"),
    ],
)
async def test_entry_when_it_cannot_be_then_it_is_refused_and_nothing_is_entered(
    book: Book, api: Caller, change: dict[str, Any], code: str
) -> None:
    wanted = {"kind": "transfer_in", "source_id": "x", "amount": "5", "reason": "why"}
    assert_problem(await api("POST", "/v1/account/ledger", json={**wanted, **change}), 422, code)
    assert await book.entries() == []


async def test_ledger_when_paged_then_every_entry_comes_once_with_the_balance_after_it(
    traded: Book, api: Caller
) -> None:
    rows = await walk(api, "/v1/account/ledger", 2)
    assert len(rows) == 1 + 4 + 3 + 1
    assert len({row["entry_id"] for row in rows}) == len(rows)
    balance = D(0)
    for row in reversed(rows):
        balance += D(row["amount"])
        assert D(row["balance"]) == balance
    assert (rows[-1]["kind"], rows[-1]["amount"]) == ("transfer_in", "100000.00")
    fees = await walk(api, "/v1/account/ledger", 1, kind="fee")
    assert [row["amount"] for row in fees] == ["-2.00", "-1.00", "-1.00"]
    assert D(fees[0]["balance"]) == D("99911")
    assert {row["symbol"] for row in await walk(api, "/v1/account/ledger", 50, symbol="MSFT")} == {"MSFT"}
    late = {"from": at(2).isoformat(), "to": closing(2).isoformat()}
    assert [row["kind"] for row in await walk(api, "/v1/account/ledger", 50, **late)] == ["fee", "fill"]
    assert_problem(await api("GET", "/v1/account/ledger", params={"kind": "gift"}), 422, "REQUEST_INVALID")


async def test_history_when_paged_and_filtered_then_the_marks_come_newest_first(traded: Book, api: Caller) -> None:
    rows = await walk(api, "/v1/account/history", 1)
    assert [row["equity"] for row in rows] == ["101246.50", "100207.00", "100099.00"]
    assert await walk(api, "/v1/account/history", 50, phase="intraday") == []
    assert len(await walk(api, "/v1/account/history", 50, phase="close")) == 3
    only = {"from": closing(1).isoformat(), "to": closing(1).isoformat()}
    assert [row["session"] for row in await walk(api, "/v1/account/history", 50, **only)] == ["2024-01-03"]


async def test_positions_when_asked_then_both_methods_come_to_the_same_total(traded: Book, api: Caller) -> None:
    apple, microsoft = await walk(api, "/v1/positions", 1)
    assert (apple["symbol"], apple["quantity"], apple["market_value"]) == ("AAPL", "30", "480.00")
    assert (microsoft["symbol"], microsoft["fifo"]["cost"], microsoft["fifo"]["total"]) == ("MSFT", "360.00", "-4.50")
    assert apple["fifo"] == {
        "cost": "360.60",
        "realized_pnl": "631.60",  # 556.60 of the sale and 75 of dividends
        "unrealized_pnl": "119.40",
        "total": "751.00",
    }
    assert D(apple["average_cost"]["total"]) == D("751")
    assert apple["weight_pct"] == f"{D(480) / D('101246.5') * 100:.4f}"
    detail = await api.get("/v1/positions/aapl")
    assert {name: detail[name] for name in apple} == apple
    (lot,) = detail["lots"]
    assert (lot["lot_id"], lot["quantity"], lot["bought"], lot["cost"]) == ("buy-1", "30", "50", "360.60")
    assert [each["gain"] for each in detail["closings"]] == ["59.266666666666667", "497.333333333333333"]
    assert sum(D(each["gain"]) for each in detail["closings"]) == D("556.60")
    assert_problem(await api("GET", "/v1/positions/NOPE"), 404, "POSITION_NOT_FOUND")


async def test_positions_when_sold_out_then_they_are_shown_on_request(traded: Book, api: Caller) -> None:
    await traded.fill(sold(9, "41", 3, symbol="MSFT", fill_id="gone"))
    assert [row["symbol"] for row in await walk(api, "/v1/positions", 50)] == ["AAPL"]
    rows = await walk(api, "/v1/positions", 1, closed="true")
    assert [row["symbol"] for row in rows] == ["AAPL", "MSFT"]
    assert rows[1]["fifo"]["total"] == rows[1]["average_cost"]["total"] == "9.00"
    assert (await api.get("/v1/positions/MSFT"))["lots"] == []


async def test_fills_when_paged_and_filtered_then_they_fit(traded: Book, api: Caller) -> None:
    rows = await walk(api, "/v1/fills", 1)
    assert [row["fill_id"] for row in rows] == ["sell-2", "m", "buy-1", "buy-0"]
    assert (rows[0]["amount"], rows[0]["fee"], rows[0]["quantity"]) == ("1800.00", "2.00", "120")
    assert [row["fill_id"] for row in await walk(api, "/v1/fills", 50, side="buy", symbol="AAPL")] == ["buy-1", "buy-0"]
    assert len(await walk(api, "/v1/fills", 50, order_id="order-m")) == 1
    assert len(await walk(api, "/v1/fills", 50, **{"from": at(1).isoformat(), "to": at(1).isoformat()})) == 2


async def bars(book: Book) -> None:
    rows = [("2024-01-02", "470", "472"), ("2024-01-03", "471", "468"), ("2024-01-04", "469", "467")]
    async with book.database.transaction() as session:
        await insert_new(
            session,
            [
                BarRow(
                    symbol="SPY",
                    session=date.fromisoformat(day),
                    open=D(opened),
                    high=D("480"),
                    low=D("460"),
                    close=D(close),
                    volume=1,
                    available_at=closing(number),
                )
                for number, (day, opened, close) in enumerate(rows)
            ],
        )
        action = CorporateAction(symbol="SPY", ex_date=date(2024, 1, 3), cash_dividend=D("1.5"), split_ratio=D(1))
        await insert_new(session, [CorporateActionRow(**action.model_dump())])


async def test_performance_when_asked_then_it_is_the_account_beside_the_benchmark(traded: Book, api: Caller) -> None:
    await bars(traded)
    body = await api.get("/v1/trading/performance")
    assert (body["first"], body["last"], body["metrics"]["sessions"]) == ("2024-01-02", "2024-01-04", 3)
    assert (body["opening"], body["closing"], body["fees"], body["dividends"]) == (
        "0.00", "101246.50", "4.00", "75.00",
    )  # fmt: skip
    assert body["metrics"]["total_return"] == pytest.approx(0.0124650)
    assert (body["traded"], body["fees_bp"]) == ("3760.00", pytest.approx(10_000 * 4 / 3760))
    assert body["lots"] == {
        "count": 2, "winners": 2, "losers": 0, "gain": "556.60", "long_term": "0.00", "hit_rate": 1.0,
    }  # fmt: skip
    theirs = (472 / 470) * ((468 + 1.5) / 472) * (467 / 468) - 1
    assert body["benchmark"]["metrics"]["total_return"] == pytest.approx(theirs)
    assert body["benchmark"]["excess"] == pytest.approx(0.012465 - theirs)
    later = await api.get("/v1/trading/performance", **{"from": "2024-01-03", "to": "2024-01-03"})
    assert (later["opening"], later["closing"], later["transfers"]) == ("100099.00", "100207.00", "0.00")
    assert later["benchmark"]["metrics"]["total_return"] == pytest.approx((468 + 1.5) / 472 - 1)
    other = await api.get("/v1/trading/performance", benchmark="QQQ")
    assert other["benchmark"] is None
    wrong = await api("GET", "/v1/trading/performance", params={"from": "2024-01-04", "to": "2024-01-03"})
    assert_problem(wrong, 422, "PERIOD_INVALID")


async def test_performance_history_when_paged_then_the_sessions_come_newest_first(traded: Book, api: Caller) -> None:
    await bars(traded)
    rows = await walk(api, "/v1/trading/performance/history", 1)
    assert [row["session"] for row in rows] == ["2024-01-04", "2024-01-03", "2024-01-02"]
    assert [row["result"] for row in rows] == ["1039.50", "108.00", "99.00"]
    assert rows[0]["growth"] == pytest.approx(1.012465)
    assert rows[2]["change"] == pytest.approx(0.00099)
    assert rows[2]["benchmark"] == pytest.approx(472 / 470 - 1)
    cut = await walk(api, "/v1/trading/performance/history", 50, to="2024-01-03")
    assert cut == rows[1:]


async def test_decision_when_audited_then_it_is_told_from_evidence_to_fill(
    book: Book, platform: Platform, api: Caller
) -> None:
    recommendation = await platform.recommendation("CAT", publish=True)
    name = intent_id(recommendation.recommendation_id, "CAT", Side.BUY)
    async with book.database.transaction() as session:
        await insert_new(
            session,
            [
                OrderIntentRow(
                    intent_id=name,
                    recommendation_id=recommendation.recommendation_id,
                    symbol="CAT",
                    side="buy",
                    quantity=D(20),
                    reference_price=D(50),
                    notional=D(1000),
                    target_weight=0.03,
                    as_of=at(0),
                    state="filled",
                )
            ],
        )
        await insert_new(
            session,
            [
                RiskDecisionRow(
                    decision_id="risk-1",
                    intent_id=name,
                    outcome=RiskOutcome.CLAMP.value,
                    allowed_quantity=D(12),
                    needs_approval=True,
                    approval_reason="new symbol",
                    checks=[{"code": "NAME_CAP", "outcome": "clamp", "value": "20", "limit": "12"}],
                    as_of=at(0),
                )
            ],
        )
        await insert_new(
            session,
            [
                Approval(
                    approval_id="approval-1",
                    intent_id=name,
                    decision_id="risk-1",
                    symbol="CAT",
                    side="buy",
                    quantity=D(12),
                    notional=D(600),
                    reason="new symbol",
                    order_hash="hash",
                    status="approved",
                    requested_at=at(0),
                    expires_at=at(1),
                    decided_at=at(0),
                    decided_by="api:desk/1",
                )
            ],
        )
        await insert_new(
            session,
            [
                Order(
                    order_id="cat-order",
                    intent_id=name,
                    client_order_id="so-cat",
                    symbol="CAT",
                    side="buy",
                    quantity=D(12),
                    status=OrderStatus.FILLED.value,
                    filled_quantity=D(12),
                    filled_average_price=D("49.5"),
                    body_hash="hash",
                    created_at=at(0),
                )
            ],
        )
        await audit.append(
            session,
            key="test/approval-1",
            actor="api:desk/1",
            action="approval_approved",
            subject="approval-1",
            body={},
            recorded_at=datetime.now(UTC),
        )
    await book.order("other", symbol="KO", side=Side.SELL, quantity=D(3), status="open")
    async with book.database.transaction() as session:
        fill = bought(12, "49.5", 0, symbol="CAT", fill_id="cat-fill", fee=D("0.5"))
        await portfolio.book_fills(session, order_id="cat-order", fills=[fill], booked_at=at(0))

    rows = await walk(api, "/v1/trading/decisions", 1)
    assert {row["decision_id"] for row in rows} == {name, "intent-other"}
    (row,) = await walk(api, "/v1/trading/decisions", 50, symbol="CAT", side="buy", state="filled")
    assert (row["risk"], row["approval"], row["order"], row["filled_quantity"]) == ("clamp", "approved", "filled", "12")
    assert row["temporal_url"].endswith(f"/workflows/order%2F{name}")
    (waiting,) = await walk(api, "/v1/trading/decisions", 50, state="open")
    assert (waiting["risk"], waiting["approval"], waiting["order"], waiting["filled_quantity"]) == (
        None,
        None,
        None,
        "0",
    )

    told = await api.get(f"/v1/trading/decisions/{name}")
    assert {key: told[key] for key in row} == row
    assert told["recommendation"]["recommendation_id"] == recommendation.recommendation_id
    assert told["recommendation"]["thesis"] == recommendation.thesis
    assert told["inputs"]["record_hash"] == recommendation.record_hash
    assert {item["doc_id"] for item in told["inputs"]["evidence"]} == {f"doc-CAT{number}" for number in range(4)}
    assert told["inputs"]["bars"] > 60
    assert told["versions"]["code"] == "1.2.3"
    assert told["versions"]["config"] == recommendation.config_version
    assert told["versions"]["extractors"] == ["rules-7"]
    assert [step["checks"][0]["code"] for step in told["risk_decisions"]] == ["NAME_CAP"]
    assert [step["decided_by"] for step in told["approvals"]] == ["api:desk/1"]
    assert told["orders"][0]["fills"][0]["price"] == "49.50"
    assert [step["action"] for step in told["audit"]] == ["approval_approved"]
    by_hand = await api.get("/v1/trading/decisions/intent-other")
    assert (by_hand["recommendation"], by_hand["inputs"], by_hand["versions"]) == (None, None, None)
    assert_problem(await api("GET", "/v1/trading/decisions/none"), 404, "DECISION_NOT_FOUND")


async def test_order_when_the_workflow_filled_it_then_lots_ledger_and_audit_have_it(
    book: Book, platform: Platform, api: Caller
) -> None:
    async with platform.working(Queue.TRADING):
        request = await platform.order("JNJ", quantity=100)

        async def filled() -> bool:
            return bool(await walk(api, "/v1/trading/decisions", 50, symbol="JNJ", state="filled"))

        await eventually(filled)
    told = await api.get(f"/v1/trading/decisions/{request.intent_id}")
    (fill,) = told["orders"][0]["fills"]
    assert (told["risk"], told["order"], fill["price"]) == ("allow", "filled", "50.00")
    (lot,) = (await api.get("/v1/positions/JNJ"))["lots"]
    assert (lot["lot_id"], lot["quantity"], lot["cost"]) == (fill["fill_id"], "100", "5000.00")
    (entry,) = await walk(api, "/v1/account/ledger", 50, symbol="JNJ")
    assert (entry["source_id"], entry["amount"], entry["note"]) == (fill["fill_id"], "-5000.00", "buy 100 at 50")


async def test_entry_when_the_key_may_only_read_then_it_is_refused(book: Book, platform: Platform) -> None:
    reader = caller(platform, await platform.key(Scope.READ))
    answer = await reader("POST", "/v1/account/ledger", json={})
    assert answer.status_code == 403
    assert (await reader("GET", "/v1/account")).status_code == 200


# -- the command ------------------------------------------------------------------------------------------------------


async def test_commands_when_asked_then_they_say_what_the_api_says(traded: Book, api: Caller, cli: Stonks) -> None:
    await bars(traded)
    assert await cli.json("account") == await api.get("/v1/account")
    assert (await cli.json("positions"))["data"] == (await api.get("/v1/positions"))["data"]
    assert await cli.json("positions", "aapl") == await api.get("/v1/positions/AAPL")
    assert await cli.json("performance") == await api.get("/v1/trading/performance")
    history = await api.get("/v1/trading/performance/history", **{"from": "2024-01-03"})
    assert (await cli.json("performance", "--sessions", "--from", "2024-01-03"))["data"] == history["data"]
    assert (await cli.json("account", "ledger"))["data"] == (await api.get("/v1/account/ledger"))["data"]
    assert (await cli.json("account", "history"))["data"] == (await api.get("/v1/account/history"))["data"]


async def test_commands_when_read_by_people_then_the_numbers_stand_there(traded: Book, cli: Stonks) -> None:
    await bars(traded)
    for words, parts in (
        (("account",), ("$101,246.50", "deployable", "Unexplained", "500.00")),
        (("account", "history"), ("2024-01-04 21:00", "100,411.00")),
        (("account", "ledger", "--kind", "fill"), ("sell 120 at 15", "+1,800.00")),
        (("positions",), ("AAPL", "480.00", "+631.60")),
        (("positions", "AAPL"), ("lot of", "360.60", "short", "+497.33")),
        (("performance",), ("2024-01-02 to 2024-01-04, 3 sessions", "+1.25 %", "SPY", "2 of 2 lots", "Sharpe")),
        (("performance", "--sessions"), ("2024-01-03", "+108.00")),
    ):
        shown = await cli.text(*words)
        for part in parts:
            assert part in shown, (words, part, shown)


async def test_entry_when_given_on_the_command_line_then_its_sign_follows_from_its_kind(
    traded: Book, cli: Stonks
) -> None:
    made = await cli.json(
        "account", "enter", "fee", "1.25", "--source", "TAF-1", "--reason", "activity fee", "--at", "2024-01-04"
    )
    assert (made["new"], made["balance"]) == (True, "99909.75")
    again = await cli("account", "enter", "fee", "1.25", "--source", "TAF-1", "--reason", "again")
    assert (again.code, again.out) == (0, "")
    assert "entered before" in again.err
    for words, code in (
        (("account", "enter", "fee", "much", "--source", "a", "--reason", "b"), "AMOUNT_INVALID"),
        (("account", "enter", "gift", "1", "--source", "a", "--reason", "b"), "CASH_ENTRY_INVALID"),
        (("account", "ledger", "--kind", "gift"), "CHOICE_INVALID"),
        (("performance", "--from", "yesterday"), "DAY_INVALID"),
        (("positions", "NOPE"), "POSITION_NOT_FOUND"),
    ):
        done = await cli(*words)
        assert (done.code, done.out) == (1, ""), words
        assert done.err.startswith(code), done.err
