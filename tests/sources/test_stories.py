"""Stories over sources: copies are linked and not read twice, corrections and retractions end what they correct."""

from __future__ import annotations

import asyncio
import uuid
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.documents import Credibility, Relation
from domain.novelty import shingles
from domain.stories import WINDOW, Story, bands, link, marked_relation, searched_bands, similarity
from store import documents
from tests.sources.articles import Articles
from tests.sources.newsroom import Newsroom, rss, xml
from workflows.names import Queue

NOW = datetime(2026, 3, 4, 15, tzinfo=UTC)
TEXT = (
    "Example Corp said on Tuesday that it would buy back shares worth two billion dollars over the next three years, "
    "after sales of its engines rose by a fifth and margins reached the level that it had promised its investors."
)


def _story(name: str, text: str = TEXT, *, minutes: int = 0, title: str = "", **changes: object) -> Story:
    at = NOW + timedelta(minutes=minutes)
    values = {
        "doc_id": name,
        "title": title or text[:60],
        "published_at": at,
        "available_at": at,
        "shingles": frozenset(shingles(text)),
    }
    return Story(**{**values, **changes})  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("title", "relation"),
    [
        ("CORRECTED-Example Corp sees 12 pct growth", Relation.CORRECTION),
        ("CORRECTED (OFFICIAL): Example Corp", Relation.CORRECTION),
        ("Example Corp: CORRECTING and REPLACING its results", Relation.CORRECTION),
        ("RETRACTION: Example Corp buys Other Corp", Relation.RETRACTION),
        ("Story withdrawn: Example Corp", Relation.RETRACTION),
        ("UPDATE 2-Example Corp raises outlook", Relation.UPDATE),
        ("Example Corp corrects course in China", None),
        ("Example Corp kills its tablet", None),
        ("Example Corp recalls 3 models", None),
        ("Corrections officer sues", None),
    ],
)
def test_headline_when_it_marks_what_it_is_then_it_is_seen(title: str, relation: Relation | None) -> None:
    assert marked_relation(title) is relation


def test_copy_when_in_other_dress_then_it_is_linked_to_the_earliest() -> None:
    first, second = _story("a"), _story("b", TEXT.upper().replace(",", " -"), minutes=5)

    found = link(second, [first])

    assert found is not None
    assert (found.original_id, found.relation) == ("a", Relation.DUPLICATE)
    assert link(first, [second]) is None


def test_copy_when_a_figure_differs_then_it_is_no_copy() -> None:
    short = "Example Corp raises dividend to 12 cents"
    assert link(_story("b", short.replace("12", "13"), minutes=5), [_story("a", short)]) is None


def test_correction_when_it_names_itself_then_it_belongs_to_the_most_similar_of_the_same_company() -> None:
    told = _story("a", title="Example Corp sees 21 pct growth", symbols=frozenset({"EX"}))
    other = _story("b", title="Example Corp sees 21 pct growth", minutes=1, symbols=frozenset({"OT"}))
    correction = _story(
        "c",
        TEXT.replace("two billion", "one billion"),
        minutes=30,
        title="CORRECTED-Example Corp sees 12 pct growth",
        symbols=frozenset({"EX"}),
    )

    found = link(correction, [told, other])

    assert found is not None
    assert (found.original_id, found.relation) == ("a", Relation.CORRECTION)


@pytest.mark.parametrize("word", [Relation.CORRECTION, Relation.RETRACTION])
@pytest.mark.parametrize(
    ("site", "credibility", "may"),
    [
        ("wire", Credibility.WIRE, True),
        ("wire", Credibility.UNKNOWN, True),
        ("other", Credibility.OFFICIAL, True),
        ("other", Credibility.WIRE, True),
        ("other", Credibility.MAJOR_PRESS, False),
        ("other", Credibility.UNKNOWN, False),
    ],
)
def test_correction_when_somebody_names_it_so_then_it_is_one_of_the_same_site_or_of_one_as_credible(
    word: Relation, site: str, credibility: Credibility, may: bool
) -> None:
    told = _story("a", title="Example Corp sees 21 pct growth", site="wire", credibility=Credibility.WIRE)
    title = f"{word.value.upper()}: Example Corp sees 21 pct growth"
    said = _story("b", "It was all wrong.", minutes=9, title=title, site=site, credibility=credibility)

    found = link(said, [told])

    assert (found is not None and found.relation is word) is may
    assert (found is None) is not may


def test_retraction_when_it_may_be_none_then_it_is_a_document_like_any_other() -> None:
    """Its words are those of the story: a copy. Of a story that the source calls the same: another version."""
    told = _story(
        "a", title="Example Corp to buy back shares", story="mail:1", site="wire", credibility=Credibility.WIRE
    )
    copied = _story("b", minutes=9, title="RETRACTION: Example Corp to buy back shares", site="other")

    found = [
        link(copied, [told]),
        link(replace(copied, story="mail:1", shingles=frozenset({1})), [told]),
        link(replace(copied, story="mail:1", site="wire"), [told]),
    ]

    assert [each.relation for each in found if each is not None] == [
        Relation.DUPLICATE,
        Relation.UPDATE,
        Relation.RETRACTION,
    ]


