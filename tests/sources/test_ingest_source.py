"""Live sources end to end: a vendor that answers as vendors do, asked through Temporal."""

from __future__ import annotations

import gzip
import hashlib
import uuid

import pytest
from temporalio.client import WorkflowFailureError
from temporalio.exceptions import ActivityError, ApplicationError

from store.objects import key_for
from tests.sources.newsroom import Newsroom, Turns, rss, xml
from tests.web.server import Reply, hang, redirect, reply

STORY = ("Example Corp raises its outlook", "Example Corp raised its outlook for the year on strong demand.")
OTHER = ("Other Corp opens a plant", "Other Corp opened a plant in Ohio.")


def told(*stories: tuple[str, str]) -> bytes:
    """A feed of the stories in words that no other test has: documents are known by their content."""
    mark = uuid.uuid4().hex
    return rss([(title, f"{text} {mark}") for title, text in stories])


def code_of(failure: pytest.ExceptionInfo[WorkflowFailureError]) -> str:
    """The stable code of the activity that gave up."""
    cause = failure.value.cause
    assert isinstance(cause, ActivityError)
    assert isinstance(cause.cause, ApplicationError)
    return str(cause.cause.type)


async def test_feed_when_read_then_its_bytes_are_kept_before_its_documents(newsroom: Newsroom) -> None:
    body = told(STORY, OTHER)
    newsroom.vendor.replies["/news"] = xml(body, ("ETag", '"one"'))
    source_id = await newsroom.feed("/news")

    async with newsroom.working():
        report = await newsroom.run(source_id)

    key = key_for("answers", hashlib.sha256(body).hexdigest())
    assert (report.pages, report.read, report.registered, report.rejected) == (1, 2, 2, 0)
    assert await newsroom.parts.objects.get(key) == body
    found = await newsroom.documents(source_id)
    assert [row.title for row in found] == [OTHER[0], STORY[0]]
    assert {row.answer_key for row in found} == {key}
    assert {row.status for row in found} == {"released"}
    (run,) = await newsroom.runs(source_id)
    assert (run.status, run.pages, run.bytes, run.registered) == ("finished", 1, len(body), 2)
    assert run.finished_at is not None


async def test_feed_when_unchanged_then_the_vendor_says_so_and_nothing_is_read_twice(newsroom: Newsroom) -> None:
    newsroom.vendor.replies["/news"] = Turns(xml(told(STORY), ("ETag", '"one"')), reply(304))
    source_id = await newsroom.feed("/news")

    async with newsroom.working():
        await newsroom.run(source_id)
        again = await newsroom.run(source_id)

    assert (again.pages, again.read) == (1, 0)
    assert newsroom.vendor.requests[-1][1]["if-none-match"] == '"one"'
    assert len(await newsroom.documents(source_id)) == 1


async def test_feed_when_it_repeats_a_story_then_it_stays_one_document(newsroom: Newsroom) -> None:
    body = told(STORY, OTHER)
    newsroom.vendor.replies["/news"] = xml(body)
    source_id = await newsroom.feed("/news")

    async with newsroom.working():
        await newsroom.run(source_id)
        again = await newsroom.run(source_id)

    assert (again.read, again.duplicates, again.registered) == (2, 2, 0)


@pytest.mark.parametrize(
    ("trouble", "seconds"),
    [
        (reply(429, b"slow down", [("Retry-After", "2")]), 2.0),
        (reply(503, b"busy"), 1.0),
        (reply(200, told(STORY), length=100_000), 1.0),
        (hang, 1.0),
    ],
    ids=["throttled", "away", "cut off", "silent"],
)
async def test_vendor_when_in_trouble_then_the_page_is_asked_for_again(
    newsroom: Newsroom, trouble: Reply, seconds: float
) -> None:
    turns = Turns(trouble, xml(told(STORY)))
    newsroom.vendor.replies["/news"] = turns
    source_id = await newsroom.feed("/news")

    async with newsroom.working():
        report = await newsroom.run(source_id)

    assert report.registered == 1
    assert turns.asked == 2
    assert (await newsroom.row(source_id)).failures == 0


@pytest.mark.parametrize(
    ("answer", "code"),
    [
        (reply(401, b"no"), "VENDOR_CREDENTIALS_REFUSED"),
        (reply(404, b"gone"), "VENDOR_NOT_FOUND"),
        (redirect("http://169.254.169.254/latest/meta-data/"), "REDIRECT_REFUSED"),
        (redirect("http://10.0.0.7/"), "REDIRECT_REFUSED"),
        (reply(200, gzip.compress(bytes(70_000_000)), [("Content-Encoding", "gzip")]), "RESPONSE_TOO_LARGE"),
        (reply(200, b"<rss>" + b" " * 50_000_000), "RESPONSE_TOO_LARGE"),
        (xml(b"<rss>" + b" " * 9_000_000), "FEED_TOO_LARGE"),
        (xml(b"<!DOCTYPE x [<!ENTITY a 'b'>]><rss>&a;</rss>"), "FEED_DEFINES_ENTITIES"),
        (xml(b"MZ\x90 not a feed"), "FEED_UNREADABLE"),
    ],
    ids=["refused", "gone", "metadata", "private", "gzip bomb", "50 MB", "9 MB feed", "entities", "no feed"],
)
async def test_vendor_when_its_answer_is_hostile_or_final_then_the_run_fails_with_a_code(
    newsroom: Newsroom, answer: Reply, code: str
) -> None:
    newsroom.vendor.replies["/news"] = answer
    source_id = await newsroom.feed("/news")

    async with newsroom.working():
        with pytest.raises(WorkflowFailureError) as failure:
            await newsroom.run(source_id)

    assert code_of(failure) == code
    row = await newsroom.row(source_id)
    (run,) = await newsroom.runs(source_id)
    assert row.failures == 1
    assert run.status == "failed"
    assert run.error.startswith(code_of(failure))
    assert row.last_error == run.error
    assert await newsroom.documents(source_id) == []
