"""Pages made for one question each: kinds, dates, mails, PDFs, offsets, hostile structure."""

from __future__ import annotations

import contextlib
import io
import time
import zipfile
from datetime import UTC, datetime
from email.message import EmailMessage

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pypdf import PdfWriter

from activities.adapters.pages.models import PageKind, ParsedPage
from activities.adapters.pages.page import parse_page
from domain.documents import DatePrecision
from domain.errors import SourceFormatError, StonksError
from domain.text import strip_invisible

URL = "https://pages.example/a?key=secret"


def _parse(body: bytes | str, content_type: str = "text/html") -> ParsedPage:
    return parse_page(body.encode() if isinstance(body, str) else body, content_type, URL)


def _pdf(pages: int, text: str = "Rates rose.") -> bytes:
    """A minimal PDF written by hand, with a line of text on each page."""
    content = f"BT /F1 12 Tf 72 720 Td ({text}) Tj ET"
    objects = ["<</Type/Catalog/Pages 2 0 R>>", ""]
    objects.append("<</Type/Font/Subtype/Type1/BaseFont/Helvetica>>")
    objects.append(f"<</Length {len(content)}>>stream\n{content}\nendstream")
    kids = []
    for _ in range(pages):
        objects.append("<</Type/Page/Parent 2 0 R/Contents 4 0 R/Resources<</Font<</F1 3 0 R>>>>>>")
        kids.append(f"{len(objects)} 0 R")
    objects[1] = f"<</Type/Pages/Count {pages}/MediaBox[0 0 612 792]/Kids[{' '.join(kids)}]>>"
    written = "%PDF-1.4\n"
    offsets = []
    for number, value in enumerate(objects, start=1):
        offsets.append(len(written))
        written += f"{number} 0 obj{value}endobj\n"
    table = "".join(f"{offset:010} 00000 n \n" for offset in offsets)
    start = len(written)
    written += f"xref\n0 {len(objects) + 1}\n0000000000 65535 f \n{table}"
    written += f"trailer<</Size {len(objects) + 1}/Root 1 0 R>>\nstartxref\n{start}\n%%EOF"
    return written.encode()


def _zip_bomb() -> bytes:
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("page.html", b"0" * 20_000_000)
    return stream.getvalue()


@pytest.mark.parametrize(
    ("body", "code"),
    [
        (_zip_bomb(), "PAGE_IS_ARCHIVE"),
        (b"\x1f\x8b\x08" + b"x" * 100, "PAGE_IS_ARCHIVE"),
        (b"\x7fELF\x02\x01", "PAGE_IS_EXECUTABLE"),
        (b"MZ\x90\x00\x03\x00", "PAGE_IS_EXECUTABLE"),
        (b"#!/bin/sh\nrm -rf x", "PAGE_IS_EXECUTABLE"),
        (b"\x89PNG\r\n\x1a\n", "PAGE_IS_BINARY"),
        (b"text\x00more", "PAGE_IS_BINARY"),
        (b"", "PAGE_EMPTY"),
        (b" \n ", "PAGE_EMPTY"),
        (b"<html><script>x()</script></html>", "PAGE_EMPTY"),
        (b"%PDF-1.7 broken", "PAGE_BROKEN"),
        (b"<div>" * 2_000_000, "PAGE_TOO_COMPLEX"),
    ],
)
def test_page_when_not_readable_then_the_error_says_why(body: bytes, code: str) -> None:
    with pytest.raises(SourceFormatError, match=code) as raised:
        _parse(body)
    assert "secret" not in str(raised.value)


def test_feed_when_declared_as_xml_then_it_is_no_page() -> None:
    with pytest.raises(SourceFormatError, match="PAGE_TYPE_UNSUPPORTED"):
        _parse("<?xml version='1.0'?><rss><channel/></rss>", "application/xml")


@pytest.mark.parametrize("declared", ["text/html", "text/plain", "", "application/zip"])
def test_pdf_when_declared_as_anything_then_it_is_a_pdf_of_pages(declared: str) -> None:
    page = _parse(_pdf(3), declared)
    assert page.kind is PageKind.PDF
    assert [section.heading for section in page.sections] == ["Page 1", "Page 2", "Page 3"]
    assert {page.section_text(section) for section in page.sections} == {"Rates rose."}


def test_pdf_when_longer_than_the_cap_then_it_is_truncated() -> None:
    page = _parse(_pdf(301))
    assert (len(page.sections), page.truncated) == (300, True)


def test_pdf_when_it_needs_a_password_then_it_is_refused() -> None:
    writer = PdfWriter(clone_from=io.BytesIO(_pdf(1)))
    writer.encrypt("password", algorithm="RC4-128")
    stream = io.BytesIO()
    writer.write(stream)
    with pytest.raises(SourceFormatError, match="PAGE_ENCRYPTED"):
        _parse(stream.getvalue())


def test_entities_when_a_page_defines_them_then_none_is_expanded() -> None:
    doctype = "<!DOCTYPE html [<!ENTITY a 'haha'><!ENTITY b '&a;&a;'><!ENTITY f SYSTEM 'file:///etc/passwd'>]>"
    page = _parse(f"<?xml version='1.0'?>{doctype}<html><body><p>Rates &b; &f; rose</p></body></html>")
    assert "haha" not in page.text
    assert "root:" not in page.text
    assert "rose" in page.text