def test_correction_when_the_most_similar_is_not_its_to_correct_then_it_belongs_to_one_that_is() -> None:
    title = "Example Corp sees 21 pct growth"
    wire = _story("a", title=title, site="wire", credibility=Credibility.WIRE)
    own = _story("b", "Other words of the same matter.", minutes=1, title=title, site="blog")
    correction = _story("c", minutes=9, title=f"CORRECTED-{title}", site="blog")

    found = link(correction, [wire, own])

    assert found is not None
    assert (found.original_id, found.relation) == ("b", Relation.CORRECTION)


def test_correction_when_nothing_like_it_was_told_then_it_stands_alone() -> None:
    assert (
        link(_story("c", "Quite another matter altogether", title="CORRECTED-Quite another matter"), [_story("a")])
        is None
    )


@given(st.lists(st.integers(0, 2**63 - 1), max_size=60, unique=True), st.integers(-6, 6))
def test_bands_when_two_texts_are_equal_then_they_are_found_within_the_window(hashes: list[int], days: int) -> None:
    later = NOW + timedelta(days=days)

    found = set(bands(hashes, later)) & set(searched_bands(hashes, NOW))

    assert bool(found) == bool(hashes)
    assert bands(list(reversed(hashes)), NOW) == bands(hashes, NOW)
    assert all(-(2**63) <= band < 2**63 for band in bands(hashes, NOW))


@given(st.permutations(["a", "b", "c", "d"]))
def test_link_when_candidates_come_in_another_order_then_it_is_the_same(order: list[str]) -> None:
    stories = {name: _story(name, minutes=number) for number, name in enumerate("abcd")}
    document = _story("e", minutes=60)
    assert link(document, [stories[name] for name in order]) == link(document, list(stories.values()))


def test_link_when_the_window_has_passed_then_the_same_words_are_a_new_story() -> None:
    late = _story("b", published_at=NOW + WINDOW + timedelta(minutes=1), available_at=NOW + WINDOW * 2)
    assert link(late, [_story("a")]) is None
    assert similarity(frozenset(), frozenset({1})) == 0.0


async def test_two_sources_when_they_tell_the_same_story_then_the_second_is_a_linked_copy(newsroom: Newsroom) -> None:
    mark = uuid.uuid4().hex
    text = f"{TEXT} {mark}"
    newsroom.vendor.replies["/one"] = xml(rss([("Example Corp to buy back shares", text)], minutes_ago=30))
    newsroom.vendor.replies["/two"] = xml(rss([("Example Corp to buy back shares", f"{text}.")], minutes_ago=20))
    one, two = await newsroom.feed("/one"), await newsroom.feed("/two")

    async with newsroom.working():
        first, second = await newsroom.run(one), await newsroom.run(two)

    (original,), (copy,) = await newsroom.documents(one), await newsroom.documents(two)
    assert (first.copies, second.copies, second.registered) == (0, 1, 1)
    assert (original.status, copy.status) == ("released", "duplicate")
    (linked,) = await newsroom.links(copy.doc_id)
    assert (linked.original_id, linked.relation) == (original.doc_id, "duplicate")
    assert linked.similarity > 0.9


@pytest.mark.parametrize(
    ("credibility", "status"), [("wire", "released"), ("unknown", "duplicate"), ("social", "duplicate")]
)
async def test_copy_when_its_source_is_more_credible_then_it_is_linked_and_read_all_the_same(
    newsroom: Newsroom, credibility: str, status: str
) -> None:
    text = f"{TEXT} {uuid.uuid4().hex}"
    newsroom.vendor.replies["/one"] = xml(rss([("Example Corp to buy back shares", text)], minutes_ago=30))
    newsroom.vendor.replies["/two"] = xml(rss([("Example Corp to buy back shares", f"{text}.")], minutes_ago=20))
    one, two = await newsroom.feed("/one"), await newsroom.feed("/two", credibility=credibility)

    async with newsroom.working():
        await newsroom.run(one)
        await newsroom.run(two)

    (original,), (copy,) = await newsroom.documents(one), await newsroom.documents(two)
    assert (original.status, copy.status) == ("released", status)
    (linked,) = await newsroom.links(copy.doc_id)
    assert (linked.original_id, linked.relation) == (original.doc_id, "duplicate")


