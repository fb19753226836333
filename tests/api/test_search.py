"""Full-text search: what is found and in which order, where it stands in the text, and questions that mean harm."""

from __future__ import annotations

import base64
import json
from datetime import datetime, timedelta
from typing import Any, NamedTuple

import pytest
from sqlalchemy import text
from temporalio.testing import ActivityEnvironment

from activities.search import SearchActivities
from domain.search import IndexedText, IndexReport
from store import search
from store.search import Found, Place
from tests.api.harness import Caller, Platform, assert_problem
from tests.api.library import AS_OF, Library, story
from tests.api.test_lists import walk
from workflows import names
from workflows.client import index_documents
from workflows.names import Queue

pytestmark = pytest.mark.stack

SOURCE = "searched"

HOSTILE = [
    "'",
    '"',
    "'; DROP TABLE documents; --",
    "a' OR '1'='1",
    "quibble & | ! ( ) <-> :*",
    "quibble:*",
    "(((((((((quibble",
    "!!quibble",
    "quibble <1000> quibble",
    "\\",
    "\\'quibble\\'",
    "%",
    "_",
    "quibble\x00",
    "\x00",
    "\u202equibble",
    "\u200b",
    "<script>alert(1)</script>",
    "</b><img src=x onerror=alert(1)>",
    "{{7*7}} ${jndi:ldap://x} %s %n",
    "or",
    "or or or",
    "-",
    "- - -",
    "-quibble",
    "quibble or -quibble",
    '""""""',
    '"quibble',
    "quibble " * 37,
    "a" * 300,
    "\ufdfa" * 300,
    "é" * 300,
    "e\u0301" * 150,
    "9" * 300,
    "1e999999",
    "-1.5e-3",
    "1.2.3.4.5.6",
    "http://example.com/quibble?x=1#y",
    "a@b.example",
    "../../etc/passwd",
    "quibble\nquibble\r\n\tquibble",
    "日本語 العربية हिन्दी",
    "🙂",
    "🙂 quibble",
    "%00%ff",
    "\U0010ffff",
    "ſtraße",
]
"""Questions that mean harm, or that nobody thought of."""


@pytest.fixture(scope="module")
async def searched(platform: Platform, library: Library) -> dict[str, str]:
    """Four documents that were read, by a word of their own."""
    told = {
        "cut": story(
            "Quibble Works cuts dividend",
            "Quibble Works said on Monday that it would cut its quarterly dividend by half. " + "Filler text. " * 60,
            at=AS_OF,
            tickers=("IBM",),
        ),
        "rise": story(
            "Quibble Works raises outlook",
            "The dividend stays. " + "Nothing else is new. " * 30 + "A cut is not planned.",
            at=AS_OF + timedelta(hours=1),
        ),
        "third": story("Third-quarter sales", "Quibble reports “record” sales of $3.4 billion.", at=AS_OF),
        "other": story("Unrelated", "Ein Streit in Zürich über ÖPNV.", at=AS_OF + timedelta(hours=2)),
    }
    return {name: await library.read(each, source=SOURCE) for name, each in told.items()}


async def found(api: Caller, question: str, **filters: Any) -> list[str]:
    return [row["doc_id"] for row in await walk(api, "/v1/search", 2, q=question, source=SOURCE, **filters)]


async def test_search_when_words_are_asked_for_then_documents_that_hold_them_all_come(
    api: Caller, searched: dict[str, str]
) -> None:
    cut, rise, third, other = (searched[name] for name in ("cut", "rise", "third", "other"))
    assert set(await found(api, "dividend cut")) == {cut, rise}
    assert await found(api, "DIVIDEND half") == [cut]
    assert set(await found(api, "quibble")) == {cut, rise, third}
    assert await found(api, '"cuts dividend"') == [cut]
    assert await found(api, "third-quarter") == [third]
    assert await found(api, "quarter third") == [third]
    assert await found(api, '"quarter third"') == []
    assert await found(api, "record") == [third]  # within typographic quotation marks
    assert await found(api, "3.4") == [third]
    assert await found(api, "quibble -dividend") == [third]
    assert set(await found(api, "record or streit")) == {third, other}
    assert await found(api, "zürich ÖPNV") == [other]
    assert await found(api, "ZÜRICH") == [other]
    assert await found(api, "dividends") == []  # words are whole


