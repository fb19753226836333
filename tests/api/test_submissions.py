"""Documents handed in: read as those of any source are, each once, refused with the field that is wrong."""

from __future__ import annotations

import asyncio
import uuid
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from domain.sources import SUBMITTED
from store import registry
from tests.api.harness import Caller, Platform, assert_problem, eventually
from tests.api.test_dead_letters import QUEUES, processed
from workflows import names

pytestmark = pytest.mark.stack

PATH = "/v1/documents"


def story(**changes: Any) -> dict[str, Any]:
    words = uuid.uuid4().hex
    body = {
        "title": f"Nobody knows what {words} means",
        "text": f"A text about {words}, and about nothing else.",
        "published_at": (datetime.now(UTC) - timedelta(hours=1)).isoformat(),
    }
    return {**body, **changes}


@pytest.fixture(scope="module", autouse=True)
async def _companies(platform: Platform) -> None:
    async with platform.parts.database.transaction() as session:
        await registry.add_unnamed(session, ["AAPL", "MSFT"], origin="test")


async def test_document_when_handed_in_then_it_is_registered_and_read(platform: Platform, api: Caller) -> None:
    body = story(symbols=["AAPL"], url="https://example.com/a", publisher="A desk")
    async with platform.working(*QUEUES):
        answer = await api("POST", PATH, json=body)
        assert answer.status_code == 202, answer.text
        done = answer.json()
        assert answer.headers["location"] == f"{PATH}/{done['doc_id']}"
        assert (done["duplicate"], done["copy_of"], done["symbols"]) == (False, None, ["AAPL"])
        assert done["workflow_id"] == names.document_id(done["doc_id"])
        await eventually(lambda: processed(platform, done["doc_id"]))
        assert platform.documents.parsed.count(done["doc_id"]) == 1

        again = await api("POST", PATH, json=body)
        assert again.status_code == 202, again.text
        assert again.json() == {**done, "duplicate": True, "status": "processed"}
        assert platform.documents.parsed.count(done["doc_id"]) == 1

        wider = await api("POST", PATH, json={**body, "symbols": ["AAPL", "MSFT"]})
        assert (wider.json()["doc_id"], wider.json()["symbols"]) == (done["doc_id"], ["AAPL", "MSFT"])

        async def read_again() -> bool:
            return platform.documents.parsed.count(done["doc_id"]) == 2

        await eventually(read_again)  # for the symbol that it gained
    page = await api.get(PATH, source=SUBMITTED, limit=200)
    (row,) = [each for each in page["data"] if each["doc_id"] == done["doc_id"]]
    assert (row["title"], row["publisher"], row["credibility"]) == (body["title"], "A desk", "unknown")
    rows = await platform.parts.database.run(
        "SELECT actor, body FROM audit_log WHERE subject = $1 AND action = 'document_submitted' ORDER BY sequence",
        done["doc_id"],
    )
    assert len(rows) == 3
    assert {each["actor"] for each in rows} == {"api:bootstrap/bootstrap"}
    assert not any(body["text"] in str(each["body"]) for each in rows)


async def test_documents_when_the_same_comes_many_times_at_once_then_it_is_one(platform: Platform, api: Caller) -> None:
    body = story()
    answers = await asyncio.gather(*(api("POST", PATH, json=body) for _ in range(8)))
    assert {answer.status_code for answer in answers} == {202}
    ids = {answer.json()["doc_id"] for answer in answers}
    assert len(ids) == 1
    rows = await platform.parts.database.run("SELECT count(*) AS found FROM documents WHERE doc_id = $1", ids.pop())
    assert rows[0]["found"] == 1


async def test_document_when_it_tells_a_known_story_then_it_is_a_copy_and_not_read(
    platform: Platform, api: Caller
) -> None:
    text = " ".join(f"word{number}" for number in range(80)) + uuid.uuid4().hex
    first = (await api("POST", PATH, json=story(title="A long story", text=text))).json()
    later = datetime.now(UTC).isoformat()
    copy = (await api("POST", PATH, json=story(title="A long story", text=text, published_at=later))).json()
    assert copy["doc_id"] != first["doc_id"]
    assert (copy["status"], copy["copy_of"], copy["duplicate"]) == ("duplicate", first["doc_id"], False)


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"title": ""}, "body.title"),
        ({"title": " \n "}, "body.title"),
        ({"title": "x" * 2_001}, "body.title"),
        ({"title": "a\x00b"}, "body.title"),
        ({"text": "a\x00b"}, "body.text"),
        ({"text": "x" * 200_001}, "body.text"),
        ({"published_at": None}, "body.published_at"),
        ({"published_at": "2026-01-01T00:00:00"}, "body.published_at"),
        ({"url": "javascript:alert(1)"}, "body.url"),
        ({"url": "https://e.test/" + "x" * 2_000}, "body.url"),
        ({"symbols": ["aapl"]}, "body.symbols.0"),
        ({"symbols": ["AAPL"] * 21}, "body.symbols"),
        ({"language": "english"}, "body.language"),
        ({"source_id": "wire"}, "body.source_id"),
    ],
    ids=lambda each: str(each)[:40],
)
async def test_document_when_a_field_is_wrong_then_422_names_it(
    api: Caller, changes: dict[str, Any], field: str
) -> None:
    body = assert_problem(await api("POST", PATH, json=story(**changes)), 422, "REQUEST_INVALID")
    assert [each["field"] for each in body["errors"]] == [field]


async def test_document_when_of_the_future_or_of_an_unknown_symbol_then_nothing_is_registered(
    platform: Platform, api: Caller
) -> None:
    future = story(published_at=(datetime.now(UTC) + timedelta(days=1)).isoformat())
    body = assert_problem(await api("POST", PATH, json=future), 422, "DATE_IN_FUTURE")
    assert body["fields"]["field"] == "published_at"
    unknown = story(symbols=["AAPL", "NOSUCH"])
    body = assert_problem(await api("POST", PATH, json=unknown), 422, "SYMBOL_UNKNOWN")
    assert "NOSUCH" in body["hint"]
    for each in (future, unknown):
        rows = await platform.parts.database.run("SELECT 1 FROM documents WHERE title = $1", each["title"])
        assert rows == []


async def test_source_when_added_under_the_id_of_what_is_handed_in_then_it_is_refused(api: Caller) -> None:
    body = {"source_id": SUBMITTED, "config": {"kind": "feed", "url": "https://e.test/rss"}}
    assert_problem(await api("POST", "/v1/sources", json=body), 409, "SOURCE_EXISTS")
    listed = (await api.get("/v1/sources"))["data"]
    assert SUBMITTED not in [each["source_id"] for each in listed]
