"""Documents, what was read in them and what became of that: real headlines through the real rules, read back."""

from __future__ import annotations

import asyncio
import hashlib
import urllib.request
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from sqlmodel import col, select

from api.keys import Scope
from domain.decisions import Side, SizedIntent
from domain.documents import Section
from domain.sizing import intent_id
from domain.trading import OrderRequest
from store import orders
from store.objects import key_for, pack_of
from store.tables.ingestion import Document
from store.tables.platform import AuditEntry
from tests.api.harness import Caller, Platform, assert_problem, caller, eventually
from tests.api.library import AS_OF, SOURCE, Library, story
from tests.api.test_lists import walk
from workflows import names
from workflows.execute_order import ExecuteOrder
from workflows.names import Queue

pytestmark = pytest.mark.stack

NOBODY = "0" * 24


async def test_quotes_when_read_then_their_offsets_select_exactly_their_words_in_the_content(
    api: Caller, shelf: list[str]
) -> None:
    quotes = 0
    for doc_id in shelf:
        content = (await api("GET", f"/v1/documents/{doc_id}/content")).text
        for extraction in await walk(api, f"/v1/documents/{doc_id}/extractions", 1):
            for found in [*extraction["events"], *extraction["statements"]]:
                for quote in found["quotes"]:
                    assert content[quote["start"] : quote["end"]] == quote["quote"]
                    quotes += 1
    assert quotes > 20


async def test_document_when_read_then_it_says_where_it_came_from_and_how_far_it_is(
    api: Caller, shelf: list[str]
) -> None:
    body = await api.get(f"/v1/documents/{shelf[0]}")
    assert (body["doc_id"], body["source_id"], body["status"]) == (shelf[0], SOURCE, "processed")
    assert body["symbols"]
    assert body["content_hash"].startswith(shelf[0])
    assert body["run_id"] == "library/run"
    assert body["readings"] >= 1
    assert body["temporal_url"].endswith(f"/document%2F{shelf[0]}")


async def test_content_when_asked_for_in_parts_then_they_are_the_bytes_of_the_whole(
    api: Caller, library: Library
) -> None:
    doc_id = await library.register(story("Crédit Agricole: 3 % dividende", "Œuvre – “citée” " * 40))
    path = f"/v1/documents/{doc_id}/content"
    whole = await api("GET", path)
    assert (whole.status_code, whole.headers["content-type"]) == (200, "text/plain; charset=utf-8")
    assert whole.headers["accept-ranges"] == "bytes"
    assert "sandbox" in whole.headers["content-security-policy"]
    size, tag = len(whole.content), whole.headers["etag"]
    for wanted, first, last in (
        ("0-9", 0, 9),
        ("5-", 5, size - 1),
        ("-7", size - 7, size - 1),
        ("0-999999", 0, size - 1),
    ):
        part = await api("GET", path, headers={"Range": f"bytes={wanted}"})
        assert part.status_code == 206
        assert part.headers["content-range"] == f"bytes {first}-{last}/{size}"
        assert part.content == whole.content[first : last + 1]
    middle = size // 2
    halves = [await api("GET", path, headers={"Range": f"bytes={r}"}) for r in (f"0-{middle}", f"{middle + 1}-")]
    assert b"".join(half.content for half in halves) == whole.content
    for wanted in ("lines=0-1", "bytes=0-1,4-5", "bytes=x", "bytes=--1", ""):
        assert (await api("GET", path, headers={"Range": wanted})).status_code == 200
    for wanted in (f"bytes={size}-", "bytes=9-3", "bytes=-0"):
        answer = await api("GET", path, headers={"Range": wanted})
        assert_problem(answer, 416, "RANGE_UNSATISFIABLE")
        assert answer.headers["content-range"] == f"bytes */{size}"
    same = await api("GET", path, headers={"If-None-Match": f'"other", W/{tag}'})
    assert (same.status_code, same.content) == (304, b"")
    assert (await api("GET", path, headers={"If-None-Match": '"other"'})).status_code == 200
    old = await api("GET", path, headers={"Range": "bytes=0-9", "If-Range": '"other"'})
    assert (old.status_code, old.content) == (200, whole.content)
    assert (await api("GET", path, headers={"Range": "bytes=0-9", "If-Range": tag})).status_code == 206