async def test_search_when_ranked_then_a_title_counts_most_and_by_time_the_newest_is_first(
    api: Caller, searched: dict[str, str]
) -> None:
    assert await found(api, "dividend") == [searched["cut"], searched["rise"]]
    assert await found(api, "dividend", order="time") == [searched["rise"], searched["cut"]]
    body = await api.get("/v1/search", q="dividend", source=SOURCE)
    assert float(body["data"][0]["rank"]) > float(body["data"][1]["rank"]) > 0
    assert (await api.get("/v1/search", q="dividend", source=SOURCE, order="time"))["data"][0]["rank"] is None


async def test_search_when_paged_then_every_document_comes_once(
    api: Caller, searched: dict[str, str], shelf: list[str]
) -> None:
    for order in ("rank", "time"):
        everything = [row["doc_id"] for row in await walk(api, "/v1/search", 50, q="the", order=order)]
        assert len(everything) > 10
        assert len(set(everything)) == len(everything)
        for limit in (1, 3, min(len(everything), 50)):
            rows = await walk(api, "/v1/search", limit, q="the", order=order)
            assert [row["doc_id"] for row in rows] == everything


async def test_search_when_filtered_then_only_those_come(api: Caller, searched: dict[str, str]) -> None:
    assert await found(api, "quibble", symbol="IBM") == [searched["cut"]]
    assert await found(api, "quibble", symbol="NOSUCH") == []
    assert await found(api, "quibble", **{"from": (AS_OF + timedelta(minutes=1)).isoformat()}) == [searched["rise"]]
    assert set(await found(api, "quibble", to=AS_OF.isoformat())) == {searched["cut"], searched["third"]}
    assert await walk(api, "/v1/search", 50, q="quibble", source="nowhere") == []


async def test_snippet_when_found_then_its_offsets_select_the_words_in_the_content(
    api: Caller, searched: dict[str, str]
) -> None:
    for question, words in (("dividend cut", {"dividend", "cut"}), ('"record" sales', {"record", "sales"})):
        for row in await walk(api, "/v1/search", 50, q=question, source=SOURCE):
            content = (await api("GET", f"/v1/documents/{row['doc_id']}/content")).text
            snippet = row["snippet"]
            assert content[snippet["start"] : snippet["end"]] == snippet["text"]
            assert len(snippet["text"]) <= 320
            marked = [content[span["start"] : span["end"]].casefold() for span in snippet["highlights"]]
            assert set(marked) <= words
            assert marked
            assert all(
                snippet["start"] <= span["start"] < span["end"] <= snippet["end"] for span in snippet["highlights"]
            )


@pytest.mark.parametrize("question", HOSTILE, ids=range(len(HOSTILE)))
async def test_search_when_the_question_means_harm_then_it_is_answered_or_refused(
    api: Caller, searched: dict[str, str], question: str
) -> None:
    for order in ("rank", "time"):
        answer = await api("GET", "/v1/search", params={"q": question, "order": order, "symbol": question[:20]})
        if answer.status_code != 200:
            assert_problem(answer, 422, answer.json()["code"])
            assert answer.json()["code"] in ("SEARCH_WITHOUT_WORDS", "TEXT_INVALID", "REQUEST_INVALID")
        plain = await api("GET", "/v1/search", params={"q": question, "order": order})
        if plain.status_code != 200:
            assert assert_problem(plain, 422, "SEARCH_WITHOUT_WORDS")["fields"]["field"] == "q"
    assert (await api.get("/v1/search", q="quibble"))["data"]  # nothing was harmed


async def test_search_when_a_parameter_is_none_of_its_then_422(api: Caller) -> None:
    for parameters in (
        {},
        {"q": ""},
        {"q": "a" * 301},
        {"q": "a", "limit": 51},
        {"q": "a", "order": "price"},
        {"q": "a", "from": "0001-01-01"},
        {"q": "a", "highlight": "html"},
    ):
        assert_problem(await api("GET", "/v1/search", params=parameters), 422, "REQUEST_INVALID")


