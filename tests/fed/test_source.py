"""The adapter of the board's releases: the feed, what of it is followed, and each page after it."""

from __future__ import annotations

import contextlib
import json
from datetime import UTC, date, datetime

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from activities.adapters.fed.links import followed, kind_of_title
from activities.adapters.fed.source import ADAPTER, PENDING, TRIES, first, judge, read
from domain.documents import DatePrecision, RejectReason
from domain.errors import InvalidInput, NotFound, SourceFormatError, StonksError, VendorThrottled, VendorUnavailable
from domain.fetching import HttpAnswer, HttpRequest, SourcePage
from domain.sources import FedConfig, FedDocument
from tests.conftest import shared_data
from tests.fed.pages import BASE, NOW, STATEMENT_TITLE, answer, feed, item, minutes, page, release

CONFIG = FedConfig(since=date(2026, 7, 1))
MINUTES_TITLE = "Minutes of the Federal Open Market Committee, July 28–29, 2026"
MINUTES_ITEM = item(MINUTES_TITLE, release("20260819"), "Wed, 19 Aug 2026 18:00:00 GMT")
STATEMENT_ITEM = item(STATEMENT_TITLE, release("20260916"))
STATEMENT = page("The Committee decided to raise the target range.\n\nVoting for the action were all.")
RELEASE_OF_MINUTES = page(
    "The Federal Reserve on Wednesday released the minutes of the Committee meeting.",
    day="August 19, 2026",
    title=MINUTES_TITLE,
    more=f'<a href="/monetarypolicy/fomcminutes20260729.htm">Minutes</a> <a href="{minutes("20260916")}">next</a>',
)


def asked(page_or_request: SourcePage | HttpRequest) -> str:
    request = page_or_request.next if isinstance(page_or_request, SourcePage) else page_or_request
    assert isinstance(request, HttpRequest)
    return request.url.removeprefix(BASE)


def begin(*items: str, config: FedConfig = CONFIG, cursor: str = "", **headers: str) -> SourcePage:
    return read(config, cursor, answer(feed(items), **headers), NOW)


def on(before: SourcePage, body: bytes, status: int = 200, config: FedConfig = CONFIG, **fields: str) -> SourcePage:
    """Read the answer to a page's next request."""
    assert isinstance(before.next, HttpRequest)
    return read(config, before.cursor, answer(body, status, url=fields.pop("url", before.next.url), **fields), NOW)


def test_round_when_all_goes_well_then_the_releases_become_documents_in_order_of_time() -> None:
    text = shared_data("macro/fomc_minutes/2014-10-29.txt").read_text(encoding="utf-8")
    assert asked(first(CONFIG, "", NOW)) == "/feeds/press_monetary.xml"
    started = begin(STATEMENT_ITEM, MINUTES_ITEM, etag='"7"')
    assert (started.documents, started.rejects) == ((), ())
    assert asked(started) == "/newsevents/pressreleases/monetary20260819a.htm"
    onward = on(started, RELEASE_OF_MINUTES)
    assert (onward.documents, onward.rejects) == ((), ())
    assert asked(onward) == "/monetarypolicy/fomcminutes20260729.htm"
    with_minutes = on(onward, page(text, title="Minutes"))
    (document,) = with_minutes.documents
    assert (document.title, document.story) == (
        "FOMC minutes 2026-07-29 (published 2026-08-19)",
        "fed:minutes:2026-07-29",
    )
    assert document.published_at == datetime(2026, 8, 19, 18, tzinfo=UTC)
    assert document.precision is DatePrecision.INSTANT
    assert len(document.sections) == 6
    assert asked(with_minutes) == "/newsevents/pressreleases/monetary20260916a.htm"
    ended = on(with_minutes, STATEMENT)
    (document,) = ended.documents
    assert (document.title, document.story) == ("FOMC statement 2026-09-16", "fed:statement:2026-09-16")
    assert document.published_at == datetime(2026, 9, 16, 18, tzinfo=UTC)
    assert document.text == "The Committee decided to raise the target range.\n\nVoting for the action were all."
    assert (document.url, document.publisher) == (release("20260916"), "Federal Reserve")
    assert document.location == "www.federalreserve.gov/newsevents/pressreleases/monetary20260916a.htm"
    assert ended.next is None
    request = first(CONFIG, ended.cursor, NOW)
    assert (asked(request), request.etag) == ("/feeds/press_monetary.xml", '"7"')
    again = begin(STATEMENT_ITEM, MINUTES_ITEM, cursor=ended.cursor, etag='"8"')
    assert (again.next, again.documents, again.rejects) == (None, (), ())
    assert ADAPTER.first(CONFIG, "", NOW).url == f"{BASE}/feeds/press_monetary.xml"


