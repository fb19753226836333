"""Whatever a server says in place of one of its answers, the conversation ends with a message or with our error."""

from __future__ import annotations

import contextlib
import imaplib
import random
import socket
from datetime import UTC, date, datetime

from hypothesis import given, settings
from hypothesis import strategies as st

from activities.adapters.imap.conversation import Conversation, Found, Login, next_message
from activities.adapters.imap.wire import MailLimits, Wire
from domain.errors import StonksError
from domain.fetching import MailRequest

LIMITS = MailLimits(total_seconds=2, idle_seconds=0.2, message_bytes=2_000, line_bytes=4_000)
REQUEST = MailRequest(
    host="mail.example.com",
    port=993,
    mailbox="INBOX",
    user_credential="u",
    password_credential="p",
    since=date(2024, 4, 1),
)
ANSWERS = [
    b"* OK ready\r\n",
    b"* CAPABILITY IMAP4rev1\r\n%0 OK done\r\n",
    b"%1 OK done\r\n",
    b"* OK [UIDVALIDITY 7] valid\r\n%2 OK done\r\n",
    b"* SEARCH 3\r\n%3 OK done\r\n",
    b'* 1 FETCH (UID 3 RFC822.SIZE 4 INTERNALDATE " 1-May-2024 10:00:00 +0200")\r\n%4 OK done\r\n',
    b"* 1 FETCH (UID 3 BODY[] {4}\r\nmail)\r\n%5 OK done\r\n",
]
PIECES = st.sampled_from(
    b'* |+ |%| OK | NO |BYE|FETCH (|UID 3|BODY[]|{4}|{0}|\r\n|SEARCH |1 |[UIDVALIDITY |]|"|)|\xff|\0|RFC822.SIZE '
    b"|INTERNALDATE|999999999999".split(b"|")
)


def converse(answers: list[bytes]) -> Found:
    """Talk with a server whose answers were all sent before it was asked."""
    random.seed(1)  # the client draws the beginning of its tags
    tags = imaplib.Int2AP(random.randint(4096, 65535))
    random.seed(1)
    ours, theirs = socket.socketpair()
    with ours, theirs:
        theirs.sendall(b"".join(answers).replace(b"%", tags))
        theirs.shutdown(socket.SHUT_WR)
        wire = Wire("mail.example.com", LIMITS, lambda address, port, seconds: ours)
        wire.connect("93.184.215.14", 993)
        return next_message(Conversation(wire), wire, Login("user", "password"), REQUEST, LIMITS.message_bytes)


def test_conversation_when_all_goes_well_then_the_message_is_found() -> None:
    arrived = datetime(2024, 5, 1, 8, tzinfo=UTC)
    assert converse(ANSWERS) == Found(200, 7, 3, b"mail", arrived, 4)


def test_login_when_shown_then_nothing_of_it_is() -> None:
    assert repr(Login("user", "password")) == "Login()"


@settings(max_examples=300, deadline=None)
@given(step=st.integers(0, len(ANSWERS) - 1), said=st.lists(PIECES | st.binary(max_size=8), max_size=20))
def test_conversation_when_one_answer_is_anything_then_nothing_but_our_errors_is_raised(
    step: int, said: list[bytes]
) -> None:
    ending = b"\r\n%%%d OK done\r\n" % (step - 1)
    with contextlib.suppress(StonksError):
        converse([*ANSWERS[:step], b"".join(said) + ending, *ANSWERS[step + 1 :]])
    with contextlib.suppress(StonksError):
        converse([*ANSWERS[:step], b"* " + b"".join(said) + ending, *ANSWERS[step + 1 :]])