async def test_search_when_a_cursor_is_forged_then_422(api: Caller, searched: dict[str, str]) -> None:
    own = (await api.get("/v1/search", q="quibble", limit=1))["next_cursor"]
    at = "2014-07-16T13:00:00+00:00"
    bodies: list[Any] = [
        [1e999, at, "x"],
        ["NaN", at, "x"],
        [-1, at, "x"],
        [0.1, "soon", "x"],
        [0.1, at],
        [0.1, at, "\ud800"],
    ]
    forged = [_cursor("search-rank", body) for body in bodies]
    for cursor in (*forged, "x", "=", _cursor("documents", [at, "x"])):
        assert_problem(await api("GET", "/v1/search", params={"q": "quibble", "cursor": cursor}), 422, "CURSOR_INVALID")
    answer = await api("GET", "/v1/search", params={"q": "quibble", "cursor": own, "order": "time"})
    assert_problem(answer, 422, "CURSOR_INVALID")
    null = _cursor("search-time", [0.0, at, "\x00"])
    answer = await api("GET", "/v1/search", params={"q": "quibble", "cursor": null, "order": "time"})
    assert_problem(answer, 422, "TEXT_INVALID")


def _cursor(kind: str, body: Any) -> str:
    return base64.urlsafe_b64encode(json.dumps([kind, body]).encode()).decode().rstrip("=")


async def test_document_when_its_words_are_as_many_as_can_be_then_it_is_read_and_found(
    api: Caller, library: Library
) -> None:
    """The database refuses an index entry of a megabyte: texts that would make one are cut, not lost."""
    letters = [chr(code) for code in range(0x4E00, 0x9FA5)]
    many = " ".join(one + two for one, two in zip(letters, reversed(letters), strict=True))
    worst = " ".join(f"{number:x}" for number in range(0x10000, 0x10000 + 60_000))
    hyphens = "-".join(letters)
    for number, body in enumerate((many * 6, worst, hyphens * 10, "𠀀 " * 100_000, "a\ufdfa" * 100_000)):
        doc_id = await library.read(story(f"Manyfold {number}", body[:390_000]), source="manyfold")
        assert (await api.get(f"/v1/documents/{doc_id}"))["status"] == "processed"
    rows = await walk(api, "/v1/search", 50, q="manyfold", source="manyfold")
    assert len(rows) == 5


async def forget(platform: Platform, source: str) -> None:
    """As if a source's documents had been read before there was an index."""
    async with platform.parts.database.engine.begin() as connection:
        await connection.execute(text("DELETE FROM document_search WHERE source_id = :source"), {"source": source})


async def test_documents_when_read_before_there_was_an_index_then_they_are_indexed_from_their_readings(
    platform: Platform, api: Caller, searched: dict[str, str]
) -> None:
    before = await walk(api, "/v1/search", 50, q="quibble", source=SOURCE)
    await forget(platform, SOURCE)
    assert await found(api, "quibble") == []
    async with platform.working(Queue.OPS):
        await index_documents(platform.parts.client)
        handle = platform.parts.client.get_workflow_handle(names.INDEX_DOCUMENTS, result_type=IndexReport)
        report = await handle.result()
    assert report.indexed >= len(searched)
    assert await walk(api, "/v1/search", 50, q="quibble", source=SOURCE) == before


async def test_index_when_made_again_or_a_reading_is_gone_then_the_rest_is_indexed(
    platform: Platform, library: Library, searched: dict[str, str]
) -> None:
    activities = SearchActivities(platform.parts.database, platform.parts.objects, batch=2)
    await ActivityEnvironment().run(activities.index_documents)
    again = await ActivityEnvironment().run(activities.index_documents)
    assert again.indexed == 0
    row = await platform.document("Nothing kept", at=AS_OF, source_id="gone", text_key="readings/ff/" + "f" * 64)
    await forget(platform, SOURCE)
    report = await ActivityEnvironment().run(activities.index_documents)
    assert (report.indexed, report.lost) == (len(searched), again.lost + 1)
    async with platform.parts.database.transaction() as session:
        connection = await session.connection()
        left = await connection.execute(
            text("SELECT count(*) FROM document_search WHERE doc_id = :doc_id"), {"doc_id": row.doc_id}
        )
    assert left.scalar_one() == 0