def test_round_when_interrupted_then_the_cursor_resumes_at_the_page_that_was_not_read() -> None:
    started = begin(STATEMENT_ITEM, MINUTES_ITEM)
    assert asked(first(CONFIG, started.cursor, NOW)) == asked(started)
    onward = on(started, RELEASE_OF_MINUTES)
    assert asked(first(CONFIG, onward.cursor, NOW)) == "/monetarypolicy/fomcminutes20260729.htm"


@pytest.mark.parametrize(
    ("title", "kind"),
    [
        (STATEMENT_TITLE, FedDocument.STATEMENT),
        ("FOMC statement", FedDocument.STATEMENT),
        ("Federal Open Market Committee reaffirms its “Statement on Longer-Run Goals”", FedDocument.STATEMENT),
        ("Minutes of the Federal Open Market Committee, July 28–29, 2026", FedDocument.MINUTES),
        ("FOMC minutes", FedDocument.MINUTES),
        ("Minutes of the Board's discount rate meetings on July 20 and July 29, 2026", None),
        ("Federal Reserve Board and Federal Open Market Committee release economic projections", None),
        ("Federal Reserve announces the leadership of its task forces on monetary policy", None),
        ("", None),
    ],
)
def test_title_when_of_the_committee_then_its_kind_is_told(title: str, kind: FedDocument | None) -> None:
    assert kind_of_title(title) is kind


@pytest.mark.parametrize(
    ("url", "name"),
    [
        (release("20260916"), "monetary20260916a"),
        ("http://www.federalreserve.gov/newsevents/press/monetary/20130130a.htm", "20130130a"),
        ("https://federalreserve.gov/monetarypolicy/fomcminutes20260729.htm", "fomcminutes20260729"),
        ("/monetarypolicy/fomcminutes20260729.htm?utm=1#top", "fomcminutes20260729"),
        ("//evil.example/monetarypolicy/fomcminutes20260729.htm", None),
        ("https://www.federalreserve.gov.evil.example/monetarypolicy/fomcminutes20260729.htm", None),
        ("https://www.federalreserve.gov@evil.example/monetarypolicy/fomcminutes20260729.htm", None),
        ("https://evil.example/newsevents/pressreleases/monetary20260916a.htm", None),
        ("https://www.federalreserve.gov/newsevents/pressreleases/../monetary20260916a.htm", None),
        ("https://www.federalreserve.gov/newsevents/pressreleases/bcreg20260916a.htm", None),
        ("https://www.federalreserve.gov/monetarypolicy/files/fomcminutes20260729.pdf", None),
        ("https://www.federalreserve.gov/monetarypolicy/fomcminutes20261399.htm", None),
        ("file:///monetarypolicy/fomcminutes20260729.htm", None),
        ("https://[/monetarypolicy/fomcminutes20260729.htm", None),
        ("/monetarypolicy\\fomcminutes20260729.htm", None),
        ("", None),
    ],
)
def test_link_when_on_another_host_or_path_then_it_is_not_followed(url: str, name: str | None) -> None:
    found = followed(url, BASE)
    assert (found.name if found else None) == name


def test_mirror_when_configured_then_links_to_it_are_followed_below_its_path() -> None:
    mirror = FedConfig(since=date(2026, 7, 1), base_url="https://mirror.example/fed/")
    items = feed([item(STATEMENT_TITLE, "https://mirror.example/fed/newsevents/pressreleases/monetary20260916a.htm")])
    started = read(mirror, "", answer(items, url="https://mirror.example/fed/feeds/press_monetary.xml"), NOW)
    assert isinstance(started.next, HttpRequest)
    assert started.next.url == "https://mirror.example/fed/newsevents/pressreleases/monetary20260916a.htm"


def test_feed_when_it_links_elsewhere_then_that_release_is_refused_and_the_others_are_read() -> None:
    started = begin(item(STATEMENT_TITLE, "https://evil.example/a.htm"), STATEMENT_ITEM, item("FOMC statement", ""))
    assert [(each.reason, each.column) for each in started.rejects] == [(RejectReason.MALFORMED_ROW, "link")] * 2
    assert "evil.example/a.htm" in started.rejects[0].detail
    assert asked(started).endswith("monetary20260916a.htm")


