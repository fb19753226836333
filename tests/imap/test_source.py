"""Messages made into documents, one a page: who is read, what is passed over, where the cursor stands after it."""

from __future__ import annotations

import contextlib
import json
import time
from datetime import UTC, date, datetime, timedelta
from email.message import EmailMessage

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from activities.adapters.imap.headers import is_wanted, sender_of
from activities.adapters.imap.source import ADAPTER, first, judge, read
from domain.documents import DatePrecision, RejectReason
from domain.errors import InvalidInput, SourceFormatError, StonksError, VendorRejected, VendorUnavailable
from domain.fetching import HttpAnswer, MailRequest, SourcePage
from domain.sources import MailboxConfig

NOW = datetime(2024, 5, 1, 12, tzinfo=UTC)
CONFIG = MailboxConfig(host="mail.example.com", since=date(2024, 4, 1))
ARRIVED = "2024-04-30T08:00:05+00:00"


def _mail(**headers: str) -> bytes:
    message = EmailMessage()
    named = {"From": "Morning Letter <News@Letters.example>", "Subject": "Rates", "Message-ID": "<1@letters.example>"}
    named |= {"Date": "Tue, 30 Apr 2024 10:00:00 +0200"} | {
        name.replace("_", "-"): value for name, value in headers.items()
    }
    for name, value in named.items():
        if value:
            message[name] = value
    message.set_content("Rates rose.\n\nShares fell.")
    return message.as_bytes()


def _answer(
    body: bytes = b"", uid: int = 3, status: int = 200, validity: int = 7, arrived: str = ARRIVED
) -> HttpAnswer:
    headers = {"x-imap-uid": str(uid), "x-imap-uidvalidity": str(validity), "x-imap-arrived": arrived}
    return HttpAnswer(status=status, url="imap://mail.example.com", headers=headers, body=body, fetched_at=NOW)


def _read(body: bytes, config: MailboxConfig = CONFIG, **answer: object) -> SourcePage:
    return read(config, "", _answer(body, **answer), NOW)  # type: ignore[arg-type]


def _next(page: SourcePage) -> tuple[int, int]:
    assert isinstance(page.next, MailRequest)
    return page.next.uid_validity, page.next.after_uid


def test_message_when_read_then_it_is_a_document_with_sections_and_the_next_uid_is_asked_for() -> None:
    page = _read(_mail())
    (document,) = page.documents
    assert (document.title, document.text) == ("Rates", "Rates rose.\n\nShares fell.")
    assert [document.text[section.start : section.end] for section in document.sections] == [
        "Rates rose.",
        "Shares fell.",
    ]
    assert document.published_at == datetime(2024, 4, 30, 8, tzinfo=UTC)
    assert document.precision is DatePrecision.INSTANT
    assert (document.publisher, document.story) == ("news@letters.example", "mail:1@letters.example")
    assert (document.url, document.location, document.tickers) == ("", "INBOX uid 3", ())
    assert _next(page) == (7, 3)
    assert json.loads(page.cursor) == {"uid_validity": 7, "uid": 3}


def test_first_when_the_cursor_is_empty_then_the_first_wanted_day_begins_and_else_the_uid_after_it() -> None:
    request = first(CONFIG, "", NOW)
    assert (request.since, request.uid_validity, request.after_uid) == (date(2024, 4, 1), 0, 0)
    assert first(CONFIG, '{"uid_validity":7,"uid":3}', NOW).after_uid == 3
    assert ADAPTER.first(CONFIG, "", NOW) == request


def test_round_when_no_message_is_left_then_it_ends_and_the_cursor_stays() -> None:
    cursor = '{"uid_validity":7,"uid":3}'
    page = read(CONFIG, cursor, _answer(status=204), NOW)
    assert (page.next, json.loads(page.cursor)) == (None, json.loads(cursor))
    renumbered = read(CONFIG, cursor, _answer(status=204, validity=8), NOW)
    assert json.loads(renumbered.cursor) == {"uid_validity": 8, "uid": 0}
    bare = HttpAnswer(status=204, url="imap://mail.example.com", fetched_at=NOW)
    assert json.loads(read(CONFIG, cursor, bare, NOW).cursor) == json.loads(cursor)


def test_mailbox_when_numbered_anew_then_the_same_mail_is_the_same_document() -> None:
    before = _read(_mail())
    later = NOW + timedelta(days=3)
    answer = _answer(_mail(Date=""), uid=1, validity=8).model_copy(update={"fetched_at": later})
    assert _next(read(CONFIG, before.cursor, _answer(_mail(), uid=1, validity=8), later)) == (8, 1)
    assert read(CONFIG, before.cursor, _answer(_mail(), uid=1, validity=8), later).documents[0].doc_id() == (
        before.documents[0].doc_id()
    )
    undated = _read(_mail(Date="")).documents[0]
    assert read(CONFIG, before.cursor, answer, later).documents[0].doc_id() == undated.doc_id()


