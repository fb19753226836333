"""The fetcher of mail against a server that misbehaves at every step: what it asks, what it refuses, what it leaves."""

from __future__ import annotations

import asyncio
import ssl
import time
from collections.abc import Mapping
from datetime import UTC, date, datetime
from pathlib import Path

import pytest
from pydantic import SecretStr

from activities.adapters.imap.mailbox import MailboxFetcher
from activities.adapters.imap.wire import MailLimits
from activities.adapters.web.guard import GuardPolicy, UrlGuard
from domain.errors import (
    ConfigurationError,
    InvalidInput,
    NotFound,
    StonksError,
    VendorRejected,
    VendorUnavailable,
)
from domain.fetching import HttpAnswer, MailRequest
from tests.imap.server import (
    PASSWORD,
    USER,
    Mail,
    MailServer,
    Misbehaviour,
    Opener,
    drips,
    floods,
    hangs,
    make_certificate,
    says,
)
from tests.web.server import OTHER_PUBLIC, PUBLIC, Names

NOW = datetime(2024, 5, 1, 12, tzinfo=UTC)
HOST = "mail.example.com"
CREDENTIALS = {"imap_user": SecretStr(USER), "imap_password": SecretStr(PASSWORD)}
LIMITS = MailLimits(total_seconds=4, idle_seconds=0.6, message_bytes=20_000, line_bytes=50_000)
MAIL = b"From: a@news.example\r\nSubject: One\r\nMessage-ID: <1@news.example>\r\n\r\nRates rose.\r\n"


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_certificate(tmp_path_factory.mktemp("tls"), HOST)


def serving(certificate: Path) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate)
    return context


def fetcher(
    server: MailServer,
    certificate: Path | None,
    *,
    names: Names | None = None,
    opener: Opener | None = None,
    own_servers: tuple[str, ...] = (),
    credentials: Mapping[str, SecretStr] = CREDENTIALS,
    limits: MailLimits = LIMITS,
) -> MailboxFetcher:
    guard = UrlGuard(GuardPolicy(own_servers=frozenset(own_servers)), names or Names(mail_example_com=[[PUBLIC]]))
    tls = ssl.create_default_context(cafile=str(certificate)) if certificate is not None else None
    return MailboxFetcher(guard, credentials=credentials, limits=limits, tls=tls, opener=opener or Opener(server.port))


def request(after: int = 0, validity: int = 0, **fields: object) -> MailRequest:
    asked = {
        "host": HOST,
        "port": 993,
        "mailbox": "INBOX",
        "user_credential": "imap_user",
        "password_credential": "imap_password",
        "since": date(2024, 4, 1),
        "uid_validity": validity,
        "after_uid": after,
    }
    return MailRequest.model_validate(asked | fields)


def uids(answer: HttpAnswer) -> tuple[int, str, str]:
    return answer.status, answer.headers.get("x-imap-uid", ""), answer.headers["x-imap-uidvalidity"]


async def test_fetch_when_there_are_messages_then_each_comes_once_and_none_is_touched(certificate: Path) -> None:
    async with MailServer(serving(certificate)) as server:
        server.mails = {3: Mail(MAIL), 5: Mail(b"Subject: Two\r\n\r\n" + bytes(range(256))), 9: Mail(b"")}
        mailbox = fetcher(server, certificate)
        answers = [await mailbox.fetch(request(after, 7 if after else 0), now=NOW) for after in (0, 3, 5, 9)]
    assert [uids(answer) for answer in answers] == [(200, "3", "7"), (200, "5", "7"), (200, "9", "7"), (204, "", "7")]
    assert [answer.body for answer in answers] == [MAIL, server.mails[5].body, b"", b""]
    assert answers[0].headers["x-imap-arrived"] == "2024-04-30T10:00:05+00:00"
    assert answers[0].url == "imap://mail.example.com:993/INBOX;UIDVALIDITY=7/;UID=3"
    assert answers[0].fetched_at == NOW
    opened = [command for command in server.commands if command.startswith(("SELECT", "EXAMINE"))]
    assert set(opened) == {'EXAMINE "INBOX"'}
    fetched = [command for command in server.commands if "BODY" in command]
    assert fetched
    assert all("BODY.PEEK[]" in command for command in fetched)
    assert not any(word in command for command in server.commands for word in ("STORE", "COPY", "EXPUNGE", "CLOSE"))
    assert not any(mail.flags for mail in server.mails.values())
    assert "UID SEARCH UID 4:* SINCE 01-Apr-2024" in server.commands
    assert server.encrypted == [True] * 4