def test_feed_when_it_holds_other_kinds_or_earlier_days_then_they_are_passed_over() -> None:
    earlier = item(STATEMENT_TITLE, release("20260617"), "Wed, 17 Jun 2026 18:00:00 GMT")
    only_minutes = CONFIG.model_copy(update={"documents": (FedDocument.MINUTES,)})
    assert begin(earlier).next is None
    assert begin(STATEMENT_ITEM, config=only_minutes).next is None
    evening = item(STATEMENT_TITLE, release("20260630"), "Wed, 01 Jul 2026 03:00:00 GMT")  # still June in New York
    assert begin(evening).next is None
    started = begin(STATEMENT_ITEM)
    assert asked(first(only_minutes, started.cursor, NOW)) == "/feeds/press_monetary.xml"


def test_release_when_in_the_future_then_it_is_read_when_its_time_has_come() -> None:
    ahead = item(STATEMENT_TITLE, release("20261028"), "Wed, 28 Oct 2026 18:00:00 GMT")
    started = begin(ahead, etag='"7"')
    assert [each.reason for each in started.rejects] == [RejectReason.DATE_IN_FUTURE]
    assert started.next is None
    assert first(CONFIG, started.cursor, NOW).etag == ""
    later = datetime(2026, 10, 28, 18, 1, tzinfo=UTC)
    assert read(CONFIG, started.cursor, answer(feed([ahead]), etag='"7"'), later).next is not None


def test_day_when_the_feed_tells_no_hour_then_the_page_does() -> None:
    started = begin(item(STATEMENT_TITLE, release("20260916"), "Wed, 16 Sep 2026"))
    (document,) = on(started, STATEMENT).documents
    assert (document.published_at, document.precision) == (datetime(2026, 9, 16, 18, tzinfo=UTC), DatePrecision.INSTANT)
    silent = STATEMENT.replace(b"For release at", b"Around")
    (document,) = on(started, silent.replace(b"2:00", b"noon")).documents
    assert (document.published_at, document.precision) == (datetime(2026, 9, 17, 4, tzinfo=UTC), DatePrecision.DAY)


def test_second_statement_when_of_the_same_day_then_its_story_is_another() -> None:
    started = begin(STATEMENT_ITEM, item("FOMC issues statement on reserves", release("20260916", "b")))
    after = on(started, STATEMENT)
    assert on(after, STATEMENT).documents[0].story == "fed:statement:2026-09-16:b"


@pytest.mark.parametrize(
    ("body", "status", "url", "found"),
    [
        (b"", 404, release("20260916"), "PAGE_GONE"),
        (b"", 410, release("20260916"), "PAGE_GONE"),
        (b"", 200, release("20260916"), "PAGE_EMPTY"),
        (page("Page not found"), 200, release("20260916"), "PAGE_IS_NO_RELEASE"),
        (b"PK\x03\x04", 200, release("20260916"), "PAGE_IS_ARCHIVE"),
        (STATEMENT, 200, "https://evil.example/a.htm", "PAGE_ELSEWHERE"),
        (b"<html>" + b"<b>" * 200_000, 200, release("20260916"), "PAGE_TOO_COMPLEX"),
    ],
)
def test_page_when_not_there_then_it_is_refused_the_rest_follows_and_it_is_asked_for_again(
    body: bytes, status: int, url: str, found: str
) -> None:
    later = item(STATEMENT_TITLE, release("20260918"), "Fri, 18 Sep 2026 18:00:00 GMT")
    started = begin(STATEMENT_ITEM, later, etag='"7"')
    failed = on(started, body, status, url=url)
    assert [each.file for each in failed.rejects] == [
        "www.federalreserve.gov/newsevents/pressreleases/monetary20260916a.htm"
    ]
    assert found in failed.rejects[0].detail
    ended = on(failed, STATEMENT)
    assert (len(ended.documents), ended.next) == (1, None)
    again = read(CONFIG, ended.cursor, answer(status=304), NOW)
    assert asked(again) == "/newsevents/pressreleases/monetary20260916a.htm"
    recovered = on(again, STATEMENT)
    assert (len(recovered.documents), recovered.next) == (1, None)
    assert read(CONFIG, recovered.cursor, answer(status=304), NOW).next is None


def test_page_when_never_there_then_it_is_given_up_after_the_third_time() -> None:
    at = begin(STATEMENT_ITEM)
    for _ in range(TRIES):
        assert at.next is not None
        ended = on(at, b"", 404)
        assert len(ended.rejects) == 1
        at = begin(STATEMENT_ITEM, cursor=ended.cursor)
    assert at.next is None


