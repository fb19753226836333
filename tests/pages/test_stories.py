"""The name of a story: kept as the source has it where it can be shown, told by a hash where not. Feeds give theirs."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from activities.adapters.feeds.feed import ADAPTER
from activities.adapters.pages.stories import MAX_STORY_CHARACTERS, story_of
from domain.documents import SourceDocument
from domain.errors import NotFound, VendorThrottled, VendorUnavailable
from domain.fetching import HttpAnswer, HttpRequest
from domain.sources import FeedConfig

NOW = datetime(2024, 5, 1, 12, tzinfo=UTC)
CONFIG = FeedConfig(url="https://feeds.example/news?key=secret")
TIME = "<pubDate>Tue, 30 Apr 2024 10:00:00 GMT</pubDate>"


def _answer(body: str = "", status: int = 200) -> HttpAnswer:
    return HttpAnswer(status=status, url=CONFIG.url, body=body.encode(), fetched_at=NOW)


def _stories(*guids: str) -> list[str]:
    items = "".join(
        f"<item><title>T{number}</title>{TIME}{f'<guid>{guid}</guid>' if guid else ''}</item>"
        for number, guid in enumerate(guids)
    )
    answer = _answer(f"<rss version='2.0'><channel><title>T</title>{items}</channel></rss>")
    documents: tuple[SourceDocument, ...] = ADAPTER.read(CONFIG, "", answer, NOW).documents
    return [document.story for document in documents]


def test_story_when_short_and_printable_then_it_is_the_name_itself() -> None:
    assert story_of("mail", "1@letters.example") == "mail:1@letters.example"
    assert story_of("mail", "") == ""


@given(st.text(max_size=400))
def test_story_when_any_name_then_it_fits_is_printable_and_tells_names_apart(name: str) -> None:
    story = story_of("page", name)
    assert len(story) <= MAX_STORY_CHARACTERS
    assert story.isprintable()
    assert story != story_of("page", name + "x")
    assert story == story_of("page", name)


def test_feed_when_its_entries_have_guids_then_these_are_their_stories() -> None:
    long = "https://feeds.example/" + "x" * 500
    first, second, third, none = _stories("https://feeds.example/?p=1", long, "tag:2", "")
    assert first == "feed:feeds.example:https://feeds.example/?p=1"
    assert second.startswith("feed:")
    assert len(second) < 60
    assert third == "feed:feeds.example:tag:2"
    assert none == ""


def test_feed_when_several_entries_share_a_guid_then_it_names_no_story() -> None:
    assert _stories("tag:1", "tag:1", "tag:2") == ["", "", "feed:feeds.example:tag:2"]


def test_feed_adapter_when_asked_then_it_takes_the_present_and_judges_statuses() -> None:
    request = ADAPTER.first(CONFIG, "", NOW)
    assert isinstance(request, HttpRequest)
    assert request.url == CONFIG.url
    for status, kind in ((429, VendorThrottled), (503, VendorUnavailable), (404, NotFound)):
        with pytest.raises(kind, match="vendor=feed"):
            ADAPTER.judge(_answer(status=status))
    ADAPTER.judge(_answer(status=304))