async def test_content_when_asked_for_as_json_then_sections_select_their_parts(api: Caller, library: Library) -> None:
    text = "First things first.\nThen the\u200bse others."
    sections = [Section(heading="One", start=0, end=19), Section(heading="Two", start=20, end=len(text))]
    doc_id = await library.register(story("In parts", text, sections=sections))
    body = (await api("GET", f"/v1/documents/{doc_id}/content", headers={"Accept": "application/json"})).json()
    assert body["text"] == "In parts\n\nFirst things first.\nThen these others."
    parts = {each["heading"]: body["text"][each["start"] : each["end"]] for each in body["sections"]}
    assert parts == {"One": "First things first.", "Two": "Then these others."}
    assert (body["characters"], body["bytes"]) == (len(body["text"]), len(body["text"].encode()))
    await library.process(doc_id)  # a reading stores the same text
    read = await api("GET", f"/v1/documents/{doc_id}/content", headers={"Accept": "application/json"})
    assert read.json() == body
    tag = read.headers["etag"]
    assert tag != (await api("GET", f"/v1/documents/{doc_id}/content")).headers["etag"]
    known = {"Accept": "application/json", "If-None-Match": tag}
    assert (await api("GET", f"/v1/documents/{doc_id}/content", headers=known)).status_code == 304


async def test_content_when_the_document_holds_markup_then_it_stays_text(api: Caller, library: Library) -> None:
    hostile = "<script>alert(1)</script> <img src=x onerror=alert(2)>"
    doc_id = await library.register(story("Markup", hostile))
    answer = await api("GET", f"/v1/documents/{doc_id}/content", headers={"Accept": "text/html"})
    assert answer.headers["content-type"].startswith("text/plain")
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert answer.text.endswith(hostile)


async def test_raw_when_linked_then_the_object_can_be_read_without_a_key_and_the_log_says_who(
    platform: Platform, library: Library
) -> None:
    answered = b"<html>what the vendor said</html>"
    answer_key = key_for("answers", hashlib.sha256(answered).hexdigest())
    await platform.parts.objects.put(answer_key, answered)
    doc_id = await library.register(story("Linked", "Linked."), source="linked", answer_key=answer_key)
    ask = caller(platform, await platform.key(Scope.OPS_WRITE, name="operator"))
    before = datetime.now(UTC)
    body = (await ask("GET", f"/v1/documents/{doc_id}/raw")).json()
    assert timedelta(minutes=4) < datetime.fromisoformat(body["expires_at"]) - before < timedelta(minutes=6)
    raw = await asyncio.to_thread(_fetch, body["document"]["url"])
    assert hashlib.sha256(raw).hexdigest().startswith(doc_id)
    assert await asyncio.to_thread(_fetch, body["answer"]["url"]) == answered
    assert body["document"]["range"] is None
    async with platform.parts.database.transaction() as session:
        rows = await session.exec(select(AuditEntry).where(AuditEntry.subject == doc_id))
        (entry,) = rows.all()
    assert (entry.action, entry.actor.split("/")[0]) == ("document_raw_linked", "api:operator")
    read_only = caller(platform, await platform.key(Scope.READ))
    assert_problem(await read_only("GET", f"/v1/documents/{doc_id}/raw"), 403, "SCOPE_MISSING")