async def test_fetch_when_the_mailbox_is_numbered_anew_then_it_begins_at_the_first_message(certificate: Path) -> None:
    async with MailServer(serving(certificate)) as server:
        server.mails = {1: Mail(MAIL), 2: Mail(MAIL)}
        answer = await fetcher(server, certificate).fetch(request(after=900, validity=6), now=NOW)
    assert uids(answer) == (200, "1", "7")


async def test_fetch_when_a_message_is_gone_meanwhile_then_the_next_one_comes(certificate: Path) -> None:
    async with MailServer(serving(certificate)) as server:
        server.mails = {4: Mail(MAIL)}
        server.instead["SEARCH"] = says(b"* SEARCH 3 2 4\r\n* SEARCH 99999999999 x 0\r\n%t OK done\r\n")
        answer = await fetcher(server, certificate).fetch(request(), now=NOW)
    assert uids(answer) == (200, "4", "7")


@pytest.mark.parametrize("claimed", [None, 10])
async def test_fetch_when_a_message_is_too_large_then_it_is_named_and_not_read(
    certificate: Path, claimed: int | None
) -> None:
    async with MailServer(serving(certificate)) as server:
        server.mails = {3: Mail(b"x" * 20_001, claimed_size=claimed)}
        answer = await fetcher(server, certificate).fetch(request(), now=NOW)
        bodies = [command for command in server.commands if "BODY" in command]
    assert (uids(answer), answer.body, answer.headers["x-imap-size"]) == ((413, "3", "7"), b"", "20001")
    assert len(bodies) == (0 if claimed is None else 1)


async def test_fetch_when_the_server_does_not_give_a_message_out_then_it_is_named(certificate: Path) -> None:
    async with MailServer(serving(certificate)) as server:
        server.mails = {3: Mail(MAIL)}
        server.instead["BODY"] = says(b"%t NO broken message\r\n")
        assert uids(await fetcher(server, certificate).fetch(request(), now=NOW)) == (422, "3", "7")
        server.instead["BODY"] = says(b"%t NO [UNAVAILABLE] later\r\n")
        with pytest.raises(VendorUnavailable, match="VENDOR_UNAVAILABLE"):
            await fetcher(server, certificate).fetch(request(), now=NOW)


@pytest.mark.parametrize(
    ("answer", "kind", "code"),
    [
        (b"%t NO [AUTHENTICATIONFAILED] no\r\n", VendorRejected, "VENDOR_CREDENTIALS_REFUSED"),
        (b"%t NO \r\n", VendorRejected, "VENDOR_CREDENTIALS_REFUSED"),
        (b"%t BAD LOGIN what\r\n", VendorRejected, "VENDOR_CREDENTIALS_REFUSED"),
        (b"* BYE Authentication failed.\r\n", VendorRejected, "VENDOR_CREDENTIALS_REFUSED"),
        (b"%t NO [UNAVAILABLE] try later\r\n", VendorUnavailable, "VENDOR_UNAVAILABLE"),
        (b"%t NO Too many simultaneous connections.\r\n", VendorUnavailable, "VENDOR_UNAVAILABLE"),
        (b"* BYE going down\r\n", VendorUnavailable, "VENDOR_DISCONNECTED"),
    ],
)
async def test_login_when_refused_then_the_error_tells_whether_it_is_final_and_no_secret(
    certificate: Path, answer: bytes, kind: type[StonksError], code: str
) -> None:
    async with MailServer(serving(certificate)) as server:
        server.instead["LOGIN"] = says(answer + b"* ignored " + PASSWORD.encode() + b"\r\n")
        with pytest.raises(kind) as raised:
            await fetcher(server, certificate).fetch(request(), now=NOW)
    assert raised.value.code == code
    assert raised.value.__cause__ is None
    assert "cr\\et" not in repr(raised.value) + str(raised.value)


