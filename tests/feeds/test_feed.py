"""Feeds made for one question each: cursors, times, tickers, refusals, hostile structure."""

from __future__ import annotations

import contextlib
import time
from datetime import UTC, datetime

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from activities.adapters.feeds.feed import MAX_BODY_BYTES, MAX_ENTRIES, first, read
from activities.adapters.feeds.plain import plain_text
from domain.documents import DatePrecision, RejectReason
from domain.errors import SourceFormatError, StonksError, VendorThrottled
from domain.fetching import HttpAnswer, SourcePage
from domain.sources import FeedConfig

NOW = datetime(2024, 5, 1, 12, tzinfo=UTC)
CONFIG = FeedConfig(url="https://feeds.example/news", publisher="Example")
TIME = "<pubDate>Tue, 30 Apr 2024 10:00:00 GMT</pubDate>"


def _answer(body: bytes | str, status: int = 200, **headers: str) -> HttpAnswer:
    data = body.encode() if isinstance(body, str) else body
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return HttpAnswer(status=status, url=CONFIG.url, body=data, headers=named, fetched_at=NOW)


def _rss(items: str) -> str:
    return f"<?xml version='1.0'?><rss version='2.0'><channel><title>T</title>{items}</channel></rss>"


def _read(items: str, config: FeedConfig = CONFIG) -> SourcePage:
    return read(config, "", _answer(_rss(items)), NOW)


def test_cursor_when_the_answer_has_validators_then_the_next_request_carries_them() -> None:
    answer = _answer(_rss(""), etag='W/"7"', last_modified="Tue, 30 Apr 2024 10:00:00 GMT")
    page = read(CONFIG, "", answer, NOW)
    request = first(CONFIG, page.cursor)
    assert (request.etag, request.last_modified) == ('W/"7"', "Tue, 30 Apr 2024 10:00:00 GMT")
    assert page.documents == ()


def test_answer_when_unchanged_then_the_cursor_is_kept() -> None:
    assert read(CONFIG, '{"etag":"x"}', _answer(b"", 304), NOW) == SourcePage(cursor='{"etag":"x"}')


def test_cursor_when_validators_are_huge_or_hold_line_ends_then_they_are_left_out() -> None:
    assert read(CONFIG, "", _answer(_rss(""), etag="e" * 5_000, last_modified="a\r\nb"), NOW).cursor == ""


@pytest.mark.parametrize("cursor", ["", "{", "[1]", '{"etag":3}', "[" * 3_000, "x" * 10_000])
def test_cursor_when_unusable_then_the_feed_is_read_anew(cursor: str) -> None:
    assert first(CONFIG, cursor).etag == ""


def test_entry_when_in_the_future_then_it_is_refused_and_the_feed_is_read_again() -> None:
    items = "<item><title>A</title><pubDate>Wed, 01 May 2024 12:00:01 GMT</pubDate></item>"
    page = read(CONFIG, "", _answer(_rss(items), etag="x"), NOW)
    assert [reject.reason for reject in page.rejects] == [RejectReason.DATE_IN_FUTURE]
    assert page.cursor == ""


@pytest.mark.parametrize(
    ("item", "reason", "column"),
    [
        (f"<item><description>text</description>{TIME}</item>", RejectReason.MISSING_VALUE, "title"),
        (f"<item>{TIME}</item>", RejectReason.EMPTY_DOCUMENT, "title"),
        ("<item><title>A</title></item>", RejectReason.MISSING_VALUE, "published"),
        ("<item><title>A</title><pubDate>soon</pubDate></item>", RejectReason.INVALID_DATE, "published"),
        ("<item><title>A</title><pubDate>2024-04</pubDate></item>", RejectReason.INVALID_DATE, "published"),
        (f"<item><title>{'x' * 2_001}</title>{TIME}</item>", RejectReason.LINE_TOO_LONG, "title"),
    ],
)
def test_entry_when_unusable_then_it_alone_is_refused_by_name(item: str, reason: RejectReason, column: str) -> None:
    page = _read(f"<item><title>Good</title>{TIME}</item>{item}")
    assert [document.title for document in page.documents] == ["Good"]
    assert [(reject.reason, reject.column, reject.line) for reject in page.rejects] == [(reason, column, 2)]