@pytest.mark.parametrize(
    ("written", "arrived", "published_at"),
    [
        ("Tue, 30 Apr 2024 10:00:00 +0200", ARRIVED, "2024-04-30T08:00:00"),
        ("Tue, 30 Apr 2024 10:03:00 +0200", ARRIVED, "2024-04-30T08:00:05"),
        ("Tue, 30 Apr 2024 12:00:00 +0200", ARRIVED, "2024-04-30T08:00:05"),
        ("Wed, 24 Apr 2024 10:00:00 +0200", ARRIVED, "2024-04-24T08:00:00"),
        ("Mon, 22 Apr 2024 10:00:00 +0200", ARRIVED, "2024-04-30T08:00:05"),
        ("Thu, 01 Jan 1970 00:00:00 +0000", ARRIVED, "2024-04-30T08:00:05"),
        ("yesterday", ARRIVED, "2024-04-30T08:00:05"),
        ("", ARRIVED, "2024-04-30T08:00:05"),
        ("Tue, 30 Apr 2024 10:00:00 +0200", "", "2024-04-30T08:00:00"),
        ("Wed, 01 May 2024 12:04:00 +0000", "", "2024-05-01T12:00:00"),
        ("Wed, 01 May 2024 12:06:00 +0000", "", "2024-05-01T12:00:00"),
        ("Thu, 04 Apr 2024 12:00:00 +0000", "", "2024-04-04T12:00:00"),
        ("Fri, 01 Mar 2024 12:00:00 +0000", "", "2024-05-01T12:00:00"),
        ("", "2024-06-01T00:00:00+00:00", "2024-05-01T12:00:00"),
        ("", "nonsense", "2024-05-01T12:00:00"),
    ],
)
def test_date_when_not_believable_then_the_arrival_counts(written: str, arrived: str, published_at: str) -> None:
    (document,) = _read(_mail(Date=written), arrived=arrived).documents
    assert document.published_at == datetime.fromisoformat(published_at).replace(tzinfo=UTC)


@pytest.mark.parametrize(
    ("sender", "wanted", "is_read"),
    [
        ("Morning Letter <News@Letters.example>", ("news@letters.EXAMPLE",), True),
        ("news@letters.example", ("@Letters.example",), True),
        ("news@eu.letters.example", ("@letters.example",), False),
        ("news@evil-letters.example", ("@letters.example",), False),
        ("letters.example@evil.example", ("@letters.example", "news@letters.example"), False),
        ('"news@letters.example" <x@evil.example>', ("news@letters.example",), False),
        ("", ("@letters.example",), False),
        ("", (), True),
    ],
)
def test_sender_when_not_wanted_then_the_mail_is_passed_over_silently_and_the_cursor_moves(
    sender: str, wanted: tuple[str, ...], is_read: bool
) -> None:
    page = _read(_mail(From=sender), CONFIG.model_copy(update={"senders": wanted}))
    assert (len(page.documents), page.rejects, _next(page)) == (int(is_read), (), (7, 3))


def test_sender_when_folded_or_long_then_the_first_from_header_counts() -> None:
    folded = (
        b"Subject: x\r\nFROM: =?utf-8?q?a=40b?=\r\n <One@Letters.example>\r\nFrom: two@evil.example\r\n\r\nFrom: body@x"
    )
    assert sender_of(folded) == "one@letters.example"
    began = time.thread_time()
    assert sender_of(b"From: " + b"<a@" * 2_000_000 + b"x>") == ""
    assert sender_of(b"x: y\r\n" * 1_000_000) == ""
    assert time.thread_time() - began < 60
    assert is_wanted("", ())
    assert not is_wanted("", ("@letters.example",))


@pytest.mark.parametrize(
    ("body", "reason", "found"),
    [
        (b"", RejectReason.EMPTY_DOCUMENT, "found=nothing"),
        (b"PK\x03\x04" + b"x" * 100, RejectReason.MALFORMED_ROW, "an archive"),
        (_mail().replace(b"Rates rose.\n\nShares fell.", b""), RejectReason.EMPTY_DOCUMENT, "an e-mail without text"),
        (b"%PDF-1.4 broken", RejectReason.MALFORMED_ROW, "a PDF that cannot be read"),
    ],
)
def test_message_when_unreadable_then_it_is_refused_by_name_and_the_cursor_moves(
    body: bytes, reason: RejectReason, found: str
) -> None:
    page = _read(body)
    (refused,) = page.rejects
    assert (refused.reason, refused.file, page.documents) == (reason, "INBOX uid 3", ())
    assert found in refused.detail
    assert _next(page) == (7, 3)