async def test_login_when_the_password_is_wrong_then_it_is_not_shown(certificate: Path) -> None:
    wrong = CREDENTIALS | {"imap_password": SecretStr("hunter2-hunter2")}
    async with MailServer(serving(certificate)) as server:
        mailbox = fetcher(server, certificate, credentials=wrong)
        with pytest.raises(VendorRejected, match="VENDOR_CREDENTIALS_REFUSED") as raised:
            await mailbox.fetch(request(), now=NOW)
    assert "hunter2" not in str(raised.value) + repr(vars(mailbox)) + repr(raised.value.__context__)


@pytest.mark.parametrize("value", ["", "pässword", "two\r\nA1 DELETE INBOX", " blank"])
async def test_credential_when_missing_or_not_sendable_then_nothing_is_sent(certificate: Path, value: str) -> None:
    async with MailServer(serving(certificate)) as server:
        mailbox = fetcher(server, certificate, credentials=CREDENTIALS | {"imap_password": SecretStr(value)})
        with pytest.raises(ConfigurationError, match="reference=imap_password"):
            await mailbox.fetch(request(), now=NOW)
        assert server.connections == 0


async def test_mailbox_when_there_is_none_then_it_is_not_found(certificate: Path) -> None:
    async with MailServer(serving(certificate)) as server:
        with pytest.raises(NotFound, match="mailbox=Old letters"):
            await fetcher(server, certificate).fetch(request(mailbox="Old letters"), now=NOW)
        assert 'EXAMINE "Old letters"' in server.commands
        with pytest.raises(InvalidInput, match="MAILBOX_INVALID"):
            await fetcher(server, certificate).fetch(request(mailbox='x"\r\nA1 DELETE INBOX'), now=NOW)


@pytest.mark.parametrize(
    ("step", "misbehaviour", "code"),
    [
        ("GREETING", hangs, "VENDOR_TIMEOUT"),
        ("GREETING", drips(b".", 0.1), "VENDOR_TIMEOUT"),
        ("GREETING", floods(b"x" * 10_000), "RESPONSE_TOO_LARGE"),
        ("GREETING", floods(b"* OK more\r\n" * 500), "RESPONSE_TOO_LARGE"),
        ("GREETING", says(b"* BYE full\r\n"), "VENDOR_ANSWER_UNREADABLE"),
        ("GREETING", says(b"* PREAUTH hello\r\n"), "VENDOR_REFUSED"),
        ("GREETING", says(b"HTTP/1.1 400 Bad\r\n"), "VENDOR_DISCONNECTED"),
        ("GREETING", says(b"* OK {%d}\r\n" % 10**12), "RESPONSE_TOO_LARGE"),
        ("GREETING", says(b"* OK {" + b"9" * 5_000 + b"}\r\n"), "VENDOR_ANSWER_UNREADABLE"),
        ("CAPABILITY", says(b"* CAPABILITY \xff\r\n%t OK done\r\n"), "VENDOR_ANSWER_UNREADABLE"),
        ("CAPABILITY", says(b"* CAPABILITY IMAP4rev1 LOGINDISABLED\r\n%t OK done\r\n"), "VENDOR_REFUSED"),
        ("EXAMINE", says(b"%t OK without validity\r\n"), "VENDOR_REFUSED"),
        ("EXAMINE", hangs, "VENDOR_TIMEOUT"),
        ("SEARCH", says(b"%t NO what\r\n"), "VENDOR_REFUSED"),
        ("SEARCH", floods(b"* SEARCH 1\r\n" * 500), "RESPONSE_TOO_LARGE"),
        ("SEARCH", says(b"* SEARCH " + b"1 " * 30_000 + b"\r\n%t OK done\r\n"), "RESPONSE_TOO_LARGE"),
        ("BODY", says(b"* 1 FETCH (UID 3 BODY[] {500}\r\nhalf of it", closes=True), "VENDOR_DISCONNECTED"),
        ("BODY", says(b"* 1 FETCH (UID 3 BODY[] {500}\r\nhalf of it"), "VENDOR_TIMEOUT"),
        ("BODY", says(b"", closes=True), "VENDOR_DISCONNECTED"),
        ("BODY", floods(b"* 1 FETCH (UID 3 BODY[] {10000}\r\n" + b"x" * 10_000 + b")\r\n"), "RESPONSE_TOO_LARGE"),
    ],
)
async def test_fetch_when_the_server_misbehaves_then_it_ends_in_time_with_an_error(
    certificate: Path, step: str, misbehaviour: Misbehaviour, code: str
) -> None:
    async with MailServer(serving(certificate)) as server:
        server.mails = {3: Mail(MAIL)}
        server.instead[step] = misbehaviour
        limits = LIMITS.model_copy(update={"total_seconds": 1.0})
        with pytest.raises(StonksError) as raised:
            await fetcher(server, certificate, limits=limits).fetch(request(), now=NOW)
    assert raised.value.code == code