@pytest.mark.parametrize(
    ("written", "published_at", "precision"),
    [
        ("Tue, 30 Apr 2024 10:00:00 EST", datetime(2024, 4, 30, 15, tzinfo=UTC), DatePrecision.INSTANT),
        ("2024-04-30T10:00:00+02:00", datetime(2024, 4, 30, 8, tzinfo=UTC), DatePrecision.INSTANT),
        ("2024-04-29", datetime(2024, 4, 30, 4, tzinfo=UTC), DatePrecision.DAY),
        ("Mon, 29 Apr 2024 00:00:00 GMT", datetime(2024, 4, 30, 4, tzinfo=UTC), DatePrecision.DAY),
        ("Mon, 29 Apr 2024 00:00:00 +0900", datetime(2024, 4, 30, 4, tzinfo=UTC), DatePrecision.DAY),
        ("Mon, 29 Apr 2024 04:00:00 GMT", datetime(2024, 4, 30, 4, tzinfo=UTC), DatePrecision.DAY),
        ("2024-04-29T10:00:00", datetime(2024, 4, 30, 4, tzinfo=UTC), DatePrecision.DAY),
        ("Mon, 15 Jan 2024 00:00:00 -0500", datetime(2024, 1, 16, 5, tzinfo=UTC), DatePrecision.DAY),
    ],
)
def test_time_when_it_tells_only_the_day_then_it_counts_from_the_days_end(
    written: str, published_at: datetime, precision: DatePrecision
) -> None:
    (document,) = _read(f"<item><title>A</title><pubDate>{written}</pubDate></item>").documents
    assert (document.published_at, document.precision) == (published_at, precision)


def test_tickers_when_in_categories_and_titles_then_all_are_found_once() -> None:
    config = FeedConfig(url=CONFIG.url, ticker_patterns=("({ticker})", "NYSE: {ticker}"))
    categories = (
        "<category domain='https://www.globenewswire.com/rss/stock'>Nasdaq:ABCD</category>"
        "<category domain='https://seekingalpha.com/symbol/BRK.B'>Berkshire</category>"
        "<category>ENERGY</category><category domain='x/stock'>not a ticker</category>"
    )
    page = _read(f"<item><title>Ge (GE) buys (NYSE: F), (ABCD) (abc)</title>{categories}{TIME}</item>", config)
    assert page.documents[0].tickers == ("ABCD", "BRK.B", "GE", "F")


def test_text_when_html_then_scripts_and_invisible_characters_are_gone() -> None:
    description = "&lt;p&gt;One\ntwo&lt;/p&gt;&lt;script&gt;alert(1)&lt;/script&gt;&lt;p&gt;th\u200bree&lt;/p&gt;"
    (document,) = _read(f"<item><title>A</title><description>{description}</description>{TIME}</item>").documents
    assert document.text == "One two\nthree"


@pytest.mark.parametrize(
    "hidden",
    [
        "<p style='display:none'>Secret</p>",
        "<p style='color:red;display : NONE'>Secret</p>",
        "<p style='font-size:0'>Secret</p>",
        "<p style='color:#fff;background-color:#ffffff'>Secret</p>",
        "<p hidden>Secret</p>",
        "<font color='white'>Secret</font>",
        "<noscript>Secret</noscript>",
        "<!-- Secret -->",
        "<img alt='Secret' title='Secret' src='a.png'>",
    ],
)
def test_text_when_its_markup_hides_a_part_then_only_the_rest_is_read(hidden: str) -> None:
    description = f"<description><![CDATA[<p>One</p>{hidden}<p>two &amp; <b>three</b></p>]]></description>"
    (document,) = _read(f"<item><title>A</title>{description}{TIME}</item>").documents
    assert document.text == "One\ntwo & three"


def test_title_when_its_markup_hides_a_part_then_only_the_rest_is_read() -> None:
    title = "<title><![CDATA[Acme <b hidden>Secret</b>rose < 5%]]></title>"
    (document,) = _read(f"<item>{title}{TIME}</item>").documents
    assert document.title == "Acme rose < 5%"


@pytest.mark.parametrize(
    ("markup", "text"),
    [
        ("<p>One<p style='display:none'>Secret<p>two", "One\ntwo"),
        ("<style>.x{display:none}</style><p class=x>Secret</p>one", "one"),
        ("<template>Secret</template>one", "one"),
        ("one<script>Secret</script> two", "one two"),
        ("a<sup style='color:red'>2</sup> &lt; <span style='x'>b</span>", "a2 < b"),
        ("<td style='x'>1</td><td>2</td>", "1 2"),
        ("style &amp; hidden", "style & hidden"),
        ("<p style='color:red'>Zürich – 5 €</p>", "Zürich – 5 €"),
        ("style" + "<b>" * 400_001 + "x", ""),
    ],
)
def test_plain_text_when_markup_may_hide_something_then_what_is_shown_is_returned(markup: str, text: str) -> None:
    assert plain_text(markup, is_html=True) == text


def test_plain_text_when_it_is_no_markup_then_it_is_left_alone() -> None:
    assert plain_text("a <p hidden>b</p>", is_html=False) == "a <p hidden>b</p>"


def test_link_when_not_a_web_address_then_it_is_left_out() -> None:
    (document,) = _read(f"<item><title>A</title><link>javascript:alert(1)</link>{TIME}</item>").documents
    assert document.url == ""