async def test_raw_when_it_lies_in_a_pack_then_the_range_cuts_it_out(platform: Platform, api: Caller) -> None:
    pack = pack_of([b'{"title": "One", "text": "1"}', b'{"title": "Two", "text": "2"}'])
    await platform.parts.objects.put_pack(pack)
    row = await platform.document("In a pack", at=AS_OF, raw_key=pack.keys[1])
    link = (await api.get(f"/v1/documents/{row.doc_id}/raw"))["document"]
    assert await asyncio.to_thread(_fetch, link["url"], link["range"]) == b'{"title": "Two", "text": "2"}'
    lost = await platform.document("Lost", at=AS_OF, raw_key=key_for("raw", "f" * 64))
    assert_problem(await api("GET", f"/v1/documents/{lost.doc_id}/raw"), 404, "OBJECT_NOT_FOUND")
    assert_problem(await api("GET", f"/v1/documents/{lost.doc_id}/content"), 404, "OBJECT_NOT_FOUND")


def _fetch(url: str, range_: str | None = None) -> bytes:
    request = urllib.request.Request(url, headers={"Range": range_} if range_ else {})
    with urllib.request.urlopen(request, timeout=10) as answer:
        assert answer.headers["content-disposition"] == "attachment"
        found: bytes = answer.read()
    return found


async def test_extraction_when_read_then_it_is_the_documents_own(api: Caller, shelf: list[str]) -> None:
    (listed, *_) = await walk(api, f"/v1/documents/{shelf[0]}/extractions", 50)
    assert await api.get(f"/v1/extractions/{listed['extraction_id']}") == listed
    assert (listed["doc_id"], listed["superseded"], listed["shadow"]) == (shelf[0], False, False)
    assert listed["quotes_valid"] <= listed["quotes_total"]


async def test_events_when_filtered_then_only_those_come_and_pages_fit(api: Caller, shelf: list[str]) -> None:
    everything = await walk(api, "/v1/events", 200, symbol="ZGS")
    assert len(everything) > 3
    keys = [(row["available_at"], row["event_id"]) for row in everything]
    assert keys == sorted(keys, reverse=True)
    assert all("ZGS" in row["symbols"] for row in everything)
    for limit in (1, 2, min(len(everything), 200)):
        assert await walk(api, "/v1/events", limit, symbol="ZGS") == everything
    kind = everything[0]["type"]
    assert await walk(api, "/v1/events", 2, symbol="ZGS", type=kind) == [
        row for row in everything if row["type"] == kind
    ]
    by_type = await walk(api, "/v1/events", 50, type=kind)
    assert {row["type"] for row in by_type} == {kind}
    assert {row["event_id"] for row in everything if row["type"] == kind} <= {row["event_id"] for row in by_type}
    doc_id = everything[0]["doc_id"]
    of_document = await walk(api, "/v1/events", 1, document=doc_id)
    assert {row["doc_id"] for row in of_document} == {doc_id}
    at = everything[0]["available_at"]
    assert await walk(api, "/v1/events", 50, symbol="ZGS", **{"from": at}) == [
        row for row in everything if row["available_at"] == at
    ]
    assert await walk(api, "/v1/events", 50, symbol="ZGS", to="2010-01-01T00:00:00Z") == []


async def test_event_when_read_then_it_names_its_evidence_and_its_document(api: Caller, shelf: list[str]) -> None:
    listed = (await api.get("/v1/events", symbol="ZGS", limit=1))["data"][0]
    body = await api.get(f"/v1/events/{listed['event_id']}")
    assert {name: body[name] for name in listed} == listed
    assert "ZGS" in {each["symbol"] for each in body["evidence"]}
    assert body["document"]["doc_id"] == listed["doc_id"]
    assert (body["extractor"], body["superseded"]) == ("rules", False)


