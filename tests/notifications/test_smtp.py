"""Mail through a real SMTP server."""

from __future__ import annotations

import asyncio
import ssl
from pathlib import Path
from typing import Any

import pytest
from pydantic import SecretStr

from activities.adapters.notify.smtp import Security, SmtpMessenger, SmtpSettings
from domain.errors import ConfigurationError, StonksError, VendorRejected, VendorUnavailable
from domain.notifications import EmailChannel
from tests.notifications.builders import MAIL, NOW, outgoing_message
from tests.notifications.certificates import make_certificate, serving, trusting
from tests.notifications.mail_server import PASSWORD, USER, MailServer, mail_server

CHANNEL = EmailChannel.model_validate(MAIL)
TWO = EmailChannel.model_validate({**MAIL, "to": ["ops@example.com", "gone@example.com"]})


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_certificate(tmp_path_factory.mktemp("smtp"))


def messenger(
    server: MailServer, *, password: str = PASSWORD, tls: ssl.SSLContext | None = None, **changes: Any
) -> SmtpMessenger:
    values: dict[str, Any] = {
        "host": "localhost",
        "port": server.port,
        "security": Security.NONE,
        "own_server": True,
        "sender": "stonks@example.com",
        "timeout_seconds": 2.0,
        "total_seconds": 3.0,
    }
    secrets = {"smtp_password": SecretStr(password)} if password else {}
    return SmtpMessenger(SmtpSettings.model_validate({**values, **changes}), secrets, tls=tls)


async def send(sender: SmtpMessenger, channel: EmailChannel = CHANNEL) -> str:
    return await sender.send(channel, outgoing_message(), now=NOW)


async def refusal(sender: SmtpMessenger, channel: EmailChannel = CHANNEL) -> StonksError:
    with pytest.raises(StonksError) as raised:
        await send(sender, channel)
    assert PASSWORD not in str(raised.value)
    return raised.value


@pytest.mark.parametrize("security", [Security.STARTTLS, Security.TLS])
async def test_mail_when_sent_encrypted_with_a_password_then_it_arrives_whole(
    certificate: Path, security: Security
) -> None:
    kinds: dict[str, Any] = {"starttls" if security is Security.STARTTLS else "tls": serving(certificate)}
    async with mail_server(**kinds, sign_in=True) as server:
        sender = messenger(server, security=security, user=USER, tls=trusting(certificate), own_server=False)
        receipt = await send(sender)

    (mail,) = server.mails
    assert (server.signed_in, server.encrypted) == ([USER], [True])
    assert receipt == "<0123456789abcdef01234567@example.com>" == mail["Message-ID"]
    assert mail["Subject"] == "[stonks paper] URGENT Approval needed: buy AAPL"
    assert (mail["From"], mail["To"], mail["Auto-Submitted"]) == (
        "stonks@example.com",
        "ops@example.com",
        "auto-generated",
    )
    plain, page = mail.get_body(("plain",)), mail.get_body(("html",))
    assert plain is not None
    assert page is not None
    assert "https://stonks.example.com/inbox" in plain.get_content()
    assert '<a href="https://stonks.example.com/inbox">' in page.get_content()


async def test_mail_when_sent_again_then_it_carries_the_same_message_id() -> None:
    async with mail_server() as server:
        assert await send(messenger(server)) == await send(messenger(server))

    assert len({mail["Message-ID"] for mail in server.mails}) == 1


async def test_mail_when_the_certificate_is_not_trusted_then_no_password_is_said(certificate: Path) -> None:
    async with mail_server(starttls=serving(certificate), sign_in=True) as server:
        error = await refusal(messenger(server, security=Security.STARTTLS, user=USER))

    assert isinstance(error, ConfigurationError)
    assert error.code == "TLS_FAILED"
    assert server.signed_in == []


async def test_mail_when_the_server_does_not_encrypt_then_nothing_is_said(certificate: Path) -> None:
    async with mail_server() as server:
        error = await refusal(messenger(server, security=Security.STARTTLS, tls=trusting(certificate)))

    assert error.code == "SMTP_NOT_OFFERED"
    assert server.mails == []


async def test_mail_when_plain_text_is_asked_for_then_only_to_ones_own_server() -> None:
    async with mail_server() as server:
        error = await refusal(messenger(server, own_server=False))

    assert error.code == "SMTP_UNENCRYPTED"
    assert server.mails == []