async def test_fetch_when_the_farewell_hangs_then_the_message_is_returned_still(certificate: Path) -> None:
    async with MailServer(serving(certificate)) as server:
        server.mails = {3: Mail(MAIL)}
        server.instead["LOGOUT"] = hangs
        assert (await fetcher(server, certificate).fetch(request(), now=NOW)).body == MAIL


async def test_fetch_when_canceled_then_the_connection_ends(certificate: Path) -> None:
    async with MailServer(serving(certificate)) as server:
        server.instead["EXAMINE"] = hangs
        limits = MailLimits(total_seconds=60, idle_seconds=60)
        task = asyncio.create_task(fetcher(server, certificate, limits=limits).fetch(request(), now=NOW))
        while not any(command.startswith("EXAMINE") for command in server.commands):
            await asyncio.sleep(0.01)
        task.cancel()
        began = time.monotonic()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert time.monotonic() - began < 30


async def test_certificate_when_unknown_or_of_another_name_then_nothing_is_said(
    certificate: Path, tmp_path: Path
) -> None:
    async with MailServer(serving(certificate)) as server:
        with pytest.raises(VendorRejected, match=r"TLS_FAILED: .*reason=CERTIFICATE_VERIFY_FAILED"):
            await fetcher(server, None).fetch(request(), now=NOW)
        names = Names(other_example_com=[[PUBLIC]])
        with pytest.raises(VendorRejected, match="TLS_FAILED"):
            await fetcher(server, certificate, names=names).fetch(request(host="other.example.com"), now=NOW)
    assert server.commands == []


async def test_tls_when_the_server_speaks_none_then_a_foreign_one_is_never_told_the_password(certificate: Path) -> None:
    async with MailServer() as server:
        with pytest.raises(VendorRejected, match="TLS_FAILED"):
            await fetcher(server, certificate).fetch(request(), now=NOW)
        own = fetcher(server, certificate, own_servers=(f"{HOST}:993",))
        with pytest.raises(VendorRejected, match="TLS_FAILED"):
            await own.fetch(request(), now=NOW)
    assert not any("LOGIN" in command for command in server.commands)


def test_fetcher_when_certificates_would_not_be_verified_then_it_is_not_made() -> None:
    unverified = ssl.create_default_context()
    unverified.check_hostname = False
    with pytest.raises(ConfigurationError, match="TLS_NOT_VERIFIED"):
        MailboxFetcher(UrlGuard(), tls=unverified)


