"""Lists: pages that fit together without a gap or a repeat, filters, and the overview."""

from __future__ import annotations

import base64
import json
from collections import Counter
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlmodel import col, select

from api.numbers import from_nano, money, shares
from api.paging import decode, encode, position
from domain.errors import InvalidInput
from store import portfolio
from store.tables.trading import CorporateActionEntry, FillRow
from tests.api.harness import Caller, Platform, assert_problem, eventually
from tests.api.library import company
from workflows.names import Queue

START = datetime(2014, 7, 1, 12, tzinfo=UTC)


async def walk(api: Caller, path: str, limit: int, **filters: Any) -> list[dict[str, Any]]:
    """Read a list page by page."""
    rows: list[dict[str, Any]] = []
    cursor: dict[str, str] = {}
    while True:
        page = await api.get(path, limit=limit, **filters, **cursor)
        assert len(page["data"]) <= limit
        assert page["has_more"] is (page["next_cursor"] is not None)
        rows += page["data"]
        if not page["has_more"]:
            return rows
        assert len(page["data"]) == limit
        cursor = {"cursor": page["next_cursor"]}


@pytest.fixture(scope="module")
async def stories(platform: Platform) -> list[str]:
    """Seven stories; several at the same instant, so that only the id orders them."""
    made = []
    for number in range(7):
        row = await platform.document(
            f"Story {number}",
            at=START + timedelta(hours=number // 3),
            symbols=("XOM", "CVX") if number % 2 else ("XOM",),
            source_id="paged",
            status="processed" if number < 5 else "failed",
        )
        made.append(row.doc_id)
    return made


@pytest.mark.stack
@pytest.mark.parametrize("limit", [1, 2, 3, 6, 7, 8, 200])
async def test_documents_when_paged_then_every_row_comes_once_and_in_order(
    api: Caller, stories: list[str], limit: int
) -> None:
    rows = await walk(api, "/v1/documents", limit, source="paged")
    keys = [(row["available_at"], row["doc_id"]) for row in rows]
    assert keys == sorted(keys, reverse=True)
    assert sorted(row["doc_id"] for row in rows) == sorted(stories)


@pytest.mark.stack
async def test_documents_when_filtered_then_only_those_come(api: Caller, stories: list[str]) -> None:
    async def count(**filters: Any) -> int:
        return len(await walk(api, "/v1/documents", 2, source="paged", **filters))

    assert await count(symbol="XOM") == 7
    assert await count(symbol="CVX") == 3
    assert await count(symbol="xom") == 0
    assert await count(status="failed") == 2
    assert await count(status="failed", symbol="CVX") == 1
    # Three stories an hour: both ends count.
    assert await count(**{"from": "2014-07-01T13:00:00Z"}) == 4
    assert await count(to="2014-07-01T13:00:00Z") == 6
    assert await count(**{"from": "2014-07-01T13:00:00Z", "to": "2014-07-01T13:00:00Z"}) == 3
    assert await count(**{"from": "2014-07-01T15:00:01+02:00"}) == 1
    rows = await walk(api, "/v1/documents", 50, source="paged", symbol="CVX")
    assert rows[0]["symbols"] == ["CVX", "XOM"]


@pytest.mark.stack
async def test_documents_when_a_filter_is_no_value_of_its_kind_then_422(api: Caller) -> None:
    for name, value in (("status", "lost"), ("from", "yesterday"), ("to", "2014-07-01T13:00:00")):
        body = assert_problem(await api("GET", "/v1/documents", params={name: value}), 422, "REQUEST_INVALID")
        assert body["errors"][0]["field"] == f"query.{name}"


@pytest.mark.stack
async def test_cursor_when_of_another_list_or_made_up_then_422(api: Caller, stories: list[str]) -> None:
    cursor = (await api.get("/v1/documents", limit=1))["next_cursor"]
    forged = base64.urlsafe_b64encode(json.dumps(["orders", ["now", "x"]]).encode()).decode()
    unzoned = encode("orders", ["2014-07-01T12:00:00", "x"])
    for each in (cursor, forged, unzoned, "x", "ZZZZ", "=", "é", base64.urlsafe_b64encode(b"[1]").decode()):
        assert_problem(await api("GET", "/v1/orders", params={"cursor": each}), 422, "CURSOR_INVALID")


@pytest.mark.stack
async def test_recommendations_when_paged_and_filtered_then_they_fit(platform: Platform, api: Caller) -> None:
    symbol = await company(platform, "ZLSA")
    made = [await platform.recommendation(symbol, later=timedelta(seconds=number)) for number in range(5)]
    rows = await walk(api, "/v1/recommendations", 2, symbol=symbol)
    assert [row["recommendation_id"] for row in rows] == [each.recommendation_id for each in reversed(made)]
    row = rows[0]
    assert row["score"] == from_nano(made[-1].assessment.score_nano)
    assert row["action"] == "buy"
    assert row["thesis"] == made[-1].thesis
    assert row["reasons"] == list(made[-1].reasons)
    assert await walk(api, "/v1/recommendations", 50, symbol=symbol, action="sell") == []
    assert len(await walk(api, "/v1/recommendations", 50, symbol=symbol, action="buy")) == 5


@pytest.mark.stack
async def test_orders_when_listed_then_their_numbers_are_plain_text(platform: Platform, api: Caller) -> None:
    symbol = await company(platform, "ZLSB")
    async with platform.working(Queue.TRADING):
        requests = [await platform.order(symbol, quantity=10 + number) for number in range(3)]

        async def filled() -> bool:
            return len(await walk(api, "/v1/orders", 2, symbol=symbol, status="filled")) == 3

        await eventually(filled)
    rows = await walk(api, "/v1/orders", 1, symbol=symbol)
    assert {row["intent_id"] for row in rows} == {request.intent_id for request in requests}
    assert {row["quantity"] for row in rows} == {"10", "11", "12"}
    assert rows[0]["filled_average_price"] == "50.00"
    assert rows[0]["limit_price"] is None
    assert await walk(api, "/v1/orders", 50, symbol=symbol, status="rejected") == []


@pytest.mark.stack
async def test_overview_when_the_account_was_marked_then_the_return_is_on_the_capital_paid_in(
    platform: Platform, api: Caller
) -> None:
    at = datetime(2030, 7, 15, 20, tzinfo=UTC)
    before = await api.get("/v1/overview")
    symbol = await company(platform, "ZLSC")
    async with platform.working(Queue.TRADING):
        request = await platform.order(symbol, quantity=100)

        async def filled() -> bool:
            return bool(await walk(api, "/v1/orders", 50, symbol=symbol, status="filled"))

        await eventually(filled)
    async with platform.parts.database.transaction() as session:
        await portfolio.mark(session, prices={symbol: Decimal(55)}, at=at)
        row = await portfolio.snapshot(session, as_of=at, phase="close", cash=Decimal(95_000))
    body = await api.get("/v1/overview")
    assert body["mode"] == "paper"
    assert body["last_session"] == "2030-07-15"
    account = body["account"]
    assert account["cash"] == "95000.00"
    assert account["equity"] == money(row.equity.quantize(Decimal("0.01")))
    paid_in = 95_000 + await spent(platform, before=at)
    assert Decimal(account["return_pct"]) == round((row.equity / paid_in - 1) * 100, 4)
    position_ = next(each for each in body["positions"] if each["symbol"] == symbol)
    assert (position_["quantity"], position_["market_value"], position_["unrealized_pnl"]) == (
        "100",
        "5500.00",
        "500.00",
    )
    assert body["documents"].get("registered", 0) >= 0
    newest = body["recommendations"]
    actions = [row["action"] for row in await walk(api, "/v1/recommendations", 200) if row["as_of"] == newest["as_of"]]
    assert newest["by_action"] == Counter(actions)
    assert body["approvals_pending"] >= before["approvals_pending"]
    assert body["trading"]["state"] in ("active", "reducing", "halted")
    assert request.intent_id


async def spent(platform: Platform, *, before: datetime) -> Decimal:
    """The cash that went into shares so far, those of other tests too: bought and fees, less sold and dividends."""
    async with platform.parts.database.transaction() as session:
        fills = (await session.exec(select(FillRow).where(col(FillRow.filled_at) <= before))).all()
        actions = (
            await session.exec(select(CorporateActionEntry).where(col(CorporateActionEntry.applied_at) <= before))
        ).all()
    traded = sum(
        (each.quantity * each.price * (1 if each.side == "buy" else -1) + each.fee for each in fills), Decimal(0)
    )
    return traded - sum((each.cash for each in actions), Decimal(0))


@given(st.datetimes(timezones=st.just(UTC)), st.text(max_size=40))
def test_cursor_when_written_and_read_back_then_it_is_the_same(at: datetime, key: str) -> None:
    cursor = encode("orders", [at.isoformat(), key])
    assert position("orders", cursor) == (at, key)
    assert decode("orders", cursor) == [at.isoformat(), key]
    with pytest.raises(InvalidInput):
        position("documents", cursor)


@given(st.integers(-(10**9), 10**9))
def test_nano_when_written_as_text_then_it_is_exact(nano: int) -> None:
    assert Decimal(from_nano(nano)) * 10**9 == nano


@given(st.decimals(allow_nan=False, allow_infinity=False, places=6, min_value=-(10**12), max_value=10**12))
def test_numbers_when_written_as_text_then_they_are_exact_and_plain(value: Decimal) -> None:
    for text in (money(value), shares(value)):
        assert Decimal(text) == value
        assert "E" not in text
    assert len(money(value).partition(".")[2]) >= 2