@pytest.mark.parametrize(("credibility", "relations"), [("unknown", []), ("wire", ["retraction"])])
async def test_retraction_when_a_feed_takes_back_what_a_vendor_told_then_it_must_be_as_credible(
    newsroom: Newsroom, credibility: str, relations: list[str]
) -> None:
    articles, path = Articles(), "/v2/reference/news"
    told = articles.article(1)
    newsroom.vendor.replies[path] = articles.page(1)
    retraction = rss([(f"RETRACTION: {told['title']} (AAPL)", f"It was wrong. {articles.mark}")], minutes_ago=30)
    newsroom.vendor.replies["/tips"] = xml(retraction)
    vendor = await newsroom.source(
        {"kind": "polygon_news", "base_url": newsroom.url, "since": (datetime.now(UTC) - timedelta(days=4)).isoformat()}
    )
    tips = await newsroom.feed("/tips", ticker_patterns=["({ticker})"], credibility=credibility)

    async with newsroom.working():
        await newsroom.run(vendor)
        await newsroom.run(tips)

    (document,) = await newsroom.documents(tips)
    assert [each.relation for each in await newsroom.links(document.doc_id)] == relations
    assert document.status == "released"


async def test_copy_when_its_source_names_a_further_company_then_it_is_read_for_it(newsroom: Newsroom) -> None:
    articles, path = Articles(), "/v2/reference/news"
    feed = rss([(articles.article(1)["title"], articles.article(1)["description"])], minutes_ago=3_000)
    newsroom.vendor.replies["/plain"] = xml(feed)
    newsroom.vendor.replies[path] = articles.page(1)
    plain = await newsroom.feed("/plain")
    labelled = await newsroom.source(
        {"kind": "polygon_news", "base_url": newsroom.url, "since": (datetime.now(UTC) - timedelta(days=4)).isoformat()}
    )

    async with newsroom.working():
        await newsroom.run(plain)
        report = await newsroom.run(labelled)

    (copy,) = await newsroom.documents(labelled)
    assert [each.relation for each in await newsroom.links(copy.doc_id)] == ["duplicate"]
    assert (copy.status, report.copies) == ("released", 0)


async def test_story_when_the_vendor_changes_it_then_the_new_version_is_linked_as_what_it_says_it_is(
    newsroom: Newsroom,
) -> None:
    articles, path = Articles(), "/v2/reference/news"
    source_id = await newsroom.source(
        {"kind": "polygon_news", "base_url": newsroom.url, "since": (datetime.now(UTC) - timedelta(days=4)).isoformat()}
    )
    later = articles.article(50)["published_utc"]
    corrected = articles.article(1, title="CORRECTED-Example Corp sees less", published_utc=later)
    newsroom.vendor.replies[path] = articles.page(1)

    async with newsroom.working():
        await newsroom.run(source_id)
        newsroom.vendor.replies[path] = articles.answer(corrected)
        await newsroom.run(source_id)

    original, correction = await newsroom.documents(source_id)
    (linked,) = await newsroom.links(correction.doc_id)
    assert (linked.original_id, linked.relation) == (original.doc_id, "correction")
    assert correction.status == "released"


async def test_story_when_retracted_then_its_evidence_counts_no_longer_from_then_on(newsroom: Newsroom) -> None:
    articles, path = Articles(), "/v2/reference/news"
    told = "Apple profit rises 20 percent on strong iPhone sales, beating expectations"
    source_id = await newsroom.source(
        {"kind": "polygon_news", "base_url": newsroom.url, "since": (datetime.now(UTC) - timedelta(days=4)).isoformat()}
    )
    original = articles.article(1, title=f"{told} {articles.mark}", description=f"{told}. {articles.mark}")
    retraction = articles.article(60, title=f"RETRACTION: {told} {articles.mark}", description="The story was wrong.")
    newsroom.vendor.replies[path] = articles.answer(original)

    async with newsroom.working(Queue.INGEST, Queue.FETCH, Queue.EXTRACT, Queue.RESEARCH):
        await newsroom.run(source_id)
        await _processed(newsroom, source_id, 1)
        before = datetime.now(UTC)
        newsroom.vendor.replies[path] = articles.answer(retraction)
        await newsroom.run(source_id)
        await _processed(newsroom, source_id, 2)
    after = datetime.now(UTC)

    first, second = await newsroom.documents(source_id)
    (linked,) = await newsroom.links(second.doc_id)
    assert (linked.original_id, linked.relation) == (first.doc_id, "retraction")
    assert first.doc_id in await _judging(newsroom, "AAPL", before)
    assert first.doc_id not in await _judging(newsroom, "AAPL", after)


async def _processed(newsroom: Newsroom, source_id: str, count: int) -> None:
    for _ in range(150):
        rows = await newsroom.documents(source_id)
        if len(rows) == count and all(row.status == "processed" for row in rows):
            return
        await asyncio.sleep(0.1)
    raise AssertionError([(row.title, row.status, row.error) for row in rows])


async def _judging(newsroom: Newsroom, symbol: str, as_of: datetime) -> set[str]:
    async with newsroom.parts.database.transaction() as session:
        found = await documents.evidence_for(session, symbols=[symbol], as_of=as_of, days=30)
    return {item.doc_id for item in found[symbol]}