def test_minutes_when_their_release_links_none_then_it_is_refused_unless_it_holds_them() -> None:
    started = begin(MINUTES_ITEM)
    refused = on(started, page("The minutes of the Committee were released."))
    assert "PAGE_LINKS_NO_MINUTES" in refused.rejects[0].detail
    whole = on(started, page("Committee Policy Action\n\n" + "The Committee talked at length. " * 100))
    assert whole.documents[0].sections[0].heading == "Committee Policy Action"


def test_minutes_when_the_feed_links_them_directly_then_they_are_read_at_once() -> None:
    started = begin(item(MINUTES_TITLE, minutes("20260729"), "Wed, 19 Aug 2026 18:00:00 GMT"))
    (document,) = on(started, page("The Committee talked at length. " * 100)).documents
    assert document.title == "FOMC minutes 2026-07-29 (published 2026-08-19)"


def test_feed_when_it_holds_more_than_can_wait_then_the_rest_is_found_at_the_next_reading() -> None:
    days = [f"202608{day:02}" for day in range(1, 29)]
    items = [
        item(STATEMENT_TITLE, release(day, part), "Sat, 01 Aug 2026 18:00:00 GMT") for day in days for part in "ab"
    ]
    at = begin(*items, etag='"7"')
    read_pages = 0
    while at.next is not None:
        at = on(at, STATEMENT)
        read_pages += 1
    assert read_pages == PENDING
    assert first(CONFIG, at.cursor, NOW).etag == ""
    assert len(json.loads(begin(*items, cursor=at.cursor).cursor)["pending"]) == 56 - PENDING
    assert len(at.cursor) < 10_000


def test_feed_when_gone_or_of_another_host_then_it_is_an_error() -> None:
    with pytest.raises(NotFound):
        read(CONFIG, "", answer(status=404), NOW)
    with pytest.raises(SourceFormatError, match="another host"):
        read(CONFIG, "", answer(feed([STATEMENT_ITEM]), url="https://evil.example/feed"), NOW)
    with pytest.raises(SourceFormatError, match="FEED_UNREADABLE"):
        read(CONFIG, "", answer(b"<html>down for maintenance</html>"), NOW)


@pytest.mark.parametrize(("status", "kind"), [(429, VendorThrottled), (503, VendorUnavailable)])
def test_judge_when_asking_again_can_help_then_the_error_is_raised(status: int, kind: type[StonksError]) -> None:
    with pytest.raises(kind):
        judge(answer(status=status))
    judge(answer(status=404))
    judge(answer(status=304))


@pytest.mark.parametrize(
    "cursor",
    ["{", "[1]", '{"more":1}', '{"taken":["../x"]}', "[" * 3_000, "x" * 100_000, '{"pending":[{"path":"/x"}]}'],
)
def test_cursor_when_none_of_ours_then_the_error_says_what_to_do(cursor: str) -> None:
    with pytest.raises(InvalidInput, match="CURSOR_UNREADABLE"):
        first(CONFIG, cursor, NOW)


def test_cursor_when_it_holds_a_foreign_path_then_that_is_never_asked_for() -> None:
    started = begin(STATEMENT_ITEM)
    forged = started.cursor.replace("/newsevents/pressreleases/monetary20260916a.htm", "@evil.example/monetary.htm")
    assert asked(first(CONFIG, forged, NOW)) == "/feeds/press_monetary.xml"


@settings(max_examples=100, deadline=None)
@given(
    start=st.sampled_from([b"", b"<html><div id='article'>", b"%PDF-1.4\n", b"<?xml version='1.0'?><rss>", STATEMENT]),
    rest=st.binary(max_size=200),
    status=st.sampled_from([200, 204, 304, 301, 404]),
    url=st.sampled_from([BASE, release("20260916"), "https://evil.example", "http://[", ""]),
    declared=st.text(max_size=10),
)
def test_answer_when_any_bytes_then_nothing_but_our_errors_is_raised(
    start: bytes, rest: bytes, status: int, url: str, declared: str
) -> None:
    found: HttpAnswer = answer(start + rest, status, url=url, content_type=declared)
    for cursor in ("", begin(STATEMENT_ITEM).cursor, begin(MINUTES_ITEM).cursor):
        with contextlib.suppress(StonksError):
            after = read(CONFIG, cursor, found, NOW)
            assert len(after.documents) <= 1
            first(CONFIG, after.cursor, NOW)