@pytest.mark.parametrize("encoding", ["utf-8", "utf-16", "utf-16-le", "utf-16-be"])
def test_doctype_when_it_defines_entities_then_the_feed_is_refused(encoding: str) -> None:
    laughs = "".join(f'<!ENTITY l{n} "{f"&l{n - 1};" * 10}">' for n in range(1, 10))
    body = f'<?xml version="1.0"?><!-- <a> --><!DOCTYPE rss [<!ENTITY l0 "lol">{laughs}]><rss>&l9;</rss>'
    with pytest.raises(SourceFormatError, match="FEED_DEFINES_ENTITIES"):
        read(CONFIG, "", _answer(body.encode(encoding)), NOW)


def test_doctype_when_it_only_names_its_type_then_the_feed_is_read() -> None:
    doctype = '<!DOCTYPE rss PUBLIC "-//Netscape Communications//DTD RSS 0.91//EN" "http://x.example/rss-0.91.dtd">'
    feed = f"<rss version='0.91'><channel><item><title>A</title>{TIME}</item></channel></rss>"
    assert read(CONFIG, "", _answer(f"<?xml version='1.0'?>{doctype}{feed}"), NOW).documents[0].title == "A"


def test_encoding_when_mislabelled_then_the_text_is_right() -> None:
    body = _rss(f"<item><title>Müller &amp; Söhne</title>{TIME}</item>").replace("'1.0'", "'1.0' encoding='latin-1'")
    for encoding in ("utf-8", "cp1252"):
        answer = _answer(body.encode(encoding), content_type="text/xml; charset=utf-7")
        assert read(CONFIG, "", answer, NOW).documents[0].title == "Müller & Söhne"


def test_feed_when_not_well_formed_then_its_entries_are_read_still() -> None:
    body = f"<rss version='2.0'><channel><item><title>A & B</title>{TIME}</item><item><title>C"
    assert read(CONFIG, "", _answer(body), NOW).documents[0].title == "A & B"


@pytest.mark.parametrize("body", [b"", b"{}", b"<html><body>no</body></html>", b"\x00\xff", b"<", b"<!--"])
def test_answer_when_no_feed_then_it_is_an_error(body: bytes) -> None:
    with pytest.raises(SourceFormatError, match="FEED_UNREADABLE"):
        read(CONFIG, "", _answer(body), NOW)


def test_answer_when_deep_or_large_then_it_is_refused_at_once() -> None:
    began = time.thread_time()
    with pytest.raises(SourceFormatError, match="FEED_TOO_DEEP"):
        read(CONFIG, "", _answer(_rss("<a>" * 100_000)), NOW)
    with pytest.raises(SourceFormatError, match="FEED_TOO_DEEP"):
        read(CONFIG, "", _answer(f"<rss>&bad {'<a>' * 100_000}"), NOW)
    with pytest.raises(SourceFormatError, match="FEED_TOO_LARGE"):
        read(CONFIG, "", _answer(b" " * (MAX_BODY_BYTES + 1)), NOW)
    assert time.thread_time() - began < 10


def test_feed_when_it_has_too_many_entries_then_the_rest_is_named() -> None:
    page = _read(f"<item><title>A</title>{TIME}</item>" * (MAX_ENTRIES + 1))
    assert len(page.documents) == MAX_ENTRIES
    assert [reject.line for reject in page.rejects] == [0]


def test_status_when_throttled_then_the_vendors_error_is_raised() -> None:
    with pytest.raises(VendorThrottled):
        read(CONFIG, "", _answer(b"", 429), NOW)


@pytest.mark.parametrize("fields", [{"url": "file:///x"}, {"ticker_patterns": ("{ticker}",)}, {"language": "English"}])
def test_config_when_wrong_then_it_is_refused(fields: dict[str, object]) -> None:
    with pytest.raises(ValidationError):
        FeedConfig.model_validate({"url": "https://feeds.example/", **fields})


@settings(max_examples=60, deadline=None)
@given(st.one_of(st.binary(max_size=300), st.text(max_size=200).map(lambda text: _rss(f"<item>{text}").encode())))
def test_answer_when_any_bytes_then_nothing_but_our_errors_is_raised(body: bytes) -> None:
    with contextlib.suppress(StonksError):
        read(CONFIG, "", _answer(body), NOW)


@settings(max_examples=60, deadline=None)
@given(title=st.text(max_size=50), written=st.text(max_size=40), halted=st.text(max_size=12))
def test_entry_when_any_values_then_it_is_a_document_or_a_reject(title: str, written: str, halted: str) -> None:
    safe = [value.replace("<", "").replace("&", "") for value in (title, written, halted)]
    item = "<item><title>{}</title><pubDate>{}</pubDate><n:HaltDate xmlns:n='http://nasdaqtrader.com/'>{}</n:HaltDate></item>"
    try:
        page = _read(item.format(*safe))
    except StonksError:
        return
    assert len(page.documents) + len(page.rejects) == 1