class Indexed(NamedTuple):
    """A document of which the test knows every word."""

    at: datetime
    doc_id: str
    words: frozenset[str]


@pytest.fixture(scope="module")
async def indexed(platform: Platform) -> list[Indexed]:
    """A hundred and twenty: `often` in two of three, `seldom` in one of twenty, `once` in the oldest alone."""
    made = []
    for number in range(120):
        words = {"often"} if number % 3 else set()
        words |= {"seldom"} if number % 20 == 0 else set()
        words |= {"once"} if number == 0 else set()
        at = AS_OF + timedelta(days=400, hours=number // 2)
        row = await platform.document(f"Indexed {number}", at=at, source_id="indexed")
        text = IndexedText(title="often" if number % 7 == 0 else "", text=" ".join(sorted(words) * (1 + number % 5)))
        await search.add(platform.parts.database, [(row.doc_id, text)])
        made.append(Indexed(at, row.doc_id, frozenset(words | set(text.title.split()))))
    return sorted(made, key=lambda each: (each.at, each.doc_id), reverse=True)


async def _found(platform: Platform, question: str, **wanted: Any) -> list[tuple[str, float | None]]:
    """Everything that is found, page by page."""
    rows: list[Found] = []
    before: Place | None = None
    while True:
        async with platform.parts.database.transaction() as session:
            page = await search.find(session, question, limit=9, source="indexed", before=before, **wanted)
        rows += page
        if len(page) < 9:
            return [(row.document.doc_id, row.rank) for row in rows]
        last = page[-1]
        before = (last.rank or 0.0, last.document.available_at, last.document.doc_id)


@pytest.mark.parametrize(
    "question", ['"often"', '"seldom"', '"once"', '"often" "seldom"', '"often" -"seldom"', '"none"']
)
async def test_search_when_words_are_common_then_the_walk_finds_what_the_index_finds(
    platform: Platform, indexed: list[Indexed], monkeypatch: pytest.MonkeyPatch, question: str
) -> None:
    wanted, unwanted = set(question.replace("-", " -").replace('"', "").split()), set()
    for word in [each for each in wanted if each.startswith("-")]:
        wanted.remove(word)
        unwanted.add(word[1:])
    plain = [each.doc_id for each in indexed if wanted <= each.words and not unwanted & each.words]
    monkeypatch.setattr(search, "RANKED", 20)
    by_index = []
    for common in (10_000, 1):  # never walked; walked wherever the sample has one
        monkeypatch.setattr(search, "COMMON", common)
        monkeypatch.setattr(search, "SAMPLE", 30)
        assert [doc_id for doc_id, _ in await _found(platform, question, by_time=True)] == plain
        by_index.append(await _found(platform, question))
    assert by_index[0] == by_index[1]
    assert {doc_id for doc_id, _ in by_index[0]} == set(plain[:20])


async def test_search_when_words_are_common_then_their_index_is_not_asked(
    platform: Platform, indexed: list[Indexed], monkeypatch: pytest.MonkeyPatch
) -> None:
    """It lists every document that has them first."""

    async def asked(*_: Any, **__: Any) -> None:
        raise AssertionError("the index of words was asked")

    monkeypatch.setattr(search, "RANKED", 20)
    monkeypatch.setattr(search, "_looked_up", asked)
    async with platform.parts.database.transaction() as session:
        assert len(await search.find(session, '"often"', limit=9, source="indexed", by_time=True)) == 9
        assert len(await search.find(session, '"often"', limit=9, source="indexed")) == 9
        with pytest.raises(AssertionError, match="was asked"):
            await search.find(session, '"once"', limit=9, source="indexed")