@pytest.mark.parametrize(
    "body",
    [
        b"<div>x" * 300_000,
        b"<b><font>" * 100_000 + b"text",
        b"<p>x" * 20_000,
        b"<" * 300_000,
        b"<html>" + b"<a href=x>a link</a> " * 29_000,
        b"<p " + b"a=1 " * 500_000 + b">text",
    ],
)
def test_page_when_deep_or_huge_then_it_ends_in_time(body: bytes) -> None:
    began = time.thread_time()
    with contextlib.suppress(SourceFormatError):
        _parse(body)
    assert time.thread_time() - began < 20


@pytest.mark.parametrize(
    ("head", "published_at", "precision"),
    [
        (
            "<meta name='dc.date' content='2024-04-30'>",
            datetime(2024, 5, 1, 4, tzinfo=UTC),
            DatePrecision.DAY,
        ),
        (
            '<script type="application/ld+json">{"@graph":[{"datePublished":"2024-04-30T10:00:00+02:00"}]}</script>',
            datetime(2024, 4, 30, 8, tzinfo=UTC),
            DatePrecision.INSTANT,
        ),
        (
            "<meta property='article:published_time' content='2024-04-30T10:00:00'>",
            datetime(2024, 5, 1, 4, tzinfo=UTC),
            DatePrecision.DAY,
        ),
        ("<script type='application/ld+json'>" + "[" * 50_000 + "</script>", None, None),
        ("<meta name='date' content='yesterday'>", None, None),
        ("", None, None),
    ],
)
def test_date_when_stated_then_it_is_read_and_never_guessed(
    head: str, published_at: datetime | None, precision: DatePrecision | None
) -> None:
    page = _parse(f"<html><head>{head}</head><body><p>Published 12 March 2019. Copyright 2020.</p></body></html>")
    assert (page.published_at, page.precision) == (published_at, precision)


def test_language_when_text_is_short_then_it_is_undetermined() -> None:
    assert _parse("Rates up", "text/plain").language == "und"
    german = "Die Notenbank hat die Zinsen heute um einen Viertelpunkt angehoben, und die Börse gab deutlich nach."
    assert _parse(german, "text/plain").language == "de"


def test_mail_when_it_has_attachments_then_they_are_named_and_not_read() -> None:
    message = EmailMessage()
    message["From"], message["To"], message["Message-ID"] = "a@news.example", "b@desk.example", "<1@news.example>"
    message["Subject"] = "Zinsen höher"
    message["Date"] = "Tue, 30 Apr 2024 10:00:00 +0200"
    message.set_content("Rates rose.\n\nShares fell.")
    message.add_alternative("<p>Rates rose (html)</p>", subtype="html")
    message.add_attachment(b"PK\x03\x04", maintype="application", subtype="zip", filename="report.zip")
    page = _parse(message.as_bytes(), "")
    assert (page.kind, page.title) == (PageKind.EMAIL, "Zinsen höher")
    assert page.text == "Rates rose.\n\nShares fell."
    assert [page.section_text(section) for section in page.sections] == ["Rates rose.", "Shares fell."]
    assert page.published_at == datetime(2024, 4, 30, 8, tzinfo=UTC)
    assert page.mail is not None
    assert page.mail.sender == "a@news.example"
    assert (page.mail.attachments, page.mail.attachment_count) == (("report.zip",), 1)


def test_mail_when_nested_deeply_then_it_is_refused() -> None:
    body = b"MIME-Version: 1.0\n"
    for level in range(400):
        body += b"Content-Type: multipart/mixed; boundary=b%d\n\n--b%d\n" % (level, level)
    with pytest.raises(SourceFormatError, match=r"PAGE_NESTED_TOO_DEEP|PAGE_BROKEN"):
        _parse(body, "message/rfc822")


def _check_offsets(page: ParsedPage) -> None:
    assert strip_invisible(page.text) == page.text
    position = 0
    for section in page.sections:
        assert not page.text[position : section.start].strip()
        part = page.section_text(section)
        assert part == part.strip() != ""
        position = section.end
    assert not page.text[position:].strip()


@settings(max_examples=150, deadline=None)
@given(st.text(min_size=1, max_size=300))
def test_offsets_when_any_text_then_sections_are_what_they_say(text: str) -> None:
    try:
        page = _parse(text.encode("utf-8", "replace"), "text/plain; charset=utf-8")
    except StonksError:
        return
    _check_offsets(page)


@settings(max_examples=60, deadline=None)
@given(
    st.lists(st.tuples(st.sampled_from(["h1", "h2", "p", "li", "td", "div", "b"]), st.text(max_size=40)), max_size=12)
)
def test_offsets_when_any_page_then_sections_are_what_they_say(blocks: list[tuple[str, str]]) -> None:
    markup = "".join(f"<{name}>{text}</{name}>" for name, text in blocks)
    try:
        page = _parse(f"<html><body>{markup}</body></html>".encode("utf-8", "replace"))
    except StonksError:
        return
    _check_offsets(page)


@settings(max_examples=100, deadline=None)
@given(
    start=st.sampled_from([b"", b"<html>", b"%PDF-1.4\n", b"From: a\nTo: b\nMessage-ID: c\n", b"\xff\xfe", b"<?xml"]),
    rest=st.binary(max_size=300),
    declared=st.sampled_from(["", "text/html", "message/rfc822", "text/plain; charset=utf-7", "\x00"]),
)
def test_page_when_any_bytes_then_nothing_but_our_errors_is_raised(start: bytes, rest: bytes, declared: str) -> None:
    with contextlib.suppress(StonksError):
        _check_offsets(_parse(start + rest, declared))