@pytest.mark.parametrize(
    ("address", "host", "port", "code"),
    [
        ("10.0.0.8", HOST, 993, "ADDRESS_REFUSED"),
        ("127.0.0.1", HOST, 993, "ADDRESS_REFUSED"),
        ("169.254.169.254", HOST, 993, "ADDRESS_REFUSED"),
        (PUBLIC, "127.0.0.1", 993, "URL_REFUSED"),
        (PUBLIC, "2130706433", 993, "URL_REFUSED"),
        (PUBLIC, HOST, 143, "MAIL_PORT_REFUSED"),
        (PUBLIC, HOST, 6379, "MAIL_PORT_REFUSED"),
        (PUBLIC, "a b", 993, "URL_REFUSED"),
        (PUBLIC, "nowhere.example.com", 993, "HOST_NOT_RESOLVED"),
    ],
)
async def test_server_when_the_guard_refuses_it_then_there_is_no_connection(
    certificate: Path, address: str, host: str, port: int, code: str
) -> None:
    async with MailServer(serving(certificate)) as server:
        opener = Opener(server.port)
        mailbox = fetcher(server, certificate, names=Names(mail_example_com=[[address]]), opener=opener)
        with pytest.raises(StonksError, match=code):
            await mailbox.fetch(request(host=host, port=port), now=NOW)
    assert opener.connected == []


async def test_name_when_it_resolves_differently_the_second_time_then_the_checked_address_is_connected_to(
    certificate: Path,
) -> None:
    async with MailServer(serving(certificate)) as server:
        names = Names(mail_example_com=[[OTHER_PUBLIC, PUBLIC], ["127.0.0.1"]])
        opener = Opener(server.port, dead=(OTHER_PUBLIC,))
        mailbox = fetcher(server, certificate, names=names, opener=opener)
        assert (await mailbox.fetch(request(host="MAIL.example.com."), now=NOW)).status == 204
    assert (names.asked, opener.connected) == ([HOST], [(OTHER_PUBLIC, 993), (PUBLIC, 993)])


async def test_own_server_when_it_speaks_tls_on_any_port_then_it_is_encrypted(certificate: Path) -> None:
    async with MailServer(serving(certificate)) as server:
        names = Names(mail_example_com=[["127.0.0.1"]])
        own = fetcher(server, certificate, names=names, own_servers=(f"{HOST}:1993",))
        assert (await own.fetch(request(port=1993), now=NOW)).status == 204
        with pytest.raises(VendorRejected, match="TLS_FAILED"):  # no way down to plain
            await fetcher(server, None, names=names, own_servers=(f"{HOST}:1993",)).fetch(request(port=1993), now=NOW)
    assert server.encrypted == [True]


@pytest.mark.parametrize("offers", [True, False])
async def test_own_server_when_it_speaks_plain_imap_then_tls_is_begun_where_it_is_offered(
    certificate: Path, offers: bool
) -> None:
    async with MailServer(capabilities="IMAP4rev1" + " STARTTLS LOGINDISABLED" * offers) as server:
        server.start_tls = serving(certificate)
        server.mails = {3: Mail(MAIL)}
        names = Names(mail_example_com=[["10.0.0.8"]])
        own = fetcher(server, certificate, names=names, own_servers=(f"{HOST}:143",))
        assert (await own.fetch(request(port=143), now=NOW)).body == MAIL
    assert server.encrypted == [offers]


async def test_start_tls_when_something_is_slipped_in_before_it_then_the_connection_ends(certificate: Path) -> None:
    async with MailServer(capabilities="IMAP4rev1 STARTTLS") as server:
        server.instead["STARTTLS"] = says(b"%t OK begin\r\n* CAPABILITY IMAP4rev1\r\n")
        own = fetcher(server, certificate, names=Names(mail_example_com=[["10.0.0.8"]]), own_servers=(f"{HOST}:143",))
        with pytest.raises(VendorUnavailable, match="VENDOR_DISCONNECTED"):
            await own.fetch(request(port=143), now=NOW)
    assert not any("LOGIN" in command for command in server.commands)