async def test_readings_when_what_is_named_does_not_exist_then_404(api: Caller) -> None:
    for path, code in (
        (f"/v1/documents/{NOBODY}", "DOCUMENT_NOT_FOUND"),
        (f"/v1/documents/{NOBODY}/content", "DOCUMENT_NOT_FOUND"),
        (f"/v1/documents/{NOBODY}/raw", "DOCUMENT_NOT_FOUND"),
        (f"/v1/documents/{NOBODY}/extractions", "DOCUMENT_NOT_FOUND"),
        (f"/v1/documents/{NOBODY}/lineage", "DOCUMENT_NOT_FOUND"),
        (f"/v1/extractions/{NOBODY}", "EXTRACTION_NOT_FOUND"),
        (f"/v1/events/{NOBODY}", "EVENT_NOT_FOUND"),
        (f"/v1/signals/{NOBODY}", "SIGNAL_NOT_FOUND"),
        (f"/v1/recommendations/{NOBODY}", "RECOMMENDATION_NOT_FOUND"),
        (f"/v1/recommendations/{NOBODY}/evidence", "RECOMMENDATION_NOT_FOUND"),
    ):
        assert_problem(await api("GET", path), 404, code)
    for path in ("/v1/documents/a%00/content", "/v1/events/a%20b", "/v1/signals/%2e%2e"):
        assert (await api("GET", path)).status_code in (404, 422)


async def test_lists_when_a_cursor_or_a_filter_is_none_of_theirs_then_422(api: Caller, shelf: list[str]) -> None:
    (cursor,) = [(await api.get("/v1/events", symbol="ZGS", limit=1))["next_cursor"]]
    doc_id = shelf[0]
    for path in ("/v1/signals", "/v1/documents", f"/v1/documents/{doc_id}/extractions", "/v1/symbols/ZGS/timeline"):
        for forged in (cursor, "x", "W10", ""):
            assert_problem(await api("GET", path, params={"cursor": forged}), 422, "CURSOR_INVALID")
    for path, name, value in (
        ("/v1/events", "type", "gossip"),
        ("/v1/events", "from", "yesterday"),
        ("/v1/events", "color", "red"),
        ("/v1/signals", "layer", "market"),
        ("/v1/signals", "limit", "0"),
        ("/v1/symbols/ZGS/timeline", "kind", "rumour"),
        ("/v1/symbols/ZGS/bars", "adjustment", "all"),
    ):
        body = assert_problem(await api("GET", path, params={name: value}), 422, "REQUEST_INVALID")
        assert body["errors"][0]["field"] == f"query.{name}"


@pytest.mark.parametrize("instant", ["0001-01-01T00:00:00+14:00", "9999-12-31T23:59:59-14:00"])
async def test_lists_when_an_instant_is_at_the_end_of_time_then_nothing_breaks(api: Caller, instant: str) -> None:
    for path in ("/v1/documents", "/v1/events", "/v1/signals", "/v1/symbols/ZGS/timeline", "/v1/search"):
        for bound in ("from", "to"):
            more = {"q": "the"} if path == "/v1/search" else {}
            answer = await api("GET", path, params={bound: instant, **more})
            if answer.status_code != 200:
                assert_problem(answer, 422, "VALUE_OUT_OF_RANGE")
    answer = await api("GET", "/v1/symbols/ZGS/bars", params={"as_of": instant})
    if answer.status_code != 200:
        assert_problem(answer, 422, "VALUE_OUT_OF_RANGE")


@pytest.fixture(scope="module")
async def bought(platform: Platform, library: Library, shelf: list[str]) -> str:
    """A recommendation on real documents from which an order followed that the broker filled."""
    recommendation_id = await library.assess("ZGS")
    intent = SizedIntent(
        intent_id=intent_id(recommendation_id, "ZGS", Side.BUY),
        recommendation_id=recommendation_id,
        symbol="ZGS",
        side=Side.BUY,
        quantity=Decimal(20),
        reference_price=Decimal(50),
        notional=Decimal(1_000),
        target_weight=0.01,
        as_of=datetime.now(UTC),
    )
    async with platform.parts.database.transaction() as session:
        await orders.save_intents(session, [intent])
    request = OrderRequest(intent_id=intent.intent_id, symbol="ZGS", side="buy", as_of=intent.as_of, poll_seconds=0.2)
    async with platform.working(Queue.TRADING):
        handle = await platform.parts.client.start_workflow(
            ExecuteOrder.run, request, id=names.order_id(intent.intent_id), task_queue=Queue.TRADING
        )
        await asyncio.wait_for(handle.result(), timeout=60)
    return recommendation_id