def test_message_when_unreadable_and_of_an_unwanted_sender_then_nobody_is_told() -> None:
    body = b"From: x@evil.example\r\nMessage-ID: <1@x>\r\n\r\n"
    assert _read(body, CONFIG.model_copy(update={"senders": ("@letters.example",)})).rejects == ()


@pytest.mark.parametrize(("status", "reason"), [(413, RejectReason.LINE_TOO_LONG), (422, RejectReason.MALFORMED_ROW)])
def test_message_when_not_given_out_then_it_is_refused_and_the_cursor_moves(status: int, reason: RejectReason) -> None:
    answer = _answer(status=status)
    answer.headers["x-imap-size"] = "40000000"
    judge(answer)
    page = read(CONFIG, "", answer, NOW)
    assert [refused.reason for refused in page.rejects] == [reason]
    assert status != 413 or "40,000,000 bytes" in page.rejects[0].detail
    assert _next(page) == (7, 3)


def test_attachments_when_there_are_any_then_they_are_not_part_of_the_document() -> None:
    message = EmailMessage()
    message["From"], message["Subject"], message["Message-ID"] = "a@letters.example", "Rates", f"<{'x' * 400}@a>"
    message.set_content("Rates rose.")
    message.add_attachment(b"MZ\x90\x00", maintype="application", subtype="x-msdownload", filename="../run.exe")
    (document,) = _read(message.as_bytes()).documents
    assert document.text == "Rates rose."
    assert "run.exe" not in document.model_dump_json()
    assert document.story.startswith("mail:")
    assert len(document.story) < 60


def test_message_when_it_has_no_subject_and_no_id_then_its_first_line_is_the_title_and_there_is_no_story() -> None:
    (document,) = _read(_mail(Subject="", Message_ID="")).documents
    assert (document.title, document.story) == ("Rates rose.", "")


def test_publisher_when_configured_then_it_stands_for_the_sender() -> None:
    assert _read(_mail(), CONFIG.model_copy(update={"publisher": "Letters"})).documents[0].publisher == "Letters"


@pytest.mark.parametrize("uid", ["3", "2", "0", "-1", "x", "", "99999999999"])
def test_answer_when_it_names_no_later_message_then_it_is_an_error(uid: str) -> None:
    answer = _answer(_mail())
    answer.headers["x-imap-uid"] = uid
    with pytest.raises(SourceFormatError, match="VENDOR_ANSWER_UNREADABLE"):
        read(CONFIG, '{"uid_validity":7,"uid":3}', answer, NOW)


@pytest.mark.parametrize("cursor", ["{", "[1]", '{"uid":-1}', '{"uid":"x"}', "[" * 3_000, "x" * 100_000, '{"more":1}'])
def test_cursor_when_none_of_ours_then_the_error_says_what_to_do(cursor: str) -> None:
    with pytest.raises(InvalidInput, match="CURSOR_UNREADABLE"):
        first(CONFIG, cursor, NOW)


@pytest.mark.parametrize(("status", "kind"), [(401, VendorRejected), (503, VendorUnavailable)])
def test_judge_when_the_mailbox_refused_then_the_error_is_raised(status: int, kind: type[StonksError]) -> None:
    with pytest.raises(kind):
        judge(_answer(status=status))


@settings(max_examples=150, deadline=None)
@given(
    start=st.sampled_from([b"", b"From: a@b.example\n", b"Date: ", b"MIME-Version: 1.0\nContent-Type: ", b"%PDF-"]),
    rest=st.binary(max_size=300),
    headers=st.dictionaries(
        st.sampled_from(["x-imap-uid", "x-imap-uidvalidity", "x-imap-arrived", "x-imap-size"]), st.text(max_size=12)
    ),
    status=st.sampled_from([200, 200, 204, 413, 422]),
)
def test_answer_when_any_bytes_then_nothing_but_our_errors_is_raised(
    start: bytes, rest: bytes, headers: dict[str, str], status: int
) -> None:
    answer = _answer(start + rest, status=status)
    with contextlib.suppress(StonksError):
        page = read(CONFIG, "", answer, NOW)
        assert len(page.documents) + len(page.rejects) == (status != 204)
    with contextlib.suppress(StonksError):
        read(CONFIG, "", answer.model_copy(update={"headers": answer.headers | headers}), NOW)