async def test_mail_when_the_password_is_wrong_then_an_operator_must_act(certificate: Path) -> None:
    async with mail_server(starttls=serving(certificate), sign_in=True) as server:
        error = await refusal(
            messenger(server, security=Security.STARTTLS, user=USER, password="wrong", tls=trusting(certificate))
        )

    assert isinstance(error, ConfigurationError)
    assert (error.code, error.fields["code"]) == ("SMTP_SIGN_IN_REFUSED", 535)


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"host": ""}, "SMTP_NOT_SET"),
        ({"sender": ""}, "SMTP_SENDER_NOT_SET"),
        ({"user": USER, "password": ""}, "NOTIFY_SECRET_MISSING"),
    ],
)
async def test_mail_when_a_setting_is_missing_then_it_is_named(changes: dict[str, Any], code: str) -> None:
    async with mail_server() as server:
        error = await refusal(messenger(server, **changes))

    assert isinstance(error, ConfigurationError)
    assert error.code == code


@pytest.mark.parametrize(
    ("answer", "kind", "code", "said"),
    [
        ("451 4.3.0 come back later", VendorUnavailable, "SMTP_LATER", "451 4.3.0"),
        ("554 5.7.1 you said canary", VendorRejected, "SMTP_REFUSED", "554 5.7.1"),
        ("552 too large", VendorRejected, "SMTP_REFUSED", "552"),
    ],
)
async def test_mail_when_the_server_says_no_then_five_hundreds_are_final_and_its_words_are_not_kept(
    answer: str, kind: type[StonksError], code: str, said: str
) -> None:
    async with mail_server(made=lambda server: server.answers.append(answer)) as server:
        error = await refusal(messenger(server))
        assert await send(messenger(server))

    assert type(error) is kind
    assert (error.code, error.fields["code"]) == (code, said)
    assert "canary" not in str(error)


async def test_mail_when_one_recipient_is_refused_then_the_others_get_it_and_the_receipt_says_so() -> None:
    async with mail_server(made=lambda server: server.refused.update({"gone@example.com": "550 no"})) as server:
        receipt = await send(messenger(server), TWO)

    assert server.recipients == [["ops@example.com"]]
    assert receipt.endswith("; gone@example.com refused (550)")


@pytest.mark.parametrize(("answer", "kind"), [("550 no", VendorRejected), ("450 later", VendorUnavailable)])
async def test_mail_when_every_recipient_is_refused_then_it_is_not_sent(answer: str, kind: type[StonksError]) -> None:
    async with mail_server(made=lambda server: server.refused.update({"ops@example.com": answer})) as server:
        assert type(await refusal(messenger(server))) is kind
    assert server.mails == []


async def test_mail_when_the_answer_is_lost_then_nobody_knows_and_it_is_tried_again() -> None:
    async with mail_server() as server:
        server.silent_after_data = True
        error = await refusal(messenger(server, timeout_seconds=0.5))

    assert isinstance(error, VendorUnavailable)
    assert len(server.mails) == 1


async def test_mail_when_nobody_listens_then_it_is_tried_again() -> None:
    async with mail_server() as server:
        pass
    assert isinstance(await refusal(messenger(server)), VendorUnavailable)


@pytest.mark.parametrize("greeting", [b"", b"220 mail.test\r\n", b"\xff\xfe nonsense\r\n", b"421 busy\r\n"])
async def test_mail_when_the_server_hangs_breaks_off_or_babbles_then_it_is_tried_again_in_time(greeting: bytes) -> None:
    async def greet(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(greeting)
        await writer.drain()
        await asyncio.sleep(0.8 if greeting else 10)
        writer.close()

    listening = await asyncio.start_server(greet, "127.0.0.1", 0)
    server = MailServer()
    server.port = listening.sockets[0].getsockname()[1]
    try:
        async with asyncio.timeout(5):
            error = await refusal(messenger(server, timeout_seconds=5.0, total_seconds=1.5))
    finally:
        listening.close()
    assert isinstance(error, VendorUnavailable)


async def test_settings_when_shown_then_no_password_stands_in_them() -> None:
    async with mail_server() as server:
        sender = messenger(server)
    assert PASSWORD not in repr(vars(sender))