async def test_lineage_when_an_order_followed_then_it_leads_from_the_run_to_the_fill(api: Caller, bought: str) -> None:
    cited = (await walk(api, f"/v1/recommendations/{bought}/evidence", 2))[0]
    body = await api.get(f"/v1/documents/{cited['doc_id']}/lineage")
    nodes = {node["id"]: node for node in body["nodes"]}
    assert len(nodes) == len(body["nodes"])
    assert body["truncated"] == []
    onward: dict[str, set[str]] = {}
    for edge in body["edges"]:
        assert {edge["source"], edge["target"]} <= set(nodes)
        onward.setdefault(edge["source"], set()).add(edge["target"])
    reached, front = set(), {f"run:{SOURCE}/run"}
    while front:
        reached |= front
        front = {after for each in front for after in onward.get(each, ())} - reached
    kinds = {nodes[each]["kind"] for each in reached}
    assert kinds >= {
        "run",
        "document",
        "extraction",
        "event",
        "evidence",
        "signal",
        "recommendation",
        "intent",
        "order",
        "fill",
    }
    assert f"recommendation:{bought}" in reached
    (counted,) = [
        edge
        for edge in body["edges"]
        if edge["source"] == f"evidence:{cited['evidence_id']}"
        and nodes[edge["target"]]["at"] == AS_OF.isoformat().replace("+00:00", "Z")
    ]
    assert counted["facts"]["share"] == cited["share"]
    (fill,) = [node for node in body["nodes"] if node["kind"] == "fill"]
    assert fill["label"] == "buy 20 ZGS at 50.00"


async def test_signal_when_read_then_its_contributions_sum_to_the_score(api: Caller, bought: str) -> None:
    made = await api.get(f"/v1/recommendations/{bought}")
    body = await api.get(f"/v1/signals/{made['signal_id']}")
    assert (body["symbol"], body["recommendation_id"], body["score"]) == ("ZGS", bought, made["score"])
    assert sum(Decimal(each["share"]) for each in body["contributions"]) == Decimal(body["score"])
    assert body["weights"]["company"] == 0.6
    assert all(each["title"] for each in body["contributions"] if each["doc_id"])
    assert len(made["decision_ids"]) == 1
    assert all(gate["value"] and gate["limit"] for gate in made["gates"])


async def test_evidence_when_read_then_its_quotes_stand_in_the_content(api: Caller, bought: str) -> None:
    everything = await walk(api, f"/v1/recommendations/{bought}/evidence", 200)
    assert everything == await walk(api, f"/v1/recommendations/{bought}/evidence", 1)
    strengths = [abs(Decimal(row["share"])) for row in everything]
    assert strengths == sorted(strengths, reverse=True)
    assert everything
    for row in everything:
        content = (await api("GET", f"/v1/documents/{row['doc_id']}/content")).text
        assert row["quotes"]
        for quote in row["quotes"]:
            assert content[quote["start"] : quote["end"]] == quote["quote"]
    forged = (await api.get(f"/v1/recommendations/{bought}/evidence", limit=1))["next_cursor"]
    assert_problem(await api("GET", "/v1/recommendations", params={"cursor": forged}), 422, "CURSOR_INVALID")


