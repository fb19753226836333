"""Competitors: links that people decide on, and searches that propose them from what was known at an instant."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import update
from sqlmodel import col, select

from api.keys import Scope
from domain.competitors import InferenceRequest
from domain.documents import Relation
from domain.ids import digest
from domain.sources import EdgarFilingsConfig, FileSourceConfig
from store import competitor_history, documents, sources
from store.objects import key_for
from store.tables.ingestion import Document, DocumentLink, DocumentSymbol
from store.tables.platform import AuditEntry
from tests.api.harness import NOW, Caller, Platform, assert_problem, caller, eventually
from tests.api.test_lists import walk
from workflows import names
from workflows.infer_competitors import InferCompetitors
from workflows.names import Queue

pytestmark = pytest.mark.stack

LINKS = "/v1/competitor-relationships"
START = datetime(2012, 3, 1, 15, tzinfo=UTC)
FILED = datetime(2012, 6, 1, 20, tzinfo=UTC)
END = datetime(2012, 12, 31, tzinfo=UTC)
REPORT = """
Item 1. Business
We make looms.

Competition
Our main competitors are Umberto Weaving Corp. and Vandelo Threads Inc. We buy yarn from Wexlo Yarns Inc.

Item 1A. Risk Factors
Everything may go wrong.
"""


async def company(api: Caller, symbol: str, name: str, **details: Any) -> str:
    body = {"symbol": symbol, "name": name, **details}
    answer = await api("POST", "/v1/companies", json=body)
    assert answer.status_code in (201, 409), answer.text
    return symbol


async def linked(api: Caller, symbol: str, competitor: str, **details: Any) -> dict[str, Any]:
    body = {"competitor": competitor, "strength": 0.5, **details}
    answer = await api("POST", f"/v1/companies/{symbol}/competitors", json=body)
    assert answer.status_code == 201, answer.text
    found: dict[str, Any] = answer.json()
    return found


async def actions(platform: Platform, subject: str) -> list[str]:
    async with platform.parts.database.transaction() as session:
        rows = await session.exec(
            select(AuditEntry).where(AuditEntry.subject == subject).order_by(col(AuditEntry.sequence))
        )
        return [entry.action for entry in rows]


# -- links ------------------------------------------------------------------------------------------------------------


async def test_competitor_when_added_then_it_is_confirmed_and_one_way(platform: Platform, api: Caller) -> None:
    one, other = await company(api, "ZLA", "Zla Co"), await company(api, "ZLB", "Zlb Co")
    link = await linked(api, one, other, strength=0.8, reasons=["both sell looms"])
    assert (link["status"], link["provenance"], link["version"]) == ("confirmed", "person", 1)
    assert link["decided_by"] == "api:bootstrap/bootstrap"
    assert (await api.get(f"/v1/companies/{one}/competitors"))["data"] == [link]
    assert (await api.get(f"/v1/companies/{other}/competitors"))["data"] == []
    again = await api("POST", f"/v1/companies/{one}/competitors", json={"competitor": other, "strength": 0.1})
    fields = assert_problem(again, 409, "COMPETITOR_LINK_EXISTS")["fields"]
    assert (fields["link_id"], fields["status"]) == (link["link_id"], "confirmed")
    assert await actions(platform, link["link_id"]) == ["competitor_added"]
    async with platform.parts.database.transaction() as session:
        assert await competitor_history.in_force(session, [one, other], as_of=datetime.now(UTC)) == {
            one: {other: 0.8},
            other: {},
        }


async def test_competitor_when_decided_on_then_only_confirmed_ones_are_in_force(
    platform: Platform, api: Caller
) -> None:
    one, other = await company(api, "ZLC", "Zlc Co"), await company(api, "ZLD", "Zld Co")
    link = await linked(api, one, other, status="proposed")
    path = f"{LINKS}/{link['link_id']}"

    async def in_force() -> dict[str, float]:
        async with platform.parts.database.transaction() as session:
            return (await competitor_history.in_force(session, [one], as_of=datetime.now(UTC)))[one]

    assert await in_force() == {}
    confirmed = await api("PATCH", path, json={"status": "confirmed"}, headers={"If-Match": '"1"'})
    assert (confirmed.status_code, confirmed.headers["etag"]) == (200, '"2"')
    assert await in_force() == {other: 0.5}
    assert_problem(
        await api("PATCH", path, json={"strength": 0.1}, headers={"If-Match": '"1"'}), 412, "VERSION_MISMATCH"
    )
    assert (await api("PATCH", path, json={"strength": 0.25})).json()["version"] == 3
    assert (await api("PATCH", path, json={"strength": 0.25, "status": "confirmed"})).json()["version"] == 3
    assert await in_force() == {other: 0.25}
    assert (await api("PATCH", path, json={"status": "rejected"})).json()["decided_by"].startswith("api:")
    assert await in_force() == {}
    assert_problem(await api("DELETE", path, headers={"If-Match": '"3"'}), 412, "VERSION_MISMATCH")
    assert (await api("DELETE", path, headers={"If-Match": '"4"'})).status_code == 204
    for method in ("PATCH", "DELETE"):
        assert_problem(await api(method, path, json={}), 404, "COMPETITOR_LINK_NOT_FOUND")
    assert await actions(platform, link["link_id"]) == [
        "competitor_added",
        "competitor_confirmed",
        "competitor_changed",
        "competitor_rejected",
        "competitor_removed",
    ]


async def test_competitors_when_paged_and_filtered_then_each_comes_once(api: Caller) -> None:
    hub = await company(api, "ZHUB", "Hub Co")
    others = [await company(api, f"ZH{number}", f"Spoke {number}") for number in range(4)]
    for number, other in enumerate(reversed(others)):
        await linked(api, hub, other, status="proposed" if number % 2 else "rejected")
    path = f"/v1/companies/{hub}/competitors"
    for limit in (1, 3, 4):
        assert [row["competitor"] for row in await walk(api, path, limit)] == others
    assert [row["competitor"] for row in await walk(api, path, 1, status="proposed")] == [others[0], others[2]]


@pytest.mark.parametrize(
    ("body", "status", "code"),
    [
        ({"competitor": "NOBODY", "strength": 0.5}, 404, "COMPANY_NOT_FOUND"),
        ({"competitor": "AAPL", "strength": 0.5}, 422, "COMPETITOR_IS_ITSELF"),
        ({"competitor": "MSFT", "strength": 1.5}, 422, "REQUEST_INVALID"),
        ({"competitor": "MSFT", "strength": -0.1}, 422, "REQUEST_INVALID"),
        ({"competitor": "MSFT"}, 422, "REQUEST_INVALID"),
        ({"competitor": "MSFT", "strength": 0.5, "status": "hated"}, 422, "REQUEST_INVALID"),
        ({"competitor": "MSFT", "strength": 0.5, "reasons": ["a\u0000"]}, 422, "REQUEST_INVALID"),
        ({"competitor": "MSFT", "strength": 0.5, "provenance": "me"}, 422, "REQUEST_INVALID"),
    ],
)
async def test_new_competitor_when_wrong_then_it_is_refused(
    api: Caller, body: dict[str, Any], status: int, code: str
) -> None:
    assert_problem(await api("POST", "/v1/companies/AAPL/competitors", json=body), status, code)


async def test_link_when_changed_wrongly_then_422(api: Caller) -> None:
    link = await linked(api, await company(api, "ZLE", "Zle Co"), await company(api, "ZLF", "Zlf Co"))
    for body in ({"status": None}, {"strength": 2}, {"competitor": "MSFT"}, {"status": "x"}):
        assert_problem(await api("PATCH", f"{LINKS}/{link['link_id']}", json=body), 422, "REQUEST_INVALID")
    assert_problem(await api("PATCH", f"{LINKS}/%00", json={}), 422, "REQUEST_INVALID")
    assert_problem(
        await api("POST", "/v1/companies/NOBODY/competitors", json={"competitor": "AAPL", "strength": 1}),
        404,
        "COMPANY_NOT_FOUND",
    )


# -- searches ---------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Weavers:
    """A company with an annual report, rivals of each kind, and documents in common with one of them."""

    letter: str

    def __call__(self, short: str) -> str:
        """The symbol of one of them: each test has its own."""
        return f"ZW{self.letter.upper()}{short}"

    @property
    def own(self) -> str:
        return self("TAL")

    @property
    def report(self) -> str:
        return re.sub(r"(Umbert|Vandel|Wexl)o", rf"\1{self.letter}", REPORT)


_letters = iter("abcdefghijkl")


@pytest.fixture
async def weavers(platform: Platform, api: Caller) -> Weavers:
    found = Weavers(next(_letters))
    letter, cik = found.letter, f"900{ord(found.letter)}"
    weaving = {"sector": "Industrials", "industry": f"Weaving {letter}"}
    await company(api, found.own, f"Talbot{letter} Looms Inc.", **weaving, cik=cik)
    await company(api, found("UMB"), f"Umbert{letter} Weaving Corp.", sector="Industrials")
    await company(api, found("VAN"), f"Vandel{letter} Threads Inc.", sector="Materials")
    await company(api, found("WEX"), f"Wexl{letter} Yarns Inc.")
    await company(api, found("IND"), f"Industry{letter} Peer Inc.", **weaving)
    await company(api, found("NEW"), f"Newcomer{letter} Peer Inc.", **weaving, active_from="2013-01-02")
    await company(api, found("GON"), f"Gone{letter} Peer Inc.", **weaving)
    await api("DELETE", f"/v1/companies/{found('GON')}", headers={"If-Match": "*"})
    await company(api, found("FND"), f"Fund{letter}", **weaving, kind="etf")
    await company(api, found("TAM"), f"Talbot{letter} Looms Inc. Class B", **weaving, cik=cik)
    await company(api, found("TOG"), f"Togethersson{letter} Inc.")
    crowd = [await company(api, found(f"X{number}"), f"Crowd{letter}{number} Inc.") for number in range(6)]
    rows = []
    for number in range(12):
        at = START + timedelta(days=number)
        rows += [(f"Both {number}", at, [found.own, found("TOG")]), (f"Alone {number}", at, [crowd[number % 6]])]
        rows.append((f"Market wrap {number}", at, [found.own, *crowd]))
        rows += [(f"Copy {number}", at, [found.own, crowd[0]]), (f"Original {number}", at, [crowd[1]])]
    await known(platform, letter, rows)
    await filed(platform, found, "10-K", found.report, at=FILED)
    await filed(platform, found, "10-K/A", f"We compete with Industry{letter} Peer Inc.", at=FILED)
    return found


def row_of(title: str, at: datetime, **details: Any) -> Document:
    content = digest(title, at, length=64)
    values = {"doc_id": content[:24], "content_hash": content, "source_id": "wire", "raw_key": key_for("raw", content)}
    times = {"published_at": at, "available_at": at, "recorded_at": at}
    return Document(
        **{**values, **times, "run_id": "run", "title": title, "precision": "instant", "status": "processed", **details}
    )


async def known(platform: Platform, letter: str, rows: Sequence[tuple[str, datetime, list[str]]]) -> None:
    """Documents about companies; `Copy n` is a copy of `Original n`."""
    found = {title: row_of(f"{title} {letter}", at) for title, at, _ in rows}
    labels = [DocumentSymbol(doc_id=found[title].doc_id, symbol=each) for title, _, symbols in rows for each in symbols]
    links = [
        DocumentLink(
            doc_id=row.doc_id,
            original_id=found[title.replace("Copy", "Original")].doc_id,
            relation=Relation.DUPLICATE.value,
            similarity=1.0,
            available_at=row.available_at,
        )
        for title, row in found.items()
        if title.startswith("Copy")
    ]
    async with platform.parts.database.transaction() as session:
        await sources.save(session, source_id="wire", config=FileSourceConfig(path="wire.csv"), created_at=NOW)
        await documents.register(session, documents=list(found.values()), symbols=labels)
        session.add_all(links)


async def filed(platform: Platform, weavers: Weavers, form: str, text: str, *, at: datetime) -> Document:
    row = row_of(f"{form} TALBOT{weavers.letter} LOOMS INC", at, source_id="looms-filings")
    body = json.dumps({"title": row.title, "text": text}).encode()
    await platform.parts.objects.put(row.raw_key, body, "application/json")
    config = EdgarFilingsConfig(user_agent="Example ops@example.com", ciks=("9000001",), since=date(2012, 1, 1))
    async with platform.parts.database.transaction() as session:
        await sources.save(session, source_id="looms-filings", config=config, created_at=NOW)
        await documents.register(
            session, documents=[row], symbols=[DocumentSymbol(doc_id=row.doc_id, symbol=weavers.own)]
        )
    return row


async def searched(platform: Platform, api: Caller, symbol: str, as_of: datetime) -> dict[str, Any]:
    """Search and wait for the result."""
    async with platform.working(Queue.OPS):
        answer = await api("POST", f"/v1/companies/{symbol}/competitors/infer", json={"as_of": as_of.isoformat()})
        assert answer.status_code == 202, answer.text
        body = answer.json()
        assert answer.headers["location"] == f"/v1/competitor-inferences/{body['inference_id']}"
        assert body["temporal_url"].startswith("http://ui.test")

        async def ended() -> Any:
            found = await api.get(answer.headers["location"])
            return found if found["status"] != "running" else None

        found: dict[str, Any] = await eventually(ended)
    return found


async def links_of(api: Caller, symbol: str) -> dict[str, dict[str, Any]]:
    return {row["competitor"]: row for row in await walk(api, f"/v1/companies/{symbol}/competitors", 50)}


async def test_search_when_it_ends_then_its_proposals_wait_for_a_person(
    platform: Platform, api: Caller, weavers: Weavers
) -> None:
    found = await searched(platform, api, weavers.own, END)
    assert found["status"] == "finished", found
    assert found["requested_by"] == "api:bootstrap/bootstrap"
    proposed = {each["competitor"]: each for each in found["proposals"]}
    assert set(proposed) == {weavers("UMB"), weavers("VAN"), weavers("WEX"), weavers("IND"), weavers("TOG")}
    strengths = [each["strength"] for each in found["proposals"]]
    assert strengths == sorted(strengths, reverse=True)
    assert (
        proposed[weavers("UMB")]["strength"]
        > proposed[weavers("VAN")]["strength"]
        > proposed[weavers("WEX")]["strength"]
    )
    letter = weavers.letter
    assert (
        f"Our main competitors are Umbert{letter} Weaving Corp. and Vandel{letter} Threads Inc."
        in proposed[weavers("VAN")]["reasons"][0]
    )
    assert proposed[weavers("VAN")]["reasons"][0].startswith(f"10-K TALBOT{letter} LOOMS INC (2012-06-01) says: ")
    assert proposed[weavers("IND")]["reasons"] == [f"Both are in the industry Weaving {letter}"]
    assert proposed[weavers("TOG")]["reasons"][0].startswith("12 documents of 730 days are about both; ")
    links = await links_of(api, weavers.own)
    assert set(links) == set(proposed)
    for competitor, link in links.items():
        assert (link["status"], link["decided_by"], link["version"]) == ("proposed", "", 1)
        assert link["provenance"] == f"inference/{found['inference_id']}"
        assert link["strength"] == proposed[competitor]["strength"]
    async with platform.parts.database.transaction() as session:
        assert await competitor_history.in_force(session, [weavers.own], as_of=datetime.now(UTC)) == {weavers.own: {}}


async def test_search_when_asked_for_again_then_it_is_the_same_and_changes_nothing(
    platform: Platform, api: Caller, weavers: Weavers
) -> None:
    first = await searched(platform, api, weavers.own, END)
    links = await links_of(api, weavers.own)
    assert await searched(platform, api, weavers.own, END) == first
    assert await links_of(api, weavers.own) == links
    # The activity may be repeated too: a worker can die between the commit and its answer.
    request = InferenceRequest(
        inference_id=first["inference_id"], symbol=weavers.own, as_of=END, requested_by="x", requested_at=NOW
    )
    activities = platform.parts.competitor_activities()
    reports = [await activities.propose_competitors(request) for _ in range(2)]
    assert reports[0] == reports[1]
    assert reports[0].proposed == len(first["proposals"])
    assert await links_of(api, weavers.own) == links


async def test_search_when_a_person_has_decided_then_their_word_stays(
    platform: Platform, api: Caller, weavers: Weavers
) -> None:
    await searched(platform, api, weavers.own, END)
    links = await links_of(api, weavers.own)
    for competitor, change in (
        (weavers("UMB"), {"status": "rejected"}),
        (weavers("VAN"), {"status": "confirmed", "strength": 0.9}),
    ):
        await api("PATCH", f"{LINKS}/{links[competitor]['link_id']}", json=change)
    decided = await links_of(api, weavers.own)
    found = await searched(platform, api, weavers.own, END + timedelta(days=60))
    assert {weavers("UMB"), weavers("VAN"), weavers("NEW")} <= {each["competitor"] for each in found["proposals"]}
    after = await links_of(api, weavers.own)
    for competitor in (weavers("UMB"), weavers("VAN")):
        assert after[competitor] == decided[competitor]
    assert after[weavers("NEW")]["provenance"] == f"inference/{found['inference_id']}"
    async with platform.parts.database.transaction() as session:
        assert await competitor_history.in_force(session, [weavers.own], as_of=datetime.now(UTC)) == {
            weavers.own: {weavers("VAN"): 0.9}
        }


async def test_search_when_as_of_an_earlier_day_then_nothing_later_is_read(
    platform: Platform, api: Caller, weavers: Weavers
) -> None:
    before = await searched(platform, api, weavers.own, FILED - timedelta(seconds=1))
    assert {each["competitor"] for each in before["proposals"]} == {weavers("IND"), weavers("TOG")}
    at = await searched(platform, api, weavers.own, FILED)
    assert {weavers("UMB"), weavers("VAN")} <= {each["competitor"] for each in at["proposals"]}
    early = await searched(platform, api, weavers.own, START + timedelta(days=1, hours=1))
    assert {each["competitor"] for each in early["proposals"]} == {weavers("IND")}
    late = await searched(platform, api, weavers.own, START + timedelta(days=800))
    assert weavers("TOG") not in {each["competitor"] for each in late["proposals"]}


async def test_search_when_of_an_earlier_instant_then_later_proposals_stay(
    platform: Platform, api: Caller, weavers: Weavers
) -> None:
    newest = await searched(platform, api, weavers.own, END + timedelta(days=90))
    links = await links_of(api, weavers.own)
    await searched(platform, api, weavers.own, START + timedelta(days=8))
    after = await links_of(api, weavers.own)
    assert {each["competitor"] for each in newest["proposals"]} <= set(after)
    assert after == links


async def test_search_when_it_gives_up_then_it_says_why_and_may_run_again(
    platform: Platform, api: Caller, weavers: Weavers
) -> None:
    as_of = END + timedelta(days=10)
    row = await filed(platform, weavers, "10-K", weavers.report, at=as_of)
    async with platform.parts.database.transaction() as session:
        await session.exec(update(Document).where(col(Document.doc_id) == row.doc_id).values(raw_key="raw/00/gone"))
    failed = await searched(platform, api, weavers.own, as_of)
    assert (failed["status"], failed["proposals"]) == ("failed", [])
    assert failed["error"].startswith("OBJECT_NOT_FOUND")
    async with platform.parts.database.transaction() as session:
        await session.exec(update(Document).where(col(Document.doc_id) == row.doc_id).values(raw_key=row.raw_key))

    async def repaired() -> Any:  # the failed workflow may still be closing
        found = await searched(platform, api, weavers.own, as_of)
        return found if found["status"] == "finished" else None

    body = await eventually(repaired)
    assert (body["error"], body["inference_id"]) == ("", failed["inference_id"])
    assert body["proposals"]


async def test_search_when_it_cannot_be_started_then_it_is_refused(platform: Platform, api: Caller) -> None:
    path = "/v1/companies/{}/competitors/infer"
    ahead = (datetime.now(UTC) + timedelta(days=1)).isoformat()
    assert_problem(await api("POST", path.format("NOBODY")), 404, "COMPANY_NOT_FOUND")
    assert_problem(await api("POST", path.format("AAPL"), json={"as_of": ahead}), 422, "AS_OF_IN_FUTURE")
    for body in ({"as_of": "2020-01-01T00:00:00"}, {"as_of": "now"}, {"when": ahead}):
        assert_problem(await api("POST", path.format("AAPL"), json=body), 422, "REQUEST_INVALID")
    gone = await company(api, "ZOFF", "Taken Off Inc.")
    await api("DELETE", f"/v1/companies/{gone}", headers={"If-Match": "*"})
    assert_problem(await api("POST", path.format(gone)), 409, "COMPANY_NOT_FOLLOWED")
    assert_problem(await api("GET", "/v1/competitor-inferences/ci_nothing"), 404, "COMPETITOR_INFERENCE_NOT_FOUND")
    reader = caller(platform, await platform.key(Scope.READ))
    for where in (path.format("AAPL"), "/v1/companies/AAPL/competitors"):
        assert_problem(await reader("POST", where, json={}), 403, "SCOPE_MISSING")
    for method in ("PATCH", "DELETE"):
        assert_problem(await reader(method, f"{LINKS}/x", json={}), 403, "SCOPE_MISSING")
        assert_problem(await caller(platform, "")(method, f"{LINKS}/x", json={}), 401, "KEY_MISSING")


async def test_search_when_no_body_is_sent_then_it_looks_at_now(platform: Platform, api: Caller) -> None:
    async with platform.working(Queue.OPS):
        answer = await api("POST", "/v1/companies/SBUX/competitors/infer")
        assert answer.status_code == 202, answer.text
        body = answer.json()
        assert abs(datetime.fromisoformat(body["as_of"]) - datetime.now(UTC)) < timedelta(minutes=1)
        handle = platform.parts.client.get_workflow_handle_for(
            InferCompetitors.run, names.infer_competitors_id(body["inference_id"])
        )
        report = await handle.result()
    assert report.symbol == "SBUX"
    assert report.proposed >= 1
    links = await links_of(api, "SBUX")
    assert links["MCD"]["reasons"][0] == "Both are in the industry Restaurants"
    assert await actions(platform, "SBUX") == ["competitors_inferred"]