async def test_signals_when_filtered_then_only_those_come(api: Caller, library: Library, bought: str) -> None:
    for hours in (1, 2, 3):
        await library.assess("ZGS", AS_OF + timedelta(hours=hours))
    last = (AS_OF + timedelta(hours=3)).isoformat()  # the universe may have been assessed since
    rows = await walk(api, "/v1/signals", 2, symbol="ZGS", to=last)
    assert [row["as_of"] for row in rows] == sorted((row["as_of"] for row in rows), reverse=True)
    assert len(rows) == 4
    assert rows == await walk(api, "/v1/symbols/ZGS/signals", 3, to=last)
    assert rows == await walk(api, "/v1/signals", 3, symbol="ZGS", layer="company", to=last)
    assert await walk(api, "/v1/signals", 3, symbol="ZGS", layer="competitive") == []
    middle = (AS_OF + timedelta(hours=1)).isoformat()
    assert len(await walk(api, "/v1/signals", 1, symbol="ZGS", **{"from": middle, "to": last})) == 3
    assert len(await walk(api, "/v1/signals", 1, symbol="ZGS", to=middle)) == 2


async def test_timeline_when_paged_then_all_kinds_come_once_and_in_order(
    platform: Platform, api: Caller, bought: str
) -> None:
    async def settled() -> bool:
        return bool((await api.get("/v1/symbols/ZGS/timeline", kind="fill"))["data"])

    await eventually(settled)
    everything = await walk(api, "/v1/symbols/ZGS/timeline", 200)
    assert {row["kind"] for row in everything} == {"document", "event", "recommendation", "order", "fill"}
    assert [row["at"] for row in everything] == sorted((row["at"] for row in everything), reverse=True)
    assert len({(row["kind"], row["id"]) for row in everything}) == len(everything)
    for limit in (1, 2, 3, 7):
        assert await walk(api, "/v1/symbols/zgs/timeline", limit) == everything
    for kind in ("document", "event", "recommendation", "order", "fill"):
        assert await walk(api, "/v1/symbols/ZGS/timeline", 2, kind=kind) == [
            row for row in everything if row["kind"] == kind
        ]
    shown = {row["id"] for row in everything if row["kind"] == "document"}
    async with platform.parts.database.transaction() as session:
        known = await session.exec(select(Document.doc_id).where(col(Document.doc_id).in_(shown)))
    assert set(known.all()) == shown
    listed = await walk(api, "/v1/documents", 3, symbol="ZGS")
    assert [row["doc_id"] for row in listed] == [row["id"] for row in everything if row["kind"] == "document"]
    at = everything[-1]["at"]
    within = [row for row in everything if row["at"] == at]
    assert await walk(api, "/v1/symbols/ZGS/timeline", 1, to=at) == within


async def test_summary_when_read_then_it_has_the_newest_of_everything(api: Caller, bought: str) -> None:
    body: Any = await api.get("/v1/symbols/zgs/summary")
    assert (body["symbol"], body["followed"]) == ("ZGS", True)
    bars = (await api.get("/v1/symbols/ZGS/bars", limit=2))["data"]
    assert (body["price"]["session"], body["price"]["close"]) == (bars[0]["session"], bars[0]["close"])
    change = (Decimal(bars[0]["close"]) / Decimal(bars[1]["close"]) - 1) * 100
    assert Decimal(body["price"]["change_pct"]) == round(change, 4)
    newest = (await api.get("/v1/recommendations", symbol="ZGS", limit=1))["data"][0]
    assert body["recommendation"]["recommendation_id"] == newest["recommendation_id"]
    assert body["signal"]["as_of"] == newest["as_of"]
    assert Decimal(body["holding"]["quantity"]) == 20
    assert (
        body["last_document_at"] == (await api.get("/v1/documents", symbol="ZGS", limit=1))["data"][0]["available_at"]
    )


async def test_symbol_when_it_is_none_then_404(api: Caller) -> None:
    for part in ("summary", "bars", "timeline", "signals", "exposure"):
        assert_problem(await api("GET", f"/v1/symbols/NOSUCH/{part}"), 404, "COMPANY_NOT_FOUND")
        assert_problem(await api("GET", f"/v1/symbols/{'A' * 21}/{part}"), 422, "REQUEST_INVALID")
